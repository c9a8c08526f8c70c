# SPDX-License-Identifier: Apache-2.0
"""Text of reports, made fit for other formats."""

from __future__ import annotations

from datetime import datetime

from wardein.errors import printable
from wardein.report import Report

LIMIT = 1000


def one_line(text: str, limit: int = LIMIT) -> str:
    """The text as one line of printable characters, cut to a length that every reader can bear.

    Control characters, lone surrogates and marks that reorder text become question marks, so that what is left can
    stand in XML, JSON and a terminal.
    """
    line = printable(" ".join(text.split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"


def seconds_of(report: Report) -> float:
    """How long the step took by its own account; 0 if it does not say."""
    try:
        started, finished = (datetime.fromisoformat(str(report.execution[name])) for name in ("started", "finished"))
        return max((finished - started).total_seconds(), 0.0)
    except (KeyError, ValueError, TypeError):
        return 0.0
