# SPDX-License-Identifier: Apache-2.0
"""Trees as arrays, the attack on them, and certificates: against closed forms, exhaustive search and ART itself."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from wardein.attacks.arms import Arms
from wardein.attacks.decision import Pool, hopskipjump
from wardein.attacks.space import Space, columns_of
from wardein.attacks.sweep import Sweep
from wardein.attacks.trees import attack, certified, trees_of
from wardein.errors import WardeinError
from wardein.models.held import Held
from wardein.models.insides.trees import as_float64
from wardein.models.predictors import Classifier, predictor

EPSILONS = [0.05, 0.1, 0.2, 0.4, 0.8]
KINDS = {
    "tree": DecisionTreeClassifier(random_state=0),
    "forest": RandomForestClassifier(30, random_state=0),
    "extra": ExtraTreesClassifier(20, random_state=0),
    "bag": BaggingClassifier(n_estimators=10, max_features=0.5, random_state=0),
    "boosted": GradientBoostingClassifier(n_estimators=20, random_state=0),
    "zero": GradientBoostingClassifier(n_estimators=20, init="zero", random_state=0),
    "histograms": HistGradientBoostingClassifier(max_iter=20),
    "scaled": make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=0)),
    "columns": make_pipeline(
        make_column_transformer((MinMaxScaler(), [0, 1]), ("passthrough", [2]), remainder=StandardScaler()),
        HistGradientBoostingClassifier(max_iter=20),
    ),
}
SETS = {"breast": load_breast_cancer, "iris": load_iris}


def held_here(estimator, answer=None) -> Classifier:
    """The model in this process: the attacks do not care where it is."""
    held = Held(estimator, "skops", vouched=True)
    return predictor(held.facts(), answer or held.answer, Path("model"))


class Case:
    """A model fitted on even rows, and odd ones to attack."""

    def __init__(self, estimator, rows: pd.DataFrame, labels, n: int = 80, norm: str = "linf", columns=None) -> None:
        train, self.rows = rows[::2], rows[1::2].reset_index(drop=True)
        self.model = held_here(estimator.fit(train, labels[::2]))
        codes = {label: i for i, label in enumerate(self.model.classes.tolist())}
        self.labels = np.array([codes[label] for label in labels[1::2].tolist()])[:n]
        columns = columns or columns_of(self.rows, self.rows, [], [])
        self.space = Space(self.model, self.rows.iloc[:n], columns, norm)
        predicted = np.array([codes[label] for label in self.model.predict(self.rows).tolist()])
        self.right = np.flatnonzero(predicted[:n] == self.labels)
        self.pool = Pool(self.space.coordinates(self.rows[list(columns.moved)].to_numpy(float)), predicted)
        self.ensemble = trees_of(self.model, self.space)

    def attack(self, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        return attack(self.space, self.ensemble, self.right, self.labels, self.pool, seed)

    def certified(self, epsilons=EPSILONS) -> np.ndarray:
        return certified(self.space, self.ensemble, self.right, self.labels, epsilons)


def table(name: str) -> tuple[pd.DataFrame, np.ndarray]:
    bunch = SETS[name](as_frame=True)
    return bunch.data, bunch.target.to_numpy()


def boxes_of(tree) -> list[tuple[np.ndarray, np.ndarray, int]]:
    """All leaves of a scikit-learn tree: above, up to, class."""
    found: list = []
    todo = [(0, np.full(tree.n_features, -np.inf), np.full(tree.n_features, np.inf))]
    while todo:
        node, low, high = todo.pop()
        if tree.children_left[node] < 0:
            found.append((low, high, int(tree.value[node, 0].argmax())))
            continue
        feature, threshold = tree.feature[node], tree.threshold[node]
        above, upto = low.copy(), high.copy()
        above[feature], upto[feature] = max(low[feature], threshold), min(high[feature], threshold)
        todo += [(tree.children_left[node], low, upto), (tree.children_right[node], above, high)]
    return found


@given(st.floats(-1e6, 1e6) | st.floats(-1e37, 1e37), st.integers(-3, 3), st.booleans())
@settings(max_examples=500, deadline=None)
def test_a_threshold_for_float64_decides_as_rounding_to_float32_does(threshold, steps, below) -> None:
    last = as_float64(np.array([threshold]), below=below)
    for start in (last[0], threshold, float(np.float32(threshold))):
        number = start
        for _ in range(abs(steps)):
            number = np.nextafter(number, np.sign(steps) * np.inf)
        with np.errstate(over="ignore"):
            rounded = float(np.float32(number))  # as in C, where the threshold is not rounded
        assert (rounded < threshold if below else rounded <= threshold) == (number <= last[0])


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_arrays_are_the_model(kind: str, name: str) -> None:
    case = Case(KINDS[kind], *table(name))
    assert case.ensemble is not None
    assert case.ensemble.exact == (kind == "tree")
    rng = np.random.default_rng(1)
    which = rng.integers(0, 75, 2000)
    z = rng.uniform(case.space.low, case.space.high, (2000, len(case.space.low)))
    values = case.space.realise(which, z)
    scores = case.ensemble.scores(case.ensemble.leaves(case.ensemble.inputs(which, values)))
    close = np.sort(scores, axis=1)[:, -1] - np.sort(scores, axis=1)[:, -2] < case.ensemble.slack
    assert (close | (scores.argmax(axis=1) == case.space.classes_at(which, z))).all()


class Turned(BaseEstimator, TransformerMixin):
    """More becomes less."""

    def fit(self, rows, labels=None):
        return self

    def transform(self, rows):
        return 3 - 2.5 * np.asarray(rows)


def test_columns_that_are_turned_around_are_brought_back() -> None:
    rows, labels = table("iris")
    turned = make_column_transformer((Turned(), list(rows.columns)))
    case = Case(make_pipeline(turned, DecisionTreeClassifier(random_state=0)), rows, labels)
    straight = Case(DecisionTreeClassifier(random_state=0), 3 - 2.5 * rows, labels)
    assert np.allclose(case.attack()[0], straight.attack()[0], atol=1e-5)


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(max_iter=5000),
        make_pipeline(PCA(3), RandomForestClassifier(5, random_state=0)),
        HistGradientBoostingClassifier(max_iter=3, categorical_features=[0]),
        GradientBoostingClassifier(init=LogisticRegression(max_iter=5000), n_estimators=3),
        BaggingClassifier(LogisticRegression(max_iter=5000), n_estimators=2),
    ],
)
def test_what_is_no_ensemble_of_trees_on_single_columns_is_none(estimator) -> None:
    rows, labels = table("iris")
    if isinstance(estimator, HistGradientBoostingClassifier):
        rows = rows.assign(**{rows.columns[0]: (rows.iloc[:, 0] * 10 % 7).round()})
    assert Case(estimator, rows, labels).ensemble is None


def lying(change):
    """A process that says something else of its trees than what the model is."""
    rows, labels = table("iris")
    held = Held(RandomForestClassifier(5, random_state=0).fit(rows, labels), "skops", vouched=True)

    def answer(question, rows):
        said, arrays = held.answer(question, rows)
        return (said, change([array.copy() for array in arrays])) if question == "trees" else (said, arrays)

    model = held_here(held._model, answer)
    return trees_of(model, Space(model, rows.iloc[:50], columns_of(rows, rows, [], [])))


def put(place: int, at, value):
    def change(arrays):
        inner = int(np.flatnonzero(arrays[0] >= 0)[1])
        arrays[place][inner if at == "inner" else at] = value
        return arrays

    return change


LIES = {
    "a column that there is not": put(0, "inner", 99),
    "no number": put(1, "inner", np.nan),
    "a child before its parent": put(2, "inner", 0),
    "a child in no tree": put(3, "inner", 10**6),
    "a child with two parents": lambda a: (a[2].__setitem__(0, a[3][0]), a)[1],
    "a root that is none": put(6, 1, 10**9),
    "an infinite leaf": lambda a: (a[5].__setitem__((0, 0), np.inf), a)[1],
    "another model": lambda a: (a[5].__setitem__(slice(None), a[5][:, ::-1]), a)[1],
    "another threshold": lambda a: (a[1].__iadd__(1.0), a)[1],
    "too few": lambda a: a[:-1],
    "nothing": lambda a: [],
    "empty": lambda a: [part[:0] for part in a],
    "short": lambda a: [a[0], a[1][:-1], *a[2:]],
    "another type": lambda a: [a[0].astype(float), *a[1:]],
    "another shape": lambda a: [*a[:5], a[5][:, :-1], *a[6:]],
}


@pytest.mark.parametrize("lie", LIES)
def test_what_a_process_says_of_its_trees_is_not_believed(lie: str) -> None:
    assert lying(lambda arrays: arrays) is not None
    assert lying(LIES[lie]) is None


def test_a_proof_that_an_attack_contradicts_is_an_error() -> None:
    """A process may tell trees that predict as the model does where this is checked, and not where it is attacked."""
    rows, labels = table("breast")
    fragile = Case(DecisionTreeClassifier(random_state=0), rows, labels, 40)
    told = Case(DecisionTreeClassifier(max_depth=1, random_state=0), rows, labels, 40).ensemble
    arms = Arms(("trees", "hopskipjump"), None, told, fragile.pool, 0)
    right = np.isin(np.arange(40), fragile.right)
    sweep = Sweep(fragile.space, fragile.labels, right, EPSILONS, arms, 0)
    with pytest.raises(WardeinError, match="its trees are proven to withstand"):
        sweep.run(np.arange(40), lambda _: False)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("only", [0, 1, -1])
def test_of_a_single_tree_the_attack_is_exact(norm: str, whole: bool, only: int) -> None:
    rows, labels = table("breast")
    rows = (rows.iloc[:, :4] * 20).round() if whole else rows
    judged = rows[1::2].reset_index(drop=True)
    columns = columns_of(judged, judged, [], [])
    columns = replace(columns, only=np.where(np.arange(len(columns.only)) % 2, only, 0))
    case = Case(DecisionTreeClassifier(max_depth=6, random_state=0), rows, labels, 150, norm, columns)
    tree, columns = case.model.ask.__self__._model.tree_, case.space.columns
    assert columns.whole.all() == whole
    start = case.space.rows.to_numpy(float)[case.right]
    truth = np.full(len(case.right), np.inf)
    for low, high, leaf in boxes_of(tree):
        low, high = (np.floor(low) + 1, np.floor(high)) if columns.whole.all() else (low, high)
        low = np.maximum(low, np.where(columns.only > 0, start, columns.low))
        high = np.minimum(high, np.where(columns.only < 0, start, columns.high))
        possible = (low <= high).all(axis=1)
        if possible.any():
            far = np.maximum(np.maximum(low - start, start - high), 0) / columns.scale
            far = np.where(possible[:, None], far, np.inf)
            far = far.max(axis=1) if norm == "linf" else np.sqrt((far**2).sum(axis=1))
            truth = np.where(case.labels[case.right] != leaf, np.minimum(truth, far), truth)
    distance, points = case.attack()
    assert np.allclose(distance, truth, rtol=1e-5, atol=1e-5)
    falls = np.isfinite(truth)  # one-way columns may lead nowhere
    which = case.right[falls]
    assert (case.space.classes_at(which, points[falls]) != case.labels[which]).all()
    if norm == "linf":  # and then what is certified is exactly what is not broken
        for i, epsilon in enumerate(EPSILONS):
            decided = np.abs(truth - epsilon) > 1e-4
            assert (case.certified()[decided, i] == (truth > epsilon)[decided]).all()


def plane(seed: int, **kind) -> Case:
    """A forest on two columns, where all its boxes can be looked at."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(rng.normal(size=(300, 2)), columns=["a", "b"])
    labels = ((rows.a * rows.b + 0.3 * rng.normal(size=300)) > 0).to_numpy().astype(int)
    return Case(RandomForestClassifier(15, max_depth=4, random_state=seed, **kind), rows, labels, 150)


def test_in_the_plane_the_attack_and_the_certificates_are_next_to_exact() -> None:
    for seed in range(3):
        case = plane(seed)
        ensemble, columns = case.ensemble, case.space.columns
        ends = [
            np.unique(np.concatenate([[columns.low[i], columns.high[i]], ensemble.threshold[ensemble.feature == i]]))
            for i in range(2)
        ]
        ends = [axis[(axis >= columns.low[i]) & (axis <= columns.high[i])] for i, axis in enumerate(ends)]
        middles = [(axis[1:] + axis[:-1]) / 2 for axis in ends]
        grid = pd.DataFrame(list(itertools.product(*middles)), columns=["a", "b"])
        low = np.array(list(itertools.product(*(axis[:-1] for axis in ends))))
        high = np.array(list(itertools.product(*(axis[1:] for axis in ends))))
        said = case.space.classes(grid)
        start = case.space.rows.to_numpy()[case.right]
        far = np.maximum(np.maximum(low[None] - start[:, None], start[:, None] - high[None]), 0) / columns.scale
        far = far.max(axis=2)
        far[said[None] == case.labels[case.right][:, None]] = np.inf
        truth = far.min(axis=1)
        distance, _ = case.attack()
        assert (distance >= truth * (1 - 1e-9)).all()
        assert (distance <= truth * 1.001 + 1e-5).mean() > 0.7
        assert (distance <= truth * 1.06 + 1e-5).mean() > 0.97  # what is left are slivers of a thousandth
        for epsilon in EPSILONS:
            proven = case.certified([epsilon])[:, 0]
            assert not (proven & (truth < epsilon)).any()
            assert (proven == (truth > epsilon)).mean() > 0.97


@pytest.mark.parametrize("kind", ["forest", "extra", "boosted", "histograms", "columns"])
def test_nothing_certified_is_ever_broken_and_the_attack_beats_decisions_alone(kind: str) -> None:
    case = Case(KINDS[kind], *table("breast"), n=60)
    distance, points = case.attack()
    assert np.isfinite(distance).all()
    assert (case.space.classes_at(case.right, points) != case.labels[case.right]).all()
    assert np.allclose(case.space.distance(case.right, points), distance)
    values = case.space.realise(case.right, points)
    assert (values >= case.space.columns.low).all()
    assert (values <= case.space.columns.high).all()
    by_decisions = hopskipjump(case.space, case.right, case.labels, case.pool, 0)
    by_decisions = by_decisions[0] if isinstance(by_decisions, tuple) else by_decisions
    proven = case.certified()
    assert (np.diff(proven.astype(int), axis=1) <= 0).all()
    rng = np.random.default_rng(0)
    for i, epsilon in enumerate(EPSILONS):
        assert not (proven[:, i] & (np.minimum(distance, by_decisions) <= epsilon)).any()
        assert (distance > epsilon).mean() <= (by_decisions > epsilon).mean() + 0.02
        which = np.repeat(case.right[proven[:, i]], 40)
        corner = rng.choice([-1.0, 0.0, 1.0], (len(which), len(case.space.low))) * epsilon
        assert (case.space.classes_at(which, case.space.origin[which] + corner) == case.labels[which]).all()
    assert proven[:, 0].mean() > 0.9 * (distance > EPSILONS[0]).mean()  # and that is not for want of proofs


def test_binary_forests_arts_cliques_certify_what_falls_and_ours_do_not() -> None:
    from art.estimators.classification import SklearnClassifier
    from art.metrics import RobustnessVerificationTreeModelsCliqueMethod

    rows, labels = table("breast")
    rows = (rows - rows.min()) / (rows.max() - rows.min())
    case = Case(RandomForestClassifier(20, max_depth=4, random_state=0), rows, labels, 20)
    scale = case.space.columns.scale
    forest = case.model.ask.__self__._model
    verify = RobustnessVerificationTreeModelsCliqueMethod(classifier=SklearnClassifier(forest), verbose=False)
    broken = ours_broken = 0
    for i in case.right:
        bound, _ = verify.verify(
            x=case.space.rows.to_numpy()[[i]].astype(np.float32), y=np.eye(2)[case.labels[[i]]],
            eps_init=0.3, nb_search_steps=10, max_clique=2, max_level=2,
        )  # fmt: skip
        # A change of at most ART's bound in every column, found by our attack and wrong by the forest itself.
        same = Space(case.model, case.space.rows, columns_in_units(case, scale), "linf")
        ensemble = trees_of(case.model, same)
        pool = Pool(same.coordinates(case.rows.to_numpy()), case.pool.classes)
        distance, points = attack(same, ensemble, np.array([i]), case.labels, pool, 0)
        changed = same.realise(np.array([i]), points)
        wrong = forest.predict(pd.DataFrame(changed, columns=rows.columns))[0] != case.labels[i]
        assert wrong
        broken += bool(np.abs(changed - case.space.rows.to_numpy()[i]).max() < bound)
        ours_broken += bool(certified(same, ensemble, np.array([i]), case.labels, [float(distance[0])])[0, 0])
    assert broken > 0
    assert ours_broken == 0


def columns_in_units(case: Case, scale: np.ndarray):
    """The columns with 1 for a scale, as ART measures."""
    from dataclasses import replace

    return replace(case.space.columns, scale=np.ones_like(scale))


def test_held_columns_and_texts_stay_as_they_are() -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {"a": rng.normal(size=400), "kind": rng.choice(["x", "y", "z"], 400), "b": rng.integers(0, 50, 400)}
    )
    labels = ((rows.a > 0) ^ (rows.kind == "x") ^ (rows.b > 25)).to_numpy().astype(int)
    steps = make_column_transformer((OneHotEncoder(), ["kind"]), (StandardScaler(), ["a", "b"]))
    case = Case(make_pipeline(steps, RandomForestClassifier(30, random_state=0)), rows, labels)
    assert case.ensemble is not None
    assert case.space.columns.moved == ("a", "b")
    distance, points = case.attack()
    values = case.space.realise(case.right, points)
    assert (values[:, 1] == np.rint(values[:, 1])).all()
    frame = case.space.rows.iloc[case.right].assign(a=values[:, 0], b=values[:, 1].astype(int))
    codes = [0, 1]
    assert (np.array([codes.index(c) for c in case.model.predict(frame)]) != case.labels[case.right])[
        np.isfinite(distance)
    ].all()
    assert np.isfinite(distance).mean() > 0.95
    proven = case.certified()
    for i, epsilon in enumerate(EPSILONS):
        assert not (proven[:, i] & (distance <= epsilon)).any()


def test_the_same_seed_is_the_same_bit_for_bit() -> None:
    case = Case(KINDS["forest"], *table("breast"), n=40)
    first, second = case.attack(7), case.attack(7)
    assert first[0].tobytes() == second[0].tobytes()
    assert first[1].tobytes() == second[1].tobytes()
    assert case.certified().tobytes() == case.certified().tobytes()


def test_a_constant_forest_has_no_adversarial_example_and_that_is_proven() -> None:
    rows, labels = table("breast")
    case = Case(RandomForestClassifier(5, max_depth=1, random_state=0), rows, labels)
    # Trees on one column that cannot move: whatever the other columns do, nothing changes.
    held = [name for name in rows.columns if name != rows.columns[1]]
    columns = columns_of(case.rows, case.rows, held, [])
    case = Case(
        RandomForestClassifier(5, max_depth=1, random_state=0, max_features=None), rows, labels, columns=columns
    )
    distance, points = case.attack()
    assert np.isinf(distance).all()
    assert (points == case.space.origin[case.right]).all()
    assert case.certified([100.0]).all()
