# SPDX-License-Identifier: Apache-2.0
"""evaluate-robustness through the command line, against closed forms, exhaustive search and ART itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_iris, make_classification
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from wardein.attacks.decision import Pool, hopskipjump
from wardein.attacks.gradient import WhiteBox, loss_gradient
from wardein.attacks.network import unwrap
from wardein.attacks.space import Space, columns_of
from wardein.cli import main
from wardein.models.held import Held
from wardein.models.predictors import Classifier, predictor

EPSILONS = (0.05, 0.1, 0.2, 0.4)


def breast() -> tuple[pd.DataFrame, np.ndarray]:
    bunch = load_breast_cancer(as_frame=True)
    return bunch.data, bunch.target.to_numpy()


def iris() -> tuple[pd.DataFrame, np.ndarray]:
    bunch = load_iris(as_frame=True)
    return bunch.data, bunch.target.to_numpy()


def save(folder: Path, estimator, rows: pd.DataFrame, labels, name: str = "case") -> list[str]:
    """Write model and data, and return the arguments that name them."""
    folder.mkdir(exist_ok=True)
    skops.io.dump(estimator, folder / f"{name}.skops")
    rows.assign(y=labels).to_csv(folder / f"{name}.csv", index=False)
    return ["--model", str(folder / f"{name}.skops"), "--data", str(folder / f"{name}.csv"), "--label", "y"]


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> dict[str, list[str]]:
    """The models on breast_cancer: fitted on even rows, judged on odd ones."""
    folder = tmp_path_factory.mktemp("models")
    rows, labels = breast()
    estimators = {
        "lr": make_pipeline(StandardScaler(), LogisticRegression()),
        "svc": make_pipeline(MinMaxScaler(), LinearSVC()),
        "forest": RandomForestClassifier(20, random_state=0),
        "mlp": make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=150, random_state=0)),
    }
    return {
        name: save(folder, estimator.fit(rows[::2], labels[::2]), rows[1::2], labels[1::2], name)
        for name, estimator in estimators.items()
    }


def run(capsys, arguments: list[str], *more: str) -> tuple[int, dict]:
    code = main(["evaluate-robustness", *arguments, *more, "--json"])
    return code, json.loads(capsys.readouterr().out)


def refused(capsys, arguments: list[str], *more: str) -> str:
    """The one line of a run that could not look."""
    code = main(["evaluate-robustness", *arguments, *more])
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert (code, len(lines)) == (2, 1), captured.err
    return lines[0]


def curve(report: dict, attack: str = "worst", metric: str = "robust_accuracy") -> list[float]:
    found = {m["slice"]: m["value"] for m in report["metrics"] if m["name"] == metric}
    return [found[f"attack={attack}, epsilon={epsilon:g}"] for epsilon in (0.0, *EPSILONS)]


def metric(report: dict, name: str) -> dict:
    return next(m for m in report["metrics"] if m["name"] == name)


def queries_per_row(report: dict, attack: str) -> float:
    of = [
        m["value"] for m in report["metrics"] if (m["name"], m.get("slice")) == ("queries_per_row", f"attack={attack}")
    ]
    return float(of[0])


def rules(report: dict) -> set[str]:
    return {finding["ruleId"] for finding in report["findings"]}


def exact_linear(scores: np.ndarray, coef: np.ndarray, rows: pd.DataFrame, labels: np.ndarray) -> list[float]:
    """Robust accuracy of a linear model in closed form: every column at the end that serves the rival best.

    ``scores`` are those of the clean rows, ``coef`` the scores' slopes in the table's own units, one row a class.
    """
    values, scale = rows.to_numpy(), rows.to_numpy().std(axis=0)
    found = []
    for epsilon in (0.0, *EPSILONS):
        up = np.minimum(values + epsilon * scale, values.max(axis=0)) - values
        down = np.maximum(values - epsilon * scale, values.min(axis=0)) - values
        stand = np.ones(len(values), dtype=bool)
        for rival in range(len(coef)):
            slope = coef[rival] - coef[labels]
            best = np.maximum(slope * up, slope * down).sum(axis=1)
            margin = scores[np.arange(len(values)), labels] - scores[:, rival] - best
            stand &= (margin > 0) | (labels == rival)
        found.append(float(stand.mean()))
    return found


# --- what has to be found


def test_accuracy_under_fgsm_below_the_threshold_rejects_the_model(capsys, cases):
    code, report = run(capsys, cases["lr"], "--attack", "fgsm", "--at-epsilon", "0.4", "--min-robust-accuracy", "0.8")
    assert (code, report["verdict"]) == (1, "FAIL")
    (criterion,) = report["criteria"]
    assert (criterion["metric"], criterion["met"]) == ("robust_accuracy", False)
    assert criterion["slice"] == "attack=worst, epsilon=0.4"
    assert curve(report, "fgsm")[0] > 0.95 > 0.8 > curve(report, "fgsm")[-1]


def test_a_model_that_stands_passes(capsys, cases):
    code, report = run(capsys, cases["lr"], "--at-epsilon", "0.05", "--min-robust-accuracy", "0.85")
    assert (code, report["verdict"]) == (0, "PASS")
    assert report["coverage"] == {"unit": "rows", "expected": 200, "examined": 200, "skipped": [], "complete": True}
    assert {tool["name"] for tool in report["tools"]} == {"adversarial-robustness-toolbox", "scikit-learn"}


def test_an_interval_that_spans_the_threshold_is_inconclusive_and_fails(capsys, cases):
    _, report = run(capsys, cases["lr"])
    point = f"{curve(report)[2] - 0.01:.3f}"
    code, report = run(capsys, cases["lr"], "--min-robust-accuracy", point)
    assert (code, report["criteria"][0]["note"][:12]) == (1, "inconclusive")
    assert run(capsys, cases["lr"], "--min-robust-accuracy", point, "--bound", "point")[0] == 0


def test_a_forest_is_attacked_through_its_trees_and_by_its_decisions_and_rejected(capsys, cases):
    wanted = ["--at-epsilon", "0.4", "--min-robust-accuracy", "0.9", "--stop-early", "false"]
    code, report = run(capsys, cases["forest"], *wanted)
    assert (code, report["verdict"]) == (1, "FAIL")
    for name in ("trees", "hopskipjump"):
        values = curve(report, name)
        assert values[0] > 0.9
        assert values == sorted(values, reverse=True)
        assert values[-1] < 0.8
    assert all(queries_per_row(report, name) >= 1 for name in ("trees", "hopskipjump"))
    certified = {m["slice"]: m["value"] for m in report["metrics"] if m["name"] == "certified_accuracy"}
    for epsilon, stands in zip(EPSILONS, curve(report)[1:], strict=True):
        assert 0 <= certified[f"epsilon={epsilon:g}"] <= stands


def test_a_model_without_gradients_and_trees_is_attacked_by_its_decisions_and_rejected(capsys, tmp_path):
    rows, labels = breast()
    model = make_pipeline(StandardScaler(), SVC()).fit(rows[::2], labels[::2])
    arguments = save(tmp_path, model, rows[1::2], labels[1::2])
    code, report = run(capsys, arguments, "--at-epsilon", "0.4", "--min-robust-accuracy", "0.9")
    assert (code, report["verdict"]) == (1, "FAIL")
    assert "robustness/black-box" in rules(report)
    assert curve(report, "hopskipjump") == curve(report)
    assert queries_per_row(report, "hopskipjump") > 1000


def test_curves_never_rise_and_pgd_is_at_least_as_strong_as_fgsm(capsys, cases):
    _, report = run(capsys, cases["mlp"])
    for name in ("fgsm", "pgd", "worst"):
        values = curve(report, name)
        assert values == sorted(values, reverse=True)
    assert all(pgd <= fgsm for pgd, fgsm in zip(curve(report, "pgd"), curve(report, "fgsm"), strict=True))
    assert curve(report, "pgd")[-1] < curve(report, "pgd")[0] - 0.1


def test_robustness_counts_only_what_the_model_had_right(capsys, cases):
    _, report = run(capsys, cases["lr"])
    accuracy, robustness = curve(report), curve(report, metric="robustness")
    assert robustness[0] == 1
    assert np.allclose(np.array(robustness) * accuracy[0], accuracy)


# --- ground truth


@pytest.mark.parametrize("name", ["lr", "svc"])
def test_pgd_is_exact_on_a_pipeline_that_ends_in_a_linear_model(capsys, cases, name):
    _, report = run(capsys, cases[name], "--max-rows", "1000")
    rows, labels = breast()
    model = skops.io.load(cases[name][1], trusted=[])
    scaler, linear = model[0], model[-1]
    coef = linear.coef_ / scaler.scale_ if name == "lr" else linear.coef_ * scaler.scale_
    scores = model.decision_function(rows[1::2])[:, None]
    exact = exact_linear(
        np.hstack([0 * scores, scores]), np.vstack([0 * coef, coef]), rows[1::2].reset_index(drop=True), labels[1::2]
    )
    assert np.allclose(curve(report, "pgd"), exact, atol=1e-9)


def test_pgd_is_exact_with_more_than_two_classes(capsys, tmp_path):
    values, labels = make_classification(250, 12, n_informative=8, n_classes=8, n_clusters_per_class=1, random_state=0)
    rows = pd.DataFrame(values, columns=[f"x{i}" for i in range(12)])
    model = LogisticRegression(max_iter=500).fit(rows, labels)
    _, report = run(capsys, save(tmp_path, model, rows, labels), "--max-rows", "1000")
    assert np.allclose(curve(report, "pgd"), exact_linear(model.decision_function(rows), model.coef_, rows, labels))


def test_a_model_that_is_sure_of_itself_does_not_hide_its_gradients(capsys, tmp_path, cases):
    rows, labels = breast()
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows[::2], labels[::2])
    model[-1].coef_, model[-1].intercept_ = model[-1].coef_ * 1e4, model[-1].intercept_ * 1e4
    assert (model.predict_proba(rows).max(axis=1) == 1).mean() > 0.95
    _, sure = run(capsys, save(tmp_path, model, rows[1::2], labels[1::2]))
    _, unsure = run(capsys, cases["lr"])
    assert curve(sure, "fgsm") == curve(unsure, "fgsm")


def tree_boxes(tree, columns: int) -> list[tuple[np.ndarray, np.ndarray, int]]:
    """The box of every leaf, with its class."""
    found, stack = [], [(0, np.full(columns, -np.inf), np.full(columns, np.inf))]
    while stack:
        node, low, high = stack.pop()
        if tree.children_left[node] < 0:
            found.append((low, high, int(tree.value[node][0].argmax())))
            continue
        feature, threshold = tree.feature[node], tree.threshold[node]
        below, above = high.copy(), low.copy()
        below[feature], above[feature] = min(high[feature], threshold), max(low[feature], threshold)
        stack += [(tree.children_left[node], low, below), (tree.children_right[node], above, high)]
    return found


def test_hopskipjump_finds_the_nearest_leaf_of_a_decision_tree(capsys, tmp_path):
    rows, labels = breast()
    model = DecisionTreeClassifier(random_state=0).fit(rows[::2], labels[::2])
    data, truth = rows[1::4].reset_index(drop=True), labels[1::4]
    _, report = run(capsys, save(tmp_path, model, data, truth), "--max-rows", "1000")
    values, scale = data.to_numpy(), data.to_numpy().std(axis=0)
    nearest = np.full(len(values), np.inf)
    for low, high, leaf in tree_boxes(model.tree_, values.shape[1]):
        low, high = np.maximum(low, values.min(axis=0)), np.minimum(high, values.max(axis=0))
        if (low <= high).all():
            far = (np.maximum(np.maximum(low - values, values - high), 0) / scale).max(axis=1)
            nearest = np.where(truth != leaf, np.minimum(nearest, far), nearest)
    exact = [float(((model.predict(data) == truth) & (nearest > e)).mean()) for e in (0.0, *EPSILONS)]
    assert np.allclose(curve(report, "hopskipjump"), exact, atol=0.01)


def held_here(estimator) -> Classifier:
    """The model in this process: the attacks do not care where it is."""
    held = Held(estimator, "skops", vouched=True)
    return predictor(held.facts(), held.answer, Path("model"))


def space_of(estimator, rows: pd.DataFrame, n: int) -> Space:
    return Space(held_here(estimator), rows.iloc[:n], columns_of(rows, rows, [], []))


def art_black_box(space: Space, n_classes: int):
    """What ART's own attacks would be given: the model on coordinates, one-hot."""
    from art.estimators.classification import BlackBoxClassifier

    def predict(z: np.ndarray) -> np.ndarray:
        values = pd.DataFrame(space.values(z.astype(float)), columns=list(space.rows.columns))
        return np.eye(n_classes)[space.classes(values)]

    return BlackBoxClassifier(
        predict, (space.origin.shape[1],), n_classes, clip_values=(float(space.low.min()), float(space.high.max()))
    )


@pytest.mark.parametrize("estimator", [LogisticRegression(max_iter=5000), RandomForestClassifier(10, random_state=0)])
def test_hopskipjump_comes_at_least_as_near_as_arts_own(estimator):
    from art.attacks.evasion import HopSkipJump

    rows, labels = iris()
    rows, labels = rows[labels > 0].reset_index(drop=True), labels[labels > 0]
    estimator.fit(rows, labels)
    space, truth = space_of(estimator, rows, 60), labels - 1
    predicted = space.classes(rows)
    right = np.flatnonzero(predicted[:60] == truth[:60])[::8]
    pool = Pool(space.coordinates(rows.to_numpy()), predicted)
    ours, _ = hopskipjump(space, right, truth, pool, seed=0)
    start = np.stack([pool.points[np.flatnonzero(predicted != truth[i])[0]] for i in right])
    np.random.seed(0)
    attack = HopSkipJump(art_black_box(space, 2), norm=np.inf, max_iter=15, max_eval=200, init_eval=30, verbose=False)
    found = attack.generate(x=space.origin[right].astype(np.float32), x_adv_init=start.astype(np.float32))
    theirs = np.abs(found - space.origin[right]).max(axis=1)
    assert np.isfinite(ours).all()
    assert (theirs > 0).all()
    assert np.median(ours / theirs) <= 1.02
    assert (ours <= theirs * 1.1 + 0.01).mean() >= 0.8


def test_our_gradient_points_where_arts_does():
    from art.estimators.classification import SklearnClassifier

    rows, labels = iris()
    model = LogisticRegression(max_iter=500).fit(rows, labels)
    network = unwrap(held_here(model), space_of(model, rows, 150), seed=0)
    truth = np.eye(3)[labels]
    ours = loss_gradient(network, network.inputs, truth)[:, :4] / rows.to_numpy().std(axis=0)
    theirs = SklearnClassifier(model).loss_gradient(rows.to_numpy(), truth)
    assert np.array_equal(np.sign(ours), np.sign(theirs))


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_gradients_of_hidden_layers_are_those_of_finite_differences(activation):
    rows, labels = iris()
    model = make_pipeline(StandardScaler(), MLPClassifier((5, 4), activation=activation, max_iter=50, random_state=1))
    network = unwrap(held_here(model.fit(rows, labels)), space_of(model, rows, 150), seed=0)
    weighting = np.random.default_rng(0).normal(size=(150, 3))
    gradient, h = network.pull_back(network.inputs, weighting), 1e-6
    for j in range(4):
        step = h * np.eye(network.inputs.shape[1])[j]
        change = (network.forward(network.inputs + step)[-1] - network.forward(network.inputs - step)[-1]) / (2 * h)
        assert np.allclose((change * weighting).sum(axis=1), gradient[:, j], atol=1e-4)


def test_only_what_is_affine_is_taken_for_a_network():
    rows, labels = iris()
    scaled = make_pipeline(StandardScaler(), RidgeClassifier()).fit(rows, labels)
    curved = make_pipeline(PolynomialFeatures(2), LogisticRegression(max_iter=5000)).fit(rows, labels)
    assert unwrap(held_here(scaled), space_of(scaled, rows, 100), seed=0).linear
    assert unwrap(held_here(curved), space_of(curved, rows, 100), seed=0) is None


# --- what may move


@pytest.fixture(scope="module")
def people() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "income": rng.normal(3000, 800, 300).round(2),
            "age": rng.integers(18, 80, 300),
            "flag": rng.integers(0, 2, 300),
            "kind": rng.integers(0, 5, 300),
            "town": rng.choice(["north", "south", "east"], 300),
        }
    )
    score = rows.income / 800 + rows.age / 20 + 2 * rows.flag + (rows.town == "north")
    return rows, np.where(score > score.median(), "yes", "no")


def people_model(final, rows: pd.DataFrame, labels):
    encode = make_column_transformer(
        (OneHotEncoder(), ["town"]), (StandardScaler(), ["income", "age"]), remainder="passthrough"
    )
    return make_pipeline(encode, final).fit(rows, labels)


def test_a_table_with_text_and_codes_keeps_gradients_on_the_rest(capsys, tmp_path, people):
    rows, labels = people
    arguments = save(tmp_path, people_model(LogisticRegression(), rows, labels), rows, labels)
    arguments += ["--max-rows", "60"]
    _, report = run(capsys, arguments)
    assert metric(report, "columns_moved")["value"] == 2
    held = {f["location"]: f["message"] for f in report["findings"] if f["ruleId"] == "robustness/held-fixed"}
    assert set(held) == {"not numeric", "a category's codes"}
    assert "town" in held["not numeric"]
    assert "flag, kind" in held["a category's codes"]
    assert not any(f["fails"] for f in report["findings"])
    assert curve(report, "pgd")[-1] < curve(report, "pgd")[0] - 0.1
    _, named = run(capsys, arguments, "--mutable", "income", "--mutable", "flag")
    assert metric(named, "columns_moved")["value"] == 2
    _, fewer = run(capsys, arguments, "--immutable", "income")
    assert metric(fewer, "columns_moved")["value"] == 1
    assert all(a >= b for a, b in zip(curve(fewer), curve(report), strict=True))


def test_hopskipjump_holds_the_same_columns(capsys, tmp_path, people):
    rows, labels = people
    model = people_model(RandomForestClassifier(15, random_state=0, min_samples_leaf=5), rows, labels)
    code, report = run(capsys, save(tmp_path, model, rows, labels), "--max-rows", "60")
    assert (code, metric(report, "columns_moved")["value"]) == (0, 2)
    assert curve(report)[-1] < curve(report)[0]


def test_what_is_tried_is_within_epsilon_whole_and_in_range(people):
    rows, labels = people
    space = Space(
        held_here(people_model(LogisticRegression(), rows, labels)),
        rows,
        columns_of(rows, rows, [], []),
    )
    which = np.repeat(np.arange(300), 10)
    for epsilon in EPSILONS:
        z = space.origin[which] + np.random.default_rng(1).uniform(-epsilon, epsilon, (3000, 2))
        frame = space.frame(which, space.realise(which, z))
        before = rows.iloc[which].reset_index(drop=True)
        assert (frame.dtypes == rows.dtypes).all()
        assert frame[["flag", "kind", "town"]].equals(before[["flag", "kind", "town"]])
        for name in ("income", "age"):
            assert ((frame[name] - before[name]).abs() <= epsilon * rows[name].std(ddof=0) + 1e-9).all()
            assert frame[name].between(rows[name].min(), rows[name].max()).all()
        assert frame["age"].equals(before["age"]) == (epsilon * rows["age"].std(ddof=0) < 1)


def test_an_example_counts_only_if_the_model_is_wrong_and_it_is_within_epsilon():
    rows, labels = iris()
    model = LogisticRegression(max_iter=500).fit(rows, labels)
    space = space_of(model, rows, 150)
    classes, which = space.classes(rows), np.arange(150)
    other = space.origin[np.where(classes == 0, 100, 0)]  # a real row of another class, so the model is "wrong" there
    assert space.falls(which, other, classes, 10.0).all()
    assert not space.falls(which, other, classes, 0.1).any()
    assert not space.falls(which, space.origin, classes, 10.0).any()


def test_whole_numbers_move_in_whole_steps(capsys, tmp_path):
    rows = pd.DataFrame({"n": np.arange(0, 40), "m": np.arange(40, 0, -1)})
    labels = (rows.n > 19).astype(int)
    model = LogisticRegression(max_iter=1000).fit(rows, labels)
    # One standard deviation is 11.5: 0.05 of it is no whole step, 0.1 is one, and one moves 19 and 20 across.
    _, report = run(capsys, save(tmp_path, model, rows, labels))
    assert curve(report, "pgd")[:3] == [1.0, 1.0, 0.95]


def test_the_reference_gives_the_scale(capsys, tmp_path, cases):
    rows, labels = breast()
    wide = rows * 2
    wide.assign(y=labels).to_csv(tmp_path / "wide.csv", index=False)
    _, report = run(capsys, cases["lr"])
    _, wider = run(capsys, cases["lr"], "--reference", str(tmp_path / "wide.csv"))
    assert curve(wider)[2] < curve(report)[2]
    wide.assign(**{"mean area": "?"}).to_csv(tmp_path / "wide.csv", index=False)
    assert "'mean area' is numeric in only one" in refused(
        capsys, cases["lr"], "--reference", str(tmp_path / "wide.csv")
    )


# --- what must not pass for looking


def test_rows_that_hopskipjump_cannot_start_on_are_not_examined(capsys, tmp_path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"decides": rng.normal(size=80), "idle": rng.normal(size=80)})
    labels = (rows.decides > 0).astype(int)
    only = make_column_transformer(("passthrough", ["decides"]))
    model = make_pipeline(only, KNeighborsClassifier(1)).fit(rows, labels)
    code, report = run(capsys, save(tmp_path, model, rows, labels), "--immutable", "decides")
    assert (code, report["verdict"]) == (2, "ERROR")
    assert (report["coverage"]["examined"], report["coverage"]["expected"]) == (0, 80)
    assert "no start" in report["reason"]
    assert not any(m["name"] == "robust_accuracy" for m in report["metrics"])


def test_a_single_tree_whose_columns_decide_nothing_is_proven_to_stand(capsys, tmp_path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"decides": rng.normal(size=80), "idle": rng.normal(size=80)})
    model = DecisionTreeClassifier(max_depth=1).fit(rows, rows.decides > 0)
    arguments = save(tmp_path, model, rows, rows.decides > 0)
    code, report = run(capsys, arguments, "--immutable", "decides", "--min-robust-accuracy", "0.9")
    assert (code, report["verdict"], report["coverage"]["examined"]) == (0, "PASS", 80)
    assert curve(report, "trees") == [1.0] * 5
    assert all(m["value"] == 1 for m in report["metrics"] if m["name"] == "certified_accuracy")


def test_rows_that_even_unbounded_pgd_cannot_move_are_reported(capsys, tmp_path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"decides": rng.normal(size=80), "idle": rng.normal(size=80)})
    labels = (rows.decides > 0).astype(int)
    model = LogisticRegression(C=100).fit(rows, labels)
    _, report = run(capsys, save(tmp_path, model, rows, labels), "--immutable", "decides")
    assert "robustness/unmoved" in rules(report)
    assert "robustness/gradient-masking" not in rules(report)


def broken(tmp_path: Path, change) -> list[str]:
    rows, labels = iris()
    rows.columns = ["a", "b", "c", "d"]
    model = LogisticRegression(max_iter=500).fit(rows, labels)
    table = rows.assign(y=labels).astype(object)
    arguments = save(tmp_path, model, rows, labels)
    change(table).to_csv(arguments[3], index=False)
    return arguments


def put(name: str, value):
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[3, name] = value
        return table

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put("b", None), "'b' holds missing or infinite"),
        (put("b", "inf"), "'b' holds infinite"),
        (put("b", "lots"), "cannot predict these rows"),
        (put("y", 7), "'7', which is none of the model's classes"),
        (put("y", None), "missing values"),
        (lambda t: t.drop(columns="c"), "has no column 'c'"),
        (lambda t: t.drop(columns="y"), "has no column 'y'"),
        (lambda t: t[t.y == 1], "single class"),
        (lambda t: t[:0], "no rows"),
        (lambda t: t.assign(y=(t.y + 1) % 3)[(t.c < 2) | (t.c > 5.5)], "wrong on every sampled row"),
    ],
)
def test_a_broken_table_is_one_line_and_exit_2(capsys, tmp_path, change, says):
    assert says in refused(capsys, broken(tmp_path, change))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--immutable", "e"], "--immutable: has no column 'e'"),
        (["--mutable", "e"], "--mutable: has no column 'e'"),
        (["--mutable", "a", "--immutable", "a"], "cannot be moved, it is declared immutable"),
        (["--immutable", '["a", "b", "c", "d"]'], "no numeric feature is left"),
        (["--at-epsilon", "0.3", "--min-robust-accuracy", "0.5"], "0.3 is not among the epsilons"),
        (["--epsilons", "0"], "--epsilons"),
        (["--epsilons", "0.1", "--epsilons", "-0.1"], "--epsilons"),
        (["--epsilons", "0.1", "--epsilons", "0.1"], "--epsilons"),
        (["--max-rows", "0"], "--max-rows"),
        (["--restarts", "-1"], "--restarts"),
        (["--seed", "-1"], "--seed"),
        (["--min-robust-accuracy", "1.5"], "--min-robust-accuracy"),
        (["--attack", "bim"], "--attack"),
    ],
)
def test_a_setting_that_makes_no_sense_is_one_line_and_exit_2(capsys, tmp_path, more, says):
    assert says in refused(capsys, broken(tmp_path, lambda table: table), *more)


def test_gradient_attacks_are_refused_where_there_are_no_gradients(capsys, cases):
    assert "needs gradients" in refused(capsys, cases["forest"], "--attack", "fgsm")


def test_a_model_that_decides_nothing_is_not_robust(capsys, tmp_path):
    rows, labels = iris()
    model = DummyClassifier(strategy="most_frequent").fit(rows, labels)
    assert "predicts the single class" in refused(capsys, save(tmp_path, model, rows, labels))


def test_a_regressor_is_refused(capsys, tmp_path):
    rows, labels = iris()
    assert "not a classifier" in refused(capsys, save(tmp_path, LinearRegression().fit(rows, labels), rows, labels))


# --- the same everywhere


@pytest.mark.parametrize("name", ["mlp", "forest"])
def test_two_processes_give_the_same_core(capsys, cases, name):
    arguments = ["evaluate-robustness", *cases[name], "--max-rows", "20"]
    assert main(arguments) == 0
    here = capsys.readouterr().out.splitlines()[-1]
    ended = subprocess.run(
        [sys.executable, "-m", "wardein", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "7"},
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[-1] == here
    assert "sha256:" in here


def test_random_starts_are_seeded_and_the_global_generator_is_given_back():
    rows, labels = iris()
    model = MLPClassifier((8,), max_iter=150, random_state=0).fit(rows, labels)
    space = space_of(model, rows, 150)
    found, asked = [], space.falls
    space.falls = lambda which, z, *rest: found.append(z) or asked(which, z, *rest)
    for state in (1, 2):
        np.random.seed(state)
        before = np.random.get_state()[1].copy()
        WhiteBox(unwrap(held_here(model), space, 0), space, labels, seed=5).pgd(np.arange(150), 0.01, restarts=1)
        assert (np.random.get_state()[1] == before).all()
    half = len(found) // 2
    assert half == 2  # from the rows, and at random
    assert all(np.array_equal(one, two) for one, two in zip(found[:half], found[half:], strict=True))


def test_the_sample_is_seeded_and_keeps_the_classes(capsys, cases):
    _, one = run(capsys, cases["lr"], "--max-rows", "50")
    _, two = run(capsys, cases["lr"], "--max-rows", "50", "--seed", "1")
    assert one["coverage"]["expected"] == 50
    assert one["metrics"] != two["metrics"]
    assert metric(one, "rows_available")["value"] == len(breast()[0][1::2])
