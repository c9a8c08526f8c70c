# SPDX-License-Identifier: Apache-2.0
"""Second opinions: other scanners of model files, each run on every file of the formats that it knows.

They decide by a file's ending what it is, so each gets the file under an ending that fits what it is. What one of them
was asked for and did not answer was not examined.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wardein.errors import WardeinError
from wardein.report import Skipped, Tool
from wardein.scan.merge import Found
from wardein.scan.tree import File
from wardein.tools import fickling, modelaudit, modelscan, picklescan
from wardein.tools.opinion import Opinion
from wardein.tools.run import Program


@dataclass(frozen=True)
class Scanner:
    """Another scanner: how to find it, how to ask it, and the endings by which it knows the formats it knows."""

    find: Callable[[], tuple[Program, str]]
    ask: Callable[[Program, Path], Opinion]
    endings: Mapping[str, str]


def second_opinions(
    names: Sequence[str], files: Sequence[File], formats: Mapping[str, str]
) -> tuple[list[Found], list[Skipped], list[Tool]]:
    """Ask other scanners about the files that are of formats they know.

    Args:
        names: The scanners, of :data:`SCANNERS`.
        files: The model's files.
        formats: What each of them is, by its path.

    Raises:
        WardeinError: If a scanner is not there, or of a generation that is not known.
    """
    found, skipped, tools = [], [], []
    for name in names:
        scanner = SCANNERS[name]
        program, version = scanner.find()
        tools.append(Tool(name, version, program.sha256))
        for file in files:
            ending = scanner.endings.get(formats.get(file.path, ""))
            if ending is None:
                continue
            opinion = _asked(name, scanner, program, file, ending)
            for rule, severity, says in opinion.alarms:
                found.append(Found(f"{name}/{rule}", file.path, severity, says, f"{name}:{rule}", text=says))
            if opinion.unread:
                skipped.append(Skipped(file.path, f"{name} did not examine it: {opinion.unread}"))
    return found, skipped, tools


def _asked(name: str, scanner: Scanner, program: Program, file: File, ending: str) -> Opinion:
    with _as(file, ending) as path:
        try:
            return scanner.ask(program, path)
        except WardeinError as error:
            return Opinion([], error.what)
        except (ValueError, LookupError, TypeError, AttributeError, FileNotFoundError):
            return Opinion([], f"{name} ended without a report of the form that is known")


@contextmanager
def _as(file: File, ending: str) -> Iterator[Path]:
    """The file under a neutral name with another ending."""
    with tempfile.TemporaryDirectory(prefix="wardein-opinion-") as folder:
        path = Path(folder, f"model{ending}")
        try:
            os.link(file.real, path)
        except OSError:
            shutil.copyfile(file.real, path)
        yield path


_PICKLES = {"pickle": ".pkl", "torch": ".pt", "npy": ".npy", "npz": ".npz", "zip": ".zip"}
_GRAPHS = {"keras": ".keras", "hdf5": ".h5", "tensorflow": ".pb"}
_NATIVE = {"onnx": ".onnx", "safetensors": ".safetensors", "gguf": ".gguf", "skops": ".skops", "pmml": ".pmml"}
SCANNERS: Mapping[str, Scanner] = {
    "picklescan": Scanner(picklescan.find, picklescan.ask, _PICKLES),
    "modelscan": Scanner(modelscan.find, modelscan.ask, {**_PICKLES, "keras": ".keras", "hdf5": ".h5"}),
    "fickling": Scanner(fickling.find, fickling.ask, {"pickle": ".pkl"}),
    "modelaudit": Scanner(modelaudit.find, modelaudit.ask, {**_PICKLES, **_GRAPHS, **_NATIVE}),
}
