# SPDX-License-Identifier: Apache-2.0
"""What a model says of its own columns and outputs, where its format has no place for names: a piece of JSON in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wardein.errors import WardeinError
from wardein.jsontext import strict_loads
from wardein.models.container import Refused

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MEND = (
    'give it {"features": ["age", …], "classes": ["no", "yes"], "output": "logits"} as JSON '
    '("output" may be "probabilities"; a regressor has "classes": null and no "output"; of pictures also '
    '"shape": [1, 8, 8])'
)
_KEYS = {"features", "classes", "output", "shape"}
_OUTPUTS = ("logits", "probabilities")


@dataclass(frozen=True)
class Description:
    """The columns of a network and what its outputs are.

    Attributes:
        features: The names of its columns, in order.
        classes: The classes of a classifier, in the order of its outputs; None of a regressor.
        shape: What each row is reshaped to before the network sees it.
        probabilities: Whether a classifier gives probabilities; else any scores whose softmax they are.
    """

    features: tuple[str, ...]
    classes: np.ndarray | None
    shape: tuple[int, ...]
    probabilities: bool

    def given(self, rows: pd.DataFrame, kind: Any) -> np.ndarray:
        """Rows as the network takes them.

        Raises:
            ValueError: If a column holds no numbers.
        """
        numbers: np.ndarray = rows.to_numpy(dtype=kind)
        return numbers.reshape(len(rows), *self.shape)

    def scores(self, outputs: np.ndarray) -> np.ndarray:
        """Of a classifier's outputs the probabilities of its classes, shape (n, classes); of a regressor's the numbers.

        Raises:
            ValueError: If there are more or fewer than there are classes, or they are not what they are said to be.
        """
        import numpy as np

        outputs = np.asarray(outputs, dtype=float)
        flat = outputs.reshape(len(outputs), -1) if len(outputs) else outputs.reshape(0, 1)
        if self.classes is None:
            if flat.shape[1] != 1:
                raise ValueError(f"the model gives {flat.shape[1]} numbers a row, not one")
            return flat[:, 0]
        single = flat.shape[1] == 1 and len(self.classes) == 2
        if flat.shape[1] != len(self.classes) and not single:
            raise ValueError(f"the model gives {flat.shape[1]} numbers a row for {len(self.classes)} classes")
        if self.probabilities:
            return np.hstack([1 - flat, flat]) if single else flat
        if not single and len(flat) > 1 and (flat >= 0).all() and np.abs(flat.sum(axis=1) - 1).max() < 1e-5:
            raise ValueError('the model gives probabilities, and says that they are logits: "output" is wrong')
        logits = np.hstack([np.zeros_like(flat), flat]) if single else flat
        with np.errstate(all="ignore"):  # numbers that are infinite or missing are told as such later
            grown = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
            return np.asarray(grown / grown.sum(axis=1, keepdims=True))


def described(text: str | bytes, where: str) -> Description:
    """Read a description.

    Args:
        text: The JSON; empty if the model has none.
        where: Where it has to be, for the way to mend it.

    Raises:
        Refused: If it is missing or broken.
    """
    import numpy as np

    mend = f"{MEND}, {where}"
    if not text:
        raise Refused("does not say what its columns and outputs are", mend)
    try:
        said = strict_loads(text.encode() if isinstance(text, str) else text)
    except WardeinError as error:
        raise Refused(f"has a description of its columns that {error.what}", mend) from None
    wrong = _wrong(said)
    if wrong:
        raise Refused(f"has a description of its columns {wrong}", mend)
    classes = None if said["classes"] is None else np.asarray(said["classes"])
    features = tuple(said["features"])
    return Description(
        features, classes, tuple(said.get("shape", (len(features),))), said.get("output") == "probabilities"
    )


def _wrong(said: Any) -> str:
    """What is wrong with a description, in one clause; empty if nothing is."""
    if not isinstance(said, dict) or not {"features", "classes"} <= set(said) <= _KEYS:
        return f"without features and classes, or with something else than {', '.join(sorted(_KEYS))}"
    features, classes, shape = said["features"], said["classes"], said.get("shape")
    if not isinstance(features, list) or not features or not all(isinstance(name, str) for name in features):
        return "whose features are no list of names"
    if len(set(features)) < len(features):
        return "that names a feature twice"
    if classes is not None and not _are_classes(classes):
        return "whose classes are not two or more different texts, or numbers"
    if (said.get("output") in _OUTPUTS) != (classes is not None) or (classes is None and "output" in said):
        return 'whose output is neither "logits" nor "probabilities" of a classifier'
    if shape is not None and not _is_shape(shape, len(features)):
        return f"whose shape is no list of lengths that make {len(features)} together"
    return ""


def _are_classes(classes: Any) -> bool:
    kinds = {type(name) for name in classes} if isinstance(classes, list) else set()
    return len(kinds) == 1 and kinds <= {str, int, float, bool} and len(set(classes)) == len(classes) > 1


def _is_shape(shape: Any, features: int) -> bool:
    whole = isinstance(shape, list) and 0 < len(shape) <= 8 and all(type(side) is int and side > 0 for side in shape)
    return whole and math.prod(shape) == features
