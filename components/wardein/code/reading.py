# SPDX-License-Identifier: Apache-2.0
"""From a file to Python text and syntax tree, or to the reason why it cannot be read as Python reads it."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
import warnings
from dataclasses import dataclass
from itertools import islice

from wardein.errors import WardeinError

MAX_BYTES = 4 * 1024 * 1024
# Appended to every copy that other tools read: a tool that does not report it has not read the file to its end.
CANARY = "assert 0\n"
_COOKIE = re.compile(rb"^[ \t\f\v]*#.*?coding[:=][ \t]*([-\w.]+)")
_TEXT_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)")
_LINES = re.compile(rb"\r\n|\r|\n")
# Encodings in which ASCII is ASCII; others (utf-7, unicode_escape, rot13) hide code from whoever reads the file.
_PLAIN = re.compile(
    r"utf-?8(-sig|-unix|-dos)?|u8|us-ascii|ascii|latin-?1?(-unix)?|l1|iso-?8859-?\d+(-unix)?|iso-latin-1(-unix)?"
    r"|windows-125\d|cp125\d|koi8-[ru]|gb2312|gbk|gb18030|big5|euc-(jp|kr)|shift-jis|sjis|cp932|mac-?roman"
)


class Unreadable(WardeinError):
    """Why a file was not examined."""


@dataclass(frozen=True)
class Module:
    """Python that was read.

    Attributes:
        text: Its text, with the canary as last line.
        tree: Its syntax tree, without the canary.
        canary: The canary's line.
    """

    text: str
    tree: ast.Module
    canary: int


def parse(text: str) -> Module:
    """Parse text.

    Raises:
        Unreadable: If it is no Python that this version of Python can parse.
    """
    if "\0" in text:
        raise Unreadable("holds a null byte")
    text += CANARY if text.endswith(("\n", "\r")) or not text else "\n" + CANARY
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except SyntaxError as error:
        line = f" in line {error.lineno}" if error.lineno else ""
        raise Unreadable(
            f"is not valid Python{line}, as Python {sys.version_info[0]}.{sys.version_info[1]} reads it"
        ) from None
    except (RecursionError, MemoryError):
        raise Unreadable("is nested too deeply or too large to be parsed") from None
    last = tree.body.pop()
    if not isinstance(last, ast.Assert):
        raise Unreadable("ends in the middle of a statement")
    return Module(text, tree, last.lineno)


def decode(content: bytes) -> str:
    """The text of a Python file, decoded as Python decodes it.

    Raises:
        Unreadable: If it is too large, of an encoding that hides what it says, or not of the encoding that it names.
    """
    if len(content) > MAX_BYTES:
        raise Unreadable(f"is larger than {MAX_BYTES} bytes")
    for line in _LINES.split(content[:10_000])[:3]:
        named = _COOKIE.match(line)
        name = named[1].decode("ascii", "replace").lower().replace("_", "-") if named else "utf-8"
        if not _PLAIN.fullmatch(name):
            raise Unreadable(f"names the encoding {name[:40]!r}, which can hide code from its readers")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        return content.decode(encoding)
    except (SyntaxError, UnicodeError, LookupError):
        raise Unreadable("is not of the encoding that it names, or that Python expects") from None


def without_cookie(text: str) -> str:
    """The text as UTF-8 can hold it: its first lines no longer name an encoding."""
    end = 0
    for line in islice(_TEXT_LINE.finditer(text), 3):
        if not line[0].lstrip(" \t\f\v").startswith("#"):
            break
        end = line.end()
    return text[:end].replace("coding", "c0ding") + text[end:]
