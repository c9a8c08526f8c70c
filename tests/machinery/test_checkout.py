# SPDX-License-Identifier: Apache-2.0
"""A commit's files, exactly as they were committed, with the real git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from wardein.errors import UsageError, WardeinError
from wardein.tools.checkout import check_out

HASH = "0" * 40


def git(folder: Path, *arguments: str) -> str:
    named = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    ended = subprocess.run(
        ["git", "-C", str(folder), "-c", "protocol.file.allow=always", *arguments],
        env={**os.environ, **named, "GIT_CONFIG_GLOBAL": "/dev/null"},
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.strip()


def committed(folder: Path) -> str:
    """Make a folder a repository of one commit; returns the commit."""
    git(folder, "init", "--quiet")
    git(folder, "add", "--force", "--all")
    git(folder, "commit", "--quiet", "--message", "all")
    return git(folder, "rev-parse", "HEAD")


def repository(folder: Path, files: Mapping[str, bytes]) -> tuple[Path, str]:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder, committed(folder)


def test_attributes_of_the_commit_change_nothing(tmp_path: Path) -> None:
    """A commit could otherwise hide a file from whoever looks at an archive of it, or show another than is run."""
    files = {
        ".gitattributes": b"evil.py export-ignore\nid.py ident export-subst\n*.txt text eol=crlf\n",
        "evil.py": b"import os\n",
        "id.py": b"# $Id$ $Format:%H$\n",
        "lines.txt": b"one\ntwo\n",
        ".gitignore": b"*.py\n",
        "odd name \xc3\xa9.py": b"x = 1\n",
    }
    source, commit = repository(tmp_path / "repository", {os.fsdecode(os.fsencode(k)): v for k, v in files.items()})
    target = tmp_path / "files"
    assert check_out(str(source), commit, target) == len(files)
    assert {p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*") if p.is_file()} == files
    assert not (target / ".git").exists()


def test_links_are_kept_and_an_earlier_commit_can_be_had(tmp_path: Path) -> None:
    source, first = repository(tmp_path / "repository", {"a/b.py": b"1\n"})
    (source / "link").symlink_to("a/b.py")
    (source / "a" / "b.py").write_text("2\n")
    git(source, "add", "--all")
    git(source, "commit", "--quiet", "--message", "more")
    check_out(f"file://{source}", git(source, "rev-parse", "HEAD"), tmp_path / "now")
    assert os.readlink(tmp_path / "now" / "link") == "a/b.py"
    git(source, "config", "uploadpack.allowAnySHA1InWant", "true")
    check_out(str(source), first, tmp_path / "then")
    assert (tmp_path / "then" / "a" / "b.py").read_text() == "1\n"


def test_submodule_is_not_skipped_in_silence(tmp_path: Path) -> None:
    inner, _ = repository(tmp_path / "inner", {"a.py": b"1\n"})
    outer, _ = repository(tmp_path / "outer", {"b.py": b"1\n"})
    git(outer, "submodule", "--quiet", "add", str(inner), "vendored")
    git(outer, "commit", "--quiet", "--message", "submodule")
    with pytest.raises(WardeinError, match="vendored: is a submodule"):
        check_out(str(outer), git(outer, "rev-parse", "HEAD"), tmp_path / "files")
    assert not (tmp_path / "files").exists()


@pytest.mark.parametrize(
    ("address", "commit", "said"),
    [
        ("{repository}", "main", "no full commit hash"),
        ("{repository}", "--upload-pack=touch x", "no full commit hash"),
        ("--upload-pack=touch x", HASH, "is no repository"),
        ("ext::sh -c touch% x", HASH, "is no repository"),
        ("relative/path", HASH, "is no repository"),
        ("https://me:hunter2@example.org/r.git", HASH, "holds a user and a password"),
    ],
)
def test_odd_addresses_are_refused(address: str, commit: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said) as error:
        check_out(address.format(repository=tmp_path), commit, tmp_path / "files")
    assert "hunter2" not in str(error.value)


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    source, _ = repository(tmp_path / "repository", {"a.py": b"1\n"})
    for address in (source, tmp_path / "nowhere"):
        with pytest.raises(WardeinError, match="git fails"):
            check_out(str(address), HASH, tmp_path / "files")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "old.py").write_text("x")
    with pytest.raises(UsageError, match="not an empty folder"):
        check_out(str(source), HASH, tmp_path / "files")
