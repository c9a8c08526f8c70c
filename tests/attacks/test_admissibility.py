# SPDX-License-Identifier: Apache-2.0
"""Evidence of another release, another run or another day."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.attacks.conftest import NOW, Attack, Siege, assert_stopped_by_its_step, deny_rules, moment
from tests.conftest import Ran
from wardein.report import Input
from wardein.subject import Subject, digest_of


def swap_model(siege: Siege) -> None:
    siege.shown["model"].write_bytes(b"another model")
    digest = digest_of(siege.shown["model"])
    # All else speaks of the swapped model, so that only the step under test stands in the way.
    for check, report in siege.reports.items():
        inputs = tuple(replace(i, digest=digest) if i.name in ("model", "artifact") else i for i in report.inputs)
        subject = report.subject[0]
        about = digest if subject.name in ("model", "artifact") and check != "evaluate_fairness" else subject.digest
        siege.alter(check, subject=(Subject(subject.name, about),), inputs=inputs)


def read(siege: Siege, check: str, name: str) -> None:
    """Let a check have read something of the author's choice."""
    others = tuple(item for item in siege.reports[check].inputs if item.name != name)
    siege.alter(check, inputs=(*others, Input(name, name, "1" * 64, 10)))


def evaluate_on_other_data(siege: Siege) -> None:
    read(siege, "evaluate_robustness", "data")


def set_the_scale_of_the_attack(siege: Siege) -> None:
    read(siege, "evaluate_robustness", "reference")


def bring_a_suite(siege: Siege) -> None:
    read(siege, "validate_data", "suite")


def bring_a_database(siege: Siege) -> None:
    read(siege, "scan_image", "database")


def verify_against_another_trust_root(siege: Siege) -> None:
    read(siege, "verify_artifact", "trust")


def hide_the_image(siege: Siege) -> None:
    del siege.shown["image"]
    siege.alter("scan_image", inputs=())


def be_of_another_version(siege: Siege) -> None:
    siege.alter("evaluate_fairness", version="0.0.1")


def replay(siege: Siege) -> None:
    siege.alter("evaluate_fairness", nonce="run-0")


def be_stale(siege: Siege) -> None:
    siege.alter("evaluate_fairness", execution={"finished": moment(NOW - timedelta(hours=25))})


def come_from_the_future(siege: Siege) -> None:
    siege.alter("evaluate_fairness", execution={"finished": moment(NOW + timedelta(hours=2))})


def have_no_date(siege: Siege) -> None:
    siege.alter("evaluate_fairness", execution={})


def have_an_end_but_no_date(siege: Siege) -> None:
    siege.alter("evaluate_fairness", execution={}, valid_until=moment(NOW + timedelta(hours=1)))


def have_an_end_that_is_no_date(siege: Siege) -> None:
    siege.alter("evaluate_fairness", valid_until="for ever")


def have_expired(siege: Siege) -> None:
    siege.alter("evaluate_fairness", valid_until=moment(NOW - timedelta(minutes=1)))


ATTACKS = [
    Attack("swap the model", swap_model, "gate/other-subject", "_is_of_this_release"),
    Attack("evaluate on other data", evaluate_on_other_data, "gate/other-input", "_is_of_shown_inputs"),
    Attack("set the attack's scale", set_the_scale_of_the_attack, "gate/other-input", "_is_of_shown_inputs"),
    Attack("bring a suite", bring_a_suite, "gate/input-not-shown", "_is_of_shown_inputs"),
    Attack("bring a database", bring_a_database, "gate/input-not-shown", "_is_of_shown_inputs"),
    Attack("another trust root", verify_against_another_trust_root, "gate/other-input", "_is_of_shown_inputs"),
    Attack("be of another version", be_of_another_version, "gate/other-version", "_is_of_this_version"),
    Attack("hide the image", hide_the_image, "gate/subject-not-shown", "_is_of_this_release"),
    Attack("replay another run", replay, "gate/other-run", "_is_of_this_run"),
    Attack("be stale", be_stale, "gate/stale", "_is_fresh"),
    Attack("come from the future", come_from_the_future, "gate/stale", "_is_fresh"),
    Attack("have no date", have_no_date, "gate/stale", "_is_fresh"),
    Attack("have an end but no date", have_an_end_but_no_date, "gate/stale", "_is_fresh"),
    Attack("have an end that is no date", have_an_end_that_is_no_date, "gate/stale", "_is_fresh"),
    Attack("have expired", have_expired, "gate/stale", "_is_fresh"),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_attack(attack: Attack, siege: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_stopped_by_its_step(attack, siege, monkeypatch)


def test_a_decision_that_is_bound_to_a_run_counts_evidence_of_that_run_only(siege: Siege) -> None:
    """--run-id on the gate means what it means on the checks."""
    siege.nonce = ""
    replay(siege)
    assert siege.gate().code == 0
    paths = siege.write()
    claims = [part for path in paths for part in ("--claims", path)]
    shown = [part for name, value in siege.shown.items() for part in (f"--{name}", value)]
    rules = ["--trust", siege.house.trust, "--policy", siege.house.policy, "--json"]
    assert deny_rules(siege.run_gate("gate", *shown, *claims, *rules, "--run-id", "run-1")) == {"gate/other-run"}


def test_only_an_input_that_the_policy_lists_counts(siege: Siege) -> None:
    def listed(digest: str) -> Ran:
        siege.amend(lambda policy: policy["checks"]["evaluate_fairness"].update(inputs={"data": [digest]}))
        return siege.gate()

    assert listed(digest_of(siege.shown["data"])).code == 0
    assert deny_rules(listed("1" * 64)) == {"gate/other-input"}


@pytest.mark.parametrize("check", ["validate_data", "evaluate_fairness", "scan_image", "verify_artifact"])
def test_missing_evidence_denies(check: str, siege: Siege) -> None:
    del siege.reports[check]
    denied = siege.gate()
    assert denied.code == 1
    assert deny_rules(denied) == {"gate/missing"}
    assert [f["location"] for f in denied.report["findings"] if f["fails"]] == [check]


def test_evidence_that_does_not_count_is_told_beside_evidence_that_does(siege: Siege) -> None:
    paths = siege.write()
    siege.alter("evaluate_fairness", nonce="run-0")
    paths[0].write_bytes(paths[0].read_bytes() + siege.lines("evaluate_fairness")[0])
    passed = siege.gate(paths)
    assert passed.code == 0
    assert [f["ruleId"] for f in passed.report["findings"] if "not counted" in f["message"]] == ["gate/other-run"]
