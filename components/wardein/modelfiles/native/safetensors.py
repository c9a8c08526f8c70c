# SPDX-License-Identifier: Apache-2.0
"""safetensors: a table of tensors in JSON, then their bytes, one behind the other without a gap."""

from __future__ import annotations

import json
import math
from array import array
from typing import Any

from wardein.modelfiles.any_format import TRAILING
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined, shown
from wardein.modelfiles.native import settings
from wardein.modelfiles.native.jsonstream import values

NAME = "safetensors"
TEXT = False

# The format's own bound, and one on what is held of it at a time.
MAX_HEADER = 100_000_000
MAX_TENSORS = 500_000
_MAX_ENTRY = 16 * 1024**2
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "C64": 64, "F64": 64, "I64": 64, "U64": 64, "C128": 128,
}  # fmt: skip


def matches(content: Content, head: bytes) -> bool:
    """Whether a JSON object begins behind a length that can be one."""
    if len(head) < 10 or head[8:9] != b"{" or head[9:10] not in b'"} \n\t\r':
        return False
    return int.from_bytes(head[:8], "little") < 1 << 48


def examine(content: Content, examination: Examination) -> None:
    """Check the table against the bytes, which are not read."""
    length = int.from_bytes(content.at(0, 8), "little")
    if length > MAX_HEADER:
        raise Unexamined(f"has a header of {length} bytes; the format allows {MAX_HEADER}")
    if length + 8 > content.size:
        raise Unexamined("has a header that goes on behind its end")
    header = content.window(8, length, "header")
    starts, ends, names = array("Q"), array("Q"), set()
    for value in values(header, None):
        if value.key in names:
            raise Unexamined(f"names {shown(value.key)} twice")
        names.add(value.key)
        if value.end - value.start > _MAX_ENTRY:
            raise Unexamined(f"has too long an entry for {shown(value.key)}")
        entry = json.loads(header.at(value.start, value.end - value.start), object_pairs_hook=_no_duplicates)
        if value.key == "__metadata__":
            _examine_metadata(entry, content, examination)
            continue
        start, end = _span(value.key, entry)
        starts.append(start)
        ends.append(end)
        if len(starts) > MAX_TENSORS:
            raise Unexamined(f"has more than {MAX_TENSORS} tensors")
    _check_order(starts, ends, content, examination, 8 + length)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise Unexamined("has a key twice in one entry")
    return dict(pairs)


def _examine_metadata(entry: Any, content: Content, examination: Examination) -> None:
    if not isinstance(entry, dict) or not all(isinstance(value, str) for value in entry.values()):
        raise Unexamined("has metadata that are not texts")
    settings.walk(entry, content, examination)


def _span(name: str, entry: Any) -> tuple[int, int]:
    """Where a tensor begins and ends, which its type and shape must agree with."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise Unexamined(f"has an entry for {shown(name)} that is none of a tensor")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if dtype not in _BITS:
        raise Unexamined(f"has a tensor of the type {shown(str(dtype))}, which is not known")
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise Unexamined(f"has a shape or an offset of {shown(name)} that is no number")
    start, end = offsets
    if len(shape) > 64 or end >= 1 << 63 or start > end or math.prod(shape) * _BITS[dtype] != 8 * (end - start):
        raise Unexamined(f"has a tensor {shown(name)} whose bytes do not fit its shape")
    return start, end


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 1 << 63 for item in value)


def _check_order(starts: array[int], ends: array[int], content: Content, examination: Examination, base: int) -> None:
    position = 0
    for index in sorted(range(len(starts)), key=lambda i: (starts[i], ends[i])):
        if starts[index] < position:
            raise Unexamined("has tensors that overlap")
        if starts[index] > position:
            message = f"holds {starts[index] - position} bytes between tensors, at byte {base + position}"
            examination.tell(TRAILING, content, message, identity="gap")
        position = ends[index]
    if base + position > content.size:
        raise Unexamined("breaks off: tensors go on behind its end")
    if base + position < content.size:
        message = f"holds {content.size - base - position} bytes behind its last tensor, at byte {base + position}"
        examination.tell(TRAILING, content, message, identity="behind the last tensor")
