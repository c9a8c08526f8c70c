# SPDX-License-Identifier: Apache-2.0
"""What evaluate-privacy measures, where the truth is known: intervals cover it, and attacks find what is there.

The Adversarial Robustness Toolbox attacks the same model with the same rows, and finds no more.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy.stats import norm
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from wardein.checks.evaluate_privacy import evaluate_privacy
from wardein.models.load import load
from wardein.privacy.attributes import infer
from wardein.privacy.inversion import invert
from wardein.privacy.likelihood_ratio import Shadows, fit_shadows, likelihood_ratios
from wardein.privacy.membership import area, rate_at, threshold_attacks, worst
from wardein.privacy.population import Population, draw
from wardein.privacy.signals import signals
from wardein.statistics.intervals import TAIL

SEEDS, AT_LEAST = 400, 0.93


def covers(estimates, truth) -> float:
    return float(np.mean([one.interval.low <= truth <= one.interval.high for one in estimates]))


def scores_of(seed: int, apart: float, members: int, others: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal scores, those of members so much higher."""
    random = np.random.default_rng(seed)
    scores = np.concatenate([random.normal(apart, 1, members), random.normal(size=others)])
    return scores, np.arange(members + others) < members


# --- intervals that cover the truth ------------------------------------------------------------------------------


@pytest.mark.parametrize(("apart", "members", "others"), [(0.0, 300, 300), (0.5, 60, 400), (2.0, 200, 200)])
def test_the_interval_of_the_area_covers_it(apart, members, others):
    truth = norm.cdf(apart / np.sqrt(2))
    found = [area(*scores_of(seed, apart, members, others)) for seed in range(SEEDS)]
    assert covers(found, truth) >= AT_LEAST
    assert np.mean([one.value for one in found]) == pytest.approx(truth, abs=0.01)


@pytest.mark.parametrize(("apart", "others", "alarms"), [(0.0, 300, 0.01), (2.0, 300, 0.01), (1.0, 2000, 0.001)])
def test_the_interval_of_the_members_found_covers_them(apart, others, alarms):
    truth = norm.sf(norm.isf(alarms) - apart)
    found = [rate_at(*scores_of(seed, apart, 300, others), alarms) for seed in range(SEEDS)]
    assert covers(found, truth) >= 0.95, "order statistics and exact intervals do not miss"
    assert np.mean([one.value for one in found]) == pytest.approx(truth, abs=0.03)


def test_the_interval_of_the_best_of_several_attacks_covers_the_best():
    """The largest of six estimates lies above a half nearly always, where none finds anything."""
    found = []
    for seed in range(SEEDS):
        attacks = [scores_of(6 * seed + i, 0.0, 300, 300) for i in range(6)]
        both = {str(i): (area(*one), area(*one, TAIL / 6)) for i, one in enumerate(attacks)}
        found.append(worst(both))
    assert np.mean([one.value > 0.5 for one in found]) > 0.9
    assert covers(found, 0.5) >= AT_LEAST


def test_the_area_is_that_of_scikit_learn_with_ties_too():
    scores, member = scores_of(0, 0.7, 200, 300)
    for values in (scores, scores.round(1), np.zeros(500)):
        assert area(values, member).value == pytest.approx(roc_auc_score(member, values), abs=1e-12)


def test_ties_are_drawn_by_lot():
    """Of scores that say nothing an attacker finds as many members as alarms, however few values they have."""
    member = np.arange(400) < 200
    assert rate_at(np.zeros(400), member, 0.01).value == pytest.approx(0.01)
    two = np.tile([0.0, 1.0], 200)
    assert rate_at(two, member, 0.01).value == pytest.approx(0.01)
    perfect = rate_at(member.astype(float), member, 0.01)
    assert (perfect.value, perfect.interval.high) == (1.0, 1.0)
    assert perfect.interval.low > 0.9 or perfect.interval.low == 0.0


def test_the_likelihood_ratio_by_hand():
    said = np.array([[[2.0], [1.0]], [[4.0], [3.0]], [[0.0], [1.0]], [[2.0], [3.0]]])
    inside = np.array([[True, False], [True, False], [False, True], [False, True]])
    found = likelihood_ratios(Shadows(inside, said, ""), np.array([[3.0], [2.0]]))
    spread = np.sqrt(4 / 2)  # about the means 3 and 1, and 2 and 2; of four values with two means
    assert found["lira-offline"] == pytest.approx([(3 - 1) / spread, 0])
    assert found["lira-online"] == pytest.approx([(2**2 - 0) / (2 * spread**2), 0])


# --- attacks that find what is there -----------------------------------------------------------------------------


def noisy(rows: int = 3000, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of which 30 % have the wrong label, in two halves."""
    values, label = make_classification(rows, 20, n_informative=8, random_state=seed, flip_y=0)
    label = np.where(np.random.default_rng(seed).random(rows) < 0.3, 1 - label, label)
    table = pd.DataFrame(values, columns=[f"f{i}" for i in range(20)]).assign(y=label)
    return table[: rows // 2], table[rows // 2 :].reset_index(drop=True)


def fitted(folder, estimator, training: pd.DataFrame):
    path = folder / "model.skops"
    skops.io.dump(estimator.fit(training.drop(columns="y"), training["y"]), path)
    return path


def test_an_overfit_forest_gives_its_rows_away(tmp_path):
    """As measured before with other code: confidence .88, likelihood ratio .99."""
    training, unseen = noisy()
    path = fitted(tmp_path, RandomForestClassifier(60, random_state=0), training)
    training.to_csv(tmp_path / "training.csv", index=False)
    unseen.to_csv(tmp_path / "unseen.csv", index=False)
    report = evaluate_privacy(path, tmp_path / "unseen.csv", "y", tmp_path / "training.csv", shadow_models=8)
    found = {metric.label: metric for metric in report.metrics}
    confidence, ratio = (found[f"membership_auc[attack={name}]"] for name in ("confidence", "lira-online"))
    assert confidence.value > 0.85
    assert ratio.ci.low > max(0.97, confidence.ci.high)
    assert found["membership_tpr[attack=lira-online, fpr=0.01]"].value > 0.7
    assert found["membership_auc[attack=worst]"].value == max(
        metric.value for label, metric in found.items() if label.startswith("membership_auc[")
    )


def population(scores: np.ndarray, truth: np.ndarray, member: np.ndarray, **columns) -> Population:
    table = pd.DataFrame(columns or {"x": np.zeros(len(truth))})
    return Population(table, member, np.arange(len(truth)) + 1, truth, scores, table[:0], truth[:0], 0, 0, (1, 1))


def test_a_model_that_saw_neither_table_gives_nothing_away():
    """Twenty models of a third table: of a hundred intervals few may miss a half."""
    missed = 0
    for seed in range(20):
        training, rest = noisy(900, seed)
        model = RandomForestClassifier(10, random_state=0).fit(training.drop(columns="y"), training["y"])
        own = signals(model.predict_proba(rest.drop(columns="y")), rest["y"].to_numpy(), 2)
        member = np.random.default_rng(seed).random(len(rest)) < 0.5
        for scores in threshold_attacks(own, 2, member, seed).values():
            interval = area(scores, member).interval
            missed += not interval.low <= 0.5 <= interval.high
    assert missed <= 6


def test_thresholds_of_classes_find_what_one_threshold_does_not():
    """One class is always told with more confidence, and members of each class with a little more."""
    random = np.random.default_rng(0)
    truth, member = random.integers(0, 2, 2000), np.arange(2000) < 1000
    right = np.clip(np.where(truth == 1, 0.9, 0.5) + np.where(member, 0.03, 0) + random.normal(0, 0.02, 2000), 0, 1)
    answers = np.where(truth[:, None] == [0, 1], right[:, None], 1 - right[:, None])
    found = threshold_attacks(signals(answers, truth, 2), 2, member, 0)
    assert area(found["class-confidence"], member).value > area(found["confidence"], member).value + 0.1


def test_the_entropy_is_that_of_song_and_mittal():
    answers, truth = np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]]), np.array([0, 1])
    by_hand = [
        -(1 - 0.7) * np.log(0.7) - 0.2 * np.log(0.8) - 0.1 * np.log(0.9),
        -(1 - 0.3) * np.log(0.3) - 0.3 * np.log(0.7) - 0.4 * np.log(0.6),
    ]
    assert -signals(answers, truth, 3)[:, 1] == pytest.approx(by_hand)


def test_shadows_are_in_half_of_what_they_are_asked(tmp_path):
    training, unseen = noisy(800)
    path = fitted(tmp_path, LogisticRegression(), training)
    with load(path) as model:
        people = draw(model, training, unseen, "y", 100, 0)
        shadows = fit_shadows(model, people, 6, 0)
    assert shadows.stand_in == ""
    assert (shadows.inside.sum(axis=0) == 3).all()
    assert (shadows.inside.sum(axis=1) == 100).all()
    assert len(people.others) == 300
    assert shadows.said.shape == (6, 200, 4)
    # What the model's process said is what scikit-learn says here.
    rows = pd.concat([people.rows[shadows.inside[0]], people.others])
    labels = np.concatenate([people.truth[shadows.inside[0]], people.others_truth])
    here = LogisticRegression().fit(rows, labels).predict_proba(people.rows)
    assert shadows.said[0] == pytest.approx(signals(here, people.truth, 2), abs=1e-6)


# --- attributes and prototypes -----------------------------------------------------------------------------------


def test_no_advantage_is_claimed_where_there_is_none():
    """The model's answer is drawn at random: it says nothing, and learning from it can only do harm."""
    claimed = []
    for seed in range(10):
        random = np.random.default_rng(seed)
        share, sex = random.random(400), random.integers(0, 2, 400)
        people = population(
            np.column_stack([share, 1 - share]),
            random.integers(0, 2, 400),
            np.ones(400, bool),
            sex=sex,
            x=random.normal(size=400) + sex,
        )
        found = infer(people, "sex", True, seed)
        claimed.append(found.advantage.interval.low > 0)
        assert found.guessing.interval.low < norm.cdf(0.5) < found.guessing.interval.high + 0.05  # the best there is
    assert not any(claimed)


def test_the_advantage_where_the_answer_is_the_attribute():
    random = np.random.default_rng(0)
    sex = random.integers(0, 2, 600)
    people = population(
        np.eye(2)[sex], random.integers(0, 2, 600), np.arange(600) < 300, sex=sex, x=random.normal(size=600)
    )
    for members in (True, False):
        found = infer(people, "sex", members, 0)
        assert found.knowing.value == 1
        assert 0.4 < found.advantage.interval.low < found.advantage.value < 0.6
        assert found.advantage.value == pytest.approx(found.knowing.value - found.guessing.value)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_prototypes_of_a_network_look_like_its_classes(tmp_path, activation):
    random = np.random.default_rng(0)
    label = random.integers(0, 2, 1000)
    ways = random.normal(size=10)
    table = pd.DataFrame(np.where(label == 1, 1, -1)[:, None] * ways + random.normal(size=(1000, 10)))
    table = table.rename(columns=lambda name: f"f{name}").assign(y=label)
    network = make_pipeline(StandardScaler(), MLPClassifier((12,), activation, max_iter=80, random_state=0))
    path = fitted(tmp_path, network, table[:500])
    with load(path) as model:
        found = invert(model, draw(model, table[:500], table[500:], "y", 400, 0))
    assert [one.place for one in found] == [0, 1]
    assert all(one.own > 0.7 > 0 > one.other for one in found)


# --- beside the Adversarial Robustness Toolbox -------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
def test_no_weaker_than_the_black_box_attack_of_art(tmp_path):
    inference = pytest.importorskip("art.attacks.inference.membership_inference")
    from art.estimators.classification import SklearnClassifier

    training, unseen = noisy(2000)
    estimator = RandomForestClassifier(50, random_state=0)
    path = fitted(tmp_path, estimator, training)
    inside, outside = training.drop(columns="y").to_numpy(), unseen.drop(columns="y").to_numpy()
    half = len(inside) // 2
    attack = inference.MembershipInferenceBlackBox(SklearnClassifier(estimator), attack_model_type="rf")
    attack.fit(inside[:half], training["y"][:half], outside[:half], unseen["y"][:half])
    rows = np.concatenate([inside[half:], outside[half:]])
    labels = np.concatenate([training["y"][half:], unseen["y"][half:]])
    theirs = attack.infer(rows, labels, probabilities=True).ravel()
    with load(path) as model:
        people = draw(model, training, unseen, "y", 2000, 0)
        shadows = fit_shadows(model, people, 8, 0)
    own = signals(people.answers, people.truth, 2)
    member = np.arange(len(rows)) < half
    second_halves = np.r_[half : 2 * half, 3 * half : 4 * half]
    found = likelihood_ratios(shadows.of(second_halves), own[second_halves])["lira-online"]
    assert area(found, member).value >= area(theirs, member).value + 0.05
    assert rate_at(found, member, 0.01).value >= rate_at(theirs, member, 0.01).value
