# SPDX-License-Identifier: Apache-2.0
"""Folders as servers load them: TorchServe's unpacked archives, Triton's repositories."""

from __future__ import annotations

import posixpath
import re

from wardein.modelfiles.examination import shown
from wardein.modelfiles.folders import rules
from wardein.modelfiles.folders.folder import Folder, read_json, read_lines
from wardein.scan.tree import File

_PYTHON = re.compile(r"\s*(?:backend|platform)\s*:\s*[\"']python[\"']")
# What TorchServe has of its own.
_HANDLERS = frozenset({"image_classifier", "image_segmenter", "object_detector", "text_classifier", "base_handler"})


def examine(folder: Folder) -> None:
    """Examine the settings that name a server's code."""
    for file in folder.files:
        if file.path.endswith("MAR-INF/MANIFEST.json"):
            _examine_manifest(file, folder)
        elif file.name == "config.pbtxt" and any(_PYTHON.match(line) for line in read_lines(file)):
            folder.tell(rules.LOADED_CODE, file, "makes the server run Python from the folder", "python backend")


def _examine_manifest(file: File, folder: Folder) -> None:
    manifest = read_json(file)
    model = manifest.get("model") if isinstance(manifest, dict) else None
    handler = model.get("handler") if isinstance(model, dict) else None
    if isinstance(handler, str) and handler.partition(":")[0] not in _HANDLERS:
        message = f"makes the server run {shown(handler)}"
        folder.tell(rules.LOADED_CODE, file, message, f"handler {handler}")
        brought = posixpath.normpath(posixpath.join(posixpath.dirname(file.path), "..", handler.partition(":")[0]))
        for other in folder.files:
            if other.path in (brought, f"{brought}.py"):
                folder.tell(rules.LOADED_CODE, other, f"is code that {file.path!a} makes the server run")
