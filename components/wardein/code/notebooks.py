# SPDX-License-Identifier: Apache-2.0
"""From a notebook to Python text whose lines can be told by cell, and the shell commands in it."""

from __future__ import annotations

import ast
import re
import textwrap
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wardein.code import reading
from wardein.code.reading import Unreadable
from wardein.errors import WardeinError
from wardein.jsontext import strict_loads

_PYTHON = re.compile(r"i?python\d?(?:\.\d+)?", re.IGNORECASE)
_CELL_MAGIC = re.compile(r"\s*%%(!|\w+)(.*)")
_SHELL_CELLS = ("bash", "sh", "system", "sx", "!", "script")
# Magics whose cell is Python, and what follows them on their line may be as well.
_PYTHON_CELLS = ("time", "timeit", "capture", "prun", "memit", "mprun", "python", "python3", "pypy", "debug")
_TEXT_CELLS = ("html", "markdown", "latex", "svg", "javascript", "js", "HTML", "writefile", "file")
# A magic, a shell command, help, or automatic calling, at the start of a line; or a magic that is assigned.
_LINE_MAGIC = re.compile(
    r"(?P<indent>\s*)(?:(?P<target>[\w.,\s\[\]'\"]+=\s*)(?=[!%]))?(?P<kind>!!|[!%?]+|[,;/](?=\w))(?P<rest>.*)"
)
_LONGEST_LINE = 20_000
_HELP = re.compile(r"(?P<indent>\s*)[\w.*%]+\?{1,2}\s*")
_TIMED = re.compile(r"(?:time|timeit|prun|memit)\b(?:\s+-\w+\s*\d*)*\s*(?P<code>.*)")


@dataclass
class Notebook:
    """A notebook's code.

    Attributes:
        text: Python, all code cells one after the other.
        commands: Shell commands with their lines in the text.
        foreign: Lines of the text where a cell of another language begins.
    """

    text: str = ""
    commands: list[tuple[int, str]] = field(default_factory=list)
    foreign: list[int] = field(default_factory=list)
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
    try:
        document = strict_loads(content)
    except (WardeinError, RecursionError) as error:
        raise Unreadable(f"is not a notebook: {error}") from None
    notebook = Notebook()
    lines: list[str] = []
    for number, source in _code_cells(document):
        notebook.starts.append(len(lines) + 1)
        notebook.numbers.append(number)
        try:
            lines += _python(source, len(lines) + 1, notebook)
        except Unreadable as error:
            raise Unreadable(f"cell {number} {error.what}") from None
    notebook.text = "\n".join(lines) + "\n" if lines else ""
    if len(notebook.text.encode("utf-8", "replace")) > reading.MAX_BYTES:
        raise Unreadable(f"has more than {reading.MAX_BYTES} bytes of code")
    return notebook


def _code_cells(document: Any) -> list[tuple[int, str]]:
    if not isinstance(document, Mapping):
        raise Unreadable("is not a notebook: its document is not an object")
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
    for name in (kernel.get("language"), language.get("name")):
        if name is not None and not (isinstance(name, str) and _PYTHON.fullmatch(name)):
            raise Unreadable("is a notebook of another language than Python")


def _source(source: Any, number: int) -> str:
    text = "".join(source) if isinstance(source, list) and all(isinstance(s, str) for s in source) else source
    if not isinstance(text, str):
        raise Unreadable(f"cell {number} has no source")
    return text


def _python(source: str, first: int, notebook: Notebook) -> list[str]:
    """A cell's lines as Python, as many as it has."""
    lines = re.split(r"\r\n|\r|\n", source)
    magic = next((line for line in lines if line.strip()), "")
    match = _CELL_MAGIC.match(magic)
    if match is None:
        return _statements(lines, first, notebook)
    at = lines.index(magic)
    name, rest = match[1], match[2].strip()
    is_file = name in ("writefile", "file") and rest.endswith(".py")
    if name in _PYTHON_CELLS or is_file or (name == "script" and rest.startswith("python")):
        timed = _TIMED.fullmatch(f"{name} {rest}")
        lines[at] = timed["code"] if timed is not None and _parses(timed["code"]) else ""
        return _statements(lines, first, notebook)
    if name in _SHELL_CELLS:
        notebook.commands.append((first + at, "\n".join(lines[at + 1 :])))
    elif name not in _TEXT_CELLS:
        notebook.foreign.append(first + at)
    return [""] * len(lines)


def _statements(lines: Sequence[str], first: int, notebook: Notebook) -> list[str]:
    """Lines of Python and of IPython's own syntax, the latter made statements that do nothing."""
    plain = textwrap.dedent("\n".join(lines)).split("\n") if lines and lines[0][:1].isspace() else list(lines)
    if _parses("\n".join(plain)):
        return plain
    done = list(plain)
    replaced: dict[int, tuple[int, str]] = {}
    number = 0
    while number < len(plain):
        end, statement, command = _magic_line(plain, number)
        if statement is not None:
            done[number:end] = [statement, *[""] * (end - number - 1)]
            replaced[number] = end, command
        number = end
    # What was replaced in the middle of a text was none of IPython's, and could have hidden an expression.
    while wrong := replaced.keys() - _statement_lines(reading.parse("\n".join(done)).tree):
        for number in wrong:
            end, _ = replaced.pop(number)
            done[number:end] = plain[number:end]
    notebook.commands += [(first + number, command) for number, (_, command) in replaced.items() if command]
    return done


def _statement_lines(tree: ast.Module) -> set[int]:
    """The lines, counted from 0, on which a statement begins that are not inside of a text."""
    begun: set[int] = set()
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            begun.add(node.lineno - 1)
        elif isinstance(node, (ast.Constant, ast.JoinedStr)) and node.end_lineno not in (None, node.lineno):
            inside.update(range(node.lineno - 1, node.end_lineno or 0))
    return begun - inside


def _magic_line(lines: Sequence[str], number: int) -> tuple[int, str | None, str]:
    """Where IPython's own syntax ends, what it becomes (None if it is none), and the shell command in it."""
    line = lines[number]
    helped, match = None, None
    if len(line) <= _LONGEST_LINE:
        helped, match = _HELP.fullmatch(line), _LINE_MAGIC.fullmatch(line)
    if helped is not None:
        return number + 1, f"{helped['indent']}pass", ""
    if match is None or (match["target"] and not _parses(f"{match['target'].strip()} None")):
        return number + 1, None, ""
    end, rest = number + 1, match["rest"]
    while rest.endswith("\\") and end < len(lines):
        rest = rest[:-1] + " " + lines[end].strip()
        end += 1
    body = match["indent"] + (f"{match['target'].strip()} None" if match["target"] else "pass")
    if match["kind"].startswith("!"):
        return end, body, rest
    if match["kind"] == "%":
        timed = _TIMED.fullmatch(rest)
        if timed is not None and timed["code"] and _parses(timed["code"]):
            return end, match["indent"] + (match["target"] or "") + timed["code"], ""
        if re.match(r"(?:pip|sx|system)\b", rest):
            return end, body, rest if rest.startswith("pip") else rest.partition(" ")[2]
    return end, body, ""


def _parses(text: str) -> bool:
    try:
        reading.parse(text)
    except Unreadable:
        return False
    return True


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Unreadable("is not a notebook: its cells are not a list")
    return value


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Unreadable("is not a notebook: a part of it is not an object")
    return value
