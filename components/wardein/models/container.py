# SPDX-License-Identifier: Apache-2.0
"""What a model file is, decided from its first byte and held to its last.

A file that is one thing for whoever reads it from the front and another for whoever reads it from the back is
two models. Therefore an archive starts at the first byte, its members lie side by side as its directory says, and
nothing follows it; and a stream is a single one that ends where the file ends.
"""

from __future__ import annotations

import bz2
import io
import lzma
import os
import re
import struct
import zipfile
import zlib
from typing import Any, BinaryIO

from wardein.modelfiles.content import Content

ARCHIVE = b"PK\x03\x04"
MAX_UNPACKED = 8 * 1024**3
_BUFFER = 256 * 1024
_CHUNK = 16 * 1024  # small, as what a stream makes of it can be thousands of times larger
# The beginnings by which joblib knows its compressors.
_COMPRESSIONS: dict[bytes, Any] = {
    b"\x78": lambda: zlib.decompressobj(15),
    b"\x1f\x8b": lambda: zlib.decompressobj(31),
    b"BZ": bz2.BZ2Decompressor,
    b"\xfd\x37\x7a\x58\x5a": lzma.LZMADecompressor,
    b"\x5d\x00": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE),
    b"\x04\x22\x4d\x18": lambda: _lz4(),
}
_LOCAL, _END, _END64, _LOCATOR64 = "<4s5H3L2H", "<4s4H2LH", "<4sQ2H2L4Q", "<4sLQL"
_HUGE = 0xFFFFFFFF
# Names in UTF-8, and an LZMA stream that ends with a marker: all that skops' writer ever sets.
_FLAGS = 0x800 | 0x2


class Refused(Exception):
    """A model file that is not loaded.

    Attributes:
        mend: What to do about it; empty if saving the model again is all there is to say.
    """

    def __init__(self, what: str, mend: str = "") -> None:
        super().__init__(what)
        self.mend = mend


def is_archive(content: Content) -> bool:
    """Whether a file is a zip archive from its first byte on."""
    return content.at(0, len(ARCHIVE)) == ARCHIVE


def check_members(file: BinaryIO) -> None:
    """Refuse an archive with members that skops does not read: to another reader they could be a program.

    Raises:
        Refused: If there is one.
    """
    names = [member.filename for member in zipfile.ZipFile(file).infolist()]
    stray = next((name for name in names if not re.fullmatch(r"schema\.json|[0-9]+\.np[yz]", name)), "")
    if stray:
        raise Refused(f"is an archive with a member that no skops model has: {stray[:80]!r}")


def check_archive(file: BinaryIO) -> None:
    """Make sure that a zip archive is the same for every reader.

    Raises:
        Refused: If it has a gap, a tail, a comment, a name twice, or members that differ from its directory.
        zipfile.BadZipFile: If it is damaged.
    """
    with zipfile.ZipFile(file) as archive:
        members = sorted(archive.infolist(), key=lambda member: member.header_offset)
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise Refused("is an archive that holds a name twice")
    position = 0
    for member in members:
        if member.header_offset != position:
            raise Refused(f"is an archive with bytes that belong to no member, before {member.filename[:80]!r}")
        position = _end_of(file, member)
    _check_end(file, position, len(members))


def _end_of(file: BinaryIO, member: zipfile.ZipInfo) -> int:
    """Where a member ends by its own header, which must say what the directory says."""
    file.seek(member.header_offset)
    fixed = file.read(struct.calcsize(_LOCAL))
    sign, _, flags, method, _, _, crc, packed, size, name_length, extra_length = struct.unpack(_LOCAL, fixed)
    name, extra = file.read(name_length), file.read(extra_length)
    if _HUGE in (packed, size) and extra[:4] == b"\x01\x00\x10\x00":
        size, packed = struct.unpack_from("<2Q", extra, 4)
    own = (sign, flags, method, crc, packed, size, name.decode("utf-8" if flags & 0x800 else "cp437"))
    listed = (ARCHIVE, member.flag_bits, member.compress_type, member.CRC, member.compress_size, member.file_size)
    if own != (*listed, member.filename) or flags & ~_FLAGS:
        raise Refused(f"is an archive whose directory contradicts its member {member.filename[:80]!r}")
    return file.tell() + member.compress_size


def _check_end(file: BinaryIO, position: int, members: int) -> None:
    """The directory follows the last member, its end record follows the directory, and then the file ends."""
    length = file.seek(0, os.SEEK_END)
    file.seek(length - struct.calcsize(_END))
    sign, disk, first, here, total, size, start, comment = struct.unpack(_END, file.read())
    end = length - struct.calcsize(_END)
    if sign != b"PK\x05\x06" or comment:
        raise Refused("is an archive that something follows")
    file.seek(max(0, end - struct.calcsize(_LOCATOR64)))
    locator = struct.unpack(_LOCATOR64, file.read(struct.calcsize(_LOCATOR64)))
    if locator[0] == b"PK\x06\x07":
        end -= struct.calcsize(_LOCATOR64) + struct.calcsize(_END64)
        file.seek(end)
        record = struct.unpack(_END64, file.read(struct.calcsize(_END64)))
        if record[:2] != (b"PK\x06\x06", struct.calcsize(_END64) - 12) or locator[2] != end:
            raise Refused("is an archive whose end records contradict each other")
        disk, first, here, total, size, start = record[4:]
    if (disk, first, here, total, start, start + size) != (0, 0, members, members, position, end):
        raise Refused("is an archive with bytes before or after its directory")


def open_stream(content: Content) -> BinaryIO:
    """Open the bytes of a pickle, unpacked where it is compressed.

    Raises:
        Refused: If it is an archive as well, or compressed in a way that cannot be read here.
    """
    if zipfile.is_zipfile(content.open()):  # an archive is read from its end: to another reader this is a program
        raise Refused("is a pickle and an archive at once")
    start = content.at(0, 8)
    begin = next((begin for prefix, begin in _COMPRESSIONS.items() if start.startswith(prefix)), None)
    return content.open() if begin is None else io.BufferedReader(_Unpacked(content.open(), begin()), _BUFFER)


class _Unpacked(io.RawIOBase):
    """A single compressed stream, unpacked as it is read; its end is the end of the file, or it is refused."""

    def __init__(self, packed: BinaryIO, stream: Any) -> None:
        self._packed, self._stream = packed, stream
        self._waiting, self._total = memoryview(b""), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._waiting and not self._ended():
            chunk = self._packed.read(_CHUNK)
            if not chunk:
                raise Refused("is not a complete pickle of a scikit-learn model: its compressed stream breaks off")
            self._waiting = memoryview(self._stream.decompress(chunk))
            self._total += len(self._waiting)
            if self._total > MAX_UNPACKED:
                raise Refused(f"unpacks to more than {MAX_UNPACKED // 1024**3} GiB")
        given = min(len(self._waiting), len(buffer))
        buffer[:given] = self._waiting[:given]
        self._waiting = self._waiting[given:]
        return given

    def _ended(self) -> bool:
        if self._stream.eof and (self._stream.unused_data or self._packed.read(1)):
            raise Refused("holds something after the end of its compressed stream")
        return bool(self._stream.eof)


def _lz4() -> Any:
    try:
        import lz4.frame  # type: ignore[import-untyped]
    except ImportError:
        raise Refused("is compressed with lz4, which is not installed here", "run: pip install lz4") from None
    return lz4.frame.LZ4FrameDecompressor()
