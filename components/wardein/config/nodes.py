# SPDX-License-Identifier: Apache-2.0
"""YAML and JSON with the lines they stand on, read within bounds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from wardein.errors import WardeinError, missing_extra
from wardein.jsontext import strict_loads

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 100
MAX_NODES = 500_000
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?\Z")
# CloudFormation's short forms whose long form is not "Fn::" and the same name.
_PLAIN_TAGS = ("Ref", "Condition")
# YAML's own types that are what they look like; others (binary, set) another reader would turn into something else.
_TYPES = tuple(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq"))
# What no key can be: YAML's sign that another mapping's entries are meant.
_MERGE = "\0merge"

Scalar = str | bool | int | float | None


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands.

    Attributes:
        value: A mapping, a list, or a scalar.
        line: The line it begins on, counted from 1; 0 for what is not there.
        last: The line it ends on.
        weight: How many values it holds, itself included; an alias counts as what it stands for.
        depth: How many levels it has.
        key: The line that its key stands on, in a mapping.
    """

    value: dict[str, Node] | list[Node] | Scalar
    line: int = 0
    last: int = 0
    weight: int = 1
    depth: int = 1
    key: int = 0

    def __getitem__(self, name: str) -> Node:
        """The value of a key; an empty node if there is none."""
        return self.value.get(name, NOTHING) if isinstance(self.value, dict) else NOTHING

    def at(self, *path: str) -> Node:
        """The value that a path of keys leads to."""
        node = self
        for name in path:
            node = node[name]
        return node

    @property
    def exists(self) -> bool:
        """Whether it is there, and not null."""
        return self.line > 0 and self.value is not None

    @property
    def is_map(self) -> bool:
        """Whether it is a mapping."""
        return isinstance(self.value, dict)

    @property
    def is_true(self) -> bool:
        """Whether it says true, as a boolean or as text."""
        return self.value is True or self.text.lower() in ("true", "yes", "on")

    @property
    def is_false(self) -> bool:
        """Whether it says false, as a boolean or as text."""
        return self.value is False or self.text.lower() in ("false", "no", "off")

    @property
    def text(self) -> str:
        """A scalar as text; empty for everything else."""
        if isinstance(self.value, str):
            return self.value
        return str(self.value) if isinstance(self.value, (int, float)) and not isinstance(self.value, bool) else ""

    def items(self) -> Iterator[tuple[str, Node]]:
        """A mapping's keys and values; none for everything else."""
        return iter(self.value.items() if isinstance(self.value, dict) else ())

    def each(self) -> Iterator[Node]:
        """A list's entries; none for everything else."""
        return iter(self.value if isinstance(self.value, list) else ())

    def texts(self) -> tuple[str, ...]:
        """The text of a scalar, or the texts of a list's entries."""
        return tuple(node.text for node in self.each()) if isinstance(self.value, list) else (self.text,)

    def walk(self) -> Iterator[Node]:
        """Itself and everything below it."""
        yield self
        for _, child in self.items():
            yield from child.walk()
        for child in self.each():
            yield from child.walk()


NOTHING = Node(None)


def read_json(text: str, where: str) -> Node:
    """Read one JSON document.

    Raises:
        WardeinError: If it is not JSON, or two readers could read it differently.
    """
    plain = strict_loads(text.encode(), where)
    try:
        # Nearly all JSON is YAML as well, and YAML's reader tells the lines.
        return read_yaml(text, where)[0]
    except (WardeinError, IndexError):
        return _from_plain(plain, text.count("\n") + 1)


def read_yaml(text: str, where: str) -> list[Node]:
    """Read the documents of a YAML stream; empty ones are left out.

    Raises:
        WardeinError: If it is not YAML, a key appears twice or is no text, or it is larger than the bounds.
    """
    try:
        import yaml
    except ImportError:
        raise missing_extra("yaml", "scan") from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    resolver: Any = yaml.resolver.Resolver()  # type: ignore[no-untyped-call]
    reader = _Reader(where, lambda text: str(resolver.resolve(yaml.ScalarNode, text, (True, False))))
    try:
        for event in yaml.parse(text, Loader=loader):
            reader.take(type(event).__name__.removesuffix("Event"), event)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f" (line {mark.line + 1})" if mark else ""
        # The message may quote the text, which may hold secrets.
        raise WardeinError(f"is not valid YAML{at}", where=where) from None
    return reader.documents


@dataclass
class _Open:
    """A mapping or list whose end has not come yet."""

    node: dict[str, Node] | list[Node]
    line: int
    anchor: str | None
    tag: str
    key: str | None = None
    key_line: int = 0
    merges: list[Node] = field(default_factory=list)


class _Reader:
    """Puts nodes together from YAML's events, without recursion."""

    def __init__(self, where: str, resolve: Any) -> None:
        self.where, self._resolve = where, resolve
        self.documents: list[Node] = []
        self._anchors: dict[str, Node] = {}
        self._stack: list[_Open] = []
        self._total = 0

    def take(self, kind: str, event: Any) -> None:
        """One event."""
        self._check_type(event)
        if kind == "DocumentStart":
            self._anchors = {}
        elif kind in ("MappingStart", "SequenceStart"):
            if len(self._stack) >= MAX_DEPTH:
                raise self._refused(f"is nested deeper than {MAX_DEPTH} levels", event)
            self._check_key(event)
            empty: dict[str, Node] | list[Node] = {} if kind == "MappingStart" else []
            self._stack.append(_Open(empty, event.start_mark.line + 1, event.anchor, event.tag or ""))
        elif kind in ("MappingEnd", "SequenceEnd"):
            self._end(event)
        elif kind == "Alias":
            if event.anchor not in self._anchors:
                raise self._refused("refers to an anchor that is not there", event)
            line = event.start_mark.line + 1  # what is told of it is told of where it is used
            self._attach(replace(self._anchors[event.anchor], line=line, last=line), event)
        elif kind == "Scalar":
            line, end = event.start_mark.line + 1, event.end_mark
            node = Node(self._scalar(event), line, max(line, end.line + bool(end.column)))
            if (event.tag or "").startswith("!") and len(event.tag) > 1:
                node = _long_form(event.tag[1:], node)
            if event.anchor:
                self._anchors[event.anchor] = node
            self._attach(node, event)

    def _scalar(self, event: Any) -> Scalar:
        text = str(event.value)
        if event.style or event.tag:  # quoted, or a type of its own
            return text
        tag = self._resolve(text)
        if tag.endswith(":bool"):
            return text.lower() in ("true", "yes", "on")
        if tag.endswith(":null"):
            return None
        if tag.endswith((":int", ":float")) and _NUMBER.match(text):
            return float(text) if "." in text else int(text)
        return text

    def _check_type(self, event: Any) -> None:
        tag = getattr(event, "tag", None) or ""
        if tag.startswith("tag:") and tag not in _TYPES:
            raise self._refused("has a value of a type that is not read here", event)

    def _check_key(self, event: Any) -> None:
        if self._stack and isinstance(self._stack[-1].node, dict) and self._stack[-1].key is None:
            raise self._refused("has a key that is no text", event)

    def _end(self, event: Any) -> None:
        done = self._stack.pop()
        if isinstance(done.node, dict):
            for merge in done.merges:
                done.node.update({name: value for name, value in merge.items() if name not in done.node})
            children = list(done.node.values())
        else:
            children = done.node
        bracket = event.end_mark.line + 1 if event.end_mark.index > event.start_mark.index else 0
        last = max([done.line, bracket, *(child.last for child in children)])
        node = Node(
            done.node,
            done.line,
            last,
            1 + sum(child.weight for child in children),
            1 + max((child.depth for child in children), default=0),
        )
        if done.tag.startswith("!") and len(done.tag) > 1:
            node = _long_form(done.tag[1:], node)
        if done.anchor:
            self._anchors[done.anchor] = node
        self._attach(node, event)

    def _attach(self, node: Node, event: Any) -> None:
        if node.weight > MAX_NODES or len(self._stack) + node.depth > MAX_DEPTH:
            raise self._refused(f"holds more than {MAX_NODES} values or {MAX_DEPTH} levels, counting aliases", event)
        if not self._stack:
            self._total += node.weight
            if self._total > MAX_NODES:
                raise self._refused(f"holds more than {MAX_NODES} values", event)
            if node.value is not None:
                self.documents.append(node)
            return
        into = self._stack[-1]
        if isinstance(into.node, list):
            into.node.append(node)
        elif into.key is None:
            into.key, into.key_line = self._key(into.node, node, event), node.line
        else:
            if into.key == _MERGE:
                into.merges += [node] if node.is_map else list(node.each())
            else:
                into.node[into.key] = replace(node, key=into.key_line)
            into.key = None

    def _key(self, mapping: dict[str, Node], node: Node, event: Any) -> str:
        if isinstance(node.value, (dict, list)):
            raise self._refused("has a key that is no text", event)
        # A plain "on" is a key's name, whatever YAML makes of it.
        key = str(event.value) if hasattr(event, "value") else node.text
        if key == "<<" and not getattr(event, "style", "quoted"):
            return _MERGE
        if key in mapping:
            raise self._refused(f"has the key {key[:40]!r} twice, and readers differ in which one counts", event)
        return key

    def _refused(self, what: str, event: Any) -> WardeinError:
        return WardeinError(f"{what} (line {event.start_mark.line + 1})", where=self.where)


def _long_form(tag: str, node: Node) -> Node:
    """CloudFormation's ``!Sub x`` as ``{"Fn::Sub": x}``; every other tag of somebody's own, likewise."""
    name = tag if tag in _PLAIN_TAGS else f"Fn::{tag}"
    if tag == "GetAtt" and isinstance(node.value, str):
        parts = [Node(part, node.line, node.last) for part in node.value.split(".", 1)]
        node = Node(parts, node.line, node.last, 1 + len(parts), 2)
    return Node({name: node}, node.line, node.last, node.weight + 1, node.depth + 1)


def _from_plain(value: Any, last: int) -> Node:
    if isinstance(value, dict):
        return Node({name: _from_plain(child, last) for name, child in value.items()}, 1, last)
    if isinstance(value, list):
        return Node([_from_plain(child, last) for child in value], 1, last)
    return Node(value, 1, last)
