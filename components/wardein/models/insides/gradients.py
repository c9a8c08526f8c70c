# SPDX-License-Identifier: Apache-2.0
"""Scores of a model, and the gradient of their weighted sum with respect to the rows.

What goes with the rows is either the ``weighting`` of the scores, or the ``truth`` and which loss it is for
(``ratio``, 0 or 1): then weights are made of the scores on the way, which saves asking twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wardein.models.insides import Answer
from wardein.models.insides.losses import cross_entropy, logits_ratio

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def answer(model: Any, rows: pd.DataFrame | None, more: Mapping[str, np.ndarray]) -> Answer:
    """Scores, shape (n, classes), and the gradient, shape (n, features); nothing of what has no gradients."""
    import numpy as np

    from wardein.models.torchscript import BATCH, Differentiable

    if not isinstance(model, Differentiable) or rows is None:
        return {}, []
    loss = logits_ratio if "ratio" in more and more["ratio"].any() else cross_entropy
    found = []
    for first in range(0, max(1, len(rows)), BATCH):
        part = slice(first, first + BATCH)
        if "weighting" in more:
            weights = more["weighting"][part]
            found.append(model.gradients(rows.iloc[part], lambda _, weights=weights: weights))  # type: ignore[misc]
        else:
            truth = more["truth"][part]
            found.append(model.gradients(rows.iloc[part], lambda scores, truth=truth: loss(scores, truth)[1]))  # type: ignore[misc]
    scores, gradients = zip(*found, strict=True)
    return {}, [np.concatenate(scores), np.concatenate(gradients)]
