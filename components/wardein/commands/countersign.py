# SPDX-License-Identifier: Apache-2.0
"""The second signature on a waiver."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wardein.errors import UsageError, WardeinError, printable

if TYPE_CHECKING:
    from wardein.evidence.envelope import Envelope
    from wardein.evidence.trust import TrustRoot


def run(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Countersign the file that the options name."""
    parser.add_argument("file", type=Path, help="the waivers that wardein waive wrote; the signature is added there")
    parser.add_argument("--trust", type=Path, required=True, help="the trust root: whose key it is")
    parser.add_argument("--key", required=True, metavar="URI", help="the approver's key, with the role approve")
    options = parser.parse_args(argv)
    return countersign(options.file, options.trust, options.key)


def countersign(path: Path, trust: Path, uri: str) -> int:
    """Add an approver's signature to every waiver of a file; all of them, or none.

    Raises:
        WardeinError: If a line is no waiver, one of its signatures does not hold, or the key is not that of another
            identity with the role ``approve``.
    """
    from wardein import files
    from wardein.evidence import trust as trust_root
    from wardein.evidence.envelope import read_claims
    from wardein.evidence.keys import signer_for

    root, signer = trust_root.load(trust), signer_for(uri)
    approver = trust_root.holder_of(root, signer, "approve")
    lines = []
    for number, item in enumerate(read_claims(path), 1):
        if isinstance(item, WardeinError):
            raise item
        where = f"{path.name} line {number}"
        said = _said(item, root, approver.identity, where)
        lines.append(item.signed_by(signer).to_line())
        print(printable(f"approved as {approver.identity}: {said}"))
    files.write_whole(path, b"".join(lines))
    return 0


def _said(envelope: Envelope, root: TrustRoot, identity: str, where: str) -> str:
    """What one is about to sign, in words; whoever owns it may not be the one who signs."""
    from wardein.evidence.statement import WAIVER, read
    from wardein.release import waivers

    statement = read(envelope.payload)
    if statement.predicate_type != WAIVER:
        raise UsageError("is not a waiver", where=where, mend="give the file of wardein waive")
    signers: Sequence[Any] = root.signers_of(envelope)
    try:
        waiver = waivers.read(statement)
    except ValueError as error:
        raise WardeinError(f"is not a waiver: {error}", where=where) from None
    if any(key.identity == identity for key in signers) or waiver.owner == identity:
        raise UsageError(f"{identity} owns it or has signed it already", where=where, mend="somebody else has to")
    return f"{waiver.check}: {waiver.label} until {waiver.expires:%Y-%m-%d}, for {waiver.owner}: {waiver.justification}"
