# SPDX-License-Identifier: Apache-2.0
"""SentencePiece's model: pieces of words with their scores, and how they were trained. Data, in protobuf's form."""

from __future__ import annotations

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined
from wardein.modelfiles.native.bytereader import Reader

NAME = "sentencepiece"
TEXT = False

# Pieces, how it was trained, how it normalizes, its own test, how it joins again.
_FIELDS = frozenset({1, 2, 3, 4, 5})
_MAX_MESSAGE = 64 * 1024**2


def matches(content: Content, head: bytes) -> bool:
    """Whether its first message is a piece: a text, then a score."""
    if len(head) < 10 or head[0] != 0x0A or head[2] != 0x0A:
        return False
    length, text = head[1], head[3]
    return length < 128 and text + 2 < length and head[4 + text : 5 + text] == b"\x15"


def examine(content: Content, examination: Examination) -> None:
    """Walk its messages to the last byte."""
    reader = Reader(content)
    while reader.position < content.size:
        tag = _number(reader)
        if tag & 7 != 2 or tag >> 3 not in _FIELDS:
            raise Unexamined(f"has a field that is none of the format at byte {reader.position}")
        length = _number(reader)
        if length > _MAX_MESSAGE:
            raise Unexamined(f"has a field of {length} bytes")
        if tag >> 3 != 1:
            reader.skip(length)
            continue
        _examine_piece(reader, length)


def _examine_piece(reader: Reader, length: int) -> None:
    end = reader.position + length
    while reader.position < end:
        tag = _number(reader)
        if tag == 0x0A:
            reader.take(_number(reader)).decode("utf-8")
        elif tag == 0x15:
            reader.skip(4)
        elif tag == 0x18:
            _number(reader)
        else:
            raise Unexamined(f"has a piece with more than a text, a score and a kind at byte {reader.position}")
    if reader.position != end:
        raise Unexamined("has a piece that is longer than it says")


def _number(reader: Reader) -> int:
    value = 0
    for shift in range(0, 64, 7):
        byte = reader.number("B")
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
    raise Unexamined(f"has a number without an end at byte {reader.position}")
