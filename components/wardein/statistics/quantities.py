# SPDX-License-Identifier: Apache-2.0
"""What groups are compared by that is no rate: means of numbers, and how far probabilities are off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.report import Interval
from wardein.statistics import intervals
from wardein.statistics.groups import Division

if TYPE_CHECKING:
    import numpy as np

BINS = 10


@dataclass(frozen=True)
class Quantity:
    """A number for each group, and how far the two that differ most are apart.

    Attributes:
        name: What it is.
        values: For each group its number; 0 for a group without rows.
        ends: For each group its interval.
        n: For each group its rows.
        compared: For each group, whether it has enough rows to be compared.
        difference: The largest difference between two groups that are compared; 0 if there are not two.
        difference_interval: Its interval.
    """

    name: str
    values: np.ndarray
    ends: tuple[Interval, ...]
    n: np.ndarray
    compared: np.ndarray
    difference: float
    difference_interval: Interval


def means(name: str, numbers: np.ndarray, division: Division, *, rows: int) -> Quantity:
    """The mean of a number in each group.

    Args:
        name: What it is called.
        numbers: One a row.
        division: The groups.
        rows: The rows that a group needs to be compared.
    """
    import numpy as np

    groups = len(division.groups)
    n = np.bincount(division.codes, minlength=groups)
    safe = np.maximum(n, 1)
    mean = np.bincount(division.codes, numbers, groups) / safe
    squares = np.bincount(division.codes, (numbers - mean[division.codes]) ** 2, groups)
    # A single row says nothing of the spread; all rows together do.
    spread = np.where(n > 1, squares / np.maximum(n - 1, 1), np.var(numbers))

    def half(tail: float) -> np.ndarray:
        from scipy.stats import t

        width: np.ndarray = t.isf(tail, np.maximum(n - 1, 1)) * np.sqrt(spread / safe)
        return width

    return _quantity(name, mean, lambda tail: (mean - half(tail), mean + half(tail)), n, n >= rows, "student")


def calibration_errors(stated: np.ndarray, happened: np.ndarray, division: Division, *, rows: int) -> Quantity:
    """The expected calibration error of each group, over ten bins of equal width (Guo et al. 2017).

    The error is a mean of distances: chance alone makes it larger than 0, and the more so the smaller the group. So
    the lower end leaves out what a well calibrated bin of that size shows by chance, unless a bin is clearly off.

    Args:
        stated: For each row the probability of a yes that the model states.
        happened: For each row whether it is one.
        division: The groups.
        rows: The rows that a group needs to be compared.
    """
    import numpy as np

    groups = len(division.groups)
    cell = division.codes * BINS + np.minimum((stated * BINS).astype(int), BINS - 1)
    count = np.bincount(cell, minlength=groups * BINS).reshape(groups, BINS)
    hits = np.bincount(cell, happened, groups * BINS).reshape(groups, BINS)
    off = np.abs(np.bincount(cell, stated, groups * BINS).reshape(groups, BINS) - hits) / np.maximum(count, 1)
    n = count.sum(axis=1)
    weight = count / np.maximum(n, 1)[:, None]
    # Two hits and two misses more keep a bin of few rows that are all alike from looking certain (Agresti and Coull).
    share = (hits + 2) / (count + 4)
    sigma = np.sqrt(share * (1 - share) / np.maximum(count, 1))
    by_chance = np.where(off < 3 * sigma, sigma * np.sqrt(2 / np.pi), 0.0)
    error, bias = (weight * off).sum(axis=1), (weight * by_chance).sum(axis=1)
    spread = np.sqrt((weight**2 * sigma**2).sum(axis=1))

    def ends(tail: float) -> tuple[np.ndarray, np.ndarray]:
        from scipy.stats import norm

        half = norm.isf(tail) * spread
        return np.maximum(error - bias - half, 0.0), np.minimum(error + half, 1.0)

    return _quantity("calibration_error", error, ends, n, n >= rows, "debiased-normal")


def _quantity(
    name: str, values: np.ndarray, ends: intervals.Ends, n: np.ndarray, compared: np.ndarray, method: str
) -> Quantity:
    low, high = (side.tolist() for side in ends(intervals.TAIL))
    own = tuple(Interval(one, other, intervals.LEVEL, method) for one, other in zip(low, high, strict=True))
    if compared.sum() < 2:
        return Quantity(name, values, own, n, compared, 0.0, Interval(0.0, 0.0, intervals.LEVEL, method))
    gap = intervals.widest_gap_of(
        values[compared], lambda tail: tuple(side[compared] for side in ends(tail)), f"{method}-max"
    )
    chosen = values[compared]
    return Quantity(name, values, own, n, compared, float(chosen.max() - chosen.min()), gap)
