# SPDX-License-Identifier: Apache-2.0
"""SARIF 2.1.0 (OASIS Standard, 2020), in the part that code scanning services read.

Every finding and every criterion that was not met becomes a result; so does an ERROR, because those services show
results only, and a run that could not look must not look clean. What is good news becomes a notification.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from wardein import __version__
from wardein.export.alerts import Alert, alerts_of, digest, is_news
from wardein.export.sarif_rules import Rules, level, message
from wardein.export.text import one_line
from wardein.report import Report, Verdict

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
# GitHub refuses a file with more than 25,000 results in a run, and shows the first 5,000.
MAX_RESULTS = 5000
_LONGEST_PATH = 4096


def render(report: Report) -> str:
    """The SARIF log of one report, whose source folder is taken to be the repository's root."""
    return log([report], source="")


def log(
    reports: Sequence[Report],
    artifact: str = "",
    waived: Mapping[str, str] | None = None,
    source: str | None = None,
) -> str:
    """The SARIF log of several reports, as one run with an invocation for each.

    Args:
        reports: The reports of checks and of the gate.
        artifact: The file that all results are shown at, relative to the repository's root; empty for what each
            report judged, by its name.
        waived: Findings that were waived, by their fingerprint, with the justification.
        source: Where in the repository the source folder is that was judged, empty for its root: findings in it are
            shown at their file and line. None if that is not known.
    """
    found = [alert for report in reports for alert in alerts_of(report, artifact, source)]
    found.sort(key=lambda alert: (not alert.fails, alert.severity.rank))
    kept, rules = found[:MAX_RESULTS], Rules()
    results = _results(kept, rules, waived or {})
    invocations = [_invocation(report) for report in reports]
    if len(found) > len(kept) and invocations:
        text = f"{len(found) - len(kept)} of {len(found)} results are left out here; the evidence holds them all"
        invocations[0]["toolExecutionNotifications"].append(_notification(text, "warning"))
    driver = {"name": "wardein", "semanticVersion": __version__, "rules": rules.to_json()}
    taxonomies = rules.taxonomies()
    if taxonomies:
        driver["supportedTaxonomies"] = [{"name": "CWE", "index": 0}]
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"wardein/{one_line(reports[0].check) if len(reports) == 1 else 'assess'}/"},
        "invocations": invocations,
        "results": results,
        "taxonomies": taxonomies,
        "columnKind": "unicodeCodePoints",
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _results(alerts: Sequence[Alert], rules: Rules, waived: Mapping[str, str]) -> list[dict[str, Any]]:
    """The results; either all of a run say whether they are suppressed or news, or none does (SARIF 3.27.23, 24)."""
    results = [_result(alert, rules) for alert in alerts]
    suppressions = [_suppressions(alert, waived) for alert in alerts]
    compared = bool(alerts) and all(alert.compared for alert in alerts)
    seen: Counter[str] = Counter()
    for alert, result, suppressed in zip(alerts, results, suppressions, strict=True):
        if any(suppressions):
            result["suppressions"] = suppressed
        if compared:
            result["baselineState"] = "unchanged" if alert.suppressed else "new"
        # GitHub looks at the first only, and takes results with the same one for the same alert.
        name = digest(alert.check, alert.fingerprint)
        seen[name] += 1
        hashes = {"primaryLocationLineHash": f"{name}:{seen[name]}", "wardein/v1": alert.fingerprint}
        result["partialFingerprints"] = hashes
    return results


def _result(alert: Alert, rules: Rules) -> dict[str, Any]:
    # GitHub's documentation calls all four numbers required; an empty region stands for its line.
    region = {"startLine": alert.line, "startColumn": 1, "endLine": alert.line, "endColumn": 1}
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": _uri(alert.artifact)}, "region": region}
    }
    if alert.place:
        location["logicalLocations"] = [{"fullyQualifiedName": one_line(alert.place), "kind": "member"}]
    return {
        "ruleId": one_line(alert.rule),
        "ruleIndex": rules.number_of(alert),
        "kind": "fail",
        "level": level(alert),
        "message": {"text": message(alert.message)},
        "locations": [location],
        "taxa": [rules.reference(number) for number in alert.cwes],
        "properties": {"check": one_line(alert.check), "severity": str(alert.severity), "fails": alert.fails},
    }


def _suppressions(alert: Alert, waived: Mapping[str, str]) -> list[dict[str, str]]:
    told = {"kind": "external", "status": "accepted"}
    if alert.fingerprint in waived:
        return [{**told, "justification": one_line(waived[alert.fingerprint])}]
    if alert.suppressed:
        return [{**told, "justification": f"an earlier report had it already ({one_line(alert.suppressed)})"}]
    return []


def _invocation(report: Report) -> dict[str, Any]:
    told = [_notification(f.message, "note") for f in report.findings if is_news(f)][:100]
    told += [_notification(f"not examined: {s.what}: {s.reason}", "error") for s in report.coverage.skipped[:100]]
    if report.verdict is Verdict.ERROR:
        told.insert(0, _notification(report.reason, "error"))
    return {
        "executionSuccessful": report.verdict is not Verdict.ERROR,
        "exitCode": {Verdict.ERROR: 2, Verdict.FAIL: 1}.get(report.verdict, 0),
        "toolExecutionNotifications": told,
        "properties": {"check": one_line(report.check), "verdict": str(report.verdict)},
    }


def _notification(text: str, severity: str) -> dict[str, Any]:
    return {"level": severity, "message": {"text": message(text)}}


def _uri(name: str) -> str:
    """A relative URI reference: no scheme, no host, no way out of the repository."""
    parts = [part for part in one_line(name, _LONGEST_PATH).split("/") if part not in ("", ".", "..")]
    return quote("/".join(parts), safe="/") or "unknown"
