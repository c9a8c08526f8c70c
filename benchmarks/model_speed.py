# SPDX-License-Identifier: Apache-2.0
"""Scanning large honest model files: CPU seconds and peak memory, beside picklescan on the same files.

A file of a gigabyte holds almost only numbers, which no scanner has to read. Targets: under 0.5 CPU seconds for each
of them, less than half of picklescan's CPU time on a stream of nothing but opcodes, and under 100 MB of memory for all.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

ROOT = Path(__file__).parents[1]
PICKLESCAN = ROOT / ".venv-opinions" / "bin" / "picklescan"
TORCH = ROOT / ".venv-models" / "bin" / "python"
MOST_SECONDS, LEAST_RATIO, MOST_MEMORY = 0.5, 2.0, 100.0
# Runs in a process of its own, so that neither its memory nor its imports count.
MAKE = """
import io, json, pickle, struct, sys
import joblib, numpy as np
folder, bytes_, entries = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = np.random.default_rng(0)
arrays = {f"layer{i}.weight": rng.standard_normal(bytes_ // 16 // 8) for i in range(16)}
for protocol in (2, 4):
    with open(f"{folder}/arrays, protocol {protocol}.pkl", "wb") as file:
        pickle.dump(arrays, file, protocol=protocol)
joblib.dump(arrays, f"{folder}/arrays.joblib")
np.savez(f"{folder}/arrays.npz", **arrays)
offset, header = 0, {}
for name, array in arrays.items():
    header[name] = {"dtype": "F64", "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
    offset += array.nbytes
text = json.dumps(header).encode()
with open(f"{folder}/arrays.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text)
    for array in arrays.values():
        file.write(array.tobytes())
words = {f"token_{i:x}": i for i in range(entries)}
for protocol in (2, 4):
    with open(f"{folder}/vocabulary, protocol {protocol}.pkl", "wb") as file:
        pickle.dump(words, file, protocol=protocol)
"""
MAKE_TORCH = """
import sys, torch
n = int(sys.argv[2]) // 16 // 4
torch.save({f"layer{i}.weight": torch.ones(n) for i in range(16)}, f"{sys.argv[1]}/arrays.pt")
"""
SCAN = """
import sys
from pathlib import Path
from wardein.modelfiles.scan import examine_model
examined = examine_model(Path(sys.argv[1]), [])
sys.exit(2 if examined.skipped else 1 if examined.found else 0)
"""


@dataclass(frozen=True)
class Cost:
    """What a process took."""

    code: int
    seconds: float
    megabytes: float


def main() -> int:
    """Make the files, scan them, print the table; returns 1 if a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1024, help="the size of each file of numbers")
    parser.add_argument("--entries", type=int, default=3_000_000, help="the words of the vocabulary")
    given = parser.parse_args()
    rows, missed = [], []
    with tempfile.TemporaryDirectory(prefix="wardein-speed-") as name:
        folder = Path(name)
        size = str(given.megabytes * 1024**2)
        subprocess.run([sys.executable, "-c", MAKE, name, size, str(given.entries)], check=True)
        if TORCH.exists():
            subprocess.run([TORCH, "-c", MAKE_TORCH, name, size], check=True)
        else:
            print("no torch file: .venv-models is not there (make .venv-models/installed)")
        for path in sorted(folder.iterdir()):
            ours = cost([sys.executable, "-c", SCAN, str(path)])
            theirs = cost([str(PICKLESCAN), "--path", str(path)])
            ratio = theirs.seconds / ours.seconds
            rows.append(
                [path.name, path.stat().st_size // 1024**2]
                + [ours.code, f"{ours.seconds:.2f}", f"{ours.megabytes:.0f}"]
                + [theirs.code, f"{theirs.seconds:.2f}", f"{theirs.megabytes:.0f}", f"{ratio:.1f}"]
            )
            opcodes = path.name.startswith("vocabulary")
            fast = ratio >= LEAST_RATIO if opcodes else ours.seconds <= MOST_SECONDS
            if not fast or ours.code != 0 or ours.megabytes > MOST_MEMORY:
                missed.append(path.name)
    heads = ["file", "MiB", "wardein: exit", "CPU s", "peak MB", "picklescan: exit", "CPU s", "peak MB", "ratio"]
    print(tabulate(rows, headers=heads, disable_numparse=True))
    print(f"missed: {', '.join(missed)}" if missed else "every target is met")
    return 1 if missed else 0


def cost(command: list[str]) -> Cost:
    """Run a command; its CPU seconds and peak resident memory."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Cost(process.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000)


if __name__ == "__main__":
    sys.exit(main())
