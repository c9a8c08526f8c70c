# SPDX-License-Identifier: Apache-2.0
"""Files that are nothing but numbers: another file of the model says which of their bytes are which tensor."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wardein.modelfiles.content import Content, opened
from wardein.modelfiles.examination import Examination
from wardein.modelfiles.formats import UNKNOWN
from wardein.scan.tree import File

# Tensors begin at multiples of a page, at most of this; what lies between them is zeros.
_PADDING = 128 * 1024
# What a loader takes for a model by its name; no library gives such a name to tensors.
_LOADED = re.compile(
    r"""(.*\.)?(pb|pbtxt|meta|index|h5|hdf5|keras|pkl|pickle|p|joblib|dill|pt|pth|pt2|ptl|ckpt|mar|skops|nemo|npy|npz|mat
    |onnx|ort|tflite|lite|mlmodel|safetensors|gguf|ubj|xgb|bst|cbm|pmml|msgpack|json|ya?ml|toml|py|pyc|pyd|so|dll|dylib
    |zip|tar|gz|tgz|7z|jar|whl)(\.\d+)*
    |(pytorch_model|adapter_model|diffusion_pytorch_model|training_args|optimizer|scheduler|scaler|rng_state)
    [\w-]*\.bin""",
    re.VERBOSE,
)


def account_for_numbers(files: Sequence[File], examination: Examination) -> None:
    """Tell of every file of no known format that it was not examined, unless it is numbers to its last byte."""
    for file in files:
        if file.path not in examination.unknown:
            continue
        taken = examination.numbers.get(file.path)
        with opened(file) as content:
            if not taken:
                examination.leave_out(content, UNKNOWN)
            elif _LOADED.fullmatch(content.name.lower()):
                examination.leave_out(content, "has the name of a model, and is numbers only by what another file says")
            elif not _is_all_taken(content, taken):
                examination.leave_out(content, "holds bytes that are no tensor of the model")
            else:
                examination.kinds["numbers"] += 1
                examination.formats[file.path] = "numbers"


def _is_all_taken(content: Content, taken: Sequence[tuple[int, int]]) -> bool:
    """Whether tensors lie side by side, with nothing but zeros between two of them."""
    position = 0
    for offset, size in [*sorted(taken), (content.size, 0)]:
        gap = offset - position
        if gap > _PADDING or (gap > 0 and any(content.at(position, gap))):
            return False
        position = max(position, offset + size)
    return position == content.size
