# SPDX-License-Identifier: Apache-2.0
"""How many rows a comparison takes as pairs and as two samples, and what DeLong's interval costs beside a bootstrap's.

Power: two models of 90 % accuracy, one of them 2 points worse, that differ in 5 of 100 rows; a two-sample z test of the
same accuracies against the paired interval. Speed: the interval of a difference of two areas under ROC curves on the
same rows, by midranks, by all pairs, and by a bootstrap of scikit-learn's area. Outcomes in use: how many it takes to
show that an equal challenger is not worse by 2 points, beside the sample size fixed in advance that gives 90 % power
and may be looked at once only.

Ends with 1 if the paired power at 1,000 rows is below 0.8, or that of two samples above 0.4; if midranks are not 50
times faster than all pairs at 20,000 rows, or give another interval; or if the median stream is longer than the fixed
sample.

Run: python benchmarks/comparison.py
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from wardein.comparison import paired, sequential
from wardein.statistics import intervals

Z = float(norm.isf(0.025))


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    result = work()
    return result, time.process_time() - started


def power(n: int, seed: int, tables: int = 1000) -> tuple[float, float]:
    """How often a drop of two points is shown, by pairs and by two samples."""
    random = np.random.default_rng(seed)
    both, only_old, only_new = 0.865, 0.035, 0.015
    found = np.zeros(2)
    for more, less, same, _ in random.multinomial(
        n, [only_new, only_old, both, 1 - both - only_old - only_new], tables
    ).tolist():
        new, old = (same + more) / n, (same + less) / n
        pooled = (new + old) / 2
        found += intervals.paired(more, less, n).high < 0, (new - old) / np.sqrt(2 * pooled * (1 - pooled) / n) < -Z
    return tuple((found / tables).tolist())


def all_pairs(positive: np.ndarray, one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """DeLong's interval by its definition."""
    parts = []
    for scores in (one, other):
        above = scores[positive][:, None] - scores[~positive]
        wins = (above > 0) + 0.5 * (above == 0)
        parts.append((wins.mean(axis=1), wins.mean(axis=0)))
    (above, below), (above_2, below_2) = parts
    gap = above.mean() - above_2.mean()
    variance = np.var(above - above_2, ddof=1) / len(above) + np.var(below - below_2, ddof=1) / len(below)
    return gap - Z * np.sqrt(variance), gap + Z * np.sqrt(variance)


def bootstrap(positive: np.ndarray, one: np.ndarray, other: np.ndarray, replicates: int) -> tuple[float, float]:
    random, gaps = np.random.default_rng(0), []
    for _ in range(replicates):
        rows = random.integers(0, len(positive), len(positive))
        gaps.append(roc_auc_score(positive[rows], one[rows]) - roc_auc_score(positive[rows], other[rows]))
    low, high = np.quantile(gaps, [0.025, 0.975])
    return float(low), float(high)


def main() -> int:
    print("power for a drop of 2 points, 5 % of rows changed     pairs  two samples")
    powers = {}
    for n in (500, 1000, 2000):
        powers[n] = power(n, n)
        print(f"  {n:5} rows                                          {powers[n][0]:8.2f} {powers[n][1]:10.2f}")

    random = np.random.default_rng(0)
    positive = random.random(20_000) < 0.3
    signal = positive + random.normal(size=20_000)
    one, other = (signal + random.normal(size=20_000) for _ in range(2))
    (_, _, ours), fast = timed(lambda: paired.auc_difference(positive, one, other))
    slow, by_pairs = timed(lambda: all_pairs(positive, one, other))
    drawn, by_draws = timed(lambda: bootstrap(positive, one, other, 200))
    print("interval of a difference of areas, 20,000 rows; process seconds")
    rivals = [("all pairs", slow, by_pairs), ("bootstrap, 200 draws", drawn, by_draws)]
    for name, ends, seconds in [("midranks", (ours.low, ours.high), fast), *rivals]:
        print(f"  {name:22} [{ends[0]:.5f}, {ends[1]:.5f}] {seconds:9.4f}   ratio {seconds / fast:8.1f}")

    streams, n = 200, 30_000
    arms = random.random(n) < 0.5
    blocks = sequential.blocks_of(arms, (random.random((streams, n)) < 0.9).astype(float))
    first = sequential.shown_at(blocks, -0.02, 0.025, 1)
    lengths = np.where(first >= 0, blocks.ends[first], n)
    fixed = 2 * round((Z + norm.isf(0.1)) ** 2 * 2 * 0.9 * 0.1 / 0.02**2)
    median, most = np.quantile(lengths, [0.5, 0.9])
    print(
        f"outcomes to show that an equal challenger is not 2 points worse: median {median:.0f}, 90 % within {most:.0f}"
    )
    print(f"  sample size fixed in advance for 90 % power, looked at once: {fixed}")
    good = powers[1000][0] >= 0.8 and powers[1000][1] <= 0.4
    same = np.allclose(slow, (ours.low, ours.high), atol=1e-12)
    return 0 if good and same and by_pairs / fast >= 50 and median <= fixed else 1


if __name__ == "__main__":
    sys.exit(main())
