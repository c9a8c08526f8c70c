# SPDX-License-Identifier: Apache-2.0
"""CatBoost's binary: a core of a length that it gives, then tables of statistics, each of a length that it gives."""

from __future__ import annotations

from wardein.modelfiles.any_format import TRAILING
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined
from wardein.modelfiles.native.bytereader import Reader

NAME = "catboost"
TEXT = False

_PROCESSING = (b"text_process_v", b"embed_process_")


def matches(content: Content, head: bytes) -> bool:
    """Whether it begins with the format's four letters."""
    return head.startswith(b"CBM1")


def examine(content: Content, examination: Examination) -> None:
    """Account for every byte by the lengths."""
    reader = Reader(content, 4)
    length = reader.number("I")
    if not 8 <= reader.number("I") + 4 <= length:
        raise Unexamined("has a core that does not begin in itself")
    reader.skip(length - 4)
    if reader.position == content.size:
        return
    if content.at(reader.position, 14) in _PROCESSING:
        raise Unexamined("processes texts or embeddings, which is not followed")
    for _ in range(reader.number("I")):
        size = reader.number("I")
        if not 8 <= reader.number("I") + 4 <= size:
            raise Unexamined("has a table that does not begin in itself")
        reader.skip(size - 4)
    if reader.position < content.size:
        message = f"holds {content.size - reader.position} bytes behind its end, at byte {reader.position}"
        examination.tell(TRAILING, content, message, identity="behind its end")
