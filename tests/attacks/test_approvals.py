# SPDX-License-Identifier: Apache-2.0
"""Each way to abuse an approval or a break-glass, and the tiers that they guard."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from tests.attacks.conftest import NOW, Siege, deny_rules, moment
from tests.conftest import Ran
from wardein.evidence.statement import APPROVAL
from wardein.release import approvals, promote
from wardein.report import SIGNER_RULE, Finding, Severity, Verdict
from wardein.subject import digest_of


def told(ran: Ran) -> set[str]:
    return {f["ruleId"] for f in ran.report["findings"] if f["ruleId"].startswith("approval/")}


def approve(siege: Siege, *options: object, key: str = "approve") -> Ran:
    """Approve with the real step; the gate is given what it wrote."""
    path = siege.folder / f"approval-{len(siege.claims)}.jsonl"
    signed = ["--evidence", path, "--key", siege.house.key(key)]
    ran = siege.step("approve", "--justification", "reviewed", *signed, *options)
    siege.claims.append(path)
    return ran


@pytest.fixture
def guarded(siege: Siege) -> Siege:
    """A release under a policy that needs one approval, of a model that the identity ``author`` signed."""

    def change(policy: dict[str, Any]) -> None:
        policy["approvals"] = {"required": 1, "max_age_hours": 24}
        policy["break_glass"] = {"max_hours": 4, "follow_up_hours": 72}
        policy["checks"]["verify_artifact"] = {"required": True}

    siege.amend(change)
    signed = Finding(SIGNER_RULE, Severity.INFO, "signed by train (author)", "train", fails=False)
    siege.alter("verify_artifact", findings=(signed,))
    assert deny_rules(siege.gate()) == {"gate/approvals"}
    return siege


def test_an_approval_lets_the_release_through(guarded: Siege) -> None:
    assert approve(guarded).code == 0
    ran = guarded.gate()
    assert ran.code == 0, ran.report["reason"]
    assert '"identity": "reviewer"' in guarded.run_gate("show", guarded.folder / "gate.jsonl").out
    served = guarded.folder / "served"
    guarded.claims.append(guarded.folder / "gate.jsonl")
    assert guarded.step("promote", "--target", served).code == 0
    assert json.loads((served / "audit.jsonl").read_bytes().splitlines()[-1])["approvers"] == "reviewer"


def test_identities_are_counted_and_not_keys(guarded: Siege) -> None:
    guarded.amend(lambda policy: policy["approvals"].update(required=2))
    guarded.add_key("reviewer-laptop", "reviewer", "approve")
    guarded.add_key("second", "second-reviewer", "approve")
    assert approve(guarded).code == 0
    assert approve(guarded, key="reviewer-laptop").code == 0
    denied = guarded.gate()
    assert deny_rules(denied) == {"gate/approvals"}
    assert "1 of 2 identities" in denied.out
    assert approve(guarded, key="second").code == 0
    assert guarded.gate().code == 0


def test_who_approved_is_whoever_may_and_not_who_signed_first(guarded: Siege) -> None:
    predicate, subject = said(guarded)
    guarded.say(APPROVAL, predicate, subject, "check", "approve")
    assert guarded.gate().code == 0
    shown = guarded.run_gate("show", guarded.folder / "gate.jsonl").out
    assert '"identity": "reviewer"' in shown


def said(siege: Siege) -> tuple[dict[str, Any], str]:
    """What an honest approval says, and of which model."""
    approve(siege)
    path = siege.claims.pop()
    statement = json.loads(base64.b64decode(json.loads(path.read_bytes().splitlines()[1])["payload"]))
    return statement["predicate"], statement["subject"][0]["digest"]["sha256"]


@dataclass(frozen=True)
class Abuse:
    """An approval that must not count: what is wrong with it, the rule that tells, and the step behind it."""

    name: str
    changed: dict[str, Any]
    rule: str
    step: str
    key: str = "approve"
    subject: str = ""

    def __str__(self) -> str:
        return self.name


LATE = {"approvedOn": moment(NOW - timedelta(hours=25)), "validUntil": moment(NOW + timedelta(hours=2))}
OVER = {"approvedOn": moment(NOW - timedelta(hours=2)), "validUntil": moment(NOW - timedelta(hours=1))}
EARLY = {"approvedOn": moment(NOW + timedelta(hours=2)), "validUntil": moment(NOW + timedelta(hours=3))}
ABUSES = [
    Abuse("of another model", {}, "approval/other-subject", "_is_on_this_model", subject="1" * 64),
    Abuse("under another policy", {"policy": {"digest": {}}}, "approval/other-policy", "_is_under_this_policy"),
    Abuse("of another place", {"environment": "prod"}, "approval/other-environment", "_is_of_this_environment"),
    Abuse("for another tier", {"tier": "low"}, "approval/other-tier", "_is_for_this_tier"),
    Abuse("of another run", {"nonce": "run-0"}, "approval/other-run", "_is_of_this_run"),
    Abuse("of any run", {"nonce": ""}, "approval/other-run", "_is_of_this_run"),
    Abuse("on other evidence", {"evidence": ["1" * 64]}, "approval/other-evidence", "_is_on_this_evidence"),
    Abuse("on no evidence", {"evidence": []}, "approval/other-evidence", "_is_on_this_evidence"),
    Abuse("by the author", {}, "approval/by-author", "_is_not_by_the_author", key="peer"),
    Abuse("too old", LATE, "approval/expired", "_is_in_time"),
    Abuse("expired", OVER, "approval/expired", "_is_in_time"),
    Abuse("future", EARLY, "approval/future", "_is_in_time"),
    Abuse("undated", {"approvedOn": "today"}, "approval/undated", "_is_in_time"),
    Abuse("without an end", {"validUntil": None}, "approval/undated", "_is_in_time"),
    Abuse("under a word", {"policy": "the usual one"}, "approval/other-policy", "_is_under_this_policy"),
    Abuse("by nobody who may", {}, "approval/untrusted", "", key="check"),
    Abuse("by the gate", {}, "approval/untrusted", "", key="gate"),
    Abuse("a break-glass of an approver", {"breakGlass": True}, "approval/wrong-role", "_is_of_the_signers_role"),
    Abuse("neither nor", {"breakGlass": "no"}, "approval/wrong-role", "_is_of_the_signers_role"),
]  # fmt: skip


@pytest.mark.parametrize("abuse", ABUSES, ids=str)
def test_abuse(abuse: Abuse, guarded: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    guarded.add_key("peer", "author", "approve")  # an author may approve the models of others
    predicate, subject = said(guarded)
    guarded.say(APPROVAL, predicate | abuse.changed, abuse.subject or subject, abuse.key)
    denied = guarded.gate()
    assert deny_rules(denied) == {"gate/approvals"}
    assert told(denied) == {abuse.rule}
    if abuse.step:
        monkeypatch.setattr(approvals, abuse.step, lambda *arguments: "")
        assert told(guarded.gate()) == set(), "the step that should have stopped it does not"


def test_evidence_that_changes_after_the_approval_makes_it_void(guarded: Siege) -> None:
    assert approve(guarded).code == 0
    guarded.alter("evaluate_fairness", reason="another, equally good report")
    assert deny_rules(guarded.gate()) == {"gate/approvals"}


def test_nobody_knows_the_author(guarded: Siege) -> None:
    guarded.alter("verify_artifact", findings=())
    approve(guarded)
    assert deny_rules(guarded.gate()) == {"gate/author"}


@pytest.mark.parametrize(
    ("check", "rule"), [("verify_artifact", "signature/changed"), ("evaluate_fairness", SIGNER_RULE)]
)
def test_only_the_verified_signature_tells_the_author(check: str, rule: str, guarded: Siege) -> None:
    """Or anybody's finding could name somebody else as the author, and the author approve."""
    guarded.alter("verify_artifact", findings=())
    guarded.alter(check, findings=(Finding(rule, Severity.INFO, "by train", "train", fails=False),))
    approve(guarded)
    assert deny_rules(guarded.gate()) == {"gate/author"}


@pytest.mark.parametrize("words", ["", " ", "\u2003"])
def test_an_approval_without_a_reason_is_none(words: str, guarded: Siege) -> None:
    signed = ["--evidence", guarded.folder / "approval.jsonl", "--key", guarded.house.key("approve")]
    refused = guarded.step("approve", f"--justification={words}", *signed)
    assert refused.code == 2 if not words else deny_rules(refused) == {"approve/unjustified"}
    guarded.claims.append(guarded.folder / "approval.jsonl")
    assert deny_rules(guarded.gate()) == {"gate/approvals"}


def test_there_is_nothing_to_approve_where_the_gate_would_deny(guarded: Siege) -> None:
    guarded.alter("evaluate_fairness", verdict=Verdict.FAIL)
    refused = approve(guarded)
    assert refused.code == 1
    assert deny_rules(refused) == {"gate/not-passed"}
    assert len(guarded.claims[-1].read_bytes().splitlines()) == 1, "an approval was written all the same"


@pytest.mark.parametrize("hours", [25, -1])
def test_an_approval_is_never_longer_than_the_policy_allows(hours: int, guarded: Siege) -> None:
    assert deny_rules(approve(guarded, "--hours", hours)) == {"approve/too-long"}


# Tiers


@pytest.fixture
def tiered(siege: Siege) -> Siege:
    """A policy whose fast track leaves fairness out, and whose high tier wants more of it."""

    def change(policy: dict[str, Any]) -> None:
        policy["checks"]["verify_artifact"] = {"required": True}
        policy["tiers"] = {
            "low": {"checks": {"evaluate_fairness": {"required": False}}},
            "high": {"checks": {"evaluate_performance": {"max_age_hours": 1}}},
        }

    siege.amend(change)
    signed = Finding(SIGNER_RULE, Severity.INFO, "signed by train (author)", "train", fails=False)
    siege.alter("verify_artifact", findings=(signed,))
    assert siege.gate().code == 0
    return siege


def test_a_higher_tier_is_anybodys(tiered: Siege) -> None:
    tiered.options = ("--tier", "high")
    assert tiered.gate().code == 0
    old = {"finished": moment(NOW - timedelta(hours=2))}
    tiered.alter("evaluate_performance", execution=old)
    assert deny_rules(tiered.gate()) == {"gate/stale"}
    tiered.options = ()
    assert tiered.gate().code == 0


def test_a_lower_tier_takes_a_signed_approval(tiered: Siege) -> None:
    del tiered.reports["evaluate_fairness"]
    assert deny_rules(tiered.gate()) == {"gate/missing"}
    tiered.options = ("--tier", "low")
    denied = tiered.gate()
    assert deny_rules(denied) == {"gate/approvals"}
    assert "the tier low is below standard" in denied.out
    assert approve(tiered).code == 0
    assert tiered.gate().code == 0
    tiered.options = ()
    assert deny_rules(tiered.gate()) == {"gate/missing"}, "an approval of the low tier does not lower the standard"


def test_a_decision_in_a_low_tier_is_none_in_a_higher(tiered: Siege) -> None:
    tiered.options = ("--tier", "low")
    assert approve(tiered).code == 0
    assert tiered.gate().code == 0
    tiered.claims.append(tiered.folder / "gate.jsonl")
    tiered.options = ()
    ran = tiered.step("promote", "--target", tiered.folder / "served")
    assert deny_rules(ran) == {"promote/decision"}
    tiered.options = ("--tier", "low")
    assert tiered.step("promote", "--target", tiered.folder / "served").code == 0


# Break-glass


def broken(siege: Siege) -> Siege:
    siege.alter("evaluate_fairness", verdict=Verdict.FAIL, reason="unfair")
    assert deny_rules(siege.gate()) == {"gate/approvals", "gate/not-passed"}
    return siege


def test_a_break_glass_is_seen_everywhere_and_has_to_be_followed_up(guarded: Siege) -> None:
    broken(guarded)
    assert approve(guarded, "--break-glass", "true", key="break-glass").code == 0
    ran = guarded.gate()
    assert ran.code == 0, ran.report["reason"]
    assert "lifted by the break-glass of duty-officer" in ran.out
    assert "0 of 1 identities approved" in ran.out, "a break-glass was counted as an approval"
    assert "WARDEIN_BREAK_GLASS" in guarded.run_gate("show", guarded.folder / "gate.jsonl").out
    guarded.claims.append(guarded.folder / "gate.jsonl")
    served = guarded.folder / "served"
    assert guarded.step("promote", "--target", served).code == 0
    entry = json.loads((served / "audit.jsonl").read_bytes().splitlines()[-1])
    assert entry["breakGlass"] == "duty-officer"
    assert entry["approvers"] == "", "who broke the glass did not approve"
    assert entry["justification"] == "reviewed"
    assert entry["followUpBy"] > moment(NOW + timedelta(hours=71))[:19]


def test_no_second_break_glass_while_the_follow_up_is_overdue(guarded: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    guarded.amend(lambda policy: policy["break_glass"].update(follow_up_hours=0))
    broken(guarded)
    approve(guarded, "--break-glass", "true", key="break-glass")
    guarded.gate()
    guarded.claims.append(guarded.folder / "gate.jsonl")
    served = guarded.folder / "served"
    assert guarded.step("promote", "--target", served).code == 0
    again = guarded.step("promote", "--target", served)
    assert deny_rules(again) == {"promote/follow-up"}
    monkeypatch.setattr(promote, "_is_followed_up", lambda *arguments: [])
    assert guarded.step("promote", "--target", served).code == 0


def test_a_break_glass_lifts_a_finding_that_could_be_waived(guarded: Siege) -> None:
    """The other side of what it never lifts: without it the tests below could not fail for the right reason."""
    flaw = Finding("CVE-2025-1", Severity.HIGH, "reads files")
    told_of = Finding(SIGNER_RULE, Severity.INFO, "signed by train (author)", "train", fails=False)
    guarded.alter("scan_image", verdict=Verdict.FAIL, findings=(flaw, told_of))
    assert deny_rules(guarded.gate()) == {"gate/approvals", "gate/not-passed", "gate/finding"}
    assert approve(guarded, "--break-glass", "true", key="break-glass").code == 0
    assert guarded.gate().code == 0


NEVER: dict[str, Callable[[Siege], None]] = {
    "gate/missing": lambda siege: siege.reports.pop("scan_image") and None,
    "gate/stale": lambda siege: siege.alter("scan_image", execution={"finished": moment(NOW - timedelta(days=9))}),
    "gate/other-run": lambda siege: siege.alter("scan_image", nonce="run-0"),
    "gate/parameter": lambda siege: siege.alter("evaluate_robustness", parameters={}),
    "gate/contradiction": lambda siege: siege.alter(
        "scan_image", coverage=replace(siege.reports["scan_image"].coverage, examined=1)
    ),
    "gate/other-subject": lambda siege: siege.shown["model"].write_bytes(b"another") and None,
}


@pytest.mark.parametrize("rule", NEVER)
def test_what_no_break_glass_lifts(rule: str, guarded: Siege) -> None:
    NEVER[rule](guarded)
    assert rule in deny_rules(approve(guarded, "--break-glass", "true", key="break-glass"))


@pytest.mark.parametrize(
    ("verdict", "finding"),
    [
        (Verdict.ERROR, None),
        (Verdict.FAIL, Finding("model/opcode", Severity.CRITICAL, "runs code", cwe="CWE-502")),
        (Verdict.FAIL, Finding("signature/changed", Severity.CRITICAL, "changed")),
        (Verdict.FAIL, Finding("gate/other-subject", Severity.LOW, "another model")),
        (Verdict.FAIL, Finding("promote/decision", Severity.LOW, "no decision")),
    ],
)
def test_neither_errors_nor_code_nor_signatures(verdict: Verdict, finding: Finding | None, guarded: Siege) -> None:
    guarded.alter("scan_image", verdict=verdict, findings=(finding,) if finding else ())
    assert "gate/not-passed" in deny_rules(approve(guarded, "--break-glass", "true", key="break-glass"))


def test_a_break_glass_is_short(guarded: Siege) -> None:
    broken(guarded)
    refused = approve(guarded, "--break-glass", "true", "--hours", 5, key="break-glass")
    assert "approve/too-long" in deny_rules(refused)
    guarded.amend(lambda policy: policy.update(break_glass={"max_hours": 0}))
    assert "approve/not-allowed" in deny_rules(approve(guarded, "--break-glass", "true", key="break-glass"))


def test_a_break_glass_is_void_where_the_policy_has_none(guarded: Siege) -> None:
    broken(guarded)
    predicate, subject = said_in_emergency(guarded)
    guarded.amend(lambda policy: policy.update(break_glass={"max_hours": 0}))
    predicate["policy"]["digest"]["sha256"] = digest_of(guarded.house.policy)
    guarded.say(APPROVAL, predicate, subject, "break-glass")
    denied = guarded.gate()
    assert deny_rules(denied) == {"gate/approvals", "gate/not-passed"}
    assert told(denied) == {"approval/not-allowed"}


def said_in_emergency(siege: Siege) -> tuple[dict[str, Any], str]:
    approve(siege, "--break-glass", "true", key="break-glass")
    lines = siege.claims.pop().read_bytes().splitlines()
    statement = json.loads(base64.b64decode(json.loads(lines[1])["payload"]))
    return statement["predicate"], statement["subject"][0]["digest"]["sha256"]
