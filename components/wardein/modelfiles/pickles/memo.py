# SPDX-License-Identifier: Apache-2.0
"""What a stream has put aside under numbers: one machine number each, so that millions cost little."""

from __future__ import annotations

from array import array

from wardein.modelfiles.examination import Unexamined
from wardein.modelfiles.pickles.values import Box, Global, Instance, Value

_MOST_BYTES = 64 * 1024**2
# Python 2 counts from one; what leaves out more than that is no pickler.
_MOST_LEFT_OUT = 4096
_MOST_OBJECTS = 50_000
_MOST_FAR = 10_000


class Memo:
    """Values by number.

    Attributes:
        codes: For each number an offset (a plain value), or one less than minus the index of an object.
        objects: What is not plain.
        dense: Whether no number below the highest is unset.
    """

    def __init__(self, size: int) -> None:
        """Make an empty one for a content of so many bytes."""
        self.codes = array("i" if size < 2**31 else "q")
        self.objects: list[Value] = []
        self.dense = True
        self._unset = -(2 ** (8 * self.codes.itemsize - 1))
        self._shared: dict[Instance | Global, int] = {}
        self._left_out = 0
        self._far: dict[int, int] = {}  # by numbers that no pickler gives, and every unpickler takes

    def code(self, value: Value) -> int:
        """The number that stands for a value."""
        if isinstance(value, int):
            return value
        if type(value) is Box:
            # Of many, only the kind is kept.
            return value.at if len(self.objects) > _MOST_OBJECTS and not value.unfit else self._kept(value)
        if isinstance(value, (Global, Instance)):  # one of each: they hold nothing of their own
            if value not in self._shared:
                self._shared[value] = self._kept(value)
            return self._shared[value]
        if len(self.objects) > 4 * _MOST_OBJECTS:
            raise Unexamined("puts aside more objects than can be followed")
        return self._kept(value)

    def memoize(self, value: Value) -> None:
        """Put a value under the next number, which is how many are set."""
        self.put(len(self.codes) - self._left_out + len(self._far), value)

    def put(self, index: int, value: Value) -> None:
        """Put a value under a number."""
        count = len(self.codes)
        if index in self._far or index >= count + _MOST_LEFT_OUT:
            self._far[index] = self.code(value)
            self.dense = False
            if len(self._far) > _MOST_FAR:
                raise Unexamined("numbers what it puts aside in a way that no pickler does")
            return
        if index >= count:
            self.codes.extend([self._unset] * (index - count + 1))
            self._left_out += index - count + 1
        if self.codes[index] == self._unset:
            self._left_out -= 1
        self.codes[index] = self.code(value)
        self.dense = not self._left_out and not self._far

    def get(self, index: int) -> Value:
        """The value under a number."""
        code: int = self._far.get(index, self._unset)
        if code == self._unset and 0 <= index < len(self.codes):
            code = self.codes[index]
        if code == self._unset:
            raise Unexamined("takes back what it never put aside")
        return code if code >= 0 else self.objects[-1 - code]

    def copy(self) -> Memo:
        """Another one with the same values."""
        other = Memo(2 ** (8 * self.codes.itemsize - 1) - 1)
        other.codes, other.objects, other.dense = self.codes[:], list(self.objects), self.dense
        other._shared, other._left_out, other._far = dict(self._shared), self._left_out, dict(self._far)
        return other

    @property
    def is_far(self) -> bool:
        """Whether there are numbers that no pickler gives."""
        return bool(self._far)

    def check(self) -> None:
        """See to it that it does not grow without bounds."""
        if len(self.codes) * self.codes.itemsize > _MOST_BYTES:
            raise Unexamined("puts more values aside than can be followed")

    def _kept(self, value: Value) -> int:
        self.objects.append(value)
        return -len(self.objects)
