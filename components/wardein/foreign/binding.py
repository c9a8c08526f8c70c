# SPDX-License-Identifier: Apache-2.0
"""Whether a report is about the subject, and whether it is fresh: by what it says itself, else by the caller's word."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime

from wardein.errors import WardeinError
from wardein.foreign.document import WHERE
from wardein.foreign.reading import Target
from wardein.foreign.text import one_line, plain_path
from wardein.subject import Subject, folder_digest

# Clocks differ, and some tools round up.
_TOLERANCE_HOURS = 1.0


def root_of(target: Target, subject: Subject, name: str) -> str | None:
    """What one run looked at, if that was the subject: its folder as far as it is told; None if nothing is told.

    Args:
        target: What the run says it looked at.
        subject: What it must be.
        name: What the caller says that the report calls it.

    Raises:
        WardeinError: If it looked at something else, or if what it calls it was not given.
    """
    folders = _folders(target.files)
    digests = {*target.digests, *target.files.values(), *folders}
    if digests and subject.digest not in digests:
        shown = ", ".join(f"sha256:{digest[:12]}…" for digest in sorted(digests)[:3])
        raise WardeinError(
            f"is about something else ({shown}) than the subject (sha256:{subject.digest[:12]}…)",
            where=WHERE,
            mend="give the report of this subject, or the subject that it is about",
        )
    paths = target.paths or tuple(target.files)
    if not digests and not target.names and not _name(paths):
        return None
    if name and (target.names or paths):
        if name not in target.names and not _lie_in(paths, name):
            raise _other(target, paths, f"not {_shown(name)!r}")
    elif not digests:
        raise _other(target, paths, "and names no digest; --target is needed")
    return folders.get(subject.digest, name)


def check_age(made: datetime, now: datetime, max_age_hours: float) -> None:
    """Refuse what is too old, or from the future.

    Raises:
        WardeinError: If it is.
    """
    hours = (now - made).total_seconds() / 3600
    if hours > max_age_hours:
        raise WardeinError(
            f"is of {made:%Y-%m-%d %H:%M} UTC, older than {max_age_hours:g} hours",
            where=WHERE,
            mend="run the tool again, or allow more with --max-age-hours",
        )
    if hours < -_TOLERANCE_HOURS:
        raise WardeinError(
            f"says that it is of {made:%Y-%m-%d %H:%M} UTC, which is in the future",
            where=WHERE,
            mend="set the clocks, and run tools that tell no time zone with TZ=UTC",
        )


def _folders(files: Mapping[str, str]) -> dict[str, str]:
    """The folders that hold exactly these files, by their digests as :mod:`wardein.subject` takes them."""
    paths = {plain_path(path): digest for path, digest in files.items()}
    found = {}
    for root in _common(list(paths)):
        inner = {path[len(root) :]: digest for path, digest in paths.items()}
        found[folder_digest(sorted(inner.items(), key=lambda item: item[0].encode()))] = root
    return found


def _common(paths: Collection[str]) -> list[str]:
    """Every folder that all of the paths lie in, with the slash at its end; the empty one is where they start."""
    folders = [path.split("/")[:-1] for path in paths]
    if not folders:
        return []
    depth = min(len(parts) for parts in folders)
    same = next((n for n in range(depth) if len({parts[n] for parts in folders}) > 1), depth)
    return ["".join(f"{part}/" for part in folders[0][:n]) for n in range(min(same, 64) + 1)]


def _name(paths: Collection[str]) -> str:
    """The one file, or the innermost folder that all files lie in; empty if that is only where they start."""
    if len(paths) == 1:
        return plain_path(next(iter(paths)))
    found = _common([plain_path(path) for path in paths])
    return found[-1].rstrip("/") if found else ""


def _lie_in(paths: Collection[str], name: str) -> bool:
    folder = plain_path(name).rstrip("/")
    if folder in ("", "."):
        return False
    return bool(paths) and all(f"{plain_path(path)}/".startswith(f"{folder}/") for path in paths)


def _other(target: Target, paths: Collection[str], why: str) -> WardeinError:
    names = sorted(target.names) or [name for name in [_name(paths)] if name]
    shown = ", ".join(repr(_shown(name)) for name in names[:4]) + (", …" if len(names) > 4 else "")
    mend = "give the report of this subject, or, if it is, --target with that name"
    return WardeinError(f"calls what it is about {shown or 'nothing'}, {why}", where=WHERE, mend=mend)


def _shown(name: str) -> str:
    """A name without what an address may hold that is nobody's business: user, password, and the query."""
    return one_line(re.split(r"[?#]", name)[0] if "://" in name else name, 80)
