# SPDX-License-Identifier: Apache-2.0
"""Hashing and signing of 1, 100 and 10,000 files, against OpenSSL over all cores and the model_signing command.

    python benchmarks/hashing.py [--gigabytes 1] [--runs 3] [--model-signing PROGRAM] [--python PROGRAM]

Turn by turn on the same files, warm; the median wall seconds and their ratios. OpenSSL is run as `openssl dgst -sha256`
by as many processes as there are cores, each with its share of the files. Two targets for our hasher, at 4 GB: at most
1.1 times OpenSSL's time, and ahead of model_signing. Signing may add 0.1 s to it: the statement and the signature,
without the start of the interpreter. --python names an interpreter whose environment holds the extra `sign` and no
other: where the libraries of clouds lie beside, starting takes half a second more, and model_signing has none beside.
Ends with 1 if one of them is missed.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from wardein.cli import main as wardein
from wardein.evidence.keys import signer_for
from wardein.evidence.model_signing import Label, sign, statement_of
from wardein.hashing import _cores as cores
from wardein.subject import Tree, tree_of

BLOCK = 1024 * 1024


def write(folder: Path, count: int, size: int) -> None:
    """As many files of different content, ten folders of them."""
    content = bytearray(os.urandom(BLOCK))
    for number in range(count):
        path = folder / f"part-{number % 10}" / f"{number:05}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        left = size // count
        with open(path, "wb") as file:
            while left:
                content[:8] = number.to_bytes(4, "big") + (left // BLOCK).to_bytes(4, "big")
                left -= file.write(memoryview(content)[: min(left, BLOCK)])


def timed(work: Callable[[], object]) -> float:
    """Its wall seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def run(*command: object) -> None:
    """A program that has to succeed."""
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def measure(folder: Path, house: Path, count: int, given: argparse.Namespace) -> bool:
    """One number of files; whether every target is met."""
    program: str = given.model_signing
    key, share = house / "keys" / "train.pem", max(1, min(500, count // (4 * cores())))
    listing = f"find {shlex.quote(str(folder))} -type f -print0"
    openssl = f"{listing} | xargs -0 -P {cores()} -n {share} openssl dgst -sha256"
    bundle, signer, trees = folder.parent / "sig", signer_for(f"file:{key}"), list[Tree]()
    step = ["-m", "wardein", "sign-artifact", "--artifact", folder, "--signature", bundle, "--signer", f"file:{key}"]
    ways: dict[str, Callable[[], object]] = {
        "openssl": lambda: run("sh", "-c", openssl),
        "hasher": lambda: trees.append(tree_of(folder)),
        "signature": lambda: sign(statement_of("model", trees[-1], Label("model", "1.0")), signer),
        "sign-artifact": lambda: run(given.python, *step),
    }
    if program:
        ways["model_signing"] = lambda: run(program, "sign", "key", folder, "--signature", bundle, "--private_key", key)
    for way in ways.values():
        way()
    rounds = [{name: timed(way) for name, way in ways.items()} for _ in range(given.runs)]
    best = {name: median(each[name] for each in rounds) for name in ways}
    rate = trees[-1].bytes / 1e9 / best["hasher"]
    print(f"{count} files: " + ", ".join(f"{name} {seconds:.3f} s" for name, seconds in best.items()))
    ratio = best["hasher"] / best["openssl"]
    met = ratio <= 1.1 and best["signature"] <= 0.1
    print(f"  hasher {rate:.2f} GB/s, {ratio:.2f} of openssl; signing adds {1000 * best['signature']:.0f} ms", end="")
    if program:
        peer = best["sign-artifact"] / best["model_signing"]
        met = met and peer < 1
        print(f"; sign-artifact {peer:.2f} of model_signing", end="")
    print("" if met else "  MISSED")
    return met


def main(arguments: argparse.Namespace) -> int:
    """Every number of files."""
    met = True
    with tempfile.TemporaryDirectory(dir=arguments.folder) as made:
        house = Path(made) / "house"
        wardein(["init", str(house)])
        print(f"{cores()} cores, {os.getloadavg()[0]:.1f} others at work, Python {sys.version.split()[0]}")
        for count in (1, 100, 10_000):
            with tempfile.TemporaryDirectory(dir=made) as place:
                folder = Path(place) / "model"
                write(folder, count, int(arguments.gigabytes * 1e9))
                met = measure(folder, house, count, arguments) and met
    return 0 if met else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--model-signing", default="")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--folder", default=None)
    sys.exit(main(parser.parse_args()))
