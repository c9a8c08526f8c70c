# SPDX-License-Identifier: Apache-2.0
"""How a guest begins: it gives up what it may not have, before it is told of a single row."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from wardein.behavior import channel
from wardein.models.confinement import Limits, confine

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def enter(arguments: Sequence[str]) -> socket.socket:
    """Go on in a copy of this process, confined for good; what it needs is imported by now.

    Some libraries start threads when they are imported, and what a thread gives up, those beside it keep: a copy has
    none but its own.

    Args:
        arguments: The descriptors of the channel and of its supervision, bytes of memory, seconds of processor time.

    Returns:
        The channel to the check.
    """
    talk, notify, memory, seconds = map(int, arguments)
    nothing = os.open(os.devnull, os.O_RDWR)
    process = os.fork()
    if process:
        os.close(talk)  # else nobody would see that the copy hung up
        os.close(notify)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        os._exit(code if code >= 0 else 128 - code)
    host = socket.socket(fileno=talk)
    missing = confine(Limits(memory, seconds), (), socket.socket(fileno=notify))
    for stream in (0, 1, 2):  # whatever a guest prints from now on, nobody reads
        os.dup2(nothing, stream)
    host.sendall(channel.framed({"missing": list(missing)}))
    return host


def asking(host: socket.socket) -> Callable[[str, pd.DataFrame], np.ndarray]:
    """A function that asks the check what the model says of rows."""

    def ask(what: str, rows: pd.DataFrame) -> np.ndarray:
        columns, body = channel.pack(rows)
        if len(body) > channel.MAX_BODY:
            raise ValueError("these are too many rows for one question: ask about fewer at once")
        host.sendall(channel.framed({"ask": what, "rows": len(rows), "columns": columns}, body))
        said, numbers = channel.receive(host)
        if "failure" in said:
            raise RuntimeError(said["failure"])
        return channel.numbers(said["shape"], numbers)

    return ask


def said_of(error: BaseException) -> dict[str, Any]:
    """An exception, as a message tells it."""
    return {"failure": type(error).__name__, "text": " ".join(str(error).split())[:300]}
