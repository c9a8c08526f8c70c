# SPDX-License-Identifier: Apache-2.0
"""Claims: what evidence files say, before anybody believes it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wardein import wire
from wardein.errors import WardeinError
from wardein.evidence.envelope import Envelope, read_claims
from wardein.evidence.statement import APPROVAL, WAIVER, Statement, read
from wardein.evidence.trust import Role, TrustedKey, TrustRoot, with_role
from wardein.report import CHECK_RESULT, VSA, Report


@dataclass(frozen=True)
class Claim:
    """One envelope, what its payload says, and whether that can be believed.

    Attributes:
        content: The sha256 of the signed payload, which stays the same when the same thing is signed once more.
        statement: The parsed payload, of a check's result only which check; None if it cannot be read.
        signer: The trusted key with the right role that signed it; None if there is none.
        signers: All trusted keys that signed it.
        error: Why the claim cannot be believed; empty if it can.
    """

    where: str
    envelope: Envelope | None = None
    content: str = ""
    statement: Statement | None = None
    report: Report | None = None
    signer: TrustedKey | None = None
    signers: tuple[TrustedKey, ...] = ()
    error: str = ""

    @property
    def line(self) -> bytes:
        """The envelope as a line of a claims file."""
        return self.envelope.to_line() if self.envelope else b""

    @property
    def digest(self) -> str:
        """The sha256 of the envelope."""
        return hashlib.sha256(self.line).hexdigest()

    @property
    def check(self) -> str:
        """The check that the claim says it is about; also of a claim that is not believed."""
        named = self.statement.predicate.get("check") if self.statement else None
        return str(named.get("id", "")) if isinstance(named, dict) else ""

    @property
    def is_nothing_known(self) -> bool:
        """Whether it is neither evidence of a check nor a waiver or an approval; those are judged as such."""
        kind = self.statement.predicate_type if self.statement else ""
        return not self.check and kind not in (WAIVER, APPROVAL)


def gather(paths: Sequence[Path], trust: TrustRoot) -> list[Claim]:
    """Read evidence files and verify every envelope in them.

    A file that cannot be read becomes a claim with an error: evidence is never skipped in silence.
    """
    return [claim for path in paths for claim in _read_file(path, trust)]


def _read_file(path: Path, trust: TrustRoot) -> Iterator[Claim]:
    try:
        for number, item in enumerate(read_claims(path), 1):
            where = f"{path.name} line {number}"
            yield Claim(where, error=str(item)) if isinstance(item, WardeinError) else _believe(where, item, trust)
    except WardeinError as error:
        yield Claim(path.name, error=str(error))


def _believe(where: str, envelope: Envelope, trust: TrustRoot) -> Claim:
    try:
        statement = read(envelope.payload)
    except WardeinError as error:
        return Claim(where, envelope, error=str(error))
    claim = Claim(where, envelope, hashlib.sha256(envelope.payload).hexdigest(), statement)
    try:
        signers = trust.signers_of(envelope)
        signer = with_role(signers, *_roles(statement.predicate_type, claim.check))
        if statement.predicate_type != CHECK_RESULT:
            return replace(claim, signer=signer, signers=signers)
        report = wire.from_json(statement.predicate, statement.subject)
        # The report says it all; ten thousand findings need not lie in memory twice.
        brief = replace(statement, predicate={"check": statement.predicate["check"]})
        return Claim(where, envelope, claim.content, brief, report, signer, signers)
    except WardeinError as error:
        return replace(claim, error=str(error))


def _roles(predicate_type: str, check: str) -> tuple[Role, ...]:
    """Who may say such a thing."""
    if predicate_type == APPROVAL or check == "approve":
        return ("approve", "break-glass")
    if predicate_type == WAIVER:
        return ("approve", "waive")
    # A gate speaks of decisions, in a verification summary or in its own report; checks speak of all else.
    return ("gate",) if predicate_type == VSA or check == "gate" else ("check",)
