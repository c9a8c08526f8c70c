# SPDX-License-Identifier: Apache-2.0
"""scan-code against the slowest tool that it runs, and wardein's own rules against bandit, on the same sources.

    python benchmarks/scan_code.py [RUNS]

The sources are the Python files of scikit-learn and Airflow as they are installed. Processes of their own, turn by
turn; the medians and the most memory that one process took. The targets: the whole check takes at most 1.2 times the
wall time of the slowest tool alone, and the rules at most a fifth of bandit's processor time. Ends with 1 if one is
missed.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

PACKAGES = ("sklearn", "airflow")
RULES = "from pathlib import Path; import sys; from wardein.code.hook import scan_files; "
RULES += "import gc; gc.disable(); scan_files(sorted(Path(sys.argv[1]).rglob('*.py')))"


def sources(folder: Path) -> int:
    """Copy the packages' Python files; how many lines there are."""
    lines = 0
    for name in PACKAGES:
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:
            sys.exit(f"needs the package {name}: pip install '.[evaluate,airflow]'")
        root = Path(found.origin).parent
        for path in sorted(root.rglob("*.py")):
            target = folder / name / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            lines += path.read_bytes().count(b"\n")
    return lines


def run(command: list[str]) -> tuple[float, float, float]:
    """Wall seconds, processor seconds, and MiB of the largest process among it and its children."""
    started = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        os.execv(command[0], command)
    _, _, usage = os.wait4(pid, 0)
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main(runs: int) -> int:
    """Compare, and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = sources(folder)
        beside = Path(sys.executable).parent
        commands = {
            "wardein scan-code": [sys.executable, "-m", "wardein", "scan-code", "--source", name, "--json"],
            "wardein's rules": [sys.executable, "-c", RULES, name],
            "bandit": [str(beside / "bandit"), "-r", "--ignore-nosec", "-f", "json", "-q", name],
            "ruff": [str(beside / "ruff"), "check", "--isolated", "--ignore-noqa", "--no-cache", "--select", "S", name],
        }
        taken: dict[str, list[tuple[float, float, float]]] = {what: [] for what in commands}
        for _ in range(runs):
            for what, command in commands.items():
                taken[what].append(run(command))
        files = sum(1 for _ in folder.rglob("*.py"))
    print(f"{files} files, {lines} lines of {' and '.join(PACKAGES)}; {os.cpu_count()} processors")
    wall, processor = ({what: median(row[n] for row in rows) for what, rows in taken.items()} for n in (0, 1))
    for what, rows in taken.items():
        memory = max(row[2] for row in rows)
        print(
            f"{what}: {wall[what]:.1f} s, {processor[what]:.1f} s of processors, at most {memory:.0f} MiB in a process"
        )
    whole = wall["wardein scan-code"] / max(wall["bandit"], wall["ruff"])
    rules = processor["bandit"] / processor["wardein's rules"]
    print(f"scan-code takes {whole:.2f} times the slowest tool alone (target: at most 1.2)")
    print(f"wardein's rules are {rules:.1f} times as fast as bandit (target: at least 5)")
    return 0 if whole <= 1.2 and rules >= 5 else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1))
