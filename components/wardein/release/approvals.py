# SPDX-License-Identifier: Apache-2.0
"""Approvals: who says that this model may go, on this evidence, under this policy; and the break-glass.

An approval is a signed in-toto statement about the model. Approvals are counted by identity, and the author's own
does not count. A break-glass is an approval by a key of the role ``break-glass``. docs/approval.md documents both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from wardein.evidence.claims import Claim
from wardein.evidence.statement import APPROVAL
from wardein.release.terms import CLOCK_SKEW, Release, deny, moment, tell
from wardein.report import SIGNER_RULE, Finding, Report


@dataclass(frozen=True)
class Approval:
    """One identity's word on a release.

    Attributes:
        evidence: The sha256 of every claim that the approver saw to count.
        author: The identities that signed the model.
    """

    identity: str
    justification: str
    made: datetime
    until: datetime
    break_glass: bool
    digest: str


@dataclass(frozen=True)
class _Heard:
    """An approval as it was heard, and what it has to fit."""

    claim: Claim
    said: dict[str, Any]
    release: Release
    rests_on: frozenset[str]
    authors: frozenset[str]


def statement_of(
    release: Release, rests_on: frozenset[str], justification: str, hours: float, *, break_glass: bool
) -> dict[str, Any]:
    """The predicate of an approval."""
    return {
        "environment": release.trust.environment,
        "tier": release.policy.tier,
        "policy": {"name": release.policy.name, "digest": {"sha256": release.policy.digest}},
        "evidence": sorted(rests_on),
        "justification": justification,
        "breakGlass": break_glass,
        "approvedOn": release.now.isoformat(),
        "validUntil": (release.now + timedelta(hours=hours)).isoformat(),
        "nonce": release.nonce,
    }


def authors_in(reports: Sequence[Report], release: Release) -> frozenset[str]:
    """Whose keys signed the model, by the evidence of verify_artifact."""
    names = {f.location for r in reports if r.check == "verify_artifact" for f in r.findings if f.rule == SIGNER_RULE}
    return frozenset(holder.identity for holder in release.trust.holders if holder.name in names)


def approvals_in(
    claims: Sequence[Claim], release: Release, rests_on: frozenset[str], authors: frozenset[str]
) -> tuple[list[Approval], list[Finding]]:
    """The approvals that hold, at most one an identity, and what is wrong with the others."""
    held: dict[tuple[str, bool], Approval] = {}
    told = []
    for claim in claims:
        if claim.statement is None or claim.statement.predicate_type != APPROVAL:
            continue
        if claim.error or claim.signer is None:
            told.append(tell("approval/untrusted", claim.where, f"not counted: {claim.error}"))
            continue
        heard = _Heard(claim, dict(claim.statement.predicate), release, rests_on, authors)
        steps: Sequence[Callable[[_Heard], str]] = (
            _is_of_the_signers_role,
            _is_on_this_model,
            _is_under_this_policy,
            _is_of_this_environment,
            _is_for_this_tier,
            _is_of_this_run,
            _is_on_this_evidence,
            _is_not_by_the_author,
            _is_in_time,
        )
        wrong = next((why for step in steps if (why := step(heard))), "")
        if wrong:
            rule, _, why = wrong.partition(": ")
            told.append(tell(f"approval/{rule}", claim.signer.identity, f"not counted: {why}"))
            continue
        approval = _approval(heard)
        held[approval.identity, approval.break_glass] = approval
    return list(held.values()), told


def shortage(approvals: Sequence[Approval], release: Release, authors: frozenset[str]) -> list[Finding]:
    """Why there are not enough approvals, if there are not."""
    needed = release.policy.approvals_needed
    had = {approval.identity for approval in approvals if not approval.break_glass}
    if needed and not authors:
        return [deny("gate/author", "approvals", "it is not known who made the model; give verify_artifact's evidence")]
    if len(had) >= needed:
        return []
    why = f"the tier {release.policy.tier} is below {release.policy.default_tier}" if release.policy.is_lowered else ""
    text = f"{len(had)} of {needed} identities approved" + (f"; {why}" if why else "")
    return [deny("gate/approvals", "approvals", text)]


def _is_of_the_signers_role(heard: _Heard) -> str:
    glass = heard.said.get("breakGlass")
    role = "break-glass" if glass is True else "approve"
    if isinstance(glass, bool) and any(role in key.roles for key in heard.claim.signers):
        return ""
    return f"wrong-role: no key with the role {role} signed it"


def _is_on_this_model(heard: _Heard) -> str:
    statement = heard.claim.statement
    if statement is not None and [s.digest for s in statement.subject] == [heard.release.shown["model"]]:
        return ""
    return "other-subject: is about another model"


def _is_under_this_policy(heard: _Heard) -> str:
    policy = heard.said.get("policy")
    if isinstance(policy, dict) and policy.get("digest") == {"sha256": heard.release.policy.digest}:
        return ""
    return "other-policy: was given under another policy"


def _is_of_this_environment(heard: _Heard) -> str:
    if heard.said.get("environment") == heard.release.trust.environment:
        return ""
    return f"other-environment: was given for {heard.said.get('environment')!r}"


def _is_for_this_tier(heard: _Heard) -> str:
    if heard.said.get("tier") == heard.release.policy.tier:
        return ""
    return f"other-tier: was given for the tier {heard.said.get('tier')!r}"


def _is_of_this_run(heard: _Heard) -> str:
    if heard.said.get("nonce") == heard.release.nonce:
        return ""
    return "other-run: was given for another run"


def _is_on_this_evidence(heard: _Heard) -> str:
    if heard.said.get("evidence") == sorted(heard.rests_on):
        return ""
    return "other-evidence: was given on other evidence"


def _is_not_by_the_author(heard: _Heard) -> str:
    if all(key.identity not in heard.authors for key in heard.claim.signers):
        return ""
    return "by-author: who made the model cannot approve it"


def _is_in_time(heard: _Heard) -> str:
    made, until, now = moment(heard.said.get("approvedOn")), moment(heard.said.get("validUntil")), heard.release.now
    if made is None or until is None:
        return "undated: does not say when it was given, and until when it holds"
    if made > now + CLOCK_SKEW:
        return "future: was given in the future; check the clocks"
    policy = heard.release.policy
    limit = policy.break_glass.max_hours if heard.said["breakGlass"] else policy.approvals.max_age_hours
    if heard.said["breakGlass"] and not limit:
        return "not-allowed: the policy has no break-glass"
    if now > until or now - made > timedelta(hours=limit):
        return f"expired: was given on {made:%Y-%m-%d %H:%M}; the policy lets it count for {limit:g} hours"
    return ""


def _approval(heard: _Heard) -> Approval:
    said = heard.said
    role = "break-glass" if said["breakGlass"] else "approve"
    identity = next(key.identity for key in heard.claim.signers if role in key.roles)
    made, until = moment(said["approvedOn"]), moment(said["validUntil"])
    if made is None or until is None:
        raise AssertionError("an approval without a date was not refused")
    return Approval(
        identity, str(said.get("justification", "")), made, until, bool(said["breakGlass"]), heard.claim.content
    )
