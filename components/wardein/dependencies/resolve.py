# SPDX-License-Identifier: Apache-2.0
"""From what is declared to what is looked up: every requirement at a definite version, or named as not examined."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from wardein.dependencies import rules
from wardein.dependencies.declared import Lock, Package, Reading, Requirement, Unread
from wardein.dependencies.specifiers import allows, can_apply

_PROJECTS = ("pyproject.toml", "Pipfile", "setup.py", "setup.cfg")


@dataclass
class Resolved:
    """What every requirement comes to.

    Attributes:
        at: The rows that name a definite version, each with its package.
        held: How many rows name none, and are held fast by a file whose rows are looked up.
        unread: What is not looked up.
        direct: How many packages the project itself asks for, as far as they have a name.
    """

    at: list[tuple[Requirement, Package]] = field(default_factory=list)
    held: int = 0
    unread: list[Unread] = field(default_factory=list)
    direct: int = 0


def resolve(reading: Reading) -> Resolved:
    """Account for every requirement; what is wrong with pins and lock files is told to the reading."""
    resolved = Resolved(unread=list(reading.unread))
    direct = set()
    for row in reading.requirements:
        if row.origin == "own":
            continue
        if row.origin == "member":
            if row.name not in reading.projects:
                why = "is said to be a member of the workspace, and the scanned folder has no project of that name"
                resolved.unread.append(Unread(row.place, why))
            continue
        package = row.package
        if package is None and not can_apply(row.marker, reading.python.get(row.path, "")):
            continue  # it is never installed, and so no lock file holds it
        if row.is_direct and row.name:
            direct.add((row.ecosystem, row.name))
        if row.ecosystem == "conda":
            resolved.unread.append(Unread(row.place, "nobody publishes advisories on conda's packages", "conda"))
            continue
        locks = _locks_of(row, reading) if row.is_direct and not row.is_build else []
        fitting = [lock for lock in locks if _fits(row, lock, reading)]
        if package is not None:
            resolved.at.append((row, package))
        elif any(lock.sourced[row.name, row.source] for lock in fitting):
            resolved.held += 1
        else:
            resolved.unread.append(_unread(row, locks, reading))
    _conflicts(reading)
    resolved.direct = len(direct)
    return resolved


def _locks_of(row: Requirement, reading: Reading) -> list[Lock]:
    if row.path in reading.held_by:
        return [reading.locks[path] for path in reading.held_by[row.path] if path in reading.locks]
    is_project = row.path.rpartition("/")[2] in _PROJECTS
    return reading.locks_near(row.path) if is_project else []


def _fits(row: Requirement, lock: Lock, reading: Reading) -> bool:
    """Whether a lock file has a requirement, at a version that it allows; if not, that is told."""
    versions = lock.versions.get(row.name)
    if versions is None:
        # Constraints and files for one platform need not hold everything.
        if not row.marker and row.path not in reading.held_by:
            reading.flaw(rules.STALE_LOCK, row.path, row.line, f"{row.name} is not in {lock.path}", row.name)
        return False
    versions = lock.sourced.get((row.name, row.source))
    if versions is None:
        detail = f"{row.name} comes from elsewhere in {lock.path}"
        reading.flaw(rules.STALE_LOCK, row.path, row.line, detail, row.name)
        return False
    try:
        fits = not versions or any(allows(row.specifier, version) for version in versions)
    except ValueError:
        return False
    if not fits:
        detail = f"{row.name} {versions[0]} in {lock.path} is not {row.specifier[:100]}"
        reading.flaw(rules.STALE_LOCK, row.path, row.line, detail, row.name)
    return fits


def _unread(row: Requirement, locks: list[Lock], reading: Reading) -> Unread:
    if row.origin in ("vcs", "url"):
        return Unread(row.place, "comes from a URL that names no released version", "url")
    if not row.is_build:
        reading.flaw(rules.UNPINNED, row.path, row.line, f"{row.name}{row.specifier[:100]}", row.name)
    if row.is_build:
        why = "is needed to build, at a version that nothing holds fast"
        return Unread(row.place, why, "build")
    if locks:
        return Unread(row.place, f"{locks[0].path} does not hold a version of it that it allows")
    return Unread(row.place, "is not at one version, so that it cannot be looked up; pin it or add a lock file")


def _conflicts(reading: Reading) -> None:
    """Packages that one requirements file pins twice, at different versions, for the same environments."""
    pins: dict[tuple[str, str, str], list[Requirement]] = defaultdict(list)
    for row in reading.requirements:
        if row.version and row.is_direct and row.specifier and row.origin == "index":
            pins[row.path, row.name, row.marker].append(row)
    for (path, name, _), rows in pins.items():
        versions = sorted({row.version for row in rows})
        if len(versions) > 1:
            reading.flaw(rules.CONFLICT, path, rows[-1].line, f"{name} ({', '.join(versions[:5])})", name)
