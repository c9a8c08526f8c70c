# SPDX-License-Identifier: Apache-2.0
"""Square Attack (Andriushchenko et al. 2020): random search on the margin of the predicted probabilities.

It asks neither for gradients nor for a way along the boundary, so that what misleads those does not mislead it. All
rows advance together. In an image a step changes a square patch; a table has no neighbourhoods, and a step changes a
random subset of its columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from wardein.attacks.space import Space

STEPS = 300
# The share of columns that the first step changes.
_SHARE = 0.8


def square(
    space: Space, rows: np.ndarray, labels: np.ndarray, epsilon: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Search within epsilon for a point where the model is wrong.

    Args:
        space: The rows, what may move, and the model, which must give probabilities.
        rows: Which rows to attack, shape (k,).
        labels: The index of the true class of each row of the space, shape (n,).
        epsilon: The size of the largest change.
        seed: Two runs with the same seed on the same rows are the same.

    Returns:
        Whether each row fell, checked with the real model's decision; the point with the smallest margin found for
        each, shape (k, moved); and whether the margin ever answered to a change at all.

    Raises:
        WardeinError: If the model gives no probabilities.
    """
    import numpy as np

    if not len(rows):
        return np.zeros(0, dtype=bool), space.origin[rows], np.zeros(0, dtype=bool)
    rng, origin = np.random.default_rng([seed, int(rows[0])]), space.origin[rows]
    change = _within(space, epsilon * rng.choice([-1.0, 1.0], origin.shape), epsilon)
    start = space.margins_at(rows, origin, labels[rows])
    best = space.margins_at(rows, origin + change, labels[rows])
    moved = best != start
    for step in range(STEPS):
        waiting = np.flatnonzero(best > 0)
        if not len(waiting):
            break
        tried = _within(space, _stepped(change[waiting], epsilon, step, rng), epsilon)
        margin = space.margins_at(rows[waiting], origin[waiting] + tried, labels[rows[waiting]])
        moved[waiting] |= margin != start[waiting]
        better = margin < best[waiting]
        change[waiting[better]], best[waiting[better]] = tried[better], margin[better]
    points = origin + change
    return space.falls(rows, points, labels[rows], epsilon), points, moved


def _stepped(change: np.ndarray, epsilon: float, step: int, rng: np.random.Generator) -> np.ndarray:
    """Some columns of each row at an end of epsilon, drawn anew; ever fewer of them."""
    import numpy as np

    k, m = change.shape
    count = max(1, round(_SHARE * m / 2 ** (step * 8 // STEPS)))
    drawn = rng.random((k, m)).argsort(axis=1) < count
    return np.where(drawn, epsilon * rng.choice([-1.0, 1.0], (k, m)), change)


def _within(space: Space, change: np.ndarray, epsilon: float) -> np.ndarray:
    """By the norm; for l2 all of it is used."""
    import numpy as np

    if space.norm == "linf":
        return change
    return np.asarray(change * (epsilon / space.size(change))[:, None])
