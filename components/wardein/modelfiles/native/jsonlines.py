# SPDX-License-Identifier: Apache-2.0
"""JSON lines: one document a line, as data sets and logs of metrics have it."""

from __future__ import annotations

import json

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined
from wardein.modelfiles.native import settings

NAME = "json"
TEXT = True

_MAX_LINE = 8 * 1024**2


def matches(content: Content, head: bytes) -> bool:
    """Whether it is called so and begins with a JSON object or array."""
    return content.name.lower().endswith((".jsonl", ".ndjson", ".jsonlines")) and head.lstrip()[:1] in (b"{", b"[")


def examine(content: Content, examination: Examination) -> None:
    """Read every line; examine the settings that can do something."""
    with content.open() as stream:
        while line := stream.readline(_MAX_LINE + 1):
            if len(line) > _MAX_LINE:
                raise Unexamined(f"has a line of more than {_MAX_LINE} bytes")
            if line.strip():
                settings.walk(json.loads(line), content, examination)
