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
# What git reads objects from, below ``objects``; and what lies there beside them and holds none.
OBJECT = re.compile(r"[0-9a-f]{2}/(?:[0-9a-f]{38}|[0-9a-f]{62})|pack/[^/]*\.pack", re.DOTALL)
BESIDE = re.compile(
    r"pack/[^/]*\.(?:idx|rev|bitmap|keep|mtimes|promisor)|pack/multi-pack-index[\w.\-]*|"
    r"info/(?:packs|alternates|http-alternates|commit-graph|commit-graphs/[\w.\-]+)",
    re.DOTALL,
)
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

    def tags(self, things: Sequence[Thing]) -> Iterator[tuple[Thing, bytes]]:
        """Annotated tags, some at a time: refs of our own lead to them, so that git tells them all in one call.

        Raises:
            WardeinError: As :meth:`blobs`.
        """
        for number, batch in enumerate(_batches(sorted(things, key=lambda thing: thing.id))):
            refs = f"refs/wardein/{number}"
            for thing in batch:
                _write(self.path / refs / thing.id, f"{thing.id}\n".encode())
            content = self._git("for-each-ref", "--sort=refname", "--format=%(raw)", f"{refs}/")
            if len(content) != sum(thing.bytes + 1 for thing in batch):
                raise WardeinError("git gives other contents than it lists", where="history")
            position = 0
            for thing in batch:
                yield thing, content[position : position + thing.bytes]
                position += thing.bytes + 1

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
        _take_objects(repository / "objects", bare / "objects")
        for name in ("HEAD", "packed-refs", "shallow"):
            if (repository / name).is_file():
                (bare / name).unlink(missing_ok=True)
                _put(repository / name, bare / name)
        for source in sorted((repository / "refs").rglob("*")):
            if source.is_file():
                _put(source, bare / source.relative_to(repository))
        yield Bare(bare)


def _take_objects(source: Path, target: Path) -> None:
    """Put all objects in place, packs under names of our own; then git must list every one that has a file.

    Raises:
        WardeinError: If there is none, or git does not read one of them.
    """
    loose, packs = set(), 0
    for file in sorted(source.rglob("*")):
        name = file.relative_to(source).as_posix()
        if not file.is_file() or not OBJECT.fullmatch(name):
            continue
        if name.endswith(".pack"):
            packs += 1
            pack = target / "pack" / f"pack-{packs}.pack"
            _put(file, pack)
            _run(target.parent, "index-pack", str(pack))
        else:
            loose.add(name.replace("/", ""))
            _put(file, target / name)
    if not loose and not packs:
        raise WardeinError("has no objects", mend="give the whole repository, or leave what is left of it out")
    if loose - {thing.id for thing in Bare(target.parent).things()}:
        raise WardeinError("holds objects that git does not read")


def _put(source: Path, target: Path) -> None:
    _write(target, source.read_bytes())


def _write(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def _is_sha256(repository: Path) -> bool:
    config = repository / "config"
    text = config.read_bytes()[:65536].decode("utf-8", "replace") if config.is_file() else ""
    return re.search(r"^\s*objectformat\s*=\s*\"?sha256", text, re.IGNORECASE | re.MULTILINE) is not None


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
