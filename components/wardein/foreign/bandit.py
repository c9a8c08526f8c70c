# SPDX-License-Identifier: Apache-2.0
"""Bandit's JSON."""

from __future__ import annotations

from typing import Any

from wardein.foreign import severities
from wardein.foreign.document import Node
from wardein.foreign.reading import UNTOLD_VERSION, Issue, Reading, Target, Unread, cwe_of
from wardein.foreign.text import is_about_secrets
from wardein.report import Tool

_TOTALS = "_totals"


def recognises(value: Any) -> bool:
    """Whether it looks like a report of bandit."""
    return isinstance(value, dict) and value.keys() >= {"errors", "generated_at", "metrics", "results"}


def read(document: Node) -> Reading:
    """Read a report.

    Raises:
        WardeinError: If it is not of the form.
    """
    files = {path: counts for path, counts in document.at("metrics").members() if path != _TOTALS}
    failed = {error.at("filename").text(): error.text_at("reason") for error in document.at("errors").items()}
    unread = [Unread(reason, path=path) for path, reason in failed.items()]
    switched_off = {path: c.count_at("nosec") + c.count_at("skipped_tests") for path, c in files.items()}
    unread += [
        Unread(f"{n} of its lines are switched off by # nosec; run bandit with --ignore-nosec", path=path)
        for path, n in switched_off.items()
        if n
    ]
    totals, results = document.at("metrics").maybe(_TOTALS), document.at("results").items()
    counted = sum(n.count() for key, n in totals.members() if key.startswith("SEVERITY.")) if totals else 0
    if counted > len(results):
        why = "bandit was told to leave them out; run it without --baseline and without a level"
        unread.append(Unread(why, what=f"{counted - len(results)} of {counted} findings"))
    examined = [path for path in files if path not in failed and not switched_off[path]]
    return Reading(
        tool="bandit",
        tools=(Tool("bandit", UNTOLD_VERSION),),
        targets=(Target(paths=tuple(files)),),
        made=(document.time_at("generated_at"),),
        issues=tuple(_issue(result) for result in results),
        unit="files",
        examined=len(examined),
        expected=len(examined),
        unread=tuple(unread),
    )


def _issue(result: Node) -> Issue:
    rule, weakness = result.at("test_id").text(), result.maybe("issue_cwe")
    number = weakness.maybe("id") if weakness else None
    cwe = cwe_of(number.count()) if number else ""
    secret = is_about_secrets(rule, cwe)
    lines = [line.count() for line in result.each("line_range")]
    # Bandit quotes the password in its message, and in the code.
    title = result.text_at("test_name").replace("_", " ")
    return Issue(
        rule=f"bandit/{rule}",
        message=title if secret else result.at("issue_text").text(),
        severity=severities.by_word(result.at("issue_severity").text()),
        path=result.at("filename").text(),
        line=result.at("line_number").count(),
        last=max(lines, default=0),
        identity="" if secret else _line(result),
        cwe=cwe,
        secret=secret,
    )


def _line(result: Node) -> str:
    """The line itself: the code stands there with its neighbours, each behind its number."""
    number = f"{result.at('line_number').count()} "
    return next(
        (line for line in result.text_at("code").splitlines() if line.lstrip().startswith(number)), ""
    ).lstrip()[len(number) :]
