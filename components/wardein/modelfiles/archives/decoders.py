# SPDX-License-Identifier: Apache-2.0
"""Undoing one compressed stream in bounded steps, and knowing where exactly it ended."""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol, cast

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Unexamined

# Small, as what a stream makes of it can be a thousand times larger; and what comes out at once.
_IN, _OUT = 64 * 1024, 1024 * 1024
# xz asks for 64 MiB at most by itself; a few bytes could ask for 4 GiB.
MOST_MEMORY = 80 * 1024 * 1024
_LARGEST_WINDOW = 64 * 1024 * 1024
INSTALL = "install it with: pip install 'wardein[scan]'"
BROKEN = (
    *(ValueError, LookupError, EOFError, OSError, RuntimeError, ArithmeticError, TypeError),
    *(struct.error, zlib.error, lzma.LZMAError),
)


class Decoder(Protocol):
    """What undoes one stream, as the readers of bz2 and lzma are used."""

    @property
    def eof(self) -> bool:
        """Whether the stream is at its end."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether all that was given is used up."""
        ...

    @property
    def unused_data(self) -> bytes | None:
        """What came after the stream."""
        ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """The next bytes."""
        ...


class _Deflate:
    """The reader of zlib, as those of bz2 and lzma are used."""

    def __init__(self, bits: int) -> None:
        self._reader = zlib.decompressobj(bits)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._reader.eof

    @property
    def needs_input(self) -> bool:
        return not self._full and not self._reader.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._reader.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        said = self._reader.decompress(self._reader.unconsumed_tail + data, max_length)
        self._full = len(said) == max_length
        return said


class _Copy:
    """Bytes that are as they are."""

    eof, needs_input, unused_data = False, True, b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return data


class Unpacking:
    """One compressed stream, unpacked while it is iterated over.

    Attributes:
        size: How many bytes came out so far.
        crc: Their CRC-32.
        rest: How many bytes of the content the stream has left unread; known at its end.
    """

    def __init__(self, content: Content, decoder: Decoder, size: int | None = None) -> None:
        """Begin at the first byte of a content.

        Args:
            content: The stream.
            decoder: What undoes it.
            size: How many bytes come out; for streams that cannot tell where they end.
        """
        self._content, self._decoder, self._expected = content, decoder, size
        self.size = self.crc = self.rest = 0

    def __iter__(self) -> Iterator[bytes]:
        decoder, position, size = self._decoder, 0, self._content.size
        while not decoder.eof:
            asked = decoder.needs_input
            chunk = self._content.at(position, _IN) if asked else b""
            position += len(chunk)
            said = decoder.decompress(chunk, _OUT)
            if asked and not said and not chunk and not decoder.eof:
                if self.size == self._expected and position == size:
                    break
                raise EOFError("the stream breaks off")
            if said:
                self.size += len(said)
                self.crc = zlib.crc32(said, self.crc)
                yield said
        self.rest = size - position + len(decoder.unused_data or b"")


def deflate() -> Decoder:
    """A bare deflate stream."""
    return _Deflate(-15)


def zlib_stream() -> Decoder:
    """A zlib stream, with its checksum."""
    return _Deflate(15)


def gzip_member() -> Decoder:
    """One member of a gzip file, with its header and checksum."""
    return _Deflate(31)


def bzip2() -> Decoder:
    """One bzip2 stream."""
    return bz2.BZ2Decompressor()


def xz() -> Decoder:
    """One xz stream."""
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, MOST_MEMORY)


def lzma_alone() -> Decoder:
    """A stream of the format before xz."""
    return lzma.LZMADecompressor(lzma.FORMAT_ALONE, MOST_MEMORY)


def copy() -> Decoder:
    """Bytes that are as they are."""
    return _Copy()


def lz4_frame() -> Decoder:
    """One LZ4 frame.

    Raises:
        Unexamined: If the library is missing.
    """
    try:
        import lz4.frame  # type: ignore[import-untyped]
    except ImportError:
        raise Unexamined(f"needs the library lz4; {INSTALL}") from None
    return cast(Decoder, lz4.frame.LZ4FrameDecompressor())


def raw_lzma(filters: list[dict[str, Any]]) -> Decoder:
    """A bare LZMA stream, as other containers hold it.

    Raises:
        Unexamined: If it asks for more memory than is given.
    """
    if any(int(step.get("dict_size", 0)) > _LARGEST_WINDOW for step in filters):
        raise Unexamined("asks for more memory than is given to unpack it")
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)


def lzma1_filter(properties: bytes) -> dict[str, Any]:
    """The settings of LZMA out of the five bytes that containers have for them.

    Raises:
        ValueError: If there are none such.
    """
    if len(properties) != 5 or properties[0] >= 9 * 5 * 5:
        raise ValueError("no settings of LZMA")
    settings, window = properties[0], int.from_bytes(properties[1:], "little")
    lc, lp, pb = settings % 9, settings // 9 % 5, settings // 45
    return {"id": lzma.FILTER_LZMA1, "dict_size": max(window, 4096), "lc": lc, "lp": lp, "pb": pb}


def zip_lzma(content: Content) -> tuple[Content, Decoder]:
    """The stream of a zip member that is packed by LZMA: its settings come first."""
    length = int.from_bytes(content.at(2, 2), "little")
    settings = lzma1_filter(content.at(4, length))
    return content.window(4 + length, content.size - 4 - length, "stream"), raw_lzma([settings])


class _Zstandard:
    """A frame of Zstandard: its blocks say how long it is, so that the library may read ahead."""

    needs_input = False
    unused_data = b""

    def __init__(self, frame: BinaryIO, reader: Any, error: type[Exception]) -> None:
        self._frame, self._reader, self._error, self.eof = frame, reader, error, False

    def decompress(self, data: bytes, max_length: int) -> bytes:
        try:
            said = self._reader.read(max_length)
        except self._error as error:
            raise ValueError(str(error)) from None
        self.eof = not said
        return cast(bytes, said)


def zstandard_frame(content: Content) -> tuple[int, Decoder]:
    """One frame of Zstandard, which is read by what undoes it, and where it ends.

    Raises:
        Unexamined: If the library is missing.
        ValueError: If it is damaged.
    """
    try:
        import zstandard
    except ImportError:
        raise Unexamined(f"needs the library zstandard; {INSTALL}") from None
    end = _end_of_frame(content)
    frame = content.window(0, end, "frame").open()
    reader = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    return end, _Zstandard(frame, reader.stream_reader(frame, read_across_frames=False), zstandard.ZstdError)


def _end_of_frame(content: Content) -> int:
    descriptor = content.at(4, 1)[0]
    single, checksum = descriptor >> 5 & 1, descriptor >> 2 & 1
    sizes = (single, 2, 4, 8)[descriptor >> 6]
    position = 5 + (not single) + (0, 1, 2, 4)[descriptor & 3] + sizes
    last = 0
    while not last:
        head = content.at(position, 3)
        if len(head) < 3:
            raise EOFError("a frame that breaks off")
        block = int.from_bytes(head, "little")
        last, kind, length = block & 1, block >> 1 & 3, block >> 3
        if kind == 3:
            raise ValueError("a block of no known kind")
        position += 3 + (1 if kind == 1 else length)
    position += 4 * checksum
    if position > content.size:
        raise EOFError("a frame that breaks off")
    return position
