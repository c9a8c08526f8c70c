# SPDX-License-Identifier: Apache-2.0
"""Universal Binary JSON, in which XGBoost saves its models: values only, read strictly to the last byte."""

from __future__ import annotations

from wardein.modelfiles.any_format import TRAILING
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined
from wardein.modelfiles.native.bytereader import Reader

NAME = "ubjson"
TEXT = False

_DEEPEST = 200
_MAX_KEY = 64 * 1024
_WHOLE = {b"i": "b", b"U": "B", b"I": "h", b"l": "i", b"L": "q"}
_SIZES = {b"i": 1, b"U": 1, b"I": 2, b"l": 4, b"L": 8, b"d": 4, b"D": 8, b"C": 1}
_EMPTY = (b"Z", b"N", b"T", b"F")


def matches(content: Content, head: bytes) -> bool:
    """Whether it begins as an object with a key of some length."""
    sizes = {0x69: 1, 0x55: 1, 0x49: 2, 0x6C: 4, 0x4C: 8}
    if len(head) < 4 or head[:1] != b"{" or head[1] not in sizes:
        return False
    size = sizes[head[1]]
    length = int.from_bytes(head[2 : 2 + size], "big")
    key = head[2 + size : 2 + size + length]
    return 0 < length <= 4000 and key.isascii() and key.decode("ascii").isprintable()


def examine(content: Content, examination: Examination) -> None:
    """Read every value; arrays of numbers are passed over by their length."""
    reader = Reader(content, order=">")
    _read(reader)
    if reader.position < content.size:
        message = f"holds {content.size - reader.position} bytes behind its end, at byte {reader.position}"
        examination.tell(TRAILING, content, message, identity="behind its end")


class _Container:
    """An object or array that is being read: of how many values, of which type, where it says so."""

    def __init__(self, is_object: bool, reader: Reader) -> None:
        self.is_object, self.form, self.left = is_object, b"", -1
        mark = _peek(reader)
        if mark == b"$":
            reader.take(1)
            self.form = reader.take(1)
            mark = _peek(reader)
            if mark != b"#":
                raise Unexamined(f"has a type without a count at byte {reader.position}")
        if mark == b"#":
            reader.take(1)
            self.left = _length(reader)
            if self.form not in _EMPTY and self.left > reader.size - reader.position:
                raise Unexamined(f"counts more values than there are bytes, at byte {reader.position}")
            if self.form in _EMPTY and self.left > 0:
                raise Unexamined(f"repeats an empty value at byte {reader.position}")
        if self.form in _SIZES and not is_object:
            reader.skip(self.left * _SIZES[self.form])
            self.left = 0

    def ends(self, reader: Reader) -> bool:
        """Whether there is no further value; if it goes by a bracket, the bracket is read."""
        if self.left >= 0:
            self.left -= 1
            return self.left < 0
        if _peek(reader) != (b"}" if self.is_object else b"]"):
            return False
        reader.take(1)
        return True


def _read(reader: Reader) -> None:
    containers: list[_Container] = []
    form = reader.take(1)
    while True:
        if form in (b"{", b"["):
            if len(containers) >= _DEEPEST:
                raise Unexamined(f"is nested deeper than {_DEEPEST} levels")
            containers.append(_Container(form == b"{", reader))
        else:
            _skip(form, reader)
        while containers and containers[-1].ends(reader):
            containers.pop()
        if not containers:
            return
        if containers[-1].is_object:
            _read_text(reader, _MAX_KEY)
        form = containers[-1].form or reader.take(1)


def _skip(form: bytes, reader: Reader) -> None:
    if form in _SIZES:
        reader.skip(_SIZES[form])
    elif form == b"S":
        reader.skip(_length(reader))
    elif form == b"H":
        _read_text(reader, _MAX_KEY)
    elif form not in _EMPTY:
        raise Unexamined(f"has a value of no known type at byte {reader.position - 1}")


def _read_text(reader: Reader, most: int) -> None:
    length = _length(reader)
    if length > most:
        raise Unexamined(f"has a name of {length} bytes at byte {reader.position}")
    reader.take(length).decode("utf-8")


def _length(reader: Reader) -> int:
    form = reader.take(1)
    if form not in _WHOLE:
        raise Unexamined(f"has a length of no known type at byte {reader.position - 1}")
    length = reader.number(_WHOLE[form])
    if length < 0:
        raise Unexamined(f"has a negative length at byte {reader.position}")
    return length


def _peek(reader: Reader) -> bytes:
    mark = reader.take(1)
    reader.position -= 1
    return mark
