# SPDX-License-Identifier: Apache-2.0
"""A report's JSON, read strictly: what is missing, or of another type than its format says, is an error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wardein.errors import WardeinError
from wardein.foreign.text import one_line
from wardein.jsontext import strict_loads

WHERE = "--findings"
# A program needs hundreds of bytes for each, however few it takes in the report.
_MOST_OBJECTS = 1_500_000
_MOST_ITEMS = 1_000_000
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Document:
    """What the bytes of a report are as JSON.

    Attributes:
        whole: Its one value, None if it is not one.
        lines: Its values, one a line; empty if it is not of that form.
    """

    whole: Any
    lines: tuple[Any, ...]


def parse(content: bytes) -> Document:
    """Parse one JSON value, or one a line.

    Raises:
        WardeinError: As :func:`wardein.jsontext.strict_loads`, or if there is nothing in it.
    """
    content = content.removeprefix(_BOM)
    if not content.strip():
        raise WardeinError("is empty", where=WHERE, mend="give the file that the tool wrote")
    if content.count(b"{") > _MOST_OBJECTS:
        raise _too_much(f"holds more than {_MOST_OBJECTS} objects")
    try:
        whole = strict_loads(content, WHERE)
    except WardeinError:
        if content.count(b"\n") > _MOST_ITEMS:
            raise _too_much(f"has more than {_MOST_ITEMS} lines") from None
        lines = [(number, line) for number, line in enumerate(content.split(b"\n"), 1) if line.strip()]
        if len(lines) < 2 or not _is_json(lines[0][1]):
            raise
        return Document(None, tuple(strict_loads(line, f"{WHERE}, line {number}") for number, line in lines))
    return Document(whole, (whole,) if isinstance(whole, dict) else ())


def _too_much(what: str) -> WardeinError:
    return WardeinError(what, where=WHERE, mend="let the tool leave out what is of no interest")


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(strict_loads(line), dict)
    except WardeinError:
        return False


@dataclass(frozen=True, slots=True)
class Node:
    """A value in a report, and where in it."""

    value: Any
    path: str = ""

    def wrong(self, what: str) -> WardeinError:
        """The error that says that the report is not of the form it should be."""
        mend = "give the report as the tool wrote it, of a version that docs/import.md names"
        return WardeinError(
            what, where=f"{WHERE}: {one_line(self.path[-1000:])[-120:]}" if self.path else WHERE, mend=mend
        )

    def maybe(self, key: str) -> Node | None:
        """A member, or None if it is absent or null."""
        if not isinstance(self.value, dict):
            raise self.wrong("is not a JSON object")
        found = self.value.get(key)
        return None if found is None else Node(found, f"{self.path}.{key}" if self.path else key)

    def at(self, key: str) -> Node:
        """A member that must be there."""
        found = self.maybe(key)
        if found is None:
            raise self.wrong(f"has no {key!r}")
        return found

    def has(self, key: str) -> bool:
        """Whether there is a member of that name that is not null."""
        return self.maybe(key) is not None

    def items(self) -> list[Node]:
        """The elements of an array."""
        if not isinstance(self.value, list):
            raise self.wrong("is not a JSON array")
        if len(self.value) > _MOST_ITEMS:
            raise _too_much(f"holds more than {_MOST_ITEMS} of one kind")
        return [Node(item, f"{self.path}[{number}]") for number, item in enumerate(self.value)]

    def each(self, key: str) -> list[Node]:
        """The elements of an array that may be absent."""
        found = self.maybe(key)
        return found.items() if found else []

    def members(self) -> list[tuple[str, Node]]:
        """The members of an object."""
        if not isinstance(self.value, dict):
            raise self.wrong("is not a JSON object")
        return [(key, Node(item, f"{self.path}.{key}")) for key, item in self.value.items()]

    def text(self) -> str:
        """A string."""
        if not isinstance(self.value, str):
            raise self.wrong("is not a string")
        return self.value

    def text_at(self, key: str) -> str:
        """A string, empty if it is absent."""
        found = self.maybe(key)
        return found.text() if found else ""

    def texts_at(self, key: str) -> list[str]:
        """An array of strings, empty if it is absent."""
        return [item.text() for item in self.each(key)]

    def count(self) -> int:
        """A whole number of 0 or more."""
        if isinstance(self.value, bool) or not isinstance(self.value, int) or not 0 <= self.value < 2**53:
            raise self.wrong("is not a count")
        return self.value

    def count_at(self, key: str) -> int:
        """A whole number of 0 or more, 0 if it is absent."""
        found = self.maybe(key)
        return found.count() if found else 0

    def number(self) -> float:
        """A finite number."""
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            raise self.wrong("is not a number")
        try:
            value = float(self.value)
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            raise self.wrong("is not a finite number")
        return value

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            raise self.wrong("is neither true nor false")
        return self.value

    def time(self) -> datetime:
        """A time: ISO 8601, or seconds since 1970. One without a zone is taken for UTC, as most tools mean it."""
        try:
            if isinstance(self.value, str):
                found = datetime.fromisoformat(self.value.strip())
            else:
                found = datetime.fromtimestamp(self.number(), UTC)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        except (ValueError, OverflowError, OSError):
            raise self.wrong("is no time") from None

    def time_at(self, key: str) -> datetime | None:
        """A time, None if it is absent or empty."""
        found = self.maybe(key)
        return found.time() if found and found.value != "" else None
