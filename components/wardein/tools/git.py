# SPDX-License-Identifier: Apache-2.0
"""git, for two things: lines in a note of a repository, and every object of a repository that nobody trusts.

The note is on the empty tree, which every repository has and none can lose: unlike a commit it is there before the
first commit, in a shallow clone, after history was rewritten, and after garbage was collected.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wardein.errors import WardeinError
from wardein.tools import run

VARIABLE = "WARDEIN_GIT"
INSTALL = f"run: apt-get install git, or set {VARIABLE} to its absolute path"
REF = "wardein-audit"
TIME_LIMIT = 60.0
# What one call may print, well below the bound of what a program may.
MAX_BATCH = 64 * 1024 * 1024
# Nothing that the repository's own configuration names is run, and nothing is fetched.
_SETTINGS = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0")
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_AUTHOR_NAME": "wardein",
    "GIT_AUTHOR_EMAIL": "wardein",
    "GIT_COMMITTER_NAME": "wardein",
    "GIT_COMMITTER_EMAIL": "wardein",
}


@dataclass(frozen=True)
class Note:
    """The lines in ``refs/notes/wardein-audit`` of a repository; write them from one place at a time."""

    path: Path

    def lines(self) -> Iterator[bytes]:
        """The lines of the note; none if there is no note.

        Raises:
            WardeinError: If it is not a repository, or git fails.
        """
        yield from self._content().splitlines()

    def append(self, line: bytes) -> None:
        """Add one line to the note.

        Raises:
            WardeinError: As :meth:`lines`.
        """
        content = self._content() + line + b"\n"
        try:
            with tempfile.NamedTemporaryFile(prefix="wardein-note-") as file:
                file.write(content)
                file.flush()
                blob = self._git("hash-object", "-w", "--no-filters", file.name).decode().strip()
        except OSError as error:
            mend = "make room where TMPDIR points, or set it to another folder"
            raise WardeinError(f"cannot be written ({error.strerror})", where="TMPDIR", mend=mend) from None
        self._git("notes", f"--ref={REF}", "add", "-f", "-C", blob, self._empty_tree())

    def _content(self) -> bytes:
        listed = [line.split() for line in self._git("notes", f"--ref={REF}", "list").decode().splitlines()]
        blob = {noted: blob for blob, noted in listed}.get(self._empty_tree())
        return self._git("cat-file", "blob", blob) if blob else b""

    def _empty_tree(self) -> str:
        """Its object id, which depends on the repository's hash."""
        return self._git("hash-object", "-t", "tree", "/dev/null").decode().strip()

    def _git(self, *arguments: str) -> bytes:
        """Run git in the repository itself, never in one that happens to lie around it."""
        program, folder = run.find("git", variable=VARIABLE, mend=INSTALL), self.path.resolve()
        ended = run.run(
            [program.path, "-C", folder, *_SETTINGS, *arguments],
            time_limit=TIME_LIMIT,
            environment={**_ENVIRONMENT, "GIT_CEILING_DIRECTORIES": str(folder.parent)},
        )
        if ended.code != 0:
            said = ended.stderr.strip().splitlines()[:1] or [f"exit code {ended.code}"]
            raise WardeinError(f"git fails: {said[0]}", where=f"git:{self.path}", mend="give a git repository of yours")
        return ended.stdout


@dataclass(frozen=True)
class Thing:
    """An object in a repository: its id, its kind (``blob commit tag tree``) and its size."""

    id: str
    kind: str
    bytes: int


@dataclass(frozen=True)
class Place:
    """Where a blob was first seen: the commit's id and the path in it."""

    commit: str
    path: str


@dataclass(frozen=True)
class Bare:
    """A repository of wardein's own making that holds somebody else's objects and refs, and none of their settings."""

    path: Path

    def things(self) -> list[Thing]:
        """Every object, whether a ref leads to it or not."""
        lines = self._git("cat-file", "--batch-all-objects", "--batch-check").decode().splitlines()
        return [Thing(name, kind, int(size)) for name, kind, size in (line.split() for line in lines)]

    def places(self) -> dict[str, Place]:
        """Where each blob (and tree) that a ref leads to was first seen, the oldest commit first."""
        found: dict[str, Place] = {}
        commit = ""
        listed = self._git("rev-list", "--objects", "--all", "--in-commit-order", "--topo-order", "--reverse")
        for line in listed.decode("utf-8", "replace").splitlines():
            name, space, path = line.partition(" ")
            if not space:
                commit = name
            elif path:
                found.setdefault(name, Place(commit, path))
        return found

    def blobs(self, things: Sequence[Thing]) -> Iterator[tuple[Thing, bytes]]:
        """The contents of blobs, some at a time.

        Raises:
            WardeinError: If git gives fewer bytes, or more, than it says they have.
        """
        for batch in _batches(things):
            content = self._git("show", "--no-textconv", *(thing.id for thing in batch))
            if len(content) != sum(thing.bytes for thing in batch):
                raise WardeinError("git gives other contents than it lists", where="history")
            position = 0
            for thing in batch:
                yield thing, content[position : position + thing.bytes]
                position += thing.bytes

    def commits(self, things: Sequence[Thing]) -> Iterator[tuple[str, bytes]]:
        """The headers and messages of commits, some at a time, each batch with its first commit."""
        for batch in _batches(things):
            yield (
                batch[0].id,
                self._git("show", "--no-patch", "--no-notes", "--format=raw", *(thing.id for thing in batch)),
            )

    def tag(self, thing: Thing) -> bytes:
        """An annotated tag."""
        return self._git("cat-file", "tag", thing.id)

    def _git(self, *arguments: str) -> bytes:
        return _run(self.path, *arguments)


@contextmanager
def salvaged(repository: Path) -> Iterator[Bare]:
    """A bare repository with the objects of another one; nothing that could change how git reads them comes along.

    Configuration, hooks, attributes, replacements, indices and graphs stay behind: packs are indexed anew, as an index
    can leave objects out. What the repository borrows from another one (alternates) is not in it, which is an error.

    Args:
        repository: The folder that holds ``HEAD`` and ``objects``.

    Raises:
        WardeinError: If it is broken, or borrows objects.
    """
    alternates = repository / "objects" / "info" / "alternates"
    if alternates.is_file() and alternates.stat().st_size:
        raise WardeinError("borrows objects of another repository", mend="repack it: git repack -a -d")
    with tempfile.TemporaryDirectory(prefix="wardein-git-") as folder:
        bare = Path(folder, "bare")
        form = "sha256" if _is_sha256(repository) else "sha1"
        _run(Path(folder), "init", "--quiet", "--bare", "--template=", f"--object-format={form}", str(bare))
        for source in sorted((repository / "objects").rglob("*")):
            name = source.relative_to(repository / "objects").as_posix()
            if source.is_file() and re.fullmatch(r"[0-9a-f]{2}/[0-9a-f]{38,62}|pack/[\w\-]{1,100}\.pack", name):
                _put(source, bare / "objects" / name)
                if name.endswith(".pack"):
                    _run(bare, "index-pack", str(bare / "objects" / name))
        for name in ("HEAD", "packed-refs", "shallow"):
            if (repository / name).is_file():
                (bare / name).unlink(missing_ok=True)
                _put(repository / name, bare / name)
        for source in sorted((repository / "refs").rglob("*")):
            if source.is_file():
                _put(source, bare / source.relative_to(repository))
        yield Bare(bare)


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())


def _is_sha256(repository: Path) -> bool:
    config = repository / "config"
    text = config.read_bytes()[:65536].decode("utf-8", "replace") if config.is_file() else ""
    return re.search(r"objectformat\s*=\s*\"?sha256", text, re.IGNORECASE) is not None


def _batches(things: Sequence[Thing]) -> Iterator[list[Thing]]:
    batch: list[Thing] = []
    total = 0
    for thing in things:
        if batch and (total + thing.bytes > MAX_BATCH or len(batch) == 1000):
            yield batch
            batch, total = [], 0
        batch.append(thing)
        total += thing.bytes
    if batch:
        yield batch


def _run(folder: Path, *arguments: str) -> bytes:
    program = run.find("git", variable=VARIABLE, mend=INSTALL)
    settings = (*_SETTINGS, "-c", "log.showSignature=false", "-c", "color.ui=false")
    ended = run.run(
        [program.path, "-C", folder, *settings, *arguments],
        time_limit=1800.0,
        environment={**_ENVIRONMENT, "GIT_CEILING_DIRECTORIES": str(folder.parent), "GIT_NO_REPLACE_OBJECTS": "1"},
        what="git",
    )
    if ended.code != 0:
        # What git says quotes names from the repository, which can be anything.
        raise WardeinError(f"git {arguments[0]} ends with code {ended.code}: the repository is broken or incomplete")
    return ended.stdout


def version() -> tuple[run.Program, str]:
    """The git of this machine, and its version.

    Raises:
        WardeinError: If there is none.
    """
    program = run.find("git", variable=VARIABLE, mend=INSTALL)
    said = run.run([program.path, "version"], time_limit=TIME_LIMIT, what="git").stdout.decode("utf-8", "replace")
    return program, said.removeprefix("git version ").strip()[:40]
