# SPDX-License-Identifier: Apache-2.0
"""The one error type that wardein raises on purpose: what, where, and how to mend it."""

from __future__ import annotations


class WardeinError(Exception):
    """Something could not be examined, verified or written.

    Attributes:
        what: What went wrong, in one clause.
        where: The file, column, key or parameter concerned; empty when there is none.
        mend: What the reader can do about it; empty when only the cause can tell.
    """

    def __init__(self, what: str, where: str = "", mend: str = "") -> None:
        self.what, self.where, self.mend = (_one_line(part) for part in (what, where, mend))
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}; {self.mend}" if self.mend else text


class UsageError(WardeinError):
    """The call itself is wrong: no input was looked at, and a retry of the same call cannot help."""


def missing_extra(module: str, extra: str) -> WardeinError:
    """The error for an optional dependency that is not installed, with the exact command."""
    return WardeinError(
        f"needs the Python package {module!r}, which is not installed", mend=f"run: pip install 'wardein[{extra}]'"
    )


def is_text(text: str) -> bool:
    """Whether a text can be written: one with half a character of UTF-16 in it cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str) -> str:
    """The text without what a terminal could take for a command: control characters become question marks."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _one_line(text: str) -> str:
    return printable(" ".join(str(text).split()))
