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
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from wardein.cli import main


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
