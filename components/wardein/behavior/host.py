# SPDX-License-Identifier: Apache-2.0
"""The check's side of a guest: starting it, answering what it asks about the model, and ending it in time.

A guest has neither the model, nor a network, nor files beyond those of Python: it gives them up before it is told of
a single row (:mod:`wardein.models.confinement`), and what it tries all the same, the kernel tells. Nothing that it says
is believed.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wardein.behavior import channel
from wardein.errors import WardeinError, printable
from wardein.jsontext import strict_loads
from wardein.models.confinement import ELSEWHERE, NO_FILTER
from wardein.models.supervision import Attempt, Supervision
from wardein.tools.run import Running, started

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.behavior.columns import Columns
    from wardein.models.predictors import Classifier, Regressor

_MEMORY = 4 * 1024**3
_AT_ONCE = 1024**2
_STARTING_SECONDS, _ENDING_SECONDS, _POLL_SECONDS = 120.0, 2.0, 0.01


class OutOfBudget(Exception):
    """A guest asked about more rows than it may."""


@dataclass
class Oracle:
    """What a guest can ask: a model that another process holds.

    Attributes:
        model: What stands for it.
        columns: What the model's columns are, of which a guest knows a plainer form.
        budget: How many rows may be asked about; each of them counts, every time.
        asked: How many were.
        unanswered: How many questions the model had no answer to.
    """

    model: Classifier | Regressor
    columns: Columns
    budget: int
    asked: int = 0
    unanswered: int = 0

    def answer(self, question: Mapping[str, Any], body: bytes) -> bytes:
        """The message that answers a question.

        Raises:
            OutOfBudget: If it is about more rows than are left.
            ValueError: If it makes no sense.
        """
        rows = channel.unpack(question.get("columns"), question.get("rows"), body)
        self.asked += len(rows)
        if self.asked > self.budget:
            raise OutOfBudget
        try:
            numbers = self._numbers(str(question.get("ask")), self.columns.restored(rows))
        except WardeinError as error:
            self.unanswered += 1
            return channel.framed({"failure": str(error)[:400]})
        return channel.framed({"shape": list(numbers.shape)}, numbers.astype("<f8").tobytes())

    def _numbers(self, ask: str, rows: pd.DataFrame) -> np.ndarray:
        """Places among the classes, probabilities, or a regressor's predictions; one row each, and finite."""
        import numpy as np

        from wardein.behavior.views import decided, look

        if ask not in ("predict", "predict_proba", "decided"):
            raise ValueError("asks for something else than predictions")
        seen = look(self.model, rows)
        if ask == "predict":
            return seen.said
        if seen.probabilities is None:
            raise WardeinError("the model gives no probabilities")
        return decided(seen) if ask == "decided" else np.asarray(seen.probabilities)


@dataclass
class Guest:
    """A guest that runs.

    Attributes:
        what: What to call it in an error.
        missing: What the kernel did not give to confine it, in words.
    """

    what: str
    missing: tuple[str, ...]
    _running: Running
    _talk: socket.socket
    _supervision: Supervision
    _until: float
    _seconds: float
    _heard: bytearray = field(default_factory=bytearray)

    @property
    def attempts(self) -> Sequence[Attempt]:
        """What it tried and was refused so far."""
        return sorted(self._supervision.attempts)

    def forget_attempts(self) -> None:
        """What it tried so far, libraries tried while they were imported."""
        self._supervision.attempts.clear()

    def say(self, head: Mapping[str, Any], body: bytes = b"") -> None:
        """Tell it something.

        Raises:
            WardeinError: If it has ended, or does not listen in time.
        """
        self._send(channel.framed(head, body))

    def hear(self, oracle: Oracle | None = None) -> tuple[Mapping[str, Any], bytes]:
        """What it says next that is no question; its questions are answered.

        Raises:
            OutOfBudget: If it asks about more rows than it may.
            WardeinError: If it ends, is too slow, or what it says makes no sense.
        """
        while True:
            head, body = self._message()
            if "ask" not in head or oracle is None:
                return head, body
            try:
                answer = oracle.answer(head, body)
            except ValueError as error:
                raise self.failure(f"asks what makes no sense: it {error}") from None
            self._send(answer)

    def failure(self, what: str) -> WardeinError:
        """What went wrong with it; what it tried and may not do comes first, as it explains the rest."""
        tried = f"{self.attempts[0]}, which it may not, and " if self.attempts else ""
        return WardeinError(f"{tried}{what}", where=self.what)

    def _send(self, message: bytes) -> None:
        self._talk.settimeout(max(self._until - time.monotonic(), 0.01))
        try:
            self._talk.sendall(message)
        except TimeoutError:
            raise self._too_slow() from None
        except OSError:
            raise self._death() from None

    def _message(self) -> tuple[Mapping[str, Any], bytes]:
        if time.monotonic() >= self._until:  # also if it has said more by then
            raise self._too_slow()
        head, body = channel.LENGTHS.unpack(self._exactly(channel.LENGTHS.size))
        if head > channel.MAX_HEAD or body > channel.MAX_BODY:
            raise self.failure("says more than it may at once")
        try:
            said = strict_loads(self._exactly(head))
        except WardeinError:
            raise self.failure("says what makes no sense") from None
        if not isinstance(said, dict):
            raise self.failure("says what makes no sense")
        return said, self._exactly(body)

    def _exactly(self, length: int) -> bytes:
        while len(self._heard) < length:
            if not self._supervision.wait(self._talk.fileno(), self._until):
                raise self._too_slow()
            try:
                read = self._talk.recv(_AT_ONCE)
            except OSError:
                read = b""
            if not read:
                raise self._death()
            self._heard += read
        part = bytes(self._heard[:length])
        del self._heard[:length]
        return part

    def _too_slow(self) -> WardeinError:
        return self.failure(f"did not finish within {self._seconds:g} seconds")

    def _death(self) -> WardeinError:
        until = time.monotonic() + _ENDING_SECONDS  # it hung up; what is left of it ends by itself, or is ended
        ending = os.WEXITED | os.WNOHANG | os.WNOWAIT
        while os.waitid(os.P_PID, self._running.process, ending) is None and time.monotonic() < until:
            self._supervision.wait(self._talk.fileno(), time.monotonic())
            time.sleep(_POLL_SECONDS)
        self._running.end()
        ended = self._running.wait()
        last = (ended.stderr.strip().splitlines() or ["no message"])[-1][:200]
        return self.failure(f"ended by itself, with code {ended.code} ({last})")


@contextmanager
def guest(
    command: Sequence[str | Path],
    what: str,
    seconds: float,
    environment: Mapping[str, str] | None = None,
    mend: str = "",
) -> Iterator[Guest]:
    """Start a guest, which is confined when this returns, and end it with the context.

    Args:
        command: The program and its arguments; the descriptors of the channel and of its supervision are added.
        what: What to call it in an error.
        seconds: How long it may take from here on.
        environment: Variables to add to a scrubbed environment.
        mend: What to do if it does not start.

    Raises:
        WardeinError: If it cannot be started, or cannot be confined on this machine.
    """
    talk, theirs = socket.socketpair()
    watch, notify = socket.socketpair()
    supervision = Supervision(watch)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    try:
        with (
            talk,
            theirs,
            notify,
            started(
                [*command, str(theirs.fileno()), str(notify.fileno()), str(_MEMORY), str(math.ceil(seconds))],
                time_limit=math.inf,
                environment={**threads, "PYTHONHASHSEED": "0", **(environment or {})},
                descriptors=[theirs.fileno(), notify.fileno()],
                what=what,
            ) as running,
        ):
            theirs.close()
            notify.close()
            begun = time.monotonic()
            held = Guest(what, (), running, talk, supervision, begun + _STARTING_SECONDS, _STARTING_SECONDS)
            try:
                missing = held.hear()[0].get("missing")
            except WardeinError as error:
                raise WardeinError(error.what, where=what, mend=mend) from None
            if not isinstance(missing, list) or not all(isinstance(text, str) for text in missing):
                raise held.failure("says what makes no sense")
            if {ELSEWHERE, NO_FILTER} & set(missing):
                raise held.failure(f"cannot be confined on this machine ({'; '.join(missing)})")
            held.missing = tuple(missing)
            held.forget_attempts()
            held._until, held._seconds = time.monotonic() + seconds, seconds
            yield held
    finally:
        supervision.close()


def source_root() -> Path:
    """The folder that the package lies in, for a Python that does not have it."""
    return Path(os.path.abspath(__file__)).parents[2]


def line(text: Any, most: int) -> str:
    """What a guest says, as one printable line of so many characters at most."""
    return printable(" ".join(str(text).split())[:most])
