# SPDX-License-Identifier: Apache-2.0
"""Digests of what is judged."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardein.errors import WardeinError
from wardein.subject import copy_of, digest_of, hash_folder, pinned


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    (root / "sub").mkdir(parents=True)
    (root / "a.bin").write_bytes(b"1")
    (root / "sub" / "b.bin").write_bytes(b"2")
    (root / "sub.bin").write_bytes(b"3")
    (root / ".git").mkdir()
    (root / ".git" / "hook").write_bytes(b"4")
    return root


def test_file_digest_is_its_sha256(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"hello")
    assert digest_of(path) == hashlib.sha256(b"hello").hexdigest()


def test_folder_digest_is_what_the_usual_tools_print(folder: Path) -> None:
    command = "find . -type f | LC_ALL=C sort | sed 's|^\\./||' | xargs sha256sum | sha512sum | cut -c-64"
    printed = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=True).stdout
    assert digest_of(folder) == printed.split()[0]


def test_no_file_has_the_digest_of_a_folder(folder: Path, tmp_path: Path) -> None:
    listing = tmp_path / "listing.yaml"
    listing.write_text("".join(f"{file.digest}  {file.path}\n" for file in hash_folder(folder)))
    assert digest_of(listing) != digest_of(folder)


def test_no_file_is_left_out(folder: Path) -> None:
    assert [f.path for f in hash_folder(folder)] == [".git/hook", "a.bin", "sub.bin", "sub/b.bin"]


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "a.bin").write_bytes(b"x"),
        lambda root: (root / "a.bin").rename(root / "aa.bin"),
        lambda root: (root / "a.bin").unlink(),
        lambda root: (root / "new").write_bytes(b""),
        lambda root: (root / ".git" / "hook").write_bytes(b"evil"),
    ],
    ids=["changed", "renamed within the order", "removed", "added empty", "changed below .git"],
)
def test_every_change_shows(folder: Path, change: object) -> None:
    before = digest_of(folder)
    change(folder)
    assert digest_of(folder) != before


@pytest.mark.parametrize("name", ["file link", "folder link", "pipe", "link as root"])
def test_what_cannot_be_hashed_faithfully_is_refused(folder: Path, name: str) -> None:
    target = folder
    if name == "file link":
        (folder / "z").symlink_to(folder / "a.bin")
    elif name == "folder link":
        (folder / "z").symlink_to("/")
    elif name == "pipe":
        os.mkfifo(folder / "z")
    else:
        target = folder.parent / "link"
        target.symlink_to(folder / "a.bin")
    with pytest.raises(WardeinError, match="symbolic link|regular file"):
        digest_of(target)


@pytest.mark.parametrize("name", ["a\nb", "a\\b", "a\x1b[31m"])
def test_names_that_could_pass_for_other_lines_are_refused(name: str, folder: Path) -> None:
    (folder / name).write_bytes(b"x")
    with pytest.raises(WardeinError, match="control character"):
        digest_of(folder)


@pytest.mark.parametrize("mark", ["\u00ad", "\u061c", "\u200b", "\u202e", "\u2066", "\ue000", "\U000e0001"])
def test_names_that_do_not_show_as_they_are_are_refused(mark: str, folder: Path) -> None:
    (folder / f"a{mark}b").write_bytes(b"x")
    with pytest.raises(WardeinError, match="control character"):
        digest_of(folder)


@pytest.mark.parametrize("mark", ["\u00e9", "\u2003", "\u200d", "\U0001f600", "\U0001fae9", "\U000323b0"])
def test_names_with_other_characters_are_hashed_whatever_unicode_python_knows(mark: str, folder: Path) -> None:
    """The last two came after the Unicode of Python 3.11."""
    (folder / f"a{mark}b").write_bytes(b"x")
    assert digest_of(folder)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_copy_is_of_the_contents_only(kind: str, folder: Path, tmp_path: Path) -> None:
    (folder / "a.bin").chmod(0o4777)
    source = folder if kind == "folder" else folder / "a.bin"
    link = tmp_path / "mounted"
    link.symlink_to(source)
    copied = copy_of(source if kind == "folder" else link, tmp_path_of(tmp_path))
    assert copied.digest == digest_of(copied.path) == digest_of(source)
    modes = {path.stat().st_mode & 0o7777 for path in [copied.path, *copied.path.rglob("*")] if path.is_file()}
    assert modes & {0o4777} == set()


def tmp_path_of(folder: Path) -> Path:
    made = folder / "copies"
    made.mkdir()
    return made


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WardeinError, match="holds no file"):
        digest_of(tmp_path)


@given(st.dictionaries(st.text("abc/", min_size=1, max_size=4), st.binary(max_size=3), min_size=1, max_size=4))
def test_digest_tells_folders_apart(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    """Two folders have the same digest only if they hold the same names and bytes."""
    named = {"/".join(part for part in name.split("/") if part) or "a": content for name, content in files.items()}
    tree = {n: c for n, c in named.items() if not any(other.startswith(n + "/") for other in named)}
    digests = []
    for variant in (tree, tree, {**tree, "zz": b""}):
        root = tmp_path_factory.mktemp("tree")
        for name, content in variant.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        digests.append(digest_of(root))
    assert digests[0] == digests[1] != digests[2]


def test_source_may_hold_links_to_what_is_inside(folder: Path, tmp_path: Path) -> None:
    before = digest_of(folder, links=True)
    assert before == digest_of(folder)
    (folder / "latest").symlink_to("a.bin")
    (folder / "same").symlink_to(".")
    digest = digest_of(folder, links=True)
    copied = copy_of(folder, tmp_path_of(tmp_path), links=True)
    assert copied.digest == digest != before
    assert not [path for path in copied.path.rglob("*") if path.is_symlink()]
    assert (copied.path / "latest").read_bytes() == (folder / "a.bin").read_bytes()
    assert not (copied.path / "same").exists()
    (folder / "latest").unlink()
    (folder / "latest").symlink_to("./a.bin")
    assert digest_of(folder, links=True) != digest
    with pytest.raises(WardeinError, match="symbolic link"):
        digest_of(folder)


OUT = ["/etc/passwd", "../outside", "nowhere", "loop", "../folder/../outside", "{absolute}"]


@pytest.mark.parametrize("target", OUT)
def test_links_out_of_a_source_are_refused(target: str, folder: Path) -> None:
    (folder.parent / "outside").write_text("x")
    (folder / "loop").symlink_to(target.format(absolute=folder / "a.bin"))
    with pytest.raises(WardeinError, match="leads to nothing inside"):
        digest_of(folder, links=True)


A = "a" * 64


@pytest.mark.parametrize("text", ["", A, f"sha256:{A.upper()}", f"sha256:{A[1:]}", f"image:sha256:{A}"])
def test_what_names_no_digest_is_refused(text: str) -> None:
    with pytest.raises(WardeinError, match="names no digest"):
        pinned(text)
