# SPDX-License-Identifier: Apache-2.0
"""Asking the kernel for what Python's standard library has no function for."""

from __future__ import annotations

import ctypes
import os

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
_libc = ctypes.CDLL(None, use_errno=True)


def syscall(number: int, *arguments: int | ctypes.Array[ctypes.c_char] | None) -> int:
    """Make a system call.

    Raises:
        OSError: If the kernel says no.
    """
    passed = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *passed))


def prctl(option: int, value: int = 0) -> None:
    """Change something about this process.

    Raises:
        OSError: If the kernel says no.
    """
    _checked(_libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)))


def unshare(flags: int) -> None:
    """Leave the namespaces that are shared with others.

    Raises:
        OSError: If the kernel says no.
    """
    _checked(_libc.unshare(flags))


def drop_capabilities() -> None:
    """Give up every privilege of root, for good.

    Raises:
        OSError: If the kernel says no.
    """
    for capability in range(64):
        # The first number that the kernel does not know is the end of them; without privileges there are none to drop.
        if _libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0) != 0:
            break
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # the third version of the call, for this process
    _checked(_libc.capset(header, (ctypes.c_uint32 * 6)()))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
