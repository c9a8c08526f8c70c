# SPDX-License-Identifier: Apache-2.0
"""Modelaudit's JSON report on model files."""

from __future__ import annotations

from typing import Any

from wardein.foreign import severities
from wardein.foreign.document import Node
from wardein.foreign.reading import UNTOLD_VERSION, Issue, Reading, Target, Unread, sha256_of
from wardein.foreign.text import is_about_secrets, one_line
from wardein.report import Tool


def recognises(value: Any) -> bool:
    """Whether it looks like a report of modelaudit."""
    return isinstance(value, dict) and value.keys() >= {"bytes_scanned", "files_scanned", "issues", "checks"}


def read(document: Node) -> Reading:
    """Read a report.

    Raises:
        WardeinError: If it is not of the form.
    """
    files = dict(document.at("file_metadata").members())
    unread = [Unread(why, path=path) for path, file in files.items() if (why := _why_not(file))]
    if document.at("has_errors").flag():
        unread.append(Unread("modelaudit says that it had errors", what="a part of the model"))
    # False as soon as the analysis of one file did not get to its end, whatever file that is.
    if not document.at("success").flag() and not unread:
        unread.append(Unread("modelaudit says that its analysis did not succeed", what="a part of the model"))
    failed, issues = document.count_at("failed_checks"), document.at("issues").items()
    if failed and not issues:
        raise document.wrong(f"counts {failed} checks that failed, but lists no issue")
    known = sum(not _why_not(file) for file in files.values())
    unlisted = max(0, document.at("files_scanned").count() - len(files))
    return Reading(
        tool="modelaudit",
        tools=(Tool("modelaudit", one_line(document.text_at("version") or UNTOLD_VERSION, 60)),),
        targets=(
            Target(
                files={path: digest for path, file in files.items() for digest in _digest(file)}, paths=tuple(files)
            ),
        ),
        made=(document.time_at("start_time"),),
        issues=tuple(_issue(issue) for issue in issues),
        unit="files",
        examined=known,
        expected=known + unlisted,
        unread=tuple(unread),
    )


def _why_not(file: Node) -> str:
    """Why a file counts as not examined; empty if it was."""
    scanners = file.texts_at("scanner_dependency_ids")
    if not [name for name in scanners if name != "unknown"]:
        return "modelaudit has no scanner for it"
    unfinished = file.maybe("analysis_incomplete")
    return "modelaudit did not get to its end" if unfinished and unfinished.flag() else ""


def _digest(file: Node) -> tuple[str, ...]:
    hashes = file.maybe("file_hashes")
    return sha256_of((hashes.text_at("sha256") if hashes else "") or file.text_at("content_hash"))


def _issue(issue: Node) -> Issue:
    message, kind = issue.at("message").text(), issue.text_at("type")
    rule = issue.text_at("rule_code") or kind or "unnamed"
    secret = is_about_secrets(rule, kind, message)
    # The place inside of a pickle stands in brackets behind the path, and members of archives behind a colon.
    path, _, position = issue.text_at("location").partition(" (")
    return Issue(
        rule=f"modelaudit/{rule}",
        message=rule if secret else message,
        severity=severities.by_word(issue.at("severity").text()),
        path=path,
        part=position.rstrip(")") if not secret else "",
        identity="" if secret else message,
        secret=secret,
    )
