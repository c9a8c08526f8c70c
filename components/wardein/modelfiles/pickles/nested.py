# SPDX-License-Identifier: Apache-2.0
"""Files within a pickle: bytes that a call takes for a file of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from wardein.modelfiles.content import Content
from wardein.modelfiles.pickles.atoms import Atoms
from wardein.modelfiles.pickles.values import Box, Value

if TYPE_CHECKING:
    from wardein.modelfiles.pickles.judge import Judge

_CHUNK = 256 * 1024


def examine(judge: Judge, value: Value, at: int) -> bool:
    """Examine bytes as what they are; False if it is not known which bytes they are."""
    content, atoms = judge.content, judge.atoms
    part = f"the bytes loaded at byte {at}"
    if atoms.kind(value) == "bytes" and isinstance(value, int):
        start, length = atoms.payload(value)
        judge.examination.examine(content.window(start, length, part))
        return True
    if isinstance(value, Box) and value.kind == "encoded" and value.items:
        text = value.items[0]
        if isinstance(text, int) and atoms.text(text, content.size) is not None:
            return _encoded(judge, text, part)
    return False


def _encoded(judge: Judge, text: int, part: str) -> bool:
    """Bytes that protocols 0 to 2 write as the text of which they are the Latin-1."""
    chunks = _latin1(judge.content, judge.atoms, text)
    with judge.examination.unpacked(judge.content, part, part, chunks) as inner:
        judge.examination.examine(inner)
    return True


def _latin1(content: Content, atoms: Atoms, text: int) -> Iterator[bytes]:
    import codecs

    start, length = atoms.payload(text)
    decoder = codecs.getincrementaldecoder("utf-8")()
    for offset in range(0, length, _CHUNK):
        chunk = content.at(start + offset, min(_CHUNK, length - offset))
        yield decoder.decode(chunk, final=offset + _CHUNK >= length).encode("latin-1")
