# SPDX-License-Identifier: Apache-2.0
"""Formats of data and text: tensors, trees, templates, documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wardein.modelfiles.formats import Format

NATIVE: Sequence[Format] = ()
