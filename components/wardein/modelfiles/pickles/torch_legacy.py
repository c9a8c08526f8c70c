# SPDX-License-Identifier: Apache-2.0
"""Files of torch.save before PyTorch 1.6: five pickles, and the bytes of the storages behind them."""

from __future__ import annotations

from wardein.modelfiles import any_format
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined
from wardein.modelfiles.pickles.judge import Judge
from wardein.modelfiles.pickles.machine import Bounded, Machine

NAME = "torch"
TEXT = False
# The first pickle is this number (LONG1) alone, in whichever protocol.
_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_BEFORE = 11
_PICKLES = 4


def matches(content: Content, head: bytes) -> bool:
    """Whether the first pickle is torch's magic number."""
    at = head.find(_MAGIC, 0, _BEFORE + 4 + len(_MAGIC))
    return at == 2 or (at == _BEFORE and head[2] == 0x95)


def examine(content: Content, examination: Examination) -> None:
    """Follow the pickles, and account for every storage behind them."""
    judge = Judge(content, examination)
    try:
        at = 0
        for _ in range(_PICKLES):
            at = Machine(content, judge).run(at).at
        machine = Machine(content, judge)
        ended = machine.run(at)
        keys = [judge.atoms.text(key) for key in judge.atoms.items(ended.value) or ()]
        at = ended.at
        judge.conclude()
    except Bounded:
        raise Unexamined("has more opcodes than can be followed") from None
    finally:
        judge.flush()
    if judge.atoms.items(ended.value) is None or judge.atoms.kind(ended.value) != "list":
        raise Unexamined("does not list its storages")
    for key in keys:
        size = judge.storages.sizes.get(key or "")
        if size is None:
            raise Unexamined("lists a storage of which nothing is known")
        at += 8 + size * int.from_bytes(content.at(at, 8), "little")
        if at > content.size:
            raise Unexamined("breaks off in a storage")
    if at < content.size:
        message = f"has {content.size - at} bytes behind its last storage, at byte {at}"
        examination.tell(any_format.TRAILING, content, message, identity="behind the last storage")
