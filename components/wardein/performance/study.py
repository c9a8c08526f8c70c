# SPDX-License-Identifier: Apache-2.0
"""What is measured of a model's performance: metrics, findings, and what could not be looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wardein.report import Finding, Metric, Severity, Skipped
from wardein.statistics import intervals

if TYPE_CHECKING:
    import numpy as np

# What is shown of a list of examples.
SHOWN = 10
# Errors of numbers are in the unit of the label, whatever that is.
UNIT = "label"


@dataclass
class Study:
    """What is gathered, one part after the other."""

    metrics: list[Metric] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def find(self, rule: str, severity: Severity, text: str, where: str, *, fails: bool = False) -> None:
        """Note what a reader has to know."""
        self.findings.append(Finding(f"performance/{rule}", severity, text, where, fails=fails))

    def metric(self, name: str, part: str = "") -> Metric | None:
        """What was measured under this name."""
        return next((metric for metric in self.metrics if (metric.name, metric.slice) == (name, part)), None)


def share(name: str, hits: int, n: int, part: str = "") -> Metric:
    """A share of rows that is better when it is larger, with its Wilson interval."""
    return Metric(name, hits / n, n, direction="higher", ci=intervals.wilson(hits, n), slice=part)


def mean(name: str, values: np.ndarray, part: str, unit: str) -> Metric:
    """A mean that is better when it is smaller, with its interval by Student's t, which takes two rows."""
    interval = intervals.student(values) if len(values) > 1 else None
    return Metric(name, float(values.mean()), len(values), unit, "lower", interval, part)
