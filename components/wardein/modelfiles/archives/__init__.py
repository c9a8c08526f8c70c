# SPDX-License-Identifier: Apache-2.0
"""Containers around models: opened within bounds, held to be the same for every reader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wardein.modelfiles.archives import sevenzip, tarred, zipped
from wardein.modelfiles.archives.streams import STREAMS

if TYPE_CHECKING:
    from wardein.modelfiles.formats import Format

ARCHIVES: Sequence[Format] = (zipped, tarred, sevenzip, *STREAMS)
