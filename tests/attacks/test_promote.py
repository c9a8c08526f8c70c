# SPDX-License-Identifier: Apache-2.0
"""Promotion without a decision, with another decision, or of other bytes: nothing is copied."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.attacks.conftest import NOW, Siege, deny_rules
from tests.conftest import Ran
from wardein import execute
from wardein.evidence.envelope import seal
from wardein.evidence.keys import signer_for
from wardein.evidence.statement import write
from wardein.evidence.summaries import Summary
from wardein.policy.load import load
from wardein.release import promote as promotion
from wardein.report import VSA, Verdict
from wardein.subject import Copy, Subject, copy_of, digest_of


def promote(siege: Siege, paths: list[Path]) -> Ran:
    shown = [part for name, value in siege.shown.items() for part in (f"--{name}", value)]
    claims = [part for path in paths for part in ("--claims", path)]
    rules = ["--trust", siege.house.trust, "--policy", siege.house.policy, "--nonce", siege.nonce]
    return siege.run_gate("promote", *shown, *claims, *rules, "--target", siege.folder / "served", "--json")


def decided(siege: Siege) -> list[Path]:
    """The evidence, with the decision of a gate that let it through."""
    paths = siege.write()
    assert siege.gate(paths).code == 0
    return [*paths, siege.folder / "gate.jsonl"]


def decision(siege: Siege, role: str = "gate", model: str = "", **changed: object) -> Path:
    """A decision as somebody with this key could write it, in place of the gate's."""
    lines = (siege.folder / "gate.jsonl").read_bytes().splitlines()
    import base64

    statement = json.loads(base64.b64decode(json.loads(lines[1])["payload"]))
    statement["predicate"].update(changed)
    subject = [Subject("model", model or statement["subject"][0]["digest"]["sha256"])]
    path = siege.folder / "forged.jsonl"
    payload = write(subject, VSA, statement["predicate"])
    path.write_bytes(seal(payload, signer_for(siege.house.key(role))).to_line())
    return path


def assert_nothing_served(siege: Siege) -> None:
    assert not (siege.folder / "served").exists()


def test_what_was_decided_is_promoted(siege: Siege) -> None:
    ran = promote(siege, decided(siege))
    assert ran.code == 0, ran.err
    served, digest = siege.folder / "served", digest_of(siege.shown["model"])
    assert (served / "current").readlink() == Path(digest)
    assert (served / "current" / "model.skops").read_bytes() == siege.shown["model"].read_bytes()
    assert len((served / "current" / "claims.jsonl").read_bytes().splitlines()) == 8
    opened, promoted = map(json.loads, (served / "audit.jsonl").read_bytes().splitlines())
    assert (opened["environment"], promoted["model"], promoted["tier"]) == ("dev", digest, "standard")
    assert not [path for path in served.iterdir() if path.name.startswith(".")]


def test_the_audit_log_is_a_chain(siege: Siege) -> None:
    paths = decided(siege)
    assert promote(siege, paths).code == promote(siege, paths).code == 0
    _, first, second = (siege.folder / "served" / "audit.jsonl").read_bytes().splitlines()
    assert json.loads(second)["previous"] == hashlib.sha256(first).hexdigest()


def test_nothing_is_promoted_into_a_store_whose_log_was_edited(siege: Siege) -> None:
    paths = decided(siege)
    log = siege.folder / "served" / "audit.jsonl"
    log.parent.mkdir()
    log.write_text('{"action": "promote", "previous": "edited"}\n')
    ran = promote(siege, paths)
    assert ran.code == 2
    assert "the log was edited" in ran.one_line
    assert not (siege.folder / "served" / "current").exists()


def test_no_decision(siege: Siege) -> None:
    ran = promote(siege, siege.write())
    assert ran.code == 1
    assert deny_rules(ran) == {"promote/decision"}
    assert_nothing_served(siege)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"verificationResult": "FAILED"}, "is FAILED"),
        ({"nonce": "run-0"}, "no decision"),
        ({"policy": {"digest": {"sha256": "0" * 64}}}, "no decision"),
        ({"timeVerified": (NOW - timedelta(hours=25)).strftime("%Y-%m-%dT%H:%M:%SZ")}, "too old"),
        ({"timeVerified": (NOW + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")}, "from the future"),
        ({"timeVerified": "yesterday"}, "too old"),
        ({"restsOn": []}, "not the evidence"),
        ({"approvals": [{"sha256": "1" * 64}]}, "not the evidence"),
        ({"model": "1" * 64}, "no decision"),
        ({"environment": "prod"}, "no decision"),
        ({"tier": "low"}, "no decision"),
        ({"role": "check"}, "no decision"),
        ({"role": "train"}, "no decision"),
    ],
)
def test_another_decision(changed: dict, message: str, siege: Siege) -> None:
    paths = decided(siege)[:-1]
    ran = promote(siege, [*paths, decision(siege, **changed)])
    assert ran.code == 1, ran.err
    # A decision signed by a key without the role is a claim that nobody can believe, and denied as such as well.
    assert deny_rules(ran) - {"gate/unreadable"} == {"promote/decision"}
    assert message in next(f["message"] for f in ran.report["findings"] if f["ruleId"] == "promote/decision")
    assert_nothing_served(siege)


def test_a_later_refusal_outweighs_an_earlier_pass(siege: Siege) -> None:
    paths = decided(siege)
    later = (NOW + timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    ran = promote(siege, [*paths, decision(siege, verificationResult="FAILED", timeVerified=later)])
    assert deny_rules(ran) == {"promote/decision"}


def test_evidence_exchanged_after_the_decision(siege: Siege) -> None:
    paths = decided(siege)
    siege.alter("evaluate_fairness", reason="another, equally good report")
    paths[:-1] = siege.write()
    ran = promote(siege, paths)
    assert deny_rules(ran) == {"promote/decision"}
    assert_nothing_served(siege)


def test_promotion_verifies_everything_again(siege: Siege) -> None:
    """A decision cannot stand in for evidence: a task marked green by hand promotes nothing."""
    siege.alter("evaluate_fairness", verdict=Verdict.FAIL)
    paths = siege.write()
    assert siege.gate(paths).code == 1
    forged = decision(siege, verificationResult="PASSED")
    ran = promote(siege, [*paths, forged])
    assert ran.code == 1
    assert "gate/not-passed" in deny_rules(ran)
    assert_nothing_served(siege)


def test_a_model_swapped_while_it_is_copied(siege: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    def swapping(source: Path, folder: Path) -> Copy:
        if source == siege.shown["model"]:
            source.write_bytes(b"evil")
        return copy_of(source, folder)

    paths = decided(siege)
    monkeypatch.setattr(execute, "copy_of", swapping)
    ran = promote(siege, paths)
    assert ran.code == 1
    assert "gate/other-subject" in deny_rules(ran)
    assert_nothing_served(siege)


def test_a_served_model_that_was_tampered_with_is_not_made_current_again(siege: Siege) -> None:
    paths = decided(siege)
    assert promote(siege, paths).code == 0
    (siege.folder / "served" / "current" / "model.skops").write_bytes(b"evil")
    ran = promote(siege, paths)
    assert ran.code == 2
    assert "no longer holds the model" in ran.one_line


def test_something_else_at_the_place_of_the_link_is_left_alone(siege: Siege) -> None:
    paths = decided(siege)
    (siege.folder / "served" / "current").mkdir(parents=True)
    ran = promote(siege, paths)
    assert ran.code == 2
    assert "is in the way" in ran.one_line
    assert [path.name for path in (siege.folder / "served").iterdir()] == ["current"]


def test_a_target_that_cannot_be_written_to(siege: Siege) -> None:
    paths = decided(siege)
    (siege.folder / "served").write_bytes(b"a file")
    ran = promote(siege, paths)
    assert ran.code == 2
    assert "cannot be written to" in ran.one_line


def test_steps_of_the_decision_guard_what_they_say(siege: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its own step, a promotion without a decision would go through."""
    paths = siege.write()
    siege.gate(paths)
    monkeypatch.setattr(promotion, "_is_decided", lambda *arguments: [])
    monkeypatch.setattr(
        promotion,
        "_decided",
        lambda *arguments: Summary("", True, "", "", "", "", NOW, frozenset(), frozenset(), "", {}),
    )
    assert promote(siege, paths).code == 0
    assert load(siege.house.policy).name == "baseline"
