# SPDX-License-Identifier: Apache-2.0
"""How far numbers that a model predicts are from the true ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.report import Interval
from wardein.statistics.intervals import percentile
from wardein.statistics.resampling import resampled

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Deviations:
    """Mean absolute error, root mean squared error, and the share of the labels' variance that is explained.

    Attributes:
        explained: R², 1 for exact predictions, 0 for the labels' mean, below 0 for what is worse.
        of_mean: The mean absolute error of predicting the labels' mean for every row.
    """

    absolute: float
    absolute_interval: Interval
    squared: float
    squared_interval: Interval
    explained: float
    explained_interval: Interval
    of_mean: float


def deviations(truth: np.ndarray, predicted: np.ndarray, replicates: int, seed: int) -> Deviations:
    """Measure them, with 95 % bootstrap intervals.

    Args:
        truth: The labels, which are not all the same.
        predicted: What the model predicts.
        replicates: How often rows are drawn anew.
        seed: Seeds what is drawn.
    """
    import numpy as np

    # The order of the rows must not matter to the replicates.
    order = np.lexsort((predicted, truth))
    centred, error = truth[order] - truth.mean(), (predicted - truth)[order]
    columns = [np.abs(error), error**2, centred, centred**2]
    drawn, whole = resampled(columns, replicates, seed), [float(column.mean()) for column in columns]
    spread = drawn[:, 3] - drawn[:, 2] ** 2
    # A replicate of equal labels says nothing of their variance.
    able = spread > 1e-12 * whole[3]
    explained = 1 - drawn[able, 1] / spread[able]
    return Deviations(
        float(whole[0]),
        percentile(drawn[:, 0]),
        float(np.sqrt(whole[1])),
        percentile(np.sqrt(drawn[:, 1])),
        float(1 - whole[1] / whole[3]),
        percentile(explained),
        float(np.abs(centred).mean()),
    )
