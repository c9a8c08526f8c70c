# SPDX-License-Identifier: Apache-2.0
"""The verification that the gate, the approvers and promote all perform. None of it can be configured away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wardein.evidence.claims import Claim, gather
from wardein.policy import rego
from wardein.policy.policy import CheckPolicy
from wardein.release.admissibility import inadmissible
from wardein.release.approvals import Approval, approvals_in, authors_in, shortage
from wardein.release.judgement import Case, shortcomings
from wardein.release.rules import document
from wardein.release.terms import Release, deny, tell
from wardein.release.waivers import Waiver, covered, is_never_waivable, waivers_in
from wardein.report import Finding, Report, Severity, Tool, Verdict
from wardein.spec import CHECKS, STEPS
from wardein.tools.versions import packages

# What a break-glass lifts: judgements of what was measured and found, never what was not looked at or not signed. The
# house's own rules stand: they are told of the break-glass, and may allow for it.
LIFTED_BY_BREAK_GLASS = ("gate/not-passed", "gate/criterion", "gate/finding", "gate/approvals", "gate/author")


@dataclass(frozen=True)
class Decision:
    """What counted, and every reason against the release.

    Attributes:
        claims: All the evidence, whether it counted or not.
        cases: The evidence that counted, each with what the policy demands of it.
        waivers: The waivers that lifted a finding.
        approvals: The approvals that hold.
        rests_on: The sha256 of everything that counted: reports and waivers, by their signed payloads. Approvals are
            bound to it.
        findings: Every reason against the release, and what should be known beside.
    """

    claims: tuple[Claim, ...]
    cases: tuple[Case, ...]
    waivers: tuple[Waiver, ...]
    approvals: tuple[Approval, ...]
    rests_on: frozenset[str]
    findings: tuple[Finding, ...]

    @property
    def reports(self) -> tuple[Report, ...]:
        """The reports that counted."""
        return tuple(case.report for case in self.cases)

    def lifted_by(self, waiver: Waiver) -> list[str]:
        """The fingerprints of the findings that a waiver lifted."""
        found = {
            f.fingerprint for case in self.cases for f, held in case.waived.items() if held.digest == waiver.digest
        }
        return sorted(found)

    @property
    def break_glass(self) -> Approval | None:
        """The break-glass that lifts reasons, if there is one."""
        return next((approval for approval in self.approvals if approval.break_glass), None)


def decide(release: Release, paths: Sequence[Path]) -> Decision:
    """Verify all evidence and judge it by the policy."""
    claims = gather(paths, release.trust)
    told = [deny("gate/unreadable", c.where, c.error) for c in claims if c.error and c.is_nothing_known]
    told += _policy_is_pinned(release)
    by_check: dict[str, list[Claim]] = {}
    for claim in claims:
        by_check.setdefault(claim.check, []).append(claim)
    told += [
        deny("gate/unknown-check", check, "is evidence of a check that this version does not have")
        for check in by_check
        if check and check not in STEPS
    ]
    waivers, wrong = waivers_in(claims, release)
    told += wrong
    counted, matched, cases = set(), set(), []
    for check in dict.fromkeys([*release.policy.checks, *(check for check in by_check if check in CHECKS)]):
        admitted, findings = _admit(check, by_check.get(check, []), release)
        counted |= {claim.content for claim in admitted}
        told += findings
        policy = release.policy.checks.get(check, CheckPolicy(required=False))
        for report in (claim.report for claim in admitted if claim.report is not None):
            lifted, refused = covered(report, waivers, release)
            cases.append(Case(report, policy, release, lifted))
            told += [finding for _, finding in refused]
            matched |= {waiver.digest for waiver, _ in refused}
    used = {waiver.digest: waiver for case in cases for waiver in case.waived.values()}
    told += [_applied(finding, waiver, case.check) for case in cases for finding, waiver in case.waived.items()]
    orphans = [waiver for waiver in waivers if waiver.digest not in used and waiver.digest not in matched]
    told += [tell("waiver/orphan", w.label, "lifts nothing: no finding of this release is its own") for w in orphans]
    rests_on = frozenset(counted | set(used))
    authors = authors_in([case.report for case in cases], release)
    approvals, wrong = approvals_in(claims, release, rests_on, authors)
    told += wrong
    told += shortage(approvals, release, authors)
    told += [reason for case in cases for reason in shortcomings(case)]
    told += _meets_rego(release, cases, used, approvals, claims)
    decision = Decision(tuple(claims), tuple(cases), tuple(used.values()), tuple(approvals), rests_on, tuple(told))
    glass = decision.break_glass
    if glass is None:
        return decision
    return replace(decision, findings=tuple(with_broken_glass(decision, glass.identity, glass.justification)))


def verifiers(release: Release) -> list[Tool]:
    """What verified and judged, for the report."""
    return packages("securesystemslib", *rego.packages_used(release.rules))


def _admit(check: str, claims: Sequence[Claim], release: Release) -> tuple[list[Claim], list[Finding]]:
    """The claims of one check that count, and why the others do not."""
    policy = release.policy.checks.get(check, CheckPolicy(required=False))
    if check not in CHECKS:
        return [], [deny("gate/unknown-check", check, "the policy names a check that this version does not have")]
    counted, rejected, told = [], [], []
    for claim in claims:
        reason = inadmissible(claim, release, policy)
        if reason is not None:
            rejected.append(reason)
        elif claim.report is not None and claim.signer is not None:
            counted.append(claim)
            text = f"evidence counted: {claim.report.verdict}, signed by {claim.signer.name}"
            told.append(tell("gate/counted", check, text))
    if not counted and policy.required:
        return [], rejected or [deny("gate/missing", check, "there is no evidence that counts; the policy requires it")]
    # Evidence that does not count neither helps nor harms once there is evidence that does; it is still told.
    return counted, told + [tell(r.rule, r.location, f"not counted: {r.message}") for r in rejected]


def _policy_is_pinned(release: Release) -> list[Finding]:
    if release.trust.policy_digest == release.policy.digest:
        return []
    text = f"has the digest {release.policy.digest}, the trust root pins {release.trust.policy_digest}"
    return [deny("gate/policy", "policy", text)]


def _meets_rego(
    release: Release,
    cases: Sequence[Case],
    waivers: dict[str, Waiver],
    approvals: Sequence[Approval],
    claims: Sequence[Claim],
) -> list[Finding]:
    """The house's own rules: they can deny what the policy allows, never allow what it denies."""
    if not rego.files(release.rules):
        return []
    said = document(release, cases, tuple(waivers.values()), approvals, claims)
    return [deny("gate/rego", "rules", reason) for reason in rego.judge(release.rules, said)]


def with_broken_glass(decision: Decision, identity: str, justification: str) -> list[Finding]:
    """The reasons against a release, with those that a break-glass lifts told instead of denied."""
    # Nobody lifts an ERROR, a broken signature or code that runs on whoever loads the model.
    stand = {
        case.check
        for case in decision.cases
        if case.report.verdict is Verdict.ERROR or any(f.fails and is_never_waivable(f) for f in case.open_findings)
    }
    found = []
    for finding in decision.findings:
        lifted = finding.fails and finding.rule in LIFTED_BY_BREAK_GLASS and finding.location not in stand
        text = f"lifted by the break-glass of {identity}: {finding.message}"
        found.append(replace(finding, severity=Severity.INFO, fails=False, message=text) if lifted else finding)
    told = tell("gate/break-glass", "approvals", f"{identity} broke the glass: {justification}")
    return [*found, replace(told, severity=Severity.HIGH)]


def _applied(finding: Finding, waiver: Waiver, check: str) -> Finding:
    text = (
        f"{finding.rule} at {finding.location or 'the subject'} is waived until {waiver.expires:%Y-%m-%d}: "
        f"{waiver.justification} (owner {waiver.owner}, approved by {waiver.approver})"
    )
    return tell("waiver/applied", check, text)
