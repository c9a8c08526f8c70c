# SPDX-License-Identifier: Apache-2.0
"""The verification that both the gate and promote perform, step by step. None of it can be configured away.

Every step is one small function that returns why a claim does not count, or nothing. ``tests/attacks`` has
one attack for each; it goes red when its step is removed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from wardein import __version__
from wardein.evidence import trust as trust_root
from wardein.evidence.claims import Claim, gather
from wardein.evidence.trust import TrustRoot
from wardein.images.identity import identify
from wardein.policy import load as policies
from wardein.policy.policy import CheckPolicy, Policy
from wardein.report import Criterion, Finding, Report, Severity, Verdict, conclude
from wardein.spec import CHECKS, STEPS, load
from wardein.subject import digest_of
from wardein.wire import core_sha256

CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True)
class Release:
    """What is to be released, and the rules it is judged by.

    Attributes:
        shown: The sha256 of every artifact that the verifier itself hashed, by role: ``model``, ``data``, ``trust`` …
        nonce: The run whose evidence counts; empty for any run.
    """

    shown: Mapping[str, str]
    trust: TrustRoot
    policy: Policy
    nonce: str = ""
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class Decision:
    """The evidence that counted, and every reason against the release."""

    claims: tuple[Claim, ...]
    reports: tuple[Report, ...]
    findings: tuple[Finding, ...]


def release_of(model: Path, trust: Path, policy: Path, nonce: str, image: str, **others: Path | None) -> Release:
    """Hash what is shown to the verifier, and read the rules.

    Raises:
        WardeinError: If an artifact, the trust root or the policy cannot be read.
    """
    shown = {"model": digest_of(model), "trust": digest_of(trust)}
    shown |= {name: digest_of(path) for name, path in others.items() if path is not None}
    if image:
        shown["image"] = identify(image)
    return Release(shown, trust_root.load(trust), policies.load(policy), nonce)


def decide(release: Release, paths: Sequence[Path]) -> Decision:
    """Verify all evidence and judge it by the policy."""
    claims = gather(paths, release.trust)
    findings = [_deny("gate/unreadable", c.where, c.error) for c in claims if c.error and not c.check]
    findings += _policy_is_pinned(release)
    findings += [
        _deny("gate/unknown-check", c.check, "is evidence of a check that this version does not have")
        for c in claims
        if c.check and c.check not in STEPS
    ]
    reports = []
    for check in dict.fromkeys([*release.policy.checks, *(c.check for c in claims if c.check in CHECKS)]):
        counted, reasons = _judge_check(check, [c for c in claims if c.check == check], release)
        reports += counted
        findings += reasons
    return Decision(tuple(claims), tuple(reports), tuple(findings))


def _judge_check(check: str, claims: Sequence[Claim], release: Release) -> tuple[list[Report], list[Finding]]:
    policy = release.policy.checks.get(check, CheckPolicy(required=False))
    if check not in CHECKS:
        return [], [_deny("gate/unknown-check", check, "the policy names a check that this version does not have")]
    counted, rejected, told = [], [], []
    for claim in claims:
        reason = _inadmissible(claim, release, policy)
        if reason is not None:
            rejected.append(reason)
        elif claim.report is not None and claim.signer is not None:
            counted.append(claim.report)
            told.append(_counted(claim.report, claim.signer.name))
    if not counted and policy.required:
        missing = _deny("gate/missing", check, "there is no evidence that counts; the policy requires it")
        return [], rejected or [missing]
    # Evidence that does not count neither helps nor harms once there is evidence that does; it is still told.
    told += [Finding(r.rule, Severity.INFO, f"not counted: {r.message}", r.location, fails=False) for r in rejected]
    return counted, told + [reason for report in counted for reason in _shortcomings(report, policy, release)]


# Admissibility: is this evidence, of this release, of this run, and fresh?


def _inadmissible(claim: Claim, release: Release, policy: CheckPolicy) -> Finding | None:
    report = claim.report
    if claim.error or claim.signer is None or report is None:
        return _deny("gate/untrusted", claim.check, claim.error or "is not a check result")
    steps: Sequence[Callable[[Report, Release, CheckPolicy], Finding | None]] = (
        _is_of_this_version,
        _is_of_this_release,
        _is_of_shown_inputs,
        _is_of_this_run,
        _is_fresh,
    )
    return next((reason for step in steps if (reason := step(report, release, policy)) is not None), None)


def _is_of_this_release(report: Report, release: Release, policy: CheckPolicy) -> Finding | None:
    role = _role(load(report.check).subject.name)
    expected = release.shown.get(role)
    if expected is None:
        return _deny("gate/subject-not-shown", report.check, f"its subject cannot be compared: give the gate --{role}")
    if [subject.digest for subject in report.subject] != [expected]:
        return _deny("gate/other-subject", report.check, f"is about another {role} than the one to be released")
    return None


def _is_of_shown_inputs(report: Report, release: Release, policy: CheckPolicy) -> Finding | None:
    """Whatever a check read beside its subject was chosen by the run: compare all of it, and deny what cannot be."""
    had = {item.name for item in report.inputs}
    absent = sorted(name for name, digests in policy.inputs.items() if digests and name not in had)
    if absent:
        return _deny("gate/other-input", report.check, f"was made without the {absent[0]} that the policy lists")
    for item in report.inputs:
        role = _role(item.name)
        if item.name in policy.inputs and item.digest not in policy.inputs[item.name]:
            return _deny("gate/other-input", report.check, f"was made with another {item.name} than the policy allows")
        if role == "signature":
            continue  # what it says was verified against the trust root, which is compared
        if role not in release.shown:
            return _deny(
                "gate/input-not-shown", report.check, f"what it read as {role} cannot be compared: give --{role}"
            )
        if item.digest != release.shown[role]:
            return _deny(
                "gate/other-input", report.check, f"was made with another {role} than the one shown to the gate"
            )
    return None


def _is_of_this_version(report: Report, release: Release, policy: CheckPolicy) -> Finding | None:
    """What a check looks at changes with its version; evidence of an older one may have looked at less."""
    if report.version != __version__:
        return _deny("gate/other-version", report.check, f"was made by wardein {report.version}, this is {__version__}")
    return None


def _is_of_this_run(report: Report, release: Release, policy: CheckPolicy) -> Finding | None:
    if release.nonce and report.nonce != release.nonce:
        return _deny("gate/other-run", report.check, "was made in another run of the pipeline")
    return None


def _is_fresh(report: Report, release: Release, policy: CheckPolicy) -> Finding | None:
    try:
        finished = _moment(str(report.execution.get("finished", "")))
        until = _moment(report.valid_until) if report.valid_until else None
    except ValueError:
        return _deny("gate/stale", report.check, "does not say when it was made")
    if finished > release.now + CLOCK_SKEW:
        return _deny("gate/stale", report.check, "was made in the future; check the clocks")
    age = release.now - finished
    if age > timedelta(hours=policy.max_age_hours) or (until is not None and release.now > until):
        hours = age.total_seconds() / 3600
        return _deny(
            "gate/stale", report.check, f"is {hours:.1f} hours old; the policy allows {policy.max_age_hours:g}"
        )
    return None


# Judgement: what admissible evidence says, recomputed.


def _shortcomings(report: Report, policy: CheckPolicy, release: Release) -> list[Finding]:
    findings = [*_passed(report, policy), *_is_consistent(report), *_is_not_loosened(report, policy)]
    findings += _meets_policy(report, policy)
    findings += _has_pinned_parameters(report, policy)
    findings += _has_no_banned_finding(report, policy)
    return findings + _database_is_fresh(report, policy, release)


def _passed(report: Report, policy: CheckPolicy) -> list[Finding]:
    if report.verdict is Verdict.PASS or (report.verdict is Verdict.NOT_APPLICABLE and policy.not_applicable):
        return []
    if report.verdict is Verdict.NOT_APPLICABLE:
        return [
            _deny("gate/not-applicable", report.check, "says it does not apply; the policy names no such condition")
        ]
    return [_deny("gate/not-passed", report.check, f"{report.verdict}: {report.reason}")]


def _is_consistent(report: Report) -> list[Finding]:
    """Recompute the verdict from coverage, findings and metrics: a PASS that these do not bear out is denied."""
    if report.verdict is not Verdict.PASS:
        return []
    again = conclude(
        coverage=report.coverage, metrics=report.metrics, criteria=report.criteria, findings=report.findings
    )
    if again.verdict is Verdict.PASS:
        return []
    return [
        _deny(
            "gate/contradiction", report.check, f"says PASS, but its own content says {again.verdict}: {again.reason}"
        )
    ]


def _is_not_loosened(report: Report, policy: CheckPolicy) -> list[Finding]:
    """A run parameter may tighten a threshold of the policy, never loosen it."""
    findings = []
    for wanted in policy.criteria_on(report.metrics):
        for asked in (c for c in report.criteria if (c.metric, c.slice) == (wanted.metric, wanted.slice)):
            if asked.looser_than(wanted):
                text = f"the run asked only for {asked.label}, the policy demands {wanted.label}"
                findings.append(_deny("gate/loosened", report.check, text))
    return findings


def _meets_policy(report: Report, policy: CheckPolicy) -> list[Finding]:
    judged: list[Criterion] = [criterion.judge(report.metrics) for criterion in policy.criteria_on(report.metrics)]
    return [_deny("gate/criterion", report.check, f"not met: {c.label}: {c.note}") for c in judged if not c.met]


def _has_pinned_parameters(report: Report, policy: CheckPolicy) -> list[Finding]:
    """A setting that changes what is measured is at its default, or at what the policy pins.

    Thresholds are free where the policy has criteria of its own on the check, as it is those that count.
    """
    wrong = []
    for param in load(report.check).params:
        if not param.is_setting or (param.judged and policy.criteria):
            continue
        had = report.parameters.get(param.name)
        if param.required and param.name not in policy.parameters:
            text = f"the policy does not say what {param.name!r} must be, and the run chose {had!r}"
            wrong.append(_deny("gate/parameter", report.check, f"{text}; add it to the policy's parameters"))
            continue
        wanted = policy.parameters.get(param.name, param.default)
        if had != wanted:
            text = f"was run with {param.name} = {had!r}, not {wanted!r}"
            wrong.append(_deny("gate/parameter", report.check, f"{text}; only the policy can pin another value"))
    return wrong


def _has_no_banned_finding(report: Report, policy: CheckPolicy) -> list[Finding]:
    if policy.fail_severity is None:
        return []
    banned = [f for f in report.findings if f.severity.rank <= policy.fail_severity.rank]
    text = "has a finding that the policy does not allow: {} ({}): {}"
    return [_deny("gate/finding", report.check, text.format(f.rule, f.severity, f.message)) for f in banned]


def _database_is_fresh(report: Report, policy: CheckPolicy, release: Release) -> list[Finding]:
    days = policy.database_max_age_days
    if days is None:
        return []
    dated = [tool.db_updated for tool in report.tools if tool.db_updated]
    try:
        ages = [release.now - _moment(text) for text in dated]
    except ValueError:
        ages = []
    if not ages:
        return [_deny("gate/database", report.check, "does not say how old its database was; the policy limits that")]
    oldest = max(ages)
    if timedelta(days=days) >= oldest >= -CLOCK_SKEW:
        return []
    return [_deny("gate/database", report.check, f"its database is {oldest.days} days old; the policy allows {days:g}")]


def _policy_is_pinned(release: Release) -> list[Finding]:
    if release.trust.policy_digest == release.policy.digest:
        return []
    text = f"has the digest {release.policy.digest}, the trust root pins {release.trust.policy_digest}"
    return [_deny("gate/policy", "policy", text)]


def _role(parameter: str) -> str:
    """An artifact to verify is the model to release, by another name."""
    return "model" if parameter == "artifact" else parameter


def _counted(report: Report, signer: str) -> Finding:
    text = f"evidence counted: {report.verdict}, signed by {signer}, verdict core sha256:{core_sha256(report)}"
    return Finding("gate/counted", Severity.INFO, text, report.check, fails=False)


def _deny(rule: str, location: str, message: str) -> Finding:
    return Finding(rule, Severity.CRITICAL, message, location)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment
