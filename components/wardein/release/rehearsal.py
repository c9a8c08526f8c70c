# SPDX-License-Identifier: Apache-2.0
"""Rehearsals: a policy's cases, decided by the gate's own verification.

Each case is turned into evidence, waivers and approvals, signed with keys that are made for the purpose and thrown
away, and goes through :func:`wardein.release.verification.decide`, signatures and all. So a rehearsal cannot drift from
what the gate does.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from wardein import __version__, wire
from wardein.errors import WardeinError
from wardein.evidence.envelope import seal
from wardein.evidence.statement import APPROVAL, WAIVER, write
from wardein.evidence.trust import Role, TrustedKey, TrustRoot
from wardein.policy.cases import CASES, Case, Evidence, Table, Waived
from wardein.policy.load import load_all
from wardein.policy.policy import CheckPolicy, Policy
from wardein.policy.reading import no_stray
from wardein.release.approvals import statement_of
from wardein.release.terms import Release
from wardein.release.verification import Decision, decide
from wardein.release.waivers import Waiver, predicate, scope_digest
from wardein.report import CHECK_RESULT, SIGNER_RULE, Coverage, Finding, Input, Report, Severity, Tool, conclude
from wardein.spec import CHECKS
from wardein.spec import load as load_step
from wardein.subject import Subject

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = "rehearsal"
MOST_APPROVALS = 9


@dataclass(frozen=True)
class Outcome:
    """What came of a case: the reasons against it, by ``rule location``, with their messages."""

    case: Case
    reasons: Mapping[str, str]

    @property
    def is_as_expected(self) -> bool:
        """Whether exactly the expected reasons stood against it."""
        return frozenset(self.reasons) == self.case.denied_by


def rehearse(folder: Path, table: Table) -> Iterator[Outcome]:
    """Decide on each case of a policy, in order.

    Raises:
        WardeinError: If the policy cannot be read, or a case asks for what there cannot be.
    """
    settings = {param.name for check in CHECKS for param in load_step(check).params if param.is_setting}
    no_stray(sorted(set(table.assume) - settings), "assume", "no check has a setting of this name")
    policies = load_all(folder)
    for case in table.cases:
        tier = case.tier or policies["", "standard"].default_tier
        try:
            if (case.environment, tier) not in policies:
                raise WardeinError(f"the policy says nothing of the environment {case.environment!r}", where=CASES)
            yield Outcome(case, _reasons(case, folder, _completed(policies[case.environment, tier], table)))
        except WardeinError as error:
            raise WardeinError(error.what, where=f"{case.name}: {error.where}".rstrip(": "), mend=error.mend) from None


def _completed(policy: Policy, table: Table) -> Policy:
    """The policy with the settings that its adopter is to pin; what it pins itself stands."""
    checks = {}
    for check, rules in policy.checks.items():
        known = {param.name for param in load_step(check).params if param.is_setting} if check in CHECKS else set()
        assumed = {setting: value for setting, value in table.assume.items() if setting in known}
        checks[check] = replace(rules, parameters={**assumed, **rules.parameters})
    return replace(policy, checks=checks)


def _reasons(case: Case, folder: Path, policy: Policy) -> Mapping[str, str]:
    trust = TrustRoot(tuple(_key(*who) for who in _people()), policy.digest, case.environment or "everywhere")
    release = Release(_shown(case, policy), trust, policy, folder, RUN, NOW)
    lines = [_signed(_report(check, said, release), "check") for check, said in case.evidence.items()]
    lines += [_waiver(waived, case, release) for waived in case.waivers]
    if case.approvals or case.break_glass is not None:
        lines += _approvals(case, release, _decided(lines, release).rests_on)
    denied: dict[str, str] = {}
    for finding in _decided(lines, release).findings:
        if finding.fails:
            denied.setdefault(f"{finding.rule} {finding.location}", finding.message)
    return denied


def _decided(lines: list[bytes], release: Release) -> Decision:
    with tempfile.TemporaryDirectory(prefix="wardein-") as private:
        claims = Path(private, "claims.jsonl")
        claims.write_bytes(b"".join(lines))
        return decide(release, [claims] if lines else [])


def _shown(case: Case, policy: Policy) -> dict[str, str]:
    """What the gate is shown: whatever there is to show, as the policy lists it, or as the case says."""
    roles = {param.name for check in CHECKS for param in load_step(check).params if param.artifact}
    shown = {role: hashlib.sha256(role.encode()).hexdigest() for role in sorted(roles - {"artifact"})}
    for rules in policy.checks.values():
        shown |= {name: digests[0] for name, digests in rules.inputs.items() if digests}
    for said in case.evidence.values():
        shown |= {name: digest for name, digest in said.inputs.items() if digest}
    return shown


def _report(check: str, said: Evidence, release: Release) -> Report:
    step, rules = load_step(check), release.policy.checks.get(check, CheckPolicy())
    needed = {param.name for param in step.params if param.artifact and param.required}
    listed = {name for name, digests in rules.inputs.items() if digests}
    artifacts = sorted(needed | listed | set(said.inputs))
    settings = {param.name: param.default for param in step.params if param.is_setting}
    no_stray(sorted(set(said.parameters) - set(settings)), check, f"{check} has no setting of this name")
    no_stray(sorted(set(said.inputs) - {p.name for p in step.params if p.artifact}), check, "it reads no such artifact")
    digests = {name: release.shown["model" if name == "artifact" else name] for name in artifacts}
    signer = [Finding(SIGNER_RULE, Severity.INFO, "signed", "train", fails=False)] if check == "verify_artifact" else []
    report = conclude(
        coverage=Coverage("cases", 1, 1),
        tools=[Tool(RUN, "1", db_updated=(NOW - timedelta(days=said.database_age_days)).isoformat())],
        metrics=said.metrics,
        criteria=said.asked,
        findings=[*said.findings, *signer],
    )
    return replace(
        report,
        verdict=said.verdict or report.verdict,
        check=check,
        version=__version__,
        subject=(Subject(step.subject.name, digests[step.subject.name]),),
        parameters={**settings, **rules.parameters, **said.parameters},
        inputs=tuple(Input(name, name, digest, 1) for name, digest in digests.items()),
        execution={"finished": (NOW - timedelta(hours=said.age_hours)).isoformat()},
        nonce=RUN,
    )


def _waiver(waived: Waived, case: Case, release: Release) -> bytes:
    said = case.evidence.get(waived.check, Evidence())
    found = next((finding for finding in said.findings if finding.rule == waived.rule), None)
    if found is None:
        raise WardeinError(f"{waived.check} has no finding {waived.rule!r} to waive", where="waivers")
    until = NOW + timedelta(days=waived.days)
    scope = {"environment": release.trust.environment, "fingerprint": found.fingerprint}
    waiver = Waiver(waived.check, waived.rule, justification=RUN, owner="waive", not_before=NOW, expires=until, **scope)
    payload = write([Subject("scope", scope_digest(waiver))], WAIVER, predicate(waiver))
    return seal(payload, _signer("waive")).signed_by(_signer("approve-1")).to_line()


def _approvals(case: Case, release: Release, rests_on: frozenset[str]) -> list[bytes]:
    if len(case.approvals) > MOST_APPROVALS:
        raise WardeinError(f"has more than {MOST_APPROVALS} entries", where="approvals")
    who = [(f"approve-{number}", age) for number, age in enumerate(case.approvals, 1)]
    who += [] if case.break_glass is None else [("break-glass", case.break_glass)]
    return [_approval(name, age, release, rests_on) for name, age in who]


def _approval(name: str, age: float, release: Release, rests_on: frozenset[str]) -> bytes:
    """An approval as ``wardein approve`` made it so many hours ago."""
    rules, is_glass = release.policy, name == "break-glass"
    hours = rules.break_glass.max_hours if is_glass else rules.approvals.max_age_hours
    then = replace(release, now=NOW - timedelta(hours=age))
    said = statement_of(then, rests_on, RUN, hours, break_glass=is_glass)
    payload = write([Subject("model", release.shown["model"])], APPROVAL, said)
    return seal(payload, _signer(name)).to_line()


def _signed(report: Report, name: str) -> bytes:
    return seal(write(report.subject, CHECK_RESULT, wire.to_json(report)), _signer(name)).to_line()


def _people() -> list[tuple[str, Any]]:
    """Whose keys the rehearsal's trust root lists, with the role of each."""
    approvers = [(f"approve-{number}", "approve") for number in range(1, MOST_APPROVALS + 1)]
    return [(role, role) for role in get_args(Role) if role != "approve"] + approvers


def _key(name: str, role: str) -> TrustedKey:
    return TrustedKey(name, (role,), _signer(name).public_key, name)


@cache
def _signer(name: str) -> CryptoSigner:
    """The key of one of the rehearsal's people: made in memory, and gone with the process."""
    from securesystemslib.signer import CryptoSigner

    return CryptoSigner.generate_ed25519()
