# SPDX-License-Identifier: Apache-2.0
"""Whether an unpickler would do anything with bytes that pass for something else."""

from __future__ import annotations

import sys
from typing import NoReturn

from wardein.modelfiles.allowlist import Allowlist
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined
from wardein.modelfiles.pickles import opcodes as op
from wardein.modelfiles.pickles.dangerous import is_dangerous
from wardein.modelfiles.pickles.judge import Judge
from wardein.modelfiles.pickles.machine import Bounded, Machine
from wardein.modelfiles.pickles.values import Box, Dtype, Global, Instance, Unknown, Value

# A stream that goes on without a break for as many windows of opcodes as this is one.
_WINDOWS = 4


class _Acts(Exception):
    """The stream makes something."""


class _Onlooker(Judge):
    """Judges nothing: the first thing that a stream would make ends the run."""

    def find(self, module: str, name: str, protocol: int, at: int) -> Global:
        return Global(module, name, None, at)

    def call(self, what: Value, args: Value, at: int) -> NoReturn:
        self._act(what, at)

    def new(self, what: Value, args: Value, keywords: Value | None, at: int) -> NoReturn:
        self._act(what, at)

    def build(self, made: Value, state: Value, at: int) -> NoReturn:
        self._act(made, at)

    def computed(self, module: Value, name: Value, at: int) -> Value:
        if not {self.atoms.kind(module), self.atoms.kind(name)} <= {"text", ""}:
            raise Unexamined("names a global by what is no text")
        return Unknown("")

    def extension(self, number: int, at: int) -> Value:
        return Unknown("")

    def leftover(self, at: int) -> None:
        """Whatever is left, nothing was made."""

    def outside(self, identifier: bytes, at: int) -> Value:
        # Loaders have nothing under a line of text. And every zip archive begins as this opcode does.
        raise Unexamined("refers to something outside")

    def persistent(self, identifier: Value, at: int) -> Value:
        return Unknown("")

    @staticmethod
    def _act(what: Value, at: int) -> NoReturn:
        if isinstance(what, (Global, Instance, Unknown, Dtype)):
            raise _Acts
        raise Unexamined(f"uses what cannot be used at byte {at}")


class _Doubter(Judge):
    """Judges only what is called of modules that a loader is likely to have."""

    def __init__(self, content: Content, examination: Examination) -> None:
        super().__init__(content, Examination(examination.allowed, content.size))
        self._roots = {name.partition(".")[0] for name in examination.allowed.entries}

    def find(self, module: str, name: str, protocol: int, at: int) -> Global:
        found = super().find(module, name, protocol, at)
        root = module.partition(".")[0]
        if found.uses is None and (
            root in self._roots or root in sys.stdlib_module_names or is_dangerous(module, name)
        ):
            raise _Acts
        return found


def acts_otherwise(machine: Machine, at: int) -> bool:
    """Whether what is here names something else if it is taken for more of the stream before it.

    A pickle of its own begins with an empty memo; who takes it for more of the stream goes on with the one before.
    """
    machine.judge.atoms.work(len(machine.memo.codes) + len(machine.stack) + 100)
    other = Machine(machine.content, _Doubter(machine.content, machine.judge.examination), _WINDOWS)
    other.stack, other.marks, other.memo = list(machine.stack), list(machine.marks), machine.memo.copy()
    try:
        other.run(at)
    except (_Acts, Bounded):
        return True
    except (Unexamined, ValueError, LookupError):
        pass
    return False


class _Stranger(_Onlooker):
    """Looks at bytes that pass for something else: of these, no loader looks up what a line of text refers to."""

    def outside(self, identifier: bytes, at: int) -> NoReturn:
        raise Unexamined("refers to something outside by a line of text")


def _onlooker(content: Content) -> _Onlooker:
    return _Onlooker(content, Examination(Allowlist({}), content.size))


def is_stream(content: Content) -> bool:
    """Whether a content that does not say so is a stream all the same: it ends as one, makes something, or breaks off.

    Of one that breaks off, something was put aside by then: no text does that by chance.
    """
    machine = Machine(content, _onlooker(content), _WINDOWS)
    try:
        end = machine.run(0).at
    except (_Acts, Bounded):
        return True
    except (Unexamined, ValueError, LookupError):
        return bool(machine.memo.codes)
    return end == content.size or content.at(end, 1)[0] in op.KNOWN


def would_act(content: Content, at: int = 0, after: Machine | None = None) -> bool:
    """Whether an unpickler that began here would make anything, or give more than a plain value.

    Args:
        content: The bytes.
        at: Where it would begin.
        after: What it would have on its stack and in its memo by then.
    """
    if (content.at(at, 1) or b"\0")[0] not in op.KNOWN:
        return False
    stranger = _Stranger(content, Examination(Allowlist({}), content.size))
    machine = Machine(content, stranger, _WINDOWS)
    if after is not None:
        machine.stack, machine.marks, machine.memo = list(after.stack), list(after.marks), after.memo.copy()
    try:
        value = machine.run(at).value
    except (_Acts, Bounded):
        return True
    except (Unexamined, ValueError, LookupError):
        return False
    return after is not None or not (isinstance(value, int) or (isinstance(value, Box) and not value.items))
