# SPDX-License-Identifier: Apache-2.0
"""How verdicts come about, and that reports survive their JSON form."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import wardein
from wardein import wire
from wardein.errors import WardeinError
from wardein.report import (
    Coverage,
    Criterion,
    Finding,
    Input,
    Interval,
    Metric,
    Report,
    Severity,
    Skipped,
    Tool,
    Verdict,
    conclude,
    could_not_look,
)
from wardein.subject import Subject

SCHEMA = json.loads((Path(wardein.__file__).parent / "report.schema.json").read_text())
FULL = Coverage("rows", 10, 10)
HIGH = Finding("r", Severity.HIGH, "bad")
ACCURACY = Metric("accuracy", 0.8, 100, ci=Interval(0.71, 0.87))


def test_a_pass_that_judged_nothing_says_so_until_somebody_judges() -> None:
    metric = Metric("accuracy", 0.9, 100)
    measured = conclude(coverage=Coverage("rows", 2, 2), metrics=[metric], measures=True)
    assert measured.reason == "2 of 2 rows examined; measured only, as no threshold was set"
    assert measured.judged_by([]).reason == measured.reason
    assert measured.judged_by([Criterion("accuracy", ">=", 0.5)]).reason == "2 of 2 rows examined"
    assert conclude(coverage=Coverage("rows", 2, 2), metrics=[metric]).reason == "2 of 2 rows examined"


def test_pass_needs_full_coverage_and_nothing_against_it() -> None:
    assert conclude(coverage=FULL).verdict is Verdict.PASS


@pytest.mark.parametrize(
    "coverage",
    [
        Coverage("rows", 10, 9),
        Coverage("rows", 0, 0),
        Coverage("rows", 10, 10, (Skipped("x", "y"),)),
        Coverage("rows", 10, 11),
    ],
)
def test_incomplete_coverage_is_an_error_and_keeps_the_findings(coverage: Coverage) -> None:
    report = conclude(coverage=coverage, findings=[HIGH])
    assert report.verdict is Verdict.ERROR
    assert report.findings == (HIGH,)


def test_a_failing_finding_fails_and_one_for_information_does_not() -> None:
    assert conclude(coverage=FULL, findings=[HIGH]).verdict is Verdict.FAIL
    assert conclude(coverage=FULL, findings=[replace(HIGH, fails=False)]).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("criterion", "met", "note"),
    [
        (Criterion("accuracy", ">=", 0.8), True, ""),
        (Criterion("accuracy", ">=", 0.81), False, "is 0.8"),
        (Criterion("accuracy", ">=", 0.7, "ci_low"), True, ""),
        (Criterion("accuracy", ">=", 0.75, "ci_low"), False, "inconclusive"),
        (Criterion("accuracy", ">=", 0.9, "ci_low"), False, "is 0.8"),
        (Criterion("accuracy", "<=", 0.85, "ci_high"), False, "inconclusive"),
        (Criterion("accuracy", "<=", 0.9, "ci_high"), True, ""),
        (Criterion("accuracy", "<=", 0.75, "ci_low"), True, ""),
        (Criterion("accuracy", ">=", 0.5, min_n=101), False, "only 100 examples"),
        (Criterion("recall", ">=", 0.5), False, "not measured"),
        (Criterion("accuracy", ">=", 0.5, slice="sex=1"), False, "not measured"),
    ],
)
def test_criterion(criterion: Criterion, met: bool, note: str) -> None:
    judged = criterion.judge([ACCURACY])
    assert judged.met is met
    assert note in judged.note


def test_inconclusive_says_how_many_examples_would_decide() -> None:
    note = Criterion("accuracy", ">=", 0.75, "ci_low").judge([ACCURACY]).note
    assert "about 324 examples would decide" in note  # (0.09 / 0.05)^2 * 100


def test_an_interval_demanded_and_absent_is_not_met() -> None:
    judged = Criterion("accuracy", ">=", 0.1, "ci_low").judge([replace(ACCURACY, ci=None)])
    assert judged.met is False


def test_a_metric_given_twice_is_not_met() -> None:
    assert Criterion("accuracy", ">=", 0.1).judge([ACCURACY, ACCURACY]).met is False


@pytest.mark.parametrize(
    ("asked", "looser"),
    [
        (Criterion("a", ">=", 0.7, "point"), False),
        (Criterion("a", ">=", 0.8, "point"), False),
        (Criterion("a", ">=", 0.6, "point"), True),
        (Criterion("a", ">=", 0.7, "ci_low"), False),
        (Criterion("a", ">=", 0.7, "ci_high"), True),
        (Criterion("a", ">=", 0.9, "ci_high"), True),
        (Criterion("a", "<=", 0.7, "point"), True),
    ],
)
def test_looser(asked: Criterion, looser: bool) -> None:
    assert asked.looser_than(Criterion("a", ">=", 0.7, "point")) is looser


def test_a_policy_can_only_make_it_worse() -> None:
    passed = conclude(coverage=FULL, metrics=[ACCURACY])
    assert passed.judged_by([Criterion("accuracy", ">=", 0.9)]).verdict is Verdict.FAIL
    failed = conclude(coverage=FULL, metrics=[ACCURACY], findings=[HIGH])
    assert failed.judged_by([Criterion("accuracy", ">=", 0.1)]).verdict is Verdict.FAIL
    assert could_not_look("x").judged_by([]).verdict is Verdict.ERROR


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_metric_is_finite(value: float) -> None:
    with pytest.raises(WardeinError, match="not a finite number"):
        Metric("a", value, 1)
    with pytest.raises(WardeinError):
        Metric("a", 0.5, 1, ci=Interval(value, 1.0))


# JSON

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 10**9)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
metrics = st.builds(
    Metric, words, numbers, counts, words, st.sampled_from(["higher", "lower", "none"]),
    st.none() | st.builds(Interval, numbers, numbers, st.just(0.95), words), words,
)  # fmt: skip
findings = st.builds(
    Finding,
    words,
    st.sampled_from(Severity),
    words,
    words,
    st.booleans(),
    words,
    words,
    st.lists(words, max_size=2).map(tuple),
)
coverages = st.builds(
    Coverage, words, counts, counts, st.lists(st.builds(Skipped, words, words), max_size=2).map(tuple)
)
reports = st.builds(
    lambda coverage, metrics, findings, tool, item: replace(
        conclude(
            coverage=coverage, metrics=metrics, findings=findings, tools=[tool], criteria=[Criterion("a", ">=", 0.5)]
        ),
        check="evaluate_fairness",
        version="1",
        subject=(Subject("model", "0" * 64),),
        inputs=(item,),
        parameters={"a": [1, "x", 0.5]},
    ),
    coverages,
    st.lists(metrics, max_size=3),
    st.lists(findings, max_size=3),
    st.builds(Tool, words, words, st.just("") | digests, words, words),
    st.builds(Input, words, words, digests, counts, st.none() | counts),
)


@given(reports)
def test_report_survives_json_and_fits_the_schema(report: Report) -> None:
    data = json.loads(json.dumps(wire.to_json(report)))
    Draft202012Validator(SCHEMA).validate(data)
    again = wire.from_json(data, report.subject)
    assert again == report
    assert wire.core(again) == wire.core(report)


@given(reports, st.randoms())
def test_core_knows_no_order_of_metrics_and_findings(report: Report, random: object) -> None:
    metrics, found = list(report.metrics), list(report.findings)
    random.shuffle(metrics)
    random.shuffle(found)
    assert wire.core_sha256(replace(report, metrics=tuple(metrics), findings=tuple(found))) == wire.core_sha256(report)


def test_core_knows_no_clocks_runs_or_paths() -> None:
    report = conclude(coverage=FULL)
    other = replace(report, execution={"started": "x"}, nonce="n", valid_until="v", reason="r", policy_digest="p")
    assert wire.core_sha256(other) == wire.core_sha256(report)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: replace(r, subject=(Subject("model", "1" * 64),)),
        lambda r: replace(r, parameters={"a": 1}),
        lambda r: replace(r, metrics=(ACCURACY,)),
        lambda r: replace(r, findings=(HIGH,)),
        lambda r: replace(r, coverage=Coverage("rows", 11, 11)),
        lambda r: replace(r, verdict=Verdict.FAIL),
        lambda r: replace(r, tools=(Tool("t", "1"),)),
        lambda r: replace(r, inputs=(Input("data", "Dataset", "2" * 64, 1),)),
    ],
)
def test_core_knows_everything_else(change: object) -> None:
    report = conclude(coverage=FULL)
    assert wire.core_sha256(change(report)) != wire.core_sha256(report)


CORPUS = sorted((Path(__file__).parents[1] / "corpus").glob("*.json"))


def test_corpus_is_there() -> None:
    assert CORPUS


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_reports_of_every_past_version_are_still_read(path: Path) -> None:
    """The golden cores stand beside the reports: neither reading nor the core may change for what was once written."""
    kept = json.loads(path.read_text())
    report = wire.from_json(kept["predicate"], [Subject(s["name"], s["digest"]["sha256"]) for s in kept["subject"]])
    assert wire.core_sha256(report) == kept["core"]
