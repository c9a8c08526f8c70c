# SPDX-License-Identifier: Apache-2.0
"""JSON: settings, vocabularies, tree models. Strict to its last byte; what a setting can do is told."""

from __future__ import annotations

import json
import re
from typing import Any

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined, shown
from wardein.modelfiles.native import rules
from wardein.modelfiles.native.jsonstream import Value, values
from wardein.modelfiles.native.settings import examine_setting, is_wanted, makes_below, walk

NAME = "json"
TEXT = True

_MAX_VALUE = 16 * 1024**2
# What a text takes in memory grows fourfold with its widest character, and brackets by far more.
_MAX_WIDE = 4 * 1024**2
_MAX_PARTS = 400_000
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
    for value in values(content, _is_asked_for, start, late=("target",), noted=("params",)):
        if value.key == "nbformat":
            _tell_notebook(value, content, examination)
            continue
        if value.again:
            message = f"has the setting {shown(value.key)} twice"
            examination.tell(rules.DUPLICATE_KEY, content, message, identity=value.key)
        read = _read(value, content)
        below = any(makes_below(key) for key in value.above)
        examine_setting(value.key, read, content, examination, below or "params" in value.beside)
        walk(read, content, examination, below or makes_below(value.key))


def _read(value: Value, content: Content) -> Any:
    """A setting's value, where it does not take too much memory."""
    size = value.end - value.start
    if size > _MAX_VALUE:
        raise Unexamined(f"has a setting {shown(value.key)} of more than {_MAX_VALUE} bytes")
    raw = content.at(value.start, size)
    if size > _MAX_WIDE and (not raw.isascii() or b"\\u" in raw):
        raise Unexamined(f"has a setting {shown(value.key)} of more than {_MAX_WIDE} bytes that is not plain ASCII")
    if sum(map(raw.count, (b",", b"[", b"{"))) > _MAX_PARTS:
        raise Unexamined(f"has a setting {shown(value.key)} of more than {_MAX_PARTS} values")
    return json.loads(raw, object_pairs_hook=_members)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's members; of those that are there twice, the first lie below the empty name."""
    members = dict(pairs)
    if len(members) < len(pairs):
        last = {key: number for number, (key, _) in enumerate(pairs)}
        again = [{key: inner} for number, (key, inner) in enumerate(pairs) if last[key] != number]
        members[""] = [*again, members.get("")]
    return members


def _is_asked_for(key: str) -> bool:
    return is_wanted(key) or key == "nbformat"


def _tell_notebook(value: Value, content: Content, examination: Examination) -> None:
    if value.depth == 1:
        examination.tell(rules.CODE, content, "is a notebook", identity="notebook")
