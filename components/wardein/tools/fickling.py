# SPDX-License-Identifier: Apache-2.0
"""fickling on one pickle."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from wardein.report import Severity
from wardein.tools import opinion, run

_SEVERITIES = {
    "POSSIBLY_UNSAFE": Severity.MEDIUM,
    "SUSPICIOUS": Severity.MEDIUM,
    "LIKELY_UNSAFE": Severity.HIGH,
    "LIKELY_OVERTLY_MALICIOUS": Severity.CRITICAL,
    "OVERTLY_MALICIOUS": Severity.CRITICAL,
}


def find() -> tuple[run.Program, str]:
    """The program and its version."""
    return opinion.find("fickling", "0.1.")


def ask(program: run.Program, path: Path) -> opinion.Opinion:
    """What it says of a pickle; a pickle that it cannot follow was not examined."""
    with tempfile.TemporaryDirectory(prefix="wardein-fickling-") as folder:
        report = Path(folder, "report.json")
        command: list[str | Path] = [program.path, "--check-safety", "--json-output", report, path]
        ended = run.run(command, time_limit=opinion.MAX_SECONDS, what="fickling")
        if not report.is_file():
            return opinion.Opinion([], f"it ended with code {ended.code} and without a report")
        said = json.loads(report.read_bytes())
    if said["severity"] == "LIKELY_SAFE" and ended.code == 0:
        return opinion.Opinion([])
    alarms = [("check-safety", _SEVERITIES[said["severity"]], opinion.one_line(said["analysis"]))]
    return opinion.Opinion(alarms)
