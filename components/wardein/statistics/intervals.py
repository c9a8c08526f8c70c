# SPDX-License-Identifier: Apache-2.0
"""Confidence intervals, by scipy and numpy, in the report's own type.

Differences and ratios of proportions get their intervals from those of the proportions themselves (the method
of variance estimates recovery): closed forms without random numbers, which stay honest where a bootstrap
collapses to a point, at rates of 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from wardein.report import Bound, Comparator, Interval

if TYPE_CHECKING:
    import numpy as np

LEVEL = 0.95
TAIL = (1 - LEVEL) / 2

# Which number of an estimate has to meet a threshold, whatever the threshold's direction.
End = Literal["worst", "point", "best"]
# The lower and upper ends of the intervals of several estimates, of a given probability in each tail.
Ends = Callable[[float], tuple["np.ndarray", "np.ndarray"]]


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


def student(values: np.ndarray) -> Interval:
    """The 95 % interval of the mean of two or more values (Student 1908)."""
    from scipy.stats import t

    n, mean = len(values), float(values.mean())
    half = float(t.isf(TAIL, n - 1) * values.std(ddof=1) / n**0.5)
    return Interval(mean - half, mean + half, LEVEL, "student")


def mean_of_proportions(successes: np.ndarray, n: np.ndarray) -> Interval:
    """The 95 % interval of the mean of independent proportions (Zou and Donner 2008 over Wilson's intervals)."""
    import numpy as np

    rate, low, high = _scores(successes, n, TAIL)
    below, above = (float(np.sqrt(np.sum((rate - end) ** 2)) / len(rate)) for end in (low, high))
    return Interval(max(float(rate.mean()) - below, 0.0), min(float(rate.mean()) + above, 1.0), LEVEL, "mover-wilson")


def auc(value: float, positives: int, negatives: int, tail: float = TAIL) -> Interval:
    """The score interval of an area under the ROC curve (Newcombe 2006, method 5), of 95 % if no tail is given."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    z, more = float(norm.isf(tail)), (positives + negatives) / 2 - 1

    def beyond(area: float) -> float:
        spread = 1 + more * ((1 - area) / (2 - area) + area / (1 + area))
        return float((value - area) ** 2 - z**2 * area * (1 - area) * spread / (positives * negatives))

    # At areas of exactly 0 and 1 the equation has a second, trivial root, which is not the end looked for.
    edge = 1e-9
    low = brentq(beyond, 0.0, min(value, 1 - edge)) if value > 0 else 0.0
    high = brentq(beyond, max(value, edge), 1.0) if value < 1 else 1.0
    return Interval(float(low), float(high), 1 - 2 * tail if tail != TAIL else LEVEL, "newcombe")


def widest_gap(rates: Sequence[tuple[np.ndarray, np.ndarray]]) -> Interval:
    """The 95 % interval of the largest difference between any two groups, over one or more rates.

    The largest of several estimated differences lies above the largest true one on average, and so do bootstrap
    replicates of it. Newcombe's (1998) interval of every pair's difference avoids that: the lower end is the
    largest of the pairs' lower ends, at a level shared out over all pairs (Bonferroni); the upper end is the
    largest of their upper ends. For the lower end, which shows that there is a gap, the rates' intervals are
    :func:`_widened`: with Wilson's alone a gap was seen where there was none up to 13 times of 100.

    Args:
        rates: For each rate the groups' successes and sizes; every group has a size of 1 or more.
    """
    low, high = 0.0, 0.0
    for successes, n in rates:
        rate, near, far = _scores(successes, n, TAIL)
        gap = _of_pairs(rate[:, None] - rate)
        high = max(high, float((gap + _root(far[:, None] - rate[:, None], rate - near)).max()))
        rate, near, far = _widened(successes, n, TAIL / _pairs(rates))
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
        low = min(low, _ratio_end(_scores(successes, n, TAIL), upper=False))
        high = min(high, _ratio_end(_widened(successes, n, TAIL / _pairs(rates)), upper=True))
    return Interval(min(low, high), high, LEVEL, "mover-log-min")


def gaps_of_proportions(
    one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray], tail: float
) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the intervals of differences of proportions, of this probability in each tail.

    For tails much thinner than those of one 95 % interval, where Wilson's are too short for rare events: the ends of
    Clopper and Pearson's (1934) exact intervals, put together as Zou and Donner (2008) do.

    Args:
        one: The successes and the sizes of the one side; every size is 1 or more.
        other: Those of the side to subtract.
        tail: The probability in each tail.
    """
    import numpy as np

    (rate, low, high), (rate_2, low_2, high_2) = exact(*one, tail), exact(*other, tail)
    gap = rate - rate_2
    return np.maximum(gap - _root(rate - low, high_2 - rate_2), -1.0), np.minimum(
        gap + _root(high - rate, rate_2 - low_2), 1.0
    )


def gaps_of_means(one: np.ndarray, other: np.ndarray, spread: float, tail: float) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the intervals of differences of means, of this probability in each tail (Student, Welch).

    A few rows that happen to be alike say nothing of how much rows differ: the variance of a side is never taken to be
    less than that of all rows.

    Args:
        one: For each side the number of its values, 1 or more, their sum, and that of their squares: shape (3, sides).
        other: The same of the sides to subtract.
        spread: The variance of all values.
        tail: The probability in each tail.
    """
    import numpy as np
    from scipy.stats import t

    n, (mean, variance), (mean_2, variance_2) = one[0], _moments(one), _moments(other)
    half = np.sqrt(np.maximum(variance, spread) / n + np.maximum(variance_2, spread) / other[0])
    half *= t.isf(tail, np.maximum(np.minimum(n, other[0]) - 1, 1))
    return mean - mean_2 - half, mean - mean_2 + half


def exact(successes: Any, n: Any, tail: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Proportions with the ends of their exact intervals (Clopper and Pearson 1934), this probability in each tail."""
    import numpy as np
    from scipy.special import betaincinv

    successes, n = np.asarray(successes, dtype=float), np.asarray(n, dtype=float)
    low = np.where(successes > 0, betaincinv(np.maximum(successes, 0.5), n - successes + 1, tail), 0.0)
    high = np.where(successes < n, 1 - betaincinv(np.maximum(n - successes, 0.5), successes + 1, tail), 1.0)
    return successes / n, low, high


def _moments(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance from number, sum and sum of squares."""
    import numpy as np

    mean = sums[1] / sums[0]
    return mean, np.maximum(sums[2] - sums[0] * mean**2, 0.0) / np.maximum(sums[0] - 1, 1)


def paired(more: int, less: int, n: int) -> Interval:
    """The 95 % score interval of the difference of two proportions of the same rows (Tango 1998).

    Args:
        more: The rows that count for the first proportion only.
        less: The rows that count for the second one only.
        n: All rows, 1 or more.
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    z, value = float(norm.isf(TAIL)), (more - less) / n

    def beyond(difference: float) -> float:
        # The most likely share of rows that count for the second one only, given the difference.
        b = (2 * n - more + less) * difference - more - less
        root = math.sqrt(max(b**2 + 8 * n * less * difference * (1 - difference), 0.0))
        variance = n * max((root - b) / (2 * n) + difference * (1 - difference), 0.0)
        return (more - less - n * difference) ** 2 - z**2 * variance

    # Where no rows differ, or all do alike, the estimate is a second, trivial root, which is not the end looked for.
    edge = 1e-9
    low = brentq(beyond, -1.0, value - edge) if value > edge - 1 else -1.0
    high = brentq(beyond, value + edge, 1.0) if value < 1 - edge else 1.0
    return Interval(float(low), float(high), LEVEL, "tango")


def score_intervals(successes: np.ndarray, n: np.ndarray) -> list[Interval]:
    """Wilson's 95 % intervals of many proportions at once; successes may be weights and so no whole numbers."""
    _, low, high = _scores(successes, n, TAIL)
    return [Interval(one, other, LEVEL, "wilson") for one, other in zip(low.tolist(), high.tolist(), strict=True)]


def widest_gap_of(values: np.ndarray, ends: Ends, method: str) -> Interval:
    """The 95 % interval of the largest difference between any two of several independent estimates.

    As :func:`widest_gap`, for estimates that are no proportions.

    Args:
        values: The estimates, two or more.
        ends: The lower and the upper ends of their intervals, of a given probability in each tail.
        method: What to call it.
    """
    gap, pairs = _of_pairs(values[:, None] - values), len(values) * (len(values) - 1) // 2
    near, far = ends(TAIL)
    high = float((gap + _root(far[:, None] - values[:, None], values - near)).max())
    near, far = ends(TAIL / pairs)
    low = float((gap - _root(values[:, None] - near[:, None], far - values)).max())
    return Interval(max(low, 0.0), high, LEVEL, method)


Counts = tuple["np.ndarray", "np.ndarray"]


def widest_gap_by_bootstrap(rates: Sequence[tuple[Counts, Counts]]) -> Interval:
    """The 95 % interval of the largest difference between any two groups, over one or more rates, from replicates.

    Replicates of the largest difference itself lie above the largest true one. So all pairs' differences are taken,
    each replicate in its own standard errors: the lower end stays below all of them at once (Romano and Wolf 2005),
    the upper end is the largest of the pairs' own.

    Args:
        rates: For each rate the groups' successes and sizes, and replicates of them, shape (replicates, groups).
    """
    low, high = _by_bootstrap([(_shares(*own), _shares(*drawn)) for own, drawn in rates])
    # Shares that are kept away from 0 and 1 are not quite the estimates, which the interval must not leave out.
    widest = max(float((hits / n).max() - (hits / n).min()) for (hits, n), _ in rates)
    return Interval(max(min(low, widest), 0.0), min(max(high, widest), 1.0), LEVEL, "bootstrap-max")


def smallest_ratio_by_bootstrap(rates: Sequence[tuple[Counts, Counts]]) -> Interval:
    """The counterpart of :func:`widest_gap_by_bootstrap` for the smallest ratio, on logarithms; arguments as there."""
    import numpy as np

    low, high = _by_bootstrap([(_log_shares(*own), _log_shares(*drawn)) for own, drawn in rates])
    smallest = min(float((hits / n).min() / (hits / n).max()) for (hits, n), _ in rates)
    ends = min(float(np.exp(-high)), smallest), min(max(float(np.exp(-low)), smallest), 1.0)
    return Interval(*ends, LEVEL, "bootstrap-min")


def _shares(successes: np.ndarray, n: np.ndarray) -> Counts:
    """Shares and their variances; half a success and half a failure more keep both away from 0."""
    share = (successes + 0.5) / (n + 1)
    return share, share * (1 - share) / (n + 1)


def _log_shares(successes: np.ndarray, n: np.ndarray) -> Counts:
    """The logarithms of the same, and their variances."""
    import numpy as np

    share = (successes + 0.5) / (n + 1)
    return np.log(share), (1 - share) / (successes + 0.5)


def _by_bootstrap(estimates: Sequence[tuple[Counts, Counts]]) -> tuple[float, float]:
    """The ends of the largest gap, of estimates with their variances, and of replicates of both."""
    import numpy as np

    farthest: np.ndarray = np.zeros(len(estimates[0][1][0]))
    pairs, high = [], 0.0
    for (value, variance), (drawn, drawn_variance) in estimates:
        centred = drawn - drawn.mean(axis=0)
        for i in range(len(value) - 1):
            # The gaps between this group and the later ones, each with the sign that makes the estimate's positive.
            gap, spread = value[i] - value[i + 1 :], np.sqrt(variance[i] + variance[i + 1 :])
            apart = centred[:, i, None] - centred[:, i + 1 :]
            apart /= np.sqrt(drawn_variance[:, i, None] + drawn_variance[:, i + 1 :])
            farthest = np.maximum(farthest, np.abs(apart).max(axis=1))
            below = np.quantile(apart * np.where(gap < 0, -1, 1), TAIL, axis=0)
            high = max(high, float((np.abs(gap) - below * spread).max()))
            pairs.append((np.abs(gap), spread))
    critical = float(np.quantile(farthest, LEVEL))
    return max(float((gap - critical * spread).max()) for gap, spread in pairs), high


def chance_of_difference(successes: np.ndarray, n: np.ndarray) -> np.ndarray:
    """For each group the probability that its rate is so far from that of all others together by chance.

    Fisher's exact test, twice the smaller tail: it holds for small groups and rare successes as well.

    Args:
        successes: The groups' successes.
        n: Their sizes.
    """
    import numpy as np
    from scipy.stats import hypergeom

    given = (n.sum(), successes.sum(), n)
    tails = np.minimum(hypergeom.cdf(successes, *given), hypergeom.sf(successes - 1, *given))
    return np.asarray(np.minimum(2 * tails, 1.0))


def holm(chances: np.ndarray) -> np.ndarray:
    """Probabilities adjusted so that a threshold on them holds for all together (Holm 1979)."""
    import numpy as np

    order = np.argsort(chances, kind="stable")
    stepped = np.maximum.accumulate(chances[order] * np.arange(len(chances), 0, -1))
    adjusted = np.empty(len(chances))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def _ratio_end(ends_of_rates: tuple[np.ndarray, np.ndarray, np.ndarray], *, upper: bool) -> float:
    """The smallest, over all pairs, of one end of the interval of their ratio; a rate of 0 is no denominator."""
    import numpy as np

    rate, near, far = ends_of_rates
    over, under = (far, near) if upper else (near, far)
    base = rate > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(rate)[:, None] - np.log(rate[base])
        spread = _root(np.log(rate / over)[:, None], np.log(under[base] / rate[base]))
        ends = np.exp(ratio + spread if upper else ratio - spread)
    # A rate of 0 has no logarithm; the limit of its interval is 0 below and its own upper end over the other rate.
    zero = over[~base, None] / rate[base] if upper else np.zeros((int((~base).sum()), int(base.sum())))
    ends[~base] = zero
    # None is compared with itself.
    ends[np.flatnonzero(base), np.arange(int(base.sum()))] = np.inf
    return float(ends.min())


def _widened(successes: np.ndarray, n: np.ndarray, tail: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Proportions with the outer ones of the ends of their Wilson and their exact intervals.

    Of rare events, Wilson's are too short on the side away from 0, and the exact ones shorter than Wilson's towards it.
    """
    import numpy as np

    (rate, low, high), (_, exact_low, exact_high) = _scores(successes, n, tail), exact(successes, n, tail)
    return rate, np.minimum(low, exact_low), np.maximum(high, exact_high)


def _of_pairs(gaps: np.ndarray) -> np.ndarray:
    """The gaps between any two, without those between each and itself."""
    import numpy as np

    return np.where(np.eye(len(gaps), dtype=bool), -np.inf, gaps)


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
