# SPDX-License-Identifier: Apache-2.0
"""What of a report is shown as an alert: findings, criteria that were not met, and that something was not examined."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from wardein.export.text import one_line
from wardein.report import BASELINE, Criterion, Finding, Report, Severity, Verdict

# Subjects that are no folder of a repository: a path inside them is a path that a code host does not know.
_ELSEWHERE = ("image", "model", "data")


@dataclass(frozen=True)
class Alert:
    """One thing to show, before it is given the form of a format.

    Attributes:
        artifact: The path that it is shown at.
        line: The line there, counted from 1.
        place: Where in the artifact, in words, if the line does not say it.
        fingerprint: The finding's, or that of the criterion.
        cwes: The numbers of its weaknesses.
        tags: Further names that it is known under, for example a CVE or other tools' rules.
        suppressed: Why it does not count, as :attr:`wardein.report.Finding.suppressed`.
        compared: Whether it is known that an earlier report had it, or had it not.
    """

    rule: str
    severity: Severity
    fails: bool
    message: str
    check: str
    fingerprint: str
    artifact: str
    line: int = 1
    place: str = ""
    cwes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    suppressed: str = ""
    compared: bool = False


def alerts_of(report: Report, artifact: str = "", source: str | None = None) -> Iterator[Alert]:
    """The alerts of a report.

    Args:
        report: The report.
        artifact: The file that they are shown at; empty for what the report judged, by its name.
        source: The path of the source folder in the repository, empty for its root: findings in source files are shown
            there. None if it is not known.
    """
    shown = artifact or (report.subject[0].name if report.subject else report.check) or "unknown"
    for finding in report.findings:
        if not is_news(finding):
            yield _of_finding(finding, report, shown, source)
    for criterion in report.criteria:
        if not criterion.met:
            yield _of_criterion(criterion, report, shown)
    if report.verdict is Verdict.ERROR:
        text = f"Not examined, so nothing can be said of it: {report.reason}"
        yield _of_verdict("not-examined", text, report, shown)
    elif report.verdict is Verdict.FAIL and not _shows_why(report):
        yield _of_verdict("failed", report.reason, report, shown)


def is_news(finding: Finding) -> bool:
    """Whether a finding only tells what was done, which no service should raise an alarm for."""
    return finding.severity is Severity.INFO and not finding.fails


def has_baseline(report: Report) -> bool:
    """Whether findings were compared with those of an earlier report."""
    return any(item.name == BASELINE for item in report.inputs)


def weaknesses(finding: Finding) -> tuple[str, ...]:
    """The numbers of the CWE entries that a finding names; what is not one is left out."""
    named = (finding.cwe, *finding.taxonomy)
    matches = [re.fullmatch(r"(?:CWE-)?0*([1-9][0-9]{0,4})", text.upper(), re.ASCII) for text in named]
    return tuple(dict.fromkeys(match[1] for match in matches if match))


def digest(*parts: str) -> str:
    """As :attr:`wardein.report.Finding.fingerprint`, but of any text, also of what no file could hold."""
    return hashlib.sha256("\n".join(parts).encode("utf-8", "backslashreplace")).hexdigest()


def _of_finding(finding: Finding, report: Report, shown: str, source: str | None) -> Alert:
    in_file = source is not None and _is_in_source(finding, report)
    # The lines of a notebook's cell are no lines of the file, which is JSON.
    counts = in_file and not finding.part
    place = "" if counts else replace(finding, location="").place if in_file else finding.place
    numbers = weaknesses(finding)
    others = [text for text in finding.taxonomy if text and not re.fullmatch(r"(?i)CWE-[0-9]+", text)]
    return Alert(
        finding.rule,
        finding.severity,
        finding.fails,
        _at(place, finding.message + _aside(finding)),
        report.check,
        digest(*([finding.rule, finding.location] + ([finding.identity] if finding.identity else []))),
        f"{source}/{finding.location}" if in_file else shown,
        finding.line if counts and finding.line > 0 else 1,
        place,
        numbers,
        tuple(text for text in (finding.cve, *others) if text),
        finding.suppressed,
        has_baseline(report),
    )


def _at(place: str, text: str) -> str:
    return f"{one_line(place, 200)}: {text}" if place else text


def _aside(finding: Finding) -> str:
    if finding.suppressed:
        return f" (known: {finding.suppressed})"
    return "" if finding.fails else " (does not fail the check by itself)"


def _is_in_source(finding: Finding, report: Report) -> bool:
    """Whether the location is a path in a source folder."""
    names = {subject.name for subject in report.subject}
    return bool(finding.location) and ("source" in names or (finding.line > 0 and not names & set(_ELSEWHERE)))


def _of_criterion(criterion: Criterion, report: Report, shown: str) -> Alert:
    text = f"Not met: {criterion.label}: {criterion.note} (asked by the {criterion.source})"
    rule = f"{report.check}/{criterion.metric}"
    # Without threshold and value: the same shortfall in two runs is one alert.
    named = digest(rule, criterion.slice, criterion.comparator, criterion.bound, criterion.source)
    return _whole(rule, text, report, named, shown, criterion.slice)


def _of_verdict(kind: str, text: str, report: Report, shown: str) -> Alert:
    rule = f"{report.check}/{kind}"
    return _whole(rule, text, report, digest(rule), shown, "")


def _whole(rule: str, text: str, report: Report, named: str, shown: str, place: str) -> Alert:
    """An alert on the check as a whole."""
    compared = has_baseline(report)
    return Alert(
        rule, Severity.HIGH, True, _at(place, text), report.check, named, shown, place=place, compared=compared
    )


def _shows_why(report: Report) -> bool:
    return any(f.fails for f in report.findings) or not all(c.met for c in report.criteria)
