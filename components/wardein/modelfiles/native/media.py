# SPDX-License-Identifier: Apache-2.0
"""Sound and film beside a model: walked from block to block to the last byte, never decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wardein.modelfiles.any_format import TRAILING
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined
from wardein.modelfiles.native.bytereader import Reader

_MAX_BLOCKS = 500_000


@dataclass
class Medium:
    """A format of sound or film.

    Attributes:
        mark: What stands near its beginning.
        at: Where.
        walk: Finds its end: where the next byte would be.
    """

    mark: bytes
    at: int
    walk: Callable[[Content], int]
    NAME: str = "media"
    TEXT: bool = False

    def matches(self, content: Content, head: bytes) -> bool:
        """Whether the mark is there; of RIFF only the kind that is sound."""
        return head[self.at : self.at + 4] == self.mark and (self.mark != b"WAVE" or head[:4] == b"RIFF")

    def examine(self, content: Content, examination: Examination) -> None:
        """Find its end, which is that of the content."""
        end = self.walk(content)
        if end < content.size:
            message = f"holds {content.size - end} bytes behind its end, at byte {end}"
            examination.tell(TRAILING, content, message, identity="behind its end")


def _wave(content: Content) -> int:
    length = Reader(content, 4).number("I")
    if length + 8 > content.size:
        raise Unexamined("breaks off")
    reader = Reader(content, 12)
    for _ in range(_MAX_BLOCKS):
        if reader.position >= length + 8:
            return reader.position
        reader.skip(4)
        size = reader.number("I")
        reader.skip(min(size + (size & 1), max(size, content.size - reader.position)))
    raise Unexamined(f"has more than {_MAX_BLOCKS} blocks")


def _film(content: Content) -> int:
    reader = Reader(content, order=">")
    for _ in range(_MAX_BLOCKS):
        if reader.position >= content.size:
            return reader.position
        begin, size, kind = reader.position, reader.number("I"), reader.take(4)
        if not kind.isalnum():
            raise Unexamined(f"has a block of no name at byte {begin}")
        if size == 0:
            return content.size
        if size == 1:
            size = reader.number("Q")
        reader.skip(begin + size - reader.position)
    raise Unexamined(f"has more than {_MAX_BLOCKS} blocks")


MEDIA = (Medium(b"WAVE", 8, _wave), Medium(b"ftyp", 4, _film))
