# SPDX-License-Identifier: Apache-2.0
"""What the files of a model folder make of each other: loaders, code, indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wardein.modelfiles.examination import Examination
    from wardein.scan.tree import File


def examine_together(files: Sequence[File], examination: Examination) -> None:
    """Examine what the files of a model folder make of each other, after each was examined by itself.

    Args:
        files: Every file of the folder; :func:`wardein.modelfiles.content.opened` gives its bytes, and
            ``examination.formats`` says what it is.
        examination: Takes what is found.
    """
    from wardein.modelfiles.folders import mlflow, names, repositories, servers
    from wardein.modelfiles.folders.folder import Folder

    folder = Folder(files, frozenset(file.path for file in files), examination)
    for aspect in (names, repositories, mlflow, servers):
        aspect.examine(folder)
