# SPDX-License-Identifier: Apache-2.0
"""The header of a 7z archive: which bytes are packed how, and what the files in them are called."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from wardein.modelfiles.examination import MAX_MEMBERS, Unexamined

_END, _HEADER, _PROPERTIES, _MORE, _STREAMS, _FILES = range(6)
_PACKED, _UNPACKED, _PARTS, _SIZE, _CRC, _FOLDER, _SIZES, _COUNTS = range(6, 14)
_EMPTY, _EMPTY_FILE, _ANTI, _NAMES = range(14, 18)
_TIMES = range(0x12, 0x15)
_ATTRIBUTES, ENCODED, _START, _FILLER = 0x15, 0x17, 0x18, 0x19
_MOST_CODERS = 4


@dataclass
class Coder:
    """One step of unpacking.

    Attributes:
        method: Its number.
        settings: What it needs to know.
        size: How many bytes come out.
    """

    method: bytes
    settings: bytes
    size: int = 0


@dataclass
class Folder:
    """One packed stream, in which files lie one after the other.

    Attributes:
        coders: The steps, the last one of unpacking first: the last in the list reads what is packed.
        crc: The checksum of what comes out; -1 for none.
        parts: The sizes and checksums of the files in it.
        start: Where it is packed.
        packed: How many bytes it takes.
    """

    coders: list[Coder]
    crc: int = -1
    parts: list[tuple[int, int]] = field(default_factory=list)
    start: int = 0
    packed: int = 0

    @property
    def size(self) -> int:
        """How many bytes come out."""
        return self.coders[0].size


@dataclass
class Listing:
    """What a header says.

    Attributes:
        folders: The packed streams.
        names: What the files are called; those without bytes as well.
        is_empty: Which of them have no bytes.
        attributes: What kinds of files they are.
        is_strange: Whether it says something that only some readers know of.
    """

    folders: list[Folder] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    is_empty: list[bool] = field(default_factory=list)
    attributes: dict[int, int] = field(default_factory=dict)
    is_strange: bool = False


class Cursor:
    """Reads a header from left to right."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, length: int) -> bytes:
        """The next bytes.

        Raises:
            EOFError: If there are fewer.
        """
        taken = self._data[self._at : self._at + length]
        if len(taken) < length:
            raise EOFError("a header that breaks off")
        self._at += length
        return taken

    def byte(self) -> int:
        """The next byte."""
        return self.take(1)[0]

    def number(self) -> int:
        """The next number: the ones that its first byte begins with say how many bytes it has."""
        first = self.byte()
        value, mask = 0, 0x80
        for position in range(8):
            if not first & mask:
                return value | (first & (mask - 1)) << (8 * position)
            value |= self.byte() << (8 * position)
            mask >>= 1
        return value

    def count(self) -> int:
        """The next number, of things.

        Raises:
            Unexamined: If there are too many.
        """
        number = self.number()
        if number > MAX_MEMBERS:
            raise Unexamined(f"holds more than {MAX_MEMBERS} members")
        return number

    def bits(self, length: int) -> list[bool]:
        """As many bits."""
        read = self.take((length + 7) // 8)
        return [bool(read[i // 8] & 0x80 >> i % 8) for i in range(length)]

    def checksums(self, length: int) -> list[int]:
        """As many checksums; -1 for those that are not given."""
        given = [True] * length if self.byte() else self.bits(length)
        return [struct.unpack("<L", self.take(4))[0] if one else -1 for one in given]

    @property
    def is_at_end(self) -> bool:
        """Whether all was read."""
        return self._at == len(self._data)


def read_listing(cursor: Cursor) -> Listing:
    """Read a header, after the byte that says that it is one.

    Raises:
        ValueError: If it is none.
        Unexamined: If it says what is not known here, or too much.
    """
    listing = Listing()
    kind = cursor.byte()
    if kind == _STREAMS:
        listing.folders = read_streams(cursor)
        kind = cursor.byte()
    if kind == _FILES:
        _read_files(cursor, listing)
        kind = cursor.byte()
    if kind != _END:
        raise Unexamined("has a header with something that is not known here")
    if not cursor.is_at_end:
        raise ValueError("a header that goes on after its end")
    return listing


def read_streams(cursor: Cursor) -> list[Folder]:
    """Read where the packed streams are, and how they are unpacked."""
    folders: list[Folder] = []
    packed: list[tuple[int, int]] = []
    kind = cursor.byte()
    if kind == _PACKED:
        packed = _read_packed(cursor)
        kind = cursor.byte()
    if kind == _UNPACKED:
        folders = _read_folders(cursor)
        kind = cursor.byte()
    if len(folders) != len(packed):
        raise Unexamined("holds streams that are packed in a way that is not known here")
    for folder, place in zip(folders, packed, strict=True):
        folder.start, folder.packed = place
        folder.parts = [(folder.size, folder.crc)]
    if kind == _PARTS:
        _read_parts(cursor, folders)
        kind = cursor.byte()
    if kind != _END:
        raise ValueError("streams that do not end")
    return folders


def _read_packed(cursor: Cursor) -> list[tuple[int, int]]:
    position, count = cursor.number(), cursor.count()
    packed: list[tuple[int, int]] = []
    while (kind := cursor.byte()) != _END:
        if kind == _SIZE:
            for _ in range(count):
                packed.append((position, cursor.number()))
                position += packed[-1][1]
        elif kind == _CRC:
            cursor.checksums(count)
        else:
            raise ValueError("no packed streams")
    return packed


def _read_folders(cursor: Cursor) -> list[Folder]:
    if cursor.byte() != _FOLDER:
        raise ValueError("no folders")
    count = cursor.count()
    if cursor.byte():
        raise Unexamined("keeps a part of its header elsewhere")
    orders = [_read_folder(cursor) for _ in range(count)]
    if cursor.byte() != _SIZES:
        raise ValueError("no sizes")
    for coders, _ in orders:
        for coder in coders:
            coder.size = cursor.number()
    folders = [Folder([coders[i] for i in order]) for coders, order in orders]
    while (kind := cursor.byte()) != _END:
        if kind != _CRC:
            raise ValueError("no folders")
        for folder, crc in zip(folders, cursor.checksums(count), strict=True):
            folder.crc = crc
    return folders


def _read_folder(cursor: Cursor) -> tuple[list[Coder], list[int]]:
    """The steps of one folder as they are listed, and their numbers in the order from the outside in."""
    count = cursor.number()
    if not 0 < count <= _MOST_CODERS:
        raise Unexamined("is packed in more steps than are followed")
    coders = []
    for _ in range(count):
        flags = cursor.byte()
        if flags & 0xD0:
            raise Unexamined("is packed in a way that is not known here")
        method = cursor.take(flags & 0xF)
        coders.append(Coder(method, cursor.take(cursor.number()) if flags & 0x20 else b""))
    # What goes into a step comes out of another one.
    source = {cursor.number(): cursor.number() for _ in range(count - 1)}
    first = [number for number in range(count) if number not in source.values()]
    order = first[:1]
    while order and order[-1] in source and len(order) <= count:
        order.append(source[order[-1]])
    if sorted(order) != list(range(count)):
        raise ValueError("steps that do not follow each other")
    return coders, order


def _read_parts(cursor: Cursor, folders: list[Folder]) -> None:
    kind = cursor.byte()
    counts = [1] * len(folders)
    if kind == _COUNTS:
        counts = [cursor.count() for _ in folders]
        kind = cursor.byte()
    if sum(counts) > MAX_MEMBERS:
        raise Unexamined(f"holds more than {MAX_MEMBERS} members")
    sizes = []
    for folder, count in zip(folders, counts, strict=True):
        own = [cursor.number() for _ in range(count - 1)] if kind == _SIZE else []
        if len(own) < count - 1 or sum(own) > folder.size or (not count and folder.size):
            raise ValueError("files that are longer than what they are in")
        sizes.append([*own, folder.size - sum(own)] if count else [])
    if kind == _SIZE:
        kind = cursor.byte()
    # Checksums are only given where the folder's own is not the file's.
    known = [len(own) == 1 and folder.crc >= 0 for folder, own in zip(folders, sizes, strict=True)]
    missing = sum(len(own) for own, is_known in zip(sizes, known, strict=True) if not is_known)
    crcs = iter([-1] * missing)
    if kind == _CRC:
        crcs = iter(cursor.checksums(missing))
        kind = cursor.byte()
    for folder, own, is_known in zip(folders, sizes, known, strict=True):
        folder.parts = [(size, folder.crc if is_known else next(crcs)) for size in own]
    if kind != _END:
        raise ValueError("files that do not end")


def _read_files(cursor: Cursor, listing: Listing) -> None:
    count = cursor.count()
    listing.is_empty = [False] * count
    while (kind := cursor.byte()) != _END:
        said = Cursor(cursor.take(cursor.number()))
        if kind == _EMPTY:
            listing.is_empty = said.bits(count)
        elif kind == _NAMES:
            if said.byte():
                raise Unexamined("keeps a part of its header elsewhere")
            listing.names = list(_names(said, count))
        elif kind == _ATTRIBUTES:
            given = [True] * count if said.byte() else said.bits(count)
            if said.byte():
                raise Unexamined("keeps a part of its header elsewhere")
            numbers = [number for number, one in enumerate(given) if one]
            listing.attributes = {number: struct.unpack("<L", said.take(4))[0] for number in numbers}
        elif kind in (_ANTI, _START):
            listing.is_strange = True
        elif kind not in (_EMPTY_FILE, *_TIMES, _FILLER):
            raise Unexamined("has a header with something that is not known here")
    if len(listing.names) != count:
        raise ValueError("files without names")


def _names(said: Cursor, count: int) -> Iterator[str]:
    for _ in range(count):
        raw = bytearray()
        while (unit := said.take(2)) != b"\0\0":
            raw += unit
        yield raw.decode("utf-16-le")
    if not said.is_at_end:
        raise ValueError("more names than files")
