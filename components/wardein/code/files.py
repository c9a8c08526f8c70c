# SPDX-License-Identifier: Apache-2.0
"""Which files of a source folder are Python, and which are code that nobody can read."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wardein.code.rules import BY_ID
from wardein.scan.merge import Found
from wardein.scan.tree import File

NOTEBOOK = ".ipynb"
_PYTHON = frozenset({".py", ".pyw", ".pyi", ".ipy", NOTEBOOK})
_SHEBANG = re.compile(rb"#!.*\b(?:i?python|pypy|uv\s+run|pipx\s+run)")
_BYTECODE = (".pyc", ".pyo")
_MACHINE_CODE = (".so", ".pyd", ".dll", ".dylib", ".whl", ".egg", ".pyz", ".pex")
_CACHED = re.compile(r"(?P<folder>.*?)(?:^|/)__pycache__/(?P<name>[^/]+?)\.[\w-]+(?:\.opt-\d)?\.py[co]")
_SHARED_OBJECT = re.compile(r"\.so(?:\.\d+)+\Z")


def is_python(file: File) -> bool:
    """Whether a file is Python, by its suffix or by its first line."""
    if file.suffix in _PYTHON:
        return True
    with open(file.real, "rb") as content:
        start = content.read(4096)
    return start.startswith(b"#!") and _SHEBANG.match(start) is not None


def unreadable_code(files: Sequence[File]) -> list[Found]:
    """A finding for each file of bytecode or machine code."""
    paths = {file.path for file in files}
    found = []
    for file in files:
        if file.suffix in _BYTECODE:
            cached = _CACHED.fullmatch(file.path)
            source = f"{cached['folder']}/{cached['name']}.py".lstrip("/") if cached else ""
            found.append(_found("code/cached-bytecode" if source in paths else "code/bytecode", file.path))
        elif file.suffix in _MACHINE_CODE or _SHARED_OBJECT.search(file.name):
            found.append(_found("code/native-code", file.path))
    return found


def _found(rule: str, path: str) -> Found:
    known = BY_ID[rule]
    return Found(rule, path, known.severity, f"{known.title}; {known.mend}", cwe=known.cwe)
