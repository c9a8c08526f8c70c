# SPDX-License-Identifier: Apache-2.0
"""What a check says: metrics with intervals, findings, coverage, and the verdict they add up to.

:mod:`wardein.wire` gives it its JSON form, which ``docs/report.md`` documents.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

from wardein.errors import WardeinError
from wardein.subject import Subject

CHECK_RESULT = "urn:wardein:check-result:1"
VSA = "https://slsa.dev/verification_summary/v1"
# The finding in which verify_artifact tells which key signed the artifact: its location is the key's name.
SIGNER_RULE = "signature/signer"
# Likewise what the signer calls it: the location is its name, and its version.
NAME_RULE, VERSION_RULE = "signature/name", "signature/version"

# Why a finding is suppressed: an earlier report, which the policy has to name, had it already.
BASELINE = "baseline"

# What the reason of a PASS ends with where nothing was demanded of the numbers.
_MEASURED = "; measured only, as no threshold was set"

# More examples than this are not a size that anybody would collect to settle a threshold.
MOST_EXAMPLES = 10_000_000

Comparator = Literal[">=", "<="]
Bound = Literal["point", "ci_low", "ci_high"]


class Verdict(StrEnum):
    """The four endings of a step. ERROR means: could not look, or not at everything."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    FAIL = "FAIL"
    ERROR = "ERROR"
    NOT_APPLICABLE = "NOT_APPLICABLE"


class Severity(StrEnum):
    """How bad a finding is, in the order of CVSS's qualitative ratings."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for critical up to 4 for info."""
        return list(Severity).index(self)


@dataclass(frozen=True)
class Interval:
    """A confidence interval: its ends, its level in (0, 1), and the method that made it."""

    low: float
    high: float
    level: float = 0.95
    method: str = "wilson"


@dataclass(frozen=True)
class Metric:
    """One measured number.

    Attributes:
        name: The field's name for the quantity, for example ``robust_accuracy``.
        value: The point estimate; never NaN or infinite.
        n: How many examples it was computed from.
        unit: ``1`` for a proportion, or the unit's name.
        direction: Whether larger or smaller values are better.
        ci: Its confidence interval, if the method gives one.
        slice: The part of the data it holds for, for example ``epsilon=0.1`` or ``sex=1``.
    """

    name: str
    value: float
    n: int
    unit: str = "1"
    direction: Literal["higher", "lower", "none"] = "none"
    ci: Interval | None = None
    slice: str = ""

    def __post_init__(self) -> None:
        numbers = [self.value] + ([self.ci.low, self.ci.high] if self.ci else [])
        if not all(math.isfinite(number) for number in numbers):
            raise WardeinError("a metric is not a finite number", where=self.label)

    @property
    def label(self) -> str:
        """The name with its slice, as people write it."""
        return f"{self.name}[{self.slice}]" if self.slice else self.name


@dataclass(frozen=True)
class Criterion:
    """A threshold on one metric, and whether it was met.

    Attributes:
        bound: Which number must meet the threshold: the point estimate, or an end of its interval.
        source: Who asked: ``parameter`` or ``policy``.
        met: True or False once judged, None before.
        note: Why not, when not met; ``inconclusive`` leads the note where the interval spans the threshold.
    """

    metric: str
    comparator: Comparator
    threshold: float
    bound: Bound = "point"
    slice: str = ""
    min_n: int = 0
    source: str = "parameter"
    met: bool | None = None
    note: str = ""

    @property
    def label(self) -> str:
        """The criterion in words."""
        name = f"{self.metric}[{self.slice}]" if self.slice else self.metric
        bound = "" if self.bound == "point" else f" ({self.bound.replace('_', ' ')})"
        return f"{name}{bound} {self.comparator} {self.threshold:g}"

    def judge(self, metrics: Sequence[Metric]) -> Criterion:
        """Recompute ``met`` and ``note`` from the metrics alone."""
        matching = [m for m in metrics if (m.name, m.slice) == (self.metric, self.slice)]
        if len(matching) != 1:
            others = ", ".join(m.label for m in metrics if m.name == self.metric)[:200]
            absent = f"not measured; measured: {others}" if others else "not measured"
            return replace(self, met=False, note="measured more than once" if matching else absent)
        metric = matching[0]
        if metric.n < self.min_n:
            return replace(self, met=False, note=f"only {metric.n} examples, {self.min_n} required")
        if self.bound != "point" and metric.ci is None:
            return replace(self, met=False, note=f"has no confidence interval, {self.bound} required")
        counted = {
            "point": metric.value,
            "ci_low": metric.ci.low if metric.ci else 0.0,
            "ci_high": metric.ci.high if metric.ci else 0.0,
        }
        met = self._holds(counted[self.bound])
        if met:
            return replace(self, met=True, note=f"is {interval_text(metric)}")
        if self.bound != "point" and metric.ci and (self._holds(metric.ci.low) or self._holds(metric.ci.high)):
            return replace(
                self,
                met=False,
                note=f"inconclusive: {interval_text(metric)} spans {self.threshold:g}{self._decisive(metric)}",
            )
        return replace(self, met=False, note=f"is {interval_text(metric)}")

    def looser_than(self, other: Criterion) -> bool:
        """Whether this criterion lets something through that ``other``, on the same metric, stops."""
        if self.comparator != other.comparator:
            return True
        strictness: dict[str, int] = (
            {"ci_low": 0, "point": 1, "ci_high": 2}
            if self.comparator == "<="
            else {"ci_high": 0, "point": 1, "ci_low": 2}
        )
        lower = self.threshold < other.threshold if self.comparator == ">=" else self.threshold > other.threshold
        return lower or strictness[self.bound] < strictness[other.bound]

    def _holds(self, number: float) -> bool:
        return number >= self.threshold if self.comparator == ">=" else number <= self.threshold

    def _decisive(self, metric: Metric) -> str:
        """The sample size at which an interval of this shape would stop spanning the threshold."""
        gap = abs(metric.value - self.threshold)
        if metric.ci is None or gap == 0:
            return "; no sample size would decide, the estimate is the threshold"
        half = max(metric.ci.high - metric.value, metric.value - metric.ci.low)
        needed = metric.n * (half / gap) ** 2
        if needed > MOST_EXAMPLES:
            return f"; no realistic number of examples would decide (n={metric.n})"
        return f"; about {math.ceil(needed)} examples would decide (n={metric.n})"


@dataclass(frozen=True)
class Skipped:
    """Something that should have been examined and was not, and why."""

    what: str
    reason: str


@dataclass(frozen=True)
class Coverage:
    """How much of what had to be looked at was looked at.

    Attributes:
        unit: What is counted, for example ``rows`` or ``expectations``.
        expected: How many there were to examine.
        examined: How many were.
        skipped: What was left out. One entry is enough to make the verdict ERROR.
    """

    unit: str
    expected: int
    examined: int
    skipped: tuple[Skipped, ...] = ()

    @property
    def complete(self) -> bool:
        """True only if there was something to examine and all of it was."""
        return 0 < self.expected == self.examined and not self.skipped


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, where, and how to recognise it again.

    Attributes:
        rule: The rule's stable identifier, for example ``CVE-2022-22817`` or ``fairness/small-group``.
        location: A path inside the subject, a column, a package; never a path of the machine.
        fails: Whether this finding alone makes the verdict FAIL.
        purl: The package that it is about, as a package URL with its version, for example ``pkg:pypi/pillow@9.0.0``.
        line: The line in the file, or in the part of it, counted from 1; 0 if there is none.
        part: The part of a file that lines are counted in, for example ``cell 3`` of a notebook.
        identity: What makes this finding another one than those of the same rule at the same location, and stays the
            same when lines move: a digest of the line's text, and which of several such lines it is.
        suppressed: Why it does not fail although its severity would: :data:`BASELINE`, or empty.
    """

    rule: str
    severity: Severity
    message: str
    location: str = ""
    fails: bool = True
    cve: str = ""
    cwe: str = ""
    taxonomy: tuple[str, ...] = ()
    purl: str = ""
    line: int = 0
    part: str = ""
    identity: str = ""
    suppressed: str = ""

    @property
    def fingerprint(self) -> str:
        """A sha256 over rule, location and identity: the same finding in two runs has the same one."""
        named = (self.rule, self.location, self.identity) if self.identity else (self.rule, self.location)
        return hashlib.sha256("\n".join(named).encode()).hexdigest()

    @property
    def place(self) -> str:
        """The location with part and line, as people read it."""
        line = f"line {self.line}" if self.line else ""
        return ", ".join(text for text in (self.location, self.part, line) if text)


@dataclass(frozen=True)
class Tool:
    """A library or program that did the looking."""

    name: str
    version: str
    sha256: str = ""
    db_name: str = ""
    db_updated: str = ""


@dataclass(frozen=True)
class Input:
    """A file or folder that was read, by the name of the parameter that gave it."""

    name: str
    role: str
    digest: str
    bytes: int
    rows: int | None = None


@dataclass(frozen=True)
class Attestation:
    """A further statement that a step makes about the same subject, for example a SLSA VSA."""

    predicate_type: str
    predicate: Mapping[str, Any]


@dataclass(frozen=True)
class Report:
    """The result of one step.

    A step builds it with :func:`conclude`, which derives the verdict; :mod:`wardein.execute` adds who was
    judged, with which parameters and inputs, when and under which policy.

    Attributes:
        attestations: Further statements about the same subject; they become evidence of their own.
        appendix: The reports that this one rests on, for the page only; they are evidence of their own already.
    """

    verdict: Verdict
    reason: str
    coverage: Coverage
    tools: tuple[Tool, ...] = ()
    metrics: tuple[Metric, ...] = ()
    criteria: tuple[Criterion, ...] = ()
    findings: tuple[Finding, ...] = ()
    attestations: tuple[Attestation, ...] = ()
    appendix: tuple[Report, ...] = ()
    check: str = ""
    version: str = ""
    subject: tuple[Subject, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[Input, ...] = ()
    execution: Mapping[str, Any] = field(default_factory=dict)
    nonce: str = ""
    valid_until: str = ""
    policy_digest: str = ""

    @property
    def passed(self) -> bool:
        """PASS or NOT_APPLICABLE."""
        return self.verdict in (Verdict.PASS, Verdict.NOT_APPLICABLE)

    def judged_by(self, criteria: Sequence[Criterion]) -> Report:
        """The same measurements with more criteria applied. Criteria can only make a verdict worse."""
        judged = tuple(c.judge(self.metrics) for c in criteria)
        added = tuple(c for c in judged if c not in self.criteria)
        every = self.criteria + added
        unmet = [c for c in added if not c.met]
        if self.verdict is not Verdict.PASS or not unmet:
            return replace(self, criteria=every, reason=self.reason.removesuffix(_MEASURED if every else ""))
        return replace(self, criteria=every, verdict=Verdict.FAIL, reason=_unmet_text(unmet))


def conclude(
    *,
    coverage: Coverage,
    tools: Sequence[Tool] = (),
    metrics: Sequence[Metric] = (),
    criteria: Sequence[Criterion] = (),
    findings: Sequence[Finding] = (),
    attestations: Sequence[Attestation] = (),
    appendix: Sequence[Report] = (),
    measures: bool = False,
) -> Report:
    """Derive the verdict from coverage, findings and criteria, in that order, and build the report.

    Incomplete coverage is an ERROR whatever else was found; the findings are kept beside it. A PASS of a step that
    ``measures`` says if nothing was demanded of its numbers.
    """
    judged = tuple(c.judge(metrics) for c in criteria)
    verdict, reason = verdict_of(coverage, judged, findings)
    if measures and verdict is Verdict.PASS and not judged:
        reason += _MEASURED
    return Report(
        verdict,
        reason,
        coverage,
        tuple(tools),
        tuple(metrics),
        judged,
        tuple(findings),
        tuple(attestations),
        tuple(appendix),
    )


def verdict_of(coverage: Coverage, judged: Sequence[Criterion], findings: Sequence[Finding]) -> tuple[Verdict, str]:
    """What coverage, findings and judged criteria add up to, and why."""
    failing = [f for f in findings if f.fails]
    unmet = [c for c in judged if not c.met]
    if not coverage.complete:
        return Verdict.ERROR, _incomplete_text(coverage)
    if failing:
        worst = min(failing, key=lambda f: f.severity.rank)
        more = f"{len(failing)} finding{'s' if len(failing) > 1 else ''}"
        more += f" of {len(findings)}" if len(findings) > len(failing) else ""
        reason = f"{more}, the worst ({worst.severity}): {worst.message}"
        return Verdict.FAIL, f"{reason}; {_unmet_text(unmet)}" if unmet else reason
    if unmet:
        return Verdict.FAIL, _unmet_text(unmet)
    met = f", {len(judged)} of {len(judged)} criteria met" if judged else ""
    return Verdict.PASS, f"{coverage.examined} of {coverage.expected} {coverage.unit} examined{met}"


def could_not_look(reason: str) -> Report:
    """The ERROR report of a step that ended before it could examine anything."""
    # The reason may name a path; coverage is part of the verdict core, which knows none.
    return Report(
        Verdict.ERROR, reason, Coverage("steps", 1, 0, (Skipped("everything", "ended before it could look"),))
    )


def interval_text(metric: Metric) -> str:
    """A metric's value with its interval, as people read it; counts in full."""
    if metric.ci is None:
        return str(int(metric.value)) if metric.value == int(metric.value) else f"{metric.value:.4g}"
    return f"{metric.value:.4g} [{metric.ci.low:.4g}, {metric.ci.high:.4g}]"


def _unmet_text(unmet: Sequence[Criterion]) -> str:
    more = f" (and {len(unmet) - 1} more)" if len(unmet) > 1 else ""
    return f"not met: {unmet[0].label}: {unmet[0].note}{more}"


def _incomplete_text(coverage: Coverage) -> str:
    if coverage.expected == 0:
        return f"there were no {coverage.unit} to examine"
    text = f"only {coverage.examined} of {coverage.expected} {coverage.unit} examined"
    if coverage.skipped:
        first = coverage.skipped[0]
        more = f" (and {len(coverage.skipped) - 1} more)" if len(coverage.skipped) > 1 else ""
        text += f"; not examined: {first.what}: {first.reason}{more}"
    return text
