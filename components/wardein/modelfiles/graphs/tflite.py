# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Lite (LiteRT): which operations its graphs hold, and that its buffers lie inside the file."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from wardein.modelfiles.any_format import TRAILING
from wardein.modelfiles.archives.directory import read_directory
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined, shown
from wardein.modelfiles.graphs import protobuf
from wardein.modelfiles.graphs.flatbuffer import MAX_TEXT, Buffer, Table
from wardein.modelfiles.graphs.protobuf import Record, one
from wardein.modelfiles.graphs.rules import CUSTOM_OPERATION, OPERATION
from wardein.modelfiles.graphs.tensorflow import operations

_CUSTOM = 32
# Custom operations that TensorFlow Lite brings along itself, and that only compute.
_OWN = frozenset(
    [
        "TFLite_Detection_PostProcess",
        "AudioSpectrogram",
        "Mfcc",
        "NumericVerify",
        "MaxPoolingWithArgmax2D",
        "MaxUnpooling2D",
        "Convolution2DTransposeBias",
        "TransformLandmarks",
        "TransformTensorBilinear",
        "Landmarks2TransformMatrix",
        "RandomUniform",
        "RandomStandardNormal",
        "Multinomial",
        "SignalFftAutoScale",
        "SignalFramer",
    ]
)
_PADDING = 64
_FLEX, _FLEX_LIST, _FLEX_TEXT = "Flex", 10, 5
# What the files are called that metadata bring along: labels, words, and how to cut texts into them.
_LABELS = (".txt", ".csv", ".json", ".vocab", ".tsv")


class TfLite:
    """A model as FlatBuffers."""

    NAME = "tflite"
    TEXT = False

    def matches(self, content: Content, head: bytes) -> bool:
        """See :class:`wardein.modelfiles.formats.Format`."""
        return head[4:8] == b"TFL3"

    def examine(self, content: Content, examination: Examination) -> None:
        """See :class:`wardein.modelfiles.formats.Format`."""
        names: list[str] = []
        flex: set[tuple[str, str]] = set()
        buffer = _followed(content, names, flex)
        for name in names:
            _tell(content, examination, name)
        for code, operation in sorted(flex):
            message = f"calls an operation {shown(code)} and has TensorFlow run {shown(operation)} for it"
            examination.tell(OPERATION, content, message, identity=f"{code} {operation}")
        _account(content, examination, buffer)


def has_labels(content: Content) -> bool:
    """Whether the bytes behind a model are a zip archive of texts: the labels that its metadata speak of."""
    try:
        directory = read_directory(content)
        return (
            bool(directory.members)
            and not directory.flaws
            and all(member.name.lower().endswith(_LABELS) for member in directory.members)
        )
    except (ValueError, LookupError, struct.error, Unexamined):
        return False


def is_model_until(content: Content, until: int) -> bool:
    """Whether all bytes before an offset are a model's."""
    if content.at(4, 4) != b"TFL3":
        return False
    try:
        end = _followed(content, [], set()).end
    except (ValueError, LookupError, struct.error, Unexamined):
        return False
    return _is_filled_up(content, end, until)


def _followed(content: Content, names: list[str], flex: set[tuple[str, str]]) -> Buffer:
    """Follow a model to its end; note its own operations, and what TensorFlow would run under another name."""
    buffer = Buffer(content)
    model = buffer.root()
    codes: list[str] = []
    for code in model.tables(1):
        # The number moved to a wider field when there were more than 127 operations.
        number = max(code.unsigned(0, 1), code.unsigned(3, 4))
        name = code.text(1)
        codes.append(name)
        if number == _CUSTOM or name:
            names.append(name)
    for graph in model.tables(2):
        _follow(graph, buffer, codes, flex)
    for numbers in model.tables(4):
        numbers.vector(0, 1)
        buffer.reach(numbers.unsigned(1, 8), numbers.unsigned(2, 8))
    model.text(3)
    model.vector(5)
    for metadata in model.tables(6):
        metadata.text(0)
    for signature in model.tables(7):
        signature.text(2)
    return buffer


def _follow(graph: Table, buffer: Buffer, codes: Sequence[str], flex: set[tuple[str, str]]) -> None:
    """Follow a graph's tensors and operations."""
    for tensor in graph.tables(0):
        tensor.vector(0)
        tensor.text(3)
    graph.vector(1)
    graph.vector(2)
    for operation in graph.tables(3):
        operation.vector(1)
        operation.vector(2)
        start, size = operation.vector(5, 1)
        far, length = operation.unsigned(9, 8), operation.unsigned(10, 8)
        buffer.reach(far, length)
        code = codes[operation.unsigned(0, 4)]
        if code.startswith(_FLEX):
            if size and length:
                raise Unexamined(f"has the operation {shown(code)} with options in two places")
            options = buffer.take(start, size) if size else buffer.take(far, min(length, MAX_TEXT))
            name = code.removeprefix(_FLEX)
            flex.update((code, operation) for operation in _flex_operations(options) if operation != name)
    graph.text(4)


def _tell(content: Content, examination: Examination, name: str) -> None:
    if name in _OWN:
        return
    flex = name.removeprefix(_FLEX) if name.startswith(_FLEX) else ""
    if operations().get(flex) == "":
        return
    if flex and operations().get(flex):
        message = f"holds the operation {shown(flex)} of TensorFlow's: {operations()[flex]}"
        examination.tell(OPERATION, content, message, identity=name)
    else:
        message = f"holds the operation {shown(name)}, which needs a library of its own"
        examination.tell(CUSTOM_OPERATION, content, message, identity=name)


def _flex_operations(options: bytes) -> Sequence[str]:
    """What TensorFlow is told to run for an operation of the model's: a name, and a node, in a FlexBuffer.

    Raises:
        Unexamined: If it is anything else than these two.
        ValueError: If it is damaged.
    """
    texts = list(_texts(options))
    if len(texts) != 2:
        raise Unexamined("has an operation of TensorFlow's that does not say what it is")
    found: list[Record] = []
    kind = "tensorflow.NodeDef"
    protobuf.walk(protobuf.held(texts[1]), kind, {kind: (frozenset({"op"}), found.append)})
    return texts[0].decode(), one(found[0], "op")


def _texts(options: bytes) -> Iterator[bytes]:
    """The texts of a FlexBuffer that is a list of nothing else."""

    def number(at: int, width: int) -> int:
        if at < 0 or width not in (1, 2, 4, 8) or at + width > len(options):
            raise ValueError("a place that lies outside")
        return int.from_bytes(options[at : at + width], "little")

    width, kind = number(len(options) - 1, 1), number(len(options) - 2, 1)
    root = len(options) - 2 - width
    items, step = root - number(root, width), 1 << (kind & 3)
    if kind >> 2 != _FLEX_LIST or number(items - step, step) != 2:
        return
    for index in range(2):
        kind = number(items + 2 * step + index, 1)
        text = items + index * step - number(items + index * step, step)
        size = number(text - (1 << (kind & 3)), 1 << (kind & 3))
        if kind >> 2 != _FLEX_TEXT or text + size > len(options):
            return
        yield options[text : text + size]


def _account(content: Content, examination: Examination, buffer: Buffer) -> None:
    """Tell of bytes behind the last that was reached: zeros fill up to a round number."""
    left = content.size - buffer.end
    if not _is_filled_up(content, buffer.end, content.size) and not has_labels(content):
        message = f"holds {left} bytes behind its data, at byte {buffer.end}"
        examination.tell(TRAILING, content, message, identity="behind")


def _is_filled_up(content: Content, end: int, until: int) -> bool:
    left = until - end
    return 0 <= left <= _PADDING and not any(content.at(end, left))


FORMATS = (TfLite(),)
