# SPDX-License-Identifier: Apache-2.0
"""modelaudit on one file. It sends usage data unless it is told not to, and reads no more than part of large files."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from wardein.report import Severity
from wardein.tools import opinion, run

_SEVERITIES = {"critical": Severity.CRITICAL, "warning": Severity.MEDIUM, "info": Severity.INFO, "debug": Severity.INFO}
_QUIET = {"PROMPTFOO_DISABLE_TELEMETRY": "1", "NO_ANALYTICS": "1", "HTTPS_PROXY": "http://127.0.0.1:9"}


def find() -> tuple[run.Program, str]:
    """The program and its version."""
    return opinion.find("modelaudit", "0.2.")


def ask(program: run.Program, path: Path) -> opinion.Opinion:
    """What it says of a file; where it says that it did not see all of it, it was not examined."""
    with tempfile.TemporaryDirectory(prefix="wardein-modelaudit-") as folder:
        report = Path(folder, "report.json")
        options = ("--format", "json", "--no-cache", "--output", report)
        command: list[str | Path] = [program.path, "scan", path, *options]
        run.run(command, time_limit=opinion.MAX_SECONDS, environment=_QUIET, what="modelaudit")
        said = json.loads(report.read_bytes())
    alarms = [
        (str(i.get("rule_code") or i.get("type")), _SEVERITIES[i["severity"]], _without(path, i["message"]))
        for i in said["issues"]
    ]
    # Its success is about what it examined, whatever it found there.
    complete = said["success"] and not said["has_errors"] and said["files_scanned"] == 1
    return opinion.Opinion(alarms, "" if complete else "its coverage was incomplete")


def _without(path: Path, text: str) -> str:
    return opinion.one_line(text.replace(str(path), "the file"))
