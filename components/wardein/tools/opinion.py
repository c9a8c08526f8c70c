# SPDX-License-Identifier: Apache-2.0
"""What another scanner of model files says of one file, and how such a scanner is found."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wardein.errors import WardeinError
from wardein.report import Severity
from wardein.tools import run

MAX_SECONDS = 1800


@dataclass(frozen=True)
class Opinion:
    """What another scanner says of one file.

    Attributes:
        alarms: What it found: its own name for the rule, how bad it is, and what it says.
        unread: Why it did not examine the file; empty if it did.
    """

    alarms: Sequence[tuple[str, Severity, str]]
    unread: str = ""


def find(name: str, generation: str) -> tuple[run.Program, str]:
    """Find a scanner that is a Python program, and the version that its own environment has of it.

    Args:
        name: The program's and the distribution's name.
        generation: What the version has to begin with, for example ``1.``.

    Raises:
        WardeinError: If it is not there, or of another generation.
    """
    variable = f"WARDEIN_{name.upper()}"
    install = f"run: pip install {name} (into an environment of its own), and set {variable} to its absolute path"
    beside = Path(sys.executable).parent / name
    program = run.find(name, variable=variable, candidates=[beside], mend=install)
    script = f"from importlib.metadata import version; print(version({name!r}))"
    ended = run.run([program.path.parent / "python", "-I", "-c", script], time_limit=120, what=name)
    version = ended.stdout.decode("ascii", "replace").strip()
    if not version.startswith(generation):
        raise WardeinError(f"version {version[:40]!r} is none of {generation}x", where=name, mend=install)
    return program, version


def one_line(text: object) -> str:
    """What a scanner says, as one printable line without the name of the copy that it was given."""
    return ascii(" ".join(str(text).split())[:300])[1:-1]
