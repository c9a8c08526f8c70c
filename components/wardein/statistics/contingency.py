# SPDX-License-Identifier: Apache-2.0
"""Tables of counts: how many rows of each group are positive, and how many of them the model calls so.

All rates of a group follow from its four counts, and so does everything that a bootstrap of its rows can say: drawing
rows anew within a group is drawing its four counts anew. A thousand replicates cost the same for a thousand rows as
for a hundred million.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.statistics.groups import Division

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Counting:
    """How a rate reads off a table of counts.

    Attributes:
        name: The rate's name.
        among: Which rows it is a share of, in words.
        truth: The truth of those rows, 0 or 1; None for any.
        hit: Whether a hit is a yes of the model, or a yes of the truth among the rows that the model says yes to.
    """

    name: str
    among: str
    truth: int | None = None
    hit: str = "said"

    def of(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Hits and rows, of counts with the shape (..., groups, truth, said): shape (..., groups) each."""
        if self.hit == "true":
            said_yes = cells[..., :, 1]
            return said_yes[..., 1], said_yes.sum(axis=-1)
        if self.truth is None:
            return cells[..., 1].sum(axis=-1), cells.sum(axis=(-1, -2))
        return cells[..., self.truth, 1], cells[..., self.truth, :].sum(axis=-1)


SELECTION = Counting("selection_rate", "rows")
TRUE_POSITIVE = Counting("true_positive_rate", "positive rows", truth=1)
FALSE_POSITIVE = Counting("false_positive_rate", "negative rows", truth=0)
PRECISION = Counting("precision", "rows that the model calls positive", hit="true")


def tabulate(division: Division, truth: np.ndarray, said: np.ndarray) -> np.ndarray:
    """How many rows of each group are (not) positive, and how many of these the model says yes to.

    Args:
        division: The groups.
        truth: For each row whether it is positive.
        said: For each row whether the model says yes, or a weight between 0 and 1 of its yes.

    Returns:
        Counts of the shape (groups, truth, said).
    """
    import numpy as np

    groups = len(division.groups)
    if said.dtype == bool:
        return np.bincount(division.codes * 4 + truth * 2 + said, minlength=groups * 4).reshape(groups, 2, 2)
    row = division.codes * 2 + truth
    yes = np.bincount(row, weights=said, minlength=groups * 2)
    both = np.bincount(row, minlength=groups * 2)
    return np.stack([both - yes, yes], axis=-1).reshape(groups, 2, 2)


def resample(cells: np.ndarray, replicates: int, seed: int) -> np.ndarray:
    """Replicates of counts, each group's drawn from its own shares: a bootstrap that is stratified by group.

    Half a row is added to every count that is drawn from, so that a share of 0 does not come out as certain.

    Args:
        cells: Counts of the shape (groups, truth, said).
        replicates: How many.
        seed: Seeds them.

    Returns:
        Counts of the shape (replicates, groups, truth, said).
    """
    import numpy as np

    flat = cells.reshape(len(cells), -1)
    rows = np.rint(flat.sum(axis=1)).astype(np.int64)
    shares = flat + 0.5
    shares = shares / shares.sum(axis=1, keepdims=True)
    drawn = np.random.default_rng(seed).multinomial(rows, shares, size=(replicates, len(cells)))
    return drawn.reshape(replicates, *cells.shape)
