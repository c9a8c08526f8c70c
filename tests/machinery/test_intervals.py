# SPDX-License-Identifier: Apache-2.0
"""Intervals: equal to published numbers, ordered, monotone, and covering the truth as often as they claim."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, rankdata

from wardein.statistics import intervals

COUNTS = st.lists(
    st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=2, max_size=8
)


def arrays(counts):
    return tuple(np.array(column) for column in zip(*counts, strict=True))


# --- published numbers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_in_newcombe_1998_two_sided_intervals_for_the_single_proportion(successes, n, low, high):
    found = intervals.wilson(successes, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),  # of method 10; the low end is let down where rates are near 0 or 1, or n small
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_the_gap_of_two_groups_as_in_newcombe_1998_method_10(one, other, low, high):
    for pair in ([one, other], [other, one]):
        found = intervals.widest_gap([arrays(pair)])
        assert found.high == pytest.approx(high, abs=5e-5)
        assert low - 0.09 < found.low <= low + 5e-5
    alike = intervals.widest_gap([arrays([(3000 * k // n, 3000) for k, n in (one, other)])])
    assert alike.low > low


def test_the_area_of_a_perfect_ranking_is_not_certain():
    assert intervals.auc(1.0, 10, 10).low == pytest.approx(0.8002, abs=1e-4)
    assert intervals.auc(1.0, 10, 10).high == 1.0
    assert intervals.auc(0.0, 10, 10).low == 0.0


# --- what must hold for every table -----------------------------------------------------------------------------


@given(COUNTS)
def test_the_estimate_lies_inside_and_the_ends_are_proportions(counts):
    successes, n = arrays(counts)
    rate = successes / n
    found = intervals.widest_gap([(successes, n)])
    assert 0 <= found.low <= rate.max() - rate.min() + 1e-12
    assert rate.max() - rate.min() - 1e-12 <= found.high <= 1
    mean = intervals.mean_of_proportions(successes, n)
    assert 0 <= mean.low <= rate.mean() + 1e-12
    assert rate.mean() - 1e-12 <= mean.high <= 1
    if successes.any():
        ratio = intervals.smallest_ratio([(successes, n)])
        assert 0 <= ratio.low <= rate.min() / rate.max() + 1e-12
        assert rate.min() / rate.max() - 1e-12 <= ratio.high <= 1


@given(COUNTS, st.randoms(use_true_random=False))
def test_the_order_of_the_groups_does_not_matter(counts, random):
    shuffled = random.sample(counts, len(counts))
    for interval in (intervals.widest_gap, intervals.smallest_ratio):
        if any(successes for successes, _ in counts):
            assert interval([arrays(counts)]) == interval([arrays(shuffled)])


@given(COUNTS)
def test_ten_times_the_rows_never_make_the_interval_of_a_gap_wider(counts):
    successes, n = arrays(counts)
    few, many = intervals.widest_gap([(successes, n)]), intervals.widest_gap([(10 * successes, 10 * n)])
    assert few.low - 1e-9 <= many.low <= many.high <= few.high + 1e-9


@given(st.tuples(st.integers(0, 30), st.just(30)), st.tuples(st.integers(0, 90_000), st.just(90_000)))
def test_of_two_groups_none_is_compared_with_itself(few, many):
    """The gap between a group of 30 and one that is all but known is as uncertain as the 30 are, and no more."""
    successes, n = arrays([few, many])
    gap, ratio = intervals.widest_gap([(successes, n)]), None
    apart = successes[0] / n[0] - successes[1] / n[1]
    own = intervals.wilson(*few)
    half = own.high - successes[0] / n[0] if apart > 0 else successes[0] / n[0] - own.low
    other = max(successes[0] / n[0] - own.low, own.high - successes[0] / n[0])
    assert gap.high <= max(abs(apart) + half, -abs(apart) + other) + 0.01
    if successes[1] / n[1] > 0.2 and few[0] > 3:
        ratio = intervals.smallest_ratio([(successes, n)])
        rates = successes[0] / n[0], successes[1] / n[1]
        assert ratio.low >= min(own.low / rates[1], rates[1] / own.high) - 0.02


@given(COUNTS, COUNTS)
def test_a_further_rate_can_only_raise_the_upper_end(one, other):
    assert intervals.widest_gap([arrays(one), arrays(other)]).high >= intervals.widest_gap([arrays(one)]).high


@given(st.integers(2, 300), st.integers(2, 300), st.floats(0, 1))
def test_the_interval_of_an_area_is_symmetric_and_holds_the_area(positives, negatives, area):
    found, mirrored = intervals.auc(area, positives, negatives), intervals.auc(1 - area, positives, negatives)
    assert 0 <= found.low <= area + 1e-9
    assert area - 1e-9 <= found.high <= 1
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((found.low, found.high), abs=1e-6)


def test_which_number_counts():
    assert [intervals.counted(end, ">=") for end in ("worst", "point", "best")] == ["ci_low", "point", "ci_high"]
    assert [intervals.counted(end, "<=") for end in ("worst", "point", "best")] == ["ci_high", "point", "ci_low"]


# --- coverage ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rates", "sizes"),
    [
        ([0.3, 0.3], [500, 500]),
        ([0.3, 0.3], [100, 30]),
        ([0.3, 0.45], [500, 200]),
        ([0.3] * 12, [80] * 12),
        ([0.3] * 11 + [0.5], [100] * 12),
        ([0.3, 0.4, 0.35, 0.2], [1000, 200, 300, 50]),
        ([0.02, 0.0], [100, 60]),
        ([0.995] * 2, [30, 3000]),
        ([0.005] * 2, [30, 3000]),
        ([0.005, 0.02], [3000, 40]),
        ([0.05] * 12, [100] * 12),
        ([0.01] * 5, [30, 60, 200, 2000, 20_000]),
    ],
)
def test_the_true_gap_and_ratio_lie_inside_19_times_of_20(rates, sizes):
    """A bootstrap of the largest difference misses a gap of 0 always, and this is why it is not used."""
    random, runs = np.random.default_rng(5), 600
    p, n = np.array(rates), np.array(sizes)
    gaps = ratios = 0
    for _ in range(runs):
        successes = random.binomial(n, p)
        found = intervals.widest_gap([(successes, n)])
        gaps += found.low <= p.max() - p.min() <= found.high
        if successes.any():
            found = intervals.smallest_ratio([(successes, n)])
            ratios += found.low <= p.min() / p.max() <= found.high
        else:
            ratios += 1
    # Three standard errors of a count with a probability of 0.95.
    least = runs * 0.95 - 3 * np.sqrt(runs * 0.95 * 0.05)
    assert gaps >= least
    assert ratios >= least


@pytest.mark.parametrize(("positives", "negatives", "apart"), [(50, 50, 1), (20, 200, 1.5), (100, 100, 3), (10, 10, 1)])
def test_the_true_area_lies_inside_19_times_of_20(positives, negatives, apart):
    random, runs, truth = np.random.default_rng(5), 600, norm.cdf(apart / np.sqrt(2))
    inside = 0
    for _ in range(runs):
        scores = np.r_[random.normal(apart, 1, positives), random.normal(0, 1, negatives)]
        ranks = rankdata(scores)[:positives].sum() - positives * (positives + 1) / 2
        found = intervals.auc(ranks / (positives * negatives), positives, negatives)
        inside += found.low <= truth <= found.high
    assert inside >= runs * 0.95 - 3 * np.sqrt(runs * 0.95 * 0.05)


def test_the_true_mean_of_recalls_lies_inside_19_times_of_20():
    random, runs = np.random.default_rng(5), 600
    p, n = np.array([0.9, 0.6, 0.99]), np.array([100, 40, 25])
    inside = sum(
        found.low <= p.mean() <= found.high
        for found in (intervals.mean_of_proportions(random.binomial(n, p), n) for _ in range(runs))
    )
    assert inside >= runs * 0.95 - 3 * np.sqrt(runs * 0.95 * 0.05)
