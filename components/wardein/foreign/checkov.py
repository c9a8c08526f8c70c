# SPDX-License-Identifier: Apache-2.0
"""Checkov's JSON: one report, an array of one for each framework, or a bare summary when there was nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wardein.foreign import severities
from wardein.foreign.document import Node
from wardein.foreign.reading import UNTOLD_VERSION, Issue, Reading, Target, Unread
from wardein.foreign.text import one_line
from wardein.report import Tool

_SUMMARY = {"passed", "failed", "skipped", "parsing_errors", "checkov_version"}
_KINDS = ("passed_checks", "failed_checks", "skipped_checks")


def recognises(value: Any) -> bool:
    """Whether it looks like reports of checkov."""
    reports = value if isinstance(value, list) else [value]
    return all(isinstance(report, dict) and _is_report(report) for report in reports)


def _is_report(report: dict[str, Any]) -> bool:
    return report.keys() >= {"check_type", "results", "summary"} or report.keys() >= _SUMMARY


def read(document: Node) -> Reading:
    """Read the reports.

    Raises:
        WardeinError: If they are not of the form, or list less than they count.
    """
    reports = document.items() if isinstance(document.value, list) else [document]
    summaries = [report.maybe("summary") or report for report in reports]
    versions = sorted({summary.text_at("checkov_version") for summary in summaries} - {""})
    examined = sum(s.at(key).count() for s in summaries for key in ("passed", "failed", "skipped"))
    listed = [report for report in reports if report.has("results")]
    files = dict.fromkeys(
        check.text_at("file_abs_path") for r in listed for kind in _KINDS for check in r.at("results").each(kind)
    )
    return Reading(
        tool="checkov",
        tools=tuple(Tool("checkov", one_line(version, 60)) for version in versions or [UNTOLD_VERSION]),
        targets=(Target(paths=tuple(path for path in files if path)),),
        made=(None,),
        issues=tuple(issue for report in listed for issue in _issues(report)),
        unit="checks",
        examined=examined,
        expected=examined,
        unread=tuple(
            entry for report, summary in zip(reports, summaries, strict=True) for entry in _failed(report, summary)
        ),
    )


def _failed(report: Node, summary: Node) -> list[Unread]:
    results = report.maybe("results")
    unlisted = 0 if results else summary.at("failed").count() + summary.at("skipped").count()
    if unlisted:
        raise report.wrong(f"counts {unlisted} checks that failed or were skipped, and lists none")
    why = "checkov could not parse it"
    found = [Unread(why, path=name.text().lstrip("/")) for name in results.each("parsing_errors")] if results else []
    # Some frameworks only count them.
    uncounted = summary.at("parsing_errors").count() - len(found)
    return [*found, Unread(why, what=f"{uncounted} files")] if uncounted > 0 else found


def _issues(report: Node) -> Iterator[Issue]:
    results, summary = report.at("results"), report.at("summary")
    for kind, counted, suppressed in (
        ("failed_checks", "failed", ""),
        ("skipped_checks", "skipped", "skipped"),
    ):
        checks = results.each(kind)
        if len(checks) < summary.at(counted).count():
            raise results.wrong(f"lists {len(checks)} {kind.replace('_', ' ')} of {summary.at(counted).value}")
        for check in checks:
            yield _issue(check, suppressed)


def _issue(check: Node, suppressed: str) -> Issue:
    rule, name = check.at("check_id").text(), check.text_at("check_name")
    lines = [line.count() for line in check.each("file_line_range")]
    resource = check.text_at("resource")
    secret = rule.startswith("CKV_SECRET")
    return Issue(
        rule=f"checkov/{rule}",
        message=name or rule if secret else f"{name or rule} ({resource})",
        severity=severities.by_word(check.text_at("severity")),
        path=check.at("file_path").text().lstrip("/"),
        line=lines[0] if lines else 0,
        last=lines[1] if len(lines) > 1 else 0,
        # The lines are those of the whole resource, of which a file may hold several.
        identity="" if secret else resource,
        cwe="CWE-798" if secret else "",
        secret=secret,
        suppressed=suppressed,
    )
