# SPDX-License-Identifier: Apache-2.0
"""How far a regressor's numbers are from the true ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardein.performance.study import UNIT, Study
from wardein.report import Metric, Severity

if TYPE_CHECKING:
    from wardein.statistics.outcomes import Numbers


def measure_numbers(study: Study, numbers: Numbers, replicates: int, seed: int) -> None:
    """The errors and the share of the labels' variance that is explained, beside predicting the labels' mean."""
    from wardein.statistics.regression import deviations

    rows = len(numbers.truth)
    found = deviations(numbers.truth, numbers.predicted, replicates, seed)
    study.metrics += [
        Metric("mean_absolute_error", found.absolute, rows, UNIT, "lower", found.absolute_interval),
        Metric("baseline_mean_absolute_error", found.of_mean, rows, UNIT),
        Metric("root_mean_squared_error", found.squared, rows, UNIT, "lower", found.squared_interval),
        Metric("r2", found.explained, rows, direction="higher", ci=found.explained_interval),
    ]
    ends = found.explained_interval
    if ends.low <= 0:
        text = (
            f"R² {found.explained:.4g} [{ends.low:.4g}, {ends.high:.4g}] is not shown to be above 0, "
            "which predicting the labels' mean for every row gives"
        )
        study.find("no-better-than-guessing", Severity.HIGH, text, "r2", fails=True)
