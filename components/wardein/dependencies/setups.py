# SPDX-License-Identifier: Apache-2.0
"""What a setup.cfg and a setup.py declare; the latter is read and never run."""

from __future__ import annotations

import ast
import configparser
from collections.abc import Collection, Iterator
from dataclasses import replace

from wardein.dependencies.declared import Lines, Reading
from wardein.dependencies.requirements import Place, inside, read_requirement

_KEYWORDS = ("install_requires", "setup_requires", "tests_require", "extras_require")
_COMPUTED = "computes its requirements when it is run, so that they are not known"


def read_cfg(reading: Reading, path: str, text: str, paths: Collection[str]) -> None:
    """Read a setup.cfg.

    Raises:
        ValueError: If it cannot be parsed.
    """
    settings, lines = configparser.RawConfigParser(strict=False), Lines(text)
    try:
        settings.read_string(text)
    except configparser.Error:
        raise ValueError("is not an INI file") from None
    values = [
        (key, value)
        for section in ("options", "options.extras_require")
        if settings.has_section(section)
        for key, value in settings.items(section)
        if section != "options" or key in _KEYWORDS
    ]
    for key, value in values:
        stripped = value.strip()
        if stripped.startswith("file:"):
            _draw_in(reading, path, stripped.removeprefix("file:"), paths)
        elif stripped.startswith("attr:"):
            reading.skip(f"{path}: {key}", _COMPUTED)
        else:
            for item in value.splitlines():
                for text_of_one in filter(None, (part.strip() for part in item.split(";;"))):
                    if not text_of_one.startswith("#"):
                        read_requirement(reading, text_of_one, Place(path, lines.of(text_of_one), paths))


def _draw_in(reading: Reading, path: str, named: str, paths: Collection[str]) -> None:
    for item in filter(None, (part.strip() for part in named.replace("\n", ",").split(","))):
        target = inside(path, item)
        if target in paths:
            reading.drawn_in.append(target)
        else:
            reading.skip(f"{path}: {item}", "is not in the scanned folder")


def read_py(reading: Reading, path: str, text: str, paths: Collection[str]) -> None:
    """Read a setup.py as far as it declares requirements as literals.

    Raises:
        ValueError: If it is not valid Python.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError("is not valid Python") from None
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_setup(node.func)]
    if not calls and any(_imports_setup(node) for node in ast.walk(tree)):
        reading.skip(path, _COMPUTED)
    constants = _constants(tree)
    for call in calls:
        for keyword in call.keywords:
            if keyword.arg is None:
                reading.skip(f"{path}, line {call.lineno}", _COMPUTED)
            elif keyword.arg in _KEYWORDS:
                _read_literal(reading, Place(path, keyword.value.lineno, paths), keyword.value, constants)


def _read_literal(reading: Reading, place: Place, value: ast.expr, constants: dict[str, ast.expr]) -> None:
    if isinstance(value, ast.Name):
        value = constants.get(value.id, value)
    items: list[ast.expr] = []
    for part in value.values if isinstance(value, ast.Dict) else [value]:
        part = constants.get(part.id, part) if isinstance(part, ast.Name) else part
        items += part.elts if isinstance(part, (ast.List, ast.Tuple, ast.Set)) else [part]
    for item in items:
        if isinstance(item, ast.Constant) and isinstance(item.value, str):
            for text in item.value.splitlines():
                if text.strip():
                    read_requirement(reading, text, replace(place, line=item.lineno))
        else:
            reading.skip(place.text, _COMPUTED)


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """Names that are given a value once, at the top of the file, and never changed in a way that can be seen."""
    stored = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)]
    loaded = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    return {name: value for name, value in _assigned(tree) if stored.count(name) == 1 and loaded.count(name) == 1}


def _assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


def _is_setup(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name == "setup"


def _imports_setup(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.partition(".")[0] in ("setuptools", "distutils") for alias in node.names)
    return isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ("setuptools", "distutils")
