# SPDX-License-Identifier: Apache-2.0
"""Copy a released model to where it is served from, verifying everything once more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from wardein.artifacts import Claims, Database, Dataset, Image, Model, OutputFolder, PolicyFolder, Suite, TrustRoot
from wardein.report import VSA, Coverage, Finding, Report, Severity, Verdict, conclude

if TYPE_CHECKING:
    from wardein.evidence.claims import Claim
    from wardein.release.verification import Decision, Release

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
    image: Image = "",
    nonce: str = "",
) -> Report:
    """Re-verify everything, then copy exactly the bytes that were verified.

    Nothing that the orchestrator says is believed: the gate's verification is performed again over the same
    evidence, and the gate's own signed decision (SLSA Verification Summary, PASSED) must be among it. The model
    is hashed while it is copied to TARGET/DIGEST/NAME, its evidence beside it in claims.jsonl; TARGET/current is
    switched to it atomically, and a line is appended to TARGET/audit.jsonl.

    Args:
        model: The model to promote.
        claims: Evidence files of the checks and of the gate; repeat the option.
        trust: The trust root (trust.json), obtained out of band.
        policy: The policy folder that the trust root pins.
        target: The folder that models are served from; made if it does not exist.
        data: The data that the checks must have used; as for the gate.
        reference: The reference table that the checks must have used; as for the gate.
        suite: The suite that the data must have been validated with; as for the gate.
        database: The vulnerability database that the image must have been scanned with; as for the gate.
        image: The image that will serve the model; as for the gate.
        nonce: Only evidence of the run with this identifier counts; empty for any run.

    Returns:
        PASS once the model is in place; FAIL with every reason, and nothing copied, otherwise.

    Raises:
        WardeinError: If the trust root or the policy cannot be read, the target cannot be written to, or the
            model changed while it was copied.

    References:
        SLSA Verification Summary Attestation v1.
    """
    from wardein.release.store import Store
    from wardein.release.verification import decide, release_of
    from wardein.tools.versions import packages

    release = release_of(
        model, trust, policy, nonce, image, data=data, reference=reference, suite=suite, database=database
    )
    decision = decide(release, claims)
    findings = [*decision.findings, *_is_decided(decision, release)]
    required = len(release.policy.required)
    report = conclude(
        coverage=Coverage("required checks", required, required),
        tools=packages("securesystemslib"),
        findings=findings,
        appendix=decision.reports,
    )
    if report.verdict is Verdict.PASS:
        shown = {name: digest for name, digest in release.shown.items() if name != "model"}
        record = {"policy": release.policy.digest, "nonce": nonce, **shown}
        record["decision"] = _decisions(decision, release)[-1].digest
        Store(target).put(model, release.shown["model"], b"".join(claim.line for claim in decision.claims), record)
    return report


def _decisions(decision: Decision, release: Release) -> list[Claim]:
    """The gate's believable decisions on this model, under this policy, oldest first."""
    found = []
    for claim in decision.claims:
        statement = claim.statement
        if claim.signer is None or statement is None or statement.predicate_type != VSA:
            continue
        said = statement.predicate
        same_model = [subject.digest for subject in statement.subject] == [release.shown["model"]]
        pinned = said.get("policy")
        same_policy = isinstance(pinned, dict) and pinned.get("digest") == {"sha256": release.policy.digest}
        if same_model and same_policy and said.get("nonce") == release.nonce:
            found.append(claim)
    return sorted(
        found, key=lambda claim: str(claim.statement.predicate.get("timeVerified")) if claim.statement else ""
    )


def _is_decided(decision: Decision, release: Release) -> Iterator[Finding]:
    decided = _decisions(decision, release)
    if not decided or decided[-1].statement is None:
        yield _deny("there is no decision of a trusted gate on this model under this policy")
        return
    said = decided[-1].statement.predicate
    if said.get("verificationResult") != "PASSED":
        yield _deny("the gate's last decision on this model is FAILED")
    if not _is_recent(str(said.get("timeVerified")), release):
        yield _deny("the gate's decision is too old, or from the future; let it decide again")
    rests_on = {str(item.get("digest", {}).get("sha256")) for item in said.get("inputAttestations", ())}
    used = {claim.digest for claim in decision.claims if claim.report is not None and claim.check != "gate"}
    if not used <= rests_on:
        yield _deny("the evidence is not the evidence that the gate decided on")


def _is_recent(text: str, release: Release) -> bool:
    from wardein.release.verification import CLOCK_SKEW

    try:
        age = release.now - datetime.fromisoformat(text)
    except (ValueError, TypeError):
        return False
    return -CLOCK_SKEW <= age <= MAX_DECISION_AGE


def _deny(message: str) -> Finding:
    return Finding("promote/decision", Severity.CRITICAL, message, "gate")
