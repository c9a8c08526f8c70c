# SPDX-License-Identifier: Apache-2.0
"""Evidence of another release, another run or another day."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.attacks.conftest import NOW, Attack, Siege, assert_stopped_by_its_step, deny_rules, moment
from wardein.subject import Subject


def swap_model(siege: Siege) -> None:
    siege.shown["model"].write_bytes(b"another model")
    digest = __import__("wardein.subject", fromlist=["digest_of"]).digest_of(siege.shown["model"])
    # All other evidence is of the swapped model, so that only the step under test stands in the way.
    for check in set(siege.reports) - {"evaluate_fairness", "validate_data", "scan_image"}:
        subject = siege.reports[check].subject[0]
        inputs = tuple(
            replace(i, digest=digest) if i.name in ("model", "artifact") else i for i in siege.reports[check].inputs
        )
        siege.alter(check, subject=(Subject(subject.name, digest),), inputs=inputs)


def evaluate_on_other_data(siege: Siege) -> None:
    inputs = [
        i if i.name == "model" else replace(i, digest="1" * 64) for i in siege.reports["evaluate_robustness"].inputs
    ]
    siege.alter("evaluate_robustness", inputs=tuple(inputs))


def hide_the_image(siege: Siege) -> None:
    del siege.shown["image"]


def replay(siege: Siege) -> None:
    siege.alter("evaluate_fairness", nonce="run-0")


def be_stale(siege: Siege) -> None:
    siege.alter("evaluate_fairness", execution={"finished": moment(NOW - timedelta(hours=25))})


def come_from_the_future(siege: Siege) -> None:
    siege.alter("evaluate_fairness", execution={"finished": moment(NOW + timedelta(hours=2))})


def have_no_date(siege: Siege) -> None:
    siege.alter("evaluate_fairness", execution={})


def have_expired(siege: Siege) -> None:
    siege.alter("evaluate_fairness", valid_until=moment(NOW - timedelta(minutes=1)))


ATTACKS = [
    Attack("swap the model", swap_model, "gate/other-subject", "_is_of_this_release"),
    Attack("evaluate on other data", evaluate_on_other_data, "gate/other-input", "_is_of_this_release"),
    Attack("hide the image", hide_the_image, "gate/subject-not-shown", "_is_of_this_release"),
    Attack("replay another run", replay, "gate/other-run", "_is_of_this_run"),
    Attack("be stale", be_stale, "gate/stale", "_is_fresh"),
    Attack("come from the future", come_from_the_future, "gate/stale", "_is_fresh"),
    Attack("have no date", have_no_date, "gate/stale", "_is_fresh"),
    Attack("have expired", have_expired, "gate/stale", "_is_fresh"),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_attack(attack: Attack, siege: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_stopped_by_its_step(attack, siege, monkeypatch)


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
