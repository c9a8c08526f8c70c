# SPDX-License-Identifier: Apache-2.0
"""Files of bbolt, the key-value store that vulnerability databases come in: written whole, read with bounds.

The format (version 2) is pages of 4096 bytes: two meta pages, then B+ trees of branch and leaf pages. A
bucket is a tree whose values are bytes or further buckets; a small bucket lies inline in its parent's leaf.
Nothing here changes a file in place, so there is no free list and no transaction.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, TypeVar

from wardein.errors import WardeinError

Tree: TypeAlias = "Mapping[bytes, bytes | Tree]"

_PAGE = 4096
_MAGIC, _VERSION = 0xED0CDAED, 2
_BRANCH, _LEAF, _META, _FREELIST = 0x01, 0x02, 0x04, 0x10
_NESTED = 0x01
_HEADER = struct.Struct("<QHHI")  # page id, flags, count, overflow pages
_LEAF_ELEMENT = struct.Struct("<IIII")  # flags, position, key size, value size
_BRANCH_ELEMENT = struct.Struct("<IIQ")  # position, key size, page id
_BUCKET = struct.Struct("<QQ")  # root page id (0: inline), sequence
_META_BODY = struct.Struct("<IIIIQQQQQ")  # magic, version, page size, flags, root, sequence, free list, pages, txid
_MAX_KEY = 32768
_MAX_COUNT = 0xFFF0
_MAX_DEPTH = 32
# How often a file may be read through while it is open, at most.
_MOST_READS = 50

_Item = TypeVar("_Item")


def encode(tree: Tree) -> bytes:
    """The file that holds a tree of buckets.

    Raises:
        ValueError: If a key is empty or longer than 32768 bytes, or a value lies outside a bucket.
    """
    if not all(isinstance(value, Mapping) for value in tree.values()):
        raise ValueError("the top level of a bbolt file holds buckets only")
    writer = _Writer()
    root = writer.bucket(tree, inline=False)
    metas = b"".join(_meta_page(number, root, writer.next) for number in (0, 1))
    return metas + _page(2, _FREELIST, 0, b"") + b"".join(writer.pages)


class _Writer:
    def __init__(self) -> None:
        self.pages: list[bytes] = []
        self.next = 3  # after two meta pages and an empty free list

    def bucket(self, tree: Tree, *, inline: bool = True) -> bytes:
        """Store a bucket; returns the value that stands for it in its parent."""
        items: list[tuple[int, bytes, bytes]] = []
        for key in sorted(tree):
            if not 0 < len(key) <= _MAX_KEY:
                raise ValueError(f"a key of {len(key)} bytes is not allowed")
            value = tree[key]
            items.append((0, key, value) if isinstance(value, bytes) else (_NESTED, key, self.bucket(value)))
        size = _HEADER.size + sum(map(_leaf_size, items))
        if inline and size <= _PAGE // 4 and not any(flags for flags, _, _ in items):
            return _BUCKET.pack(0, 0) + _HEADER.pack(0, _LEAF, len(items), 0) + _leaf_body(items)
        level = [
            (part[0][1] if part else b"", self._put(_LEAF, len(part), _leaf_body(part)))
            for part in _parts(items, _leaf_size)
        ]
        while len(level) > 1:
            level = [
                (part[0][0], self._put(_BRANCH, len(part), _branch_body(part)))
                for part in _parts(level, lambda child: _BRANCH_ELEMENT.size + len(child[0]))
            ]
        return _BUCKET.pack(level[0][1], 0)

    def _put(self, flags: int, count: int, body: bytes) -> int:
        number = self.next
        page = _page(number, flags, count, body)
        self.pages.append(page)
        self.next += len(page) // _PAGE
        return number


def _page(number: int, flags: int, count: int, body: bytes) -> bytes:
    pages = max(1, -(-(_HEADER.size + len(body)) // _PAGE))
    return (_HEADER.pack(number, flags, count, pages - 1) + body).ljust(pages * _PAGE, b"\0")


def _meta_page(number: int, root: bytes, pages: int) -> bytes:
    body = _META_BODY.pack(_MAGIC, _VERSION, _PAGE, 0, *_BUCKET.unpack(root), 2, pages, number)
    return _page(number, _META, 0, body + struct.pack("<Q", _fnv64a(body)))


def _fnv64a(data: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def _leaf_size(item: tuple[int, bytes, bytes]) -> int:
    return _LEAF_ELEMENT.size + len(item[1]) + len(item[2])


def _leaf_body(items: list[tuple[int, bytes, bytes]]) -> bytes:
    """Element headers, then the keys and values; a position counts from its own element header."""
    headers, data, offset = [], [], _LEAF_ELEMENT.size * len(items)
    for index, (flags, key, value) in enumerate(items):
        headers.append(_LEAF_ELEMENT.pack(flags, offset - index * _LEAF_ELEMENT.size, len(key), len(value)))
        data += [key, value]
        offset += len(key) + len(value)
    return b"".join(headers + data)


def _branch_body(children: list[tuple[bytes, int]]) -> bytes:
    headers, offset = [], _BRANCH_ELEMENT.size * len(children)
    for index, (key, page) in enumerate(children):
        headers.append(_BRANCH_ELEMENT.pack(offset - index * _BRANCH_ELEMENT.size, len(key), page))
        offset += len(key)
    return b"".join(headers + [key for key, _ in children])


def _parts(items: list[_Item], size: Callable[[_Item], int]) -> Iterator[list[_Item]]:
    """Cut a level of the tree into pages; an item that is larger than a page gets overflow pages of its own."""
    part: list[_Item] = []
    total = _HEADER.size
    for item in items:
        if part and (total + size(item) > _PAGE or len(part) >= _MAX_COUNT):
            yield part
            part, total = [], _HEADER.size
        part.append(item)
        total += size(item)
    yield part


@contextmanager
def open_file(path: Path) -> Iterator[Bucket]:
    """The root bucket of a file, for as long as the context is open; entries are read when they are asked for.

    Raises:
        WardeinError: If it is not a bbolt file. Damage further inside is raised where it is met.
    """
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield _root(_File(data, path.name))
    except (OSError, ValueError) as error:  # a missing file; a file of 0 bytes cannot be mapped
        raise WardeinError(f"cannot be read as a bbolt file ({error})", where=path.name) from None


@dataclass
class _File:
    data: mmap.mmap
    name: str
    page_size: int = _PAGE
    visits: int = 0

    def take(self, layout: struct.Struct, offset: int) -> tuple[int, ...]:
        if offset < 0 or offset + layout.size > len(self.data):
            raise self.damaged()
        return layout.unpack_from(self.data, offset)

    def bytes(self, offset: int, size: int) -> bytes:
        if offset < 0 or offset + size > len(self.data):
            raise self.damaged()
        return self.data[offset : offset + size]

    def damaged(self) -> WardeinError:
        return WardeinError("is damaged: a page points outside the file or back to itself", where=self.name)


@dataclass(frozen=True)
class Bucket:
    """A bucket of an open file. Iterating gives its keys in order, each with its bytes or its bucket."""

    _file: _File = field(repr=False)
    _offset: int
    _is_inline: bool = False

    def __iter__(self) -> Iterator[tuple[bytes, bytes | Bucket]]:
        pages_left = [len(self._file.data) // self._file.page_size + 1]
        yield from self._walk(self._offset, 0, pages_left)

    def _walk(self, offset: int, depth: int, pages_left: list[int]) -> Iterator[tuple[bytes, bytes | Bucket]]:
        pages_left[0] -= 1
        self._file.visits += 1
        # Pages that many buckets share would be read again for each of them.
        too_often = self._file.visits > _MOST_READS * (len(self._file.data) // self._file.page_size + 1)
        if depth > _MAX_DEPTH or pages_left[0] < 0 or too_often:
            raise self._file.damaged()
        _, flags, count, _ = self._file.take(_HEADER, offset)
        first = offset + _HEADER.size
        if flags == _BRANCH and not self._is_inline:
            for index in range(count):
                *_, page = self._file.take(_BRANCH_ELEMENT, first + index * _BRANCH_ELEMENT.size)
                yield from self._walk(page * self._file.page_size, depth + 1, pages_left)
        elif flags == _LEAF:
            for index in range(count):
                yield self._entry(first + index * _LEAF_ELEMENT.size)
        else:
            raise self._file.damaged()

    def _entry(self, element: int) -> tuple[bytes, bytes | Bucket]:
        flags, position, key_size, value_size = self._file.take(_LEAF_ELEMENT, element)
        start = element + position
        key = self._file.bytes(start, key_size)
        if not flags & _NESTED:
            return key, self._file.bytes(start + key_size, value_size)
        root, _ = self._file.take(_BUCKET, start + key_size)
        if root:
            return key, Bucket(self._file, root * self._file.page_size)
        return key, Bucket(self._file, start + key_size + _BUCKET.size, True)


def _root(file: _File) -> Bucket:
    """The tree of the newer of the two meta pages whose checksum is right."""
    found: list[tuple[int, int, int]] = []
    for offset in (0, _PAGE):
        start = offset + _HEADER.size
        if start + _META_BODY.size + 8 > len(file.data):
            continue
        body = file.bytes(start, _META_BODY.size)
        magic, version, page_size, _, root, _, _, _, transaction = _META_BODY.unpack(body)
        (checksum,) = struct.unpack_from("<Q", file.data, start + _META_BODY.size)
        if (magic, version, checksum) == (_MAGIC, _VERSION, _fnv64a(body)) and page_size >= 1024:
            found.append((transaction, root, page_size))
    if not found:
        raise WardeinError("is not a bbolt file", where=file.name, mend="get the database again")
    _, root, file.page_size = max(found)
    return Bucket(file, root * file.page_size)
