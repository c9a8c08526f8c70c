# SPDX-License-Identifier: Apache-2.0
"""What a process gives up before it reads a model, so that whatever the model does stays within it.

Several layers, each of which holds without the others: limits of the process, namespaces, privileges, Landlock (files
and network), and a filter of system calls. Whatever the kernel does not give is said in words.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import socket
import sys
import sysconfig
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wardein.models import kernel, landlock, seccomp
from wardein.models.syscalls import calls

NO_NAMESPACE = "no network namespace: the network is closed by the filter of system calls alone"
NO_LANDLOCK = "no Landlock: files that this user may read can be read"
NO_FILTER = "no filter of system calls: processes can be started and files written"
NO_SUPERVISOR = "no supervised filter of system calls: what is forbidden fails, and nobody is told"
ELSEWHERE = "no Linux: nothing but memory and time is limited"
# Where one of these is missing, nobody knows what a model attempts.
UNWATCHED = (NO_FILTER, NO_SUPERVISOR, ELSEWHERE)
_NEW_USER, _NEW_OTHERS = 0x10000000, 0x40000000 | 0x08000000 | 0x04000000  # network, IPC and names
_MAX_DESCRIPTORS, _MAX_THREADS = 256, 1024
# What Python and numerical libraries read beside their own folders.
_SYSTEM = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/dev/null",
    "/dev/zero",
    "/dev/urandom",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/sys/fs/cgroup",
    "/sys/kernel/mm/transparent_hugepage",
)


@dataclass(frozen=True)
class Limits:
    """What a model may take.

    Attributes:
        memory: Bytes of address space on top of what the process has when it is confined.
        seconds: Seconds of processor time from then on, for each core that it may use; the kernel ends what takes more.
    """

    memory: int = 8 * 1024**3
    seconds: int = 300


def confine(limits: Limits, readable: Sequence[Path] = (), notify: socket.socket | None = None) -> tuple[str, ...]:
    """Give up, for good, whatever loading a model and asking it for predictions does not take.

    Network, programs, processes (threads may be started), writing files, reading those that are neither libraries nor
    ``readable``, other processes, and the process's own limits; open files stay open. To be called when the libraries
    are imported, before the first byte of the model is read and before any thread is started.

    Args:
        limits: What the model may take.
        readable: Files and folders that can still be opened for reading.
        notify: The other end of the supervisor's channel: it is told which forbidden calls were tried. It is closed.

    Returns:
        What the kernel did not give, in words.

    Raises:
        RuntimeError: If threads are running: what a thread gives up, those beside it keep.
    """
    linux = sys.platform == "linux"
    if linux and len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("cannot be confined: threads are running already")
    missing = _enclose(readable) if linux else [ELSEWHERE]
    _limit(limits, alone=linux and NO_NAMESPACE not in missing)
    missing += _filter(notify) if linux else []
    if notify is not None:
        notify.close()
    return tuple(missing)


def libraries() -> list[Path]:
    """The folders that Python and its packages are read from."""
    installed = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    # Beside the standard library lie the shared libraries that an environment brings along.
    beside = [Path(sysconfig.get_path("stdlib")).parent, Path(__file__).parents[1]]
    return [*beside, *(Path(folder) for folder in [*installed, *sys.path] if folder)]


def _enclose(readable: Sequence[Path]) -> list[str]:
    """Give up the network, every privilege, and every file but the libraries and ``readable``; what was not given."""
    missing = []
    if not _leave_namespaces():
        missing.append(NO_NAMESPACE)
    kernel.drop_capabilities()
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)  # after what resets it: a change of privileges
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)  # neither a core dump nor a debugger gets at the rows
    if landlock.version():
        landlock.restrict([*map(Path, _SYSTEM), *libraries(), *readable])
    else:
        missing.append(NO_LANDLOCK)
    return missing


def _leave_namespaces() -> bool:
    """Whether there is a network of its own now; with the user namespace, which anybody may have, or as root."""
    for flags in (_NEW_USER | _NEW_OTHERS, _NEW_OTHERS):
        try:
            kernel.unshare(flags)
            return True
        except OSError:
            continue
    return False


def _limit(limits: Limits, *, alone: bool) -> None:
    """Set the limits of the process; that of threads only if it is alone in its user namespace."""
    statm = Path("/proc/self/statm")
    taken = int(statm.read_text().split()[0]) * resource.getpagesize() if statm.exists() else 0
    bounds = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: _MAX_DESCRIPTORS,
        resource.RLIMIT_CPU: math.ceil(time.process_time()) + limits.seconds * _cores(),
        resource.RLIMIT_AS: taken + limits.memory,
    }
    if alone:  # elsewhere all threads of the user count, in whatever process
        bounds[resource.RLIMIT_NPROC] = _MAX_THREADS
    for kind, bound in bounds.items():
        hard = resource.getrlimit(kind)[1]
        most = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(kind, (most, most))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _filter(notify: socket.socket | None) -> list[str]:
    known = calls()
    if known is None:
        return [NO_FILTER]
    listener, missing = -1, []
    try:
        listener = seccomp.install(known, ask=notify is not None)
    except OSError:
        try:
            seccomp.install(known, ask=False)
        except OSError:
            return [NO_FILTER]
    if notify is None or listener < 0:
        missing.append(NO_SUPERVISOR)
    else:
        try:
            socket.send_fds(notify, [b"\n"], [listener])
        finally:  # whoever holds it gives the answers
            os.close(listener)
    seccomp.seal(known)
    return missing
