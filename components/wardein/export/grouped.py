# SPDX-License-Identifier: Apache-2.0
"""Findings as people read hundreds of them: by rule, with why and what to do instead, and where most of them are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from wardein.export.alerts import weaknesses
from wardein.report import Finding, Report, Severity
from wardein.scan.catalogue import known_rules
from wardein.scan.rules import Rule

# So many places of a rule stand on the page at once; the rest is folded, and what is beyond MAX_PLACES is left out.
SHOWN = 5
MAX_PLACES = 200
MAX_RULES = 300
MAX_FILES = 10


@dataclass(frozen=True)
class Row:
    """A finding, and what it says beyond the title of its group."""

    finding: Finding
    text: str


@dataclass(frozen=True)
class Group:
    """What one rule found.

    Attributes:
        known: Whether an earlier report had them already.
        title: What all its findings say, or what the rule itself says is wrong, if it is one of wardein's own.
        cwes: The numbers of its weaknesses.
        says_more: Whether some finding says more than the title.
        mixed: Whether its findings differ in severity, or in whether they fail.
        shown: The worst findings.
        folded: The others.
        more: How many others are left out.
    """

    rule: str
    severity: Severity
    count: int
    failing: int
    known: bool
    title: str
    why: str
    mend: str
    cwes: tuple[str, ...]
    says_more: bool
    mixed: bool
    shown: tuple[Row, ...]
    folded: tuple[Row, ...]
    more: int


@dataclass(frozen=True)
class Share:
    """One severity's part of a bar, in per cent of the longest bar."""

    severity: Severity
    count: int
    width: float


@dataclass(frozen=True)
class Place:
    """A file, or whatever findings name as their location, with what was found there."""

    name: str
    count: int
    shares: tuple[Share, ...]


def groups(findings: Sequence[Finding]) -> list[Group]:
    """The findings by rule, the rules that fail first, then by severity and number."""
    by_rule = groupby(sorted(findings, key=lambda f: f.rule), key=lambda f: f.rule)
    made = [_group(rule, list(found)) for rule, found in by_rule]
    return sorted(made, key=lambda g: (not g.failing, g.severity.rank, -g.count, g.rule))


def places(findings: Sequence[Finding]) -> list[Place]:
    """Where most findings are, the worst first; nothing if a table of them would say no more than the list."""
    by_place: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.location and finding.severity is not Severity.INFO:
            by_place.setdefault(finding.location, []).append(finding)
    if len(by_place) < 2 or sum(map(len, by_place.values())) <= SHOWN:
        return []
    ordered = sorted(by_place.items(), key=lambda item: (_weight(item[1]), item[0]))[:MAX_FILES]
    longest = max(len(found) for _, found in ordered)
    return [Place(name, len(found), _shares(found, longest)) for name, found in ordered]


def severities(report: Report) -> list[tuple[Severity, int]]:
    """How many findings of each severity count."""
    counted = [f.severity for f in report.findings if not f.suppressed]
    return [(severity, n) for severity in Severity if (n := counted.count(severity))]


def _group(rule: str, findings: list[Finding]) -> Group:
    ordered = sorted(findings, key=lambda f: (not f.fails, f.severity.rank, f.location, f.part, f.line, f.message))
    own = known_rules().get(rule)
    title = own.title if own else ordered[0].message if len({f.message for f in findings}) == 1 else ""
    rows = [Row(finding, _beyond(finding.message, title, own)) for finding in ordered]
    texts = {row.text for row in rows}
    if len(texts) == 1 and rows[0].text:  # then it need not stand at each of them
        title = f"{rows[0].text}: {title}" if title and title in ordered[0].message else rows[0].text
        rows, texts = [replace(row, text="") for row in rows], {""}
    return Group(
        rule,
        min((f.severity for f in findings), key=lambda s: s.rank),
        len(findings),
        sum(f.fails for f in findings),
        all(f.suppressed for f in findings),
        title,
        own.why if own else "",
        own.mend if own else "",
        tuple(dict.fromkeys(number for finding in ordered for number in weaknesses(finding))),
        texts != {""},
        len({(finding.severity, finding.fails) for finding in findings}) > 1,
        tuple(rows[:SHOWN]),
        tuple(rows[SHOWN:MAX_PLACES]),
        max(len(ordered) - MAX_PLACES, 0),
    )


def _beyond(message: str, title: str, own: Rule | None) -> str:
    """What a message says that neither the title nor the rule's advice says."""
    told = message.removesuffix(f"; {own.mend}") if own else message
    return told.removesuffix(title).rstrip(": ") if title else told


def _weight(findings: Sequence[Finding]) -> tuple[int, ...]:
    """More of the worst first."""
    return tuple(-sum(f.severity is severity for f in findings) for severity in Severity)


def _shares(findings: Sequence[Finding], longest: int) -> tuple[Share, ...]:
    counted = [(severity, sum(f.severity is severity for f in findings)) for severity in Severity]
    return tuple(Share(severity, n, round(100 * n / longest, 2)) for severity, n in counted if n)
