# SPDX-License-Identifier: Apache-2.0
"""Pictures beside a model: walked from block to block to the last byte, never decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wardein.modelfiles.any_format import TRAILING
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined
from wardein.modelfiles.native.bytereader import WINDOW, Reader


@dataclass
class Picture:
    """A format of pictures.

    Attributes:
        kind: Which one it is.
        beginnings: What it begins with.
        walk: Finds its end: where the next byte would be.
    """

    kind: str
    beginnings: tuple[bytes, ...]
    walk: Callable[[Content], int]
    NAME: str = "picture"
    TEXT: bool = False

    def matches(self, content: Content, head: bytes) -> bool:
        """Whether it begins as one."""
        return head.startswith(self.beginnings) and (self.kind != "webp" or head[8:12] == b"WEBP")

    def examine(self, content: Content, examination: Examination) -> None:
        """Find its end, which is that of the content."""
        end = self.walk(content)
        if end < content.size:
            message = f"holds {content.size - end} bytes behind the picture, at byte {end}"
            examination.tell(TRAILING, content, message, identity="behind the picture")


def _png(content: Content) -> int:
    reader = Reader(content, 8, ">")
    while True:
        length, kind = reader.number("I"), reader.take(4)
        if not kind.isalpha():
            raise Unexamined(f"has a block of no name at byte {reader.position - 4}")
        reader.skip(length + 4)
        if kind == b"IEND":
            return reader.position


def _gif(content: Content) -> int:
    reader = Reader(content, 10)
    flags = reader.number("B")
    reader.skip(2 + (3 << (flags & 7) + 1 if flags & 0x80 else 0))
    while (kind := reader.number("B")) != 0x3B:
        if kind == 0x2C:
            reader.skip(8)
            flags = reader.number("B")
            reader.skip((3 << (flags & 7) + 1 if flags & 0x80 else 0) + 1)
        elif kind == 0x21:
            reader.skip(1)
        else:
            raise Unexamined(f"has a block of no known kind at byte {reader.position - 1}")
        while length := reader.number("B"):
            reader.skip(length)
    return reader.position


def _webp(content: Content) -> int:
    length = Reader(content, 4).number("I")
    if length + 8 > content.size:
        raise Unexamined("breaks off")
    reader = Reader(content, 12)
    while reader.position < length + 8:
        reader.skip(4)
        size = reader.number("I")
        reader.skip(size + (size & 1))
    return length + 8 + (length & 1)


def _jpeg(content: Content) -> int:
    reader = Reader(content, 2, ">")
    while True:
        if reader.number("B") != 0xFF:
            raise Unexamined(f"has no marker at byte {reader.position - 1}")
        marker = reader.number("B")
        while marker == 0xFF:
            marker = reader.number("B")
        if marker == 0xD9:
            return reader.position
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            continue
        reader.skip(reader.number("H") - 2)
        if marker == 0xDA:
            reader.position = _next_marker(content, reader.position)


def _next_marker(content: Content, position: int) -> int:
    """Where the compressed values of a scan end: at a marker that is none of those between them."""
    while position < content.size:
        window = content.at(position, WINDOW)
        at = window.find(b"\xff")
        while at >= 0 and at + 1 < len(window):
            if window[at + 1] not in (0x00, 0xFF) and not 0xD0 <= window[at + 1] <= 0xD7:
                return position + at
            at = window.find(b"\xff", at + 1)
        position += len(window) if at < 0 or at + 1 < len(window) else max(at, 1)
    raise Unexamined("breaks off in its values")


PICTURES = (
    Picture("png", (b"\x89PNG\r\n\x1a\n",), _png),
    Picture("jpeg", (b"\xff\xd8\xff",), _jpeg),
    Picture("gif", (b"GIF87a", b"GIF89a"), _gif),
    Picture("webp", (b"RIFF",), _webp),
)
