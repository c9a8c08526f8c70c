# SPDX-License-Identifier: Apache-2.0
"""TensorFlow: which operations the graphs of a saved model hold, and whose files they read and write."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined, shown
from wardein.modelfiles.graphs import protobuf
from wardein.modelfiles.graphs.protobuf import Record, Span, one
from wardein.modelfiles.graphs.rules import CUSTOM_OPERATION, OPERATION, OUTSIDE, PRINT
from wardein.modelfiles.graphs.tensorflow_paths import (
    CALLS,
    HANDS_ON,
    PLACES,
    READERS,
    SAVERS,
    VARIABLES,
    WRITERS,
    Function,
    Graph,
    Node,
    Paths,
)

_STRING = 7
_SAVER_FIELDS = ("filename_tensor_name", "save_tensor_name", "restore_op_name")
_FOLLOWED = {*SAVERS, *READERS, *HANDS_ON, *CALLS, *PLACES, *VARIABLES, *WRITERS, "Const"}
# TensorFlow 1 names the place for a saver's file like this; only the last saver of several is named in the file.
_SAVER_PLACE = re.compile(r"(.*/)?save(_\d+)?/Const")
_CONSOLES = ("stderr", "stdout", "log(info)", "log(warning)", "log(error)")
# What a loader runs to fill the model's tables is told by these, and no one else asks for it.
_AT_START = ("__saved_model_init_op",)
_LABELS = ("output_stream", "shared_name", "separator")
# How many operations that matter, with their inputs, one file may have: larger graphs have a few thousand.
_MAX_KEPT = 400_000


@cache
def operations() -> Mapping[str, str]:
    """Every operation of TensorFlow's own, and what it does beyond computing; empty for most."""
    lines = Path(__file__).with_name("tensorflow_operations.txt").read_text(encoding="utf-8").splitlines()
    named = {line: "" for line in lines if line[:1] not in ("#", "!")}
    return named | {name: why for name, _, why in (line[1:].partition(" ") for line in lines if line[:1] == "!")}


@dataclass
class _Object:
    """An object of a saved model: an asset, a constant, a function, or metadata for Keras."""

    asset: int | None = None
    constant: str = ""


@dataclass
class _Meta:
    """What was seen of a graph and of what is said about it."""

    saver: set[str] = field(default_factory=set)
    inputs: set[str] = field(default_factory=set)
    fetched: set[str] = field(default_factory=set)
    assets: list[tuple[str, str]] = field(default_factory=list)
    older_assets: list[tuple[str, str]] = field(default_factory=list)
    objects: Sequence[_Object] = ()
    bound: dict[str, Sequence[int]] = field(default_factory=dict)
    keras: list[tuple[str, str]] = field(default_factory=list)


class _Reader:
    """Makes of the messages of a graph what matters here, and tells of what it finds."""

    def __init__(self, content: Content, examination: Examination) -> None:
        self._content, self._examination, self._meta = content, examination, _Meta()
        self._kept = 0
        self.see: protobuf.See = {
            "tensorflow.SavedModel": (frozenset({"meta_graphs"}), _nothing),
            "tensorflow.MetaGraphDef": (frozenset({"graph_def", "asset_file_def"}), self.meta_graph),
            "tensorflow.GraphDef": (frozenset({"node", "library"}), self.graph),
            "tensorflow.FunctionDefLibrary": (frozenset({"function"}), lambda r: r.get("function", [])),
            "tensorflow.FunctionDef": (frozenset({"signature", "node_def"}), _function),
            "tensorflow.OpDef": (frozenset({"name", "input_arg"}), _signature),
            "tensorflow.OpDef.ArgDef": (frozenset({"name"}), lambda r: one(r, "name")),
            "tensorflow.NodeDef": (frozenset({"name", "op", "input", "attr"}), self.node),
            "tensorflow.NodeDef.AttrEntry": (frozenset({"key", "value"}), _pair),
            "tensorflow.AttrValue": (frozenset({"s", "type", "tensor", "func", "list"}), _value),
            "tensorflow.AttrValue.ListValue": (frozenset({"func"}), lambda r: r.get("func", [])),
            "tensorflow.NameAttrList": (frozenset({"name"}), lambda r: one(r, "name")),
            "tensorflow.TensorProto": (frozenset({"dtype", "string_val", "tensor_content"}), _texts),
            "tensorflow.SaverDef": (frozenset(_SAVER_FIELDS), self.saver),
            "tensorflow.MetaGraphDef.CollectionDefEntry": (frozenset({"key", "value"}), self.collection),
            "tensorflow.CollectionDef": (frozenset({"bytes_list", "any_list"}), _collected),
            "tensorflow.CollectionDef.BytesList": (frozenset({"value"}), lambda r: r.get("value", [])),
            "tensorflow.CollectionDef.AnyList": (frozenset({"value"}), lambda r: r.get("value", [])),
            "google.protobuf.Any": (frozenset({"value"}), lambda r: r.get("value", [None])[0]),
            "tensorflow.MetaGraphDef.SignatureDefEntry": (frozenset({"key", "value"}), self.signature),
            "tensorflow.SignatureDef": (frozenset({"outputs"}), lambda r: r.get("outputs", [])),
            "tensorflow.SignatureDef.OutputsEntry": (frozenset({"value"}), lambda r: r.get("value", [""])[0]),
            "tensorflow.SignatureDef.InputsEntry": (frozenset({"value"}), self.input),
            "tensorflow.TensorInfo": (frozenset({"name"}), lambda r: one(r, "name")),
            "tensorflow.AssetFileDef": (frozenset({"tensor_info", "filename"}), _asset),
            "tensorflow.SavedObjectGraph": (frozenset({"nodes"}), self.objects),
            "tensorflow.SavedObject": (frozenset({"user_object", "asset", "constant"}), _object),
            "tensorflow.SavedAsset": (frozenset({"asset_file_def_index"}), _asset_index),
            "tensorflow.SavedConstant": (frozenset({"operation"}), lambda r: one(r, "operation")),
            "tensorflow.SavedUserObject": (frozenset({"identifier", "metadata"}), self.user_object),
            "tensorflow.SavedObjectGraph.ConcreteFunctionsEntry": (frozenset({"key", "value"}), self.concrete),
            "tensorflow.SavedConcreteFunction": (frozenset({"bound_inputs"}), _bound),
        }

    def saver(self, record: Record) -> None:
        self._meta.saver.add(one(record, "filename_tensor_name").partition(":")[0])
        self._meta.fetched.update(one(record, name).partition(":")[0] for name in _SAVER_FIELDS[1:])

    def collection(self, record: Record) -> None:
        """Savers beyond the first and assets, which TensorFlow 1 keeps among the graph's collections."""
        values = record.get("value", [[]])[0]
        if one(record, "key") == "savers":
            for value in values:
                protobuf.walk(value, "tensorflow.SaverDef", self.see, 1)
        elif one(record, "key") == "saved_model_assets":
            assets = [protobuf.walk(value, "tensorflow.AssetFileDef", self.see, 1) for value in values]
            self._meta.older_assets += assets

    def input(self, record: Record) -> None:
        self._meta.inputs.update(name.partition(":")[0] for name in record.get("value", []))

    def signature(self, record: Record) -> None:
        if one(record, "key") not in _AT_START:
            self._meta.fetched.update(name.partition(":")[0] for name in record.get("value", [[]])[0])

    def node(self, record: Record) -> Node | None:
        """An operation; None if it is none that matters."""
        node = _node(record)
        if node is not None:
            self._kept += 1 + len(node.inputs) + len(node.calls)
            if self._kept > _MAX_KEPT:
                raise Unexamined("has more operations that have to be followed than graphs have")
        return node

    def objects(self, record: Record) -> None:
        self._meta.objects = record.get("nodes", [])

    def user_object(self, record: Record) -> None:
        if one(record, "identifier").startswith("_tf_keras"):
            self._meta.keras.append((one(record, "identifier"), one(record, "metadata")))

    def concrete(self, record: Record) -> None:
        self._meta.bound[one(record, "key")] = record.get("value", [[]])[0]

    def graph(self, record: Record) -> Graph:
        """A graph; what is around it follows."""
        library = [function for functions in record.get("library", []) for function in functions]
        functions = {function.name: function for function in library}
        if len(functions) != len(library):
            raise Unexamined("has two functions of one name")
        return Graph(record.get("node", []), functions)

    def meta_graph(self, record: Record) -> None:
        """A graph with all that is said about it."""
        meta, self._meta = self._meta, _Meta()
        # Loaders ask the collection only if there is nothing else.
        meta.assets = record.get("asset_file_def", meta.older_assets)
        for graph in record.get("graph_def", []):
            graph.saver = meta.saver - meta.inputs - {""}
            graph.assets = {tensor for tensor, _ in meta.assets if tensor} - meta.inputs
            graph.given, graph.fetched = meta.inputs, meta.fetched - {""}
            graph.bound = {name: [_tensors(meta, i) for i in inputs] for name, inputs in meta.bound.items()}
            self.tell_graph(graph)
        for _, filename in meta.assets:
            if posixpath.normpath(f"/a/{filename}") != f"/a/{filename}" or "\\" in filename or ":" in filename:
                message = f"has the asset {shown(filename)}, which lies outside of the model"
                self._examination.tell(OUTSIDE, self._content, message, identity=filename)
        for identifier, metadata in meta.keras:
            if not metadata:
                continue  # Keras 2 puts it into a file of its own
            from wardein.modelfiles.graphs.keras import examine_config

            examine_config(self._content, self._examination, metadata.encode(), identifier)

    def tell_graph(self, graph: Graph) -> None:
        """Tell of what a graph's operations do."""
        graph.saver |= {n.name for n in graph.nodes if _SAVER_PLACE.fullmatch(n.name)} - graph.given
        paths = Paths(graph)
        for scope, node in _all_nodes(graph):
            operation = node.operation
            why = operations().get(operation)
            where = f"the function {shown(scope)}" if scope else "its graph"
            if why == "" or (why is None and operation in graph.functions):
                continue
            if operation in SAVERS or operation in READERS:
                if not paths.are_own(scope, node):
                    message = (
                        f"{where} holds {shown(operation)} ({shown(node.name)}), on a file that is not the model's"
                    )
                    self._examination.tell(OPERATION, self._content, message, identity=operation)
            elif operation in ("Print", "PrintV2") and (operation == "Print" or node.label in _CONSOLES):
                self._examination.tell(PRINT, self._content, f"{where} prints", identity=operation)
            elif why:
                message = f"{where} holds the operation {shown(operation)} ({shown(node.name)}): {why}"
                self._examination.tell(OPERATION, self._content, message, identity=operation)
            else:
                message = f"{where} holds the operation {shown(operation)}, which is not TensorFlow's own"
                self._examination.tell(CUSTOM_OPERATION, self._content, message, identity=operation)


def _all_nodes(graph: Graph) -> Iterator[tuple[str, Node]]:
    yield from (("", node) for node in graph.nodes)
    for function in graph.functions.values():
        yield from ((function.name, node) for node in function.nodes)


def _tensors(meta: _Meta, index: int) -> list[str]:
    """The node of the graph that holds what an object is, if it is an asset or a constant."""
    if index >= len(meta.objects):
        return ["?"]
    what = meta.objects[index]
    if what.asset is not None:
        return [meta.assets[what.asset][0] if what.asset < len(meta.assets) else "?"]
    return [what.constant or "?"]


def _nothing(record: Record) -> None:
    return None


def _node(record: Record) -> Node | None:
    """An operation; None if it is none that matters."""
    operation = one(record, "op")
    attributes = dict(record.get("attr", []))
    inputs = [name.text() for name in record.get("input", [])]
    called = [name for value in attributes.values() for name in value.get("calls", ())]
    texts = attributes.get("value", {}).get("texts")
    is_followed = operation in _FOLLOWED and (operation != "Const" or texts != [])
    if operations().get(operation) == "" and not is_followed and not called:
        waits = [name for name in inputs if name[:1] == "^"]
        return Node(one(record, "name"), operation, waits, texts) if waits else None
    label = next((attributes[name].get("text", "") for name in _LABELS if name in attributes), "")
    if operation == "PrintV2" and "output_stream" not in attributes:
        label = _CONSOLES[0]
    kinds = [value["type"] for value in attributes.values() if "type" in value]
    calls = called if operation in operations() else [*called, operation]
    may_be_text = _STRING in kinds or not kinds
    return Node(one(record, "name"), operation, inputs, texts, calls, label, may_be_text)


def _pair(record: Record) -> tuple[str, Mapping[str, Any]]:
    return one(record, "key"), record.get("value", [{}])[0]


def _value(record: Record) -> Mapping[str, Any]:
    value: dict[str, Any] = {}
    if "func" in record or "list" in record:
        value["calls"] = [*record.get("func", []), *(name for names in record.get("list", []) for name in names)]
    if "tensor" in record:
        value["texts"] = record["tensor"][0]
    if "s" in record:
        value["text"] = record["s"][0].read().decode("utf-8", "replace") if record["s"][0].size < 1000 else "\0"
    if "type" in record:
        value["type"] = record["type"][0]
    return value


def _texts(record: Record) -> Sequence[str]:
    """The texts of a tensor; none if it holds numbers, and one that is no name if they are too many to be names."""
    if record.get("dtype", [0])[0] != _STRING:
        return []
    spans: list[Span] = record.get("string_val", [])
    if record.get("tensor_content") or len(spans) > 16 or any(span.size > 1000 for span in spans):
        return ["\0"]
    return [span.read().decode("utf-8", "replace") for span in spans]


def _asset(record: Record) -> tuple[str, str]:
    """The tensor that holds an asset's name, and the name."""
    return record.get("tensor_info", [""])[0].partition(":")[0], one(record, "filename")


def _collected(record: Record) -> Sequence[Span]:
    return [*record.get("bytes_list", [[]])[0], *record.get("any_list", [[]])[0]]


def _signature(record: Record) -> tuple[str, Sequence[str]]:
    return one(record, "name"), record.get("input_arg", [])


def _function(record: Record) -> Function:
    name, arguments = record.get("signature", [("", [])])[0]
    return Function(name, arguments, record.get("node_def", []))


def _asset_index(record: Record) -> int:
    return int(record.get("asset_file_def_index", [0])[0])


def _object(record: Record) -> _Object:
    return _Object(record["asset"][0] if "asset" in record else None, record.get("constant", [""])[0])


def _bound(record: Record) -> Sequence[int]:
    """The numbers of the objects that a function is given beyond its arguments."""
    numbers: list[int] = []
    for value in record.get("bound_inputs", []):
        if isinstance(value, Span):
            numbers += protobuf.packed(value.read())
        else:
            numbers.append(value)
    return numbers


class TensorFlow:
    """A message of TensorFlow's in a file of its own."""

    TEXT = False

    def __init__(self, name: str, kind: str, first: bytes, least: int, fixed: str = "") -> None:
        """Take its name, the message, the bytes that can be its first, and the number of fields that are told apart.

        A loader opens a file of a fixed name as this message, whatever is in it.
        """
        self.NAME, self.kind, self._first, self._least, self._fixed = name, kind, first, least, fixed

    def matches(self, content: Content, head: bytes) -> bool:
        """See :class:`wardein.modelfiles.formats.Format`."""
        if content.name.lower() == self._fixed:
            return True
        return head[0] in self._first and protobuf.fits(content, self.kind) >= self._least

    def examine(self, content: Content, examination: Examination) -> None:
        """See :class:`wardein.modelfiles.formats.Format`."""
        reader = _Reader(content, examination)
        seen = protobuf.walk(protobuf.span(content), self.kind, reader.see)
        if isinstance(seen, Graph):
            reader.tell_graph(seen)


SAVED_MODEL = TensorFlow("tensorflow-saved-model", "tensorflow.SavedModel", b"\x08\x12", 3, "saved_model.pb")
META_GRAPH = TensorFlow("tensorflow-meta-graph", "tensorflow.MetaGraphDef", b"\x0a\x12", 3)
GRAPH = TensorFlow("tensorflow-graph", "tensorflow.GraphDef", b"\x0a\x12\x22", 3)
FINGERPRINT = TensorFlow("tensorflow-fingerprint", "tensorflow.FingerprintDef", b"\x08", 4)
FORMATS = (SAVED_MODEL, META_GRAPH, GRAPH, FINGERPRINT)
