# SPDX-License-Identifier: Apache-2.0
"""What the names of files do by themselves, whatever is in them."""

from __future__ import annotations

import re
from collections import defaultdict

from wardein.modelfiles.folders import rules
from wardein.modelfiles.folders.folder import Folder, read_lines
from wardein.scan.tree import File

# Run by Python at its start, by pytest, by tox and pip where they are called in the folder.
_HOOKS = frozenset(
    {"sitecustomize.py", "usercustomize.py", "conftest.py", "setup.py", "noxfile.py", ".pythonrc", ".pythonstartup"}
)
_HIDDEN = frozenset(
    {".gitattributes", ".gitignore", ".zarray", ".zattrs", ".zgroup", ".zmetadata", ".keep", ".gitkeep"}
)
_GIT_PROGRAMS = re.compile(
    r"\s*(?:\w*command|\w*pager|editor|hookspath|textconv|fsmonitor|helper|program|askpass)\s*=", re.I
)
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
    for alike in by_case.values():
        for file in alike[1:]:
            folder.tell(rules.SAME_NAME, file, f"has the name of {alike[0].path!a} in another case")


def _examine_name(file: File, folder: Folder) -> None:
    parts = file.path.split("/")
    if ".git" in parts[:-1]:
        _examine_git(file, folder)
    elif file.name.lower() in _HOOKS:
        folder.tell(rules.HOOK, file, f"is run by its name, {file.name!a}")
    elif file.suffix == ".pth" and folder.examination.formats.get(file.path) in ("text", "python-source"):
        folder.tell(rules.HOOK, file, "is a text that Python reads at its start, and runs lines of")
    elif _SERVED.fullmatch(file.path):
        folder.tell(rules.LOADED_CODE, file, "is code of a name that loaders and servers run")
    elif any(part.startswith(".") for part in parts) and file.name not in _HIDDEN:
        folder.tell(rules.HIDDEN, file, "is a hidden file, or lies in a hidden folder")


def _examine_git(file: File, folder: Folder) -> None:
    inner = file.path.rpartition(".git/")[2]
    if inner.startswith("hooks/") and not inner.endswith(".sample"):
        folder.tell(rules.HOOK, file, "is run by git")
    elif inner == "config" and any(_GIT_PROGRAMS.match(line) for line in read_lines(file)):
        folder.tell(rules.HOOK, file, "makes git run a program")
    else:
        folder.tell(rules.HIDDEN, file, "belongs to git, not to the model")
