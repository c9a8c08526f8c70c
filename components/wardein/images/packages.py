# SPDX-License-Identifier: Apache-2.0
"""Which package a record tells of: what pip, setuptools and npm wrote about what they installed."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

MAX_RECORD = 1024 * 1024  # names come first, and what follows may be a long description
MAX_EGG = 256 * 1024 * 1024
_FIELD = re.compile(r"(Name|Version)[ \t]*:(.*)", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_NODE_NAME = re.compile(r"(@[\w.~-]+/)?[\w.~-]+")
_VERSION = re.compile(r"[\w.!+~-]{1,100}")
_WHEEL = re.compile(r"(?P<name>[\w.]+)-(?P<version>[\w.!+]+)(-\d\w*)?-[\w.]+-[\w.]+-[\w.]+\.whl")
_SETTING = re.compile(rb"""^(ID|VERSION_ID)=["']?([\w.-]*)["']?\s*$""", re.MULTILINE)


@dataclass(frozen=True)
class Package:
    """A package by its name, as it is written, and its version."""

    type: str  # the ecosystem's name in package URLs: pypi or npm
    name: str
    version: str

    @property
    def url(self) -> str:
        """The package URL."""
        return f"pkg:{self.type}/{quote(self.name)}@{quote(self.version)}"

    @property
    def key(self) -> tuple[str, str, str]:
        """What two ways to write the same package have in common."""
        return (self.type, normal(self.name) if self.type == "pypi" else self.name, self.version)


def normal(name: str) -> str:
    """A Python package's name as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read(kind: str, path: str, size: int, content: Callable[[int], bytes]) -> tuple[Package | None, str]:
    """The package that a record tells of, or why it cannot be told.

    Args:
        kind: ``python``, ``node`` or ``wheel``.
        path: Where the record lies.
        size: Its size in bytes.
        content: Gives its content, up to so many bytes.
    """
    if kind == "wheel":
        match = _WHEEL.fullmatch(path.rpartition("/")[2])
        return (Package("pypi", match["name"], match["version"]), "") if match else (None, "its name is not a wheel's")
    if kind == "node":
        return _of_node(content(MAX_RECORD))
    if path.lower().endswith(".egg"):
        return _of_egg(content(size)) if size <= MAX_EGG else (None, f"is larger than {MAX_EGG} bytes")
    return _of_python(content(MAX_RECORD))


def release_of(content: bytes) -> tuple[str, str]:
    """The distribution and its version that an ``os-release`` tells; empty what it does not tell."""
    found = {name.decode(): value.decode("ascii", "replace") for name, value in _SETTING.findall(content)}
    return found.get("ID", ""), found.get("VERSION_ID", "")


def _of_python(content: bytes) -> tuple[Package | None, str]:
    """Python's metadata is a mail's head: what Python and Go read of it differs where a field is there twice."""
    head = re.split(rb"\r?\n\r?\n", content, maxsplit=1)[0].decode("utf-8", "replace")
    fields = [match for line in head.splitlines() if (match := _FIELD.fullmatch(line))]
    names = [match[2].strip() for match in fields if match[1].lower() == "name"]
    versions = [match[2].strip() for match in fields if match[1].lower() == "version"]
    if len(names) > 1 or len(versions) > 1:
        return None, "tells more than one name or version"
    if not names or not versions or not _NAME.fullmatch(names[0]) or not _VERSION.fullmatch(versions[0]):
        return None, "tells no name and version"
    return Package("pypi", names[0], versions[0]), ""


def _of_egg(content: bytes) -> tuple[Package | None, str]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as egg, egg.open("EGG-INFO/PKG-INFO") as file:
            return _of_python(file.read(MAX_RECORD))
    except (zipfile.BadZipFile, KeyError, OSError, RuntimeError, NotImplementedError, ValueError, EOFError):
        return None, "is an egg that cannot be opened"


def _of_node(content: bytes) -> tuple[Package | None, str]:
    try:
        data = json.loads(content)
        name, version = data["name"], data["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None, "tells no name and version"
    if not (isinstance(name, str) and isinstance(version, str)):
        return None, "tells no name and version"
    if not _NODE_NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        return None, "tells no name and version"
    return Package("npm", name, version), ""
