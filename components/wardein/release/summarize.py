# SPDX-License-Identifier: Apache-2.0
"""Put what several checks say of one source on one page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from wardein import __version__
from wardein.artifacts import Claims, Source
from wardein.errors import UsageError, WardeinError
from wardein.report import Coverage, Finding, Report, Severity, Skipped, Tool, Verdict, conclude, verdict_of


def summarize(
    source: Source,
    claims: Claims,
    checks: list[str] = ["scan_dependencies", "scan_code", "scan_secrets", "scan_config"],  # noqa: B006 - read only
) -> Report:
    """Put what several checks found in one source on one page, with one verdict.

    For a repository that is scanned on its own, with no model to release yet. The verdict is the worst of the checks';
    a check that is missing, could not look at everything, or looked at another source is not examined, and so an ERROR.
    Signatures are not verified: whoever has to rely on the answer gives the checks' evidence to the gate.

    Args:
        source: The source folder that the checks looked at.
        claims: Evidence files of the checks; repeat the option.
        checks: The checks that have to be there, and count; what others say is only shown.

    Returns:
        PASS if every check passed; FAIL with what each that did not says; the page shows the findings of all of them.

    Raises:
        WardeinError: If the source cannot be read.

    References:
        in-toto Statement v1.
    """
    from wardein.spec import CHECKS
    from wardein.subject import digest_of

    if not checks:
        raise UsageError("names no check", where="--checks", mend="leave it out for the four scans")
    for check in checks:
        if check not in CHECKS:
            raise UsageError(f"there is no check {check!r}", where="--checks", mend=f"choose from: {', '.join(CHECKS)}")
    digest = digest_of(source, links=True)
    items = [item for path in claims for item in _reports(path)]
    unread = list(dict.fromkeys(item for item in items if isinstance(item, Skipped)))
    reports = [item for item in items if isinstance(item, Report)]
    about = [report for report in reports if [subject.digest for subject in report.subject] == [digest]]
    problems = {check: _problem(check, reports, about, digest) for check in checks}
    skipped = unread + [Skipped(check, why) for check, why in problems.items() if why]
    failed = [report for report in about if report.check in checks and report.verdict is Verdict.FAIL]
    return conclude(
        coverage=Coverage(
            "checks", len(checks) + len(unread), sum(not why for why in problems.values()), tuple(skipped)
        ),
        tools=_tools(about),
        findings=[Finding("summarize/not-passed", _worst(report), report.reason, report.check) for report in failed],
        appendix=sorted(about, key=lambda report: report.check),
    )


def _problem(check: str, reports: Sequence[Report], about: Sequence[Report], digest: str) -> str:
    """Why a check does not count as having looked at the source; empty if it does."""
    if check not in {report.check for report in reports}:
        return "there is no evidence of it"
    if check not in {report.check for report in about}:
        other = next(subject.digest for report in reports if report.check == check for subject in report.subject)
        why = f"its evidence is about another source (sha256:{other[:12]}…) than this one (sha256:{digest[:12]}…)"
        return f"{why}; scan it again, and change nothing below the folder in between, .git included"
    return next((r.reason for r in about if r.check == check and r.verdict is Verdict.ERROR), "")


def _reports(path: Path) -> Iterator[Report | Skipped]:
    from wardein import wire
    from wardein.evidence.envelope import read_claims
    from wardein.evidence.statement import read
    from wardein.report import CHECK_RESULT

    try:
        for item in read_claims(path):
            if isinstance(item, WardeinError):
                yield Skipped("evidence", item.what)
                continue
            statement = read(item.payload)
            if statement.predicate_type == CHECK_RESULT:
                yield _recomputed(wire.from_json(statement.predicate, statement.subject))
    except WardeinError as error:
        yield Skipped("evidence", error.what)


def _recomputed(report: Report) -> Report:
    """The report with the verdict that its own content adds up to, if that is worse than the one that it tells."""
    judged = [criterion.judge(report.metrics) for criterion in report.criteria]
    verdict, reason = verdict_of(report.coverage, judged, report.findings)
    if report.version != __version__:
        verdict, reason = Verdict.ERROR, f"was made by wardein {report.version}, this is {__version__}"
    if report.verdict is not Verdict.PASS or verdict is Verdict.PASS:
        return report
    return replace(report, verdict=verdict, reason=reason)


def _worst(report: Report) -> Severity:
    return min((f.severity for f in report.findings if f.fails), key=lambda s: s.rank, default=Severity.HIGH)


def _tools(reports: list[Report]) -> list[Tool]:
    """Every tool that did the looking, once."""
    found = {(tool.name, tool.version): tool for report in reports for tool in report.tools}
    return [found[key] for key in sorted(found)]
