# SPDX-License-Identifier: Apache-2.0
"""JSON of any size, read strictly from left to right: held are only the values of keys that somebody wants."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Unexamined

MAX_DEPTH = 200
_LONGEST_ABOVE = 100
_MOST_LATE = 1000
_CHUNK = 256 * 1024
_MAX_TOKEN = 16 * 1024**2
# No number and no space between two tokens is longer; where one is, the document does not pass.
_SHORT = 4096

_SPACE = rb"[ \t\n\r]*+"
_STRING = rb'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"'
_BARE = rb"(?:-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?+(?![0-9.eE])|true|false|null|NaN|-?Infinity)"
_TEXT = re.compile(_STRING)
_BLANK = re.compile(_SPACE)
_OPEN = re.compile(rb"[\[{]" + _SPACE)
_CLOSE = re.compile(rb"[\]}]" + _SPACE)
_COMMA = re.compile(rb"," + _SPACE)
_KEY = re.compile(rb"(" + _STRING + rb")" + _SPACE + rb":" + _SPACE)
_VALUE = re.compile(rb"(?:" + _STRING + rb"|" + _BARE + rb")" + _SPACE)
# Tables of words and arrays of numbers are read at once: nothing in them is a setting.
_PLAIN = rb"(?:" + _STRING + rb"|" + _BARE + rb")" + _SPACE
_LIST = rb"\[" + _SPACE + rb"(?:" + _PLAIN + rb"(?:," + _SPACE + _PLAIN + rb")*+)?+\]" + _SPACE
_VALUES = re.compile(rb"(?:(?:" + _PLAIN + rb"|" + _LIST + rb")," + _SPACE + rb")++")
_MEMBERS = re.compile(
    rb"(?:(?![^:]*(?:code|nbformat|\\u00[67]))"
    + _STRING
    + _SPACE
    + rb":"
    + _SPACE
    + rb"-?[0-9]++(?:\.[0-9]++)?"
    + _SPACE
    + rb","
    + _SPACE
    + rb")++"
)


@dataclass(frozen=True)
class Value:
    """A value that was asked for.

    Attributes:
        key: Its key, as it reads.
        depth: How many objects and arrays are around it; 1 for the members of the document itself.
        start: Where it begins in the content.
        end: Where it ends.
        again: Whether its object had the key before.
        above: The keys that lead to its object, from the outside in; long ones are left empty.
        beside: The wanted and noted keys of its object, of those values that are told of at its end.
    """

    key: str
    depth: int
    start: int
    end: int
    again: bool
    above: tuple[str, ...] = ()
    beside: frozenset[str] = frozenset()


@dataclass
class _Level:
    is_object: bool
    keys: set[str] = field(default_factory=set)
    key: str = ""
    late: list[Value] = field(default_factory=list)


class _Window:
    """The part of the content that is being read."""

    def __init__(self, content: Content, start: int) -> None:
        self._content, self._next = content, start
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.bytes, self.position, self.offset = b"", 0, start
        self._ended = False
        self.more()

    def more(self) -> bool:
        """Take further bytes to those that were not read yet; whether there were any."""
        if self._ended:
            return False
        rest = self.bytes[self.position :]
        if len(rest) > _MAX_TOKEN:
            raise Unexamined("has a text of more than 16 MiB")
        read = self._content.at(self._next, _CHUNK)
        self._decoder.decode(read, final=not read)
        self.offset += self.position
        self.bytes, self.position = rest + read, 0
        self._next += len(read)
        self._ended = not read
        return bool(read)

    def take(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """What matches here, to its end; None if nothing does."""
        while True:
            found = pattern.match(self.bytes, self.position)
            # A text or number that reaches the end of what was read may go on behind it.
            if found and found.end() < len(self.bytes):
                self.position = found.end()
                return found
            if not found and self._complete():
                return None
            if not self.more():
                if found:
                    self.position = found.end()
                return found

    def _complete(self) -> bool:
        """Whether further bytes cannot make anything match here: only texts are long."""
        left = len(self.bytes) - self.position
        if left < _SHORT or self.bytes[self.position] != 0x22:
            return left >= _SHORT
        text = _TEXT.match(self.bytes, self.position)
        return text is not None and len(self.bytes) - text.end() >= _SHORT

    @property
    def here(self) -> int:
        return self.offset + self.position


def values(
    content: Content,
    wanted: Callable[[str], bool] | None,
    start: int = 0,
    late: Collection[str] = (),
    noted: Collection[str] = (),
) -> Iterator[Value]:
    """Check that a content is one JSON document, and say where the values of some keys are.

    Numbers may be ``NaN`` and ``Infinity``, which Python writes. A wanted key inside of a value that is wanted itself
    is not told of again.

    Args:
        content: What to read.
        wanted: Whether the value of a key is asked for; numbers are only told of where the key has ``code`` or
            ``nbformat`` in it. None
            asks for the members of the document itself, whatever they are.
        start: Where the document begins.
        late: Wanted keys that are told of at the end of their object, with the keys beside them.
        noted: Keys that count as beside another although nobody wants their values.

    Yields:
        The values, in the order of their ends, and late ones at those of their objects.

    Raises:
        Unexamined: If it is not JSON to its last byte, or nested too deep.
        UnicodeDecodeError: If it is not UTF-8.
    """
    walk = _Walk(content, wanted, start, late, noted)
    while not walk.ended:
        yield from walk.step()


class _Walk:
    """A place in a document."""

    def __init__(
        self,
        content: Content,
        wanted: Callable[[str], bool] | None,
        start: int,
        late: Collection[str],
        noted: Collection[str],
    ) -> None:
        self._window, self._wanted = _Window(content, start), wanted
        self._late, self._noted = late, noted
        self._left: _Level | None = None
        self._window.take(_BLANK)
        self._levels: list[_Level] = []
        # The wanted key whose value is being read: its depth, where the value begins, whether it was there before.
        self._open: tuple[str, int, int, bool] | None = None
        self.ended = False

    def step(self) -> Iterator[Value]:
        """Read one value, what ends with it, and up to where the next begins."""
        window, levels = self._window, self._levels
        closed = self._begin()
        while closed:
            end = window.here - len(closed) + len(closed.rstrip())
            if self._left and self._left.late:
                beside = frozenset(self._left.keys)
                yield from (replace(value, beside=beside) for value in self._left.late)
                self._left = None
            if self._open and self._open[1] == len(levels):
                key, depth, start, again = self._open
                value = Value(key, depth, start, end, again, tuple(level.key for level in levels[:-1]))
                self._open = None
                if key not in self._late:
                    yield value
                elif len(levels[-1].late) >= _MOST_LATE:
                    raise Unexamined(f"has a setting more than {_MOST_LATE} times in one object")
                else:
                    levels[-1].late.append(value)
            if not levels:
                if window.position < len(window.bytes) or window.more():
                    raise Unexamined(f"goes on at byte {window.here} where the document has ended")
                self.ended = True
                return
            if window.take(_COMMA):
                break
            closed = self._close()
        self._go_on()

    def _begin(self) -> bytes | None:
        """Read a plain value, or the bracket that begins another; what ended, if anything did."""
        opened = self._window.take(_OPEN)
        if opened is None:
            value = self._window.take(_VALUE)
            if value is None:
                raise _not_json(self._window)
            return value[0]
        if len(self._levels) >= MAX_DEPTH:
            raise Unexamined(f"is nested deeper than {MAX_DEPTH} levels")
        self._levels.append(_Level(opened[0].startswith(b"{")))
        closed = self._window.take(_CLOSE)
        return self._leave(closed[0]) if closed else None

    def _close(self) -> bytes:
        closed = self._window.take(_CLOSE)
        if closed is None:
            raise _not_json(self._window)
        return self._leave(closed[0])

    def _leave(self, bracket: bytes) -> bytes:
        self._left = self._levels.pop()
        if self._left.is_object != bracket.startswith(b"}"):
            raise Unexamined("is not valid JSON: brackets do not match")
        return bracket

    def _go_on(self) -> None:
        """Read up to where the next value begins that is not plain."""
        window, level = self._window, self._levels[-1]
        if not level.is_object:
            window.take(_VALUES)
            return
        if self._wanted:
            window.take(_MEMBERS)
        found = window.take(_KEY)
        if found is None:
            raise _not_json(window)
        if self._open:
            return
        key = str(json.loads(found[1]))
        level.key = key if len(key) <= _LONGEST_ABOVE else ""
        if key in self._noted:
            level.keys.add(key)
        if self._wanted is None or self._wanted(key):
            self._open = key, len(self._levels), window.here, key in level.keys
            level.keys.add(key)


def _not_json(window: _Window) -> Unexamined:
    if window.position >= len(window.bytes):
        return Unexamined("is JSON that breaks off")
    return Unexamined(f"is not valid JSON at byte {window.here}")
