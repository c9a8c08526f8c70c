# SPDX-License-Identifier: Apache-2.0
"""What no attack within epsilon can do to an ensemble of trees: a sound lower bound, by intervals.

Of every tree, the leaf that is worst for the row's class is taken among all leaves that the row can reach within
epsilon (Chen et al. 2019, Robustness verification of tree-based models, with cliques of one tree). Whether one point
reaches all of these leaves together is not asked. Where that is too coarse, what is within reach is cut in two, and
each part has to be proven; the search for a proof ends after some parts. So a row may be robust without a certificate,
but none has one without being robust.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wardein.attacks.space import SLACK

if TYPE_CHECKING:
    import numpy as np

    from wardein.attacks.ensemble import Ensemble
    from wardein.attacks.space import Space

# Parts that what is within reach of one row is cut into at most; numbers that are kept at a time.
_PARTS = 64
_NUMBERS = 4_000_000


def certified(
    space: Space, ensemble: Ensemble, rows: np.ndarray, labels: np.ndarray, epsilons: Sequence[float]
) -> np.ndarray:
    """Whether no change within epsilon can make the model wrong.

    Args:
        space: The rows, what may move, and by which norm.
        ensemble: The trees that the model is on this space.
        rows: Which rows to look at, shape (k,).
        labels: The index of the true class of each row of the space, shape (n,).
        epsilons: In any order.

    Returns:
        For each row and epsilon whether it is proven, shape (k, epsilons). A change of l2 size epsilon is one of
        largest change epsilon, so that the proof holds for both norms.
    """
    import numpy as np

    proven = np.zeros((len(rows), len(epsilons)), dtype=bool)
    standing = np.arange(len(rows))
    for place in np.argsort(epsilons, kind="stable"):
        low, high = _box(space, ensemble, rows[standing], epsilons[place])
        withstood = _withstands(ensemble, low, high, labels[rows[standing]], space.columns.whole)
        proven[standing[withstood], place] = True
        standing = standing[withstood]  # what falls within a small change falls within a larger one
    return proven


def _box(space: Space, ensemble: Ensemble, rows: np.ndarray, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """The smallest and the largest numbers within reach of each row; only values that a table can hold."""
    import numpy as np

    columns = space.columns
    start = space.rows[list(columns.moved)].to_numpy(dtype=float)[rows]
    # What counts as within epsilon is the same for every attack; the rest is for what rounding loses.
    far = (epsilon * (1 + SLACK) + 2 * SLACK) * columns.scale
    low, high = np.maximum(start - far, columns.low), np.minimum(start + far, columns.high)
    low, high = np.where(columns.only > 0, start, low), np.where(columns.only < 0, start, high)
    whole = columns.whole
    low, high = np.where(whole, np.ceil(low - SLACK), low), np.where(whole, np.floor(high + SLACK), high)
    return ensemble.inputs(rows, low), ensemble.inputs(rows, high)


def _withstands(
    ensemble: Ensemble, low: np.ndarray, high: np.ndarray, labels: np.ndarray, whole: np.ndarray
) -> np.ndarray:
    """Whether the label is predicted everywhere in each box: at once, or in each of the parts it is cut into."""
    import numpy as np

    withstood, owner = np.ones(len(low), dtype=bool), np.arange(len(low))
    parts = np.ones(len(low), dtype=int)
    while len(owner):
        size = max(_NUMBERS // (len(ensemble.roots) * len(ensemble.base)), 1)
        found = [
            _look(ensemble, low[i : i + size], high[i : i + size], labels[owner[i : i + size]])
            for i in range(0, len(owner), size)
        ]
        proven, node = (np.concatenate(part) for part in zip(*found, strict=True))
        withstood[owner[~proven & (node < 0)]] = False  # nothing to cut at: all of this box is one leaf of each tree
        np.add.at(parts, owner[~proven], 1)
        withstood[parts > _PARTS] = False
        go = ~proven & withstood[owner]
        owner, low, high, node = owner[go], low[go], high[go], node[go]
        at, number, threshold = np.arange(len(owner)), ensemble.feature[node], ensemble.threshold[node]
        below, above, steps = high.copy(), low.copy(), whole[number]  # what is held is in no box twice, and not cut
        below[at, number] = np.where(steps, np.floor(threshold), threshold)
        above[at, number] = np.where(steps, np.floor(threshold) + 1, np.nextafter(threshold, np.inf))
        owner, low, high = np.tile(owner, 2), np.concatenate([low, above]), np.concatenate([below, high])
    return withstood


def _look(ensemble: Ensemble, low: np.ndarray, high: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each box is proven to be of its label everywhere, and else the node to cut it at, -1 if there is none."""
    import numpy as np

    count, trees, classes = len(low), len(ensemble.roots), len(ensemble.base)
    # Of each tree and each other class, the leads of the label over it among the leaves within reach.
    lowest, highest = np.full((count * trees, classes), np.inf), np.full((count * trees, classes), -np.inf)
    for box, leaf in ensemble.reachable(low, high):
        value = ensemble.value[leaf]
        lead = value[np.arange(len(leaf)), labels[box]][:, None] - value
        np.minimum.at(lowest, box * trees + ensemble.tree[leaf], lead)
        np.maximum.at(highest, box * trees + ensemble.tree[leaf], lead)
    least, most = lowest.reshape(count, trees, classes), highest.reshape(count, trees, classes)
    total = least.sum(axis=1) + ensemble.base[labels][:, None] - ensemble.base
    total[np.arange(count), labels] = np.inf
    rival = total.argmin(axis=1)
    proven = total.min(axis=1) > ensemble.slack
    # The tree that leaves most open is the one to cut, where it first goes both ways.
    open_ = np.take_along_axis(most - least, rival[:, None, None], axis=2)[:, :, 0]
    return proven, np.where(open_.max(axis=1) > 0, ensemble.fork(open_.argmax(axis=1), low, high), -1)
