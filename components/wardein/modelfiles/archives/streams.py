# SPDX-License-Identifier: Apache-2.0
"""Compressed files: one stream, from the first byte to the last, of which the content is examined."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from wardein.modelfiles import any_format
from wardein.modelfiles.archives import decoders
from wardein.modelfiles.archives.decoders import Decoder, Unpacking
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined

_BEHIND = "behind a compressed stream"


@dataclass
class Stream:
    """One way of compressing a file.

    Attributes:
        NAME: What it is called.
        looks: Whether a file begins so.
        begin: Where the stream begins and ends in the file, and what undoes it.
    """

    NAME: str
    looks: Callable[[bytes], bool]
    begin: Callable[[Content], tuple[int, int, Decoder]]
    TEXT: bool = False

    def matches(self, content: Content, head: bytes) -> bool:
        """Whether the content begins as such a stream does."""
        return self.looks(head)

    def examine(self, content: Content, examination: Examination) -> None:
        """Examine what the stream unpacks to.

        Raises:
            Unexamined: If it is damaged, or unpacks to too much.
        """
        name = content.name.rpartition(".")[0] or content.name
        try:
            start, end, decoder = self.begin(content)
            unpacking = Unpacking(content.window(start, end - start, "stream"), decoder)
            with examination.unpacked(content, "content", name, unpacking) as inner:
                if rest := unpacking.rest + content.size - end:
                    message = f"is followed by {rest} bytes, of which readers take some or none"
                    examination.tell(any_format.TRAILING, content, message, identity=_BEHIND)
                examination.examine(inner)
        except decoders.BROKEN as error:
            raise Unexamined(f"the stream is damaged ({type(error).__name__})") from None


def _whole(make: Callable[[], Decoder]) -> Callable[[Content], tuple[int, int, Decoder]]:
    """A stream that begins at the first byte, and says itself where it ends."""
    return lambda content: (0, content.size, make())


def _zstandard(content: Content) -> tuple[int, int, Decoder]:
    end, decoder = decoders.zstandard_frame(content)
    return end, end, decoder


# What joblib wrote before version 0.10: "ZF", the size in hexadecimal, filled up with spaces to 19 characters.
_OLD_HEADER = 21


def _is_old_joblib(head: bytes) -> bool:
    return head.startswith(b"ZF") and head[_OLD_HEADER : _OLD_HEADER + 2].strip(b" ").startswith(b"x")


def _old_joblib(content: Content) -> tuple[int, int, Decoder]:
    size = int(content.at(2, _OLD_HEADER - 2), 16)
    start = _OLD_HEADER + (content.at(_OLD_HEADER, 1) == b" ")
    return start, content.size, _Sized(decoders.zlib_stream(), size)


class _Sized:
    """A stream of which the size is known, and must be the right one."""

    def __init__(self, decoder: Decoder, size: int) -> None:
        self._decoder, self._left = decoder, size

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def needs_input(self) -> bool:
        return self._decoder.needs_input

    @property
    def unused_data(self) -> bytes | None:
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        said = self._decoder.decompress(data, max_length)
        self._left -= len(said)
        if self._left < 0 or (self.eof and self._left):
            raise ValueError("another size than it says")
        return said


def _is_zlib(head: bytes) -> bool:
    """Whether it begins with a zlib stream; ``x`` is also how many a text begins."""
    if len(head) < 2 or head[0] != 0x78 or head[1] not in (0x01, 0x5E, 0x9C, 0xDA):
        return False
    try:
        zlib.decompressobj(15).decompress(head, 1)
    except zlib.error:
        return head[1] != 0x5E
    return True


def _is_lzma_alone(head: bytes) -> bool:
    """Whether it begins as the format before xz: settings, the size of a window, the size of the content."""
    size = head[5:13]
    return head[:2] == b"\x5d\0" and len(head) > 13 and (size == b"\xff" * 8 or size.endswith(b"\0\0"))


def _begins(*magics: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magics)


def _bzip2s() -> Iterator[bytes]:
    for level in range(1, 10):
        yield b"BZh%d1AY&SY" % level
        yield b"BZh%d\x17\x72\x45\x38\x50\x90" % level


STREAMS = (
    Stream("gzip", _begins(b"\x1f\x8b\x08"), _whole(decoders.gzip_member)),
    Stream("bzip2", _begins(*_bzip2s()), _whole(decoders.bzip2)),
    Stream("xz", _begins(b"\xfd7zXZ\x00"), _whole(decoders.xz)),
    Stream("lzma", _is_lzma_alone, _whole(decoders.lzma_alone)),
    Stream("zlib", _is_zlib, _whole(decoders.zlib_stream)),
    Stream("zlib", _is_old_joblib, _old_joblib),
    Stream("lz4", _begins(b"\x04\x22\x4d\x18"), _whole(decoders.lz4_frame)),
    Stream("zstandard", _begins(b"\x28\xb5\x2f\xfd"), _zstandard),
)
