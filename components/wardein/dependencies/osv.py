# SPDX-License-Identifier: Apache-2.0
"""A folder of advisories in the OSV format, and which of them are about a version of a Python package.

Specification: Open Source Security Foundation, Open Source Vulnerability format 1.7, its evaluation algorithm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from wardein.dependencies.cvss import base_score, rating
from wardein.dependencies.declared import Package, normal
from wardein.dependencies.known import Answer, Vulnerability
from wardein.errors import WardeinError
from wardein.jsontext import strict_loads
from wardein.report import Severity, Tool
from wardein.scan.tree import files_of

ECOSYSTEM = "PyPI"
SOURCE = "osv"
HOW_TO_GET_ONE = "unpack the PyPI archive that osv.dev exports (PyPI/all.zip) into an empty folder"
_MAX_BYTES = 8 * 1024 * 1024
_WORDS = {
    "CRITICAL": Severity.CRITICAL,
    "HIGH": Severity.HIGH,
    "MODERATE": Severity.MEDIUM,
    "MEDIUM": Severity.MEDIUM,
    "LOW": Severity.LOW,
}
# At one version a fix comes first, so that a later "introduced" counts; what was affected last comes after it.
_ORDER = ("fixed", "limit", "introduced", "last_affected")


class Undecidable(ValueError):
    """An advisory that does not say clearly which versions it is about."""


@dataclass(frozen=True)
class Advisories:
    """The advisories of a folder on Python packages.

    Attributes:
        updated: When the newest of them was changed: as the collection grows daily, that is how old it is.
        by_name: Those that are not withdrawn, by the normalised name of each package that they are about.
    """

    updated: datetime
    by_name: Mapping[str, Sequence[Mapping[str, Any]]]


def read_folder(folder: Path) -> Advisories:
    """Read every advisory of a folder.

    Raises:
        WardeinError: If there is none on Python packages, or a file is not an advisory of a form that is known.
    """
    newest: datetime | None = None
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for file in files_of(folder):
        if file.suffix != ".json":
            mend = f"leave nothing else in the folder; {HOW_TO_GET_ONE}"
            raise WardeinError("is not a JSON file", where=f"--advisories: {file.path}", mend=mend)
        if file.bytes > _MAX_BYTES:
            raise WardeinError(f"is larger than {_MAX_BYTES} bytes", where=f"--advisories: {file.path}")
        data = strict_loads(file.real.read_bytes(), where=f"--advisories: {file.path}")
        try:
            changed, names = _check(data)
        except ValueError as error:
            raise WardeinError(
                f"is no advisory that is understood: {error}", where=f"--advisories: {file.path}"
            ) from None
        if names:
            newest = changed if newest is None else max(newest, changed)
        if not data.get("withdrawn"):
            for name in names:
                by_name.setdefault(name, []).append(data)
    if newest is None or not by_name:
        raise WardeinError(f"holds no advisory on a package of {ECOSYSTEM}", where="--advisories", mend=HOW_TO_GET_ONE)
    return Advisories(newest, by_name)


def look_up(advisories: Advisories, packages: Sequence[Package]) -> Answer:
    """What a folder's advisories say about packages."""
    vulnerabilities: list[Vulnerability] = []
    unread: dict[Package, str] = {}
    wanted = [package for package in packages if package.ecosystem == "pypi"]
    for package in wanted:
        for advisory in advisories.by_name.get(package.name, ()):
            try:
                vulnerability = matched(advisory, package)
            except ValueError as problem:
                unread[package] = f"advisory {advisory['id']} {problem}"
                continue
            if vulnerability is not None:
                vulnerabilities.append(vulnerability)
    updated = advisories.updated.strftime("%Y-%m-%dT%H:%M:%SZ")
    tool = Tool("packaging", version("packaging"), db_name="osv-advisories", db_updated=updated)
    return Answer(tool, frozenset(wanted) - set(unread), tuple(vulnerabilities), unread)


def matched(advisory: Mapping[str, Any], package: Package) -> Vulnerability | None:
    """What an advisory says against a package; None if it is about other versions.

    Raises:
        Undecidable: If it does not say clearly which versions it is about.
    """
    affected = [item for item in _affected(advisory) if _name(item) == package.name]
    hit = [item for item in affected if is_affected(item, package.version)]
    if not hit:
        return None
    specific = [value for item in [advisory, *hit] if isinstance(value := item.get("database_specific"), dict)]
    return Vulnerability(
        package,
        str(advisory["id"]),
        tuple(advisory.get("aliases") or ()),
        str(advisory.get("summary") or advisory.get("details") or ""),
        tuple(str(event["fixed"]) for item in hit for event in _events(item) if "fixed" in event),
        severity_of([entry for item in [advisory, *hit] for entry in item.get("severity") or ()], specific),
        tuple(str(cwe) for data in specific for cwe in _list(data.get("cwe_ids"))),
        SOURCE,
    )


def is_affected(affected: Mapping[str, Any], text: str) -> bool:
    """Whether a version is among those that an entry of ``affected`` is about.

    Raises:
        Undecidable: If the entry names no versions, or one that has no order.
    """
    version = Version(text)
    listed = _list(affected.get("versions"))
    if any(_same(str(item), version, text) for item in listed):
        return True
    ranges = [item for item in _list(affected.get("ranges")) if item.get("type") in ("ECOSYSTEM", "SEMVER")]
    if not ranges and not listed:
        raise Undecidable("does not say which versions it is about")
    return any(_in_range(_list(item.get("events")), version) for item in ranges)


def severity_of(entries: Sequence[Any], specific: Sequence[Mapping[str, Any]]) -> Severity | None:
    """The worst rating by CVSS 3; else the word that the database gives; None if nobody has rated it."""
    scores = []
    for entry in entries:
        if isinstance(entry, dict) and entry.get("type") == "CVSS_V3":
            try:
                scores.append(base_score(str(entry.get("score"))))
            except ValueError:
                continue
    if scores:
        return rating(max(scores))
    words = [_WORDS[word] for data in specific if (word := str(data.get("severity")).upper()) in _WORDS]
    return min(words, key=lambda severity: severity.rank) if words else None


def _in_range(events: Sequence[Mapping[str, Any]], version: Version) -> bool:
    ordered = sorted(_ordered(events), key=lambda event: (event[1] is not None, event[1] or version, event[0]))
    limits = [at for kind, at in ordered if _ORDER[kind] == "limit"]
    if limits and not any(at is None or version < at for at in limits):
        return False
    inside = False
    for kind, at in ordered:
        match _ORDER[kind]:
            case "introduced":
                inside = inside or at is None or version >= at
            case "fixed":
                inside = inside and not (at is None or version >= at)
            case "last_affected":
                inside = inside and not (at is not None and version > at)
    return inside


def _ordered(events: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Version | None]]:
    """Each event's kind and version; None is before every version, or for a limit after every."""
    found = False
    for event in events:
        for kind, text in event.items():
            if kind not in _ORDER:
                continue
            found = found or kind == "introduced"
            unbounded = (kind == "introduced" and text == "0") or (kind == "limit" and text == "*")
            try:
                yield _ORDER.index(kind), None if unbounded else Version(str(text))
            except InvalidVersion:
                raise Undecidable("names a version that has no order") from None
    if not found:
        raise Undecidable("has a range without a beginning")


def _same(listed: str, version: Version, text: str) -> bool:
    if listed == text:
        return True
    try:
        return Version(listed) == version
    except InvalidVersion:
        return False


def _check(data: Any) -> tuple[datetime, set[str]]:
    """When an advisory was changed, and the Python packages that it is about.

    Raises:
        ValueError: If it is not of a form that is known.
    """
    if not isinstance(data, dict) or not isinstance(data.get("id"), str) or not data["id"]:
        raise ValueError("it has no id")
    if str(data.get("schema_version", "1.0.0")).partition(".")[0] != "1":
        raise ValueError("its schema is not version 1")
    aliases = data.get("aliases") or []
    if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
        raise ValueError("its aliases are no list of texts")
    if not isinstance(data.get("severity") or [], list):
        raise ValueError("its severity is no list")
    try:
        changed = datetime.fromisoformat(str(data.get("modified")))
        changed = changed.replace(tzinfo=changed.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("'modified' is not a time") from None
    return changed, {_name(item) for item in _affected(data)}


def _affected(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What an advisory says on Python packages."""
    _check_objects(data.get("affected"))
    entries = [item for item in _list(data.get("affected")) if isinstance(item.get("package"), dict)]
    found = [e for e in entries if str(e["package"].get("ecosystem")).partition(":")[0] == ECOSYSTEM]
    for entry in found:
        if not isinstance(entry["package"].get("name"), str):
            raise ValueError("a package has no name")
        _check_objects(entry.get("ranges"))
        for item in _list(entry.get("ranges")):
            _check_objects(item.get("events"))
        _check_objects(entry.get("severity"))
    return found


def _check_objects(value: Any) -> None:
    if not all(isinstance(item, dict) for item in _list(value)):
        raise ValueError("something in it is no object")


def _events(affected: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for item in _list(affected.get("ranges")):
        yield from _list(item.get("events"))


def _name(affected: Mapping[str, Any]) -> str:
    return normal(str(affected["package"]["name"]))


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError("something in it is no list")
    return value
