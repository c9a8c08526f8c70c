# SPDX-License-Identifier: Apache-2.0
"""Attacks on the audit log by somebody who may write to its folder and holds no key.

Each is run twice, as the attacks on the gate are: it must be found by its own name, and must pass once the one step
that guards against it is removed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import House, Ran
from wardein.evidence import trust
from wardein.evidence.envelope import seal
from wardein.evidence.keys import signer_for
from wardein.evidence.statement import write
from wardein.release import audit, checkpoint, journal
from wardein.release.audit import AuditLog
from wardein.release.checkpoint import CHECKPOINT, Checkpoint, beside
from wardein.release.journal import Journal, Tampered
from wardein.subject import Subject

ENTRIES = 6


@dataclass
class Scene:
    """A log of six entries with a checkpoint beside it and at an anchor that the attacker cannot write to."""

    log: AuditLog
    anchor: Path
    house: House
    wardein: Callable[..., Ran]

    @property
    def lines(self) -> list[bytes]:
        return self.log.path.read_bytes().splitlines(keepends=True)

    def put(self, *lines: bytes) -> None:
        self.log.path.write_bytes(b"".join(lines))

    def checkpoint(self, log: AuditLog | None = None) -> Ran:
        path = (log or self.log).path
        return self.wardein("audit", "checkpoint", path, "--key", self.house.key("audit"), "--anchor", self.anchor)

    def verify(self, *options: str) -> Ran:
        return self.wardein("audit", "verify", self.log.path, *options)

    def verify_all(self, *options: str) -> Ran:
        return self.verify("--trust", str(self.house.trust), "--anchor", str(self.anchor), *options)

    def forge(self, previous: bytes, **record: str) -> bytes:
        """A line that follows from another: no key is needed for that."""
        link = hashlib.sha256(previous.rstrip(b"\n")).hexdigest()
        return json.dumps({"time": "2026-01-01T00:00:00Z"} | record | {"previous": link}).encode() + b"\n"

    def anchor_says(self, role: str = "audit", kind: str = CHECKPOINT, **changed: object) -> None:
        """Replace the anchor by a checkpoint that somebody with a key of that role signed."""
        heads = [entry.digest for entry in self.log.entries()]
        said = {"entries": len(heads), "head": heads[-1], "log": heads[0], "time": "2026-01-01T00:00:00Z", **changed}
        payload = write([Subject("audit.jsonl", str(said.pop("subject", said["head"])))], kind, said)
        self.anchor.write_bytes(seal(payload, signer_for(self.house.key(role))).to_line())


@pytest.fixture
def scene(tmp_path: Path, house: House, wardein: Callable[..., Ran]) -> Scene:
    (tmp_path / "served").mkdir()
    scene = Scene(AuditLog(tmp_path / "served" / "audit.jsonl"), tmp_path / "anchor.jsonl", house, wardein)
    for n in range(ENTRIES):
        scene.log.append({"action": "promote", "n": str(n)})
    assert scene.checkpoint().code == 0
    assert scene.verify().code == scene.verify_all("--sealed").code == 0
    return scene


# What is done to the log's lines, and what is found, by the chain alone.


def edit(s: Scene) -> None:
    s.put(*s.lines[:1], s.lines[1].replace(b'"n": "1"', b'"n": "9"'), *s.lines[2:])


def edit_the_first(s: Scene) -> None:
    s.put(s.lines[0].replace(b'"n": "0"', b'"n": "9"'), *s.lines[1:])


def reorder(s: Scene) -> None:
    s.put(*s.lines[:2], s.lines[3], s.lines[2], *s.lines[4:])


def drop_the_first(s: Scene) -> None:
    s.put(*s.lines[1:])


def drop_a_middle_line(s: Scene) -> None:
    s.put(*s.lines[:2], *s.lines[3:])


def repeat(s: Scene) -> None:
    s.put(*s.lines, s.lines[-1])


def forge_in_the_middle(s: Scene) -> None:
    s.put(*s.lines[:3], s.forge(s.lines[2], action="promote", n="forged"), *s.lines[3:])


def forge_without_a_link(s: Scene) -> None:
    s.put(*s.lines, s.forge(s.lines[2], action="promote", n="forged"))


def repeat_a_key(s: Scene) -> None:
    line = s.forge(s.lines[-1], action="promote").replace(b'"action"', b'"action": "note", "action"')
    s.put(*s.lines, line)


def nul_bytes(s: Scene) -> None:
    s.put(*s.lines, s.forge(s.lines[-1], action="pro mote").replace(b"pro mote", b"pro\x00mote"))


def not_a_number(s: Scene) -> None:
    s.put(*s.lines, s.forge(s.lines[-1], action="promote").replace(b'"promote"', b"NaN"))


def no_string(s: Scene) -> None:
    s.put(*s.lines, s.forge(s.lines[-1], action="promote").replace(b'"promote"', b"1"))


def no_object(s: Scene) -> None:
    s.put(*s.lines, b'["action", "promote"]\n')


def no_time(s: Scene) -> None:
    s.put(*s.lines, s.forge(s.lines[-1], action="promote", time="yesterday"))


def cut_in_the_line(s: Scene) -> None:
    s.put(*s.lines[:-1], s.lines[-1][:40] + b"\n")


def no_entry_at_all(s: Scene) -> None:
    s.put(*s.lines[:-1], b"\n")


def long_line(s: Scene) -> None:
    s.put(*s.lines, s.forge(s.lines[-1], action="x" * 1_000_000))


def no_links(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(audit, "_must_follow", lambda record, previous, where: None)


def loose_json(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(audit, "strict_loads", lambda line: json.loads(line, strict=False, parse_constant=str))


def any_line(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(audit, "_read", lambda line, previous, where: {})


def no_line_limit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(journal, "MAX_LINE", 2_000_000)


ON_THE_CHAIN = [
    (edit, "line 3: does not follow from the line before it: the log was edited", no_links),
    (edit_the_first, "line 2: does not follow", no_links),
    (reorder, "line 3: does not follow", no_links),
    (drop_the_first, "line 1: does not follow", no_links),
    (drop_a_middle_line, "line 3: does not follow", no_links),
    (repeat, "line 7: does not follow", no_links),
    (forge_in_the_middle, "line 5: does not follow", no_links),
    (forge_without_a_link, "line 7: does not follow", no_links),
    (repeat_a_key, "line 7: is no entry of an audit log: it is not valid JSON (duplicate key 'action')", loose_json),
    (nul_bytes, "line 7: is no entry of an audit log: it is not valid JSON (Invalid control character", loose_json),
    (not_a_number, "line 7: is no entry of an audit log: it is not valid JSON (NaN", loose_json),
    (no_string, "line 7: is no entry of an audit log: it is not an object of strings", any_line),
    (no_object, "line 7: is no entry of an audit log: it is not an object of strings", any_line),
    (no_time, "line 7: is no entry of an audit log: it has no time", any_line),
    (cut_in_the_line, "line 6: is no entry of an audit log", any_line),
    (no_entry_at_all, "line 6: is no entry of an audit log", any_line),
    (long_line, "line 7: is longer than 16384 bytes", no_line_limit),
]


@pytest.mark.parametrize(("attack", "says", "remove"), ON_THE_CHAIN, ids=lambda case: getattr(case, "__name__", None))
def test_the_chain_shows(
    attack: Callable, says: str, remove: Callable, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    attack(scene)
    before = scene.log.path.read_bytes()
    ran = scene.verify()
    assert (ran.code, ran.out) == (1, "")
    assert says in ran.one_line
    assert scene.checkpoint().code == 1
    assert scene.log.path.read_bytes() == before
    remove(monkeypatch)
    assert scene.verify().code == 0


# What the chain alone cannot show, because whoever writes to the log can make it follow.


def cut_the_tail(s: Scene) -> None:
    s.put(*s.lines[:4])


def cut_everything(s: Scene) -> None:
    s.put()


def cut_the_last_line_feed(s: Scene) -> None:
    s.put(*s.lines[:-1], s.lines[-1].rstrip(b"\n"))


def roll_back(s: Scene) -> None:
    """Log and checkpoints as they were before, both true once."""
    older = s.lines[:4]
    s.put(*older)
    beside(s.log.path).path.unlink()
    assert s.wardein("audit", "checkpoint", s.log.path, "--key", s.house.key("audit")).code == 0


def fork(s: Scene) -> None:
    """Two copies, both extended; the anchor knows the one, and the other is put in its place."""
    copy = AuditLog(s.log.path.with_name("copy.jsonl"))
    shutil.copy(s.log.path, copy.path)
    s.log.append({"action": "promote", "n": "honest"})
    assert s.checkpoint().code == 0
    for n in "12":
        copy.append({"action": "promote", "n": f"forged {n}"})
    os.replace(copy.path, s.log.path)


def rewrite_the_tail(s: Scene) -> None:
    s.put(*s.lines[:-1], s.forge(s.lines[-2], action="promote", n="forged"))


def rewrite_whole(s: Scene) -> None:
    s.log.path.unlink()
    for n in range(ENTRIES):
        s.log.append({"action": "promote", "n": f"forged {n}"})


def checkpoint_of_another_log(s: Scene) -> None:
    s.anchor_says(log="1" * 64)


def signed_by_the_gate(s: Scene) -> None:
    s.anchor_says(role="gate")


def edit_the_checkpoint(s: Scene) -> None:
    envelope = json.loads(s.anchor.read_bytes())
    payload = base64.b64decode(envelope["payload"]).replace(b'"entries":6', b'"entries":4')
    payload = payload.replace(s.log.verify().encode(), list(s.log.entries())[3].digest.encode())
    s.anchor.write_text(json.dumps({**envelope, "payload": base64.b64encode(payload).decode()}) + "\n")
    s.put(*s.lines[:4])
    beside(s.log.path).path.unlink()


def unsigned(s: Scene) -> None:
    envelope = json.loads(s.anchor.read_bytes())
    s.anchor.write_text(json.dumps({**envelope, "signatures": []}) + "\n")


def signed_by_a_stranger(s: Scene) -> None:
    assert s.wardein("init", s.anchor.parent / "other").code == 0
    s.anchor.unlink()
    key = f"file:{s.anchor.parent}/other/keys/audit.pem"
    assert s.wardein("audit", "checkpoint", s.log.path, "--key", key, "--anchor", s.anchor).code == 0
    beside(s.log.path).path.unlink()


def reorder_the_checkpoints(s: Scene) -> None:
    s.log.append({"n": "7"})
    assert s.checkpoint().code == 0
    s.anchor.write_bytes(b"".join(reversed(s.anchor.read_bytes().splitlines(keepends=True))))


def no_cut(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(checkpoint, "_must_not_count_more", lambda *_: None)


def no_fork(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(checkpoint, "_must_be_on_the_chain", lambda *_: None)


def no_order(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(checkpoint, "_must_not_go_back", lambda *_: None)


def any_log(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(checkpoint, "_must_be_of_this_log", lambda *_: None)


def another_log_and_fork(patch: pytest.MonkeyPatch) -> None:
    any_log(patch)  # a log rewritten whole is a fork at its first line as well
    no_fork(patch)


def any_signer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(trust.TrustRoot, "signer_of", lambda *_: None)


AGAINST_THE_ANCHOR = [
    (cut_the_tail, "was cut or rolled back: it has 4 entries, and had 6", no_cut),
    (cut_the_last_line_feed, "was cut or rolled back: it has 5 entries, and had 6", no_cut),
    (roll_back, "was cut or rolled back: it has 4 entries, and had 6", no_cut),
    (fork, "was forked or rewritten: entry 7 is not the one that was signed", no_fork),
    (rewrite_the_tail, "was forked or rewritten: entry 6 is not the one that was signed", no_fork),
    (rewrite_whole, "is a checkpoint of another log, or the log was rewritten from its first", another_log_and_fork),
    (checkpoint_of_another_log, "is a checkpoint of another log", any_log),
    (signed_by_the_gate, "is signed by gate, whose roles (gate) do not include 'audit'", any_signer),
    (edit_the_checkpoint, "the signature of audit does not hold", any_signer),
    (unsigned, "is not signed", any_signer),
    (signed_by_a_stranger, "is signed by a key that the trust root does not list", any_signer),
    (reorder_the_checkpoints, "line 2: goes backwards (6 entries after 7)", no_order),
]


@pytest.mark.parametrize(
    ("attack", "says", "remove"), AGAINST_THE_ANCHOR, ids=lambda case: getattr(case, "__name__", None)
)
def test_the_anchor_shows(
    attack: Callable, says: str, remove: Callable, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    attack(scene)
    assert scene.verify().code == 0, "the chain itself holds"
    ran = scene.verify_all()
    assert (ran.code, ran.out) == (1, "")
    assert says in ran.one_line
    remove(monkeypatch)
    assert scene.verify_all().code == 0


def test_a_log_that_was_emptied(scene: Scene) -> None:
    scene.put()
    ran = scene.verify_all()
    assert ran.code == 1
    assert "was cut or rolled back: it has 0 entries, and had 6" in ran.one_line


@pytest.mark.parametrize(
    "attack", [cut_the_tail, roll_back, fork, rewrite_the_tail, rewrite_whole], ids=lambda attack: attack.__name__
)
def test_what_the_anchor_disowns_is_never_signed(attack: Callable, scene: Scene) -> None:
    attack(scene)
    before = scene.anchor.read_bytes()
    local = beside(scene.log.path).path.read_bytes()
    ran = scene.checkpoint()
    assert ran.code == 1
    assert "Traceback" not in ran.err
    assert scene.anchor.read_bytes() == before
    assert beside(scene.log.path).path.read_bytes() == local


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "urn:wardein:check-result:1"},
        {"subject": "1" * 64},
        {"entries": True},
        {"entries": 0},
        {"entries": "6"},
        {"entries": 6.0},
        {"head": None, "subject": "1" * 64},
        {"log": "A" * 64},
        {"time": "yesterday"},
    ],
    ids=str,
)
def test_what_is_signed_and_no_checkpoint(changed: dict, scene: Scene) -> None:
    scene.anchor_says()
    assert scene.verify_all().code == 0
    scene.anchor_says(**changed)
    ran = scene.verify_all()
    assert ran.code == 1
    assert "anchor.jsonl line 1: is no checkpoint that counts" in ran.one_line


@pytest.mark.parametrize("content", [b"not json\n", b"{}\n", b'{"payload": 1}\n', b"\n", b"x" * 20_000 + b"\n"])
def test_noise_at_the_anchor(content: bytes, scene: Scene) -> None:
    scene.anchor.write_bytes(content)
    ran = scene.verify_all()
    assert ran.code == 1
    assert "anchor.jsonl line 1" in ran.one_line


@pytest.mark.parametrize("content", [None, b"", b'{"unfinished'])
def test_an_anchor_without_a_checkpoint_is_no_silent_pass(content: bytes | None, scene: Scene) -> None:
    if content is None:
        scene.anchor.unlink()
    else:
        scene.anchor.write_bytes(content)
    ran = scene.verify_all()
    assert ran.code == 1
    assert "holds no checkpoint of" in ran.one_line


def test_no_checkpoint_at_all_is_not_a_pass(scene: Scene) -> None:
    beside(scene.log.path).path.unlink()
    ran = scene.verify("--trust", str(scene.house.trust))
    assert ran.code == 2
    assert "no checkpoint to hold it against" in ran.one_line


def test_a_forged_line_after_the_last_checkpoint(scene: Scene) -> None:
    """It follows, and nobody vouches for it: said always, and a FAIL where everything must be vouched for."""
    scene.put(*scene.lines, scene.forge(scene.lines[-1], action="promote", n="forged"))
    ran = scene.verify_all()
    assert ran.code == 0
    assert "not signed for: 1 entries" in ran.out
    ran = scene.verify_all("--sealed")
    assert ran.code == 1
    assert "no checkpoint vouches for the last 1 of its entries" in ran.one_line


def test_a_forged_line_instead_of_the_acknowledged_one(scene: Scene) -> None:
    head = scene.log.append({"action": "promote", "n": "acknowledged"})
    scene.put(*scene.lines[:-1], scene.forge(scene.lines[-2], action="promote", n="forged"))
    assert scene.verify_all().code == 0
    ran = scene.verify_all("--head", head)
    assert ran.code == 1
    assert "the noted head is not on the chain" in ran.one_line


# The file itself.


def test_a_link_as_log(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = scene.log.path.rename(scene.log.path.with_name("elsewhere.jsonl"))
    scene.log.path.symlink_to(moved)
    before = moved.read_bytes()
    for ran in (scene.verify(), scene.checkpoint(), scene.wardein("audit", "show", scene.log.path)):
        assert ran.code == 2
        assert "is a symbolic link" in ran.one_line
    with pytest.raises(journal.WardeinError, match="is a symbolic link"):
        scene.log.append({"n": "6"})
    assert moved.read_bytes() == before
    followed = journal.open_regular
    monkeypatch.setattr(journal, "open_regular", lambda path, shown: followed(path, shown, follow=True))
    monkeypatch.setattr(os, "O_NOFOLLOW", 0)
    assert scene.verify().code == 0


def test_no_other_file_is_written_through_a_link(scene: Scene) -> None:
    victim = scene.anchor.with_name("victim")
    victim.write_bytes(b"precious, and without a line feed")
    for name in ("audit.jsonl", "audit.checkpoints.jsonl", "audit.jsonl.unfinished"):
        path = scene.log.path.with_name(name)
        for make in (path.symlink_to, path.hardlink_to):
            before = path.read_bytes() if path.exists() else b""
            path.unlink(missing_ok=True)
            make(victim)
            if name.endswith("unfinished"):
                with open(scene.log.path, "ab") as file:
                    file.write(b'{"half')
            add = Journal(path).append if name == "audit.checkpoints.jsonl" else scene.log.append
            with pytest.raises(journal.WardeinError, match=r"is a symbolic link|has a second name"):
                add(b"{}" if name == "audit.checkpoints.jsonl" else {"n": "6"})
            assert victim.read_bytes() == b"precious, and without a line feed"
            path.unlink()
            if before:
                path.write_bytes(before)


def test_a_pipe_as_log_does_not_block(scene: Scene) -> None:
    scene.log.path.unlink()
    os.mkfifo(scene.log.path)
    ran = scene.verify()
    assert ran.code == 2
    assert "is not a regular file" in ran.one_line
    with pytest.raises(journal.WardeinError, match="is not a regular file"):
        scene.log.append({"n": "6"})


def replaced_before_the_lock(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, after the writer opened the log, another file takes its place."""
    lock, copies = journal._lock, [scene.log.path.read_bytes()]

    def late(*arguments: object) -> None:
        if copies:
            other = scene.log.path.with_name("other")
            other.write_bytes(copies.pop())
            os.replace(other, scene.log.path)
        lock(*arguments)

    monkeypatch.setattr(journal, "_lock", late)


def test_a_log_that_is_replaced_before_the_lock(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced_before_the_lock(scene, monkeypatch)
    assert scene.log.append({"n": "6"}) == scene.log.verify()
    replaced_before_the_lock(scene, monkeypatch)
    monkeypatch.setattr(journal.Held, "is_current", lambda self: True)
    assert scene.log.append({"n": "7"}) != scene.log.verify()  # went into the file that nobody sees


def test_a_log_that_is_replaced_while_it_is_written_to(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def slow(descriptor: int, data: bytes) -> int:
        shutil.copy(scene.log.path, other := scene.log.path.with_name("other"))
        os.replace(other, scene.log.path)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", slow)
    with pytest.raises(Tampered, match="was replaced while it was written to"):
        scene.log.append({"n": "6"})


def test_a_hundred_megabytes_in_one_line(scene: Scene) -> None:
    with open(scene.log.path, "ab") as file:
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b"\n")
    tracemalloc.start()
    try:
        ran = scene.verify()
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
    assert ran.code == 1
    assert "line 7: is longer than 16384 bytes" in ran.one_line
    with pytest.raises(Tampered, match="longer than 16384 bytes"):
        scene.log.append({"n": "6"})


@pytest.mark.parametrize("attack", [forge_without_a_link, repeat, cut_in_the_line, no_entry_at_all, long_line])
def test_an_append_looks_at_the_last_link(attack: Callable, scene: Scene) -> None:
    """Nothing is added to a log whose last line was not appended here; further back is for ``verify``."""
    attack(scene)
    before = scene.log.path.read_bytes()
    with pytest.raises(Tampered):
        scene.log.append({"n": "6"})
    assert scene.log.path.read_bytes() == before


@pytest.mark.parametrize("content", [b"x" * 100_000, b'{"time": "2026-01-01T00:00:00Z", "previous": "edited"}\n'])
def test_an_append_to_what_was_never_a_log(content: bytes, scene: Scene) -> None:
    scene.put(content)
    with pytest.raises(Tampered, match=r"longer than|the log was edited"):
        scene.log.append({"n": "6"})
    assert scene.log.path.read_bytes() == content
    assert not scene.log.path.with_name("audit.jsonl.unfinished").exists()


def test_a_checkpoint_says_what_the_log_was(scene: Scene) -> None:
    (said,) = [found for _, found in checkpoint._read_all(Journal(scene.anchor), trust.load(scene.house.trust))]
    heads = [entry.digest for entry in scene.log.entries()]
    assert said == Checkpoint(ENTRIES, heads[-1], heads[0], said.time)
