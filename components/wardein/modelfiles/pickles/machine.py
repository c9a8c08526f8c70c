# SPDX-License-Identifier: Apache-2.0
"""An unpickler that makes nothing: it follows a stream of opcodes with abstract values, and asks a judge.

It reads as the unpickler in C does, from one opcode to the next whatever the frames say, which is also what the one in
Python does as long as frames and opcodes agree; a stream in which they do not is followed and not passed.
"""

from __future__ import annotations

from dataclasses import dataclass

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Unexamined
from wardein.modelfiles.pickles import opcodes as op
from wardein.modelfiles.pickles.judge import Judge
from wardein.modelfiles.pickles.memo import Memo
from wardein.modelfiles.pickles.steps import STEPS
from wardein.modelfiles.pickles.values import Box, Value

_FIRST_WINDOW, _WINDOW = 16 * 1024, 256 * 1024
# No opcode of the inner loop has more bytes, the one that puts its value aside included.
_MARGIN = 300
# Of opcodes, not of the payloads that are passed over.
_MOST_BYTES = 512 * 1024**2
_MOST_VALUES = 1_000_000
_MOST_MARKS = 100_000
_MOST_HELD = 300_000
_MOST_BOXES = 150_000
_LATE = 64

_STRING, _MEMOIZE, _BINPUT, _BINGET = op.SHORT_BINUNICODE, op.MEMOIZE, op.BINPUT, op.BINGET
_BINPUTS, _BINGETS = {op.BINPUT, op.LONG_BINPUT}, {op.BINGET, op.LONG_BINGET}
_FIXED = bytes(op.FIXED.get(code, 0) for code in range(256))
_COUNTED = bytes(op.COUNTED.get(code, 0) for code in range(256))
_EMPTY = {op.EMPTY_LIST: "list", op.EMPTY_DICT: "dict", op.EMPTY_SET: "set"}
_SETITEMS = op.SETITEMS
_FILLING = {op.APPENDS: "list", op.SETITEMS: "dict"}
_FEW = {op.TUPLE1: 1, op.TUPLE2: 2, op.TUPLE3: 3}


class Bounded(Exception):
    """The stream went on for longer than was asked for."""


@dataclass(frozen=True)
class Ended:
    """Where a pickle ended, right behind its STOP, and what it came to."""

    at: int
    value: Value


class Machine:
    """One run over one pickle.

    Attributes:
        content: Where the stream is.
        judge: Who says what may be done.
        stack: The values; those above the last of ``marks`` are within reach.
        marks: How many values there were at each MARK.
        memo: What was put aside.
        protocol: What the last PROTO said.
        frame_end: Where the present frame ends; 0 without one.
        joblib: Whether arrays may stand in the stream, as joblib writes them.
        uneven: Why unpicklers may disagree on the stream; empty if they do not.
        others_stop: Whether who takes joblib's arrays for more of the stream has come to an end by now.
    """

    def __init__(
        self, content: Content, judge: Judge, windows: int = _MOST_BYTES // _WINDOW, *, joblib: bool = False
    ) -> None:
        """Prepare a run.

        Args:
            content: Where the stream is.
            judge: Who says what may be done.
            joblib: Whether arrays may stand in the stream, as joblib writes them.
            windows: After how many windows of opcodes to give up.
        """
        self.content, self.judge, self.atoms = content, judge, judge.atoms
        self.stack: list[Value] = []
        self.marks: list[int] = []
        self.memo = Memo(content.size)
        self.protocol = self.frame_end = 0
        self.uneven = ""
        self.others_stop = False
        self.joblib = joblib
        self._most_windows = windows

    def run(self, start: int) -> Ended:
        """Follow one pickle to its end.

        Args:
            start: Where it begins.

        Raises:
            Unexamined: If it breaks off, is malformed, or is too much.
            Bounded: If it takes more windows than were given.
        """
        try:
            return self._run(start)
        except IndexError:
            raise Unexamined("takes back what it never put aside") from None
        except UnicodeDecodeError:
            raise Unexamined("holds text that is not UTF-8") from None

    def _run(self, start: int) -> Ended:  # noqa: C901, PLR0912 - one opcode a branch, those that are frequent first
        stack, marks, memo = self.stack, self.marks, self.memo
        codes, objects = memo.codes, memo.objects
        push, put = stack.append, codes.append
        fence, windows, window = 0, 0, _FIRST_WINDOW
        buffer, base, at, safe = b"", start, 0, 0
        while True:
            if at >= safe:
                here = base + at
                self._at_frame_end(here)
                if not (base <= here and at + _MARGIN < len(buffer)):
                    windows += 1
                    if windows > self._most_windows:
                        raise Bounded
                    self._check()
                    window = min(window * 2, _WINDOW) if at < len(buffer) else _FIRST_WINDOW
                    buffer, base, at = self.content.at(here, window), here, 0
                    if not buffer:
                        raise Unexamined("breaks off")
                    last = base + len(buffer) >= self.content.size
                    rest = len(buffer)
                    if last:
                        buffer += bytes(_MARGIN)
                safe = len(buffer) - _MARGIN if not last else rest
                if self.frame_end:
                    safe = min(safe, self.frame_end - base)
            code = buffer[at]
            if code == _STRING:
                push(base + at)
                begin, at = at + 2, at + 2 + buffer[at + 1]
                text = buffer[begin:at]
                if not text.isascii():
                    text.decode("utf-8", "surrogatepass")
                if at < safe and buffer[at] == _MEMOIZE and memo.dense:
                    put(base + begin - 2)
                    at += 1
            elif size := _FIXED[code]:
                push(base + at)
                at += size
            elif code == _MEMOIZE:
                if len(stack) <= fence:
                    raise Unexamined("puts aside what is not there")
                if memo.dense:
                    value = stack[-1]
                    put(value if type(value) is int else memo.code(value))
                else:
                    memo.memoize(stack[-1])
                at += 1
            elif code in _BINPUTS:
                if code == _BINPUT:
                    index = buffer[at + 1]
                    at += 2
                else:
                    index = int.from_bytes(buffer[at + 1 : at + 5], "little")
                    at += 5
                if len(stack) <= fence:
                    raise Unexamined("puts aside what is not there")
                value = stack[-1]
                if index == len(codes) and memo.dense:
                    put(value if type(value) is int else memo.code(value))
                else:
                    memo.put(index, value)
            elif code in _BINGETS:
                if code == _BINGET:
                    index = buffer[at + 1]
                    at += 2
                else:
                    index = int.from_bytes(buffer[at + 1 : at + 5], "little")
                    at += 5
                if memo.dense:
                    index = codes[index]
                    push(index if index >= 0 else objects[-1 - index])
                else:
                    push(memo.get(index))
            elif width := _COUNTED[code]:
                push(base + at)
                length = int.from_bytes(buffer[at + 1 : at + 1 + width], "little")
                if code in op.SIGNED and length >= 2**31:
                    raise Unexamined("quotes a negative length")
                begin = at + 1 + width
                at = begin + length
                if code == op.BINUNICODE and at < safe:
                    text = buffer[begin:at]
                    if not text.isascii():
                        text.decode("utf-8", "surrogatepass")
            elif code in _FEW:
                count = _FEW[code]
                if len(stack) - count < fence:
                    raise Unexamined("takes more values than there are")
                stack[-count:] = [Box("tuple", base + at, stack[-count:])]
                at += 1
            elif code == op.MARK:
                fence = len(stack)
                marks.append(fence)
                at += 1
            elif code == op.TUPLE:
                stack[fence:] = [Box("tuple", base + at, stack[fence:])] if marks else self._no_mark()
                marks.pop()
                fence = marks[-1] if marks else 0
                at += 1
            elif code in _FILLING and marks and type(box := stack[fence - 1]) is Box and box.kind == _FILLING[code]:
                items = stack[fence:]
                del stack[fence:]
                marks.pop()
                if fence <= (fence := marks[-1] if marks else 0) or (code == _SETITEMS and len(items) % 2):
                    raise Unexamined("takes more values than there are")
                box.extend(items)
                if box.unfit:
                    self.judge.stands(box.unfit, base + at)
                at += 1
            elif code in _EMPTY:
                push(Box(_EMPTY[code], base + at))
                at += 1
            elif code == op.STOP:
                return self._stop(base + at, fence)
            else:
                step = STEPS[code]
                if step is None:
                    raise Unexamined(f"has a byte that is no opcode at byte {base + at}")
                at = step(self, base + at) - base
                fence = marks[-1] if marks else 0
                safe = min(safe, self.frame_end - base) if self.frame_end else safe

    def _at_frame_end(self, here: int) -> None:
        """Close a frame that ends here."""
        if self.frame_end and here >= self.frame_end:
            if here > self.frame_end:
                self.uneven = self.uneven or f"has an opcode that reaches over the end of its frame before byte {here}"
            self.frame_end = 0

    def _check(self) -> None:
        """See to it, once a window, that nothing grows without bounds."""
        self.memo.check()
        if len(self.stack) > _MOST_VALUES or len(self.marks) > _MOST_MARKS:
            raise Unexamined("piles up more values than can be followed")
        boxes = [value for value in self.stack if type(value) is Box]
        if len(boxes) > _MOST_BOXES:
            self.stack[:-1] = [_outline(value) for value in self.stack[:-1]]
            boxes = [value for value in self.stack if type(value) is Box]
            if len(boxes) > _MOST_BOXES:
                raise Unexamined("opens more containers than can be followed")
        # What is about to be used is on top; what was put aside hardly ever is needed again in full.
        late = {id(box) for box in boxes[-_LATE:] if box.weight <= _MOST_HELD // _LATE}
        boxes += [value for value in self.memo.objects if type(value) is Box]
        for heavy in (64, 1):
            if sum(box.weight for box in boxes) > _MOST_HELD:
                for box in boxes:
                    if box.weight > heavy and id(box) not in late:
                        box.forget()

    def _stop(self, at: int, fence: int) -> Ended:
        if len(self.stack) <= fence:
            raise Unexamined("ends without a value")
        value = self.stack.pop()
        self.judge.value(value, at)
        if self.stack or self.marks:
            self.judge.leftover(at)
        if self.frame_end and at + 1 != self.frame_end:
            self.uneven = self.uneven or f"ends within a frame at byte {at}"
        if self.memo.is_far:
            self.uneven = self.uneven or "numbers what it puts aside in a way that no pickler does"
        if self.uneven:
            self.judge.uneven = self.judge.uneven or self.uneven
        return Ended(at + 1, value)

    @staticmethod
    def _no_mark() -> list[Value]:
        raise Unexamined("looks for a mark that is not there")

    def pop(self) -> Value:
        """Take the value on top."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise Unexamined("takes more values than there are")
        return self.stack.pop()

    def top(self) -> Value:
        """The value on top, where it stays."""
        self.stack.append(value := self.pop())
        return value

    def pop_mark(self) -> list[Value]:
        """Take everything down to the last mark, and the mark."""
        if not self.marks:
            self._no_mark()
        mark = self.marks.pop()
        values = self.stack[mark:]
        del self.stack[mark:]
        return values


def _outline(value: Value) -> Value:
    """Of a tuple that is whole, only that it is one; of everything else, all."""
    return value.at if type(value) is Box and value.kind == "tuple" and value.depth < 3 and not value.unfit else value
