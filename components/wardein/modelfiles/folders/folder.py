# SPDX-License-Identifier: Apache-2.0
"""A model folder, and reading what its settings say of its other files."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from wardein.modelfiles.content import Content, opened
from wardein.modelfiles.examination import Examination, Unexamined, shown
from wardein.modelfiles.native import rules as native
from wardein.modelfiles.native import yamldocument
from wardein.modelfiles.native.settings import leads_outside
from wardein.scan.rules import Rule
from wardein.scan.tree import File

_MAX_BYTES = 12 * 1024**2
# Every value takes far more memory than its text.
_MAX_VALUES = 200_000


@dataclass(frozen=True)
class Folder:
    """The files of a model, by their paths.

    Attributes:
        files: Every file.
        paths: Their paths.
        examination: Takes what is found.
    """

    files: Sequence[File]
    paths: frozenset[str]
    examination: Examination

    def tell(self, rule: Rule, file: File, message: str, identity: str = "") -> None:
        """Tell of something found in a file as a whole."""
        with opened(file) as content:
            self.examination.tell(rule, content, message, identity=identity or message)

    def leave_out(self, file: File, reason: str) -> None:
        """Tell that something a file refers to was not examined."""
        with opened(file) as content:
            self.examination.leave_out(content, reason)

    @contextmanager
    def reading(self, file: File) -> Iterator[None]:
        """Read a file; what cannot be read to its end was not examined."""
        try:
            yield
        except Unexamined as stopped:
            self.leave_out(file, str(stopped))

    def below(self, path: str, ending: str) -> Iterator[File]:
        """The files in a folder, and in those in it, whose names end so."""
        base = posixpath.normpath(path)
        for file in self.files:
            if file.name.lower().endswith(ending) and (base == "." or file.path.startswith(f"{base}/")):
                yield file

    def refer(self, file: File, name: str, what: str) -> None:
        """Check a path that a file names: it stays in the folder, and something is there.

        Args:
            file: The file that names it; the path starts in its folder.
            name: The path.
            what: The setting that names it.
        """
        if leads_outside(name):
            self.tell(native.OUTSIDE, file, f"{what} leads to {shown(name)}", f"{what} {name}")
            return
        path = posixpath.normpath(posixpath.join(posixpath.dirname(file.path), name))
        if path not in self.paths and not any(other.startswith(f"{path}/") for other in self.paths):
            self.leave_out(file, f"{what} names {shown(name)}, which is not in the folder")


def read_json(file: File) -> Any:
    """What a JSON file says; None if it is none, of which its own format tells.

    Raises:
        Unexamined: If it is too large.
    """
    with opened(file) as content:
        text = whole(content)
    if sum(map(text.count, (b",", b"{", b"["))) > _MAX_VALUES:
        raise Unexamined(f"makes a loader read other files, and has more than {_MAX_VALUES} values")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def read_yaml(file: File, examination: Examination) -> Any:
    """What the first document of a YAML file says; None if it has none, of which its own format tells."""
    with opened(file) as content:
        try:
            return next(yamldocument.documents(content, examination, tells=False), None)
        except (Unexamined, ValueError):
            return None


def read_lines(file: File) -> list[str]:
    """The lines of a text.

    Raises:
        Unexamined: If it is too large.
    """
    with opened(file) as content:
        return whole(content).decode("utf-8", "replace").splitlines()


def whole(content: Content) -> bytes:
    """All bytes of a content that makes a loader do something.

    Raises:
        Unexamined: If there are too many.
    """
    if content.size > _MAX_BYTES:
        raise Unexamined(f"makes a loader read other files, and has more than {_MAX_BYTES} bytes")
    return content.at(0, content.size)
