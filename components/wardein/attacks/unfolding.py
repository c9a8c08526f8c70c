# SPDX-License-Identifier: Apache-2.0
"""The trees that a classifier is, on the columns that may move.

A Pipeline's trees ask about what its other steps make of a row. Where every number that they ask about is an affine
function of one column that may move, or depends on none, thresholds are brought back to the table's columns. Whether
that is so is not read off the steps' types but measured.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wardein.attacks.ensemble import Ensemble
from wardein.errors import WardeinError

if TYPE_CHECKING:
    import numpy as np

    from wardein.attacks.space import Space
    from wardein.models.predictors import Classifier

_PROBES_PER_ROW = 5
_TOLERANCE = 1e-9
_DEEPEST = 1000
_SEED = 20
# Feature, threshold, left, right, missing_left, value, roots, base.
_TYPES = ["<i8", "<f8", "<i8", "<i8", "|b1", "<f8", "<i8", "<f8"]


def trees_of(classifier: Classifier, space: Space) -> Ensemble | None:
    """The ensemble of trees that a classifier is on the columns that may move; None if it is none.

    Args:
        classifier: The model.
        space: The rows under attack and the columns that may move.
    """
    import numpy as np

    try:
        _, arrays = classifier.inside("trees")
        if not arrays:
            return None
        rng = np.random.default_rng(_SEED)
        which = np.repeat(np.arange(len(space.rows)), 1 + _PROBES_PER_ROW)
        points = rng.uniform(space.low, space.high, (len(which), len(space.low)))
        points[:: 1 + _PROBES_PER_ROW] = space.origin
        values = space.realise(which, points)
        seen = _moves(classifier, space, which, values)
    except WardeinError:  # whatever a step raises on probes is no reason to stop: the model itself can still be asked
        return None
    if seen is None:
        return None
    moves, numbers = seen
    listed = _listed(arrays, numbers.shape[1], len(classifier.classes))
    if listed is None:
        return None
    ensemble = _brought_back(listed, moves, numbers[:: 1 + _PROBES_PER_ROW], len(space.low))
    return ensemble if _agrees(ensemble, space, which, values) else None


def _listed(arrays: list[np.ndarray], width: int, classes: int) -> Ensemble | None:
    """What was said of the trees, if it makes sense."""
    import numpy as np

    if [array.dtype.str for array in arrays] != _TYPES:
        return None
    feature, threshold, left, right, missing_left, value, roots, base = arrays
    count = len(feature)
    if (
        not 0 < count < 2**30
        or any(array.shape != (count,) for array in (threshold, left, right, missing_left))
        or value.shape != (count, classes)
        or base.shape != (classes,)
        or roots.ndim != 1
        or not len(roots)
        or roots[0] != 0
        or not (np.diff(roots) > 0).all()
        or roots[-1] >= count
    ):
        return None
    inner = np.flatnonzero(feature >= 0)
    ends = np.append(roots[1:], count)[np.searchsorted(roots, inner, side="right") - 1]
    sound = (
        feature.min() >= -1
        and feature.max() < width
        and not np.isnan(threshold).any()
        and np.isfinite(value).all()
        and np.isfinite(base).all()
        and all(((side[inner] > inner) & (side[inner] < ends)).all() for side in (left, right))
        # A node with two parents would let a walk grow without end.
        and np.bincount(np.concatenate([left[inner], right[inner]]), minlength=1).max() <= 1
    )
    none = np.empty((0, 0))
    small = [array.astype(np.int32) for array in (feature, left, right, roots)]  # half of the memory to look through
    listed = Ensemble(small[0], threshold, small[1], small[2], missing_left, value, small[3], base, 0, none)
    return listed if sound and _shallow(listed) else None


def _shallow(listed: Ensemble) -> bool:
    """Whether every leaf is near enough to its root for a walk through all levels."""
    import numpy as np

    level = listed.roots
    for _ in range(_DEEPEST):
        level = level[listed.feature[level] >= 0]
        if not len(level):
            return True
        level = np.unique(np.concatenate([listed.left[level], listed.right[level]]))
    return False


def _moves(
    classifier: Classifier, space: Space, which: np.ndarray, values: np.ndarray
) -> tuple[list[tuple[int, float, float]], np.ndarray] | None:
    """For each number that the trees may ask about: the column it comes from (-1: none), slope and intercept.

    Also these numbers at the probes. None if some number is not such a function.
    """
    import numpy as np

    m = values.shape[1]
    corners = np.repeat(values[:1], 2 * m, axis=0)
    corners[np.arange(m), np.arange(m)] = space.columns.low
    corners[np.arange(m, 2 * m), np.arange(m)] = space.columns.high
    at_corners = classifier.transform(space.frame(np.zeros(2 * m, dtype=int), corners)).astype(float)
    numbers = classifier.transform(space.frame(which, values)).astype(float)
    if numbers.ndim != 2 or len(numbers) != len(which) or at_corners.shape != (2 * m, numbers.shape[1]):
        return None
    change = at_corners[m:] - at_corners[:m]
    moves = []
    for j in range(numbers.shape[1]):
        column = numbers[:, j]
        causes = np.flatnonzero(~(change[:, j] == 0))
        if not len(causes):
            own = np.repeat(column[:: 1 + _PROBES_PER_ROW], 1 + _PROBES_PER_ROW)
            fits, move = np.array_equal(column, own, equal_nan=True), (-1, 1.0, 0.0)
        else:
            i = int(causes[0])
            if len(causes) == 1 and np.array_equal(column, values[:, i]):
                fits, move = True, (i, 1.0, 0.0)
            else:
                slope = float(change[i, j] / (space.columns.high[i] - space.columns.low[i]))
                intercept = float(at_corners[i, j] - slope * space.columns.low[i])
                error = np.abs(slope * values[:, i] + intercept - column).max()
                fits = len(causes) == 1 and bool(error <= _TOLERANCE * (1 + np.abs(column).max()))
                move = (i, slope, intercept)
        if not fits:
            return None
        moves.append(move)
    return moves, numbers


def _brought_back(listed: Ensemble, moves: list[tuple[int, float, float]], numbers: np.ndarray, m: int) -> Ensemble:
    """The same trees, asking about the table's moved columns where they asked about what is made of them."""
    import numpy as np

    place = np.array([i for i, _, _ in moves])
    kept = np.flatnonzero(place < 0)
    place[kept] = m + np.arange(len(kept))
    asked = np.maximum(listed.feature, 0)
    slope, intercept = np.array([a for _, a, _ in moves])[asked], np.array([b for _, _, b in moves])[asked]
    exact = (slope == 1) & (intercept == 0)
    threshold = np.where(exact, listed.threshold, (listed.threshold - intercept) / slope)
    turned = slope < 0
    return replace(
        listed,
        feature=np.where(listed.feature < 0, -1, place[asked]).astype(np.int32),
        # Where more of the column makes less of the number, at most becomes at least, which is: not below.
        threshold=np.where(turned, np.nextafter(threshold, -np.inf), threshold),
        left=np.where(turned, listed.right, listed.left),
        right=np.where(turned, listed.left, listed.right),
        missing_left=listed.missing_left ^ turned,
        moved=m,
        held=numbers[:, kept],
    )


def _agrees(ensemble: Ensemble, space: Space, which: np.ndarray, values: np.ndarray) -> bool:
    """Whether the ensemble predicts what the model predicts, wherever no rounding decides."""
    import numpy as np

    scores = ensemble.scores(ensemble.leaves(ensemble.inputs(which, values)))
    predicted = space.classes(space.frame(which, values))
    at = np.arange(len(which))
    return bool((scores.max(axis=1) - scores[at, predicted] <= ensemble.slack).all())
