# SPDX-License-Identifier: Apache-2.0
"""Reading a tar so that every other reader sees the same members: what two readers take differently is refused.

Container runtimes and scanners read layers with Go's reader, wardein with Python's. They differ on old headers (which
may have a prefix or not), on several long names for one member, on settings for all members, on names that are set to
nothing, and on what follows a header that is broken. An image could show each of them other files. None of these occurs
in what docker, buildkit, podman, kaniko, skopeo, tar or Python write.
"""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterator
from typing import IO, Any

from wardein.errors import WardeinError

_POSIX, _GNU = b"ustar\x0000", b"ustar  \x00"
_LONG = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_FOR_ALL = (tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)  # the latter is Solaris' own, which Go does not know
_NAMING = ("path", "linkpath", "size")
CHUNK = 1024 * 1024
_LONGEST_PATH = 4096  # bytes, as Linux allows
_LARGEST_HEADER = 64 * 1024  # of what names a member; Python reads it whole, and some of it again for each byte


class Header(tarfile.TarInfo):
    """A header that is read only if there is one way to read it."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Header:
        """Read one block.

        Raises:
            WardeinError: If readers could take it for different members.
        """
        header = super().frombuf(buf, encoding, errors)
        has_prefix = header.type not in tarfile.GNU_TYPES and buf[345] != 0
        magic = bytes(buf[257:265])
        if magic not in (_POSIX, _GNU) or (magic == _GNU and has_prefix) or bytes(buf[508:512]) == b"tar\0":
            raise WardeinError("is of an old format, whose names readers take differently", where="a tar header")
        return header

    def _proc_member(self, archive: Any) -> Any:
        """Read what belongs to the member as well: long names and extended headers, each at most once."""
        before: tuple[bytes, ...] = getattr(archive, "wardein_before", ())
        kind = self.type
        mixed = kind in before or (kind == tarfile.XHDTYPE and before) or tarfile.XHDTYPE in before
        if kind in _FOR_ALL or (kind in (*_LONG, tarfile.XHDTYPE) and mixed):
            raise WardeinError(
                "is named in several ways, of which readers choose different ones", where="a tar's member"
            )
        if kind in (*_LONG, tarfile.XHDTYPE) and self.size > _LARGEST_HEADER:
            raise WardeinError(f"has a header of more than {_LARGEST_HEADER} bytes", where="a tar's member")
        archive.wardein_before = (*before, kind) if kind in (*_LONG, tarfile.XHDTYPE) else ()
        member = super()._proc_member(archive)  # type: ignore[misc]  # tarfile's hook for subclasses
        archive.wardein_before = ()
        headers = member.pax_headers
        if any(headers.get(name) == "" for name in _NAMING) or any(name.startswith("GNU.sparse.") for name in headers):
            raise WardeinError("is renamed in ways that readers take differently", where=ascii(member.name[:100]))
        return member


def members(source: IO[bytes]) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
    """The members of a tar that is read once from beginning to end, each with what its content can be read from.

    Raises:
        WardeinError: If readers could take it for different files.
        tarfile.TarError: If it is damaged.
    """
    with tarfile.open(
        fileobj=source, mode="r|", bufsize=CHUNK, tarinfo=Header, encoding="utf-8", errors="surrogateescape"
    ) as archive:
        for member in archive:
            archive.members = []  # type: ignore[attr-defined]  # or it would keep every one of them
            yield member, archive
        check_end(archive.fileobj)  # type: ignore[arg-type]  # set while it is open


def check_end(file: IO[bytes]) -> None:
    """Read what follows a tar's last member.

    Raises:
        WardeinError: If there is anything but zeros: Python's reader ends in silence at a header that is broken.
    """
    while chunk := file.read(CHUNK):
        if chunk.strip(b"\0"):
            raise WardeinError("has more after its end, which other readers could see", where="a tar")


def place(member: tarfile.TarInfo) -> str:
    """Where a layer's member comes to lie: its path from the root, with neither ``.`` nor ``..`` nor ``//``.

    Raises:
        WardeinError: If it leaves the root on its way, which runtimes refuse or bend in different ways.
    """
    if len(member.name.encode("utf-8", "surrogateescape")) > _LONGEST_PATH:
        raise WardeinError("is longer than a path can be", where=ascii(member.name[:100]))
    name = posixpath.normpath("/" + member.name).lstrip("/")
    if ".." in member.name.split("/") or "\0" in member.name:
        raise WardeinError("is a name that readers take for different files", where=ascii(member.name[:100]))
    return name
