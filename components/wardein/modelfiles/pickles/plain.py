# SPDX-License-Identifier: Apache-2.0
"""Pickles as they are: one stream or several, one behind the other, with joblib's arrays among them."""

from __future__ import annotations

from wardein.modelfiles import any_format
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined
from wardein.modelfiles.pickles import opcodes as op
from wardein.modelfiles.pickles import probing, torch_legacy
from wardein.modelfiles.pickles.judge import Judge
from wardein.modelfiles.pickles.machine import Bounded, Machine

NAME = "pickle"
TEXT = False
_MOST_PROTOCOL = 15
_MOST_STREAMS = 100_000


def matches(content: Content, head: bytes) -> bool:
    """Whether it says so (PROTO and an opcode), or is a stream of the protocols that say nothing."""
    if head[0] == op.PROTO:
        known = len(head) < 3 or (head[1] <= _MOST_PROTOCOL and head[2] in op.KNOWN)
        return known and not torch_legacy.matches(content, head)
    # The first letter of every zip file is an opcode, of what only loaders of their own look up.
    if head[0] not in op.KNOWN or head[:4] == b"PK\3\4":
        return False
    return probing.is_stream(content)


def examine(content: Content, examination: Examination) -> None:
    """Follow every stream to its end."""
    follow(content, examination, joblib=True)


def follow(content: Content, examination: Examination, at: int = 0, *, joblib: bool = False) -> None:
    """Follow the streams from an offset on; what is behind the last is told.

    Raises:
        Unexamined: If the first of them breaks off, or there are too many.
    """
    judge = Judge(content, examination)
    try:
        at = Machine(content, judge, joblib=joblib).run(at).at
        for _ in range(_MOST_STREAMS):
            if at == content.size:
                return judge.conclude()
            try:
                at = Machine(content, judge, joblib=joblib).run(at).at
            except Unexamined as broken:
                rest = content.size - at
                message = f"has {rest} bytes behind the end of its pickle that {broken}, at byte {at}"
                examination.tell(any_format.TRAILING, content, message, identity="behind the end of the pickle")
                return judge.conclude()
        raise Unexamined(f"holds more than {_MOST_STREAMS} streams")
    except Bounded:
        raise Unexamined("has more opcodes than can be followed") from None
    finally:
        judge.flush()
