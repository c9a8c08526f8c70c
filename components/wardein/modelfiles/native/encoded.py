# SPDX-License-Identifier: Apache-2.0
"""Text that is not UTF-8: turned into it, and examined as that."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined

NAME = "text"
TEXT = True

_CHUNK = 256 * 1024
_MAX_BYTES = 32 * 1024**2
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_BEYOND_ASCII = bytes(range(128, 256))
# Names that their readers go by, who would not find in them what is found here.
_TEXTS = (".txt", ".md", ".rst", ".csv", ".tsv", ".log", ".html", ".htm", ".tex", ".bib", ".cff", ".vocab", ".dic")


def matches(content: Content, head: bytes) -> bool:
    """Whether it is called a text, and is UTF-16 with its mark, or one byte a character, most of them ASCII."""
    name = content.name.lower()
    if not name.endswith(_TEXTS) and name not in ("license", "notice", "authors", "readme"):
        return False
    if head.startswith(_WIDE):
        return content.size % 2 == 0
    try:
        codecs.getincrementaldecoder("utf-8")().decode(content.at(0, min(content.size, _MAX_BYTES)))
    except UnicodeDecodeError:
        return not _CONTROL.search(head) and len(head.translate(None, _BEYOND_ASCII)) * 2 > len(head)
    return False


def examine(content: Content, examination: Examination) -> None:
    """Examine what it says."""
    if content.size > _MAX_BYTES:
        raise Unexamined(f"is text of more than {_MAX_BYTES} bytes in an old encoding")
    with examination.unpacked(content, "as UTF-8", content.name, _decoded(content)) as inner:
        examination.examine(inner)


def _decoded(content: Content) -> Iterator[bytes]:
    name = "utf-16" if content.at(0, 2) in _WIDE else "latin-1"
    decoder = codecs.getincrementaldecoder(name)()
    for offset in range(0, content.size, _CHUNK):
        yield decoder.decode(content.at(offset, _CHUNK), final=offset + _CHUNK >= content.size).encode()
