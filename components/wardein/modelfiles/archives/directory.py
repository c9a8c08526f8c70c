# SPDX-License-Identifier: Apache-2.0
"""The members of a zip archive, as every reader must find them.

Some readers begin at the directory at the end, some at the first byte; some believe the directory, some the header
before each member. An archive is read here in both ways, and each contradiction is a flaw: nothing of an archive
without flaws is read differently by another reader.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from wardein.modelfiles import any_format
from wardein.modelfiles.archives import rules
from wardein.modelfiles.archives.names import fault_of, twice
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import MAX_MEMBERS, Unexamined, shown
from wardein.report import Severity
from wardein.scan.rules import Rule

_CENTRAL, _LOCAL = struct.Struct("<4s6H3L5H2L"), struct.Struct("<4s5H3L2H")
_END, _END64, _LOCATOR64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
_FAR = 0xFFFFFFFF
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_DESCRIBED, _UTF8 = 0x8, 0x800
# How well deflate was done, and that an LZMA stream has an end mark, change nothing.
_INDIFFERENT = 0x2 | 0x4
_PADDINGS = {0x4246, 0xA220, 0xD935, 0xA11E}
# Times, owners and the like; NTFS, Unix, Java, and the times of Info-ZIP.
_USUAL = {0x0001, 0x0009, 0x000A, 0x000D, 0x5455, 0x5855, 0x7855, 0x7875, 0xCAFE, *_PADDINGS}
_UNICODE_NAME = 0x7075
_FEW = 64
_MOST_FLAWS = 20


class Member(NamedTuple):
    """One member, as the directory has it.

    Attributes:
        name: Its name.
        method: How it is compressed; 0 for not at all.
        flags: The bits that say how it is written.
        crc: The CRC-32 of what it unpacks to.
        packed: How many bytes it takes in the archive.
        size: How many bytes it unpacks to.
        start: Where its header is.
        data: Where its bytes are.
    """

    name: str
    method: int
    flags: int
    crc: int
    packed: int
    size: int
    start: int
    data: int

    @property
    def is_folder(self) -> bool:
        """Whether it only names a folder."""
        return self.name.endswith("/")

    @property
    def is_encrypted(self) -> bool:
        """Whether its bytes cannot be read without a password."""
        return bool(self.flags & _ENCRYPTED) or self.method == 99


class Flaw(NamedTuple):
    """What makes readers read an archive differently, or what no library of models writes."""

    rule: Rule
    what: str
    severity: Severity | None = None


@dataclass
class Directory:
    """What a zip archive says that it holds.

    Attributes:
        members: In the order of the directory.
        flaws: What is wrong with it; none of them in an archive that is the same for every reader.
        overlaps: Whether members share bytes.
    """

    members: list[Member] = field(default_factory=list)
    flaws: list[Flaw] = field(default_factory=list)
    overlaps: bool = False

    def is_flawed(self, what: str, rule: Rule = rules.AMBIGUOUS, severity: Severity | None = None) -> None:
        """Note a flaw; of each kind, the first of many."""
        if sum(flaw.rule is rule for flaw in self.flaws) < _MOST_FLAWS:
            self.flaws.append(Flaw(rule, what, severity))


class _End(NamedTuple):
    start: int  # of the directory
    size: int
    members: int
    before: int  # how many bytes are before the archive


def has_end(content: Content) -> bool:
    """Whether a reader that begins at the end finds a directory with at least one member."""
    tail = content.at(max(content.size - 65557, 0), 65557)
    if b"PK\x05\x06" not in tail:
        return False
    try:
        end = _end_of(content, Directory())
    except (ValueError, struct.error, Unexamined):
        return b"PK\x01\x02" in tail
    return end.members > 0 and content.at(end.start, 4) == b"PK\x01\x02"


def read_directory(content: Content) -> Directory:
    """Read the directory of a zip archive, and hold it against what lies before each member.

    Raises:
        Unexamined: If it has too many members, or goes on in another file.
        ValueError: If it is damaged.
        struct.error: If it breaks off.
    """
    directory = Directory()
    end = _end_of(content, directory)
    if end.members > MAX_MEMBERS:
        raise Unexamined(f"holds more than {MAX_MEMBERS} members")
    directory.members.extend(_listed(content, end, directory))
    for name in twice(member.name for member in directory.members)[:20]:
        directory.is_flawed(f"holds the name {shown(name)} more than once")
    _account(content, end, directory)
    return directory


def _end_of(content: Content, directory: Directory) -> _End:
    """The end of the archive, which says where its directory is."""
    first = max(content.size - 65557, 0)
    tail = content.at(first, 65557)
    here = len(tail) - 22
    if tail[here : here + 4] != b"PK\x05\x06" or tail[-2:] != b"\0\0":
        here = tail.rfind(b"PK\x05\x06")
    if here < 0:
        raise ValueError("no end of a zip archive")
    position = first + here
    _, disk, begins, count, total, size, offset, comment = _END.unpack(tail[here : here + 22])
    _check_tail(tail, here, comment, directory)
    end = position
    locator = content.at(position - 20, 20)
    if locator[:4] == b"PK\x06\x07":
        end = position - 76
        values = _end64(content, position, locator)
        narrow = ((disk, 0xFFFF), (begins, 0xFFFF), (count, 0xFFFF), (total, 0xFFFF), (size, _FAR), (offset, _FAR))
        if any(value not in (wide, most) for (value, most), wide in zip(narrow, values, strict=True)):
            directory.is_flawed("has two ends that contradict each other")
        disk, begins, count, total, size, offset = values
    if disk or begins or count != total:
        raise Unexamined("goes on in another file")
    if size > end or offset > end - size:
        raise ValueError("a directory that would begin before the archive")
    return _End(end - size, size, count, end - size - offset)


def _end64(content: Content, position: int, locator: bytes) -> tuple[int, int, int, int, int, int]:
    _, disk, where, disks = _LOCATOR64.unpack(locator)
    record = _END64.unpack(content.at(position - 76, 56))
    if record[:2] != (b"PK\x06\x06", 44) or disk or disks > 1 or where > position - 76:
        raise ValueError("two ends of which one is not where the other says")
    return record[4], record[5], record[6], record[7], record[8], record[9]


def _check_tail(tail: bytes, here: int, comment: int, directory: Directory) -> None:
    after = tail[here + 22 :]
    if len(after) > comment:
        what = f"is followed by {len(after) - comment} bytes that belong to nothing"
        directory.is_flawed(what, any_format.TRAILING)
    elif len(after) < comment:
        raise ValueError("a comment that breaks off")
    elif after and (not after.isascii() or not after.decode("ascii").replace("\n", " ").isprintable()):
        directory.is_flawed(f"has a comment of {comment} bytes that is no text", any_format.TRAILING)
    elif after:
        directory.is_flawed(f"has a comment: {shown(after)}", rules.NOTE)
    other = tail.find(b"PK\x05\x06")
    while other >= 0:
        reaches = other + 22 + int.from_bytes(tail[other + 20 : other + 22], "little")
        if other != here and (other > here or reaches >= here + 22):
            directory.is_flawed("has two ends, and readers differ in which of them they take")
            break
        other = tail.find(b"PK\x05\x06", other + 1)


def _listed(content: Content, end: _End, directory: Directory) -> Iterator[Member]:
    position, stop = end.start, end.start + end.size
    for _ in range(end.members):
        fixed = content.at(position, _CENTRAL.size)
        entry = _CENTRAL.unpack(fixed)
        sign, made_by, _, flags, method, _, _, crc, packed, size, names, extras, notes, disk, _, mode, offset = entry
        if sign != b"PK\x01\x02":
            raise ValueError("a directory with something else in it")
        raw = content.at(position + 46, names + extras + notes)
        if len(raw) < names + extras + notes:
            raise ValueError("a directory that breaks off")
        position += 46 + len(raw)
        name = _named(raw[:names], flags, directory)
        fields = _fields(raw[names : names + extras], name, directory)
        size, packed, offset = _wide(fields.get(0x0001, b""), size, packed, offset)
        if notes:
            directory.is_flawed(f"has a comment on {shown(name)}", rules.NOTE)
        if disk not in (0, 0xFFFF):
            raise Unexamined("goes on in another file")
        kind = stat.S_IFMT(mode >> 16)
        # Only archives made on Unix say what kind of file a member is.
        if made_by >> 8 in (3, 19) and kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            directory.is_flawed(f"holds {shown(name)}, which is a link or a device", rules.PATH)
        member = Member(name, method, flags, crc, packed, size, offset + end.before, 0)
        yield _held_against(content, member, raw, directory)
    if position != stop:
        directory.is_flawed("has a directory that is longer or shorter than its end says")


def _held_against(content: Content, member: Member, raw: bytes, directory: Directory) -> Member:
    """A member with the place of its bytes, after its own header was held against the directory."""
    fixed = content.at(member.start, _LOCAL.size)
    sign, _, flags, method, _, _, crc, packed, size, names, extras = _LOCAL.unpack(fixed)
    own = content.at(member.start + 30, names + extras)
    label = shown(member.name)
    if sign != b"PK\x03\x04" or len(own) < names + extras:
        raise ValueError("a member that is not where the directory says")
    if own[:names] != raw[:names]:
        directory.is_flawed(f"names a member {label} in its directory and {shown(own[:names])} before its bytes")
    fields = _fields(own[names:], member.name, directory)
    said = [(crc, member.crc), (packed, member.packed), (size, member.size)]
    if wide := fields.get(0x0001, b""):
        own_size, own_packed, _ = _wide(wide, size if size == _FAR else _FAR, packed if packed == _FAR else _FAR, 0)
        said = [(crc, member.crc), (own_packed, member.packed), (own_size, member.size)]
        said += [(narrow, full) for narrow, full in ((packed, member.packed), (size, member.size)) if narrow != _FAR]
    later = flags & _DESCRIBED
    differs = any(value != full and not (later and value in (0, _FAR)) for value, full in said)
    indifferent = _INDIFFERENT | (_UTF8 if own[:names].isascii() else 0)
    if differs or method != member.method or (flags ^ member.flags) & ~indifferent:
        directory.is_flawed(f"says something else of {label} in its directory than before its bytes")
    return member._replace(data=member.start + 30 + names + extras)


def _named(raw: bytes, flags: int, directory: Directory) -> str:
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        name = raw.decode("utf-8", "surrogateescape") if flags & _UTF8 else raw.decode("cp437")
    if fault := fault_of(name):
        directory.is_flawed(f"holds {shown(raw)}, which {fault}", rules.PATH)
    elif not raw.isascii() and not flags & _UTF8:
        directory.is_flawed(f"holds {shown(raw)}, which is not said to be UTF-8", rules.NOTE)
    return name


def _fields(extra: bytes, name: str, directory: Directory) -> dict[int, bytes]:
    """The further fields of a member, by their kind."""
    fields: dict[int, bytes] = {}
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        value = extra[position + 4 : position + 4 + length]
        if len(value) < length:
            raise ValueError("a field that breaks off")
        if kind in fields:
            directory.is_flawed(f"says a thing twice of {shown(name)}")
        fields[kind] = value
        position += 4 + length
        _check_field(kind, value, name, directory)
    if extra[position:].strip(b"\0"):
        directory.is_flawed(f"has bytes before {shown(name)} that belong to nothing", any_format.TRAILING)
    return fields


def _check_field(kind: int, value: bytes, name: str, directory: Directory) -> None:
    label = shown(name)
    if kind in _PADDINGS and len(value) > 6 and len(set(value[6:])) > 1:
        directory.is_flawed(f"hides bytes in the padding of {label}", any_format.TRAILING)
    elif kind == _UNICODE_NAME and value[5:] != name.encode("utf-8", "surrogateescape"):
        directory.is_flawed(f"has a second name for {label}")
    elif kind not in _USUAL and kind != _UNICODE_NAME:
        what = f"has a field of {label} that is not known (0x{kind:04x}, {len(value)} bytes)"
        directory.is_flawed(what, *((rules.NOTE,) if len(value) <= _FEW else (any_format.TRAILING,)))
    elif kind not in _PADDINGS and len(value) > _FEW:
        directory.is_flawed(f"hides {len(value)} bytes in a field of {label}", any_format.TRAILING)


def _wide(field: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """The numbers that did not fit, in the order in which the field for them has those."""
    values = iter(struct.unpack(f"<{len(field) // 8}Q", field[: len(field) // 8 * 8]))
    try:
        return tuple(next(values) if value == _FAR else value for value in (size, packed, offset))  # type: ignore[return-value]
    except RuntimeError:
        raise ValueError("a size that is missing") from None


def _account(content: Content, end: _End, directory: Directory) -> None:
    """Every byte before the directory belongs to one member."""
    position = 0
    last: Member | None = None
    for member in sorted(directory.members, key=lambda m: m.start):
        position = _behind(content, last, position, member.start, directory)
        last = member
        if member.start < position:
            directory.overlaps = True
        position = max(position, member.data + member.packed)
    position = _behind(content, last, position, end.start, directory)
    if position > end.start:
        directory.overlaps = True
    if directory.overlaps:
        directory.is_flawed("holds members that share bytes with each other or with the directory")


def _behind(content: Content, member: Member | None, position: int, until: int, directory: Directory) -> int:
    """Where the bytes behind a member go on that belong to something; the sizes of a streamed member come after it."""
    if member is not None and member.flags & _DESCRIBED:
        length = _described(content.at(position, 24), member)
        if length:
            position += length
        else:
            directory.is_flawed(f"does not say after {shown(member.name)} what it says in its directory")
    if position < until and not (member is None and _is_model_until(content, until)):
        where = "before its first member" if member is None else f"after {shown(member.name)}"
        what = f"has {until - position} bytes at byte {position}, {where}, that belong to nothing"
        directory.is_flawed(what, any_format.TRAILING)
    return position


def _is_model_until(content: Content, until: int) -> bool:
    """Whether what is before the first member is a model that has its labels behind it."""
    from wardein.modelfiles.graphs.tflite import is_model_until

    return is_model_until(content, until)


def _described(after: bytes, member: Member) -> int:
    """How long the record behind a streamed member is; 0 if there is none that says the same as the directory."""
    for begin in (b"PK\x07\x08", b""):
        for sizes in ("<3L", "<L2Q"):
            try:
                record = begin + struct.pack(sizes, member.crc, member.packed, member.size)
            except struct.error:
                continue
            if after.startswith(record):
                return len(record)
    return 0
