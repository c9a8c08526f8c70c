# SPDX-License-Identifier: Apache-2.0
"""picklescan on one file. Its answer is text, and ends with exit code 0 for a file that it could not parse."""

from __future__ import annotations

import re
from pathlib import Path

from wardein.report import Severity
from wardein.tools import opinion, run

_ALARM = re.compile(r"^.*: dangerous import '([^']*)' FOUND$", re.MULTILINE)
_COUNTS = re.compile(r"^(Scanned files|Infected files|Dangerous globals): (\d+)$", re.MULTILINE)
_COMPLAINT = re.compile(r"^(?:ERROR|WARNING): (.*)$", re.MULTILINE)


def find() -> tuple[run.Program, str]:
    """The program and its version."""
    return opinion.find("picklescan", "1.")


def ask(program: run.Program, path: Path) -> opinion.Opinion:
    """What it says of a file."""
    ended = run.run([program.path, "--path", path], time_limit=opinion.MAX_SECONDS, what="picklescan")
    text = ended.stdout.decode("utf-8", "replace") + "\n" + ended.stderr
    counts = {name: int(number) for name, number in _COUNTS.findall(text)}
    alarms = [
        ("dangerous-import", Severity.CRITICAL, f"picklescan calls the import of {opinion.one_line(name)} dangerous")
        for name in sorted(set(_ALARM.findall(text)))
    ]
    complaints = [line.replace(str(path), "the file") for line in _COMPLAINT.findall(text)]
    unread = opinion.one_line(complaints[0]) if complaints else ""
    if counts.get("Scanned files") != 1 or ended.code not in (0, 1) or (ended.code == 1) != bool(alarms):
        unread = unread or f"its exit code {ended.code} and its summary do not fit together"
    return opinion.Opinion(alarms, unread)
