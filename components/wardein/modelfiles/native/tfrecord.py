# SPDX-License-Identifier: Apache-2.0
"""TFRecord, in which TensorBoard keeps its logs: records, each behind its length and the check sum of that length."""

from __future__ import annotations

import struct

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined
from wardein.modelfiles.native.bytereader import Reader

NAME = "tfrecord"
TEXT = False

_MAX_RECORDS = 300_000


def _table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_TABLE = _table()


def masked_sum(data: bytes) -> int:
    """The check sum of a few bytes (CRC-32C), masked as the format has it."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _TABLE[(value ^ byte) & 255] ^ value >> 8
    value ^= 0xFFFFFFFF
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


def matches(content: Content, head: bytes) -> bool:
    """Whether it begins with a length and the right sum of it."""
    return len(head) >= 16 and masked_sum(head[:8]) == struct.unpack_from("<I", head, 8)[0]


def examine(content: Content, examination: Examination) -> None:
    """Walk from record to record to the last byte."""
    reader = Reader(content)
    for _ in range(_MAX_RECORDS):
        if reader.position == content.size:
            return
        begin, length = reader.position, reader.take(8)
        if masked_sum(length) != reader.number("I"):
            raise Unexamined(f"has a record of a wrong length at byte {begin}")
        reader.skip(int.from_bytes(length, "little"))
        reader.skip(4)
    raise Unexamined(f"has more than {_MAX_RECORDS} records")
