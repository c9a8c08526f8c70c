# SPDX-License-Identifier: Apache-2.0
"""Keys, a trust root and a policy, for trying out."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from wardein.errors import UsageError, WardeinError, missing_extra
from wardein.policy.packs import NAMES, PACKS

MANIFEST = """\
# What `wardein assess` runs: the checks that the policy requires, and the gate. docs/assess.md explains every key.
# Paths are relative to this file; keys are references, never key material.
version: 1
trust: trust.json
policy: policy
keys: {{check: file:keys/check.pem, gate: file:keys/gate.pem}}
evidence: evidence

# Fill in yours:
# model: model.skops
# signature: model.sig          # wardein sign-artifact --artifact model.skops --signature model.sig --signer …
{data}# image: serving-image.tar      # an OCI layout, a docker-archive, or NAME@sha256:…
# database: trivy-db            # the folder with the vulnerability database
# source: ../checkout           # the repository's clean checkout, for scan_code and its like
"""

# Who holds the try-out keys: duties that must be apart are with different people from the start.
IDENTITIES = {
    "train": "author",
    "check": "ci",
    "gate": "gate",
    "approve": "reviewer",
    "waive": "author",
    "break-glass": "duty-officer",
    "audit": "auditor",
}


def run(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Make the folder that the options name."""
    parser.add_argument("folder", type=Path, help="the folder to make; it must not exist, or be empty")
    parser.add_argument("--pack", default="baseline", help="the policy pack to start from (default: baseline)")
    text = "pin a setting of the checks, for example label=approved or 'sensitive=[\"sex\"]' (repeatable)"
    parser.add_argument("--pin", action="append", default=[], metavar="NAME=VALUE", help=text)
    parser.add_argument(
        "--environment", default="dev", help="what the trust root is for: dev, staging, prod … (default: dev)"
    )
    options = parser.parse_args(argv)
    return init(options.folder, options.pack, dict(map(_pin, options.pin)), options.environment)


def init(folder: Path, pack: str, pins: Mapping[str, Any], environment: str = "dev") -> int:
    """Make a folder with one key per role, the trust root that lists them, and a policy to start from.

    Args:
        folder: The folder to make.
        pack: The policy pack to copy.
        environment: What the trust root is for.
        pins: Settings that the policy pins for every check that has them.

    Raises:
        UsageError: If the folder is not empty or cannot be made, or there is no such pack.
    """
    from wardein import files
    from wardein.evidence import trust
    from wardein.evidence.keys import create_file_key
    from wardein.subject import digest_of

    for module in ("securesystemslib", "yaml"):
        if find_spec(module) is None:
            raise missing_extra(module, "sign")
    if pack not in NAMES:
        raise UsageError(f"there is no policy pack {pack!r}", where="--pack", mend=f"choose one of: {', '.join(NAMES)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError("exists and is not an empty folder", where=str(folder), mend="name a new folder")
    try:
        (folder / "keys").mkdir(parents=True, mode=0o700)
        shutil.copytree(PACKS / pack, folder / "policy")
    except OSError as error:
        raise UsageError(f"cannot be made ({error.strerror})", where=str(folder)) from None
    try:
        _write_pins(folder / "policy", pins, environment)
    except WardeinError:
        shutil.rmtree(folder)
        raise
    keys = [
        trust.TrustedKey(role, (role,), create_file_key(folder / "keys" / f"{role}.pem"), identity)
        for role, identity in IDENTITIES.items()
    ]
    files.write_whole(folder / "trust.json", trust.dump(keys, digest_of(folder / "policy"), environment))
    trust.load(folder / "trust.json")
    files.write_whole(folder / "wardein.yaml", MANIFEST.format(data=_labelled(pins)).encode())
    print(f"{folder}/keys/      one private key a role ({', '.join(IDENTITIES)}): for trying out only")
    print(f"{folder}/trust.json who may say what in {environment}, and the digest of the policy in force")
    print(f"{folder}/policy/    what is required of a release; after a change, run: wardein show {folder}/policy")
    print(f"{folder}/wardein.yaml what `wardein assess` runs without an orchestrator: fill in your files")
    return 0


def _pin(text: str) -> tuple[str, Any]:
    """A setting and its value; the value is JSON if it can be read as such, else text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"{text!r} is not NAME=VALUE", where="--pin")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _labelled(pins: Mapping[str, Any]) -> str:
    """The manifest's lines on data; what is pinned need not be said again."""
    needed = [name for name in ("label", "sensitive") if name not in pins]
    lines = ["# data:", "#   train: train.csv", "#   test: test.csv", *(f"#   {name}: …" for name in needed)]
    return "".join(f"{line}\n" for line in lines)


def _write_pins(folder: Path, pins: Mapping[str, Any], environment: str) -> None:
    """Add the pins to a policy, and read it once, so that a misspelt pin or environment is found out now."""
    import yaml
    from wardein.policy.load import FILE, load

    if pins:
        with open(folder / FILE, "a", encoding="utf-8") as file:
            file.write("\n" + yaml.safe_dump({"parameters": dict(pins)}, sort_keys=True))
    load(folder, environment)
