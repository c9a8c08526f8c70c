# SPDX-License-Identifier: Apache-2.0
"""The one way to run ruff's security rules: without anybody's configuration, and held to every file it was given.

Its report lists no files, so that what it was given is told by the canary at the end of every file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wardein.errors import WardeinError
from wardein.tools import run
from wardein.tools.bandit import Issue, Issues, failed, version_of

VARIABLE = "WARDEIN_RUFF"
INSTALL = f"run: pip install 'wardein[scan]', or set {VARIABLE} to its absolute path"
OLDEST = (0, 12, 0)  # the first to know all syntax that is known here
MAX_SECONDS = 3600
_OPTIONS = (
    *("check", "--isolated", "--no-cache", "--ignore-noqa", "--no-respect-gitignore", "--no-fix", "--no-preview"),
    *("--select", "S", "--target-version", "py314", "--output-format", "json-lines"),
)


def locate() -> tuple[run.Program, str]:
    """Find ruff and its version: the setting, then PATH, then beside this Python.

    Raises:
        WardeinError: If there is none, or it is older than what was tried.
    """
    beside = Path(sys.executable).parent / "ruff"
    program = run.find("ruff", variable=VARIABLE, candidates=[beside], mend=INSTALL)
    return program, version_of(program, OLDEST, INSTALL)


@contextmanager
def started(program: run.Program, folders: Sequence[Path]) -> Iterator[run.Running]:
    """Start it on folders of files under neutral names.

    Raises:
        WardeinError: If it cannot be started.
    """
    with run.started([program.path, *_OPTIONS, *folders], time_limit=MAX_SECONDS, what="ruff") as running:
        yield running


def read(ended: run.Ended) -> Issues:
    """Read its report.

    Raises:
        WardeinError: If there is none, or it is of another form.
    """
    # Every file holds something to report, so that 0 means it looked at nothing; 2 is an error.
    if ended.code != 1:
        raise failed(ended, "ruff")
    found: list[Issue] = []
    unread: dict[str, str] = {}
    try:
        for line in ended.stdout.splitlines():
            item = json.loads(line)
            code, file = str(item["code"]), Path(item["filename"]).name
            if code.startswith("S") and code[1:].isdigit():
                found.append(_issue(item, code, file))
            else:
                unread.setdefault(file, str(item["message"])[:200])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise WardeinError("wrote a report of a form that is not known", where="ruff") from None
    return Issues(tuple(found), unread)


def _issue(item: Mapping[str, Any], code: str, file: str) -> Issue:
    first, last = int(item["location"]["row"]), int(item["end_location"]["row"])
    # Ruff rates nothing, but says where a command is constant.
    rated = "low" if "seems safe" in str(item["message"]) else ""
    return Issue(file, code.removeprefix("S"), rated, str(item["message"]), first, max(first, last))
