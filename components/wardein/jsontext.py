# SPDX-License-Identifier: Apache-2.0
"""JSON that can be trusted: canonical (RFC 8785) for what is hashed, strict for what is read."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from wardein.errors import WardeinError

MAX_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 64
# A string, which may never end, or a bracket: read once from left to right, whatever it is.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[][{}]', re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


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
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise WardeinError(f"is nested deeper than {MAX_DEPTH} levels", where=where)
    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()  # half a pair is a character that cannot be written again
    except UnicodeError:
        raise WardeinError("is not UTF-8", where=where) from None
    except ValueError as error:
        raise WardeinError(f"is not valid JSON ({error})", where=where) from None
    return value


def _depth(text: bytes) -> int:
    """How deep brackets nest outside strings."""
    deepest = depth = 0
    for token in _TOKEN.finditer(text):
        if token[0] in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif token[0] in b"]}":
            depth -= 1
    return deepest


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        name = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise ValueError(f"duplicate key {name[:200]!r}")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def canonical(value: Any, *, fix_floats: bool = False) -> bytes:
    """RFC 8785 for the subset used here: strings, integers, booleans, null, arrays, objects.

    Args:
        value: Plain JSON values.
        fix_floats: Write every float as a string of six decimals, so that no float formatting differs.

    Raises:
        TypeError: If a float is inside and is not to be fixed.
        WardeinError: If a float is not finite.
    """
    ordered = _ordered(value, fix_floats)
    return json.dumps(ordered, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def fixed(value: float) -> str:
    """A float as a string of six decimals; minus zero is zero.

    Raises:
        WardeinError: If it is not finite.
    """
    if not math.isfinite(value):
        raise WardeinError("not a finite number", where=str(value))
    return f"{value + 0.0:.6f}" if round(value, 6) != 0 else "0.000000"


def _ordered(value: Any, fix_floats: bool) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        if not fix_floats:
            raise TypeError("canonical JSON here holds no floats")
        return fixed(value)
    if isinstance(value, Mapping):
        # The order is that of UTF-16 code units, which for ASCII is the order of Python's strings.
        names = sorted(value) if all(map(str.isascii, value)) else sorted(value, key=lambda k: k.encode("utf-16-be"))
        return {name: _ordered(value[name], fix_floats) for name in names}
    if isinstance(value, (list, tuple)):
        return [_ordered(item, fix_floats) for item in value]
    return value
