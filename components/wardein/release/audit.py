# SPDX-License-Identifier: Apache-2.0
"""The audit log: one JSON object of strings a line, each holding the sha256 of the line before it.

Appending looks at the last link only, so that it costs the same in an old log as in a new one; the whole chain is
what ``wardein audit verify`` is for. The chain shows an edited, removed or reordered line. Whoever writes to the
file can make a new chain, or cut the tail; that shows against a signed checkpoint (docs/audit.md).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from wardein.errors import WardeinError
from wardein.jsontext import strict_loads
from wardein.release.journal import Held, Journal, Tampered

START = "0" * 64
_OWN = ("time", "previous")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass(frozen=True)
class Entry:
    """One line: its number from 1, its sha256 (the head of the chain up to it), and what it says."""

    number: int
    digest: str
    record: Mapping[str, str]


@dataclass(frozen=True)
class AuditLog:
    """A chained log in a file; the file is made by the first entry.

    Attributes:
        environment: What the log is for; a new log says so in its first entry, and no other log is appended to.
            Empty for a log that need not say.
    """

    path: Path
    environment: str = ""

    @property
    def journal(self) -> Journal:
        """The file under the chain."""
        return Journal(self.path)

    def append(self, record: Mapping[str, str]) -> str:
        """Add an entry, durably; ``time`` and ``previous`` are the log's own.

        Returns:
            The sha256 of its line: the new head of the chain, worth noting elsewhere.

        Raises:
            WardeinError: If it is of another environment, or the entry cannot be written; nothing is added then.
            Tampered: If the last line is not one that was appended here.
        """
        _must_be_writable(record, str(self.path))
        with self.journal.held() as held:
            lines, previous = [], self._tip(held)
            if previous == START and self.environment:
                lines.append(_line({"action": "open", "environment": self.environment}, previous))
                previous = _sha256(lines[0])
            elif self.environment:
                self._must_be_of_the_environment(held)
            lines.append(_line(record, previous))
            held.append(*lines)
        return _sha256(lines[-1])

    def entries(self) -> Iterator[Entry]:
        """The entries, oldest first, each with its link verified before it is given.

        Raises:
            Tampered: Naming the first line that does not follow from the one before it, or is no entry.
            WardeinError: If the file cannot be read.
        """
        previous = START
        for number, line in enumerate(self.journal.lines(), 1):
            record = _read(line, previous, f"{self.path} line {number}")
            previous = _sha256(line)
            yield Entry(number, previous, record)

    def opened_for(self) -> str:
        """The environment that the first entry names; empty if it names none, or there is no entry.

        Raises:
            Tampered: If the first line is no first entry.
        """
        first = next(self.entries(), None)
        return _environment(first.record) if first else ""

    def verify(self, head: str = "") -> str:
        """Check the chain from its first line to its last.

        Args:
            head: A head that was noted elsewhere; it must be on the chain, or the tail was cut or rewritten.

        Returns:
            The head of the chain.

        Raises:
            Tampered: Naming the first line that does not follow, or if the head is not on the chain.
            WardeinError: If the file cannot be read.
        """
        digest, seen = START, head in ("", START)
        for entry in self.entries():
            digest = entry.digest
            seen = seen or digest == head
        if not seen:
            raise Tampered("the noted head is not on the chain: the tail was cut or rewritten", where=str(self.path))
        return digest

    def _tip(self, held: Held) -> str:
        """The head, from the last line and its link to the line before."""
        lines = held.last(2)
        if not lines:
            return START
        before = _sha256(lines[0]) if len(lines) == 2 else START
        _read(lines[-1], before, f"{self.path} last line")
        return _sha256(lines[-1])

    def _must_be_of_the_environment(self, held: Held) -> None:
        found = _environment(_read(held.first(), START, f"{self.path} line 1"))
        if found != self.environment:
            why = f"is the log of {found or 'no environment'}, not of {self.environment}"
            raise WardeinError(
                why, where=str(self.path), mend="use the log of the environment that the trust root names"
            )


def _must_be_writable(record: Mapping[str, str], where: str) -> None:
    """What could not be read back would make the log look tampered with, for good."""
    try:
        if set(_OWN) & set(record) or any(not isinstance(name, str) for name in record):
            raise WardeinError(f"{' and '.join(_OWN)} are the log's own")
        _read(_line(record, START), START, "")
    except (WardeinError, TypeError):
        mend = f"give names and values as strings of UTF-8; {' and '.join(_OWN)} are added here"
        raise WardeinError("an entry is not what can be written", where=where, mend=mend) from None


def _environment(first: Mapping[str, str]) -> str:
    return first.get("environment", "") if first.get("action") == "open" else ""


def _line(record: Mapping[str, str], previous: str) -> bytes:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({"time": now, **record, "previous": previous}, sort_keys=True).encode()


def _read(line: bytes, previous: str, where: str) -> Mapping[str, str]:
    """An entry that follows from the line with the sha256 ``previous``."""
    try:
        record = strict_loads(line)
    except WardeinError as error:
        raise Tampered(f"is no entry of an audit log: it {error}", where=where) from None
    if not isinstance(record, dict) or any(not isinstance(value, str) for value in record.values()):
        raise Tampered("is no entry of an audit log: it is not an object of strings", where=where)
    _must_follow(record, previous, where)
    if not _TIME.fullmatch(record.get("time", "")):
        raise Tampered("is no entry of an audit log: it has no time", where=where)
    return record


def _must_follow(record: Mapping[str, str], previous: str, where: str) -> None:
    if record.get("previous") != previous:
        raise Tampered("does not follow from the line before it: the log was edited", where=where)


def _sha256(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
