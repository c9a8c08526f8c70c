# SPDX-License-Identifier: Apache-2.0
"""The one way to run bandit: deaf to what it scans, and held to every file that it was given.

Bandit ends with 0 on a path that is not there, an empty folder and a file that it cannot parse, so its exit code says
nothing; what it was given is told by the canary at the end of every file.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wardein.errors import WardeinError
from wardein.tools import run

VARIABLE = "WARDEIN_BANDIT"
INSTALL = f"run: pip install 'wardein[scan]', or set {VARIABLE} to its absolute path"
OLDEST = (1, 8, 0)
# Its expressions take a time that grows with the square of a text's length; honest code is done long before.
BASE_SECONDS = 60
BYTES_A_SECOND = 20_000
CANARY = "101"
_RATED = ("LOW", "MEDIUM", "HIGH", "UNDEFINED")


@dataclass(frozen=True)
class Issue:
    """What a linter found in a file that it was given by a neutral name."""

    file: str
    number: str
    rated: str
    message: str
    line: int
    last: int
    cwe: str = ""


@dataclass(frozen=True)
class Issues:
    """What a linter told.

    Attributes:
        found: In order of files and lines.
        unread: The files that it says it could not read, with its reason.
    """

    found: tuple[Issue, ...]
    unread: dict[str, str]


def locate() -> tuple[run.Program, str]:
    """Find bandit and its version: the setting, then PATH, then beside this Python.

    Raises:
        WardeinError: If there is none, or it is older than what was tried.
    """
    beside = Path(sys.executable).parent / "bandit"
    program = run.find("bandit", variable=VARIABLE, candidates=[beside], mend=INSTALL)
    return program, version_of(program, OLDEST, INSTALL)


def version_of(program: run.Program, oldest: tuple[int, ...], mend: str) -> str:
    """The version in the first line of ``--version``: the program's name and three numbers.

    Raises:
        WardeinError: If it tells none, or one that is older than what was tried.
    """
    ended = run.run([program.path, "--version"], time_limit=60, what=program.name)
    first = ended.stdout.decode("utf-8", "replace").partition("\n")[0].strip()
    match = re.fullmatch(rf"{program.name} (\d+)\.(\d+)\.(\d+)", first)
    if match is None or ended.code != 0:
        raise WardeinError("does not tell its version", where=program.name, mend=mend)
    parts = tuple(int(part) for part in match.groups())
    if parts < oldest:
        text = ".".join(map(str, oldest))
        raise WardeinError(f"version {'.'.join(match.groups())} is older than {text}", where=program.name, mend=mend)
    return ".".join(match.groups())


@contextmanager
def started(program: run.Program, folder: Path) -> Iterator[run.Running]:
    """Start it on a folder that holds nothing but files under neutral names, so no .bandit either.

    Raises:
        WardeinError: If it cannot be started.
    """
    options = ["--recursive", "--format", "json", "--quiet", "--number", "0", "--ignore-nosec", "--exclude", ""]
    with run.started([program.path, *options, folder], time_limit=time_limit(folder), what="bandit") as running:
        yield running


def time_limit(folder: Path) -> float:
    """How long it may take for the files of a folder, in seconds."""
    return BASE_SECONDS + sum(file.stat().st_size for file in folder.iterdir()) / BYTES_A_SECOND


def read(ended: run.Ended) -> Issues:
    """Read its report.

    Raises:
        WardeinError: If there is none, or it is of another form.
    """
    # Every file holds something to report, so that 0 means it looked at nothing; 2 is an error.
    if ended.code != 1:
        raise failed(ended, "bandit")
    try:
        report = json.loads(ended.stdout)
        unread = {Path(error["filename"]).name: str(error["reason"]) for error in report["errors"]}
        found = tuple(_issue(result) for result in report["results"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise WardeinError("wrote a report of a form that is not known", where="bandit") from None
    return Issues(found, unread)


def failed(ended: run.Ended, name: str) -> WardeinError:
    """The error for a linter that failed, with what it said last."""
    last = (ended.stderr.strip().splitlines() or ["no message"])[-1]
    how = f"was ended by signal {-ended.code}" if ended.code < 0 else f"ended with code {ended.code}"
    return WardeinError(f"{how}: {last[-200:]}", where=name)


def _issue(result: Mapping[str, Any]) -> Issue:
    rated = str(result["issue_severity"])
    cwe = result.get("issue_cwe", {}).get("id")
    if rated not in _RATED:
        raise ValueError(rated)
    return Issue(
        Path(result["filename"]).name,
        str(result["test_id"]).removeprefix("B"),
        rated.lower(),
        str(result["issue_text"]),
        int(result["line_number"]),
        max(int(line) for line in [*result["line_range"], result["line_number"]]),
        f"CWE-{int(cwe)}" if cwe else "",
    )
