# SPDX-License-Identifier: Apache-2.0
"""7z archives, unpacked by the readers of the standard library and within bounds."""

from __future__ import annotations

import lzma
import stat
import struct
import zlib
from typing import Any

from wardein.modelfiles import any_format
from wardein.modelfiles.archives import decoders, rules
from wardein.modelfiles.archives.decoders import Decoder, Unpacking
from wardein.modelfiles.archives.names import fault_of, legible, twice
from wardein.modelfiles.archives.sevenheader import ENCODED, Cursor, Folder, Listing, read_listing, read_streams
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined, shown

NAME = "7z"
TEXT = False
_MAGIC = b"7z\xbc\xaf\x27\x1c"
_FRONT = 32
_STEP = 1024 * 1024
_LARGEST_HEADER = 16 * 1024 * 1024
_HEADER = 1
_COPY, _LZMA, _LZMA2, _DELTA = b"\0", b"\3\1\1", b"\x21", b"\3"
_DEFLATE, _BZIP2, _AES = b"\4\1\x08", b"\4\2\2", b"\6\xf1\7\1"
_BRANCHES = {
    b"\3\3\1\3": lzma.FILTER_X86,
    b"\3\3\2\5": lzma.FILTER_POWERPC,
    b"\3\3\4\1": lzma.FILTER_IA64,
    b"\3\3\5\1": lzma.FILTER_ARM,
    b"\3\3\7\1": lzma.FILTER_ARMTHUMB,
    b"\3\3\x08\5": lzma.FILTER_SPARC,
}
_UNIX = 0x8000


def matches(content: Content, head: bytes) -> bool:
    """Whether it begins as a 7z archive does."""
    return head.startswith(_MAGIC)


def examine(content: Content, examination: Examination) -> None:
    """Examine each file in the archive.

    Raises:
        Unexamined: If it is encrypted, or packed in a way that is not known here.
    """
    try:
        claimed: list[tuple[int, int]] = [(0, _FRONT)]
        listing = _listing(content, examination, claimed)
        _check_names(listing, content, examination)
        names = iter([name for name, empty in zip(listing.names, listing.is_empty, strict=True) if not empty])
        for number, folder in enumerate(listing.folders):
            claimed.append((_FRONT + folder.start, folder.packed))
            _examine_folder(content, folder, number, [next(names) for _ in folder.parts], examination)
    except (*decoders.BROKEN, StopIteration) as error:
        raise Unexamined(f"the archive is damaged ({type(error).__name__})") from None
    if next(names, None) is not None:
        raise Unexamined("names files that it does not hold")
    if not listing.names:
        raise Unexamined("holds no members")
    _check_claims(content, claimed, examination)


def _listing(content: Content, examination: Examination, claimed: list[tuple[int, int]]) -> Listing:
    front = content.at(0, _FRONT)
    own_crc, offset, size, crc = struct.unpack("<L2QL", front[8:])
    if zlib.crc32(front[12:]) != own_crc or size > _LARGEST_HEADER or offset + size + _FRONT > content.size:
        raise ValueError("a header that lies outside")
    claimed.append((_FRONT + offset, size))
    header = content.at(_FRONT + offset, size)
    if zlib.crc32(header) != crc:
        raise ValueError("a header with a wrong checksum")
    cursor = Cursor(header)
    kind = cursor.byte() if header else 0
    if kind == ENCODED:
        folders = read_streams(cursor)
        if len(folders) != 1 or not cursor.is_at_end:
            raise ValueError("no header")
        claimed.append((_FRONT + folders[0].start, folders[0].packed))
        cursor = Cursor(_unpacked_header(content, folders[0], examination))
        kind = cursor.byte()
    if kind != _HEADER:
        raise ValueError("no header")
    return read_listing(cursor)


def _unpacked_header(content: Content, folder: Folder, examination: Examination) -> bytes:
    if folder.size > _LARGEST_HEADER:
        raise Unexamined("has a header that is larger than is read")
    unpacking = _unpacking(content, folder)
    with examination.unpacked(content, "header", "header", unpacking) as inner:
        if inner.size != folder.size or unpacking.rest or folder.crc not in (-1, unpacking.crc):
            raise ValueError("a header with a wrong checksum")
        return inner.at(0, inner.size)


def _check_names(listing: Listing, content: Content, examination: Examination) -> None:
    for number, name in enumerate(listing.names):
        examination.count_member()
        label = shown(name.encode("utf-8", "surrogatepass"))
        if fault := fault_of(name):
            examination.tell(rules.PATH, content, f"holds {label}, which {fault}", identity=label)
        attributes = listing.attributes.get(number, 0)
        kind = stat.S_IFMT(attributes >> 16) if attributes & _UNIX else 0
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT:
            examination.tell(rules.PATH, content, f"holds {label}, which is a link or a device", identity=label)
    for name in twice(listing.names)[:20]:
        message = f"holds the name {shown(name)} more than once"
        examination.tell(rules.AMBIGUOUS, content, message, identity=message)
    if listing.is_strange:
        message = "says of its files what only some readers know of"
        examination.tell(rules.AMBIGUOUS, content, message, identity=message)


def _examine_folder(content: Content, folder: Folder, number: int, names: list[str], examination: Examination) -> None:
    unpacking = _unpacking(content, folder)
    with examination.unpacked(content, f"stream {number + 1}", "stream", unpacking) as inner:
        if inner.size != folder.size or folder.crc not in (-1, unpacking.crc):
            raise ValueError("a stream of another size or checksum")
        if unpacking.rest:
            message = f"has {unpacking.rest} bytes behind a compressed stream"
            examination.tell(any_format.TRAILING, content, message, identity="behind a compressed stream")
        position = 0
        for name, (size, crc) in zip(names, folder.parts, strict=True):
            member = inner.window(position, size, legible(name), name.rpartition("/")[2])
            position += size
            if crc not in (-1, _checksum(member)):
                examination.leave_out(member, "is damaged: its checksum is another one")
            examination.examine(member)


def _checksum(content: Content) -> int:
    crc = 0
    for offset in range(0, content.size, _STEP):
        crc = zlib.crc32(content.at(offset, _STEP), crc)
    return crc


def _unpacking(content: Content, folder: Folder) -> Unpacking:
    packed = content.window(_FRONT + folder.start, folder.packed, "stream")
    return Unpacking(packed, _decoder(folder), folder.size)


def _decoder(folder: Folder) -> Decoder:
    """What undoes all steps of a folder.

    Raises:
        Unexamined: If one of them is not known here.
    """
    methods = [coder.method for coder in folder.coders]
    if _AES in methods:
        raise Unexamined("is encrypted")
    alone = {_COPY: decoders.copy, _DEFLATE: decoders.deflate, _BZIP2: decoders.bzip2}
    if len(methods) == 1 and methods[0] in alone:
        return alone[methods[0]]()
    return decoders.raw_lzma([_filter(coder.method, coder.settings) for coder in folder.coders])


def _filter(method: bytes, settings: bytes) -> dict[str, Any]:
    if method == _LZMA:
        return decoders.lzma1_filter(settings)
    if method == _LZMA2 and len(settings) == 1 and settings[0] <= 40:
        size = settings[0]
        return {"id": lzma.FILTER_LZMA2, "dict_size": min((2 | size & 1) << (size // 2 + 11), 0xFFFFFFFF)}
    if method == _DELTA and len(settings) == 1:
        return {"id": lzma.FILTER_DELTA, "dist": settings[0] + 1}
    if method in _BRANCHES and not settings:
        return {"id": _BRANCHES[method]}
    raise Unexamined(f"is packed by the method {method.hex()}, which is not known here")


def _check_claims(content: Content, claimed: list[tuple[int, int]], examination: Examination) -> None:
    """Every byte belongs to one stream or header."""
    position = 0
    for start, size in sorted([*claimed, (content.size, 0)]):
        if start > position:
            message = f"has {start - position} bytes at byte {position} that belong to nothing"
            examination.tell(any_format.TRAILING, content, message, identity=message)
        elif start < position:
            message = "holds streams that share bytes"
            examination.tell(rules.AMBIGUOUS, content, message, identity=message)
        position = max(position, start + size)
