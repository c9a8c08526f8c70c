# SPDX-License-Identifier: Apache-2.0
"""The files of a source folder: all of them, whatever they are called (docs/decisions/0014)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class File:
    """A regular file below a source folder.

    Attributes:
        path: Its relative POSIX path.
        real: Where it is.
        bytes: Its size.
    """

    path: str
    real: Path
    bytes: int

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The name's ending with its dot, in lower case."""
        return os.path.splitext(self.name)[1].lower()


def files_of(source: Path) -> tuple[File, ...]:
    """Every regular file below a folder, or the one file itself, in the byte order of their paths.

    The executor has put files in the place of links that lead to one.
    """
    if source.is_file():
        return (File(source.name, source, source.stat().st_size),)
    found = []
    for folder, _, names in os.walk(source):
        for name in names:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                found.append(File(path.relative_to(source).as_posix(), path, path.stat().st_size))
    return tuple(sorted(found, key=lambda file: file.path.encode()))
