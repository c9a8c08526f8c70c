# SPDX-License-Identifier: Apache-2.0
"""A file of lines that only grows: one writer at a time, a line acknowledged only once it is on disk.

What is read is hostile: links and devices are refused, lines and files are bounded, and nothing is held in memory
but the line being read. A line without its line feed was never acknowledged, and is not part of the journal.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wardein.errors import WardeinError
from wardein.subject import open_regular

MAX_LINE = 16 * 1024
MAX_BYTES = 256 * 1024 * 1024
# Whoever may read the file may hold its lock; a writer says so rather than wait for ever.
LOCK_SECONDS = 60.0
_POLL_SECONDS = 0.005


class Tampered(WardeinError):
    """What is there is not what was written: a finding, not a failure to look."""


@dataclass(frozen=True)
class Held:
    """A journal whose lock is held; every figure is about the file that is open, whatever its path names by now."""

    descriptor: int
    path: Path

    def last(self, count: int) -> list[bytes]:
        """The last finished lines, at most ``count``: fewer only if the journal has no more.

        Raises:
            Tampered: If a line is longer than any that is written here.
        """
        size = self.finished_size()
        start = max(0, size - (count + 1) * (MAX_LINE + 1))
        lines = os.pread(self.descriptor, size - start, start).split(b"\n")[:-1]
        whole = lines if start == 0 else lines[1:]
        if len(whole) < count and start > 0:
            raise Tampered(f"a line is longer than {MAX_LINE} bytes", where=f"{self.path} near its end")
        return whole[-count:]

    def first(self) -> bytes:
        """The first line; empty if there is none."""
        return os.pread(self.descriptor, MAX_LINE + 1, 0).partition(b"\n")[0] if self.finished_size() else b""

    def append(self, *lines: bytes) -> None:
        """Add lines, all or none, and return once they are on disk.

        Raises:
            WardeinError: If they cannot be written, for example because the disk is full; none of them is kept then.
        """
        content = b"".join(line + b"\n" for line in lines)
        start = os.fstat(self.descriptor).st_size
        if any(len(line) > MAX_LINE or b"\n" in line for line in lines):
            raise WardeinError(f"an entry is longer than {MAX_LINE} bytes", where=str(self.path), mend="shorten it")
        if start + len(content) > MAX_BYTES:
            mend = "move it to an archive; the next entry starts a new one"
            raise WardeinError(f"would grow beyond {MAX_BYTES} bytes", where=str(self.path), mend=mend)
        try:
            written = 0
            while written < len(content):
                written += os.write(self.descriptor, content[written:])
            os.fsync(self.descriptor)
            if start == 0:
                _sync_folder(self.path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):  # if even this fails, the unfinished line is set aside next time
                os.ftruncate(self.descriptor, start)
            why = f"cannot be written ({error.strerror}); the entry was not added"
            raise WardeinError(why, where=str(self.path), mend="make room and try again") from None
        if not self.is_current():
            raise Tampered("was replaced while it was written to; the entry is not in it", where=str(self.path))

    def is_current(self) -> bool:
        """Whether the path still names the file whose lock is held."""
        try:
            named = os.stat(self.path, follow_symlinks=False)
        except OSError:
            return False
        return os.path.samestat(named, os.fstat(self.descriptor))

    def set_aside_unfinished(self) -> None:
        """Move what a killed writer left without a line feed to a file beside the journal.

        Raises:
            WardeinError: If there is no room for it.
        """
        size, finished = os.fstat(self.descriptor).st_size, self.finished_size()
        if finished == size:
            return
        aside = self.path.with_name(f"{self.path.name}.unfinished")
        try:
            with open(_open(aside, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as file:
                file.write(os.pread(self.descriptor, size - finished, finished) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            os.ftruncate(self.descriptor, finished)
        except OSError as error:
            why = f"an unfinished line cannot be set aside ({error.strerror})"
            raise WardeinError(why, where=str(self.path), mend="make room and try again") from None

    def finished_size(self) -> int:
        """The size up to and with the last line feed.

        Raises:
            WardeinError: If the file is too large.
            Tampered: If what follows is longer than any line that is written here.
        """
        size = _bounded_size(self.descriptor, self.path)
        start = max(0, size - MAX_LINE - 1)
        found = os.pread(self.descriptor, size - start, start).rfind(b"\n")
        if found < 0 and start > 0:
            raise Tampered(f"the last line is longer than {MAX_LINE} bytes", where=str(self.path))
        return start + found + 1


@dataclass(frozen=True)
class Journal:
    """The file; it is made by its first line."""

    path: Path

    def lines(self) -> Iterator[bytes]:
        """The finished lines that are there now; none if there is no file.

        Raises:
            WardeinError: If it is a link, not a regular file, or too large.
            Tampered: Naming a line that is longer than any that is written here.
        """
        if not os.path.lexists(self.path):
            return
        try:
            with open_regular(self.path, str(self.path)) as file:
                left, number = _bounded_size(file.fileno(), self.path), 0
                while left > 0 and (line := file.readline(min(left, MAX_LINE + 1))):
                    left, number = left - len(line), number + 1
                    if line.endswith(b"\n"):
                        yield line[:-1]
                    elif len(line) > MAX_LINE:
                        raise Tampered(f"is longer than {MAX_LINE} bytes", where=f"{self.path} line {number}")
        except OSError as error:
            raise _unreadable(self.path, error) from None

    def unfinished(self) -> int:
        """How many bytes stand after the last finished line.

        Raises:
            WardeinError: As :meth:`lines`.
        """
        with open_regular(self.path, str(self.path)) as file:
            return os.fstat(file.fileno()).st_size - Held(file.fileno(), self.path).finished_size()

    def append(self, line: bytes) -> None:
        """Add one line, durably.

        Raises:
            WardeinError: As :meth:`held` and :meth:`Held.append`.
        """
        with self.held() as held:
            held.append(line)

    @contextmanager
    def held(self) -> Iterator[Held]:
        """Hold the journal's lock, with whatever a killed writer left unfinished set aside.

        Raises:
            WardeinError: If it is a link, is not a regular file, has a second name, cannot be opened, or stays locked.
        """
        with self._locked(os.O_RDWR | os.O_CREAT | os.O_APPEND, fcntl.LOCK_EX) as held:
            held.set_aside_unfinished()
            yield held

    @contextmanager
    def still(self) -> Iterator[None]:
        """Keep writers out while reading, with what they wrote on disk.

        Raises:
            WardeinError: As :meth:`held`.
        """
        with self._locked(os.O_RDONLY, fcntl.LOCK_SH) as held:
            os.fsync(held.descriptor)
            yield

    @contextmanager
    def _locked(self, flags: int, kind: int) -> Iterator[Held]:
        deadline = time.monotonic() + LOCK_SECONDS
        while time.monotonic() < deadline:
            descriptor = _open(self.path, flags)
            try:
                _lock(descriptor, kind, deadline, self.path)
                held = Held(descriptor, self.path)
                if held.is_current():  # else it was replaced between opening and locking: look again
                    yield held
                    return
            except OSError as error:
                raise _unreadable(self.path, error) from None
            finally:
                os.close(descriptor)
        raise Tampered(f"was replaced again and again for {LOCK_SECONDS:g} seconds", where=str(self.path))


def _open(path: Path, flags: int, mode: int = 0o644) -> int:
    """Open a regular file that has one name only; an append through a second name would change another file."""
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    except OSError as error:
        why = "is a symbolic link" if path.is_symlink() else f"cannot be opened ({error.strerror})"
        raise WardeinError(why, where=str(path), mend="give a regular file that can be written to") from None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(descriptor)
        why = "has a second name (a hard link)" if stat.S_ISREG(found.st_mode) else "is not a regular file"
        raise WardeinError(why, where=str(path), mend="give a regular file of its own")
    return descriptor


def _bounded_size(descriptor: int, path: Path) -> int:
    size = os.fstat(descriptor).st_size
    if size > MAX_BYTES:
        raise WardeinError(f"is larger than {MAX_BYTES} bytes", where=str(path), mend="it was not written here")
    return size


def _unreadable(path: Path, error: OSError) -> WardeinError:
    return WardeinError(f"cannot be read or written ({error.strerror})", where=str(path))


def _lock(descriptor: int, kind: int, deadline: float, path: Path) -> None:
    while True:
        try:
            return fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                mend = "find out who holds it (lsof), and try again"
                raise WardeinError(f"stayed locked for {LOCK_SECONDS:g} seconds", where=str(path), mend=mend) from None
            time.sleep(_POLL_SECONDS)


def _sync_folder(folder: Path) -> None:
    """Put a new file's name on disk as well."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
