# SPDX-License-Identifier: Apache-2.0
"""The process with the libraries that models are made of: started once, and copied for each model."""

from __future__ import annotations

import atexit
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import cache

from wardein.errors import WardeinError
from wardein.models.child import ENDED, ORDER
from wardein.tools.run import Running, started

_ENDING_SECONDS = 30
# How numerical libraries are told to compute, on which even the last bit of a prediction depends. Everything else stays
# with the process of the check.
_COMPUTING = ("OMP_", "OPENBLAS_", "MKL_", "NPY_")


class Libraries:
    """The process with the libraries that models are made of, of which each model gets a copy."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._failure: WardeinError | None = None
        self._control, theirs = socket.socketpair()
        self._control.settimeout(_ENDING_SECONDS)
        self._open.enter_context(self._control)
        command = [sys.executable, "-I", "-B", "-m", "wardein.models.child", str(theirs.fileno())]
        environment = {name: value for name, value in os.environ.items() if name.startswith(_COMPUTING)}
        with theirs:
            self.running: Running = self._open.enter_context(
                started(
                    command,
                    time_limit=float("inf"),
                    environment=environment,
                    descriptors=[theirs.fileno()],
                    what="the process that loads models",
                )
            )
        atexit.register(self.close)

    def tell(self, what: bytes, number: int, descriptors: Sequence[int] = ()) -> None:
        """Tell it to make a copy, or to end one."""
        with suppress(OSError):  # its end shows where an answer is waited for
            socket.send_fds(self._control, [ORDER.pack(what, number)], list(descriptors))

    def end(self, how: bytes, number: int) -> int:
        """End a copy and say how it ended: its exit code, negative for a signal.

        Raises:
            WardeinError: If this process itself has ended.
        """
        said = b""
        if self._failure is None:
            self.tell(how, number)
            with suppress(OSError):
                said = self._control.recv(ENDED.size)
        if len(said) < ENDED.size:
            raise self._failed()
        return int(ENDED.unpack(said)[0])

    def close(self) -> None:
        """End it, and every copy with it."""
        self._control.close()
        self._open.close()

    def _failed(self) -> WardeinError:
        if self._failure is None:
            libraries.cache_clear()  # the next model gets another
            atexit.unregister(self.close)
            self._control.close()
            self.running.end()
            ended = self.running.wait()
            self._open.close()
            said = (ended.stderr.strip().splitlines() or ["no message"])[-1][:200]
            self._failure = WardeinError(f"the process that loads models ended with code {ended.code} ({said})")
        return self._failure


@cache
def libraries(process: int) -> Libraries:
    """One for each process of a check: what is inherited by a fork is not shared."""
    return Libraries()


NUMBERS = iter(range(2**32))
