# SPDX-License-Identifier: Apache-2.0
"""Approve a release."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from wardein.artifacts import (
    Advisories,
    Claims,
    Database,
    Dataset,
    Image,
    Model,
    PolicyFolder,
    Source,
    Suite,
    TrustRoot,
)
from wardein.report import Attestation, Coverage, Finding, Report, conclude

if TYPE_CHECKING:
    from wardein.release.terms import Release


def approve(
    model: Model,
    claims: Claims,
    trust: TrustRoot,
    policy: PolicyFolder,
    justification: str,
    data: Dataset | None = None,
    reference: Dataset | None = None,
    suite: Suite | None = None,
    database: Database | None = None,
    advisories: Advisories | None = None,
    source: Source | None = None,
    image: Image = "",
    tier: Literal["default", "low", "standard", "high"] = "default",
    nonce: str = "",
    break_glass: bool = False,
    hours: float = 0.0,
) -> Report:
    """Look at a release as the gate will, and approve it by one's signature.

    Writes, with --evidence and --key, a statement that binds the approval to the model's digest, the policy's
    digest, the environment, the tier, the run and exactly the evidence that counted: with any other, it does not
    count. Approvals are counted by identity, and the identity that signed the model cannot approve it. What
    the gate would deny for any other reason than a missing approval is not approved either, unless by a break-glass.

    Args:
        model: The model to approve.
        claims: Evidence files of the checks, and waivers; repeat the option.
        trust: The trust root (trust.json), obtained out of band.
        policy: The policy folder that the trust root pins.
        justification: Why, in words; it is signed and kept in the audit log.
        data: The data that the checks must have used; as for the gate.
        reference: The reference table that the checks must have used; as for the gate.
        suite: The suite that the data must have been validated with; as for the gate.
        database: The vulnerability database that the image must have been scanned with; as for the gate.
        advisories: The advisories that the dependencies must have been matched with; as for the gate.
        source: The source folder that must have been scanned; as for the gate.
        image: The image that will serve the model; as for the gate.
        tier: The risk tier to approve; a lower one than the policy's own takes at least one approval.
        nonce: The run whose evidence counts; empty for any run.
        break_glass: Release in an emergency what the policy would deny. Takes a key of the role ``break-glass``, holds
            for hours, and a regular release has to follow. Signatures, digests, missing evidence, errors and critical
            code execution stay denied.
        hours: How long the approval holds; 0 for as long as the policy allows.

    Returns:
        PASS with the approval beside it; FAIL, and no approval, with every reason why there is nothing to approve.

    Raises:
        WardeinError: If the trust root or the policy cannot be read.

    References:
        in-toto Statement v1; DSSE v1.0; NIST SP 800-218 (SSDF) PO.2, separation of duties.
    """
    from wardein.evidence.statement import APPROVAL
    from wardein.release.approvals import statement_of
    from wardein.release.terms import release_of
    from wardein.release.verification import decide, verifiers, with_broken_glass

    others = {"data": data, "reference": reference, "suite": suite, "database": database}
    others |= {"advisories": advisories, "source": source}
    release = release_of(model, trust, policy, nonce, tier, image, **others)
    decision = decide(release, claims)
    findings = [f for f in decision.findings if f.rule != "gate/approvals"]
    if break_glass:
        findings = with_broken_glass(replace(decision, findings=tuple(findings)), "whoever signs this", justification)
    required = len(release.policy.required)
    report = conclude(
        coverage=Coverage("required checks", required, required),
        tools=verifiers(release),
        findings=[
            *findings,
            *_author(decision.reports, release),
            *_is_possible(release, justification, hours, break_glass=break_glass),
        ],
        appendix=decision.reports,
    )
    if not report.passed:
        return report
    limit = release.policy.break_glass.max_hours if break_glass else release.policy.approvals.max_age_hours
    said = statement_of(release, decision.rests_on, justification, hours or limit, break_glass=break_glass)
    return replace(report, attestations=(Attestation(APPROVAL, said),))


def _author(reports: Sequence[Report], release: Release) -> Iterator[Finding]:
    from wardein.release.approvals import authors_in
    from wardein.release.terms import tell

    for author in sorted(authors_in(reports, release)):
        yield tell("approve/author", "approvals", f"{author} made the model: an approval by {author} does not count")


def _is_possible(release: Release, justification: str, hours: float, *, break_glass: bool) -> Iterator[Finding]:
    from wardein.release.terms import deny

    limit = release.policy.break_glass.max_hours if break_glass else release.policy.approvals.max_age_hours
    if break_glass and not limit:
        yield deny("approve/not-allowed", "approvals", f"the policy has no break-glass in {release.trust.environment}")
    elif not 0 <= hours <= limit:
        yield deny(
            "approve/too-long", "approvals", f"{hours:g} hours are not within the {limit:g} that the policy allows"
        )
    if not justification.strip():
        yield deny("approve/unjustified", "approvals", "there is no justification")
