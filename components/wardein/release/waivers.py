# SPDX-License-Identifier: Apache-2.0
"""Waivers: signed, scoped and expiring statements that one finding is accepted.

A waiver is an in-toto statement that two identities sign: whoever owns it (role ``waive``) and somebody else who
approves it (role ``approve``). docs/waivers.md documents it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from wardein.evidence.claims import Claim
from wardein.evidence.statement import WAIVER, Statement
from wardein.release.terms import CLOCK_SKEW, Release, moment, tell
from wardein.report import Finding, Report, Severity

# What runs code on whoever loads the artifact is never accepted, however it is rated.
CODE_EXECUTION = frozenset(
    f"CWE-{n}" for n in (74, 77, 78, 88, 94, 95, 96, 98, 470, 494, 502, 506, 507, 509, 829, 913, 915, 917)
)
_VAGUE = re.compile(r"[*?\[\]]|^(?i:any|all|latest)$")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Waiver:
    """One accepted finding.

    Attributes:
        check: The check that made the finding.
        rule: The finding's rule, or its CVE.
        fingerprint: The finding's fingerprint; empty if the scope is a subject or a package.
        subject: The sha256 of what was judged; empty if the scope is another.
        package: A package URL without version, together with ``versions``; empty if the scope is another.
        versions: Which versions of the package; a PEP 440 range with an upper end, or ``==`` for each one.
        owner: The identity that answers for it.
    """

    check: str
    rule: str
    environment: str
    justification: str
    owner: str
    not_before: datetime
    expires: datetime
    fingerprint: str = ""
    subject: str = ""
    package: str = ""
    versions: str = ""
    approver: str = ""
    digest: str = ""

    @property
    def label(self) -> str:
        """The waiver, as people call it."""
        scope = self.fingerprint[:12] or self.subject[:12] or f"{self.package} {self.versions}"
        return f"{self.rule} ({scope})"

    def covers(self, finding: Finding, report: Report) -> bool:
        """Whether a finding of a report is the one that is accepted."""
        if self.check != report.check or self.rule not in (finding.rule, finding.cve):
            return False
        if self.fingerprint:
            return finding.fingerprint == self.fingerprint
        if self.subject:
            return [subject.digest for subject in report.subject] == [self.subject]
        package, at, version = finding.purl.partition("?")[0].rpartition("@")
        return bool(at) and package == self.package and _in_range(version, self.versions, package)


def waivers_in(claims: Sequence[Claim], release: Release) -> tuple[list[Waiver], list[Finding]]:
    """The waivers that hold, and what is wrong with the others.

    A waiver that does not hold lifts nothing; it is told by name, so that nobody relies on it unawares.
    """
    held, told = [], []
    for claim in claims:
        if claim.statement is None or claim.statement.predicate_type != WAIVER:
            continue
        found = _read(claim)
        if isinstance(found, Finding):
            told.append(found)
            continue
        steps: Sequence[Callable[[Waiver, Claim, Release], Finding | None]] = (
            _is_signed_by_its_owner,
            _is_approved_by_another,
            _is_of_this_environment,
            _is_no_wildcard,
            _is_in_time,
            _is_short_enough,
            _is_of_something_waivable,
        )
        wrong = next((reason for step in steps if (reason := step(found, claim, release)) is not None), None)
        if wrong is None:
            held.append(found)
        else:
            told.append(wrong)
    return held, told


def covered(
    report: Report, waivers: Sequence[Waiver], release: Release
) -> tuple[dict[Finding, Waiver], list[tuple[Waiver, Finding]]]:
    """The findings of a report that waivers lift; and the waivers that may not lift what is theirs, told by name."""
    lifted, refused = {}, []
    limit = release.policy.waivers.max_severity
    for finding in report.findings if waivers else ():
        waiver = next((w for w in waivers if w.covers(finding, report)), None)
        if waiver is None:
            continue
        if is_never_waivable(finding):
            why = "nobody can waive a broken signature, or a critical finding about code execution"
            refused.append((waiver, _not_counted("waiver/not-waivable", waiver, why)))
        elif finding.severity.rank < limit.rank:
            why = f"the finding is {finding.severity}; the policy lets waivers lift what is {limit} at most"
            refused.append((waiver, _not_counted("waiver/too-severe", waiver, why)))
        else:
            lifted[finding] = waiver
    return lifted, refused


def is_never_waivable(finding: Finding) -> bool:
    """Findings that no waiver and no break-glass lifts: broken signatures and digests, and critical code execution."""
    if finding.rule.partition("/")[0] in ("signature", "gate", "promote"):
        return True
    runs_code = bool(CODE_EXECUTION & {finding.cwe, *finding.taxonomy}) or "code-execution" in finding.taxonomy
    return finding.severity is Severity.CRITICAL and runs_code


def predicate(waiver: Waiver) -> dict[str, Any]:
    """The JSON form of a waiver; who approved it is in its signatures."""
    scope = {name: value for name in _SCOPES if (value := getattr(waiver, name))}
    return {
        "check": waiver.check,
        "rule": waiver.rule,
        "scope": scope,
        "environment": waiver.environment,
        "justification": waiver.justification,
        "owner": waiver.owner,
        "notBefore": waiver.not_before.isoformat(),
        "expires": waiver.expires.isoformat(),
    }


_SCOPES = ("fingerprint", "subject", "package", "versions")
_MEMBERS = {"check", "rule", "scope", "environment", "justification", "owner", "notBefore", "expires"}


def read(statement: Statement) -> Waiver:
    """The waiver that a statement makes.

    Raises:
        ValueError: Saying what is wrong with it.
    """
    said = statement.predicate
    if set(said) != _MEMBERS or not isinstance(said["scope"], dict) or not set(said["scope"]) <= set(_SCOPES):
        raise ValueError(f"its members are not {', '.join(sorted(_MEMBERS))}")
    texts = {name: said[name] for name in ("check", "rule", "environment", "justification", "owner")} | said["scope"]
    if not all(isinstance(value, str) and value.strip() and len(value) <= 4000 for value in texts.values()):
        raise ValueError("a member is not a text, or is empty")
    starts, ends = moment(said["notBefore"]), moment(said["expires"])
    if starts is None or ends is None:
        raise ValueError("it does not say from when and until when")
    if set(said["scope"]) not in ({"fingerprint"}, {"subject"}, {"package", "versions"}):
        raise ValueError("its scope is not one of: fingerprint, subject, package with versions")
    waiver = Waiver(not_before=starts, expires=ends, **texts)
    if [s.digest for s in statement.subject] != [scope_digest(waiver)]:
        raise ValueError("its subject is not its scope")
    return waiver


def scope_digest(waiver: Waiver) -> str:
    """The sha256 that stands for a waiver's scope as the subject of its statement."""
    named = waiver.fingerprint or waiver.subject
    return named or hashlib.sha256(f"{waiver.package}\n{waiver.versions}".encode()).hexdigest()


def _read(claim: Claim) -> Waiver | Finding:
    if claim.error or claim.statement is None:
        return tell("waiver/untrusted", claim.where, f"not counted: {claim.error}")
    try:
        waiver = read(claim.statement)
    except (ValueError, TypeError) as error:
        return tell("waiver/malformed", claim.where, f"not counted: {error}")
    approvers = [key.identity for key in claim.signers if "approve" in key.roles]
    return replace(waiver, approver=approvers[0] if approvers else "", digest=claim.content)


def _is_signed_by_its_owner(waiver: Waiver, claim: Claim, release: Release) -> Finding | None:
    if any(key.identity == waiver.owner and "waive" in key.roles for key in claim.signers):
        return None
    return _not_counted("waiver/not-owned", waiver, f"{waiver.owner}, who is to own it, did not sign it")


def _is_approved_by_another(waiver: Waiver, claim: Claim, release: Release) -> Finding | None:
    if not waiver.approver:
        return _not_counted("waiver/unapproved", waiver, "nobody with the role approve signed it")
    if any("approve" in key.roles and key.identity != waiver.owner for key in claim.signers):
        return None
    return _not_counted("waiver/self-approved", waiver, f"{waiver.owner} both owns and approves it")


def _is_of_this_environment(waiver: Waiver, claim: Claim, release: Release) -> Finding | None:
    if waiver.environment == release.trust.environment:
        return None
    return _not_counted("waiver/copied", waiver, f"was made for {waiver.environment}, not {release.trust.environment}")


def _is_no_wildcard(waiver: Waiver, claim: Claim, release: Release) -> Finding | None:
    """One finding, in one place: no pattern, and no range of versions without an end."""
    vague = [name for name in ("check", "rule", "package", "versions") if _VAGUE.search(getattr(waiver, name))]
    if vague:
        return _not_counted("waiver/wildcard", waiver, f"its {vague[0]} is a pattern")
    digest = waiver.fingerprint or waiver.subject
    if digest and not _SHA256.fullmatch(digest):
        return _not_counted("waiver/wildcard", waiver, "its scope is not a lower-case sha256")
    if not has_an_end(waiver):
        return _not_counted("waiver/wildcard", waiver, f"the versions {waiver.versions!r} have no end")
    return None


def _is_in_time(waiver: Waiver, claim: Claim, release: Release) -> Finding | None:
    if waiver.expires <= release.now:
        return _not_counted("waiver/expired", waiver, f"expired on {waiver.expires:%Y-%m-%d}")
    if waiver.not_before > release.now + CLOCK_SKEW:
        return _not_counted("waiver/future", waiver, f"holds from {waiver.not_before:%Y-%m-%d} on")
    return None


def _is_short_enough(waiver: Waiver, claim: Claim, release: Release) -> Finding | None:
    days = release.policy.waivers.max_days
    if waiver.expires - waiver.not_before <= timedelta(days=days):
        return None
    text = f"holds longer than the {days:g} days that the policy allows" if days else "the policy allows no waivers"
    return _not_counted("waiver/too-long", waiver, text)


def _is_of_something_waivable(waiver: Waiver, claim: Claim, release: Release) -> Finding | None:
    if waiver.rule.partition("/")[0] not in ("gate", "promote", "signature"):
        return None
    return _not_counted("waiver/not-waivable", waiver, "signatures, digests and the gate's own reasons stand")


def _not_counted(rule: str, waiver: Waiver, why: str) -> Finding:
    return tell(rule, waiver.label, f"not counted: {why}")


def _in_range(version: str, versions: str, package: str) -> bool:
    if not package.startswith("pkg:pypi/"):
        return version in _listed(versions)
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion

    try:
        return SpecifierSet(versions).contains(version, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return False


def has_an_end(waiver: Waiver) -> bool:
    """Whether a waiver's scope is bounded: a package's versions have to have an upper end."""
    return not waiver.package or ("*" not in waiver.versions and _bounded(waiver.versions, waiver.package))


def _bounded(versions: str, package: str) -> bool:
    """PyPI's versions are ordered by PEP 440; other systems order their own, and so theirs are listed."""
    if not package.startswith("pkg:pypi/"):
        return bool(_listed(versions))
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        parts = list(SpecifierSet(versions))
    except InvalidSpecifier:
        return False
    return any(part.operator in ("<", "<=", "==", "===", "~=") for part in parts)


def _listed(versions: str) -> list[str]:
    parts = [part.strip() for part in versions.split("||")]
    return [part[2:] for part in parts] if all(part.startswith("==") and len(part) > 2 for part in parts) else []
