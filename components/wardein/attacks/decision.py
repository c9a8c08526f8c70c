# SPDX-License-Identifier: Apache-2.0
"""HopSkipJump (Chen, Jordan, Wainwright 2020) for both norms, all rows at once, seeded.

It needs nothing but predicted classes. Three things differ from ART's: every row starts from real rows of
another class (ART draws noise, and returns a row for which that failed as if it had withstood); rows advance
together, so that a model answers thousands of questions per call instead of one; and columns of whole numbers are
probed in whole steps, as a smaller one changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from wardein.attacks.space import Space

ITERATIONS = 13
EVALUATIONS = 30
_MAX_EVALUATIONS = 1000
# Points to start from: the nearest real rows of another class, then further ones, then points drawn at random; for
# rows that none of them helps, all of the pool, and as many mixtures of the row with rows of the pool.
_NEAREST, _FURTHER, _RANDOM, _MIXED = 5, 100, 400, 1000
# Every so many steps, random points nearer than the nearest example are tried: the walk alone stays in one valley.
_LOOK_INSIDE, _INSIDE = 6, 100
_HALVINGS = 24
# How many of these are tried at once, and into how many parts the way to the boundary is cut at once: a model answers
# many questions of one call faster than one question of many calls.
_TOGETHER, _PARTS = 4, 6
# How near to the boundary is near enough to choose among starts, relative to the distance.
_ROUGHLY = 0.03
# How many numbers the points that are tried as starts at once may have.
_AT_ONCE = 4_000_000
# How far columns of whole numbers are probed, in steps.
_STEPS = 1.5


@dataclass(frozen=True)
class Pool:
    """Real rows to start from.

    Attributes:
        points: Their coordinates, shape (p, moved).
        classes: The index of the class that the model predicts for each, shape (p,).
    """

    points: np.ndarray
    classes: np.ndarray


def hopskipjump(
    space: Space,
    rows: np.ndarray,
    labels: np.ndarray,
    pool: Pool,
    seed: int,
    progress: Callable[[str], None] = lambda text: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest adversarial example of each row.

    Args:
        space: The rows, what may move, and the model.
        rows: Which rows to attack, all at once; the model must be right on them, shape (k,).
        labels: The index of the true class of each row of the space, shape (n,).
        pool: Rows to start from.
        seed: Two runs with the same seed on the same rows are the same.
        progress: Told what is being done.

    Returns:
        The size of the change of the nearest adversarial example found, checked with the real model, and its
        coordinates, shapes (k,) and (k, moved). Infinite for a row that found nothing to start from, although the
        whole pool, mixtures with it, corners and random points of all that is within reach were tried: such a row
        was not attacked.
    """
    import numpy as np

    nearest, found = np.full(len(rows), np.inf), space.origin[rows]
    if not len(rows):
        return nearest, found
    walk = _Walk(space, rows, labels[rows], np.random.default_rng([seed, int(rows[0])]))
    progress(f"hopskipjump: {len(rows)} rows, start")
    started, points = walk.start(pool)
    for t in range(1, ITERATIONS + 1):
        progress(f"hopskipjump: {len(rows)} rows, step {t} of {ITERATIONS}")
        points = walk.advance(started, points, t)
        if t % _LOOK_INSIDE == 0:
            points = walk.look_inside(started, points)
    wrong = walk.wrong(started, points)
    held, found[started] = started[wrong], points
    nearest[held] = space.distance(rows[held], points[wrong])
    return nearest, found


def reachable(space: Space, rows: np.ndarray, labels: np.ndarray, pool: Pool, seed: int) -> np.ndarray:
    """For which of these rows there is anything to start from, at whatever distance; shape (k,)."""
    import numpy as np

    found = np.zeros(len(rows), dtype=bool)
    if len(rows):
        walk = _Walk(space, rows, labels[rows], np.random.default_rng([seed, int(rows[0])]))
        found[walk.start(pool)[0]] = True
    return found


class _Walk:
    """The walk of rows along the boundary.

    Throughout, ``which`` are positions among these rows, one per point, and ``points`` are adversarial examples.
    """

    def __init__(self, space: Space, rows: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> None:
        self._space, self._rows, self._labels, self._rng = space, rows, labels, rng
        self._origin = space.origin[rows]
        # How near to the boundary is near enough, relative to the distance.
        self._theta = 1e-3 / float(self._origin.shape[1]) ** 0.5
        self._step = space.columns.whole / space.columns.scale

    def wrong(self, which: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Whether the model is wrong at each point."""
        answers: np.ndarray = self._space.classes_at(self._rows[which], points) != self._labels[which]
        return answers

    def start(self, pool: Pool) -> tuple[np.ndarray, np.ndarray]:
        """The positions for which there is a point to start from, ascending, and that point, on the boundary."""
        import numpy as np

        far = np.stack([self._space.size(pool.points - origin) for origin in self._origin])
        far[pool.classes[None] == self._labels[:, None]] = np.inf
        order = np.argsort(far, axis=1, kind="stable")
        points, begun = self._origin.copy(), np.zeros(len(self._rows), dtype=bool)
        stages: tuple[tuple[int, Callable[[np.ndarray], np.ndarray]], ...] = (
            (_NEAREST, lambda waiting: pool.points[order[waiting, :_NEAREST]]),
            (_FURTHER, lambda waiting: pool.points[order[waiting, _NEAREST : _NEAREST + _FURTHER]]),
            (_RANDOM, self._drawn),
            (order.shape[1], lambda waiting: pool.points[order[waiting]]),
            (_MIXED, lambda waiting: self._mixed(waiting, pool)),
        )
        for size, tries in stages:
            waiting = np.flatnonzero(~begun)
            at_once = max(1, _AT_ONCE // (size * self._origin.shape[1]))
            for first in range(0, len(waiting), at_once):
                part = waiting[first : first + at_once]
                which, found = self._nearest_start(part, tries(part))
                points[which], begun[which] = found, True
        return np.flatnonzero(begun), points[begun]

    def advance(self, which: np.ndarray, points: np.ndarray, t: int) -> np.ndarray:
        """Estimate where the boundary leads nearer, step there, and keep what is nearer; step ``t`` counts from 1."""
        import numpy as np

        if not len(which):
            return points
        distance = self._distance(which, points)
        ascent = self._gradient(which, points, distance, t)
        length, stepped = distance / np.sqrt(t), points.copy()
        waiting = np.arange(len(which))
        for first in range(0, _HALVINGS, _TOGETHER):
            shorter = length[waiting, None] * 0.5 ** np.arange(first, first + _TOGETHER)
            tried = points[waiting, None] + shorter[:, :, None] * ascent[waiting, None]
            tried, good = self._first_wrong(which[waiting], np.clip(tried, self._space.low, self._space.high))
            stepped[waiting[good]] = tried[good]
            waiting = waiting[~good]
            if not len(waiting):
                break
        found = self._to_boundary(which, stepped, self._theta)
        nearer = self._distance(which, found) < distance
        return np.where(nearer[:, None], found, points)

    def look_inside(self, which: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Go on from a nearer adversarial example where random changes of some columns find one."""
        import numpy as np

        k, m = points.shape
        distance = self._distance(which, points)
        radius = distance[:, None, None] * self._rng.uniform(0.3, 1, (k, _INSIDE, 1))
        change = self._rng.uniform(-1, 1, (k, _INSIDE, m))
        change[:, ::2] = np.sign(change[:, ::2])
        change[:, 1::4] *= self._rng.random(change[:, 1::4].shape) < 0.5
        if self._space.norm == "l2":
            change /= np.maximum(np.linalg.norm(change, axis=2, keepdims=True), np.finfo(float).tiny)
        tries = np.clip(self._origin[which][:, None] + radius * change, self._space.low, self._space.high)
        begun, found = self._nearest_start(which, tries)
        at = np.searchsorted(which, begun)
        nearer = self._distance(begun, found) < distance[at]
        better = points.copy()
        better[at[nearer]] = found[nearer]
        return better

    def _gradient(self, which: np.ndarray, points: np.ndarray, distance: np.ndarray, t: int) -> np.ndarray:
        """The direction that leads into the wrong class, by the answers at random points around each point."""
        import numpy as np

        k, m = points.shape
        size, flat = min(int(EVALUATIONS * t**0.5), _MAX_EVALUATIONS), self._space.norm == "l2"
        width = 0.1 * float(np.median(self._space.high - self._space.low))
        radius = np.full(k, width) if t == 1 else (m**0.5 if flat else m) * self._theta * distance
        noise = self._rng.normal(size=(k, size, m)) if flat else self._rng.uniform(-1, 1, (k, size, m))
        noise *= radius[:, None, None] / np.linalg.norm(noise, axis=2, keepdims=True)
        noise[:, ::2] += _STEPS * self._step * self._rng.uniform(-1, 1, (k, (size + 1) // 2, m))
        around = np.clip(points[:, None] + noise, self._space.low, self._space.high)
        answers = self.wrong(np.repeat(which, size), around.reshape(-1, m)).reshape(k, size, 1) * 2.0 - 1.0
        mean = answers.mean(axis=1, keepdims=True)
        centred = np.where(np.abs(mean) == 1, answers, answers - mean)
        around -= points[:, None]
        direction: np.ndarray = (centred * around).mean(axis=1)
        if not flat:
            return np.asarray(np.sign(direction))
        direction /= np.maximum((around**2).mean(axis=1), np.finfo(float).tiny)  # whole steps are longer
        length = np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), np.finfo(float).tiny)
        return np.asarray(direction / length)

    def _drawn(self, waiting: np.ndarray) -> np.ndarray:
        """Points for rows that no real row helps: half of them corners of the observed range, shape (k, tries, m)."""
        import numpy as np

        low, high = self._space.low, self._space.high
        drawn = self._rng.uniform(low, high, (len(waiting), _RANDOM, len(low)))
        drawn[:, ::2] = np.where(drawn[:, ::2] > (low + high) / 2, high, low)
        return drawn

    def _mixed(self, waiting: np.ndarray, pool: Pool) -> np.ndarray:
        """Single columns at either end of their range, and mixtures of each row with rows of the pool."""
        import numpy as np

        origin = self._origin[waiting][:, None]
        m = origin.shape[2]
        ends = np.repeat(origin, 2 * m, axis=1)
        ends[:, np.arange(m), np.arange(m)] = self._space.low
        ends[:, np.arange(m, 2 * m), np.arange(m)] = self._space.high
        others = pool.points[self._rng.integers(0, len(pool.points), (len(waiting), _MIXED))]
        taken = self._rng.random(others.shape) < self._rng.random((len(waiting), _MIXED, 1))
        return np.concatenate([ends, np.where(taken, others, origin)], axis=1)

    def _nearest_start(self, waiting: np.ndarray, tries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of the tries of each waiting row that are adversarial, the one whose boundary point is nearest."""
        import numpy as np

        k, size, m = tries.shape
        which = np.repeat(waiting, size)
        usable = self.wrong(which, tries.reshape(-1, m)).reshape(k, size)
        usable &= np.cumsum(usable, axis=1) <= _NEAREST
        which, found = which[usable.ravel()], tries[usable]
        found = self._to_boundary(which, found, _ROUGHLY)
        order = np.lexsort((self._distance(which, found), which))
        rows, best = np.unique(which[order], return_index=True)
        return rows, self._to_boundary(rows, found[order[best]], self._theta)

    def _to_boundary(self, which: np.ndarray, points: np.ndarray, near_enough: float) -> np.ndarray:
        """The nearest adversarial point on the way to the row itself, found by cutting the size of the change."""
        import numpy as np

        origin = self._origin[which]
        far = self._distance(which, points)
        near, tolerance = np.zeros_like(far), far * near_enough
        parts = np.arange(1, _PARTS) / _PARTS
        while (far - near > tolerance).any():
            ends = near[:, None] + (far - near)[:, None] * parts
            many = np.repeat(np.arange(len(which)), len(parts))
            between = self._space.within(origin[many], points[many], ends.reshape(-1))
            wrong = self.wrong(which[many], between).reshape(ends.shape)
            nearest = np.where(wrong.any(axis=1), wrong.argmax(axis=1), len(parts))
            ends, at = np.column_stack([near, ends, far]), np.arange(len(which))
            near, far = ends[at, nearest], ends[at, nearest + 1]
        return self._space.within(origin, points, far)

    def _first_wrong(self, which: np.ndarray, tries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The first of each row's tries, shape (k, n, m), that is adversarial, and whether there is one."""
        import numpy as np

        k, n, m = tries.shape
        wrong = self.wrong(np.repeat(which, n), tries.reshape(-1, m)).reshape(k, n)
        return tries[np.arange(k), wrong.argmax(axis=1)], np.asarray(wrong.any(axis=1))

    def _distance(self, which: np.ndarray, points: np.ndarray) -> np.ndarray:
        return self._space.size(points - self._origin[which])
