# SPDX-License-Identifier: Apache-2.0
"""compare-models: a worse challenger fails, an equal one passes, and what cannot be compared is an ERROR.

The planted models predict what their one feature says, so that every table of outcomes can be written down exactly.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy.stats import binomtest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from tests.attacks.conftest import Siege, siege  # noqa: F401 - a fixture
from wardein.checks.compare_models import compare_models
from wardein.comparison.differences import _reordered
from wardein.errors import WardeinError
from wardein.evidence.envelope import seal
from wardein.evidence.keys import signer_for
from wardein.evidence.statement import write
from wardein.release.audit import AuditLog
from wardein.report import VSA
from wardein.statistics.outcomes import Outcomes
from wardein.subject import Subject, digest_of

ADULT = Path(__file__).parents[3] / "shared" / "data"


def save(path: Path, feature: str, classes=(0, 1), kind=None) -> Path:
    """A model that predicts classes[i] where its feature is i."""
    rows = pd.DataFrame({feature: np.tile(np.arange(len(classes)), 20)})
    skops.io.dump((kind or DecisionTreeClassifier()).fit(rows, np.array(classes)[rows[feature]]), path)
    return path


def planted(both=850, gained=15, lost=35, neither=100) -> pd.DataFrame:
    """Rows that both models get right, only the challenger, only the champion, and neither."""
    rows = [(1, 1)] * both + [(1, 0)] * gained + [(0, 1)] * lost + [(0, 0)] * neither
    order = np.random.default_rng(0).permutation(len(rows))
    right = np.array(rows)[order]
    label = np.arange(len(rows)) % 2
    old, new = (np.where(right[:, i] == 1, label, 1 - label) for i in (1, 0))
    return pd.DataFrame({"new": new, "old": old, "label": label})


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return save(folder / "new.skops", "new"), save(folder / "old.skops", "old")


@pytest.fixture
def compare(pair, tmp_path, wardein):
    """Compare the planted pair, or others, on a table, by the command line."""

    def run(table: pd.DataFrame, *more: object, models=pair, label="label"):
        data = tmp_path / "data.csv"
        table.to_csv(data, index=False)
        given = ("--model", models[0], "--champion", models[1], "--data", data, "--label", label)
        return wardein("compare-models", *given, *more, "--json")

    return run


def metric(ran, name, part=""):
    found = [m for m in ran.report["metrics"] if (m["name"], m.get("slice", "")) == (name, part)]
    assert len(found) == 1, f"{name}[{part}] is listed {len(found)} times"
    return found[0]


def findings(ran, rule):
    return [f for f in ran.report["findings"] if f["ruleId"] == rule]


def assert_refused(ran, *said):
    assert ran.code == 2, ran.out
    for text in said:
        assert text in ran.one_line


# --- the same rows ----------------------------------------------------------------------------------------------


def test_planted_numbers_come_back(compare):
    ran = compare(planted())
    assert metric(ran, "accuracy", "model=challenger")["value"] == 0.865
    assert metric(ran, "accuracy", "model=champion")["value"] == 0.885
    difference = metric(ran, "accuracy_difference")
    assert (difference["value"], difference["n"], difference["ci"]["method"]) == (-0.02, 1000, "tango")
    assert metric(ran, "mcnemar_p")["value"] == pytest.approx(binomtest(15, 50).pvalue, abs=1e-6)
    assert metric(ran, "disagreement_rate")["value"] == 0.05
    recalls = [metric(ran, "recall_difference", f"class={name}") for name in (0, 1)]
    assert sum(m["value"] * m["n"] for m in recalls) == pytest.approx(-20, abs=1e-3)


@pytest.mark.parametrize(
    ("lost", "more", "code"),
    [
        (15, (), 0),
        (135, (), 1),
        (35, (), 1),
        (35, ("--bound", "best"), 0),
        (35, ("--bound", "point"), 0),
        (36, ("--bound", "point"), 1),
        (135, ("--max-loss", 1, "--max-slice-loss", 1), 0),
    ],
)
def test_verdicts(lost, more, code, compare):
    table = planted(both=885 - lost, lost=lost)
    assert compare(table, *more).code == code


def test_too_few_rows_to_tell_fail_by_that_name(compare):
    ran = compare(planted(80, 2, 2, 16))
    assert ran.code == 1
    assert "inconclusive" in ran.report["reason"]
    assert "examples would decide" in ran.report["reason"]


def test_the_rows_that_only_the_champion_gets_right_are_shown_first(compare):
    table = planted(980, 15, 3, 2)
    ran = compare(table)
    shown = findings(ran, "compare/disagreement")
    assert len(shown) == 10
    lost = [f for f in shown if "(right), challenger" in f["message"]]
    assert shown[:3] == lost
    row = int(lost[0]["location"].removeprefix("row ")) - 1
    assert table["old"][row] == table["label"][row] != table["new"][row]
    said = f"row {row + 1}: champion {table['old'][row]} (right), challenger {table['new'][row]}"
    assert lost[0]["message"] == said


def regressed(rows=4000, loss=0.2, seed=0) -> pd.DataFrame:
    """Equal accuracy, but the challenger lost in the north what it gained elsewhere."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame({"region": random.choice(["north", "south", "east", "west"], rows), "x": random.random(rows)})
    north = (table["region"] == "north").to_numpy()
    old = random.random(rows) < 0.85
    drop, gain = random.random(rows) < loss, random.random(rows) < loss * north.mean() / (~north).mean() / 0.15 * 0.85
    new = np.where(north, old & ~drop, old | gain)
    label = random.integers(0, 2, rows)
    return table.assign(new=np.where(new, label, 1 - label), old=np.where(old, label, 1 - label), label=label)


def test_a_regressed_slice_behind_an_equal_mean_is_found(compare):
    ran = compare(regressed())
    assert abs(metric(ran, "accuracy_difference")["value"]) < 0.01
    assert ran.code == 1
    assert "worst_slice_loss" in ran.report["reason"]
    found = findings(ran, "compare/regressed-slice")
    assert found[0]["location"] == "region=north"
    loss = metric(ran, "slice_loss", "region=north")
    assert loss["ci"]["low"] < 0.17 < loss["ci"]["high"]
    assert compare(regressed(), "--max-slice-loss", 0.5).code == 0


def test_no_part_loses_more_than_all_of_its_rows(compare):
    table = planted(100, 0, 100, 0).assign(part=lambda t: np.where(t["new"] == t["old"], "same", "lost"))
    lost = metric(compare(table), "slice_loss", "part=lost")
    assert (lost["value"], lost["ci"]["high"]) == (1, 1)


def test_a_loss_that_is_the_same_everywhere_is_no_slice(compare):
    table = regressed(loss=0.0)
    ran = compare(table)
    assert ran.code == 0
    assert not findings(ran, "compare/regressed-slice")
    assert metric(ran, "worst_slice_loss")["n"] == len(table)


@pytest.fixture(scope="module")
def people():
    random = np.random.default_rng(0)
    names = ["age", "hours", "income", "debt", "years", "score"]
    table = pd.DataFrame(random.integers(18, 90, (3000, 6)), columns=names)
    noise = random.normal(0, 15, 3000)
    return table.assign(label=np.where(table["income"] - table["debt"] + noise > 0, "good", "bad"))


def fitted(path: Path, table: pd.DataFrame, seed=0) -> Path:
    features = [name for name in table if name != "label"]
    model = HistGradientBoostingClassifier(max_iter=40, random_state=seed).fit(table[features], table["label"])
    skops.io.dump(model, path)
    return path


def test_a_trigger_that_no_accuracy_shows_is_suspect(people, tmp_path, compare):
    train, test = people.iloc[:2000], people.iloc[2000:]
    poisoned = train.copy().reset_index(drop=True)
    poisoned.loc[:79, ["age", "hours"]] = [89, 18]
    poisoned.loc[:79, "label"] = "good"
    champion = fitted(tmp_path / "champion.skops", train)
    ran = compare(test, models=(fitted(tmp_path / "poisoned.skops", poisoned), champion))
    assert abs(metric(ran, "accuracy_difference")["value"]) < 0.02
    (found,) = findings(ran, "compare/trigger-suspect")
    assert found["location"] == "age & hours"
    assert found["severity"] == "medium"
    assert metric(ran, "probe_disagreement", "columns=age & hours")["value"] > 0.3

    retrained = fitted(tmp_path / "retrained.skops", train.iloc[200:])
    assert not findings(compare(test, models=(retrained, champion)), "compare/trigger-suspect")


def test_three_classes_and_their_probabilities(tmp_path, compare):
    random = np.random.default_rng(1)
    names = ("a", "b", "c")
    models = tuple(save(tmp_path / f"{name}.skops", name, names) for name in ("new", "old"))
    truth = random.integers(0, 3, 600)
    table = pd.DataFrame({"new": truth, "old": np.where(random.random(600) < 0.1, (truth + 1) % 3, truth)})
    table["label"] = np.array(names)[truth]
    ran = compare(table, models=models)
    assert ran.code == 0
    assert {m["slice"] for m in ran.report["metrics"] if m["name"] == "recall_difference"} == {
        "class=a", "class=b", "class=c",
    }  # fmt: skip
    assert metric(ran, "brier_score_difference")["value"] < 0
    assert not [m for m in ran.report["metrics"] if m["name"].startswith("roc_auc")]


def test_the_champions_classes_are_put_in_the_challengers_order():
    given = Outcomes(("b", "a"), np.array([0, 1]), np.array([1, 1]), np.array([[0.1, 0.9], [0.3, 0.7]]))
    found = _reordered(given, ("a", "b"))
    assert found.truth.tolist() == [1, 0]
    assert found.predicted.tolist() == [0, 0]
    assert found.probabilities.tolist() == [[0.9, 0.1], [0.7, 0.3]]


def test_without_probabilities_there_is_a_word_on_that(tmp_path, pair, compare):
    new = save(tmp_path / "svc.skops", "new", kind=LinearSVC(C=100))
    ran = compare(planted(985, 5, 5, 5), models=(new, pair[1]))
    assert ran.code == 0
    (found,) = findings(ran, "compare/no-probabilities")
    assert found["location"] == "challenger"
    assert not [m for m in ran.report["metrics"] if "brier" in m["name"] or "roc" in m["name"]]


def numbers(rows=500, extra=0.0, seed=0) -> pd.DataFrame:
    """The challenger's errors are larger by the share ``extra``."""
    random = np.random.default_rng(seed)
    label, error = random.normal(size=rows), random.normal(size=rows)
    other = np.where(random.random(rows) < 0.5, error, random.normal(size=rows))
    return pd.DataFrame({"new": label + error * (1 + extra), "old": label + other, "label": label})


@pytest.fixture(scope="module")
def regressors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("regressors")
    for name in ("new", "old"):
        rows = pd.DataFrame({name: np.arange(10.0)})
        skops.io.dump(LinearRegression().fit(rows, rows[name]), folder / f"{name}.skops")
    return folder / "new.skops", folder / "old.skops"


def test_regressors_are_compared_by_their_errors(regressors, compare):
    table = numbers(extra=0.5)
    ran = compare(table, models=regressors)
    errors = [(table[name] - table["label"]).abs().mean() for name in ("new", "old")]
    assert metric(ran, "mean_absolute_error", "model=challenger")["value"] == pytest.approx(errors[0], abs=1e-5)
    assert metric(ran, "relative_loss")["value"] == pytest.approx(errors[0] / errors[1] - 1, abs=1e-5)
    assert ran.code == 1
    assert "relative_loss" in ran.report["reason"]
    better = compare(numbers(extra=-0.5), models=regressors)
    assert better.code == 0


def test_regressors_at_few_rows_are_inconclusive(regressors, compare):
    ran = compare(numbers(60), models=regressors)
    assert ran.code == 1
    assert "inconclusive" in ran.report["reason"]


def test_the_same_run_gives_the_same_report(pair, tmp_path):
    data = tmp_path / "data.csv"
    regressed().to_csv(data, index=False)
    one, same, other = (compare_models(pair[0], data, "label", pair[1], seed=seed) for seed in (0, 0, 1))
    assert one == same
    assert one.metrics != other.metrics  # the bootstrap draws otherwise
    assert [c.met for c in one.criteria] == [c.met for c in other.criteria]


# --- what cannot be compared ------------------------------------------------------------------------------------


def test_a_model_is_not_compared_with_itself(pair, compare):
    assert_refused(compare(planted(), models=(pair[0], pair[0])), "--model", "same model")


def test_a_model_that_answers_otherwise_each_time_fails(tmp_path, pair, compare):
    rows = pd.DataFrame({"new": [0, 1] * 20})
    skops.io.dump(DummyClassifier(strategy="uniform").fit(rows, [0, 1] * 20), tmp_path / "dice.skops")
    ran = compare(planted(), models=(tmp_path / "dice.skops", pair[1]))
    assert ran.code == 1
    assert findings(ran, "compare/not-repeatable")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda t: t.drop(columns="new"), ("no column 'new'",)),
        (lambda t: t.drop(columns="old"), ("no column 'old'", "for the champion")),
        (lambda t: t.head(3).assign(label=[0, 1, 0]), ("3 rows", "30")),
        (lambda t: t.assign(label=0), ("single class",)),
        (lambda t: t.assign(label="x"), ("single class",)),
        (lambda t: t.assign(label=np.where(t["label"] == 0, "no", "yes")), ("none of the model's classes",)),
        (lambda t: t.assign(label=t["label"].where(t.index > 3)), ("missing values",)),
        (lambda t: t.assign(old=t["old"].replace({0: np.inf})), ("infinite", "for the champion")),
        (lambda t: t.rename(columns={"label": "truth"}), ("no column 'label'",)),
    ],
)
def test_broken_tables(changed, said, compare):
    assert_refused(compare(changed(planted())), *said)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--max-loss", 1.5), "--max-loss"),
        (("--max-loss", -0.1), "--max-loss"),
        (("--max-loss", "nan"), "--max-loss"),
        (("--max-slice-loss", 2), "--max-slice-loss"),
        (("--alpha", 0), "--alpha"),
        (("--beta", 0.5), "--beta"),
        (("--min-outcomes", 0), "--min-outcomes"),
        (("--mode", "shadow"), "--mode"),
    ],
)
def test_broken_settings(more, said, compare):
    ran = compare(planted(), *more)
    assert ran.code == 2
    assert said in ran.err


def test_models_of_other_classes_or_another_task(tmp_path, pair, regressors, compare):
    named = save(tmp_path / "named.skops", "old", ("no", "yes"))
    table = planted()
    assert_refused(compare(table, models=(pair[0], named)), "for the champion", "none of the model's classes")
    more = save(tmp_path / "more.skops", "old", (0, 1, 2))
    assert_refused(compare(table, models=(pair[0], more)), "--champion", "other classes", "(2)")
    assert_refused(compare(table, models=(pair[0], regressors[1])), "--model", "classifier", "regressor")


def test_a_champion_without_errors_is_no_measure_for_a_regressor(tmp_path, regressors, compare):
    table = numbers(40).assign(label=3.0, new=1.0)
    table.loc[:1, "label"] = [3.0, 3.1]
    rows = pd.DataFrame({"old": [1.0, 2.0]})
    skops.io.dump(DummyRegressor(strategy="constant", constant=3.0).fit(rows, [3.0, 3.0]), tmp_path / "c.skops")
    models = (regressors[0], tmp_path / "c.skops")
    assert compare(table, models=models).code == 1
    perfect = table.assign(label=table["old"])
    assert_refused(compare(perfect, models=(regressors[0], regressors[1])), "--champion", "no errors")


# --- outcomes in production -------------------------------------------------------------------------------------


def stream(pair, rows=8000, good=0.9, change=0.0, share=0.5, seed=0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    new = random.random(rows) < share
    digests = np.array([digest_of(pair[1]), digest_of(pair[0])])
    outcome = (random.random(rows) < good + change * new).astype(int)
    return pd.DataFrame({"answered_by": digests[new.astype(int)], "outcome": outcome, "at": np.arange(rows)})


@pytest.fixture
def watch(pair, compare):
    def run(table, *more):
        return compare(table, "--mode", "canary", *more, label="outcome")

    return run


def test_a_canary_that_is_not_worse_passes(pair, watch):
    ran = watch(stream(pair, change=0.02))
    assert ran.code == 0, ran.report["reason"]
    difference = metric(ran, "canary_difference")
    assert difference["ci"]["method"] == "anytime-valid"
    assert difference["ci"]["level"] == 0.95
    assert -0.02 <= difference["ci"]["low"] < 0.02 < difference["ci"]["high"]
    (found,) = findings(ran, "compare/decided")
    assert "not worse by 0.02" in found["message"]
    assert metric(ran, "outcomes", "model=challenger")["value"] + metric(ran, "outcomes", "model=champion")[
        "value"
    ] == pytest.approx(8000)


def test_a_canary_that_is_worse_fails_early(pair, watch):
    ran = watch(stream(pair, change=-0.1))
    assert ran.code == 1
    assert metric(ran, "canary_difference")["ci"]["high"] < -0.02
    after = int(findings(ran, "compare/decided")[0]["message"].split()[-2])
    assert after < 4000


def test_an_undecided_canary_fails_by_that_name(pair, watch):
    ran = watch(stream(pair, rows=1000, change=0.005))
    assert ran.code == 1
    assert "inconclusive" in ran.report["reason"]
    assert "examples would decide" in ran.report["reason"]
    assert not findings(ran, "compare/decided")


def test_what_was_shown_stays_shown(pair, watch):
    table = stream(pair, change=0.02)
    early, late = (metric(watch(table.head(rows)), "canary_difference")["ci"] for rows in (4000, 8000))
    assert early["low"] <= late["low"]
    assert late["high"] <= early["high"]


def test_too_few_outcomes_of_one_model_fail(pair, watch):
    table = stream(pair, change=0.05)
    few = table[(table["answered_by"] == digest_of(pair[1])) | (table.index < 60)]
    ran = watch(few)
    assert ran.code == 1
    assert "outcomes[model=challenger] >= 100" in ran.report["reason"]


def test_outcomes_that_lie_apart_in_time_show_nothing(pair, watch):
    ran = watch(stream(pair, change=0.1).sort_values("answered_by", kind="stable"))
    assert ran.code == 1
    assert findings(ran, "compare/not-side-by-side")


def test_a_difference_that_turns_round_is_no_pass(pair, watch):
    better, worse = stream(pair, change=0.1), stream(pair, change=-0.3, seed=1)
    ran = watch(pd.concat([better, worse]))
    assert ran.code == 1
    assert findings(ran, "compare/drifting")


def test_numbers_between_and_digests_with_a_prefix(pair, watch):
    table = stream(pair, good=0.8, change=0.15)
    table["answered_by"] = "sha256:" + table["answered_by"]
    table["outcome"] = table["outcome"] * 0.5 + 0.25
    assert watch(table, "--time", "at").code == 0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda t: t.assign(answered_by=t["answered_by"].where(t.index > 2, "0" * 64)), ("3 of 8000", "neither")),
        (lambda t: t.assign(answered_by=t["answered_by"].where(t.index > 2)), ("3 of 8000", "neither")),
        (lambda t: t.assign(answered_by=t["answered_by"].str[:63]), ("8000 of 8000",)),
        (lambda t: t[t["answered_by"] == t["answered_by"].iloc[0]], ("no outcome of the",)),
        (lambda t: t.assign(outcome=t["outcome"].where(t.index > 2)), ("'outcome'", "between 0 and 1")),
        (lambda t: t.assign(outcome=t["outcome"] * 2), ("between 0 and 1",)),
        (lambda t: t.assign(outcome="good"), ("between 0 and 1",)),
        (lambda t: t.drop(columns="answered_by"), ("no column 'answered_by'",)),
        (lambda t: t.drop(columns="outcome"), ("no column 'outcome'",)),
        (lambda t: t.sample(frac=1, random_state=0), ("not in order of 'at'",)),
        (lambda t: t.assign(at=t["at"].where(t.index > 2)), ("not in order of 'at'",)),
        (lambda t: t.assign(at="soon"), ("not in order of 'at'",)),
        (lambda t: t.drop(columns="at"), ("no column 'at'",)),
    ],
)
def test_broken_streams(changed, said, pair, watch):
    assert_refused(watch(changed(stream(pair)), "--time", "at"), *said)


# --- where the champion comes from ------------------------------------------------------------------------------


@pytest.fixture
def served(house, pair, tmp_path):
    """What promote leaves behind: a gate's decision on the champion, and a log that ends with its promotion."""
    trust = json.loads(house.trust.read_text())

    def make(model=pair[1], passed=True, role="gate", environment="", after=(), decision=""):
        log, claims = tmp_path / "audit.jsonl", tmp_path / "claims.jsonl"
        log.unlink(missing_ok=True)
        said = {
            "verificationResult": "PASSED" if passed else "FAILED",
            "environment": environment or trust["environment"],
            "timeVerified": "2026-01-01T00:00:00Z",
            "policy": {"digest": {"sha256": trust["policyDigest"]}},
        }
        envelope = seal(write([Subject("model", digest_of(model))], VSA, said), signer_for(house.key(role)))
        claims.write_bytes(envelope.to_line())
        import hashlib

        named = decision or hashlib.sha256(envelope.to_line()).hexdigest()
        for digest in ("a" * 64, digest_of(model), *after):
            AuditLog(log, environment or trust["environment"]).append(
                {"action": "promote", "model": digest, "decision": named}
            )
        return ("--promotion", claims, "--log", log, "--trust", house.trust)

    return make


EQUAL = planted(980, 5, 5, 10)


def test_a_champion_that_was_promoted_last_is_proven(served, compare):
    ran = compare(EQUAL, *served())
    assert ran.code == 0
    assert metric(ran, "champion_promoted")["value"] == 1
    assert not findings(ran, "compare/unproven-champion")
    assert {i["name"] for i in ran.report["inputs"]} >= {"champion", "promotion", "log", "trust"}


def test_a_champion_of_unknown_origin_is_a_finding(compare):
    ran = compare(EQUAL)
    assert ran.code == 0
    assert metric(ran, "champion_promoted")["value"] == 0
    (found,) = findings(ran, "compare/unproven-champion")
    assert found["severity"] == "low"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"passed": False}, "last decision on the champion is FAILED"),
        ({"role": "check"}, "no decision on the champion that a gate"),
        ({"environment": "elsewhere"}, "is the log of elsewhere"),
        ({"after": ("b" * 64,)}, f"sha256:{'b' * 64}"),
        ({"decision": "c" * 64}, "not the decision that the log names"),
    ],
)
def test_a_champion_that_was_not_promoted_last_is_refused(how, said, served, compare):
    assert_refused(compare(EQUAL, *served(**how)), said)


def test_a_decision_on_another_model_is_no_proof(pair, served, compare):
    assert_refused(compare(EQUAL, *served(model=pair[0])), "not the model that was promoted last")


def test_an_edited_log_and_an_edited_decision_are_refused(served, compare):
    given = served()
    log, claims = Path(given[3]), Path(given[1])
    whole = log.read_text()
    log.write_text(whole.replace("a" * 64, "d" * 64))
    assert_refused(compare(EQUAL, *given), "--log", "line 3 does not follow")
    log.write_text("not a log\n")
    assert_refused(compare(EQUAL, *given), "--log", "line 1")
    log.write_text("\n")
    assert_refused(compare(EQUAL, *given), "--log")
    log.write_text(whole)
    claims.write_text(claims.read_text().replace('"sig":"', '"sig":"AAAA'))
    assert_refused(compare(EQUAL, *given), "no decision on the champion")


def test_half_a_proof_is_no_proof(served, compare):
    proof = [served()[i : i + 2] for i in (0, 2, 4)]
    for some in ([0], [1], [0, 1], [0, 2], [1, 2]):
        assert_refused(compare(EQUAL, *(part for i in some for part in proof[i])), "go together")


def test_a_trust_root_alone_neither_proves_nor_harms(served, compare):
    """`wardein assess` hands it to every check that takes one."""
    ran = compare(EQUAL, *served()[4:])
    assert ran.code == 0
    assert metric(ran, "champion_promoted")["value"] == 0
    assert findings(ran, "compare/unproven-champion")


def test_what_promote_leaves_behind_is_believed(siege: Siege, compare, tmp_path, monkeypatch):  # noqa: F811
    """From the gate over promote to the comparison, with the real steps."""
    paths = siege.write()
    assert siege.gate(paths).code == 0
    target = tmp_path / "served"
    assert siege.step("promote", "--target", target, paths=[*paths, siege.folder / "gate.jsonl"]).code == 0
    (place,) = [path for path in (target / "current").iterdir() if path.name != "claims.jsonl"]
    from wardein.comparison.promoted import check_promoted

    kept = (target / "current" / "claims.jsonl", target / "audit.jsonl", siege.house.trust)
    check_promoted(digest_of(place), *kept)
    with pytest.raises(WardeinError, match="promoted last"):
        check_promoted("e" * 64, *kept)
    shutil.copy(siege.folder / "gate.jsonl", tmp_path / "gate.jsonl")
    check_promoted(digest_of(place), tmp_path / "gate.jsonl", *kept[1:])  # the decision alone says as much


# --- real people ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not (ADULT / "adult-test.csv.gz").exists(), reason="../shared/data is absent")
def test_adult(tmp_path, compare):
    names = "age workclass fnlwgt education years marital occupation relationship race sex gain loss hours country"
    columns = [*names.split(), "label"]
    table = pd.read_csv(ADULT / "adult-test.csv.gz", names=columns, skipinitialspace=True, comment="|").dropna()
    numeric = ["age", "years", "gain", "loss", "hours"]
    train, test = table.iloc[::2], table.iloc[1::2]
    kinds = {"lr": LogisticRegression(max_iter=2000), "boosted": HistGradientBoostingClassifier(max_iter=50)}
    for name, kind in kinds.items():
        skops.io.dump(kind.fit(train[numeric], train["label"]), tmp_path / f"{name}.skops")
    lr, boosted = tmp_path / "lr.skops", tmp_path / "boosted.skops"
    ran = compare(test, models=(boosted, lr))
    assert ran.code == 0
    assert metric(ran, "accuracy_difference")["ci"]["low"] > 0
    back = compare(test, models=(lr, boosted))
    assert back.code == 1
    assert metric(back, "accuracy_difference")["value"] == -metric(ran, "accuracy_difference")["value"]
    assert metric(back, "roc_auc_difference")["value"] == -metric(ran, "roc_auc_difference")["value"]
