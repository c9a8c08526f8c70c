# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Lite (LiteRT): which operations its graphs hold, and that its buffers lie inside the file."""

from __future__ import annotations

from wardein.modelfiles.any_format import TRAILING
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, shown
from wardein.modelfiles.graphs.flatbuffer import Buffer, Table
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


class TfLite:
    """A model as FlatBuffers."""

    NAME = "tflite"
    TEXT = False

    def matches(self, content: Content, head: bytes) -> bool:
        """See :class:`wardein.modelfiles.formats.Format`."""
        return head[4:8] == b"TFL3"

    def examine(self, content: Content, examination: Examination) -> None:
        """See :class:`wardein.modelfiles.formats.Format`."""
        buffer = Buffer(content)
        model = buffer.root()
        for code in model.tables(1):
            # The number moved to a wider field when there were more than 127 operations.
            number = max(code.unsigned(0, 1), code.unsigned(3, 4))
            name = code.text(1)
            if number == _CUSTOM or name:
                _tell(content, examination, name)
        for graph in model.tables(2):
            _follow(graph, buffer)
        for one in model.tables(4):
            one.vector(0, 1)
            buffer.reach(one.unsigned(1, 8), one.unsigned(2, 8))
        model.text(3)
        model.vector(5)
        for metadata in model.tables(6):
            metadata.text(0)
        for signature in model.tables(7):
            signature.text(2)
        _account(content, examination, buffer)


def _follow(graph: Table, buffer: Buffer) -> None:
    """Follow a graph's tensors and operations."""
    for tensor in graph.tables(0):
        tensor.vector(0)
        tensor.text(3)
    graph.vector(1)
    graph.vector(2)
    for operation in graph.tables(3):
        operation.vector(1)
        operation.vector(2)
        operation.vector(5, 1)
        buffer.reach(operation.unsigned(9, 8), operation.unsigned(10, 8))
    graph.text(4)


def _tell(content: Content, examination: Examination, name: str) -> None:
    if name in _OWN:
        return
    flex = name.removeprefix("Flex") if name.startswith("Flex") else ""
    if operations().get(flex) == "":
        return
    if flex and operations().get(flex):
        message = f"holds the operation {shown(flex)} of TensorFlow's: {operations()[flex]}"
        examination.tell(OPERATION, content, message, identity=name)
    else:
        message = f"holds the operation {shown(name)}, which needs a library of its own"
        examination.tell(CUSTOM_OPERATION, content, message, identity=name)


def _account(content: Content, examination: Examination, buffer: Buffer) -> None:
    """Tell of bytes behind the last that was reached: zeros fill up to a round number."""
    left = content.size - buffer.end
    if left > _PADDING or any(content.at(buffer.end, left)):
        message = f"holds {left} bytes behind its data, at byte {buffer.end}"
        examination.tell(TRAILING, content, message, identity="behind")


FORMATS = (TfLite(),)
