# SPDX-License-Identifier: Apache-2.0
"""What is in archives and compressed files, unpacked within bounds; nothing that is unpacked gets a name on disk."""

from __future__ import annotations

import bz2
import itertools
import lzma
import re
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, Literal, cast

from wardein.errors import WardeinError

MAX_MEMBERS = 100_000
MAX_UNPACKED = 1024**3
MAX_DEPTH = 4
_CHUNK = 1024 * 1024
# A few bytes can ask for a dictionary of 4 GiB; xz itself asks for 64 MiB at most.
_MEMORY = 256 * 1024 * 1024


class _Deflated:
    """The reader of zlib, as those of bz2 and lzma are used."""

    def __init__(self, bits: int) -> None:
        self._reader = zlib.decompressobj(bits)

    @property
    def eof(self) -> bool:
        """Whether the stream is at its end."""
        return self._reader.eof

    @property
    def needs_input(self) -> bool:
        """Whether all that was given is used up."""
        return not self._reader.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        """What came after the stream."""
        return self._reader.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """The next bytes."""
        return self._reader.decompress(self._reader.unconsumed_tail + data, max_length)


# What undoes each, one stream at a time: the readers of the standard library pass over what comes after the streams.
_COMPRESSED: dict[bytes, Callable[[], Any]] = {
    b"\x1f\x8b": lambda: _Deflated(31),
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\x00": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _MEMORY),
    b"\x5d\x00\x00": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, _MEMORY),
    **{bytes((0x78, level)): lambda: _Deflated(15) for level in (0x01, 0x5E, 0x9C, 0xDA)},
}
# These begin with bytes that other files begin with too, so they are tried.
_COMMON = (b"\x5d\x00\x00", b"\x78")
_CLOSED = {
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "RAR",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"\x04\x22\x4d\x18": "LZ4",
    b"\x1f\x9d": "compress",
    b"LZIP": "lzip",
    b"# v2 git bundle\n": "git bundle",
    b"# v3 git bundle\n": "git bundle",
    b"PACK\0\0\0\2": "git pack",
    b"PACK\0\0\0\3": "git pack",
}
_CPIO = re.compile(rb"07070[12][0-9A-Fa-f]{104}|070707[0-7]{70}")
_AR = b"!<arch>\n"
_OUTSIDE = "what is outside of its members"
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
    if _decompressor(start) is not None:
        return "compressed"
    if start.startswith(_AR):
        return "ar"
    for magic, name in _CLOSED.items():
        if start.startswith(magic):
            return name
    if _CPIO.match(start) or _is_binary_cpio(start):
        return "cpio"
    if start[257:262] == b"ustar" or _is_tar(start):
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
            yield from _decompressed(stream, budget)
        elif kind == "ar":
            yield from _ar(stream, budget)
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
        yield from _unclaimed(stream, _ends(stream, archive, infos), budget, is_usual=True)
        for info in infos:
            if info.is_dir() and not info.file_size and not info.compress_size:
                continue
            if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
                yield info.filename, WardeinError("has another size than the archive says")
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
        claimed: list[tuple[int, int]] = []
        for number, info in enumerate(archive):
            if number >= MAX_MEMBERS:
                raise WardeinError(f"holds more than {MAX_MEMBERS} files")
            claimed.append((info.offset, int(archive.offset)))
            # Others write what they do not know to a file as well.
            is_file = info.isreg() or info.type not in tarfile.SUPPORTED_TYPES
            inner = archive.extractfile(info) if is_file else None
            if inner is not None:
                yield info.name, _spooled(inner, budget)
        yield from _unclaimed(stream, claimed, budget)


def _decompressor(start: bytes) -> Any:
    """A new reader of one compressed stream that begins so; None if none does."""
    make = next((make for magic, make in _COMPRESSED.items() if start.startswith(magic)), None)
    if make is not None and start.startswith(_COMMON):
        trial = make()
        try:
            said = trial.decompress(start, _CHUNK)
        except _BROKEN as error:
            return make() if "Memory" in str(error) else None
        if not trial.eof and (not said or len(start) < 512):
            return None
    return make() if make is not None else None


def _decompressed(stream: BinaryIO, budget: Budget) -> Iterator[tuple[str, BinaryIO | WardeinError]]:
    """The streams, one after the other, as one file; then what comes after them."""
    spool, end = _spool(), 0
    while (reader := _decompressor(_at(stream, end))) is not None:
        stream.seek(end)
        while not reader.eof:
            needed = reader.needs_input
            chunk = stream.read(_CHUNK) if needed else b""
            said = reader.decompress(chunk, _CHUNK)
            if needed and not chunk and not said:
                raise EOFError
            budget.take(len(said))
            spool.write(said)
        end = _next(stream, stream.tell() - len(reader.unused_data))
    spool.seek(0)
    yield "", spool
    yield from _unclaimed(stream, [(0, end)], budget)


def _next(stream: BinaryIO, offset: int) -> int:
    """Where the zeros end that may fill up what was written."""
    stream.seek(offset)
    while chunk := stream.read(_CHUNK):
        if rest := chunk.lstrip(b"\0"):
            return stream.tell() - len(rest)
    return stream.tell()


def _ar(stream: BinaryIO, budget: Budget) -> Iterator[tuple[str, BinaryIO | WardeinError]]:
    end = len(_AR)
    for number in itertools.count():
        header = _at(stream, end, 60)
        if header[58:] != b"`\n" or not header[48:58].strip().isdigit():
            break
        if number >= MAX_MEMBERS:
            raise WardeinError(f"holds more than {MAX_MEMBERS} files")
        size = int(header[48:58])
        yield header[:16].decode("latin-1").strip(" /"), _copied(stream, end + 60, end + 60 + size, budget)
        end += 60 + size + size % 2
    yield from _unclaimed(stream, [(0, end)], budget)


def _ends(stream: BinaryIO, archive: zipfile.ZipFile, infos: Sequence[zipfile.ZipInfo]) -> list[tuple[int, int]]:
    """From where to where the members of a zip archive, and its directory, go."""
    claimed = []
    for info in infos:
        header = _at(stream, info.header_offset, 30)
        if len(header) == 30:
            names = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
            described = 24 if info.flag_bits & 0x8 else 0
            end = info.header_offset + 30 + names + info.compress_size
            claimed.append((info.header_offset, end + described))
    size = stream.seek(0, 2)
    tail = _at(stream, max(size - 65557, 0), 65557)
    last = len(tail) - 22 if tail[-22:-18] == b"PK\5\6" and tail[-2:] == b"\0\0" else tail.rfind(b"PK\5\6")
    return [*claimed, (archive.start_dir, size - len(tail) + last + 22)]


def _unclaimed(
    stream: BinaryIO, claimed: Sequence[tuple[int, int]], budget: Budget, *, is_usual: bool = False
) -> Iterator[tuple[str, BinaryIO | WardeinError]]:
    """What lies before, between and behind the members: another archive, or something else.

    Args:
        stream: The archive.
        claimed: From where to where its members go.
        budget: How much may be unpacked.
        is_usual: Whether something else may be there, as a program is before a zip archive: it is searched as it is.
    """
    size, begin = stream.seek(0, 2), 0
    for start, end in [*sorted(claimed), (size, size)]:
        if start > begin and (first := _next(stream, begin)) < start:
            rest = _copied(stream, first, start, budget)
            if kind_of(rest):
                yield _OUTSIDE, rest
            elif not is_usual:
                yield _OUTSIDE, WardeinError("cannot be read: it belongs to none of them")
        begin = max(begin, end)


def _copied(stream: BinaryIO, start: int, end: int, budget: Budget) -> BinaryIO:
    """A part of it.

    Raises:
        EOFError: If it is cut off.
    """
    spool = _spool()
    while start < end:
        chunk = _at(stream, start, min(end - start, _CHUNK))
        if not chunk:
            raise EOFError
        budget.take(len(chunk))
        spool.write(chunk)
        start += len(chunk)
    spool.seek(0)
    return spool


def _at(stream: BinaryIO, offset: int, length: int = 512) -> bytes:
    stream.seek(offset)
    return stream.read(length)


def _is_tar(start: bytes) -> bool:
    """Whether it begins with the header of a member, which has a checksum; old ones have no mark."""
    try:
        return bool(tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape").name)
    except (tarfile.TarError, ValueError):
        return False


def _is_binary_cpio(start: bytes) -> bool:
    order: Literal["little", "big"] = "little" if start.startswith(b"\xc7\x71") else "big"
    if not start.startswith((b"\xc7\x71", b"\x71\xc7")):
        return False
    name = start[26 : 26 + int.from_bytes(start[20:22], order)]
    return len(name) > 1 and name.endswith(b"\0") and b"\0" not in name[:-1]


def _spooled(inner: IO[bytes], budget: Budget) -> BinaryIO:
    """A copy that can be read twice; in memory if it is small."""
    spool = _spool()
    while chunk := inner.read(_CHUNK):
        budget.take(len(chunk))
        spool.write(chunk)
    spool.seek(0)
    return spool


def _spool() -> BinaryIO:
    """What is in memory as long as it is small; closed by whoever reads it."""
    return cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=32 * _CHUNK))


def _start(stream: BinaryIO, length: int) -> bytes:
    stream.seek(0)
    start = stream.read(length)
    stream.seek(0)
    return start
