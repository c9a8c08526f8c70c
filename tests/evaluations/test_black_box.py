# SPDX-License-Identifier: Apache-2.0
"""What attacks by decisions find, against closed forms and ART itself; budgets, early stopping, corruption, words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC

from wardein.attacks.account import certainly_failed
from wardein.attacks.budget import Budget, Exhausted
from wardein.attacks.corruption import corrupt
from wardein.attacks.decision import Pool, hopskipjump
from wardein.attacks.space import Space, columns_of
from wardein.attacks.square import square
from wardein.attacks.sweep import blocks
from wardein.attacks.task import Task
from wardein.attacks.trees import attack as attack_trees
from wardein.attacks.trees import trees_of
from wardein.checks.evaluate_robustness import evaluate_robustness
from wardein.errors import WardeinError
from wardein.models.held import Held
from wardein.models.predictors import Classifier, predictor
from wardein.report import Criterion, Metric, Verdict
from wardein.statistics import intervals
from wardein.statistics.outcomes import Outcomes

EPSILONS = (0.05, 0.1, 0.2, 0.4)


def held_here(estimator) -> Classifier:
    """The model in this process: the attacks do not care where it is."""
    held = Held(estimator, "skops", vouched=True)
    return predictor(held.facts(), held.answer, Path("model"))


def breast() -> tuple[pd.DataFrame, np.ndarray]:
    bunch = load_breast_cancer(as_frame=True)
    return bunch.data, bunch.target.to_numpy()


class Case:
    """A fitted model, rows under attack, and what the black box needs."""

    def __init__(self, estimator, rows: pd.DataFrame, labels: np.ndarray, n: int, size="linf", **columns) -> None:
        self.model = estimator.fit(rows, labels)
        names = sorted(set(labels))
        self.columns = columns_of(rows, rows, columns.get("immutable", []), columns.get("mutable", []))
        self.space = Space(held_here(self.model), rows.iloc[:n], self.columns, size)
        self.truth = np.searchsorted(names, labels)[:n]
        predicted = self.space.classes(rows)
        self.right = np.flatnonzero(predicted[:n] == self.truth)
        values = rows[list(self.columns.moved)].to_numpy(dtype=float)
        self.pool = Pool(self.space.coordinates(values), predicted)

    def jump(self, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        return hopskipjump(self.space, self.right, self.truth, self.pool, seed)


# --- HopSkipJump against closed forms, and against ART


@pytest.mark.parametrize("size", ["linf", "l2"])
def test_on_a_linear_model_the_distance_is_the_margin_over_the_dual_norm(size):
    values, labels = make_classification(200, 8, n_informative=6, n_redundant=0, random_state=1)
    case = Case(LogisticRegression(), pd.DataFrame(values).add_prefix("x"), labels, 60, size)
    slope = case.model.coef_[0] * case.columns.scale
    margin = np.abs(case.model.decision_function(case.space.rows))[case.right]
    exact = margin / (np.abs(slope).sum() if size == "linf" else np.linalg.norm(slope))
    direction = np.sign(slope) if size == "linf" else slope / np.linalg.norm(slope)
    away = np.where(case.truth[case.right] == 1, -1, 1)[:, None] * direction * exact[:, None]
    nearest = case.space.origin[case.right] + away
    inside = ((nearest >= case.space.low) & (nearest <= case.space.high)).all(axis=1)
    assert inside.sum() > 20
    found, _ = case.jump()
    ratio = found[inside] / exact[inside]
    assert ratio.min() >= 1 - 1e-6
    assert np.median(ratio) < 1.03
    assert np.quantile(ratio, 0.9) < 1.15


@pytest.mark.parametrize("estimator", [make_pipeline(StandardScaler(), LogisticRegression()), SVC()])
def test_it_never_succeeds_less_often_than_arts_own_and_leaves_no_row_out(estimator):
    from art.attacks.evasion import HopSkipJump
    from art.estimators.classification import BlackBoxClassifier

    rows, labels = breast()
    case = Case(estimator, rows, labels, 40)
    right = case.right[:12]
    ours, _ = hopskipjump(case.space, right, case.truth, case.pool, 0)

    def predict(z: np.ndarray) -> np.ndarray:
        return np.eye(2)[case.space.classes(pd.DataFrame(case.space.values(z.astype(float)), columns=rows.columns))]

    ends = (float(case.space.low.min()), float(case.space.high.max()))
    box = BlackBoxClassifier(predict, (rows.shape[1],), 2, clip_values=ends)
    np.random.seed(0)
    attack = HopSkipJump(box, norm=np.inf, max_iter=8, max_eval=200, init_eval=20, verbose=False)
    moved = attack.generate(x=case.space.origin[right].astype(np.float32))
    theirs = np.abs(moved - case.space.origin[right]).max(axis=1)
    theirs[theirs <= 1e-6] = np.inf  # returned as it came
    assert np.isfinite(ours).all()
    for epsilon in EPSILONS:
        assert (ours > epsilon).sum() <= (theirs > epsilon).sum()


def test_two_runs_with_a_seed_are_the_same_and_another_seed_is_another_run():
    rows, labels = breast()
    case = Case(GaussianNB(), rows, labels, 30)
    (one, points), (two, again), (other, _) = case.jump(), case.jump(), case.jump(seed=1)
    assert np.array_equal(one, two)
    assert np.array_equal(points, again)
    assert not np.array_equal(one, other)


def test_whole_numbers_are_probed_in_whole_steps():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({f"n{i}": rng.integers(0, 30, 400) for i in range(4)})
    case = Case(LogisticRegression(), rows, (rows.sum(axis=1) > 58).to_numpy(), 100)
    found, points = case.jump()
    slope, start = case.model.coef_[0], rows.to_numpy()[:100]
    lead = np.abs(case.model.decision_function(rows))[:100]
    exact = np.zeros(100)
    for i in range(100):  # how many steps every column has to take for the sign to change, in scales
        for steps in range(60):
            moved = np.clip(start[i] - np.sign(slope) * steps * (1 if case.truth[i] else -1), 0, 29)
            if (moved - start[i]) @ slope * (-1 if case.truth[i] else 1) >= lead[i]:
                break
        exact[i] = steps / case.columns.scale.max()
    values = case.space.realise(case.right, points)
    assert (values == np.rint(values)).all()
    assert np.median(found / np.maximum(exact[case.right], 1e-9)) < 1.4


# --- every example that counts


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.sampled_from(["linf", "l2"]), forest=st.booleans())
def test_every_example_is_a_row_that_could_be_and_the_model_is_wrong_on_it(seed, size, forest):
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "income": rng.normal(3000, 800, 120).round(2),
            "age": rng.integers(18, 80, 120),
            "debt": rng.exponential(500, 120),
            "flag": rng.integers(0, 2, 120),
            "fixed": rng.normal(size=120),
            "town": rng.choice(["north", "south", "east"], 120),
        }
    )
    labels = (rows.income / 800 + rows.age / 20 + rows.flag + rng.normal(size=120) > 6).to_numpy().astype(int)
    encode = make_column_transformer((OneHotEncoder(), ["town"]), remainder="passthrough")
    final = RandomForestClassifier(5, random_state=0) if forest else GaussianNB()
    columns = {"immutable": ["fixed"]}
    case = Case(make_pipeline(encode.set_output(transform="default"), final), rows, labels, 12, size, **columns)
    assert case.columns.moved == ("income", "age", "debt")
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    distance, points = case.jump(seed)
    found.append((case.right[np.isfinite(distance)], points[np.isfinite(distance)], distance[np.isfinite(distance)]))
    fell, points, _ = square(case.space, case.right, case.truth, 0.3, seed)
    found.append((case.right[fell], points[fell], np.full(int(fell.sum()), 0.3)))
    ensemble = trees_of(held_here(case.model), case.space) if forest else None
    if ensemble is not None:
        distance, points = attack_trees(case.space, ensemble, case.right, case.truth, case.pool, seed)
        at = np.isfinite(distance)
        found.append((case.right[at], points[at], distance[at]))
    for which, z, claimed in found:
        if not len(which):
            continue
        before = rows.iloc[which].reset_index(drop=True)
        after = case.space.frame(which, case.space.realise(which, z))
        assert (case.model.predict(after) != case.truth[which]).all()
        assert (after.dtypes == rows.dtypes).all()
        assert after[["flag", "fixed", "town"]].equals(before[["flag", "fixed", "town"]])
        assert after["age"].between(rows.age.min(), rows.age.max()).all()
        assert all(after[name].between(rows[name].min(), rows[name].max()).all() for name in ("income", "debt"))
        moved = list(case.columns.moved)
        change = ((after[moved] - before[moved]) / case.columns.scale).to_numpy(dtype=float)
        length = np.abs(change).max(axis=1) if size == "linf" else np.linalg.norm(change, axis=1)
        assert (length <= claimed * (1 + 1e-5) + 1e-5).all()


def test_a_column_that_may_only_increase_only_increases():
    rows, labels = breast()
    case = Case(GaussianNB(), rows, labels, 40)
    only = np.zeros(30, dtype=int)
    only[:10], only[10:20] = 1, -1
    object.__setattr__(case.columns, "only", only)
    distance, points = case.jump()
    started = np.isfinite(distance)
    change = case.space.realise(case.right[started], points[started]) - rows.to_numpy()[case.right[started]]
    assert started.any()
    assert change[:, :10].min() >= 0 >= change[:, 10:20].max()


# --- random search


@pytest.mark.parametrize("size", ["linf", "l2"])
def test_square_finds_much_of_what_there_is_on_a_linear_model(size):
    values, labels = make_classification(200, 8, n_informative=6, n_redundant=0, random_state=1)
    case = Case(LogisticRegression(), pd.DataFrame(values).add_prefix("x"), labels, 100, size)
    slope = case.model.coef_[0] * case.columns.scale
    margin = np.abs(case.model.decision_function(case.space.rows))[case.right]
    exact = margin / (np.abs(slope).sum() if size == "linf" else np.linalg.norm(slope))
    for epsilon in (0.2, 0.5):
        fell, points, answered = square(case.space, case.right, case.truth, epsilon, 0)
        assert not fell[exact > epsilon * 1.001].any()
        assert fell[exact < epsilon * 0.8].mean() > 0.9
        assert answered.all()
        assert (case.space.distance(case.right[fell], points[fell]) <= epsilon * 1.0001).all()


def test_square_says_where_probabilities_do_not_answer():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"decides": rng.normal(size=80), "idle": rng.normal(size=80)})
    only = make_column_transformer(("passthrough", ["decides"]))
    labels = (rows.decides > 0).to_numpy().astype(int)
    case = Case(make_pipeline(only, GaussianNB()), rows, labels, 20, immutable=["decides"])
    fell, _, answered = square(case.space, case.right, case.truth, 1.0, 0)
    assert not fell.any()
    assert not answered.any()


# --- noise and missing values


def test_accuracy_under_noise_is_that_of_the_closed_form():
    rows = pd.DataFrame({"x": np.tile([-1.25, 1.25], 1000), "z": np.linspace(-1, 1, 2000)})
    labels = (rows.x > 0).to_numpy().astype(int)
    case = Case(LogisticRegression(), rows, labels, 2000, mutable=["x"])
    case.model.coef_, case.model.intercept_ = np.array([[1.0, 0.0]]), np.array([0.0])
    found = corrupt(case.space, case.truth, [0.5, 1.0, 2.0], [], 0)
    assert found.right["none", 0.0] == 2000
    for level in (0.5, 1.0, 2.0):
        exact = norm.cdf(1 / level)
        interval = intervals.wilson(found.right["noise", level], 2000)
        assert interval.low - 0.01 <= exact <= interval.high + 0.01


def test_missing_values_are_measured_where_the_model_takes_them():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"x": rng.normal(size=500), "n": rng.integers(0, 50, 500)})
    labels = (rows.x > 0).to_numpy().astype(int)
    takes = Case(HistGradientBoostingClassifier(max_iter=20), rows, labels, 500)
    found = corrupt(takes.space, takes.truth, [], [0.2, 1.0], 0)
    assert not found.refused
    assert found.right["none", 0.0] > found.right["missing", 0.2] > found.right["missing", 1.0]


# --- budgets


def test_a_budget_counts_before_it_is_overdrawn_and_time_runs_out():
    now = [0.0]
    budget = Budget(10, 5.0, clock=lambda: now[0])
    budget.take(10)
    with pytest.raises(Exhausted) as caught:
        budget.take(1)
    assert (caught.value.option, budget.queries) == ("--max-queries", 10)
    now[0] = 6.0
    with pytest.raises(Exhausted) as caught:
        budget.check()
    assert caught.value.option == "--max-seconds"


def save(folder: Path, estimator, rows: pd.DataFrame, labels) -> dict[str, object]:
    """Write model and data, and return the arguments that name them."""
    skops.io.dump(estimator, folder / "m.skops")
    rows.assign(y=labels).to_csv(folder / "d.csv", index=False)
    return {"model": folder / "m.skops", "data": folder / "d.csv", "label": "y"}


@pytest.fixture(scope="module")
def bayes(tmp_path_factory) -> dict[str, object]:
    rows, labels = breast()
    model = GaussianNB().fit(rows[::2], labels[::2])
    return save(tmp_path_factory.mktemp("bayes"), model, rows[1::2].reset_index(drop=True), labels[1::2])


def test_rows_for_which_the_queries_do_not_suffice_are_not_examined(bayes):
    report = evaluate_robustness(**bayes, max_queries=200_000)
    assert report.verdict is Verdict.ERROR
    assert "--max-queries" in report.reason
    assert (report.coverage.expected, report.coverage.examined) == (200, 64)
    attacked = [m for m in report.metrics if m.slice == "attack=worst, epsilon=0.1"]
    assert {m.n for m in attacked} == {64, 60}


@pytest.mark.parametrize(
    ("settings", "says"), [({"max_queries": 300}, "--max-queries"), ({"max_queries": 20_000}, "--max-queries")]
)
def test_a_budget_that_suffices_for_nothing_is_one_line(bayes, settings, says):
    with pytest.raises(WardeinError, match="before the first rows were attacked") as caught:
        evaluate_robustness(**bayes, **settings)
    assert caught.value.where == says


def test_seconds_that_run_out_are_named(bayes, monkeypatch):
    monkeypatch.setattr(Budget, "late", property(lambda budget: budget.queries > 20_000))
    with pytest.raises(WardeinError, match="600 seconds allowed") as caught:
        evaluate_robustness(**bayes)
    assert caught.value.where == "--max-seconds"
    monkeypatch.setattr(Budget, "late", property(lambda budget: budget.queries > 250_000))
    report = evaluate_robustness(**bayes)
    assert (report.verdict, report.coverage.examined) == (Verdict.ERROR, 64)
    assert "--max-seconds" in report.reason


# --- stopping early


def test_stopping_early_changes_no_verdict():
    rng, stopped = np.random.default_rng(0), 0
    for _ in range(200):
        n = int(rng.integers(3, 400))
        stands = rng.random(n) < rng.random()
        bound = intervals.counted(rng.choice(["worst", "point", "best"]), ">=")
        wanted = Criterion("robust_accuracy", ">=", float(rng.uniform(0.05, 1)), bound)

        def met(stands: np.ndarray, wanted: Criterion = wanted) -> bool | None:
            k = len(stands)
            value = Metric("robust_accuracy", stands.mean(), k, ci=intervals.wilson(int(stands.sum()), k))
            return wanted.judge([value]).met

        done = 0
        for block in blocks(np.arange(n)):
            done = int(block[-1]) + 1
            if certainly_failed(int((~stands[:done]).sum()), n, wanted):
                break
        stopped += done < n
        assert met(stands[:done]) == met(stands)
    assert stopped > 20


def test_a_hopeless_model_is_rejected_after_the_first_block(bayes):
    wanted = {"at_epsilon": 0.4, "min_robust_accuracy": 0.9}
    early, full = (evaluate_robustness(**bayes, **wanted, stop_early=stop) for stop in (True, False))
    assert (early.verdict, full.verdict) == (Verdict.FAIL, Verdict.FAIL)
    assert (early.coverage.expected, early.coverage.examined) == (64, 64)
    assert full.coverage.expected == 200
    (finding,) = [f for f in early.findings if f.rule == "robustness/stopped-early"]
    assert not finding.fails
    assert "64 of 200 rows" in finding.message


def test_where_nothing_can_be_shown_from_the_start_all_rows_are_attacked(bayes):
    report = evaluate_robustness(**bayes, min_robust_accuracy=0.999, epsilons=[0.1])
    assert (report.verdict, report.coverage.examined) == (Verdict.FAIL, 200)


def test_every_beginning_of_the_order_has_the_classes_in_proportion():
    truth = np.repeat([0, 1, 2], [140, 40, 20])
    outcomes = Outcomes(("a", "b", "c"), truth, truth)
    order = Task(None, None, None, None, None, outcomes, np.arange(200), 0, np.arange(200)).order()
    assert sorted(order.tolist()) == list(range(200))
    for k in (20, 50, 64, 101, 200):
        assert (np.abs(np.bincount(truth[order[:k]], minlength=3) - k * np.array([0.7, 0.2, 0.1])) <= 1).all()


# --- what must not pass for robust


def test_saturated_units_hide_gradients_and_are_exposed_by_decisions(tmp_path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(600, 4))).add_prefix("x")
    labels = (rows.sum(axis=1) > 0).to_numpy().astype(int)
    model = MLPClassifier((12,), activation="logistic", max_iter=600, random_state=0).fit(rows[:400], labels[:400])
    arguments = save(tmp_path, model, rows[400:], labels[400:])
    honest = evaluate_robustness(**arguments, max_rows=100)
    model.coefs_[0], model.intercepts_[0] = model.coefs_[0] * 1e5, model.intercepts_[0] * 1e5
    masked = evaluate_robustness(**save(tmp_path, model, rows[400:], labels[400:]), max_rows=100)
    assert honest.verdict is Verdict.PASS
    assert not any(f.rule.startswith("robustness/gradient") for f in honest.findings)
    (vanish,) = [f for f in masked.findings if f.rule == "robustness/gradients-vanish"]
    assert (vanish.severity, vanish.fails) == ("low", False)
    (finding,) = [f for f in masked.findings if f.rule == "robustness/gradient-masking"]
    assert (masked.verdict, finding.severity, finding.fails) == (Verdict.FAIL, "high", True)


def test_a_model_that_answers_by_chance_is_refused():
    class Fickle:
        classes, probabilities, features, type = np.array([0, 1]), False, ("a", "b"), "Fickle"
        answers = np.random.default_rng(0)

        def predict(self, rows: pd.DataFrame) -> np.ndarray:
            return self.answers.integers(0, 2, len(rows))

    rows = pd.DataFrame(np.random.default_rng(1).normal(size=(50, 2)), columns=["a", "b"])
    truth = np.arange(50) % 2
    task = Task(Fickle(), rows, rows, rows, None, Outcomes(("0", "1"), truth, truth), np.arange(50), 0, np.arange(50))
    with pytest.raises(WardeinError, match="differently when asked again"):
        task.space(task.columns([], []), "linf", Budget(10**6, 10.0))


def test_a_model_whose_answers_depend_on_the_other_rows_asked_about_is_refused():
    class Crowded:
        """Fragile row by row; of many similar rows, as attacks ask about, it says what they mostly are."""

        classes, probabilities, features, type = np.array([0, 1]), False, ("a", "b"), "Crowded"

        def predict(self, rows: pd.DataFrame) -> np.ndarray:
            positive = (rows.a > 0).to_numpy().astype(int)
            return positive if len(rows) <= 50 else np.repeat(positive.mean() > 0.5, len(rows)).astype(int)

    rows = pd.DataFrame(np.random.default_rng(1).normal(size=(50, 2)), columns=["a", "b"])
    truth = (rows.a > 0).to_numpy().astype(int)
    task = Task(Crowded(), rows, rows, rows, None, Outcomes(("0", "1"), truth, truth), np.arange(50), 0, np.arange(50))
    with pytest.raises(WardeinError, match="differently when each is asked alone"):
        task.space(task.columns([], []), "linf", Budget(10**6, 10.0))


def test_rows_with_missing_numbers_are_left_out_and_counted_where_the_model_takes_them(tmp_path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(240, 2)), columns=["a", "b"])
    labels = (rows.a + rows.b > 0).to_numpy().astype(int)
    model = HistGradientBoostingClassifier(max_iter=15).fit(rows, labels)
    rows.iloc[::3, 0] = np.nan
    report = evaluate_robustness(**save(tmp_path, model, rows, labels), max_rows=30, noise=[], missing=[])
    (left,) = [f for f in report.findings if f.rule == "robustness/incomplete-rows"]
    assert left.message.startswith("80 rows")
    assert (left.fails, report.coverage.expected, report.coverage.examined) == (False, 30, 30)
    assert next(m.value for m in report.metrics if m.name == "rows_available") == 160
    flips = [f for f in report.findings if f.rule == "robustness/flip"]
    assert flips
    for flip in flips:  # the number is that of the row in the table
        place = int(flip.location.removeprefix("row ")) - 1
        column, value = re.search(r"(?:raise|lower) (\w) from (\S+) to", flip.message).groups()
        assert rows[column][place] == pytest.approx(float(value))
    with pytest.raises(WardeinError, match="'a' holds missing"):
        evaluate_robustness(**save(tmp_path, LogisticRegression().fit(rows.fillna(0), labels), rows, labels))


def test_the_report_says_how_much_was_asked_of_how_much(bayes):
    report = evaluate_robustness(**bayes, max_rows=20, max_queries=500_000)
    found = {m.name: m.value for m in report.metrics if m.name.startswith("queries_") and not m.slice}
    assert found["queries_allowed"] == 500_000
    assert 20_000 < found["queries_used"] < 500_000


# --- in words


def test_what_is_told_is_true_of_the_model(tmp_path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "duration": rng.integers(4, 60, 400),
            "amount": rng.gamma(2, 1500, 400).round(2),
            "age": rng.uniform(19, 70, 400),
        }
    )
    labels = np.where(rows.duration / 20 + rows.amount / 3000 + rng.normal(0, 0.3, 400) > 2.6, "bad", "good")
    model = make_pipeline(StandardScaler(), SVC()).fit(rows, labels)
    report = evaluate_robustness(**save(tmp_path, model, rows, labels), max_rows=60)
    told = [f for f in report.findings if f.rule == "robustness/flip"]
    assert len(told) == 10
    for finding in told:
        assert not finding.fails
        row = int(finding.location.removeprefix("row ")) - 1
        changed = rows.iloc[[row]].copy()
        changes = re.findall(r"(raise|lower) (\w+) from ([\d.e+-]+) to ([\d.e+-]+)", finding.message)
        assert changes
        for verb, name, before, after in changes:
            assert float(before) == pytest.approx(float(rows[name].iloc[row]))
            assert (float(after) > float(before)) == (verb == "raise")
            changed[name] = type(rows[name].iloc[row])(float(after))
        start, end = re.search(r"and (\w+) becomes (\w+)$", finding.message).groups()
        assert (model.predict(rows.iloc[[row]])[0], labels[row]) == (start, start)
        assert model.predict(changed)[0] == end


# --- edits of declared columns


@pytest.fixture(scope="module")
def declared(tmp_path_factory) -> dict[str, object]:
    """A model that looks at a category, and at one number only beside it."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("declared")
    rows = pd.DataFrame(
        {
            "purpose": rng.choice(["car", "house", "school"], 300),
            "amount": rng.normal(size=300),
            "age": rng.normal(size=300),
        }
    )
    labels = np.where((rows.purpose == "car") & (rows.amount > -2), "bad", "good")
    encode = make_column_transformer((OneHotEncoder(), ["purpose"]), remainder="passthrough")
    model = make_pipeline(encode, RandomForestClassifier(10, random_state=0)).fit(rows, labels)
    (folder / "features.json").write_text(json.dumps({"columns": {"age": {"immutable": True}}}))
    (folder / "fixed.json").write_text(json.dumps({"columns": {"purpose": {"immutable": True}}}))
    return {**save(folder, model, rows, labels), "folder": folder}


def test_declared_columns_are_edited_and_a_model_that_one_edit_turns_is_rejected(declared):
    arguments = {name: declared[name] for name in ("model", "data", "label")}
    features = declared["folder"] / "features.json"
    report = evaluate_robustness(**arguments, features=features, min_robust_accuracy_edits=0.5, max_rows=60)
    found = {m.slice: m.value for m in report.metrics if m.name == "robust_accuracy"}
    assert report.verdict is Verdict.FAIL
    assert found["attack=edits, edits=0"] > 0.9
    assert found["attack=edits, edits=1"] < 0.1
    assert found["attack=worst, epsilon=0.1"] > 0.5
    assert any("change purpose from" in f.message for f in report.findings if f.rule == "robustness/flip")
    assert any("age" in f.message for f in report.findings if f.location == "declared immutable")
    alone = evaluate_robustness(**arguments, attack="edits", immutable=["purpose"], max_rows=60)
    other = {m.slice: m.value for m in alone.metrics if m.name == "robust_accuracy"}
    assert other["attack=edits, edits=3"] > 0.5
    assert set(other) == {f"attack=edits, edits={k}" for k in range(4)}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"min_robust_accuracy_edits": 0.5}, "no edits are tried"),
        ({"at_edits": 4}, "--at-edits"),
        ({"attack": "edits", "min_robust_accuracy": 0.5}, "edits alone"),
        ({"attack": "edits", "min_corrupted_accuracy": 0.5}, "edits alone"),
        ({"noise": [0.0]}, "--noise"),
        ({"missing": [0.5, 1.5]}, "--missing"),
        ({"max_queries": 0}, "--max-queries"),
        ({"max_seconds": 0}, "--max-seconds"),
        ({"attack": "pgd"}, "pgd needs gradients"),
        ({"attack": "trees"}, "trees needs trees"),
    ],
)
def test_what_cannot_be_measured_is_refused(bayes, settings, says):
    with pytest.raises(WardeinError) as caught:
        evaluate_robustness(**bayes, **settings)
    assert says in str(caught.value)


def test_random_search_needs_probabilities(tmp_path):
    rows, labels = breast()
    arguments = save(tmp_path, make_pipeline(StandardScaler(), LinearSVC()).fit(rows, labels), rows, labels)
    with pytest.raises(WardeinError, match="square needs probabilities"):
        evaluate_robustness(**arguments, attack="square")


def test_a_threshold_on_corrupted_accuracy_is_judged_at_every_level(bayes):
    report = evaluate_robustness(**bayes, min_corrupted_accuracy=0.99, max_rows=20, epsilons=[0.1])
    assert report.verdict is Verdict.FAIL
    assert [c.slice for c in report.criteria] == [
        "corruption=none, level=0",
        "corruption=noise, level=0.1",
        "corruption=noise, level=0.3",
    ]
    assert any(f.rule == "robustness/no-missing-values" for f in report.findings)
