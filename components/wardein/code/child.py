# SPDX-License-Identifier: Apache-2.0
"""The process that reads hostile files: one record a file on standard output, and a copy that other tools can read.

Whatever ends it, a crash of the parser or a time limit, ends it in the middle of one file: the first one that it was
given and has no record of.
"""

from __future__ import annotations

import gc
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from wardein import jsontext
from wardein.code import notebooks, reading, walk
from wardein.code.notebooks import Notebook
from wardein.code.reading import Module, Unreadable
from wardein.code.rules import BY_ID
from wardein.code.text import masked
from wardein.code.walk import Hit
from wardein.scan.merge import Found

FILE_SECONDS = 20
MOST_PER_FILE = 1000


def main() -> None:
    """Read the files that a list names; the list is the one argument, as JSON."""
    gc.disable()  # syntax trees hold no cycles
    for job in json.loads(Path(sys.argv[1]).read_bytes()):
        # The default action ends the process, even inside the parser. Processor time: a busy machine is no fault.
        signal.setitimer(signal.ITIMER_PROF, FILE_SECONDS)
        print(json.dumps(_record(**job)), flush=True)


def _record(source: str, target: str, notebook: bool) -> dict[str, Any]:
    try:
        script = read(Path(source), is_notebook=notebook)
        Path(target).write_bytes(reading.without_cookie(script.module.text).encode())
        hits = examine(script)
    except Unreadable as error:
        return {"skip": error.what}
    except RecursionError:
        return {"skip": "is nested too deeply to be followed"}
    except MemoryError:
        return {"skip": "takes more memory than there is for a file"}
    except UnicodeError:
        return {"skip": "holds text that cannot be encoded"}
    cells = [script.cells.starts, script.cells.numbers] if script.cells is not None else []
    skip = f"breaks rules in more than {MOST_PER_FILE} places" if len(hits) > MOST_PER_FILE else script.gap
    told = [list(astuple(hit)) for hit in hits[:MOST_PER_FILE]]
    return {"skip": skip, "canary": script.module.canary, "cells": cells, "hits": told}


@dataclass(frozen=True)
class Script:
    """A file that was read; with its cells if it is a notebook."""

    module: Module
    cells: Notebook | None = None

    @property
    def gap(self) -> str:
        """What of it could not be examined; empty if all was."""
        return "; ".join(self.cells.gaps)[:300] if self.cells is not None else ""


def read(path: Path, *, is_notebook: bool) -> Script:
    """Read and parse one file.

    Raises:
        Unreadable: If it is not what it should be.
    """
    with open(path, "rb") as file:
        content = file.read(max(jsontext.MAX_BYTES, reading.MAX_BYTES) + 1)
    if is_notebook:
        notebook = notebooks.read(content)
        return Script(reading.parse(notebook.text), notebook)
    return Script(reading.parse(reading.decode(content)))


def examine(script: Script) -> list[Hit]:
    """What wardein's own rules say.

    Raises:
        RecursionError: If it is nested too deeply.
    """
    hits = walk.examine(script.module.tree)
    if script.cells is not None:
        hits += walk.in_shell(script.cells.commands)
        hits += [Hit("code/other-language-cell", None, line, line, "cell") for line in script.cells.foreign]
    return hits


def found(hit: Hit, path: str, lines: Sequence[str], cells: Notebook | None) -> Found:
    """What a hit is, told of the file that it was found in."""
    rule = BY_ID[hit.rule]
    text = masked(lines, hit.line, hit.last)
    part, line = cells.place(hit.line) if cells is not None else ("", hit.line)
    what = hit.what.removeprefix("builtins.")[:80]
    message = f"{what}: {rule.title}; {rule.mend}"
    severity, last = hit.severity or rule.severity, line + hit.last - hit.line
    return Found(hit.rule, path, severity, message, "", line, last, part, text, rule.cwe)
