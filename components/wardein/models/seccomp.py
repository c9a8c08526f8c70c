# SPDX-License-Identifier: Apache-2.0
"""The filter of system calls: what a process with a model in it asks the kernel for, and is not given.

A forbidden call fails with EPERM. Where the kernel can ask somebody, that answer comes from the process that watches
over this one (:mod:`wardein.models.supervision`), which thereby knows what was tried.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator

from wardein.models.kernel import syscall
from wardein.models.syscalls import LATEST, Calls

# Instructions of the kernel's filter machine: load a word, compare and jump, end with an answer.
_LOAD, _EQUAL, _GREATER, _ANY_BIT, _ANSWER = 0x20, 0x15, 0x25, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_ALLOW, _KILL, _ASK, _FAIL = 0x7FFF0000, 0x80000000, 0x7FC00000, 0x00050000
_FORBIDDEN, _UNKNOWN = _FAIL | errno.EPERM, _FAIL | errno.ENOSYS
_SET_FILTER = 1
_LISTENER = 8

_WRITES = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC | (os.O_TMPFILE & ~os.O_DIRECTORY)
_CLONE_THREAD = 0x10000
# prctl: signal at the parent's end, dumpable, filters, memory layout, who may trace.
_OPTIONS = (1, 4, 22, 35, 0x59616D61)
# ioctl: input for the terminal, its console, and whom signals of a socket go to.
_CONTROLS = (0x5412, 0x541C, 0x8901, 0x8902)
# fcntl: whom signals of a file go to, and which; leases, watches, seals.
_SIGNALLED = (8, 10, 15)
_LEASES = (1024, 1026, 1033)

Instruction = tuple[int, int, int, int]


def install(calls: Calls, *, ask: bool) -> int:
    """Put the filter over this process, for good.

    Args:
        calls: The architecture's system calls.
        ask: Whether a supervisor is to be asked about calls that are told of.

    Returns:
        The descriptor on which the supervisor is asked; -1 if it is not.

    Raises:
        OSError: If the kernel says no.
    """
    program = list(_program(calls, _ASK if ask else _FORBIDDEN))
    if ask:
        return _install(calls, program, _LISTENER)
    _install(calls, program, 0)
    return -1


def seal(calls: Calls) -> None:
    """Forbid what handing over the supervisor's descriptor took: sending descriptors, and further filters.

    Raises:
        OSError: If the kernel says no.
    """
    program = [(_LOAD, 0, 0, _NUMBER)]
    for name in ("sendmsg", "sendmmsg", "seccomp"):
        program += _when(calls.judged[name], [(_ANSWER, 0, 0, _FORBIDDEN)])
    _install(calls, [*program, (_ANSWER, 0, 0, _ALLOW)], 0)


def _install(calls: Calls, program: list[Instruction], flags: int) -> int:
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *instruction) for instruction in program))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    return syscall(calls.judged["seccomp"], _SET_FILTER, flags, head)


def _program(calls: Calls, told: int) -> Iterator[Instruction]:
    yield _LOAD, 0, 0, _ARCHITECTURE
    yield _EQUAL, 1, 0, calls.audit
    yield _ANSWER, 0, 0, _KILL  # calls of another architecture, which have other numbers
    yield _LOAD, 0, 0, _NUMBER
    yield _GREATER, 0, 1, LATEST  # the x32 calls among them
    yield _ANSWER, 0, 0, _UNKNOWN
    judged = calls.judged
    for name in ("clone3", "openat2"):  # their arguments lie in memory, where no filter sees them
        yield from _when(judged[name], [(_ANSWER, 0, 0, _UNKNOWN)])
    yield from _when(judged["open"], _unless_any_bit(1, _WRITES, told))
    yield from _when(judged["openat"], _unless_any_bit(2, _WRITES, told))
    yield from _when(judged["clone"], [_argument(0), (_ANY_BIT, 1, 0, _CLONE_THREAD), *_end(told)])
    yield from _when(judged["tgkill"], [_argument(0), (_EQUAL, 1, 0, os.getpid()), *_end(told)])
    yield from _when(judged["prlimit64"], _unless_pointer(2, told))
    yield from _when(judged["sendto"], _unless_pointer(4, told))
    yield from _when(judged["prctl"], _unless_one_of(0, _OPTIONS, _FORBIDDEN))
    yield from _when(judged["ioctl"], _unless_one_of(1, _CONTROLS, _FORBIDDEN))
    yield from _when(judged["fcntl"], _unless_one_of(1, _LEASES, _FORBIDDEN)[:-1] + _unless_one_of(1, _SIGNALLED, told))
    for number in calls.silent:
        yield from _when(number, [(_ANSWER, 0, 0, _FORBIDDEN)])
    for number in sorted(set(calls.deeds) - set(judged.values())):
        yield from _when(number, [(_ANSWER, 0, 0, told)])
    yield _ANSWER, 0, 0, _ALLOW


def _when(number: int, block: list[Instruction]) -> list[Instruction]:
    """What answers one call; nothing if the architecture has no such call."""
    return [(_EQUAL, 0, len(block), number), *block] if number >= 0 else []


def _argument(index: int, half: int = 0) -> Instruction:
    """Load half of an argument: both architectures are little-endian."""
    return _LOAD, 0, 0, _ARGUMENTS + 8 * index + 4 * half


def _end(answer: int) -> list[Instruction]:
    """An answer, and behind it, where a jump lands, that the call is allowed."""
    return [(_ANSWER, 0, 0, answer), (_ANSWER, 0, 0, _ALLOW)]


def _unless_any_bit(index: int, bits: int, answer: int) -> list[Instruction]:
    return [_argument(index), (_ANY_BIT, 0, 1, bits), *_end(answer)]


def _unless_pointer(index: int, answer: int) -> list[Instruction]:
    """The answer if an argument is not zero, in either half."""
    return [_argument(index), (_EQUAL, 0, 2, 0), _argument(index, 1), (_EQUAL, 1, 0, 0), *_end(answer)]


def _unless_one_of(index: int, values: tuple[int, ...], answer: int) -> list[Instruction]:
    """The answer if the lower half of an argument, which is all that the kernel reads of it, is one of the values."""
    tests = [test for value in values for test in ((_EQUAL, 0, 1, value), (_ANSWER, 0, 0, answer))]
    return [_argument(index), *tests, (_ANSWER, 0, 0, _ALLOW)]
