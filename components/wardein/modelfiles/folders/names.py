# SPDX-License-Identifier: Apache-2.0
"""What the names of files do by themselves, whatever is in them."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict

from wardein.modelfiles.folders import rules
from wardein.modelfiles.folders.folder import Folder
from wardein.scan.tree import File

# Run by Python at its start, by pytest, by tox and pip where they are called in the folder.
_HOOKS = frozenset(
    {"sitecustomize.py", "usercustomize.py", "conftest.py", "setup.py", "noxfile.py", ".pythonrc", ".pythonstartup"}
)
_HIDDEN = frozenset(
    {".gitattributes", ".gitignore", ".zarray", ".zattrs", ".zgroup", ".zmetadata", ".keep", ".gitkeep"}
)
# What systems take for ``.git``: without its last dots and blanks, by its short name, without what nobody sees.
_GIT = re.compile(r"(?:\.git|git~[0-9]+)[. ]*")
# Served or loaded by the name alone: inference endpoints, SageMaker, Torch hub, Triton, Azure ML, diffusers, the models
# and tokenizers of a repository.
_SERVED = re.compile(
    r"(?:.*/)?(?:(?:handler|inference|hubconf|pipeline|model|score|predict|predictor|service|generate|__main__)\.py"
    r"|(?:modeling|configuration|tokenization|processing|image_processing|video_processing|feature_extraction"
    r"|image_processor|custom)_\w+\.py)|(?:.*/)?(?:code|custom_generate|src)/.*\.py"
)


def examine(folder: Folder) -> None:
    """Examine every name."""
    by_case = defaultdict(list)
    for file in folder.files:
        by_case[file.path.casefold()].append(file)
        _examine_name(file, folder)
    _examine_repositories(folder)
    for alike in by_case.values():
        for file in alike[1:]:
            folder.tell(rules.SAME_NAME, file, f"has the name of {alike[0].path!a} in another case")


def _examine_name(file: File, folder: Folder) -> None:
    parts = file.path.split("/")
    if file.name.lower() in _HOOKS:
        folder.tell(rules.HOOK, file, f"is run by its name, {file.name!a}")
    elif file.suffix == ".pth" and folder.examination.formats.get(file.path) in ("text", "python-source"):
        folder.tell(rules.HOOK, file, "is a text that Python reads at its start, and runs lines of")
    elif _SERVED.fullmatch(file.path):
        folder.tell(rules.LOADED_CODE, file, "is code of a name that loaders and servers run")
    elif any(part.startswith(".") for part in parts) and file.name not in _HIDDEN:
        folder.tell(rules.HIDDEN, file, "is a hidden file, or lies in a hidden folder")


def _examine_repositories(folder: Folder) -> None:
    """A repository beside its files, one that has none, or a file that leads to one; git takes any case for its own."""
    told = set()
    beside = {file.path.lower() for file in folder.files}
    for file in folder.files:
        place, _, name = file.path.lower().rpartition("/")
        parts = f"{place}/{name}".split("/")
        inside = next((number for number, part in enumerate(parts) if _GIT.fullmatch(part)), None)
        if inside is not None:
            root = "/".join(parts[:inside])
        elif name == "head" and posixpath.join(place, "config") in beside:
            root = place
        else:
            continue
        if root not in told:
            told.add(root)
            folder.tell(rules.REPOSITORY, file, "belongs to a repository of git, which its settings make run programs")
