# SPDX-License-Identifier: Apache-2.0
"""MessagePack, in which Flax saves its parameters: values and arrays, read strictly to the last byte."""

from __future__ import annotations

from wardein.modelfiles.any_format import TRAILING
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined
from wardein.modelfiles.native import rules
from wardein.modelfiles.native.bytereader import Reader
from wardein.modelfiles.pickles import probe

NAME = "msgpack"
TEXT = False

_DEEPEST = 200
_MAX_VALUES = 5_000_000
_MAX_NAME = 16
# Flax writes arrays, complex numbers and numpy's scalars as extensions; -1 is a time.
_EXTENSIONS = frozenset({-1, 1, 2, 3})
_FIXED = {
    0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8,
}  # fmt: skip
_LONG = {0xC4: "B", 0xC5: "H", 0xC6: "I", 0xD9: "B", 0xDA: "H", 0xDB: "I"}
_EXTENDED = {0xC7: "B", 0xC8: "H", 0xC9: "I"}
_COUNTED = {0xDC: ("H", 1), 0xDD: ("I", 1), 0xDE: ("H", 2), 0xDF: ("I", 2)}


def matches(content: Content, head: bytes) -> bool:
    """Whether it begins as a map whose first key is a name."""
    first = head[:1]
    if b"\x81" <= first <= b"\x8f":
        at = 1
    elif first == b"\xde":
        at = 3
    elif first == b"\xdf":
        at = 5
    else:
        return False
    mark = head[at : at + 1]
    if b"\xa1" <= mark <= b"\xbf":
        key = head[at + 1 : at + 1 + (mark[0] & 31)]
    elif mark == b"\xd9" and len(head) > at + 2:
        key = head[at + 2 : at + 2 + head[at + 1]]
    else:
        return False
    return key.isascii() and key.decode("ascii").isprintable() and len(key) > 0


def examine(content: Content, examination: Examination) -> None:
    """Read every value; texts and arrays are passed over by their length."""
    reader = Reader(content, order=">")
    levels = [1]
    before = b""
    for _ in range(_MAX_VALUES):
        while levels and not levels[-1]:
            levels.pop()
        if not levels:
            break
        levels[-1] -= 1
        inside, text = _take(reader, content, examination)
        if before == b"kind" and text[:2].strip(b"|") == b"O":
            message = f"has an array of Python objects, which its readers unpickle, at byte {reader.position}"
            examination.tell(rules.EXTENSION_TYPE, content, message, identity="kind O")
        before = text
        if inside:
            if len(levels) > _DEEPEST:
                raise Unexamined(f"is nested deeper than {_DEEPEST} levels")
            levels.append(inside)
    else:
        raise Unexamined(f"has more than {_MAX_VALUES} values")
    if reader.position < content.size:
        message = f"holds {content.size - reader.position} bytes behind its end, at byte {reader.position}"
        examination.tell(TRAILING, content, message, identity="behind its end")


def _take(reader: Reader, content: Content, examination: Examination) -> tuple[int, bytes]:
    """Read one value; how many values it holds, and its beginning, if it is a text or bytes."""
    mark = reader.number("B")
    if mark < 0x80 or mark >= 0xE0:
        return 0, b""
    if mark < 0x90:
        return 2 * (mark & 15), b""
    if mark < 0xA0:
        return mark & 15, b""
    if mark < 0xC0:
        return 0, _take_bytes(reader, mark & 31, False, content, examination)
    if mark in _FIXED:
        reader.skip(_FIXED[mark])
    elif mark in _LONG:
        return 0, _take_bytes(reader, reader.number(_LONG[mark]), mark < 0xD9, content, examination)
    elif mark in _COUNTED:
        form, each = _COUNTED[mark]
        return reader.number(form) * each, b""
    elif mark in _EXTENDED or 0xD4 <= mark <= 0xD8:
        length = reader.number(_EXTENDED[mark]) if mark in _EXTENDED else 1 << (mark - 0xD4)
        _take_extension(reader, length, content, examination)
    else:
        raise Unexamined(f"has a value of no known type at byte {reader.position - 1}")
    return 0, b""


def _take_bytes(reader: Reader, length: int, are_bytes: bool, content: Content, examination: Examination) -> bytes:
    """Read a text or bytes; what an unpickler would make something of is examined as a pickle."""
    at = reader.position
    begin = reader.take(min(length, _MAX_NAME))
    reader.skip(length - len(begin))
    if are_bytes or begin[:1] == b"\x80":
        inner = content.window(at, length, f"bytes at {at}")
        if probe(inner, examination):
            examination.examine(inner)
    return begin


def _take_extension(reader: Reader, length: int, content: Content, examination: Examination) -> None:
    at, kind = reader.position, reader.number("b")
    if kind not in _EXTENSIONS:
        message = f"has the extension type {kind} at byte {at}"
        examination.tell(rules.EXTENSION_TYPE, content, message, identity=str(kind))
    reader.skip(length)
