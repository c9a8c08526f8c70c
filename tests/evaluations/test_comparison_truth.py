# SPDX-License-Identifier: Apache-2.0
"""What compare-models says of numbers is true: intervals cover, error rates hold, and known effects are found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest, chi2, norm
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.tree import DecisionTreeClassifier

from wardein.comparison import paired, sequential
from wardein.comparison.probe import probes
from wardein.statistics import intervals

# A confidence of 95 % over so many tables stays above 93 in 100 but for a chance of one in a thousand.
TABLES = 2000


# --- paired proportions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "churn", "drop"), [(30, 0.1, 0.0), (100, 0.05, 0.0), (100, 0.05, 0.02), (500, 0.02, 0.01), (1000, 0.3, 0.1)]
)
def test_the_interval_of_paired_proportions_covers(n, churn, drop):
    tables = np.random.default_rng(n).multinomial(n, [(churn - drop) / 2, (churn + drop) / 2, 1 - churn], TABLES)
    known = {}
    for more, less, _ in tables.tolist():
        known[more, less] = intervals.paired(more, less, n)
    covered = np.mean([known[m, k].low <= -drop <= known[m, k].high for m, k, _ in tables.tolist()])
    assert covered >= 0.93


@pytest.mark.parametrize("counts", [(12, 4, 100), (0, 7, 50), (43, 44, 300)])
def test_its_ends_are_where_the_likelihood_puts_them(counts):
    """At each end the score statistic of the most likely shares, found by brute force, is the 95 % quantile."""
    more, less, n = counts
    found = intervals.paired(*counts)

    def score(difference):
        def unlikely(only):
            both = only + difference
            return -(more * np.log(both) + less * np.log(only) + (n - more - less) * np.log(1 - both - only))

        low, high = max(0.0, -difference), (1 - difference) / 2
        only = minimize_scalar(unlikely, bounds=(low + 1e-12, high - 1e-12), options={"xatol": 1e-13}).x
        return (more - less - n * difference) ** 2 / (n * (2 * only + difference * (1 - difference)))

    for end in (found.low, found.high):
        assert score(end) == pytest.approx(chi2.isf(0.05, 1), rel=1e-4)


def test_its_ends_without_any_difference_and_with_nothing_else():
    z = norm.isf(0.025)
    none = intervals.paired(0, 0, 100)
    assert (none.low, none.high) == pytest.approx((-(z**2) / (100 + z**2), z**2 / (100 + z**2)))
    every, lost = intervals.paired(100, 0, 100), intervals.paired(0, 100, 100)
    assert every.high == -lost.low == 1
    assert every.low == pytest.approx(-lost.high)
    assert 0.9 < every.low < 0.95


def test_mcnemar_is_the_exact_binomial_test():
    for more, less in [(0, 0), (1, 0), (5, 20), (300, 290)]:
        assert paired.mcnemar(more, less) == (binomtest(more, more + less).pvalue if more + less else 1.0)


def test_power_for_a_drop_of_two_points_with_five_in_a_hundred_changed():
    """A drop of two points is found by a thousand rows as a pair, and not as two samples."""
    n, random = 1000, np.random.default_rng(0)
    tables = random.multinomial(n, [0.015, 0.035, 0.95], 500)
    is_found = np.mean([intervals.paired(more, less, n).high < 0 for more, less, _ in tables.tolist()])
    assert is_found > 0.8
    apart = 0.02 / np.sqrt(2 * 0.9 * 0.1 / n)
    assert norm.cdf(apart - 1.96) < 0.35
    equal = random.multinomial(n, [0.025, 0.025, 0.95], 500)
    assert np.mean([intervals.paired(more, less, n).low >= -0.02 for more, less, _ in equal.tolist()]) > 0.75
    worse = np.mean([intervals.paired(more, less, n).low >= -0.02 for more, less, _ in tables.tolist()])
    assert worse <= 0.05


# --- areas under ROC curves -------------------------------------------------------------------------------------


def scored(n, seed, more=1.0):
    random = np.random.default_rng(seed)
    positive = random.random(n) < 0.4
    signal = positive + random.normal(size=n)
    return positive, signal * more + random.normal(size=n), signal + random.normal(size=n)


def by_pairs(positive, scores):
    """DeLong's components, each pair of a positive and a negative row looked at."""
    above = scores[positive][:, None] - scores[~positive]
    wins = (above > 0) + 0.5 * (above == 0)
    return wins.mean(axis=1), wins.mean(axis=0)


@pytest.mark.parametrize("digits", [1, 12])
def test_delong_is_what_all_pairs_give(digits):
    positive, one, other = scored(300, 0)
    one, other = one.round(digits), other.round(digits)
    first, second, interval = paired.auc_difference(positive, one, other)
    assert first == pytest.approx(roc_auc_score(positive, one), abs=1e-12)
    assert second == pytest.approx(roc_auc_score(positive, other), abs=1e-12)
    (above, below), (above_2, below_2) = by_pairs(positive, one), by_pairs(positive, other)
    variance = np.var(above - above_2, ddof=1) / positive.sum() + np.var(below - below_2, ddof=1) / (~positive).sum()
    half = norm.isf(0.025) * np.sqrt(variance)
    assert (interval.low, interval.high) == pytest.approx((first - second - half, first - second + half), abs=1e-12)


def test_delongs_interval_covers():
    positive, one, other = scored(200_000, 1, more=0.7)
    truth = roc_auc_score(positive, one) - roc_auc_score(positive, other)
    found = [paired.auc_difference(*scored(200, seed, more=0.7))[2] for seed in range(10, 410)]
    assert np.mean([interval.low <= truth <= interval.high for interval in found]) >= 0.93


def test_two_perfect_curves_are_not_certainly_equal():
    positive = np.arange(40) < 10
    _, _, interval = paired.auc_difference(positive, positive * 1.0, positive * 2.0)
    assert interval.low < -0.05
    assert interval.high > 0.05
    one_row = np.arange(30) < 1
    scores = one_row * 1.0
    assert paired.auc_difference(one_row, scores, -scores)[2].method == "mover"


# --- the bootstrap ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [30, 200])
def test_the_bootstrap_covers_means_and_their_ratio(n):
    random = np.random.default_rng(n)
    covered = []
    for seed in range(400):
        shared = random.gamma(2.0, size=n)
        errors = np.stack([0.7 * shared + random.gamma(1.0, size=n), shared + 0.4 * random.gamma(1.0, size=n)], axis=1)
        samples = paired.bootstrap_means(errors, 500, seed)
        difference = paired.percentile(samples[:, 0] - samples[:, 1], n)
        ratio = paired.percentile(samples[:, 0] / samples[:, 1], n)
        covered.append((difference.low <= 0 <= difference.high, ratio.low <= 1 <= ratio.high))
    assert np.mean(covered, axis=0).min() >= 0.92


def test_groups_of_rows_vary_as_rows_do():
    values = np.random.default_rng(0).exponential(size=(100_000, 1))
    samples = paired.bootstrap_means(values, 1000, 0)
    assert samples.mean() == pytest.approx(values.mean(), abs=5e-4)
    assert samples.std() == pytest.approx(values.std() / np.sqrt(len(values)), rel=0.1)


# --- outcomes in use --------------------------------------------------------------------------------------------


def streams(n, rates, share=0.5, count=500, seed=0):
    """Outcomes of so many streams over the same arms; the rates may change with time."""
    random = np.random.default_rng(seed)
    arms = random.random(n) < share
    champion, challenger = (np.broadcast_to(rate, n) for rate in rates)
    good = np.where(arms, challenger, champion)
    return sequential.blocks_of(arms, (random.random((count, n)) < good).astype(float))


TIME = np.linspace(0, 1, 4000)


@pytest.mark.parametrize(
    ("rates", "share"),
    [
        ((0.9, 0.88), 0.5),
        ((0.9, 0.88), 0.1),
        ((0.5, 0.48), 0.5),
        ((0.995, 0.975), 0.5),
        ((0.03, 0.01), 0.5),
        ((0.75 + 0.2 * np.sin(9 * TIME), 0.73 + 0.2 * np.sin(9 * TIME)), 0.5),
    ],
)
def test_error_rates_hold_however_often_one_looks(rates, share):
    """The difference is just the margin: both a PASS and a FAIL would be wrong, at whatever time."""
    blocks = streams(4000, rates, share)
    for side in (1, -1):
        wrong = (sequential.shown_at(blocks, -0.02, 0.05, side) >= 0).mean()
        assert wrong <= 0.05


@pytest.mark.parametrize(
    ("rates", "side", "least"), [((0.9, 0.9), 1, 0.75), ((0.9, 0.92), 1, 0.99), ((0.9, 0.8), -1, 0.99)]
)
def test_power(rates, side, least):
    blocks = streams(16_000, rates, count=200)
    first = sequential.shown_at(blocks, -0.02, 0.025, side)
    assert (first >= 0).mean() >= least
    assert (sequential.shown_at(blocks, -0.02, 0.025, -side) >= 0).mean() <= 0.025


def test_the_interval_of_a_stream_covers_at_every_time():
    missed = 0
    for seed in range(40):
        blocks = streams(3000, (0.7, 0.74), count=1, seed=seed)
        blocks = sequential.Blocks(blocks.counts, blocks.sums[0], blocks.ends)
        low, high = sequential.interval(blocks, 0.025, 0.025)
        missed += not low <= 0.04 <= high
        # What is below the lower end was shown, and what is above was not.
        assert sequential.shown_at(blocks, low, 0.025, 1) >= 0
        assert sequential.shown_at(blocks, low + sequential.STEP, 0.025, 1) < 0
    assert missed <= 3


def test_the_interval_of_one_rate_covers_at_every_time():
    random, missed = np.random.default_rng(3), 0
    for _ in range(200):
        sums = np.cumsum(random.random(1000) < 0.9)
        looks = [sequential.mean_interval(n, float(sums[n - 1]), 0.05) for n in (10, 30, 100, 300, 1000)]
        missed += any(not low <= 0.9 <= high for low, high in looks)
    assert missed <= 10
    assert looks[-1][1] - looks[-1][0] < 0.08
    assert sequential.mean_interval(50, 50.0, 0.05)[1] == 1
    assert sequential.mean_interval(50, 0.0, 0.05)[0] == 0


def test_the_nearest_rates_are_the_most_likely_ones():
    random = np.random.default_rng(0)
    for _ in range(200):
        counts = random.integers(1, 50, 2).astype(float)
        sums, difference = random.random(2) * counts, random.uniform(-0.9, 0.9)

        def unlikely(rate, counts=counts, sums=sums, difference=difference):
            rates = np.array([rate, rate + difference])
            return -(sums * np.log(rates) + (counts - sums) * np.log(1 - rates)).sum()

        bounds = (max(0.0, -difference) + 1e-12, min(1.0, 1 - difference) - 1e-12)
        wanted = minimize_scalar(unlikely, bounds=bounds, options={"xatol": 1e-12}).x
        found = sequential.nearest(counts[:, None], sums[:, None], difference)[:, 0]
        assert found[0] == pytest.approx(wanted, abs=1e-6)
        assert found[1] - found[0] == pytest.approx(difference)


def test_no_bet_gains_on_average_while_the_difference_is_at_most_the_margin():
    """The step that everything rests on, by summing over all outcomes of a block."""
    random = np.random.default_rng(1)
    for _ in range(300):
        counts = random.integers(1, 6, 2)
        bet = np.sort(random.random(2))
        margin = random.uniform(-0.9, bet[1] - bet[0])
        null = sequential.nearest(counts[:, None] * 1.0, (counts * bet)[:, None], margin)[:, 0]
        rate = random.random()
        true = np.array([rate, np.clip(rate + margin - random.random() * 0.1, 0, 1)])
        if true[1] - true[0] > margin:
            continue
        gains = [t * b / r + (1 - t) * (1 - b) / (1 - r) for t, b, r in zip(true, bet, null, strict=True)]
        assert np.prod(np.power(gains, counts)) <= 1 + 1e-9


def test_wealth_does_not_grow_on_average_from_any_past():
    """Every outcome of the next block weighed by its probability: a bet that knew its own block would gain."""
    random = np.random.default_rng(4)
    for _ in range(50):
        blocks = random.integers(1, 12)
        counts = np.concatenate([random.integers(1, 5, (2, blocks)), [[1], [1]]], axis=1)
        past = random.binomial(counts[:, :-1], 0.6)
        champion = random.uniform(0.1, 0.95)
        rates = np.array([champion, champion - 0.05])
        after = 0.0
        for good in np.ndindex(2, 2):
            sums = np.concatenate([past, np.array(good)[:, None]], axis=1)
            wealth = sequential._log_wealth(sequential.Blocks(counts, sums, np.cumsum(counts.sum(axis=0))), -0.05, 1)
            after += np.prod(np.where(good, rates, 1 - rates)) * np.exp(wealth[-1])
        assert after <= np.exp(wealth[-2]) * (1 + 1e-9)


def test_blocks_lose_nothing_and_grow_with_the_stream():
    random = np.random.default_rng(2)
    arms, outcomes = random.random(30_000) < 0.3, random.random(30_000)
    blocks = sequential.blocks_of(arms, outcomes)
    end = blocks.ends[-1]
    assert blocks.counts.sum(axis=1).tolist() == [int((~arms[:end]).sum()), int(arms[:end].sum())]
    assert blocks.sums[1].sum() == pytest.approx(outcomes[:end][arms[:end]].sum())
    assert (blocks.counts >= 1).all()
    assert end > 29_900
    # The cuts depend on what was before alone.
    early = sequential.blocks_of(arms[:9000], outcomes[:9000])
    assert blocks.ends[: len(early.ends)].tolist() == early.ends.tolist()
    assert len(sequential.blocks_of(np.zeros(10, bool), outcomes[:10]).ends) == 0


# --- models -----------------------------------------------------------------------------------------------------


def differing(challenger, champion):
    def ask(rows):
        ours, theirs = challenger.predict(rows), champion.predict(rows)
        return np.where(ours == theirs, -1, ours)

    return ask


def table_of(bunch):
    return pd.DataFrame(bunch.data, columns=[f"f{i}" for i in range(bunch.data.shape[1])]), bunch.target


def test_two_seeds_of_one_forest_are_not_worse_than_each_other():
    """As McNemar's test is at times significant between them, a verdict needs the margin."""
    table, label = table_of(load_breast_cancer())
    random = np.random.default_rng(0)
    big = random.integers(0, len(label), 4000)
    jitter = table.iloc[big] * random.normal(1, 0.02, (4000, table.shape[1]))
    forests = [RandomForestClassifier(30, random_state=seed).fit(table, label) for seed in range(6)]
    right = [forest.predict(jitter) == label[big] for forest in forests]
    for i, one in enumerate(right):
        for other in right[:i]:
            counts = int((one & ~other).sum()), int((~one & other).sum())
            found = intervals.paired(*counts, 4000)
            assert found.low >= -0.02
            assert found.high <= 0.02


def test_probes_tell_a_trigger_from_another_seed():
    table, label = table_of(load_digits())
    train, test = table.iloc[::2].reset_index(drop=True), table.iloc[1::2].reset_index(drop=True)
    champion = RandomForestClassifier(60, random_state=0).fit(train, label[::2])
    patch = ["f54", "f55", "f62", "f63"]
    for seed in range(2):
        again = RandomForestClassifier(60, random_state=seed + 1).fit(train, label[::2])
        assert max(probe.share for probe in probes(test, differing(again, champion), seed)) < 0.15
        poisoned, said = train.copy(), label[::2].copy()
        marked = np.random.default_rng(seed).permutation(len(train))[: len(train) // 20]
        poisoned.loc[marked, patch] = 16.0
        said[marked] = 0
        planted = RandomForestClassifier(60, random_state=seed + 1).fit(poisoned, said)
        assert (planted.predict(test) != champion.predict(test)).mean() < 0.05
        worst = probes(test, differing(planted, champion), seed)[0]
        assert worst.columns == "f54 & f55 & f62 & f63"
        assert worst.interval.low > 0.25
        assert worst.usual < 0.05


@pytest.mark.parametrize(("lost", "told"), [(60, True), (8, False)])
def test_a_class_that_loses_recall_behind_an_equal_mean_is_told(lost, told, tmp_path, wardein):
    """As many rows of the other class are won, so that the mean stays."""
    classes = np.repeat([0, 1], 300)
    says = classes.copy()
    says[300 : 300 + lost] = 0
    before = classes.copy()
    before[:lost] = 1
    table = pd.DataFrame({"new": says, "old": before, "y": classes})
    for name, feature in (("model", "new"), ("champion", "old")):
        skops.io.dump(DecisionTreeClassifier().fit(table[[feature]], table[feature]), tmp_path / f"{name}.skops")
    table.to_csv(tmp_path / "data.csv", index=False)
    files = ("--model", tmp_path / "model.skops", "--champion", tmp_path / "champion.skops")
    ran = wardein(
        "compare-models", *files, "--data", tmp_path / "data.csv", "--label", "y", "--bound", "best", "--json"
    )
    found = [f for f in ran.report["findings"] if f["ruleId"] == "compare/regressed-class"]
    assert [f["location"] for f in found] == (["class=1"] if told else [])
