# SPDX-License-Identifier: Apache-2.0
"""The audit log: one JSON object a line, each holding the sha256 of the line before it.

Appending takes a lock, so that two promotions at once write one after the other, and is acknowledged only once
it is on disk. A line that a killed process left unfinished was never acknowledged; the next append puts it
aside. The chain shows an edited, removed or reordered line; a cut tail shows only against a head that was noted
elsewhere.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from wardein.errors import WardeinError
from wardein.jsontext import strict_loads

START = "0" * 64


@dataclass(frozen=True)
class AuditLog:
    """A chained log in a file; the file is made by the first entry."""

    path: Path

    def append(self, record: Mapping[str, str]) -> str:
        """Add an entry, durably.

        Returns:
            The sha256 of its line: the new head of the chain, worth noting elsewhere.

        Raises:
            WardeinError: If the chain is broken already; nothing is added to a log that cannot be trusted.
        """
        with open(self.path, "a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._set_aside_unfinished(file)
            entry = {"time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), **record, "previous": self.verify()}
            line = json.dumps(entry, sort_keys=True).encode()
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return hashlib.sha256(line).hexdigest()

    def verify(self, head: str = "") -> str:
        """Check the chain from its first line to its last.

        Args:
            head: A head that was noted elsewhere; it must be on the chain, or the tail was cut or rewritten.

        Returns:
            The head of the chain.

        Raises:
            WardeinError: Naming the first line that does not follow from the one before it.
        """
        previous, seen = START, not head or head == START
        for number, line in enumerate(self._lines(), 1):
            where = f"{self.path} line {number}"
            entry = strict_loads(line, where)
            if not isinstance(entry, dict) or entry.get("previous") != previous:
                raise WardeinError("does not follow from the line before it: the log was edited", where=where)
            previous = hashlib.sha256(line).hexdigest()
            seen = seen or previous == head
        if not seen:
            raise WardeinError(
                "the noted head is not on the chain: the tail was cut or rewritten", where=str(self.path)
            )
        return previous

    def _lines(self) -> list[bytes]:
        """The finished lines."""
        return self.path.read_bytes().split(b"\n")[:-1] if self.path.exists() else []

    def _set_aside_unfinished(self, file: BinaryIO) -> None:
        content = self.path.read_bytes()
        finished = content.rfind(b"\n") + 1
        if finished < len(content):
            self.path.with_name(f"{self.path.name}.unfinished").write_bytes(content[finished:])
            file.truncate(finished)
