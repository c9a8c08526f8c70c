# SPDX-License-Identifier: Apache-2.0
"""Zip archives, and the kinds of model that are one: each member is examined, by what the kind makes of it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from wardein.modelfiles import any_format
from wardein.modelfiles.archives import decoders, rules, tarred
from wardein.modelfiles.archives.decoders import Decoder, Unpacking
from wardein.modelfiles.archives.directory import Directory, Member, has_end, read_directory
from wardein.modelfiles.archives.names import legible
from wardein.modelfiles.archives.packages import Arrays, KerasZip, SkopsZip, TorchServe
from wardein.modelfiles.archives.torchzip import TorchZip
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined, shown

NAME = "zip"
TEXT = False
_STEP = 1024 * 1024
# Checksums of plain numbers are compared until this much was read: they change nothing in what a loader does.
_CHECKED = 64 * 1024 * 1024
_ARRAY = b"\x93NUMPY"


class Kind(Protocol):
    """What a kind of model in a zip archive makes of its members.

    Attributes:
        NAME: What it is called.
    """

    NAME: str

    def matches(self, names: Sequence[str]) -> bool:
        """Whether an archive with members of these names is of this kind."""
        ...

    def examine(self, archive: Archive, member: Member, content: Content) -> bool:
        """Examine a member that means something in this kind; False for one that is examined by what it is."""
        ...

    def is_raw(self, archive: Archive, member: Member) -> bool:
        """Whether a member holds bare numbers."""
        ...

    def prepare(self, archive: Archive) -> None:
        """Examine what the others depend on."""
        ...


@dataclass
class Archive:
    """A zip archive under examination.

    Attributes:
        content: The archive.
        directory: What it holds.
        examination: Takes what is found.
        names: The names of its members.
        checked: How many bytes of plain numbers were held against their checksum.
    """

    content: Content
    directory: Directory
    examination: Examination
    names: frozenset[str]
    checked: int = 0

    def read(self, member: Member, use: Callable[[Content], None], *, is_raw: bool = False) -> None:
        """Hand on a member's bytes as they are when it is unpacked; one that cannot be had is told.

        Raises:
            Unexamined: If the archive unpacks to too much.
        """
        last = member.name.rpartition("/")[2]
        packed = self.content.window(member.data, member.packed, legible(member.name), last)
        if member.is_encrypted:
            self.examination.leave_out(packed, "is encrypted")
        elif member.method == 0:
            self._check_stored(member, packed, is_raw=is_raw)
            use(packed)
        else:
            self._unpack(member, packed, use)

    def _unpack(self, member: Member, packed: Content, use: Callable[[Content], None]) -> None:
        try:
            stream, decoder = _decoder(member, packed)
        except (Unexamined, *decoders.BROKEN) as error:
            reason = str(error) if isinstance(error, Unexamined) else f"is a damaged member ({type(error).__name__})"
            self.examination.leave_out(packed, reason)
            return
        unpacking = Unpacking(stream, decoder, member.size)
        behind = packed.start + packed.size - stream.start - stream.size
        try:
            with self.examination.unpacked(self.content, legible(member.name), packed.name, unpacking) as inner:
                self._check_unpacked(member, inner, unpacking, behind)
                use(inner)
        except decoders.BROKEN as error:
            self.examination.leave_out(packed, f"is a damaged member ({type(error).__name__})")

    def _check_stored(self, member: Member, content: Content, *, is_raw: bool) -> None:
        if member.packed != member.size:
            message = f"says that {member.packed} stored bytes are {member.size}"
            self.examination.tell(rules.AMBIGUOUS, content, message, identity="sizes of stored bytes")
        if is_raw or content.at(0, len(_ARRAY)) == _ARRAY:
            self.checked += content.size
            if self.checked > _CHECKED:
                return
        crc = 0
        for offset in range(0, content.size, _STEP):
            crc = zlib.crc32(content.at(offset, _STEP), crc)
        if crc != member.crc:
            self.examination.leave_out(content, "is damaged: its checksum is another one")

    def _check_unpacked(self, member: Member, content: Content, unpacking: Unpacking, behind: int) -> None:
        if behind or unpacking.rest:
            message = f"has {behind + unpacking.rest} bytes behind its compressed stream"
            self.examination.tell(any_format.TRAILING, content, message, identity="behind a compressed member")
        if unpacking.size != member.size:
            message = f"unpacks to {unpacking.size} bytes, not to {member.size} as its directory says"
            self.examination.tell(rules.AMBIGUOUS, content, message, identity="size of a compressed member")
        elif unpacking.crc != member.crc:
            self.examination.leave_out(content, "is damaged: its checksum is another one")


# What a zip archive can be beside a zip archive.
KINDS: tuple[type[Kind], ...] = (TorchZip, KerasZip, SkopsZip, TorchServe, Arrays)


def matches(content: Content, head: bytes) -> bool:
    """Whether a reader that begins at the first byte, or one that begins at the last, finds a zip archive."""
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return True
    # The last member of a tar archive may well be a zip archive, and is examined there.
    return has_end(content) and not tarred.matches(content, head)


def examine(content: Content, examination: Examination) -> None:
    """Examine the archive as every reader finds it, and each of its members."""
    directory = read_directory(content)
    for flaw in directory.flaws:
        examination.tell(flaw.rule, content, flaw.what, identity=flaw.what, severity=flaw.severity)
    if not directory.members:
        raise Unexamined("holds no members")
    if directory.overlaps:
        raise Unexamined("holds members that share bytes, which may be made to fill a disk")
    archive = Archive(content, directory, examination, frozenset(member.name for member in directory.members))
    kinds = _kinds(archive)
    allowed = examination.allowed
    try:
        for kind in kinds:
            kind.prepare(archive)
        for member in directory.members:
            examination.count_member()
            _examine_member(archive, member, kinds)
    finally:
        examination.allowed = allowed


def _kinds(archive: Archive) -> list[Kind]:
    """The kinds of model that the archive is: usually one, and the zip archive is called after it."""
    content, examination = archive.content, archive.examination
    names = [member.name for member in archive.directory.members]
    kinds = [kind for kind in (kind() for kind in KINDS) if kind.matches(names)]
    for kind in kinds:
        examination.kinds[kind.NAME] += 1
    if kinds and not content.part and examination.formats.get(content.path) == NAME:
        examination.formats[content.path] = kinds[0].NAME
    if len(kinds) > 1:
        message = f"is {' and '.join(sorted(kind.NAME for kind in kinds))} at once"
        examination.tell(any_format.POLYGLOT, content, message, identity=message)
    return kinds


def _examine_member(archive: Archive, member: Member, kinds: Sequence[Kind]) -> None:
    # Some writers compress the nothing that is in a folder, which takes two bytes.
    if member.is_folder and not member.size and member.packed in (0, 2):
        return
    is_raw = any(kind.is_raw(archive, member) for kind in kinds)
    if member.is_folder:
        message = f"holds {shown(member.name)}, a folder with bytes in it"
        archive.examination.tell(rules.AMBIGUOUS, archive.content, message, identity=message)

    def use(content: Content) -> None:
        # All of them have their say.
        known = [kind.examine(archive, member, content) for kind in kinds]
        if not any(known):
            archive.examination.examine(content)

    archive.read(member, use, is_raw=is_raw)


def _decoder(member: Member, packed: Content) -> tuple[Content, Decoder]:
    """What undoes a member's compression, and the stream itself.

    Raises:
        Unexamined: If it is compressed in a way that is not known here.
    """
    if member.method == 14:
        return decoders.zip_lzma(packed)
    if member.method == 93:
        end, decoder = decoders.zstandard_frame(packed)
        return packed.window(end, 0, "frame"), decoder
    make = {8: decoders.deflate, 12: decoders.bzip2}.get(member.method)
    if make is None:
        raise Unexamined(f"is compressed by the method {member.method}, which is not known here")
    return packed, make()
