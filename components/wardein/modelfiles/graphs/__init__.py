# SPDX-License-Identifier: Apache-2.0
"""Formats that hold a graph of operations: ONNX, TensorFlow, Keras."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wardein.modelfiles.formats import Format

GRAPHS: Sequence[Format] = ()
