# SPDX-License-Identifier: Apache-2.0
"""JSON that can be trusted: canonical (RFC 8785) for what is hashed, strict for what is read."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from wardein.errors import WardeinError

MAX_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 64


def strict_loads(text: bytes, where: str = "") -> Any:
    """Parse JSON and refuse whatever two parsers could read differently.

    Args:
        text: UTF-8 bytes, at most 32 MiB.
        where: What to call the text in an error.

    Raises:
        WardeinError: On duplicate keys, NaN or infinities, trailing data, more than 64 levels, or invalid UTF-8.
    """
    if len(text) > MAX_BYTES:
        raise WardeinError(f"is larger than {MAX_BYTES} bytes", where=where)
    depth = 0
    for byte in re.sub(rb'"(?:[^"\\]|\\.)*"', b"", text):
        depth += (byte in b"[{") - (byte in b"]}")
        if depth > MAX_DEPTH:
            raise WardeinError(f"is nested deeper than {MAX_DEPTH} levels", where=where)
    try:
        return json.loads(text.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise WardeinError("is not UTF-8", where=where) from None
    except ValueError as error:
        raise WardeinError(f"is not valid JSON ({error})", where=where) from None


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"duplicate key {next(n for n in names if names.count(n) > 1)!r}")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def canonical(value: Any) -> bytes:
    """RFC 8785 for the subset used here: strings, integers, booleans, null, arrays, objects (no floats).

    Raises:
        TypeError: If a float is inside; turn it into a fixed-precision string with :func:`fixed` first.
    """
    return json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def fixed(value: Any) -> Any:
    """The value with every float as a string of six decimals, so that no float formatting differs."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise WardeinError("not a finite number", where=str(value))
        return f"{value + 0.0:.6f}" if round(value, 6) != 0 else "0.000000"
    if isinstance(value, Mapping):
        return {key: fixed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [fixed(item) for item in value]
    return value


def _ordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _ordered(value[key]) for key in sorted(value, key=lambda k: k.encode("utf-16-be"))}
    if isinstance(value, (list, tuple)):
        return [_ordered(item) for item in value]
    if isinstance(value, float):
        raise TypeError("canonical JSON here holds no floats")
    return value
