# SPDX-License-Identifier: Apache-2.0
"""Folders that MLflow writes: which module loads the model, which code comes with it, what is installed for it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any

from wardein.modelfiles.examination import shown
from wardein.modelfiles.folders import rules
from wardein.modelfiles.folders.folder import Folder, read_lines, read_yaml
from wardein.modelfiles.native import rules as native
from wardein.scan.tree import File

_PICKLERS = frozenset({"", "pickle", "cloudpickle", "mlflow.pytorch.pickle_module"})
_LOADER = re.compile(r"mlflow(\.[a-z][a-z0-9_]*)+")
# Settings of a flavor that name files of the folder.
_PATHS = frozenset({
    "data", "pickled_model", "model_path", "path", "saved_model_dir", "model_data", "pytorch_model", "python_model",
    "keras_module_path", "virtualenv", "conda", "code", "input_path", "saved_input_example_info", "artifact_path",
    "serving_input_path", "model_binary", "xgb_model", "lgb_model", "cb_model", "model_file",
})  # fmt: skip
_REQUIREMENTS = re.compile(
    r"(?:.*requirements.*\.txt|constraints\.txt|conda\.ya?ml|environment\.ya?ml|python_env\.ya?ml)"
)
_ELSEWHERE = re.compile(
    r"--?(?:i|e|f|r|index-url|extra-index-url|editable|find-links|trusted-host)\b|\b(?:git|hg|svn|bzr)\+|\b(?:https?|file|ftp)://"
    r"|^(?:-\s+)?(?:\.{0,2}/|~|[A-Za-z]:\\)|@\s*(?:git|https?|file)",
    re.IGNORECASE,
)

# Another list of the same folder, which is read itself.
_BESIDE = re.compile(r"(?:-\s+)?-[rc]\s+[\w-][\w.-]*\.txt")


def examine(folder: Folder) -> None:
    """Examine every description of a model, and what it makes be installed."""
    for file in folder.files:
        with folder.reading(file):
            if file.name == "MLmodel":
                _examine_description(file, folder)
            elif file.name == "pickle_module_info.txt":
                _examine_pickler(file, folder)
            elif _REQUIREMENTS.fullmatch(file.name.lower()):
                _examine_requirements(file, folder)


def _examine_description(file: File, folder: Folder) -> None:
    described = read_yaml(file, folder.examination)
    if not isinstance(described, dict) or not isinstance(described.get("flavors"), dict):
        folder.leave_out(file, "is no description of a model that MLflow writes")
        return
    if "" in described or "" in described["flavors"]:
        folder.leave_out(file, "describes the model twice, and readers differ in which counts")
    if isinstance(described.get("code"), str):
        _examine_setting("the model", "code", described["code"], file, folder)
    for flavor, settings in sorted(described["flavors"].items()):
        for key, value in _settings(settings):
            _examine_setting(str(flavor), key, value, file, folder)


def _examine_pickler(file: File, folder: Folder) -> None:
    """The module that ``torch.load`` is given to unpickle with, which is imported by this name."""
    name = " ".join(read_lines(file)).strip()
    if name not in _PICKLERS:
        folder.tell(rules.LOADED_CODE, file, f"makes MLflow import {shown(name)}", f"pickle module {name}")


def _settings(settings: Any) -> Iterator[tuple[str, str]]:
    """Every setting of a flavor that is a text, at any depth."""
    waiting: list[Any] = [settings]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            for key, value in item.items():
                if isinstance(value, str):
                    yield str(key), value
                else:
                    waiting.append(value)
        elif isinstance(item, list):
            waiting.extend(item)


def _examine_setting(flavor: str, key: str, value: str, file: File, folder: Folder) -> None:
    if value in ("null", "", "~"):
        return
    if key == "loader_module" and not _LOADER.fullmatch(value):
        message = f"{flavor} makes its reader import {shown(value)}"
        folder.tell(native.REMOTE_CODE, file, message, f"loader_module {value}")
    if key in ("code", "model_code_path") or value.endswith(".py"):
        message = f"{flavor} brings code along, {key}: {shown(value)}"
        folder.tell(rules.LOADED_CODE, file, message, f"{key} {value}")
        for other in folder.below(posixpath.join(posixpath.dirname(file.path), value), ".py"):
            folder.tell(rules.LOADED_CODE, other, f"is code that {file.path!a} makes MLflow load")
    if key in _PATHS:
        folder.refer(file, value, key)


def _examine_requirements(file: File, folder: Folder) -> None:
    for line in read_lines(file):
        text = line.partition(" #")[0].strip()
        if not text.startswith("#") and not _BESIDE.fullmatch(text) and _ELSEWHERE.search(text):
            folder.tell(rules.REQUIREMENT, file, f"asks for {shown(text)}", text)
