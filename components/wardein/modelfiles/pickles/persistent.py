# SPDX-License-Identifier: Apache-2.0
"""Persistent ids, as torch writes them: storages whose bytes lie elsewhere in the file."""

from __future__ import annotations

from wardein.modelfiles.pickles.atoms import Atoms
from wardein.modelfiles.pickles.values import Global, Value

# Bytes an element; of other storages nothing is known.
_SIZES = {
    "DoubleStorage": 8, "FloatStorage": 4, "HalfStorage": 2, "LongStorage": 8, "IntStorage": 4, "ShortStorage": 2,
    "CharStorage": 1, "ByteStorage": 1, "BoolStorage": 1, "BFloat16Storage": 2, "ComplexDoubleStorage": 16,
    "ComplexFloatStorage": 8, "QUInt8Storage": 1, "QInt8Storage": 1, "QInt32Storage": 4, "QUInt4x2Storage": 1,
    "QUInt2x4Storage": 1, "UntypedStorage": 1,
}  # fmt: skip


class Storages:
    """The storages that a content's pickles refer to.

    Attributes:
        sizes: Bytes an element, by key; None where that is not known.
    """

    def __init__(self) -> None:
        self.sizes: dict[str, int | None] = {}

    def find(self, identifier: Value, atoms: Atoms) -> Value | None:
        """What a persistent id stands for; None if it is none of those that torch writes."""
        key = atoms.text(identifier)
        if key is not None:  # in tar files of old, storages and tensors have a number
            return identifier if key.isdigit() else None
        parts = atoms.items(identifier) if atoms.kind(identifier) == "tuple" else None
        if not parts:
            return None
        kind = atoms.text(parts[0])
        if kind == "storage" and len(parts) in (5, 6):
            return self._storage(list(parts), atoms)
        if kind == "module" and len(parts) == 4:
            parts = parts[1:]
        return self._module(list(parts), atoms)

    def _storage(self, parts: list[Value], atoms: Atoms) -> Value | None:
        of, key, location, count = parts[1:5]
        if not isinstance(of, Global) or not of.uses or not (of.name.endswith("Storage")):
            return None
        name = atoms.text(key)
        if name is None or atoms.text(location) is None or atoms.integer(count) is None:
            return None
        if len(parts) == 6 and atoms.kind(parts[5]) not in ("None", "tuple"):
            return None
        self.sizes[name] = _SIZES.get(of.name)
        return of.instance

    @staticmethod
    def _module(parts: list[Value], atoms: Atoms) -> Value | None:
        """A class, with the file and the text of its code, which are only compared."""
        known = len(parts) == 3 and isinstance(parts[0], Global)
        return parts[0] if known and all(atoms.kind(part) in ("text", "None") for part in parts[1:]) else None
