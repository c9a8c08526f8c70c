# SPDX-License-Identifier: Apache-2.0
"""The one hasher: each byte of a file is read once, by as many threads as help, and copied on the way where asked.

What is hashed is what is copied: both take the same bytes out of the same buffer. A file that changes while it is read
has no digest, and neither has one that is not a regular file.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BufferedReader

from wardein.errors import WardeinError

# As much as fits into a core's own cache: larger buffers are slower, smaller ones are more system calls.
_BLOCK = 256 * 1024
# From this size on, one file is read (and written) by one thread and hashed by another.
_LARGE = 32 * 1024 * 1024
# Fewer bytes than this are hashed sooner than a thread is started.
_SMALL = 2 * 1024 * 1024
# Above this size, a file of which less than one part in so many is stored is refused: it costs its maker nothing.
_MOST_HOLLOW, _HOLLOW_PARTS = 1024**3, 64


@dataclass(frozen=True)
class HashedFile:
    """One regular file below a folder.

    Attributes:
        path: Its relative POSIX path; for a file by itself, its name.
        digest: Its sha256.
        bytes: Its size.
        executable: Whether anybody may execute it.
        loose: Whether others than its owner may write to it, or its mode is set-user-ID, set-group-ID or sticky.
    """

    path: str
    digest: str
    bytes: int
    executable: bool = False
    loose: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Reading:
    """A file to be hashed.

    Attributes:
        name: What it is called in the result and in messages.
        path: Where it lies.
        size: How large it is expected to be, so that the largest come first.
        target: Where to copy it to, as a file that is not there yet; empty for nowhere.
        follow: Whether the path may be a symbolic link.
    """

    name: str
    path: str
    size: int = 0
    target: str = ""
    follow: bool = False


def hash_all(readings: Sequence[Reading]) -> list[HashedFile]:
    """Hash, and copy, many files: in parallel, the largest first, each by one thread.

    Raises:
        WardeinError: For the first of them, in the order given, that cannot be read faithfully.
        OSError: If a copy cannot be written.
    """
    threads = min(len(readings), _cores())
    if threads < 2 or sum(reading.size for reading in readings) < _SMALL:
        return [_hash(reading, threading.Event(), _cores() > 1) for reading in readings]
    order = iter(sorted(range(len(readings)), key=lambda number: readings[number].size, reverse=True))
    done: list[HashedFile | BaseException | None] = [None] * len(readings)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set() and (number := next(order, None)) is not None:
            try:
                done[number] = _hash(readings[number], stop, len(readings) < _cores())
            except BaseException as error:  # it is raised again below, in the thread that asked
                done[number] = error

    workers = [threading.Thread(target=work, name="wardein-hash", daemon=True) for _ in range(threads)]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        stop.set()  # a time limit strikes in the thread that waits
        for worker in workers:
            if worker.ident is not None:
                worker.join()
    return [_checked(result) for result in done]


def open_regular(path: str | os.PathLike[str], shown: str, *, follow: bool = False) -> BufferedReader:
    """Open a regular file for reading; what could block or be something else than bytes is refused.

    Raises:
        WardeinError: If it is missing, a symbolic link (unless ``follow``), or not a regular file.
    """
    return open(_opened(os.fspath(path), shown, follow), "rb")


def _opened(path: str, shown: str, follow: bool) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    except FileNotFoundError:
        raise WardeinError("does not exist", where=path, mend="check the path") from None
    except OSError as error:
        why = "is a symbolic link" if os.path.islink(path) else f"cannot be opened ({error.strerror})"
        mend = "let this user read it" if isinstance(error, PermissionError) else "give the regular file itself"
        raise WardeinError(why, where=shown, mend=mend) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise WardeinError("is not a regular file", where=shown, mend="give the regular file itself")
    return descriptor


def _hash(reading: Reading, stop: threading.Event, spare: bool) -> HashedFile:
    source = _opened(reading.path, reading.name, reading.follow)
    try:
        before = os.fstat(source)
        executable, loose = bool(before.st_mode & 0o111), bool(before.st_mode & 0o7022)
        if _is_hollow(source, before):
            mend = "give the file itself, not a placeholder of its size"
            raise WardeinError("holds almost nothing for its size", where=reading.name, mend=mend)
        target = _created(reading.target, executable) if reading.target else -1
        try:
            digest = hashlib.sha256()
            apart = before.st_size >= _LARGE and (spare or target >= 0)
            move = _move_apart if apart else _move
            size = move(_Passage(source, target, before.st_size, reading.name, stop), digest.update)
        finally:
            if target >= 0:
                os.close(target)
        after = os.fstat(source)
    finally:
        os.close(source)
    if size != after.st_size or _state(before) != _state(after):
        raise WardeinError("changed while it was read", where=reading.name, mend="run again once nobody writes to it")
    return HashedFile(reading.name, digest.hexdigest(), size, executable, loose)


def _is_hollow(source: int, found: os.stat_result) -> bool:
    """Whether almost all of a large file are holes; where storage cannot tell, it is taken to have none."""
    size, data, at = found.st_size, 0, 0
    if size <= _MOST_HOLLOW or found.st_blocks * 512 * _HOLLOW_PARTS >= size or not hasattr(os, "SEEK_DATA"):
        return False
    try:
        while data * _HOLLOW_PARTS < size:
            start = os.lseek(source, at, os.SEEK_DATA)
            at = os.lseek(source, start, os.SEEK_HOLE)
            data += at - start
        return False
    except OSError as error:
        return error.errno == errno.ENXIO  # there is no more data
    finally:
        os.lseek(source, 0, os.SEEK_SET)


@dataclass(frozen=True)
class _Passage:
    """From where to where bytes go, how many, and what ends it early."""

    source: int
    target: int
    size: int
    name: str
    stop: threading.Event

    def fill(self, buffer: memoryview) -> int:
        if self.stop.is_set():
            raise WardeinError("was not read to its end", where=self.name)
        try:
            return os.readv(self.source, [buffer])
        except OSError as error:
            raise WardeinError(f"cannot be read ({error.strerror})", where=self.name) from None

    def write(self, content: memoryview) -> None:
        while self.target >= 0 and len(content):
            content = content[os.write(self.target, content) :]


def _move(passage: _Passage, take: Callable[[memoryview], None]) -> int:
    buffer, moved = memoryview(bytearray(min(_BLOCK, max(passage.size, 1)))), 0
    while moved < passage.size and (count := passage.fill(buffer)):
        take(buffer[:count])
        passage.write(buffer[:count])
        moved += count
    if not passage.size and passage.fill(buffer):
        raise WardeinError("says that it is empty, and is not", where=passage.name, mend="copy it to a plain file")
    return moved


def _move_apart(passage: _Passage, take: Callable[[memoryview], None]) -> int:
    """As :func:`_move`, with the hashing in a thread of its own; a buffer is filled again once it was hashed."""
    buffers, moved = [memoryview(bytearray(4 * _BLOCK)) for _ in range(3)], 0
    hashing: list[Future[None]] = []
    with ThreadPoolExecutor(1, thread_name_prefix="wardein-hash") as hasher:
        while moved < passage.size:
            turn = len(hashing)
            if turn >= len(buffers):
                hashing[turn - len(buffers)].result()
            buffer = buffers[turn % len(buffers)]
            count = passage.fill(buffer)
            if not count:
                break
            hashing.append(hasher.submit(take, buffer[:count]))
            passage.write(buffer[:count])
            moved += count
    for future in hashing[-len(buffers) :]:
        future.result()
    return moved


def _created(target: str, executable: bool) -> int:
    return os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o777 if executable else 0o666)


def _state(found: os.stat_result) -> tuple[int, ...]:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _checked(result: HashedFile | BaseException | None) -> HashedFile:
    if isinstance(result, HashedFile):
        return result
    raise result or WardeinError("was not hashed")
