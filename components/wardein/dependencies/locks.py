# SPDX-License-Identifier: Apache-2.0
"""Lock files: which version of each package is installed, and whether its files are held fast by digests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from wardein.dependencies import rules
from wardein.dependencies.addresses import read_index
from wardein.dependencies.declared import NAME, Lines, Reading, Requirement, normal, normal_version
from wardein.dependencies.projects import Malformed, load_toml
from wardein.dependencies.requirements import Place, add_address, add_local
from wardein.jsontext import strict_loads

# The versions of each format that were tried; an unknown one may hold packages elsewhere.
_UV_VERSIONS, _PYLOCK_VERSIONS, _PIPFILE_SPEC = (1,), ("1.0",), 6


def read_uv(reading: Reading, path: str, text: str, paths: Collection[str]) -> None:
    """Read a uv.lock.

    Raises:
        Malformed: If it does not have its form.
    """
    data = load_toml(text)
    if data.get("version") not in _UV_VERSIONS:
        raise Malformed("is of a version that is not known here")
    lines = Lines(text)
    for item in _entries(data, "package"):
        place = Place(path, lines.next_named(str(item.get("name"))), paths)
        source = item.get("source", {})
        if not isinstance(source, dict):
            raise Malformed("has a package without a source")
        artifacts = [item.get("sdist"), *_list_of(item, "wheels")]
        hashed = _all_hashed(artifacts)
        if any(key in source for key in ("virtual", "editable", "directory", "workspace")):
            _own(reading, place, item, next(iter(source.values())))
        elif "git" in source:
            address, _, commit = str(source["git"]).partition("#")
            _vcs(reading, place, item, f"{address.partition('?')[0]}@{commit}")
        elif "url" in source or "path" in source:
            _file(reading, place, item, str(source.get("url", source.get("path"))), hashed)
        else:
            _index(reading, place, source.get("registry"))
            _released(reading, place, item, hashed)


def read_poetry(reading: Reading, path: str, text: str, paths: Collection[str]) -> None:
    """Read a poetry.lock or a pdm.lock.

    Raises:
        Malformed: If it does not have its form.
    """
    data = load_toml(text)
    if not isinstance(data.get("metadata"), dict):
        raise Malformed("has no metadata, as a lock file of Poetry or PDM has")
    lines = Lines(text)
    old = data["metadata"].get("files")
    for item in _entries(data, "package"):
        place = Place(path, lines.next_named(str(item.get("name"))), paths)
        source = item.get("source", {}) if isinstance(item.get("source"), dict) else {}
        files = _list_of(item, "files")
        if not files and isinstance(old, dict):  # before version 2 of the format
            listed = old.get(str(item.get("name")), [])
            files = listed if isinstance(listed, list) else []
        kind, url = str(source.get("type", "")), str(source.get("url", ""))
        if kind == "git" or "git" in item:
            revision = source.get("resolved_reference") or item.get("revision") or ""
            _vcs(reading, place, item, f"{url or item['git']}@{revision}")
        elif kind == "directory" or (item.get("path") and not files):
            _own(reading, place, item, url or item.get("path"))
        elif kind in ("url", "file") or "url" in item or "path" in item:
            _file(reading, place, item, url or str(item.get("url") or item.get("path")), _all_hashed(files))
        else:
            _index(reading, place, url)
            _released(reading, place, item, _all_hashed(files))


def read_pylock(reading: Reading, path: str, text: str, paths: Collection[str]) -> None:
    """Read a pylock.toml (PEP 751).

    Raises:
        Malformed: If it does not have its form.
    """
    data = load_toml(text)
    if data.get("lock-version") not in _PYLOCK_VERSIONS:
        raise Malformed("is of a version that is not known here")
    lines = Lines(text)
    for item in _entries(data, "packages"):
        place = Place(path, lines.next_named(str(item.get("name"))), paths)
        vcs, directory, archive = (item.get(key) for key in ("vcs", "directory", "archive"))
        if isinstance(directory, dict):
            _own(reading, place, item, directory.get("path"))
        elif isinstance(vcs, dict):
            _vcs(reading, place, item, f"{vcs.get('url') or vcs.get('path')}@{vcs.get('commit-id')}")
        elif isinstance(archive, dict):
            _file(reading, place, item, str(archive.get("url") or archive.get("path")), _all_hashed([archive]))
        else:
            _index(reading, place, item.get("index"))
            _released(reading, place, item, _all_hashed([item.get("sdist"), *_list_of(item, "wheels")]))


def read_pipfile(reading: Reading, path: str, text: str, paths: Collection[str]) -> None:
    """Read a Pipfile.lock.

    Raises:
        Malformed: If it does not have its form.
        WardeinError: If it is not JSON.
    """
    data = strict_loads(text.encode(), where=path)
    meta = data.get("_meta") if isinstance(data, dict) else None
    if not isinstance(meta, dict) or meta.get("pipfile-spec") != _PIPFILE_SPEC:
        raise Malformed("is of a version that is not known here")
    lines = Lines(text)
    for group, packages in data.items():
        if group == "_meta":
            continue
        if not isinstance(packages, dict):
            raise Malformed("has a group that holds no packages")
        for name, entry in packages.items():
            if not isinstance(entry, dict):
                raise Malformed("has a package without a description")
            item = {**entry, "name": name, "version": str(entry.get("version", "")).lstrip("=")}
            place = Place(path, lines.of_key(name), paths)
            hashed = bool(_list_of(entry, "hashes"))
            if "git" in entry:
                _vcs(reading, place, item, f"{entry['git']}@{entry.get('ref')}")
            elif "path" in entry:
                _own(reading, place, item, entry["path"])
            elif "file" in entry:
                _file(reading, place, item, str(entry["file"]), hashed)
            else:
                _released(reading, place, item, hashed)


def _released(reading: Reading, place: Place, item: Mapping[str, Any], hashed: bool) -> None:
    """A release on an index."""
    name, version = item.get("name"), item.get("version")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        reading.skip(place.text, "is a package without a valid name")
        return
    known = normal_version(version) if isinstance(version, str) else ""
    if not known:
        reading.skip(f"{place.text}: {name}", "has no version that can be compared with advisories")
        return
    reading.add(Requirement(place.path, place.line, normal(name), version=known, hashed=hashed, is_direct=False))


def _own(reading: Reading, place: Place, item: Mapping[str, Any], target: object) -> None:
    name = normal(str(item.get("name") or ""))
    add_local(reading, str(target or "."), place, name=name if NAME.fullmatch(name) else "")


def _vcs(reading: Reading, place: Place, item: Mapping[str, Any], url: str) -> None:
    _other(reading, place, item, lambda fresh, name: add_address(fresh, f"git+{url}", place, name=name))


def _file(reading: Reading, place: Place, item: Mapping[str, Any], url: str, hashed: bool) -> None:
    if "://" in url:
        _other(reading, place, item, lambda fresh, name: add_address(fresh, url, place, name=name, hashed=hashed))
    else:
        _other(reading, place, item, lambda fresh, name: add_local(fresh, url, place, name=name, hashed=hashed))


def _other(reading: Reading, place: Place, item: Mapping[str, Any], add: Callable[[Reading, str], None]) -> None:
    """A package that comes from elsewhere; if the lock names a version, that is what is looked up."""
    name = normal(str(item.get("name") or ""))
    fresh = Reading()
    add(fresh, name if NAME.fullmatch(name) else "")
    version = normal_version(str(item.get("version") or ""))
    fresh.requirements = [row.locked_at(row.version or version) for row in fresh.requirements]
    reading.take(fresh)


def _index(reading: Reading, place: Place, url: object) -> None:
    # Every package of an index names it: to tell it once a file is enough.
    if isinstance(url, str) and url and (place.path, url) not in reading.indexes:
        reading.indexes.add((place.path, url))
        read_index(reading, place.path, place.line, url)


def unhashed(reading: Reading, path: str) -> None:
    """Say it once for a file, if what it names is not held fast by digests."""
    rows = [row for row in reading.rows_of(path) if row.version and row.ecosystem == "pypi"]
    bare = sorted({row.name for row in rows if row.origin in ("index", "url") and not row.hashed})
    if bare:
        some = ", ".join(bare[:3]) + (", …" if len(bare) > 3 else "")
        reading.flaw(rules.UNHASHED, path, 0, f"{len(bare)} packages ({some})", "unhashed")


def _all_hashed(artifacts: list[Any]) -> bool:
    present = [item for item in artifacts if isinstance(item, dict)]
    return bool(present) and all(item.get("hash") or item.get("hashes") for item in present)


def _entries(data: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    entries = data.get(name, [])
    if not isinstance(entries, list) or not all(isinstance(item, dict) for item in entries):
        raise Malformed("has something else where its format has a list of packages")
    yield from entries


def _list_of(item: Mapping[str, Any], name: str) -> list[Any]:
    value = item.get(name, [])
    return value if isinstance(value, list) else []
