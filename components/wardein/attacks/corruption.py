# SPDX-License-Identifier: Apache-2.0
"""What is left of a model's accuracy when nobody attacks, but numbers are noisy or missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.errors import WardeinError

if TYPE_CHECKING:
    import numpy as np

    from wardein.attacks.space import Space


@dataclass(frozen=True)
class Corrupted:
    """How many of the rows a model still gets right.

    Attributes:
        rows: How many there were.
        right: By kind of corruption and level, of which 0 is the plain table.
        refused: Why missing values could not be tried; empty if they could.
    """

    rows: int
    right: dict[tuple[str, float], int]
    refused: str = ""


def corrupt(space: Space, labels: np.ndarray, noise: Sequence[float], missing: Sequence[float], seed: int) -> Corrupted:
    """Corrupt every row once at every level, in the columns that may move.

    Args:
        space: The rows and the model.
        labels: The index of the true class of each row, shape (n,).
        noise: Standard deviations of Gaussian noise, in scales of each column; it is kept within the range seen, and
            whole numbers stay whole.
        missing: Shares of the cells to leave empty, drawn at random.
        seed: Seeds the noise and what is missing; a higher level has the same draws.
    """
    import numpy as np

    columns, everyone = space.columns, np.arange(len(labels))
    plain = space.original
    drawn = np.random.default_rng([seed, 1]).normal(size=plain.shape) * columns.scale
    right = {("none", 0.0): _right(space, everyone, plain, labels)}
    for level in noise:
        values = plain + level * drawn
        values = np.clip(np.where(columns.whole, np.rint(values), values), columns.low, columns.high)
        right["noise", level] = _right(space, everyone, values, labels)
    chance = np.random.default_rng([seed, 2]).random(plain.shape)
    for level in missing:
        try:
            right["missing", level] = _right(space, everyone, np.where(chance < level, np.nan, plain), labels)
        except WardeinError:
            _right(space, everyone, plain, labels)  # raises again where it is not the empty cells that it refuses
            return Corrupted(len(labels), right, "the model refuses rows with missing numbers")
    return Corrupted(len(labels), right)


def _right(space: Space, which: np.ndarray, values: np.ndarray, labels: np.ndarray) -> int:
    return int((space.classes(space.frame(which, values)) == labels).sum())
