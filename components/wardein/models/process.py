# SPDX-License-Identifier: Apache-2.0
"""Starting the process that holds a model, asking it, and saying in words how it ended.

Nothing that comes from it is trusted: lines are bounded and parsed strictly, arrays are copied before they are looked
at, and every wait has an end. What it tries and may not do, the kernel tells (:mod:`wardein.models.supervision`).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from wardein.errors import WardeinError
from wardein.jsontext import strict_loads
from wardein.models import exchange
from wardein.models.child import END, HOLD, KILL
from wardein.models.confinement import Limits
from wardein.models.libraries import NUMBERS, libraries
from wardein.models.supervision import Attempt, Supervision

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_LONGEST_LINE = 16 * 1024**2
_AT_ONCE = 1024**2
_ROOM = 1024**2
# How long it may take to load a model, and to answer one question.
_LOADING_SECONDS, _QUESTION_SECONDS = 300.0, 3600.0
_IN_WORDS = {
    signal.SIGKILL: "it took more memory than there is, or somebody ended it",
    signal.SIGXCPU: "it took more processor time than it may",
    signal.SIGSEGV: "it reached for memory that is not its own",
    signal.SIGBUS: "it reached for memory that is not there",
    signal.SIGABRT: "a library in it gave up",
    signal.SIGFPE: "a library in it divided by nothing",
    signal.SIGILL: "a library in it needs another processor",
    signal.SIGSYS: "it asked the kernel for what it may not",
}


class Failed(Exception):
    """The model's process answers with an error.

    Attributes:
        kind: The type of the exception there; ``Refused`` if the model was refused.
        mend: What to do about it; empty if that is not known.
    """

    def __init__(self, kind: str, text: str, mend: str = "") -> None:
        super().__init__(text)
        self.kind, self.mend = kind, mend


class Session:
    """One model in a process of its own, for as long as the context lasts.

    Attributes:
        missing: What the kernel did not give to confine it, in words.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        self.missing: tuple[str, ...] = ()
        self._path, self._limits, self._left = path, limits, float(limits.seconds)
        self._ended: WardeinError | None = None
        self._heard = bytearray()
        self._given, self._answers, self._room = -1, -1, _ROOM
        self._open = ExitStack()

    def __enter__(self) -> Session:
        try:
            self._start()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._ended is None:
            with suppress(WardeinError):  # by now it is gone
                self._stop(KILL)
            self._ended = self._error("was closed")
        self._open.close()

    @property
    def attempts(self) -> Sequence[Attempt]:
        """What it tried and was refused so far."""
        return sorted(self._supervision.attempts)

    def load(self, allow: Sequence[str]) -> Mapping[str, Any]:
        """Let it read its model.

        Returns:
            What it says that the model is.

        Raises:
            Failed: If it refuses the model, or cannot read it.
            WardeinError: If it ends, or does not answer in time.
        """
        limits = {"memory": self._limits.memory, "seconds": self._limits.seconds}
        self._say({"name": self._path.name, "allow": list(allow), **limits})
        missing = self._hear(_LOADING_SECONDS).get("missing")
        if not isinstance(missing, list) or not all(isinstance(text, str) for text in missing):
            raise self._nonsense()
        self.missing = tuple(missing)
        # What was tried so far, libraries tried: it waits for this word before it loads the model.
        self._supervision.attempts.clear()
        self._say({})
        facts = self._hear(_LOADING_SECONDS).get("facts")
        if not isinstance(facts, dict):
            raise self._nonsense()
        return facts

    def ask(
        self,
        question: str,
        rows: pd.DataFrame | None = None,
        *,
        named: bool = False,
        seconds: float = _QUESTION_SECONDS,
    ) -> tuple[Mapping[str, Any], list[np.ndarray]]:
        """Ask it something about rows.

        Args:
            question: What.
            rows: The rows, with the model's features and, if ``named``, further columns.
            named: Whether there are further columns.
            seconds: How long the answer may take, if that is less than what is left to it in all.

        Returns:
            What it says, as JSON and as arrays: of any type and shape, and with any content.

        Raises:
            Failed: If it raised an exception.
            WardeinError: If it ends, or does not answer in time.
        """
        said = None if rows is None else exchange.give(self._given, rows, named=named)
        self._say({"do": question, "rows": said})
        reply = self._hear(seconds)
        if "needs" in reply:
            size = reply["needs"]
            if type(size) is not int or not 0 < size <= exchange.MAX_ANSWER:
                raise self._end_with("was ended: it wants to answer with more than 2 GiB at once")
            self._room = max(size, self._room)
            os.ftruncate(self._answers, self._room)
            self._say({})
            reply = self._hear(seconds)
        try:
            return reply, exchange.fetch(self._answers, reply.get("arrays"))
        except ValueError as error:
            raise self._end_with(f"was ended: its answer {error}") from None

    def _start(self) -> None:
        """Hand the model, opened once, and the memory for rows and answers to a new process."""
        self._control, theirs = socket.socketpair()
        channel, notify = socket.socketpair()
        self._supervision = Supervision(channel)
        self._open.callback(self._supervision.close)
        self._open.enter_context(self._control)
        self._given, self._answers = exchange.memory(), exchange.memory()
        for descriptor in (self._given, self._answers):
            self._open.callback(os.close, descriptor)
        os.ftruncate(self._answers, self._room)
        with theirs, notify, self._opened() as model:
            handed = [theirs.fileno(), model.fileno(), self._given, self._answers, notify.fileno()]
            self._libraries, self._number = libraries(os.getpid()), next(NUMBERS)
            self._libraries.tell(HOLD, self._number, handed)

    def _opened(self) -> BinaryIO:
        try:
            return self._path.open("rb")
        except OSError as error:
            raise WardeinError(f"cannot be read ({error.strerror})", where=str(self._path)) from None

    def _say(self, order: Mapping[str, Any]) -> None:
        if self._ended is not None:
            raise self._ended
        if self._heard:
            raise self._nonsense()  # it speaks unasked
        try:
            self._control.settimeout(max(self._left, 0.01))
            self._control.sendall(json.dumps(order).encode() + b"\n")
        except OSError:
            raise self._death() from None

    def _hear(self, seconds: float) -> Mapping[str, Any]:
        """The next line; the time that it takes counts."""
        began = time.monotonic()
        try:
            line = self._line(began + min(seconds, self._left), min(seconds, self._limits.seconds))
        finally:
            self._left -= time.monotonic() - began
        try:
            reply = strict_loads(line)
        except WardeinError:
            raise self._nonsense() from None
        if not isinstance(reply, dict):
            raise self._nonsense()
        if "failure" in reply:
            raise Failed(*(str(reply.get(name, ""))[:400] for name in ("failure", "text", "mend")))
        return reply

    def _line(self, until: float, allowed: float) -> bytes:
        while b"\n" not in self._heard:
            if len(self._heard) > _LONGEST_LINE:
                raise self._end_with("was ended: it answers without end")
            if not self._supervision.wait(self._control.fileno(), until):
                raise self._end_with(f"did not answer within {allowed:g} seconds")
            try:
                read = self._control.recv(_AT_ONCE)
            except OSError:
                read = b""
            if not read:
                raise self._death()
            self._heard += read
        line, _, self._heard = self._heard.partition(b"\n")
        return bytes(line)

    def _nonsense(self) -> WardeinError:
        return self._end_with("was ended: what it answers makes no sense")

    def _end_with(self, what: str) -> WardeinError:
        with suppress(WardeinError):  # by now it is gone
            self._stop(KILL)
        self._ended = self._error(what)
        return self._ended

    def _death(self) -> WardeinError:
        """It ended by itself, or closed its end: how, in words."""
        try:
            code = self._stop(END)
        except WardeinError as error:
            self._ended = error
            return error
        if code >= 0:
            self._ended = self._error(f"ended by itself, with code {code}")
            return self._ended
        name = signal.Signals(-code).name if -code in signal.Signals.__members__.values() else str(-code)
        bounds = f"{self._limits.memory / 1024**3:g} GiB and {self._limits.seconds:g} seconds are allowed"
        why = _IN_WORDS.get(signal.Signals(-code), "") if name.startswith("SIG") else ""
        self._ended = self._error(f"was killed by {name}: {why or 'for a reason that is not known'} ({bounds})")
        return self._ended

    def _error(self, what: str) -> WardeinError:
        return WardeinError(f"the process that holds the model {what}", where=str(self._path))

    def _stop(self, how: bytes) -> int:
        return self._libraries.end(how, self._number)
