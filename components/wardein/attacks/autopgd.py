# SPDX-License-Identifier: Apache-2.0
"""Projected gradient descent that sets its own step (Auto-PGD; Croce and Hein 2020), all rows at once, seeded.

It starts with steps as long as the whole ball, goes back to the best point and halves the step where that no longer
climbs, and keeps some of its momentum. With the cross-entropy and with the difference of logits ratio, of which the
second does not care how large the scores are, it is two of the four attacks of AutoAttack.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from wardein.models.insides.losses import cross_entropy, logits_ratio

if TYPE_CHECKING:
    import numpy as np

    from wardein.attacks.network import View
    from wardein.attacks.space import Space

STEPS = 100
_MOMENTUM = 0.75
# A step is long enough while the loss rises in more than this share of the steps.
_RISING = 0.75
# The first stretch between two looks at the step's length, by how much each next one is shorter, and the shortest.
_STRETCH, _SHORTER, _SHORTEST = 22, 3, 6
# After so many steps as well, what has fallen by then is taken out.
_EARLY = (2, 8)

# Which of these points of these rows count as adversarial examples, by the real model.
Falls = Callable[["np.ndarray", "np.ndarray"], "np.ndarray"]


@dataclass(frozen=True)
class Ball:
    """Where an attack may go: within epsilon of each row, and within the ranges of the columns.

    Attributes:
        space: The rows and what may move.
        epsilon: The radius, in the space's norm.
    """

    space: Space
    epsilon: float

    def inside(self, which: np.ndarray, points: np.ndarray) -> np.ndarray:
        """The points, those outside brought back, shape (k, moved)."""
        import numpy as np

        space = self.space
        near = space.within(space.origin[which], points, np.full(len(which), self.epsilon))
        return np.asarray(np.clip(near, space.low, space.high))

    def steepest(self, gradient: np.ndarray) -> np.ndarray:
        """The change of length one along which a gradient rises most."""
        import numpy as np

        if self.space.norm == "linf":
            return np.asarray(np.sign(gradient))
        return np.asarray(gradient / np.maximum(self.space.size(gradient), np.finfo(float).tiny)[:, None])

    def drawn(self, which: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Random points, one for each row."""
        k, m = len(which), self.space.origin.shape[1]
        if self.space.norm == "linf":
            change = rng.uniform(-self.epsilon, self.epsilon, (k, m))
        else:
            radius = self.epsilon * rng.random((k, 1)) ** (1 / m)
            change = radius * self.steepest(rng.normal(size=(k, m)))
        return self.inside(which, self.space.origin[which] + change)


def autopgd(
    view: View, ball: Ball, which: np.ndarray, starts: np.ndarray, truth: np.ndarray, *, ratio: bool, falls: Falls
) -> tuple[np.ndarray, int]:
    """Climb a loss from a start for each row.

    Args:
        view: The network.
        ball: Where to stay.
        which: The rows, shape (k,).
        starts: Where to start, shape (k, moved).
        truth: 1 at the true class, -1 at a rival to aim at, shape (k, classes).
        ratio: Whether the loss is the difference of logits ratio; else the cross-entropy.
        falls: Asks the real model.

    Returns:
        The point where each row fell, not a number where it stands, shape (k, moved); and how many gradients it took.
    """
    import numpy as np

    climb = _Climb(view, ball, ratio)
    found = np.full(starts.shape, np.nan)
    state = climb.begin(which, starts, truth)
    stretch, next_look = _STRETCH, _STRETCH
    for step in range(1, STEPS + 1):
        climb.advance(state, first=step == 1)
        if step == next_look:
            _adapt(state, stretch)
            stretch = max(stretch - _SHORTER, _SHORTEST)
            next_look += stretch
        elif step not in _EARLY and step != STEPS:
            continue
        fell = np.flatnonzero(state.lead > 0)
        fell = fell[falls(state.which[fell], state.wrongest[fell])] if len(fell) else fell
        found[state.place[fell]] = state.wrongest[fell]
        state.drop(fell)
        if not len(state.which):
            break
    return found, climb.gradients


@dataclass
class _State:
    """Where the rows are that stand so far; every array has one of each.

    Attributes:
        place: Their places among the rows that were given.
        which: Their rows in the space.
        truth: What is true of them.
        point: Where they are.
        before: Where they were a step ago.
        slope: The gradient at ``point``.
        loss: The loss there.
        best: The point with the highest loss so far.
        best_slope: The gradient at ``best``.
        best_loss: The loss there.
        wrongest: Where another class leads most over the true one.
        lead: By how much.
        length: The length of the next step.
        rises: In how many steps since the last look the loss rose.
        looked: The highest loss at the last look.
        halved: Whether the step was halved then.
    """

    place: np.ndarray
    which: np.ndarray
    truth: np.ndarray
    point: np.ndarray
    before: np.ndarray
    slope: np.ndarray
    loss: np.ndarray
    best: np.ndarray
    best_slope: np.ndarray
    best_loss: np.ndarray
    wrongest: np.ndarray
    lead: np.ndarray
    length: np.ndarray
    rises: np.ndarray
    looked: np.ndarray
    halved: np.ndarray

    def drop(self, rows: np.ndarray) -> None:
        """Take rows out, given by their places here."""
        import numpy as np

        if len(rows):
            for one in fields(self):
                setattr(self, one.name, np.delete(getattr(self, one.name), rows, axis=0))


class _Climb:
    """Steps on a network within a ball.

    Attributes:
        gradients: How many were taken, one per row and step.
    """

    def __init__(self, view: View, ball: Ball, ratio: bool) -> None:
        self._view, self._ball, self._ratio = view, ball, ratio
        columns = ball.space.columns
        self._as_in_tables = bool(columns.whole.any() or columns.only.any())
        self.gradients = 0

    def begin(self, which: np.ndarray, starts: np.ndarray, truth: np.ndarray) -> _State:
        """Every row at its start."""
        import numpy as np

        k = len(which)
        at, loss, lead, slope = self._look(which, starts, truth)
        zeros, never = np.zeros(k), np.zeros(k, dtype=bool)
        return _State(
            np.arange(k), which, truth, starts, starts, slope, loss, starts, slope, loss, at, lead,
            np.full(k, 2 * self._ball.epsilon), zeros, loss, never,
        )  # fmt: skip

    def advance(self, state: _State, *, first: bool) -> None:
        """One step of every row."""
        import numpy as np

        which, ball = state.which, self._ball
        kept = 1.0 if first else _MOMENTUM
        ahead = ball.inside(which, state.point + state.length[:, None] * ball.steepest(state.slope))
        pushed = state.point + kept * (ahead - state.point) + (1 - kept) * (state.point - state.before)
        state.before, state.point = state.point, ball.inside(which, pushed)
        at, loss, lead, state.slope = self._look(which, state.point, state.truth)
        state.rises = state.rises + (loss > state.loss)
        state.loss = loss
        higher, wronger = loss > state.best_loss, lead > state.lead
        state.best = np.where(higher[:, None], state.point, state.best)
        state.best_slope = np.where(higher[:, None], state.slope, state.best_slope)
        state.best_loss = np.where(higher, loss, state.best_loss)
        state.wrongest = np.where(wronger[:, None], at, state.wrongest)
        state.lead = np.where(wronger, lead, state.lead)

    def _look(
        self, which: np.ndarray, points: np.ndarray, truth: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Where exactly the network was asked, the loss there, the lead of another class, and the loss's gradient.

        Where tables cannot hold a point (whole numbers, columns that may only grow), it is asked at the one that they
        can hold, while the point itself goes on in between.
        """
        import numpy as np

        space = self._ball.space
        at = space.coordinates(space.realise(which, points)) if self._as_in_tables else points
        m = at.shape[1]
        self.gradients += len(which)
        scores, slope = self._view.ascent(np.hstack([at, self._view.inputs[which, m:]]), truth, self._ratio)
        loss, _ = (logits_ratio if self._ratio else cross_entropy)(scores, truth)
        true = truth == 1
        lead = np.where(true, -np.inf, scores).max(axis=1) - scores[true]
        return at, loss, lead, slope[:, :m]


def _adapt(state: _State, stretch: int) -> None:
    """Halve the steps of the rows that no longer climb, and send them back to their best point."""
    import numpy as np

    restless = state.rises <= _RISING * stretch
    stuck = ~state.halved & (state.looked >= state.best_loss)
    back = restless | stuck
    state.length = np.where(back, state.length / 2, state.length)
    state.point = np.where(back[:, None], state.best, state.point)
    state.slope = np.where(back[:, None], state.best_slope, state.slope)
    state.loss = np.where(back, state.best_loss, state.loss)
    state.halved, state.looked, state.rises = back, state.best_loss, np.zeros(len(back))
