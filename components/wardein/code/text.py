# SPDX-License-Identifier: Apache-2.0
"""What may be told of a source's text, and of what a linter says of it: nothing that could be somebody's secret."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wardein.errors import printable

# A text in quotes, whole or cut off by the end; or a comment.
_LITERAL = re.compile(
    r"(?P<triple>'''|\"\"\")(?P<long>(?:\\.|(?!(?P=triple)).)*)(?:(?P=triple)|\Z)"
    r"|(?P<quote>['\"])(?P<short>(?:\\.|(?!(?P=quote))[^\n])*)(?:(?P=quote)|(?=\n)|\Z)"
    r"|#[^\n]*",
    re.DOTALL,
)
_MOST_TEXT = 20_000
_CODE_NAME = re.compile(r"`([\w.=]{1,60})`")
_QUOTED = re.compile(r"[\"'`(\[{:]")


def masked(lines: Sequence[str], first: int, last: int) -> str:
    """The lines, counted from 1, without comments, and of each text only how long it is, to a power of two.

    It becomes a digest, which must not tell whoever guesses a password in the line that the guess is right.
    """
    text = "\n".join(lines[max(first - 1, 0) : max(first, last)]) if first > 0 else ""
    return _LITERAL.sub(_length, text[:_MOST_TEXT])


def _length(match: re.Match[str]) -> str:
    if match["triple"] is None and match["quote"] is None:
        return ""
    content = match["long"] if match["triple"] is not None else match["short"]
    return f"'{len(content).bit_length()}'"


def unquoted(message: str) -> str:
    """A linter's message up to where it quotes the source, or may do so."""
    plain = _CODE_NAME.sub(r"\1", printable(message))
    return _QUOTED.split(plain, maxsplit=1)[0].strip(" .;,")[:200]
