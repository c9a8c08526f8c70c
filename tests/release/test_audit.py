# SPDX-License-Identifier: Apache-2.0
"""The audit log: what was acknowledged is there, whatever kills, fills or races the writer."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import House, Ran
from wardein.errors import WardeinError
from wardein.release import journal
from wardein.release.audit import START, AuditLog
from wardein.release.checkpoint import beside
from wardein.release.journal import MAX_LINE, Journal, Tampered

WRITER = """
import sys
from pathlib import Path
from wardein.release.audit import AuditLog
log = AuditLog(Path(sys.argv[1]))
for n in range(int(sys.argv[3])):
    print(log.append({"writer": sys.argv[2], "n": str(n)}), flush=True)
"""

# Forks writers, and kills each with SIGKILL at a random moment. They write in small pieces, so that many a kill falls
# into the middle of a line. A kill is no power cut: what the kernel has, it keeps, and fsync would only cost time.
KILLS = """
import os, random, signal, sys, time
from pathlib import Path
from wardein.release.audit import AuditLog
path, moments, write = Path(sys.argv[1]), random.Random(0), os.write
for turn in range(int(sys.argv[2])):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write, os.fsync, n = (lambda file, data: write(file, data[:16])), (lambda file: None), 0
        while True:
            write(writing, AuditLog(path).append({"turn": str(turn), "n": str(n)}).encode() + b"\\n")
            n += 1
    os.close(writing)
    time.sleep(moments.uniform(0, 0.006))
    os.kill(child, signal.SIGKILL)
    with open(reading) as pipe:
        sys.stdout.write(pipe.read())
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
"""

# Fills a tiny disk, asks for one entry more, makes room, and asks again.
FULL_DISK = """
import json, sys
from pathlib import Path
from wardein.errors import WardeinError
from wardein.release.audit import AuditLog
folder = Path(sys.argv[1])
log, ballast, heads, refused = AuditLog(folder / "audit.jsonl"), folder / "ballast", [], []
ballast.write_bytes(b"x" * 8192)
while len(refused) < 3:
    try:
        heads.append(log.append({"action": "promote", "n": str(len(heads)), "filler": "x" * 700}))
    except WardeinError as error:
        refused.append(str(error))
at_refusal = (log.verify(), log.journal.unfinished())
ballast.unlink()
heads.append(log.append({"action": "promote", "n": "after"}))
entries = [entry.digest for entry in log.entries()]
print(json.dumps({"refused": refused, "at_refusal": at_refusal, "heads": heads, "entries": entries}))
"""


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    log = AuditLog(tmp_path / "audit.jsonl")
    for n in range(5):
        log.append({"n": str(n)})
    return log


def on_the_chain(path: Path) -> set[str]:
    return {entry.digest for entry in AuditLog(path).entries()}


def test_the_chain_holds(log: AuditLog) -> None:
    head = log.append({"n": "5"})
    assert log.verify() == log.verify(head) == head
    assert [entry.record["n"] for entry in log.entries()] == list("012345")
    assert [entry.number for entry in log.entries()] == [1, 2, 3, 4, 5, 6]


def test_an_empty_log_has_the_starting_head(tmp_path: Path) -> None:
    assert AuditLog(tmp_path / "none").verify() == START
    assert AuditLog(tmp_path / "none").opened_for() == ""


def test_a_log_is_of_one_environment(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for n in "12":
        AuditLog(path, "prod").append({"n": n})
    assert AuditLog(path).opened_for() == "prod"
    assert [entry.record.get("action") for entry in AuditLog(path).entries()] == ["open", None, None]
    before = path.read_bytes()
    with pytest.raises(WardeinError, match="is the log of prod, not of dev"):
        AuditLog(path, "dev").append({"n": "3"})
    assert path.read_bytes() == before


def test_a_log_that_names_no_environment_is_nobodys(log: AuditLog) -> None:
    assert log.opened_for() == ""
    other = AuditLog(log.path.with_name("other"))
    other.append({"action": "promote", "environment": "prod"})  # the name of a release's, not of the log's
    assert other.opened_for() == ""
    with pytest.raises(WardeinError, match="is the log of no environment"):
        AuditLog(log.path, "prod").append({"n": "5"})


@pytest.mark.parametrize(
    "record",
    [
        {"n": 1},
        {"n": None},
        {"n": ["x"]},
        {"n": {1}},
        {1: "n"},
        {"time": "now"},
        {"previous": START},
        {"n": "half of a pair: \ud800"},
        {"n": "x" * MAX_LINE},
    ],
    ids=lambda record: ascii(record)[:30],
)
def test_a_record_that_cannot_be_written(record: dict, log: AuditLog) -> None:
    before = log.path.read_bytes()
    with pytest.raises(WardeinError):
        log.append(record)
    assert log.path.read_bytes() == before
    log.append({"n": "5"})


def test_any_text_can_be_written(log: AuditLog) -> None:
    text = 'line\nfeed, nul \x00, quote ", umlaut ü, separator \u2028'
    log.append({"said": text})
    assert [entry.record for entry in log.entries()][-1]["said"] == text


def test_an_unfinished_line_is_set_aside(log: AuditLog) -> None:
    head = log.verify()
    for half in (b'{"n": "half', b'{"n": "again'):
        with open(log.path, "ab") as file:
            file.write(half)
        assert log.verify() == head
        assert log.journal.unfinished() == len(half)
        head = log.append({"n": "5"})
    assert len(log.path.read_bytes().splitlines()) == 7
    assert log.path.with_name("audit.jsonl.unfinished").read_bytes() == b'{"n": "half\n{"n": "again\n'


def test_an_append_costs_the_same_in_a_long_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, read = AuditLog(tmp_path / "audit.jsonl", "prod"), []
    real = os.pread
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(os, "pread", lambda *a: read.append(len(found := real(*a))) or found)
    monkeypatch.setattr(Journal, "lines", None)  # the whole log is never read
    for n in range(1500):
        read.clear()
        log.append({"n": str(n), "filler": "x" * 500})
    assert log.path.stat().st_size > 900_000
    assert sum(read) < 8 * MAX_LINE


def test_a_log_is_read_in_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    for n in range(800):
        log.append({"n": str(n), "filler": "x" * (MAX_LINE // 2)})
    tracemalloc.start()
    try:
        log.verify()
        assert tracemalloc.get_traced_memory()[1] < log.path.stat().st_size / 3
    finally:
        tracemalloc.stop()


def test_writers_at_once_write_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*command, name, "200"], stdout=subprocess.PIPE, text=True) for name in "abc"]
    heads = [head for writer in writers for head in writer.communicate()[0].split()]
    assert len(heads) == 600
    assert set(heads) == on_the_chain(path)


@pytest.mark.slow
def test_a_thousand_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    ended = subprocess.run([sys.executable, "-c", KILLS, str(path), "1000"], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    acknowledged = ended.stdout.split()
    log = AuditLog(path)
    digests = [entry.digest for entry in log.entries()]
    assert set(acknowledged) <= set(digests)
    assert len(acknowledged) == len(set(acknowledged)) > 500
    assert len(digests) - len(acknowledged) <= 1000  # at most one a kill was written and not acknowledged
    assert path.with_name("audit.jsonl.unfinished").stat().st_size > 0  # some kills fell into a line
    log.append({"n": "after"})


def test_a_full_disk(tmp_path: Path) -> None:
    """A real file system that really is full: refused by one line, and fine again once there is room."""
    (disk := tmp_path / "disk").mkdir()
    mount = 'mount -t tmpfs -o size=64k wardein-test "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "-m", "sh", "-c", mount, "sh", str(disk), sys.executable, FULL_DISK]
    if not shutil.which("unshare") or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("needs the right to mount a small tmpfs: unshare -m")
    ended = subprocess.run(command, capture_output=True, text=True)
    if "mount:" in ended.stderr:
        pytest.skip(f"needs the right to mount a small tmpfs: {ended.stderr.strip()}")
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert all("No space left on device" in error and "was not added" in error for error in told["refused"])
    assert told["at_refusal"] == [told["heads"][-2], 0]
    assert told["entries"] == told["heads"]
    assert len(told["heads"]) > 20


def test_a_write_that_the_disk_takes_back(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems tell of a full disk only when asked to write it out."""
    before = log.path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(WardeinError, match="was not added"):
            log.append({"n": "5"})
    assert log.path.read_bytes() == before
    assert log.append({"n": "5"}) == log.verify()


def test_a_new_log_is_on_disk_by_its_name_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced, sync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino) or sync(descriptor))
    path = tmp_path / "audit.jsonl"
    for _ in "12":
        AuditLog(path).append({"n": "1"})
    assert synced == [path.stat().st_ino, tmp_path.stat().st_ino, path.stat().st_ino]


def test_a_lock_that_is_never_given_up(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "LOCK_SECONDS", 0.05)
    with open(log.path, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        with pytest.raises(WardeinError, match="stayed locked"):
            log.append({"n": "5"})
    log.append({"n": "5"})


def test_a_log_that_is_replaced_again_and_again(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "LOCK_SECONDS", 0.05)
    monkeypatch.setattr(journal.Held, "is_current", lambda self: False)
    with pytest.raises(Tampered, match="was replaced again and again"):
        log.append({"n": "5"})


def test_a_log_that_is_full(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    before = log.path.read_bytes()
    monkeypatch.setattr(journal, "MAX_BYTES", len(before) + 50)
    with pytest.raises(WardeinError, match="would grow beyond"):
        log.append({"n": "5"})
    assert log.path.read_bytes() == before


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(WardeinError, match="No such file"):
        AuditLog(tmp_path / "no" / "audit.jsonl").append({"n": "1"})


MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["set", "insert", "delete", "cut", "repeat", "swap"]),
        st.integers(0, 10_000),
        st.integers(0, 10_000),
        st.binary(min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=3,
)


def mutated(content: bytes, how: str, one: int, other: int, noise: bytes) -> bytes:
    start, end = sorted((one % (len(content) + 1), other % (len(content) + 1)))
    lines = content.splitlines(keepends=True)
    if how == "swap" and lines:
        a, b = one % len(lines), other % len(lines)
        lines[a], lines[b] = lines[b], lines[a]
        return b"".join(lines)
    return {
        "set": content[:start] + noise + content[start + len(noise) :],
        "insert": content[:start] + noise + content[start:],
        "delete": content[:start] + content[end:],
        "cut": content[:start],
        "repeat": content[:end] + content[start:],
        "swap": content,
    }[how]


@settings(max_examples=400, deadline=None)
@given(mutations=MUTATIONS)
def test_whatever_is_done_to_the_bytes_shows_or_changes_nothing(
    mutations: list, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "mutated"
    folder.mkdir(exist_ok=True)
    honest = AuditLog(folder / "audit.jsonl")
    if not honest.path.exists():
        for n in range(4):
            honest.append({"action": "promote", "n": str(n)})
    content, head, entries = honest.path.read_bytes(), honest.verify(), list(honest.entries())
    changed = content
    for mutation in mutations:
        changed = mutated(changed, *mutation)
    log = AuditLog(folder / "changed.jsonl")
    log.path.write_bytes(changed)
    try:
        log.verify(head)
    except Tampered:
        assert changed != content
    else:
        assert list(log.entries()) == entries
        assert changed.startswith(content)  # at most an unfinished line more


def test_verify(log: AuditLog, wardein: Callable[..., Ran]) -> None:
    ran = wardein("audit", "verify", log.path)
    assert (ran.code, ran.err) == (0, "")
    assert "5 entries" in ran.out
    assert log.verify() in ran.out
    assert "not looked at" in ran.out
    assert wardein("audit", "verify", log.path, "--head", log.verify()).code == 0


def test_verify_tells_of_an_unfinished_line(log: AuditLog, wardein: Callable[..., Ran]) -> None:
    with open(log.path, "ab") as file:
        file.write(b'{"n": "half')
    assert "unfinished: 11 bytes" in wardein("audit", "verify", log.path).out


def test_a_broken_chain_is_a_fail_not_an_error(log: AuditLog) -> None:
    log.path.write_bytes(log.path.read_bytes().replace(b'"n": "1"', b'"n": "9"'))
    command = [sys.executable, "-m", "wardein", "audit", "verify", str(log.path)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr == f"wardein: {log.path} line 3: does not follow from the line before it: the log was edited\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("verify", "none.jsonl"), "does not exist"),
        (("verify", "empty.jsonl"), "holds no entry"),
        (("verify", "folder"), "is not a regular file"),
        (("verify", "audit.jsonl", "--head", "abc"), "not a lower-case sha256"),
        (("verify", "audit.jsonl", "--anchor", "there"), "needs --trust"),
        (("verify", "audit.jsonl", "--sealed"), "needs --trust"),
        (("verify", "audit.jsonl", "--trust", "none.json"), "cannot be read"),
        (("verify", "audit.jsonl", "--trust", "house/trust.json"), "no checkpoint to hold it against"),
        (("verify", "audit.jsonl", "--trust", "house/trust.json", "--anchor", "git:house"), "not a git repository"),
        (("verify", "audit.jsonl", "--trust", "house/trust.json", "--anchor", "folder"), "is not a regular file"),
        (("verify", "huge.jsonl"), "is larger than"),
        (("show", "none.jsonl"), "does not exist"),
        (("checkpoint", "audit.jsonl"), "--key"),
        (("checkpoint", "audit.jsonl", "--key", "file:none.pem"), "does not exist"),
        (("checkpoint", "empty.jsonl", "--key", "file:house/keys/audit.pem"), "holds no entry"),
        (
            ("checkpoint", "audit.jsonl", "--key", "file:house/keys/audit.pem", "--anchor", "no/file"),
            "cannot be opened",
        ),
        (
            ("checkpoint", "audit.jsonl", "--key", "file:house/keys/audit.pem", "--anchor", "audit.checkpoints.jsonl"),
            "is the checkpoint file itself",
        ),
        (
            ("checkpoint", "audit.jsonl", "--key", "file:house/keys/gate.pem", "--trust", "house/trust.json"),
            "do not include 'audit'",
        ),
        (("audit.jsonl",), "invalid choice"),
        ((), "VERB"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_looked_at_is_an_error(
    arguments: tuple,
    says: str,
    log: AuditLog,
    house: House,
    wardein: Callable[..., Ran],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(log.path.parent)
    Path("empty.jsonl").touch()
    Path("folder").mkdir()
    with open("huge.jsonl", "wb") as file:
        file.truncate(journal.MAX_BYTES + 1)
    ran = wardein("audit", *arguments)
    assert ran.code == 2
    assert says in ran.one_line
    assert ran.out == ""
    assert not list(beside(log.path).lines())


def test_show(tmp_path: Path, wardein: Callable[..., Ran]) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", "prod")
    log.append({"action": "promote", "model": "ab" * 32, "nonce": ""})
    log.append({"action": "note", "said": "\x1b[2Jcleared\n7  forged row"})
    first, second, third = wardein("audit", "show", log.path).out.splitlines()
    assert first.endswith("Z  open          environment=prod")
    assert second.endswith(f"Z  promote       model={'ab' * 6}")
    assert third.endswith('said="\\u001b[2Jcleared\\n7  forged row"')
    shown = json.loads(wardein("audit", "show", log.path, "--json").out)
    assert [(entry["number"], entry["sha256"]) for entry in shown] == [(e.number, e.digest) for e in log.entries()]
    assert shown[1]["record"]["model"] == "ab" * 32


def test_show_does_not_show_what_does_not_follow(log: AuditLog, wardein: Callable[..., Ran]) -> None:
    log.path.write_bytes(log.path.read_bytes().replace(b'"n": "1"', b'"n": "9"'))
    ran = wardein("audit", "show", log.path, "--json")
    assert (ran.code, ran.out) == (1, "")
    assert "line 3" in ran.one_line


def git(repository: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a")
    command = ["git", "-C", str(repository), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    if not shutil.which("git"):
        pytest.skip("needs git")
    path = tmp_path / "repository"
    path.mkdir()
    git(path, "init", "-q")
    return path


@pytest.mark.parametrize("where", ["file", "git"])
def test_checkpoints_at_an_anchor(
    where: str, log: AuditLog, house: House, wardein: Callable[..., Ran], repository: Path
) -> None:
    anchor = f"git:{repository}" if where == "git" else repository.parent / "anchor.jsonl"
    fixed = ("--trust", house.trust, "--anchor", anchor)
    for n in (5, 6):
        ran = wardein("audit", "checkpoint", log.path, "--key", house.key("audit"), *fixed)
        assert ran.code == 0, ran.err
        assert f"signed for {n} entries; the head is {log.verify()}" in ran.out
        log.append({"n": str(n)})
    ran = wardein("audit", "verify", log.path, *fixed)
    assert ran.code == 0, ran.err
    assert "signed for: 6 entries" in ran.out
    assert "not signed for: 1 entries" in ran.out
    assert wardein("audit", "verify", log.path, *fixed, "--sealed").code == 1
    shown = wardein("show", beside(log.path).path, "--trust", house.trust).out
    assert shown.count("urn:wardein:audit-checkpoint:1") == shown.count("by audit (audit), verified") == 2
    beside(log.path).path.unlink()  # whoever writes to the log can do that; the anchor is what counts
    assert wardein("audit", "verify", log.path, *fixed).code == 0


def test_a_git_note_stays(log: AuditLog, house: House, wardein: Callable[..., Ran], repository: Path) -> None:
    """It is there before the first commit, after new ones and other roots, and after garbage was collected."""
    fixed = ("--trust", house.trust, "--anchor", f"git:{repository}")
    assert wardein("audit", "checkpoint", log.path, "--key", house.key("audit"), *fixed).code == 0
    git(repository, "commit", "-q", "--allow-empty", "-m", "first")
    git(repository, "checkout", "-q", "--orphan", "other")
    git(repository, "commit", "-q", "--allow-empty", "-m", "another root")
    git(repository, "gc", "-q", "--prune=now")
    git(repository, "notes", "--ref=wardein-audit", "prune")
    assert wardein("audit", "verify", log.path, *fixed).code == 0
    assert wardein("audit", "checkpoint", log.path, "--key", house.key("audit"), *fixed).code == 0
    (noted,) = [line.split()[1] for line in git(repository, "notes", "--ref=wardein-audit", "list").splitlines()]
    assert len(git(repository, "notes", "--ref=wardein-audit", "show", noted).splitlines()) == 2


def test_a_folder_in_a_repository_is_none(
    log: AuditLog, house: House, wardein: Callable[..., Ran], repository: Path
) -> None:
    (repository / "folder").mkdir()
    anchor = f"git:{repository}/folder"
    ran = wardein("audit", "checkpoint", log.path, "--key", house.key("audit"), "--anchor", anchor)
    assert ran.code == 2
    assert "not a git repository" in ran.one_line
    assert git(repository, "for-each-ref") == ""


def test_nothing_is_signed_while_an_entry_is_written(
    log: AuditLog, house: House, wardein: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry that the disk takes back would leave a checkpoint that counts one too many."""
    monkeypatch.setattr(journal, "LOCK_SECONDS", 0.05)
    with log.journal.held():
        ran = wardein("audit", "checkpoint", log.path, "--key", house.key("audit"))
    assert ran.code == 2
    assert "stayed locked" in ran.one_line


def test_checkpoints_at_once_are_kept_in_order(log: AuditLog, house: House, wardein: Callable[..., Ran]) -> None:
    anchor = log.path.parent / "anchor.jsonl"
    command = [sys.executable, "-m", "wardein", "audit", "checkpoint", str(log.path), "--key", house.key("audit")]
    signers = [subprocess.Popen([*command, "--anchor", str(anchor)], stdout=subprocess.PIPE) for _ in range(3)]
    for n in range(300):
        log.append({"n": str(n)})
    assert [signer.communicate() and signer.returncode for signer in signers] == [0, 0, 0]
    assert wardein("audit", "verify", log.path, "--trust", house.trust, "--anchor", anchor).code == 0
