# SPDX-License-Identifier: Apache-2.0
"""The pre-commit hooks on a change of ten files, against starting Python at all, in the same run.

Target: both hooks together in less than two seconds. Prints seconds and ratios; ends with 1 if the target is missed.

Run: python benchmarks/hooks.py [FILE ...]   (default: ten modules of the standard library)
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import time
from pathlib import Path

TARGET, ROUNDS = 2.0, 5
MODULES = ["argparse", "ast", "dataclasses", "enum", "inspect", "json/decoder", "pathlib", "subprocess", "tarfile"]
MODULES.append("zipfile" if (Path(sysconfig.get_paths()["stdlib"]) / "zipfile.py").exists() else "zipfile/__init__")


def seconds(*command: str) -> float:
    """The fastest of some runs, which a busy machine disturbs least."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        subprocess.run([sys.executable, *command], capture_output=True, check=False)
        best = min(best, time.perf_counter() - started)
    return best


def main(files: list[str]) -> int:
    nothing = seconds("-c", "pass")
    print(f"{len(files)} files, {sum(Path(f).stat().st_size for f in files) / 1e3:.0f} kB")
    print(f"{'python -c pass':<16}{nothing:8.3f} s")
    total = 0.0
    for kind in ("secrets", "code"):
        taken = seconds("-m", "wardein", "hook", kind, *files)
        total += taken
        print(f"{'hook ' + kind:<16}{taken:8.3f} s  {taken / nothing:6.1f} x")
    print(f"{'both':<16}{total:8.3f} s  target: {TARGET:g} s")
    return 0 if total < TARGET else 1


if __name__ == "__main__":
    library = Path(sysconfig.get_paths()["stdlib"])
    sys.exit(main(sys.argv[1:] or [str(library / f"{name}.py") for name in MODULES]))
