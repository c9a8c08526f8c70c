# SPDX-License-Identifier: Apache-2.0
"""Whether probabilities mean what they say: of rows with a probability of 0.8, do 80 % turn out so?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wardein.report import Interval
from wardein.statistics.intervals import LEVEL, TAIL, student, wilson

if TYPE_CHECKING:
    import numpy as np

BINS = 10
METHOD = "debiased-normal"


@dataclass(frozen=True)
class Errors:
    """The expected calibration error of each group, over ten bins of equal width (Guo et al. 2017).

    It is the distance between mean probability and observed share in a bin, averaged over all rows: a mean of
    distances, which chance alone makes larger than 0, and the more so the fewer the rows. A bootstrap makes it larger
    still: of calibrated models its interval never holds the truth. So the lower end leaves out what a well calibrated
    bin of that size shows by chance, unless a bin is clearly off.

    Attributes:
        value: The errors.
        bias: How much of each error chance gives.
        spread: Their standard errors.
        n: The groups' rows.
    """

    value: np.ndarray
    bias: np.ndarray
    spread: np.ndarray
    n: np.ndarray

    @staticmethod
    def of(stated: np.ndarray, happened: np.ndarray, codes: np.ndarray, groups: int) -> Errors:
        """Measure them.

        Args:
            stated: For each row the probability of a yes that the model states.
            happened: For each row whether it is one.
            codes: For each row its group.
            groups: How many groups there are.
        """
        import numpy as np

        cell = codes * BINS + np.minimum((stated * BINS).astype(int), BINS - 1)
        count, hits, sums = (
            np.bincount(cell, weights, groups * BINS).reshape(groups, BINS) for weights in (None, happened, stated)
        )
        off = np.abs(sums - hits) / np.maximum(count, 1)
        n = count.sum(axis=1)
        weight = count / np.maximum(n, 1)[:, None]
        # Two hits and two misses more keep a bin of few rows that are all alike from looking certain (Agresti, Coull).
        share = (hits + 2) / (count + 4)
        sigma = np.sqrt(share * (1 - share) / np.maximum(count, 1))
        by_chance = np.where(off < 3 * sigma, sigma * np.sqrt(2 / np.pi), 0.0)
        return Errors(
            (weight * off).sum(axis=1),
            (weight * by_chance).sum(axis=1),
            np.sqrt((weight**2 * sigma**2).sum(axis=1)),
            n,
        )

    def ends(self, tail: float) -> tuple[np.ndarray, np.ndarray]:
        """The ends of their intervals, of this probability in each tail."""
        import numpy as np
        from scipy.stats import norm

        half = norm.isf(tail) * self.spread
        return np.maximum(self.value - self.bias - half, 0.0), np.minimum(self.value + half, 1.0)


@dataclass(frozen=True)
class Calibration:
    """How a model's probabilities compare with what happened.

    Attributes:
        error: The expected calibration error: :class:`Errors`.
        brier: The Brier score, half the squared distance between the probabilities and what happened, 0 to 1.
        brier_interval: Its interval; None of a single row.
        reliability: For each bin with rows its middle, the observed share with its interval, and its rows.
    """

    error: float
    error_interval: Interval
    brier: float
    brier_interval: Interval | None
    reliability: tuple[tuple[float, float, Interval, int], ...]


def calibration(probabilities: np.ndarray, truth: np.ndarray, positive: int) -> Calibration:
    """Measure calibration: of the positive class's probability of two, or of the most probable class of more.

    Args:
        probabilities: Shape (rows, classes).
        truth: For each row the index of its class.
        positive: The index of the positive class, if there are two.
    """
    import numpy as np

    rows, classes = probabilities.shape
    stated = probabilities[:, positive] if classes == 2 else probabilities.max(axis=1)
    happened = truth == (positive if classes == 2 else probabilities.argmax(axis=1))
    # Sums of floats depend on the order of the rows, which must not matter.
    loss = np.sort(((probabilities - np.eye(classes)[truth]) ** 2).sum(axis=1) / 2)
    errors = Errors.of(stated, happened, np.zeros(rows, int), 1)
    low, high = errors.ends(TAIL)
    brier = student(loss) if rows > 1 else None
    if brier:
        brier = replace(brier, low=max(brier.low, 0.0), high=min(brier.high, 1.0))
    bins = np.minimum((stated * BINS).astype(int), BINS - 1)
    sizes, hits = np.bincount(bins, minlength=BINS).tolist(), np.bincount(bins, happened, BINS).astype(int).tolist()
    return Calibration(
        float(errors.value[0]),
        Interval(float(low[0]), float(high[0]), LEVEL, METHOD),
        float(loss.mean()),
        brier,
        tuple(((i + 0.5) / BINS, hits[i] / n, wilson(hits[i], n), n) for i, n in enumerate(sizes) if n),
    )
