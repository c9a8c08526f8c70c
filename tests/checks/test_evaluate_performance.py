# SPDX-License-Identifier: Apache-2.0
"""evaluate-performance: planted numbers come back, guessing fails, and what cannot be measured is never passed over."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn import metrics as reference
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from wardein.cli import main
from wardein.spec import load


def two_classes(n=2000, seed=0, names=(0, 1), shift=0.0):
    """Rows whose label is 1 with probability 1 / (1 + exp(-2 x)), and x moved by ``shift`` afterwards."""
    random = np.random.default_rng(seed)
    x = random.normal(size=n)
    label = (random.random(n) < 1 / (1 + np.exp(-2 * x))).astype(int)
    return pd.DataFrame({"x": x + shift, "noise": random.normal(size=n), "label": np.array(names)[label]})


def split(bunch):
    table = bunch.frame if bunch.frame is not None else pd.DataFrame(bunch.data)
    table = table.rename(columns=str).assign(label=bunch.target)
    return table.iloc[::2].reset_index(drop=True), table.iloc[1::2].reset_index(drop=True)


@pytest.fixture
def check(tmp_path, capsys):
    """Fit on one table, judge on another through the command line; the exit code, the report, and stderr."""

    def run(train: pd.DataFrame, test: pd.DataFrame, *more: str, kind=None):
        features = [name for name in train if name != "label"]
        fitted = (kind or LogisticRegression(max_iter=1000)).fit(train[features], train["label"])
        use, data = tmp_path / "m.skops", tmp_path / "data.csv"
        skops.io.dump(fitted, use)
        test.to_csv(data, index=False)
        argv = ["evaluate-performance", "--model", str(use), "--data", str(data), "--label", "label", *more, "--json"]
        code = main(argv)
        out, err = capsys.readouterr()
        report = json.loads(out) if out else {}
        if code == 2:
            assert len(err.strip().splitlines()) == 1, err
        else:
            assert err == ""
        return code, report, err, fitted

    return run


def metric(report, name, part=""):
    found = [m for m in report["metrics"] if (m["name"], m.get("slice", "")) == (name, part)]
    assert len(found) == 1, f"{name}[{part}] is listed {len(found)} times"
    return found[0]


def rules(report):
    return {f["ruleId"] for f in report["findings"]}


# --- the numbers are the right ones -----------------------------------------------------------------------------


def test_two_classes_agree_with_scikit_learn(check):
    test = two_classes(seed=1)
    code, report, _, fitted = check(two_classes(), test)
    says, chance = fitted.predict(test[["x", "noise"]]), fitted.predict_proba(test[["x", "noise"]])[:, 1]
    truth = test["label"]
    expected = {
        ("accuracy", ""): reference.accuracy_score(truth, says),
        ("balanced_accuracy", ""): reference.balanced_accuracy_score(truth, says),
        ("recall", "class=1"): reference.recall_score(truth, says),
        ("recall", "class=0"): reference.recall_score(truth, says, pos_label=0),
        ("precision", "class=1"): reference.precision_score(truth, says),
        ("precision", "class=0"): reference.precision_score(truth, says, pos_label=0),
        ("roc_auc", ""): reference.roc_auc_score(truth, chance),
        ("brier_score", ""): reference.brier_score_loss(truth, chance),
        ("baseline_accuracy", ""): max(truth.mean(), 1 - truth.mean()),
    }
    assert code == 0
    for (name, part), value in expected.items():
        found = metric(report, name, part)
        assert found["value"] == pytest.approx(value, abs=1e-12), name
        assert found["ci"]["low"] < value < found["ci"]["high"], name
    assert report["coverage"] == {"unit": "rows", "expected": 2000, "examined": 2000, "skipped": [], "complete": True}


def test_ten_classes_agree_with_scikit_learn(check):
    train, test = split(load_digits())
    code, report, _, fitted = check(train, test, "--min-accuracy", "0.9", "--min-roc-auc", "0.98")
    rows, truth = test.drop(columns="label"), test["label"]
    says, chance = fitted.predict(rows), fitted.predict_proba(rows)
    assert code == 0
    assert metric(report, "accuracy")["value"] == pytest.approx(reference.accuracy_score(truth, says), abs=1e-12)
    balanced = reference.balanced_accuracy_score(truth, says)
    assert metric(report, "balanced_accuracy")["value"] == pytest.approx(balanced, abs=1e-12)
    area = reference.roc_auc_score(truth, chance, multi_class="ovr")
    assert metric(report, "roc_auc")["value"] == pytest.approx(area, abs=1e-12)
    for i, recall in enumerate(reference.recall_score(truth, says, average=None)):
        assert metric(report, "recall", f"class={i}")["value"] == pytest.approx(recall, abs=1e-12)
        one = reference.roc_auc_score(truth == i, chance[:, i])
        assert metric(report, "roc_auc", f"class={i}")["value"] == pytest.approx(one, abs=1e-12)
    brier = ((chance - np.eye(10)[truth]) ** 2).sum(axis=1).mean() / 2
    assert metric(report, "brier_score")["value"] == pytest.approx(brier, abs=1e-12)


def test_calibration_error_by_hand(check):
    """Says 0.75 on 40 rows of which 20 are positive, and 0.25 on 60 of which 30 are: 0.25 off everywhere."""
    train = pd.DataFrame({"x": [0] * 400 + [1] * 400, "label": ([1] + [0] * 3) * 100 + ([1] * 3 + [0]) * 100})
    test = pd.DataFrame({"x": [1] * 40 + [0] * 60, "label": [1, 0] * 20 + [1, 0] * 30})
    _, report, _, _ = check(train, test, kind=LogisticRegression(C=1e9, tol=1e-10))
    assert metric(report, "calibration_error")["value"] == pytest.approx(0.25, abs=1e-4)
    curve = {m["slice"]: (m["value"], m["n"]) for m in report["metrics"] if m["name"] == "observed_share"}
    assert curve == {"probability=0.25": (0.5, 60), "probability=0.75": (0.5, 40)}


def test_overconfidence_fails(check):
    train = two_classes()
    assert check(train, two_classes(10_000, seed=1), "--max-calibration-error", "0.03")[0] == 0
    code, report, _, _ = check(train, two_classes(10_000, seed=1, shift=1), "--max-calibration-error", "0.03")
    assert code == 1
    assert metric(report, "calibration_error")["ci"]["low"] > 0.1
    assert not report["criteria"][0]["note"].startswith("inconclusive")


def test_intervals_do_not_collapse_where_nothing_is_wrong(check):
    """A model without an error on 20 rows may well err on the next."""
    rows = pd.DataFrame({"x": [-1.0, 1.0] * 10, "label": [0, 1] * 10})
    code, report, _, _ = check(rows, rows, "--min-accuracy", "0.9")
    assert code == 1
    for name in ("accuracy", "balanced_accuracy", "roc_auc"):
        found = metric(report, name)
        assert found["value"] == 1
        assert found["ci"]["low"] < 0.9
    assert report["criteria"][0]["note"].startswith("inconclusive")


# --- thresholds -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "name", "part"),
    [
        ("--min-accuracy", "accuracy", ""),
        ("--min-balanced-accuracy", "balanced_accuracy", ""),
        ("--min-recall", "recall", "class=1"),
        ("--min-precision", "precision", "class=1"),
        ("--min-roc-auc", "roc_auc", ""),
        ("--max-calibration-error", "calibration_error", ""),
    ],
)
def test_every_threshold_counts(check, flag, name, part):
    train, test = two_classes(), two_classes(seed=1)
    _, report, _, _ = check(train, test)
    found = metric(report, name, part)
    low, value, high = found["ci"]["low"], found["value"], found["ci"]["high"]
    least = flag.startswith("--min")
    worst, best, step = (low, high, -1e-6) if least else (high, low, 1e-6)
    for bound, end in {"worst": worst, "point": value, "best": best}.items():
        for threshold, code in ((end + step, 0), (end - step, 1)):
            if threshold < 0:  # of a calibrated model, the low end of the error is 0
                continue
            ended, report, _, _ = check(train, test, flag, str(threshold), "--bound", bound)
            assert ended == code, (bound, threshold)
            assert [(c["metric"], c.get("slice", "")) for c in report["criteria"]] == [(name, part)]


def test_the_positive_class_is_the_one_that_is_named(check):
    names = {"names": ("fraud", "honest")}
    train, test = two_classes(**names), two_classes(seed=1, **names)
    _, report, _, _ = check(train, test, "--min-recall", "0.5")
    assert report["criteria"][0]["slice"] == "class=honest"
    _, report, _, _ = check(train, test, "--min-recall", "0.5", "--positive", "fraud")
    assert report["criteria"][0]["slice"] == "class=fraud"
    code, _, err, _ = check(train, test, "--positive", "theft")
    assert code == 2
    assert "name one of: fraud, honest" in err


def test_recall_of_many_classes_needs_a_name(check):
    train, test = split(load_digits())
    code, _, err, _ = check(train, test, "--min-recall", "0.5")
    assert code == 2
    assert "10 classes" in err
    _, report, _, _ = check(train, test, "--min-recall", "0.5", "--positive", "8")
    assert report["criteria"][0]["slice"] == "class=8"


# --- guessing does not pass -------------------------------------------------------------------------------------


def test_the_bound_judges_thresholds_and_not_whether_a_model_guesses(check):
    """So a run may choose it, where a policy has criteria of its own."""
    assert next(param for param in load("evaluate_performance").params if param.name == "bound").judged
    few = two_classes(60, seed=5)
    few["label"] = np.random.default_rng(2).permutation(few["label"])
    code, report, _, _ = check(two_classes(), few, "--bound", "best")
    assert code == 1
    assert "performance/no-better-than-guessing" in rules(report)


@pytest.mark.parametrize("bound", ["worst", "point"])
def test_a_constant_model_fails_without_any_threshold(check, bound):
    test = two_classes(seed=1)
    test.loc[::3, "label"] = 0
    code, report, _, _ = check(two_classes(), test, "--bound", bound, kind=DummyClassifier(strategy="most_frequent"))
    assert code == 1
    assert rules(report) >= {"performance/no-better-than-guessing", "performance/below-baseline"}
    assert "performance/never-predicted" in rules(report)


def test_labels_that_have_nothing_to_do_with_the_rows_fail(check):
    test = two_classes(seed=1)
    test["label"] = np.random.default_rng(3).permutation(test["label"])
    code, report, _, _ = check(two_classes(), test, "--min-accuracy", "0.1")
    assert code == 1
    assert "performance/no-better-than-guessing" in rules(report)
    assert metric(report, "roc_auc")["ci"]["low"] < 0.5


# --- what was not examined --------------------------------------------------------------------------------------


def test_a_class_without_rows_is_an_error(check):
    train, test = split(load_digits())
    code, report, err, _ = check(train, test[test["label"] != 7])
    assert code == 2
    assert "class '7'" in err
    assert [s["what"] for s in report["coverage"]["skipped"]] == ["class '7'"]


def test_a_model_without_probabilities(check):
    train, test = two_classes(), two_classes(seed=1)
    code, report, _, _ = check(train, test, "--min-accuracy", "0.7", kind=RidgeClassifier())
    assert code == 0
    assert "performance/no-probabilities" in rules(report)
    assert "roc_auc" not in {m["name"] for m in report["metrics"]}
    for flag, value, name in (
        ("--min-roc-auc", "0.6", "roc_auc"),
        ("--max-calibration-error", ".2", "calibration_error"),
    ):
        code, report, err, _ = check(train, test, flag, value, kind=RidgeClassifier())
        assert code == 2
        assert name in err
        assert "gives no probabilities" in err


@pytest.mark.parametrize(
    ("change", "more", "says"),
    [
        (lambda t: t.drop(columns="label"), (), "no column 'label'"),
        (lambda t: t.drop(columns="x"), (), "no column 'x'"),
        (lambda t: t.assign(label=1), (), "single class"),
        (lambda t: t.assign(label=t["label"] + 1), (), "'2', which is none of the model's classes"),
        (lambda t: t.assign(label=t["label"].where(t.index > 2)), (), "3 missing values"),
        (lambda t: t.assign(x=t["x"].where(t.index > 2)), (), "contains NaN"),
        (lambda t: t.assign(x="word"), (), "cannot predict these rows"),
        (lambda t: t.head(0), (), "no rows"),
        (lambda t: t, ("--min-accuracy", "90"), "not between 0 and 1"),
        (lambda t: t, ("--max-calibration-error", "-0.1"), "not between 0 and 1"),
        (lambda t: t, ("--bootstrap-replicates", "3"), "not between 100 and 100000"),
        (lambda t: t, ("--min-accuracy", "nan"), "not a finite number"),
    ],
)
def test_broken_inputs_end_in_one_line(check, change, more, says):
    code, report, err, _ = check(two_classes(200), change(two_classes(200, seed=1)), *more)
    assert code == 2
    assert says in err
    assert "Traceback" not in err
    assert not report or report["verdict"] == "ERROR"


# --- regressors -------------------------------------------------------------------------------------------------


def numbers(n=1000, seed=0, noise=1.0):
    """Rows whose label is 2 x, and noise: R² is 4 / (4 + noise²)."""
    random = np.random.default_rng(seed)
    x = random.normal(size=n)
    return pd.DataFrame({"x": x, "other": random.normal(size=n), "label": 2 * x + noise * random.normal(size=n)})


def test_a_regressor_agrees_with_scikit_learn(check):
    test = numbers(seed=1)
    code, report, _, fitted = check(numbers(), test, "--min-r2", "0.7", "--max-mae", "1", kind=LinearRegression())
    says, truth = fitted.predict(test[["x", "other"]]), test["label"]
    assert code == 0, report["reason"]
    for name, value in {
        "mean_absolute_error": reference.mean_absolute_error(truth, says),
        "root_mean_squared_error": reference.root_mean_squared_error(truth, says),
        "r2": reference.r2_score(truth, says),
    }.items():
        found = metric(report, name)
        assert found["value"] == pytest.approx(value, abs=1e-9), name
        assert found["ci"]["low"] < value < found["ci"]["high"], name
    assert metric(report, "baseline_mean_absolute_error")["value"] == pytest.approx(np.abs(truth - truth.mean()).mean())
    assert [c["metric"] for c in report["criteria"]] == ["mean_absolute_error", "r2"]


@pytest.mark.parametrize(("flag", "value"), [("--min-r2", "0.85"), ("--max-mae", "0.5")])
def test_a_regressor_fails_what_it_does_not_meet(check, flag, value):
    code, report, _, _ = check(numbers(), numbers(seed=1), flag, value, kind=LinearRegression())
    assert code == 1
    assert not report["criteria"][0]["met"]


def test_a_regressor_that_only_guesses_fails(check):
    test = numbers(seed=1)
    test["label"] = np.random.default_rng(2).permutation(test["label"])
    code, report, _, _ = check(numbers(), test, kind=LinearRegression())
    assert code == 1
    assert "performance/no-better-than-guessing" in rules(report)


@pytest.mark.parametrize("rows", [2, 9])
def test_so_few_numbers_say_nothing(check, rows):
    """Of two rows, every replicate of the bootstrap is the same, and whatever a model says was certain."""
    code, _, err, _ = check(numbers(), numbers(rows, seed=1), "--min-r2", "0.5", kind=LinearRegression())
    assert code == 2
    assert f"has {rows} rows, too few" in err


def test_numbers_beyond_any_measure_are_an_error(check):
    """Their squares are infinite; a crash would say nothing of whose fault that is."""
    far = numbers(200, seed=1)
    code, _, err, _ = check(numbers().assign(label=lambda rows: 1e140 * rows["label"]), far, kind=LinearRegression())
    assert code == 2
    assert "beyond any measure" in err


def test_a_regressors_weak_slice_is_named(check):
    test = numbers(4000, seed=1)
    far = test["other"] > 1.2816
    test.loc[far, "label"] += np.random.default_rng(3).normal(0, 4, int(far.sum()))
    code, report, _, _ = check(numbers(), test, kind=LinearRegression())
    assert code == 0
    assert "performance/weak-slice" in rules(report)
    worst = metric(report, "slice_mean_absolute_error", "slice=worst")
    assert worst["value"] > 2 * metric(report, "mean_absolute_error")["value"]


@pytest.mark.parametrize(
    ("kind", "flag", "value"),
    [
        (LinearRegression(), "--min-accuracy", "0.9"),
        (LinearRegression(), "--min-slice-accuracy", "0.9"),
        (LinearRegression(), "--max-calibration-error", "0.1"),
        (LinearRegression(), "--positive", "1"),
        (None, "--min-r2", "0.5"),
        (None, "--max-mae", "0.5"),
    ],
)
def test_a_threshold_without_meaning_is_refused(check, kind, flag, value):
    rows = two_classes(200)
    code, _, err, _ = check(rows, rows, flag, value, kind=kind)
    assert code == 2
    assert "has no meaning for" in err
    assert flag in err


def test_a_regressors_label_must_be_a_number(check):
    train = numbers(200)
    code, _, err, _ = check(train, train.assign(label="high"), kind=LinearRegression())
    assert code == 2
    assert "label" in err


# --- slices -----------------------------------------------------------------------------------------------------


def with_weak_slice(n=3000, seed=1, flipped=0.4):
    rows = two_classes(n, seed)
    random = np.random.default_rng(seed + 100)
    weak = rows["noise"] > 1.2816
    flips = weak & (random.random(n) < flipped)
    return rows.assign(label=rows["label"].where(~flips, 1 - rows["label"])), weak


def test_a_weak_slice_is_named_and_judged_only_if_that_is_asked_for(check):
    test, weak = with_weak_slice()
    code, report, _, fitted = check(two_classes(), test)
    assert code == 0
    found = [f for f in report["findings"] if f["ruleId"] == "performance/weak-slice" and f["severity"] == "medium"]
    assert "noise" in {f["location"].partition("=")[0] for f in found}
    worst = metric(report, "slice_accuracy", "slice=worst")
    right = fitted.predict(test[["x", "noise"]]) == test["label"]
    assert worst["value"] == pytest.approx(right[weak].mean(), abs=0.05)
    code, report, _, _ = check(two_classes(), test, "--min-slice-accuracy", "0.7")
    assert code == 1
    assert report["criteria"][0]["slice"] == "slice=worst"


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_rows_that_are_hard_and_known_to_be_are_a_lesser_matter(check, seed):
    """The model is the true one: where it is often wrong, near its boundary, it says so."""
    _, report, _, _ = check(two_classes(20_000), two_classes(3000, seed=seed))
    found = [f for f in report["findings"] if f["ruleId"] == "performance/weak-slice"]
    assert found
    assert {f["severity"] for f in found} == {"low"}
    assert "performance/overconfident-slice" not in rules(report)


def test_a_slice_that_the_model_is_too_sure_of_is_named(check):
    """Where x is large it is nearly certain, and now not more often right than elsewhere."""
    test = two_classes(10_000, seed=1)
    sure = test["x"].abs() > 1.5
    flips = sure & (np.random.default_rng(0).random(10_000) < 0.18)
    _, report, _, _ = check(two_classes(), test.assign(label=test["label"].where(~flips, 1 - test["label"])))
    assert "performance/overconfident-slice" in rules(report)


def test_without_a_weak_slice_all_rows_are_judged(check):
    more = ("--min-slice-accuracy", "0.7", "--slice-tolerance", "0.5")
    code, report, _, _ = check(two_classes(), two_classes(3000, seed=1), *more)
    assert code == 0
    assert "performance/weak-slice" not in rules(report)
    assert metric(report, "slice_accuracy", "slice=worst") == metric(report, "accuracy") | {
        "name": "slice_accuracy",
        "slice": "slice=worst",
    }


def test_a_gap_that_is_tolerated_is_not_named(check):
    _, report, _, _ = check(two_classes(), with_weak_slice()[0], "--slice-tolerance", "0.5")
    assert "performance/weak-slice" not in rules(report)


# --- rows of the training data ----------------------------------------------------------------------------------


@pytest.fixture
def train_file(tmp_path):
    path = tmp_path / "train.csv"
    two_classes().to_csv(path, index=False)
    return str(path)


def test_an_honest_test_is_not_flagged(check, train_file):
    code, report, _, _ = check(two_classes(), two_classes(seed=1), "--reference", train_file)
    assert code == 0
    assert metric(report, "train_overlap")["value"] == 0
    assert "performance/leakage" not in rules(report)
    assert "reference" in {i["name"] for i in report["inputs"]}


@pytest.mark.parametrize("noise", [0.0, 0.005])
def test_a_planted_twentieth_of_known_rows_is_found(check, train_file, noise):
    train, test = two_classes(), two_classes(seed=1)
    leaked = train.head(100).assign(x=lambda t: t["x"] + noise * np.random.default_rng(0).normal(size=100))
    test = pd.concat([test.head(1900), leaked])
    code, report, _, fitted = check(train, test, "--reference", train_file)
    assert code == 0  # nothing is judged without a threshold, but it is said
    assert metric(report, "train_overlap")["value"] == 0.05
    part = "rows=nearly the same" if noise else "rows=same"
    assert metric(report, "train_overlap", part)["value"] == 0.05
    finding = next(f for f in report["findings"] if f["ruleId"] == "performance/leakage")
    assert finding["severity"] == "medium"
    assert "100 of 2000 rows (5.00%)" in finding["message"]
    right = fitted.predict(test[["x", "noise"]]) == test["label"]
    assert metric(report, "accuracy", "rows=in training")["value"] == pytest.approx(right[1900:].mean())
    assert metric(report, "accuracy", "rows=not in training")["value"] == pytest.approx(right[:1900].mean())
    code, report, _, _ = check(train, test, "--reference", train_file, "--max-train-overlap", "0.049")
    assert code == 1
    code, report, _, _ = check(train, test, "--reference", train_file, "--max-train-overlap", "0.05")
    assert code == 0


def test_a_limit_on_known_rows_needs_the_training_data(check, tmp_path):
    rows = two_classes(200)
    code, _, err, _ = check(rows, rows, "--max-train-overlap", "0.1")
    assert code == 2
    assert "--reference" in err
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    code, _, err, _ = check(rows, rows, "--reference", str(tmp_path / "other.csv"))
    assert code == 2
    assert "no column 'x'" in err


def test_a_column_that_tells_the_label_is_named(check):
    rows = two_classes().assign(decided=lambda t: 3 * t["label"] + 1)
    _, report, _, _ = check(rows, rows)
    found = [f["location"] for f in report["findings"] if f["ruleId"] == "performance/telling-column"]
    assert found == ["decided"]


# --- rows that a claim takes ------------------------------------------------------------------------------------


def test_too_few_rows_are_told_with_the_number_that_is_needed(check):
    code, report, _, _ = check(two_classes(), two_classes(130, seed=1), "--min-accuracy", "0.8")
    assert code == 1
    finding = next(f for f in report["findings"] if f["ruleId"] == "performance/too-few-rows")
    assert finding["severity"] == "low"
    assert "accuracy >= 0.8 needs about" in finding["message"]
    assert "there are 130" in finding["message"]
    observed, threshold = metric(report, "accuracy")["value"], 0.8
    needed = metric(report, "rows_needed", "claim=accuracy, truth=margin")["value"]
    assert 2000 < needed < 4000
    assert ("truth=observed" in str(report["metrics"])) == (observed > threshold)


def test_rows_needed_for_a_recall_count_the_other_class_too(check):
    test = two_classes(4000, seed=1)
    test = pd.concat([test[test["label"] == 1].head(200), test[test["label"] == 0]])
    _, report, _, _ = check(two_classes(), test, "--min-recall", "0.6")
    rows = metric(report, "rows_needed", "claim=recall, class=1, truth=margin")
    _, report, _, _ = check(two_classes(), test, "--min-accuracy", "0.6")
    plain = metric(report, "rows_needed", "claim=accuracy, truth=margin")
    assert rows["value"] == pytest.approx(plain["value"] * len(test) / 200, rel=0.01)


def test_enough_rows_are_not_called_too_few(check):
    _, report, _, _ = check(two_classes(), two_classes(4000, seed=1), "--min-accuracy", "0.7")
    assert "performance/too-few-rows" not in rules(report)
    assert metric(report, "rows_needed", "claim=accuracy, truth=observed")["value"] < 4000


# --- models that cannot be judged -------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["stratified", "uniform"])  # the latter's probabilities are always the same
def test_a_model_that_says_something_else_each_time_fails(check, how):
    code, report, _, _ = check(two_classes(), two_classes(seed=1), kind=DummyClassifier(strategy=how))
    assert code == 1
    finding = next(f for f in report["findings"] if f["ruleId"] == "performance/not-repeatable")
    assert finding["severity"] == "high"


def test_a_model_slower_than_allowed_is_an_error(check):
    random = np.random.default_rng(0)
    train = (
        pd.DataFrame(random.normal(size=(20_000, 20))).rename(columns=lambda i: f"x{i}").assign(label=[0, 1] * 10_000)
    )
    slow = KNeighborsClassifier(algorithm="brute", n_neighbors=300)
    code, report, err, _ = check(train, train, "--max-seconds", "1", kind=slow)
    assert code == 2
    assert "second" in err
    assert not report or report["verdict"] == "ERROR"


def test_three_rows_do_not_pass_anything(check):
    code, report, _, _ = check(two_classes(), two_classes(seed=1).iloc[[0, 1, 2, 5]], "--min-accuracy", "0.5")
    assert code == 1
    assert "performance/no-better-than-guessing" in rules(report)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--slice-tolerance", "2"), "not between 0 and 1"),
        (("--margin", "-1"), "not between 0 and 1"),
        (("--min-slice-rows", "3"), "not 10 or more"),
        (("--max-seconds", "0"), "not between 1 and 86400"),
        (("--max-mae", "-1"), "below 0"),
        (("--max-train-overlap", "7"), "not between 0 and 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(check, more, says):
    code, _, err, _ = check(two_classes(50), two_classes(50), *more)
    assert code == 2
    assert says in err


# --- the same inputs, the same answer ---------------------------------------------------------------------------


def test_the_order_of_the_rows_does_not_matter(check):
    train, test = two_classes(), two_classes(seed=1)
    _, one, _, _ = check(train, test, "--bootstrap-replicates", "200")
    _, other, _, _ = check(train, test.sample(frac=1, random_state=1), "--bootstrap-replicates", "200")
    for a, b in zip(one["metrics"], other["metrics"], strict=True):
        assert (a["name"], a.get("slice"), a["n"]) == (b["name"], b.get("slice"), b["n"])
        ends = [(m["value"], m["ci"]["low"], m["ci"]["high"]) for m in (a, b)]
        assert ends[0] == pytest.approx(ends[1], abs=1e-12), a["name"]


def test_real_processes_print_the_same_core(tmp_path):
    bunch = load_breast_cancer(as_frame=True)
    train, test = split(bunch)
    rows = train.drop(columns="label")
    skops.io.dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, train["label"]), tmp_path / "m.skops")
    test.to_parquet(tmp_path / "test.parquet")
    command = [sys.executable, "-m", "wardein", "evaluate-performance", "--model", "m.skops"]
    command += ["--data", "test.parquet", "--label", "label", "--min-balanced-accuracy", "0.9"]
    ended = [subprocess.run(command, cwd=Path(tmp_path), capture_output=True, text=True, check=False) for _ in range(2)]
    assert (ended[0].returncode, ended[0].stderr) == (0, "")
    assert "core     sha256:" in ended[0].stdout
    assert ended[0].stdout == ended[1].stdout
