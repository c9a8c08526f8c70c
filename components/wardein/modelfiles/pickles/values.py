# SPDX-License-Identifier: Apache-2.0
"""What stands on the abstract stack: plain values by where the stream has them, and what is made of globals.

A plain value is the offset of the opcode that pushed it. Nothing of it is kept: who needs to know what it is reads it
again (:class:`Atoms`). So a stream of millions of words costs a number each. A container of which too much would have
to be kept is such an offset too: what kind it is is known, what is in it is not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from wardein.modelfiles.allowlist import Use
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Unexamined, shown
from wardein.modelfiles.pickles import opcodes as op

# Texts that are longer name nothing; of containers that hold more, the items are not kept.
_LONGEST_NAME = 500
_ITEMS = {"dict": 2048}
_FEW_ITEMS = 256
_HEAVY = 256
_DEEPEST = 10_000
_KINDS = {
    **dict.fromkeys(op.TEXTS | op.OLD_TEXTS, "text"),
    **dict.fromkeys(op.BYTES, "bytes"),
    **dict.fromkeys(op.INTEGERS, "int"),
    **dict.fromkeys([op.FLOAT, op.BINFLOAT], "float"),
    **dict.fromkeys([op.NEWTRUE, op.NEWFALSE], "bool"),
    **dict.fromkeys([op.EMPTY_TUPLE, op.TUPLE, op.TUPLE1, op.TUPLE2, op.TUPLE3], "tuple"),
    **dict.fromkeys([op.EMPTY_LIST, op.LIST], "list"),
    **dict.fromkeys(op.MAPPINGS, "dict"),
    op.EMPTY_SET: "set",
    op.FROZENSET: "frozenset",
    op.NONE: "None",
}
_ESCAPED = re.compile(rb"""(?:[^\\]|\\[\\'"abfnrtv]|\\x[0-9a-fA-F]{2}|\\[0-3]?[0-7]{1,2})*""")
_PLAIN_NAME = re.compile(r"[\w.]{1,120}", re.ASCII)


class Global:
    """Something that the stream names; ``uses`` is None where the name is on no list."""

    __slots__ = ("at", "instance", "module", "name", "text", "uses")

    def __init__(self, module: str, name: str, uses: frozenset[Use] | None, at: int) -> None:
        self.module, self.name, self.uses, self.at = module, name, uses, at
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

    __slots__ = ("at", "depth", "items", "kind", "of", "weight")

    def __init__(self, kind: str, at: int, items: list[Value] | None = None, of: Global | None = None) -> None:
        self.kind, self.at, self.of, self.depth = kind, at, of, 1
        self.items: Sequence[Value] | None = items or ()
        self.weight = 1 + len(self.items)
        if items:
            if self.weight > _FEW_ITEMS:
                self.forget()
            for item in items:
                if type(item) is Box:
                    self._take_in(item)

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
                self.items = [*kept, *items] if kept else list(items)
                self.weight += len(items)
        for item in items:
            if type(item) is Box:
                self._take_in(item)

    def _take_in(self, item: Box) -> None:
        self.depth = max(self.depth, item.depth + 1)
        if self.depth > _DEEPEST:
            raise Unexamined(f"holds containers in containers, more than {_DEEPEST} deep")
        if self.items is not None and item.weight <= _HEAVY:
            self.weight += item.weight
        elif self.items is not None:
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


class Atoms:
    """Plain values, read again where the stream has them."""

    def __init__(self, content: Content) -> None:
        self._content = content

    def kind(self, value: Value) -> str:
        """What kind of plain value or container it is; empty for everything that a global made."""
        if isinstance(value, int):
            return _KINDS.get(self._content.at(value, 1)[0], "")
        return value.kind if isinstance(value, Box) else ""

    def payload(self, at: int) -> tuple[int, int]:
        """Where the bytes of a text or of bytes are, and how many; a line's are found by its end."""
        opcode = self._content.at(at, 1)[0]
        width = op.COUNTED.get(opcode, 0)
        if width:
            return at + 1 + width, int.from_bytes(self._content.at(at + 1, width), "little")
        return at + 1, self._content.at(at + 1, 65536).find(b"\n")

    def text(self, value: Value, most: int = _LONGEST_NAME) -> str | None:
        """A text as every unpickler has it; None if it is none, or none that all agree on, or a very long one."""
        if not isinstance(value, int) or self.kind(value) != "text":
            return None
        opcode = self._content.at(value, 1)[0]
        start, length = self.payload(value)
        if not 0 <= length <= most:
            return None
        raw = self._content.at(start, length)
        try:
            if opcode == op.UNICODE:
                return raw.decode("raw-unicode-escape")
            if opcode == op.STRING:
                if raw[:1] not in (b"'", b'"') or len(raw) < 2 or not _ESCAPED.fullmatch(raw):
                    return None
                import codecs

                raw = codecs.escape_decode(raw[1:-1])[0]  # type: ignore[attr-defined]  # not in its stub
            return raw.decode("ascii" if opcode in op.OLD_TEXTS else "utf-8")
        except UnicodeDecodeError:
            return None

    def integer(self, value: Value) -> int | None:
        """A whole number, or a truth value as one; None if it is none."""
        if not isinstance(value, int):
            return None
        opcode = self._content.at(value, 1)[0]
        if opcode in (op.NEWTRUE, op.NEWFALSE):
            return int(opcode == op.NEWTRUE)
        if opcode in op.FIXED and opcode in op.INTEGERS:
            return int.from_bytes(
                self._content.at(value + 1, op.FIXED[opcode] - 1), "little", signed=opcode == op.BININT
            )
        start, length = self.payload(value)
        if opcode not in op.INTEGERS or not 0 <= length <= 64:
            return None
        raw = self._content.at(start, length)
        return int.from_bytes(raw, "little", signed=True) if opcode in op.COUNTED else int(raw.rstrip(b"L"))

    def items(self, value: Value) -> Sequence[Value] | None:
        """What is in a tuple or a list (or, in turn, in a mapping); None if that is not known."""
        if isinstance(value, Box):
            return value.items
        return () if isinstance(value, int) and self._content.at(value, 1)[0] == op.EMPTY_TUPLE else None

    def mapping(self, value: Value) -> dict[str, Value] | None:
        """What is in a mapping whose keys are all known texts; None if that is not known."""
        items = self.items(value) if self.kind(value) == "dict" else None
        if items is None:
            return None
        keys = [self.text(key) for key in items[::2]]
        return None if None in keys else dict(zip(keys, items[1::2], strict=True))  # type: ignore[arg-type]

    def show(self, value: Value, room: int = 160) -> str:
        """A value as it may stand in a message: bounded, and one line of printable ASCII."""
        if isinstance(value, Global):
            return value.text
        if isinstance(value, (Instance, Dtype)):
            return f"{value.of.text}(…)"
        if isinstance(value, Unknown):
            return value.text
        if isinstance(value, Box):
            return self._show_box(value, room)
        kind = self.kind(value)
        if kind in ("text", "bytes"):
            start, length = self.payload(value)
            text = self.text(value) if kind == "text" else None
            if text is None:
                text = self._content.at(start, min(length, 100)).decode("latin-1") + ("…" if length > 100 else "")
            return ("b" if kind == "bytes" else "") + shown(text)
        if kind in ("int", "bool"):
            return str(self.integer(value) if kind == "int" else bool(self.integer(value)))
        return {"None": "None", "tuple": "(…)", "list": "[…]", "dict": "{…}"}.get(kind, kind or "…")

    def _show_box(self, box: Box, room: int) -> str:
        left, right = {"tuple": ("(", ")"), "list": ("[", "]")}.get(box.kind, ("{", "}"))
        if box.items is None or room < 16:
            return f"{left}…{right}"
        parts: list[str] = []
        for item in box.items[:8]:
            parts.append(self.show(item, room // 2))
            room -= len(parts[-1])
            if room < 0:
                break
        if box.kind == "dict":
            pairs = [f"{k}: {v}" for k, v in zip(parts[::2], parts[1::2], strict=False)]
            inside = ", ".join(pairs)
        else:
            inside = ", ".join(parts) + ("," if box.kind == "tuple" and len(parts) == 1 else "")
        return f"{left}{inside}{', …' if len(parts) < len(box.items) else ''}{right}"
