# SPDX-License-Identifier: Apache-2.0
"""How far numbers that a model predicts are from the true ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.report import Interval
from wardein.statistics.intervals import LEVEL, TAIL
from wardein.statistics.resampling import resampled

if TYPE_CHECKING:
    import numpy as np

# Of fewer rows no interval says how far numbers are off.
LEAST = 10


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
    """Measure them, with 95 % bootstrap intervals, each replicate in its own standard errors (Efron, Tibshirani 1993).

    Errors are skewed: intervals by the replicates' percentiles alone said of small tests, two to four times as often
    as they may, that a model errs less than it does.

    Args:
        truth: The labels, which are not all the same.
        predicted: What the model predicts; :data:`LEAST` rows or more.
        replicates: How often rows are drawn anew.
        seed: Seeds what is drawn.
    """
    import numpy as np

    # The order of the rows must not matter to the replicates.
    order = np.lexsort((predicted, truth))
    centred, error = truth[order] - truth.mean(), (predicted - truth)[order]
    # In these units no power of a number is too large.
    far, unit = float(np.abs(error).max()) or 1.0, float(np.abs(centred).max())
    unit *= float((centred / unit).std())
    x, y = np.abs(error) / far, centred / unit
    columns = [x, x**2, x**4, y, y**2, y**3, y**4, x**2 * y, x**2 * y**2]
    drawn = resampled(columns, replicates, seed)
    values, variances = _estimates(np.array([[column.mean() for column in columns]]))
    of_drawn, variances_of_drawn = _estimates(drawn)
    # A replicate of rows that are all alike does not know how much rows differ.
    apart = (of_drawn - values) / np.sqrt(np.maximum(variances_of_drawn, variances / len(truth)) + 1e-300)
    high, low = np.quantile(apart, [TAIL, 1 - TAIL], axis=1)
    root = np.sqrt(variances[:, 0])
    ends = np.stack([values[:, 0] - low * root, values[:, 0] - high * root])
    absolute, squared, unexplained = ends.T.tolist()
    ratio = (far / unit) * (far / unit)
    return Deviations(
        far * float(values[0, 0]),
        _interval(far * max(absolute[0], 0.0), far * absolute[1]),
        far * float(values[1, 0]) ** 0.5,
        _interval(far * max(squared[0], 0.0) ** 0.5, far * squared[1] ** 0.5),
        1 - ratio * float(values[2, 0]),
        _interval(1 - ratio * unexplained[1], min(1 - ratio * unexplained[0], 1.0)),
        float(np.abs(centred).mean()),
    )


def _interval(low: float, high: float) -> Interval:
    return Interval(low, high, LEVEL, "bootstrap-t")


def _estimates(means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean error, mean squared error and its share of the labels' variance, and how each varies from row to row.

    Args:
        means: Those of the columns of :func:`deviations`, shape (replicates, columns).

    Returns:
        The estimates and their variances for a single row, shape (3, replicates) each.
    """
    import numpy as np

    error, squared, fourth, y, y2, y3, y4, mixed, mixed2 = means.T
    # A replicate's labels have a mean of their own, which they deviate from.
    spread = np.maximum(y2 - y**2, 1e-9)
    spread2 = y4 - 4 * y * y3 + 6 * y**2 * y2 - 3 * y**4
    both = mixed2 - 2 * y * mixed + y**2 * squared
    share = squared / spread
    variances = [squared - error**2, fourth - squared**2, (fourth - 2 * share * both + share**2 * spread2) / spread**2]
    return np.stack([error, squared, share]), np.maximum(variances, 0.0)
