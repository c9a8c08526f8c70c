# SPDX-License-Identifier: Apache-2.0
"""HopSkipJump (Chen, Jordan, Wainwright 2020) for the largest-change norm, all rows at once, seeded.

It needs nothing but predicted classes. Two things differ from ART's: every row starts from real rows of
another class (ART draws noise, and returns a row for which that failed as if it had withstood), and rows
advance together, so that a model answers thousands of questions per call instead of one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from wardein.attacks.space import Space

ITERATIONS = 20
EVALUATIONS = 30
_MAX_EVALUATIONS = 1000
# Points to start from: the nearest real rows of another class, then further ones, then points drawn at random.
_NEAREST, _FURTHER, _RANDOM = 5, 100, 400
# Every so many steps, random points nearer than the nearest example are tried: the walk alone stays in one valley.
_LOOK_INSIDE, _INSIDE = 4, 100
_HALVINGS = 25
_BLOCK = 200


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
) -> np.ndarray:
    """Find the nearest adversarial example of each row.

    Args:
        space: The rows, what may move, and the model.
        rows: Which rows to attack; the model must be right on them, shape (k,).
        labels: The index of the true class of each row of the space, shape (n,).
        pool: Rows to start from.
        seed: Two runs with the same seed are the same.
        progress: Told what is being done.

    Returns:
        The largest change of any column in the nearest adversarial example found, in units of its scale, checked
        with the real model; infinite for a row that found nothing to start from and so was not attacked; shape (k,).
    """
    import numpy as np

    nearest = np.full(len(rows), np.inf)
    for first in range(0, len(rows), _BLOCK):
        part = rows[first : first + _BLOCK]
        walk = _Walk(space, part, labels[part], np.random.default_rng([seed, first]))
        started, points = walk.start(pool)
        for t in range(1, ITERATIONS + 1):
            progress(f"hopskipjump: rows {first + 1} to {first + len(part)} of {len(rows)}, step {t} of {ITERATIONS}")
            points = walk.advance(started, points, t)
            if t % _LOOK_INSIDE == 0:
                points = walk.look_inside(started, points)
        wrong = walk.wrong(started, points)
        nearest[first + started[wrong]] = space.distance(part[started[wrong]], points[wrong])
    return nearest


class _Walk:
    """The walk of one block of rows along the boundary.

    Throughout, ``which`` are positions in the block, one per point, and ``points`` are adversarial examples.
    """

    def __init__(self, space: Space, rows: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> None:
        self._space, self._rows, self._labels, self._rng = space, rows, labels, rng
        self._origin = space.origin[rows]
        # How near to the boundary is near enough, relative to the distance.
        self._theta = 1e-3 / float(self._origin.shape[1]) ** 0.5

    def wrong(self, which: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Whether the model is wrong at each point."""
        answers: np.ndarray = self._space.classes_at(self._rows[which], points) != self._labels[which]
        return answers

    def start(self, pool: Pool) -> tuple[np.ndarray, np.ndarray]:
        """The positions for which there is a point to start from, ascending, and that point, on the boundary."""
        import numpy as np

        far = np.stack([np.abs(pool.points - origin).max(axis=1) for origin in self._origin])
        far[pool.classes[None] == self._labels[:, None]] = np.inf
        order = np.argsort(far, axis=1, kind="stable")
        points, begun = self._origin.copy(), np.zeros(len(self._rows), dtype=bool)
        for first, last in ((0, _NEAREST), (_NEAREST, _NEAREST + _FURTHER), (0, 0)):
            waiting = np.flatnonzero(~begun)
            tries = pool.points[order[waiting, first:last]] if last else self._drawn(len(waiting))
            which, found = self._nearest_start(waiting, tries)
            points[which], begun[which] = found, True
        return np.flatnonzero(begun), points[begun]

    def advance(self, which: np.ndarray, points: np.ndarray, t: int) -> np.ndarray:
        """Estimate where the boundary leads nearer, step there, and keep what is nearer; step ``t`` counts from 1."""
        import numpy as np

        if not len(which):
            return points
        distance = self._distance(which, points)
        ascent = np.sign(self._gradient(which, points, distance, t))
        length, stepped = distance / np.sqrt(t), points.copy()
        waiting = np.arange(len(which))
        for _ in range(_HALVINGS):
            tried = np.clip(
                points[waiting] + length[waiting, None] * ascent[waiting], self._space.low, self._space.high
            )
            good = self.wrong(which[waiting], tried)
            stepped[waiting[good]] = tried[good]
            waiting = waiting[~good]
            length /= 2
            if not len(waiting):
                break
        found = self._to_boundary(which, stepped)
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
        size = min(int(EVALUATIONS * t**0.5), _MAX_EVALUATIONS)
        width = 0.1 * float(np.median(self._space.high - self._space.low))
        radius = np.full(k, width) if t == 1 else m * self._theta * distance
        noise = self._rng.uniform(-1, 1, (k, size, m))
        noise /= np.linalg.norm(noise, axis=2, keepdims=True)
        around = np.clip(points[:, None] + radius[:, None, None] * noise, self._space.low, self._space.high)
        answers = self.wrong(np.repeat(which, size), around.reshape(-1, m)).reshape(k, size, 1) * 2.0 - 1.0
        mean = answers.mean(axis=1, keepdims=True)
        centred = np.where(np.abs(mean) == 1, answers, answers - mean)
        direction: np.ndarray = (centred * (around - points[:, None])).mean(axis=1)
        return direction

    def _drawn(self, k: int) -> np.ndarray:
        """Points for rows that no real row helps: half of them corners of the observed range, shape (k, tries, m)."""
        import numpy as np

        low, high = self._space.low, self._space.high
        drawn = self._rng.uniform(low, high, (k, _RANDOM, len(low)))
        drawn[:, ::2] = np.where(drawn[:, ::2] > (low + high) / 2, high, low)
        return drawn

    def _nearest_start(self, waiting: np.ndarray, tries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of the tries of each waiting row that are adversarial, the one whose boundary point is nearest."""
        import numpy as np

        k, size, m = tries.shape
        which = np.repeat(waiting, size)
        usable = self.wrong(which, tries.reshape(-1, m)).reshape(k, size)
        usable &= np.cumsum(usable, axis=1) <= _NEAREST
        which, found = which[usable.ravel()], tries[usable]
        found = self._to_boundary(which, found)
        order = np.lexsort((self._distance(which, found), which))
        rows, best = np.unique(which[order], return_index=True)
        return rows, found[order[best]]

    def _to_boundary(self, which: np.ndarray, points: np.ndarray) -> np.ndarray:
        """The nearest adversarial point on the way to the row itself, found by halving the largest change."""
        import numpy as np

        origin = self._origin[which]
        far = self._distance(which, points)
        near, tolerance = np.zeros_like(far), far * self._theta
        while (far - near > tolerance).any():
            middle = (near + far) / 2
            wrong = self.wrong(which, np.clip(points, origin - middle[:, None], origin + middle[:, None]))
            far, near = np.where(wrong, middle, far), np.where(wrong, near, middle)
        boundary: np.ndarray = np.clip(points, origin - far[:, None], origin + far[:, None])
        return boundary

    def _distance(self, which: np.ndarray, points: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.asarray(np.abs(points - self._origin[which]).max(axis=1, initial=0.0))
