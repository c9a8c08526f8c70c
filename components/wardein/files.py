# SPDX-License-Identifier: Apache-2.0
"""Writing files whole or not at all."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from wardein.errors import UsageError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        UsageError: If the folder does not exist or cannot be written to.
    """
    with _replacing(path) as file:
        file.write(content)


def deliver(source: Path, target: Path) -> None:
    """Give a finished file its place, by copying it there whole or not at all.

    Raises:
        UsageError: If the target's folder does not exist or cannot be written to.
    """
    with _replacing(target) as file, open(source, "rb") as finished:
        shutil.copyfileobj(finished, file, 1024 * 1024)


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A temporary file beside the target, under an unforeseeable name; once written, flushed to disk and renamed."""
    _check_replaceable(path)
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        mend = "give a path in a folder that exists and is writable"
        raise UsageError(f"cannot be written ({error.strerror})", where=str(path), mend=mend) from None
    try:
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise UsageError(f"cannot be written ({error.strerror})", where=str(path)) from None
        raise


def check_writable(path: Path) -> None:
    """Find out before hours of work, not after, that an output cannot be written.

    Raises:
        UsageError: If the path is a folder, a link or a device, or its folder does not exist or cannot be written to.
    """
    if path.is_dir():
        raise UsageError("is a folder", where=str(path), mend="give a file to write")
    _check_replaceable(path)
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise UsageError(
            "its folder does not exist or cannot be written to", where=str(path), mend="create the folder first"
        )


def _check_replaceable(path: Path) -> None:
    """A rename would put a file in the place of a device, a pipe or a link that others use."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return  # there is nothing; what else is wrong is told by whoever writes
    if not stat.S_ISREG(mode):
        what = "is a symbolic link" if stat.S_ISLNK(mode) else "is not a regular file"
        raise UsageError(f"{what}, which would be replaced", where=str(path), mend="give a file to write")


@contextmanager
def landing(folder: Path) -> Iterator[Path]:
    """A private place inside a folder, from which a rename puts things in place; nothing is left of it.

    The folder is made if it does not exist, and removed again if nothing came to lie in it.

    Raises:
        UsageError: If the folder cannot be made or written to.
    """
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder, prefix=".incoming-"))
    except OSError as error:
        raise UsageError(f"cannot be written to ({error.strerror})", where=str(folder)) from None
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if is_new:
            with suppress(OSError):  # something came to lie in it
                folder.rmdir()
