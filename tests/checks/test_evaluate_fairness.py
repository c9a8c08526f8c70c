# SPDX-License-Identifier: Apache-2.0
"""evaluate-fairness: planted disparities are found, fair models pass, and whatever cannot be compared is an ERROR.

The planted model predicts what its one feature says, so that every table of outcomes can be written down exactly.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.metrics import precision_score
from sklearn.tree import DecisionTreeClassifier

from wardein.checks.evaluate_fairness import evaluate_fairness
from wardein.cli import main
from wardein.errors import UsageError, WardeinError
from wardein.statistics.contingency import resample, tabulate
from wardein.statistics.disparities import disparity, rates
from wardein.statistics.groups import Division, divide

ADULT = Path(__file__).parents[3] / "shared" / "data"

# Outcomes per group as (label 1 said 1, label 1 said 0, label 0 said 1, label 0 said 0).
EQUAL = {"a": (400, 100, 50, 450), "b": (400, 100, 50, 450)}
UNEQUAL = {"a": (400, 100, 100, 400), "b": (200, 300, 50, 450)}  # selected 0.5 and 0.25, TPR 0.8 and 0.4, FPR 0.2, 0.1


def save_model(path: Path, classes=(0, 1)) -> Path:
    """A model that predicts classes[i] where its feature ``says`` is i."""
    feature = pd.DataFrame({"says": np.tile(np.arange(len(classes)), 20)})
    kind = LogisticRegression(C=100) if len(classes) == 2 else DecisionTreeClassifier()
    skops.io.dump(kind.fit(feature, np.array(classes)[feature["says"]]), path)
    return path


def table_of(groups, attribute="sex", classes=(0, 1)) -> pd.DataFrame:
    cells = [(1, 1), (1, 0), (0, 1), (0, 0)]
    rows = [
        (name, classes[truth], says)
        for name, counts in groups.items()
        for (truth, says), count in zip(cells, counts, strict=True)
        for _ in range(count)
    ]
    return pd.DataFrame(rows, columns=[attribute, "label", "says"])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("model") / "model.skops")


@pytest.fixture
def check(tmp_path, capsys, model):
    """Run the step through the command line; returns the exit code, the report, and stderr."""

    def run(table: pd.DataFrame, *more: str, use: Path = model, sensitive=("sex",), label="label"):
        data = tmp_path / "data.csv"
        table.to_csv(data, index=False)
        named = [word for name in sensitive for word in ("--sensitive", name)]
        argv = ["evaluate-fairness", "--model", str(use), "--data", str(data), "--label", label, *named, *more]
        code = main([*argv, "--json"])
        out, err = capsys.readouterr()
        report = json.loads(out) if out else {}
        if code == 2:
            assert len(err.strip().splitlines()) == 1, err
            assert not report or report["verdict"] == "ERROR"
        else:
            assert err == ""
        return code, report, err

    return run


def metric(report, name, part="attribute=sex"):
    found = [m for m in report["metrics"] if (m["name"], m.get("slice", "")) == (name, part)]
    assert len(found) == 1, f"{name}[{part}] is listed {len(found)} times"
    return found[0]


def rules(report, *only):
    """Rules and locations of findings; without naming any, of those that say what could not be measured or believed."""
    told = ("fairness/disparity", "fairness/proxy", "fairness/tied-scores", "fairness/uses-attribute")
    return {
        (f["ruleId"], f["location"])
        for f in report["findings"]
        if (f["ruleId"] in only if only else f["ruleId"] not in told)
    }


# --- what must be found, and what must pass ---------------------------------------------------------------------


def test_a_planted_disparity_fails_with_the_planted_numbers(check):
    code, report, _ = check(table_of(UNEQUAL), "--min-demographic-parity-ratio", "0.8")
    assert (code, report["verdict"]) == (1, "FAIL")
    assert metric(report, "demographic_parity_difference")["value"] == pytest.approx(0.25, abs=1e-12)
    assert metric(report, "demographic_parity_ratio")["value"] == pytest.approx(0.5, abs=1e-12)
    assert metric(report, "equalized_odds_difference")["value"] == pytest.approx(0.4, abs=1e-12)
    assert metric(report, "equalized_odds_ratio")["value"] == pytest.approx(0.5, abs=1e-12)
    assert metric(report, "selection_rate", "sex=a") | {"ci": 0} == {
        "name": "selection_rate",
        "value": 0.5,
        "n": 1000,
        "unit": "1",
        "direction": "none",
        "slice": "sex=a",
        "ci": 0,
    }
    assert metric(report, "true_positive_rate", "sex=b")["value"] == 0.4
    assert metric(report, "false_positive_rate", "sex=b")["n"] == 500
    assert [(c["metric"], c["met"]) for c in report["criteria"]] == [
        ("demographic_parity_difference", False),
        ("demographic_parity_ratio", False),
        ("equalized_odds_difference", False),
    ]
    assert not any("inconclusive" in c["note"] for c in report["criteria"])


def test_a_fair_model_passes_and_every_row_is_examined(check):
    code, report, _ = check(table_of(EQUAL), "--min-demographic-parity-ratio", "0.8")
    assert (code, report["verdict"]) == (0, "PASS")
    assert metric(report, "demographic_parity_difference")["value"] == 0
    assert metric(report, "demographic_parity_ratio")["value"] == 1
    coverage = report["coverage"]
    assert (coverage["unit"], coverage["expected"], coverage["examined"]) == ("rows", 2000, 2000)


def test_a_disparity_in_error_rates_alone_fails(check):
    same_selection = {"a": (400, 100, 100, 400), "b": (250, 250, 250, 250)}
    code, report, _ = check(table_of(same_selection))
    assert code == 1
    assert {c["metric"]: c["met"] for c in report["criteria"]} == {
        "demographic_parity_difference": True,
        "equalized_odds_difference": False,
    }


@pytest.mark.parametrize("classes", [("deny", "grant"), (False, True), (0.0, 1.0), (3, 7)])
def test_labels_of_any_kind_are_compared_not_taken_for_zero(check, tmp_path, classes):
    """Fairlearn answers a disparity of 0.0 for labels that are text."""
    use = save_model(tmp_path / "m.skops", classes)
    code, report, _ = check(table_of(UNEQUAL, classes=classes), use=use)
    assert code == 1
    assert metric(report, "demographic_parity_difference")["value"] == pytest.approx(0.25, abs=1e-12)


def test_the_positive_class_decides_the_ratio(check, tmp_path):
    use = save_model(tmp_path / "m.skops", ("deny", "grant"))
    table = table_of(UNEQUAL, classes=("deny", "grant"))
    _, granted, _ = check(table, "--positive", "grant", use=use)
    _, denied, _ = check(table, "--positive", "deny", use=use)
    assert metric(granted, "demographic_parity_ratio")["value"] == pytest.approx(0.25 / 0.5)
    assert metric(denied, "demographic_parity_ratio")["value"] == pytest.approx(0.5 / 0.75)
    assert not rules(granted)
    _, assumed, _ = check(table, use=use)
    assert rules(assumed) == {("fairness/assumed-positive", "--positive")}
    assert "'grant'" in assumed["findings"][0]["message"]


def test_more_than_two_classes_need_a_positive_one(check, tmp_path):
    use = save_model(tmp_path / "m.skops", ("no", "yes", "later"))
    table = table_of(UNEQUAL, classes=("no", "yes"))
    table.loc[::7, ["label", "says"]] = ["later", 2]
    code, _, err = check(table, use=use)
    assert code == 2
    assert "3 classes" in err
    assert "name one of: later, no, yes" in err
    code, report, _ = check(table, "--positive", "yes", use=use)
    assert code == 1
    share = [(table["says"][table["sex"] == sex] == 1).mean() for sex in "ab"]
    assert metric(report, "demographic_parity_difference")["value"] == pytest.approx(share[0] - share[1], abs=1e-12)


def test_only_the_crossed_groups_differ(check):
    """Women and men, old and young fare alike; young women and old men do not."""
    much, little = (400, 100, 50, 450), (100, 400, 50, 450)
    parts = [("f", "young", little), ("f", "old", much), ("m", "young", much), ("m", "old", little)]
    table = pd.concat([table_of({sex: counts}).assign(stage=stage) for sex, stage, counts in parts])
    code, report, _ = check(table, sensitive=("sex", "stage"))
    assert code == 1
    assert metric(report, "demographic_parity_difference", "attribute=sex")["value"] == 0
    assert metric(report, "demographic_parity_difference", "attribute=stage")["value"] == 0
    crossed = metric(report, "demographic_parity_difference", "attribute=sex & stage")
    assert crossed["value"] == pytest.approx(0.3, abs=1e-12)
    assert metric(report, "selection_rate", "sex=f, stage=young")["value"] == pytest.approx(0.15)
    code, report, _ = check(table, "--intersectional", "false", sensitive=("sex", "stage"))
    assert code == 0
    assert not any("&" in m["slice"] for m in report["metrics"])


def test_the_example_of_the_fairlearn_guide(check):
    table = pd.DataFrame(
        {
            "label": [0, 1, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1],
            "says": [0, 0, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 0],
            "sex": list("bbabbcccaacabccbcc"),
        }
    )
    code, report, _ = check(table, "--min-group-size", "1", "--min-outcomes", "1")
    assert code == 1
    values = {m["name"]: m["value"] for m in report["metrics"] if m["slice"] == "attribute=sex"}
    assert values["demographic_parity_difference"] == pytest.approx(0.25)
    assert values["demographic_parity_ratio"] == pytest.approx(2 / 3)
    assert values["equalized_odds_difference"] == pytest.approx(1.0)
    code, report, err = check(table)
    assert code == 2
    assert "0 groups with at least 30 rows" in err


def test_bounds_say_what_a_pass_means(check):
    few = {"a": (30, 10, 8, 52), "b": (25, 15, 6, 54)}  # selected 0.38 and 0.31: 0.07 apart, with 100 rows each
    verdicts = {}
    for bound in ("worst", "point", "best"):
        _, report, _ = check(table_of(few), "--bound", bound, "--max-equalized-odds-difference", "1")
        verdicts[bound] = report["verdict"]
        judged = report["criteria"][0]
        assert judged["bound"] == {"worst": "ci_high", "point": "point", "best": "ci_low"}[bound]
        assert judged.get("note", "").startswith("inconclusive") == (bound == "worst")
    assert verdicts == {"worst": "FAIL", "point": "PASS", "best": "PASS"}
    _, report, _ = check(table_of(few), "--min-demographic-parity-ratio", "0.8", "--bound", "worst")
    assert {c["metric"]: c["bound"] for c in report["criteria"]}["demographic_parity_ratio"] == "ci_low"


# --- further measures --------------------------------------------------------------------------------------------


def test_equal_opportunity_and_predictive_parity_are_judged_when_asked_for(check):
    """Precision is 0.8 in both groups; true positive rates are 0.8 and 0.4."""
    code, report, _ = check(
        table_of(UNEQUAL),
        *("--max-demographic-parity-difference", "1", "--max-equalized-odds-difference", "1", "--bound", "best"),
        *("--max-equal-opportunity-difference", "0.1", "--max-predictive-parity-difference", "0.1"),
    )
    assert code == 1
    assert metric(report, "precision", "sex=a")["value"] == metric(report, "precision", "sex=b")["value"] == 0.8
    assert metric(report, "precision", "sex=b")["n"] == 250
    assert metric(report, "equal_opportunity_difference")["value"] == pytest.approx(0.4)
    assert metric(report, "equal_opportunity_ratio")["value"] == pytest.approx(0.5)
    assert metric(report, "predictive_parity_difference")["value"] == pytest.approx(0, abs=1e-12)
    assert {c["metric"]: c["met"] for c in report["criteria"]} == {
        "demographic_parity_difference": True,
        "equalized_odds_difference": True,
        "equal_opportunity_difference": False,
        "predictive_parity_difference": True,
    }
    precise = {"a": (400, 100, 50, 450), "b": (300, 200, 150, 350)}  # selected 0.45 both; precision 0.89 and 0.67
    code, report, _ = check(table_of(precise), "--max-equalized-odds-difference", "1", "--bound", "best")
    assert code == 0
    more = ("--max-equalized-odds-difference", "1", "--bound", "best", "--max-predictive-parity-difference", "0.1")
    code, report, _ = check(table_of(precise), *more)
    assert code == 1
    assert ("fairness/disparity", "sex=b: precision") in rules(report, "fairness/disparity")


def test_precision_without_enough_predictions_is_an_error_only_where_it_is_judged(check):
    table = table_of({"a": (50, 50, 5, 95), "b": (4, 96, 4, 96)})
    tolerant = ("--max-demographic-parity-difference", "1", "--max-equalized-odds-difference", "1")
    code, report, _ = check(table, *tolerant)
    assert code == 0
    assert ("fairness/few-outcomes", "sex: precision") in rules(report)
    assert not [m for m in report["metrics"] if m["name"].startswith("predictive_parity")]
    code, report, err = check(table, *tolerant, "--max-predictive-parity-difference", "0.2")
    assert code == 2
    assert "1 group with at least 10 rows that the model calls positive" in err


def test_the_group_that_stands_out_is_named_and_no_other(check):
    groups = {name: (160, 40, 20, 180) for name in "abcdef"} | {"g": (60, 140, 20, 180)}
    code, report, _ = check(table_of(groups), "--bound", "best")
    assert code == 1
    assert rules(report, "fairness/disparity") == {
        ("fairness/disparity", "sex=g: selection_rate"),
        ("fairness/disparity", "sex=g: true_positive_rate"),
    }
    found = next(f for f in report["findings"] if f["location"] == "sex=g: selection_rate")
    assert "sex=g has a selection rate of 0.200, all other groups together 0.450: 0.250 less" in found["message"]
    assert found["severity"] == "medium"


def test_tolerating_more_does_not_make_findings_go_away(check):
    """A policy may forbid findings, and a run that tolerates anything must not escape that."""
    groups = {name: (160, 40, 20, 180) for name in "abcdef"} | {"g": (60, 140, 20, 180)}
    _, strict, _ = check(table_of(groups), "--bound", "best")
    code, tolerant, _ = check(table_of(groups), *TOLERANT)
    assert code == 0
    assert rules(tolerant, "fairness/disparity") == rules(strict, "fairness/disparity") != set()


def test_at_most_ten_groups_of_an_attribute_are_named(check):
    groups = {f"g{i:02}": (180, 20, 20, 180) if i % 2 else (20, 180, 20, 180) for i in range(14)}
    _, report, _ = check(table_of(groups))
    named = sorted(location for _, location in rules(report, "fairness/disparity"))
    assert len(named) == 11
    assert named[0] == "sex"
    assert next(f["message"] for f in report["findings"] if f["location"] == "sex").startswith("18 more")


@pytest.mark.parametrize("bound", ["worst", "best"])
def test_a_bootstrap_gives_nearly_the_same_intervals(check, bound):
    more = ("--bound", bound, "--min-demographic-parity-ratio", "0.8")
    _, closed, _ = check(table_of(UNEQUAL), *more)
    code, drawn, _ = check(table_of(UNEQUAL), *more, "--interval", "bootstrap")
    assert code == 1
    for name in ("demographic_parity", "equalized_odds", "equal_opportunity", "predictive_parity", "top_selection"):
        for kind in ("difference", "ratio"):
            one, other = metric(closed, f"{name}_{kind}"), metric(drawn, f"{name}_{kind}")
            assert one["value"] == other["value"]
            assert other["ci"]["method"] == {"difference": "bootstrap-max", "ratio": "bootstrap-min"}[kind]
            assert other["ci"]["low"] == pytest.approx(one["ci"]["low"], abs=0.03)
            assert other["ci"]["high"] == pytest.approx(one["ci"]["high"], abs=0.03)
    again = check(table_of(UNEQUAL), *more, "--interval", "bootstrap")[1]
    assert again["metrics"] == drawn["metrics"], "the same seed draws the same"
    other = check(table_of(UNEQUAL), *more, "--interval", "bootstrap", "--seed", "1")[1]
    assert metric(other, "demographic_parity_difference")["ci"] != metric(drawn, "demographic_parity_difference")["ci"]


def scored(rows=3000, tilt=0.0, overstated=0.0, seed=0):
    """People of two groups with a score x; the outcome follows a logistic curve of x, shifted in group b."""
    random = np.random.default_rng(seed)
    group, x = random.integers(0, 2, rows), random.normal(size=rows)
    x = x - tilt * group
    chance = 1 / (1 + np.exp(-(1.5 * x - overstated * group)))
    return pd.DataFrame({"sex": np.array(["a", "b"])[group], "x": x, "label": (random.random(rows) < chance) * 1})


@pytest.fixture(scope="module")
def logistic(tmp_path_factory):
    """The curve of people in group a, which is that of all if nothing is overstated."""
    table = scored(40_000, seed=9)
    path = tmp_path_factory.mktemp("model") / "m.skops"
    skops.io.dump(LogisticRegression(C=1e6).fit(table[["x"]], table["label"]), path)
    return path


TOLERANT = ("--max-demographic-parity-difference", "1", "--max-equalized-odds-difference", "1", "--bound", "best")


def test_probabilities_that_overstate_one_group_fail(check, logistic):
    more = (*TOLERANT, "--max-calibration-difference", "0.05")
    code, report, _ = check(scored(), *more, use=logistic)
    assert code == 0
    code, report, _ = check(scored(overstated=1.0), *more, use=logistic)
    assert code == 1
    assert metric(report, "calibration_error", "sex=a")["value"] < 0.04
    assert metric(report, "calibration_error", "sex=b")["value"] == pytest.approx(0.17, abs=0.04)
    assert metric(report, "calibration_difference")["ci"]["low"] > 0.05


def test_who_is_among_the_first(check, logistic):
    code, report, _ = check(scored(), *TOLERANT, "--max-top-selection-difference", "0.05", use=logistic)
    assert code == 0
    table = scored(tilt=0.8)
    more = ("--max-top-selection-difference", "0.05", "--top-fraction", "0.2")
    code, report, _ = check(table, *TOLERANT, *more, use=logistic)
    assert code == 1
    first = table.nlargest(600, "x")
    share = {sex: (first["sex"] == sex).sum() / (table["sex"] == sex).sum() for sex in "ab"}
    assert metric(report, "top_selection_rate", "sex=b")["value"] == pytest.approx(share["b"], abs=1e-12)
    assert metric(report, "top_selection_difference")["value"] == pytest.approx(share["a"] - share["b"], abs=1e-12)
    assert metric(report, "top_selection_ratio")["value"] == pytest.approx(share["b"] / share["a"], abs=1e-12)
    represented = (first["sex"] == "b").mean() / (table["sex"] == "b").mean()
    assert metric(report, "top_representation", "sex=b")["value"] == pytest.approx(represented, abs=1e-12)
    assert not rules(report, "fairness/tied-scores")


def test_scores_that_tie_are_shared_and_named(check):
    """Every yes has the same score: 500 of the 1000 people of a, 250 of b, for 200 places."""
    _, report, _ = check(table_of(UNEQUAL))
    assert metric(report, "top_selection_rate", "sex=a")["value"] == pytest.approx(0.5 * 200 / 750)
    assert metric(report, "top_selection_ratio")["value"] == pytest.approx(0.5)
    assert rules(report, "fairness/tied-scores") == {("fairness/tied-scores", "--top-fraction")}


def test_a_model_without_probabilities(check, tmp_path):
    table = table_of(UNEQUAL)
    skops.io.dump(RidgeClassifier().fit(table[["says"]], table["says"]), tmp_path / "m.skops")
    code, report, _ = check(table, *TOLERANT, use=tmp_path / "m.skops")
    assert code == 0
    assert not [m for m in report["metrics"] if m["name"].startswith(("calibration", "top"))]
    for name in ("calibration", "top-selection"):
        code, report, err = check(table, *TOLERANT, f"--max-{name}-difference", "0.5", use=tmp_path / "m.skops")
        assert code == 2
        assert "the model gives no probabilities" in err


@pytest.mark.parametrize("how", ["uniform", "stratified"])
def test_a_model_that_answers_differently_each_time_fails(check, tmp_path, how):
    table = table_of(EQUAL)
    skops.io.dump(DummyClassifier(strategy=how).fit(table[["says"]], table["label"]), tmp_path / "m.skops")
    code, report, _ = check(table, *TOLERANT, use=tmp_path / "m.skops")
    assert code == 1
    assert ("fairness/unstable", "--model") in rules(report)
    assert "differently when it is asked again" in report["reason"]


# --- hidden proxies ---------------------------------------------------------------------------------------------


def proxied(rows=2000, seed=0):
    random = np.random.default_rng(seed)
    sex = random.integers(0, 2, rows)
    return pd.DataFrame(
        {
            "sex": np.array(["f", "m"])[sex],
            "title": np.where(random.random(rows) < 0.995, sex, 1 - sex),  # sex by another name
            "height": random.normal(165 + 10 * sex, 8),
            "band": np.abs(random.normal(2 * (1 - sex), 1)),  # tells without being monotonous
            "colour": random.choice(["red", "green", "blue"], rows),
            "noise": random.normal(size=rows),
            "label": random.integers(0, 2, rows),
        }
    )


def test_features_that_tell_the_attribute_are_named_with_how_well_they_do(check, tmp_path):
    table = proxied()
    features = ["title", "height", "band", "noise"]
    skops.io.dump(LogisticRegression(max_iter=500).fit(table[features], table["label"]), tmp_path / "m.skops")
    code, report, _ = check(table, *TOLERANT, use=tmp_path / "m.skops")
    assert code == 0
    severities = {f["location"]: f["severity"] for f in report["findings"] if f["ruleId"] == "fairness/proxy"}
    assert severities == {"sex": "low", "sex: title": "medium", "sex: height": "low", "sex: band": "low"}
    areas = {
        m["slice"].partition("feature=")[2]: m["value"] for m in report["metrics"] if m["name"].endswith("proxy_auc")
    }
    assert areas["title"] == pytest.approx(0.995, abs=0.005)
    assert areas["height"] == pytest.approx(0.81, abs=0.03)  # Phi(10 / (8 sqrt 2))
    assert areas["noise"] == pytest.approx(0.5, abs=0.04)
    assert areas[""] > 0.99, "all together"
    shuffled = check(table.sample(frac=1, random_state=4), *TOLERANT, use=tmp_path / "m.skops")[1]
    assert [m["value"] for m in shuffled["metrics"]] == pytest.approx([m["value"] for m in report["metrics"]], abs=1e-9)
    assert shuffled["findings"] == report["findings"]


def test_an_attribute_that_the_model_takes_is_no_hidden_proxy(check, tmp_path):
    table = proxied().assign(sex=lambda t: (t["sex"] == "m") * 1)
    skops.io.dump(LogisticRegression().fit(table[["sex", "noise"]], table["label"]), tmp_path / "m.skops")
    _, report, _ = check(table, *TOLERANT, use=tmp_path / "m.skops")
    assert rules(report, "fairness/uses-attribute", "fairness/proxy") == {("fairness/uses-attribute", "sex")}
    assert {m["slice"] for m in report["metrics"] if m["name"] == "proxy_auc"} == {"attribute=sex, feature=noise"}


def test_features_that_say_nothing_of_the_attribute_are_not_named(check, logistic):
    _, report, _ = check(scored(), use=logistic)
    assert not rules(report, "fairness/proxy")
    assert metric(report, "proxy_auc", "attribute=sex, feature=x")["value"] == pytest.approx(0.5, abs=0.04)


# --- regressors -------------------------------------------------------------------------------------------------


def wages(rows=2000, flattered=0.0, noisier=1.0, apart=0.0, seed=0):
    random = np.random.default_rng(seed)
    group = random.integers(0, 2, rows)
    x = random.normal(size=rows) - apart * group
    wage = 20 + 3 * x - flattered * group + random.normal(size=rows) * np.where(group == 1, noisier, 1)
    return pd.DataFrame({"sex": np.array(["a", "b"])[group], "x": x, "label": wage})


@pytest.fixture(scope="module")
def regressor(tmp_path_factory):
    table = wages(20_000, seed=9)
    path = tmp_path_factory.mktemp("model") / "m.skops"
    skops.io.dump(LinearRegression().fit(table[["x"]], table["label"]), path)
    return path


@pytest.mark.parametrize(
    ("change", "name"),
    [({"flattered": 1.0}, "residual"), ({"noisier": 3.0}, "absolute-error"), ({"apart": 0.6}, "prediction")],
)
def test_a_regressor_that_treats_one_group_differently_fails(check, regressor, change, name):
    names = ("prediction", "residual", "absolute-error")
    more = [word for one in names for word in (f"--max-mean-{one}-difference", "0.15")]
    assert check(wages(), *more, "--bound", "best", use=regressor)[0] == 0
    code, report, _ = check(wages(**change), *more, "--bound", "best", use=regressor)
    assert code == 1
    judged = {c["metric"]: c["met"] for c in report["criteria"]}
    assert not judged[f"mean_{name.replace('-', '_')}_difference"]
    assert sum(not met for met in judged.values()) == 1


def test_the_means_of_a_regressor_are_in_the_units_of_the_label(check, regressor):
    table = wages(flattered=1.0)
    code, report, _ = check(table, use=regressor)
    assert code == 0
    assert ("fairness/not-judged", "--model") in rules(report)
    assert metric(report, "mean_residual", "sex=b")["value"] == pytest.approx(1.0, abs=0.1)
    assert metric(report, "mean_residual", "sex=b")["unit"] == "label"
    gap = metric(report, "mean_residual_difference")
    assert gap["unit"] == "sd"
    assert gap["value"] == pytest.approx(1.0 / table["label"].std(), abs=0.05)
    means = {sex: 20 + 3 * table["x"][table["sex"] == sex].mean() for sex in "ab"}
    assert metric(report, "mean_prediction", "sex=a")["value"] == pytest.approx(means["a"], abs=0.1)
    assert metric(report, "top_selection_ratio")["value"] > 0.7


@pytest.mark.parametrize(
    ("change", "more", "says"),
    [
        (lambda t: t, ("--positive", "1"), "a regressor has no class '1'"),
        (lambda t: t, ("--max-calibration-difference", "0.1"), "the model is a regressor"),
        (lambda t: t, ("--max-equal-opportunity-difference", "0.1"), "the model is a regressor"),
        (lambda t: t.assign(label=t["sex"]), (), "does not hold finite numbers"),
        (lambda t: t.assign(sex="a"), (), "1 group with at least 30 rows"),
        (lambda t: t.head(20), (), "0 groups with at least 30 rows"),
        (lambda t: t, ("--required-groups", "sex=c"), "no group of this name"),
        (lambda t: t.assign(x=1e308), (), ""),
    ],
)
def test_regressors_and_broken_inputs(check, regressor, change, more, says):
    code, _, err = check(change(wages()), *more, use=regressor)
    assert code == 2
    assert says in err


# --- groups that are too small ----------------------------------------------------------------------------------


def test_a_small_group_is_listed_and_not_compared(check):
    code, report, _ = check(table_of(EQUAL | {"c": (0, 10, 0, 19)}))
    assert code == 0
    assert ("fairness/small-group", "sex=c") in rules(report)
    assert metric(report, "selection_rate", "sex=c")["n"] == 29
    assert metric(report, "demographic_parity_difference") | {"ci": 0} == {
        "name": "demographic_parity_difference",
        "value": 0.0,
        "n": 2000,
        "unit": "1",
        "direction": "lower",
        "slice": "attribute=sex",
        "ci": 0,
    }
    code, report, _ = check(table_of(EQUAL | {"c": (0, 10, 0, 20)}))
    assert code == 1, "with one row more it is compared"


def test_a_required_group_that_is_too_small_is_an_error(check):
    table = table_of(EQUAL | {"c": (0, 10, 0, 19)})
    code, report, err = check(table, "--required-groups", "sex=c")
    assert code == 2
    assert report["coverage"]["skipped"] == [{"what": "sex=c", "reason": "only 29 rows, 30 are needed"}]
    assert "sex=c: only 29 rows" in err
    assert check(table, "--required-groups", "sex=a")[0] == 0


def test_a_required_group_that_does_not_exist_is_an_error(check):
    code, report, err = check(table_of(EQUAL), "--required-groups", "sex=x")
    assert code == 2
    assert "sex=x" in err


def test_required_groups_of_crossed_attributes(check):
    table = pd.concat([table_of(EQUAL).assign(stage="old"), table_of(EQUAL).assign(stage="young")])
    both = {"sensitive": ("sex", "stage")}
    assert check(table, "--required-groups", "sex=a,stage=old", **both)[0] == 0
    assert check(table, "--required-groups", "sex=a, stage=old", "--intersectional", "false", **both)[0] == 2


def test_a_group_without_positives_has_no_true_positive_rate(check):
    """Fairlearn gives 0 for the rate, which would make the difference as large as it gets."""
    table = table_of(EQUAL | {"c": (0, 0, 50, 450)})
    code, report, _ = check(table, "--max-demographic-parity-difference", "1")
    assert code == 0
    assert ("fairness/few-outcomes", "sex=c: true_positive_rate") in rules(report)
    assert not [m for m in report["metrics"] if (m["name"], m["slice"]) == ("true_positive_rate", "sex=c")]
    assert metric(report, "equalized_odds_difference")["value"] == 0
    assert check(table, "--max-demographic-parity-difference", "1", "--required-groups", "sex=c")[0] == 2


def test_a_group_without_negatives_has_no_false_positive_rate(check):
    code, report, _ = check(table_of(EQUAL | {"c": (80, 20, 0, 0)}), "--max-demographic-parity-difference", "1")
    assert ("fairness/few-outcomes", "sex=c: false_positive_rate") in rules(report)
    assert metric(report, "equalized_odds_difference")["value"] == 0


def test_rates_that_no_two_groups_have_are_an_error(check):
    code, report, err = check(table_of({"a": (50, 50, 50, 50), "b": (0, 5, 50, 50)}))
    assert code == 2
    assert "1 group with at least 10 positive rows" in err
    assert report["coverage"]["examined"] == 0


def test_one_group_is_an_error_not_a_difference_of_zero(check):
    code, report, err = check(table_of({"a": (50, 50, 50, 50)}))
    assert code == 2
    assert "sex" in err
    assert "comparing takes two" in err
    assert not [m for m in report["metrics"] if m["name"].endswith("difference")]


def test_crossed_groups_that_are_all_too_small_are_an_error_that_says_how_to_go_on(check):
    table = table_of({"a": (30, 10, 10, 30), "b": (30, 10, 10, 30)}).assign(stage=lambda t: np.arange(len(t)) % 7)
    code, _, err = check(table, "--min-group-size", "12", "--min-outcomes", "7", sensitive=("sex", "stage"))
    assert code == 2
    assert "--intersectional false" in err


def test_a_model_that_always_says_no_is_named(check):
    code, report, _ = check(table_of({"a": (0, 500, 0, 500), "b": (0, 500, 0, 500)}))
    assert ("fairness/constant-model", "--model") in rules(report)
    assert ("fairness/undefined-ratio", "demographic_parity_ratio[attribute=sex]") in rules(report)
    assert code == 0
    assert (
        check(table_of({"a": (0, 500, 0, 500), "b": (0, 500, 0, 500)}), "--min-demographic-parity-ratio", ".8")[0] == 1
    )


# --- attributes -------------------------------------------------------------------------------------------------


def ages(seed=0):
    table = table_of({"a": (800, 200, 100, 900), "b": (800, 200, 100, 900)})
    return table.assign(age=np.random.default_rng(seed).integers(18, 80, len(table)))


def test_a_number_needs_cut_points(check):
    code, _, err = check(ages(), sensitive=("age",))
    assert code == 2
    assert "62 different values" in err
    assert "--bins age=40,60" in err


def test_cut_points_make_groups(check):
    table = ages()
    code, report, _ = check(table, "--bins", "age=40,60", "--bound", "point", sensitive=("age",))
    assert code == 0
    sizes = {m["slice"]: m["n"] for m in report["metrics"] if m["name"] == "selection_rate"}
    age = table["age"]
    assert sizes == {
        "age=<40": (age < 40).sum(),
        "age=40 to <60": ((age >= 40) & (age < 60)).sum(),
        "age=60+": (age >= 60).sum(),
    }
    assert [m["slice"] for m in report["metrics"]][:3] == list(sizes), "groups are listed from young to old"


@pytest.mark.parametrize(
    ("bins", "says"),
    [
        ("age=60,40", "ascending"),
        ("age=forty", "ascending"),
        ("age=", "ascending"),
        ("age=40,nan", "ascending"),
        ("age=inf", "ascending"),
        ("height=150", "not a sensitive attribute"),
        ("sex=3", "does not hold numbers"),
        ("age", "NAME=VALUE"),
    ],
)
def test_cut_points_that_make_no_sense(check, bins, says):
    code, _, err = check(ages(), "--bins", bins, sensitive=("sex", "age"))
    assert code == 2
    assert says in err


def test_an_interval_without_rows_is_no_group(check):
    code, report, _ = check(ages(), "--bins", "age=5,40,120", "--bound", "point", sensitive=("age",))
    assert code == 0
    assert [m["slice"] for m in report["metrics"][:3]] == ["age=5 to <40", "age=40 to <120", "age=5 to <40"]
    assert not any(location.startswith("age") for _, location in rules(report))


def test_names_from_the_data_cannot_break_a_slice(check):
    _, report, _ = check(table_of({"two\nwords, sex=b": (400, 100, 50, 450), "b": (400, 100, 50, 450)}))
    assert [m["slice"] for m in report["metrics"]][:2] == ["sex=b", "sex=two words; sex:b"]
    code, report, _ = check(table_of({"x, sex=b\n" + "long " * 20: (400, 100, 50, 450), "b": (400, 100, 50, 450)}))
    assert code == 0
    parts = [m["slice"] for m in report["metrics"] if m["name"] == "selection_rate"]
    assert len(parts) == 2
    assert all("\n" not in part and "," not in part and part.count("=") == 1 and len(part) <= 44 for part in parts)


def test_values_that_would_fall_together_are_refused(check):
    code, _, err = check(table_of({"a,1": (40, 10, 5, 45), "a;1": (40, 10, 5, 45)}))
    assert code == 2
    assert "differ only in spacing" in err


def test_missing_sensitive_values_are_an_error(check):
    table = table_of(EQUAL)
    table.loc[[3, 5], "sex"] = None
    code, _, err = check(table)
    assert code == 2
    assert "'sex' has 2 missing values" in err


def test_a_cell_of_several_values_is_an_error():
    with pytest.raises(WardeinError, match="does not hold single values"):
        divide(pd.DataFrame({"sex": [["a", "b"], ["a"]]}), ["sex"], {}, crossed=True)


def test_too_many_values_are_an_error(check):
    table = table_of(EQUAL).assign(sex=lambda t: [f"person {i}" for i in range(len(t))])
    code, _, err = check(table)
    assert code == 2
    assert "2000 different values" in err


# --- broken inputs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "more", "says"),
    [
        (lambda t: t.drop(columns="label"), (), "no column 'label'"),
        (lambda t: t.drop(columns="sex"), (), "no column 'sex'"),
        (lambda t: t.drop(columns="says"), (), "no column 'says'"),
        (lambda t: t.assign(label=1), (), "single class"),
        (
            lambda t: t.assign(label=t["label"].replace({0: "maybe"})),
            (),
            "'maybe', which is none of the model's classes",
        ),
        (lambda t: t.assign(label=t["label"].where(t.index > 3)), (), "4 missing values"),
        (lambda t: t.assign(says=t["says"].where(t.index > 3)), (), "contains NaN"),
        (lambda t: t.assign(says="x"), (), "cannot predict these rows"),
        (lambda t: t.head(0), (), "no rows"),
        (lambda t: t, ("--positive", "2"), "no class '2'"),
        (lambda t: t, ("--max-demographic-parity-difference", "10"), "not between 0 and 1"),
        (lambda t: t, ("--min-demographic-parity-ratio", "-1"), "not between 0 and 1"),
        (lambda t: t, ("--min-group-size", "0"), "not 1 or more"),
        (lambda t: t, ("--bound", "ci_high"), "none of worst, point, best"),
        (lambda t: t, ("--max-predictive-parity-difference", "1.5"), "not between 0 and 1"),
        (lambda t: t, ("--top-fraction", "0"), "not above 0 and below 1"),
        (lambda t: t, ("--top-fraction", "1"), "not above 0 and below 1"),
        (lambda t: t, ("--top-fraction", "nan"), "nan"),
        (lambda t: t, ("--interval", "normal"), "none of newcombe, bootstrap"),
        (lambda t: t, ("--replicates", "99"), "not between 100 and 100000"),
        (lambda t: t, ("--seed", "-1"), "below 0"),
        (lambda t: t.assign(label=t["label"] * 0.8 + 0.1), (), "'0.1', which is none of the model's classes"),
        (lambda t: t.assign(label=t["label"].replace({0: "no", 1: "yes"})), (), "which is none of the model's classes"),
        (lambda t: t.rename(columns={"sex": "gender"}), (), "no column 'sex'; its columns are: gender, label, says"),
        (lambda t: t.assign(sex=t["sex"].where(t.index > 3, "")), (), "'sex' has 4 missing values"),
        (lambda t: t.iloc[[0, 700, 1500]], (), "0 groups with at least 30 rows"),
        (lambda t: t.assign(sex="a"), (), "1 group with at least 30 rows"),
        (lambda t: t, ("--max-mean-residual-difference", "0.1"), "the model is a classifier"),
        (lambda t: t, ("--sensitive", "sex"), "named twice"),
        (lambda t: t, ("--sensitive", "label"), "is the label"),
    ],
)
def test_broken_inputs_end_in_one_line(check, tmp_path, change, more, says):
    evidence = tmp_path / "evidence.jsonl"
    code, report, err = check(change(table_of(EQUAL)), *more, "--evidence", str(evidence))
    assert code == 2
    assert says in err
    assert "Traceback" not in err
    assert not report or json.loads(evidence.read_bytes().splitlines()[0])["payload"]


def test_no_sensitive_attribute(check):
    assert check(table_of(EQUAL), "--sensitive", "[]", sensitive=())[0] == 2
    with pytest.raises(UsageError, match="names no attribute"):
        evaluate_fairness(Path("m.skops"), Path("data.csv"), "label", [])


def test_the_label_among_the_features_is_refused(check, tmp_path):
    feature = pd.DataFrame({"label": [0, 1] * 20, "says": [0, 1] * 20})
    skops.io.dump(LogisticRegression().fit(feature, feature["label"]), tmp_path / "m.skops")
    code, _, err = check(table_of(EQUAL), use=tmp_path / "m.skops")
    assert code == 2
    assert "as a feature" in err


# --- the same inputs, the same answer ---------------------------------------------------------------------------


def test_real_processes_agree_and_print_the_same_core(tmp_path, model):
    data, shuffled = tmp_path / "data.csv", tmp_path / "shuffled.csv"
    table_of(UNEQUAL).to_csv(data, index=False)
    table_of(UNEQUAL).sample(frac=1, random_state=1).to_csv(shuffled, index=False)

    def run(path, *more):
        command = [sys.executable, "-m", "wardein", "evaluate-fairness", "--model", str(model), "--data", str(path)]
        return subprocess.run(
            [*command, "--label", "label", "--sensitive", "sex", *more], capture_output=True, text=True, check=False
        )

    first, second = run(data), run(data)
    assert (first.returncode, first.stderr) == (1, "")
    assert "core     sha256:" in first.stdout
    assert first.stdout == second.stdout
    one, other = (json.loads(run(path, "--json").stdout) for path in (data, shuffled))
    assert one["metrics"] == other["metrics"]


# --- against fairlearn ------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(1, 40)] * 4), min_size=2, max_size=6),
    st.randoms(use_true_random=False),
)
def test_point_values_are_those_of_fairlearn(tables, random):
    import fairlearn.metrics as reference

    cells = [(1, 1), (1, 0), (0, 1), (0, 0)]
    rows = [
        (g, *cell) for g, counts in enumerate(tables) for cell, n in zip(cells, counts, strict=True) for _ in range(n)
    ]
    random.shuffle(rows)
    group, truth, says = np.array(rows).T
    division = Division("g", tuple(f"g={i}" for i in range(len(tables))), group)
    measured = rates(tabulate(division, truth == 1, says == 1), rows=1, outcomes=1)
    parity, equality = disparity([measured.selection]), disparity([measured.true_positive, measured.false_positive])
    opportunity, precision = disparity([measured.true_positive]), disparity([measured.precision])
    found = (parity, equality, opportunity, precision)
    ours = [number for one in found for number in (one.difference, one.ratio)]
    functions = [
        reference.demographic_parity_difference,
        reference.demographic_parity_ratio,
        reference.equalized_odds_difference,
        reference.equalized_odds_ratio,
        reference.equal_opportunity_difference,
        reference.equal_opportunity_ratio,
    ]
    theirs = [function(truth, says, sensitive_features=group) for function in functions]
    frame = reference.MetricFrame(metrics=precision_score, y_true=truth, y_pred=says, sensitive_features=group)
    assert ours == pytest.approx([*theirs, frame.difference(), frame.ratio()], abs=1e-12)
    assert (measured.precision.hits / measured.precision.n).tolist() == pytest.approx(list(frame.by_group), abs=1e-12)
    cells = tabulate(division, truth == 1, says == 1)
    drawn = rates(cells, rows=1, outcomes=1, drawn=resample(cells, 100, 0))
    for one in (*found, disparity([drawn.selection]), disparity([drawn.true_positive, drawn.false_positive])):
        assert 0 <= one.difference_interval.low <= one.difference <= one.difference_interval.high <= 1
        assert 0 <= one.ratio_interval.low <= one.ratio <= one.ratio_interval.high <= 1


# --- real people ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not (ADULT / "adult-train.csv.gz").is_file(), reason="shared/data has no Adult data set")
def test_income_predicted_from_the_census_differs_between_women_and_men(check, tmp_path):
    names = [
        "age",
        "workclass",
        "fnlwgt",
        "education",
        "education_num",
        "marital",
        "occupation",
        "relationship",
        "race",
        "sex",
        "gain",
        "loss",
        "hours",
        "country",
        "income",
    ]

    def read(part):
        with gzip.open(ADULT / f"adult-{part}.csv.gz", "rt") as file:
            lines = [line for line in file if line.count(",") == 14]
        table = pd.DataFrame([[cell.strip(" .\n") for cell in line.split(",")] for line in lines], columns=names)
        numbers = ["age", "education_num", "gain", "loss", "hours"]
        return table.astype(dict.fromkeys(numbers, float))

    train, test = read("train"), read("test")
    features = ["age", "education_num", "gain", "loss", "hours"]
    scale = train[features].max()
    for table in (train, test):
        table[features] = table[features] / scale
    use = tmp_path / "m.skops"
    skops.io.dump(LogisticRegression().fit(train[features], train["income"]), use)
    code, report, _ = check(test, "--positive", ">50K", use=use, sensitive=("sex", "race"), label="income")
    assert code == 1
    gap = metric(report, "demographic_parity_difference")
    says = LogisticRegression().fit(train[features], train["income"]).predict(test[features]) == ">50K"
    expected = says[test["sex"] == "Male"].mean() - says[test["sex"] == "Female"].mean()
    assert gap["value"] == pytest.approx(expected, abs=1e-12)
    assert gap["ci"]["low"] < expected < gap["ci"]["high"]
    assert metric(report, "selection_rate", "sex=Female, race=Amer-Indian-Eskimo")["n"] > 30
    assert metric(report, "demographic_parity_difference", "attribute=sex & race")["value"] >= gap["value"]
    # Hours of work tell of sex; that is known of this census.
    assert ("fairness/proxy", "sex: hours") in rules(report, "fairness/proxy")
    assert metric(report, "proxy_auc", "attribute=sex, feature=hours")["value"] == pytest.approx(0.65, abs=0.02)
