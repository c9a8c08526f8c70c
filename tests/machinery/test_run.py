# SPDX-License-Identifier: Apache-2.0
"""Running a program: nothing of this machine's settings reaches it, and nothing of it outlives the step."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wardein.errors import WardeinError
from wardein.tools import run

PYTHON = Path(sys.executable).resolve()


def python(code: str, *arguments: object, time_limit: float = 20, **options: object) -> run.Ended:
    return run.run([PYTHON, "-I", "-c", code, *map(str, arguments)], time_limit=time_limit, **options)  # type: ignore[arg-type]


def wait_until(condition: object, seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_output_and_code_come_back() -> None:
    ended = python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)")
    assert (ended.code, ended.stdout, ended.stderr) == (7, b"out\n", "err\n")


def test_output_that_is_not_utf8_is_no_error() -> None:
    ended = python("import sys; sys.stderr.buffer.write(b'\\xff'); sys.stdout.buffer.write(b'\\xff')")
    assert (ended.stdout, ended.stderr) == (b"\xff", "\ufffd")


def test_environment_is_scrubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRIVY_SEVERITY", "PYTHONPATH", "LD_PRELOAD_X", "HTTPS_PROXY", "AWS_SECRET_ACCESS_KEY", "WARDEIN_KEY"):
        monkeypatch.setenv(name, "planted")
    monkeypatch.setenv("PATH", f"/planted:{os.environ['PATH']}")
    monkeypatch.setenv("SSL_CERT_FILE", "/ca.pem")
    ended = python("import json, os; print(json.dumps(dict(os.environ)))", environment={"ASKED": "for"})
    seen = json.loads(ended.stdout)
    assert "planted" not in ended.stdout.decode()
    assert set(seen) <= {
        "PATH",
        "HOME",
        "TMPDIR",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "ASKED",
    }
    assert (seen["ASKED"], seen["SSL_CERT_FILE"]) == ("for", "/ca.pem")
    assert seen["HOME"] != os.environ.get("HOME")


def test_working_directory_is_empty_and_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".trivyignore").write_text("CVE-1")
    monkeypatch.chdir(tmp_path)
    code = "import os, tempfile; print(os.getcwd(), os.listdir('.'), tempfile.gettempdir(), sep='\\n')"
    here, listing, temporary = python(code).stdout.decode().splitlines()
    assert listing == "[]"
    assert not Path(here).is_relative_to(tmp_path)
    assert not Path(here).exists()
    assert not Path(temporary).exists()


def test_no_standard_input() -> None:
    assert python("import sys; print(repr(sys.stdin.read()))").stdout == b"''\n"


def test_no_shell_reads_the_arguments() -> None:
    assert python("import sys; print(sys.argv[1:])", "$HOME; `id` *", "").stdout == b"['$HOME; `id` *', '']\n"


SPAWN = """
import subprocess, sys, time
child = "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);" \
        "open(sys.argv[1] + '.grandchild', 'w').write(str(p.pid)); time.sleep(600)"
p = subprocess.Popen([sys.executable, '-c', child, sys.argv[1]])
open(sys.argv[1], 'w').write(str(p.pid))
"""


@pytest.mark.parametrize("then", ["time.sleep(600)", "time.sleep(1.5)"], ids=["at the time limit", "after its end"])
def test_children_and_grandchildren_are_ended(tmp_path: Path, then: str) -> None:
    note = tmp_path / "pids"
    if "600" in then:
        started = time.monotonic()
        with pytest.raises(WardeinError, match="did not finish within 1.5 seconds"):
            python(SPAWN + then, note, time_limit=1.5)
        assert time.monotonic() - started < 10
    else:
        assert python(SPAWN + then, note).code == 0
    pids = [int(path.read_text()) for path in (note, tmp_path / "pids.grandchild")]
    assert wait_until(lambda: not any(map(is_running, pids)))


def test_program_that_ignores_signals_is_ended() -> None:
    code = "import signal, time\nfor s in (1, 2, 15): signal.signal(s, signal.SIG_IGN)\ntime.sleep(600)"
    with pytest.raises(WardeinError, match="did not finish"):
        python(code, time_limit=1)


def test_output_is_bounded_while_the_program_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "MAX_OUTPUT", 1024 * 1024)
    started = time.monotonic()
    with pytest.raises(WardeinError, match="printed more than 1048576 bytes"):
        python("import sys\nwhile True: sys.stdout.write('x' * 4096)", time_limit=60)
    assert time.monotonic() - started < 20


def test_errors_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "MAX_OUTPUT", 1000)
    with pytest.raises(WardeinError, match="printed more than 1000 bytes"):
        python("import sys; sys.stderr.write('x' * 1001)")


def test_memory_is_limited() -> None:
    ended = python("x = bytearray(1 << 31)", memory_limit=1 << 30)
    assert ended.code != 0
    assert "MemoryError" in ended.stderr


def test_program_that_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(WardeinError, match=r"nowhere: cannot be started \(No such file"):
        run.run([tmp_path / "nowhere"], time_limit=5)


# Several side by side


def start(code: str, *, time_limit: float = 20) -> contextlib.AbstractContextManager[run.Running]:
    return run.started([PYTHON, "-I", "-c", code], time_limit=time_limit)


def test_programs_run_side_by_side() -> None:
    began = time.monotonic()
    with (
        start("import time; time.sleep(1); print(1)") as first,
        start("import time; time.sleep(1); print(2)") as second,
    ):
        assert [first.wait().stdout, second.wait().stdout, first.wait().stdout] == [b"1\n", b"2\n", b"1\n"]
    assert time.monotonic() - began < 1.9


def test_what_is_not_waited_for_is_ended() -> None:
    with start("import time; time.sleep(600)") as running:
        pid = running._process.pid
        assert is_running(pid)
    assert not is_running(pid)


def test_error_in_one_ends_the_others() -> None:
    pids = []

    def fail() -> None:
        with start("import time; time.sleep(600)") as other, start("1", time_limit=0) as running:
            pids.extend([other._process.pid, running._process.pid])
            running.wait()

    with pytest.raises(WardeinError, match="did not finish"):
        fail()
    assert not any(map(is_running, pids))


def test_time_and_output_are_bounded_while_another_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "MAX_OUTPUT", 1024 * 1024)
    with (
        start("import time; time.sleep(2)") as first,
        start("import time; time.sleep(600)", time_limit=0.5) as slow,
        start("while True: print('x' * 4096)") as flooding,
        start("print('done')", time_limit=1) as quick,
    ):
        assert first.wait().code == 0
        assert not is_running(slow._process.pid)
        assert not is_running(flooding._process.pid)
        with pytest.raises(WardeinError, match="did not finish within 0.5 seconds"):
            slow.wait()
        with pytest.raises(WardeinError, match="printed more than 1048576 bytes"):
            flooding.wait()
        assert quick.wait().stdout == b"done\n"  # long after its time limit, but it had ended before


# Finding a program


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "tool"
    path.write_text("#!/bin/sh\necho hello\n")
    path.chmod(0o755)
    return path


def find(**options: object) -> run.Program:
    return run.find("tool", variable="WARDEIN_TOOL", mend="run: pip install tool", **options)  # type: ignore[arg-type]


def test_setting_comes_first(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "tool").write_text("#!/bin/sh\necho other\n")
    (other / "tool").chmod(0o755)
    monkeypatch.setenv("PATH", str(other))
    monkeypatch.setenv("WARDEIN_TOOL", str(program))
    found = find(candidates=[other / "tool"])
    assert found.path == program
    assert found.sha256 == hashlib.sha256(program.read_bytes()).hexdigest()
    monkeypatch.delenv("WARDEIN_TOOL")
    assert find(candidates=[program]).path == other / "tool"
    monkeypatch.setenv("PATH", "")
    assert find(candidates=[tmp_path / "absent", program]).path == program


def test_link_is_followed_to_what_is_run(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = tmp_path / "link"
    link.symlink_to(program)
    monkeypatch.setenv("WARDEIN_TOOL", str(link))
    assert find().path == program


@pytest.mark.parametrize("setting", ["tool", "./tool", "/nowhere/tool", "/tmp"])
def test_setting_that_is_no_program_is_not_passed_over(
    program: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.chdir(program.parent)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setenv("WARDEIN_TOOL", setting)
    with pytest.raises(WardeinError, match="WARDEIN_TOOL: .* is not the absolute path of a program"):
        find()


def test_missing_program_tells_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WardeinError, match="needs the program 'tool', which is not installed; run: pip install tool"):
        find(candidates=[tmp_path])


def test_interrupt_ends_the_program(tmp_path: Path) -> None:
    """The step's own time limit arrives as an exception in the middle of the wait."""
    note = tmp_path / "pid"
    code = f"""
import signal
from wardein.tools.run import run

def expire(*_):
    raise TimeoutError

signal.signal(signal.SIGALRM, expire)
signal.setitimer(signal.ITIMER_REAL, 1.5)
child = "import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
run([{str(PYTHON)!r}, "-c", child], time_limit=600)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    assert "TimeoutError" in ended.stderr
    assert wait_until(lambda: not is_running(int(note.read_text())))
