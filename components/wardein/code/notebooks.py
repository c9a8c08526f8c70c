# SPDX-License-Identifier: Apache-2.0
"""From a notebook to Python text whose lines can be told by cell, and the shell commands in it."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wardein import jsontext
from wardein.code import ipython, reading
from wardein.code.reading import Unreadable

_PYTHON = re.compile(r"pyspark|i?python\d?(?:\.\d+)?", re.IGNORECASE)
_PYTHON_KERNEL = re.compile(r".*py(?:thon|spark|\d|\b).*", re.IGNORECASE)


@dataclass
class Notebook:
    """A notebook's code.

    Attributes:
        text: Python, all code cells one after the other.
        commands: Shell commands with their lines in the text.
        foreign: Lines of the text where a cell of another language begins.
        gaps: What of it could not be examined.
    """

    text: str = ""
    commands: list[tuple[int, str]] = field(default_factory=list)
    foreign: list[int] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    def place(self, line: int) -> tuple[str, int]:
        """The cell, counted from 1 over all cells, and the line in it, of a line of the text."""
        index = bisect_right(self.starts, line) - 1
        return f"cell {self.numbers[index]}", line - self.starts[index] + 1


def read(content: bytes) -> Notebook:
    """Read a notebook of format 3 or 4.

    Raises:
        Unreadable: If it is none, is of another language, or a cell cannot be parsed.
    """
    document = _document(content)
    notebook = Notebook()
    lines: list[str] = []
    for number, source in _code_cells(document):
        notebook.starts.append(len(lines) + 1)
        notebook.numbers.append(number)
        try:
            cell = ipython.read(source)
        except Unreadable as error:
            raise Unreadable(f"cell {number} {error.what}") from None
        first = len(lines) + 1
        notebook.commands += [(first + line, command) for line, command in cell.commands]
        notebook.foreign += [first + line for line in cell.foreign]
        notebook.gaps += [f"cell {number} {gap}" for gap in cell.gaps]
        lines += cell.lines
    notebook.text = "\n".join(lines) + "\n" if lines else ""
    if len(notebook.text.encode("utf-8", "replace")) > reading.MAX_BYTES:
        raise Unreadable(f"has more than {reading.MAX_BYTES} bytes of code")
    return notebook


class _Twice(dict[str, Any]):
    """An object that has a key twice."""


def _document(content: bytes) -> Any:
    """The document as Jupyter reads it; only the parts that hold code have to be strict, which outputs are not."""
    if not content.strip():
        raise Unreadable("is not a notebook: it is empty")
    if len(content) > jsontext.MAX_BYTES:
        raise Unreadable(f"is not a notebook: it is larger than {jsontext.MAX_BYTES} bytes")
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=_object)
    except UnicodeDecodeError:
        raise Unreadable("is not a notebook: it is not UTF-8") from None
    except ValueError as error:
        where = f" in line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise Unreadable(f"is not a notebook: it is not valid JSON{where}") from None
    except RecursionError:
        raise Unreadable("is not a notebook: it is nested too deeply") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Twice(found)


def _code_cells(document: Any) -> list[tuple[int, str]]:
    if not isinstance(document, Mapping):
        raise Unreadable("is not a notebook: its document is not an object")
    document = _mapping(document)
    _check_language(document.get("metadata"))
    version = document.get("nbformat")
    if version == 4:
        cells = document.get("cells")
    elif version == 3:
        sheets = document.get("worksheets")
        cells = [cell for sheet in _list(sheets) for cell in _list(_mapping(sheet).get("cells"))]
    else:
        raise Unreadable(f"is a notebook of format {str(version)[:20]!r}, which is not known")
    found = []
    for number, cell in enumerate(_list(cells), 1):
        kind = _mapping(cell).get("cell_type")
        if kind not in ("code", "markdown", "raw", "heading"):
            raise Unreadable(f"cell {number} is of an unknown type")
        if kind == "code":
            if version == 3 and str(cell.get("language", "python")) != "python":
                raise Unreadable(f"cell {number} is of another language than Python")
            found.append((number, _source(cell.get("source" if version == 4 else "input"), number)))
    return found


def _check_language(metadata: Any) -> None:
    metadata = _mapping(metadata if metadata is not None else {})
    kernel, language = (_mapping(metadata.get(key) or {}) for key in ("kernelspec", "language_info"))
    names = [name for name in (kernel.get("language"), language.get("name")) if name is not None]
    if names and not any(names):
        names = ["python" if _PYTHON_KERNEL.fullmatch(str(kernel.get("name"))) else "unnamed"]
    for name in names:
        if name != "" and not (isinstance(name, str) and _PYTHON.fullmatch(name)):
            raise Unreadable("is a notebook of another language than Python")


def _source(source: Any, number: int) -> str:
    text = "".join(source) if isinstance(source, list) and all(isinstance(s, str) for s in source) else source
    if not isinstance(text, str):
        raise Unreadable(f"cell {number} has no source")
    return text


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Unreadable("is not a notebook: its cells are not a list")
    return value


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Unreadable("is not a notebook: a part of it is not an object")
    if isinstance(value, _Twice):
        raise Unreadable("is not a notebook: a part of it has a duplicate key")
    return value
