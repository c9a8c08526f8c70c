# SPDX-License-Identifier: Apache-2.0
"""The form of a case, and what the cases make their worlds with."""

from __future__ import annotations

import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[3]
LONGEST_CELL = 110
# Programs of the project's own environment, and those whose pins fit with nobody else's.
PROGRAMS = (Path(sys.executable).parent, ROOT / ".venv-scanners" / "bin", ROOT / ".venv-opinions" / "bin")


@dataclass(frozen=True)
class World:
    """What a case looks at.

    Attributes:
        arguments: Of the check, without its name.
        environment: Variables that are set around both runs.
        bare: The command that a thin wrapper would run, in ``tree``; empty if there is none.
        tree: The folder that the bare command is run in.
    """

    arguments: list[str | Path]
    environment: Mapping[str, str] = field(default_factory=dict)
    bare: list[str | Path] = field(default_factory=list)
    tree: Path | None = None


@dataclass(frozen=True)
class Case:
    """One way to fail open.

    Attributes:
        check: The check, as ``scan_code``.
        what: The situation, as a table's row names it; unique among the check's.
        expected: The verdict that is right.
        told: A regular expression that the reason, a skipped entry or a finding (rule, place and message) must match.
        make: Makes the world below a new folder. It must not depend on the clock or on the machine.
        fake: Whether the tool is a stand-in, because the real one cannot be made to show this fault.
    """

    check: str
    what: str
    expected: Literal["PASS", "FAIL", "ERROR"]
    told: str
    make: Callable[[Path], World]
    fake: bool = False

    @property
    def id(self) -> str:
        """The case's name in tests."""
        return f"{self.check}: {self.what}"


def program(name: str) -> Path:
    """A scanner's program; the case fails if it is not installed, as the environment promises it."""
    found = next((folder / name for folder in PROGRAMS if (folder / name).is_file()), None)
    assert found is not None, f"{name} is not installed: run make test, which installs it"
    return found


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files below a folder, by their relative paths."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def stand_in(folder: Path, name: str, body: str) -> Path:
    """A program that is not the real one, for faults that the real one cannot be made to show.

    Args:
        folder: Where it goes.
        name: Its name.
        body: What it does, as Python; ``args`` are its arguments.
    """
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\nimport json, os, sys, time\nargs = sys.argv[1:]\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def cell(text: str) -> str:
    """A text in a cell of the page's tables."""
    short = " ".join(text.split())
    short = short if len(short) <= LONGEST_CELL else short[: LONGEST_CELL - 1] + "…"
    return short.replace("|", "\\|").replace("<", "&lt;")
