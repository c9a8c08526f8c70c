# SPDX-License-Identifier: Apache-2.0
"""Rules that hang, crash, reach out or answer something else than yes: each denies, with a reason."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.conftest import Attack, Siege, assert_stopped_by_its_step, deny_rules
from wardein.policy import rego
from wardein.policy.rego_text import HEADER

YES = "allow := true\n"
NO_REASON = 'deny contains "never" if false\n'
DOCUMENT: dict[str, Any] = {
    "version": 1,
    "environment": "production",
    "tier": "high",
    "policy": {"name": "p", "digest": "0" * 64},
    "subject": {"model": "1" * 64},
    "checks": [],
    "waivers": [],
    "approvals": [],
}
HUNDRED = f"numbers := {list(range(100))}\n"
FIVE = "count({a, b, c, d, e})"
LOOP = "\n\tsome a in numbers\n\tsome b in numbers\n\tsome c in numbers\n\tsome d in numbers\n\tsome e in numbers\n"

# Rules that the linter has nothing against, or would have nothing against if it had a hole: the engine's door.
HOSTILE = {
    "never ends": (HUNDRED + YES + f'deny contains "x" if {{{LOOP}\t{FIVE} == 9\n}}\n', "did not finish within"),
    "allow is text": ('allow := "true"\n' + NO_REASON, 'allow is "true", not true'),
    "allow is 1": ("allow := 1\n" + NO_REASON, "allow is 1, not true"),
    "allow is a list": ("allow := [true]\n" + NO_REASON, "allow is [true], not true"),
    "allow is null": ("allow := null\n" + NO_REASON, "allow is null, not true"),
    "allow is false": ("default allow := false\n" + NO_REASON, "allow is false, not true"),
    "allow is undefined": ('allow if input.tier == "none"\n' + NO_REASON, "allow is undefined, not true"),
    "deny is an object": (YES + 'deny := {"x": 1}\n', 'deny is {"x": 1}, not a set of strings'),
    "deny is an empty object": (YES + "deny := {}\n", "deny is {}, not a set of strings"),
    "deny is false": (YES + "deny := false\n", "deny is false, not a set of strings"),
    "deny is text": (YES + 'deny := ""\n', 'deny is "", not a set of strings'),
    "deny holds numbers": (YES + "deny contains 1\n", "deny is [1], not a set of strings"),
    "deny is undefined": (YES + 'deny := set() if input.tier == "none"\n', "deny is undefined, not a set of strings"),
    "two values": (YES + "allow := false\n" + NO_REASON, "a rule has two values at once"),
    "two results": (YES + 'f(x) := 1 if x > 0\nf(x) := 2 if x > 1\ndeny contains "x" if f(2) == 3\n', "two values"),
    "error, else undefined": (YES + 'deny contains "x" if count(input.version) > 0\n', "a built-in function failed"),
    "division by zero": (YES + 'deny contains "x" if 1 / 0 == 1\n', "a built-in function failed"),
    "endless recursion": (YES + 'f(x) := f([x])\ndeny contains "x" if f(1)\n', "ecursion"),
    "syntax": (YES + "deny contains if\n", "regopy refuses the rules"),
    "too many reasons": (
        HUNDRED + YES + 'deny contains m if {\n\tsome a in numbers\n\tb := 1\n\tm := sprintf("%v %v '
        + "long " * 2400 + '", [a, b])\n}\n', "more than 1048576 bytes of reasons",
    ),
}  # fmt: skip
# What only the linter stops, as regopy would do it, or say yes.
REACHING = {
    "http": YES + 'deny contains "x" if http.send({"method": "get", "url": "http://127.0.0.1:1"})\n',
    "environment": YES + 'deny contains "x" if opa.runtime()["env"]["HOME"] == "/root"\n',
    "range": YES + 'deny contains "x" if count(numbers.range(1, 1000000000000)) == 1\n',
    "clock": YES + 'deny contains "x" if time.now_ns() < 0\n',
    "unsafe variable": YES + 'deny contains "x" if x > 1\n',
    "other input": YES + 'deny contains "x" if input.tier == "low" with input as {"tier": "low"}\n',
    "old syntax": YES + 'deny["x"] { input.tier == "low" }\n',
    "misspelt member": YES + 'deny contains "x" if input.teir == "high"\n',
}


@pytest.fixture(autouse=True)
def regopy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WARDEIN_OPA", raising=False)


def judged(folder: Path, rules: str, header: str = HEADER) -> tuple[str, ...]:
    (folder / "rules.rego").write_text(header + rules)
    return rego.judge(folder, DOCUMENT)


def test_the_document_itself_is_fine(tmp_path: Path) -> None:
    assert judged(tmp_path, YES + NO_REASON) == ()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_rules_deny(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rego, "MAX_SECONDS", 1.5 if name == "never ends" else 10.0)
    rules, _ = HOSTILE[name]
    assert len(judged(tmp_path, rules)) == 1


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_rules_deny_without_the_linter(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the linter had a hole, what an engine makes of the rules would still be no yes."""
    monkeypatch.setattr(rego, "MAX_SECONDS", 1.5 if name == "never ends" else 10.0)
    monkeypatch.setattr(rego, "refusals", lambda modules: ())
    monkeypatch.setattr("wardein.policy.rego_text._TOKEN", _lenient())
    rules, why = HOSTILE[name]
    [reason] = judged(tmp_path, rules)
    assert why in reason


def _lenient() -> Any:
    import re

    from wardein.policy import rego_text

    return re.compile(rego_text._TOKEN.pattern.replace("[<>{}", "[-+*/<>{}"))


@pytest.mark.parametrize("name", REACHING)
def test_rules_that_reach_out_never_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rego, "_ask", lambda *arguments: pytest.fail("an engine was asked"))
    assert judged(tmp_path, REACHING[name])[0].startswith("rego: rules.rego:4: ")


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = tmp_path / "child.py"
    source = Path(rego.rego_child.__file__).read_text()
    child.write_text(source.replace("MAX_MEMORY = 1024**3", "MAX_MEMORY = 64 * 1024**2"))
    monkeypatch.setattr(rego.rego_child, "__file__", str(child))
    pairs = f"pairs := [[a, b, c, d, e] |{LOOP}]\n"
    [reason] = judged(tmp_path, HUNDRED + pairs + YES + 'deny contains "x" if count(pairs) == 1\n')
    assert "took more than 64 MiB of memory" in reason


def test_crash_of_the_engine_denies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = tmp_path / "child.py"
    monkeypatch.setattr(rego.rego_child, "__file__", str(child))
    for code in ("import os; os.abort()", "pass", "import sys; open(sys.argv[2], 'w').write('{')",
                 "import sys; open(sys.argv[2], 'w').write('[true]')",
                 "import sys; open(sys.argv[2], 'w').write('{\"allow\": true, \"deny\": []}')"):  # fmt: skip
        child.write_text(code)
        assert len(judged(tmp_path, YES + NO_REASON)) == 1, code


def test_engine_sees_nothing_of_the_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No secret of whoever runs the gate is in the environment of what evaluates the rules."""
    monkeypatch.setenv("WARDEIN_KEY", "file:/planted")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    child = tmp_path / "child.py"
    child.write_text("import os, sys; sys.exit(repr([sorted(os.environ), os.listdir('.'), sys.flags.isolated]))")
    monkeypatch.setattr(rego.rego_child, "__file__", str(child))
    [reason] = judged(tmp_path, YES + NO_REASON)
    assert "WARDEIN_KEY" not in reason
    assert "PYTHONPATH" not in reason
    assert "], [], 1]" in reason


# The folder


def test_link_denies(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(HEADER + YES + NO_REASON)
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "rules.rego").symlink_to(tmp_path / "elsewhere")
    [reason] = rego.judge(folder, DOCUMENT)
    assert "rules.rego: is a symbolic link" in reason


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("Rules.REGO", "x", "is no plain name for a file with rules"),
        ("a b.rego", "x", "is no plain name for a file with rules"),
        ("big.rego", "#" * 70_000, "is larger than 65536 bytes"),
        ("binary.rego", "\udcff", "is not UTF-8"),
    ],
)
def test_file_that_is_not_plain_denies(name: str, content: str, why: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    [reason] = rego.judge(tmp_path, DOCUMENT)
    assert why in reason


def test_folder_and_pipe_with_the_name_of_rules_deny(tmp_path: Path) -> None:
    (tmp_path / "a.rego").mkdir()
    assert len(rego.judge(tmp_path, DOCUMENT)) == 1
    (tmp_path / "a.rego").rmdir()
    os.mkfifo(tmp_path / "a.rego")
    assert "is not a regular file" in rego.judge(tmp_path, DOCUMENT)[0]


def test_many_files_deny(tmp_path: Path) -> None:
    for number in range(33):
        (tmp_path / f"{number}.rego").write_text(HEADER)
    assert "holds more than 32 files with rules" in rego.judge(tmp_path, DOCUMENT)[0]


# The server


@contextmanager
def answering(status: int, body: bytes, headers: dict[str, str], drip: float = 0) -> Iterator[str]:
    """A server that gives every question one answer."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            for byte in body:
                if drip:
                    time.sleep(drip)
                    self.wfile.write(bytes([byte]))
            if not drip:
                self.wfile.write(body)

        do_PUT = do_POST = do_DELETE = do_GET = answer  # noqa: N815

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "headers", "why"),
    [
        (200, b"{}", {}, "deny is undefined"),
        (200, b'{"result": true}', {}, "deny is true"),
        (200, b'{"result": []}', {}, "allow is [], not true"),
        (200, b'{"result": true, "result": []}', {}, "duplicate key"),
        (200, b'{"result": tr', {}, "is not valid JSON"),
        (200, b'{"result": []}', {"Content-Length": "99"}, "did not answer"),
        (200, b"x" * 2_000_000, {}, "answered with more than 1048576 bytes"),
        (200, b"[]", {}, "answered with no JSON object"),
        (302, b"{}", {"Location": "http://127.0.0.1:9/"}, "OPA refuses the rules"),
        (401, b'{"code": "unauthorized", "message": "no\\nway"}', {}, "unauthorized: no way"),
        (500, b"oops", {}, "is not valid JSON"),
    ],
)
def test_answer_that_is_no_plain_yes_denies(
    status: int, body: bytes, headers: dict[str, str], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(status, body, headers) as url:
        monkeypatch.setenv("WARDEIN_OPA", url)
        [reason] = judged(tmp_path, YES + NO_REASON)
    assert why in reason


def test_server_that_drips_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rego, "MAX_SECONDS", 1.0)
    started = time.monotonic()
    with answering(200, b" " * 500, {}, drip=0.1) as url:
        monkeypatch.setenv("WARDEIN_OPA", url)
        [reason] = judged(tmp_path, YES + NO_REASON)
    assert "did not answer" in reason
    assert time.monotonic() - started < 5


def test_server_that_is_not_there_denies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARDEIN_OPA", "http://127.0.0.1:9")
    [reason] = judged(tmp_path, YES + NO_REASON)
    assert "did not answer (ConnectionRefusedError)" in reason


def test_proxy_of_the_environment_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(200, b'{"result": []}', {}) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy)
        monkeypatch.setenv("WARDEIN_OPA", "http://127.0.0.1:9")
        assert "did not answer" in judged(tmp_path, YES + NO_REASON)[0]


# The gate


def put_in_force(siege: Siege, rules: str) -> None:
    (siege.house.policy / "rules.rego").write_text(HEADER + rules)
    siege.amend(lambda policy: None)


def test_gate_denies_by_a_rule_and_by_nothing_else(siege: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = YES + 'deny contains "not on a Friday"\n'
    attack = Attack("rule", lambda besieged: put_in_force(besieged, rules), "gate/rego", "_meets_rego", [])
    assert_stopped_by_its_step(attack, siege, monkeypatch)


def test_gate_passes_what_rules_allow_and_they_see_the_release(siege: Siege) -> None:
    seen = 'deny contains "nothing to see" if count(input.checks) < 2\n'
    seen += 'deny contains "no subject" if not input.subject["model"]\n'
    seen += 'deny contains check.check if {\n\tsome check in input.checks\n\tnot check.verdict == "PASS"\n}\n'
    put_in_force(siege, YES + seen)
    ran = siege.gate()
    assert ran.code == 0, ran.out


def test_gate_denies_broken_rules_in_one_process_more(siege: Siege, tmp_path: Path) -> None:
    """The real command line: exit code 1, a reason with file and line, no traceback."""
    put_in_force(siege, "allow if {\n")
    commands: list[list[str]] = []

    def record(*arguments: object) -> Any:
        commands.append([str(argument) for argument in arguments])
        return None

    siege.run_gate = record
    siege.gate()
    ended = subprocess.run([sys.executable, "-m", "wardein", *commands[0]], capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "rules.rego:3: '}' is missing" in ended.stdout


def test_rules_cannot_allow_what_the_gate_denies(siege: Siege, wardein: Callable[..., Any]) -> None:
    put_in_force(siege, YES + NO_REASON)
    siege.reports.pop("scan_image")
    denied = siege.gate()
    assert denied.code == 1
    assert deny_rules(denied) == {"gate/missing"}
