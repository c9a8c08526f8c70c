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
from wardein.scan.rules import Rule

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 200
# What a configuration may hold at most: what is parsed takes far more memory than its text.
MAX_CONTAINERS = 250_000
MAX_ITEMS = 1_000_000
# Modules that are Keras's own under other names, and the room of Keras they are in.
_OWN = re.compile(
    r"(?:keras|tf_keras|tensorflow\.keras|tensorflow\.python\.keras)(?:\.src)?(?:\.([A-Za-z_]\w*)(?:\.[A-Za-z_]\w*)*)?"
)
# The rooms in which Keras 1 and 2 had the classes that are listed as legacy.
_LEGACY_ROOMS = frozenset(
    [
        "",
        "applications",
        "engine",
        "experimental",
        "initializers",
        "layers",
        "legacy",
        "losses",
        "metrics",
        "mixed_precision",
        "models",
        "optimizers",
    ]
)
# What Keras 2 calls by other modules: those of TensorFlow, of which some models still have initializers.
_INITIALIZERS = "tensorflow.python.ops.init_ops_v2"
# Keras 2 registers its optimizers, and a layer of an application, as if they were somebody's own.
_CUSTOM = "Custom>"
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
_OPERATIONS = frozenset(
    ["TFOpLambda", "SlicingOpLambda", "TFOp", "TensorFlowOpLayer", "ClassMethod", "InstanceMethod", "InstanceProperty"]
)
# What Keras itself delegates to ragged and sparse tensors: nothing else of them, and of no other class.
_CLASSES = frozenset(("RaggedTensor", "ragged.RaggedTensor"))
_CLASS_METHODS = frozenset(
    [
        "from_value_rowids",
        "from_row_splits",
        "from_row_lengths",
        "from_row_starts",
        "from_row_limits",
        "from_uniform_row_length",
        "from_nested_value_rowids",
        "from_nested_row_splits",
        "from_nested_row_lengths",
        "from_tensor",
        "from_sparse",
    ]
)
_METHODS = frozenset(
    [
        "value_rowids",
        "nested_value_rowids",
        "nrows",
        "row_starts",
        "row_limits",
        "row_lengths",
        "nested_row_lengths",
        "bounding_shape",
        "with_values",
        "with_flat_values",
        "with_row_splits_dtype",
        "merge_dims",
        "to_tensor",
        "to_sparse",
    ]
)
_PROPERTIES = frozenset(
    ["values", "flat_values", "row_splits", "nested_row_splits", "indices", "dense_shape", "shape", "dtype"]
)
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
_BLANKS = " \t\r\n"
_MARK = b"\xef\xbb\xbf"


def _key(name: str) -> str:
    """A pattern of a name as a key of JSON, its letters written as they are or by their numbers."""
    return '"' + "".join(rf"(?:{c}|\\u00(?i:{ord(c):02x}))" for c in name) + r'"[ \t\r\n]*+'


# The two that every object has. Blanks that go on for longer than a window of the text count as what they hide.
_CLASS = re.compile(rf'{_key("class_name")}(?:\Z|:[ \t\r\n]*+(?:\Z|"))'.encode())
_CONFIG = re.compile(rf"{_key('config')}(?:\Z|:)".encode())
_STEP = 1024 * 1024
_OVERLAP = 4096

# Where something is in a configuration: what it is in, and its name or number there. Only put together to be told.
_Path = tuple[Any, str | int] | None


@cache
def _known() -> Mapping[str, frozenset[tuple[str, str]]]:
    """Keras's own classes and functions that only compute, by their kind: their room and their name."""
    lines = Path(__file__).with_name("keras_objects.txt").read_text(encoding="utf-8").splitlines()
    known: dict[str, set[tuple[str, str]]] = {"class": set(), "function": set()}
    for kind, full in (line.split() for line in lines if line[:1] != "#"):
        module, _, name = full.rpartition(".")
        own = _OWN.fullmatch(module)
        rooms = [own[1] or ""] if own else _LEGACY_ROOMS
        known[kind].update((room, name) for room in rooms if name not in _LAMBDAS)
    # The activations are also among the operations.
    known["function"].update([("ops", name) for room, name in known["function"] if room == "activations"])
    return {kind: frozenset(pairs) for kind, pairs in known.items()}


@cache
def _named(kind: str) -> frozenset[str]:
    """The names of the known classes or functions, wherever they are."""
    return frozenset(name for _, name in _known()[kind])


def _is_own(kind: str, module: str | None, name: str) -> bool:
    """Whether this is, in this very module, a class or function of Keras's own that only computes."""
    if module is None:
        return name in _named(kind)
    if kind == "class" and module == _INITIALIZERS:
        return ("initializers", name) in _known()[kind]
    own = _OWN.fullmatch(module)
    return own is not None and (own[1] or "", name) in _known()[kind]


def _unregistered(name: str) -> str:
    """A name without what Keras puts before those of its own that it registers."""
    bare = name.removeprefix(_CUSTOM)
    if bare != name and (bare == "CustomScaleLayer" or ("optimizers", bare) in _known()["class"]):
        return bare
    return name.removeprefix("Keras>").removeprefix("keras>")


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
        text = content.at(0, content.size).removeprefix(_MARK)
    _Configuration(content, examination, part).visit(_parsed(content, examination, text), None, 0)


class _Configuration:
    """Goes through a configuration, and tells of the objects that are not known."""

    def __init__(self, content: Content, examination: Examination, part: str) -> None:
        self._content, self._examination, self._part = content, examination, part

    def visit(self, value: Any, path: _Path, depth: int) -> None:
        """Visit a value and all that is in it."""
        if depth > MAX_DEPTH:
            raise Unexamined(f"its configuration is nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, (dict, list)):
                    self.visit(item, (path, index), depth + 1)
                elif isinstance(item, str):
                    self._inner(item, (path, index), depth)
        elif isinstance(value, dict):
            if "class_name" in value:
                self._object(value, path)
            for key, item in value.items():
                self._item(key, item, (path, key), depth)

    def _item(self, key: str, item: Any, path: _Path, depth: int) -> None:
        if isinstance(item, (dict, list)):
            self.visit(item, path, depth + 1)
        elif item == "lambda" and key.endswith("_type"):
            self._tell(LAMBDA, path, "holds a lambda: Python code that Keras would run", _place(path))
        elif (
            isinstance(item, str)
            and not self._inner(item, path, depth)
            and ((key in _PLACES and item) or (key not in _NAMES and _OUTSIDE.match(item)))
        ):
            self._tell(KERAS_FILE, path, f"names {shown(item)}, for Keras to read", item)

    def _tell(self, rule: Rule, path: _Path, message: str, identity: str) -> None:
        where = f"at {shown(_place(path))}" if path else "at its root"
        where = f"{self._part}, {where}" if self._part else where
        self._examination.tell(rule, self._content, f"{where}: {message}", identity=identity)

    def _inner(self, text: str, path: _Path, depth: int) -> bool:
        """Visit a configuration in a text, as Keras 2 keeps some; False if it is none."""
        if text.lstrip(_BLANKS)[:1] not in ("{", "["):
            return False
        data = text.encode("utf-8", "surrogatepass")
        if not _CLASS.search(data):
            return False
        try:
            value = _parsed(self._content, self._examination, data)
        except json.JSONDecodeError:
            return False
        self.visit(value, path, depth + 1)
        return True

    def _object(self, value: Mapping[str, Any], path: _Path) -> None:
        name, module, config = value["class_name"], value.get("module"), value.get("config")
        full = f"{module}.{name}" if module else str(name)
        if str(name).rpartition(">")[2].rpartition(".")[2] in _LAMBDAS:
            self._tell(LAMBDA, path, f"holds {shown(full)}: Python code that Keras would run", full)
        elif not isinstance(name, str) or not (module is None or isinstance(module, str)):
            self._tell(KERAS_OBJECT, path, f"names an object by {shown(str(name))}, which is no text", full)
        elif name == "function":
            self._function(value, path)
        elif name in ("__typespec__", "TypeSpec"):
            specs = [value[key] for key in ("spec_name", "type_spec") if key in value]
            known = [isinstance(spec, str) and spec.removeprefix("tf.") in _SPECS for spec in specs]
            if not specs or not all(known) or not _is_specification(module):
                full = f"{module}.{specs[0] if specs else ''}"
                self._tell(KERAS_OBJECT, path, f"imports {shown(full)}", full)
        elif not (module is None if name in _VALUES else _is_own("class", module, _unregistered(name))):
            self._tell(KERAS_OBJECT, path, f"names {shown(full)}, which is not Keras's own", full)
        elif name in _OPERATIONS:
            self._operation(name, config, path)
        if isinstance(name, str) and name != "function":
            self._registered(value, (name, _unregistered(name)), path)

    def _registered(self, value: Mapping[str, Any], names: tuple[str, str], path: _Path) -> None:
        """Keras looks for what a module does not have under the name it is registered by, in that same module."""
        registered = value.get("registered_name")
        known = registered is None or (isinstance(registered, str) and _unregistered(registered) in names)
        if not known:
            message = f"names {shown(str(registered))}, which is registered by somebody else"
            self._tell(KERAS_OBJECT, path, message, str(registered))

    def _function(self, value: Mapping[str, Any], path: _Path) -> None:
        module, config = value.get("module"), value.get("config")
        name = config.get("name", config) if isinstance(config, dict) else config
        is_layer = "inbound_nodes" in value or bool(path and path[0] and path[0][1] == "layers")
        is_own = isinstance(name, str) and _is_own("function", None if module == "builtins" else module, name)
        if is_layer or not is_own:
            full = f"{module}.{name}" if module else str(name)
            what = "as a layer" if is_own else "which is not Keras's own"
            self._tell(KERAS_OBJECT, path, f"calls the function {shown(full)}, {what}", full)
        else:
            self._registered(value, (str(name), "function"), path)

    def _operation(self, kind: str, config: Any, path: _Path) -> None:
        """An operation of TensorFlow's as a layer."""
        config = config if isinstance(config, dict) else {}
        if kind == "TensorFlowOpLayer":
            node = config.get("node_def")
            node = json.loads(node) if isinstance(node, str) else node
            name = str(node.get("op", "")) if isinstance(node, dict) else ""
            is_pure = operations().get(name) == ""
        elif kind == "ClassMethod":
            owner, method = str(config.get("cls_symbol")), str(config.get("method_name"))
            name, is_pure = f"{owner}.{method}", owner in _CLASSES and method in _CLASS_METHODS
        elif kind in ("InstanceMethod", "InstanceProperty"):
            name = str(config.get("attr_name"))
            is_pure = name in (_METHODS if kind == "InstanceMethod" else _PROPERTIES)
        else:
            name = str(config.get("function", ""))
            is_pure = name.removeprefix("tf.") in _functions()
        if not is_pure:
            self._tell(CUSTOM_OPERATION, path, f"calls {shown(name)} of TensorFlow's as a layer", name)


def _place(path: _Path) -> str:
    """Where something is, as people read it; of long names their beginnings."""
    pieces: list[str] = []
    while path is not None:
        path, piece = path
        pieces.append(f"[{piece}]" if isinstance(piece, int) else f".{piece[:80]}")
    return "".join(reversed(pieces)).removeprefix(".")


def _is_specification(module: str | None) -> bool:
    return module is None or module.startswith(("tensorflow.python.framework.", "tensorflow.python.ops.ragged."))


def _parsed(content: Content, examination: Examination | None, text: bytes) -> Any:
    """The configuration's values; a name that occurs twice is told, if there is somebody to tell.

    Raises:
        Unexamined: If it holds too much.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if examination is not None and len(found) != len(pairs):
            times = Counter(name for name, _ in pairs)
            twice = next(name for name in times if times[name] > 1)
            message = f"its configuration has {shown(twice)} twice in the same object"
            examination.tell(DUPLICATE_KEY, content, message, identity=twice)
        return found

    if text.count(b"{") + text.count(b"[") > MAX_CONTAINERS or text.count(b",") > MAX_ITEMS:
        raise Unexamined("its configuration holds more objects than can be looked at")
    return json.loads(text.decode("utf-8", "surrogatepass"), object_pairs_hook=once)


def _begins(content: Content) -> bool:
    """Whether the first that is no blank begins an object or a list."""
    offset = len(_MARK) if content.at(0, len(_MARK)) == _MARK else 0
    while offset < content.size:
        if text := content.at(offset, _STEP).lstrip():
            return text[:1] in (b"{", b"[")
        offset += _STEP
    return False


def _holds(content: Content, pattern: re.Pattern[bytes]) -> bool:
    """Whether the pattern occurs anywhere."""
    return any(pattern.search(content.at(at, _STEP + _OVERLAP)) for at in range(0, content.size, _STEP))


def _has_object(value: Any) -> bool:
    """Whether any object within has a class and a configuration, for Keras builds it wherever it is."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if isinstance(one.get("class_name"), str) and "config" in one:
                return True
            one = list(one.values())
        if isinstance(one, list):
            waiting += [item for item in one if isinstance(item, (dict, list))]
    return False


class KerasConfig:
    """A configuration in a file of its own."""

    NAME = "keras-config"
    TEXT = True

    def matches(self, content: Content, head: bytes) -> bool:
        """See :class:`wardein.modelfiles.formats.Format`."""
        if not _begins(content) or not (_holds(content, _CLASS) and _holds(content, _CONFIG)):
            return False
        if content.size > MAX_BYTES:
            return True
        try:
            return _has_object(_parsed(content, None, content.at(0, content.size).removeprefix(_MARK)))
        except (ValueError, RecursionError, Unexamined):
            return True

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
