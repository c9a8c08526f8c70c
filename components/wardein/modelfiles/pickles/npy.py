# SPDX-License-Identifier: Apache-2.0
"""numpy's ``.npy``: a header, and the array's bytes behind it, or the pickle of its objects."""

from __future__ import annotations

import ast
import re

from wardein.modelfiles import any_format
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined
from wardein.modelfiles.pickles import dtypes, plain

NAME = "npy"
TEXT = False
_MAGIC = b"\x93NUMPY"
_MOST_HEADER = 64 * 1024
_MOST_ARRAYS = 10_000
_KEYS = {"descr", "fortran_order", "shape"}


def matches(content: Content, head: bytes) -> bool:
    """Whether it begins with numpy's magic string."""
    return head.startswith(_MAGIC)


def examine(content: Content, examination: Examination) -> None:
    """Account for every byte: header, array, and further arrays that were saved into the same file."""
    at = 0
    for _ in range(_MOST_ARRAYS):
        at = _array(content, examination, at)
        if at == content.size:
            return
        if content.at(at, len(_MAGIC)) != _MAGIC:
            message = f"has {content.size - at} bytes behind its array, at byte {at}"
            examination.tell(any_format.TRAILING, content, message, identity="behind the array")
            return
    raise Unexamined(f"holds more than {_MOST_ARRAYS} arrays")


def _array(content: Content, examination: Examination, at: int) -> int:
    """Where one array ends."""
    major, minor = content.at(at + 6, 2)
    if (major, minor) not in ((1, 0), (2, 0), (3, 0)):
        raise Unexamined(f"is of version {major}.{minor}, which is not known")
    width = 2 if major == 1 else 4
    length = int.from_bytes(content.at(at + 8, width), "little")
    begin = at + 8 + width + length
    if length > _MOST_HEADER or begin > content.size:
        raise Unexamined("has a header that is longer than numpy writes")
    item, count = _header(content.at(begin - length, length).decode("utf-8" if major == 3 else "latin-1"), major)
    if item.objects:
        plain.follow(content, examination, begin)
        return content.size
    if item.size is None or begin + count * item.size > content.size:
        raise Unexamined("breaks off in its array" if item.size is not None else "is of a type whose size is not known")
    return begin + count * item.size


def _header(text: str, major: int) -> tuple[dtypes.Item, int]:
    """What each item is, and how many there are."""
    if major < 3:
        text = re.sub(r"(?<=\d)L\b", "", text)  # as Python 2 wrote long integers
    try:
        header = ast.literal_eval(text.strip())
    except (SyntaxError, MemoryError, RecursionError) as error:
        raise Unexamined(f"has a header that is no literal ({type(error).__name__})") from None
    if type(header) is not dict or set(header) != _KEYS or type(header["fortran_order"]) is not bool:
        raise Unexamined("has a header that numpy does not write")
    if type(header["shape"]) is not tuple:
        raise Unexamined("has a shape that is none")
    return dtypes.from_descr(header["descr"]), dtypes.product(header["shape"])
