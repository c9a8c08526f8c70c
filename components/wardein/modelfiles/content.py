# SPDX-License-Identifier: Apache-2.0
"""A run of bytes under examination: a file, or a member that lies in one as it is. Read in place, never held whole."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from wardein.scan.tree import File

_BUFFER = 256 * 1024


@dataclass(frozen=True)
class Content:
    """Bytes from ``start`` on of an open file.

    Attributes:
        path: The file's path in the model folder; of a model that is one file, its name.
        part: Which member of the file it is, from the outside in, for example ``archive/data.pkl``; empty for the file.
        name: Its own last name, a hint at most: what it is, its bytes decide.
        descriptor: The open file that holds it.
        start: Where it begins in that file, in bytes.
        size: How many bytes there are.
        depth: How many containers are around it.
    """

    path: str
    part: str
    name: str
    descriptor: int
    start: int
    size: int
    depth: int = 0

    @property
    def label(self) -> str:
        """The path and the member, as people read it."""
        return f"{self.path}, {self.part}" if self.part else self.path

    def at(self, offset: int, length: int) -> bytes:
        """The bytes at an offset; fewer where the content ends."""
        length = min(length, self.size - offset)
        if length <= 0 or offset < 0:
            return b""
        read = os.pread(self.descriptor, length, self.start + offset)
        while len(read) < length and (
            more := os.pread(self.descriptor, length - len(read), self.start + offset + len(read))
        ):
            read += more
        return read

    def window(self, offset: int, size: int, part: str, name: str = "") -> Content:
        """A member that lies in this content as it is.

        Raises:
            ValueError: If it would lie outside.
        """
        if offset < 0 or size < 0 or offset + size > self.size:
            raise ValueError(f"{part!r} would lie outside of what holds it")
        return Content(
            self.path, self._inner(part), name or part, self.descriptor, self.start + offset, size, self.depth + 1
        )

    def held(self, part: str, name: str, descriptor: int, size: int) -> Content:
        """A member that was unpacked into an open file of its own."""
        return Content(self.path, self._inner(part), name, descriptor, 0, size, self.depth + 1)

    def open(self) -> BinaryIO:
        """The bytes as a stream that can be read and sought in."""
        return io.BufferedReader(_Reader(self), _BUFFER)

    def _inner(self, part: str) -> str:
        return f"{self.part} » {part}" if self.part else part


@contextmanager
def opened(file: File) -> Iterator[Content]:
    """A file as a content, for as long as the context lasts."""
    with file.real.open("rb") as stream:
        yield Content(file.path, "", file.name, stream.fileno(), 0, file.bytes)


class _Reader(io.RawIOBase):
    def __init__(self, content: Content) -> None:
        self._content, self._position = content, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        read = self._content.at(self._position, len(buffer))
        buffer[: len(read)] = read
        self._position += len(read)
        return len(read)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._content.size}[whence]
        if self._position < 0:
            raise OSError(errno.EINVAL, "a position before the beginning")
        return self._position

    def tell(self) -> int:
        return self._position
