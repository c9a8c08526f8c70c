# SPDX-License-Identifier: Apache-2.0
"""Requirements and constraints files in pip's format, and single requirements as PEP 508 writes them.

What a line says is never shown unless it is understood, as it may hold a password.
"""

from __future__ import annotations

import codecs
import posixpath
import re
import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Pep508

from wardein.dependencies import rules
from wardein.dependencies.addresses import (
    is_address,
    read_address,
    read_flawed_index,
    read_index,
    scheme_of,
    version_of_file,
)
from wardein.dependencies.declared import NAME, Reading, Requirement, normal
from wardein.dependencies.specifiers import pinned

MAX_LINE = 20_000
_CODING = re.compile(rb"coding[:=]\s*([-\w.]+)")
_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar")
_WITH_VALUE = (
    ("requirement", "constraint", "editable", "index-url", "pypi-url", "extra-index-url", "find-links", "no-binary")
    + ("only-binary", "trusted-host", "use-feature", "hash", "config-settings", "global-option", "install-option")
    + ("all-releases", "only-final", "uploaded-prior-to")
)
_FLAGS = ("no-index", "prefer-binary", "pre", "require-hashes", "always-unzip", "use-pep517", "no-use-pep517")
_SHORT = {"r": "requirement", "c": "constraint", "e": "editable", "i": "index-url", "f": "find-links", "Z": ""}


@dataclass(frozen=True)
class Place:
    """Where a requirement stands, and what it may refer to.

    Attributes:
        path: The file.
        line: The line; 0 if there is none.
        paths: Every file of the scanned folder.
        own: The normalised name of the project itself, which its extras refer to.
        is_build: Whether it is only used to build the project.
        held: The packages from URLs that lock files hold, each with its URL as a source.
    """

    path: str
    line: int = 0
    paths: Collection[str] = ()
    own: str = ""
    is_build: bool = False
    held: Collection[tuple[str, str]] = ()

    @property
    def text(self) -> str:
        """As people read it."""
        return f"{self.path}, line {self.line}" if self.line else self.path


@dataclass
class Sheet:
    """A requirements file that has been read: its own rows, and the files that it draws in."""

    path: str
    reading: Reading = field(default_factory=Reading)
    requirements: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)


def decoded(content: bytes) -> str:
    """The text of a requirements file.

    Raises:
        ValueError: If pip would read it in an encoding that is not read here, or it is not UTF-8.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    for line in content.split(b"\n")[:2]:
        match = _CODING.search(line) if line.startswith(b"#") else None
        if match and match[1].lower().replace(b"_", b"-") not in (b"utf-8", b"utf8", b"ascii", b"us-ascii"):
            raise ValueError("asks to be read in an encoding other than UTF-8")
    return content.decode("utf-8-sig")


def read_sheet(path: str, text: str, paths: Collection[str], first: int = 1) -> Sheet:
    """Read a requirements file, whose lines are counted from a first.

    Whatever is not understood is told as unread; nothing is raised for it.
    """
    sheet = Sheet(path)
    for line, logical in _lines(text, first):
        place = Place(path, line, paths)
        try:
            _read_line(sheet, place, logical)
        except _NotUnderstood as problem:
            sheet.reading.skip(place.text, str(problem))
    return sheet


def read_requirement(reading: Reading, text: str, place: Place, *, hashed: bool = False) -> None:
    """Read one requirement: a name with specifiers and a marker, a URL, or a path.

    Nothing is raised for what is not understood: it is told as unread.
    """
    try:
        _read_requirement(reading, text.strip(), place, hashed)
    except _NotUnderstood as problem:
        reading.skip(place.text, str(problem))


class _NotUnderstood(Exception):
    """A line that pip may understand and that is not understood here."""


def _lines(text: str, begin: int) -> Iterator[tuple[int, str]]:
    """Logical lines with the number of their first: continued by a backslash, without comments, as pip joins them."""
    parts: list[str] = []
    first = 0
    for number, line in enumerate(text.splitlines(), begin):
        is_comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not is_comment:
            first = first if parts else number
            parts.append(line.strip("\\"))
            continue
        # A comment ends a continuation, and is set off so that it is still seen to be one.
        parts.append(f" {line}" if is_comment else line)
        yield from _stripped(first if len(parts) > 1 else number, parts)
        parts = []
    if parts:
        yield from _stripped(first, parts)


def _stripped(number: int, parts: list[str]) -> Iterator[tuple[int, str]]:
    line = _without_comment("".join(parts)).strip()
    if line:
        yield number, line


def _without_comment(line: str) -> str:
    """A comment begins with the line, or after a space; a regular expression would take a day for a million spaces."""
    at = line.find("#")
    while at > 0 and not line[at - 1].isspace():
        at = line.find("#", at + 1)
    return line[:at] if at >= 0 else line


def _read_line(sheet: Sheet, place: Place, line: str) -> None:
    if len(line) > MAX_LINE:
        raise _NotUnderstood(f"is longer than {MAX_LINE} characters")
    words = line.split(" ")
    cut = next((index for index, word in enumerate(words) if word.startswith("-")), len(words))
    subject = " ".join(words[:cut]).strip()
    options = list(_options(" ".join(words[cut:])))
    hashed = any(name == "hash" for name, _ in options)
    if subject:
        _read_requirement(sheet.reading, subject, place, hashed)
    for name, value in options:
        _read_option(sheet, place, name, value, hashed)


def _options(text: str) -> Iterator[tuple[str, str]]:
    try:
        words = iter(shlex.split(text))
    except ValueError:
        raise _NotUnderstood("has a quotation mark that is not closed") from None
    for word in words:
        name, value = _option(word)
        if name in _WITH_VALUE and value is None:
            value = next(words, None)
            if value is None:
                raise _NotUnderstood("has an option without its value")
        yield name, value or ""


def _option(word: str) -> tuple[str, str | None]:
    """An option's full name, which pip lets one cut short, and its value if it is in the same word."""
    if re.match(r"-[A-Za-z]", word):
        name = _SHORT.get(word[1], "?")
        if name != "?":
            return name, word[2:] or None  # with an equals sign, as optparse takes it
    elif word.startswith("--"):
        given, equals, value = word[2:].partition("=")
        every = (*_WITH_VALUE, *_FLAGS)
        full = [given] if given in every else [name for name in every if given and name.startswith(given)]
        if len(full) == 1:
            return full[0], value if equals else None
    raise _NotUnderstood("has an option or a word that is not understood")


def _read_option(sheet: Sheet, place: Place, name: str, value: str, hashed: bool) -> None:
    reading, path, line = sheet.reading, place.path, place.line
    if name in ("requirement", "constraint"):
        _include(sheet, place, name, value)
    elif name == "editable":
        _read_requirement(reading, value, place, hashed, is_editable=True)
    elif name in ("index-url", "pypi-url"):
        read_index(reading, path, line, value)
    elif name == "extra-index-url":
        read_flawed_index(reading, rules.EXTRA_INDEX, path, line, value)
    elif name == "find-links":
        if is_address(value) and scheme_of(value) != "file":
            read_flawed_index(reading, rules.FIND_LINKS, path, line, value)
    elif name == "trusted-host":
        reading.flaw(rules.TRUSTED_HOST, path, line, value.rpartition("@")[2][:100])
    elif name == "pre":
        reading.flaw(rules.PRE_RELEASES, path, line)


def _include(sheet: Sheet, place: Place, name: str, value: str) -> None:
    if is_address(value):
        if name == "requirement":
            raise _NotUnderstood("includes requirements from a URL, which are not fetched")
        read_index(sheet.reading, place.path, place.line, value)
        return  # what it holds fast is unknown, so that a requirement that counts on it has no definite version
    target = inside(place.path, value)
    if target not in place.paths:
        raise _NotUnderstood("includes a file that is not in the scanned folder, or only by a link")
    (sheet.requirements if name == "requirement" else sheet.constraints).append(target)


def inside(path: str, target: str) -> str:
    """The path in the scanned folder that a file refers to; empty if it leads out of it."""
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return "" if joined.startswith(("..", "/")) else joined


def _read_requirement(reading: Reading, text: str, place: Place, hashed: bool, is_editable: bool = False) -> None:
    if is_address(text):
        url, _, marker = text.partition(" ;")
        add_address(reading, url.strip(), place, marker=marker.strip(), hashed=hashed)
    elif is_editable or _is_path(text):
        _read_path(reading, text, place, hashed)
    else:
        _read_pep508(reading, text, place, hashed)


def _is_path(text: str) -> bool:
    bare = _bare(text)
    return "@" not in text and (bare.startswith((".", "/", "~")) or "/" in bare or bare.lower().endswith(_ARCHIVES))


def _read_path(reading: Reading, text: str, place: Place, hashed: bool) -> None:
    add_local(reading, _bare(text), place, hashed=hashed)


def _bare(text: str) -> str:
    """A path without extras and marker."""
    return re.split(r"[;\[]", text, maxsplit=1)[0].strip()


def add_local(reading: Reading, target: str, place: Place, *, name: str = "", hashed: bool = False) -> None:
    """A requirement that is a path: code of the scanned folder, or an archive that lies in it."""
    path = inside(place.path, target)
    told, version = version_of_file(path)
    if path and path in place.paths and version:
        detail = f"{name or told} {version}, a file in the folder"
        reading.flaw(rules.DIRECT_URL, place.path, place.line, detail)
        reading.add(Requirement(place.path, place.line, name or told, version=version, origin="local", hashed=hashed))
    elif path and any(path == "." or other == path or other.startswith(f"{path}/") for other in place.paths):
        shown = name or ("." if path == "." else path)
        reading.flaw(rules.EDITABLE, place.path, place.line, shown)
        reading.add(Requirement(place.path, place.line, name, origin="own"))
    else:
        reading.skip(place.text, "is a path to something that is not in the scanned folder")


def add_address(
    reading: Reading, url: str, place: Place, *, name: str = "", marker: str = "", hashed: bool = False
) -> None:
    """A requirement that is a URL, of a file or of a repository."""
    if scheme_of(url) == "file":
        reading.skip(place.text, "is a path of some machine")
        return
    address = read_address(reading, place.path, place.line, url, name=name, hashed=hashed, held=place.held)
    reading.add(
        Requirement(
            place.path,
            place.line,
            address.name,
            version=address.version,
            origin=address.origin,
            source=address.source,
            marker=marker,
            hashed=hashed,
            is_build=place.is_build,
        )
    )


def _read_pep508(reading: Reading, text: str, place: Place, hashed: bool) -> None:
    if _VARIABLE.search(text.partition("@")[0]):
        raise _NotUnderstood("holds a variable, so that its name or version is not known")
    if len(text) > MAX_LINE:
        raise _NotUnderstood(f"is longer than {MAX_LINE} characters")
    if any(quoted.startswith("'") and '"' in quoted for quoted in _QUOTED.findall(text)):
        raise _NotUnderstood("has a quotation mark in a quotation")  # which would be read otherwise later on
    try:
        parsed = Pep508(text)
    except (InvalidRequirement, RecursionError):
        raise _NotUnderstood("is not a requirement that can be read") from None
    name, marker = normal(parsed.name), str(parsed.marker or "")
    if not NAME.fullmatch(parsed.name):
        raise _NotUnderstood("has a name that is too long")
    if place.own and name == place.own:
        return  # the project's own extras
    if parsed.url:
        add_address(reading, parsed.url, place, name=name, marker=marker, hashed=hashed)
        return
    version = pinned(parsed.specifier)
    exact = [s for s in parsed.specifier if s.operator == "===" or (s.operator == "==" and not s.version.endswith("*"))]
    if exact and not version and len(parsed.specifier) > 1:
        reading.flaw(rules.CONFLICT, place.path, place.line, name)
    reading.add(
        Requirement(
            place.path,
            place.line,
            name,
            str(parsed.specifier),
            version,
            marker=marker,
            hashed=hashed,
            is_build=place.is_build,
        )
    )
