# SPDX-License-Identifier: Apache-2.0
"""The region-based attack on trees (Yang et al. 2020, Robustness for non-parametric classification), and a search on.

An ensemble of trees is constant on boxes. Of a single tree all boxes are known, and the nearest one of another class
is the nearest adversarial example there is. Of more trees, the boxes around real rows of another class are taken, and
from the nearest of them a search goes on through neighbouring boxes, guided by how the trees' scores change (after
Zhang, Zhang and Hsieh 2020, An efficient adversarial attack for tree ensembles).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from wardein.attacks.decision import Pool
    from wardein.attacks.ensemble import Ensemble
    from wardein.attacks.space import Space

# Real rows to start from: the nearest ones first, all of them for rows that these do not help.
_NEAREST = (0, 60, 250)
_RANDOM = 400
# The search: how much nearer it tries to get, when it gives up, and what it tries within that distance.
_NEARER, _ENOUGH, _ROUNDS = 0.7, 0.98, 25
_STEPS, _TRIES = 6, 24
# How far inside of a box a point lies, in units of its column's scale.
_INSIDE = 1e-7
# How much further to go where the model is not wrong yet: its own arithmetic may round at the edge of a box.
_FURTHER = (0, 1e-6, 1e-4, 1e-2)
_BLOCK = 50


def attack(
    space: Space, ensemble: Ensemble, rows: np.ndarray, labels: np.ndarray, pool: Pool, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest adversarial example of each row; of a single tree, the nearest there is.

    Args:
        space: The rows, what may move, the norm, and the model.
        ensemble: The trees that the model is on this space.
        rows: Which rows to attack; the model must be right on them, shape (k,).
        labels: The index of the true class of each row of the space, shape (n,).
        pool: Rows to start from.
        seed: Two runs with the same seed are the same.

    Returns:
        The distance of each example, checked with the real model, infinite for a row that has none, shape (k,); and
        the coordinates of the examples, of other rows their own, shape (k, moved).
    """
    import numpy as np

    distance, points = np.full(len(rows), np.inf), space.origin[rows]
    for first in range(0, len(rows), _BLOCK):
        part = slice(first, first + _BLOCK)
        block = _Block(space, ensemble, rows[part], labels[rows[part]], np.random.default_rng([seed, first]))
        found, values = block.nearest_leaf() if ensemble.exact else block.search(pool)
        at, z = first + found, space.coordinates(values)
        for further in _FURTHER:
            origin = space.origin[rows[at]]
            tried = np.clip(origin + (z - origin) * (1 + further), space.low, space.high)
            wrong = space.classes_at(rows[at], tried) != labels[rows[at]]
            points[at[wrong]] = tried[wrong]
            distance[at[wrong]] = space.distance(rows[at[wrong]], tried[wrong])
            at, z = at[~wrong], z[~wrong]
            if not len(at):
                break
    return distance, points


class _Block:
    """Some rows under attack. ``which`` are places within the block, and ``values`` those of the moved columns."""

    def __init__(
        self, space: Space, ensemble: Ensemble, rows: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> None:
        import numpy as np

        self._space, self._ensemble, self._rows, self._labels, self._rng = space, ensemble, rows, labels, rng
        columns = space.columns
        self._start = space.rows[list(columns.moved)].to_numpy(dtype=float)[rows]
        self._low = np.where(columns.only > 0, self._start, columns.low)
        self._high = np.where(columns.only < 0, self._start, columns.high)

    def nearest_leaf(self) -> tuple[np.ndarray, np.ndarray]:
        """Of a single tree: the rows that have an adversarial example, and the nearest one."""
        import numpy as np

        ensemble, found, points = self._ensemble, [], []
        for i in range(len(self._rows)):
            low, high = (ensemble.inputs(self._rows[[i]], end[[i]]) for end in (self._low, self._high))
            leaves = np.concatenate([leaf for _, leaf in ensemble.reachable(low, high)])
            other = leaves[(ensemble.value[leaves] + ensemble.base).argmax(axis=1) != self._labels[i]]
            above, upto = ensemble.node_boxes
            which = np.full(len(other), i)
            values, possible = self._nearest_in(which, above[other], upto[other])
            if possible.any():
                size = np.where(possible, self._size(which, values), np.inf)
                found.append(i)
                points.append(values[size.argmin()])
        return np.array(found, dtype=int), np.array(points).reshape(-1, self._start.shape[1])

    def search(self, pool: Pool) -> tuple[np.ndarray, np.ndarray]:
        """Of many trees: the rows for which there is a point to start from, and the nearest example found."""
        found, values = self._from_rows(pool)
        return found, self._refined(found, values) if len(found) else values

    def _from_rows(self, pool: Pool) -> tuple[np.ndarray, np.ndarray]:
        import numpy as np

        space = self._space
        far = np.stack([space.size(pool.points - origin) for origin in space.origin[self._rows]])
        # Held columns are the row's own, so that a point may be of another class than the row it was taken from.
        same = pool.classes[None] == self._labels[:, None]
        far[same] = far[same] * 2 if self._ensemble.held.shape[1] else np.inf
        order = np.argsort(far, axis=1, kind="stable")
        best, size = self._start.copy(), np.full(len(self._rows), np.inf)
        for first, last in (*pairwise(_NEAREST), (_NEAREST[-1], len(pool.points)), (0, 0)):
            for i in np.flatnonzero(np.isinf(size)):
                tries = pool.points[order[i, first:last]] if last else self._drawn()
                which = np.full(len(tries), i)
                values, length = self._projected(which, tries)
                if len(values):
                    best[i], size[i] = values[length.argmin()], length.min()
        found = np.flatnonzero(np.isfinite(size))
        return found, best[found]

    def _drawn(self) -> np.ndarray:
        """Random points, half of them corners of the observed range."""
        import numpy as np

        low, high = self._space.low, self._space.high
        drawn = self._rng.uniform(low, high, (_RANDOM, len(low)))
        drawn[::2] = np.where(drawn[::2] > (low + high) / 2, high, low)
        return drawn

    def _projected(self, which: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of coordinates that are adversarial, the nearest point in the same box, and how far it is."""
        import numpy as np

        values = self._space.realise(self._rows[which], z)
        wrong = self._lead(which, values) < 0
        which, values = which[wrong], values[wrong]
        nearest, possible = self._nearest_in(which, *self._ensemble.boxes(self._rows[which], values))
        values = np.where(possible[:, None], nearest, values)
        return values, self._size(which, values)

    def _nearest_in(self, which: np.ndarray, above: np.ndarray, upto: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The point of each box nearest to its row, among values that a table can hold; and whether there is one."""
        import numpy as np

        columns, start = self._space.columns, self._start[which]
        # A little inside, as coordinates become values again with a rounding.
        finite = np.maximum(*(np.abs(np.where(np.isfinite(end), end, 0)) for end in (above, upto)))
        inside = np.minimum(_INSIDE * columns.scale + 8 * np.spacing(finite), (upto - above) / 2)
        least = np.where(columns.whole, np.floor(above) + 1, np.where(np.isfinite(above), above + inside, above))
        most = np.where(columns.whole, np.floor(upto), np.where(np.isfinite(upto), upto - inside, upto))
        least, most = np.maximum(least, self._low[which]), np.minimum(most, self._high[which])
        return np.clip(start, least, most), (least <= most).all(axis=1)

    def _refined(self, which: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Look for nearer examples within ever smaller distances."""
        import numpy as np

        size, shrink = self._size(which, values), np.full(len(which), _NEARER)
        for _ in range(_ROUNDS):
            go = np.flatnonzero((shrink < _ENOUGH) & (size > 0))
            if not len(go):
                break
            radius = size[go] * shrink[go]
            tried, wrong = self._within(which[go], values[go], radius)
            at, best = go[wrong], tried[wrong]
            nearest, possible = self._nearest_in(which[at], *self._ensemble.boxes(self._rows[which[at]], best))
            best = np.where(possible[:, None], nearest, best)
            length = self._size(which[at], best)
            nearer = length < size[at]
            values[at[nearer]], size[at[nearer]] = best[nearer], length[nearer]
            failed = np.ones(len(go), dtype=bool)
            failed[np.flatnonzero(wrong)[nearer]] = False
            shrink[go[failed]] = (1 + shrink[go[failed]]) / 2
        return values

    def _within(self, which: np.ndarray, values: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points at most that far away, each step the one of many where the label leads least; and which are wrong."""
        import numpy as np

        values = self._kept(which, values, radius)
        lead = self._lead(which, values)
        for _ in range(_STEPS):
            go = np.flatnonzero(lead >= 0)
            if not len(go):
                break
            tries = self._tries(which[go], values[go], radius[go])
            many = np.repeat(go, _TRIES)
            tries = self._kept(which[many], tries, radius[many])
            leads = self._lead(which[many], tries).reshape(len(go), _TRIES)
            best = leads.argmin(axis=1)
            less = leads[np.arange(len(go)), best] < lead[go]
            at, chosen = go[less], (np.arange(len(go)) * _TRIES + best)[less]
            values[at], lead[at] = tries[chosen], leads.reshape(-1)[chosen]
        return values, lead < 0

    def _tries(self, which: np.ndarray, values: np.ndarray, radius: np.ndarray) -> np.ndarray:
        """Each point with one column changed, every third with two: to an end of what is within reach, or between."""
        import numpy as np

        tries = np.repeat(values, _TRIES, axis=0)
        start, reach = np.repeat(self._start[which], _TRIES, axis=0), np.repeat(radius, _TRIES)
        at, scale = np.arange(len(tries)), self._space.columns.scale
        for chosen in (at, at[::3]):
            column = self._rng.integers(0, values.shape[1], len(chosen))
            where = self._rng.uniform(-1, 1, len(chosen))
            where = np.where(self._rng.random(len(chosen)) < 0.5, np.sign(where), where)
            tries[chosen, column] = start[chosen, column] + where * reach[chosen] * scale[column]
        return tries

    def _kept(self, which: np.ndarray, values: np.ndarray, radius: np.ndarray) -> np.ndarray:
        """The points, drawn towards their rows until they are within the radius, as values that a table can hold."""
        space, rows = self._space, self._rows[which]
        origin = space.origin[rows]
        return space.realise(rows, space.within(origin, space.coordinates(values), radius))

    def _lead(self, which: np.ndarray, values: np.ndarray) -> np.ndarray:
        return self._ensemble.lead(self._rows[which], values, self._labels[which])

    def _size(self, which: np.ndarray, values: np.ndarray) -> np.ndarray:
        size: np.ndarray = self._space.size((values - self._start[which]) / self._space.columns.scale)
        return size
