# SPDX-License-Identifier: Apache-2.0
"""What the files of a project declare: requirements, packages at a definite version, and what could not be read."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal
from urllib.parse import quote

from packaging.version import InvalidVersion, Version

from wardein.errors import WardeinError, printable
from wardein.report import Skipped
from wardein.scan.merge import Found
from wardein.scan.rules import Rule

MAX_REQUIREMENTS = 50_000
_QUOTED = re.compile(r'"([^"]*)"|\'([^\']*)\'')
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
Origin = Literal["index", "vcs", "url", "local", "own", "member"]
# What cannot be looked up for a reason that a project may accept; an empty word for what it may not.
Unexaminable = Literal["", "build", "conda", "foreign", "url"]


class TooManyRequirements(WardeinError):
    """More than anybody declares, and more than would be looked up in reasonable time."""


@dataclass(frozen=True, order=True)
class Package:
    """A package at one version, which is what advisories are about.

    Attributes:
        ecosystem: Its type as package URLs name it: ``pypi``, ``conda``, ``npm`` and so on.
        name: Its name; for ``pypi`` as PEP 503 normalises it.
        version: Its version; for ``pypi`` as PEP 440 normalises it.
        address: Its package URL, where a document gave one; made from the rest otherwise.
    """

    ecosystem: str
    name: str
    version: str
    address: str = ""

    @property
    def purl(self) -> str:
        """The package URL, with the version."""
        return self.address or f"pkg:{self.ecosystem}/{quote(self.name, safe='/')}@{quote(self.version, safe='')}"

    @cached_property
    def public(self) -> Package:
        """The package without a build's own label: ``2.1.0+cu118`` is looked up as ``2.1.0``, which advisories know."""
        if self.ecosystem != "pypi" or "+" not in self.version:
            return self
        return Package(self.ecosystem, self.name, self.version.partition("+")[0])

    @property
    def label(self) -> str:
        """As people write it."""
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class Requirement:
    """One row of a declaration.

    Attributes:
        path: The file.
        line: The line in it; 0 if there is none.
        name: The package's normalised name; empty if the row does not tell.
        specifier: Which versions it allows, as PEP 440 specifiers with ``||`` between alternatives; empty for any.
        version: The definite version, if the row tells one.
        ecosystem: As in :class:`Package`.
        origin: Where the package comes from: ``own`` is the project itself, ``member`` another project of the folder.
        source: For a URL, which one, as :attr:`wardein.dependencies.addresses.Address.source` tells it.
        marker: When it applies, as PEP 508 writes it.
        hashed: Whether the row holds a digest of the file that is installed.
        is_build: Whether it is only used to build the project, so that no lock file holds it.
        is_direct: Whether the project asks for it itself, and not a lock file.
        address: A package URL that the row gives.
    """

    path: str
    line: int
    name: str
    specifier: str = ""
    version: str = ""
    ecosystem: str = "pypi"
    origin: Origin = "index"
    source: str = ""
    marker: str = ""
    hashed: bool = False
    is_build: bool = False
    is_direct: bool = True
    address: str = ""

    @property
    def place(self) -> str:
        """File, line and name, as people read them."""
        where = f"{self.path}, line {self.line}" if self.line else self.path
        return f"{where}: {self.name or 'a requirement'}{self.specifier[:100]}"

    def locked_at(self, version: str) -> Requirement:
        """The same row, of a lock file that names its version."""
        return replace(self, version=version, is_direct=False)

    @property
    def package(self) -> Package | None:
        """The package at the definite version, if there is one."""
        return Package(self.ecosystem, self.name, self.version, self.address) if self.name and self.version else None


@dataclass(frozen=True)
class Lock:
    """What a file holds fast: the versions that are installed; none if it does not tell.

    Attributes:
        path: The file.
        versions: By normalised name.
        sourced: The same of packages from a URL, by name and source; those from an index have the empty one.
    """

    path: str
    versions: dict[str, tuple[str, ...]]
    sourced: dict[tuple[str, str], tuple[str, ...]]


@dataclass(frozen=True)
class Unread:
    """A row or file that was not looked up, and whether that can be accepted."""

    what: str
    why: str
    kind: Unexaminable = ""

    @property
    def skipped(self) -> Skipped:
        """As the report tells it."""
        mend = f"; --accept-unexamined {self.kind} lets it pass, and says so" if self.kind else ""
        return Skipped(self.what, self.why + mend)


@dataclass
class Reading:
    """What has been read so far.

    Attributes:
        requirements: Every row.
        found: What is wrong with how things are declared.
        unread: What could not be read.
        locks: The files that hold versions fast.
        held_by: For a file whose requirements another file holds fast, which one; else the nearest lock files do.
        python: The Python versions that a project is for, by the path of its file.
        projects: The normalised names of the projects that lie in the folder.
        drawn_in: Requirements files that other files refer to, whatever they are called.
        indexes: The indexes that lock files name, each with its file.
    """

    requirements: list[Requirement] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    locks: dict[str, Lock] = field(default_factory=dict)
    held_by: dict[str, list[str]] = field(default_factory=dict)
    python: dict[str, str] = field(default_factory=dict)
    projects: set[str] = field(default_factory=set)
    drawn_in: list[str] = field(default_factory=list)
    indexes: set[tuple[str, str]] = field(default_factory=set)
    _by_path: dict[str, list[Requirement]] = field(default_factory=lambda: defaultdict(list))
    _by_folder: dict[str, list[Lock]] = field(default_factory=lambda: defaultdict(list))

    def add(self, requirement: Requirement) -> None:
        """One more row.

        Raises:
            TooManyRequirements: If there are more than anybody declares.
        """
        if len(self.requirements) >= MAX_REQUIREMENTS:
            raise TooManyRequirements(f"declares more than {MAX_REQUIREMENTS} requirements", where=requirement.path)
        self.requirements.append(requirement)
        self._by_path[requirement.path].append(requirement)

    def rows_of(self, path: str) -> list[Requirement]:
        """The rows of one file."""
        return self._by_path.get(path, [])

    def take(self, other: Reading) -> None:
        """Everything that another reading has brought.

        Raises:
            TooManyRequirements: As :meth:`add`.
        """
        for requirement in other.requirements:
            self.add(requirement)
        self.found += other.found
        self.unread += other.unread
        self.drawn_in += other.drawn_in

    def locks_near(self, path: str) -> list[Lock]:
        """The lock files in a file's folder, or in the nearest folder above it that has any."""
        folder = path.rpartition("/")[0]
        while True:
            near = self._by_folder.get(folder)
            if near or not folder:
                return near or []
            folder = folder.rpartition("/")[0]

    def flaw(self, rule: Rule, path: str, line: int = 0, detail: str = "", text: str = "") -> None:
        """Something that is wrong with a declaration; the detail holds no credentials."""
        message = f"{detail}: {rule.title}" if detail else rule.title
        identity = text or detail or path
        self.found.append(
            Found(rule.id, path, rule.severity, printable(message), line=line, text=identity, cwe=rule.cwe)
        )

    def skip(self, what: str, why: str, kind: Unexaminable = "") -> None:
        """Something that is declared and that could not be read or looked up."""
        self.unread.append(Unread(printable(what), printable(why), kind))

    def hold(self, path: str) -> None:
        """Let the rows of a file that has been read hold versions fast."""
        versions: dict[str, tuple[str, ...]] = {}
        sourced: dict[tuple[str, str], tuple[str, ...]] = {}
        for row in self.rows_of(path):
            if row.name:
                told, key = ([row.version] if row.version else []), (row.name, row.source)
                versions[row.name] = (*versions.get(row.name, ()), *told)
                sourced[key] = (*sourced.get(key, ()), *told)
        self.locks[path] = Lock(path, versions, sourced)
        self._by_folder[path.rpartition("/")[0]].append(self.locks[path])


def normal(name: str) -> str:
    """A Python package's name as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def normal_version(text: str) -> str:
    """A version as PEP 440 normalises it; empty if it is none."""
    try:
        return str(Version(text)) if len(text) <= 200 else ""
    except InvalidVersion:
        return ""


class Lines:
    """On which lines of a file things stand, counted from 1; the file is read through once, however many are asked for.

    Known are quoted texts, words, whole lines, the keys before an equals sign or a colon, and names of packages.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at: dict[str, list[int]] = {}
        self._keys: dict[str, list[int]] = {}
        self._names: dict[str, list[int]] = {}

    def of(self, *needles: str) -> int:
        """The first line on which the first of some texts stands that stands anywhere; 0 if none does."""
        self._read()
        return next((self._at[needle][0] for needle in needles if needle in self._at), 0)

    def of_key(self, name: str) -> int:
        """The first line that gives a key a value; 0 if there is none."""
        self._read()
        return self._keys.get(name, [0])[0]

    def next_named(self, name: str) -> int:
        """The next line, after those that were told before, that begins with ``name = "NAME"``; 0 if there is none."""
        self._read()
        lines = self._names.get(name, [0])
        return lines.pop(0) if len(lines) > 1 else lines[0]

    def _read(self) -> None:
        if self._at:
            return
        for number, line in enumerate(self._text.split("\n"), 1):
            key = re.match(r"\s*+[\"']?([^\"'=:]*+)[\"']?\s*+[=:]", line[:500])
            if key:
                self._keys.setdefault(key[1].strip(), []).append(number)
            named = re.match(r"name\s*=\s*[\"']([^\"']*)", line[:500])
            if named:
                self._names.setdefault(named[1], []).append(number)
            for word in {line.strip(), *line.split(), *(a or b for a, b in _QUOTED.findall(line))}:
                self._at.setdefault(word, []).append(number)
