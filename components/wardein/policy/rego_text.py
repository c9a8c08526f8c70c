# SPDX-License-Identifier: Apache-2.0
"""Rego modules as tokens and statements: as much of the grammar as the portable profile needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from wardein.errors import WardeinError

PACKAGE = "wardein.release"
MAX_DEPTH = 32
HEADER = f"package {PACKAGE}\nimport rego.v1\n"
_TOKEN = re.compile(
    r"(?P<space>[ \t]+|\#[^\n]*)|(?P<line>\n)"
    r'|(?P<string>"[^"\\\n]*")'
    r"|(?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>:=|==|!=|<=|>=|[<>{}()\[\],;:.|])"
)
_CLOSING = {"{": "}", "[": "]", "(": ")"}
_WHY = {
    "`": 'raw strings are not portable; write "..."',
    '"': "a string ends on its line and holds no backslash; docs/rego.md says how the document writes quotes",
    "$": "template strings are not portable; use sprintf",
    "=": "write := to assign or == to compare",
    "&": "write intersection({a, b})",
    **dict.fromkeys("+-*/%", "arithmetic differs between engines; the document holds what is computed"),
}


@dataclass(frozen=True)
class Token:
    """A string, number, name, sign or line end, and where it stands."""

    kind: str
    text: str
    line: int
    column: int


@dataclass(frozen=True)
class Module:
    """A file that was read: its path in the policy folder, and what it says after package and import."""

    name: str
    text: str
    statements: tuple[tuple[Token, ...], ...]


@dataclass(frozen=True)
class Rules:
    """All modules as a single one, as engines get it, so that no order of loading matters."""

    text: str
    starts: tuple[tuple[int, str], ...]

    def place(self, row: int) -> str:
        """File and line of a row of the text."""
        start, name = max((start, name) for start, name in self.starts if start <= max(row, self.starts[0][0]))
        return f"{name}:{max(row - start + 1, 1)}"


def refuse(name: str, line: int, what: str, mend: str) -> WardeinError:
    """The error about a line of a module."""
    return WardeinError(what, where=f"{name}:{line}", mend=mend)


def read(name: str, text: str) -> Module:
    """Split a module into statements, each of which begins in column one.

    Raises:
        WardeinError: If a character, a bracket or the head of the file is outside the portable profile.
    """
    statements = [tuple(statement) for statement in _statements(name, list(_tokens(name, text)))]
    for wanted in (f"package {PACKAGE}", "import rego.v1"):
        first = [token for token in statements.pop(0) if token.kind != "line"] if statements else []
        if "".join(token.text for token in first) != wanted.replace(" ", ""):
            line = first[0].line if first else 1
            raise refuse(name, line, f"{wanted!r} is missing here", f"begin with: {HEADER.replace(chr(10), '; ')}")
    return Module(name, text, tuple(statements))


def join(modules: list[Module]) -> Rules:
    """One module of many; the lines keep their number within their file."""
    text, starts = HEADER, []
    for module in modules:
        starts.append((text.count("\n") + 1, module.name))
        body = re.sub(r"^(package|import)\b.*$", "", module.text, flags=re.MULTILINE)
        text += body + "\n"
    return Rules(text, tuple(starts))


def _tokens(name: str, text: str) -> Iterator[Token]:
    position, line, start = 0, 1, 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise refuse(name, line, f"{ascii(text[position])} is not in the portable profile",
                         _WHY.get(text[position], "see docs/rego.md"))  # fmt: skip
        if not match[0].replace("\n", "").replace("\t", "").isprintable():
            raise refuse(name, line, "holds an invisible character", "remove it")
        if match.lastgroup != "space":
            yield Token(match.lastgroup, match[0], line, position - start + 1)
        position = match.end()
        if match.lastgroup == "line":
            line, start = line + 1, position


def _statements(name: str, tokens: list[Token]) -> Iterator[list[Token]]:
    statement: list[Token] = []
    for token, begins in _levelled(name, tokens):
        if begins and statement:
            yield statement
            statement = []
        if statement or token.kind != "line":
            statement.append(token)
    if statement:
        yield statement


def _levelled(name: str, tokens: list[Token]) -> Iterator[tuple[Token, bool]]:
    """Every token, and whether a statement begins with it."""
    awaited: list[str] = []
    fresh = True
    for token in tokens:
        begins = fresh and token.kind != "line" and not awaited
        if begins and token.column > 1:
            mend = "begin a rule in column one, and break lines only inside of brackets"
            raise refuse(name, token.line, f"{token.text!r} begins a line outside of brackets", mend)
        yield token, begins
        fresh = token.kind == "line"
        if token.text in _CLOSING:
            awaited.append(_CLOSING[token.text])
        elif token.text in _CLOSING.values() and (not awaited or awaited.pop() != token.text):
            raise refuse(name, token.line, f"{token.text!r} closes nothing", "balance the brackets")
        if len(awaited) > MAX_DEPTH:
            raise refuse(name, token.line, f"brackets are nested deeper than {MAX_DEPTH}", "split the rule")
    if awaited:
        raise refuse(name, tokens[-1].line, f"{awaited[-1]!r} is missing", "balance the brackets")
