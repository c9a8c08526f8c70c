# SPDX-License-Identifier: Apache-2.0
"""The opcodes that are not frequent: each a step from its own offset to that of the next."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from wardein.modelfiles.examination import Unexamined
from wardein.modelfiles.pickles import opcodes as op
from wardein.modelfiles.pickles.values import Box, Global, Instance, Unknown, Value

if TYPE_CHECKING:
    from wardein.modelfiles.pickles.machine import Machine

_LINE = 4096
_CHUNK = 1024**2
_HIGHEST_PROTOCOL = 5
# Python and C read other spellings of numbers differently; no pickler writes them.
_WHOLE = re.compile(rb"-?(?:0|[1-9]\d*)\r?|0[01]\r?", re.ASCII)
_LONG = re.compile(rb"-?(?:0|[1-9]\d*)L?\r?", re.ASCII)
_FLOAT = re.compile(rb"[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|inf|nan)\r?", re.ASCII | re.IGNORECASE)
_INDEX = re.compile(rb"\d{1,10}\r?", re.ASCII)
# What one unpickler or the other takes for a number all the same.
_NUMBER_TO_SOME = re.compile(
    rb"\s*[+-]?(?:(?:0[xob])?[\da-f_]+l?|[\d_]*\.?[\d_]*(?:e[+-]?[\d_]+)?|inf(?:inity)?|nan)\s*",
    re.ASCII | re.IGNORECASE,
)
_INDEX_TO_SOME = re.compile(rb"\s*\+?[\d_]{1,40}\s*", re.ASCII)


def _line(machine: Machine, at: int) -> tuple[bytes, int]:
    """A short line without its end, and what is behind it."""
    head = machine.content.at(at, _LINE)
    length = head.find(b"\n")
    if length < 0:
        raise Unexamined("breaks off" if len(head) < _LINE else "has a line that is longer than any pickler writes")
    return head[:length], at + length + 1


def _past_line(machine: Machine, at: int) -> int:
    """What is behind a line of any length."""
    while chunk := machine.content.at(at, _CHUNK):
        length = chunk.find(b"\n")
        if length >= 0:
            return at + length + 1
        at += len(chunk)
    raise Unexamined("breaks off")


def _written(form: re.Pattern[bytes]) -> Step:
    def step(machine: Machine, at: int) -> int:
        end = _past_line(machine, at + 1)
        text = machine.content.at(at + 1, min(end - at - 2, _LINE))
        if not form.fullmatch(text):
            if end - at < _LINE and not _NUMBER_TO_SOME.fullmatch(text):
                raise Unexamined(f"has no number where one has to be at byte {at}")
            machine.uneven = machine.uneven or f"has a number that loaders may read differently at byte {at}"
        machine.stack.append(at)
        return end

    return step


def _string(machine: Machine, at: int) -> int:
    end = _past_line(machine, at + 1)
    quotes = machine.content.at(at + 1, 1) + machine.content.at(end - 2, 1)
    if end - at < 4 or quotes not in (b"''", b'""'):
        if not machine.content.at(max(end - _LINE, at + 2), min(_LINE, end - at - 2)).rstrip().endswith((b"'", b'"')):
            raise Unexamined(f"has a text without quotes at byte {at}")
        machine.uneven = machine.uneven or f"has blanks behind a text, which loaders take or refuse, at byte {at}"
    machine.stack.append(at)
    return end


def _unicode(machine: Machine, at: int) -> int:
    machine.stack.append(at)
    return _past_line(machine, at + 1)


def _protocol(machine: Machine, at: int) -> int:
    machine.protocol = machine.content.at(at + 1, 1)[0]
    if machine.protocol > _HIGHEST_PROTOCOL:
        raise Unexamined(f"is of protocol {machine.protocol}, which is not known")
    return at + 2


def _frame(machine: Machine, at: int) -> int:
    end = at + 9 + int.from_bytes(machine.content.at(at + 1, 8), "little")
    if machine.frame_end:
        machine.uneven = machine.uneven or f"begins a frame within a frame at byte {at}"
    if end > machine.content.size:
        machine.uneven = machine.uneven or f"has a frame that reaches over its end at byte {at}"
    machine.frame_end = end
    return at + 9


def _pop(machine: Machine, at: int) -> int:
    if machine.marks and machine.marks[-1] == len(machine.stack):
        machine.marks.pop()
    else:
        machine.pop()
    return at + 1


def _pop_mark(machine: Machine, at: int) -> int:
    machine.pop_mark()
    return at + 1


def _dup(machine: Machine, at: int) -> int:
    machine.stack.append(machine.top())
    return at + 1


def _get(machine: Machine, at: int) -> int:
    line, end = _line(machine, at + 1)
    machine.stack.append(machine.memo.get(_index(machine, line, "takes back what it never put aside")))
    return end


def _put(machine: Machine, at: int) -> int:
    line, end = _line(machine, at + 1)
    machine.memo.put(_index(machine, line, "puts something aside under no number"), machine.top())
    return end


def _index(machine: Machine, line: bytes, broken: str) -> int:
    """The number that a line gives, in whatever spelling an unpickler takes."""
    if not _INDEX.fullmatch(line):
        if not _INDEX_TO_SOME.fullmatch(line):
            raise Unexamined(broken)
        machine.uneven = machine.uneven or "numbers what it puts aside in a way that no pickler does"
    try:
        return int(line)
    except ValueError:
        raise Unexamined(broken) from None


def _collected(kind: str) -> Step:
    def step(machine: Machine, at: int) -> int:
        items = machine.pop_mark()
        if kind == "dict" and len(items) % 2:
            raise Unexamined("has a key without a value")
        machine.stack.append(Box(kind, at, items))
        return at + 1

    return step


def _append(machine: Machine, at: int) -> int:
    item = machine.pop()
    machine.judge.fill("list", machine.top(), [item], at)
    return at + 1


def _appends(machine: Machine, at: int) -> int:
    items = machine.pop_mark()
    machine.judge.fill("list", machine.top(), items, at)
    return at + 1


def _setitem(machine: Machine, at: int) -> int:
    value = machine.pop()
    key = machine.pop()
    machine.judge.fill("dict", machine.top(), [key, value], at)
    return at + 1


def _setitems(machine: Machine, at: int) -> int:
    items = machine.pop_mark()
    if len(items) % 2:
        raise Unexamined("has a key without a value")
    machine.judge.fill("dict", machine.top(), items, at)
    return at + 1


def _additems(machine: Machine, at: int) -> int:
    items = machine.pop_mark()
    machine.judge.fill("set", machine.top(), items, at)
    return at + 1


def _named(machine: Machine, at: int, encoding: str) -> tuple[Global, int]:
    """The global that two lines name."""
    module, middle = _line(machine, at + 1)
    name, end = _line(machine, middle)
    if not module or not name:
        raise Unexamined(f"has a global without a name at byte {at}")
    return machine.judge.find(module.decode(encoding), name.decode(encoding), machine.protocol, at), end


def _global(machine: Machine, at: int) -> int:
    found, end = _named(machine, at, "utf-8")
    machine.stack.append(found)
    return end


def _stack_global(machine: Machine, at: int) -> int:
    name, module = machine.pop(), machine.pop()
    texts = machine.atoms.text(module), machine.atoms.text(name)
    if texts[0] is None or texts[1] is None:
        machine.stack.append(machine.judge.computed(module, name, at))
    else:
        machine.stack.append(machine.judge.find(texts[0], texts[1], machine.protocol, at))
    return at + 1


def _inst(machine: Machine, at: int) -> int:
    args = machine.pop_mark()
    found, end = _named(machine, at, "ascii")
    machine.stack.append(_instantiated(machine, found, args, at))
    return end


def _obj(machine: Machine, at: int) -> int:
    made = machine.pop_mark()
    if not made:
        raise Unexamined("takes more values than there are")
    machine.stack.append(_instantiated(machine, made[0], made[1:], at))
    return at + 1


def _instantiated(machine: Machine, what: Value, args: list[Value], at: int) -> Value:
    """Of a class without arguments the constructor is not called; a function always is."""
    if not args and isinstance(what, Global) and what.uses and "new" in what.uses:
        return machine.judge.new(what, Box("tuple", at), None, at)
    return machine.judge.call(what, Box("tuple", at, args), at)


def _reduce(machine: Machine, at: int) -> int:
    args, what = machine.pop(), machine.pop()
    machine.stack.append(machine.judge.call(what, args, at))
    return at + 1


def _newobj(machine: Machine, at: int) -> int:
    args, what = machine.pop(), machine.pop()
    machine.stack.append(machine.judge.new(what, args, None, at))
    return at + 1


def _newobj_ex(machine: Machine, at: int) -> int:
    keywords, args, what = machine.pop(), machine.pop(), machine.pop()
    machine.stack.append(machine.judge.new(what, args, keywords, at))
    return at + 1


def _build(machine: Machine, at: int) -> int:
    state, made = machine.pop(), machine.pop()
    if isinstance(made, Instance) and made.of.text == "joblib.numpy_pickle.NumpyArrayWrapper":
        from wardein.modelfiles.pickles.arrays import read_array

        return read_array(machine, made.of, state, at + 1)
    machine.stack.append(machine.judge.build(made, state, at))
    return at + 1


def _persistent_line(machine: Machine, at: int) -> int:
    line, end = _line(machine, at + 1)
    machine.stack.append(machine.judge.outside(line, at))
    return end


def _persistent(machine: Machine, at: int) -> int:
    machine.stack.append(machine.judge.persistent(machine.pop(), at))
    return at + 1


def _extension(width: int) -> Step:
    def step(machine: Machine, at: int) -> int:
        number = int.from_bytes(machine.content.at(at + 1, width), "little")
        machine.stack.append(machine.judge.extension(number, at))
        return at + 1 + width

    return step


def _next_buffer(machine: Machine, at: int) -> int:
    machine.uneven = machine.uneven or "needs buffers that are not in the file"
    machine.stack.append(Unknown("a buffer"))
    return at + 1


def _readonly_buffer(machine: Machine, at: int) -> int:
    machine.top()
    return at + 1


Step = Callable[["Machine", int], int]
_STEPS: dict[int, Step] = {
    op.POP: _pop, op.POP_MARK: _pop_mark, op.DUP: _dup, op.GET: _get, op.PUT: _put,
    op.INT: _written(_WHOLE), op.LONG: _written(_LONG), op.FLOAT: _written(_FLOAT),
    op.STRING: _string, op.UNICODE: _unicode, op.PROTO: _protocol, op.FRAME: _frame,
    op.LIST: _collected("list"), op.DICT: _collected("dict"), op.FROZENSET: _collected("frozenset"),
    op.APPEND: _append, op.APPENDS: _appends, op.SETITEM: _setitem, op.SETITEMS: _setitems, op.ADDITEMS: _additems,
    op.GLOBAL: _global, op.STACK_GLOBAL: _stack_global, op.INST: _inst, op.OBJ: _obj,
    op.REDUCE: _reduce, op.NEWOBJ: _newobj, op.NEWOBJ_EX: _newobj_ex, op.BUILD: _build,
    op.PERSID: _persistent_line, op.BINPERSID: _persistent,
    op.EXT1: _extension(1), op.EXT2: _extension(2), op.EXT4: _extension(4),
    op.NEXT_BUFFER: _next_buffer, op.READONLY_BUFFER: _readonly_buffer,
}  # fmt: skip
# By byte: what to do, or None if it is no opcode.
STEPS: tuple[Step | None, ...] = tuple(_STEPS.get(code) for code in range(256))
