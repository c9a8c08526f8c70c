# SPDX-License-Identifier: Apache-2.0
"""The gate over 1,000 pieces of evidence with 10,000 findings, and promote over a folder of 2 GB.

    python benchmarks/gate.py [GIGABYTES]

Deciding is compared with reading the same file and verifying its signatures alone; the target is below 2.0. Peak memory
with ten times the findings is compared with the input's size. Promotion is compared with ``cp`` of the folder and one
``sha256`` of the same bytes; the target is at most 1.15. Ends with 1 if a target is missed.
"""

from __future__ import annotations

import gc
import hashlib
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from wardein import __version__, wire
from wardein.__main__ import GARBAGE
from wardein.cli import main as wardein
from wardein.evidence import trust
from wardein.evidence.envelope import read_claims, seal
from wardein.evidence.keys import signer_for
from wardein.evidence.statement import write
from wardein.files import landing
from wardein.release.store import Store
from wardein.release.terms import release_of
from wardein.release.verification import decide
from wardein.report import CHECK_RESULT, Coverage, Finding, Input, Report, Severity, conclude
from wardein.subject import Subject, copy_of, digest_of

RUNS = 7
gc.set_threshold(GARBAGE)


def cpu(work: Callable[[], object]) -> float:
    """The median CPU seconds of a few runs."""
    times = []
    for _ in range(RUNS):
        gc.collect()
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return median(times)


def report(number: int, findings: int, digest: str) -> Report:
    """Evidence of verify-artifact with so many harmless findings."""
    noted = [Finding("note", Severity.LOW, f"note {n} of {number}", f"file-{n}", fails=False) for n in range(findings)]
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return replace(
        conclude(coverage=Coverage("files", 1, 1), findings=noted),
        check="verify_artifact",
        version=__version__,
        subject=(Subject("artifact", digest),),
        inputs=(Input("artifact", "Artifact", digest, 1),),
        execution={"finished": now},
    )


def evidence(house: Path, name: str, findings: int, digest: str) -> Path:
    """1,000 signed statements in one file."""
    signer, path = signer_for(f"file:{house}/keys/check.pem"), house.parent / name
    lines = []
    for number in range(1000):
        said = report(number, findings, digest)
        lines.append(seal(write(said.subject, CHECK_RESULT, wire.to_json(said)), signer).to_line())
    path.write_bytes(b"".join(lines))
    return path


def gate(folder: Path) -> bool:
    """Time and memory of a decision."""
    house, model = folder / "house", folder / "model"
    model.write_bytes(b"a model")
    with redirect_stdout(StringIO()):
        wardein(["init", str(house), "--pin", "label=y", "--pin", 'sensitive=["sex"]'])
    root = trust.load(house / "trust.json")
    release = release_of(model, house / "trust.json", house / "policy", "", "default", "")
    claims = evidence(house, "ten.jsonl", 10, digest_of(model))
    alone = cpu(lambda: [root.signers_of(item) for item in read_claims(claims)])
    whole = cpu(lambda: decide(release, [claims]))
    print("gate, 1,000 statements with 10,000 findings, CPU seconds: ", end="")
    print(f"decision {whole:.3f}, signatures alone {alone:.3f}, ratio {whole / alone:.2f}")
    for findings in (10, 50):
        path = evidence(house, f"{findings}.jsonl", findings, digest_of(model))
        tracemalloc.start()
        decide(release, [path])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(f"  {findings * 1000:,} findings: peak {peak / path.stat().st_size:.1f} times the evidence's size")
    return whole / alone < 2.0


def promotion(folder: Path, gigabytes: float) -> bool:
    """Wall time of putting a folder in place, against cp and one hash."""
    model, size = folder / "weights", int(gigabytes * 1e9 / 8)
    model.mkdir()
    block = bytes(range(256)) * 4096
    for number in range(8):
        with open(model / f"part-{number}.bin", "wb") as file:
            for _ in range(size // len(block)):
                file.write(block)
    ours, peers = [], []
    for run in range(3):
        started = time.perf_counter()
        served = folder / f"served-{run}"
        with landing(served) as place:
            (place / "model").mkdir()
            Store(served, "dev").put(copy_of(model, place / "model").path, b"{}\n", {})
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        subprocess.run(["cp", "-r", str(model), str(folder / f"copied-{run}")], check=True)
        for path in sorted(model.iterdir()):
            with open(path, "rb") as file:
                hashlib.file_digest(file, "sha256")
        peers.append(time.perf_counter() - started)
        subprocess.run(["rm", "-rf", str(served), str(folder / f"copied-{run}")], check=True)
    mine, peer = median(ours), median(peers)
    print(f"promote, {gigabytes:g} GB: {mine:.2f} s, cp and one sha256 {peer:.2f} s, ratio {mine / peer:.2f}")
    return mine / peer <= 1.15


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        met = gate(Path(temporary))
        met &= promotion(Path(temporary), float(sys.argv[1]) if len(sys.argv) > 1 else 2.0)
    sys.exit(0 if met else 1)
