# SPDX-License-Identifier: Apache-2.0
"""Confidence intervals, by scipy and numpy, in the report's own type.

Differences and ratios of proportions get their intervals from those of the proportions themselves (the method
of variance estimates recovery): closed forms without random numbers, which stay honest where a bootstrap
collapses to a point, at rates of 0 and 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from wardein.report import Bound, Comparator, Interval

if TYPE_CHECKING:
    import numpy as np

LEVEL = 0.95
_TAIL = (1 - LEVEL) / 2

# Which number of an estimate has to meet a threshold, whatever the threshold's direction.
End = Literal["worst", "point", "best"]


def counted(end: End, comparator: Comparator) -> Bound:
    """The end of an interval that has to meet a threshold: its worst, its best, or the estimate itself."""
    if end == "point":
        return "point"
    return "ci_low" if (end == "worst") == (comparator == ">=") else "ci_high"


def wilson(successes: int, n: int) -> Interval:
    """The 95 % Wilson score interval of a proportion (Wilson 1927), for n of 1 or more."""
    from scipy.stats import binomtest

    interval = binomtest(successes, n).proportion_ci(LEVEL, method="wilson")
    return Interval(float(interval.low), float(interval.high), LEVEL, "wilson")


def percentile(samples: np.ndarray) -> Interval:
    """The 95 % percentile interval of bootstrap replicates, shape (replicates,), all finite (Efron 1979)."""
    import numpy as np

    low, high = np.quantile(samples, [_TAIL, 1 - _TAIL])
    return Interval(float(low), float(high), LEVEL, "bootstrap")


def mean_of_proportions(successes: np.ndarray, n: np.ndarray) -> Interval:
    """The 95 % interval of the mean of independent proportions (Zou and Donner 2008 over Wilson's intervals)."""
    import numpy as np

    rate, low, high = _scores(successes, n, _TAIL)
    below, above = (float(np.sqrt(np.sum((rate - end) ** 2)) / len(rate)) for end in (low, high))
    return Interval(max(float(rate.mean()) - below, 0.0), min(float(rate.mean()) + above, 1.0), LEVEL, "mover-wilson")


def auc(value: float, positives: int, negatives: int) -> Interval:
    """The 95 % score interval of an area under the ROC curve (Newcombe 2006, method 5)."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    z, more = float(norm.isf(_TAIL)), (positives + negatives) / 2 - 1

    def beyond(area: float) -> float:
        spread = 1 + more * ((1 - area) / (2 - area) + area / (1 + area))
        return float((value - area) ** 2 - z**2 * area * (1 - area) * spread / (positives * negatives))

    # At areas of exactly 0 and 1 the equation has a second, trivial root, which is not the end looked for.
    edge = 1e-9
    low = brentq(beyond, 0.0, min(value, 1 - edge)) if value > 0 else 0.0
    high = brentq(beyond, max(value, edge), 1.0) if value < 1 else 1.0
    return Interval(float(low), float(high), LEVEL, "newcombe")


def widest_gap(rates: Sequence[tuple[np.ndarray, np.ndarray]]) -> Interval:
    """The 95 % interval of the largest difference between any two groups, over one or more rates.

    The largest of several estimated differences lies above the largest true one on average, and so do bootstrap
    replicates of it. Newcombe's (1998) interval of every pair's difference avoids that: the lower end is the
    largest of the pairs' lower ends, at a level shared out over all pairs (Bonferroni); the upper end is the
    largest of their upper ends.

    Args:
        rates: For each rate the groups' successes and sizes; every group has a size of 1 or more.
    """
    low, high = 0.0, 0.0
    for successes, n in rates:
        rate, near, far = _scores(successes, n, _TAIL)
        gap = rate[:, None] - rate
        high = max(high, float((gap + _root(far[:, None] - rate[:, None], rate - near)).max()))
        rate, near, far = _scores(successes, n, _TAIL / _pairs(rates))
        low = max(low, float((gap - _root(rate[:, None] - near[:, None], far - rate)).max()))
    return Interval(low, min(high, 1.0), LEVEL, "newcombe-max")


def smallest_ratio(rates: Sequence[tuple[np.ndarray, np.ndarray]]) -> Interval:
    """The 95 % interval of the smallest ratio between any two groups, over one or more rates.

    The counterpart of :func:`widest_gap`, on the logarithms of the rates (Zou and Donner 2008).

    Args:
        rates: For each rate the groups' successes and sizes; in every rate some group has a success.
    """
    low, high = 1.0, 1.0
    for successes, n in rates:
        low = min(low, _ratio_end(successes, n, _TAIL, upper=False))
        high = min(high, _ratio_end(successes, n, _TAIL / _pairs(rates), upper=True))
    return Interval(min(low, high), high, LEVEL, "mover-log-min")


def _ratio_end(successes: np.ndarray, n: np.ndarray, tail: float, *, upper: bool) -> float:
    """The smallest, over all pairs, of one end of the interval of their ratio; a rate of 0 is no denominator."""
    import numpy as np

    rate, near, far = _scores(successes, n, tail)
    over, under = (far, near) if upper else (near, far)
    base = rate > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(rate)[:, None] - np.log(rate[base])
        spread = _root(np.log(rate / over)[:, None], np.log(under[base] / rate[base]))
        ends = np.exp(ratio + spread if upper else ratio - spread)
    # A rate of 0 has no logarithm; the limit of its interval is 0 below and its own upper end over the other rate.
    zero = over[~base, None] / rate[base] if upper else np.zeros((int((~base).sum()), int(base.sum())))
    ends[~base] = zero
    return float(ends.min())


def _pairs(rates: Sequence[tuple[np.ndarray, np.ndarray]]) -> int:
    return sum(len(n) * (len(n) - 1) // 2 for _, n in rates)


def _root(one: np.ndarray, other: np.ndarray) -> Any:
    import numpy as np

    return np.sqrt(one**2 + other**2)


def _scores(successes: np.ndarray, n: np.ndarray, tail: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The proportions with the ends of their Wilson intervals, of this probability in each tail."""
    import numpy as np
    from scipy.stats import norm

    z = norm.isf(tail)
    rate = successes / n
    centre = rate + z**2 / (2 * n)
    half = z * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    low, high = (centre - half) / (1 + z**2 / n), (centre + half) / (1 + z**2 / n)
    # Rounding must not move an end past the estimate, nor past 0 and 1.
    return rate, np.clip(low, 0.0, rate) * (successes > 0), np.clip(high, rate, 1.0)
