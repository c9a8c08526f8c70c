# SPDX-License-Identifier: Apache-2.0
"""JUnit XML, as Jenkins, GitLab and others read it: a suite per report, a case per verdict, criterion and rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from xml.etree import ElementTree  # noqa: S405 - it writes here, and parses nothing

from wardein.export.text import one_line, seconds_of
from wardein.report import Finding, Report, Verdict

MAX_LINES = 50


@dataclass(frozen=True)
class _Case:
    """A test case: passed unless ``outcome`` names what became of it (``failure``, ``error`` or ``skipped``)."""

    name: str
    outcome: str = ""
    message: str = ""
    details: str = ""


def render(reports: Sequence[Report]) -> str:
    """The reports as one JUnit document."""
    root = ElementTree.Element("testsuites", name="wardein")
    for report in reports:
        cases = list(_cases(report))
        suite = ElementTree.SubElement(root, "testsuite", _counts(cases) | {"name": one_line(report.check)})
        suite.set("time", f"{seconds_of(report):.3f}")
        for number, case in enumerate(cases):
            attributes = {"classname": f"wardein.{one_line(report.check)}", "name": one_line(case.name)}
            # The whole time of the check stands at its verdict, so that sums are right.
            attributes["time"] = f"{seconds_of(report) if number == 0 else 0:.3f}"
            element = ElementTree.SubElement(suite, "testcase", attributes)
            if case.outcome:
                outcome = ElementTree.SubElement(element, case.outcome, message=one_line(case.message))
                outcome.set("type", str(report.verdict))
                outcome.text = case.details
            elif case.details:
                ElementTree.SubElement(element, "system-out").text = case.details
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _counts(cases: Sequence[_Case]) -> dict[str, str]:
    outcomes = [case.outcome for case in cases]
    counted = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    return {"tests": str(len(cases))} | {name: str(outcomes.count(kind)) for name, kind in counted.items()}


def _cases(report: Report) -> Iterator[_Case]:
    outcome = {Verdict.FAIL: "failure", Verdict.ERROR: "error", Verdict.NOT_APPLICABLE: "skipped"}
    examined = f"{report.coverage.examined} of {report.coverage.expected} {report.coverage.unit} examined"
    skipped = [f"not examined: {s.what}: {s.reason}" for s in report.coverage.skipped]
    yield _Case("verdict", outcome.get(report.verdict, ""), report.reason, _lines([examined, *skipped]))
    for criterion in report.criteria:
        note = f"{criterion.label}: {criterion.note} (asked by the {criterion.source})"
        yield _Case(f"criterion {criterion.label}", "" if criterion.met else "failure", note, _lines([note]))
    by_rule = sorted(report.findings, key=lambda finding: finding.rule)
    for rule, group in groupby(by_rule, key=lambda finding: finding.rule):
        yield _of_rule(rule, sorted(group, key=lambda f: (not f.fails, f.severity.rank, f.location)))


def _of_rule(rule: str, findings: Sequence[Finding]) -> _Case:
    first = findings[0]
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    details = _lines([_line(finding) for finding in findings])
    outcome = "failure" if first.fails else ""
    return _Case(f"rule {rule}", outcome, f"{first.severity}: {first.message}{more}", details)


def _line(finding: Finding) -> str:
    known = f" (known: {finding.suppressed})" if finding.suppressed else ""
    return f"{finding.severity}: {finding.place + ': ' if finding.place else ''}{finding.message}{known}"


def _lines(lines: Sequence[str]) -> str:
    shown = [one_line(line) for line in lines[:MAX_LINES]]
    return "\n".join(shown + ([f"… and {len(lines) - MAX_LINES} more"] if len(lines) > MAX_LINES else []))
