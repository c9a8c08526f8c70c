# SPDX-License-Identifier: Apache-2.0
"""Admissible evidence that says too little, or contradicts itself, or was asked the wrong question."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.attacks.conftest import NOW, Attack, Siege, assert_stopped_by_its_step, deny_rules, moment
from wardein.report import Coverage, Finding, Severity, Skipped, Tool, Verdict

ROBUST, FAIR, PERFORMANCE = "evaluate_robustness", "evaluate_fairness", "evaluate_performance"


def fail(siege: Siege) -> None:
    siege.alter(FAIR, verdict=Verdict.FAIL)


def err(siege: Siege) -> None:
    siege.alter(FAIR, verdict=Verdict.ERROR)


def not_apply(siege: Siege) -> None:
    siege.alter(FAIR, verdict=Verdict.NOT_APPLICABLE)


def look_at_half(siege: Siege) -> None:
    siege.alter(FAIR, coverage=Coverage("rows", 500, 250))


def skip_a_group(siege: Siege) -> None:
    siege.alter(FAIR, coverage=Coverage("rows", 500, 500, (Skipped("sex=2", "too small"),)))


def look_at_nothing(siege: Siege) -> None:
    siege.alter("validate_data", coverage=Coverage("expectations", 0, 0))


def pass_with_a_failing_finding(siege: Siege) -> None:
    siege.alter("verify_artifact", findings=(Finding("signature/changed", Severity.CRITICAL, "changed", "a"),))


def loosen(siege: Siege) -> None:
    asked = tuple(replace(c, threshold=0.9) for c in siege.reports[FAIR].criteria)
    siege.alter(FAIR, criteria=asked)


def loosen_the_bound(siege: Siege) -> None:
    asked = tuple(replace(c, bound="ci_high") for c in siege.reports[ROBUST].criteria)
    siege.alter(ROBUST, criteria=asked)


def be_unfair(siege: Siege) -> None:
    metrics = tuple(replace(m, value=0.6, ci=None) for m in siege.reports[FAIR].metrics)
    siege.alter(FAIR, metrics=metrics, criteria=())


def measure_too_few(siege: Siege) -> None:
    siege.alter(PERFORMANCE, metrics=tuple(replace(m, n=20) for m in siege.reports[PERFORMANCE].metrics))


def hide_the_interval(siege: Siege) -> None:
    siege.alter(
        PERFORMANCE, metrics=tuple(replace(m, ci=None) for m in siege.reports[PERFORMANCE].metrics), criteria=()
    )


def measure_another_thing(siege: Siege) -> None:
    siege.alter(
        ROBUST,
        metrics=tuple(replace(m, slice="attack=worst, epsilon=0.01") for m in siege.reports[ROBUST].metrics),
        criteria=(),
    )


def measure_twice(siege: Siege) -> None:
    metric = siege.reports[PERFORMANCE].metrics[0]
    siege.alter(PERFORMANCE, metrics=(metric, replace(metric, value=0.95)), criteria=())


def tolerate_a_finding(siege: Siege) -> None:
    finding = Finding("CVE-2022-22817", Severity.HIGH, "in pillow", "pillow@9.0.0", fails=False)
    siege.alter("scan_image", findings=(finding,))


def use_an_old_database(siege: Siege) -> None:
    siege.alter("scan_image", tools=(Tool("trivy", "1", db_updated=moment(NOW - timedelta(days=30))),))


def use_a_database_of_tomorrow(siege: Siege) -> None:
    siege.alter("scan_image", tools=(Tool("trivy", "1", db_updated=moment(NOW + timedelta(days=1))),))


def date_one_database_of_two(siege: Siege) -> None:
    fresh = siege.reports["scan_image"].tools[0]
    siege.alter("scan_image", tools=(fresh, Tool("another", "1", db_updated="recently")))


def use_a_database_without_date(siege: Siege) -> None:
    siege.alter("scan_image", tools=(Tool("trivy", "1"),))


def change_the_policy(siege: Siege) -> None:
    path = siege.house.policy / "policy.yaml"
    path.write_text(path.read_text().replace("at_most: 0.10", "at_most: 0.99"))


def attack_less(siege: Siege) -> None:
    siege.alter(ROBUST, parameters={**siege.reports[ROBUST].parameters, "immutable": ["bmi"]})


def try_seeds(siege: Siege) -> None:
    siege.alter(ROBUST, parameters={**siege.reports[ROBUST].parameters, "seed": 7})


def choose_whom_to_be_fair_to(siege: Siege) -> None:
    siege.alter(FAIR, parameters={**siege.reports[FAIR].parameters, "sensitive": ["s1"]})


def pass_a_number_off_as_a_truth(siege: Siege) -> None:
    """1 equals True in Python, and is another setting all the same."""
    siege.alter(FAIR, parameters={**siege.reports[FAIR].parameters, "intersectional": 1})


def not_say_how_it_attacked(siege: Siege) -> None:
    siege.alter(ROBUST, parameters={})


ATTACKS = [
    Attack("attack less", attack_less, "gate/parameter", "_has_pinned_parameters", []),
    Attack("try seeds", try_seeds, "gate/parameter", "_has_pinned_parameters", []),
    Attack("choose whom to be fair to", choose_whom_to_be_fair_to, "gate/parameter", "_has_pinned_parameters", []),
    Attack("a number for a truth", pass_a_number_off_as_a_truth, "gate/parameter", "_has_pinned_parameters", []),
    Attack("not say how", not_say_how_it_attacked, "gate/parameter", "_has_pinned_parameters", []),
    Attack("fail", fail, "gate/not-passed", "_passed", []),
    Attack("err", err, "gate/not-passed", "_passed", []),
    Attack("not apply", not_apply, "gate/not-applicable", "_passed", []),
    Attack("look at half", look_at_half, "gate/contradiction", "_is_consistent", []),
    Attack("skip a group", skip_a_group, "gate/contradiction", "_is_consistent", []),
    Attack("look at nothing", look_at_nothing, "gate/contradiction", "_is_consistent", []),
    Attack("pass with a failing finding", pass_with_a_failing_finding, "gate/contradiction", "_is_consistent", []),
    Attack("loosen a threshold", loosen, "gate/loosened", "_is_not_loosened", []),
    Attack("loosen the bound", loosen_the_bound, "gate/loosened", "_is_not_loosened", []),
    Attack("be unfair", be_unfair, "gate/criterion", "_meets_policy", []),
    Attack("measure too few", measure_too_few, "gate/criterion", "_meets_policy", []),
    Attack("hide the interval", hide_the_interval, "gate/criterion", "_meets_policy", []),
    Attack("measure another thing", measure_another_thing, "gate/criterion", "_meets_policy", []),
    Attack("measure twice", measure_twice, "gate/criterion", "_meets_policy", []),
    Attack("tolerate a finding", tolerate_a_finding, "gate/finding", "_has_no_banned_finding", []),
    Attack("use an old database", use_an_old_database, "gate/database", "_database_is_fresh", []),
    Attack("use a database of tomorrow", use_a_database_of_tomorrow, "gate/database", "_database_is_fresh", []),
    Attack("date one database of two", date_one_database_of_two, "gate/database", "_database_is_fresh", []),
    Attack("use a database without date", use_a_database_without_date, "gate/database", "_database_is_fresh", []),
    Attack("change the policy", change_the_policy, "gate/policy", "_policy_is_pinned", []),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_attack(attack: Attack, siege: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_stopped_by_its_step(attack, siege, monkeypatch)


def test_a_required_setting_that_the_policy_leaves_open_denies(siege: Siege) -> None:
    """Or the run would choose what counts as the label, and whom fairness is about."""
    siege.amend(lambda policy: policy.pop("parameters"))
    denied = siege.gate()
    assert deny_rules(denied) == {"gate/parameter"}
    assert any("'sensitive' must be" in finding["message"] for finding in denied.report["findings"])


def test_thresholds_of_a_run_are_free_where_the_policy_has_its_own(siege: Siege) -> None:
    siege.alter(FAIR, parameters={**siege.reports[FAIR].parameters, "bound": "best"})
    assert siege.gate().code == 0
    siege.alter(FAIR, parameters={**siege.reports[FAIR].parameters, "min_group_size": 5})
    assert deny_rules(siege.gate()) == {"gate/parameter"}


def test_thresholds_of_a_run_are_not_free_where_the_policy_has_none(siege: Siege) -> None:
    """Then it is the run's own thresholds that the verdict rests on."""
    siege.amend(lambda policy: [entry["checks"].get(FAIR, {}).pop("criteria", None) for entry in layers(policy)])
    assert siege.gate().code == 0
    siege.alter(FAIR, parameters={**siege.reports[FAIR].parameters, "bound": "best"})
    assert deny_rules(siege.gate()) == {"gate/parameter"}


def layers(policy: dict[str, Any]) -> list[dict[str, Any]]:
    """The policy and its tiers, wherever checks are listed."""
    return [policy, *policy.get("tiers", {}).values()]


def test_not_applicable_counts_where_the_policy_says_when_and_excuses_nothing_else(siege: Siege) -> None:
    siege.amend(lambda policy: policy["checks"][FAIR].update(not_applicable="it decides about nobody", criteria=[]))
    not_apply(siege)
    assert siege.gate().code == 0
    for verdict in (Verdict.FAIL, Verdict.ERROR):
        siege.alter(FAIR, verdict=verdict)
        assert deny_rules(siege.gate()) == {"gate/not-passed"}


def test_a_tool_without_a_database_needs_no_date(siege: Siege) -> None:
    siege.alter("scan_image", tools=(*siege.reports["scan_image"].tools, Tool("wardein", "1")))
    assert siege.gate().code == 0


def test_an_input_that_the_policy_lists_cannot_be_left_out(siege: Siege) -> None:
    """Or a run would validate with a suite of its own instead of the reviewed reference."""
    siege.amend(lambda policy: policy["checks"]["validate_data"].update(inputs={"reference": ["1" * 64]}))
    denied = siege.gate()
    assert deny_rules(denied) == {"gate/other-input"}
    assert "without the reference" in next(f["message"] for f in denied.report["findings"] if f["fails"])


def test_a_policy_that_names_an_unknown_check_denies(siege: Siege) -> None:
    siege.amend(lambda policy: policy["checks"].update(detect_everything={}))
    assert deny_rules(siege.gate()) == {"gate/unknown-check"}


def test_evidence_of_an_unknown_check_denies(siege: Siege) -> None:
    """A newer checker may have found what this gate cannot judge."""
    siege.reports["detect_everything"] = replace(siege.reports[FAIR], check="detect_everything")
    assert deny_rules(siege.gate()) == {"gate/unknown-check"}


def test_a_tightened_threshold_is_welcome(siege: Siege) -> None:
    siege.alter(FAIR, criteria=tuple(replace(c, threshold=0.10) for c in siege.reports[FAIR].criteria))
    assert siege.gate().code == 0


def test_bad_evidence_beside_good_evidence_still_denies(siege: Siege) -> None:
    """A run that failed cannot be outvoted by another that passed."""
    paths = siege.write()
    siege.alter(FAIR, verdict=Verdict.FAIL)
    path = siege.folder / f"{FAIR}.jsonl"
    path.write_bytes(path.read_bytes() + siege.lines(FAIR)[0])
    assert deny_rules(siege.gate(paths)) == {"gate/not-passed"}


def test_failed_evidence_of_a_check_that_the_policy_does_not_name_denies(siege: Siege) -> None:
    siege.amend(lambda policy: [entry["checks"].pop(ROBUST, None) for entry in layers(policy)])
    siege.alter(ROBUST, parameters={**siege.reports[ROBUST].parameters, "label": "y"})
    assert deny_rules(siege.gate()) <= {"gate/parameter", "gate/input-not-shown"}
    siege.alter(ROBUST, verdict=Verdict.FAIL)
    assert "gate/not-passed" in deny_rules(siege.gate())


def test_failed_evidence_that_no_policy_requires_denies_too(siege: Siege) -> None:
    def change(policy: dict[str, Any]) -> None:
        policy["checks"]["verify_artifact"] = {"required": False}
        del policy["environments"]  # approvals need to know who made the model

    siege.amend(change)
    assert siege.gate().code == 0
    siege.alter("verify_artifact", verdict=Verdict.FAIL)
    assert deny_rules(siege.gate()) == {"gate/not-passed"}
