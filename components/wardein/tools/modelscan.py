# SPDX-License-Identifier: Apache-2.0
"""modelscan on one file. It drops what it found where it also had an error, and calls it a success to skip a file."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from wardein.report import Severity
from wardein.tools import opinion, run

_SEVERITIES = {
    "CRITICAL": Severity.CRITICAL,
    "HIGH": Severity.HIGH,
    "MEDIUM": Severity.MEDIUM,
    "LOW": Severity.LOW,
}


def find() -> tuple[run.Program, str]:
    """The program and its version."""
    return opinion.find("modelscan", "0.8.")


def ask(program: run.Program, path: Path) -> opinion.Opinion:
    """What it says of a file."""
    with tempfile.TemporaryDirectory(prefix="wardein-modelscan-") as folder:
        report = Path(folder, "report.json")
        command: list[str | Path] = [program.path, "scan", "--path", path, "-r", "json", "-o", report]
        run.run(command, time_limit=opinion.MAX_SECONDS, what="modelscan")
        said = json.loads(report.read_bytes())
    alarms = [
        (str(i["scanner"]).rpartition(".")[2], _SEVERITIES[i["severity"]], opinion.one_line(i["description"]))
        for i in said["issues"]
    ]
    errors = [opinion.one_line(error["description"]) for error in said["errors"]]
    unread = errors[0] if errors else "" if said["summary"]["scanned"]["total_scanned"] else "it passed over the file"
    return opinion.Opinion(alarms, unread)
