# SPDX-License-Identifier: Apache-2.0
"""What the columns of a table mean: their kinds, what values they can take, and which of them hang together."""

from __future__ import annotations

from wardein.features.declaration import Column, Declaration, read
from wardein.features.declared import Declared, Feature
from wardein.features.inference import complete

__all__ = ["Column", "Declaration", "Declared", "Feature", "complete", "read"]
