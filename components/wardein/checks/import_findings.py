# SPDX-License-Identifier: Apache-2.0
"""The check ``import_findings``."""

from __future__ import annotations

from typing import Literal

from wardein.artifacts import Baseline, Digest, ForeignReport
from wardein.errors import WardeinError
from wardein.report import Report


def import_findings(
    subject: Digest,
    report: ForeignReport,
    target: str = "",
    format: Literal["auto", "sarif"] = "auto",
    fail_severity: Literal["critical", "high", "medium", "low"] = "high",
    max_age_hours: float = 24.0,
    baseline: Baseline | None = None,
) -> Report:
    """Take over what another tool found, bound to what it looked at.

    Args:
        subject: What the report is about, as the gate will be shown it: KIND:sha256:HEX, where KIND is model, source,
            image or data.
        report: The tool's report.
        target: What the report calls the thing that it is about, where it names no digest.
        format: Which format the report has; auto to recognise it.
        fail_severity: The least severe finding that makes the check fail.
        max_age_hours: How old the report may be.
        baseline: Earlier evidence of this check: what it found already stays listed and does not fail.

    Returns:
        Findings.

    Raises:
        WardeinError: If the report cannot be read.
    """
    raise WardeinError("is not built yet")
