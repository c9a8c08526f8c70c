# SPDX-License-Identifier: Apache-2.0
"""What gets looser and what tighter: where nothing does, whatever passes the new policy passes the old one."""

from __future__ import annotations

from itertools import combinations_with_replacement, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wardein.policy.compare import changes
from wardein.policy.policy import ApprovalRules, BreakGlassRules, CheckPolicy, Policy, WaiverRules, fits
from wardein.report import Criterion, Interval, Metric, Severity

SLICES = ["", "a=1", "a=2", "a=1, b=1", "a=*", "*", "a=?", "*=1", "a=1*"]
MEASURED = ["", "a=1", "a=2", "a=1, b=1", "a=3", "a=?"]
CHECKS = ["evaluate_fairness", "scan_image"]
STEP = st.sampled_from([0.0, 0.1, 0.2, 0.3])

criterion = st.builds(
    Criterion,
    metric=st.sampled_from(["m", "k"]),
    comparator=st.sampled_from([">=", "<="]),
    threshold=STEP,
    bound=st.sampled_from(["point", "ci_low", "ci_high"]),
    slice=st.sampled_from(SLICES),
    min_n=st.sampled_from([0, 10]),
    source=st.just("policy"),
)
rules = st.builds(
    CheckPolicy,
    required=st.booleans(),
    criteria=st.lists(criterion, max_size=3).map(tuple),
    fail_severity=st.none() | st.sampled_from(list(Severity)),
    max_age_hours=st.sampled_from([1.0, 24.0]),
    database_max_age_days=st.none() | st.sampled_from([0.0, 7.0]),
    not_applicable=st.sampled_from(["", "no such data"]),
    inputs=st.dictionaries(st.just("reference"), st.sampled_from([(), ("1",), ("2",), ("1", "2")])),
)
policy = st.builds(
    Policy,
    name=st.just("p"),
    digest=st.just(""),
    checks=st.dictionaries(st.sampled_from(CHECKS), rules),
    default_tier=st.sampled_from(["low", "standard", "high"]),
    approvals=st.builds(ApprovalRules, st.integers(0, 2), st.sampled_from([1.0, 24.0])),
    waivers=st.builds(WaiverRules, st.sampled_from([0.0, 30.0]), st.sampled_from(list(Severity))),
    break_glass=st.builds(BreakGlassRules, st.sampled_from([0.0, 4.0]), st.sampled_from([24.0, 72.0])),
)


@st.composite
def metric(draw: st.DrawFn) -> Metric:
    """A metric whose interval, if it has one, holds its value."""
    low, value, high = sorted(draw(st.tuples(STEP, STEP, STEP)))
    ci = draw(st.sampled_from([None, Interval(low, high)]))
    name, part = draw(st.sampled_from(["m", "k"])), draw(st.sampled_from(MEASURED))
    return Metric(name, value, draw(st.sampled_from([5, 10, 20])), ci=ci, slice=part)


METRICS = st.lists(metric(), max_size=6)


def passes(wanted: CheckPolicy | None, measured: list[Metric]) -> bool:
    criteria = wanted.criteria_on(measured) if wanted else ()
    return all(c.judge(measured).met for c in criteria)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(old=rules, new=rules, sets=st.lists(METRICS, min_size=1, max_size=8))
def test_where_nothing_gets_looser_what_passes_the_new_passes_the_old(
    old: CheckPolicy, new: CheckPolicy, sets: list[list[Metric]]
) -> None:
    one, other = (Policy("p", "", {CHECKS[0]: check}) for check in (old, new))
    if any(change.direction != "tighter" for change in changes(one, other)):
        return
    for measured in sets:
        assert passes(old, measured) or not passes(new, measured)


def test_no_demand_is_taken_for_implied_that_is_not() -> None:
    """Every small policy against every other, over every small set of measurements."""
    demands = [
        Criterion("m", "<=", threshold, bound, part, min_n)
        for threshold, bound, part, min_n in product((0.1, 0.2), ("point", "ci_high"), ("a=1", "a=*", "*"), (0, 10))
    ]
    one_metric = [None, *product((0.1, 0.2), (5, 10), (False, True))]
    sets = [
        [
            Metric("m", said[0], said[1], ci=Interval(said[0], said[0] + 0.1) if said[2] else None, slice=part)
            for part, said in zip(("a=1", "a=2", "b=1"), chosen, strict=True)
            if said is not None
        ]
        for chosen in product(one_metric, repeat=3)
    ]
    met = {c: {i for i, found in enumerate(sets) if passes(CheckPolicy(criteria=(c,)), found)} for c in demands}
    implied = 0
    for old, (new, more) in product(demands, combinations_with_replacement(demands, 2)):
        if not any(change.direction != "tighter" for change in changes(demanding(old), demanding(new, more))):
            implied += 1
            assert met[new] & met[more] <= met[old], (old.label, old.min_n, new.label, new.min_n, more.label)
    assert implied > 500


@settings(max_examples=150, deadline=None, derandomize=True)
@given(one=policy, other=policy)
def test_there_and_back(one: Policy, other: Policy) -> None:
    assert changes(one, one) == ()
    opposite = {"looser": "tighter", "tighter": "looser", "other": "other"}
    there, back = changes(one, other), changes(other, one)
    assert sorted(opposite[change.direction] for change in there) == sorted(change.direction for change in back)


def demanding(*criteria: Criterion) -> Policy:
    return Policy("p", "", {"evaluate_fairness": CheckPolicy(criteria=criteria)})


def at_most(threshold: float, part: str = "attribute=*", bound: Any = "point", min_n: int = 0) -> Criterion:
    return Criterion("gap", "<=", threshold, bound, part, min_n, "policy")


@pytest.mark.parametrize(
    ("old", "new", "directions"),
    [
        ([at_most(0.1)], [at_most(0.2)], ["looser"]),
        ([at_most(0.1)], [at_most(0.1, bound="ci_high")], ["tighter"]),
        ([at_most(0.1)], [at_most(0.2, bound="ci_high")], ["other"]),
        ([at_most(0.1, min_n=10)], [at_most(0.1)], ["looser"]),
        ([at_most(0.1)], [at_most(0.1), at_most(0.05, "attribute=sex")], ["tighter"]),
        # One attribute is no longer all of them, and all of them need not be that one.
        ([at_most(0.1)], [at_most(0.1, "attribute=sex")], ["looser", "tighter"]),
        ([at_most(0.1, "attribute=sex")], [at_most(0.1)], ["looser", "tighter"]),
        # The pattern says as much of sex; but it asks for any attribute, not for sex.
        ([at_most(0.1), at_most(0.2, "attribute=sex")], [at_most(0.1)], ["looser"]),
        ([at_most(0.1), at_most(0.1, "attribute=s*")], [at_most(0.1, "attribute=s*"), at_most(0.1)], []),
        ([at_most(0.1, "*")], [at_most(0.1, "*"), at_most(0.1, "attribute=*")], ["tighter"]),
        ([at_most(0.1), at_most(0.3)], [at_most(0.1)], []),
    ],
)
def test_thresholds(old: list[Criterion], new: list[Criterion], directions: list[str]) -> None:
    assert sorted(change.direction for change in changes(demanding(*old), demanding(*new))) == directions


@pytest.mark.parametrize(
    ("old", "new", "direction"),
    [
        (None, (), "tighter"),
        ((), None, "looser"),
        (("1",), ("1", "2"), "looser"),
        (("1", "2"), ("2",), "tighter"),
        (("1", "2"), ("2", "1"), ""),
        # None allowed, and one of a list demanded: what passes one fails the other.
        ((), ("1",), "other"),
        (("1",), (), "other"),
        (("1",), ("2",), "other"),
    ],
)
def test_inputs(old: tuple[str, ...] | None, new: tuple[str, ...] | None, direction: str) -> None:
    one, other = (
        Policy("p", "", {"evaluate_fairness": CheckPolicy(inputs={} if listed is None else {"reference": listed})})
        for listed in (old, new)
    )
    assert [change.direction for change in changes(one, other)] == ([direction] if direction else [])


def test_a_check_that_this_version_does_not_have_denies_by_its_name() -> None:
    """Even where nobody requires it: whoever takes it out of the policy lets more through."""
    unknown = CheckPolicy(required=False)
    one, other = Policy("p", "", {"detect_everything": unknown}), Policy("p", "", {})
    assert [change.direction for change in changes(one, other)] == ["looser"]
    assert [change.direction for change in changes(other, one)] == ["tighter"]
    required = Policy("p", "", {"detect_everything": CheckPolicy()})
    assert [change.direction for change in changes(one, required)] == ["tighter"]


def test_an_optional_check_that_is_left_out_loses_its_thresholds() -> None:
    optional = CheckPolicy(required=False, criteria=(at_most(0.1),), fail_severity=Severity.HIGH)
    found = changes(Policy("p", "", {"evaluate_fairness": optional}), Policy("p", "", {}))
    assert {change.direction for change in found} == {"looser"}
    assert len(found) == 2


def test_the_tier_that_releases_are_judged_by() -> None:
    (found,) = changes(Policy("p", ""), Policy("p", "", default_tier="low"))
    assert (found.direction, found.text) == ("looser", "default_tier: standard -> low")


def test_only_a_star_is_special_in_a_slice() -> None:
    assert fits("a=1", "a=*")
    assert fits("a=[1]", "a=[1]*")
    assert not fits("a=1", "a=[1]*")
    assert not fits("a=12", "a=?*2")
