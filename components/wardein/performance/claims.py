# SPDX-License-Identifier: Apache-2.0
"""How many rows it takes to show what the thresholds claim."""

from __future__ import annotations

from collections.abc import Iterable

from wardein.performance.study import Study
from wardein.report import Criterion, Metric, Severity
from wardein.statistics.power import POWER, examples_by_interval, examples_needed

# Proportions of independent rows, whose power is known exactly; all others are judged by how their interval shrinks.
_SHARES = ("accuracy", "recall", "precision")


def count_rows_needed(study: Study, criteria: Iterable[Criterion], rows: int, margin: float) -> None:
    """For each claim, the rows that show it if the truth is what was observed, and if it is the threshold and a margin.

    Args:
        study: Where it is noted.
        criteria: The thresholds.
        rows: How many rows there are.
        margin: How far beyond the threshold the truth is supposed to be.
    """
    for criterion in criteria:
        metric = study.metric(criterion.metric, criterion.slice)
        if metric is None or metric.ci is None or metric.name not in (*_SHARES, "balanced_accuracy", "roc_auc", "r2"):
            continue
        claim = f"claim={metric.name}" + (f", {metric.slice}" if metric.slice else "")
        aimed = min(criterion.threshold + margin, (1 + criterion.threshold) / 2)
        needed = {
            truth: _needed(metric, criterion.threshold, value, rows)
            for truth, value in (("observed", metric.value), ("margin", aimed))
        }
        study.metrics += [
            Metric("rows_needed", float(count), rows, "rows", slice=f"{claim}, truth={truth}")
            for truth, count in needed.items()
            if count is not None
        ]
        spans = metric.ci.low < criterion.threshold <= metric.ci.high
        truth = "observed" if metric.value > criterion.threshold else "margin"
        count = needed[truth]
        if spans and (count is None or count > rows):
            value = metric.value if truth == "observed" else aimed
            _too_few(study, criterion, value, count, rows)


def _needed(metric: Metric, threshold: float, truth: float, rows: int) -> int | None:
    if metric.name in _SHARES:
        if not 0 < threshold < 1:
            return None
        count = examples_needed(threshold, truth)
        # Of a class, only some of the rows count.
        return None if count is None else -(-count * rows // metric.n)
    half = metric.value - metric.ci.low if metric.ci else 0.0
    return examples_by_interval(rows, half, truth - threshold)


def _too_few(study: Study, criterion: Criterion, truth: float, count: int | None, rows: int) -> None:
    name = f"{criterion.metric}[{criterion.slice}]" if criterion.slice else criterion.metric
    needs = f"about {_rounded(count):,} rows" if count else "more rows than anybody collects"
    text = (
        f"{name} >= {criterion.threshold:g} needs {needs} to be shown, with a probability of {POWER:g}, "
        f"when the truth is {truth:.3g}; there are {rows:,}"
    )
    study.find("too-few-rows", Severity.LOW, text, name)


def _rounded(count: int) -> int:
    """To two digits, upwards: a number of rows to plan with."""
    step = int(10 ** max(0, len(str(count)) - 2))
    return -(-count // step) * step
