# SPDX-License-Identifier: Apache-2.0
"""What IPython makes of a cell: Python, shell commands, other languages, and what cannot be told.

Whatever IPython would run is Python or a command afterwards, or a gap; only what runs nothing is left out.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from wardein.code import reading
from wardein.code.reading import Unreadable

_PYTHON_PROGRAM = re.compile(r"(?:i?python|pypy)[\d.]*")
_SHELLS = ("sh", "bash", "zsh", "dash", "ksh", "system", "sx", "!", "cmd")
_TEXTS = ("html", "markdown", "latex", "svg", "javascript", "js", "HTML", "SVG", "Javascript", "Latex", "Markdown")
_LANGUAGES = ("R", "sql", "bigquery", "julia", "ruby", "perl", "cython", "scala", "spark_sql", "sparksql", "octave")
_TEXT_FILE = re.compile(
    r".*\.(?:ya?ml|json|jsonl|txt|md|rst|toml|cfg|ini|csv|tsv|html?|css|xml|env|proto|tex|conf|dockerfile|gitignore)"
    r"|(?:.*/)?Dockerfile",
    re.IGNORECASE,
)
# Magics that run the statement after their options, and which of these take a value.
_RUN_STATEMENTS = {
    "time": "",
    "timeit": "nrpv",
    "prun": "lsTD",
    "lprun": "fmTDuz",
    "memit": "rtic",
    "mprun": "fTc",
    "debug": "b",
    "snakeviz": "fh",
    "px": "",
    "pyinstrument": "",
}
# Of these, those whose first line in a cell is arguments only.
_ARGUED = ("px", "snakeviz", "pyinstrument")
# Aliases of shell commands, and magics that hand what follows to a shell or are an installer.
_COMMANDS = ("pip", "conda", "mamba", "micromamba", "uv", "ls", "ll", "la", "lf", "lk", "ldir", "lx", "cat", "cp") + (
    "mv", "rm", "mkdir", "rmdir", "man", "less", "more",
)  # fmt: skip
_TO_SHELL = ("sx", "system", "sh", "bash", "sc", "alias")
# Magics whose argument runs no code that would not be seen elsewhere.
_HARMLESS = frozenset(
    re.findall(
        r"\w+",
        """
        matplotlib pylab config load_ext reload_ext unload_ext autoreload aimport cd pwd pushd popd dirs
        dhist bookmark env set_env who whos who_ls precision reset reset_selective xdel xmode history hist
        rep recall rerun autosave colors pdb pdef pdoc pfile pinfo pinfo2 psource psearch pycat pprint
        tensorboard watermark notebook page run load loadpy logstart logstop logon logoff logstate store
        macro save automagic autocall autoindent autoawait alias_magic unalias killbgscripts gui
        doctest_mode quickref magic lsmagic md version_information qtconsole connect_info
        """,
    )
)
_AUTOMAGIC = re.compile(r"(?P<indent>\s*)(?P<name>[A-Za-z]\w*)\s+(?P<rest>[^\s=(,:].*)")
_HELP = re.compile(r"(?P<indent>\s*)(?P<code>\S.*?)\?{1,2}\s*")
_ONLY_NAMED = re.compile(r"[\w.*%\[\]'\"]+")
_LINE_MAGIC = re.compile(r"(?P<indent>\s*)(?P<kind>!!|[!%?]+|[,;/](?=\w))(?P<rest>.*)")
_ASSIGNED = re.compile(r"=\s*(?=[!%])")
_EXPANDED = re.compile(r"\{([^{}]+)\}")
_LONGEST_LINE = 20_000


@dataclass
class Cell:
    """A cell that was read; lines are counted from 0.

    Attributes:
        lines: Python, as many lines as the cell has.
        commands: Shell commands with their lines.
        foreign: Lines where code of another language begins.
        gaps: What could not be told.
    """

    lines: list[str]
    commands: list[tuple[int, str]] = field(default_factory=list)
    foreign: list[int] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Line:
    """What a line of IPython's own becomes."""

    body: str
    command: str = ""
    gap: str = ""
    foreign: bool = False


def read(source: str) -> Cell:
    """Read one cell.

    Raises:
        Unreadable: If it is not valid Python, IPython's own syntax aside.
    """
    return _cell(re.split(r"\r\n|\r|\n", source))


def _cell(lines: Sequence[str]) -> Cell:
    at = next((number for number, line in enumerate(lines) if line.strip()), 0)
    first = lines[at].strip() if lines else ""
    if not first.startswith("%%") or re.match(r"%%\w+\?", first):
        return _statements(lines)
    name, _, rest = first[2:].partition(" ")
    cell, rest = Cell([""] * len(lines)), rest.strip()
    kind = _kind(name, rest)
    if kind == "python":
        _add(cell, at + 1, _cell(lines[at + 1 :]))
    elif kind == "shell":
        cell.commands.append((at, "\n".join(lines[at + 1 :])))
    elif kind == "other":
        cell.foreign.append(at)
    elif kind == "unknown":
        try:
            _add(cell, at + 1, _cell(lines[at + 1 :]))
        except Unreadable:
            cell.gaps.append(f"holds the magic %%{name[:40]} with what is no Python")
    if name in _RUN_STATEMENTS and name not in _ARGUED:
        done = _run(name, rest, "")
        cell.lines[at] = "" if done.body == "pass" else done.body
        _note(cell, at, done)
    elif name == "script":
        cell.commands.append((at, rest))
    return cell


def _kind(name: str, rest: str) -> str:
    """What the lines below a cell magic are: python, shell, text, other (a known language), or unknown."""
    if name == "script":
        programs = [word.strip("\"'").rpartition("/")[2] for word in rest.split()]
        if any(_PYTHON_PROGRAM.fullmatch(word) for word in programs):
            return "python"
        return "shell" if any(word in _SHELLS for word in programs) else "other"
    if name in ("writefile", "file"):
        words = [word.strip("\"'") for word in rest.split() if not word.startswith("-")]
        suffixes = " ".join(words).lower().strip("\"'")
        if suffixes.endswith(".sh"):
            return "shell"
        return "text" if len(words) == 1 and _TEXT_FILE.fullmatch(words[0]) else "unknown"
    if name in _SHELLS:
        return "shell"
    if name in _TEXTS:
        return "text"
    if name in _LANGUAGES:
        return "other"
    return "python" if name in _RUN_STATEMENTS or name == "capture" or _PYTHON_PROGRAM.fullmatch(name) else "unknown"


def _add(cell: Cell, start: int, inner: Cell) -> None:
    cell.lines[start:] = inner.lines
    cell.commands += [(start + number, command) for number, command in inner.commands]
    cell.foreign += [start + number for number in inner.foreign]
    cell.gaps += inner.gaps


def _note(cell: Cell, number: int, line: _Line) -> None:
    if line.command:
        cell.commands.append((number, line.command))
    if line.gap:
        cell.gaps.append(line.gap)
    if line.foreign:
        cell.foreign.append(number)


def _statements(lines: Sequence[str]) -> Cell:
    """Lines of Python and of IPython's own syntax."""
    plain = textwrap.dedent("\n".join(lines)).split("\n") if lines and lines[0][:1].isspace() else list(lines)
    if _parses("\n".join(plain)):
        return Cell(plain)
    cell = Cell(list(plain))
    replaced: dict[int, tuple[int, _Line]] = {}
    number = 0
    while number < len(plain):
        end, line = _joined(plain, number)
        if line is not None:
            cell.lines[number:end] = [line.body, *[""] * (end - number - 1)]
            replaced[number] = end, line
        number = end
    # What was replaced in the middle of a text was none of IPython's, and could have hidden an expression.
    while wrong := replaced.keys() - _statement_lines(reading.parse("\n".join(cell.lines)).tree):
        for number in wrong:
            end, _ = replaced.pop(number)
            cell.lines[number:end] = plain[number:end]
    for number, (_, line) in replaced.items():
        _note(cell, number, line)
    return cell


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


def _joined(lines: Sequence[str], number: int) -> tuple[int, _Line | None]:
    """Where a line of IPython's own ends that goes on over backslashes, and what it becomes; None if it is none."""
    line, end = lines[number], number + 1
    if len(line) > _LONGEST_LINE:
        return end, None
    if _LINE_MAGIC.match(line) or _ASSIGNED.search(line) or _automagic(line):
        while line.endswith("\\") and end < len(lines) and len(line) <= _LONGEST_LINE:
            line = line[:-1] + " " + lines[end].strip()
            end += 1
    return end, _line(line)


def _line(line: str) -> _Line | None:
    match = _LINE_MAGIC.fullmatch(line)
    if match is None:
        return _helped(line) or _assigned(line) or _automagic(line)
    indent, kind, rest = match["indent"], match["kind"], match["rest"]
    if kind.startswith("!"):
        return _Line(_expanded(indent, rest), rest)
    if kind == "%":
        return _magic(rest.strip(), indent)
    if kind in ",;/":
        return _called(kind, rest, indent)
    return _Line(f"{indent}pass")  # help, or a cell magic below the first line, which IPython refuses


def _helped(line: str) -> _Line | None:
    match = _HELP.fullmatch(line) if line.rstrip().endswith("?") else None
    if match is None:
        return None
    code = match["code"]
    if _ONLY_NAMED.fullmatch(code):
        return _Line(f"{match['indent']}pass")
    return _Line(match["indent"] + code) if _parses(code) else None


def _assigned(line: str) -> _Line | None:
    """``x = !command`` and ``x = %magic``."""
    match = _ASSIGNED.search(line)
    if match is None:
        return None
    target = line[: match.end()]
    if not _parses(f"{target.strip()} None"):
        return None
    inner = _line(line[match.end() :])
    if inner is None or (inner.body != "pass" and not _parses(f"{target.strip()} {inner.body}")):
        return None
    body = "None" if inner.body == "pass" else inner.body
    return _Line(f"{target.rstrip()} {body}", inner.command, inner.gap, inner.foreign)


def _automagic(line: str) -> _Line | None:
    """A magic without its percent sign, where the line is no Python."""
    match = _AUTOMAGIC.fullmatch(line)
    if match is None or match["name"] not in {*_RUN_STATEMENTS, *_COMMANDS, *_TO_SHELL, *_HARMLESS}:
        return None
    return None if _parses(line.strip()) else _magic(line.strip(), match["indent"])


def _magic(text: str, indent: str) -> _Line:
    name, rest = _parted(text)
    if name in _RUN_STATEMENTS:
        return _run(name, rest, indent)
    body = _expanded(indent, rest)
    if name in _COMMANDS:
        return _Line(body, f"{name} {rest}")
    if name in _TO_SHELL:
        # The name of an alias or a variable is no part of the command.
        return _Line(body, re.sub(r"\A(?:-\w+\s+)*\w+[\s=]\s*", "", rest) if name in ("alias", "sc") else rest)
    if name in _LANGUAGES:
        return _Line(body, foreign=True)
    if not rest or name in _HARMLESS or name.endswith("?"):
        return _Line(body)
    return _Line(body, gap=f"holds the magic %{name[:40]}, and what it does with its argument is not known")


def _run(name: str, rest: str, indent: str) -> _Line:
    """A magic that runs a statement, or a line of IPython's own."""
    code = _after_options(rest, _RUN_STATEMENTS[name])
    if not code:
        return _Line(f"{indent}pass")
    inner = None if _parses(code) else _line(code)
    if inner is not None:
        return _Line(indent + inner.body, inner.command, inner.gap, inner.foreign)
    if _parses(code):
        return _Line(indent + code)
    return _Line(f"{indent}pass", gap=f"holds the magic %{name} with what is no Python")


def _after_options(rest: str, valued: str) -> str:
    while option := re.match(r"-(?P<letters>-?\w[^\s()]*)(?:\s+|\Z)", rest):
        rest, letters = rest[option.end() :], option["letters"]
        if not letters.startswith("-") and next((i for i in range(len(letters)) if letters[i] in valued), -1) == (
            len(letters) - 1
        ):
            rest = _parted(rest)[1]
    return rest


def _called(kind: str, rest: str, indent: str) -> _Line:
    """``;f text``, ``,f words`` and ``/f expressions``."""
    name, given = _parted(rest)
    if kind == ";":
        given = repr(given)
    elif kind == ",":
        given = ", ".join(map(repr, given.split()))
    call = f"{name}({given})"
    if _parses(call):
        return _Line(indent + call)
    return _Line(f"{indent}pass", gap=f"holds a call in IPython's short form ({kind}) that is no Python")


def _expanded(indent: str, text: str) -> str:
    """The calls in braces that IPython runs to put their results into the text."""
    return indent + ("; ".join(_calls_in(text)) or "pass")


def _calls_in(text: str) -> Iterator[str]:
    for match in _EXPANDED.finditer(text):
        code = match[1].strip()
        if "(" in code and _parses(f"({code})"):
            yield f"({code})"


def _parted(text: str) -> tuple[str, str]:
    name, *rest = text.split(maxsplit=1)[:2] or [""]
    return name, rest[0] if rest else ""


def _parses(text: str) -> bool:
    try:
        reading.parse(text)
    except Unreadable:
        return False
    return True
