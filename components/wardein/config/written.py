# SPDX-License-Identifier: Apache-2.0
"""What was read, written again for tools to read: plain JSON with every value on the line that it stands on.

It has no comments, aliases, duplicate keys or escapes. So no tool can see another document than the rules here saw,
and no comment in it can tell a tool to look away.
"""

from __future__ import annotations

import json
import re

from wardein.config.nodes import Node

# What YAML does not count as printable, beyond what JSON escapes anyway.
_UNPRINTABLE = re.compile("[\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff\u2028\u2029\x85]")


def written(node: Node) -> bytes:
    """The document as JSON, with every value on the line that it stands on."""
    parts: list[str] = []
    _write(node, parts, [1])
    return "".join(parts).encode() + b"\n"


def _write(node: Node, parts: list[str], line: list[int]) -> None:
    _pad(node.line, parts, line)
    if isinstance(node.value, dict):
        parts.append("{")
        for number, (name, child) in enumerate(node.value.items()):
            parts.append("," if number else "")
            _pad(child.key, parts, line)
            parts.append(_quoted(name) + ": ")
            _write(child, parts, line)
        parts.append("}")
    elif isinstance(node.value, list):
        parts.append("[")
        for number, child in enumerate(node.value):
            parts.append("," if number else "")
            _write(child, parts, line)
        parts.append("]")
    else:
        parts.append(_quoted(node.value) if isinstance(node.value, str) else json.dumps(node.value))


def _pad(to: int, parts: list[str], line: list[int]) -> None:
    if to > line[0]:
        parts.append("\n" * (to - line[0]))
        line[0] = to


def _quoted(text: str) -> str:
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))
