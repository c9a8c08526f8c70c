# SPDX-License-Identifier: Apache-2.0
"""The pre-commit hook's way in: wardein's own rules on a few files, in this process."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from wardein.code import child, files
from wardein.code.reading import Unreadable
from wardein.code.rules import BY_ID
from wardein.scan.merge import Found
from wardein.scan.tree import File


def scan_files(paths: Iterable[Path]) -> list[Found]:
    """What wardein's own rules find in files; those that are not Python are passed over, and links not followed.

    A file that cannot be read is a finding of ``code/unreadable``: a hook has no other way to say it.
    """
    given = [File(path.as_posix(), path, path.stat().st_size) for path in paths if path.is_file()]
    given = [file for file in given if not file.real.is_symlink()]
    found = files.unreadable_code(given)
    for file in given:
        if files.is_python(file):
            found += _scan(file)
    return found


def _scan(file: File) -> list[Found]:
    try:
        script = child.read(file.real, is_notebook=file.suffix == files.NOTEBOOK)
        hits = child.examine(script)
    except (Unreadable, RecursionError, MemoryError) as error:
        return [_unreadable(file, error.what if isinstance(error, Unreadable) else "is nested too deeply")]
    lines = re.split(r"\r\n|\r|\n", script.module.text)
    found = [child.found(hit, file.path, lines, script.cells) for hit in hits]
    return [*found, _unreadable(file, script.gap)] if script.gap else found


def _unreadable(file: File, why: str) -> Found:
    rule = BY_ID["code/unreadable"]
    return Found(rule.id, file.path, rule.severity, f"{why}; {rule.mend}", cwe=rule.cwe)
