# SPDX-License-Identifier: Apache-2.0
"""Examining a model, from its path to what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wardein.modelfiles.allowlist import allowlist
from wardein.modelfiles.content import opened
from wardein.modelfiles.examination import Examination
from wardein.modelfiles.folders import examine_together
from wardein.modelfiles.numbers import account_for_numbers
from wardein.report import Skipped
from wardein.scan.merge import Found
from wardein.scan.tree import File, files_of


@dataclass(frozen=True)
class Examined:
    """What an examination came to.

    Attributes:
        files: Every file, examined or not.
        bytes: How many bytes they have.
        found: What was found.
        skipped: What was not examined, and why.
        unexamined: The paths of the files of which something was not examined.
        kinds: How many contents there were of each format, members of containers included.
        formats: The format of each file, by its path; empty for one that is of none.
    """

    files: Sequence[File]
    bytes: int
    found: Sequence[Found]
    skipped: Sequence[Skipped]
    unexamined: set[str]
    kinds: Counter[str]
    formats: dict[str, str]


def examine_model(model: Path, allow: list[str]) -> Examined:
    """Examine every file of a model: statically, from its first byte to its last.

    Args:
        model: A file, or a folder of which every file counts.
        allow: Globals that pickles may refer to on top of the audited ones, each as ``module.name``.
    """
    files = files_of(model)
    total = sum(file.bytes for file in files)
    examination = Examination(allowlist(allow), total, files if model.is_dir() else ())
    for file in files:
        with opened(file) as content:
            examination.examine(content)
    account_for_numbers(files, examination)
    if model.is_dir():
        examine_together(files, examination)
    return Examined(
        files,
        total,
        examination.found,
        examination.skipped,
        examination.unexamined,
        examination.kinds,
        examination.formats,
    )
