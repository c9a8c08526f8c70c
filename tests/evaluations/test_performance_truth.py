# SPDX-License-Identifier: Apache-2.0
"""The statistics of evaluate-performance against known answers: coverage, power by simulation, planted leakage."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn import metrics as reference

from wardein.performance.leakage import find_telling_columns
from wardein.performance.study import Study, share
from wardein.statistics import intervals
from wardein.statistics.calibration import calibration
from wardein.statistics.neighbours import overlap
from wardein.statistics.power import examples_by_interval, examples_needed, power
from wardein.statistics.regression import deviations
from wardein.statistics.resampling import BLOCKS, resampled

# --- intervals hold the truth -----------------------------------------------------------------------------------


def test_accuracy_intervals_hold_the_truth():
    """Of 1000 tests of 130 rows with a true accuracy of 0.9."""
    hits = np.random.default_rng(0).binomial(130, 0.9, 1000)
    held = sum(m.ci.low <= 0.9 <= m.ci.high for m in (share("accuracy", int(h), 130) for h in hits))
    assert held >= 930


@pytest.mark.parametrize("rows", [20, 400])
def test_intervals_of_a_regressors_errors_hold_the_truth(rows):
    """Normal errors of variance 1 on labels of variance 2: R² is 0.5, the mean absolute error sqrt(2 / pi).

    By the replicates' percentiles, a mean squared error was said to be smaller than it is 1 time of 10 of 20 rows.
    """
    held, flattered = np.zeros(3, int), np.zeros(3, int)
    for seed in range(200):
        random = np.random.default_rng(seed)
        predicted = random.normal(size=rows)
        found = deviations(predicted + random.normal(size=rows), predicted, 400, seed)
        for i, (interval, truth) in enumerate(
            [
                (found.absolute_interval, np.sqrt(2 / np.pi)),
                (found.squared_interval, 1.0),
                (found.explained_interval, 0.5),
            ]
        ):
            held[i] += interval.low <= truth <= interval.high
            flattered[i] += interval.low > truth if i == 2 else interval.high < truth
    # Three standard errors of 200 times 0.95, and of 200 times 0.025 and what so few rows add.
    assert (held >= 180).all(), held
    assert (flattered <= 13).all(), flattered


def test_errors_that_are_rare_and_large_are_not_said_to_be_small():
    """Log-normal errors of 30 rows: percentiles flattered the root mean squared error 41 times of 100."""
    truth, flattered = np.exp(1.0), 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        predicted = random.normal(size=30)
        found = deviations(predicted + random.lognormal(0, 1, 30), predicted, 400, seed)
        assert found.squared_interval.low <= found.squared <= found.squared_interval.high
        flattered += found.squared_interval.high < truth
    assert flattered <= 30


def test_errors_that_are_all_alike_have_intervals_too():
    predicted = np.arange(12.0)
    exact = deviations(predicted, predicted, 100, 0)
    assert (exact.absolute, exact.squared_interval.high, exact.explained_interval.low) == (0, 0, 1)
    one_off = predicted + 5 * (predicted == 3)
    found = deviations(one_off, predicted, 400, 0)
    assert found.absolute_interval.low == 0
    assert found.absolute_interval.high > 2 * found.absolute
    huge = deviations(1e200 * one_off, 1e200 * predicted, 400, 0)
    assert huge.absolute_interval.high == pytest.approx(1e200 * found.absolute_interval.high, rel=1e-9)
    assert huge.explained == pytest.approx(found.explained, rel=1e-9)


def test_a_regressors_errors_agree_with_scikit_learn():
    random = np.random.default_rng(1)
    truth, predicted = random.normal(1e6, 3, 500), random.normal(1e6, 1, 500)
    found = deviations(truth, predicted, 200, 0)
    assert found.absolute == pytest.approx(reference.mean_absolute_error(truth, predicted), rel=1e-12)
    assert found.squared == pytest.approx(reference.root_mean_squared_error(truth, predicted), rel=1e-12)
    assert found.explained == pytest.approx(reference.r2_score(truth, predicted), rel=1e-9)
    mean = np.full(500, truth.mean())
    assert found.of_mean == pytest.approx(reference.mean_absolute_error(truth, mean), rel=1e-9)


def test_a_bootstrap_of_blocks_is_as_wide_as_one_of_rows():
    random = np.random.default_rng(2)
    values = random.exponential(size=3 * BLOCKS)
    of_blocks = resampled([values], 1000, 0)
    assert of_blocks.std() == pytest.approx(values.std() / np.sqrt(len(values)), rel=0.1)
    assert of_blocks.mean() == pytest.approx(values.mean(), abs=3 * of_blocks.std() / 30)


@pytest.mark.parametrize(("off", "rows"), [(0.0, 100), (0.0, 5000), (0.05, 500), (0.15, 3000)])
def test_calibration_intervals_hold_the_truth(off, rows):
    """Of a calibrated model every bootstrap replicate is worse: its interval never held the truth."""
    held = briers = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        chance = random.beta(2, 5, rows) * 0.8
        happened = (random.random(rows) < chance + off).astype(int)
        found = calibration(np.column_stack([1 - chance, chance]), happened, 1)
        assert found.error_interval.low <= found.error <= found.error_interval.high
        assert found.brier == pytest.approx(reference.brier_score_loss(happened, chance), abs=1e-12)
        held += found.error_interval.low <= off + 1e-9 and off - 1e-9 <= found.error_interval.high
        # E(p + off)(1 - p - off) + off², with the moments of Beta(2, 5)
        p, p2 = 0.8 * 2 / 7, 0.64 * 6 / 56
        truth = (p + off) - (p2 + 2 * off * p + off**2) + off**2
        briers += found.brier_interval.low <= truth <= found.brier_interval.high
    assert held >= 93
    assert briers >= 90


def test_exact_ends_agree_with_scipy():
    for hits, n in [(0, 20), (3, 50), (50, 50), (700, 1000)]:
        rate, low, high = intervals.exact(np.array([hits]), np.array([n]), 0.001)
        expected = binomtest(hits, n).proportion_ci(0.998, method="exact")
        assert (rate[0], low[0], high[0]) == pytest.approx((hits / n, expected.low, expected.high), abs=1e-9)


# --- power ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("threshold", "truth"), [(0.9, 0.92), (0.5, 0.6), (0.95, 0.99), (0.9, 1.0), (0.02, 0.05)])
def test_so_many_examples_show_the_claim_four_times_in_five(threshold, truth):
    """By simulation, over the intervals themselves: enough with the examples named, not with a tenth fewer."""
    needed = examples_needed(threshold, truth)
    assert needed is not None

    def shown(n):
        hits, times = np.unique(np.random.default_rng(0).binomial(n, truth, 4000), return_counts=True)
        return sum(t * (intervals.wilson(int(h), n).low >= threshold) for h, t in zip(hits, times, strict=True)) / 4000

    assert shown(needed) >= 0.78
    assert shown(int(needed * 0.8)) < 0.8 if truth < 1 else shown(needed - 1) == 0
    assert shown(needed) == pytest.approx(float(power(threshold, truth, needed)), abs=0.02)


def test_more_examples_never_show_less_than_promised():
    needed = examples_needed(0.9, 0.95)
    assert (power(0.9, 0.95, np.arange(needed, 3 * needed)) >= 0.8).all()
    assert power(0.9, 0.95, needed - 1) < 0.8


def test_no_number_of_examples_shows_what_is_not_so():
    assert examples_needed(0.9, 0.9) is None
    assert examples_needed(0.9, 0.8) is None
    assert examples_needed(0.9, 0.9 + 1e-6) is None
    assert examples_by_interval(100, 0.1, 0.0) is None
    assert examples_by_interval(100, 0.1, -0.1) is None
    assert examples_by_interval(100, 0.1, 1e-9) is None


def test_examples_by_an_interval_agree_with_the_exact_number():
    interval = intervals.wilson(920, 1000)
    about = examples_by_interval(1000, 0.92 - interval.low, 0.02)
    assert about == pytest.approx(examples_needed(0.9, 0.92), rel=0.1)


# --- rows of the training data ----------------------------------------------------------------------------------


def people(n, seed):
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "income": random.lognormal(10, 1, n).round(2),
            "height": random.normal(170, 10, n).round(1),
            "age": random.integers(18, 90, n),
            "city": random.choice(list("abcdef"), n),
            "score": random.normal(size=n),
        }
    )


def test_an_honest_split_has_no_rows_in_common():
    found = overlap(people(2000, 1), people(4000, 0))
    assert found.tells
    assert found.same.sum() == found.near.sum() == found.twins == 0


@pytest.mark.parametrize(
    ("change", "near"),
    [
        (lambda rows, random: rows, False),
        (lambda rows, random: rows.assign(income=rows["income"] + random.normal(0, 500, len(rows))), True),
        (lambda rows, random: rows.assign(score=rows["score"] + 3), True),
        (
            lambda rows, random: rows.assign(
                height=rows["height"] + random.uniform(-0.05, 0.05, len(rows)),
                score=rows["score"] + random.uniform(-0.005, 0.005, len(rows)),
            ),
            True,
        ),
    ],
    ids=["the same", "one number", "one number by far", "numbers by little"],
)
def test_planted_rows_are_found_every_one_and_no_other(change, near):
    random = np.random.default_rng(2)
    train, test = people(4000, 0), people(1900, 1)
    leaked = change(train.sample(100, random_state=1), random)
    found = overlap(pd.concat([test, leaked], ignore_index=True), train)
    known = found.near if near else found.same
    assert known[1900:].all()
    assert not (found.same | found.near)[:1900].any()
    assert found.twins == 0


def test_numbers_that_a_reference_has_as_text_are_numbers():
    train, test = people(4000, 0), people(1900, 1)
    leaked = train.sample(100, random_state=1)
    rows = pd.concat([test, leaked.assign(income=leaked["income"] + 7)], ignore_index=True)
    for text in (train.astype({"income": str, "age": str}), train.astype({"income": "category"})):
        found = overlap(rows, text)
        assert found.near[1900:].all()
        assert not (found.same | found.near)[:1900].any()


def test_coarse_rows_agree_by_chance_and_chance_is_told():
    """Few values, so that nearly every row of an honest test has a double among the training rows."""
    random = np.random.default_rng(0)
    rows = pd.DataFrame({name: random.integers(0, 5, 6000) for name in "abcd"})
    found = overlap(rows[4000:], rows[:4000])
    assert not found.tells
    assert found.near.sum() == 0
    assert found.same.mean() == pytest.approx(found.twins / found.among, abs=0.02)


def test_rows_that_nearly_agree_by_chance_do_so_among_the_training_rows_as_well():
    random = np.random.default_rng(4)
    n = 12_000
    rows = pd.DataFrame({"weight": random.integers(0, 400_000, n), "age": random.integers(18, 90, n)})
    rows["city"] = random.choice(list("abcdef"), n)
    found = overlap(rows[8000:], rows[:8000])
    assert found.tells
    assert found.near.sum() > 5
    assert found.near.mean() == pytest.approx(found.twins / found.among, rel=0.7)


def test_missing_values_are_the_same_and_text_is_compared():
    train = people(500, 0)
    train.loc[:99, "score"] = np.nan
    train.loc[50:, "city"] = train.loc[50:, "city"].where(train.index[50:] % 2 == 0, None)
    found = overlap(train.iloc[:200].assign(height=lambda t: t["height"] + 7), train)
    assert found.near.all()
    found = overlap(train.iloc[:200].assign(height=lambda t: t["height"] + 7, city="z"), train)
    assert not found.near.any()


def test_the_order_of_the_rows_does_not_matter():
    train, test = people(3000, 0), people(1000, 1)
    test.iloc[:50] = train.iloc[:50]
    order = np.random.default_rng(0).permutation(3000)
    one, other = overlap(test, train), overlap(test, train.iloc[order])
    assert (one.same == other.same).all()
    assert (one.near == other.near).all()
    assert (one.twins, one.among) == (other.twins, other.among)


# --- columns that tell the label --------------------------------------------------------------------------------


def telling(rows, truth, classes=2):
    study = Study()
    find_telling_columns(study, rows, truth, classes)
    return [finding.location for finding in study.findings]


def test_a_column_that_tells_the_label_is_named():
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, 500)
    rows = pd.DataFrame(
        {
            "honest": truth + random.normal(size=500),
            "low": random.normal(size=500) * 0.1 - truth,
            "middle": np.where(truth == 1, random.uniform(0.4, 0.6, 500), random.choice([0.1, 0.9], 500)),
            "name": np.where(truth == 1, random.choice(["x", "y"], 500), random.choice(["u", "v"], 500)),
            "id": [f"row {i}" for i in range(500)],
        }
    )
    assert sorted(telling(rows, truth)) == ["low", "middle", "name"]


def test_three_classes_must_all_be_told():
    random = np.random.default_rng(1)
    truth = random.integers(0, 3, 600)
    rows = pd.DataFrame({"one": (truth == 1) * 1.0, "all": np.array(["a", "b", "c"])[truth]})
    assert telling(rows, truth, 3) == ["all"]


def test_a_handful_of_rows_tells_nothing():
    assert telling(pd.DataFrame({"x": [1.0, 2, 3, 4]}), np.array([0, 0, 1, 1])) == []
