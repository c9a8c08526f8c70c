# SPDX-License-Identifier: Apache-2.0
"""Watching over a confined process from outside: which forbidden calls it makes, told by the kernel and not by it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import socket
import struct
import time
from dataclasses import dataclass

from wardein.models.syscalls import calls

# The kernel's messages: an identity, the thread, and the call; and the answer to it.
_ASKED, _ANSWERED = struct.Struct("=QIIiIQ6Q"), struct.Struct("=QqiI")
_RECEIVE, _SEND = 0xC0502100, 0xC0182101


@dataclass(frozen=True, order=True)
class Attempt:
    """Something that a confined process tried, and was refused.

    Attributes:
        deed: What it is for, for example ``start a program``.
        call: The system call.
    """

    deed: str
    call: str

    def __str__(self) -> str:
        return f"tried to {self.deed} ({self.call})"


class Supervision:
    """One confined process's forbidden calls.

    Attributes:
        attempts: What it tried so far, each once.
    """

    def __init__(self, channel: socket.socket) -> None:
        """Watch over the process that gets the other end of a channel as ``confine(notify=)``."""
        self.attempts: set[Attempt] = set()
        self._channel: socket.socket | None = channel
        self._listener = -1

    def wait(self, descriptor: int, until: float) -> bool:
        """Answer the process's forbidden calls until there is something to read, or its other end is closed.

        Without this, a process that makes such a call waits for ever.

        Args:
            descriptor: Where the process, or the kernel of it, says something.
            until: When to give up, by ``time.monotonic()``.

        Returns:
            Whether there is something to read before the time is up.
        """
        while True:
            poll = select.poll()
            for watched in {descriptor, self._fileno()} - {-1}:
                poll.register(watched, select.POLLIN)
            ready = dict(poll.poll(max(until - time.monotonic(), 0) * 1000))
            event = ready.get(self._fileno(), 0) if self._fileno() >= 0 else 0
            if event:
                self._hear(event)
            # What it tried before it said something is heard first.
            elif descriptor in ready:
                return True
            if time.monotonic() >= until:
                return False

    def close(self) -> None:
        """Watch no more."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._listener >= 0:
            os.close(self._listener)
            self._listener = -1

    def _fileno(self) -> int:
        return self._channel.fileno() if self._channel is not None else self._listener

    def _hear(self, event: int) -> None:
        if self._channel is not None:
            self._take_over(self._channel)
        elif event & select.POLLIN:
            self._answer()
        else:
            self.close()  # the process has ended

    def _take_over(self, channel: socket.socket) -> None:
        """Take the kernel's descriptor, or learn that the kernel has none to give."""
        with contextlib.suppress(OSError):
            descriptors = socket.recv_fds(channel, 1, 1)[1]
            if descriptors:
                self._listener = descriptors[0]
                os.set_inheritable(self._listener, False)
        channel.close()
        self._channel = None

    def _answer(self) -> None:
        asked = bytearray(_ASKED.size)
        try:
            fcntl.ioctl(self._listener, _RECEIVE, asked)
            identity, _, _, number, *_ = _ASKED.unpack(asked)
            known = calls()
            if known is not None and number in known.deeds:
                self.attempts.add(Attempt(*known.deeds[number]))
            fcntl.ioctl(self._listener, _SEND, _ANSWERED.pack(identity, 0, -errno.EPERM, 0))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EINTR):  # it was killed while it waited
                raise
