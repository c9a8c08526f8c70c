# SPDX-License-Identifier: Apache-2.0
"""The files of one commit of a repository, exactly as they were committed.

Neither ``git archive`` nor a checkout gives that: both do what ``.gitattributes`` in the commit says, which can leave
files out (``export-ignore``) and change their bytes. So these attributes are switched off, and every file is held
against the object that the commit lists for it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import IO

from wardein.errors import UsageError, WardeinError
from wardein.tools import git, run

TIME_LIMIT = 1800.0
MAX_FILES, MAX_BYTES = 200_000, 4 * 1024**3
_CHUNK = 1024 * 1024
# How whoever runs this reaches private repositories; none of it is in the repository.
_KEPT = ("GIT_ASKPASS", "GIT_CONFIG_GLOBAL", "GIT_SSH_COMMAND", "HOME", "SSH_AUTH_SOCK")
_LINK, _SUBMODULE = "120000", "160000"
_ATTRIBUTES = "* -export-ignore -export-subst -text -eol -ident -filter -working-tree-encoding\n"


def check_out(repository: str, commit: str, folder: Path) -> int:
    """Write the files of a commit into a new folder, without ``.git``.

    Args:
        repository: Where it is: https://…, ssh://…, file://… or an absolute path, without user and password.
        commit: The commit's full hash: a branch or a tag can be another commit tomorrow.
        folder: Where the files go; it must be empty or not exist.

    Returns:
        How many files there are.

    Raises:
        UsageError: If the repository or the commit is not named as it must be, or the folder is not empty.
        WardeinError: If it cannot be fetched, is too large, or holds what is no file of its own (a submodule).
    """
    _check(repository, commit, folder)
    with tempfile.TemporaryDirectory(prefix="wardein-clone-") as private:
        bare = Path(private, "bare")
        bare.mkdir()
        _git(bare, "init", "--quiet", "--bare", f"--object-format={'sha256' if len(commit) == 64 else 'sha1'}")
        _git(bare, "fetch", "--quiet", "--depth=1", "--no-tags", repository, commit, online=True)
        listed = _git(bare, "ls-tree", "-r", "-z", "--full-tree", "--long", commit)
        entries = [_entry(line) for line in listed.split(b"\0") if line]
        if len(entries) > MAX_FILES or sum(size for _, _, size, _ in entries) > MAX_BYTES:
            raise WardeinError(f"holds more than {MAX_FILES} files or {MAX_BYTES} bytes", where="the commit")
        archive = Path(private, "commit.tar")
        # What stands here outweighs the commit's own attributes.
        (bare / "info").mkdir(exist_ok=True)
        (bare / "info" / "attributes").write_text(_ATTRIBUTES, encoding="ascii")
        _git(bare, "archive", "--format=tar", f"--output={archive}", commit)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _unpack(archive, {path: (mode, blob) for mode, blob, _, path in entries}, folder)
        except BaseException:
            shutil.rmtree(folder)  # it was empty, and half a commit is worse than none
            raise
    return len(entries)


def _check(repository: str, commit: str, folder: Path) -> None:
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", commit):
        mend = "give the full hash (git rev-parse HEAD prints it): a branch can be another commit tomorrow"
        raise UsageError(f"{commit[:80]!r} is no full commit hash", where="commit", mend=mend)
    if not re.match(r"(https|ssh|file)://[^\s]|/[^\s]", repository):
        raise UsageError(
            f"{_shown(repository)!r} is no repository",
            where="repository",
            mend="write https://…, ssh://…, file://… or an absolute path",
        )
    if re.match(r"\w+://[^/@]*:[^/@]*@", repository):
        mend = "take them out, and set GIT_ASKPASS or use a key: whoever sees the run's parameters sees them"
        raise UsageError("holds a user and a password", where="repository", mend=mend)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError("is not an empty folder", where=str(folder), mend="name a new one")


def _shown(repository: str) -> str:
    return re.sub(r"//[^/@]*@", "//…@", repository)[:100]


def _entry(line: bytes) -> tuple[str, str, int, str]:
    """Mode, object, size and path of a line of ``git ls-tree --long``."""
    words, _, name = line.partition(b"\t")
    mode, kind, blob, size = words.decode().split()
    try:
        path = name.decode()
    except UnicodeDecodeError:
        raise WardeinError("a file name is not UTF-8", where=ascii(name), mend="rename the file") from None
    if mode == _SUBMODULE or kind != "blob":
        raise WardeinError("is a submodule, which is not fetched", where=path, mend="scan its repository on its own")
    if any(part in ("", ".", "..", ".git") for part in path.split("/")):
        raise WardeinError("is a path that leads elsewhere", where=path)
    return mode, blob, int(size), path


def _unpack(archive: Path, listed: Mapping[str, tuple[str, str]], folder: Path) -> None:
    """Write what the commit lists, each file only if it hashes to the object that is listed for it."""
    missing = dict(listed)
    with tarfile.open(archive, "r:") as tar:
        for member in tar:
            if member.isdir():
                continue
            mode, blob = missing.pop(member.name, ("", ""))
            target = folder / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.parent.resolve().is_relative_to(folder.resolve()):
                raise WardeinError("lies below a link", where=member.name)
            file = tar.extractfile(member) if member.isreg() else None
            if file is None:
                written = _object(BytesIO(os.fsencode(member.linkname)), len(os.fsencode(member.linkname)), blob)
                os.symlink(member.linkname, target)
            else:
                with open(target, "xb") as copy:
                    written = _object(file, member.size, blob, copy)
            if (mode == _LINK) is not member.issym() or written != blob:
                raise WardeinError("is not what the commit lists", where=member.name)
    if missing:
        raise WardeinError("is listed in the commit and was not given", where=min(missing))


def _object(content: IO[bytes], size: int, blob: str, copy: IO[bytes] | None = None) -> str:
    """The name that git has for a file's content, in the hash of another name; copied on the way."""
    new = hashlib.sha256 if len(blob) == 64 else hashlib.sha1
    digest = new(b"blob %d\0" % size, usedforsecurity=len(blob) == 64)
    while chunk := content.read(_CHUNK):
        digest.update(chunk)
        if copy is not None:
            copy.write(chunk)
    return digest.hexdigest()


def _git(bare: Path, *arguments: str, online: bool = False) -> bytes:
    program = run.find("git", variable=git.VARIABLE, mend=git.INSTALL)
    kept: Mapping[str, str] = {name: os.environ[name] for name in _KEPT if name in os.environ} if online else {}
    environment = {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "https:ssh:file" if online else "none",
        **kept,
    }
    settings = ("-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0", "-c", "transfer.fsckObjects=true")
    ended = run.run(
        [program.path, "-C", bare, *settings, *arguments], time_limit=TIME_LIMIT, environment=environment, what="git"
    )
    if ended.code != 0:
        lines = ended.stderr.strip().splitlines() or [f"exit code {ended.code}"]
        said = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1])
        raise WardeinError(
            f"git fails: {_shown(said)}", where="the repository", mend="check its address and the commit"
        )
    return ended.stdout
