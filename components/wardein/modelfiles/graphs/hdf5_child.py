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
MAX_ROWS = 20_000
MAX_CHUNK = 64 * 1024 * 1024
# Filters that HDF5, h5py and PyTables bring along: deflate, shuffle, checksum, szip, n-bit, scale and offset, LZO,
# bzip2, LZF, blosc, blosc2.
FILTERS = {1, 2, 3, 4, 5, 6, 305, 307, 32000, 32001, 32026}
# The first byte of what a pickle of the first protocols may begin with.
FIRST = b"\x80(]})ldceINFLVSUXTBCGJKMPQ"


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
            if not is_text(kind) or size == 0:
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
        """Take the values of a data set, if they are texts or bytes."""
        import h5py

        kind = item.id.get_type()
        if isinstance(kind, h5py.h5t.TypeVlenID) and kind.get_super().get_size() == 1:
            if item.size > MAX_ROWS or item.ndim > 1:
                self.left_out.append(path)
                return
            for value in [item[()]] if item.ndim == 0 else item:
                self.take(path, bytes(value))
        elif item.shape == () and is_text(kind):
            if kind.get_size() > MAX_VALUE:
                self.left_out.append(path)
            else:
                for value in flat(item[()]):
                    self.take(path, value)
        elif item.ndim == 1 and is_bytes(kind):
            begin = b"".join(flat(item[:16]))
            if begin[:1] == b"\x80" and begin[1:2] <= b"\x05":
                if item.size * kind.get_size() > MAX_VALUE:
                    self.left_out.append(path)
                else:
                    self.take(path, b"".join(flat(item[()])))

    def take(self, path: str, value: bytes) -> None:
        """Keep a value that may be a configuration or a pickle."""
        is_pickle = (
            len(value) > 1
            and value[:1] in [FIRST[i : i + 1] for i in range(len(FIRST))]
            and (value[0] == 0x80 or value.rstrip(b"\0 \r\n\t")[-1:] == b".")
        )
        if not is_pickle and b"class_name" not in value and b"\\u" not in value:
            return
        self._bytes += len(value)
        if self._bytes > MAX_VALUES:
            raise ValueError("more texts than can be looked at")
        self.values.append({"path": path, "value": base64.b64encode(value).decode()})


def is_text(kind: Any) -> bool:
    """Whether a type's values are texts or bytes."""
    import h5py

    is_vlen = isinstance(kind, h5py.h5t.TypeVlenID) and kind.get_super().get_size() == 1
    return is_vlen or isinstance(kind, (h5py.h5t.TypeStringID, h5py.h5t.TypeOpaqueID)) or is_bytes(kind)


def is_bytes(kind: Any) -> bool:
    """Whether a type's values are bytes."""
    import h5py

    is_byte = isinstance(kind, h5py.h5t.TypeIntegerID) and kind.get_size() == 1
    return is_byte or isinstance(kind, h5py.h5t.TypeOpaqueID)


def flat(value: Any) -> Iterator[bytes]:
    """The texts in what h5py gives: one, an array of them, or bytes."""
    import numpy as np

    if isinstance(value, str):
        yield value.encode("utf-8", "surrogateescape")
    elif isinstance(value, bytes):
        yield value
    elif isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "uibV":
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
