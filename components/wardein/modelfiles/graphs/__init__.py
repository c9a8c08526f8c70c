# SPDX-License-Identifier: Apache-2.0
"""Formats that hold a graph of operations: ONNX, TensorFlow, Keras."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wardein.modelfiles.formats import Format


from wardein.modelfiles.graphs import checkpoint, hdf5, keras, onnx, tensorflow, textproto, tflite

GRAPHS: Sequence[Format] = (
    *onnx.FORMATS,
    *tensorflow.FORMATS,
    *keras.FORMATS,
    *hdf5.FORMATS,
    *checkpoint.FORMATS,
    *textproto.FORMATS,
    *tflite.FORMATS,
)
