# SPDX-License-Identifier: Apache-2.0
"""Types of numpy arrays, abstractly: how long an item is, and whether it is a Python object.

A type says itself, in its flags, whether its items are objects. Where it lies, numpy takes bytes of the file for
addresses in memory.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from wardein.modelfiles.pickles import rules
from wardein.modelfiles.pickles.atoms import Atoms
from wardein.modelfiles.pickles.refused import Refused
from wardein.modelfiles.pickles.values import Dtype, Value

_TEXT = re.compile(r"[<>|=]?([?bBhHiIlLqQpPnNefdgFDGSUVOMmuac])(\d{0,9})(?:\[\d{0,6}\w{1,3}(?:/\d{1,6})?\])?", re.ASCII)
# Letters that stand for one size each, in bytes, where no number follows. (Of long double, sizes differ.)
_SIZES = {
    "?": 1, "b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "q": 8, "Q": 8, "p": 8, "P": 8, "n": 8, "N": 8,
    "e": 2, "f": 4, "d": 8, "F": 8, "D": 16, "O": 8, "M": 8, "m": 8, "c": 1,
}  # fmt: skip
# numpy's own: items are objects; they are pickled as a list.
_HAS_OBJECTS, _AS_LIST = 0x01, 0x02
_FLEXIBLE = "SUVa"
_MOST_PARTS = 10_000


class Item(NamedTuple):
    """What one item of an array is: its kind (numpy's letter), its length in bytes, whether there are objects in it."""

    kind: str
    size: int | None
    objects: bool


def parse(text: str) -> Item | None:
    """A type as numpy writes it, for example ``<f8``; None if it is none of those."""
    match = _TEXT.fullmatch(text)
    if match is None:
        return None
    kind, digits = match[1], match[2]
    if kind == "U":
        return Item(kind, 4 * int(digits or 0), False)
    if kind in _FLEXIBLE:
        return Item(kind, int(digits or 0), False)
    size = int(digits) if digits else _SIZES.get(kind)
    return Item(kind, size, kind == "O")


def from_descr(descr: object, depth: int = 0) -> Item:
    """A type as the header of a ``.npy`` file describes it.

    Raises:
        ValueError: If it describes none.
    """
    if isinstance(descr, str):
        item = parse(descr)
        if item is None:
            raise ValueError("describes a type in a way that is not known")
        return item
    if isinstance(descr, tuple) and len(descr) == 2 and depth < 8:  # of each item an array
        base, count = from_descr(descr[0], depth + 1), product(descr[1])
        return Item("V", None if base.size is None else base.size * count, base.objects)
    if not isinstance(descr, list) or len(descr) > _MOST_PARTS or depth > 8:
        raise ValueError("describes a type in a way that is not known")
    total, objects = 0, False
    for field in descr:
        if not isinstance(field, tuple) or len(field) not in (2, 3):
            raise ValueError("describes a type in a way that is not known")
        inner = field[1] if len(field) == 2 else (field[1], field[2])
        item = from_descr(inner, depth + 1)
        if item.size is None:
            raise ValueError("describes a type whose size is not known")
        total, objects = total + item.size, objects or item.objects
    return Item("V", total, objects)


def product(shape: object) -> int:
    """How many items an array of this shape has.

    Raises:
        ValueError: If it is no shape.
    """
    lengths = (shape,) if isinstance(shape, int) else shape
    if not isinstance(lengths, tuple) or len(lengths) > 64:
        raise ValueError("has a shape that is none")
    count = 1
    for length in lengths:
        if type(length) is not int or length < 0:
            raise ValueError("has a shape that is none")
        count = min(count * length, 2**63)
    return count


def set_state(dtype: Dtype, state: Value, atoms: Atoms) -> None:
    """Follow what ``numpy.dtype.__setstate__`` makes of a type.

    Raises:
        Refused: If it does not hold together.
    """
    parts = atoms.items(state)
    if atoms.kind(state) != "tuple" or parts is None or len(parts) not in (5, 6, 7, 8, 9):
        raise Refused("gives a numpy type a state that is not known", rules.MEMORY)
    if len(parts) < 8:
        dtype.size = dtype.size if atoms.kind(parts[-1]) == "int" and atoms.integer(parts[-1]) == -1 else None
        return
    size, flags = atoms.integer(parts[5]), atoms.integer(parts[7])
    if size is None or flags is None:
        raise Refused("gives a numpy type a size or flags that are no numbers", rules.MEMORY)
    if size >= 0 and dtype.kind in _FLEXIBLE:
        dtype.size = size
    objects = dtype.kind == "O"
    for base, offset, count in [*_array(parts[2], atoms), *_fields(parts[3], parts[4], atoms)]:
        if base.size is None or dtype.size is None or offset < 0 or offset + base.size * count > dtype.size:
            raise Refused("gives a numpy type fields that lie outside of it", rules.MEMORY)
        objects = objects or base.objects is not False
    lies = bool(flags & _HAS_OBJECTS) != objects or bool(flags & _AS_LIST) != objects
    if lies and flags >= 0:
        raise Refused("gives a numpy type flags that lie about objects in it", rules.MEMORY)
    dtype.objects = objects


def _array(value: Value, atoms: Atoms) -> list[tuple[Dtype, int, int]]:
    """Of a type whose items are arrays, the type of their items."""
    if atoms.kind(value) == "None":
        return []
    parts = atoms.items(value)
    if parts is None or len(parts) != 2 or not isinstance(parts[0], Dtype):
        raise Refused("gives a numpy type a part that is not known", rules.MEMORY)
    return [(parts[0], 0, product(shape_of(parts[1], atoms)))]


def _fields(names: Value, fields: Value, atoms: Atoms) -> list[tuple[Dtype, int, int]]:
    if atoms.kind(fields) == "None" and atoms.kind(names) == "None":
        return []
    every = atoms.items(fields) if atoms.kind(fields) == "dict" else None
    found = []
    for field in every[1::2] if every is not None else [fields]:
        parts = atoms.items(field)
        if every is None or parts is None or len(parts) not in (2, 3) or not isinstance(parts[0], Dtype):
            raise Refused("gives a numpy type a field that is not known", rules.MEMORY)
        offset = atoms.integer(parts[1])
        found.append((parts[0], -1 if offset is None else offset, 1))
    return found


def shape_of(value: Value, atoms: Atoms) -> tuple[int, ...] | None:
    """A shape, of whole numbers; None if it is not known."""
    if isinstance(value, int) and atoms.kind(value) == "int":
        values: list[Value] = [value]
    else:
        items = atoms.items(value)
        if items is None:
            return None
        values = list(items)
    lengths = [atoms.integer(item) for item in values]
    return None if None in lengths else tuple(lengths)  # type: ignore[arg-type]
