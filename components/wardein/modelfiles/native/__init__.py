# SPDX-License-Identifier: Apache-2.0
"""Formats of data and text: tensors, trees, templates, documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wardein.modelfiles.native import (
    catboost,
    encoded,
    gguf,
    jinjafile,
    jsondocument,
    jsonlines,
    lightgbm,
    markup,
    msgpack,
    safetensors,
    sentencepiece,
    source,
    text,
    tfrecord,
    tiktoken,
    ubjson,
    yamldocument,
)
from wardein.modelfiles.native.compiled import COMPILED
from wardein.modelfiles.native.documents import DOCUMENTS
from wardein.modelfiles.native.media import MEDIA
from wardein.modelfiles.native.pictures import PICTURES
from wardein.modelfiles.native.tables import TABLES

if TYPE_CHECKING:
    from wardein.modelfiles.formats import Format

# Of the texts the first that matches is asked, so the one that takes everything is the last.
NATIVE: Sequence[Format] = (
    safetensors,
    gguf,
    catboost,
    ubjson,
    msgpack,
    sentencepiece,
    tfrecord,
    *COMPILED,
    *PICTURES,
    *MEDIA,
    *DOCUMENTS,
    *TABLES,
    jinjafile,
    source,
    jsonlines,
    jsondocument,
    markup,
    lightgbm,
    yamldocument,
    tiktoken,
    encoded,
    text,
)
