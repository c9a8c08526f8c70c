# SPDX-License-Identifier: Apache-2.0
"""Tar archives, read header by header: those of old Unix, of GNU and of POSIX."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from wardein.modelfiles import any_format
from wardein.modelfiles.archives import rules, torchserve
from wardein.modelfiles.archives.names import fault_of, legible, settled, twice
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined, shown

NAME = "tar"
TEXT = False
_BLOCK = 512
_STEP = 1024 * 1024
_FILES, _FOLDER = (b"0", b"\0", b"7"), b"5"
_OUTSIDE = {b"1": "a hard link", b"2": "a link", b"3": "a device", b"4": "a device", b"6": "a pipe"}
_LONG_NAME, _LONG_LINK, _NEXT, _ALL = b"L", b"K", b"x", b"g"
_MOST_SETTINGS = 1024 * 1024
_LARGEST_OCTAL = 8 * 1024**3
_RECORD = re.compile(rb"([1-9][0-9]{0,6}) ([^=\n]+)=")
_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")


class _Header(NamedTuple):
    name: bytes
    size: int
    kind: bytes


class _Member(NamedTuple):
    name: str
    kind: bytes
    start: int
    size: int


def matches(content: Content, head: bytes) -> bool:
    """Whether it begins with the header of a member; old ones have no mark, but the right sum."""
    if head[257:262] == b"ustar":
        return True
    return len(head) >= _BLOCK and _sum_as_readers_take_it(head[148:156]) in _sums(head[:_BLOCK])


def examine(content: Content, examination: Examination) -> None:
    """Examine each member, and tell of what lies between and behind them.

    Raises:
        Unexamined: If readers would differ in where a member begins.
    """
    members = []
    for member in _members(content, examination):
        examination.count_member()
        members.append(member)
    names = [settled(member.name) for member in members]
    if not members:
        raise Unexamined("holds no members")
    for name in twice(names)[:20]:
        message = f"holds the name {shown(name)} more than once"
        examination.tell(rules.AMBIGUOUS, content, message, identity=message)
    is_served = torchserve.MANIFEST in names
    for member, name in zip(members, names, strict=True):
        _check_place(member, content, examination)
        if member.kind in _FILES:
            inner = content.window(member.start, member.size, legible(member.name), name.rpartition("/")[2])
            if not is_served or not torchserve.examine_member(name, inner, examination):
                examination.examine(inner)


def _check_place(member: _Member, content: Content, examination: Examination) -> None:
    label = shown(member.name.encode("utf-8", "surrogateescape"))
    if fault := fault_of(member.name):
        examination.tell(rules.PATH, content, f"holds {label}, which {fault}", identity=member.name)
    if member.kind in _OUTSIDE:
        what = f"holds {label}, which is {_OUTSIDE[member.kind]}"
        examination.tell(rules.PATH, content, what, identity=what)


def _members(content: Content, examination: Examination) -> Iterator[_Member]:
    position = 0
    settings: dict[bytes, bytes] = {}
    while True:
        block = content.at(position, _BLOCK)
        if not block and position:
            raise Unexamined("has no end, as if it was cut off")
        if not block.strip(b"\0"):
            _check_end(content, position, examination)
            return
        header, start = _header(block), position + _BLOCK
        if header.kind in (_LONG_NAME, _LONG_LINK, _NEXT, _ALL):
            _read_settings(header, content, start, settings, examination)
            size = header.size
        else:
            member = _member(header, settings, start, content, examination)
            settings.clear()
            yield member
            size = member.size
        position = start + _padded(size)
        _check_padding(content, start + size, position, examination)


def _member(
    header: _Header, settings: dict[bytes, bytes], start: int, content: Content, examination: Examination
) -> _Member:
    """A member as its header and what came before it say.

    Raises:
        Unexamined: If readers would differ in how long it is.
    """
    raw, size = settings.get(b"path", header.name), int(settings.get(b"size", b"%d" % header.size))
    name = raw.decode("utf-8", "surrogateescape")
    short = len(raw) <= 100 and raw.isascii() and b"path" in settings
    if short and settled(name) != settled(header.name.decode("utf-8", "surrogateescape")):
        message = f"names a member {shown(header.name)} and {shown(raw)}"
        examination.tell(rules.AMBIGUOUS, content, message, identity=message)
    if size != header.size and size < _LARGEST_OCTAL:
        message = f"says that {shown(raw)} has {header.size} and {size} bytes"
        examination.tell(rules.AMBIGUOUS, content, message, identity=message)
    kind = header.kind
    if kind in (b"0", b"\0") and raw.endswith(b"/"):
        kind = _FOLDER  # as old archives have it
    if kind not in (*_FILES, _FOLDER, *_OUTSIDE):
        raise Unexamined(f"holds a member of a kind that readers take for different things ({shown(kind)})")
    if kind not in _FILES and size:
        raise Unexamined(f"holds {shown(raw)}, which is no file and has bytes")
    if start + size > content.size:
        raise EOFError("a member that breaks off")
    return _Member(name, kind, start, size)


def _read_settings(
    header: _Header, content: Content, start: int, settings: dict[bytes, bytes], examination: Examination
) -> None:
    """What is said of the next member, or of all that follow."""
    if header.size > _MOST_SETTINGS:
        raise Unexamined("says more of a member than is read")
    said = content.at(start, header.size)
    if len(said) < header.size:
        raise EOFError("an archive that breaks off")
    if header.kind == _LONG_NAME:
        name, _, behind = said.partition(b"\0")
        _set({b"path": name}, settings, content, examination)
        if behind.strip(b"\0"):
            examination.tell(
                any_format.TRAILING, content, "hides bytes behind a long name", identity="behind a long name"
            )
    elif header.kind in (_NEXT, _ALL):
        records = _records(said)
        if any(key.startswith(b"GNU.sparse") for key in records):
            raise Unexamined("holds a file with holes, which is not followed")
        changed = sorted(key for key in (b"path", b"size", b"linkpath") if key in records)
        if header.kind == _NEXT:
            _set(records, settings, content, examination)
        elif changed:
            message = f"says the {changed[0].decode()} of all members at once"
            examination.tell(rules.AMBIGUOUS, content, message, identity=message)


def _set(records: dict[bytes, bytes], settings: dict[bytes, bytes], content: Content, examination: Examination) -> None:
    """Note what is said of the next member; readers differ in whether the first or the last of two counts."""
    for key, value in records.items():
        if settings.get(key, value) != value:
            what = key.decode("ascii", "backslashreplace")
            message = f"says of a member that its {what} is {shown(settings[key])} and {shown(value)}"
            examination.tell(rules.AMBIGUOUS, content, message, identity=message)
        settings[key] = value


def _records(said: bytes) -> dict[bytes, bytes]:
    records: dict[bytes, bytes] = {}
    position = 0
    while position < len(said):
        begin = _RECORD.match(said, position)
        end = position + int(begin[1]) if begin else 0
        if begin is None or end > len(said) or end < begin.end() + 1 or said[end - 1 : end] != b"\n":
            raise ValueError("a setting of no known form")
        if begin[2] in records:
            raise ValueError("a setting that is there twice")
        records[begin[2]] = said[begin.end() : end - 1]
        position = end
    return records


def _header(block: bytes) -> _Header:
    """A header's name, size and kind.

    Raises:
        ValueError: If its sum is wrong, or its size is no number.
    """
    if not _has_right_sum(block):
        raise ValueError("a header with a wrong sum")
    name, kind = block[:100].partition(b"\0")[0], block[156:157]
    prefix = block[345:500].partition(b"\0")[0]
    if prefix and block[257:263] == b"ustar\0":
        name = prefix + b"/" + name
    return _Header(name, _number(block[124:136]), kind)


def _has_right_sum(block: bytes) -> bool:
    sums = block[148:156]
    try:
        said = _number(sums)
    except ValueError:
        return False
    return said in _sums(block)


def _sums(block: bytes) -> tuple[int, int]:
    """What a header sums up to; some old programs summed up signed bytes."""
    plain = block[:148] + b" " * 8 + block[156:512]
    return sum(plain), sum(byte - 256 if byte > 127 else byte for byte in plain)


def _sum_as_readers_take_it(text: bytes) -> int:
    """A sum in any form that some reader takes for a number; -1 if none does."""
    if text[0] in (0x80, 0xFF):
        return int.from_bytes(text[1:], "big")
    try:
        return int(text.partition(b"\0")[0].decode("ascii").strip() or "0", 8)
    except ValueError:
        leading = re.match(rb"[\s\0]*([0-7]+)", text)
        return int(leading[1], 8) if leading else -1


def _number(text: bytes) -> int:
    if text[0] == 0x80:
        return int.from_bytes(text[1:], "big")
    octal = _OCTAL.fullmatch(text)
    if octal is None:
        raise ValueError("no number")
    return int(octal[1] or b"0", 8)


def _padded(size: int) -> int:
    return (size + _BLOCK - 1) // _BLOCK * _BLOCK


def _check_padding(content: Content, start: int, end: int, examination: Examination) -> None:
    if content.at(start, end - start).strip(b"\0"):
        message = f"hides bytes in the padding at byte {start}"
        examination.tell(any_format.TRAILING, content, message, identity="in the padding")


def _check_end(content: Content, position: int, examination: Examination) -> None:
    """After the end there is nothing but zeros."""
    while chunk := content.at(position, _STEP):
        if rest := chunk.lstrip(b"\0"):
            message = f"goes on at byte {position + len(chunk) - len(rest)} after its end"
            examination.tell(any_format.TRAILING, content, message, identity="after the end")
            return
        position += len(chunk)
