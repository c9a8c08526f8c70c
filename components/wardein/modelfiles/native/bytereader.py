# SPDX-License-Identifier: Apache-2.0
"""Reading a binary format from left to right, a window at a time, without leaving its content."""

from __future__ import annotations

import struct

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Unexamined

WINDOW = 1024**2


class Reader:
    """A place in a content.

    Attributes:
        position: Where the next byte is.
        size: How many bytes the content has.
        window: The bytes that were read ahead.
        start: Where in the content the window begins.
    """

    def __init__(self, content: Content, position: int = 0, order: str = "<") -> None:
        """Start somewhere.

        Args:
            content: What to read.
            position: The first byte.
            order: How numbers are written: ``<`` or ``>``.
        """
        self._content, self._order = content, order
        self.position, self.size = position, content.size
        self.window, self.start = b"", 0

    def take(self, length: int) -> bytes:
        """The next bytes, at most a window of them.

        Raises:
            Unexamined: If there are fewer.
        """
        if length > WINDOW:
            raise Unexamined(f"has a text of more than {WINDOW} bytes, at byte {self.position}")
        if self.position + length > self.size:
            raise Unexamined(f"breaks off at byte {self.position}")
        at = self.position - self.start
        if at + length > len(self.window):
            self.window, self.start, at = self._content.at(self.position, WINDOW), self.position, 0
        self.position += length
        return self.window[at : at + length]

    def skip(self, length: int) -> None:
        """Leave out bytes that are numbers.

        Raises:
            Unexamined: If there are fewer.
        """
        if length < 0 or self.position + length > self.size:
            raise Unexamined(f"breaks off at byte {self.position}")
        self.position += length
        if self.position - self.start > len(self.window):
            self.window, self.start = b"", self.position

    def number(self, form: str) -> int:
        """The next whole number, of a form of :mod:`struct`."""
        return int(struct.unpack(self._order + form, self.take(struct.calcsize(form)))[0])
