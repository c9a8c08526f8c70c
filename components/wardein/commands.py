# SPDX-License-Identifier: Apache-2.0
"""The commands that are not steps: list, init, show, audit."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from wardein.errors import UsageError, WardeinError, missing_extra
from wardein.spec import STEPS, Param, Step, load

PACKS = Path(__file__).parent / "policy" / "packs"


def run(name: str, parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Parse a command's options and run it; returns the exit code."""
    if name == "list":
        parser.add_argument("--json", action="store_true", help="as one JSON document")
        return list_steps(as_json=parser.parse_args(argv).json)
    if name == "init":
        parser.add_argument("folder", type=Path, help="the folder to make; it must not exist, or be empty")
        parser.add_argument("--pack", default="baseline", help="the policy pack to start from (default: baseline)")
        text = "pin a setting of the checks, for example label=approved or 'sensitive=[\"sex\"]' (repeatable)"
        parser.add_argument("--pin", action="append", default=[], metavar="NAME=VALUE", help=text)
        options = parser.parse_args(argv)
        return init(options.folder, options.pack, dict(map(_pin, options.pin)))
    if name == "audit":
        parser.add_argument("log", type=Path, help="the audit.jsonl in the folder that models are served from")
        parser.add_argument(
            "--head", default="", help="a head that was noted elsewhere: a cut tail shows only against it"
        )
        options = parser.parse_args(argv)
        return audit(options.log, options.head)
    parser.add_argument("file", type=Path, help="an evidence file, or a policy folder, whose digest is printed")
    parser.add_argument("--trust", type=Path, help="also say whether a key of this trust root signed it")
    options = parser.parse_args(argv)
    return show(options.file, options.trust)


def list_steps(*, as_json: bool) -> int:
    """Print every step; as JSON with its typed parameters."""
    steps = [load(name) for name in STEPS]
    if as_json:
        print(json.dumps([_step_json(step) for step in steps], indent=2))
    else:
        width = max(len(step.command) for step in steps)
        print("\n".join(f"{step.kind:<9}{step.command:<{width}}  {step.summary}" for step in steps))
    return 0


def init(folder: Path, pack: str, pins: Mapping[str, Any]) -> int:
    """Make a folder with one key per role, the trust root that lists them, and a policy to start from.

    Args:
        folder: The folder to make.
        pack: The policy pack to copy.
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
    packs = sorted(path.name for path in PACKS.iterdir())
    if pack not in packs:
        raise UsageError(f"there is no policy pack {pack!r}", where="--pack", mend=f"choose one of: {', '.join(packs)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError("exists and is not an empty folder", where=str(folder), mend="name a new folder")
    try:
        (folder / "keys").mkdir(parents=True, mode=0o700)
        shutil.copytree(PACKS / pack, folder / "policy")
    except OSError as error:
        raise UsageError(f"cannot be made ({error.strerror})", where=str(folder)) from None
    try:
        _write_pins(folder / "policy", pins)
    except WardeinError:
        shutil.rmtree(folder)
        raise
    keys = [
        trust.TrustedKey(role, (role,), create_file_key(folder / "keys" / f"{role}.pem"))
        for role in ("train", "check", "gate")
    ]
    files.write_whole(folder / "trust.json", trust.dump(keys, digest_of(folder / "policy")))
    print(f"{folder}/keys/      one private key each for train, check and gate: for trying out only")
    print(f"{folder}/trust.json who may say what, and the digest of the policy in force")
    print(f"{folder}/policy/    what is required of a release; after a change, run: wardein show {folder}/policy")
    return 0


def audit(log: Path, head: str) -> int:
    """Verify a chained log.

    Raises:
        WardeinError: If it does not exist, a line does not follow from the one before it, or the head is not on it.
    """
    from wardein.release.audit import AuditLog

    if not log.is_file():
        raise UsageError("does not exist", where=str(log), mend="give the audit.jsonl that promote writes")
    print(f"the chain holds; its head is {AuditLog(log).verify(head)}")
    return 0


def show(path: Path, trust_file: Path | None) -> int:
    """Print an evidence file's statements: who says what of which subject, and the digest of the verdict core.

    Raises:
        WardeinError: If there is nothing that can be read.
    """
    if path.is_dir():
        from wardein.subject import digest_of

        print(f"sha256:{digest_of(path)}  {path}")
        return 0
    from wardein.evidence.envelope import read_claims
    from wardein.evidence.model_signing import MEDIA_TYPE, open_bundle

    trusted = _trust(trust_file)
    if path.is_file() and MEDIA_TYPE.encode() in path.read_bytes()[:4096]:
        print("\n".join(_statement_lines(1, open_bundle(path), trusted)))
        return 0
    unreadable = 0
    for number, item in enumerate(read_claims(path), 1):
        if isinstance(item, WardeinError) and number == 1:
            raise WardeinError("is not evidence", where=str(path), mend="give the file of --evidence, or a signature")
        if isinstance(item, WardeinError):
            unreadable += 1
            print(f"line {number}: {item}")
            continue
        print("\n".join(_statement_lines(number, item, trusted)))
    return 2 if unreadable else 0


def _statement_lines(number: int, envelope: Any, trusted: Any) -> list[str]:
    from wardein import wire
    from wardein.cli import summary
    from wardein.evidence.statement import read
    from wardein.report import CHECK_RESULT

    statement = read(envelope.payload)
    lines = [f"statement {number}: {statement.predicate_type}", f"  signed   {_signed_by(envelope, trusted)}"]
    lines += [f"  subject  {s.name} sha256:{s.digest}" for s in statement.subject]
    if statement.predicate_type == CHECK_RESULT:
        return [*lines, summary(wire.from_json(statement.predicate, statement.subject))]
    return [*lines, json.dumps(statement.predicate, indent=2, ensure_ascii=False)]


def _signed_by(envelope: Any, trusted: Any) -> str:
    keyids = ", ".join(keyid[:16] or "a key without identifier" for keyid, _ in envelope.signatures)
    if not keyids:
        return "by nobody"
    if trusted is None:
        return f"by {keyids} (not verified: give --trust)"
    for key in trusted.keys:
        if envelope.verified_by(key.key):
            return f"by {key.name} ({', '.join(key.roles)}), verified"
    return f"by {keyids}, which no key of the trust root bears out"


def _trust(path: Path | None) -> Any:
    if path is None:
        return None
    from wardein.evidence import trust

    return trust.load(path)


def _pin(text: str) -> tuple[str, Any]:
    """A setting and its value; the value is JSON if it can be read as such, else text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"{text!r} is not NAME=VALUE", where="--pin")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _write_pins(folder: Path, pins: Mapping[str, Any]) -> None:
    """Add the pins to a policy, and read it once, so that a misspelt one is found out now."""
    import yaml
    from wardein.policy.policy import FILE, load

    if pins:
        with open(folder / FILE, "a", encoding="utf-8") as file:
            file.write("\n" + yaml.safe_dump({"parameters": dict(pins)}, sort_keys=True))
    load(folder)


def _step_json(step: Step) -> dict[str, Any]:
    return {
        "name": step.name,
        "command": step.command,
        "kind": step.kind,
        "extra": step.family,
        "summary": step.summary,
        "description": step.description,
        "parameters": [_param_json(param) for param in step.params],
    }


def _param_json(param: Param) -> dict[str, Any]:
    found: dict[str, Any] = {"name": param.name, "type": param.type, "required": param.required, "doc": param.doc}
    if not param.required:
        found["default"] = param.default
    if param.choices:
        found["choices"] = list(param.choices)
    if param.artifact or param.output:
        found["artifact"] = param.artifact or f"output {param.output.lower()}"
    return found
