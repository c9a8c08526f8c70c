# SPDX-License-Identifier: Apache-2.0
"""ONNX: which operations its graphs hold, and where its tensors lie."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined, shown
from wardein.modelfiles.graphs import protobuf
from wardein.modelfiles.graphs.protobuf import Record, Span, one
from wardein.modelfiles.graphs.rules import CUSTOM_OPERATION, OPERATION, OUTSIDE

# Of domains that are known, the operations that run something of another kind.
_RUNS = {
    "PythonOp": "calls a Python function by its name",
    "PythonOpGrad": "calls a Python function by its name",
    "PyOp": "calls a Python function by its name",
    "TritonOp": "runs a Python kernel by its name",
    "EPContext": "loads a compiled program of a vendor's",
    "Snpe": "loads a compiled program of a vendor's",
    "ExternalOp": "calls what lies outside of the model",
}
_EXTERNAL = 1


@dataclass
class _Model:
    """What was seen of a model."""

    operations: set[tuple[str, str]] = field(default_factory=set)
    functions: set[tuple[str, str]] = field(default_factory=set)
    external: list[dict[str, str]] = field(default_factory=list)

    def node(self, record: Record) -> None:
        self.operations.add((one(record, "domain"), one(record, "op_type")))

    def function(self, record: Record) -> None:
        self.functions.add((one(record, "domain"), one(record, "name")))

    def tensor(self, record: Record) -> None:
        data = dict(record.get("external_data", ()))
        if len(data) != len(record.get("external_data", ())):
            raise Unexamined("has a tensor that says twice where it lies")
        if data or record.get("data_location", [0])[0] == _EXTERNAL:
            self.external.append({"name": one(record, "name"), **data})


class Onnx:
    """A model, or a tensor by itself as the test data of ONNX has them."""

    TEXT = False

    def __init__(self, name: str, kinds: tuple[str, ...]) -> None:
        """Take its name, and the messages it may be."""
        self.NAME, self._kinds = name, kinds

    def matches(self, content: Content, head: bytes) -> bool:
        """See :class:`wardein.modelfiles.formats.Format`."""
        return any(_is(content, head, kind) for kind in self._kinds)

    def examine(self, content: Content, examination: Examination) -> None:
        """See :class:`wardein.modelfiles.formats.Format`."""
        kind = next(kind for kind in self._kinds if _is(content, content.at(0, 64), kind))
        model = _Model()
        see: protobuf.See = {
            "onnx.NodeProto": (frozenset({"domain", "op_type"}), model.node),
            "onnx.FunctionProto": (frozenset({"domain", "name"}), model.function),
            "onnx.TensorProto": (frozenset({"name", "external_data", "data_location"}), model.tensor),
            "onnx.StringStringEntryProto": (frozenset({"key", "value"}), _pair),
        }
        if kind == MODEL:
            _only_once(content)
        protobuf.walk(protobuf.span(content), kind, see)
        for domain, operation in sorted(model.operations - model.functions):
            _tell_operation(content, examination, domain, operation)
        _follow(content, examination, model.external)


MODEL = "onnx.ModelProto"
TENSOR = "onnx.TensorProto"
_FIRST = {
    MODEL: b"\x08\x12\x1a\x22\x28\x32\x3a\x42\x72",
    TENSOR: b"\x08\x0a\x10",
    "onnx.SequenceProto": b"\x0a\x10\x1a",
    "onnx.OptionalProto": b"\x0a\x10\x1a",
}


def _is(content: Content, head: bytes, kind: str) -> bool:
    if head[:1] not in [bytes([b]) for b in _FIRST[kind]] or not protobuf.fits(content, kind):
        return False
    numbers: dict[int, Any] = {}
    try:
        for count, (_, number, value) in enumerate(protobuf.span(content).fields(protobuf.messages()[kind])):
            numbers.setdefault(number, value)
            if count > 500:
                break
    except (ValueError, EOFError, Unexamined):
        pass  # it is broken further on; what it begins as counts
    if kind == MODEL:
        # Its graph, and the version of the format or of the operations: no other message has them there.
        return 7 in numbers and (1 in numbers or 8 in numbers)
    if kind == TENSOR:
        return 0 < numbers.get(2, 0) < 64 and not numbers.keys() - {1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16}
    return isinstance(numbers.get(2), int) and 0 < numbers[2] < 16 and bool(numbers.keys() - {1, 2})


def _only_once(content: Content) -> None:
    seen = set()
    for entry, number, _ in protobuf.span(content).fields(protobuf.messages()[MODEL]):
        if number in seen and not entry.repeated:
            raise Unexamined(f"has the field {entry.name} twice, of which readers take either or both")
        seen.add(number)


def _pair(record: Record) -> tuple[str, str] | None:
    values: list[Span] = record.get("value", [])
    if values and values[0].size > protobuf.MAX_TEXT:
        return (one(record, "key"), "")
    return one(record, "key"), one(record, "value")


@cache
def _known() -> frozenset[tuple[str, str]]:
    lines = Path(__file__).with_name("onnx_operations.txt").read_text(encoding="utf-8").splitlines()
    pairs = {(domain, name) for domain, _, name in (line.partition(":") for line in lines if line[:1] != "#")}
    return frozenset(pairs | {("ai.onnx", name) for domain, name in pairs if not domain})


def _tell_operation(content: Content, examination: Examination, domain: str, operation: str) -> None:
    if (domain, operation) in _known():
        return
    name = f"{domain}::{operation}" if domain else operation
    if operation in _RUNS and domain.startswith(("com.microsoft", "ai.onnx")):
        examination.tell(OPERATION, content, f"holds {shown(name)}, which {_RUNS[operation]}", identity=name)
    else:
        message = f"holds the operation {shown(name)}, which needs a library of its own"
        examination.tell(CUSTOM_OPERATION, content, message, identity=name)


def _follow(content: Content, examination: Examination, external: list[dict[str, str]]) -> None:
    """Account for tensors that lie in files of their own: inside the model's folder, and there in full."""
    missing = set()
    for tensor in external:
        location = tensor.get("location", "")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(content.path), location))
        if _leaves(location) or path.startswith("../"):
            message = f"the tensor {shown(tensor['name'])} lies in {shown(location)}, outside of the model"
            examination.tell(OUTSIDE, content, message, identity=location)
        elif path not in examination.sizes or content.part:
            missing.add(location)
        else:
            size = examination.sizes[path]
            offset = int(tensor.get("offset") or 0)
            length = int(tensor.get("length") or size - offset)
            if offset < 0 or length < 0 or offset + length > size:
                raise Unexamined(f"has a tensor that lies beyond the end of {shown(location)}")
            examination.numbers.setdefault(path, []).append((offset, length))
    if missing:
        first = sorted(missing)[0]
        examination.leave_out(content, f"has tensors in {shown(first)}, which is not there: give the whole folder")


def _leaves(location: str) -> bool:
    """Whether a location is anything but a plain relative path that stays where it begins."""
    parts = location.split("/")
    return not location or ".." in parts or location.startswith(("/", "~")) or any(c in location for c in "\\:\0%$")


FORMATS = (
    Onnx("onnx", (MODEL,)),
    Onnx("onnx-tensor", (TENSOR, "onnx.SequenceProto", "onnx.OptionalProto")),
)
