# SPDX-License-Identifier: Apache-2.0
"""A summary in GitHub-flavoured Markdown, for a job's summary page or a merge request."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wardein import wire
from wardein.export.text import one_line
from wardein.report import Report, Verdict

MAX_REASONS = 20
_MARKS = {Verdict.PASS: "✅", Verdict.FAIL: "❌", Verdict.ERROR: "⛔", Verdict.NOT_APPLICABLE: "➖"}


def render(reports: Sequence[Report]) -> str:
    """A table of the reports, the last of which decides, and why each of them did not pass."""
    last = reports[-1]
    lines = [f"### {_MARKS[last.verdict]} wardein: {last.verdict}", ""]
    lines += ["| step | verdict | reason | verdict core |", "|---|---|---|---|"]
    for report in reports:
        cells = [code(report.check), f"{_MARKS[report.verdict]} {report.verdict}", code(report.reason, 300)]
        lines.append(f"| {' | '.join(cells)} | {code(_core(report))} |")
    for report in reports:
        lines += _reasons(report)
    return "\n".join(lines) + "\n"


def _reasons(report: Report) -> list[str]:
    reasons = [f"not met: {c.label}: {c.note}" for c in report.criteria if not c.met]
    failing = sorted((f for f in report.findings if f.fails), key=lambda f: (f.severity.rank, f.rule, f.location))
    reasons += [f"{f.severity} {f.rule} {f.place}: {f.message}" for f in failing]
    reasons += [f"not examined: {s.what}: {s.reason}" for s in report.coverage.skipped]
    if not reasons:
        return []
    more = [f"- … and {len(reasons) - MAX_REASONS} more"] if len(reasons) > MAX_REASONS else []
    return ["", f"**{code(report.check)}**", "", *(f"- {code(text, 300)}" for text in reasons[:MAX_REASONS]), *more]


def _core(report: Report) -> str:
    try:
        return wire.core_sha256(report)[:16]
    except UnicodeEncodeError:
        return "none: its text is not Unicode"


def code(text: str, limit: int = 200) -> str:
    """The text as a code span, in which nothing is markup, a link, a mention or a template expression.

    A backtick would end the span, and a vertical bar the cell of a table (how that is escaped differs between
    renderers), so they are replaced by what looks alike; braces and percent signs of templates are set apart.
    """
    line = one_line(text, limit).replace("`", "ˋ").replace("|", "¦")
    line = re.sub(r"\{(?=[{%#])", "{ ", line)
    return f"`{line}`" if line.strip() else "` `"
