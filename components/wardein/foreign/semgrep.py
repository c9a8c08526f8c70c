# SPDX-License-Identifier: Apache-2.0
"""Semgrep's JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wardein.foreign import severities
from wardein.foreign.document import Node
from wardein.foreign.reading import NO_MARK, UNTOLD_VERSION, Issue, Reading, Target, Unread, cwe_of
from wardein.foreign.text import is_about_secrets, one_line
from wardein.report import Tool

# Why a file is left out that no rule is for. Every other reason, and each that is yet to come, is one not to know.
_HARMLESS = ("wrong_language", "irrelevant_rule", "binary", "always_skipped")


def recognises(value: Any) -> bool:
    """Whether it looks like a report of semgrep."""
    return isinstance(value, dict) and value.keys() >= {"results", "errors", "paths"}


def read(document: Node) -> Reading:
    """Read a report.

    Raises:
        WardeinError: If it is not of the form.
    """
    paths = document.at("paths")
    scanned = list(dict.fromkeys(path.text() for path in paths.at("scanned").items()))
    unread = tuple(_unread(document, paths))
    examined = set(scanned) - {entry.path for entry in unread}
    return Reading(
        tool="semgrep",
        tools=(Tool("semgrep", one_line(document.text_at("version") or UNTOLD_VERSION, 60)),),
        targets=(Target(paths=tuple(scanned)),),
        made=(None,),
        issues=tuple(_issue(result) for result in document.at("results").items()),
        unit="files",
        examined=len(examined),
        expected=len(examined),
        unread=unread,
    )


def _unread(document: Node, paths: Node) -> Iterator[Unread]:
    for error in document.at("errors").items():
        path = error.text_at("path")
        kind = error.maybe("type")
        told = error.text_at("message") or (kind.value if kind and isinstance(kind.value, str) else "an error")
        yield Unread(told.partition("\n")[0], what="" if path else "semgrep", path=path)
    for left in paths.each("skipped"):
        reason = left.text_at("reason")
        if reason not in _HARMLESS:
            yield Unread(f"semgrep left it out: {reason or 'it does not tell why'}", path=left.at("path").text())
    for rule in document.each("skipped_rules"):
        yield Unread("semgrep did not run this rule", what=rule.text_at("rule_id") or "a rule")


def _issue(result: Node) -> Issue:
    extra, rule = result.at("extra"), result.at("check_id").text()
    metadata = extra.maybe("metadata")
    cwes = _texts(metadata.maybe("cwe")) if metadata else []
    secret = is_about_secrets(rule, *cwes)
    fingerprint, lines = extra.text_at("fingerprint"), extra.text_at("lines")
    identity = next((text for text in (fingerprint, lines) if text and text != NO_MARK), "")
    ignored = extra.maybe("is_ignored")
    return Issue(
        rule=f"semgrep/{rule}",
        message=rule if secret else extra.text_at("message") or rule,
        severity=severities.by_word(extra.at("severity").text()),
        path=result.at("path").text(),
        line=result.at("start").at("line").count(),
        last=result.at("end").at("line").count(),
        identity="" if secret else identity,
        cwe=cwe_of(*cwes),
        secret=secret,
        suppressed="ignored" if ignored and ignored.flag() else "",
    )


def _texts(node: Node | None) -> list[str]:
    if node is None:
        return []
    return [node.value] if isinstance(node.value, str) else [item.text() for item in node.items()]
