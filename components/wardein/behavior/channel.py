# SPDX-License-Identifier: Apache-2.0
"""Messages between the process of a check and a guest: one that asks about a model which it does not have.

A message is a head in JSON and a body of bytes. Tables travel as columns of 64-bit numbers, truth values and text, so
that both sides may have other versions of every library; nothing is unpickled. The guest's side of it is run by
whatever Python the guest needs, so this module imports nothing of the package.
"""

from __future__ import annotations

import json
import math
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# The lengths of head and body.
LENGTHS = struct.Struct("<IQ")
MAX_HEAD, MAX_BODY = 4 * 1024**2, 256 * 1024**2
_NUMBERS = {"number": "<f8", "whole": "<i8", "truth": "|b1"}
# Of a column of text, the bytes of each value come first; -1 stands for a missing one.
_TEXT_LENGTH = "<i4"


def framed(head: Mapping[str, Any], body: bytes = b"") -> bytes:
    """A message as bytes."""
    text = json.dumps(head).encode()
    return LENGTHS.pack(len(text), len(body)) + text + body


def receive(guest: socket.socket) -> tuple[dict[str, Any], bytes]:
    """The next message, as the guest reads it: from who started it, which it trusts.

    Raises:
        EOFError: If there is none any more.
    """
    head, body = LENGTHS.unpack(_exactly(guest, LENGTHS.size))
    return json.loads(_exactly(guest, head)), _exactly(guest, body)


def _exactly(guest: socket.socket, length: int) -> bytes:
    read = bytearray()
    while len(read) < length:
        part = guest.recv(min(length - len(read), 1024**2))
        if not part:
            raise EOFError("nobody asks any more")
        read += part
    return bytes(read)


def pack(table: pd.DataFrame) -> tuple[list[dict[str, Any]], bytes]:
    """A table as a description of its columns, and their bytes. A missing number is NaN."""
    import numpy as np
    from pandas.api.types import is_bool_dtype, is_float_dtype, is_integer_dtype

    columns, parts = [], []
    for name in table:
        values = table[name]
        complete = not bool(values.isna().any())
        if is_bool_dtype(values.dtype) and complete:
            kind, part = "truth", values.to_numpy(dtype=bool).tobytes()
        elif is_integer_dtype(values.dtype) and complete and bool((abs(values) < 2**62).all()):
            kind, part = "whole", values.to_numpy(dtype="<i8").tobytes()
        elif is_float_dtype(values.dtype) or is_integer_dtype(values.dtype):
            kind, part = "number", values.to_numpy(dtype="<f8", na_value=np.nan).tobytes()
        else:
            lost = values.isna().to_numpy()
            texts = [None if gone else str(value).encode() for value, gone in zip(values, lost, strict=True)]
            lengths = np.array([-1 if text is None else len(text) for text in texts], dtype=_TEXT_LENGTH)
            kind, part = "text", lengths.tobytes() + b"".join(filter(None, texts))
        columns.append({"name": str(name), "kind": kind, "bytes": len(part)})
        parts.append(part)
    return columns, b"".join(parts)


def unpack(columns: Any, rows: Any, body: bytes) -> pd.DataFrame:
    """The table that a description and bytes make, of which nothing is believed.

    Raises:
        ValueError: If they make none.
    """
    import pandas as pd

    if type(rows) is not int or not 0 <= rows <= MAX_BODY or not isinstance(columns, list):
        raise ValueError("describes no table")
    table: dict[str, Any] = {}
    offset = 0
    for column in columns:
        name, kind, length = (column.get(part) if isinstance(column, dict) else None for part in _DESCRIBED)
        if not isinstance(name, str) or name in table or type(length) is not int or not 0 <= length <= MAX_BODY:
            raise ValueError("describes a column that makes no sense")
        table[name] = _column(kind, body[offset : offset + length], rows)
        offset += length
    if offset != len(body):
        raise ValueError("describes other bytes than there are")
    return pd.DataFrame(table, index=pd.RangeIndex(rows))


def numbers(shape: Any, body: bytes) -> np.ndarray:
    """An array of 64-bit numbers, of which nothing is believed.

    Raises:
        ValueError: If there are other bytes than its shape takes.
    """
    import numpy as np

    fits = isinstance(shape, Sequence) and all(type(size) is int and size >= 0 for size in shape)
    if not fits or len(body) != 8 * math.prod(shape):
        raise ValueError("describes an array that makes no sense")
    return np.frombuffer(body, dtype="<f8").reshape(tuple(shape)).copy()


_DESCRIBED = ("name", "kind", "bytes")


def _column(kind: Any, part: bytes, rows: int) -> Any:
    import numpy as np
    import pandas as pd

    if kind == "text":
        return pd.Series(_texts(part, rows), dtype=object).where(lambda column: column.notna(), np.nan)
    if not isinstance(kind, str) or kind not in _NUMBERS:
        raise ValueError("describes a column of no known kind")
    values = np.frombuffer(part, dtype=np.uint8 if kind == "truth" else _NUMBERS[kind])
    if len(values) != rows:
        raise ValueError("describes columns of different lengths")
    return values.astype(bool) if kind == "truth" else values.copy()


def _texts(part: bytes, rows: int) -> list[str | None]:
    import numpy as np

    begin = rows * np.dtype(_TEXT_LENGTH).itemsize
    if len(part) < begin:
        raise ValueError("describes columns of different lengths")
    lengths = np.frombuffer(part[:begin], dtype=_TEXT_LENGTH)
    ends = begin + np.cumsum(np.maximum(lengths, 0), dtype=np.int64)
    if lengths.min(initial=0) < -1 or len(part) != (ends[-1] if rows else begin):
        raise ValueError("describes a column of text of another length")
    places = zip(lengths.tolist(), ends.tolist(), strict=True)
    return [None if length < 0 else part[end - length : end].decode() for length, end in places]
