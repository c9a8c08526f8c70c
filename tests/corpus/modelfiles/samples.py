# SPDX-License-Identifier: Apache-2.0
"""All samples of model files: what must not pass, what must, and what nobody can examine, under one roof."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOMS = ("pickles", "archives", "graphs", "native", "folders")
BENIGN = Path(__file__).with_name("benign")
Kind = Literal["malicious", "malformed", "benign"]


@dataclass(frozen=True)
class Sample:
    """One file or folder of the corpus.

    Attributes:
        kind: What it is.
        room: The family it belongs to.
        name: Its name among those of its kind and family, with the ending that scanners go by.
        make: Writes it into a new folder, and returns its path.
    """

    kind: Kind
    room: str
    name: str
    make: Callable[[Path], Path]

    @property
    def id(self) -> str:
        """Its name in tests."""
        return f"{self.kind}-{self.room}-{self.name}"


def samples(kind: Kind) -> Iterator[Sample]:
    """Every sample of a kind."""
    for room in ROOMS:
        try:
            module = importlib.import_module(f"tests.corpus.modelfiles.{room}")
        except ModuleNotFoundError:
            continue
        written: Mapping[str, bytes | Callable[..., object]] = getattr(module, kind.upper(), {})
        for name, content in written.items():
            yield Sample(kind, room, name, _maker(name, content))
    if kind == "benign":
        for path in sorted(BENIGN.glob("*/*")):
            yield Sample(kind, path.parent.name, path.name, lambda _, path=path: path)


def _maker(name: str, content: bytes | Callable[..., object]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        made = content
        if callable(content):
            wanted = inspect.signature(content).parameters.values()
            made = (
                content(folder)
                if any(p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in wanted)
                else content()
            )
        if isinstance(made, bytes):
            path = folder / _file_name(name)
            path.write_bytes(made)
            return path
        return made if isinstance(made, Path) else folder

    return make


def _file_name(name: str) -> str:
    """A name with the ending that scanners go by: some of them look at nothing else."""
    family, _, _ = name.partition("/")
    plain = re.sub(r"[^\w.-]", "-", name)
    ending = {"npy": ".npy", "torch": ".pt", "joblib": ".joblib"}.get(family, ".pkl")
    return plain if re.search(r"\.[A-Za-z][A-Za-z0-9]*$", plain) and "/" not in name else plain + ending
