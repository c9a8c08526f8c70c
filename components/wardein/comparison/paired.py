# SPDX-License-Identifier: Apache-2.0
"""Two models on the same rows: what is known of the difference because each row was seen by both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardein.report import Interval
from wardein.statistics import intervals

if TYPE_CHECKING:
    import numpy as np

# Of a larger table, so many random groups of rows are drawn anew rather than the rows, which comes to the same.
_DRAWN = 20_000
_AT_ONCE = 50


def mcnemar(more: int, less: int) -> float:
    """The exact p value of McNemar's test that neither count is larger but by chance (1 if both are 0)."""
    from scipy.stats import binomtest

    return float(binomtest(more, more + less).pvalue) if more + less else 1.0


def auc_difference(positive: np.ndarray, one: np.ndarray, other: np.ndarray) -> tuple[float, float, Interval]:
    """The areas under two ROC curves over the same rows, and the 95 % interval of the first less the second.

    Midranks give DeLong's covariances in the time of a sort (DeLong et al. 1988, Sun and Xu 2014). A curve without
    error has no variance to be estimated; then the interval is made of those of both areas (Zou and Donner 2008).

    Args:
        positive: Which rows are positive; some are, and some are not.
        one: Scores that are higher for positive rows, shape (n,).
        other: Those of the other model.
    """
    import numpy as np
    from scipy.stats import norm, rankdata

    positives, negatives = int(positive.sum()), int((~positive).sum())
    parts = []
    for scores in (one, other):
        ranks = rankdata(scores)
        above = (ranks[positive] - rankdata(scores[positive])) / negatives
        below = 1 - (ranks[~positive] - rankdata(scores[~positive])) / positives
        parts.append((above, below))
    first, second = (float(above.mean()) for above, _ in parts)
    degrees = min(positives, negatives) - 1
    covariances = (
        [np.cov(np.stack([part[k] for part in parts])) / count for k, count in ((0, positives), (1, negatives))]
        if degrees
        else [np.zeros((2, 2))]
    )
    covariance = sum(covariances[1:], covariances[0])
    if min(covariance[0, 0], covariance[1, 1]) <= 0:
        low_1, low_2 = (intervals.auc(area, positives, negatives) for area in (first, second))
        below_it = np.hypot(first - low_1.low, low_2.high - second)
        above_it = np.hypot(low_1.high - first, second - low_2.low)
        return first, second, Interval(first - second - below_it, first - second + above_it, intervals.LEVEL, "mover")
    half = float(norm.isf((1 - intervals.LEVEL) / 2) * np.sqrt(max(np.array([1, -1]) @ covariance @ [1, -1], 0.0)))
    return first, second, Interval(first - second - half, first - second + half, intervals.LEVEL, "delong")


def bootstrap_means(values: np.ndarray, replicates: int, seed: int) -> np.ndarray:
    """The means of columns over rows drawn anew, the same rows for all columns.

    Args:
        values: Shape (n, columns).
        replicates: How often the rows are drawn.
        seed: Seeds the draws.

    Returns:
        Shape (replicates, columns).
    """
    import numpy as np

    random = np.random.default_rng(seed)
    n = len(values)
    groups = min(n, _DRAWN)
    group = random.permutation(n) % groups
    sums = np.stack([np.bincount(group, column, groups) for column in (*values.T, np.ones(n))], axis=1)
    means = []
    for start in range(0, replicates, _AT_ONCE):
        drawn = sums[random.integers(0, groups, (min(_AT_ONCE, replicates - start), groups))].sum(axis=1)
        means.append(drawn[:, :-1] / drawn[:, -1:])
    return np.concatenate(means)


def percentile(samples: np.ndarray, n: int) -> Interval:
    """The 95 % percentile interval of bootstrap replicates, made wider where rows are few (Hesterberg 2015).

    Args:
        samples: The replicates.
        n: How many rows were drawn from, 2 or more.
    """
    import numpy as np
    from scipy.stats import norm, t

    tail = float(norm.sf(np.sqrt(n / (n - 1)) * t.isf((1 - intervals.LEVEL) / 2, n - 1)))
    low, high = np.quantile(samples, [tail, 1 - tail])
    return Interval(float(low), float(high), intervals.LEVEL, "bootstrap")
