# SPDX-License-Identifier: Apache-2.0
"""evaluate-privacy through the command line: models that memorise fail, and what cannot be told is an ERROR.

Half of a table with noisy labels is what models are fitted on, the other half is what they have not seen.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import make_classification
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.impute import KNNImputer
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from wardein.errors import WardeinError
from wardein.models.insides import stored
from wardein.models.predictors import Classifier
from wardein.privacy.likelihood_ratio import fit_shadows
from wardein.privacy.population import LEAST_ROWS, draw
from wardein.privacy.stored import kept_rows
from wardein.privacy.study import Study

FEATURES = [f"f{i}" for i in range(8)]


def people(rows: int = 1200, noise: float = 0.3, seed: int = 0, classes: int = 2) -> pd.DataFrame:
    """Rows with a label that is wrong for some, and a sensitive feature that says nothing of it."""
    values, label = make_classification(
        rows, len(FEATURES), n_informative=5, n_classes=classes, random_state=seed, flip_y=0
    )
    random = np.random.default_rng(seed)
    label = np.where(random.random(rows) < noise, random.integers(0, classes, rows), label)
    return pd.DataFrame(values, columns=FEATURES).assign(sex=random.integers(0, 2, rows), y=label)


@pytest.fixture
def check(wardein, tmp_path):
    """Fit a model on half of a table and run the step; returns what the run gave."""

    def run(estimator, *more, table=None, unseen=None, known=None, fit=True):
        table = people() if table is None else table
        half = len(table) // 2
        training, others = table[:half], table[half:] if unseen is None else unseen
        if fit:
            estimator.fit(training.drop(columns="y"), training["y"])
        skops.io.dump(estimator, tmp_path / "model.skops")
        (training if known is None else known).to_csv(tmp_path / "training.csv", index=False)
        others.to_csv(tmp_path / "unseen.csv", index=False)
        files = ["--model", tmp_path / "model.skops", "--reference", tmp_path / "training.csv"]
        ran = wardein("evaluate-privacy", *files, "--data", tmp_path / "unseen.csv", "--label", "y", *more, "--json")
        assert "Traceback" not in ran.err
        return ran

    return run


def metric(ran, name, part=""):
    found = [m for m in ran.report["metrics"] if (m["name"], m.get("slice", "")) == (name, part)]
    assert len(found) == 1, f"{name}[{part}] is listed {len(found)} times"
    return found[0]


def parts(ran, name):
    return [m.get("slice", "") for m in ran.report["metrics"] if m["name"] == name]


def rules(ran):
    return {f["ruleId"] for f in ran.report["findings"]}


# --- what must be found, and what must pass ---------------------------------------------------------------------


def test_a_forest_that_memorised_its_rows_fails(check):
    ran = check(
        RandomForestClassifier(50, random_state=0), "--max-membership-auc", "0.6", "--max-membership-tpr", "0.1"
    )
    assert (ran.code, ran.report["verdict"]) == (1, "FAIL")
    assert metric(ran, "membership_auc", "attack=worst")["value"] > 0.9
    assert metric(ran, "membership_tpr", "attack=worst, fpr=0.01")["ci"]["low"] > 0.1
    assert [(c["metric"], c["met"], c["bound"]) for c in ran.report["criteria"]] == [
        ("membership_auc", False, "ci_high"),
        ("membership_tpr", False, "ci_high"),
    ]
    shown = [f for f in ran.report["findings"] if f["ruleId"] == "privacy/exposed-row"]
    assert len(shown) == 10
    assert all(f["location"].startswith("row ") and f["severity"] == "info" for f in shown)
    assert "models that were fitted without it" in shown[0]["message"]


def test_a_regularised_model_passes(check):
    ran = check(LogisticRegression(C=0.01), "--max-membership-auc", "0.6", "--max-membership-tpr", "0.1")
    assert (ran.code, ran.report["verdict"]) == (0, "PASS")
    found = metric(ran, "membership_auc", "attack=confidence")["ci"]
    assert found["low"] < 0.5 < found["high"]
    assert ran.report["coverage"] == {
        "unit": "rows",
        "expected": 1200,
        "examined": 1200,
        "skipped": [],
        "complete": True,
    }


@pytest.mark.parametrize("estimator", [RandomForestClassifier(30, random_state=0), LogisticRegression(C=0.01)])
def test_the_controls_come_out_at_a_half(check, estimator):
    ran = check(estimator)
    controls = [m for m in ran.report["metrics"] if m["name"] == "membership_control_auc"]
    assert {m["slice"] for m in controls} == {
        f"attack={name}" for name in ("confidence", "class-confidence", "shadow", "lira-offline", "lira-online")
    }
    assert all(m["ci"]["low"] <= 0.5 <= m["ci"]["high"] for m in controls)
    shift = metric(ran, "shift_auc")["ci"]
    assert shift["low"] <= 0.5 <= shift["high"]


def test_an_attack_that_sees_who_is_a_member_is_an_error(check, monkeypatch):
    """It tells supposed members from others among rows that are alike, so nothing that it says can be believed."""

    def leaking(own, classes, member, seed):
        return {"leak": member + np.random.default_rng(seed).normal(size=len(member))}

    monkeypatch.setattr("wardein.privacy.study.threshold_attacks", leaking)
    ran = check(LogisticRegression(C=0.01), "--shadow-models", "0")
    assert ran.code == 2
    assert "it tells apart what is alike" in ran.report["coverage"]["skipped"][0]["reason"]


def test_what_the_bounds_mean(check):
    judged = {}
    for bound in ("worst", "point", "best"):
        ran = check(
            LogisticRegression(C=0.01), "--bound", bound, "--max-membership-auc", "0.53", "--shadow-models", "0"
        )
        judged[bound] = ran.report["criteria"][0]
    assert {bound: one["bound"] for bound, one in judged.items()} == {
        "worst": "ci_high",
        "point": "point",
        "best": "ci_low",
    }
    assert not judged["worst"]["met"]
    assert judged["worst"]["note"].startswith("inconclusive")
    assert judged["best"]["met"]


def test_several_classes_and_text_labels(check):
    table = people(classes=4)
    table["y"] = table["y"].map({0: "a", 1: "b", 2: "c", 3: "d"})
    ran = check(RandomForestClassifier(30, random_state=0), "--shadow-models", "4", table=table)
    assert ran.code == 0
    assert "attack=entropy" in parts(ran, "membership_auc")
    assert metric(ran, "membership_auc", "attack=entropy")["value"] > 0.9


def test_regressors_are_attacked_by_their_residuals(check):
    random = np.random.default_rng(0)
    table = people().assign(y=lambda t: t["f0"] + random.normal(size=len(t)))
    ran = check(RandomForestRegressor(30, random_state=0), "--max-membership-auc", "0.6", table=table)
    assert ran.code == 1
    assert metric(ran, "membership_auc", "attack=lira-online")["value"] > 0.85
    ran = check(Ridge(), "--max-membership-auc", "0.6", table=table)
    assert ran.code == 0
    found = metric(ran, "membership_auc", "attack=confidence")["ci"]
    assert found["low"] < 0.5 < found["high"]


def test_a_model_without_probabilities_is_attacked_by_its_labels(check):
    ran = check(RidgeClassifier(), "--shadow-models", "4")
    assert ran.code == 0
    assert "privacy/labels-only" in rules(ran)
    assert metric(ran, "membership_auc", "attack=worst")["n"] == 1200


def test_a_model_with_a_part_that_stays_fitted_has_a_stand_in(check):
    """Fitted anew, it would memorise the same rows again, whatever it is fitted on."""
    table = people()
    forest = RandomForestClassifier(30, random_state=0).fit(table[:600].drop(columns="y"), table["y"][:600])
    ran = check(CalibratedClassifierCV(FrozenEstimator(forest)), "--max-membership-auc", "0.6", table=table)
    assert ran.code == 1
    assert "privacy/stand-in" in rules(ran)
    assert metric(ran, "membership_auc", "attack=lira-offline")["value"] > 0.7


def test_few_non_members_have_no_small_false_alarm_rates(check):
    table = people(1200)
    ran = check(LogisticRegression(), "--shadow-models", "0", table=table)
    assert not [part for part in parts(ran, "membership_tpr") if "0.001" in part]
    ran = check(LogisticRegression(), "--shadow-models", "0", table=people(2400))
    assert "attack=worst, fpr=0.001" in parts(ran, "membership_tpr")
    ran = check(LogisticRegression(), "--max-membership-tpr", "0.9", table=table, unseen=table[600:660])
    assert ran.code == 1
    assert ran.report["criteria"][0]["note"].startswith("not measured")


# --- rows that both tables hold, and tables that differ ---------------------------------------------------------


def test_rows_of_both_tables_count_for_neither(check):
    table = people()
    unseen = pd.concat([table[:200], table[600:]], ignore_index=True)
    ran = check(RandomForestClassifier(30, random_state=0), "--shadow-models", "0", table=table, unseen=unseen)
    assert "200 rows of data are also in reference" in str(ran.report["findings"])
    assert metric(ran, "members_available")["value"] == 400
    assert metric(ran, "non_members_available")["value"] == 600
    assert metric(ran, "membership_auc", "attack=confidence")["value"] > 0.75


def test_training_rows_given_for_unseen_ones_are_an_error(check):
    table = people()
    ran = check(RandomForestClassifier(30, random_state=0), table=table, unseen=table[:600])
    assert ran.code == 2
    assert "0 distinct rows that reference has not" in ran.one_line


def changed(rows, by, seed=1):
    """Rows that are others by this many standard deviations."""
    return rows.assign(**{f: rows[f] + by * np.random.default_rng(seed).normal(size=len(rows)) for f in FEATURES})


def test_training_rows_that_were_changed_a_little_do_not_count_as_unseen(check):
    """The model knows them as well as it knows the members, and would seem to give nothing away."""
    table = people()
    forest = RandomForestClassifier(30, random_state=0)
    more = ("--max-membership-auc", "0.6", "--shadow-models", "0")
    ran = check(forest, *more, table=table, unseen=changed(table[:600], 1e-4))
    assert ran.code == 2
    assert "0 distinct rows that reference has not" in ran.one_line
    ran = check(forest, *more, table=table, unseen=pd.concat([changed(table[:500], 1e-4), table[600:800]]))
    assert ran.code == 1
    assert "500 rows of data are nearly in reference" in str(ran.report["findings"])
    assert metric(ran, "membership_auc", "attack=confidence")["value"] > 0.8
    ran = check(forest, *more, table=table, unseen=changed(table[:600], 0.02))
    assert ran.code == 2
    assert metric(ran, "shift_auc")["ci"]["high"] < 0.4
    assert "changed a little" in ran.report["coverage"]["skipped"][0]["reason"]


def test_tables_that_differ_are_an_error_and_the_same_model_is_one_without_the_difference(check):
    """Unseen rows that any model finds easy would hide what it memorised."""
    table = people()
    shifted = table[600:].assign(f0=lambda t: t["f0"] + 3)
    ran = check(LogisticRegression(), "--shadow-models", "0", table=table, unseen=shifted)
    assert ran.code == 2
    assert "told apart without the model" in ran.report["coverage"]["skipped"][0]["reason"]
    assert metric(ran, "shift_auc")["value"] > 0.8


def test_tables_that_differ_a_little_are_told(check):
    table = people(3000)
    shifted = table[1500:].assign(f0=lambda t: t["f0"] + 0.5)
    ran = check(LogisticRegression(), "--shadow-models", "0", table=table, unseen=shifted)
    assert ran.code == 0
    assert "privacy/shift" in rules(ran)
    assert 0.5 < metric(ran, "shift_auc")["ci"]["low"] < 0.6


def test_labels_that_differ_are_a_difference_too(check):
    table = people(noise=0)
    ran = check(
        LogisticRegression(), "--shadow-models", "0", table=table, unseen=table[600:].assign(y=lambda t: 1 - t["y"])
    )
    assert ran.code == 2
    assert metric(ran, "shift_auc")["value"] > 0.8


# --- training rows inside ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "place"),
    [
        (KNeighborsClassifier(5), "_fit_X"),
        (make_pipeline(StandardScaler(), KNeighborsClassifier(5)), "kneighborsclassifier._fit_X"),
        (make_pipeline(StandardScaler(), SVC(random_state=0)), "svc.support_vectors_"),
        (make_pipeline(KNNImputer(), LogisticRegression()), "knnimputer._fit_X"),
        (BaggingClassifier(KNeighborsClassifier(3), 2, random_state=0, max_features=0.7), "estimators_.0._fit_X"),
        (GaussianProcessClassifier(optimizer=None), "base_estimator_.X_train_"),
    ],
)
def test_training_rows_that_lie_in_the_model_fail(check, estimator, place):
    ran = check(estimator, "--shadow-models", "0", table=people(500))
    assert ran.code == 1
    found = [f for f in ran.report["findings"] if f["ruleId"] == "privacy/training-rows-inside"]
    assert place in [f["location"] for f in found]
    assert all(f["severity"] == "high" for f in found)


def test_how_many_rows_lie_in_a_model_of_neighbours(check):
    table = people(500)
    ran = check(KNeighborsClassifier(5), "--shadow-models", "0", table=table, known=table[:200])
    found = next(f for f in ran.report["findings"] if f["ruleId"] == "privacy/training-rows-inside")
    assert found["message"].startswith("200 of the 250 rows that the model keeps here are training rows")
    assert "has 200 of the 200 rows of reference" in found["message"]


def neighbours(table):
    return KNeighborsClassifier(51).fit(table[:250].drop(columns="y"), table["y"][:250])


def test_training_rows_behind_other_arrays_are_found(check):
    """A file can hold arrays that its estimator never looks at."""
    table = people(500)
    model = neighbours(table)
    for i in range(300):
        setattr(model, f"A{i:03}", np.random.default_rng(i).normal(size=(3, 9)))
    ran = check(model, "--shadow-models", "0", table=table, fit=False)
    assert [f["location"] for f in ran.report["findings"] if f["fails"]] == ["_fit_X"]


def test_training_rows_that_were_changed_a_little_are_found(check):
    table = people(500)
    model = neighbours(changed(table, 1e-4))
    ran = check(model, "--shadow-models", "0", table=table, fit=False)
    (found,) = (f for f in ran.report["findings"] if f["fails"])
    assert found["message"].startswith("250 of the 250 rows that the model keeps here are training rows, but for a")


def test_of_large_arrays_a_part_is_looked_at(monkeypatch):
    monkeypatch.setattr(stored, "_MOST_CELLS", 900)
    table = people(500)
    said, (kept, seen) = stored.answer(neighbours(table), table[:20].drop(columns="y"), {})
    assert said == {"places": [(0, "_fit_X", 84)], "left_out": 0}
    assert kept.tolist() == table[:250:3].drop(columns="y").to_numpy().tolist()
    assert seen.shape == (20, 9)


def test_numbers_where_texts_arrive_are_no_rows():
    """That a first row could be numbers says nothing of the others."""
    model = neighbours(people(500))
    table = people(20).drop(columns="y").astype(object)
    table.loc[5, "f0"] = "text"
    assert stored.answer(model, table, {}) == ({"places": [], "left_out": 0}, [])


def test_parts_that_were_not_looked_at_are_an_error(check, monkeypatch):
    """Each part is reached by columns of its own."""
    table = people(500)
    many = BaggingClassifier(LogisticRegression(), 4, max_features=0.5, random_state=0)
    assert check(many, "--shadow-models", "0", table=table).code == 0
    monkeypatch.setattr(Study, "inside", lambda self, kept, left_out, whole=Study.inside: whole(self, kept, 3))
    ran = check(many, "--shadow-models", "0", table=table)
    assert ran.code == 2
    assert ran.report["coverage"]["skipped"][0]["reason"] == "3 arrays of the model were not looked at"
    monkeypatch.setattr(stored, "MOST_REACHES", 1)
    model = many.fit(table[:250].drop(columns="y"), table["y"][:250])
    assert stored.answer(model, table[:5].drop(columns="y"), {})[0]["left_out"] == 3


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(20, random_state=0),
        make_pipeline(QuantileTransformer(n_quantiles=100), LogisticRegression()),
        DecisionTreeClassifier(random_state=0),
    ],
)
def test_models_without_training_rows_inside(check, estimator):
    ran = check(estimator, "--shadow-models", "0", table=people(500))
    assert "privacy/training-rows-inside" not in rules(ran)
    assert ran.code == 0


@pytest.mark.parametrize("columns", [["height"], make_column_selector("hei"), [0]], ids=["names", "selector", "places"])
def test_transformers_of_some_columns_and_of_what_remains(check, columns):
    """scikit-learn notes the columns of what remains by their places, whatever the others are named by."""
    table = people(500).rename(columns=lambda name: "height" if name == people(1).columns[0] else name)
    parts = make_column_transformer((StandardScaler(), columns), remainder="passthrough")
    assert check(make_pipeline(parts, LogisticRegression()), "--shadow-models", "0", table=table).code == 0


def test_rows_of_few_values_agree_by_chance(check):
    """Eight different rows are in any table: that a model has some of them says nothing."""
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.integers(0, 2, (600, 3)), columns=list("abc")).assign(
        x=random.normal(size=600), y=random.integers(0, 2, 600)
    )
    neighbours = make_pipeline(make_column_transformer(("passthrough", list("abc"))), KNeighborsClassifier(5))
    assert "privacy/training-rows-inside" not in rules(check(neighbours, "--shadow-models", "0", table=table))


# --- inference of attributes, inversion ----------------------------------------------------------------------------


def test_a_model_that_tells_the_attribute_by_construction_fails(check):
    """It was fitted to name the sex, and the label that an attacker knows says nothing of that."""
    table = people()
    teller = DecisionTreeClassifier().fit(table[:600].drop(columns="y"), table["sex"][:600])
    ran = check(
        teller, "--sensitive", "sex", "--max-attribute-advantage", "0.1", "--shadow-models", "0", table=table, fit=False
    )
    assert ran.code == 1
    found = metric(ran, "attribute_advantage", "column=sex")
    assert found["value"] > 0.4
    assert found["ci"]["low"] > 0.4
    assert metric(ran, "attribute_accuracy", "column=sex, attacker=with the model")["value"] > 0.99
    assert metric(ran, "attribute_advantage", "column=sex, rows=unseen")["value"] > 0.4
    assert [c["metric"] for c in ran.report["criteria"]] == ["attribute_advantage"]


def test_a_model_that_cannot_tell_the_attribute_passes(check):
    table = people()
    blind = DecisionTreeClassifier(max_depth=2).fit(table[:600].drop(columns="y").assign(sex=0), table["y"][:600])
    more = ("--sensitive", "sex", "--max-attribute-advantage", "0.1", "--shadow-models", "0")
    ran = check(blind, *more, table=table, fit=False)
    assert ran.code == 0
    found = metric(ran, "attribute_advantage", "column=sex")["ci"]
    assert found["low"] <= 0 <= found["high"]


def test_the_prototypes_of_a_linear_model_look_like_its_classes(check):
    random = np.random.default_rng(0)
    label = random.integers(0, 3, 900)
    centres = random.normal(size=(3, 8))
    table = pd.DataFrame(centres[label] + random.normal(size=(900, 8)), columns=FEATURES).assign(y=label)
    ran = check(make_pipeline(StandardScaler(), LogisticRegression()), "--shadow-models", "0", table=table)
    for name in range(3):
        own = metric(ran, "inversion_correlation", f"class={name}")["value"]
        assert own > max(0.5, metric(ran, "inversion_baseline", f"class={name}")["value"] + 0.3)
    assert not parts(check(RandomForestClassifier(5), "--shadow-models", "0", table=table), "inversion_correlation")


# --- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--sensitive", "height"), "height"),
        (("--sensitive", "y"), "'y' is the label"),
        (("--shadow-models", "3"), "3 is neither 0 nor 4 to 256"),
        (("--shadow-models", "-1"), "-1 is neither 0"),
        (("--max-rows", "10"), "10 is less than 50"),
        (("--seed", "-1"), "-1 is not between 0"),
        (("--max-membership-auc", "1.5"), "1.5 is not between 0 and 1"),
    ],
)
def test_settings_that_make_no_sense(check, more, says):
    ran = check(LogisticRegression(), *more)
    assert ran.code == 2
    assert says in ran.one_line


def change(**changes):
    return people().assign(**changes)


@pytest.mark.parametrize(
    ("side", "broken", "says"),
    [
        ("unseen", people()[-3:], "has 3 distinct rows"),
        ("unseen", people().drop(columns="f1"), "has no column 'f1'"),
        ("known", people().drop(columns="f1"), "--reference: has no column 'f1'"),
        ("unseen", people().drop(columns="y"), "has no column 'y'"),
        ("unseen", change(y=1), "single class"),
        ("known", change(y=1), "--reference: the label column 'y' holds the single class"),
        ("known", change(y=lambda t: t["y"].where(t["y"] == 1)), "--reference: the label column 'y' has"),
        ("unseen", change(y=lambda t: t["y"] + 5), "none of the model's classes"),
        ("known", change(y=lambda t: t["y"] + 5), "--reference: the label column 'y' holds"),
        ("unseen", change(f1="text"), "'f1' is numeric in only one of data and reference"),
        ("unseen", change(f1=np.inf), "holds infinite numbers"),
        ("unseen", change(f1=np.nan), "cannot predict these rows"),
        ("unseen", pd.concat([people()[600:630]] * 20), "has 30 distinct rows"),
    ],
)
def test_tables_that_make_no_sense(check, side, broken, says):
    ran = check(LogisticRegression(), **{side: broken[600:] if len(broken) == 1200 else broken})
    assert ran.code == 2
    assert says in ran.one_line


def test_probabilities_that_are_none_are_an_error(check):
    table = people()
    model = LogisticRegression().fit(table[:600].drop(columns="y"), table["y"][:600])
    model.coef_[:] = np.nan
    ran = check(model, table=table, fit=False)
    assert ran.code == 2
    assert "not finite" in ran.one_line


def asking(answer):
    """A model of two classes whose process answers as given."""
    said = {"predict": lambda rows: ({}, [np.zeros(len(rows), int)])} | answer

    def ask(question, rows=None, **_):
        return said[question](rows)

    features = tuple(FEATURES)
    return Classifier("classifier", "Liar", "skops", features, ask, np.array([0, 1]), True)


def steady(rows):
    return {}, [np.tile([0.25, 0.75], (len(rows), 1))]


def sides():
    table = people(400)
    return table[:200], table[200:].reset_index(drop=True)


def test_a_model_that_answers_differently_each_time_is_refused():
    random = np.random.default_rng(0)

    def scores(rows):
        share = random.random(len(rows))
        return {}, [np.column_stack([share, 1 - share])]

    with pytest.raises(WardeinError, match="answers differently"):
        draw(asking({"predict_proba": scores}), *sides(), "y", 100, 0)


@pytest.mark.parametrize(
    "lie",
    [
        [np.full((200, 2), np.nan)],
        [np.full((200, 2), 0.7)],
        [np.full((100, 2), 0.5)],
        [np.full((200, 2), 0.5), np.zeros(1)],
        [np.ones((200, 2), int)],
    ],
)
def test_a_process_that_lies_of_the_model_fitted_anew_is_not_believed(lie):
    model = asking({"predict_proba": steady, "refit": lambda _: ({}, lie)})
    population = draw(model, *sides(), "y", 100, 0)
    with pytest.raises(WardeinError, match="fitted anew"):
        fit_shadows(model, population, 4, 0)


@pytest.mark.parametrize("failed", ["ValueError", "; rm -rf\n", "x" * 999])
def test_what_went_wrong_in_the_process_is_told_by_a_word(failed):
    model = asking({"predict_proba": steady, "refit": lambda _: ({"failed": failed}, [])})
    shadows = fit_shadows(model, draw(model, *sides(), "y", 100, 0), 4, 0)
    assert shadows.stand_in == f"fitting it anew ends in {failed if failed == 'ValueError' else 'an error'}"
    assert shadows.inside.sum(axis=0).tolist() == [2] * 200


def test_a_model_that_is_not_fitted_anew_has_a_stand_in():
    model = asking({"predict_proba": steady, "refit": lambda _: ({}, [np.tile([0.25, 0.75], (200, 1))])})
    shadows = fit_shadows(model, draw(model, *sides(), "y", 100, 0), 4, 0)
    assert shadows.stand_in == "fitting it anew on other rows changes nothing"


@pytest.mark.parametrize(
    ("said", "arrays"),
    [
        ({"places": [[0, "x", 3]]}, []),
        ({"places": "x"}, []),
        ({"places": [1]}, [np.zeros((3, 8)), np.zeros((5, 8))]),
        ({"places": [[0, 1, 3]]}, [np.zeros((3, 8)), np.zeros((5, 8))]),
        ({"places": [[1, "x", 3]]}, [np.zeros((3, 8)), np.zeros((5, 8))]),
        ({"places": [[-1, "x", 3]]}, [np.zeros((3, 8)), np.zeros((5, 8))]),
        ({"places": [[0, "x", 2]]}, [np.zeros((3, 8)), np.zeros((5, 8))]),
        ({"places": [[0, "x", 4], [0, "x", -1]]}, [np.zeros((3, 8)), np.zeros((5, 8))]),
        ({"places": [[0, "x", True]] * 3}, [np.zeros((3, 8)), np.zeros((5, 8))]),
        ({"places": [[0, "x", 3]]}, [np.zeros((3, 8)), np.zeros((5, 7))]),
        ({"places": [[0, "x", 3]]}, [np.zeros((3, 8)), np.zeros((4, 8))]),
        ({"places": [[0, "x", 3]]}, [np.zeros(3), np.zeros((5, 8))]),
        ({"places": [[0, "x", 3]]}, [np.zeros((3, 8)), np.zeros((5, 8)), np.zeros((3, 8))]),
    ],
)
def test_a_process_that_lies_of_the_rows_inside_is_not_believed(said, arrays):
    training, unseen = sides()
    with pytest.raises(WardeinError, match="something else than rows"):
        kept_rows(asking({"stored": lambda _: (said, arrays)}), training[FEATURES], unseen[FEATURES])


# --- the same again -------------------------------------------------------------------------------------------------

ONCE_MORE = """
import sys
from pathlib import Path
from wardein.checks.evaluate_privacy import evaluate_privacy
folder = Path(sys.argv[1])
names = [folder / name for name in ("model.skops", "unseen.csv", "training.csv")]
report = evaluate_privacy(*names[:2], "y", names[2], ["sex"], shadow_models=4, max_rows=100, seed=int(sys.argv[2]))
print((report.metrics, report.findings))
"""


def test_threads_do_not_change_the_report_and_the_seed_does(check, tmp_path, capsys, monkeypatch):
    check(RandomForestClassifier(10, n_jobs=2, random_state=0), "--shadow-models", "0")  # writes the files
    said = []
    for seed in ("7", "8"):
        monkeypatch.setattr(sys, "argv", ["", str(tmp_path), seed])
        exec(ONCE_MORE, {})  # noqa: S102 - the same as below, in this process
        said.append(capsys.readouterr().out)
    two = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    command = [sys.executable, "-c", ONCE_MORE, str(tmp_path), "7"]
    again = subprocess.run(command, env=os.environ | two, capture_output=True, text=True, check=True).stdout
    assert said[0] == again
    assert said[0] != said[1]


def test_the_least_rows_are_enough(check):
    table = people(4 * LEAST_ROWS)
    ran = check(LogisticRegression(), "--shadow-models", "4", table=table, unseen=table[-LEAST_ROWS:])
    assert ran.code == 0


def test_the_files_are_where_the_step_says(check):
    ran = check(LogisticRegression(), "--shadow-models", "0")
    assert {part["name"] for part in ran.report["inputs"]} == {"model", "data", "reference"}
    assert str(Path.cwd()) not in str(ran.report["findings"])
