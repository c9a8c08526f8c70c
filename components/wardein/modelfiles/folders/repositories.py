# SPDX-License-Identifier: Apache-2.0
"""Folders as Hugging Face's libraries load them: transformers, sentence-transformers, diffusers, sharded weights."""

from __future__ import annotations

import posixpath
from typing import Any

from wardein.modelfiles.examination import Unexamined, shown
from wardein.modelfiles.folders import rules
from wardein.modelfiles.folders.folder import Folder, read_json
from wardein.modelfiles.native import rules as native
from wardein.modelfiles.native.settings import leads_outside
from wardein.scan.tree import File

# What diffusers finds the parts of a pipeline in: libraries, and folders of pipelines in diffusers itself.
_LIBRARIES = frozenset({
    "diffusers", "transformers", "onnxruntime", "k_diffusion", "sentencepiece", "stable_diffusion",
    "stable_diffusion_xl", "latent_diffusion", "deepfloyd_if", "paint_by_example", "stable_diffusion_safe",
    "versatile_diffusion", "unidiffuser", "audioldm", "audioldm2", "musicldm", "kandinsky", "kandinsky2_2",
    "wuerstchen", "shap_e", "spectrogram_diffusion", "semantic_stable_diffusion", "stable_video_diffusion",
    "stable_cascade", "flux", "pixart_alpha", "hunyuan_video", "ltx", "cogvideo", "mochi", "lumina", "sana", "wan",
    "qwenimage", "stable_audio", "consistency_models", "amused", "i2vgen_xl", "kolors",
})  # fmt: skip


def examine(folder: Folder) -> None:
    """Examine the settings that make one file load others."""
    for file in folder.files:
        with folder.reading(file):
            _examine_file(file, folder)


def _examine_file(file: File, folder: Folder) -> None:
    name = file.name.lower()
    if name.endswith(".index.json"):
        _examine_index(file, folder)
    elif name == "modules.json":
        _examine_modules(file, folder)
    elif name in ("model_index.json", "modular_model_index.json"):
        _examine_pipeline(file, folder)
    elif name == "adapter_config.json":
        _examine_adapter(file, folder)
        _examine_code_names(file, folder)
    elif name.endswith(".json"):
        _examine_code_names(file, folder)


def _examine_index(file: File, folder: Folder) -> None:
    """Every file that an index of sharded weights names is there; where it leads outside was told."""
    index = read_json(file)
    names = index.get("weight_map") if isinstance(index, dict) else None
    if isinstance(names, dict):
        for name in sorted({str(value) for value in names.values()}):
            if not leads_outside(name):
                folder.refer(file, name, "weight_map")


def _examine_modules(file: File, folder: Folder) -> None:
    modules = read_json(file)
    if not isinstance(modules, list):
        return
    for module in modules:
        kind, path = (module.get("type"), module.get("path")) if isinstance(module, dict) else (None, None)
        if isinstance(kind, str) and not kind.startswith("sentence_transformers."):
            message = f"makes its reader import {shown(kind)}"
            folder.tell(native.REMOTE_CODE, file, message, f"type {kind}")
        if isinstance(path, str) and leads_outside(path):
            folder.tell(native.OUTSIDE, file, f"path leads to {shown(path)}", f"path {path}")


def _examine_pipeline(file: File, folder: Folder) -> None:
    """A pipeline of diffusers names for each of its parts a library and a class; a file can stand for either."""
    pipeline = read_json(file)
    if not isinstance(pipeline, dict):
        return
    for key, value in sorted(pipeline.items()):
        if key == "_class_name" and not isinstance(value, str):
            folder.tell(native.REMOTE_CODE, file, f"is a pipeline of its own code, {shown(str(value))}", str(value))
        elif not key.startswith("_") and isinstance(value, list) and value:
            hinted = [part.get("type_hint") for part in value if isinstance(part, dict)]
            libraries = {str(hint[0]) for hint in hinted if isinstance(hint, list) and hint and hint[0] is not None}
            for library in (value[0], *sorted(libraries)):
                _examine_part(key, library, file, folder)


def _examine_adapter(file: File, folder: Folder) -> None:
    """The library that PEFT imports for models of Megatron's."""
    settings = read_json(file)
    library = settings.get("megatron_core") if isinstance(settings, dict) else None
    if library is not None and library != "megatron.core":
        message = f"makes its reader import {shown(str(library))}"
        folder.tell(native.REMOTE_CODE, file, message, f"megatron_core {library}")


def _examine_part(key: str, library: Any, file: File, folder: Folder) -> None:
    base = posixpath.dirname(file.path)
    brought = posixpath.join(base, key, f"{library}.py")
    if library is not None and (library not in _LIBRARIES or brought in folder.paths):
        message = f"makes its reader import {shown(str(library))} for {shown(key)}"
        folder.tell(native.REMOTE_CODE, file, message, f"{key} {library}")


def _examine_code_names(file: File, folder: Folder) -> None:
    """The code that ``auto_map`` and ``custom_pipelines`` name is loaded; that they do was told."""
    try:
        settings = read_json(file)
    except Unexamined:
        # That it names code was told, whatever its size; only which file is not.
        return
    if not isinstance(settings, dict):
        return
    named: list[str] = []
    for key in ("auto_map", "custom_pipelines"):
        waiting: list[Any] = [settings.get(key)]
        while waiting:
            item = waiting.pop()
            if isinstance(item, str):
                named.append(item.rpartition("--")[2].rpartition(".")[0] or item)
            elif isinstance(item, (dict, list)):
                waiting.extend(item.values() if isinstance(item, dict) else item)
    base = posixpath.dirname(file.path)
    loaded = {posixpath.join(base, f"{name.replace('.', '/')}.py") for name in named}
    for other in folder.files:
        if other.path in loaded:
            folder.tell(rules.LOADED_CODE, other, f"is code that {file.path!a} makes transformers load")
