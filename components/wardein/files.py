# SPDX-License-Identifier: Apache-2.0
"""Writing files whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from wardein.errors import UsageError


def write_whole(path: Path, content: bytes) -> None:
    """Write through a temporary file in the same folder, flushed to disk, then renamed.

    Raises:
        UsageError: If the folder does not exist or cannot be written to.
    """
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise UsageError(
            f"cannot be written ({error.strerror})",
            where=str(path),
            mend="give a path in a folder that exists and is writable",
        ) from None
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise UsageError(f"cannot be written ({error.strerror})", where=str(path)) from None
        raise


def deliver(source: Path, target: Path) -> None:
    """Give a finished file its place: copied beside the target under an unforeseeable name, flushed, then renamed.

    Raises:
        UsageError: If the target's folder cannot be written to.
    """
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with open(source, "rb") as finished, open(descriptor, "wb") as file:
            shutil.copyfileobj(finished, file, 1024 * 1024)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except BaseException as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise UsageError(f"cannot be written ({error.strerror})", where=str(target)) from None
        raise


def check_writable(path: Path) -> None:
    """Find out before hours of work, not after, that an output cannot be written.

    Raises:
        UsageError: If the path is a folder, or its folder does not exist or cannot be written to.
    """
    if path.is_dir():
        raise UsageError("is a folder", where=str(path), mend="give a file to write")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise UsageError(
            "its folder does not exist or cannot be written to", where=str(path), mend="create the folder first"
        )
