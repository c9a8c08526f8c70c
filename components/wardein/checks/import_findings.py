# SPDX-License-Identifier: Apache-2.0
"""The check ``import_findings``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from wardein.artifacts import Baseline, Digest, ForeignReport
from wardein.errors import UsageError
from wardein.report import Coverage, Report, Severity, Skipped, conclude

if TYPE_CHECKING:
    from wardein.foreign.reading import Reading
    from wardein.scan.rules import Rule

UNKNOWN = ("target", "time", "coverage")


def import_findings(
    subject: Digest,
    findings: ForeignReport,
    kind: Literal["model", "source", "image", "data"],
    target: str = "",
    format: Literal[  # noqa: A002 - what everybody calls it
        "auto",
        "sarif",
        "zap",
        "clair",
        "grype",
        "snyk",
        "safety",
        "trufflehog",
        "gitleaks",
        "semgrep",
        "checkov",
        "garak",
        "modelaudit",
        "bandit",
        "pip-audit",
        "npm-audit",
    ] = "auto",
    fail_severity: Literal["critical", "high", "medium", "low"] = "high",
    max_age_hours: float = 24.0,
    accept_unknown: list[str] = [],  # noqa: B006 - read only
    baseline: Baseline | None = None,
) -> Report:
    """Take over what another tool found, bound to what it looked at.

    The report must say itself that it is about the subject, by a digest or by the name that is given as the target,
    that it is fresh, and what it examined. What it leaves unsaid ends in ERROR unless the caller answers for it; that
    is then listed as a finding. So do the errors that the report tells of, what its tool could not read, and an empty
    scope. What the tool or its users had put aside (suppressions, ignored or known results, false positives) counts
    like everything else. What nobody has rated counts as high and always fails. Values of secrets, snippets of code,
    requests and answers are not taken over. docs/import.md tells, for each format, how it is bound, how severities are
    read, and how to run the tool so that it leaves nothing out.

    Args:
        subject: The digest of what the report is about, as sha256:HEX; `wardein show PATH` prints that of a file or
            folder.
        findings: The tool's report, at most 32 MiB.
        kind: What it is; the gate compares the digest with what it is shown as that. A policy that takes such evidence
            pins it.
        target: What the report calls the thing that it is about, if it names no digest: an address, a project, an
            image's name, or the folder that all files lie in. Given beside a digest, it must agree as well.
        format: Which format the report has; auto to recognise it.
        fail_severity: The least severe finding that makes the check fail.
        max_age_hours: How many hours old the report may be, by its own time; a time without a zone is taken for UTC.
        accept_unknown: What the report may leave unsaid because the caller answers for it: target (that it is about
            the subject), time (that it is fresh), coverage (that the tool looked at everything).
        baseline: Earlier evidence of this check: what it found already stays listed and does not fail.

    Returns:
        The tool's findings under its own rules (a CVE under its number), the number of findings by severity, and how
        much the tool examined, in the unit that its report counts in.

    Raises:
        WardeinError: If the report cannot be read, is about something else, is too old or from the future.

    References:
        OASIS, Static Analysis Results Interchange Format (SARIF) 2.1.0, 2020. FIRST, CVSS 3.1, section 5 (the
        qualitative ratings).
    """
    from wardein.foreign import document, formats
    from wardein.foreign.binding import root_of
    from wardein.foreign.take_over import found_in, skipped_in
    from wardein.jsontext import MAX_BYTES
    from wardein.scan import merge
    from wardein.scan.merge import Found
    from wardein.subject import Subject, pinned, read_regular

    for word in accept_unknown:
        if word not in UNKNOWN:
            raise UsageError(f"{word!r} is none of {', '.join(UNKNOWN)}", where="--accept-unknown")
    if not 0 < max_age_hours < float("inf"):
        raise UsageError(f"{max_age_hours:g} is no number of hours", where="--max-age-hours")
    reading = formats.read(document.parse(read_regular(findings, MAX_BYTES)), format)
    about = [root_of(one, Subject(kind, pinned(subject)), target) for one in reading.targets]
    left_open = _left_open(reading, about, max_age_hours, accept_unknown)
    roots = [*reading.roots, *(root for root in about if root)]
    found = found_in(reading, Severity(fail_severity), roots)
    found += [Found(rule.id, reading.tools[0].name, rule.severity, rule.title) for rule in left_open]
    coverage = _coverage(reading, skipped_in(reading, roots), "coverage" in accept_unknown)
    merged = merge.without(merge.merged(found, Severity(fail_severity)), baseline, "import_findings")
    return conclude(
        coverage=coverage,
        tools=sorted(set(reading.tools), key=lambda tool: (tool.name, tool.version)),
        metrics=[*merge.counts(merged, coverage.examined), *reading.metrics],
        findings=merged,
    )


def _left_open(
    reading: Reading, about: Sequence[str | None], max_age_hours: float, accepted: Sequence[str]
) -> list[Rule]:
    """What the report does not say, and may leave unsaid; what it says must be right."""
    from datetime import UTC, datetime

    from wardein.errors import WardeinError
    from wardein.foreign import rules
    from wardein.foreign.binding import check_age
    from wardein.foreign.document import WHERE

    open_points = [("target", rules.TARGET)] if not about or None in about else []
    for made in reading.made:
        if made is not None:
            check_age(made, datetime.now(UTC), max_age_hours)
    if not reading.made or None in reading.made:
        open_points.append(("time", rules.TIME))
    refused = [(word, rule) for word, rule in open_points if word not in accepted]
    if refused:
        what = ", nor ".join(rule.title.partition(";")[0].removeprefix("the report does not ") for _, rule in refused)
        mend = " ".join(f"--accept-unknown {word}" for word, _ in refused) + " lets that pass, and says so"
        raise WardeinError(f"does not {what}", where=WHERE, mend=mend)
    if not reading.unit and "coverage" in accepted:
        open_points.append(("coverage", rules.COVERAGE))
    return [rule for _, rule in open_points]


def _coverage(reading: Reading, skipped: list[Skipped], accepted: bool) -> Coverage:
    if reading.unit:
        expected = max(reading.expected, reading.examined + len(skipped))
        return Coverage(reading.unit, expected, reading.examined, tuple(skipped))
    if not accepted:
        why = "the report does not tell it; --accept-unknown coverage lets that pass, and says so"
        skipped.append(Skipped(f"what {reading.tools[0].name} looked at", why))
    return Coverage("reports", 1, 0 if skipped else 1, tuple(skipped))
