# SPDX-License-Identifier: Apache-2.0
"""Detection: what wardein and four other scanners say of the project's corpus, each run as a gate would run it.

Every sample is scanned by itself, in a process of its own; the exit code is what a gate reads: 0 lets it pass, 1 is an
alarm, anything else means that it was not examined. Targets: no malicious and no malformed file passes, and at most one
in twenty honest files is stopped.

The samples were written for this project, and its scanner with them at hand: our numbers say that nothing of what is
known here gets past, not that nothing does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tabulate import tabulate

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.corpus.modelfiles.samples import Kind, Sample, samples  # noqa: E402 - after the path

OPINIONS = ROOT / ".venv-opinions" / "bin"
PAGE = ROOT / "docs" / "model-files.md"
BEGIN, END = "<!-- measured: written by benchmarks/model_files.py -->\n", "<!-- end of measured -->"
QUIET = {**os.environ, "PROMPTFOO_DISABLE_TELEMETRY": "1", "NO_ANALYTICS": "1", "OMP_NUM_THREADS": "1"}
SECONDS = 60
COMMANDS: dict[str, Callable[[Path], list[str]]] = {
    "wardein": lambda path: [sys.executable, "-m", "wardein", "scan-model", "--model", str(path)],
    "picklescan": lambda path: [str(OPINIONS / "picklescan"), "--path", str(path)],
    "modelscan": lambda path: [str(OPINIONS / "modelscan"), "scan", "--path", str(path)],
    "fickling": lambda path: [str(OPINIONS / "fickling"), "--check-safety", str(path)],
    "modelaudit": lambda path: [str(OPINIONS / "modelaudit"), "scan", "--no-cache", str(path)],
}
KINDS: tuple[Kind, ...] = ("malicious", "malformed", "benign")
MOST_STOPPED = 0.05


def main() -> int:
    """Scan, print the tables; returns 1 if wardein missed a target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="take every n-th sample only")
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE.name}")
    given = parser.parse_args()
    chosen = {kind: list(samples(kind))[:: given.every] for kind in KINDS}
    answers: dict[tuple[str, str], Counter[str]] = {}
    for kind, those in chosen.items():
        for name in COMMANDS:
            print(f"{name} on {len(those)} {kind}", file=sys.stderr, flush=True)
            answers[name, kind] = Counter(_all(name, those))
    text = "\n".join(_tables(chosen, answers, given.every))
    print(text)
    if given.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        PAGE.write_text(before + BEGIN + text + "\n" + END + rest.partition(END)[2], encoding="utf-8")
    stopped = len(chosen["benign"]) - answers["wardein", "benign"]["0"]
    passed = answers["wardein", "malicious"]["0"] + answers["wardein", "malformed"]["0"]
    return 0 if not passed and stopped <= MOST_STOPPED * len(chosen["benign"]) else 1


def _all(name: str, those: Sequence[Sample]) -> Iterator[str]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(lambda sample: _one(name, sample), those)


def _one(name: str, sample: Sample) -> str:
    """``0``, ``1`` or ``other``: what a gate reads of the exit code."""
    with tempfile.TemporaryDirectory(prefix="wardein-corpus-") as folder, tempfile.TemporaryDirectory() as elsewhere:
        path = sample.make(Path(folder))
        try:
            ended = subprocess.run(
                COMMANDS[name](path), cwd=elsewhere, env=QUIET, capture_output=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return "other"
    return str(ended.returncode) if ended.returncode in (0, 1) else "other"


def _tables(
    chosen: dict[Kind, list[Sample]], answers: dict[tuple[str, str], Counter[str]], every: int
) -> Iterator[str]:
    """The tables as Markdown."""
    which = "every sample" if every == 1 else f"every {every}th sample"
    yield f"`python benchmarks/model_files.py --write`, {which} of the project's own corpus in"
    yield "`tests/corpus/modelfiles/`, one process a file, by exit code as a gate reads it: alarm (1) / not examined"
    yield "(others) / **passed (0)**.\n"
    heads = ["scanner", *[f"{kind}, {len(those)} files" for kind, those in chosen.items()]]
    rows = []
    for name in COMMANDS:
        row = [name]
        for kind, those in chosen.items():
            counts = answers[name, kind]
            passed = f"**{counts['0']} ({counts['0'] / max(1, len(those)):.1%})**"
            row.append(f"{counts['1']} / {counts['other']} / {passed}")
        rows.append(row)
    yield tabulate(rows, headers=heads, tablefmt="github", disable_numparse=True)


if __name__ == "__main__":
    sys.exit(main())
