# SPDX-License-Identifier: Apache-2.0
"""GGUF: settings and a vocabulary, a table of tensors, then their bytes at aligned places."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

from wardein.modelfiles.any_format import TRAILING
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined, shown
from wardein.modelfiles.native.bytereader import Reader
from wardein.modelfiles.native.settings import examine_setting, is_wanted
from wardein.modelfiles.native.templates import examine_template, looks_like_one

NAME = "gguf"
TEXT = False

MAX_SETTINGS = 100_000
MAX_TENSORS = 500_000
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9
# How many values a block of each tensor type holds, and how many bytes it takes.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82),
    23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2),
    34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18),
}  # fmt: skip


def matches(content: Content, head: bytes) -> bool:
    """Whether it begins with the format's four letters."""
    return head.startswith(b"GGUF")


def examine(content: Content, examination: Examination) -> None:
    """Read the settings and the table, and account for every byte of the tensors, which are not read."""
    version = struct.unpack("<I", content.at(4, 4))[0]
    order = "<" if version & 0xFFFF else ">"
    reader = _Reader(content, order)
    version = reader.number("I")
    if version not in (1, 2, 3):
        raise Unexamined(f"is of version {version}, which is not known")
    reader.length = "I" if version == 1 else "Q"
    tensors, settings = reader.number(reader.length), reader.number(reader.length)
    if tensors > MAX_TENSORS or settings > MAX_SETTINGS:
        raise Unexamined("has more tensors or settings than any model")
    alignment = 32
    keys = set()
    for _ in range(settings):
        key = reader.text()
        if key in keys:
            raise Unexamined(f"has the setting {shown(key)} twice")
        keys.add(key)
        value = _read_setting(reader, key, content, examination)
        if key == "general.alignment":
            alignment = value or 0
    if not 1 <= alignment <= 1 << 20:
        raise Unexamined(f"aligns its tensors to {alignment} bytes")
    spans = [_span(reader) for _ in range(tensors)]
    _check_order(sorted(spans), content, examination, reader.position, alignment)


class _Reader(Reader):
    """Reads this format's texts."""

    def __init__(self, content: Content, order: str) -> None:
        super().__init__(content, 4, order)
        self.order, self.length = order, "Q"

    def text(self) -> str:
        """The next text; what is not UTF-8 in it is shown escaped."""
        return self.take(self.number(self.length)).decode("utf-8", "backslashreplace")

    def texts(self, count: int) -> Iterator[bytes]:
        """So many texts."""
        if count * struct.calcsize(self.length) > self.size - self.position:
            raise Unexamined("breaks off in an array")
        length = struct.Struct(self.order + self.length)
        for _ in range(count):
            at = self.position - self.start
            if at + length.size > len(self.window):
                yield self.take(self.number(self.length))
                continue
            begins = at + length.size
            ends = begins + length.unpack_from(self.window, at)[0]
            if ends > len(self.window):
                yield self.take(self.number(self.length))
            else:
                self.position += ends - at
                yield self.window[begins:ends]


def _read_setting(reader: _Reader, key: str, content: Content, examination: Examination) -> int | None:
    """Read a setting's value and examine it; of a whole number, the value."""
    form = reader.number("I")
    if form == _TEXT:
        _examine_text(key, reader.text(), content, examination)
    elif form == _ARRAY:
        _read_array(reader, key, content, examination, 0)
    elif form in _NUMBERS:
        if _NUMBERS[form] in "fd":
            reader.skip(struct.calcsize(_NUMBERS[form]))
        else:
            return reader.number(_NUMBERS[form])
    else:
        raise Unexamined(f"has a setting {shown(key)} of a type that is not known")
    return None


def _read_array(reader: _Reader, key: str, content: Content, examination: Examination, depth: int) -> None:
    form, count = reader.number("I"), reader.number(reader.length)
    if form in _NUMBERS:
        reader.skip(count * struct.calcsize(_NUMBERS[form]))
    elif form == _TEXT:
        for text in reader.texts(count):
            if b"{" in text and (b"{{" in text or b"{%" in text) and "template" in key:
                _examine_text(key, text.decode("utf-8", "backslashreplace"), content, examination)
    elif form == _ARRAY and depth < 4:
        if count > MAX_SETTINGS:
            raise Unexamined("has too many arrays in an array")
        for _ in range(count):
            _read_array(reader, key, content, examination, depth + 1)
    else:
        raise Unexamined(f"has an array {shown(key)} of a type that is not known")


def _examine_text(key: str, text: str, content: Content, examination: Examination) -> None:
    # Whatever a template is called here: every text that reads as one is examined as one.
    if looks_like_one(text):
        examine_template(text, content, examination, key)
    elif is_wanted(key):
        examine_setting(key, text, content, examination)


def _span(reader: _Reader) -> tuple[int, int]:
    """Where the next tensor of the table begins, and how many bytes it takes."""
    name = reader.text()
    dimensions = reader.number("I")
    if dimensions > 8:
        raise Unexamined(f"has a tensor {shown(name)} of {dimensions} dimensions")
    shape = [reader.number(reader.length) for _ in range(dimensions)]
    form, start = reader.number("I"), reader.number("Q")
    if form not in _BLOCKS:
        raise Unexamined(f"has a tensor {shown(name)} of the type {form}, which is not known")
    values, size = _BLOCKS[form]
    count = math.prod(shape)
    if shape and shape[0] % values:
        raise Unexamined(f"has a tensor {shown(name)} whose rows are no whole blocks")
    return start, count // values * size


def _check_order(
    spans: list[tuple[int, int]], content: Content, examination: Examination, header: int, alignment: int
) -> None:
    def aligned(offset: int) -> int:
        return -(-offset // alignment) * alignment

    base = aligned(header) if spans else header
    _check_padding(content, examination, header, min(base, content.size))
    position = base
    for start, size in spans:
        if base + start < position or start % alignment:
            raise Unexamined("has tensors that overlap, or are not aligned")
        if base + start + size > content.size:
            raise Unexamined("breaks off: tensors go on behind its end")
        _check_padding(content, examination, position, base + start, alignment)
        position = base + start + size
    _check_padding(content, examination, position, content.size, alignment)


def _check_padding(content: Content, examination: Examination, start: int, end: int, alignment: int = 1 << 20) -> None:
    """Between two tensors there are fewer bytes than the alignment, and they are zero."""
    if end - start >= alignment or content.at(start, end - start).strip(b"\0"):
        message = f"holds {end - start} bytes that belong to no tensor, at byte {start}"
        examination.tell(TRAILING, content, message, identity="between tensors")
