# SPDX-License-Identifier: Apache-2.0
"""The one way to run a program: no shell, empty working directory, scrubbed environment, bounded time."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from wardein.errors import WardeinError
from wardein.subject import hash_file

MAX_OUTPUT = 256 * 1024 * 1024
_KEPT = ("LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR")
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Program:
    """A program on this machine: its absolute path and the sha256 of its file."""

    name: str
    path: Path
    sha256: str


@dataclass(frozen=True)
class Ended:
    """How a program ended, and what it printed. An exit code is a hint; coverage decides."""

    code: int
    stdout: bytes
    stderr: str


def find(name: str, *, variable: str, candidates: Sequence[Path] = (), mend: str) -> Program:
    """Find a program: an explicit setting first, then PATH, then the candidates.

    Args:
        name: The program's name.
        variable: The environment variable that may hold its absolute path.
        candidates: Further places, for example where a wheel puts it.
        mend: The exact command that installs it.

    Raises:
        WardeinError: If there is none, or the setting names a file that is not there.
    """
    setting = os.environ.get(variable)
    if setting:
        path = Path(setting)
        if not path.is_absolute() or not _is_program(path):
            raise WardeinError(
                f"{setting} is not the absolute path of a program",
                where=variable,
                mend=f"set it to the path of {name}, or unset it",
            )
        return _program(name, path)
    found = shutil.which(name)
    for path in [Path(found)] if found else list(candidates):
        if _is_program(path):
            return _program(name, path)
    raise WardeinError(f"needs the program {name!r}, which is not installed", mend=mend)


class Running:
    """A program that was started. Whoever waits for one keeps watch over all of them."""

    def __init__(
        self, process: subprocess.Popen[bytes], outputs: Sequence[IO[bytes]], time_limit: float, what: str
    ) -> None:
        self._process, self._outputs, self._time_limit, self._what = process, outputs, time_limit, what
        self._deadline = time.monotonic() + time_limit
        self._code: int | None = None
        self._failure: WardeinError | None = None

    @property
    def process(self) -> int:
        """The number of its process."""
        return self._process.pid

    def wait(self) -> Ended:
        """Wait for its end, and not longer than it stays within its bounds.

        Raises:
            WardeinError: If it ran out of time or printed more than 256 MiB.
        """
        while True:
            for running in _RUNNING:
                running._watch()
            if self._failure is not None:
                raise self._failure
            if self._code is not None:
                out, err = (_read(output) for output in self._outputs)
                return Ended(self._code, out, err.decode("utf-8", "replace"))
            left = self._deadline - time.monotonic()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=max(min(left, _POLL_SECONDS), 0))

    def end(self) -> None:
        """Kill whatever is left of its process group, so that no grandchild outlives the step."""
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._code = self._process.wait()

    def _watch(self) -> None:
        """End it if it has ended or left its bounds."""
        if self._code is not None:
            return
        has_ended = self._process.poll() is not None
        if max(os.fstat(output.fileno()).st_size for output in self._outputs) > MAX_OUTPUT:
            self._failure = WardeinError(f"printed more than {MAX_OUTPUT} bytes", where=self._what)
        elif not has_ended and time.monotonic() >= self._deadline:
            self._failure = WardeinError(
                f"did not finish within {self._time_limit:g} seconds",
                where=self._what,
                mend="allow more time or give less to examine",
            )
        if has_ended or self._failure is not None:
            self.end()


_RUNNING: list[Running] = []


def run(
    command: Sequence[str | Path],
    *,
    time_limit: float,
    environment: Mapping[str, str] | None = None,
    memory_limit: int = 0,
    what: str = "",
) -> Ended:
    """Run a program to its end.

    Args:
        command: The program's absolute path and its arguments; no shell reads them. Paths must be absolute.
        time_limit: Seconds after which its whole process group is killed.
        environment: Variables to add to a scrubbed environment.
        memory_limit: Address space in bytes, 0 for none.
        what: What to call it in an error.

    Raises:
        WardeinError: If it cannot be started, runs out of time, or prints more than 256 MiB.
    """
    with started(
        command, time_limit=time_limit, environment=environment, memory_limit=memory_limit, what=what
    ) as running:
        return running.wait()


@contextlib.contextmanager
def started(
    command: Sequence[str | Path],
    *,
    time_limit: float,
    environment: Mapping[str, str] | None = None,
    memory_limit: int = 0,
    descriptors: Sequence[int] = (),
    what: str = "",
) -> Iterator[Running]:
    """Start a program, so that others can run beside it; at the end of the context it is killed if it still runs.

    Its time counts from its start. ``descriptors`` are open files that it inherits, under the same numbers; the other
    arguments are as for :func:`run`. Not to be called from threads.

    Raises:
        WardeinError: If it cannot be started.
    """
    what = what or Path(command[0]).name
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if memory_limit:
            resource.setrlimit(resource.RLIMIT_AS, (memory_limit, memory_limit))

    with (
        tempfile.TemporaryDirectory(prefix="wardein-", ignore_cleanup_errors=True) as folder,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        # What a program that is killed leaves behind goes with the folder; its working directory stays empty.
        empty, home = Path(folder, "empty"), Path(folder, "home")
        empty.mkdir()
        home.mkdir()
        scrubbed = kept | {"PATH": os.defpath, "HOME": str(home), "TMPDIR": str(home), **(environment or {})}
        try:
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=empty,
                env=scrubbed,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                pass_fds=descriptors,
                preexec_fn=limit,  # noqa: PLW1509 - sets limits only, and the parent runs no threads of its own
            )
        except OSError as error:
            raise WardeinError(f"cannot be started ({error.strerror})", where=what) from None
        running = Running(process, (out, err), time_limit, what)
        _RUNNING.append(running)
        try:
            yield running
        finally:
            _RUNNING.remove(running)
            running.end()


def _read(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read(MAX_OUTPUT)


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _program(name: str, path: Path) -> Program:
    real = path.resolve()
    return Program(name, real, hash_file(real).digest)
