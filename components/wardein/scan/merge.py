# SPDX-License-Identifier: Apache-2.0
"""From what several tools found to one list: one bug counts once, keeps its fingerprint, and is news or is not."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wardein.errors import WardeinError
from wardein.report import BASELINE, CHECK_RESULT, Finding, Metric, Severity

_RATED = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)


@dataclass(frozen=True)
class Found:
    """What one tool found in one place, before it becomes a finding.

    Attributes:
        rule: The rule that it is told under. Tools that find the same bug must name the same rule for it.
        path: The file's path in the source folder.
        severity: How bad it is.
        message: What is wrong; never a secret's value.
        tool: The tool and its own name of the rule, as ``bandit:B301``; empty for a rule of wardein's own.
        line: The first line, counted from 1; 0 for the file as a whole.
        last: The last line of the statement, 0 if it is the first: two tools may name different lines of a statement.
        part: The part of the file that lines are counted in, for example ``cell 3``.
        text: The text that makes it recognisable when lines move: the line itself, or a masked form of it.
    """

    rule: str
    path: str
    severity: Severity
    message: str
    tool: str = ""
    line: int = 0
    last: int = 0
    part: str = ""
    text: str = ""
    cwe: str = ""
    cve: str = ""
    purl: str = ""


def merged(found: Iterable[Found], fail_severity: Severity) -> list[Finding]:
    """One finding per bug, worst first.

    Findings of the same rule whose lines overlap are one, with wardein's own message and severity if it has one, else
    with the worst; the other tools' rules are kept in its taxonomy.
    """
    alike: dict[tuple[str, str, str], dict[str, list[Found]]] = {}
    for item in sorted(set(found), key=lambda f: (f.line, f.last, f.tool, f.severity.rank, f.message, f.text)):
        tools = alike.setdefault((item.rule, item.path, item.part), {})
        tools.setdefault(item.tool.partition(":")[0], []).append(item)
    groups = [group for tools in alike.values() for group in _grouped(tools)]
    return _identified([_one(group, fail_severity) for group in groups])


def without(findings: Sequence[Finding], baseline: Path | None, check: str) -> list[Finding]:
    """The findings, those that an earlier report of the same check had already marked as no news.

    Args:
        findings: What was found now.
        baseline: Evidence of an earlier run; None for none.
        check: The check's name.

    Raises:
        WardeinError: If it is not evidence of exactly one run of the check, or that run ended in ERROR.
    """
    if baseline is None:
        return list(findings)
    known = _known(baseline, check)
    # What has become worse is news.
    is_known = [known.get(f.fingerprint, len(Severity)) <= f.severity.rank for f in findings]
    return [replace(f, fails=False, suppressed=BASELINE) if k else f for f, k in zip(findings, is_known, strict=True)]


def counts(findings: Sequence[Finding], n: int, name: str = "findings") -> list[Metric]:
    """How many findings of each severity there are, and how many of them are news, among ``n`` things looked at."""
    metrics = []
    for severity in _RATED:
        total = sum(f.severity is severity for f in findings)
        metrics.append(Metric(name, total, n, unit="count", direction="lower", slice=f"severity={severity}"))
    known = sum(f.suppressed == BASELINE for f in findings)
    if known:
        metrics.append(Metric(f"known_{name}", known, n, unit="count"))
    return metrics


def digest_of_text(text: str) -> str:
    """A short digest of a text that does not change with its indentation or spacing."""
    return hashlib.sha256(" ".join(text.split()).encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _grouped(tools: Mapping[str, Sequence[Found]]) -> list[list[Found]]:
    """What several tools say of the same rule in the same file, one group a bug; each tool's in the order of lines.

    What one tool tells of two lines are two bugs, so a group takes one of each tool.
    """
    groups: list[list[Found]] = []
    for tool in sorted(tools):
        others = deque(sorted(groups, key=_extent))
        for item in tools[tool]:
            while others and _extent(others[0])[0] <= max(item.line, item.last):
                group = others.popleft()
                if _extent(group)[1] >= item.line:  # or it ends above this line, and above all that follow
                    group.append(item)
                    break
            else:
                groups.append([item])
    return groups


def _extent(group: Sequence[Found]) -> tuple[int, int]:
    """The first and the last line of a group."""
    return min(f.line for f in group), max(max(f.line, f.last) for f in group)


def _one(group: Sequence[Found], fail_severity: Severity) -> Finding:
    lead = min(group, key=lambda f: (bool(f.tool), f.severity.rank, f.line))
    # Where a rule of wardein's own has looked, its severity counts, which knows the statement and machine learning.
    severity = lead.severity if not lead.tool else min((f.severity for f in group), key=lambda s: s.rank)
    others = tuple(sorted({f.tool for f in group if f.tool}))
    return Finding(
        lead.rule,
        severity,
        lead.message,
        lead.path,
        fails=severity.rank <= fail_severity.rank,
        cve=lead.cve,
        cwe=next((f.cwe for f in [lead, *group] if f.cwe), ""),
        taxonomy=others,
        purl=lead.purl,
        line=lead.line,
        part=lead.part,
        identity=next((f.text for f in [lead, *group] if f.text), ""),
    )


def _identified(findings: Sequence[Finding]) -> list[Finding]:
    """Give each finding an identity: its text's digest, and which of several with that text in the file it is."""
    seen: Counter[tuple[str, str, str]] = Counter()
    done = []
    for finding in sorted(findings, key=lambda f: (f.location, f.rule, f.part, f.line, f.purl, f.message)):
        # A part that only counts (cell 3) moves like a line; any other is a place of its own.
        part = re.sub(r"\d+", "", finding.part)
        digest = digest_of_text(f"{part} {finding.identity or finding.purl or finding.message}")
        key = (finding.rule, finding.location, digest)
        seen[key] += 1
        done.append(replace(finding, identity=f"{digest}:{seen[key]}"))
    return sorted(done, key=lambda f: (f.severity.rank, f.rule, f.location, f.part, f.line, f.purl, f.message))


def _known(baseline: Path, check: str) -> Mapping[str, int]:
    """How severe each finding was, by its fingerprint: its severity's rank."""
    from wardein import wire
    from wardein.evidence.envelope import read_claims
    from wardein.evidence.statement import read
    from wardein.report import Verdict

    mend = f"give the file that --evidence of an earlier {check.replace('_', '-')} wrote"
    reports = []
    for item in read_claims(baseline):
        if isinstance(item, WardeinError):
            raise WardeinError(f"is no evidence ({item.what})", where="--baseline", mend=mend)
        statement = read(item.payload)
        if statement.predicate_type == CHECK_RESULT:
            reports.append(wire.from_json(statement.predicate, statement.subject))
    own = [report for report in reports if report.check == check]
    if len(own) != 1:
        raise WardeinError(f"holds {len(own)} reports of {check}, not one", where="--baseline", mend=mend)
    if own[0].verdict is Verdict.ERROR:
        raise WardeinError("is of a run that could not look at everything", where="--baseline", mend=mend)
    return {finding.fingerprint: finding.severity.rank for finding in own[0].findings}
