# SPDX-License-Identifier: Apache-2.0
"""What a release needs, in one environment and risk tier: checks, thresholds, ages, approvals, waivers.

:mod:`wardein.policy.load` reads it from ``policy.yaml``; docs/policy.md documents every key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

from wardein.report import Criterion, Metric, Severity

Tier = Literal["low", "standard", "high"]
TIERS: tuple[Tier, ...] = get_args(Tier)


def fits(name: str, pattern: str) -> bool:
    """Whether a slice is among those that a pattern stands for; only ``*`` is special, and stands for any text."""
    return fnmatchcase(name, re.sub(r"[?[]", r"[\g<0>]", pattern))


@dataclass(frozen=True)
class CheckPolicy:
    """What the policy demands of one check.

    Attributes:
        required: Whether a release needs this check's evidence.
        criteria: Thresholds on its metrics.
        fail_severity: The least severe finding that stops a release, even if the check let it pass; None for none.
        max_age_hours: How old the evidence may be.
        database_max_age_days: How old the vulnerability database may be; None where the check has none.
        not_applicable: The condition under which NOT_APPLICABLE counts as passed; empty for never.
        parameters: Settings that a run must have had, with their values; all others must be at their defaults.
        inputs: By the parameter's name, the sha256 digests that an artifact may have; an empty list allows none.
    """

    required: bool = True
    criteria: tuple[Criterion, ...] = ()
    fail_severity: Severity | None = None
    max_age_hours: float = 24.0
    database_max_age_days: float | None = None
    not_applicable: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def criteria_on(self, metrics: Sequence[Metric]) -> tuple[Criterion, ...]:
        """The criteria with slice patterns spelled out.

        A criterion whose slice holds ``*`` stands for one on every slice that was measured and fits; if none was,
        it stays as it is, and so is not met.
        """
        spelled: list[Criterion] = []
        for criterion in self.criteria:
            measured = sorted({metric.slice for metric in metrics if metric.name == criterion.metric})
            fitting = [name for name in measured if "*" in criterion.slice and fits(name, criterion.slice)]
            spelled += [replace(criterion, slice=name) for name in fitting] or [criterion]
        return tuple(spelled)


@dataclass(frozen=True)
class ApprovalRules:
    """How many distinct identities, none of them the author's, have to approve, and how recently."""

    required: int = 0
    max_age_hours: float = 24.0


@dataclass(frozen=True)
class WaiverRules:
    """For how long a finding may be waived (0: not at all), and how severe it may be at most."""

    max_days: float = 0.0
    max_severity: Severity = Severity.HIGH


@dataclass(frozen=True)
class BreakGlassRules:
    """For how long a break-glass counts (0: there is none), and by when a regular release has to follow."""

    max_hours: float = 0.0
    follow_up_hours: float = 72.0


@dataclass(frozen=True)
class Policy:
    """What a release needs in one environment and tier, and the digest of the folder that says so.

    Attributes:
        default_tier: The tier of every release that is not asked to be judged as a higher one. A lower one takes a
            signed approval.
    """

    name: str
    digest: str
    checks: Mapping[str, CheckPolicy] = field(default_factory=dict)
    environment: str = ""
    tier: Tier = "standard"
    default_tier: Tier = "standard"
    approvals: ApprovalRules = ApprovalRules()
    waivers: WaiverRules = WaiverRules()
    break_glass: BreakGlassRules = BreakGlassRules()

    @property
    def required(self) -> tuple[str, ...]:
        """The checks without whose evidence no release passes."""
        return tuple(name for name, check in self.checks.items() if check.required)

    @property
    def is_lowered(self) -> bool:
        """Whether the tier is below the policy's own."""
        return TIERS.index(self.tier) < TIERS.index(self.default_tier)

    @property
    def approvals_needed(self) -> int:
        """How many identities have to approve; lowering the tier takes one at least."""
        return max(self.approvals.required, int(self.is_lowered))

    def criteria_for(self, check: str, metrics: Sequence[Metric]) -> tuple[Criterion, ...]:
        """The thresholds on the metrics of one check, slice patterns spelled out."""
        return self.checks[check].criteria_on(metrics) if check in self.checks else ()
