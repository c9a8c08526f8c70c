# SPDX-License-Identifier: Apache-2.0
"""An ensemble of trees on the columns that may move: where points land, what that adds up to, what a box can reach.

A node asks whether a number is at most its threshold. The numbers of a point are, first, the values of the moved
columns as a table holds them, and then what the model's first steps make of all the other columns, which is fixed for
each row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# Pairs of point and node that are looked at together: enough for speed, few enough for memory.
_PAIRS = 2_000_000
# How far from a tie scores must be, relative to the largest that they can be, so that no rounding decides: libraries
# add in float32, or in another order.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Ensemble:
    """Trees whose leaves add up to one score per class; the first largest score decides.

    Attributes:
        feature: Which number each node asks about, -1 for a leaf; children come after their parents.
        threshold: What it compares with.
        left: Where a number goes that is at most the threshold.
        right: Where a larger one goes.
        missing_left: Whether a missing one goes left.
        value: What each leaf adds, shape (nodes, classes).
        roots: The first node of each tree.
        base: What the scores begin with, shape (classes,).
        moved: How many columns may move: as many numbers come first.
        held: All other numbers of each row of the space, shape (n, held).
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    missing_left: np.ndarray
    value: np.ndarray
    roots: np.ndarray
    base: np.ndarray
    moved: int
    held: np.ndarray

    @property
    def exact(self) -> bool:
        """Whether the attack finds the nearest adversarial example there is: of a single tree it does."""
        return len(self.roots) == 1

    @cached_property
    def tree(self) -> np.ndarray:
        """Which tree each node belongs to."""
        import numpy as np

        return np.searchsorted(self.roots, np.arange(len(self.feature)), side="right") - 1

    @cached_property
    def slack(self) -> float:
        """The smallest lead that no rounding can turn around."""
        import numpy as np

        largest = np.maximum.reduceat(np.abs(self.value).max(axis=1), self.roots).sum() + np.abs(self.base).max()
        return _ROUNDING * float(largest)

    @cached_property
    def _children(self) -> np.ndarray:
        """Right and left child of each node side by side, where one look finds both."""
        import numpy as np

        return np.column_stack([self.right, self.left]).reshape(-1)

    @cached_property
    def node_boxes(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each node, what its tree lets through to it: above the first, up to the second, shape (nodes, moved)."""
        import numpy as np

        low = np.full((len(self.feature), self.moved), -np.inf)
        high = np.full((len(self.feature), self.moved), np.inf)
        level = self.roots[self.feature[self.roots] >= 0]
        while len(level):
            left, right, feature = self.left[level], self.right[level], self.feature[level]
            for child in (left, right):
                low[child], high[child] = low[level], high[level]
            ours = feature < self.moved
            high[left[ours], feature[ours]] = self.threshold[level[ours]]
            low[right[ours], feature[ours]] = self.threshold[level[ours]]
            level = np.concatenate([left, right])
            level = level[self.feature[level] >= 0]
        return low, high

    def inputs(self, which: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The numbers of points: values of the moved columns on rows of the space, shape (k, moved + held)."""
        import numpy as np

        return np.ascontiguousarray(np.hstack([values, self.held[which]]))

    def leaves(self, inputs: np.ndarray) -> np.ndarray:
        """The leaf of each tree that each point lands in, shape (k, trees)."""
        import numpy as np

        node = np.tile(self.roots, len(inputs))
        for pairs, at, _ in self._descend(inputs, node):
            node[pairs] = at
        return node.reshape(len(inputs), len(self.roots))

    def scores(self, leaves: np.ndarray) -> np.ndarray:
        """What leaves add up to, shape (k, classes); tree by tree, as the libraries add."""
        import numpy as np

        total = np.repeat(self.base[None], len(leaves), axis=0)
        for tree in range(len(self.roots)):
            total += self.value[leaves[:, tree]]
        return total

    def lead(self, which: np.ndarray, values: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """By how much the score of each point's label exceeds that of any other class; above 0 it is predicted."""
        import numpy as np

        step = max(_PAIRS // len(self.roots), 1)
        found = []
        for first in range(0, len(which), step):
            part = slice(first, first + step)
            scores = self.scores(self.leaves(self.inputs(which[part], values[part])))
            at = np.arange(len(scores))
            own = scores[at, labels[part]]
            scores[at, labels[part]] = -np.inf
            # Of equal scores the first class is predicted.
            lost = (scores == own[:, None]) & (np.arange(scores.shape[1]) < labels[part][:, None])
            margin = own - scores.max(axis=1)
            found.append(np.where(lost.any(axis=1) & (margin == 0), -np.finfo(float).tiny, margin))
            found[-1][(margin == 0) & ~lost.any(axis=1)] = np.finfo(float).tiny
        return np.concatenate(found) if found else np.empty(0)

    def boxes(self, which: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The box around each point in which no tree changes its leaf: above the first, up to the second; (k, moved).

        Raises nothing and asks no model: within such a box, with the other columns held, the ensemble is constant.
        """
        import numpy as np

        low = np.full((len(which), self.moved), -np.inf)
        high = np.full((len(which), self.moved), np.inf)
        step = max(_PAIRS // len(self.roots), 1)
        for first in range(0, len(which), step):
            part = slice(first, first + step)
            inputs = self.inputs(which[part], values[part])
            node, trees = np.tile(self.roots, len(inputs)), len(self.roots)
            flat_low, flat_high = low[part].reshape(-1), high[part].reshape(-1)
            for pairs, at, (asked, feature, went_left) in self._descend(inputs, node):
                place = pairs // trees * self.moved + feature
                for bound, fold, chosen in (
                    (flat_low, np.maximum, ~went_left & (feature < self.moved)),
                    (flat_high, np.minimum, went_left & (feature < self.moved)),
                ):
                    fold.at(bound, place[chosen], self.threshold[asked[chosen]])
                node[pairs] = at
            low[part], high[part] = flat_low.reshape(-1, self.moved), flat_high.reshape(-1, self.moved)
        return low, high

    def reachable(self, low: np.ndarray, high: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The leaves that some point of each box lands in, as pairs of box and leaf, in no order, in parts.

        Args:
            low: The smallest numbers of each box, shape (k, moved + held); a missing one is missing in both.
            high: The largest.
        """
        import numpy as np

        box = np.repeat(np.arange(len(low)), len(self.roots))
        node = np.tile(self.roots, len(low))
        waiting = [(box, node)]
        while waiting:
            box, node = waiting.pop()
            if len(box) > _PAIRS:
                half = len(box) // 2
                waiting += [(box[half:], node[half:]), (box[:half], node[:half])]
                continue
            feature = self.feature[node]
            leaf = feature < 0
            if leaf.any():
                yield box[leaf], node[leaf]
                box, node, feature = box[~leaf], node[~leaf], feature[~leaf]
            if not len(box):
                continue
            smallest, largest = low[box, feature], high[box, feature]
            missing = np.isnan(smallest)
            leftwards = np.where(missing, self.missing_left[node], smallest <= self.threshold[node])
            rightwards = np.where(missing, ~self.missing_left[node], largest > self.threshold[node])
            waiting.append(
                (
                    np.concatenate([box[leftwards], box[rightwards]]),
                    np.concatenate([self.left[node[leftwards]], self.right[node[rightwards]]]),
                )
            )

    def fork(self, tree: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """The first node of one tree a box at which the box goes both ways, a leaf's place if there is none; (k,)."""
        import numpy as np

        node: np.ndarray = self.roots[tree].copy()
        going = np.arange(len(node))
        while True:
            going = going[self.feature[node[going]] >= 0]
            at = node[going]
            smallest, largest = low[going, self.feature[at]], high[going, self.feature[at]]
            missing = np.isnan(smallest)
            leftwards = np.where(missing, self.missing_left[at], smallest <= self.threshold[at])
            both = leftwards & ~missing & (largest > self.threshold[at])
            going, at, leftwards = going[~both], at[~both], leftwards[~both]
            if not len(going):
                return node
            node[going] = np.where(leftwards, self.left[at], self.right[at])

    def _descend(
        self, inputs: np.ndarray, node: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]]:
        """One level after the other: the pairs of point and tree that go on, where to, and what was asked there."""
        import numpy as np

        flat, width, trees = inputs.reshape(-1), inputs.shape[1], len(self.roots)
        gaps = bool(np.isnan(flat).any())
        pairs, at = np.arange(len(node)), node.copy()
        start = pairs // trees * width
        while True:
            feature = self.feature[at]
            inner = feature >= 0
            if not inner.all():
                pairs, at, feature, start = pairs[inner], at[inner], feature[inner], start[inner]
            if not len(pairs):
                return
            number = flat[start + feature]
            went_left = number <= self.threshold[at]
            if gaps:
                went_left |= np.isnan(number) & self.missing_left[at]
            asked, at = at, self._children[2 * at + went_left]
            yield pairs, at, (asked, feature, went_left)
