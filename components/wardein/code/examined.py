# SPDX-License-Identifier: Apache-2.0
"""Reading a whole tree in processes of their own, and the copies that bandit and ruff are given."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import wardein
from wardein.code import child
from wardein.code.files import NOTEBOOK
from wardein.code.notebooks import Notebook
from wardein.code.walk import Hit
from wardein.errors import WardeinError
from wardein.report import Severity, Skipped
from wardein.scan.merge import Found
from wardein.scan.tree import File
from wardein.tools import run

MAX_SECONDS = 3600
_MEMORY = 3 * 1024 * 1024 * 1024
_MOST_PARTS = 4
# So many files may end the process that reads them; whoever plants more has made the point.
_MOST_CRASHES = 20
_START = "import sys; sys.path[:0] = [sys.argv.pop(1)]; from wardein.code.child import main; main()"
_PACKAGES = Path(wardein.__file__).parents[1]


@dataclass
class Copy:
    """A file's copy that other tools read, and what was found in the file so far.

    Attributes:
        path: The file's path in the source folder.
        canary: The line of the copy that every tool has to report.
        cells: The cells of a notebook.
    """

    path: str
    real: Path
    canary: int
    cells: Notebook | None
    hits: list[Hit] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The lines of the copy, counted as Python counts them."""
        return re.split(r"\r\n|\r|\n", self.real.read_bytes().decode("utf-8", "replace"))

    def found(self) -> list[Found]:
        """What wardein's own rules found."""
        if not self.hits:
            return []
        lines = self.lines()
        return [child.found(hit, self.path, lines, self.cells) for hit in self.hits]

    def place(self, line: int) -> tuple[str, int]:
        """Part and line in the original of a line of the copy."""
        return self.cells.place(line) if self.cells is not None else ("", line)


@dataclass
class Examined:
    """A tree that was read.

    Attributes:
        folders: Where the copies lie, in as many parts as there are processors.
        copies: Every file that could be read, by its copy's name, which is unique among all parts.
        skipped: Every file that could not.
    """

    folders: list[Path]
    copies: dict[str, Copy] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)


@contextmanager
def examined(files: Sequence[File]) -> Iterator[Examined]:
    """Read all files, and keep their copies while the context lasts."""
    with tempfile.TemporaryDirectory(prefix="wardein-scan-") as name:
        parts = _parts(files)
        tree = Examined([Path(name, f"part{number}") for number in range(len(parts))])
        for folder in tree.folders:
            folder.mkdir()
        numbers = {file.path: number for number, file in enumerate(files)}
        todo = [
            [(file, folder / f"{numbers[file.path]:06d}.py") for file in part]
            for part, folder in zip(parts, tree.folders, strict=True)
        ]
        crashes = 0
        while any(todo):
            todo = _read(todo, Path(name), tree)
            crashes += 1
            if crashes > _MOST_CRASHES:
                for file, _ in (item for part in todo for item in part):
                    tree.skipped.append(Skipped(file.path, "too many other files ended the process that reads them"))
                break
        tree.skipped.sort(key=lambda skipped: skipped.what)
        yield tree


def _parts(files: Sequence[File]) -> list[list[File]]:
    """The files in parts of about the same size, one a processor."""
    parts: list[list[File]] = [[] for _ in range(max(1, min(len(os.sched_getaffinity(0)), _MOST_PARTS, len(files))))]
    sizes = [0] * len(parts)
    for file in sorted(files, key=lambda file: -file.bytes):
        smallest = sizes.index(min(sizes))
        parts[smallest].append(file)
        sizes[smallest] += file.bytes + 200
    return parts


Part = list[tuple[File, Path]]


def _read(todo: Sequence[Part], folder: Path, tree: Examined) -> list[Part]:
    """Read the parts side by side; what is left of them because a file ended the process is returned."""
    left: list[Part] = []
    with ExitStack() as stack:
        running = []
        for number, part in enumerate(todo):
            jobs = [
                {"source": str(file.real), "target": str(copy), "notebook": file.suffix == NOTEBOOK}
                for file, copy in part
            ]
            orders = folder / f"part{number}.json"
            orders.write_text(json.dumps(jobs), encoding="ascii")
            command: list[str | Path] = [sys.executable, "-I", "-c", _START, _PACKAGES, orders]
            started = run.started(command, time_limit=MAX_SECONDS, memory_limit=_MEMORY, what="the code's reader")
            running.append(stack.enter_context(started))
        for part, reader in zip(todo, running, strict=True):
            left.append(_take(part, reader.wait(), tree))
    return left


def _take(part: Part, ended: run.Ended, tree: Examined) -> Part:
    records = ended.stdout.splitlines(keepends=True)
    done = [json.loads(line) for line in records if line.endswith(b"\n")]
    for (file, copy), record in zip(part, done, strict=False):
        _add(file, copy, record, tree)
    if len(done) == len(part):
        return []
    culprit = part[len(done)][0]
    if ended.code == -signal.SIGPROF:
        why = f"takes more than {child.FILE_SECONDS} seconds to read"
    elif ended.code < 0:
        why = f"ends the process that reads it (signal {-ended.code})"
    elif len(done) == 0 and ended.code:
        last = (ended.stderr.strip().splitlines() or ["no message"])[-1]
        raise WardeinError(f"ended with code {ended.code}: {last[-200:]}", where="the code's reader")
    else:
        why = f"ends the process that reads it (code {ended.code})"
    tree.skipped.append(Skipped(culprit.path, why))
    return part[len(done) + 1 :]


def _add(file: File, copy: Path, record: dict[str, Any], tree: Examined) -> None:
    if record["skip"]:
        tree.skipped.append(Skipped(file.path, record["skip"]))
    if "canary" not in record:
        copy.unlink(missing_ok=True)
        return
    cells = Notebook(starts=record["cells"][0], numbers=record["cells"][1]) if record["cells"] else None
    hits = [Hit(r, Severity(s) if s else None, line, last, what) for r, s, line, last, what in record["hits"]]
    tree.copies[copy.name] = Copy(file.path, copy, record["canary"], cells, hits)
