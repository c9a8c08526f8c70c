# SPDX-License-Identifier: Apache-2.0
"""The document that Rego rules are asked about: everything impure is worked out here. docs/rego.md documents it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from wardein.evidence.claims import Claim
from wardein.release.approvals import Approval
from wardein.release.judgement import Case
from wardein.release.terms import Release, moment
from wardein.release.waivers import Waiver
from wardein.report import Finding, Metric, Report


def document(
    release: Release,
    cases: Sequence[Case],
    waivers: Sequence[Waiver],
    approvals: Sequence[Approval],
    claims: Sequence[Claim],
) -> dict[str, Any]:
    """The release as plain JSON values; ages are in hours or days, and there is no other clock."""
    now = release.now
    signers = {id(claim.report): claim.signer for claim in claims if claim.report is not None}
    return {
        "version": 1,
        "environment": release.trust.environment,
        "tier": release.policy.tier,
        "policy": {"name": release.policy.name, "digest": release.policy.digest},
        "subject": dict(release.shown),
        "checks": [_check(case, signers[id(case.report)], now) for case in cases],
        "waivers": [
            {
                "rule": waiver.rule,
                "owner": waiver.owner,
                "approver": waiver.approver,
                "expires_in_hours": _hours(waiver.expires, now) * -1,
                "justification": waiver.justification,
            }
            for waiver in waivers
        ],
        "approvals": [
            {"identity": a.identity, "age_hours": _hours(a.made, now), "break_glass": a.break_glass} for a in approvals
        ],
    }


def _check(case: Case, signer: Any, now: datetime) -> dict[str, Any]:
    report, waived = case.report, set(case.waived)
    return {
        "check": report.check,
        "verdict": str(report.verdict),
        "signer": {"name": signer.name, "identity": signer.identity},
        "age_hours": _hours(moment(report.execution.get("finished")) or now, now),
        "database_age_days": _database_age(report, now),
        "coverage": {
            "unit": report.coverage.unit,
            "expected": report.coverage.expected,
            "examined": report.coverage.examined,
        },
        "parameters": dict(report.parameters),
        "metrics": [_metric(metric) for metric in report.metrics],
        "findings": [_finding(finding, waived=finding in waived) for finding in report.findings],
        "tools": [{"name": tool.name, "version": tool.version} for tool in report.tools],
    }


def _metric(metric: Metric) -> dict[str, Any]:
    return {
        "name": metric.name,
        "slice": metric.slice,
        "value": metric.value,
        "n": metric.n,
        "unit": metric.unit,
        "ci_low": metric.ci.low if metric.ci else None,
        "ci_high": metric.ci.high if metric.ci else None,
    }


def _finding(finding: Finding, *, waived: bool) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": str(finding.severity),
        "message": finding.message,
        "location": finding.location,
        "fingerprint": finding.fingerprint,
        "cve": finding.cve,
        "cwe": finding.cwe,
        "waived": waived,
    }


def _database_age(report: Report, now: datetime) -> float | None:
    dated = [moment(tool.db_updated) for tool in report.tools if tool.db_updated]
    ages = [_hours(date, now) / 24 for date in dated if date is not None]
    return max(ages) if ages else None


def _hours(then: datetime, now: datetime) -> float:
    return round((now - then).total_seconds() / 3600, 3)
