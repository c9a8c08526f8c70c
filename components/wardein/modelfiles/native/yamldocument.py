# SPDX-License-Identifier: Apache-2.0
"""YAML: read as events, one after the other; tags that make objects and settings that call something are told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined, shown
from wardein.modelfiles.native import rules, settings
from wardein.report import Severity

NAME = "yaml"
TEXT = True

MAX_BYTES = 4 * 1024**2
MAX_NODES = 500_000
# Aliases repeat what they stand for: so many values at most, written out.
MAX_EXPANDED = 1_000_000
_DEEPEST = 64
_NAMES = (".yaml", ".yml")
_CALLED = frozenset({"mlmodel", "conda.yaml", "dvc.lock"})
# What PyYAML's unsafe loaders make objects of; a tag can be spelled with escapes and with a prefix of its own.
PYTHON_TAG = re.compile(rb"!\s*(?:!|<)\s*\S*(?:python|%[0-9A-Fa-f]{2})|yaml\.org,2002:python|^%TAG", re.MULTILINE)
_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in (
        "null",
        "bool",
        "int",
        "float",
        "binary",
        "timestamp",
        "omap",
        "pairs",
        "set",
        "str",
        "seq",
        "map",
        "merge",
        "value",
    )  # fmt: skip
)


def matches(content: Content, head: bytes) -> bool:
    """Whether it is called so, or says that it is; other texts with Python's tags are found as texts."""
    name = content.name.lower()
    return name.endswith(_NAMES) or name in _CALLED or head.startswith(b"%YAML")


def examine(content: Content, examination: Examination) -> None:
    """Read every document; examine its tags and the settings that can do something."""
    for document in documents(content, examination):
        settings.walk(document, content, examination)


def documents(content: Content, examination: Examination | None) -> Iterator[Any]:
    """The documents of a content, plain values only: every scalar is its text, an alias the very value it stands for.

    Args:
        content: What to read.
        examination: Takes what is found of tags; None to only read.

    Raises:
        Unexamined: If it is too large, nested too deep, not YAML, or would grow without bound.
    """
    try:
        import yaml
    except ImportError:
        raise Unexamined("YAML needs PyYAML to be examined: pip install 'wardein[scan]'") from None
    if content.size > MAX_BYTES:
        raise Unexamined(f"is YAML of more than {MAX_BYTES} bytes")
    reader = _Reader(content, examination)
    try:
        # The loader in Python: the one in C overruns its stack on brackets.
        for event in yaml.parse(content.at(0, content.size), Loader=yaml.SafeLoader):
            yield from reader.take(event)
    except yaml.YAMLError as error:
        raise Unexamined(f"is not valid YAML ({shown(str(error).partition(chr(10))[0])})") from None


@dataclass
class _Open:
    """A mapping or sequence that is being read."""

    value: Any
    anchor: str | None
    size: int = 1
    key: list[Any] = field(default_factory=list)


class _Reader:
    """Puts events together."""

    def __init__(self, content: Content, examination: Examination | None) -> None:
        self._content, self._examination = content, examination
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0

    def take(self, event: Any) -> Iterator[Any]:
        """Take one event; a document that it ends."""
        from yaml import events

        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise Unexamined(f"has more than {MAX_NODES} values")
        if isinstance(event, events.DocumentStartEvent):
            self._anchors = {}
        if getattr(event, "tag", None):
            self._tell_tag(event.tag, event)
        if isinstance(event, events.ScalarEvent):
            yield from self._put(event.value, 1, event.anchor)
        elif isinstance(event, events.AliasEvent):
            if event.anchor not in self._anchors:
                raise Unexamined(f"refers to {shown(str(event.anchor))} before it is there")
            value, size = self._anchors[event.anchor]
            yield from self._put(value, size, None)
        elif isinstance(event, (events.MappingStartEvent, events.SequenceStartEvent)):
            if len(self._open) >= _DEEPEST:
                raise Unexamined(f"is nested deeper than {_DEEPEST} levels")
            self._open.append(_Open({} if isinstance(event, events.MappingStartEvent) else [], event.anchor))
        elif isinstance(event, (events.MappingEndEvent, events.SequenceEndEvent)):
            done = self._open.pop()
            yield from self._put(done.value, done.size, done.anchor)

    def _put(self, value: Any, size: int, anchor: str | None) -> Iterator[Any]:
        if anchor:
            self._anchors[anchor] = value, size
        if not self._open:
            yield value
            return
        outer = self._open[-1]
        outer.size += size
        if outer.size > MAX_EXPANDED:
            raise Unexamined(f"grows to more than {MAX_EXPANDED} values where its aliases are written out")
        if isinstance(outer.value, list):
            outer.value.append(value)
        elif not outer.key:
            outer.key.append(value)
        else:
            self._member(outer, outer.key.pop(), value)

    def _member(self, outer: _Open, key: Any, value: Any) -> None:
        if not isinstance(key, str):
            # A key that is a list or a mapping: what it holds counts, by a name that no setting has.
            outer.value.setdefault("", []).append([key, value])
        elif key in outer.value and key != "<<":
            if self._examination:
                message = f"has the setting {shown(key)} twice"
                self._examination.tell(rules.DUPLICATE_KEY, self._content, message, identity=key)
            outer.value.setdefault("", []).append({key: value})
        elif key == "":
            outer.value.setdefault("", []).append(value)
        else:
            outer.value[key] = value

    def _tell_tag(self, tag: str, event: Any) -> None:
        if self._examination is None or tag in _PLAIN_TAGS or tag == "!":
            return
        at = f"at line {event.start_mark.line + 1}"
        if "python" in tag.lower():
            calls = f"makes its reader import and call something: {shown(tag)} {at}"
            rule, severity = rules.INSTANTIATE, Severity.CRITICAL
            self._examination.tell(rule, self._content, calls, identity=tag, severity=severity)
        else:
            self._examination.tell(rules.YAML_TAG, self._content, f"has the tag {shown(tag)} {at}", identity=tag)
