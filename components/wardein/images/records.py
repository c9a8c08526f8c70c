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
from dataclasses import dataclass, replace

from wardein.errors import WardeinError
from wardein.images import packages, tarball
from wardein.images.packages import Package

_PATTERNS = {
    # What Python's importlib.metadata takes for a package, in any case, and the eggs of old.
    "python": re.compile(
        r"(.*/)?[^/]*\.(dist-info/(METADATA|PKG-INFO)|egg-info(/(METADATA|PKG-INFO))?|egg(/EGG-INFO/PKG-INFO)?)",
        re.IGNORECASE | re.DOTALL,  # folders may have line ends in their names
    ),
    # What Node resolves. A package.json elsewhere than at the root of an installed package is none.
    "node": re.compile(r"(.*/)?node_modules/(@[^/]+/)?[^/@.][^/]*/package\.json", re.DOTALL),
    "wheel": re.compile(r"(.*/)?[^/]+\.whl", re.DOTALL),
    "conda": re.compile(r"(.*/)?conda-meta/[^/]+\.json", re.DOTALL),
    "os": re.compile(
        r"var/lib/dpkg/status(\.d/.+)?|(usr/)?lib/apk/db/installed"
        r"|(usr/lib/sysimage|var/lib)/rpm/(Packages(\.db)?|rpmdb.*)",
        re.DOTALL,
    ),
    "release": re.compile(r"(etc|usr/lib)/os-release"),
    "accounts": re.compile(r"etc/passwd"),
    # Files of a Python package's record that are not read.
    "part": re.compile(
        r"(.*/)?[^/]*\.dist-info/(RECORD|WHEEL|INSTALLER|top_level\.txt|entry_points\.txt)", re.IGNORECASE | re.DOTALL
    ),
}
# Files that are records only under a name that a link gives them, and links by which a Python package is found.
_LOOSE = {"METADATA": "python", "PKG-INFO": "python", "package.json": "node"}
_MARK = re.compile(r"(.*/)?[^/]*\.(dist-info|egg-info|egg)", re.IGNORECASE | re.DOTALL)
# Where trivy looks for what the distribution's package manager and its accounts are. It follows no links, so that of
# what is put in their place by one it goes on to see what a lower layer had there.
_FIXED = (
    *("var/lib/dpkg/status", "var/lib/dpkg/status.d/x", "lib/apk/db/installed", "usr/lib/apk/db/installed"),
    *(f"{f}/rpm/{n}" for f in ("usr/lib/sysimage", "var/lib") for n in ("Packages", "Packages.db", "rpmdb.sqlite")),
    "etc/passwd",
)
_MOST_LINKS = 40  # on the way to one file, as Linux allows
_ROUNDS = 3  # of links inside what links lead to
_MOST_NAMES = 100_000  # of folders; honest images have some hundred
_MOST_STEPS = 5_000_000  # of all links' ways together; honest images need some hundred thousand
_LONGEST = 4096  # bytes of a link's target, as Linux allows


@dataclass(frozen=True)
class Record:
    """A file that describes an installed package.

    Attributes:
        kind: ``python``, ``node``, ``wheel`` (a package that lies ready to be installed), ``conda``, ``os`` or
            ``accounts`` (``etc/passwd``, which describes none).
        path: Where it lies, from the image's root.
        package: The package that it tells of; what ``conda`` and ``os`` tell is not read.
        problem: Why it cannot be read; empty if it can.
        roots: The accounts with the uid 0 that ``etc/passwd`` lists.
    """

    kind: str
    path: str
    package: Package | None = None
    problem: str = ""
    roots: frozenset[str] = frozenset()

    @property
    def place(self) -> str:
        """The path as it can be told."""
        return self.path if self.path.isprintable() else ascii(self.path)


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
        self._steps = 0

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
            if len(member.linkname.encode("utf-8", "surrogateescape")) > _LONGEST:
                raise WardeinError("is a link to more than a path can be", where=ascii(path[:100]))
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
            if kind == "os":
                return Record(kind, path, problem="is a hard link, which trivy does not read")
            if isinstance(known, Record) and known.kind == kind:
                return replace(known, path=path)
            self._second_names.setdefault(first, []).append((kind, path))
            return Record(kind, path, problem="is a second name of a file that is not in its layer")
        return self._read(kind, path, member, read)

    def _read(self, kind: str, path: str, member: tarfile.TarInfo, read: Callable[[int], bytes]) -> Record:
        if not member.isreg():
            return Record(kind, path, problem="is no regular file")
        if kind == "release":
            self.releases.add(packages.release_of(read(packages.MAX_RECORD)))
        if kind == "accounts":
            return _accounts(path, read(packages.MAX_RECORD + 1))
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
                self._step()
                if _PATTERNS[files[path].kind].fullmatch(_joined(name, path[len(target) :])):
                    found[path] = files[path]
        noted = sorted(files)
        for path, end in real.items():
            kind = _kind(path) if _kind(path) in ("python", "node") else "python" if _MARK.fullmatch(path) else ""
            if kind and not _is_loose(path) and (end is None or not any(True for _ in _at_or_below(end, noted))):
                found[path] = Record(kind, path, problem="is a link to nothing that can be read")
        for path in [path for path, record in found.items() if record.kind == "part"]:
            folder = found.pop(path).path.rpartition("/")[0]
            named = {folder, f"{folder}/METADATA", f"{folder}/PKG-INFO"}
            if named.isdisjoint(self._view) and named.isdisjoint(found):
                found[folder] = Record("python", folder, problem="its METADATA is missing")
        found |= {record.path: record for record in self._behind_links()}
        return tuple(found[path] for path in sorted(found) if found[path].kind != "release")

    def _behind_links(self) -> Iterator[Record]:
        """What trivy looks for at a fixed path that leads elsewhere, to where it does not look."""
        links = [path for path, entry in self._view.items() if isinstance(entry, _Link) and _kind(path) == "os"]
        for path in {*_FIXED, *links}:
            end, kind = self._leads_to(path), _kind(path)
            if end is None or _kind(end) != kind:
                yield Record(
                    kind, path.removesuffix("/x"), problem="is a link or behind one, which trivy does not follow"
                )

    def _step(self) -> None:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise WardeinError("has too many links, and links behind links, to follow them all", where="the image")

    def _leads_to(self, path: str) -> str | None:
        """What a path is once every link on its way is followed; None if that has no end."""
        ahead, followed = path.split("/")[::-1], 0
        real: list[str] = []
        while ahead:
            self._step()
            part = ahead.pop()
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
                ahead += entry.target.split("/")[::-1]
        return "/".join(real)


def _kind(path: str) -> str:
    kind = next((kind for kind, pattern in _PATTERNS.items() if pattern.fullmatch(path)), "")
    return kind or _LOOSE.get(path.rpartition("/")[2], "")


def _accounts(path: str, content: bytes) -> Record:
    """The names that are uid 0; a runtime takes a uid that is no number for 0."""
    if len(content) > packages.MAX_RECORD:
        return Record("accounts", path, problem=f"is larger than {packages.MAX_RECORD} bytes")
    lines = [line.strip().split(":") for line in content.decode("utf-8", "surrogateescape").split("\n")]
    numbers = re.compile(r"[+-]?0*[1-9][0-9]*")
    return Record(
        "accounts", path, roots=frozenset(f[0].strip() for f in lines if not numbers.fullmatch((*f, "", "")[2].strip()))
    )


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
    paths, names, last = sorted(useful), dict(useful), dict(useful)
    made = 0
    for _ in range(_ROUNDS):
        new = {}
        for name, target in last.items():
            for inner in _at_or_below(target, paths):
                made += 1
                if made > _MOST_NAMES:
                    raise WardeinError("gives its files too many names by links to follow them all", where="the image")
                if (longer := _joined(name, inner[len(target) :])) not in names:
                    new[longer] = useful[inner]
        names |= new
        last = new
    return sorted(names.items())
