# SPDX-License-Identifier: Apache-2.0
"""The records of installed packages in an image, as its layers, each over the one below, leave them.

Scanners drop in silence what they cannot read, do not follow links, and compare names by their exact spelling, while
Python and Node find packages by all of these. So the records are read here as well: where they lie, by which names
links lead to them, and which package each of them tells of.
"""

from __future__ import annotations

import posixpath
import re
import tarfile
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from wardein.errors import WardeinError
from wardein.images import packages, tarball
from wardein.images.packages import Package

_PATTERNS = {
    # What Python's importlib.metadata takes for a package, in any case, and the eggs of old.
    "python": re.compile(r"(.*/)?[^/]*\.(dist-info/METADATA|egg-info(/PKG-INFO)?|egg(/EGG-INFO/PKG-INFO)?)", re.I),
    # What Node resolves. A package.json elsewhere than at the root of an installed package is none.
    "node": re.compile(r"(.*/)?node_modules/(@[^/]+/)?[^/@.][^/]*/package\.json"),
    "wheel": re.compile(r"(.*/)?[^/]+\.whl"),
    "conda": re.compile(r"(.*/)?conda-meta/[^/]+\.json"),
    "os": re.compile(
        r"var/lib/dpkg/status(\.d/.+)?|(usr/)?lib/apk/db/installed"
        r"|(usr/lib/sysimage|var/lib)/rpm/(Packages|rpmdb.*)"
    ),
    "release": re.compile(r"(etc|usr/lib)/os-release"),
    # Files of a Python package's record that are not read.
    "part": re.compile(r"(.*/)?[^/]*\.dist-info/(RECORD|WHEEL|INSTALLER|top_level\.txt|entry_points\.txt)", re.I),
}
# Files that are records only under a name that a link gives them, and links by which a Python package is found.
_LOOSE = {"METADATA": "python", "PKG-INFO": "python", "package.json": "node"}
_MARK = re.compile(r"(.*/)?[^/]*\.(dist-info|egg-info|egg)", re.I)
_MOST_LINKS = 40  # on the way to one file, as Linux allows
_ROUNDS = 3  # of links inside what links lead to
_MOST_NAMES = 100_000  # of folders; honest images have some hundred


@dataclass(frozen=True)
class Record:
    """A file that describes an installed package.

    Attributes:
        kind: ``python``, ``node``, ``wheel`` (a package that lies ready to be installed), ``conda`` or ``os``.
        path: Where it lies, from the image's root.
        package: The package that it tells of; what ``conda`` and ``os`` tell is not read.
        problem: Why it cannot be read; empty if it can.
    """

    kind: str
    path: str
    package: Package | None = None
    problem: str = ""


@dataclass(frozen=True)
class _Link:
    target: str


@dataclass(frozen=True)
class _Other:
    """A folder, or a file that tells nothing."""

    is_folder: bool


class Overlay:
    """What is noted of the layers that were read so far.

    Attributes:
        releases: The distributions, with their versions, that any ``os-release`` of any layer tells.
    """

    def __init__(self) -> None:
        self.releases: set[tuple[str, str]] = set()
        self._view: dict[str, Record | _Link] = {}
        self._added: dict[str, Record | _Link | _Other] = {}
        self._second_names: dict[str, list[tuple[str, str]]] = {}
        self._hidden: set[str] = set()
        self._emptied: set[str] = set()

    def note(self, member: tarfile.TarInfo, read: Callable[[int], bytes]) -> None:
        """Take one member of the layer that is being read.

        Args:
            member: The member.
            read: Gives its content, up to so many bytes.

        Raises:
            WardeinError: If its name can be taken in two ways.
        """
        path = tarball.place(member)
        parent, _, base = path.rpartition("/")
        if base == ".wh..wh..opq":
            self._emptied.add(parent)
        elif base.startswith(".wh."):
            name = base.removeprefix(".wh.")
            if name in ("", ".", ".."):
                raise WardeinError("deletes no file of a name", where=ascii(path))
            self._hidden.add(f"{parent}/{name}".lstrip("/"))
        elif member.issym():
            self._added[path] = _Link(member.linkname)
        else:
            self._added[path] = self._entry(path, member, read)

    def _entry(self, path: str, member: tarfile.TarInfo, read: Callable[[int], bytes]) -> Record | _Other:
        kind = "" if member.isdir() else _kind(path)
        if not kind:
            return _Other(member.isdir())
        if member.islnk():
            first = posixpath.normpath("/" + member.linkname).lstrip("/")
            known = self._added.get(first)
            if isinstance(known, Record):
                return Record(kind, path, known.package, known.problem)
            self._second_names.setdefault(first, []).append((kind, path))
            return Record(kind, path, problem="is a second name of a file that is not in its layer")
        return self._read(kind, path, member, read)

    def _read(self, kind: str, path: str, member: tarfile.TarInfo, read: Callable[[int], bytes]) -> Record:
        if not member.isreg():
            return Record(kind, path, problem="is no regular file")
        if kind == "release":
            self.releases.add(packages.release_of(read(packages.MAX_RECORD)))
        if kind in ("release", "conda", "os", "part"):
            return Record(kind, path)
        package, problem = packages.read(kind, path, member.size, read)
        return Record(kind, path, package, problem)

    @property
    def first_names(self) -> frozenset[str]:
        """Files of this layer that are records under a second name, and have to be read once more for it."""
        return frozenset(self._second_names)

    def note_first_name(self, member: tarfile.TarInfo, read: Callable[[int], bytes]) -> None:
        """Take a member of :attr:`first_names`."""
        for kind, path in self._second_names[tarball.place(member)]:
            self._added[path] = self._read(kind, path, member, read)

    def end_layer(self) -> None:
        """Whiteouts hide what lower layers brought, never what their own layer brings."""
        covered = self._hidden | self._emptied
        covered |= {path for path, new in self._added.items() if not (isinstance(new, _Other) and new.is_folder)}
        self._view = {
            path: old
            for path, old in self._view.items()
            if path not in self._added and path not in self._hidden and covered.isdisjoint(_folders_of(path))
        }
        self._view |= {path: new for path, new in self._added.items() if not isinstance(new, _Other)}
        self._added, self._second_names, self._hidden, self._emptied = {}, {}, set(), set()

    def records(self) -> tuple[Record, ...]:
        """The records in what the layers leave, by their paths, links followed.

        Raises:
            WardeinError: If links give files more names than can be looked at.
        """
        files = {path: entry for path, entry in self._view.items() if isinstance(entry, Record)}
        real = {path: self._leads_to(path) for path, entry in self._view.items() if isinstance(entry, _Link)}
        found = {path: record for path, record in files.items() if _PATTERNS[record.kind].fullmatch(path)}
        loose = sorted(files.keys() - found.keys())
        for name, target in _names(real, loose):
            for path in _at_or_below(target, loose):
                if _PATTERNS[files[path].kind].fullmatch(_joined(name, path[len(target) :])):
                    found[path] = files[path]
        noted = sorted(files)
        for path, end in real.items():
            kind = _kind(path) if _kind(path) in ("python", "node") else "python" if _MARK.fullmatch(path) else ""
            if kind and not _is_loose(path) and (end is None or not any(True for _ in _at_or_below(end, noted))):
                found[path] = Record(kind, path, problem="is a link to nothing that can be read")
        for path in [path for path, record in found.items() if record.kind == "part"]:
            folder = found.pop(path).path.rpartition("/")[0]
            if f"{folder}/METADATA" not in self._view and folder not in self._view:
                found[folder] = Record("python", folder, problem="its METADATA is missing")
        return tuple(found[path] for path in sorted(found) if found[path].kind != "release")

    def _leads_to(self, path: str) -> str | None:
        """What a path is once every link on its way is followed; None if that has no end."""
        ahead, followed = path.split("/"), 0
        real: list[str] = []
        while ahead:
            part = ahead.pop(0)
            if part == "..":
                real = real[:-1]
            elif part not in ("", "."):
                entry = self._view.get("/".join([*real, part]))
                if not isinstance(entry, _Link):
                    real = [*real, part]
                    continue
                followed += 1
                if followed > _MOST_LINKS:
                    return None
                real = [] if entry.target.startswith("/") else real
                ahead = [*entry.target.split("/"), *ahead]
        return "/".join(real)


def _kind(path: str) -> str:
    kind = next((kind for kind, pattern in _PATTERNS.items() if pattern.fullmatch(path)), "")
    return kind or _LOOSE.get(path.rpartition("/")[2], "")


def _is_loose(path: str) -> bool:
    kind = _kind(path)
    return bool(kind) and not _PATTERNS[kind].fullmatch(path)


def _folders_of(path: str) -> Iterator[str]:
    """The folders that a path lies in, up to the root."""
    while path:
        path = path.rpartition("/")[0]
        yield path


def _joined(name: str, rest: str) -> str:
    return f"{name}/{rest.lstrip('/')}" if rest else name


def _at_or_below(folder: str, paths: Sequence[str]) -> Iterator[str]:
    """The paths, of a sorted sequence, that are this one or lie below it."""
    if not folder:
        yield from paths
        return
    at = bisect_left(paths, folder)
    if at < len(paths) and paths[at] == folder:
        yield folder
    start = f"{folder}/"
    for index in range(bisect_left(paths, start), len(paths)):
        if not paths[index].startswith(start):
            return
        yield paths[index]


def _names(real: Mapping[str, str | None], loose: Sequence[str]) -> list[tuple[str, str]]:
    """The names that links give to what holds loose files, and what they lead to; also links behind links."""
    useful = {p: t for p, t in real.items() if t is not None and any(True for _ in _at_or_below(t, loose))}
    paths, names, new = sorted(useful), dict(useful), dict(useful)
    for _ in range(_ROUNDS):
        new = {
            _joined(name, inner[len(target) :]): useful[inner]
            for name, target in new.items()
            for inner in _at_or_below(target, paths)
        }
        new = {name: target for name, target in new.items() if name not in names}
        names |= new
        if len(names) > _MOST_NAMES:
            raise WardeinError("gives its files too many names by links to follow them all", where="the image")
    return sorted(names.items())
