# SPDX-License-Identifier: Apache-2.0
"""What admissible evidence says, recomputed and held against the policy. One small function a demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from wardein.policy.policy import CheckPolicy
from wardein.release.terms import CLOCK_SKEW, Release, deny, moment
from wardein.release.waivers import Waiver
from wardein.report import BASELINE, Criterion, Finding, Report, Verdict, verdict_of
from wardein.spec import load


@dataclass(frozen=True)
class Case:
    """One check's admissible report, what the policy demands of it, and the findings that a waiver lifts.

    Attributes:
        waived: The findings of the report that valid waivers cover, each with its waiver.
    """

    report: Report
    policy: CheckPolicy
    release: Release
    waived: Mapping[Finding, Waiver] = field(default_factory=dict)

    @property
    def check(self) -> str:
        """The check's name."""
        return self.report.check

    @property
    def open_findings(self) -> tuple[Finding, ...]:
        """The findings that no waiver covers."""
        return tuple(f for f in self.report.findings if f not in self.waived) if self.waived else self.report.findings


def shortcomings(case: Case) -> list[Finding]:
    """Every reason against the release that one check's evidence gives."""
    steps: Sequence[Callable[[Case], list[Finding]]] = (
        _passed,
        _is_consistent,
        _is_not_loosened,
        _meets_policy,
        _has_pinned_parameters,
        _has_no_banned_finding,
        _database_is_fresh,
    )
    return [reason for step in steps for reason in step(case)]


def _passed(case: Case) -> list[Finding]:
    verdict = case.report.verdict
    if verdict is Verdict.PASS or (verdict is Verdict.NOT_APPLICABLE and case.policy.not_applicable):
        return []
    if verdict is Verdict.NOT_APPLICABLE:
        return [deny("gate/not-applicable", case.check, "says it does not apply; the policy names no such condition")]
    if verdict is Verdict.FAIL and case.waived and _again(case)[0] is Verdict.PASS:
        return []  # nothing but waived findings stood against it
    return [deny("gate/not-passed", case.check, f"{verdict}: {case.report.reason}")]


def _is_consistent(case: Case) -> list[Finding]:
    """Recompute the verdict from coverage, findings and metrics: a PASS that these do not bear out is denied."""
    if case.report.verdict is not Verdict.PASS:
        return []
    verdict, reason = _again(case)
    if verdict is Verdict.PASS:
        return []
    text = f"says PASS, but its own content says {verdict}: {reason}"
    return [deny("gate/contradiction", case.check, text)]


def _is_not_loosened(case: Case) -> list[Finding]:
    """A run parameter may tighten a threshold of the policy, never loosen it."""
    findings = []
    for wanted in case.policy.criteria_on(case.report.metrics):
        for asked in (c for c in case.report.criteria if (c.metric, c.slice) == (wanted.metric, wanted.slice)):
            # What another layer of a policy asked for, no run has asked for.
            if asked.source != "policy" and asked.looser_than(wanted):
                text = f"the run asked only for {asked.label}, the policy demands {wanted.label}"
                findings.append(deny("gate/loosened", case.check, text))
    return findings


def _meets_policy(case: Case) -> list[Finding]:
    metrics = case.report.metrics
    judged: list[Criterion] = [criterion.judge(metrics) for criterion in case.policy.criteria_on(metrics)]
    return [deny("gate/criterion", case.check, f"not met: {c.label}: {c.note}") for c in judged if not c.met]


def _has_pinned_parameters(case: Case) -> list[Finding]:
    """A setting that changes what is measured is at its default, or at what the policy pins.

    Thresholds are free where the policy has criteria of its own on the check, as it is those that count.
    """
    wrong, pinned = [], case.policy.parameters
    for param in load(case.check).params:
        if not param.is_setting or (param.judged and case.policy.criteria):
            continue
        had = case.report.parameters.get(param.name)
        if param.required and param.name not in pinned:
            text = f"the policy does not say what {param.name!r} must be, and the run chose {had!r}"
            wrong.append(deny("gate/parameter", case.check, f"{text}; add it to the policy's parameters"))
            continue
        wanted = pinned.get(param.name, param.default)
        if had != wanted or isinstance(had, bool) is not isinstance(wanted, bool):
            text = f"was run with {param.name} = {had!r}, not {wanted!r}"
            wrong.append(deny("gate/parameter", case.check, f"{text}; only the policy can pin another value"))
    return wrong


def _has_no_banned_finding(case: Case) -> list[Finding]:
    limit = case.policy.fail_severity
    if limit is None:
        return []
    # A baseline counts only if the policy lists it, which was looked at before; without one nothing is known.
    known = BASELINE if any(item.name == BASELINE for item in case.report.inputs) else None
    banned = [f for f in case.open_findings if f.severity.rank <= limit.rank and f.suppressed != known]
    text = "has a finding that the policy does not allow: {} ({}): {}"
    return [deny("gate/finding", case.check, text.format(f.rule, f.severity, f.message)) for f in banned]


def _database_is_fresh(case: Case) -> list[Finding]:
    days, now = case.policy.database_max_age_days, case.release.now
    if days is None:
        return []
    dated = [moment(tool.db_updated) for tool in case.report.tools if tool.db_updated]
    ages = [now - date for date in dated if date is not None]
    if not ages or len(ages) < len(dated):
        return [deny("gate/database", case.check, "does not say how old its database was; the policy limits that")]
    oldest, newest = max(ages), min(ages)
    if oldest <= timedelta(days=days) and newest >= -CLOCK_SKEW:
        return []
    return [deny("gate/database", case.check, f"its database is {oldest.days} days old; the policy allows {days:g}")]


def _again(case: Case) -> tuple[Verdict, str]:
    """The verdict that the report's own content adds up to, without what is waived, and why."""
    judged = [criterion.judge(case.report.metrics) for criterion in case.report.criteria]
    return verdict_of(case.report.coverage, judged, case.open_findings)
