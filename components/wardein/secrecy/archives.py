# SPDX-License-Identifier: Apache-2.0
"""What is in archives and compressed files, unpacked within bounds; nothing that is unpacked gets a name on disk."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, cast

from wardein.errors import WardeinError

MAX_MEMBERS = 100_000
MAX_UNPACKED = 1024**3
MAX_DEPTH = 4
_CHUNK = 1024 * 1024
_COMPRESSED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_CLOSED = {
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "RAR",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"\x04\x22\x4d\x18": "LZ4",
    b"\x1f\x9d": "compress",
}
_BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError, ValueError, KeyError)


@dataclass
class Budget:
    """How many bytes may still be unpacked from one file of the source folder."""

    left: int

    def take(self, amount: int) -> None:
        """Use some of it up.

        Raises:
            WardeinError: If there is none left.
        """
        self.left -= amount
        if self.left < 0:
            raise WardeinError("unpacks to more than can be searched")


def kind_of(stream: BinaryIO) -> str:
    """``zip``, ``tar``, ``compressed``, the name of a kind that cannot be opened, or empty for no archive."""
    start = _start(stream, 512)
    if start.startswith(tuple(_COMPRESSED)):
        return "compressed"
    for magic, name in _CLOSED.items():
        if start.startswith(magic):
            return name
    if start[257:262] == b"ustar":
        return "tar"
    return "zip" if start.startswith(b"PK\x03\x04") or _ends_with_zip(stream) else ""


def _ends_with_zip(stream: BinaryIO) -> bool:
    """Whether a zip archive is appended; what only mentions the marks of one, as this module's own code, has none."""
    try:
        if not zipfile.is_zipfile(stream):
            return False
        stream.seek(0)
        with zipfile.ZipFile(stream) as archive:
            return bool(archive.infolist())
    except _BROKEN:
        return False
    finally:
        stream.seek(0)


def members(stream: BinaryIO, kind: str, budget: Budget) -> Iterator[tuple[str, BinaryIO | WardeinError]]:
    """The files in an archive; in place of one that cannot be read, why.

    Raises:
        WardeinError: If the archive as a whole cannot be read, or is too large.
    """
    try:
        if kind == "compressed":
            start = _start(stream, 6)
            opened = next(o for magic, o in _COMPRESSED.items() if start.startswith(magic))
            with opened(stream) as inner:
                yield "", _spooled(cast("IO[bytes]", inner), budget)
        elif kind == "zip":
            yield from _zipped(stream, budget)
        elif kind == "tar":
            yield from _tarred(stream, budget)
        else:
            raise WardeinError(f"is an archive of a kind that cannot be opened ({kind})")
    except _BROKEN as error:
        raise WardeinError(f"is a broken archive ({type(error).__name__})") from None


def _zipped(stream: BinaryIO, budget: Budget) -> Iterator[tuple[str, BinaryIO | WardeinError]]:
    with zipfile.ZipFile(stream) as archive:
        infos = archive.infolist()
        if len(infos) > MAX_MEMBERS:
            raise WardeinError(f"holds more than {MAX_MEMBERS} files")
        for info in infos:
            if info.is_dir() and not info.file_size:
                continue
            if info.flag_bits & 0x1:
                yield info.filename, WardeinError("is encrypted")
                continue
            try:
                with archive.open(info) as inner:
                    yield info.filename, _spooled(inner, budget)
            except (*_BROKEN, NotImplementedError, RuntimeError) as error:
                yield info.filename, WardeinError(f"cannot be unpacked ({type(error).__name__})")


def _tarred(stream: BinaryIO, budget: Budget) -> Iterator[tuple[str, BinaryIO | WardeinError]]:
    # What comes after the archive's end, or after a header that is broken, is read as well.
    with tarfile.open(fileobj=stream, mode="r:", ignore_zeros=True) as archive:
        for number, info in enumerate(archive):
            if number >= MAX_MEMBERS:
                raise WardeinError(f"holds more than {MAX_MEMBERS} files")
            inner = archive.extractfile(info) if info.isreg() else None
            if inner is not None:
                yield info.name, _spooled(inner, budget)


def _spooled(inner: IO[bytes], budget: Budget) -> BinaryIO:
    """A copy that can be read twice; in memory if it is small."""
    spool = tempfile.SpooledTemporaryFile(max_size=32 * _CHUNK)  # noqa: SIM115 - closed by whoever reads it
    while chunk := inner.read(_CHUNK):
        budget.take(len(chunk))
        spool.write(chunk)
    spool.seek(0)
    return cast("BinaryIO", spool)


def _start(stream: BinaryIO, length: int) -> bytes:
    stream.seek(0)
    start = stream.read(length)
    stream.seek(0)
    return start
