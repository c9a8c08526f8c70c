# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of an audit log: how many entries it had, and its head, signed, where the log's writers cannot write."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from wardein.errors import UsageError, WardeinError
from wardein.evidence import statement
from wardein.evidence.envelope import Envelope, parse, seal
from wardein.jsontext import strict_loads
from wardein.release.audit import START, AuditLog
from wardein.release.journal import Journal, Tampered
from wardein.subject import Subject
from wardein.tools.git import Note

if TYPE_CHECKING:
    from securesystemslib.signer import Signer

    from wardein.evidence.trust import TrustRoot

CHECKPOINT = "urn:wardein:audit-checkpoint:1"
_GIT = "git:"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class Place(Protocol):
    """Where checkpoints are kept: a file, or a note in a git repository."""

    @property
    def path(self) -> Path:
        """What to call it."""

    def lines(self) -> Iterator[bytes]:
        """One envelope a line, oldest first."""

    def append(self, line: bytes) -> None:
        """Add an envelope, durably."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint says: that the log with this first line had so many entries and this head at a time."""

    entries: int
    head: str
    log: str
    time: str

    def to_statement(self, name: str) -> bytes:
        """The statement to sign, about the head, under the log's name."""
        said = {"entries": self.entries, "head": self.head, "time": self.time, "log": self.log}
        return statement.write([Subject(name, self.head)], CHECKPOINT, said)


@dataclass(frozen=True)
class Standing:
    """A log that holds against its checkpoints.

    Attributes:
        latest: The checkpoint that covers most entries; None if there is none.
    """

    entries: int
    head: str
    log: str
    latest: Checkpoint | None


def beside(log: Path) -> Journal:
    """The checkpoint file of a log: audit.checkpoints.jsonl beside audit.jsonl."""
    return Journal(log.with_name(f"{log.stem}.checkpoints.jsonl"))


def anchor_at(text: str) -> Place:
    """The place that ``--anchor`` names: a file, or ``git:`` and the path of a repository."""
    return Note(Path(text.removeprefix(_GIT))) if text.startswith(_GIT) else Journal(Path(text))


def compare(log: AuditLog, places: Sequence[Place], trust: TrustRoot | None) -> Standing:
    """Verify a log's chain, and hold it against every checkpoint.

    Args:
        log: The log.
        places: Where its checkpoints are.
        trust: Whose signatures count; with None, signatures are not looked at.

    Raises:
        Tampered: If the chain is broken, a checkpoint is not signed by an ``audit`` key, is of another log, goes
            backwards, or says something else of the log than the log does.
        WardeinError: If something cannot be read.
    """
    found = [(where, checkpoint) for place in places for where, checkpoint in _read_all(place, trust)]
    wanted = {checkpoint.entries for _, checkpoint in found}
    heads: dict[int, str] = {}
    entries, head, first = 0, START, START
    for entry in log.entries():
        entries, head = entry.number, entry.digest
        first = head if entries == 1 else first
        if entries in wanted:
            heads[entries] = head
    for where, checkpoint in found:
        _must_be_of_this_log(checkpoint, first, f"{where}, held against {log.path}")
        _must_not_count_more(checkpoint, entries, f"{log.path}, held against {where}")
        _must_be_on_the_chain(checkpoint, heads, f"{log.path}, held against {where}")
    latest = max((checkpoint for _, checkpoint in found), key=lambda c: (c.entries, c.time), default=None)
    return Standing(entries, head, first, latest)


def sign(log: AuditLog, signer: Signer, anchor: Place | None, trust: TrustRoot | None) -> Checkpoint:
    """Sign what a log is now, and keep it beside the log and at the anchor.

    Raises:
        Tampered: As :func:`compare`: what does not hold is not signed.
        WardeinError: If the log holds nothing, the key cannot sign, or the checkpoint cannot be kept; also if a trust
            root is given and the key is no ``audit`` key in it.
    """
    local = beside(log.path)
    places = [local, anchor] if anchor else [local]
    if anchor and anchor.path.absolute() == local.path.absolute():
        mend = "name a place that the log's writers cannot write to"
        raise UsageError("is the checkpoint file itself", where="--anchor", mend=mend)
    with local.held() as held:  # two checkpoints at once would be kept in another order than they were made
        with log.journal.still():
            standing = compare(log, places, trust)
        if not standing.entries:
            raise WardeinError("holds no entry", where=str(log.path), mend="there is nothing to sign yet")
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        checkpoint = Checkpoint(standing.entries, standing.head, standing.log, now)
        line = _sealed(checkpoint.to_statement(log.path.name), signer, trust).to_line().rstrip(b"\n")
        if anchor is not None:
            anchor.append(line)
        held.append(line)
    return checkpoint


def _must_be_of_this_log(checkpoint: Checkpoint, first: str, where: str) -> None:
    if checkpoint.log != first != START:
        raise Tampered("is a checkpoint of another log, or the log was rewritten from its first line on", where=where)


def _must_not_count_more(checkpoint: Checkpoint, entries: int, where: str) -> None:
    if checkpoint.entries > entries:
        raise Tampered(f"was cut or rolled back: it has {entries} entries, and had {checkpoint.entries}", where=where)


def _must_be_on_the_chain(checkpoint: Checkpoint, heads: Mapping[int, str], where: str) -> None:
    if heads.get(checkpoint.entries, checkpoint.head) != checkpoint.head:
        raise Tampered(
            f"was forked or rewritten: entry {checkpoint.entries} is not the one that was signed", where=where
        )


def _must_not_go_back(checkpoint: Checkpoint, before: int, where: str) -> None:
    if checkpoint.entries < before:
        why = f"goes backwards ({checkpoint.entries} entries after {before}): the checkpoints were reordered"
        raise Tampered(why, where=where)


def _sealed(payload: bytes, signer: Signer, trust: TrustRoot | None) -> Envelope:
    try:
        envelope = seal(payload, signer)
        if trust is not None:
            trust.signer_of(envelope, "audit")
    except WardeinError as error:
        raise UsageError(f"would not count: {error}", where="--key", mend="give a key of the role audit") from None
    except Exception as error:  # every kind of key raises its own library's errors
        raise UsageError(f"cannot sign ({type(error).__name__}: {error})", where="--key") from None
    return envelope


def _read_all(place: Place, trust: TrustRoot | None) -> Iterator[tuple[str, Checkpoint]]:
    """The checkpoints of a place, each with where it stands."""
    before = 0
    for number, line in enumerate(place.lines(), 1):
        where = f"{place.path} line {number}"
        try:
            checkpoint = _read(parse(strict_loads(line)), trust)
        except WardeinError as error:
            raise Tampered(f"is no checkpoint that counts: it {error.what}", where=where) from None
        _must_not_go_back(checkpoint, before, where)
        before = checkpoint.entries
        yield where, checkpoint


def _read(envelope: Envelope, trust: TrustRoot | None) -> Checkpoint:
    if trust is not None:
        trust.signer_of(envelope, "audit")
    said = statement.read(envelope.payload)
    if said.predicate_type != CHECKPOINT:
        raise WardeinError(f"says {said.predicate_type!r}, not {CHECKPOINT!r}")
    entries, texts = said.predicate.get("entries"), {k: v for k, v in said.predicate.items() if isinstance(v, str)}
    head, log, time = (texts.get(name, "") for name in ("head", "log", "time"))
    if (
        type(entries) is not int
        or entries < 1
        or not _SHA256.fullmatch(head)
        or not _SHA256.fullmatch(log)
        or not _TIME.fullmatch(time)
        or [subject.digest for subject in said.subject] != [head]
    ):
        raise WardeinError("lacks the entries, head, log or time, or its subject is not the head")
    return Checkpoint(entries, head, log, time)
