# SPDX-License-Identifier: Apache-2.0
"""The system calls that a process with a model in it has no use for, by what whoever makes them is up to.

Numbers are those of the kernel's tables, which never change: ``asm/unistd_64.h`` of x86-64, and of aarch64 the generic
``asm-generic/unistd.h``; ``-`` where an architecture has no such call.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import cache

# Later calls than these two tables know are answered as if the kernel lacked them, for which libraries are prepared.
LATEST = 450
# What stands for a process of the model's own: no library makes these calls while it loads or predicts, so that one
# who does is told of.
_DEEDS = """
start a program: execve 59 221, execveat 322 281
start a process: fork 57 -, vfork 58 -
open a network connection: socket 41 198, connect 42 203, bind 49 200, listen 50 201, accept 43 202, accept4 288 242
write a file: creat 85 -, truncate 76 45, ftruncate 77 46, fallocate 285 47
change files: unlink 87 -, unlinkat 263 35, rename 82 -, renameat 264 38, renameat2 316 276, mkdir 83 -
change files: mkdirat 258 34, rmdir 84 -, link 86 -, linkat 265 37, symlink 88 -, symlinkat 266 36, mknod 133 -
change files: mknodat 259 33, chmod 90 -, fchmod 91 52, fchmodat 268 53, chown 92 -, fchown 93 55, lchown 94 -
change files: fchownat 260 54, utime 132 -, utimes 235 -, utimensat 280 88, futimesat 261 -, setxattr 188 5
change files: lsetxattr 189 6, fsetxattr 190 7, removexattr 197 14, lremovexattr 198 15, fremovexattr 199 16
stop another process: kill 62 129, tkill 200 130, rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240
stop another process: pidfd_send_signal 424 424
look into another process: ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271, pidfd_open 434 434
look into another process: pidfd_getfd 438 438, kcmp 312 272, process_madvise 440 440, process_mrelease 448 448
look into another process: perf_event_open 298 241
change the system: bpf 321 280, add_key 248 217, request_key 249 218, keyctl 250 219, mount 165 40, umount2 166 39
change the system: move_mount 429 429, open_tree 428 428, fsopen 430 430, fsconfig 431 431, fsmount 432 432
change the system: fspick 433 433, mount_setattr 442 442, unshare 272 97, setns 308 268, chroot 161 51
change the system: pivot_root 155 41, init_module 175 105, finit_module 313 273, delete_module 176 106
change the system: kexec_load 246 104, kexec_file_load 320 294, reboot 169 142, swapon 167 224, swapoff 168 225
change the system: acct 163 89, quotactl 179 60, quotactl_fd 443 443, sethostname 170 161, setdomainname 171 162
change the system: settimeofday 164 170, clock_settime 227 112, adjtimex 159 171, clock_adjtime 305 266, iopl 172 -
change the system: ioperm 173 -, personality 135 92, syslog 103 116, vhangup 153 58, name_to_handle_at 303 264
change the system: open_by_handle_at 304 265, fanotify_init 300 262, fanotify_mark 301 263, userfaultfd 323 282
change the system: io_uring_setup 425 425, io_uring_enter 426 426, io_uring_register 427 427, modify_ldt 154 -
change the system: uselib 134 -, setuid 105 146, setgid 106 144, setreuid 113 145, setregid 114 143, setresuid 117 147
change the system: setresgid 119 149, setfsuid 122 151, setfsgid 123 152, setgroups 116 159, capset 126 91
change its own limits: setrlimit 160 164
"""
# What a library may try in good faith, and does without: refused in silence.
_SILENT = """
socketpair 53 199, shmget 29 194, shmat 30 196, msgget 68 186, semget 64 190, mq_open 240 180, mq_unlink 241 181,
memfd_create 319 279, memfd_secret 447 447, setpriority 141 140, ioprio_set 251 30, sched_setaffinity 203 122,
sched_setscheduler 144 119, sched_setparam 142 118, sched_setattr 314 274, migrate_pages 256 238, move_pages 279 239,
setpgid 109 154, setsid 112 157
"""
# Those of which the arguments decide.
_JUDGED = """
open 2 -, openat 257 56, openat2 437 437, clone 56 220, clone3 435 435, tgkill 234 131, prlimit64 302 261,
prctl 157 167, ioctl 16 29, fcntl 72 25, sendto 44 206, sendmsg 46 211, sendmmsg 307 269, seccomp 317 277
"""
# What those of them stand for that are told of.
_TOLD = {
    "open": "write a file",
    "openat": "write a file",
    "clone": "start a process",
    "tgkill": "stop another process",
    "fcntl": "stop another process",
    "prlimit64": "change its own limits",
    "sendto": "open a network connection",
}


@dataclass(frozen=True)
class Calls:
    """One architecture's system calls.

    Attributes:
        audit: How the kernel's filters know the architecture.
        deeds: What a call is for that is told of, and its name, by its number; the judged ones among them.
        silent: The numbers of calls that are refused without a word.
        judged: The numbers of calls of which the arguments decide, by name; -1 for one that is not there.
    """

    audit: int
    deeds: dict[int, tuple[str, str]]
    silent: tuple[int, ...]
    judged: dict[str, int]


@cache
def calls(machine: str = platform.machine()) -> Calls | None:
    """The calls of an architecture; None if its numbers are not known here."""
    column, audit = {"x86_64": (1, 0xC000003E), "aarch64": (2, 0xC00000B7)}.get(machine, (0, 0))
    if not column:
        return None
    deeds: dict[int, tuple[str, str]] = {}
    for line in _DEEDS.strip().splitlines():
        deed, _, names = line.partition(": ")
        deeds |= {number: (deed, name) for name, number in _numbers(names, column).items() if number >= 0}
    silent = tuple(number for number in _numbers(_SILENT, column).values() if number >= 0)
    judged = _numbers(_JUDGED, column)
    deeds |= {judged[name]: (deed, name) for name, deed in _TOLD.items() if judged[name] >= 0}
    return Calls(audit, deeds, silent, judged)


def _numbers(text: str, column: int) -> dict[str, int]:
    """The numbers of a list of calls by name, -1 for those that an architecture lacks."""
    rows = [row.split() for row in text.replace("\n", " ").split(",")]
    return {row[0]: int(row[column]) if row[column] != "-" else -1 for row in rows}
