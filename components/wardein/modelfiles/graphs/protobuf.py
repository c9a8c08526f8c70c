# SPDX-License-Identifier: Apache-2.0
"""Protocol buffers, read in place: every field against what its message may hold, large ones passed over by length.

A field that its message does not have is something that was not examined. So no file can be taken for one kind of
message here and for another by whoever loads it: what both kinds do not share is unknown to one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Unexamined

MAX_DEPTH = 100
MAX_TEXT = 1024 * 1024
_CHUNK = 64 * 1024
_WIRES = {"int": 0, "fix8": 1, "fix4": 5}


@dataclass(frozen=True)
class Field:
    """A field of a message: its kind is ``int``, ``fix4``, ``fix8``, ``text``, ``bytes`` or that of a message."""

    name: str
    kind: str
    message: str
    repeated: bool
    values: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Message:
    """A kind of message and its fields, by their numbers, and by those together with the form they may have."""

    name: str
    fields: Mapping[int, Field]

    @cached_property
    def tags(self) -> Mapping[int, Field]:
        """The fields by what stands in front of each; numbers that are repeated may lie one behind the other."""
        tags = {number << 3 | _WIRES.get(entry.kind, 2): entry for number, entry in self.fields.items()}
        return tags | {number << 3 | 2: entry for number, entry in self.fields.items() if entry.repeated}


@cache
def messages() -> Mapping[str, Message]:
    """Every kind of message that is known here, by its full name."""
    kinds: dict[str, dict[int, Field]] = {}
    enums: dict[str, dict[str, int]] = {}
    lines = Path(__file__).with_name("schemas.txt").read_text(encoding="utf-8").splitlines()
    for words in (line.split() for line in lines):
        if words[0] == "enum":
            enums[words[1]] = {n: int(v) for n, _, v in (word.partition("=") for word in words[2:])}
    current: dict[int, Field] = {}
    for words in (line.split() for line in lines):
        if words[0] == "message":
            current = kinds[words[1]] = {}
        elif words[0].isdigit():
            key, many, kind, name = words
            enum = enums.get(kind.removeprefix("enum:"), {}) if kind.startswith("enum:") else {}
            kind = "int" if enum else kind
            message = kind if kind not in ("int", "fix4", "fix8", "text", "bytes") else ""
            current[int(key)] = Field(name, "message" if message else kind, message, many == "r", enum)
    return {name: Message(name, fields) for name, fields in kinds.items()}


class Span:
    """Bytes of a content that one field has; read when they are asked for."""

    __slots__ = ("_source", "size", "start")

    def __init__(self, source: _Source, start: int, size: int) -> None:
        self._source, self.start, self.size = source, start, size

    def read(self, most: int = MAX_TEXT) -> bytes:
        """All of its bytes.

        Raises:
            Unexamined: If there are more than that.
        """
        if self.size > most:
            raise Unexamined(f"holds a text of {self.size} bytes at byte {self.start}, which is not one")
        return self._source.read(self.start, self.size)

    def text(self) -> str:
        """Its bytes as text, which UTF-8 has to be.

        Raises:
            UnicodeDecodeError: If it is none.
        """
        return self.read().decode()

    def fields(self, message: Message) -> Iterator[tuple[Field, int, int | Span]]:
        """Each field with its number and its value: a number, or the bytes of whatever has a length.

        Raises:
            ValueError: If it is no such message.
            Unexamined: If it holds a field that such a message does not have.
        """
        source, position, end = self._source, self.start, self.start + self.size
        known = message.tags
        while position < end:
            buffer, index = source.near(position)
            tag, index = number(buffer, index)
            entry = known.get(tag)
            wire = tag & 7
            if entry is None:
                name = message.name.rpartition(".")[2]
                raise Unexamined(f"has a field {tag >> 3} at byte {position} that is unknown in {name}")
            value: int | Span
            if wire == 2:
                size, index = number(buffer, index)
                start = source.position(index)
                position = start + size
                value = Span(source, start, size)
            else:
                if wire == 0:
                    value, index = number(buffer, index)
                else:
                    index += 4 if wire == 5 else 8
                    value = 0
                position = source.position(index)
            if position > end:
                raise (EOFError if position > source.size else ValueError)("a field that reaches beyond its message")
            yield entry, tag >> 3, value


Record = dict[str, list[Any]]
See = Mapping[str, tuple[frozenset[str], Callable[[Record], Any]]]


def span(content: Content) -> Span:
    """A content as one message."""
    return Span(_Source(content), 0, content.size)


def held(data: bytes) -> Span:
    """Bytes in memory as one message."""
    return Span(_Source(None, data), 0, len(data))


def one(record: Record, name: str) -> str:
    """The text of a field; empty if there is none."""
    values = record.get(name)
    return values[0].text() if values else ""


def walk(what: Span, kind: str, see: See, depth: int = 0) -> Any:
    """Follow a message to its last field, messages inside it first.

    Args:
        what: The bytes.
        kind: The message's full name.
        see: For each kind of message that is of interest, the fields that are, and what makes of them what the message
            around it will see; other messages are followed and forgotten.
        depth: How deep it lies.

    Returns:
        What the kind's function made of the fields; None for a message without interest.

    Raises:
        ValueError: If it is no such message.
        Unexamined: If it holds what such a message does not have, or is too deep.
    """
    if depth > MAX_DEPTH:
        raise Unexamined(f"is nested deeper than {MAX_DEPTH} messages")
    wanted, make = see.get(kind, (frozenset(), None))
    record: Record = {}
    seen: Any
    for entry, _, seen in what.fields(messages()[kind]):
        if entry.message:
            seen = walk(seen, entry.message, see, depth + 1)
        if entry.name in wanted and seen is not None:
            if entry.name in record and not entry.repeated:
                raise Unexamined(f"has the field {entry.name} twice in one message, of which readers take either")
            record.setdefault(entry.name, []).append(seen)
    return make(record) if make else None


def fits(content: Content, kind: str, most: int = 48) -> int:
    """How many fields from the beginning on fit a kind of message; 0 as soon as one of them does not.

    Fields are followed into messages, texts have to be text, and what ends too early fits as far as it goes.
    """
    count = 0
    try:
        for count in _fitting(span(content), kind, 0):  # noqa: B007 - the last one counts
            if count >= most:
                break
    except EOFError:
        return count
    except (ValueError, Unexamined):
        return 0
    return count


def _fitting(what: Span, kind: str, count: int) -> Iterator[int]:
    for entry, _, value in what.fields(messages()[kind]):
        count += 1  # noqa: SIM113 - counts on from where it began
        if entry.message and isinstance(value, Span) and value.size:
            for count in _fitting(value, entry.message, count):  # noqa: B020 - counts on
                yield count
        elif entry.kind == "text" and isinstance(value, Span) and value.size <= _CHUNK:
            text = value.text()
            if not text.isprintable() and any(c < " " and c not in "\n\r\t" for c in text):
                raise ValueError("a text that is none")
        yield count


class _Source:
    """The bytes of a content around the place where reading goes on."""

    def __init__(self, content: Content | None, buffer: bytes = b"") -> None:
        self._content, self._buffer, self._base = content, buffer, 0
        self.size = content.size if content else len(buffer)

    def near(self, position: int) -> tuple[bytes, int]:
        """A buffer with at least the next 32 bytes, if there are that many, and the position's index in it."""
        index = position - self._base
        if self._content and (index < 0 or index + 32 > len(self._buffer)):
            self._buffer, self._base, index = self._content.at(position, _CHUNK), position, 0
        return self._buffer, index

    def position(self, index: int) -> int:
        """Where an index of the buffer lies in the content."""
        return self._base + index

    def read(self, start: int, size: int) -> bytes:
        """Bytes of the content."""
        index = start - self._base
        if index >= 0 and index + size <= len(self._buffer):
            return self._buffer[index : index + size]
        read = self._content.at(start, size) if self._content else b""
        if len(read) < size:
            raise EOFError("ends too early")
        return read


def number(buffer: bytes, index: int) -> tuple[int, int]:
    """A number of variable length at an index, and the index behind it.

    Raises:
        EOFError: If it ends too early.
        ValueError: If it takes more than ten bytes.
    """
    if index >= len(buffer):
        raise EOFError("ends too early")
    byte = buffer[index]
    if byte < 0x80:
        return byte, index + 1
    value = byte & 0x7F
    for shift in range(7, 70, 7):
        index += 1
        if index >= len(buffer):
            raise EOFError("ends too early")
        byte = buffer[index]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, index + 1
    raise ValueError("a number of more than ten bytes")


def packed(data: bytes) -> list[int]:
    """Numbers that lie one behind the other."""
    numbers, index = [], 0
    while index < len(data):
        value, index = number(data, index)
        numbers.append(value)
    return numbers
