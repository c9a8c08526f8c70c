# SPDX-License-Identifier: Apache-2.0
"""tiktoken's vocabulary: a line for each token, its bytes in base64 and its rank."""

from __future__ import annotations

import re

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined

NAME = "tiktoken"
TEXT = True

_MAX_LINE = 8192
_LINE = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|) [0-9]{1,9}\r?\n?")


def matches(content: Content, head: bytes) -> bool:
    """Whether its first lines are tokens."""
    lines = head.splitlines(keepends=True)[:3]
    return len(lines) == 3 and all(map(_LINE.fullmatch, lines))


def examine(content: Content, examination: Examination) -> None:
    """Read every line."""
    with content.open() as stream:
        number = 0
        while line := stream.readline(_MAX_LINE):
            number += 1
            if not _LINE.fullmatch(line):
                raise Unexamined(f"has no token in line {number}")
