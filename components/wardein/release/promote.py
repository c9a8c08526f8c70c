# SPDX-License-Identifier: Apache-2.0
"""Copy a released model to where it is served from, verifying everything once more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wardein.artifacts import (
    Advisories,
    Claims,
    Database,
    Dataset,
    Image,
    KeyUri,
    Model,
    OutputFolder,
    PolicyFolder,
    Source,
    Suite,
    TrustRoot,
)
from wardein.report import Coverage, Finding, Report, Severity, Verdict, conclude

if TYPE_CHECKING:
    from wardein.evidence.summaries import Summary
    from wardein.evidence.trust import TrustRoot as TrustedKeys
    from wardein.release.registry import Destination
    from wardein.release.store import Store
    from wardein.release.terms import Release
    from wardein.release.verification import Decision

MAX_DECISION_AGE = timedelta(hours=24)


def promote(
    model: Model,
    claims: Claims,
    trust: TrustRoot,
    policy: PolicyFolder,
    target: OutputFolder,
    data: Dataset | None = None,
    reference: Dataset | None = None,
    suite: Suite | None = None,
    database: Database | None = None,
    advisories: Advisories | None = None,
    source: Source | None = None,
    image: Image = "",
    tier: Literal["default", "low", "standard", "high"] = "default",
    nonce: str = "",
    registry: str = "",
    auditor: KeyUri = "",
) -> Report:
    """Re-verify everything, then put exactly the bytes that were verified in place.

    Nothing that the orchestrator says is believed: the gate's verification is performed again over the same
    evidence, and the gate's own signed decision (SLSA Verification Summary, PASSED) must be among it. The model
    is hashed while it is copied, once, into TARGET, and renamed to TARGET/DIGEST/NAME, its evidence beside it in
    claims.jsonl; TARGET/current is switched to it atomically, and a line is appended to TARGET/audit.jsonl. With
    a registry, the same bytes become a model version there, are read back and hashed, and only then the alias moves.
    Where something was ever served here, or is at the alias, that was signed as a version, nothing of its name that is
    earlier or has no version takes its place, except by a break-glass: a roll-back is a release, so the older model is
    signed again, as a later version. What is served are names and contents, which the digest binds: no file may be
    executed (mode 0644), and empty folders are left out.

    Args:
        model: The model to promote.
        claims: Evidence files of the checks and of the gate, waivers and approvals; repeat the option.
        trust: The trust root (trust.json), obtained out of band.
        policy: The policy folder that the trust root pins.
        target: The folder that models are served from; made if it does not exist. It serves one environment.
        data: The data that the checks must have used; as for the gate.
        reference: The reference table that the checks must have used; as for the gate.
        suite: The suite that the data must have been validated with; as for the gate.
        database: The vulnerability database that the image must have been scanned with; as for the gate.
        advisories: The advisories that the dependencies must have been matched with; as for the gate.
        source: The source folder that must have been scanned; as for the gate.
        image: The image that will serve the model; as for the gate.
        tier: The risk tier that the gate judged by.
        nonce: Only evidence of the run with this identifier counts; empty for any run.
        registry: An alias of an MLflow registry to move as well, as models:/NAME@ALIAS; the server is named by
            MLFLOW_TRACKING_URI. Empty for none.
        auditor: The URI of a key of the role ``audit`` that signs a checkpoint of the audit log; empty for none.

    Returns:
        PASS once the model is in place; FAIL with every reason, and nothing copied, otherwise.

    Raises:
        WardeinError: If the trust root or the policy cannot be read, the target cannot be written to, or the registry
            cannot be reached.

    References:
        SLSA Verification Summary Attestation v1.
    """
    from wardein.release.champion import other_champions
    from wardein.release.registry import Destination, check_reachable, label_at
    from wardein.release.rollback import rollbacks
    from wardein.release.store import Store
    from wardein.release.terms import release_of
    from wardein.release.verification import decide, verifiers

    destination = Destination.parse(registry) if registry else None
    if destination is not None:
        check_reachable(destination)
    others = {"data": data, "reference": reference, "suite": suite, "database": database}
    others |= {"advisories": advisories, "source": source}
    release = release_of(model, trust, policy, nonce, tier, image, **others)
    store = Store(target, release.trust.environment)
    decision = decide(release, claims)
    decided = _decided(decision, release)
    findings = [*decision.findings, *_is_decided(decided, decision, release)]
    with store.alone():
        alias = label_at(destination) if destination is not None else None
        findings += _is_not_refused(decided, store, release)
        findings += _is_followed_up(decision, store, release, destination.uri if destination else "")
        findings += rollbacks(decision, store.log.entries(), release.shown["model"], alias)
        findings += other_champions(decision, store.log.entries(), release.shown["model"])
        required = len(release.policy.required)
        report = conclude(
            coverage=Coverage("required checks", required, required),
            tools=verifiers(release),
            findings=findings,
            appendix=decision.reports,
        )
        if report.verdict is Verdict.PASS and decided is not None:
            evidence = b"".join(claim.line for claim in decision.claims)
            record = _record(decided, decision, release) | ({"registry": destination.uri} if destination else {})
            _put(model, store, destination, auditor, evidence, record, release.trust)
    return report


def _put(
    model: Path,
    store: Store,
    destination: Destination | None,
    auditor: str,
    evidence: bytes,
    record: dict[str, str],
    trust: TrustedKeys,
) -> None:
    """Put the model in place: the folder first, as its log tells of both; the registry's alias last."""
    from wardein.evidence.keys import signer_for
    from wardein.evidence.trust import holder_of
    from wardein.release import registry
    from wardein.release.checkpoint import sign
    from wardein.subject import PrivateCopy

    if not isinstance(model, PrivateCopy):
        raise TypeError("promote moves the private copy that wardein.execute makes")
    signer = signer_for(auditor) if auditor else None
    if signer is not None:
        holder_of(trust, signer, "audit")
    store.check_usable()
    placed = store.put(model, evidence, record)
    if signer is not None:
        sign(store.log, signer, None, trust)
    if destination is not None:
        noted = ("environment", "tier", "policy", "decision", *registry.LABEL)
        tags = {name: record[name] for name in noted if name in record}
        registry.publish(destination, placed, model.digest, evidence, tags)


def _record(decided: Summary, decision: Decision, release: Release) -> dict[str, str]:
    """What the audit log tells of a promotion; a break-glass says by when a regular release has to follow."""
    from wardein.release.rollback import label_in
    from wardein.release.terms import record_of

    record = record_of(release) | {"decision": decided.claim} | label_in(decision.reports)
    record["approvers"] = " ".join(sorted({a.identity for a in decision.approvals if not a.break_glass}))
    record["waivers"] = " ".join(sorted(waiver.digest for waiver in decision.waivers))
    glass = decision.break_glass
    if glass is not None:
        follow_up = release.now + timedelta(hours=release.policy.break_glass.follow_up_hours)
        record |= {"breakGlass": glass.identity, "justification": glass.justification}
        record["followUpBy"] = follow_up.isoformat(timespec="seconds")
    return record


def _decided(decision: Decision, release: Release) -> Summary | None:
    """The last believable decision on this model, in this environment and tier, under this policy, for this run."""
    from wardein.evidence.summaries import summaries_in

    wanted = _wanted(release)
    found = [s for s in summaries_in(decision.claims) if all(getattr(s, name) == wanted[name] for name in wanted)]
    return found[-1] if found else None


def _wanted(release: Release) -> dict[str, str]:
    """What a decision has to be about."""
    return {
        "model": release.shown["model"],
        "policy": release.policy.digest,
        "environment": release.trust.environment,
        "tier": release.policy.tier,
        "nonce": release.nonce,
    }


def _what_else(decision: Decision, release: Release) -> str:
    """In what the last decision that was shown is another."""
    from wardein.evidence.summaries import summaries_in

    found = summaries_in(decision.claims)
    if not found:
        return "among the claims: give the gate's --evidence as one of them"
    names = {"nonce": "run (--nonce)"}
    other = [
        f"{names.get(n, n)} {getattr(found[-1], n)!r}"
        for n, v in _wanted(release).items()
        if getattr(found[-1], n) != v
    ]
    return f"for this release: the last one is of the {', '.join(other)}"


def _is_decided(decided: Summary | None, decision: Decision, release: Release) -> Iterator[Finding]:
    if decided is None:
        yield _deny(f"there is no decision of a trusted gate on this model {_what_else(decision, release)}")
        return
    if not decided.passed:
        yield _deny("the gate's last decision on this model is FAILED")
    if not _is_recent(decided.decided, release):
        yield _deny("the gate's decision is too old, or from the future; let it decide again")
    if decision.rests_on != decided.rests_on or {a.digest for a in decision.approvals} != decided.approvals:
        yield _deny("the evidence is not the evidence that the gate decided on")


def _is_not_refused(decided: Summary | None, store: Store, release: Release) -> Iterator[Finding]:
    """A refusal that is noted here outweighs an earlier decision, though its own evidence be withheld."""
    from wardein.release.terms import moment

    for said in (entry.record for entry in store.log.entries()):
        same = said.get("model") == release.shown["model"] and release.nonce in ("", said.get("nonce"))
        if said.get("action") != "decide" or said.get("result") != "FAILED" or not same or decided is None:
            continue
        if not (when := moment(said.get("decided"))) or when > decided.decided:
            yield _deny(f"the audit log has a later decision on this model: FAILED ({said.get('reasons')})")
            return


def _is_followed_up(decision: Decision, store: Store, release: Release, registry: str) -> Iterator[Finding]:
    """Nobody breaks the glass again while the regular release that had to follow the last time is overdue."""
    from wardein.release.terms import moment

    if decision.break_glass is None:
        return
    by = ""
    for said in (entry.record for entry in store.log.entries()):
        if said.get("action") == "promote" and said.get("registry", "") == registry:
            by = said.get("followUpBy", "")
    due = moment(by)
    if due is not None and due < release.now:
        text = f"a regular release was to follow the last break-glass by {by}, and did not"
        yield Finding("promote/follow-up", Severity.CRITICAL, text, "approvals")


def _is_recent(decided: datetime, release: Release) -> bool:
    from wardein.release.terms import CLOCK_SKEW

    return -CLOCK_SKEW <= release.now - decided <= MAX_DECISION_AGE


def _deny(message: str) -> Finding:
    return Finding("promote/decision", Severity.CRITICAL, message, "gate")
