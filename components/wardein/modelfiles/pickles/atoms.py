# SPDX-License-Identifier: Apache-2.0
"""Plain values: read again where the stream has them, by who needs to know what they are."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Unexamined, shown
from wardein.modelfiles.pickles import opcodes as op
from wardein.modelfiles.pickles.values import Box, Dtype, Global, Instance, Unknown, Value

# Texts that are longer name nothing.
_LONGEST_NAME = 500
_SHORT, _LONGEST_LINE = 64, 65536
_MOST_WORK = 20_000_000
# Names of attributes stand once in a stream, and are taken back for each further object.
_MOST_NAMES = 10_000
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


class Atoms:
    """Plain values, read again where the stream has them."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._work = 0
        self._names: dict[int, str] = {}

    def work(self, units: int = 1) -> None:
        """Count what costs about a microsecond.

        Raises:
            Unexamined: If it adds up to minutes: a stream can have the same large state looked at again and again.
        """
        self._work += units
        if self._work > _MOST_WORK:
            raise Unexamined("takes more work than it is worth")

    def kind(self, value: Value) -> str:
        """What kind of plain value or container it is; empty for everything that a global made."""
        if isinstance(value, int):
            self.work()
            return _KINDS.get(self._content.at(value, 1)[0], "")
        return value.kind if isinstance(value, Box) else ""

    def payload(self, at: int) -> tuple[int, int]:
        """Where the bytes of a text or of bytes are, and how many; -1 for a line that is very long."""
        _, start, length, _ = self._read(at)
        return start, length

    def _read(self, at: int) -> tuple[int, int, int, bytes]:
        """The opcode, where its payload is, how long that is, and the payload if it is short."""
        self.work()
        head = self._content.at(at, _SHORT)
        opcode = head[0]
        width = op.COUNTED.get(opcode, 0)
        if width:
            length = int.from_bytes(head[1 : 1 + width], "little")
        elif opcode in op.FIXED:
            length = op.FIXED[opcode] - 1
        else:
            length = head.find(b"\n", 1) - 1
            if length < 0:
                self.work(10)
                length = self._content.at(at + 1, _LONGEST_LINE).find(b"\n")
        return opcode, at + 1 + width, length, head[1 + width : 1 + width + max(length, 0)]

    def text(self, value: Value, most: int = _LONGEST_NAME) -> str | None:
        """A text as every unpickler has it; None if it is none, or none that all agree on, or a very long one."""
        if not isinstance(value, int):
            return None
        if value in self._names and most == _LONGEST_NAME:
            return self._names[value]
        found = self._text(value, most)
        if found is not None and most == _LONGEST_NAME and len(self._names) < _MOST_NAMES:
            self._names[value] = found
        return found

    def _text(self, value: int, most: int) -> str | None:
        opcode, start, length, raw = self._read(value)
        if _KINDS.get(opcode) != "text" or not 0 <= length <= most:
            return None
        if len(raw) < length:
            raw = self._content.at(start, length)
        try:
            if opcode == op.UNICODE:
                return raw.decode("raw-unicode-escape")
            if opcode == op.STRING:
                raw = _unescaped(raw)
            return raw.decode("ascii" if opcode in op.OLD_TEXTS else "utf-8")
        except ValueError:
            return None

    def integer(self, value: Value) -> int | None:
        """A whole number, or a truth value as one; None if it is none."""
        if not isinstance(value, int):
            return None
        opcode, _, length, raw = self._read(value)
        if opcode in (op.NEWTRUE, op.NEWFALSE):
            return int(opcode == op.NEWTRUE)
        if opcode not in op.INTEGERS or len(raw) < length or length < 0:
            return None
        if opcode in op.LINES:
            return int(raw.strip().rstrip(b"L"))
        return int.from_bytes(raw, "little", signed=opcode in (op.BININT, op.LONG1, op.LONG4))

    def items(self, value: Value) -> Sequence[Value] | None:
        """What is in a tuple or a list (or, in turn, in a mapping); None if that is not known."""
        if isinstance(value, Box):
            return value.items
        self.work()
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


def _unescaped(raw: bytes) -> bytes:
    """The bytes that a quoted text with escapes stands for.

    Raises:
        ValueError: If it is none, or has escapes that Python only reads with a warning.
    """
    if raw[:1] not in (b"'", b'"') or len(raw) < 2 or not _ESCAPED.fullmatch(raw):
        raise ValueError("no quoted text")
    return bytes(codecs.escape_decode(raw[1:-1])[0])  # type: ignore[attr-defined]  # not in its stub
