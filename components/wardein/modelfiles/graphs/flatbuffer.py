# SPDX-License-Identifier: Apache-2.0
"""FlatBuffers, read in place: tables, vectors and texts by their offsets, each within the file."""

from __future__ import annotations

from collections.abc import Iterator

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Unexamined

MAX_TEXT = 1024 * 1024
MAX_ITEMS = 10_000_000
MAX_TABLES = 1_000_000


class Buffer:
    """A file of tables.

    Attributes:
        end: Where the last byte that was reached ends.
    """

    def __init__(self, content: Content) -> None:
        """Take the content."""
        self._content, self.end = content, 0
        # A table and what leads to it take at least eight bytes: more of them are some of them more than once.
        self._left = min(MAX_TABLES, content.size // 8)

    def unsigned(self, offset: int, width: int) -> int:
        """A number at an offset."""
        return int.from_bytes(self.take(offset, width), "little")

    def take(self, offset: int, size: int) -> bytes:
        """Bytes at an offset."""
        self.reach(offset, size)
        return self._content.at(offset, size)

    def reach(self, offset: int, size: int) -> None:
        """Pass over bytes.

        Raises:
            ValueError: If they lie outside.
        """
        if offset < 0 or size < 0 or offset + size > self._content.size:
            raise ValueError("an offset that leads outside")
        self.end = max(self.end, offset + size)

    def count_table(self) -> None:
        """Count one table.

        Raises:
            Unexamined: If there are more than there can be.
        """
        self._left -= 1
        if self._left < 0:
            raise Unexamined("has more tables than fit into it, or than models have")

    def root(self) -> Table:
        """The table that all others hang from."""
        return Table(self, self.unsigned(0, 4))


class Table:
    """A table and its fields, by their numbers."""

    def __init__(self, buffer: Buffer, offset: int) -> None:
        """Read where its fields lie."""
        self._buffer, self._offset = buffer, offset
        buffer.count_table()
        back = int.from_bytes(buffer.take(offset, 4), "little", signed=True)
        at = offset - back
        size, table = buffer.unsigned(at, 2), buffer.unsigned(at + 2, 2)
        if size < 4 or size % 2 or table < 4:
            raise ValueError("a table without its fields")
        places = buffer.take(at, size)
        self._places = [int.from_bytes(places[i : i + 2], "little") for i in range(4, size, 2)]
        if any(place >= table for place in self._places):
            raise ValueError("a field outside of its table")
        buffer.reach(offset, table)

    def unsigned(self, number: int, width: int, default: int = 0) -> int:
        """A number."""
        at = self._at(number)
        return self._buffer.unsigned(at, width) if at else default

    def vector(self, number: int, width: int = 4) -> tuple[int, int]:
        """Where a vector's items begin, and how many they are."""
        at = self._at(number)
        if not at:
            return 0, 0
        at += self._buffer.unsigned(at, 4)
        count = self._buffer.unsigned(at, 4)
        if count > MAX_ITEMS and width > 1:
            raise Unexamined(f"has a list of more than {MAX_ITEMS} items")
        self._buffer.reach(at + 4, count * width)
        return at + 4, count

    def tables(self, number: int) -> Iterator[Table]:
        """The tables of a vector."""
        start, count = self.vector(number)
        for offset in range(start, start + 4 * count, 4):
            yield Table(self._buffer, offset + self._buffer.unsigned(offset, 4))

    def text(self, number: int) -> str:
        """A text; empty if there is none."""
        start, count = self.vector(number, 1)
        if count > MAX_TEXT:
            raise Unexamined("has a text that is larger than one")
        return self._buffer.take(start, count).decode() if count else ""

    def _at(self, number: int) -> int:
        place = self._places[number] if number < len(self._places) else 0
        return self._offset + place if place else 0
