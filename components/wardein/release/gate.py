# SPDX-License-Identifier: Apache-2.0
"""Decide on a release by its evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from wardein import __version__
from wardein.artifacts import (
    Advisories,
    Claims,
    Database,
    Dataset,
    Image,
    Model,
    OutputLog,
    PolicyFolder,
    Source,
    Suite,
    TrustRoot,
)
from wardein.report import VSA, Attestation, Coverage, Report, conclude

if TYPE_CHECKING:
    from wardein.release.terms import Release
    from wardein.release.verification import Decision


def gate(
    model: Model,
    claims: Claims,
    trust: TrustRoot,
    policy: PolicyFolder,
    data: Dataset | None = None,
    reference: Dataset | None = None,
    suite: Suite | None = None,
    database: Database | None = None,
    advisories: Advisories | None = None,
    source: Source | None = None,
    image: Image = "",
    tier: Literal["default", "low", "standard", "high"] = "default",
    nonce: str = "",
    audit: OutputLog | None = None,
) -> Report:
    """Let a model through only on signed, fresh, complete evidence that meets the policy.

    Verifies of every claim the signatures, the signer's role, the subject's digest, the run and the age;
    recomputes every criterion from the metrics; then applies the policy of the trust root's environment, the
    waivers and approvals among the claims, and the policy's Rego rules. What is missing, unsigned, foreign, stale,
    unreadable or contradictory denies, with a reason per check. The decision is written with --evidence as a report
    and as a SLSA Verification Summary, both signed with --key (a key with the role ``gate``).

    Args:
        model: The model to release.
        claims: Evidence files of the checks, waivers and approvals; repeat the option, or give one claims.jsonl.
        trust: The trust root (trust.json), obtained out of band, not from the pipeline.
        policy: The policy folder; its digest must be the one that the trust root pins.
        data: The data that the checks must have used; needed if one of them used any.
        reference: The reference table that the checks must have used; needed if one of them used any.
        suite: The suite that the data must have been validated with; needed if it was one's own.
        database: The vulnerability database that the image must have been scanned with; needed if it was scanned.
        advisories: The advisories that the dependencies must have been matched with; needed if they were.
        source: The source folder that the code, its dependencies, secrets and configuration must have been scanned in;
            needed if any of them was.
        image: The image that will serve the model; needed if the policy requires a check of it.
        tier: The risk tier to judge by. A higher one than the policy's own is always allowed, a lower one takes a
            signed approval that names it.
        nonce: Only evidence of the run with this identifier counts; empty for any run.
        audit: The audit log to note the decision in, whatever it is; appended to, made if it does not exist.

    Returns:
        PASS if the release is allowed; FAIL with every reason if it is denied.

    Raises:
        WardeinError: If the trust root or the policy cannot be read, or the log cannot be written to; nothing is let
            through then.

    References:
        SLSA Verification Summary Attestation v1; in-toto Statement v1; DSSE v1.0.
    """
    from wardein.release.audit import AuditLog
    from wardein.release.terms import record_of, release_of
    from wardein.release.verification import decide, verifiers

    others = {"data": data, "reference": reference, "suite": suite, "database": database}
    others |= {"advisories": advisories, "source": source}
    release = release_of(model, trust, policy, nonce, tier, image, **others)
    decision = decide(release, claims)
    required = len(release.policy.required)
    report = conclude(
        coverage=Coverage("required checks", required, required),
        tools=verifiers(release),
        findings=decision.findings,
        # On the page, each check's metrics stand beside what the policy demands of them.
        appendix=[r.judged_by(release.policy.criteria_for(r.check, r.metrics)) for r in decision.reports],
    )
    if audit is not None:
        denied = sorted({finding.rule for finding in report.findings if finding.fails})
        entry = {"action": "decide", "result": "PASSED" if report.passed else "FAILED", "reasons": " ".join(denied)}
        entry["decided"] = release.now.isoformat()
        entry["approvers"] = " ".join(sorted({a.identity for a in decision.approvals if not a.break_glass}))
        entry |= {"breakGlass": decision.break_glass.identity} if decision.break_glass else {}
        audit.parent.mkdir(parents=True, exist_ok=True)
        AuditLog(audit, release.trust.environment).append(entry | record_of(release))
    return replace(report, attestations=(Attestation(VSA, _summary(decision, release, report.passed)),))


def _summary(decision: Decision, release: Release, passed: bool) -> dict[str, Any]:
    """The predicate of a SLSA Verification Summary."""
    levels = [f"WARDEIN_POLICY_{release.policy.name.upper()}", f"WARDEIN_TIER_{release.policy.tier.upper()}"]
    levels += ["WARDEIN_BREAK_GLASS"] if decision.break_glass else []
    return {
        "verifier": {"id": "urn:wardein:gate", "version": {"wardein": __version__}},
        "timeVerified": release.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "resourceUri": f"urn:wardein:model:sha256:{release.shown['model']}",
        "policy": {"uri": f"urn:wardein:policy:{release.policy.name}", "digest": {"sha256": release.policy.digest}},
        "inputAttestations": [{"uri": "", "digest": {"sha256": claim.digest}} for claim in decision.claims],
        "verificationResult": "PASSED" if passed else "FAILED",
        "verifiedLevels": levels if passed else [],
        "slsaVersion": "1.1",
        "environment": release.trust.environment,
        "tier": release.policy.tier,
        "nonce": release.nonce,
        "shown": dict(release.shown),
        "restsOn": sorted(decision.rests_on),
        "waivers": [
            {"rule": w.rule, "check": w.check, "owner": w.owner, "approver": w.approver, "sha256": w.digest}
            | {
                "expires": w.expires.isoformat(),
                "justification": w.justification,
                "fingerprints": decision.lifted_by(w),
            }
            for w in decision.waivers
        ],
        "approvals": [
            {"identity": a.identity, "breakGlass": a.break_glass, "sha256": a.digest} for a in decision.approvals
        ],
    }
