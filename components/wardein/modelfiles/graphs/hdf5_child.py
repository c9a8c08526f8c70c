# SPDX-License-Identifier: Apache-2.0
"""Reads an HDF5 file in a process of its own, for hostile ones crash the library, and prints what it refers to.

python -I hdf5_child.py FILE START SIZE
"""

from __future__ import annotations

import base64
import io
import json
import math
import os
import sys
from collections.abc import Iterator
from typing import Any

MAX_OBJECTS = 200_000
MAX_VALUE = 16 * 1024 * 1024
MAX_VALUES = 48 * 1024 * 1024
# How many rows are read at once: those of a chunk, within these.
ROWS = 64
MAX_ROWS = 4096
MAX_CHUNK = 64 * 1024 * 1024
# Filters that HDF5, h5py and PyTables bring along: deflate, shuffle, checksum, szip, n-bit, scale and offset, LZO,
# bzip2, LZF, blosc, blosc2.
FILTERS = {1, 2, 3, 4, 5, 6, 305, 307, 32000, 32001, 32026}
# The opcodes of pickles, by what follows them: bytes, a length and as many bytes, a line, nothing.
FIXED = {code: n for n, codes in ((1, b"Kh\x80q"), (2, b"M"), (4, b"Jrj"), (8, b"G\x95")) for code in codes}
COUNTED = {code: n for n, codes in ((1, b"UC\x8c\x8a"), (4, b"TXB\x8b"), (8, b"\x8d\x8e\x96")) for code in codes}
LINES = frozenset(b"FILSVgpP")
BARE = frozenset(b"()012NQR]}abdelostu\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x94\x97\x98")
# Those that look something up by two lines, or by a number.
GLOBALS, EXTENSIONS, STACK_GLOBAL = frozenset(b"ci"), frozenset(b"\x82\x83\x84"), 0x93


class Window(io.RawIOBase):
    """A part of a file."""

    def __init__(self, path: str, start: int, size: int) -> None:
        """Open it."""
        self._descriptor, self._start, self._size, self._position = os.open(path, os.O_RDONLY), start, size, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go somewhere."""
        self._position = offset + (0, self._position, self._size)[whence]
        return self._position

    def tell(self) -> int:
        """Where it is."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read on."""
        view = memoryview(buffer).cast("B")
        length = max(0, min(len(view), self._size - self._position))
        read = os.pread(self._descriptor, length, self._start + self._position)
        view[: len(read)] = read
        self._position += len(read)
        return len(read)


class Reader:
    """Goes through a file, object by object, each once."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self.seen: set[Any] = set()
        self.values: list[dict[str, str]] = []
        self.references: list[dict[str, str]] = []
        self.filters: list[dict[str, str]] = []
        self.left_out: list[str] = []
        self._bytes = 0

    def group(self, root: Any) -> None:
        """Visit everything below a group."""
        import h5py  # type: ignore[import-untyped]

        waiting = [root]
        while waiting:
            group = waiting.pop()
            for name in group:
                link = group.get(name, getlink=True)
                path = f"{group.name.rstrip('/')}/{name}"
                if isinstance(link, h5py.ExternalLink):
                    self.references.append({"kind": "external link", "path": path, "target": str(link.filename)})
                elif isinstance(link, h5py.HardLink):
                    item = group[name]
                    if self._is_new(item):
                        self.attributes(item, path)
                        if isinstance(item, h5py.Group):
                            waiting.append(item)
                        elif isinstance(item, h5py.Dataset):
                            self.dataset(item, path)

    def _is_new(self, item: Any) -> bool:
        import h5py

        information = h5py.h5o.get_info(item.id)
        key = (information.fileno, information.addr)
        if key in self.seen:
            return False
        self.seen.add(key)
        if len(self.seen) > MAX_OBJECTS:
            raise ValueError(f"more than {MAX_OBJECTS} objects")
        return True

    def attributes(self, item: Any, path: str) -> None:
        """Take the texts among an object's attributes."""
        import h5py

        for name in item.attrs:
            attribute = h5py.h5a.open(item.id, name.encode() if isinstance(name, str) else name)
            kind = attribute.get_type()
            size = attribute.get_space().get_simple_extent_npoints() * kind.get_size()
            if not holds_text(kind) or size == 0:
                continue
            where = f"{path}@{name}"
            if size > MAX_VALUE:
                self.left_out.append(where)
            else:
                for value in flat(item.attrs[name]):
                    self.take(where, value)

    def dataset(self, item: Any, path: str) -> None:
        """Take what lies elsewhere, filters, and what may be a pickle among a data set's values."""
        import h5py

        creation = item.id.get_create_plist()
        for index in range(creation.get_external_count()):
            target = creation.get_external(index)[0]
            self.references.append({"kind": "external storage", "path": path, "target": text(target)})
        if creation.get_layout() == h5py.h5d.VIRTUAL:
            for index in range(creation.get_virtual_count()):
                target = creation.get_virtual_filename(index)
                if target != ".":
                    self.references.append({"kind": "virtual data set", "path": path, "target": text(target)})
            return
        for index in range(creation.get_nfilters()):
            number, _, _, name = creation.get_filter(index)
            if number not in FILTERS:
                self.filters.append({"path": path, "filter": f"{number} {text(name)}".strip()})
                return
        if creation.get_external_count() or item.size in (0, None):
            return
        if item.chunks and math.prod(item.chunks) * item.dtype.itemsize > MAX_CHUNK:
            self.left_out.append(path)
            return
        self.contents(item, path)

    def contents(self, item: Any, path: str) -> None:
        """Take the values of a data set, if they are texts or bytes, or hold such."""
        import h5py

        kind = item.id.get_type()
        if item.ndim == 1 and is_bytes(kind) and kind.get_size() == 1:
            self.numbers(item, path)
        elif holds_text(kind) and (item.shape == () or not isinstance(kind, h5py.h5t.TypeIntegerID)):
            if kind.get_size() > MAX_VALUE:
                self.left_out.append(path)
                return
            is_object = said(item, "PSEUDOATOM") == b"object" or said(item, "FLAVOR") == b"Object"
            for value in rows(item):
                self.take(path, value, is_object=is_object)

    def numbers(self, item: Any, path: str) -> None:
        """Take bytes, one a number, that are one value together."""
        if item.size <= MAX_VALUE:
            self.take(path, b"".join(flat(item[()])))
        elif fetches(b"".join(flat(item[:MAX_VALUE])), is_cut=True):
            self.left_out.append(path)

    def take(self, path: str, value: bytes, *, is_object: bool = False) -> None:
        """Keep a value that may be a configuration or a pickle; of an object it is known."""
        is_configuration = value.lstrip()[:1] in (b"{", b"[") and (b"class_name" in value or b"\\u" in value)
        if not is_configuration and not (fetches(value) or (is_object and not EXTENSIONS.isdisjoint(value))):
            return
        self._bytes += len(value)
        if self._bytes > MAX_VALUES:
            raise ValueError("more texts than can be looked at")
        kept = base64.b64encode(value).decode()
        self.values.append({"path": path, "value": kept, "kind": "pickle" if is_object else ""})


def fetches(value: bytes, *, is_cut: bool = False) -> bool:
    """Whether an unpickler that began here would fetch something from outside of the stream, before it ends or breaks.

    Follows nothing but lengths: what is in the arguments may be refused by one unpickler, and taken by another.

    Args:
        value: The bytes.
        is_cut: Whether more of them follow.
    """
    at, steps = 0, 0
    while at < len(value):
        code = value[at]
        at += 1
        if code in GLOBALS:
            return is_cut or value.count(b"\n", at) > 1
        if code in EXTENSIONS:
            # No library registers any: of bytes that look like nothing else of a pickle, it is chance.
            return is_cut or value.rstrip(b"\0 \r\n\t")[-1:] == b"."
        if code == STACK_GLOBAL:
            return steps > 1
        if code in FIXED:
            at += FIXED[code]
        elif code in COUNTED:
            at += COUNTED[code] + int.from_bytes(value[at : at + COUNTED[code]], "little")
        elif code in LINES:
            end = value.find(b"\n", at)
            at = end + 1 if end >= 0 else len(value)
        elif code not in BARE:
            return False
        steps += 1
    return is_cut


def said(item: Any, name: str) -> bytes:
    """A text among an object's attributes, as PyTables leaves them; empty if there is none."""
    import h5py

    if name not in item.attrs:
        return b""
    kind = h5py.h5a.open(item.id, name.encode()).get_type()
    if not isinstance(kind, h5py.h5t.TypeStringID) or kind.get_size() > 64:
        return b""
    return next(flat(item.attrs[name]), b"").rstrip(b"\0")


def rows(item: Any) -> Iterator[bytes]:
    """The values of a data set, of which few are held at once."""
    if item.ndim == 0:
        yield from flat(item[()])
    else:
        step = min(max(item.chunks[0] if item.chunks else 0, ROWS), MAX_ROWS)
        for start in range(0, item.shape[0], step):
            yield from flat(item[start : start + step])


def holds_text(kind: Any) -> bool:
    """Whether a type's values are texts or bytes, of whatever length, or hold such."""
    import h5py

    if isinstance(kind, h5py.h5t.TypeCompoundID):
        members = [kind.get_member_type(index) for index in range(kind.get_nmembers())]
        return any(
            not isinstance(one, (h5py.h5t.TypeStringID, h5py.h5t.TypeIntegerID)) and holds_text(one) for one in members
        )
    if isinstance(kind, h5py.h5t.TypeArrayID):
        return not isinstance(kind.get_super(), h5py.h5t.TypeIntegerID) and holds_text(kind.get_super())
    return isinstance(kind, (h5py.h5t.TypeVlenID, h5py.h5t.TypeStringID, h5py.h5t.TypeOpaqueID)) or is_bytes(kind)


def is_bytes(kind: Any) -> bool:
    """Whether a type's values are bytes."""
    import h5py

    is_byte = isinstance(kind, h5py.h5t.TypeIntegerID) and kind.get_size() == 1
    return is_byte or isinstance(kind, h5py.h5t.TypeOpaqueID)


def flat(value: Any) -> Iterator[bytes]:
    """The texts in what h5py gives: one, an array of them, or bytes; of numbers, a run of them is one."""
    import numpy as np

    if isinstance(value, str):
        yield value.encode("utf-8", "surrogateescape")
    elif isinstance(value, bytes):
        yield value
    elif isinstance(value, (np.ndarray, np.void)) and value.dtype.names:
        for name in value.dtype.names:
            yield from flat(value[name])
    elif isinstance(value, np.ndarray) and value.dtype.kind == "V" and value.dtype.itemsize > 1:
        for item in value.ravel():
            yield item.tobytes()
    elif isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind not in "OSU":
        yield value.tobytes()
    elif isinstance(value, np.ndarray):
        for item in value.ravel():
            yield from flat(item)


def text(name: str | bytes) -> str:
    """A name."""
    return name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else str(name)


def main() -> None:
    """Read the file and print what was seen."""
    path, start, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    try:
        import h5py
    except ImportError:
        print(json.dumps({"missing": "h5py"}))
        return
    reader = Reader()
    with h5py.File(io.BufferedReader(Window(path, start, size), 64 * 1024), "r") as file:
        reader._is_new(file)
        reader.attributes(file, "/")
        reader.group(file)
    print(
        json.dumps(
            {
                "objects": len(reader.seen),
                "values": reader.values,
                "references": reader.references,
                "filters": reader.filters,
                "left_out": reader.left_out,
            }
        )
    )


if __name__ == "__main__":
    main()
