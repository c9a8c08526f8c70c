# SPDX-License-Identifier: Apache-2.0
"""Put what several checks say of one source on one page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from wardein.artifacts import Claims, Source
from wardein.report import Coverage, Finding, Report, Severity, Skipped, Tool, Verdict, conclude


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
        checks: The checks that have to be there.

    Returns:
        PASS if every check passed; FAIL with what each that did not says; the page shows the findings of all of them.

    Raises:
        WardeinError: If the source cannot be read.

    References:
        in-toto Statement v1.
    """
    from wardein.subject import digest_of

    digest = digest_of(source, links=True)
    reports, skipped = [], []
    for path in claims:
        for item in _reports(path):
            if isinstance(item, Skipped):
                skipped.append(item)
            elif [subject.digest for subject in item.subject] != [digest]:
                skipped.append(Skipped(item.check, "its evidence is about something else than this source"))
            else:
                reports.append(item)
    found = {report.check for report in reports}
    skipped += [Skipped(check, "there is no evidence of it") for check in checks if check not in found]
    skipped += [Skipped(report.check, report.reason) for report in reports if report.verdict is Verdict.ERROR]
    looked = [report for report in reports if report.verdict is not Verdict.ERROR]
    failed = [report for report in looked if not report.passed]
    return conclude(
        coverage=Coverage("checks", len(looked) + len(skipped), len(looked), tuple(skipped)),
        tools=_tools(reports),
        findings=[Finding("summarize/not-passed", _worst(report), report.reason, report.check) for report in failed],
        appendix=sorted(reports, key=lambda report: report.check),
    )


def _reports(path: Path) -> Iterator[Report | Skipped]:
    from wardein import wire
    from wardein.errors import WardeinError
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
                yield wire.from_json(statement.predicate, statement.subject)
    except WardeinError as error:
        yield Skipped("evidence", error.what)


def _worst(report: Report) -> Severity:
    return min((f.severity for f in report.findings if f.fails), key=lambda s: s.rank, default=Severity.HIGH)


def _tools(reports: list[Report]) -> list[Tool]:
    """Every tool that did the looking, once."""
    found = {(tool.name, tool.version): tool for report in reports for tool in report.tools}
    return [found[key] for key in sorted(found)]
