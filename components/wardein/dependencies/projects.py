# SPDX-License-Identifier: Apache-2.0
"""What a project's own file declares: pyproject.toml, and the Pipfile, which is written alike."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from wardein.dependencies import indexes
from wardein.dependencies.declared import NAME, Lines, Reading, Requirement, normal
from wardein.dependencies.requirements import Place, add_address, add_local, inside, read_requirement
from wardein.dependencies.specifiers import of_poetry, pinned_text

# The parser's time grows with the square of a key's parts.
_DEEP = re.compile(r"""(?:[ \t]*+\.[ \t]*+(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')){100}""")
_PATHS = ("path", "directory")
_LOCAL = (*_PATHS, "workspace")


class Malformed(ValueError):
    """A file that does not have the form that its format prescribes."""


@dataclass(frozen=True)
class _File:
    """A file that is being read."""

    reading: Reading
    path: str
    lines: Lines
    place: Place
    sources: Mapping[str, Any]

    def at(self, text: str) -> Place:
        """The place of a text."""
        return replace(self.place, line=self.lines.of(text))


def load_toml(text: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        Malformed: If it is none.
    """
    if _DEEP.search(text):
        raise Malformed("has a key of more parts than anybody writes")
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError):
        raise Malformed("is not valid TOML") from None


def read_pyproject(reading: Reading, path: str, text: str, paths: Collection[str]) -> None:
    """Read a pyproject.toml: the standard's tables, and those of Poetry, uv, PDM, Hatch and Flit.

    Args:
        reading: Takes the rows.
        path: The file.
        text: What it holds.
        paths: Every file of the scanned folder.

    Raises:
        Malformed: If a table does not have its form.
    """
    data, lines = load_toml(text), Lines(text)
    project, tool = _table(data, "project"), _table(data, "tool")
    poetry, uv = _table(tool, "poetry"), _table(tool, "uv")
    own = project.get("name") or poetry.get("name") or ""
    place = Place(path, paths=paths, own=normal(str(own)), held=_held(reading, path))
    file = _File(reading, path, lines, place, {normal(k): v for k, v in _table(uv, "sources").items()})
    reading.projects.add(normal(str(own)))
    reading.python[path] = str(project.get("requires-python") or "")
    for item in _texts(_table(data, "build-system").get("requires", [])):
        read_requirement(reading, item, replace(file.at(item), is_build=True, own=""))
    _read_dynamic(file, project, _table(_table(tool, "setuptools"), "dynamic"))
    for item in _standard(data, project, tool):
        _read_item(file, item)
    _read_named(file, _table(poetry, "dependencies"))
    _read_named(file, _table(poetry, "dev-dependencies"))
    for group in _table(poetry, "group").values():
        _read_named(file, _table(_as_table(group), "dependencies"))
    indexes.read_uv(reading, path, lines, uv)
    indexes.read_poetry(reading, path, lines, poetry.get("source", []))


def read_pipfile(reading: Reading, path: str, text: str, paths: Collection[str]) -> None:
    """Read a Pipfile; arguments as :func:`read_pyproject`.

    Raises:
        Malformed: If a table does not have its form.
    """
    data, lines = load_toml(text), Lines(text)
    file = _File(reading, path, lines, Place(path, paths=paths, held=_held(reading, path)), {})
    for name, value in data.items():
        # Every other table of a Pipfile is a group of packages, but for these.
        if name not in ("source", "requires", "scripts", "pipenv", "pipfile"):
            _read_named(file, _as_table(value), is_poetry=False)
    indexes.read_pipfile(reading, path, lines, data.get("source", []))


def _standard(data: Mapping[str, Any], project: Mapping[str, Any], tool: Mapping[str, Any]) -> Iterator[str]:
    yield from _texts(project.get("dependencies", []))
    for group in _table(project, "optional-dependencies").values():
        yield from _texts(group)
    for group in _table(data, "dependency-groups").values():
        yield from _texts([item for item in _list(group) if not _is_reference(item)])
    for key in ("dev-dependencies", "override-dependencies"):
        yield from _texts(_table(tool, "uv").get(key, []))
    for group in _table(_table(tool, "pdm"), "dev-dependencies").values():
        yield from _texts(group)
    for environment in _table(_table(tool, "hatch"), "envs").values():
        for key in ("dependencies", "extra-dependencies"):
            yield from _texts(_as_table(environment).get(key, []))
    flit = _table(_table(tool, "flit"), "metadata")
    yield from _texts(flit.get("requires", []))
    for group in _table(flit, "requires-extra").values():
        yield from _texts(group)


def _is_reference(item: Any) -> bool:
    return isinstance(item, dict) and set(item) == {"include-group"}


def _read_dynamic(file: _File, project: Mapping[str, Any], setuptools: Mapping[str, Any]) -> None:
    """Dependencies that a build tool fills in: those that setuptools takes from files are read there."""
    wanted = [name for name in _texts(project.get("dynamic", [])) if name in ("dependencies", "optional-dependencies")]
    folder = file.path.rpartition("/")[0]
    has_setup = any(f"{folder}/{name}".lstrip("/") in file.place.paths for name in ("setup.py", "setup.cfg"))
    for name in wanted:
        declared = _as_table(setuptools.get(name, {}))
        tables = [declared] if name == "dependencies" else [_as_table(value) for value in declared.values()]
        named = [item for table in tables for item in _texts(_listed(table.get("file", [])))]
        for item in named:
            target = inside(file.path, item)
            if target in file.place.paths:
                file.reading.drawn_in.append(target)
            else:
                file.reading.skip(f"{file.path}: {item}", "is not in the scanned folder")
        if not named and not has_setup:
            file.reading.skip(f"{file.path}: {name}", "are filled in when the project is built (dynamic)")


def _read_item(file: _File, text: str) -> None:
    """One requirement of the standard's tables, and where uv takes it from instead of the index."""
    place = file.at(text)
    match = NAME.match(text)
    source = file.sources.get(normal(match[0])) if match else None
    if match and source is not None and normal(match[0]) != file.place.own:
        tables = [_as_table(table) for table in (source if isinstance(source, list) else [source])]
        elsewhere = [_read_source(file, normal(match[0]), table, place, _LOCAL) for table in tables]
        # One that holds for some platforms or extras leaves the others, and other tools, the index.
        if all(elsewhere) and not any(set(table) & {"marker", "extra", "group"} for table in tables):
            return
    read_requirement(file.reading, text, place)


def _read_source(
    file: _File, name: str, table: Mapping[str, Any], place: Place, local: Collection[str] = _PATHS
) -> bool:
    """A package that does not come from an index; whether it was one."""
    address = next((str(table[key]) for key in ("git", "url", "file") if key in table), "")
    if "git" in table:
        revision = table.get("rev") or table.get("ref") or table.get("tag") or table.get("branch") or ""
        address = address if address.startswith("git+") else f"git+{_git_url(address)}"
        add_address(file.reading, f"{address}@{revision}" if revision else address, place, name=name)
    elif address:
        add_address(file.reading, address, place, name=name)
    elif any(table.get(key) for key in local):
        target = table.get("path") or table.get("directory")
        if target is None:  # a member of the workspace, whose declarations lie in the folder as well
            file.reading.add(Requirement(file.path, place.line, name, origin="member"))
        else:
            add_local(file.reading, str(target), place, name=name)
    else:
        return False
    return True


def _held(reading: Reading, path: str) -> frozenset[tuple[str, str]]:
    """Which packages from URLs the lock files nearby hold, each with its URL."""
    return frozenset(key for lock in reading.locks_near(path) for key in lock.sourced if key[1])


def _git_url(address: str) -> str:
    """A URL for what git also takes: host:path, as in git@github.com:owner/name.git."""
    match = re.fullmatch(r"([\w.-]+@[\w.-]+):(?!/)(.+)", address)
    return f"ssh://{match[1]}/{match[2]}" if match else address


def _read_named(file: _File, table: Mapping[str, Any], *, is_poetry: bool = True) -> None:
    """A table of names with constraints, as Poetry and Pipenv write it."""
    for name, value in table.items():
        if is_poetry and name.lower() == "python":
            file.reading.python.setdefault(file.path, "")
            continue
        place = replace(file.place, line=file.lines.of_key(name))
        if not NAME.fullmatch(name):
            file.reading.skip(place.text, "has a name that no package has")
            continue
        for item in value if isinstance(value, list) else [value]:
            _read_constraint(file, normal(name), item, place, is_poetry)


def _read_constraint(file: _File, name: str, value: Any, place: Place, is_poetry: bool) -> None:
    table = value if isinstance(value, dict) else {"version": value}
    if _read_source(file, name, table, place):
        return
    text = table.get("version", "*")
    if not isinstance(text, str):
        raise Malformed("has a dependency whose version is not a text")
    try:
        # Pipenv takes PEP 440's specifiers, and the star.
        specifier = of_poetry(text) if is_poetry else text.strip().removeprefix("*")
        version = pinned_text(specifier)
    except ValueError:
        file.reading.skip(place.text, "has a version constraint that is not understood")
        return
    markers = table.get("markers")
    file.reading.add(
        Requirement(file.path, place.line, name, specifier, version, marker=markers if isinstance(markers, str) else "")
    )


def _table(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return _as_table(data.get(name, {}))


def _as_table(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Malformed("has something else where its format has a table")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Malformed("has something else where its format has a list")
    return value


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, str) else _list(value)


def _texts(value: Any) -> list[str]:
    if not all(isinstance(item, str) for item in _list(value)):
        raise Malformed("has something else where its format has a text")
    return list(value)
