# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of TensorFlow: a sorted table of which tensor lies where, and files of nothing but numbers beside it."""

from __future__ import annotations

import posixpath
import struct
from collections.abc import Iterator, Sequence
from functools import cache

from wardein.modelfiles.any_format import TRAILING
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined, shown
from wardein.modelfiles.graphs import protobuf
from wardein.modelfiles.graphs.protobuf import Record

_MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
_FOOTER = 48
_TRAILER = 5  # a byte for the compression and a checksum, behind every block
_MAX_BLOCK = 32 * 1024 * 1024
# Blocks of an index are small. What is larger are the tensors of a first version, which no names can hide in.
_MAX_CHECKED = 1024 * 1024
_MAX_KEY = 8192
_VARIANT = 21
Handle = tuple[int, int]


class Checkpoint:
    """The index of a checkpoint; of TensorFlow 1's first version the whole of it."""

    NAME = "tensorflow-checkpoint"
    TEXT = False

    def matches(self, content: Content, head: bytes) -> bool:
        """See :class:`wardein.modelfiles.formats.Format`."""
        return content.size >= _FOOTER and content.at(content.size - 8, 8) == _MAGIC

    def examine(self, content: Content, examination: Examination) -> None:
        """See :class:`wardein.modelfiles.formats.Format`."""
        used: list[Handle] = []
        first = True
        for key, value in _entries(content, used):
            if first:
                is_old = key == b"" and value[:1] == b"\x0a"
                first = False
                shards = 0 if is_old else _shards(value)
            if is_old:
                # Its values may be as large as its tensors, and are held to be what they should all the same.
                protobuf.walk(protobuf.held(value), "tensorflow.SavedTensorSlices", {})
            elif key:
                _tensor(content, examination, key, value, shards)
        _account(content, examination, used)


def _tensor(content: Content, examination: Examination, key: bytes, value: bytes, shards: int) -> None:
    """Say which bytes of which file a tensor takes."""

    def number(record: Record, name: str) -> int:
        return int(record.get(name, [0])[0])

    found: list[Record] = []
    wanted = frozenset({"dtype", "shard_id", "offset", "size"})
    kind = "tensorflow.BundleEntryProto"
    protobuf.walk(protobuf.held(value), kind, {kind: (wanted, found.append)})
    record = found[0]
    if number(record, "dtype") == _VARIANT:
        raise Unexamined(f"holds the tensor {shown(key)}, which is of a kind that can hold anything")
    shard = number(record, "shard_id")
    if shard >= shards:
        raise ValueError("a tensor in a part that there is not")
    path = f"{posixpath.splitext(content.path)[0]}.data-{shard:05d}-of-{shards:05d}"
    if path in examination.sizes and not content.part:
        offset, size = number(record, "offset"), number(record, "size")
        if offset + size > examination.sizes[path]:
            raise Unexamined(f"has the tensor {shown(key)} beyond the end of {shown(posixpath.basename(path))}")
        examination.numbers.setdefault(path, []).append((offset, size))


def _shards(value: bytes) -> int:
    found: list[Record] = []
    kind = "tensorflow.BundleHeaderProto"
    protobuf.walk(protobuf.held(value), kind, {kind: (frozenset({"num_shards"}), found.append)})
    return int(found[0].get("num_shards", [1])[0])


def _entries(content: Content, used: list[Handle]) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a table, in their order."""
    footer = content.at(content.size - _FOOTER, _FOOTER)
    meta, index = _handle(footer, 0)
    main, index = _handle(footer, index)
    if any(footer[index:-8]):
        raise Unexamined("has bytes in its footer that belong to nothing")
    for _ in _block(content, meta, used):
        raise Unexamined("has entries about itself that are not known here")
    behind = 0
    for _, value in _block(content, main, used):
        offset, size = _handle(value, 0)[0]
        if offset < behind:
            raise Unexamined("has blocks that overlap, or are not in their order")
        behind = offset + size + _TRAILER
        yield from _block(content, (offset, size), used)


def _block(content: Content, handle: Handle, used: list[Handle]) -> Iterator[tuple[bytes, bytes]]:
    """The entries of one block; keys share their beginnings with those before them."""
    offset, size = handle
    if size > _MAX_BLOCK or offset + size + _TRAILER > content.size - _FOOTER:
        raise ValueError("a block that lies outside")
    used.append((offset, size + _TRAILER))
    data = content.at(offset, size)
    kind, checksum = struct.unpack("<BI", content.at(offset + size, _TRAILER))
    if size <= _MAX_CHECKED and _checksum(data + bytes([kind])) != checksum:
        raise ValueError("a block that is not what was written")
    if kind == 1:
        data = _unsnapped(data)
    elif kind != 0:
        raise Unexamined(f"is compressed in a way ({kind}) that is not known here")
    (restarts,) = struct.unpack_from("<I", data, len(data) - 4)
    end = len(data) - 4 - 4 * restarts
    if end < 0:
        raise ValueError("a block without its end")
    index, key = 0, b""
    while index < end:
        shared, index = protobuf.number(data, index)
        own, index = protobuf.number(data, index)
        length, index = protobuf.number(data, index)
        if shared > len(key) or index + own + length > end:
            raise ValueError("an entry that reaches beyond its block")
        if shared + own > _MAX_KEY:
            raise Unexamined("has a name that is longer than names are")
        key = key[:shared] + data[index : index + own]
        index += own + length
        yield key, data[index - length : index]


@cache
def _steps() -> Sequence[int]:
    """What each byte does to a checksum (CRC-32C)."""
    steps = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        steps.append(byte)
    return steps


def _checksum(data: bytes) -> int:
    """A block's checksum, masked as the table keeps it."""
    steps, value = _steps(), 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ steps[(value ^ byte) & 0xFF]
    value ^= 0xFFFFFFFF
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _handle(data: bytes, index: int) -> tuple[Handle, int]:
    offset, index = protobuf.number(data, index)
    size, index = protobuf.number(data, index)
    return (offset, size), index


def _account(content: Content, examination: Examination, used: list[Handle]) -> None:
    """Tell of bytes between blocks."""
    position = 0
    for offset, length in [*sorted(used), (content.size - _FOOTER, _FOOTER)]:
        if offset > position:
            message = f"holds {offset - position} bytes at byte {position} that belong to nothing"
            examination.tell(TRAILING, content, message, identity="between blocks")
        elif offset < position:
            raise Unexamined("has blocks that overlap")
        position = offset + length


def _unsnapped(data: bytes) -> bytes:
    """Bytes out of Snappy's block format."""
    size, index = protobuf.number(data, 0)
    if size > _MAX_BLOCK:
        raise Unexamined("has a block that unpacks to more than a block should")
    out = bytearray()
    while index < len(data):
        index = _copy(data, index, out) if data[index] & 3 else _run(data, index, out)
        if len(out) > size:
            raise ValueError("a block that unpacks to more than it says")
    if len(out) != size:
        raise ValueError("a block that unpacks to less than it says")
    return bytes(out)


def _run(data: bytes, index: int, out: bytearray) -> int:
    """Take bytes as they are; the index behind them."""
    length = (data[index] >> 2) + 1
    index += 1
    if length > 60:
        width = length - 60
        length = int.from_bytes(data[index : index + width], "little") + 1
        index += width
    if index + length > len(data):
        raise ValueError("a run that ends too early")
    out += data[index : index + length]
    return index + length


def _copy(data: bytes, index: int, out: bytearray) -> int:
    """Repeat bytes that were there before; the index behind them."""
    tag = data[index]
    if tag & 3 == 1:
        length, width = ((tag >> 2) & 7) + 4, 1
        back = (tag >> 5) << 8 | data[index + 1]
    else:
        length, width = (tag >> 2) + 1, 2 if tag & 3 == 2 else 4
        back = int.from_bytes(data[index + 1 : index + 1 + width], "little")
    if not 0 < back <= len(out):
        raise ValueError("a copy of what there is not")
    piece = out[-back:][:length]
    out += (piece * (length // len(piece) + 1))[:length]
    return index + 1 + width


FORMATS = (Checkpoint(),)
