# SPDX-License-Identifier: Apache-2.0
"""Evidence, in readable form."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wardein.errors import WardeinError

if TYPE_CHECKING:
    from wardein.export.grouped import Group
    from wardein.report import Finding, Report


def run(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Show the file that the options name."""
    shown = parser.add_mutually_exclusive_group(required=True)
    shown.add_argument(
        "file", nargs="?", type=Path, help="an evidence file, or a policy folder, whose digest is printed"
    )
    shown.add_argument("--public-key", metavar="URI", help="the public half of a key, as an entry of trust.json")
    parser.add_argument("--trust", type=Path, help="also say whether a key of this trust root signed it")
    options = parser.parse_args(argv)
    return show_key(options.public_key) if options.public_key else show(options.file, options.trust)


def show_key(uri: str) -> int:
    """Print a key's entry for a trust root; its name, identity and roles are for people to fill in.

    Raises:
        WardeinError: If the key cannot be opened.
    """
    from wardein.evidence.keys import trust_entry

    named = {"name": "a-name", "identity": "whose-it-is", "roles": ["check"]}
    print(json.dumps({**named, **json.loads(trust_entry(uri))}, indent=2))
    return 0


def show(path: Path, trust_file: Path | None) -> int:
    """Print an evidence file's statements: who says what of which subject, and the digest of the verdict core.

    Raises:
        WardeinError: If there is nothing that can be read.
    """
    if path.is_dir():
        from wardein.subject import digest_of

        print(f"sha256:{digest_of(path, links=True)}  {path}")
        return 0
    from wardein.evidence.envelope import read_claims
    from wardein.evidence.model_signing import MEDIA_TYPE, open_bundle

    trusted = _trust(trust_file)
    if path.is_file() and MEDIA_TYPE.encode() in path.read_bytes()[:4096]:
        print("\n".join(_statement_lines(1, open_bundle(path).envelope, trusted)))
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
        report = wire.from_json(statement.predicate, statement.subject)
        return [*lines, summary(report, [*_skipped_lines(report), *_finding_lines(report)])]
    return [*lines, json.dumps(statement.predicate, indent=2, ensure_ascii=False)]


def _finding_lines(report: Report) -> list[str]:
    """Every rule with what it found, the worst first; what an earlier report had already comes last."""
    from wardein.export.grouped import groups

    new = [finding for finding in report.findings if not finding.suppressed]
    known = [finding for finding in report.findings if finding.suppressed]
    lines = [line for group in groups(new) for line in _group_lines(group)]
    if known:
        several = "findings" if len(known) > 1 else "finding"
        lines += [f"  known    {len(known)} {several} that an earlier report had already"]
        lines += [f"  {line}" for group in groups(known) for line in _group_lines(group)]
    return lines


def _group_lines(group: Group) -> list[str]:
    rows = [*group.shown, *group.folded]
    cwes = "".join(f"  CWE-{number}" for number in group.cwes)
    head = f"  {group.severity:<8} {group.rule}{cwes}"
    if group.count == 1:
        one = rows[0].finding
        return [f"{head}  {one.place + '  ' if one.place else ''}{one.message}{_told_by(one)}"]
    lines = [f"{head}  {group.count} findings{': ' + group.title if group.title else ''}"]
    for row in rows:
        severity = f"{row.finding.severity}  " if group.mixed else ""
        said = f"  {row.text}" if row.text else ""
        lines.append(f"             {severity}{row.finding.place}{said}{_told_by(row.finding)}")
    return [*lines, f"             … and {group.more} more"] if group.more else lines


def _told_by(finding: Finding) -> str:
    return f"  [{', '.join(finding.taxonomy)}]" if finding.taxonomy else ""


def _skipped_lines(report: Report) -> list[str]:
    return [f"  not examined  {item.what}: {item.reason}" for item in report.coverage.skipped]


def _signed_by(envelope: Any, trusted: Any) -> str:
    keyids = ", ".join(keyid[:16] or "a key without identifier" for keyid, _ in envelope.signatures)
    if not keyids:
        return "by nobody"
    if trusted is None:
        return f"by {keyids} (not verified: give --trust)"
    return "; ".join(_signature(envelope, keyid, trusted) for keyid, _ in envelope.signatures)


def _signature(envelope: Any, keyid: str, trusted: Any) -> str:
    # Other tools name a key differently, or not at all: then every listed key is tried.
    keys = [key for key in trusted.keys if key.key.keyid == keyid] or trusted.keys
    for key in keys:
        if envelope.verified_by(key.key, keyid):
            return f"by {key.name} ({', '.join(key.roles)}), verified"
    if len(keys) == 1:
        return f"by {keys[0].name}, WHICH DOES NOT HOLD"
    return f"by {keyid[:16] or 'a key without identifier'}, which no key of the trust root bears out"


def _trust(path: Path | None) -> Any:
    if path is None:
        return None
    from wardein.evidence import trust

    return trust.load(path)
