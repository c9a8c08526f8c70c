# SPDX-License-Identifier: Apache-2.0
"""Secrets in the history of the repositories in a source folder: what was deleted is still there."""

from __future__ import annotations

import io
import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path, PurePosixPath

from wardein.errors import WardeinError
from wardein.report import Skipped
from wardein.scan.merge import Found
from wardein.scan.tree import File
from wardein.secrecy.reading import Piece
from wardein.secrecy.rules import BY_ID
from wardein.secrecy.search import Secret, masked, search, skipped
from wardein.tools import git

Keep = Callable[[str, Piece, Sequence[Secret]], None]
MAX_OBJECT = 128 * 1024 * 1024
# Of one repository: a few kilobytes can hold any number of versions of a large file.
MAX_HISTORY = 2 * 1024**3


@dataclass(frozen=True)
class Past:
    """A secret in history, and the path that it had there in the source folder."""

    path: str
    secret: Secret


@dataclass
class History:
    """What the repositories in a folder brought.

    Attributes:
        secrets: Each secret once, where it was first seen.
        objects: How many objects were searched.
        gaps: What was not.
    """

    secrets: list[Past] = field(default_factory=list)
    objects: int = 0
    gaps: list[Skipped] = field(default_factory=list)


def shallow(files: Sequence[File], folders: Sequence[str]) -> list[Found]:
    """What is told of repositories whose history was fetched in part: it is searched as far as it is there."""
    rule = BY_ID["secret/shallow-history"]
    cut = sorted({f"{folder}/shallow".lstrip("/") for folder in folders} & {file.path for file in files})
    return [Found(rule.id, path, rule.severity, f"{rule.title}; {rule.mend}") for path in cut]


def repositories(files: Sequence[File]) -> tuple[list[str], list[Skipped]]:
    """The folders among the files that are repositories; and what should be one and is not."""
    paths = {file.path: file for file in files}
    found, gaps = [], []
    inside = {folder for path in paths for folder, _ in _below_objects(path)}
    for path, file in paths.items():
        folder, _, name = path.rpartition("/")
        is_dot_git = PurePosixPath(folder).name == ".git"
        if name == "HEAD" and (is_dot_git or folder in inside) and not _is_worktree(folder):
            found.append(folder)
        elif name == ".git" and not _is_pointer_to(file, paths):
            gaps.append(_gap(path, "is a worktree or submodule whose repository is not in the folder"))
    gaps += _elsewhere(paths, found)
    dot_gits = {f"/{p}"[1 : match.start() + 5] for p in paths for match in re.finditer("/(?=\\.git/)", f"/{p}")}
    gaps += [_gap(d, "is not a repository that git can read") for d in sorted(dot_gits) if f"{d}/HEAD" not in paths]
    gaps += [_gap(path, "is among a repository's objects, and is none") for path in _strays(paths, found)]
    return sorted(found), gaps


def is_object(path: str, folders: Collection[str]) -> bool:
    """Whether a file is one of those that a repository's objects are packed in."""
    return any(folder in folders and git.OBJECT.fullmatch(rest) for folder, rest in _below_objects(path))


def _below_objects(path: str) -> Iterator[tuple[str, str]]:
    """Of a path, every folder that may be a repository, and what is left below its folder of objects."""
    for match in re.finditer("/(?=objects/)", f"/{path}"):
        yield path[: max(match.start() - 1, 0)], path[match.start() + len("objects/") :]


def _strays(paths: Iterable[str], found: Collection[str]) -> Iterator[str]:
    """What git might read as objects, and what is read here does not hold."""
    repositories = frozenset(found)
    for path in paths:
        places = [rest for folder, rest in _below_objects(path) if folder in repositories]
        if places and not any(git.OBJECT.fullmatch(rest) or git.BESIDE.fullmatch(rest) for rest in places):
            # What lies in a repository that lies there itself is that one's.
            inner = max((f for f in repositories if path.startswith(f"{f}/")), key=len, default="")
            if path[len(inner) :].lstrip("/").startswith("objects/"):
                yield path


def _elsewhere(paths: Mapping[str, File], found: Collection[str]) -> Iterator[Skipped]:
    """Repositories whose objects are those of another one; a further worktree of one that is searched is none."""
    for path, file in paths.items():
        folder, _, name = path.rpartition("/")
        if name == "commondir" and (f"{folder}/HEAD".lstrip("/") in paths or PurePosixPath(folder).name == ".git"):
            target = posixpath.normpath(posixpath.join(folder, _start_of(file))).removeprefix("./")
            if folder in found or ("" if target == "." else target) not in found:
                yield _gap(folder or "the repository", "has its objects elsewhere (commondir)")


def _gap(name: str, reason: str) -> Skipped:
    return Skipped(masked(name), reason)


def read(source: Path, folders: Sequence[str], most: int, keep: Keep | None = None) -> History:
    """Search every object of the repositories, whether anything leads to it or not.

    Args:
        source: The source folder.
        folders: The repositories in it.
        most: How many secrets may be found before the rest is a gap.
        keep: As for :func:`wardein.secrecy.search.search`.
    """
    history = History()
    for folder in folders:
        try:
            with git.salvaged(source / folder) as bare:
                _search(bare, folder, history, most, keep)
        except WardeinError as error:
            history.gaps.append(_gap(folder or "the repository", str(error)))
    return history


def combined(current: Mapping[str, Sequence[Secret]], past: Iterable[Past]) -> dict[str, list[Secret]]:
    """The secrets of the files and of history, by their paths; one that is in both counts once and says so."""
    now = {secret.value for secrets in current.values() for secret in secrets}
    since: dict[str, str] = {}
    found = {path: list(secrets) for path, secrets in current.items()}
    for item in past:
        if item.secret.value in now:
            since.setdefault(item.secret.value, item.secret.part)
        else:
            found.setdefault(item.path, []).append(item.secret)
    return {path: [_with_past(s, since.get(s.value, "")) for s in secrets] for path, secrets in found.items()}


def _with_past(secret: Secret, part: str) -> Secret:
    note = f"also in history ({part.partition(',')[0]})" if part else ""
    return replace(secret, note=", ".join(filter(None, (secret.note, note)))) if part else secret


def _search(bare: git.Bare, folder: str, history: History, most: int, keep: Keep | None) -> None:
    root = PurePosixPath(folder).parent.as_posix() if PurePosixPath(folder).name == ".git" else folder
    things, places = bare.things(), bare.places()
    order = {name: number for number, name in enumerate(places)}
    found: dict[str, Past] = {}
    blobs = sorted(
        (t for t in things if t.kind == "blob" and t.bytes), key=lambda t: (order.get(t.id, len(order)), t.id)
    )
    for large in [t for t in blobs if t.bytes > MAX_OBJECT]:
        history.gaps.append(Skipped(f"{masked(folder)}, object {large.id[:7]}", f"has more than {MAX_OBJECT} bytes"))
    blobs, left = _within_budget([t for t in blobs if t.bytes <= MAX_OBJECT])
    if left:
        what = f"has more than {MAX_HISTORY} bytes in its history; {left} objects were not searched"
        history.gaps.append(_gap(folder or "the repository", what))
    for path, part, content in _texts(bare, things, blobs, places, folder, root):
        searched = search(path, io.BytesIO(content), _within(part, keep))
        for secret in searched.secrets:
            where = replace(secret, part=", ".join(filter(None, (part, secret.part))))
            found.setdefault(secret.value, Past(path, where))
        history.gaps += [replace(s, what=f"{s.what}, {part}") for s in skipped(path, searched.gaps)]
        if len(history.secrets) + len(found) > most:
            history.gaps.append(_gap(folder or "the repository", "holds more secrets than are listed"))
            break
    history.secrets += found.values()
    history.objects += len(things)


def _within_budget(blobs: Sequence[git.Thing]) -> tuple[list[git.Thing], int]:
    """The first of them, as many as may be searched, and how many are left."""
    ends = accumulate(thing.bytes for thing in blobs)
    kept = [thing for thing, end in zip(blobs, ends, strict=True) if end <= MAX_HISTORY]
    return kept, len(blobs) - len(kept)


def _texts(
    bare: git.Bare, things: Sequence[git.Thing], blobs: Sequence[git.Thing], places: Mapping[str, git.Place],
    folder: str, root: str,
) -> Iterator[tuple[str, str, bytes]]:  # fmt: skip
    """Everything to search, the oldest first: its path, the part of history that it is, and its content."""
    for thing, content in bare.blobs(blobs):
        place = places.get(thing.id)
        if place is None:
            yield folder, f"unreachable object {thing.id[:7]}", content
        else:
            yield PurePosixPath(root, place.path).as_posix(), f"commit {place.commit[:7]}", content
    for first, content in bare.commits([t for t in things if t.kind == "commit"]):
        yield folder, f"messages of commits from {first[:7]}", content
    for thing, content in bare.tags([t for t in things if t.kind == "tag"]):
        yield folder, f"tag {thing.id[:7]}", content


def _within(part: str, keep: Keep | None) -> Keep | None:
    """Keep the pieces as ones of this part of history."""
    if keep is None:
        return None
    return lambda path, piece, secrets: keep(
        path, replace(piece, part=", ".join(filter(None, (part, piece.part)))), secrets
    )


def _is_worktree(folder: str) -> bool:
    """A further worktree of a repository has a HEAD and no objects of its own."""
    return "/.git/worktrees/" in f"/{folder}/" or "/.git/logs/" in f"/{folder}/" or "/.git/refs/" in f"/{folder}/"


def _is_pointer_to(file: File, paths: Mapping[str, File]) -> bool:
    """Whether a ``.git`` file leads to a repository in the same folder."""
    text = _start_of(file)
    target = posixpath.normpath(posixpath.join(posixpath.dirname(file.path), text.removeprefix("gitdir:").strip()))
    return text.startswith("gitdir:") and f"{target}/HEAD" in paths


def _start_of(file: File) -> str:
    with file.real.open("rb") as stream:
        return stream.read(4096).decode("utf-8", "replace").strip()
