# SPDX-License-Identifier: Apache-2.0
"""Confinement: every deed is tried in a real child; without any layer it is done, and each layer alone prevents it."""

from __future__ import annotations

import os
import platform
import select
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wardein.models import confinement, landlock, seccomp
from wardein.models.supervision import Attempt, Supervision
from wardein.models.syscalls import LATEST, Calls, calls

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: its kernel confines")

LAYERS = {
    "namespaces": "confinement._leave_namespaces = lambda: True",
    "landlock": "landlock.restrict = lambda readable: None",
    "filter": "confinement._filter = lambda notify: []",
    "limits": "confinement._limit = lambda limits, alone: None",
    "privileges": "kernel.drop_capabilities = lambda: None; kernel.prctl = lambda *_: None",
}
CHILD = """
import ctypes, fcntl, os, resource, signal, socket, subprocess, sys, threading, time
from pathlib import Path
from wardein.models import confinement, kernel, landlock, seccomp
from wardein.models.confinement import Limits, confine
folder, victim, port, notify = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
libc = ctypes.CDLL(None, use_errno=True)
def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
{before}
missing = confine(Limits({limits}), [folder / "readable"], socket.socket(fileno=notify) if notify >= 0 else None)
try:
    pass
{deed}
    print("done", flush=True)
except (OSError, MemoryError, ValueError, RuntimeError) as error:
    print("refused", type(error).__name__, flush=True)
for line in missing:
    print("missing", line)
"""


@dataclass
class Outcome:
    """How a child ended."""

    code: int
    said: list[str]
    attempts: set[Attempt]


@dataclass
class Scene:
    """What deeds are done to."""

    folder: Path
    victim: subprocess.Popen[bytes]
    port: int

    def act(
        self, deed: str, *, before: str = "", without: tuple[str, ...] = (), limits: str = "", seconds: float = 20
    ) -> Outcome:
        """Let a child do something under supervision."""
        before = "\n".join([before, *(LAYERS[layer] for layer in without)])
        deed = textwrap.indent(textwrap.dedent(deed), "    ")
        ours, theirs = socket.socketpair()
        supervision = Supervision(ours)
        command = [sys.executable, "-I", "-c", CHILD.format(before=before, deed=deed, limits=limits)]
        command += [str(self.folder), str(self.victim.pid), str(self.port), str(theirs.fileno())]
        with subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as child:
            theirs.close()
            assert child.stdout is not None
            said, until = b"", time.monotonic() + seconds
            while supervision.wait(child.stdout.fileno(), until) and (read := os.read(child.stdout.fileno(), 65536)):
                said += read
            if time.monotonic() >= until:
                child.kill()
        supervision.close()
        return Outcome(child.returncode, said.decode().splitlines(), supervision.attempts)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    for name in ("secret", "empty", "key.pem", "victim-of-changes"):
        (tmp_path / name).write_text("" if name == "empty" else "secret")
    (tmp_path / "readable").mkdir()
    (tmp_path / "readable" / "columns.txt").write_text("a,b")
    listening = [socket.create_server(("127.0.0.1", 0))]
    for address in (f"\0wardein-{os.getpid()}", str(tmp_path / "socket")):
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(address)
        unix.listen()
        listening.append(unix)
    environment = {"SECRET": "key"}
    with subprocess.Popen(["/bin/sleep", "60"], env=environment) as victim:
        yield Scene(tmp_path, victim, listening[0].getsockname()[1])
        victim.kill()
    for one in listening:
        one.close()


ABSTRACT = f"socket.socket(socket.AF_UNIX).connect('\\0wardein-{os.getpid()}')"
# Each deed, and the layers each of which prevents it alone.
DEEDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "connect": ("socket.create_connection(('127.0.0.1', port), 5)", ("filter", "namespaces", "landlock")),
    "listen": ("socket.create_server(('127.0.0.1', 0))", ("filter", "landlock")),
    "abstract": (ABSTRACT, ("filter", "namespaces", "landlock")),
    "socket file": ("socket.socket(socket.AF_UNIX).connect(str(folder / 'socket'))", ("filter",)),
    "new file": ("open(folder / 'new', 'w').write('x')", ("filter", "landlock")),
    "append": ("open(folder / 'empty', 'a').write('x' * 100_000)", ("filter", "landlock", "limits")),
    "anonymous file": ("os.open(folder, os.O_TMPFILE | os.O_RDWR)", ("filter", "landlock")),
    "truncate": ("os.truncate(folder / 'secret', 0)", ("filter", "landlock")),
    "remove": ("os.unlink(folder / 'victim-of-changes')", ("filter", "landlock")),
    "rename": ("os.rename(folder / 'victim-of-changes', folder / 'other')", ("filter", "landlock")),
    "folder": ("os.mkdir(folder / 'made')", ("filter", "landlock")),
    "symlink": ("os.symlink('/', folder / 'link')", ("filter", "landlock")),
    "chmod": ("os.chmod(folder / 'secret', 0o777)", ("filter",)),
    "times": ("os.utime(folder / 'secret', (0, 0))", ("filter",)),
    "read secret": ("open(folder / 'secret').read()", ("landlock",)),
    "read key": ("os.open(folder / 'key.pem', os.O_RDONLY)", ("landlock",)),
    "list folder": ("os.listdir(folder)", ("landlock",)),
    "through proc": ("open(f'/proc/self/root{folder}/secret').read()", ("landlock",)),
    "environment": ("open(f'/proc/{victim}/environ').read()", ("landlock",)),
    "command of others": ("open(f'/proc/{victim}/cmdline').read()", ("landlock",)),
    "new file beside readable ones": ("open(folder / 'readable' / 'new', 'w')", ("filter", "landlock")),
    "execute a library": (
        "os.execv(loader, ['ld', '/bin/echo', 'done'])",
        ("filter", "landlock"),
    ),
    "memory of others": ("open(f'/proc/{victim}/mem', 'rb')", ("landlock",)),
    "execute": ("os.execv('/bin/echo', ['echo', 'done'])", ("filter", "landlock")),
    "fork": ("if os.fork() == 0: os._exit(0)", ("filter",)),
    "spawn": ("os.posix_spawn('/bin/true', ['true'], {})", ("filter", "landlock")),
    "kill": ("os.kill(victim, signal.SIGTERM)", ("filter", "landlock")),
    "pidfd": ("signal.pidfd_send_signal(os.pidfd_open(victim), signal.SIGTERM)", ("filter", "landlock")),
    "signal of a file": ("fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, victim)", ("filter",)),
    "trace": ("checked(libc.ptrace(16, victim, 0, 0))", ("filter", "landlock")),
    "limits of others": ("resource.prlimit(victim, resource.RLIMIT_CPU, (1, 1))", ("filter",)),
    "priority of others": ("os.setpriority(os.PRIO_PROCESS, victim, 19)", ("filter",)),
    "cores of others": ("os.sched_setaffinity(victim, {0})", ("filter",)),
    "inherited file": ("os.write(inherited, b'x')", ("limits",)),
    "memory": ("bytearray(2 << 30)", ("limits",)),
    "descriptors": ("for _ in range(400): os.dup(0)", ("limits",)),
    "own file size": ("resource.setrlimit(resource.RLIMIT_CORE, (0, 0))", ("filter",)),
    "memory file": ("os.memfd_create('x')", ("filter",)),
    "socket pair": ("socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)", ("filter",)),
    "namespace": ("checked(libc.unshare(0x10000000))", ("filter",)),
}
PAIRS = [(deed, layer) for deed, (_, layers) in DEEDS.items() for layer in layers]
BEFORE = "inherited = os.open(folder / 'empty', os.O_RDWR); resource.setrlimit(resource.RLIMIT_NOFILE, (1000, 4096))"
BEFORE += "; loader = next(Path('/').glob('lib*/ld-linux-*'))"
SMALL = "memory=1 << 30"


@pytest.mark.parametrize("deed", DEEDS)
def test_without_any_layer_the_deed_is_done(scene, deed):
    ended = scene.act(DEEDS[deed][0], before=BEFORE, without=tuple(LAYERS), limits=SMALL)
    assert (ended.code, ended.said) == (0, ["done"])


@pytest.mark.parametrize(("deed", "layer"), PAIRS)
def test_each_layer_alone_prevents_it(scene, deed, layer):
    # Landlock is for processes that can gain no privileges, so that this goes with it.
    without = tuple(set(LAYERS) - {layer} - ({"privileges"} if layer == "landlock" else set()))
    ended = scene.act(DEEDS[deed][0], before=BEFORE, without=without, limits=SMALL)
    assert ended.said[0].startswith("refused"), ended
    assert ended.code == 0
    assert scene.victim.poll() is None
    assert (scene.folder / "secret").read_text() == "secret"


@pytest.mark.parametrize(
    ("deed", "told"),
    [
        ("connect", "tried to open a network connection (socket)"),
        ("new file", "tried to write a file (openat)"),
        ("anonymous file", "tried to write a file (openat)"),
        ("remove", "tried to change files (unlink)"),
        ("execute", "tried to start a program (execve)"),
        ("fork", "tried to start a process (clone)"),
        ("kill", "tried to stop another process (kill)"),
        ("signal of a file", "tried to stop another process (fcntl)"),
        ("trace", "tried to look into another process (ptrace)"),
        ("limits of others", "tried to change its own limits (prlimit64)"),
        ("namespace", "tried to change the system (unshare)"),
    ],
)
@pytest.mark.skipif(platform.machine() != "x86_64", reason="names of calls differ between architectures")
def test_the_supervisor_is_told(scene, deed, told):
    assert [str(attempt) for attempt in scene.act(DEEDS[deed][0]).attempts] == [told]


@pytest.mark.parametrize(
    "deed",
    [
        "open(folder / 'readable' / 'columns.txt').read(); os.listdir(folder / 'readable')",
        "t = threading.Thread(target=time.sleep, args=(0,)); t.start(); t.join()",
        "import sqlite3, decimal, email.parser, ctypes.util",
        "open('/proc/self/maps').read(); open('/proc/self/status').read(); os.sched_getaffinity(0)",
        "open('/dev/null').read(); open('/dev/urandom', 'rb').read(8); os.urandom(8); os.cpu_count()",
        "os.read(os.pipe()[0], 0); resource.getrlimit(resource.RLIMIT_AS); signal.raise_signal(signal.SIGURG)",
    ],
)
def test_what_honest_models_do_goes_on_and_nothing_is_told(scene, deed):
    assert scene.act(deed) == Outcome(0, ["done"], set())


HONEST = """
import numpy as np, warnings
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_info
warnings.simplefilter("ignore")
rows = np.random.default_rng(0).normal(size=(2000, 3))
for model in (KNeighborsClassifier(), HistGradientBoostingClassifier(max_iter=3), RandomForestClassifier(5, n_jobs=2)):
    model.fit(rows, rows[:, 0] > 0).predict(rows)
assert len(threadpool_info()) > 1 and len(os.listdir("/proc/self/task")) > 1
"""


def test_scikit_learn_imports_and_predicts_with_threads(scene):
    ended = scene.act(HONEST, before="os.environ |= {'OMP_NUM_THREADS': '2', 'JOBLIB_MULTIPROCESSING': '0'}")
    assert ended == Outcome(0, ["done"], set())


def test_what_a_process_is_afterwards(scene):
    status = """
        lines = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
        print([lines[name].strip() for name in ("CapPrm", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")])
        print(libc.prctl(3), {resource.getrlimit(kind) for kind in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE)})
    """
    none = "0" * 16
    assert scene.act(status).said == [str([none, none, none, "1", "2"]), "0 {(0, 0)}", "done"]


def test_nobody_but_the_supervisor_can_answer_for_it(scene):
    listed = "print(any('seccomp' in os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')[:-1]))"
    assert scene.act(listed).said == ["False", "done"]


def test_nothing_that_was_given_up_comes_back(scene):
    for deed in ("checked(libc.prctl(4, 1))", "checked(libc.prctl(1, 0))", "os.setsid()", "os.setpgid(0, 0)"):
        assert scene.act(deed).said[0] == "refused PermissionError", deed


def test_processor_time_is_limited(scene):
    ended = scene.act("while True: pass", limits="seconds=1")
    assert (ended.code, ended.said) == (-signal.SIGKILL, [])


def test_who_sleeps_is_left_waiting_no_longer_than_asked(scene):
    started = time.monotonic()
    assert scene.act("time.sleep(60)", seconds=1).code == -signal.SIGKILL
    assert time.monotonic() - started < 20


def test_threads_are_limited_where_the_process_is_alone(scene):
    many = "for _ in range(3000): _thread.start_new_thread(time.sleep, (3,))"
    if os.getuid() == 0:
        pytest.skip("of root's threads the kernel allows any number; their stacks count as memory")
    ended = scene.act(f"import _thread\n_thread.stack_size(65536)\n{many}", limits="memory=32 << 30")
    assert ended.said == ["refused RuntimeError"]


def test_a_process_with_threads_is_not_confined_by_halves(scene):
    begin = "t = threading.Thread(target=time.sleep, args=(1,), daemon=True); t.start()"
    ended = scene.act("pass", before=begin)
    assert (ended.code, ended.said) == (1, [])


def test_every_forbidden_call_is_refused(scene):
    known = calls()
    assert known is not None
    plain = sorted((set(known.deeds) | set(known.silent)) - set(known.judged.values()))
    ended = scene.act(f"""
        for number in {plain}:
            assert libc.syscall(number, -1, -1, -1, -1, -1, -1) == -1 and ctypes.get_errno() == 1, number
        for number in ({known.judged["clone3"]}, {known.judged["openat2"]}, {LATEST + 1}, 0x40000001):
            assert libc.syscall(number, -1, -1, -1, -1, -1, -1) == -1 and ctypes.get_errno() == 38, number
        for number in ({known.judged["sendmsg"]}, {known.judged["sendmmsg"]}, {known.judged["seccomp"]}):
            assert libc.syscall(number, -1, 0, 0, 0) == -1 and ctypes.get_errno() == 1, number
    """)
    assert (ended.code, ended.said) == (0, ["done"])
    assert ended.attempts == {Attempt(*known.deeds[number]) for number in plain if number in known.deeds}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="machine code of x86-64")
def test_calls_of_another_architecture_end_the_process(scene):
    # mov eax, 20 (getpid of the 32-bit table); int 0x80; ret
    ended = scene.act("""
        import mmap
        code = mmap.mmap(-1, 4096, prot=7)
        code.write(bytes([0xB8, 20, 0, 0, 0, 0xCD, 0x80, 0xC3]))
        ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
    """)
    assert (ended.code, ended.said) == (-signal.SIGSYS, [])


def test_it_ends_with_its_parent(scene):
    confined = (
        "from wardein.models.confinement import *; confine(Limits()); print(1, flush=True); import time; time.sleep(60)"
    )
    parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-I', '-c', {confined!r}]).wait()"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as middle:
        assert middle.stdout is not None
        assert middle.stdout.readline() == b"1\n"
        middle.kill()
        # The pipe ends when nobody has it any more.
        assert select.select([middle.stdout], [], [], 10)[0]
        assert middle.stdout.read() == b""


@pytest.mark.parametrize(
    ("lack", "said"),
    [
        ("def no(*_, **__): raise OSError(1, 'no')\nkernel.unshare = no", confinement.NO_NAMESPACE),
        ("landlock.version = lambda: 0", confinement.NO_LANDLOCK),
        ("confinement.calls = lambda: None", confinement.NO_FILTER),
        ("def no(*_, **__): raise OSError(1, 'no')\nseccomp.install = no", confinement.NO_FILTER),
        (
            "i = seccomp._install\ndef no(c, p, f):\n  if f & 8: raise OSError(16, 'no')\n  return i(c, p, f)\n"
            "seccomp._install = no",
            confinement.NO_SUPERVISOR,
        ),
    ],
)
def test_what_a_kernel_lacks_is_said(scene, lack, said):
    ended = scene.act("socket.socket()", before=lack)
    assert ended.said[1:] == [f"missing {said}"]
    if said not in (confinement.NO_FILTER,):
        assert ended.said[0] == "refused PermissionError"


@pytest.mark.parametrize("known", range(1, 8))
def test_older_landlocks_deny_what_they_know(monkeypatch, tmp_path, known):
    made: list[bytes] = []

    def syscall(number: int, *arguments: object) -> int:
        if number == 444:
            made.append(bytes(arguments[0]))  # type: ignore[call-overload]
            return os.open(os.devnull, os.O_RDONLY)
        return 0

    monkeypatch.setattr(landlock, "version", lambda: known)
    monkeypatch.setattr(landlock, "syscall", syscall)
    landlock.restrict([tmp_path])
    files, tcp, scopes = struct.unpack("=3Q", made[0])
    assert files.bit_count() == {1: 13, 2: 14, 3: 15, 4: 15}.get(known, 16)
    assert (tcp > 0, scopes > 0) == (known >= 4, known >= 6)


TOLD, FORBIDDEN, UNKNOWN, ALLOWED = 0x7FC00000, 0x00050001, 0x00050026, 0x7FFF0000
INTEL, ARM = calls("x86_64"), calls("aarch64")


def answer(known: Calls, number: int, arguments: tuple[int, ...]) -> int:
    """What the kernel would make of the filter, instruction by instruction."""
    data = struct.pack("=iIQ6Q", number, known.audit, 0, *arguments)
    program, at, held = list(seccomp._program(known, TOLD)), 0, 0
    while True:
        code, if_true, if_false, value = program[at]
        at += 1
        if code == 0x20:
            held = struct.unpack_from("=I", data, value)[0]
        elif code == 0x06:
            return value
        else:
            holds = {0x15: held == value, 0x25: held > value, 0x45: bool(held & value)}[code]
            at += if_true if holds else if_false


@pytest.mark.parametrize("known", [INTEL, ARM], ids=["x86_64", "aarch64"])
@given(number=st.integers(0, 700), arguments=st.tuples(*[st.integers(0, 2**64 - 1)] * 6))
@settings(max_examples=300, deadline=None)
def test_the_filter_of_each_architecture_answers_every_call(known, number, arguments):
    judged = {number: name for name, number in known.judged.items()}
    got = answer(known, number, arguments)
    if number > LATEST or judged.get(number) in ("clone3", "openat2"):
        assert got == UNKNOWN
    elif number in judged:
        assert got in (ALLOWED, TOLD, FORBIDDEN)
    elif number in known.deeds:
        assert got == TOLD
    else:
        assert got == (FORBIDDEN if number in known.silent else ALLOWED)


def _judged(known: Calls, name: str, *arguments: int) -> int:
    return answer(known, known.judged[name], (*arguments, *[0] * (6 - len(arguments))))


@pytest.mark.parametrize("known", [INTEL, ARM], ids=["x86_64", "aarch64"])
def test_arguments_decide(known):
    for flags, expected in {
        os.O_RDONLY: ALLOWED,
        os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY: ALLOWED,
        os.O_PATH: ALLOWED,
        os.O_WRONLY: TOLD,
        os.O_RDWR: TOLD,
        os.O_CREAT: TOLD,
        os.O_TRUNC: TOLD,
        os.O_TMPFILE | os.O_RDWR: TOLD,
        3: TOLD,
    }.items():
        assert _judged(known, "openat", 0, 0, flags) == expected, flags
        if known.judged["open"] >= 0:
            assert _judged(known, "open", 0, flags) == expected, flags
    assert _judged(known, "clone", 0x3D0F00) == ALLOWED  # what pthread_create asks for
    assert _judged(known, "clone", 0x01200011) == TOLD  # what fork asks for
    assert _judged(known, "tgkill", os.getpid(), 1, 6) == ALLOWED
    assert _judged(known, "tgkill", os.getppid(), 1, 9) == TOLD
    assert _judged(known, "prlimit64", 0, 9, 0, 1) == ALLOWED
    assert _judged(known, "prlimit64", 0, 9, 1) == TOLD
    assert _judged(known, "prlimit64", 0, 9, 1 << 40) == TOLD
    assert _judged(known, "sendto", 3, 4, 5, 0, 0) == ALLOWED
    assert _judged(known, "sendto", 3, 4, 5, 0, 1 << 33) == TOLD
    assert _judged(known, "prctl", 15) == ALLOWED  # a thread's name
    assert {_judged(known, "prctl", option) for option in (1, 4, 22, 35)} == {FORBIDDEN}
    assert {_judged(known, "ioctl", 0, command) for command in (0x5412, 0x541C, 0x8901)} == {FORBIDDEN}
    assert _judged(known, "ioctl", 0, 0x5401) == ALLOWED
    assert {_judged(known, "fcntl", 0, command) for command in (8, 10, 15)} == {TOLD}
    assert {_judged(known, "fcntl", 0, command) for command in (1024, 1033)} == {FORBIDDEN}
    assert {_judged(known, "fcntl", 0, command) for command in (1, 2, 3, 4, 1030)} == {ALLOWED}


def test_numbers_are_of_one_call_each():
    for known in (INTEL, ARM):
        assert known is not None
        numbers = [*known.deeds, *known.silent]
        assert len(numbers) == len(set(numbers))
        assert max(numbers) <= LATEST
    assert calls("riscv64") is None
