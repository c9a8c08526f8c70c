# SPDX-License-Identifier: Apache-2.0
"""SARIF 2.1.0 (OASIS Standard, 2020), in the part that code scanning services read.

Every finding and every criterion that was not met becomes a result; so does an ERROR, because those services show
results only, and a run that could not look must not look clean. What is good news becomes a notification.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from wardein import __version__
from wardein.export.text import one_line
from wardein.report import Criterion, Finding, Report, Severity, Verdict

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
# GitHub refuses a file with more than 25,000 results in a run, and shows the first 5,000.
MAX_RESULTS = 5000
# The scale of CVSS, in the middle of each of its qualitative ratings.
SCORES = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.0",
    Severity.INFO: "0.1",
}


@dataclass(frozen=True)
class _Result:
    """One thing to show, before it is given the form of SARIF."""

    rule: str
    severity: Severity
    fails: bool
    message: str
    artifact: str
    place: str
    fingerprint: str
    check: str
    tags: tuple[str, ...] = ()


@dataclass
class _Rules:
    """The rules of a run in the order in which they are met, each with the worst severity of its results."""

    index: dict[str, int] = field(default_factory=dict)
    worst: dict[str, _Result] = field(default_factory=dict)

    def number_of(self, result: _Result) -> int:
        known = self.worst.get(result.rule)
        if known is None or (not result.fails, result.severity.rank) < (not known.fails, known.severity.rank):
            self.worst[result.rule] = result
        return self.index.setdefault(result.rule, len(self.index))

    def to_json(self) -> list[dict[str, Any]]:
        return [_rule(self.worst[rule]) for rule in self.index]


def render(report: Report) -> str:
    """The SARIF log of one report."""
    return log([report])


def log(reports: Sequence[Report], artifact: str = "", waived: Mapping[str, str] | None = None) -> str:
    """The SARIF log of several reports, as one run with an invocation for each.

    Args:
        reports: The reports of checks and of the gate.
        artifact: The file that all results are shown at, relative to the repository's root; empty for what each
            report judged, by its name.
        waived: Findings that were waived, by their fingerprint, with the justification.
    """
    found = sorted((r for report in reports for r in _results(report, artifact)), key=lambda r: not r.fails)
    kept, rules = found[:MAX_RESULTS], _Rules()
    results = [_result(item, rules.number_of(item), waived or {}) for item in kept]
    invocations = [_invocation(report) for report in reports]
    if len(found) > len(kept) and invocations:
        text = f"{len(found) - len(kept)} of {len(found)} results are left out here; the evidence holds them all"
        invocations[0]["toolExecutionNotifications"].append(_notification(text, "warning"))
    driver = {"name": "wardein", "semanticVersion": __version__, "rules": rules.to_json()}
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"wardein/{one_line(reports[0].check) if len(reports) == 1 else 'assess'}/"},
        "invocations": invocations,
        "results": results,
        "columnKind": "unicodeCodePoints",
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _results(report: Report, artifact: str) -> Iterator[_Result]:
    shown = artifact or (report.subject[0].name if report.subject else report.check) or "unknown"
    for finding in report.findings:
        if not _is_news(finding):
            yield _of_finding(finding, report, shown)
    for criterion in report.criteria:
        if not criterion.met:
            yield _of_criterion(criterion, report, shown)
    if report.verdict is Verdict.ERROR:
        text = f"Not examined, so nothing can be said of it: {report.reason}"
        yield _of_verdict("not-examined", text, report, shown)
    elif report.verdict is Verdict.FAIL and not _shows_why(report):
        yield _of_verdict("failed", report.reason, report, shown)


def _shows_why(report: Report) -> bool:
    return any(f.fails for f in report.findings) or not all(c.met for c in report.criteria)


def _is_news(finding: Finding) -> bool:
    """Whether a finding only tells what was done, which no service should raise an alarm for."""
    return finding.severity is Severity.INFO and not finding.fails


def _of_finding(finding: Finding, report: Report, shown: str) -> _Result:
    cwe = finding.cwe.upper().removeprefix("CWE-")
    tags = [f"external/cwe/cwe-{int(cwe):03}"] if cwe.isascii() and cwe.isdigit() and len(cwe) < 6 else []
    tags += [tag for tag in (finding.cve, *finding.taxonomy) if tag]
    text = finding.message if finding.fails else f"{finding.message} (does not fail the check by itself)"
    return _Result(
        finding.rule,
        finding.severity,
        finding.fails,
        text,
        shown,
        finding.location,
        _digest(finding.rule, finding.location),
        report.check,
        tuple(tags),
    )


def _of_criterion(criterion: Criterion, report: Report, shown: str) -> _Result:
    text = f"Not met: {criterion.label}: {criterion.note} (asked by the {criterion.source})"
    rule = f"{report.check}/{criterion.metric}"
    # Without threshold and value: the same shortfall in two runs is one alert.
    identity = [rule, criterion.slice, criterion.comparator, criterion.bound, criterion.source]
    return _Result(rule, Severity.HIGH, True, text, shown, criterion.slice, _digest(*identity), report.check)


def _of_verdict(kind: str, text: str, report: Report, shown: str) -> _Result:
    rule = f"{report.check}/{kind}"
    return _Result(rule, Severity.HIGH, True, text, shown, "", _digest(rule), report.check)


def _digest(*parts: str) -> str:
    """As :attr:`Finding.fingerprint`, but of any text, also of what no file could hold."""
    return hashlib.sha256("\n".join(parts).encode("utf-8", "backslashreplace")).hexdigest()


def _result(item: _Result, rule_index: int, waived: Mapping[str, str]) -> dict[str, Any]:
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": _uri(item.artifact)}, "region": {"startLine": 1}}
    }
    if item.place:
        location["logicalLocations"] = [{"fullyQualifiedName": one_line(item.place), "kind": "member"}]
    where = f"{one_line(item.place, 200)}: " if item.place else ""
    result: dict[str, Any] = {
        "ruleId": one_line(item.rule),
        "ruleIndex": rule_index,
        "kind": "fail",
        "level": _level(item),
        "message": {"text": _message(f"{where}{item.message}")},
        "locations": [location],
        # GitHub looks at the first only, and takes results with the same one for the same alert.
        "partialFingerprints": {
            "primaryLocationLineHash": f"{_digest(item.check, item.fingerprint)}:1",
            "wardein/v1": item.fingerprint,
        },
        "properties": {"check": one_line(item.check), "severity": str(item.severity), "fails": item.fails},
    }
    if item.fingerprint in waived:
        justification = one_line(waived[item.fingerprint])
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": justification}]
    return result


def _rule(worst: _Result) -> dict[str, Any]:
    tags = dict.fromkeys(["security", one_line(worst.check), *(one_line(tag, 100) for tag in worst.tags)])
    return {
        "id": one_line(worst.rule),
        "shortDescription": {"text": _message(f"{worst.rule} ({worst.check})")},
        "fullDescription": {"text": _message(worst.message)},
        "help": {"text": _message(f"wardein {worst.check.replace('_', '-')} --help tells what this check looks at.")},
        "defaultConfiguration": {"level": _level(worst)},
        "properties": {"security-severity": SCORES[worst.severity], "tags": [tag for tag in tags if tag][:10]},
    }


def _level(item: _Result) -> str:
    """``error`` is what makes a verdict FAIL, whatever its severity."""
    if item.fails:
        return "error"
    return "warning" if item.severity.rank <= Severity.MEDIUM.rank else "note"


def _invocation(report: Report) -> dict[str, Any]:
    told = [_notification(f.message, "note") for f in report.findings if _is_news(f)][:100]
    told += [_notification(f"not examined: {s.what}: {s.reason}", "error") for s in report.coverage.skipped[:100]]
    if report.verdict is Verdict.ERROR:
        told.insert(0, _notification(report.reason, "error"))
    return {
        "executionSuccessful": report.verdict is not Verdict.ERROR,
        "exitCode": {Verdict.ERROR: 2, Verdict.FAIL: 1}.get(report.verdict, 0),
        "toolExecutionNotifications": told,
        "properties": {"check": one_line(report.check), "verdict": str(report.verdict)},
    }


def _notification(text: str, level: str) -> dict[str, Any]:
    return {"level": level, "message": {"text": _message(text)}}


def _message(text: str) -> str:
    """A plain text message; ``[text](target)``, which viewers make a link of, is taken apart."""
    return one_line(text).replace("](", "] (") or "(no message)"


def _uri(name: str) -> str:
    """A relative URI reference: no scheme, no host, no way out of the repository."""
    parts = [part for part in one_line(name).split("/") if part not in ("", ".", "..")]
    return quote("/".join(parts), safe="/") or "unknown"
