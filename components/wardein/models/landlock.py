# SPDX-License-Identifier: Apache-2.0
"""Landlock: a process gives up every file but those it names, for reading, and the network."""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

from wardein.models.kernel import syscall

# The same numbers on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
# How many rights there are to deny, by the version of the kernel's Landlock: of files, of TCP, of signals and sockets.
_FILES = {1: 13, 2: 14, 3: 15, 4: 15}
_ALL_FILES, _ALL_TCP, _ALL_SCOPES = 16, 2, 2


def version() -> int:
    """The version of the kernel's Landlock, 0 if it has none or has it switched off."""
    try:
        return syscall(_CREATE_RULESET, None, 0, _VERSION)
    except OSError:
        return 0


def restrict(readable: Iterable[Path]) -> None:
    """Deny this thread, and those that it starts, every file that lies under none of the paths, and TCP.

    What is under the paths can be read, and neither written nor executed. Open files stay open.

    Raises:
        OSError: If the kernel says no.
    """
    known = version()
    files = (1 << _FILES.get(known, _ALL_FILES)) - 1
    tcp = (1 << _ALL_TCP) - 1 if known >= 4 else 0
    scopes = (1 << _ALL_SCOPES) - 1 if known >= 6 else 0
    # A kernel refuses a longer description than it knows, unless the rest of it is zeros.
    denied = ctypes.create_string_buffer(struct.pack("=3Q", files, tcp, scopes), 24)
    rules = syscall(_CREATE_RULESET, denied, len(denied), 0)
    try:
        for path in readable:
            _allow(rules, path)
        syscall(_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no permission
    try:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        rights = _READ_FILE | (_READ_DIR if is_folder else 0)
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, descriptor), 12)
        syscall(_ADD_RULE, rules, _PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)
