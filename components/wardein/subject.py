# SPDX-License-Identifier: Apache-2.0
"""What is judged: files and folders, identified by sha256 over every byte of them.

A folder's digest is the sha256 over the lines ``<sha256>  <path>`` of all its files in the byte order of
their POSIX paths: what ``sha256sum`` prints, hashed once more. It binds names as well as contents, which
the root digest of OpenSSF Model Signing v1.0 does not (docs/decisions/0002). No file is ever left out,
and what cannot be hashed faithfully (links, devices) is refused.

Code is full of links, so a source folder may have those that lead to something inside it. Such a link counts as a
file that holds ``link to `` and its target (docs/decisions/0012).
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from wardein.errors import WardeinError

_JOINERS = "\u200c\u200d"


@dataclass(frozen=True)
class Subject:
    """A named thing and its lower-case hexadecimal sha256."""

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
class HashedFile:
    """One regular file below a folder: its relative POSIX path, sha256 and size in bytes."""

    path: str
    digest: str
    bytes: int


class PrivateCopy(type(Path())):  # type: ignore[misc]  # pathlib's concrete class
    """The path of a copy that nobody else can write to, with the digest that was taken while it was made."""

    digest = ""


def digest_of(path: Path, *, links: bool = False) -> str:
    """The sha256 of a file, or the digest of a folder over the names and contents of all its files.

    Args:
        path: The file or folder.
        links: Whether links to what is inside the folder are allowed, as in a source folder.

    Raises:
        WardeinError: If the path does not exist, is empty, or holds other links or special files.
    """
    if isinstance(path, PrivateCopy) and path.digest:
        return path.digest
    if path.is_dir() and not path.is_symlink():
        return _folder_digest(hash_folder(path, links=links))
    return hash_file(path).digest


def hash_file(path: Path, name: str = "") -> HashedFile:
    """Hash one regular file; a symbolic link or a device is refused.

    Raises:
        WardeinError: If it is missing, not a regular file, or cannot be read.
    """
    shown = name or path.name
    with open_regular(path, shown) as file:
        try:
            return HashedFile(shown, hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size)
        except OSError as error:
            raise WardeinError(f"cannot be read ({error.strerror})", where=shown) from None


def open_regular(path: Path, shown: str, *, follow: bool = False) -> BufferedReader:
    """Open a regular file for reading; what could block or be something else than bytes is refused.

    Raises:
        WardeinError: If it is missing, a symbolic link (unless ``follow``), or not a regular file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW))
    except FileNotFoundError:
        raise WardeinError("does not exist", where=str(path), mend="check the path") from None
    except OSError as error:
        why = "is a symbolic link" if path.is_symlink() else f"cannot be opened ({error.strerror})"
        raise WardeinError(why, where=shown, mend="give the regular file itself") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise WardeinError("is not a regular file", where=shown, mend="give the regular file itself")
    return open(descriptor, "rb")


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
    """A copy of a file or folder, and the digest and size of the bytes that were copied."""

    path: PrivateCopy
    bytes: int

    @property
    def digest(self) -> str:
        """The sha256 of what was copied."""
        return self.path.digest


def copy_of(path: Path, folder: Path, *, links: bool = False) -> Copy:
    """Copy a file or a folder's files, contents only, into a folder, under its own name, hashing them on the way.

    The path itself may be a symbolic link, as mounted files often are. Below a folder links are refused, or, with
    ``links``, those that lead out of it. Those that lead to a file inside become that file; its bytes count once.

    Raises:
        WardeinError: As :func:`hash_folder`, or if there is no room.
    """
    target = PrivateCopy(folder / (Path(os.path.abspath(path)).name or "folder"))
    try:
        if not path.is_dir():
            with open_regular(path, str(path), follow=True) as source:
                copied = _copy_hashing(source, target, path.name)
            target.digest = copied.digest
            return Copy(target, copied.bytes)
        files, linked = [], {}
        for name, found in _sorted_files(path, links=links):
            if links and found.is_symlink():
                files.append(_hash_link(found, name))
                linked[name] = Path(os.path.realpath(found)).relative_to(os.path.realpath(path))
                continue
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            with open_regular(found, name) as source:
                files.append(_copy_hashing(source, target / name, name))
        for name, leads_to in linked.items():
            if (target / leads_to).is_file():  # whoever looks for a file by its name must find it here as well
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                os.link(target / leads_to, target / name)
        target.digest = _folder_digest(files)
        return Copy(target, sum(file.bytes for file in files))
    except OSError as error:
        mend = "make room where TMPDIR points, or set it to another folder"
        raise WardeinError(f"cannot be copied ({error.strerror})", where=str(path), mend=mend) from None


def _copy_hashing(source: BufferedReader, target: Path, name: str) -> HashedFile:
    digest, size = hashlib.sha256(), 0
    with open(target, "xb") as copy:
        while chunk := source.read(1024 * 1024):
            digest.update(chunk)
            size += copy.write(chunk)
    return HashedFile(name, digest.hexdigest(), size)


def _folder_digest(files: list[HashedFile]) -> str:
    return hashlib.sha256("".join(f"{file.digest}  {file.path}\n" for file in files).encode()).hexdigest()


def hash_folder(folder: Path, *, links: bool = False) -> list[HashedFile]:
    """Hash every file below a folder, in the byte order of their POSIX paths.

    Raises:
        WardeinError: If there is no file, or there is a link (with ``links``: one that leads out of the folder), a
            device, or a name that is not UTF-8.
    """
    found = _sorted_files(folder, links=links)
    return [_hash_link(p, name) if links and p.is_symlink() else hash_file(p, name) for name, p in found]


def hash_tree(path: Path) -> list[HashedFile]:
    """The files of an artifact: those below a folder, or the one file itself, which goes by its own name.

    Raises:
        WardeinError: As :func:`hash_file` and :func:`hash_folder`.
    """
    return hash_folder(path) if path.is_dir() and not path.is_symlink() else [hash_file(path)]


def _hash_link(path: Path, name: str) -> HashedFile:
    return HashedFile(name, hashlib.sha256(f"link to {os.readlink(path)}".encode()).hexdigest(), 0)


def _sorted_files(folder: Path, *, links: bool = False) -> list[tuple[str, Path]]:
    found = sorted(_walk(folder, folder, links=links), key=lambda item: item[0].encode())
    if not found:
        raise WardeinError("holds no file", where=str(folder), mend="give the folder that holds the artifact's files")
    return found


def _walk(folder: Path, root: Path, *, links: bool) -> Iterator[tuple[str, Path]]:
    """Every file and link below a folder; folders are taken from a list, as they can be thousands deep."""
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                path = Path(entry.path)
                name = path.relative_to(root).as_posix()
                _check_name(name)
                if entry.is_symlink() and not (links and _leads_inside(path, root)):
                    why = "leads to nothing inside the folder" if links else "is a symbolic link"
                    raise WardeinError(why, where=name, mend="replace it by the file it points to")
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(path)
                else:
                    yield name, path


def _check_name(name: str) -> None:
    """Names that could pass for other lines of the listing that is hashed, or show as others, are refused."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise WardeinError("a file name is not UTF-8", where=ascii(name), mend="rename the file") from None
    # Spaces of other widths and joined emoji are in names that people and their machines make: screenshots, for one.
    plain = "".join(" " if unicodedata.category(c) == "Zs" or c in _JOINERS else c for c in name)
    if not plain.isprintable() or "\\" in name:
        raise WardeinError("a file name holds a control character or a backslash", where=ascii(name))


def _leads_inside(link: Path, root: Path) -> bool:
    """Whether a link leads, by a relative way that never leaves the folder, to something that is there."""
    target = os.readlink(link)
    named, real = Path(os.path.normpath(link.parent / target)), Path(os.path.realpath(link))
    inside = root in (named, *named.parents) and Path(os.path.realpath(root)) in (real, *real.parents)
    return not os.path.isabs(target) and target.isprintable() and inside and real.exists()
