# SPDX-License-Identifier: Apache-2.0
"""A model's card in CycloneDX, filled in from what checks said of exactly this model.

The format's own fields are used where it has them; a value is written as the evidence has it, and what no evidence
tells is left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wardein.errors import WardeinError
from wardein.report import Criterion, Metric, Report
from wardein.subject import Subject

# Evaluations are about the model's quality; what else there is about the same model is told by its verdict.
_QUALITY = ("evaluate_", "compare_")


@dataclass(frozen=True)
class ModelClaims:
    """What evidence says of one model.

    Attributes:
        reports: The reports about it, each with the sha256 of its statement.
        left_out: How many statements are about something else, or cannot be read.
    """

    reports: tuple[tuple[Report, str], ...] = ()
    left_out: int = 0


def claims_of(evidence: Path, digest: str) -> ModelClaims:
    """The reports of an evidence file that are about the model of this digest. Signatures are not looked at.

    Raises:
        WardeinError: If the file is none of evidence.
    """
    from wardein import wire
    from wardein.evidence.envelope import read_claims
    from wardein.evidence.statement import read
    from wardein.report import CHECK_RESULT

    reports, left_out = [], 0
    for item in read_claims(evidence):
        try:
            if isinstance(item, WardeinError):
                raise item
            statement = read(item.payload)
            if statement.predicate_type != CHECK_RESULT or not _is_about(statement.subject, digest):
                left_out += 1
                continue
            report = wire.from_json(statement.predicate, statement.subject)
        except WardeinError:
            left_out += 1
            continue
        reports.append((report, hashlib.sha256(item.payload).hexdigest()))
    return ModelClaims(tuple(sorted(reports, key=lambda pair: (pair[0].check, pair[1]))), left_out)


def _is_about(subject: Sequence[Subject], digest: str) -> bool:
    return [item.digest for item in subject] == [digest]


def card_of(claims: ModelClaims, data: Sequence[str]) -> dict[str, Any]:
    """The card: the datasets by their references, metrics, limitations, fairness, and each check's verdict."""
    reports = [report for report, _ in claims.reports]
    card: dict[str, Any] = {}
    if data:
        card["modelParameters"] = {"datasets": [{"ref": reference} for reference in data]}
    metrics = [_metric(m) for report in reports if report.check.startswith(_QUALITY) for m in report.metrics]
    if metrics:
        card["quantitativeAnalysis"] = {"performanceMetrics": metrics}
    considerations = {
        "technicalLimitations": [line for report in reports for line in _limitations(report)],
        "ethicalConsiderations": [risk for report in reports for risk in _risks(report)],
        "fairnessAssessments": [found for report in reports for found in _fairness(report)],
    }
    if any(considerations.values()):
        card["considerations"] = {name: value for name, value in considerations.items() if value}
    told = [named(f"wardein:{report.check}:verdict", report.verdict) for report in reports]
    told += [named(f"wardein:{report.check}:statement", f"sha256:{statement}") for report, statement in claims.reports]
    if told:
        card["properties"] = [*told, named("wardein:signatures", "not looked at")]
    return card


def _metric(metric: Metric) -> dict[str, Any]:
    found: dict[str, Any] = {"type": metric.name, "value": _number(metric.value)}
    if metric.slice:
        found["slice"] = metric.slice
    if metric.ci is not None:
        found["confidenceInterval"] = {"lowerBound": _number(metric.ci.low), "upperBound": _number(metric.ci.high)}
    return found


def _limitations(report: Report) -> list[str]:
    """What did not pass: the reason of the verdict, and every threshold that was not met."""
    if report.passed:
        return []
    return [
        f"{report.check}: {report.verdict}: {report.reason}",
        *(f"{report.check}: {_said(c)}" for c in _failed(report)),
    ]


def _risks(report: Report) -> list[dict[str, str]]:
    if report.check != "evaluate_fairness":
        return []
    return [{"name": f"Unequal treatment: {_said(criterion)}"} for criterion in _failed(report)]


def _fairness(report: Report) -> list[dict[str, str]]:
    """One assessment for each attribute that groups were told apart by."""
    if report.check != "evaluate_fairness":
        return []
    parts = sorted({criterion.slice for criterion in report.criteria if criterion.slice})
    return [
        {
            "groupAtRisk": part.removeprefix("attribute="),
            "harms": "; ".join(_said(criterion) for criterion in report.criteria if criterion.slice == part),
        }
        for part in parts
    ]


def _failed(report: Report) -> list[Criterion]:
    return [criterion for criterion in report.criteria if not criterion.met]


def _said(criterion: Criterion) -> str:
    return f"{criterion.label}: " + ("met" if criterion.met else f"not met ({criterion.note})")


def _number(value: float) -> str:
    return f"{value:.6g}"


def named(name: str, value: str) -> dict[str, str]:
    """One of CycloneDX' properties."""
    return {"name": name, "value": str(value)}
