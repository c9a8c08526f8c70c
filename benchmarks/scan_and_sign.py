# SPDX-License-Identifier: Apache-2.0
"""scan-image against trivy called directly, and verify-artifact against model-signing, on the same inputs.

    python benchmarks/scan_and_sign.py [RUNS]

Processes of their own, turn by turn; the median wall seconds and their ratio. The target for the scan is at most 1.15
times the direct call plus 0.5 s; the direct call verifies no digest and reads no coverage. Ends with 1 if it is missed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from demo import images
from wardein.cli import main as wardein
from wardein.report import Severity
from wardein.tools import trivy
from wardein.tools.trivydb import Advisory, write_database

MIB = 1024 * 1024


def seconds(command: list[str]) -> float:
    """The wall time of one process; its exit code is none of our business."""
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - started


def compare(name: str, ours: list[str], theirs: list[str], runs: int) -> tuple[float, float]:
    """The medians of both, printed with their ratio."""
    times = [(seconds(ours), seconds(theirs)) for _ in range(runs + 1)][1:]
    mine, peer = median(t[0] for t in times), median(t[1] for t in times)
    print(f"{name}: wardein {mine:.2f} s, directly {peer:.2f} s, ratio {mine / peer:.2f}, more by {mine - peer:.2f} s")
    return mine, peer


def scan(folder: Path, runs: int) -> bool:
    """An image of 200 MiB with a distribution, looked at by all three scanners."""
    database, image = folder / "db", folder / "image"
    advisories = [
        Advisory("CVE-2099-1", "openssl", "debian 12", Severity.HIGH, fixed=("99-1",)),
        Advisory("CVE-2022-22817", "pillow", "pip", Severity.CRITICAL, ("<9.0.1",), ("9.0.1",)),
    ]
    write_database(database, advisories, datetime.now(UTC))
    packages = images.tar(images.python_package("pillow", "9.0.0"))
    noise = images.tar({f"opt/data{n}.bin": bytes(range(256)) * (MIB // 256) * 20 for n in range(10)})
    images.write_layout(image, [images.base_layer({"openssl": "3.0-1"}), packages, noise])
    program = str(trivy.locate().program.path)
    direct = [program, "image", "--input", str(image), "--cache-dir", str(database), "--cache-backend", "memory"]
    direct += ["--skip-db-update", "--skip-java-db-update", "--offline-scan", "--scanners", "vuln,secret"]
    direct += ["--image-config-scanners", "misconfig,secret", "--format", "json", "--output", str(folder / "out.json")]
    ours = [sys.executable, "-m", "wardein", "scan-image", "--image", str(image), "--database", str(database)]
    mine, peer = compare("scan-image, 200 MiB", ours, direct, runs)
    return mine <= 1.15 * peer + 0.5


def verify(folder: Path, runs: int) -> None:
    """A model folder of 512 MiB in 64 files."""
    model = folder / "model"
    model.mkdir()
    for n in range(64):
        (model / f"shard-{n:02}.bin").write_bytes(bytes([n]) * 8 * MIB)
    wardein(["init", str(folder / "house")])
    key, bundle = folder / "house" / "keys" / "train.pem", folder / "model.sig"
    wardein(["sign-artifact", "--artifact", str(model), "--signature", str(bundle), "--signer", f"file:{key}"])
    public = folder / "train.pub"
    subprocess.run(["openssl", "pkey", "-in", str(key), "-pubout", "-out", str(public)], check=True)
    ours = [sys.executable, "-m", "wardein", "verify-artifact", "--artifact", str(model), "--signature", str(bundle)]
    ours += ["--trust", str(folder / "house" / "trust.json")]
    direct = [sys.executable, "-m", "model_signing", "verify", "key", str(model), "--signature", str(bundle)]
    compare("verify-artifact, 512 MiB", ours, [*direct, "--public_key", str(public)], runs)


def main(runs: int) -> int:
    """Run both comparisons."""
    with tempfile.TemporaryDirectory() as folder:
        met = scan(Path(folder), runs)
        verify(Path(folder), runs)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
