# SPDX-License-Identifier: Apache-2.0
"""Conda's environment.yml: packages of conda, on which nobody publishes advisories, and pip's below them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from wardein.dependencies.declared import Reading, Requirement
from wardein.dependencies.requirements import Sheet, read_sheet

MAX_BYTES = 256 * 1024
MAX_LISTS, MAX_ROWS = 10, 20_000
_SPEC = re.compile(r"(?:[^\s:]+::?)?([A-Za-z0-9_.-]+)\s*(?:[=<>!~ ].*)?", re.DOTALL)


def read_environment(path: str, text: str, paths: Collection[str]) -> Sheet | None:
    """Read an environment file; None if it is a YAML file of something else.

    Raises:
        ValueError: If it is not YAML, or does not have its form.
    """
    import yaml

    if len(text) > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES} bytes")
    try:
        # Nodes, and not values: they know their lines, and an alias is not followed a million times.
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        if "dependencies" not in text and "\\" not in text:
            return None  # several documents, a template: whatever it is, it lists no dependencies
        raise ValueError("is not valid YAML") from None
    entries = [(key.value, value) for key, value in root.value] if isinstance(root, yaml.MappingNode) else []
    dependencies = [value for key, value in entries if key == "dependencies"]
    if not dependencies:
        return None
    sheet = Sheet(path)
    for node in dependencies:
        if not isinstance(node, yaml.SequenceNode):
            raise ValueError("has dependencies that are no list")
        lists = [item for item in node.value if not isinstance(item, yaml.ScalarNode)]
        if len(lists) > MAX_LISTS or len(node.value) > MAX_ROWS:  # an alias makes a long list of a short one
            raise ValueError("has more lists or packages than anybody writes")
        for item in node.value:
            _read_item(sheet, item, paths, yaml)
    return sheet


def _read_item(sheet: Sheet, item: Any, paths: Collection[str], yaml: Any) -> None:
    line = item.start_mark.line + 1
    if isinstance(item, yaml.ScalarNode):
        _read_conda(sheet.reading, sheet.path, line, item.value)
        return
    pairs = item.value if isinstance(item, yaml.MappingNode) else []
    if len(pairs) > 1:
        raise ValueError("has an entry of several lists")
    for key, value in pairs:
        if key.value != "pip" or not isinstance(value, yaml.SequenceNode):
            sheet.reading.skip(f"{sheet.path}, line {line}", "is no package of conda or pip")
        else:
            for row, text in _scalars(value):
                _read_pip(sheet, row, text, paths)
    if not pairs:
        sheet.reading.skip(f"{sheet.path}, line {line}", "is no package of conda or pip")


def _scalars(sequence: Any) -> Iterator[tuple[int, str]]:
    if len(sequence.value) > MAX_ROWS:
        raise ValueError(f"has a list of more than {MAX_ROWS} packages")
    for node in sequence.value:
        yield node.start_mark.line + 1, node.value if isinstance(node.value, str) else "?"


def _read_pip(sheet: Sheet, line: int, text: str, paths: Collection[str]) -> None:
    """What conda writes to a requirements file, one line each."""
    row = read_sheet(sheet.path, " ".join(text.split("\n")), paths, line)
    sheet.reading.take(row.reading)
    sheet.requirements += row.requirements
    sheet.constraints += row.constraints


def _read_conda(reading: Reading, path: str, line: int, text: str) -> None:
    match = _SPEC.fullmatch(text.strip())
    if match is None:
        reading.skip(f"{path}, line {line}", "is not a package that can be read")
        return
    exact = re.fullmatch(r"\s*={1,2}\s*([^=*<>,|\s]+)(?:=.*)?", text.strip()[match.end(1) :])
    version = exact[1] if exact else ""
    reading.add(Requirement(path, line, match[1].lower(), version=version, ecosystem="conda"))
