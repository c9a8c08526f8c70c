# SPDX-License-Identifier: Apache-2.0
"""JSON: settings, vocabularies, tree models. Strict to its last byte; what a setting can do is told."""

from __future__ import annotations

import json
import re

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined, shown
from wardein.modelfiles.native import rules
from wardein.modelfiles.native.jsonstream import Value, values
from wardein.modelfiles.native.settings import examine_setting, is_wanted

NAME = "json"
TEXT = True

_MAX_VALUE = 16 * 1024**2
_MARK = b"\xef\xbb\xbf"
_NAMES = (".json", ".ipynb", ".geojson", ".zarray", ".zattrs", ".zgroup", ".zmetadata", ".webmanifest")
_PROSE = (".md", ".rst", ".jinja", ".jinja2", ".j2", ".jsonl", ".ndjson", ".jsonlines")
# Prose that begins with a bracket is not JSON: ``[![badge]``, ``{% if %}``, ``[1] Miller``.
_BEGINS = re.compile(
    rb'[ \t\r\n]*+(?:\{[ \t\r\n]*+["}]'
    rb'|\[[ \t\r\n]*+(?:["{\[\]]|(?:-?[0-9][0-9.eE+-]*+|true|false|null|NaN)[ \t\r\n]*+[,\]]))'
)


def matches(content: Content, head: bytes) -> bool:
    """Whether it begins as a JSON object or array, or is called so."""
    name = content.name.lower()
    if name.endswith(_NAMES):
        return True
    return _BEGINS.match(head.removeprefix(_MARK)) is not None and not name.endswith(_PROSE)


def examine(content: Content, examination: Examination) -> None:
    """Read it to its end; examine the settings that can do something."""
    start = len(_MARK) if content.at(0, 3) == _MARK else 0
    for value in values(content, _is_asked_for, start):
        if value.key == "nbformat":
            _tell_notebook(value, content, examination)
            continue
        if value.again:
            message = f"has the setting {shown(value.key)} twice"
            examination.tell(rules.DUPLICATE_KEY, content, message, identity=value.key)
        if value.end - value.start > _MAX_VALUE:
            raise Unexamined(f"has a setting {shown(value.key)} of more than {_MAX_VALUE} bytes")
        read = json.loads(content.at(value.start, value.end - value.start))
        examine_setting(value.key, read, content, examination)


def _is_asked_for(key: str) -> bool:
    return is_wanted(key) or key == "nbformat"


def _tell_notebook(value: Value, content: Content, examination: Examination) -> None:
    if value.depth == 1:
        examination.tell(rules.CODE, content, "is a notebook", identity="notebook")
