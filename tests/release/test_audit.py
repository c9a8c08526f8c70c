# SPDX-License-Identifier: Apache-2.0
"""The audit log: what was acknowledged is there, and what was changed shows."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Ran
from wardein.errors import WardeinError
from wardein.release.audit import START, AuditLog

WRITER = """
import sys
from pathlib import Path
from wardein.release.audit import AuditLog
log = AuditLog(Path(sys.argv[1]))
for n in range(int(sys.argv[3])):
    print(log.append({"writer": sys.argv[2], "n": str(n)}), flush=True)
"""


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    log = AuditLog(tmp_path / "audit.jsonl")
    for n in range(5):
        log.append({"n": str(n)})
    return log


def test_the_chain_holds(log: AuditLog) -> None:
    head = log.append({"n": "5"})
    assert log.verify() == head
    assert log.verify(head) == head


def test_an_empty_log_has_the_starting_head(tmp_path: Path) -> None:
    assert AuditLog(tmp_path / "none").verify() == START


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [lines[0].replace(b'"n": "0"', b'"n": "9"'), *lines[1:]],
        lambda lines: lines[:2] + lines[3:],
        lambda lines: lines[1:],
        lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
        lambda lines: [*lines[:2], lines[1], *lines[2:]],
        lambda lines: [*lines[:2], b"not json", *lines[2:]],
        lambda lines: [*lines[:2], b"[]", *lines[2:]],
    ],
    ids=["edited", "removed", "first removed", "reordered", "doubled", "noise", "another shape"],
)
def test_a_change_shows_and_nothing_more_is_added(change: Callable, log: AuditLog) -> None:
    lines = log.path.read_bytes().splitlines()
    log.path.write_bytes(b"\n".join(change(lines)) + b"\n")
    with pytest.raises(WardeinError):
        log.verify()
    before = log.path.read_bytes()
    with pytest.raises(WardeinError):
        log.append({"n": "6"})
    assert log.path.read_bytes() == before


@pytest.mark.parametrize(
    "change", [lambda lines: lines[:-1], lambda lines: [*lines[:-1], lines[-1].replace(b'"n": "4"', b'"n": "7"')]]
)
def test_a_cut_or_rewritten_tail_shows_against_a_noted_head(change: Callable, log: AuditLog) -> None:
    head = log.verify()
    lines = log.path.read_bytes().splitlines()
    log.path.write_bytes(b"\n".join(change(lines)) + b"\n")
    with pytest.raises(WardeinError, match="noted head"):
        log.verify(head)


def test_an_unfinished_line_is_set_aside(log: AuditLog) -> None:
    head = log.verify()
    with open(log.path, "ab") as file:
        file.write(b'{"n": "half')
    assert log.verify() == head
    log.append({"n": "5"})
    assert len(log.path.read_bytes().splitlines()) == 6
    assert log.path.with_name("audit.jsonl.unfinished").read_bytes() == b'{"n": "half'


def test_writers_at_once_write_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*command, name, "40"], stdout=subprocess.PIPE, text=True) for name in "abc"]
    heads = [head for writer in writers for head in writer.communicate()[0].split()]
    assert len(set(heads)) == 120
    assert AuditLog(path).verify() in heads
    assert len(path.read_bytes().splitlines()) == 120


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """Killed at a random moment, again and again: every acknowledged head stays on the chain."""
    path = tmp_path / "audit.jsonl"
    moments = random.Random(0)
    acknowledged: list[str] = []
    for turn in range(12):
        command = [sys.executable, "-c", WRITER, str(path), str(turn), "100000"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            first = writer.stdout.readline() if writer.stdout else ""
            time.sleep(moments.uniform(0, 0.02))
            os.kill(writer.pid, signal.SIGKILL)
            acknowledged += [first.strip(), *(writer.stdout.read().split() if writer.stdout else [])]
    for head in acknowledged:
        if len(head) == 64:
            AuditLog(path).verify(head)
    assert len(acknowledged) >= 12


def test_audit_command(log: AuditLog, wardein: Callable[..., Ran]) -> None:
    head = log.verify()
    assert head in wardein("audit", log.path).out
    assert wardein("audit", log.path, "--head", head).code == 0
    assert "cut or rewritten" in wardein("audit", log.path, "--head", "1" * 64).one_line
    assert wardein("audit", log.path.with_name("none")).code == 2
