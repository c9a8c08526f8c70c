# SPDX-License-Identifier: Apache-2.0
"""The processes that hold models: without keys, labels and evidence, without network, and with nothing to write to.

Run as ``python -I -B -m wardein.models.child DESCRIPTOR``. This process imports what models are made of, which takes
most of the time, and never sees a model. For each one it makes a copy of itself, which gives up what it does not need
(:mod:`wardein.models.confinement`), reads that one model, and answers questions about rows until it is told to stop.

What is asked comes from the process of the check, and is trusted. What is answered is a line of JSON, and arrays of
numbers in memory that both have open (:mod:`wardein.models.exchange`); the other side believes none of it unseen.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import signal
import socket
import struct
import sys
import time
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wardein.models.container import Refused

if TYPE_CHECKING:
    from wardein.models.held import Held

# What the process of the check says to the one that makes the copies: what to do, and the number of the copy.
ORDER = struct.Struct("<cI")
ENDED = struct.Struct("<i")
HOLD, END, KILL = b"H", b"E", b"K"
# What comes with HOLD: where to talk, the model, where rows come, where answers go, and where what it tries is told.
HANDED = 5
_GRACE_SECONDS, _POLL_SECONDS = 2.0, 0.005
_LONGEST_TEXT = 400


def main(descriptor: int) -> int:
    """Make a copy for each model, and say of each how it ended; until nobody asks any more."""
    control = socket.socket(fileno=descriptor)
    _import()
    copies: dict[int, int] = {}
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, ORDER.size, HANDED)
        if len(message) < ORDER.size:
            break
        what, number = ORDER.unpack(message)
        if what == HOLD:
            copies[number] = _copy(control, descriptors)
        else:
            control.sendall(ENDED.pack(_end(copies.pop(number), _GRACE_SECONDS if what == END else 0)))
    for process in copies.values():
        _end(process, 0)
    return 0


def _import() -> None:
    """Most of what models are made of, so that no copy has to."""
    warnings.simplefilter("ignore")
    import joblib
    import pandas  # noqa: F401
    import sklearn.pipeline  # noqa: F401
    import skops.io  # noqa: F401

    import wardein.models.held
    import wardein.models.indices
    import wardein.models.reading  # noqa: F401
    from wardein.modelfiles.allowlist import audited
    from wardein.modelfiles.formats import formats

    audited()
    formats()
    joblib.cpu_count(only_physical_cores=True)  # runs a program, once; a copy could not, and would be told of it
    gc.freeze()  # what is here to stay is neither looked through nor copied in every copy


def _copy(control: socket.socket, descriptors: list[int]) -> int:
    process = os.fork()
    if process:
        for descriptor in descriptors:
            os.close(descriptor)
        return process
    code = 1
    try:
        control.close()
        hold(descriptors)
        code = 0
    finally:
        os._exit(code)


def _end(process: int, grace: float) -> int:
    """Wait for a copy's end, not longer than it is given; its exit code, negative for a signal."""
    until = time.monotonic() + grace
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= until:
            os.kill(process, signal.SIGKILL)
            return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        time.sleep(_POLL_SECONDS)


def hold(descriptors: list[int]) -> None:
    """Read one model and answer for it."""
    from wardein.models.confinement import Limits, confine
    from wardein.models.held import Held
    from wardein.models.natives import prepare
    from wardein.models.reading import examined, read

    talk, model, given, answers, supervised = descriptors
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # whatever a model prints, nobody reads
        os.dup2(nothing, stream)
    warnings.simplefilter("ignore")
    with socket.socket(fileno=talk) as control, control.makefile("rb") as lines:
        order = json.loads(lines.readline())
        try:
            content, kind = examined(model, order["name"], order["allow"])
            missing = confine(Limits(order["memory"], order["seconds"]), (), socket.socket(fileno=supervised))
            prepare(kind, confined=True)
            _say(control, {"missing": missing})
            lines.readline()  # from now on, what is tried is the model's doing
            held = Held(read(content, kind, order["allow"]), kind, vouched=bool(order["allow"]))
            reply = {"facts": held.facts()}
        except BaseException as error:  # whatever a broken or hostile file raises is a refusal
            _say(control, _failure(error))
            return
        _say(control, reply)
        _Desk(control, given, answers, held).serve(lines)


class _Desk:
    """Where questions come in and answers go out."""

    def __init__(self, control: socket.socket, given: int, answers: int, held: Held) -> None:
        from wardein.models.exchange import Inbox

        self._control, self._inbox, self._answers, self._held = control, Inbox(given), answers, held
        self._room = mmap.mmap(answers, os.fstat(answers).st_size)

    def serve(self, lines: Any) -> None:
        """Answer until the other side hangs up."""
        for line in lines:
            question = json.loads(line)
            try:
                reply = self._answer(question, lines)
            except BaseException as error:  # an estimator can raise anything on rows that it was not fitted for
                reply = _failure(error)
            _say(self._control, reply)

    def _answer(self, question: Mapping[str, Any], lines: Any) -> dict[str, Any]:
        from wardein.models.exchange import lay_out, put

        said = question["rows"]
        rows = None if said is None else self._inbox.take(said, self._held.columns)
        reply, arrays = self._held.answer(question["do"], rows)
        described, size = lay_out(arrays)
        if size > len(self._room):  # only the other side can make room
            _say(self._control, {"needs": size})
            lines.readline()
            self._room = mmap.mmap(self._answers, os.fstat(self._answers).st_size)
        put(self._room, arrays, described)
        return {**reply, "arrays": described}


def _say(control: socket.socket, reply: Mapping[str, Any]) -> None:
    control.sendall(json.dumps(reply).encode() + b"\n")


def _failure(error: BaseException) -> dict[str, Any]:
    text = "it takes more than it may" if isinstance(error, MemoryError) else " ".join(str(error).split())
    kind = "Refused" if isinstance(error, Refused) else type(error).__name__
    return {"failure": kind, "text": text[:_LONGEST_TEXT], "mend": getattr(error, "mend", "")[:_LONGEST_TEXT]}


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
