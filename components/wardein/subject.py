# SPDX-License-Identifier: Apache-2.0
"""What is judged: files and folders, identified by a digest over every byte of them.

A file's digest is its sha256. A folder's is the first 256 bits of the SHA-512 over the lines ``<sha256>  <path>`` of
all its files in the byte order of their POSIX paths. It binds names as well as contents, which the root digest of
OpenSSF Model Signing v1.0 does not, and no file can be made to have it (docs/decisions/0002). No file is ever left
out, and what cannot be hashed faithfully (links, devices) is refused.

Code is full of links, so a source folder may have those that lead to something inside it. Such a link counts as a
file that holds ``link to `` and its target (docs/decisions/0012).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from wardein.errors import WardeinError, is_text
from wardein.hashing import HashedFile as HashedFile
from wardein.hashing import Reading, hash_all
from wardein.hashing import open_regular as open_regular

_ROOM = "make room where TMPDIR points, or set it to another folder"
_JOINERS = "\u200c\u200d"
# One table, whatever Python reads it: what is refused by one version of Unicode would be hashed by the next.
_UNICODE = unicodedata.ucd_3_2_0
_REFUSED = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
# What formats a text without showing, and has come after that version.
_FORMATS = re.compile(
    "[\u00ad\u0600-\u0605\u061c\u06dd\u0890\u0891\u08e2\u180e\u200b\u2064\u2066-\u2069\U000110bd\U000110cd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3]"
)


@dataclass(frozen=True)
class Subject:
    """A named thing and its digest: 64 lower-case hexadecimal digits."""

    name: str
    digest: str


def pinned(text: str) -> str:
    """The digest in ``sha256:HEX``, which names what is not here.

    Raises:
        WardeinError: If it is not of that form.
    """
    if re.fullmatch(r"sha256:[0-9a-f]{64}", text) is None:
        mend = "write sha256: and 64 lower-case hexadecimal digits; `wardein show PATH` prints a digest"
        raise WardeinError(f"{text[:100]!r} names no digest", where="--subject", mend=mend)
    return text.removeprefix("sha256:")


@dataclass(frozen=True)
class Tree:
    """What an artifact was made of when it was read.

    Attributes:
        files: Every file, in the byte order of their POSIX paths; or the one file that it is, under its own name.
        empty: The folders that hold nothing at all, in the same order. They and the files' modes are no part of the
            digest, but of what is signed.
        is_folder: Whether it is a folder rather than a file.
    """

    files: tuple[HashedFile, ...]
    empty: tuple[str, ...] = ()
    is_folder: bool = True

    @cached_property
    def digest(self) -> str:
        """What identifies it."""
        if not self.is_folder:
            return self.files[0].digest
        return folder_digest((file.path, file.digest) for file in self.files)

    @property
    def bytes(self) -> int:
        """The size of all its files."""
        return sum(file.bytes for file in self.files)


class Known(type(Path())):  # type: ignore[misc]  # pathlib's concrete class
    """The path of an artifact, with what it was found to be made of when it was read; that is not read again."""

    tree: Tree | None = None

    @property
    def digest(self) -> str:
        """Its digest; empty as long as nobody has read it."""
        return self.tree.digest if self.tree is not None else ""


class PrivateCopy(Known):
    """The path of a copy that nobody else can write to, hashed while it was made."""


def folder_digest(files: Iterable[tuple[str, str]]) -> str:
    """The digest of a folder of these paths and the sha256 of each, in the byte order of the paths."""
    lines = "".join(f"{digest}  {path}\n" for path, digest in files)
    return hashlib.sha512(lines.encode()).hexdigest()[:64]


def digest_of(path: Path, *, links: bool = False) -> str:
    """The sha256 of a file, or the digest of a folder over the names and contents of all its files.

    Args:
        path: The file or folder.
        links: Whether links to what is inside the folder are allowed, as in a source folder.

    Raises:
        WardeinError: If the path does not exist, is empty, or holds other links or special files.
    """
    return tree_of(path, links=links).digest


def tree_of(path: Path, *, links: bool = False) -> Tree:
    """What an artifact is made of; of one that was read before, what was found then.

    Raises:
        WardeinError: As :func:`hash_file` and :func:`hash_folder`.
    """
    if isinstance(path, Known) and path.tree is not None:
        return path.tree
    if path.is_dir() and not path.is_symlink():
        return _tree(path, _found(path, links=links), None)
    return Tree((hash_file(path),), is_folder=False)


def in_place(path: Path) -> Copy:
    """Hash an artifact where it lies, for those who need to know what it is made of and do not read it.

    The path itself may be a symbolic link, as for :func:`copy_of`.

    Raises:
        WardeinError: As :func:`hash_folder`.
    """
    known = Known(os.path.abspath(path))
    if path.is_dir():
        known.tree = _tree(path, _found(path), None)
    else:
        known.tree = Tree((hash_file(path, follow=True),), is_folder=False)
    return Copy(known)


def hash_file(path: Path, name: str = "", *, follow: bool = False) -> HashedFile:
    """Hash one regular file; a device, and a symbolic link unless ``follow``, is refused.

    Raises:
        WardeinError: If it is missing, not a regular file, cannot be read, or changes meanwhile.
    """
    return hash_all([Reading(name or path.name, os.fspath(path), follow=follow)])[0]


def read_regular(path: Path, limit: int) -> bytes:
    """The content of a regular file, which may be reached by a link.

    Raises:
        WardeinError: As :func:`open_regular`, or if there are more bytes than the limit.
    """
    content = bytearray()
    with open_regular(path, path.name, follow=True) as file:
        while len(content) <= limit and (chunk := file.read(1024 * 1024)):
            content += chunk
    if len(content) > limit:
        raise WardeinError(f"is larger than {limit} bytes", where=path.name)
    return bytes(content)


@dataclass(frozen=True)
class Copy:
    """An artifact that was taken in, and the digest and size of what was read."""

    path: Known

    @property
    def digest(self) -> str:
        """The sha256 of what was read."""
        return self.path.digest

    @property
    def bytes(self) -> int:
        """The size of what was read."""
        return self.path.tree.bytes if self.path.tree is not None else 0


def copy_of(path: Path, folder: Path, *, links: bool = False) -> Copy:
    """Copy a file or a folder into a folder, under its own name, hashing it on the way.

    Contents, empty folders and whether a file may be executed are copied, nothing else. The path itself may be a
    symbolic link, as mounted files often are. Below a folder links are refused, or, with ``links``, those that lead out
    of it. Those that lead to a file inside become that file; its bytes count once.

    Raises:
        WardeinError: As :func:`hash_folder`, or if there is no room.
    """
    copy = PrivateCopy(folder / (Path(os.path.abspath(path)).name or "folder"))
    try:
        if path.is_dir():
            entries = _found(path, links=links)
            _check_room(folder, sum(entry.size for entry in entries), path)
            copy.tree = _tree(path, entries, copy)
        else:
            _check_room(folder, path.stat().st_size, path)
            files = hash_all([Reading(path.name, os.fspath(path), target=os.fspath(copy), follow=True)])
            copy.tree = Tree(tuple(files), is_folder=False)
    except OSError as error:
        raise WardeinError(f"cannot be copied ({error.strerror})", where=str(path), mend=_ROOM) from None
    return Copy(copy)


def _check_room(folder: Path, needed: int, path: Path) -> None:
    """Find out before a disk is filled that it would be."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise WardeinError(f"cannot be copied ({needed} bytes, {free} are free)", where=str(path), mend=_ROOM)


def hash_folder(folder: Path, *, links: bool = False) -> list[HashedFile]:
    """Hash every file below a folder, in the byte order of their POSIX paths.

    Raises:
        WardeinError: If there is no file, or there is a link (with ``links``: one that leads out of the folder), a
            device, or a name that is not UTF-8.
    """
    return list(tree_of(folder, links=links).files)


@dataclass(frozen=True)
class _Entry:
    """What the walk comes upon: a file, a link or an empty folder, by its relative path."""

    name: str
    kind: str
    size: int = 0


def _tree(root: Path, entries: list[_Entry], copy: Path | None) -> Tree:
    """Hash, and copy, what a walk has found."""
    empty = tuple(entry.name for entry in entries if entry.kind == "empty")
    plain = [entry for entry in entries if entry.kind == "file"]
    if copy is not None:
        for name in sorted({"", *empty, *(entry.name.rpartition("/")[0] for entry in plain)}):
            os.makedirs(os.path.join(copy, name), exist_ok=True)
    base, into = os.fspath(root), "" if copy is None else os.fspath(copy)
    readings = [
        Reading(entry.name, f"{base}/{entry.name}", entry.size, into and f"{into}/{entry.name}") for entry in plain
    ]
    hashed = dict(zip((entry.name for entry in plain), hash_all(readings), strict=True))
    for entry in entries:
        if entry.kind == "link":
            hashed[entry.name] = _hash_link(root / entry.name, entry.name)
            if copy is not None:
                _link_inside(root, entry.name, copy)
    return Tree(tuple(hashed[entry.name] for entry in entries if entry.kind != "empty"), empty)


def _link_inside(root: Path, name: str, copy: Path) -> None:
    """Whoever looks for a file by the name of a link must find it in the copy as well."""
    leads_to = copy / Path(os.path.realpath(root / name)).relative_to(os.path.realpath(root))
    if leads_to.is_file():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(leads_to, copy / name)


def _hash_link(path: Path, name: str) -> HashedFile:
    return HashedFile(name, hashlib.sha256(f"link to {os.readlink(path)}".encode()).hexdigest(), 0)


def _found(folder: Path, *, links: bool = False) -> list[_Entry]:
    try:
        found = sorted(_walk(os.fspath(folder), links=links), key=lambda entry: entry.name.encode())
    except OSError as error:
        where = os.path.relpath(error.filename or folder, folder)
        where = folder.name if where == "." else where
        raise WardeinError(f"cannot be listed ({error.strerror})", where=where, mend="let this user read it") from None
    if all(entry.kind == "empty" for entry in found):
        raise WardeinError("holds no file", where=str(folder), mend="give the folder that holds the artifact's files")
    return found


def _walk(root: str, *, links: bool) -> Iterator[_Entry]:
    """Every file, link and empty folder below a folder; folders wait in a list, as they can be thousands deep."""
    waiting = [""]
    while waiting:
        prefix, holds = waiting.pop(), False
        with os.scandir(f"{root}/{prefix}") as entries:
            for entry in entries:
                holds = True
                name = f"{prefix}{entry.name}"
                _check_name(name)
                if entry.is_symlink():
                    if not (links and _leads_inside(Path(entry.path), Path(root))):
                        why = "leads to nothing inside the folder" if links else "is a symbolic link"
                        raise WardeinError(why, where=name, mend="replace it by the file it points to")
                    yield _Entry(name, "link")
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{name}/")
                else:
                    yield _Entry(name, "file", entry.stat(follow_symlinks=False).st_size)
        if not holds and prefix:
            yield _Entry(prefix[:-1], "empty")


def _check_name(name: str) -> None:
    """Names that could pass for other lines of the listing that is hashed, or show as others, are refused."""
    if name.isascii() and name.isprintable() and "\\" not in name:
        return
    try:
        name.encode()
    except UnicodeEncodeError:
        raise WardeinError("a file name is not UTF-8", where=ascii(name), mend="rename the file") from None
    if not _shows(name) or "\\" in name:
        raise WardeinError("a file name holds a control character or a backslash", where=ascii(name))


def _shows(text: str) -> bool:
    """Whether a text shows as what it is.

    Spaces of other widths and joined emoji are in names that people and their machines make: screenshots, for one.
    """
    hidden = any(_UNICODE.category(character) in _REFUSED for character in text if character not in _JOINERS)
    return not hidden and _FORMATS.search(text) is None


def _leads_inside(link: Path, root: Path) -> bool:
    """Whether a link leads, by a relative way that never leaves the folder, to something that is there."""
    target = os.readlink(link)
    named, real = Path(os.path.normpath(link.parent / target)), Path(os.path.realpath(link))
    inside = root in (named, *named.parents) and Path(os.path.realpath(root)) in (real, *real.parents)
    return not os.path.isabs(target) and is_text(target) and _shows(target) and inside and real.exists()
