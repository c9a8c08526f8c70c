# SPDX-License-Identifier: Apache-2.0
"""Attacks with gradients against closed forms, finite differences, ART itself, and models that hide their gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from wardein.attacks.autopgd import Ball
from wardein.attacks.gradient import WhiteBox
from wardein.attacks.network import unwrap
from wardein.attacks.space import Columns, Space, columns_of
from wardein.models.held import Held
from wardein.models.insides.losses import cross_entropy, logits_ratio
from wardein.models.predictors import Classifier, predictor

NORMS = ("linf", "l2")


def asked(estimator) -> Classifier:
    held = Held(estimator, "skops")
    classifier = predictor(held.facts(), held.answer, Path("model"))
    assert isinstance(classifier, Classifier)
    return classifier


def space_of(estimator, rows: pd.DataFrame, norm: str = "linf", columns: Columns | None = None) -> Space:
    return Space(asked(estimator), rows, columns or columns_of(rows, rows, [], []), norm)  # type: ignore[arg-type]


def unscaled(rows: pd.DataFrame) -> Columns:
    """One epsilon is one unit of every column, and nothing bounds the columns."""
    m = rows.shape[1]
    wide, never, free = np.full(m, 1e6), np.zeros(m, dtype=bool), np.zeros(m, dtype=int)
    return Columns(tuple(rows.columns), np.ones(m), -wide, wide, never, free, {})


def white_box(estimator, space: Space, labels: np.ndarray, seed: int = 0) -> WhiteBox:
    network = unwrap(asked(estimator), space, seed)
    assert network is not None
    return WhiteBox(network, space, labels, seed)


def right_on(estimator, rows: pd.DataFrame, labels: np.ndarray) -> np.ndarray:
    return np.flatnonzero(estimator.predict(rows) == labels)


@pytest.fixture(scope="module")
def breast() -> tuple[LogisticRegression, pd.DataFrame, np.ndarray]:
    """The logistic regression of the notes: columns scaled to [0, 1] before anything else."""
    bunch = load_breast_cancer(as_frame=True)
    rows = pd.DataFrame(MinMaxScaler().fit_transform(bunch.data), columns=bunch.data.columns)
    labels = bunch.target.to_numpy()
    train, test, y, truth = train_test_split(rows, labels, test_size=0.3, random_state=0, stratify=labels)
    return LogisticRegression(max_iter=2000).fit(train, y), test.reset_index(drop=True), truth


@pytest.fixture(scope="module")
def digits() -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame, np.ndarray]:
    pixels, y = load_digits(return_X_y=True)
    rows = pd.DataFrame(pixels / 16 + 1e-3, columns=[f"p{i}" for i in range(64)])
    rows = rows.loc[:, rows.nunique() > 10]
    return rows[:1200], y[:1200], rows[1200:1400].reset_index(drop=True), y[1200:1400]


@pytest.fixture(scope="module")
def plain(digits) -> MLPClassifier:
    rows, y, *_ = digits
    return MLPClassifier((32,), max_iter=60, random_state=0).fit(rows, y)


# --- closed forms


def test_breast_cancer_is_as_exact_as_the_closed_form(breast) -> None:
    """A change of at most epsilon moves the score by epsilon times the sum of the weights' sizes, and no further."""
    model, rows, labels = breast
    space = space_of(model, rows, columns=unscaled(rows))
    white, right = white_box(model, space, labels), right_on(model, rows, labels)
    margin = model.decision_function(rows) * np.where(labels == 1, 1, -1)
    for epsilon, published in ((0.025, 0.8889), (0.05, 0.7661), (0.1, 0.4503)):
        exact = float((margin > epsilon * np.abs(model.coef_).sum()).mean())
        assert exact == pytest.approx(published, abs=5e-5)
        for fell in (
            white.fgsm(right, epsilon),
            white.pgd(right, epsilon, 0),
            white.apgd(right, epsilon, "ce", 0),
            white.apgd(right, epsilon, "dlr", 0),
        ):
            assert (len(right) - len(fell)) / len(rows) == pytest.approx(exact, abs=1e-12)


def test_the_same_for_euclidean_changes(breast) -> None:
    model, rows, labels = breast
    space = space_of(model, rows, "l2", unscaled(rows))
    white, right = white_box(model, space, labels), right_on(model, rows, labels)
    margin = model.decision_function(rows) * np.where(labels == 1, 1, -1)
    for epsilon in (0.15, 0.3, 0.5):
        exact = float((margin > epsilon * np.linalg.norm(model.coef_)).mean())
        assert 0.1 < exact < 0.9
        for fell in (
            white.fgsm(right, epsilon),
            white.pgd(right, epsilon, 0),
            white.apgd(right, epsilon, "ce", 0),
            white.apgd(right, epsilon, "dlr", 0),
        ):
            assert (len(right) - len(fell)) / len(rows) == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("norm", NORMS)
def test_what_counts_is_wrong_by_the_model_within_epsilon_and_within_the_ranges(digits, plain, norm: str) -> None:
    _, _, rows, labels = digits
    space = space_of(plain, rows, norm)
    white, right = white_box(plain, space, labels), right_on(plain, rows, labels)
    epsilon = 0.3 if norm == "linf" else 1.5
    for fell in (white.fgsm(right, epsilon), white.pgd(right, epsilon, 1), white.apgd(right, epsilon, "dlr", 0)):
        assert len(fell)
        points = white.found[fell]
        values = space.frame(fell, space.values(points))
        assert (plain.predict(values) != labels[fell]).all()
        change = (values - rows.iloc[fell].reset_index(drop=True)) / rows.std(ddof=0)
        size = change.abs().max(axis=1) if norm == "linf" else np.sqrt((change**2).sum(axis=1))
        assert size.max() <= epsilon * (1 + 1e-6) + 1e-6
        assert (values >= rows.min() - 1e-9).all(axis=None)
        assert (values <= rows.max() + 1e-9).all(axis=None)


def test_columns_of_whole_numbers_move_in_whole_steps_and_one_way_columns_one_way() -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"count": rng.integers(0, 60, 300), "rate": rng.normal(size=300)})
    labels = ((rows["count"] - 30) / 17 + rows["rate"] > 0).to_numpy().astype(int)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels)
    columns = columns_of(rows, rows, [], [])
    free = Space(asked(model), rows, columns)
    right = right_on(model, rows, labels)
    both = white_box(model, free, labels)
    fell = both.apgd(right, 0.3, "ce", 1)
    assert len(fell) == len(both.pgd(right, 0.3, 1)) > 20
    counts = free.values(both.found[fell])[:, 0]
    assert np.abs(counts - np.rint(counts)).max() < 1e-9
    assert (counts != rows["count"].to_numpy()[fell]).any()
    up = Columns(columns.moved, columns.scale, columns.low, columns.high, columns.whole, np.array([1, 0]), {})
    white = white_box(model, Space(asked(model), rows, up), labels)
    fewer = white.apgd(right, 0.3, "ce", 1)
    assert 0 < len(fewer) < len(fell)
    assert (free.values(white.found[fewer])[:, 0] >= rows["count"].to_numpy()[fewer] - 1e-9).all()


# --- what is stronger, and what is the same


def test_auto_pgd_is_no_worse_than_pgd_on_digits(digits, plain) -> None:
    _, _, rows, labels = digits
    right = right_on(plain, rows, labels)
    for norm, epsilon in (("linf", 0.4), ("l2", 2.0)):
        white = white_box(plain, space_of(plain, rows, norm), labels)
        pgd = white.pgd(right, epsilon, 2)
        ce, dlr = white.apgd(right, epsilon, "ce", 2), white.apgd(right, epsilon, "dlr", 0)
        assert 0.2 < len(pgd) / len(right) < 0.95
        # PGD here aims at every class in turn, which the cross-entropy alone does not.
        assert len(ce) >= len(pgd) - 0.06 * len(right)
        assert len(dlr) >= len(pgd) - 0.02 * len(right)
        assert len(np.union1d(ce, dlr)) >= len(pgd) - 0.01 * len(right)


def test_an_adversarially_trained_network_stands_longer(digits, plain) -> None:
    train, y, rows, labels = digits
    robust, noisy = MLPClassifier((32,), random_state=0), train.to_numpy()
    low, high = noisy.min(axis=0), noisy.max(axis=0)
    for _ in range(60):  # one pass over the rows, each moved against the network's own gradient
        if hasattr(robust, "coefs_"):
            hidden = np.maximum(train @ robust.coefs_[0] + robust.intercepts_[0], 0).to_numpy()
            scores = hidden @ robust.coefs_[1] + robust.intercepts_[1]
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            weights = weights / weights.sum(axis=1, keepdims=True) - np.eye(10)[y]
            slope = ((weights @ robust.coefs_[1].T) * (hidden > 0)) @ robust.coefs_[0].T
            noisy = np.clip(train + 0.1 * np.sign(slope), low, high)
        robust.partial_fit(pd.DataFrame(noisy, columns=train.columns), y, classes=np.arange(10))
    stand = {}
    for name, model in (("plain", plain), ("robust", robust)):
        right = right_on(model, rows, labels)
        white = white_box(model, space_of(model, rows, columns=unscaled(rows)), labels)
        stand[name] = 1 - len(white.apgd(right, 0.08, "ce", 0)) / len(right)
    assert stand["robust"] > stand["plain"] + 0.15


def test_the_same_seed_attacks_in_the_same_way(digits, plain) -> None:
    _, _, rows, labels = digits
    right, found = right_on(plain, rows, labels), []
    for seed in (1, 1, 2):
        white = white_box(plain, space_of(plain, rows), labels, seed)
        white.apgd(right, 0.1, "dlr", 1)
        found.append((white.found.tobytes(), white.gradients))
    assert found[0] == found[1] != found[2]


def test_rows_that_did_not_fall_have_no_example(digits, plain) -> None:
    _, _, rows, labels = digits
    right = right_on(plain, rows, labels)
    white = white_box(plain, space_of(plain, rows), labels)
    fell = white.apgd(right, 0.1, "ce", 0)
    assert 0 < len(fell) < len(right)
    assert np.array_equal(np.flatnonzero(~np.isnan(white.found).any(axis=1)), fell)
    white.unbounded(right[:20], 0)
    assert np.array_equal(np.flatnonzero(~np.isnan(white.found).any(axis=1)), fell)


# --- gradients that are hidden


def scaled_up(model: MLPClassifier, factor: float) -> MLPClassifier:
    import copy

    scaled = copy.deepcopy(model)
    scaled.coefs_[-1] = scaled.coefs_[-1] * factor
    scaled.intercepts_[-1] = scaled.intercepts_[-1] * factor
    return scaled


def test_scores_scaled_up_hide_nothing(digits, plain) -> None:
    """Softmax and cross-entropy saturate in rounding at such scores; neither loss looks at their size."""
    _, _, rows, labels = digits
    masked, right = scaled_up(plain, 1e4), right_on(plain, rows, labels)
    one, other = (white_box(model, space_of(model, rows), labels) for model in (plain, masked))
    for loss in ("ce", "dlr"):
        there = len(one.apgd(right, 0.15, loss, 0))
        assert abs(len(other.apgd(right, 0.15, loss, 0)) - there) <= 0.04 * len(right)
    assert len(other.flat(right)) == 0


def saturated() -> tuple[MLPClassifier, pd.DataFrame, np.ndarray]:
    """A network whose hidden layer is so steep that it is flat everywhere: its gradients are rounded to nothing."""
    inputs, labels = make_classification(200, 6, n_informative=4, n_redundant=0, class_sep=1.5, random_state=0)
    rows = pd.DataFrame(inputs, columns=list("abcdef"))
    model = MLPClassifier((8,), activation="logistic", max_iter=300, random_state=0).fit(rows, labels)
    model.coefs_[0] = model.coefs_[0] * 1e5
    model.intercepts_[0] = model.intercepts_[0] * 1e5
    return model, rows, labels


def test_a_network_without_a_slope_is_exposed() -> None:
    model, rows, labels = saturated()
    right = right_on(model, rows, labels)
    white = white_box(model, space_of(model, rows), labels)
    assert len(white.flat(right)) > 0.9 * len(right)
    stood = np.setdiff1d(right, white.pgd(right, 0.2, 1))
    assert len(stood) > 0.9 * len(right)  # it looks robust
    assert len(white.unbounded(stood, 0)) > 0.3 * len(right)  # and is told to be so at any distance, which nothing is


def test_a_network_with_a_slope_is_not_accused(digits, plain) -> None:
    _, _, rows, labels = digits
    right = right_on(plain, rows, labels)
    white = white_box(plain, space_of(plain, rows), labels)
    assert len(white.flat(right)) == 0
    assert len(white.unbounded(right, 0)) == 0


# --- losses


@pytest.mark.parametrize("loss", [cross_entropy, logits_ratio])
@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("aimed", [False, True])
def test_losses_rise_along_their_weights(loss, classes: int, aimed: bool) -> None:
    """The weights are the loss's derivative by each score, up to a positive factor a row, by finite differences."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(50, classes)) * 3
    truth = np.eye(classes)[scores.argmax(axis=1)]
    if aimed:
        truth[np.arange(50), (truth.argmax(axis=1) + rng.integers(1, classes, 50)) % classes] = -1
    told = loss(scores, truth)[1]
    seen = np.empty_like(told)
    for i in range(classes):
        step = 1e-6 * np.eye(classes)[i]
        seen[:, i] = (loss(scores + step, truth)[0] - loss(scores - step, truth)[0]) / 2e-6
    told, seen = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (told, seen))
    np.testing.assert_allclose(told, seen, atol=1e-5)


def test_the_ratio_does_not_care_how_large_scores_are() -> None:
    rng = np.random.default_rng(0)
    scores, truth = rng.normal(size=(50, 4)), np.eye(4)[rng.integers(0, 4, 50)]
    np.testing.assert_allclose(logits_ratio(scores, truth)[0], logits_ratio(1e6 * scores + 7, truth)[0], rtol=1e-6)


def test_the_ratio_is_that_of_the_paper() -> None:
    scores, truth = np.array([[3.0, 1.0, 7.0, 0.0]]), np.array([[1.0, 0, 0, 0]])
    assert logits_ratio(scores, truth)[0] == pytest.approx([-(3 - 7) / (7 - 1)])
    assert logits_ratio(scores, truth - np.eye(4)[[1]])[0] == pytest.approx([-(3 - 1) / (7 - (1 + 0) / 2)])


# --- the ball


@pytest.mark.parametrize("norm", NORMS)
def test_starts_lie_in_the_ball_and_fill_it(digits, plain, norm: str) -> None:
    _, _, rows, _ = digits
    space = space_of(plain, rows, norm, unscaled(rows))
    ball, which = Ball(space, 0.5), np.zeros(2000, dtype=int)
    change = ball.drawn(which, np.random.default_rng(0)) - space.origin[0]
    size = space.size(change)
    assert size.max() <= 0.5 + 1e-12
    assert np.abs(change.mean(axis=0)).max() < 0.05
    assert size.max() > 0.45
    assert np.median(size) > 0.45  # as much of the ball as there is further out
    steepest = ball.steepest(np.random.default_rng(0).normal(size=(5, change.shape[1])))
    np.testing.assert_allclose(np.abs(steepest) if norm == "linf" else space.size(steepest), 1)
