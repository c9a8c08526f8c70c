# SPDX-License-Identifier: Apache-2.0
"""The files of a source folder, and copies of them under names that no scanner has an opinion on.

Scanners pass over files by their names: ``tests/``, ``build/``, ``.venv/``, ``*.md``, whatever a ``.gitignore`` says.
So the files to scan are laid out anew, as ``000017.py`` and the like, and what a scanner says of one is told of its
original.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wardein.errors import WardeinError


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


@dataclass(frozen=True)
class Layout:
    """A private folder that holds files under neutral names.

    Attributes:
        folder: The folder, which holds nothing else.
        originals: Which file each name in it stands for.
    """

    folder: Path
    originals: dict[str, str]

    def original(self, path: str | Path) -> str:
        """The path in the source folder of what a scanner names by its path, absolute or not.

        Raises:
            WardeinError: If it is none of the files that were laid out.
        """
        name = Path(path).name
        if name not in self.originals:
            raise WardeinError(f"a scanner reports on {name!r}, which it was not given")
        return self.originals[name]


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


@contextmanager
def laid_out(files: Sequence[tuple[str, bytes | Path]], suffix: str) -> Iterator[Layout]:
    """Lay files out in a private folder, which is removed afterwards.

    Args:
        files: Their paths in the source folder, each with its content, or with where its content lies.
        suffix: The ending that all names get, with its dot.
    """
    with tempfile.TemporaryDirectory(prefix="wardein-scan-") as folder:
        originals = {}
        for number, (path, content) in enumerate(files):
            name = f"{number:06d}{suffix}"
            if isinstance(content, bytes):
                Path(folder, name).write_bytes(content)
            else:
                _put(content, Path(folder, name))
            originals[name] = path
        yield Layout(Path(folder), originals)


def _put(source: Path, target: Path) -> None:
    """A second name for a private copy costs nothing; across file systems it takes a copy."""
    try:
        os.link(source, target)
    except OSError:
        target.write_bytes(source.read_bytes())
