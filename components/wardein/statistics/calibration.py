# SPDX-License-Identifier: Apache-2.0
"""Whether probabilities mean what they say: of rows with a probability of 0.8, do 80 % turn out so?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wardein.report import Interval
from wardein.statistics.intervals import percentile, wilson
from wardein.statistics.resampling import resampled

if TYPE_CHECKING:
    import numpy as np

BINS = 10


@dataclass(frozen=True)
class Calibration:
    """How a model's probabilities compare with what happened.

    Attributes:
        error: The expected calibration error over ten bins of equal width (Guo et al. 2017): the distance between
            mean probability and observed share in a bin, averaged over all rows.
        brier: The Brier score, half the squared distance between the probabilities and what happened, 0 to 1.
        reliability: For each bin with rows its middle, the observed share with its interval, and its rows.
    """

    error: float
    error_interval: Interval
    brier: float
    brier_interval: Interval
    reliability: tuple[tuple[float, float, Interval, int], ...]


def calibration(probabilities: np.ndarray, truth: np.ndarray, positive: int, replicates: int, seed: int) -> Calibration:
    """Measure calibration: of the positive class's probability of two, or of the most probable class of more.

    Args:
        probabilities: Shape (rows, classes).
        truth: For each row the index of its class.
        positive: The index of the positive class, if there are two.
        replicates: The bootstrap replicates of the intervals.
        seed: Their seed.
    """
    import numpy as np

    rows, classes = probabilities.shape
    stated = probabilities[:, positive] if classes == 2 else probabilities.max(axis=1)
    happened = truth == (positive if classes == 2 else probabilities.argmax(axis=1))
    loss = ((probabilities - np.eye(classes)[truth]) ** 2).sum(axis=1) / 2
    # The order of the rows must not matter to the replicates.
    order = np.lexsort((loss, happened, stated))
    stated, happened, loss = stated[order], happened[order], loss[order]
    bins = np.minimum((stated * BINS).astype(int), BINS - 1)
    excess = stated - happened
    error, brier = float(np.abs(np.bincount(bins, excess, BINS)).sum() / rows), float(loss.mean())
    # One column for each bin, and one for the loss: the error is the sum of the bins' absolute means.
    columns = (np.where(bins == i, excess, 0.0) if i < BINS else loss for i in range(BINS + 1))
    drawn = resampled(columns, replicates, seed)
    # Rows drawn anew are less well calibrated than those they come from, of many rows all of the replicates.
    spread = percentile(np.abs(drawn[:, :BINS]).sum(axis=1))
    interval = replace(spread, low=min(spread.low, error))
    sizes, hits = np.bincount(bins, minlength=BINS).tolist(), np.bincount(bins, happened, BINS).astype(int).tolist()
    reliability = tuple(((i + 0.5) / BINS, hits[i] / n, wilson(hits[i], n), n) for i, n in enumerate(sizes) if n)
    return Calibration(error, interval, brier, percentile(drawn[:, BINS]), reliability)
