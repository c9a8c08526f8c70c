# SPDX-License-Identifier: Apache-2.0
"""The texts that a protocol buffer in its text form sets, whatever message it is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wardein.modelfiles.examination import Unexamined

_TOKEN = re.compile(
    r"""(?:\s+|\#[^\n]*)*+(?:(?P<text>"(?:[^"\\\n]|\\.)*+"|'(?:[^'\\\n]|\\.)*+')"""
    r"""|(?P<name>[A-Za-z_][\w.]*)|(?P<mark>[-+{}<>:;,\[\]/])|(?P<number>[\d.][\w.+-]*)|(?P<end>\Z))"""
)
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))")
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def texts(document: str) -> Iterator[tuple[str, str]]:
    """Every name, with no text, and every text with the name before it; texts side by side are one.

    Raises:
        Unexamined: If it is no text form.
    """
    name, parts = "", list[str]()
    position = 0
    while True:
        token = _TOKEN.match(document, position)
        if token is None:
            raise Unexamined(f"is no text form of a protocol buffer, at character {position}")
        position = token.end()
        if token["text"] is not None:
            parts.append(_ESCAPE.sub(_unescaped, token["text"][1:-1]))
            continue
        if parts:
            yield name, "".join(parts)
            parts = []
        if token["name"] is not None:
            name = token["name"]
            yield name, ""
        elif token["end"] is not None:
            return


def _unescaped(found: re.Match[str]) -> str:
    octal, hexadecimal, short, long, plain = found.groups()
    if octal or hexadecimal:
        return chr((int(octal, 8) if octal else int(hexadecimal, 16)) & 0xFF)
    if short or long:
        return chr(min(int(short or long, 16), 0x10FFFF))
    return _PLAIN.get(plain, plain)
