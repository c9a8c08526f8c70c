# SPDX-License-Identifier: Apache-2.0
"""From what a report says to findings: the one place where foreign words become wardein's, and are made safe."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wardein.errors import WardeinError
from wardein.foreign.document import WHERE
from wardein.foreign.reading import MOST_ISSUES, Issue, Reading
from wardein.foreign.text import inside, one_line, plain_roots, told
from wardein.report import Severity, Skipped
from wardein.scan.merge import Found


def found_in(reading: Reading, fail_severity: Severity, roots: Sequence[str]) -> list[Found]:
    """What a report found.

    Args:
        reading: The report.
        fail_severity: The least severe finding that fails; what nobody has rated is at least that, and high.
        roots: The folders on the tool's machine that the subject was.

    Raises:
        WardeinError: If there are more than anybody could look at, or a path leads out of the subject.
    """
    if len(reading.issues) > MOST_ISSUES:
        mend = "let the tool leave out what is of no interest, by its own severities"
        raise WardeinError(f"tells of more than {MOST_ISSUES} things", where=WHERE, mend=mend)
    unrated = min(Severity.HIGH, fail_severity, key=lambda severity: severity.rank)
    folders = plain_roots(roots)
    return [_found(issue, unrated, folders) for issue in reading.issues]


def skipped_in(reading: Reading, roots: Sequence[str]) -> list[Skipped]:
    """What the tool did not look at, each once.

    Raises:
        WardeinError: If a path leads out of the subject.
    """
    folders = plain_roots(roots)
    found = {
        Skipped(told(entry.what) or inside(entry.path, folders) or "a part of it", told(entry.reason) or "not told why")
        for entry in reading.unread
    }
    return sorted(found, key=lambda entry: (entry.what, entry.reason))


def _found(issue: Issue, unrated: Severity, roots: Sequence[str]) -> Found:
    tool, _, rule = issue.rule.partition("/")
    name = re.sub(r"\s+", "-", one_line(rule, 120)) or "unnamed"
    notes = [issue.secret and "shown" not in issue.message and "the value is not shown"]
    notes += [issue.severity is None and "nobody has rated it"]
    notes += [issue.suppressed and f"{issue.suppressed} in the report, which excuses nothing here"]
    noted = "; ".join(note for note in notes if note)
    message = told(issue.message) or name
    return Found(
        rule=issue.cve or f"{tool}/{name}",
        path=one_line(issue.place) or inside(issue.path, roots),
        severity=unrated if issue.severity is None else issue.severity,
        message=f"{message} ({noted})" if noted else message,
        tool=f"{tool}:{name}",
        line=issue.line,
        last=issue.last,
        part=one_line(issue.part, 120),
        # Where nothing else tells two of a kind apart, the line does: one that has moved is news, not excused.
        text=issue.identity or (f"line {issue.line} {issue.part} {message}" if issue.line else ""),
        cwe=issue.cwe,
        cve=issue.cve,
        purl=issue.purl if re.fullmatch(r"pkg:[a-z0-9.+\-]+/[!-~]{1,280}", issue.purl) else "",
    )
