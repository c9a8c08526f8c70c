# SPDX-License-Identifier: Apache-2.0
"""Tables and arrays between the process of a check and the one that holds a model, through memory that both have open.

Towards the model goes whatever pickle makes of a table. Back come nothing but the bytes of arrays, each with its type
and its shape in words, and both are checked before a byte is believed: whoever holds the model may be hostile. What
comes back is copied first and looked at then, so that it cannot change in between.
"""

from __future__ import annotations

import math
import mmap
import os
import pickle
import re
import tempfile
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# What an answer may take: 100,000 rows with 1,000 probabilities each are 0.75 GiB.
MAX_ANSWER = 2 * 1024**3
_ALIGNMENT = 64
_TYPE = re.compile(r"\|b1|[<>|][iu][1248]|[<>]f[248]")
_MAX_DIMENSIONS = 4


def memory() -> int:
    """An empty file without a name, in memory where the system has that."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("wardein")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def give(descriptor: int, table: pd.DataFrame, *, named: bool = False) -> dict[str, Any]:
    """Write rows for an :class:`Inbox`, and return what to say of them.

    Rows of nothing but float64, which is most of what attacks ask about, go as one array, in the order in memory that
    a model would see it in; everything else as pickle has it. The names of a model's own columns are known there.

    Args:
        descriptor: Where to write.
        table: The rows.
        named: Whether there are other columns than the model's, so that their names have to be told.
    """
    import numpy as np
    import pandas as pd

    index = table.index
    plain = isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1
    if plain and len(table.columns) and all(kind == np.float64 for kind in table.dtypes):
        array = table.to_numpy()
        order = "C" if array.flags.c_contiguous and not array.flags.f_contiguous else "F"
        _write(descriptor, array.ravel(order).view(np.uint8).data, 0)
        names = {"names": [str(name) for name in table.columns]} if named else {}
        return {"shape": list(array.shape), "order": order, **names}
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(table.copy(), protocol=5, buffer_callback=buffers.append)  # a copy has fewer, larger parts
    places, offset = [], 0
    for part in (memoryview(head), *(buffer.raw() for buffer in buffers)):
        _write(descriptor, part, offset)
        places.append((offset, part.nbytes))
        offset += _padded(part.nbytes)
    return {"places": places}


class Inbox:
    """Where rows arrive that :func:`give` wrote. Only for what comes from a process that is trusted.

    They are not copied: those of one question are gone with the next.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._memory: mmap.mmap | None = None

    def take(self, said: Mapping[str, Any], columns: pd.Index) -> pd.DataFrame:
        """The rows of one question.

        Args:
            said: What was said of them.
            columns: The names of a model's columns, for rows that come without.
        """
        import numpy as np
        import pandas as pd

        if "shape" in said:
            array = self._part(0, 8 * math.prod(said["shape"])).view(np.float64)
            names = pd.Index(said["names"], dtype=object) if "names" in said else columns
            return pd.DataFrame(array.reshape(said["shape"], order=said["order"]), columns=names, copy=False)
        head, *parts = [self._part(offset, length) for offset, length in said["places"]]
        rows: pd.DataFrame = pickle.loads(head.data, buffers=parts)  # noqa: S301 - written by who started this process
        return rows

    def _part(self, offset: int, length: int) -> np.ndarray:
        import numpy as np

        if not length:
            return np.empty(0, dtype=np.uint8)
        if self._memory is None or len(self._memory) < offset + length:
            self._memory = mmap.mmap(self._descriptor, os.fstat(self._descriptor).st_size)
        return np.frombuffer(self._memory, np.uint8, length, offset)


def lay_out(arrays: Iterable[np.ndarray]) -> tuple[list[dict[str, Any]], int]:
    """What to say of arrays, and how many bytes they take together.

    Raises:
        TypeError: If one holds anything but truth values and numbers.
    """
    said, offset = [], 0
    for array in arrays:
        if not _TYPE.fullmatch(array.dtype.str):
            raise TypeError(f"the answer holds values of the type {array.dtype}, not numbers")
        said.append({"type": array.dtype.str, "shape": list(array.shape), "at": offset})
        offset += _padded(array.nbytes)
    return said, offset


def put(room: mmap.mmap, arrays: Iterable[np.ndarray], said: Iterable[dict[str, Any]]) -> None:
    """Write arrays where their description says that they are."""
    import numpy as np

    for array, part in zip(arrays, said, strict=True):
        place: np.ndarray = np.ndarray(array.shape, dtype=array.dtype, buffer=room, offset=part["at"])
        place[...] = array


def fetch(descriptor: int, said: Any) -> list[np.ndarray]:
    """Copy the arrays of an answer, of which nothing is believed.

    Raises:
        ValueError: If the description makes no sense, or says more than there is.
    """
    import numpy as np

    if not isinstance(said, list) or len(said) > 1000:
        raise ValueError("describes no arrays")
    arrays = []
    for part in said:
        kind, shape, offset = _described(part)
        array: np.ndarray = np.empty(shape, dtype=kind)
        if array.nbytes:
            _fill(descriptor, array.reshape(-1).view(np.uint8).data, offset)
        arrays.append(array)
    return arrays


def _described(part: Any) -> tuple[str, list[int], int]:
    """Type, shape and offset of an array, if they make sense."""
    import numpy as np

    kind, shape, offset = (part.get(name) if isinstance(part, dict) else None for name in ("type", "shape", "at"))
    if isinstance(kind, str) and _TYPE.fullmatch(kind) and isinstance(shape, list) and type(offset) is int:
        fits = len(shape) <= _MAX_DIMENSIONS and all(type(size) is int and 0 <= size <= MAX_ANSWER for size in shape)
        if fits and 0 <= offset <= MAX_ANSWER and math.prod(shape) * np.dtype(kind).itemsize <= MAX_ANSWER:
            return kind, shape, offset
    raise ValueError("describes an array that makes no sense")


def _write(descriptor: int, part: memoryview, offset: int) -> None:
    written = 0
    while written < part.nbytes:
        written += os.pwrite(descriptor, part[written:], offset + written)


def _fill(descriptor: int, part: memoryview, offset: int) -> None:
    filled = 0
    while filled < len(part):
        read = os.preadv(descriptor, [part[filled:]], offset + filled)
        if not read:
            raise ValueError("describes more bytes than there are")
        filled += read


def _padded(length: int) -> int:
    return -(-length // _ALIGNMENT) * _ALIGNMENT
