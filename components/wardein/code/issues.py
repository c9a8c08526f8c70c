# SPDX-License-Identifier: Apache-2.0
"""What bandit and ruff said, told of the files whose names they never saw, and which they did not get through."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from wardein.code.child import MOST_PER_FILE
from wardein.code.examined import Copy
from wardein.code.rules import BY_ID
from wardein.code.severities import GRADED, RATED, rule_of
from wardein.code.text import masked, unquoted
from wardein.report import Severity, Skipped
from wardein.scan.merge import Found
from wardein.tools.bandit import CANARY, Issue, Issues

# What may stand in the code itself; their text is no part of any output, not even as a digest.
_SECRETS = ("bandit/B105", "bandit/B106", "bandit/B107")


def tell(tool: str, issues: Issues, copies: Mapping[str, Copy]) -> tuple[list[Found], list[Skipped]]:
    """What a linter found in the copies, and those that it did not get through to the end."""
    by_file: dict[str, list[Issue]] = defaultdict(list)
    for issue in issues.found:
        by_file[issue.file].append(issue)
    found: list[Found] = []
    skipped = []
    for name, copy in copies.items():
        own = by_file.pop(name, [])
        real = [issue for issue in own if (issue.number, issue.line) != (CANARY, copy.canary)]
        if name in issues.unread:
            skipped.append(Skipped(copy.path, f"{tool} could not read it ({unquoted(issues.unread[name])})"))
        elif len(real) == len(own):
            skipped.append(Skipped(copy.path, f"{tool} did not read it to its end"))
        told = _in_file(tool, real, copy)
        if len(told) > MOST_PER_FILE:
            skipped.append(Skipped(copy.path, f"{tool} reports more than {MOST_PER_FILE} problems in it"))
        found += told[:MOST_PER_FILE]
    if by_file:
        skipped.append(Skipped(f"{len(by_file)} reports of {tool}", "are of files that it was not given"))
    return found, skipped


def _in_file(tool: str, issues: Sequence[Issue], copy: Copy) -> list[Found]:
    lines = copy.lines() if issues else []
    found, mentioned = [], Counter[str]()
    for issue in issues:
        rule = rule_of(issue.number)
        severity = severity_of(rule, issue)
        if severity is Severity.INFO:
            mentioned[rule] += 1
            if mentioned[rule] > 1:
                continue  # once a file is enough for what is no news to anybody
        known = BY_ID.get(rule)
        message = f"{known.title}; {known.mend}" if known else _said(issue)
        part, line = copy.place(issue.line)
        text = masked(lines, issue.line, issue.last)
        last = line + max(issue.last - issue.line, 0)
        if severity is Severity.INFO:
            part, line, last, text = "", 0, 0, ""
        if rule in _SECRETS:
            text = rule
        cwe = (known.cwe if known else "") or issue.cwe
        letter = "S" if tool == "ruff" else "B"
        name = f"{tool}:{letter}{issue.number}"
        found.append(Found(rule, copy.path, severity, message, name, line, last, part, text, cwe))
    return found


def _said(issue: Issue) -> str:
    return unquoted(issue.message) or f"breaks the rule {issue.number}"


def severity_of(rule: str, issue: Issue) -> Severity:
    """How bad an issue is in ML code."""
    known = BY_ID.get(rule)
    if rule in GRADED:
        # The tools tell a constant from what is put together; whether they can is up to the rule.
        if issue.rated in ("low", "medium"):
            return Severity(issue.rated)
        return Severity.MEDIUM if rule == "code/eval" else known.severity if known else Severity.HIGH
    if known is not None:
        return known.severity
    if issue.rated in ("low", "medium", "high"):
        return Severity(issue.rated)
    return RATED.get(issue.number, Severity.MEDIUM)
