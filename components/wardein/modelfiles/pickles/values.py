# SPDX-License-Identifier: Apache-2.0
"""What stands on the abstract stack: plain values by where the stream has them, and what is made of globals.

A plain value is the offset of the opcode that pushed it. Nothing of it is kept: who needs to know what it is reads it
again (:mod:`~wardein.modelfiles.pickles.atoms`). So a stream of millions of words costs a number each. A container of
which too much would have to be kept is such an offset too: what kind it is is known, what is in it is not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from wardein.modelfiles.allowlist import Use
from wardein.modelfiles.examination import Unexamined, shown

# Of containers that hold more, the items are not kept.
_ITEMS = {"dict": 2048}
_FEW_ITEMS = 256
_HEAVY = 256
_DEEPEST = 10_000
_PLAIN_NAME = re.compile(r"[\w.]{1,120}", re.ASCII)


class Global:
    """Something that the stream names; ``uses`` is None where the name is on no list."""

    __slots__ = ("at", "instance", "module", "name", "referable", "text", "uses")

    def __init__(self, module: str, name: str, uses: frozenset[Use] | None, at: int) -> None:
        self.module, self.name, self.uses, self.at = module, name, uses, at
        self.referable = uses is None or "refer" in uses  # what is unknown is told by its name
        text = f"{module}.{name}"
        self.text = text if _PLAIN_NAME.fullmatch(text) else shown(text, 120)
        self.instance = Instance(self)


class Instance:
    """Something that was made by a global: by calling it, or as an object of it."""

    __slots__ = ("of",)

    def __init__(self, of: Global) -> None:
        self.of = of


class Unknown:
    """Something that was made in a way that has been told."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class Box:
    """A container, with its items for as long as they are few; of a mapping, keys and values in turn."""

    __slots__ = ("at", "depth", "items", "kind", "of", "unfit", "weight")

    def __init__(self, kind: str, at: int, items: list[Value] | None = None, of: Global | None = None) -> None:
        self.kind, self.at, self.of, self.depth = kind, at, of, 1
        self.items: Sequence[Value] | None = items or ()
        self.unfit: Global | None = None  # something in it that may be used, but not stand as a value
        self.weight = 1 + len(self.items)
        if items:
            if self.weight > _FEW_ITEMS:
                self.forget()
            for item in items:
                if type(item) is Box:
                    self._take_in(item)
                elif type(item) is Global and not item.referable:
                    self.unfit = item

    def extend(self, items: Sequence[Value]) -> None:
        """Put items into it.

        Raises:
            Unexamined: If containers lie in each other deeper than any pickler follows them.
        """
        kept = self.items
        if kept is not None:
            if len(kept) + len(items) > _ITEMS.get(self.kind, _FEW_ITEMS):
                self.forget()
            else:
                if isinstance(kept, list):
                    kept.extend(items)
                else:
                    self.items = list(items)
                self.weight += len(items)
        for item in items:
            if type(item) is Box:
                self._take_in(item)
            elif type(item) is Global and not item.referable:
                self.unfit = item

    def _take_in(self, item: Box) -> None:
        self.unfit = self.unfit or item.unfit
        if item.depth >= self.depth:
            self.depth = item.depth + 1
            if self.depth > _DEEPEST:
                raise Unexamined(f"holds containers in containers, more than {_DEEPEST} deep")
        if self.items is None:
            return
        if item.weight <= _HEAVY:
            self.weight += item.weight
        else:
            self.items = [item.at if one is item else one for one in self.items]

    def forget(self) -> None:
        """Keep no items any more."""
        self.items, self.weight = None, 1


class Dtype:
    """An abstract ``numpy.dtype``: how long its items are, and whether they are Python objects; None if not known."""

    __slots__ = ("at", "kind", "objects", "of", "size")

    def __init__(self, of: Global, kind: str, size: int | None, objects: bool | None) -> None:
        self.of, self.kind, self.size, self.objects = of, kind, size, objects


Value = int | Global | Instance | Unknown | Box | Dtype
