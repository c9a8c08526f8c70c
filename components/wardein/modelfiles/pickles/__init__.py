# SPDX-License-Identifier: Apache-2.0
"""The pickle family: an abstract interpreter that follows a stream without ever calling anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from wardein.modelfiles.pickles import npy, plain, probing, torch_legacy

if TYPE_CHECKING:
    from wardein.modelfiles.content import Content
    from wardein.modelfiles.examination import Examination
    from wardein.modelfiles.formats import Format

PICKLES = cast("Sequence[Format]", (npy, torch_legacy, plain))


def probe(content: Content, examination: Examination) -> bool:
    """Whether a loader of pickles would do something with a content that passes for another format."""
    return probing.would_act(content)
