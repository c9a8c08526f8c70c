# SPDX-License-Identifier: Apache-2.0
"""Keras: the configuration that a model is built from, object by object, against those that only compute."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined, shown
from wardein.modelfiles.graphs import protobuf
from wardein.modelfiles.graphs.protobuf import Record, one
from wardein.modelfiles.graphs.rules import CUSTOM_OPERATION, DUPLICATE_KEY, KERAS_FILE, KERAS_OBJECT, LAMBDA
from wardein.modelfiles.graphs.tensorflow import operations

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 200
# Whose modules are Keras's own under other names.
_OWN = re.compile(r"(keras|tf_keras|tensorflow\.keras|tensorflow\.python\.keras)(\.[A-Za-z_]\w*)*")
# Objects that carry a value, and nothing to import or call.
_VALUES = frozenset(
    [
        "__tensor__",
        "__numpy__",
        "__bytes__",
        "__ellipsis__",
        "__slice__",
        "__keras_tensor__",
        "__tuple__",
        "__dtype__",
        "__none__",
        "TensorShape",
        "CompositeTensor",
        "Ellipsis",
        "slice",
    ]
)
_SPECS = frozenset(["TensorSpec", "RaggedTensorSpec", "SparseTensorSpec", "TensorShape", "KerasTensor"])
_LAMBDAS = frozenset(("Lambda", "__lambda__"))
# Keys whose value, if it is a text, is a place to read from.
_PLACES = frozenset(
    [
        "vocabulary",
        "vocab",
        "vocabulary_file",
        "idf_weights",
        "filepath",
        "file_path",
        "filename",
        "file",
        "path",
        "url",
        "origin",
        "cache_dir",
    ]
)
_OUTSIDE = re.compile(r"[A-Za-z][\w+.-]*://.|/[\w.]|~/|\\\\|[A-Za-z]:[\\/]|(?:.*[\\/])?\.\.[\\/]", re.DOTALL)
_NAMES = frozenset(("name", "node_path", "documentation", "docstring"))


@cache
def _known() -> tuple[frozenset[str], frozenset[str]]:
    """The names of Keras's own classes and functions that only compute."""
    lines = Path(__file__).with_name("keras_objects.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split() for line in lines if line[:1] != "#"]
    named = {kind: {name.rpartition(".")[2] for k, name in pairs if k == kind} for kind in ("class", "function")}
    return frozenset(named["class"]) - _LAMBDAS, frozenset(named["function"])


@cache
def _functions() -> frozenset[str]:
    lines = Path(__file__).with_name("tensorflow_functions.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line[:1] != "#")


def examine_config(content: Content, examination: Examination, text: bytes | None = None, part: str = "") -> None:
    """Examine a configuration: of a ``.keras`` archive, of an HDF5 file's attribute, or in a file of its own.

    Args:
        content: Where it is.
        examination: Takes what is found.
        text: The JSON, if it is not the content itself.
        part: What to call it within the content.

    Raises:
        Unexamined: If it is no JSON that can be followed to its end.
    """
    if text is None:
        if content.size > MAX_BYTES:
            raise Unexamined(f"its configuration is larger than {MAX_BYTES} bytes")
        text = content.at(0, content.size)
    _Configuration(content, examination, part).visit(_parsed(content, examination, text), "", 0)


class _Configuration:
    """Goes through a configuration, and tells of the objects that are not known."""

    def __init__(self, content: Content, examination: Examination, part: str) -> None:
        self._content, self._examination, self._part = content, examination, part

    def visit(self, value: Any, path: str, depth: int) -> None:
        """Visit a value and all that is in it."""
        if depth > MAX_DEPTH:
            raise Unexamined(f"its configuration is nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, (dict, list)):
                    self.visit(item, f"{path}[{index}]", depth + 1)
        elif isinstance(value, dict):
            if "class_name" in value:
                self._object(value, path)
            for key, item in value.items():
                self._item(key, item, f"{path}.{key}" if path else key, depth)

    def _item(self, key: str, item: Any, path: str, depth: int) -> None:
        if isinstance(item, (dict, list)):
            self.visit(item, path, depth + 1)
        elif item == "lambda" and key.endswith("_type"):
            self._tell(LAMBDA, path, "holds a lambda: Python code that Keras would run", path)
        elif isinstance(item, str):
            self._text(key, item, path)

    def _tell(self, rule: Any, path: str, message: str, identity: str) -> None:
        where = f"at {shown(path)}" if path else "at its root"
        where = f"{self._part}, {where}" if self._part else where
        self._examination.tell(rule, self._content, f"{where}: {message}", identity=identity)

    def _text(self, key: str, text: str, path: str) -> None:
        if text.startswith(("{", "[")) and '"class_name"' in text:
            # A configuration in a text, as Keras 2 keeps some.
            self.visit(_parsed(self._content, self._examination, text.encode()), path, 1)
        elif (key in _PLACES and text) or (key not in _NAMES and _OUTSIDE.match(text)):
            self._tell(KERAS_FILE, path, f"names {shown(text)}, for Keras to read", text)

    def _object(self, value: Mapping[str, Any], path: str) -> None:
        name, module, config = value["class_name"], value.get("module"), value.get("config")
        registered = value.get("registered_name")
        full = f"{module}.{name}" if module else str(name)
        last = str(name).rpartition(">")[2].rpartition(".")[2]
        if last in _LAMBDAS:
            self._tell(LAMBDA, path, f"holds {shown(full)}: Python code that Keras would run", full)
        elif not isinstance(name, str) or not (module is None or isinstance(module, str)):
            self._tell(KERAS_OBJECT, path, f"names an object by {shown(str(name))}, which is no text", full)
        elif name == "function":
            self._function(module, config, path)
        elif name in ("__typespec__", "TypeSpec"):
            spec = value.get("spec_name", value.get("type_spec", ""))
            if spec not in _SPECS or not _is_specification(module):
                self._tell(KERAS_OBJECT, path, f"imports {shown(f'{module}.{spec}')}", f"{module}.{spec}")
        elif name in ("TFOpLambda", "TFOp", "TensorFlowOpLayer", "ClassMethod"):
            self._operation(name, config, path)
        elif name not in _VALUES and not (self._is_own(module) and name in _known()[0]):
            self._tell(KERAS_OBJECT, path, f"names {shown(full)}, which is not Keras's own", full)
        elif isinstance(registered, str) and ">" in registered and not registered.startswith(("Keras>", "keras>")):
            self._tell(
                KERAS_OBJECT, path, f"names {shown(registered)}, which is registered by somebody else", registered
            )

    @staticmethod
    def _is_own(module: str | None) -> bool:
        return module is None or bool(_OWN.fullmatch(module))

    def _function(self, module: str | None, config: Any, path: str) -> None:
        name = config.get("name", config) if isinstance(config, dict) else config
        is_own = module == "builtins" or self._is_own(module)
        if not (isinstance(name, str) and is_own and name in _known()[1]):
            full = f"{module}.{name}" if module else str(name)
            self._tell(KERAS_OBJECT, path, f"calls the function {shown(full)}, which is not Keras's own", full)

    def _operation(self, kind: str, config: Any, path: str) -> None:
        """An operation of TensorFlow's as a layer."""
        config = config if isinstance(config, dict) else {}
        if kind == "TensorFlowOpLayer":
            node = config.get("node_def")
            node = json.loads(node) if isinstance(node, str) else node
            name = node.get("op", "") if isinstance(node, dict) else ""
            is_pure = operations().get(name) == ""
        elif kind == "ClassMethod":
            name = f"{config.get('cls_ref')}.{config.get('cls_symbol')}.{config.get('method_name')}"
            is_pure = name.startswith("None.") or str(config.get("cls_symbol")) in (
                "ragged.RaggedTensor",
                "RaggedTensor",
            )
        else:
            name = str(config.get("function", ""))
            is_pure = name.removeprefix("tf.") in _functions()
        if not is_pure:
            self._tell(CUSTOM_OPERATION, path, f"calls {shown(name)} of TensorFlow's as a layer", name)


def _is_specification(module: str | None) -> bool:
    return module is None or module.startswith(("tensorflow.python.framework.", "tensorflow.python.ops.ragged."))


def _parsed(content: Content, examination: Examination, text: bytes) -> Any:
    """The configuration's values; a name that occurs twice is told."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            times = Counter(name for name, _ in pairs)
            twice = next(name for name in times if times[name] > 1)
            message = f"its configuration has {shown(twice)} twice in the same object"
            examination.tell(DUPLICATE_KEY, content, message, identity=twice)
        return found

    return json.loads(text.decode(), object_pairs_hook=once)


class KerasConfig:
    """A configuration in a file of its own."""

    NAME = "keras-config"
    TEXT = True

    def matches(self, content: Content, head: bytes) -> bool:
        """See :class:`wardein.modelfiles.formats.Format`."""
        if head.lstrip()[:1] != b"{" or content.size > MAX_BYTES:
            return False
        text = content.at(0, content.size)
        if b"class_name" not in text and b"\\u00" not in text:
            return False
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return b'"class_name"' in head and b'"config"' in head
        return isinstance(value, dict) and "class_name" in value and "config" in value

    def examine(self, content: Content, examination: Examination) -> None:
        """See :class:`wardein.modelfiles.formats.Format`."""
        examine_config(content, examination)


class KerasMetadata:
    """What Keras 2 puts beside a saved model of TensorFlow's: the configurations of its layers."""

    NAME = "keras-metadata"
    TEXT = False

    def matches(self, content: Content, head: bytes) -> bool:
        """See :class:`wardein.modelfiles.formats.Format`."""
        return head[:1] == b"\x0a" and protobuf.fits(content, "keras.SavedMetadata") >= 3

    def examine(self, content: Content, examination: Examination) -> None:
        """See :class:`wardein.modelfiles.formats.Format`."""

        def layer(record: Record) -> None:
            if text := one(record, "metadata"):
                examine_config(content, examination, text.encode(), one(record, "identifier"))

        see = {"keras.SavedObject": (frozenset({"identifier", "metadata"}), layer)}
        protobuf.walk(protobuf.span(content), "keras.SavedMetadata", see)


FORMATS = (KerasConfig(), KerasMetadata())
