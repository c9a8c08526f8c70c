# SPDX-License-Identifier: Apache-2.0
"""Attribute inference: what a model's answer adds to what an attacker knows of a row already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.errors import WardeinError
from wardein.privacy.learners import cross_fitted, encoded
from wardein.privacy.membership import Estimate
from wardein.report import Interval
from wardein.statistics.intervals import LEVEL, TAIL, mean_of_proportions
from wardein.statistics.levels import levels_of

if TYPE_CHECKING:
    import numpy as np

    from wardein.privacy.population import Population

# A number with many values is inferred up to these quantiles, and a rarer category is not inferred.
_QUANTILES, LEAST_OF_LEVEL = 4, 30


@dataclass(frozen=True)
class Inference:
    """How well an attribute is inferred, as the mean over its values of the share of rows that are got right.

    Attributes:
        knowing: With the model's answers.
        guessing: Without them.
        advantage: The difference.
        rows: How many rows were inferred.
    """

    knowing: Estimate
    guessing: Estimate
    advantage: Estimate
    rows: int


def infer(population: Population, column: str, members: bool, seed: int) -> Inference:
    """Infer a feature of members or of non-members from all others and the true label, with and without the answers.

    Both times the same trees learn from two thirds of the rows and infer the others.

    Raises:
        WardeinError: If the column has not at least two values with enough rows.
    """
    import numpy as np

    side = np.flatnonzero(population.member == members)
    levels = levels_of(population.rows[column].iloc[side], _QUANTILES, LEAST_OF_LEVEL)
    size = np.bincount(levels.codes, minlength=levels.size + 1)[: levels.size]
    enough = np.flatnonzero(size >= LEAST_OF_LEVEL)
    if len(enough) < 2:
        raise WardeinError(
            f"{column!r} has not two values with {LEAST_OF_LEVEL} rows each, so that there is nothing to infer",
            where="--sensitive",
            mend="name another column, or give more rows",
        )
    kept = np.isin(levels.codes, enough)
    side, values = side[kept], np.searchsorted(enough, levels.codes[kept])
    known = encoded(population.rows.drop(columns=column))[side]
    known = np.column_stack([known, population.truth[side]])
    answers = population.answers[side].reshape(len(side), -1)
    right = [
        cross_fitted(rows, values, len(enough), seed).argmax(axis=1) == values
        for rows in (np.column_stack([known, answers]), known)
    ]
    hits = [np.bincount(values, is_right, len(enough)) for is_right in right]
    sizes = np.bincount(values, minlength=len(enough))
    knowing, guessing = (Estimate(float((hit / sizes).mean()), mean_of_proportions(hit, sizes)) for hit in hits)
    won, lost = (np.bincount(values, one & ~other, len(enough)) for one, other in (right, right[::-1]))
    return Inference(knowing, guessing, _difference(won, lost, sizes), len(side))


def _difference(won: np.ndarray, lost: np.ndarray, sizes: np.ndarray) -> Estimate:
    """The mean of paired differences of proportions, by Agresti and Min (2005), which no lack of pairs collapses."""
    import numpy as np
    from scipy.stats import norm

    n, up, down = sizes + 2, won + 0.5, lost + 0.5
    centre = float(((up - down) / n).mean())
    half = float(norm.isf(TAIL) * np.sqrt(((up + down - (up - down) ** 2 / n) / n**2).sum()) / len(sizes))
    value = float(((won - lost) / sizes).mean())
    low, high = max(min(centre - half, value), -1.0), min(max(centre + half, value), 1.0)
    return Estimate(value, Interval(low, high, LEVEL, "agresti-min"))
