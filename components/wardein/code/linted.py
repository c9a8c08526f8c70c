# SPDX-License-Identifier: Apache-2.0
"""Bandit and ruff side by side on the copies of a tree that was read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from wardein.code.examined import Copy, Examined
from wardein.code.issues import tell
from wardein.errors import WardeinError
from wardein.report import Skipped
from wardein.scan.merge import Found
from wardein.tools import bandit, ruff, run

LINTERS = {"bandit": bandit, "ruff": ruff}
Programs = Mapping[str, tuple[run.Program, str]]


def linted(programs: Programs, tree: Examined) -> Iterator[tuple[list[Found], list[Skipped]]]:
    """What each linter found, and what it did not get through: everything it was given, if it failed.

    Args:
        programs: Those to run, from their ``locate``.
        tree: From :func:`wardein.code.examined.examined`.
    """
    shares = [(folder, _of(folder, tree)) for folder in tree.folders]
    shares = [(folder, copies) for folder, copies in shares if copies]
    if not shares:
        return
    with ExitStack() as stack:
        running: list[tuple[str, run.Running, dict[str, Copy]]] = []
        # Bandit is slow: a process for each part.
        for folder, copies in shares if "bandit" in programs else ():
            started = bandit.started(programs["bandit"][0], folder)
            running.append(("bandit", stack.enter_context(started), copies))
        if "ruff" in programs:
            started = ruff.started(programs["ruff"][0], [folder for folder, _ in shares])
            running.append(("ruff", stack.enter_context(started), tree.copies))
        for name, program, copies in running:
            try:
                issues = LINTERS[name].read(program.wait())
            except WardeinError as error:
                yield [], [Skipped(f"{len(copies)} Python files", str(error))]
            else:
                yield tell(name, issues, copies)


def _of(folder: Path, tree: Examined) -> dict[str, Copy]:
    return {name: copy for name, copy in tree.copies.items() if copy.real.parent == folder}
