# SPDX-License-Identifier: Apache-2.0
"""The one hasher: right for every size and number of files, faithful, bounded, and stopped by whoever waits for it."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import House, Ran
from wardein import hashing
from wardein.errors import WardeinError
from wardein.hashing import Reading, hash_all
from wardein.subject import copy_of, digest_of, hash_file, in_place, tree_of


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes at which every way through the hasher is taken by files of a few bytes."""
    monkeypatch.setattr(hashing, "_BLOCK", 4)
    monkeypatch.setattr(hashing, "_LARGE", 40)
    monkeypatch.setattr(hashing, "_SMALL", 0)
    monkeypatch.setattr(hashing, "_cores", lambda: 3)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(hashing, "_LARGE", 1024 * 1024)
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(1024) * 5000)
    return path


@pytest.mark.usefixtures("small_steps")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=90), min_size=1, max_size=9), st.booleans())
def test_digests_are_those_of_the_bytes(tmp_path_factory, contents: list[bytes], copied: bool) -> None:
    folder = tmp_path_factory.mktemp("files")
    readings = []
    for number, content in enumerate(contents):
        (folder / str(number)).write_bytes(content)
        target = str(folder / f"{number}.copy") if copied else ""
        readings.append(Reading(f"file {number}", str(folder / str(number)), len(content), target))
    hashed = hash_all(readings)
    assert [(f.path, f.digest, f.bytes) for f in hashed] == [
        (f"file {n}", hashlib.sha256(content).hexdigest(), len(content)) for n, content in enumerate(contents)
    ]
    if copied:
        assert [(folder / f"{n}.copy").read_bytes() for n in range(len(contents))] == contents


def test_one_large_file_is_copied_as_it_is_hashed(large: Path, tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    copied = copy_of(large, tmp_path / "to")
    assert copied.path.read_bytes() == large.read_bytes()
    assert copied.digest == hash_file(large).digest == hashlib.sha256(large.read_bytes()).hexdigest()


def test_a_buffer_is_not_filled_again_before_it_was_hashed(large: Path, tmp_path: Path, monkeypatch) -> None:
    class Slow:
        """A sha256 that lets the reader run ahead."""

        def __init__(self) -> None:
            self.digest = hashlib.sha256()
            self.hexdigest = self.digest.hexdigest

        def update(self, content: memoryview) -> None:
            time.sleep(0.02)
            self.digest.update(content)

    right = hashlib.sha256(large.read_bytes()).hexdigest()
    monkeypatch.setattr(hashing, "_BLOCK", 100_000)
    monkeypatch.setattr(hashing, "hashlib", type("Stand", (), {"sha256": Slow}))
    (tmp_path / "to").mkdir()
    assert copy_of(large, tmp_path / "to").path.tree.files[0].digest == right


def test_each_byte_is_read_once(large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a copy, or an artifact in its place, is made of is known from then on."""
    (tmp_path / "to").mkdir()
    taken = [copy_of(large, tmp_path / "to"), in_place(large)]
    monkeypatch.setattr(hashing, "_opened", lambda *arguments: pytest.fail("it was read again"))
    assert {digest_of(known.path) for known in taken} == {taken[0].digest}
    assert all(tree_of(known.path).files[0].bytes == large.stat().st_size for known in taken)
    with pytest.raises(pytest.fail.Exception):
        digest_of(large)


@pytest.mark.parametrize("command", ["sign-artifact", "verify-artifact"])
def test_signing_and_verifying_read_the_artifact_once(command, house, tmp_path, wardein, monkeypatch) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "a.bin").write_bytes(b"1")
    bundle = tmp_path / "sig"
    sign = ["sign-artifact", "--artifact", model, "--signature", bundle, "--signer", house.key("train")]
    verify = ["verify-artifact", "--artifact", model, "--signature", bundle, "--trust", house.trust]
    if command == "verify-artifact":
        assert wardein(*sign).code == 0
    opened: list[str] = []
    created: list[str] = []
    really, make = hashing._opened, hashing._created
    monkeypatch.setattr(hashing, "_created", lambda path, *rest: (created.append(path), make(path, *rest))[1])
    monkeypatch.setattr(hashing, "_opened", lambda path, *rest: (opened.append(path), really(path, *rest))[1])
    assert wardein(*(verify if command == "verify-artifact" else sign)).code == 0
    assert [path for path in opened if path.endswith("a.bin")] == [str(model / "a.bin")]
    assert not [path for path in created if path.endswith("a.bin")], "it was copied"


CHANGES: dict[str, Callable[[Path], object]] = {
    "grown": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "cut": lambda path: os.truncate(path, 3),
    "rewritten": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "made executable": lambda path: path.chmod(0o755),
}


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("copied", [True, False])
def test_a_file_that_changes_while_it_is_read_has_no_digest(
    how: str, copied: bool, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, reads = os.readv, iter(range(10**9))

    def changing(descriptor: int, buffers: list[memoryview]) -> int:
        if next(reads) == 2:
            time.sleep(0.01)
            CHANGES[how](large)
        return really(descriptor, buffers)

    monkeypatch.setattr(os, "readv", changing)
    (tmp_path / "to").mkdir()
    with pytest.raises(WardeinError, match="large.bin: changed while it was read"):
        copy_of(large, tmp_path / "to") if copied else hash_file(large)


def test_a_file_that_may_not_be_read_is_one_line(house: House, tmp_path, wardein, monkeypatch) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for name in ("a.bin", "b.bin"):
        (model / name).write_bytes(b"1")
    really = os.open

    def refusing(path: str, *rest: int, **how: int) -> int:
        if str(path).endswith("b.bin"):
            raise PermissionError(13, "Permission denied", path)
        return really(path, *rest, **how)

    monkeypatch.setattr(os, "open", refusing)
    sign = ["--artifact", model, "--signature", tmp_path / "sig", "--signer", house.key("train")]
    ran: Ran = wardein("sign-artifact", *sign)
    assert ran.code == 2
    assert "b.bin: cannot be opened (Permission denied)" in ran.one_line


def test_a_folder_that_may_not_be_listed_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model" / "closed").mkdir(parents=True)
    (tmp_path / "model" / "a").write_bytes(b"1")
    really = os.scandir

    def refusing(path: str) -> Iterator[os.DirEntry[str]]:
        if path.rstrip("/").endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return really(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(WardeinError, match=r"^closed: cannot be listed \(Permission denied\)"):
        digest_of(tmp_path / "model")


def test_a_read_that_fails_is_an_error(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(descriptor: int, buffers: list[memoryview]) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "readv", failing)
    with pytest.raises(WardeinError, match=r"large.bin: cannot be read \(Input/output error\)"):
        hash_file(large)


def test_no_room_for_a_copy_is_an_error(large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    (tmp_path / "to").mkdir()
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(WardeinError, match="cannot be copied"):
        copy_of(large, tmp_path / "to")


def test_of_several_faults_the_first_is_told(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}").write_bytes(bytes(100_000))
    for number in (7, 21):
        (tmp_path / f"{number:02}").unlink()
    readings = [Reading(f"{n:02}", str(tmp_path / f"{n:02}"), 100_000 * (n + 1)) for n in range(30)]
    with pytest.raises(WardeinError, match="07: does not exist"):
        hash_all(readings)


@pytest.mark.usefixtures("small_steps")
def test_whoever_stops_waiting_stops_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a time limit does; nothing reads on in the background."""
    for name in "abc":
        (tmp_path / name).write_bytes(bytes(1600))
    joined, read = threading.Thread.join, os.readv

    def struck(thread: threading.Thread, timeout: float | None = None) -> None:
        monkeypatch.setattr(threading.Thread, "join", joined)
        raise WardeinError("the time is up")

    def slow(descriptor: int, buffers: list[memoryview]) -> int:
        time.sleep(0.01)
        return read(descriptor, buffers)

    before, started = threading.active_count(), time.monotonic()
    monkeypatch.setattr(threading.Thread, "join", struck)
    monkeypatch.setattr(os, "readv", slow)
    with pytest.raises(WardeinError, match="the time is up"):
        hash_all([Reading(name, str(tmp_path / name), 1600) for name in "abc"])
    assert threading.active_count() == before
    assert time.monotonic() - started < 2, "it takes 4 seconds to the end"


@pytest.mark.parametrize("kind", ["pipe", "folder", "link", "nothing"])
def test_what_is_no_file_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to("/etc/hostname")
    with pytest.raises(WardeinError, match="regular file|symbolic link|does not exist"):
        hash_file(path)


def test_copies_keep_what_is_signed_of_a_layout(tmp_path: Path) -> None:
    source = tmp_path / "model"
    (source / "void" / "deep").mkdir(parents=True)
    (source / "run").write_bytes(b"1")
    (source / "run").chmod(0o4755)
    (source / "data").write_bytes(b"2")
    (tmp_path / "to").mkdir()
    copied = copy_of(source, tmp_path / "to")
    assert copied.path.tree == tree_of(source)
    assert copied.path.tree.empty == ("void/deep",)
    assert tree_of(Path(str(copied.path))) == tree_of(source)
    assert (copied.path / "run").stat().st_mode & 0o7777 & 0o4111 == 0o111


@pytest.mark.parametrize("linked", [True, False])
def test_an_artifact_in_its_place_may_be_reached_by_a_link(linked: bool, tmp_path: Path) -> None:
    for name in ("file", "folder/file"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    for name in ("file", "folder"):
        mounted = tmp_path / f"mounted-{name}"
        mounted.symlink_to(tmp_path / name)
        assert in_place(mounted if linked else tmp_path / name).digest == digest_of(tmp_path / name)
    (tmp_path / "folder" / "link").symlink_to("file")
    with pytest.raises(WardeinError, match="symbolic link"):
        in_place(tmp_path / "folder")


def test_a_deep_tree_is_hashed(tmp_path: Path) -> None:
    deep = tmp_path / "model"
    deep.mkdir()
    for _ in range(300):
        deep /= "d"
    os.makedirs(deep)
    (deep / "file").write_bytes(b"1")
    assert tree_of(tmp_path / "model").files[0].path == "d/" * 300 + "file"


def test_a_file_that_only_says_that_it_is_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WardeinError, match="says that it is empty, and is not"):
        hash_file(Path("/proc/self/status"))
    (tmp_path / "empty").touch()
    assert hash_file(tmp_path / "empty").digest == hashlib.sha256(b"").hexdigest()


def test_a_file_of_holes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "hollow"
    path.touch()
    os.truncate(path, 1 << 40)
    with pytest.raises(WardeinError, match="holds almost nothing for its size"):
        hash_file(path)


def test_a_file_with_some_holes_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "_MOST_HOLLOW", 1024)
    path = tmp_path / "some"
    path.write_bytes(bytes(200_000))
    os.truncate(path, 400_000)
    assert hash_file(path).digest == hashlib.sha256(bytes(400_000)).hexdigest()


def test_what_there_is_no_room_for_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"12345")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(9, 5, 4))
    for source in (tmp_path / "folder", tmp_path / "folder" / "file"):
        with pytest.raises(WardeinError, match=r"cannot be copied \(5 bytes, 4 are free\)"):
            copy_of(source, tmp_path / "to")
    assert not list((tmp_path / "to").iterdir())
