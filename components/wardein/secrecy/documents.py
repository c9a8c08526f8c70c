# SPDX-License-Identifier: Apache-2.0
"""JSON, YAML and notebooks, read for what they say and not for how they escape it.

Nothing is dropped: of keys that are there twice both count, comments are in the text, which is searched as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from wardein.errors import WardeinError

MAX_DEPTH = 500
# More parts than these are not read: a few kilobytes, compressed, can hold any number of them.
MAX_NODES = 2_000_000
# How many of the names that a value is in count, and how short a value is no secret.
_PARENTS, _SHORTEST, _LONG_KEY = 16, 4, 16
_COLORS = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")
# Keys that say of a value only that it is one: it goes by the name of what it is in.
_VALUES = frozenset(
    ("value", "defaultvalue", "default", "default_value", "stringvalue", "string_value", "constant", "constantvalue")
    + ("runtimevalue", "data", "text")
)
_MERGED = "<<"
_LABELS = ("output_type", "name", "ename", "execution_count")
_NAMES = ("name", "key", "Name", "Key")


class TooLarge(ValueError):
    """A document has more parts than can be read."""

    def __init__(self) -> None:
        super().__init__(f"has more than {MAX_NODES} parts")


class Nodes:
    """How many parts of documents may still be read from one text."""

    def __init__(self) -> None:
        self._left = MAX_NODES

    def take(self, amount: int = 1) -> None:
        """Use some up.

        Raises:
            TooLarge: If there are none left.
        """
        self._left -= amount
        if self._left < 0:
            raise TooLarge


@dataclass(frozen=True, slots=True)
class Pair:
    """A text in a document, and what it is called there.

    Attributes:
        parents: The names of what it is in, the outermost first.
        line: Where it begins, counted from 1; 0 if that is not known.
        sealed: Whether it is in the data of a Kubernetes secret: ``data`` or ``stringData``.
    """

    name: str
    value: str
    parents: tuple[str, ...] = ()
    line: int = 0
    sealed: str = ""


@dataclass(slots=True)
class Node:
    """A mapping or a list (whose keys are empty), with the keys in their order and as often as they are there."""

    is_map: bool
    items: list[tuple[str, Node | Leaf]] = field(default_factory=list)

    def all(self, key: str) -> list[Node | Leaf]:
        """Every value of a key."""
        return [value for name, value in self.items if name == key]

    def text(self, *keys: str) -> str:
        """The first plain value of the first key that has one."""
        found = [v.value for key in keys for v in self.all(key) if isinstance(v, Leaf)]
        return found[0] if found else ""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A plain value."""

    value: str
    line: int = 0


def read_json(text: str, nodes: Nodes) -> Node | Leaf:
    """Read one JSON document. Numbers that stand in lists are left out: they have no name and cannot be escaped.

    Raises:
        TooLarge: If it has too many parts.
        ValueError: If it is none.
    """
    if text.count("[") + text.count("{") > MAX_NODES:
        raise TooLarge
    try:
        return _node(json.loads(text, object_pairs_hook=_Object), nodes)
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def read_yaml(text: str, nodes: Nodes) -> tuple[list[Node | Leaf], bool]:
    """Read the documents of a YAML text, with aliases and merges followed.

    Returns:
        What could be read up to the end or to the first error, and whether it is all.

    Raises:
        TooLarge: If it has too many parts.
    """
    import yaml

    composer = _Composer(nodes)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            composer.take(event)
    except TooLarge:
        raise
    except (yaml.YAMLError, ValueError):
        return composer.documents, False
    return composer.documents, True


def pairs(document: Node | Leaf, nodes: Nodes) -> Iterator[Pair]:
    """Every text in a document with its name, and the keys that are long enough to be secrets themselves.

    Raises:
        TooLarge: If there are too many, as where aliases of aliases multiply.
    """
    waiting: list[tuple[Node | Leaf, str, tuple[str, ...], str]] = [(document, "", (), "")]
    while waiting:
        node, name, parents, sealed = waiting.pop()
        nodes.take()
        if isinstance(node, Leaf):
            if len(node.value) >= _SHORTEST:
                yield Pair(_called(name, parents), node.value, parents, node.line, sealed)
            continue
        yield from (Pair("", key, parents) for key, _ in node.items if len(key) >= _LONG_KEY)
        if not node.is_map:
            yield from _arguments(node, parents)
        elif called := node.text(*_NAMES):
            told = [v for key in ("value", "default", "Value") for v in node.all(key)]
            yield from (Pair(called, v.value, parents, v.line) for v in told if isinstance(v, Leaf))
        is_secret = node.is_map and node.text("kind") == "Secret"
        inner = (*parents, name) if name else parents
        for key, child in node.items:
            within = key if is_secret and key in ("data", "stringData") else sealed
            waiting.append((child, key or name, inner[-_PARENTS:] if key else parents, within))


@dataclass(frozen=True)
class Cell:
    """A part of a notebook: the source of a cell, its output, or what else there is."""

    part: str
    text: str
    is_code: bool
    pairs: tuple[Pair, ...] = ()

    @property
    def first(self) -> int:
        """The number of its first line; 0 if it has no lines that anybody could look up."""
        return 0 if self.part.endswith("metadata") else 1


def cells(notebook: Node | Leaf, nodes: Nodes) -> list[Cell]:
    """The parts of a notebook, which hold all that is in it.

    Raises:
        TooLarge: If it has too many parts.
        WardeinError: If it is no notebook.
    """
    lists = [v for v in notebook.all("cells") if isinstance(v, Node)] if isinstance(notebook, Node) else []
    if not isinstance(notebook, Node) or not lists:
        raise WardeinError("is not a notebook of format 4")
    found = []
    for number, (_, cell) in enumerate((item for cells in lists for item in cells.items), 1):
        if not isinstance(cell, Node):
            raise WardeinError("holds a cell that is none")
        is_code = cell.text("cell_type") == "code"
        for part, keys, code in (("", ("source",), is_code), (", output", ("outputs",), False)):
            inner = [value for key in keys for value in cell.all(key)]
            if inner:
                said = tuple(p for value in inner for p in pairs(value, nodes))
                found.append(Cell(f"cell {number}{part}", _COLORS.sub("", _spoken(inner)), code, said if part else ()))
        rest = Node(True, [(key, value) for key, value in cell.items if key not in ("source", "outputs")])
        found.append(Cell(f"cell {number}, metadata", _spoken([rest]), False, tuple(pairs(rest, nodes))))
    rest = Node(True, [(key, value) for key, value in notebook.items if key != "cells"])
    found.append(Cell("metadata", _spoken([rest]), False, tuple(pairs(rest, nodes))))
    return [cell for cell in found if cell.text.strip() or cell.pairs]


class _Object(list[tuple[str, Any]]):
    """A JSON object as its pairs."""


def _node(value: Any, nodes: Nodes) -> Node | Leaf:
    nodes.take()
    if isinstance(value, _Object):
        return Node(True, [(key, _node(item, nodes)) for key, item in value])
    if isinstance(value, list):
        return Node(False, [("", _node(item, nodes)) for item in value if isinstance(item, (str, list))])
    return Leaf(value if isinstance(value, str) else json.dumps(value))


class _Composer:
    """Documents from events: composing them recursively is what deep nesting kills a process with."""

    def __init__(self, nodes: Nodes) -> None:
        self.documents: list[Node | Leaf] = []
        self._nodes = nodes
        self._open: list[tuple[Node, list[str], str]] = []
        self._anchors: dict[str, Node | Leaf] = {}

    def take(self, event: Any) -> None:
        """Take the next event."""
        import yaml

        if isinstance(event, yaml.ScalarEvent):
            leaf = Leaf(event.value, _line(event) + (1 if event.style in ("|", ">") else 0))
            if event.anchor:
                self._anchors[event.anchor] = leaf
            self._put(leaf)
        elif isinstance(event, yaml.AliasEvent):
            node = self._anchors.get(event.anchor or "", Leaf("", _line(event)))
            if isinstance(node, Node) and self._merges:
                self._merge(node)
            else:
                self._put(node)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            opened = Node(isinstance(event, yaml.MappingStartEvent))
            if not self._merges:
                self._put(opened)
            self._open.append((opened, [], event.anchor or ""))
            if len(self._open) > MAX_DEPTH:
                raise ValueError("is nested too deeply")
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._close()

    @property
    def _merges(self) -> bool:
        """Whether what comes next is what a merge key leads to."""
        return bool(self._open) and self._open[-1][1] == [_MERGED]

    def _close(self) -> None:
        # Its anchor is known from its end on, so that nothing is in itself.
        closed, _, anchor = self._open.pop()
        if anchor:
            self._anchors[anchor] = closed
        if self._merges:
            self._merge(closed)

    def _merge(self, node: Node) -> None:
        """Put what a merge key leads to, a mapping or a list of them, beside it."""
        parent, key, _ = self._open[-1]
        key.clear()
        for mapping in [node] if node.is_map else [child for _, child in node.items if isinstance(child, Node)]:
            self._nodes.take(len(mapping.items))
            parent.items.extend(mapping.items)

    def _put(self, node: Node | Leaf) -> None:
        self._nodes.take()
        if not self._open:
            self.documents.append(node)
            return
        parent, key, _ = self._open[-1]
        if not parent.is_map:
            parent.items.append(("", node))
        elif key:
            parent.items.append((key.pop(), node))
        elif isinstance(node, Leaf):
            key.append(node.value)
        else:
            key.append("?")
            parent.items.append(("?", node))  # a key that is a document of its own


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _called(name: str, parents: Sequence[str]) -> str:
    """What a value is called: by its key, or if that says nothing, by what it is in."""
    for called in (name, *reversed(parents)):
        if called.lower() not in _VALUES:
            return called
    return name


def _arguments(node: Node, parents: tuple[str, ...]) -> Iterator[Pair]:
    """Options of a command line with the value that follows them; NAME=VALUE."""
    texts = [child for _, child in node.items if isinstance(child, Leaf)]
    for before, after in zip(texts, texts[1:], strict=False):
        if before.value.startswith("-") and not after.value.startswith("-"):
            yield Pair(before.value[:100], after.value, parents, after.line)
    for leaf in texts:
        name, equals, value = leaf.value.partition("=")
        if equals and re.fullmatch(r"-{0,2}[\w.\-]{1,100}", name):
            yield Pair(name, value, parents, leaf.line)


def _spoken(nodes: Sequence[Node | Leaf]) -> str:
    """The texts in a part of a notebook, where a list holds the lines of one text."""
    found = []
    for node in nodes:
        if isinstance(node, Leaf):
            found.append(node.value)
        elif not node.is_map and all(isinstance(child, Leaf) for _, child in node.items):
            found.append("".join(child.value for _, child in node.items if isinstance(child, Leaf)))
        else:
            found.append(_spoken([child for key, child in node.items if key not in _LABELS]))
    return "\n".join(found)
