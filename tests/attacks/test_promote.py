# SPDX-License-Identifier: Apache-2.0
"""Promotion without a decision, with another decision, or of other bytes: nothing is copied."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
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
from wardein.release.audit import AuditLog
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
    assert len((served / "current" / "claims.jsonl").read_bytes().splitlines()) == 9
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


def test_what_is_other_about_a_decision_is_named_and_nothing_else(siege: Siege) -> None:
    paths = decided(siege)[:-1]
    ran = promote(siege, [*paths, decision(siege, nonce="run-0")])
    (said,) = [f["message"] for f in ran.report["findings"] if f["ruleId"] == "promote/decision"]
    assert said.endswith("for this release: the last one is of the run (--nonce) 'run-0'")


def test_a_later_refusal_outweighs_an_earlier_pass(siege: Siege) -> None:
    paths = decided(siege)
    later = (datetime.now(UTC) + timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
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
    def swapping(source: Path, folder: Path, **how: bool) -> Copy:
        if source == siege.shown["model"]:
            source.write_bytes(b"evil")
        return copy_of(source, folder, **how)

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


def place_link(place: Path, model: Path) -> None:
    place.rename(place.with_name("elsewhere"))
    place.symlink_to("elsewhere")


def place_file(place: Path, model: Path) -> None:
    shutil.rmtree(place)
    place.write_text("x")


def place_name(place: Path, model: Path) -> None:
    (place / model.name).rename(place / "model.pkl")


def place_kind(place: Path, model: Path) -> None:
    (place / model.name).unlink()
    (place / model.name).mkdir()
    (place / model.name / model.name).write_bytes(model.read_bytes())


def place_more(place: Path, model: Path) -> None:
    (place / "config.json").write_text("{}")


def place_evidence(place: Path, model: Path) -> None:
    (place / "claims.jsonl").unlink()
    (place / "claims.jsonl").mkdir()


@pytest.mark.parametrize("change", [place_link, place_file, place_name, place_kind, place_more, place_evidence])
def test_what_lies_in_the_place_of_a_model_is_not_made_current(
    change: Callable[[Path, Path], None], siege: Siege
) -> None:
    paths, served = decided(siege), siege.folder / "served"
    assert promote(siege, paths).code == 0
    change(served / digest_of(siege.shown["model"]), siege.shown["model"])
    lines = (served / "audit.jsonl").read_bytes()
    ran = promote(siege, paths)
    assert ran.code == 2
    assert "no longer holds the model" in ran.one_line
    assert (served / "audit.jsonl").read_bytes() == lines


def test_what_the_digest_does_not_bind_is_not_served(siege: Siege) -> None:
    """Executable files and empty folders, added after everything was verified."""
    folder = siege.folder / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "run.sh").write_text("x")
    (folder / "weights").write_bytes(b"w")
    before, siege.shown["model"] = digest_of(siege.shown["model"]), folder
    for check, report in siege.reports.items():
        subject = tuple(Subject(s.name, digest_of(folder) if s.digest == before else s.digest) for s in report.subject)
        inputs = tuple(replace(i, digest=digest_of(folder)) if i.digest == before else i for i in report.inputs)
        siege.alter(check, subject=subject, inputs=inputs)
    paths, current = decided(siege), siege.folder / "served" / "current" / "folder"
    (folder / "sub" / "run.sh").chmod(0o4777)
    (folder / "lib" / "empty").mkdir(parents=True)
    for _ in range(2):
        assert promote(siege, paths).code == 0
        assert sorted(path.relative_to(current).as_posix() for path in current.rglob("*")) == [
            "sub",
            "sub/run.sh",
            "weights",
        ]
        assert (current / "sub" / "run.sh").stat().st_mode & 0o7777 == 0o644
        (current / "sub" / "run.sh").chmod(0o777)
        (current / "more").mkdir()


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


# A refusal, and what tries to make it forgotten


def audited(siege: Siege) -> Path:
    """The store's log, in which the gate notes its decisions."""
    log = siege.folder / "served" / "audit.jsonl"
    log.parent.mkdir(exist_ok=True)
    siege.options = ("--audit", log)
    return log


def test_every_decision_is_noted(siege: Siege) -> None:
    log = audited(siege)
    assert siege.gate().code == 0
    honest = siege.reports["evaluate_fairness"]
    siege.alter("evaluate_fairness", verdict=Verdict.FAIL)
    assert siege.gate().code == 1
    siege.reports["evaluate_fairness"] = honest
    _, passed, failed = map(json.loads, log.read_bytes().splitlines())
    assert (passed["result"], passed["reasons"]) == ("PASSED", "")
    assert (failed["result"], failed["reasons"]) == ("FAILED", "gate/not-passed")
    assert failed["model"] == digest_of(siege.shown["model"])


def test_a_refusal_cannot_be_withheld_from_the_place_that_noted_it(
    siege: Siege, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retry until it passes, then show the pass only: the log knows of the refusal that came after it."""
    audited(siege)
    paths = decided(siege)
    passed = (siege.folder / "gate.jsonl").read_bytes()
    honest = siege.reports["evaluate_fairness"]
    siege.alter("evaluate_fairness", verdict=Verdict.FAIL)
    assert siege.gate().code == 1
    siege.reports["evaluate_fairness"] = honest
    siege.write()
    (siege.folder / "gate.jsonl").write_bytes(passed)
    ran = promote(siege, paths)
    assert deny_rules(ran) == {"promote/decision"}
    assert "later decision on this model: FAILED (gate/not-passed)" in ran.out
    monkeypatch.setattr(promotion, "_is_not_refused", lambda *arguments: [])
    assert promote(siege, paths).code == 0


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({}, 1),
        ({"decided": "later"}, 1),
        ({"model": "1" * 64}, 0),
        ({"nonce": "run-0"}, 0),
        ({"result": "PASSED"}, 0),
        ({"action": "note"}, 0),
    ],
    ids=str,
)
def test_a_refusal_of_another_model_or_run_is_none_of_this_one(other: dict[str, str], code: int, siege: Siege) -> None:
    log = audited(siege)
    paths = decided(siege)
    noted = AuditLog(log, "dev")
    last = [entry.record for entry in noted.entries()][-1]
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    said = {name: text for name, text in last.items() if name not in ("time", "previous")}
    noted.append(said | {"result": "FAILED", "decided": later} | other)
    assert promote(siege, paths).code == code


def test_a_refusal_without_any_decision_beside_it_is_still_a_denial(siege: Siege) -> None:
    audited(siege)
    honest = siege.reports["evaluate_fairness"]
    siege.alter("evaluate_fairness", verdict=Verdict.FAIL)
    assert siege.gate().code == 1
    siege.reports["evaluate_fairness"] = honest
    assert deny_rules(promote(siege, siege.write())) == {"promote/decision"}


def test_a_decision_on_two_models_is_none(siege: Siege) -> None:
    """It would not say which of them it let through."""
    paths = decided(siege)
    statement = json.loads(base64.b64decode(json.loads(paths[-1].read_bytes().splitlines()[1])["payload"]))
    subjects = [Subject("model", statement["subject"][0]["digest"]["sha256"]), Subject("another", "1" * 64)]
    payload = write(subjects, VSA, statement["predicate"])
    paths[-1].write_bytes(seal(payload, signer_for(siege.house.key("gate"))).to_line())
    assert deny_rules(promote(siege, paths)) == {"promote/decision"}
    assert_nothing_served(siege)


@pytest.mark.parametrize("role", ["check", "gate"])
def test_what_only_looks_like_a_decision_is_none(role: str, siege: Siege) -> None:
    """Whoever holds a check key can say anything; only the type of what is said makes it a gate's to say."""
    paths = decided(siege)
    statement = json.loads(base64.b64decode(json.loads(paths[-1].read_bytes().splitlines()[1])["payload"]))
    subject = [Subject("model", statement["subject"][0]["digest"]["sha256"])]
    payload = write(subject, "https://slsa.dev/verification_summary/v0.2", statement["predicate"])
    paths[-1].write_bytes(seal(payload, signer_for(siege.house.key(role))).to_line())
    assert "promote/decision" in deny_rules(promote(siege, paths))
    assert_nothing_served(siege)


def test_a_model_with_the_name_of_the_evidence_is_refused(siege: Siege) -> None:
    """It would be written over by what is kept beside it."""
    named = siege.shown["model"].with_name("claims.jsonl")
    siege.shown["model"].rename(named)
    siege.shown["model"] = named
    ran = promote(siege, decided(siege))
    assert ran.code == 2
    assert "a model cannot be called claims.jsonl" in ran.one_line
    assert not (siege.folder / "served" / "current").exists()


def test_a_pass_after_a_refusal_counts(siege: Siege) -> None:
    audited(siege)
    honest = siege.reports["evaluate_fairness"]
    siege.alter("evaluate_fairness", verdict=Verdict.FAIL)
    assert siege.gate().code == 1
    siege.reports["evaluate_fairness"] = honest
    assert promote(siege, decided(siege)).code == 0


def test_a_store_serves_one_environment(siege: Siege) -> None:
    assert promote(siege, decided(siege)).code == 0
    trust = json.loads(siege.house.trust.read_text())
    siege.house.trust.write_text(json.dumps({**trust, "environment": "staging"}))
    ran = promote(siege, decided(siege))
    assert ran.code == 2
    assert "serves dev, not staging" in ran.one_line


# At the point of use


def serve(siege: Siege, **changed: Path) -> Ran:
    current = siege.folder / "served" / "current"
    given = {"artifact": current / "model.skops", "vsa": current / "claims.jsonl", "trust": siege.house.trust} | changed
    return siege.run_gate("verify-artifact", *(part for k, v in given.items() for part in (f"--{k}", v)), "--json")


def test_whoever_serves_a_model_can_verify_it(siege: Siege) -> None:
    assert promote(siege, decided(siege)).code == 0
    assert serve(siege).code == 0


def test_another_model_is_not_served(siege: Siege) -> None:
    assert promote(siege, decided(siege)).code == 0
    (siege.folder / "served" / "current" / "model.skops").write_bytes(b"evil")
    ran = serve(siege)
    assert ran.code == 1
    assert deny_rules(ran) == {"signature/undecided"}


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"environment": "prod"}, "signature/undecided"),
        ({"policyDigest": "0" * 64}, "signature/undecided"),
        ({"keys": []}, "signature/undecided"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_decision_for_another_place_is_none(changed: dict, rule: str, siege: Siege) -> None:
    assert promote(siege, decided(siege)).code == 0
    trust = json.loads(siege.house.trust.read_text())
    siege.house.trust.write_text(json.dumps({**trust, **changed}))
    assert deny_rules(serve(siege)) == {rule}


def test_a_model_that_was_refused_later_is_not_served(siege: Siege) -> None:
    assert promote(siege, decided(siege)).code == 0
    later = (datetime.now(UTC) + timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    refused = decision(siege, verificationResult="FAILED", timeVerified=later)
    claims = siege.folder / "served" / "current" / "claims.jsonl"
    claims.write_bytes(claims.read_bytes() + refused.read_bytes())
    assert deny_rules(serve(siege)) == {"signature/denied"}


def test_a_model_without_any_evidence_is_an_error(siege: Siege) -> None:
    ran = siege.run_gate("verify-artifact", "--artifact", siege.shown["model"], "--trust", siege.house.trust)
    assert ran.code == 2
    assert "nothing to verify it against" in ran.one_line


def test_a_checkpoint_by_a_key_that_may_not_sign_it_stops_the_promotion(siege: Siege) -> None:
    paths = decided(siege)
    siege.options = ("--auditor", siege.house.key("check"))
    ran = siege.step("promote", "--target", siege.folder / "served", paths=paths)
    assert ran.code == 2
    assert "role audit" in ran.one_line
    assert_nothing_served(siege)
