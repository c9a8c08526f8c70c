# SPDX-License-Identifier: Apache-2.0
"""Run the fail-open corpus and write docs/fail-open.md: what the bare tool says of each case, and what wardein says."""

from __future__ import annotations

import io
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.checks.test_fail_open import CASES  # noqa: E402 - after the path
from tests.corpus.fail_open.case import PROGRAMS, Case, World, cell  # noqa: E402
from wardein.cli import main as wardein  # noqa: E402

# What a flooding stand-in may write, in bytes.
MOST = 16 * 1024 * 1024
PAGE = ROOT / "docs" / "fail-open.md"
HEAD = """# What fails open, and what wardein says

Written by `make fail-open`, which runs every case of `tests/corpus/fail_open/`; `make test` holds wardein to the
verdicts.
*The bare tool* is run as a thin wrapper would run it, in the scanned folder; exit code 0 there is what such a wrapper
takes for "clean". Cases marked † use a stand-in for the tool, because the real one cannot be made to show the fault.

"""


def main() -> int:
    """Write the page; returns 1 if a verdict was not as it should be."""
    rows: dict[str, list[str]] = {}
    right = opened = bare = 0
    for case in CASES:
        with tempfile.TemporaryDirectory(prefix="fail-open-") as folder, patch.dict(os.environ):
            world = case.make(Path(folder))
            os.environ.update(world.environment)
            report = judged(case, world)
            code, said = bare_of(world, Path(folder))
        ok = report["verdict"] == case.expected
        right += ok
        bare += code != ""
        opened += code == "0"
        print(f"{'ok   ' if ok else 'WRONG'} {case.id}: {report['verdict']}", flush=True)
        cells = [
            case.what + (" †" if case.fake else ""),
            code,
            said,
            f"**{report['verdict']}**",
            without_place(report["reason"], Path(folder)),
        ]
        rows.setdefault(case.check, []).append("| " + " | ".join(cell(text) for text in cells) + " |")
    PAGE.write_text("\n".join(page(rows, right, bare, opened)) + "\n", encoding="utf-8")
    return 0 if right == len(CASES) else 1


def page(rows: dict[str, list[str]], right: int, bare: int, opened: int) -> Iterator[str]:
    """The page's lines."""
    yield HEAD + f"{right} of {len(CASES)} verdicts are right. Of {bare} bare runs, {opened} end with exit code 0."
    for check, lines in rows.items():
        yield f"\n## {check}\n"
        yield "| case | bare tool: exit code | it says | wardein | because |"
        yield "|---|---|---|---|---|"
        yield from lines


def judged(case: Case, world: World) -> dict[str, Any]:
    """What wardein says."""
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(io.StringIO()):
        wardein([case.check.replace("_", "-"), *map(str, world.arguments), "--json"])
    report: dict[str, Any] = json.loads(out.getvalue())
    return report


def bare_of(world: World, folder: Path) -> tuple[str, str]:
    """The exit code and the last line of the bare tool; nothing if there is no such command."""
    if not world.bare:
        return "", ""
    path = os.pathsep.join([*map(str, PROGRAMS), os.environ.get("PATH", "")])
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            ended = subprocess.run(
                [str(part) for part in world.bare],
                cwd=world.tree or folder,
                env=os.environ | {"PATH": path},
                stdout=out,
                stderr=err,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (MOST, MOST)),
                check=False,
                timeout=60,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return "none", "does not end" if isinstance(error, subprocess.TimeoutExpired) else "cannot be started"
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(last_line(file.read(MOST).decode("utf-8", "replace"), folder))
    return str(ended.returncode), said[0] or said[1]


def without_place(text: str, folder: Path) -> str:
    """A text without the paths of this machine."""
    return text.replace(str(folder), "…").replace(str(ROOT), "…")


def last_line(text: str, folder: Path) -> str:
    """The last line that says something, without colours, times, and paths of this machine."""
    plain = without_place(re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text), folder)
    plain = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*|\b\d+:\d\d[AP]M\b|│ *", "", plain)
    lines = [line.strip() for line in plain.splitlines() if re.search(r"\w{3}", line)]
    return lines[-1] if lines else ""


if __name__ == "__main__":
    sys.exit(main())
