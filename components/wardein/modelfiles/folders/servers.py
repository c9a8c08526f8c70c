# SPDX-License-Identifier: Apache-2.0
"""Folders as servers load them: settings that name code, and the code beside them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from typing import Any

from wardein.modelfiles.content import opened
from wardein.modelfiles.examination import shown
from wardein.modelfiles.folders import rules, textproto
from wardein.modelfiles.folders.folder import Folder, read_json, read_lines, read_yaml, whole
from wardein.modelfiles.native.settings import texts
from wardein.scan.tree import File

# The settings of a file that name code, and their values; an empty one first, if the file is a server's.
_Finder = Callable[[File, Folder], Iterator[tuple[str, str]]]
# What TorchServe, MLServer and DJL have of their own.
_HANDLERS = frozenset({"image_classifier", "image_segmenter", "object_detector", "text_classifier", "base_handler"})
_RUNTIMES = re.compile(
    r"mlserver_(?:sklearn|xgboost|lightgbm|mlflow|huggingface|catboost|onnx|alibi_detect|alibi_explain|mllib)"
    r"(?:\.[a-z_]+)?\.[A-Z]\w*"
)
_ENTRY = re.compile(r"djl_python\.[a-z_]+")
# Larger source is not examined as such.
_MAX_SOURCE = 16 * 1024**2
_NOTHING = ("", "null", "~", "none", "false", "0", "no", "off")
# A configuration in Python, as OpenMMLab's libraries read it: they run it.
_CONFIGURATION = re.compile(rb"^\s*_base_\s*=|\bdict\(\s*type\s*=", re.MULTILINE)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_PROPERTY = re.compile(r"((?:[^\\\s=:]|\\.)*+)\s*[=:]?\s*(.*)", re.DOTALL)


def examine(folder: Folder) -> None:
    """Examine the settings that name a server's code, and tell of the code that lies beside them."""
    served = set()
    for file in folder.files:
        with folder.reading(file):
            if file.path.endswith("MAR-INF/MANIFEST.json"):
                _examine_manifest(file, folder)
            elif find := _finder(file):
                for setting, value in find(file, folder):
                    if value == "":
                        served.add(posixpath.dirname(file.path))
                    else:
                        message = f"makes the server run code: {setting} is {shown(value)}"
                        folder.tell(rules.LOADED_CODE, file, message, f"{setting} {value}")
            elif file.name.lower().endswith(".py"):
                _examine_source(file, folder)
    beside = {file.path: file for path in served for file in folder.below(path, ".py")}
    for _, file in sorted(beside.items()):
        folder.tell(rules.LOADED_CODE, file, "is code beside the settings of a server, which can run it")


def _finder(file: File) -> _Finder | None:
    """What finds the settings of a file that name code."""
    name = file.name.lower()
    if name.endswith(".pbtxt") and (name == "config.pbtxt" or "/configs/" in f"/{file.path}"):
        return _of_triton
    if name.endswith((".prototxt", ".prototxt.txt")):
        return _of_caffe
    return _FINDERS.get(name)


def _of_triton(file: File, _: Folder) -> Iterator[tuple[str, str]]:
    yield "", ""
    for key, value in _fields(file):
        if (key in ("backend", "platform") and value == "python") or (
            key in ("default_model_filename", "key", "value") and value.endswith(".py")
        ):
            yield key, value


def _of_caffe(file: File, _: Folder) -> Iterator[tuple[str, str]]:
    for key, value in _fields(file):
        if key == "python_param" or (key == "type" and value == "Python"):
            yield key, value or "a layer in Python"


def _fields(file: File) -> Iterator[tuple[str, str]]:
    with opened(file) as content:
        document = whole(content).decode("utf-8", "surrogateescape")
    yield from textproto.texts(document)


def _of_mlserver(file: File, _: Folder) -> Iterator[tuple[str, str]]:
    yield "", ""
    settings = read_json(file)
    for key, value in _members(settings):
        is_known = key == "implementation" and _RUNTIMES.fullmatch(value)
        if key in ("implementation", "environment_tarball", "environment_path") and not is_known:
            yield key, value


def _of_mlserver_itself(file: File, _: Folder) -> Iterator[tuple[str, str]]:
    for key, value in _members(read_json(file)):
        if key == "model_repository_implementation":
            yield key, value


def _of_modelscope(file: File, _: Folder) -> Iterator[tuple[str, str]]:
    settings = read_json(file)
    if not isinstance(settings, dict) or not {"framework", "task", "allow_remote", "plugins"} & settings.keys():
        return
    yield "", ""
    if str(settings.get("allow_remote") or "").lower() not in _NOTHING:
        yield "allow_remote", str(settings["allow_remote"])
    for _place, name in texts(settings.get("plugins"), "plugins"):
        yield "plugins", name


def _of_djl(file: File, _: Folder) -> Iterator[tuple[str, str]]:
    yield "", ""
    for key, value in _properties("\n".join(read_lines(file))):
        is_own = key.endswith("entryPoint") and _ENTRY.fullmatch(value)
        trusts = key.endswith("trust_remote_code") and value.lower() not in _NOTHING
        if trusts or (key.endswith(("entryPoint", "handler", "custom_handler")) and value and not is_own):
            yield key, value


def _properties(document: str) -> Iterator[tuple[str, str]]:
    """The settings of a file of Java's: a backslash at the end of a line goes on with the next, or escapes."""
    for line in re.sub(r"(?<!\\)((?:\\\\)*)\\\n[ \t\f]*", r"\1", document).splitlines():
        found = _PROPERTY.fullmatch(line.strip())
        if found and not line.lstrip().startswith(("#", "!")):
            key, value = (
                _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)) if escape[1] else escape[2], part)
                for part in found.groups()
            )
            yield key, value.strip()


def _by_keys(*keys: str) -> _Finder:
    """What finds these settings in a file of YAML, at any depth."""

    def find(file: File, folder: Folder) -> Iterator[tuple[str, str]]:
        yield "", ""
        for key, value in _members(read_yaml(file, folder.examination)):
            if key in keys and value.lower() not in _NOTHING:
                yield key, value

    return find


_FINDERS: dict[str, _Finder] = {
    "model-settings.json": _of_mlserver,
    "settings.json": _of_mlserver_itself,
    "configuration.json": _of_modelscope,
    "serving.properties": _of_djl,
    "bentofile.yaml": _by_keys("service"),
    "bentofile.yml": _by_keys("service"),
    "bento.yaml": _by_keys("service"),
    "cog.yaml": _by_keys("predict", "train", "run"),
    "cog.yml": _by_keys("predict", "train", "run"),
}


def _members(settings: Any) -> Iterator[tuple[str, str]]:
    """Every setting that is a text, at any depth, and the texts of lists by their setting."""
    waiting: list[tuple[str, Any]] = [("", settings)]
    while waiting:
        key, item = waiting.pop()
        if isinstance(item, str):
            yield key, item
        elif isinstance(item, dict):
            waiting.extend((str(name), inner) for name, inner in item.items())
        elif isinstance(item, list):
            waiting.extend((key, inner) for inner in item)


def _examine_source(file: File, folder: Folder) -> None:
    with opened(file) as content:
        if _CONFIGURATION.search(content.at(0, content.size if content.size <= _MAX_SOURCE else 0)):
            folder.tell(rules.LOADED_CODE, file, "is a configuration in Python, which its readers run")


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
