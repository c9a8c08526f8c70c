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
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from wardein.checks.evaluate_fairness import evaluate_fairness
from wardein.cli import main
from wardein.errors import UsageError
from wardein.statistics.disparities import disparity, rates
from wardein.statistics.groups import Division

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


def rules(report):
    return {(f["ruleId"], f["location"]) for f in report["findings"]}


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


@settings(max_examples=60, deadline=None)
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
    selection, *odds = rates(division, truth == 1, says == 1, rows=1, outcomes=1)
    parity, equality = disparity([selection]), disparity(odds)
    ours = [parity.difference, parity.ratio, equality.difference, equality.ratio]
    functions = [
        reference.demographic_parity_difference,
        reference.demographic_parity_ratio,
        reference.equalized_odds_difference,
        reference.equalized_odds_ratio,
    ]
    theirs = [function(truth, says, sensitive_features=group) for function in functions]
    assert ours == pytest.approx(theirs, abs=1e-12)
    for found in (parity, equality):
        assert found.difference_interval.low <= found.difference <= found.difference_interval.high
        assert found.ratio_interval.low <= found.ratio <= found.ratio_interval.high


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
