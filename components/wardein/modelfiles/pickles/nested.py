# SPDX-License-Identifier: Apache-2.0
"""Files within a pickle: bytes that a call takes for a file of their own."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Unexamined
from wardein.modelfiles.pickles import opcodes as op
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
    if isinstance(value, Box) and value.kind == "encoded" and value.items and isinstance(value.items[0], int):
        chunks = _latin1(content, atoms, value.items[0])
        with judge.examination.unpacked(content, part, part, chunks) as inner:
            judge.examination.examine(inner)
        return True
    return False


def _latin1(content: Content, atoms: Atoms, text: int) -> Iterator[bytes]:
    """Bytes that protocols 0 to 2 write as the text of which they are the Latin-1.

    Raises:
        Unexamined: If the text is one of protocol 0 that is too long to be held.
    """
    if content.at(text, 1)[0] not in op.COUNTED:
        short = atoms.text(text, _CHUNK)
        if short is None:
            raise Unexamined("has a file in it as a text that is too long to be followed")
        yield short.encode("latin-1")
        return
    start, length = atoms.payload(text)
    decoder = codecs.getincrementaldecoder("utf-8")()
    for offset in range(0, length, _CHUNK):
        chunk = content.at(start + offset, min(_CHUNK, length - offset))
        yield decoder.decode(chunk, final=offset + _CHUNK >= length).encode("latin-1")
