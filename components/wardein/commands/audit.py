# SPDX-License-Identifier: Apache-2.0
"""The audit log: verified, shown, and signed from time to time."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wardein.errors import UsageError, WardeinError, printable

if TYPE_CHECKING:
    from wardein.evidence.trust import TrustRoot
    from wardein.release.audit import AuditLog, Entry
    from wardein.release.checkpoint import Standing

_ANCHOR = "where checkpoints are kept out of reach of the log's writers: a file, or git:REPOSITORY for a git note"


def run(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Do what the first word says; 1 if the log was tampered with."""
    from wardein.cli import EXIT_FAILED
    from wardein.release.journal import Tampered

    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verify_it = verbs.add_parser("verify", help="check the chain, and hold it against its signed checkpoints")
    sign_it = verbs.add_parser("checkpoint", help="verify the log, then sign how many entries it has and its head")
    show_it = verbs.add_parser("show", help="list the entries, newest last")
    for verb in (verify_it, sign_it, show_it):
        verb.add_argument("log", type=Path, metavar="LOG", help="the audit.jsonl that the gate and promote write")
    trust = "the trust root; its keys of the role audit may sign checkpoints"
    for verb in (verify_it, sign_it):
        verb.add_argument("--trust", type=Path, metavar="FILE", help=trust)
        verb.add_argument("--anchor", default="", metavar="FILE|git:REPO", help=_ANCHOR)
    verify_it.add_argument(
        "--head", default="", metavar="SHA256", help="a head noted elsewhere; it must be on the chain"
    )
    verify_it.add_argument("--sealed", action="store_true", help="fail if entries follow the last checkpoint")
    sign_it.add_argument("--key", required=True, metavar="URI", help="the audit key: file:PATH, hsm: awskms: …")
    show_it.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(argv)
    if not options.log.is_symlink() and not options.log.exists():
        raise UsageError("does not exist", where=str(options.log), mend="give the audit.jsonl that promote writes")
    try:
        if options.verb == "show":
            return show(options.log, as_json=options.json)
        if options.verb == "checkpoint":
            return checkpoint(options.log, options.key, options.anchor, options.trust)
        return verify(options.log, options.head, options.trust, options.anchor, sealed=options.sealed)
    except Tampered as error:
        print(f"wardein: {error}", file=sys.stderr)
        return EXIT_FAILED


def verify(path: Path, head: str, trust_file: Path | None, anchor: str, *, sealed: bool = False) -> int:
    """Verify a log's chain, that a noted head is on it, and that it is what its checkpoints say.

    Args:
        path: The log.
        head: A head noted elsewhere; empty for none.
        trust_file: The trust root; without it, checkpoints are not looked at.
        anchor: Where checkpoints are kept out of reach of the log's writers; empty for nowhere.
        sealed: Whether every entry has to be under a checkpoint.

    Raises:
        Tampered: If the log was tampered with, or there is no checkpoint of it at the anchor.
        WardeinError: If something cannot be read, or there is nothing to hold the log against.
    """
    from wardein.release.audit import AuditLog
    from wardein.release.checkpoint import compare
    from wardein.release.journal import Tampered

    if head and not re.fullmatch(r"[0-9a-f]{64}", head):
        raise UsageError("is not a lower-case sha256", where="--head", mend="give the 64 digits that were noted")
    log, trust = AuditLog(path), _trust(trust_file)
    if trust is None:
        if anchor or sealed:
            mend = "give the trust root, so that signatures can be verified"
            raise UsageError("needs --trust", where="--anchor" if anchor else "--sealed", mend=mend)
        standing = compare(log, (), None)
    else:
        standing = _against_checkpoints(log, trust, anchor)
    if head:
        log.verify(head)
    if not standing.entries:
        raise WardeinError("holds no entry", where=str(path), mend="nothing was looked at")
    beyond = standing.entries - (standing.latest.entries if standing.latest else 0)
    if sealed and beyond:
        raise Tampered(f"no checkpoint vouches for the last {beyond} of its entries", where=str(path))
    print(_described(standing, beyond))
    if unfinished := log.journal.unfinished():
        print(f"unfinished: {unfinished} bytes at the end, never acknowledged; they do not count")
    return 0


def _against_checkpoints(log: AuditLog, trust: TrustRoot, anchor: str) -> Standing:
    from wardein.release.checkpoint import anchor_at, beside, compare
    from wardein.release.journal import Tampered

    places = [beside(log.path), *([anchor_at(anchor)] if anchor else ())]
    standing = compare(log, places, trust)
    if anchor and next(places[-1].lines(), None) is None:
        raise Tampered(f"holds no checkpoint of {log.path}", where=anchor)
    if standing.latest is None:
        mend = "make one: wardein audit checkpoint LOG --key URI"
        raise WardeinError("there is no checkpoint to hold it against", where=str(log.path), mend=mend)
    return standing


def _described(standing: Standing, beyond: int) -> str:
    lines = [f"the chain holds: {standing.entries} entries; its head is {standing.head}"]
    if standing.latest is None:
        said = "without them (--trust, --anchor) neither a cut tail nor a new chain shows"
        return "\n".join([*lines, f"checkpoints: not looked at; {said}"])
    lines.append(f"signed for: {standing.latest.entries} entries, by the checkpoint of {standing.latest.time}")
    if beyond:
        lines.append(f"not signed for: {beyond} entries since; whoever writes to the log could cut, change or add such")
    return "\n".join(lines)


def checkpoint(path: Path, key: str, anchor: str, trust_file: Path | None) -> int:
    """Verify a log, also against the checkpoints that there are, then sign another.

    Args:
        path: The log.
        key: The URI of the audit key.
        anchor: Where to keep the checkpoint besides the file beside the log; empty for nowhere.
        trust_file: The trust root; without it, the signatures of earlier checkpoints are not looked at.

    Raises:
        Tampered: If the log was tampered with; it is not signed then.
        WardeinError: If something cannot be read or written, or the key cannot sign.
    """
    from wardein.evidence.keys import signer_for
    from wardein.release.audit import AuditLog
    from wardein.release.checkpoint import anchor_at, sign

    made = sign(AuditLog(path), signer_for(key), anchor_at(anchor) if anchor else None, _trust(trust_file))
    print(f"signed for {made.entries} entries; the head is {made.head}")
    return 0


def show(path: Path, *, as_json: bool) -> int:
    """List a log's entries, each once its link was verified.

    Raises:
        Tampered: Naming the first line that does not follow from the one before it.
        WardeinError: If it cannot be read.
    """
    from wardein.release.audit import AuditLog

    entries = AuditLog(path).entries()
    if as_json:
        found = [{"number": entry.number, "sha256": entry.digest, "record": entry.record} for entry in entries]
        print(json.dumps(found, indent=2))
        return 0
    for entry in entries:
        print(_row(entry))
    return 0


def _row(entry: Entry) -> str:
    """One line for a person: digests cut to twelve digits, the link left out."""
    said = {name: value for name, value in entry.record.items() if name not in ("time", "action", "previous")}
    pairs = [f"{name}={_quoted(_short(value))}" for name, value in sorted(said.items()) if value]
    action = entry.record.get("action", "")
    return printable(f"{entry.number:>6}  {entry.record['time']}  {action:<12}  {'  '.join(pairs)}".rstrip())


def _quoted(value: str) -> str:
    """A value that could pass for more than one is put in quotes."""
    return json.dumps(value, ensure_ascii=False) if any(c in value for c in ' ="') else value


def _short(value: str) -> str:
    return value[:12] if re.fullmatch(r"[0-9a-f]{64}", value) else value


def _trust(path: Path | None) -> TrustRoot | None:
    from wardein.evidence import trust

    return None if path is None else trust.load(path)
