# SPDX-License-Identifier: Apache-2.0
"""Parts of a table where something is worse than elsewhere, found without being told where to look.

Whoever looks at thousands of parts of a table finds some that are bad by chance. So the intervals are those of all
parts at once: one half of the error that they may have together is shared out over the parts that one column singles
out, the other half over those of two columns (Bonferroni). How many rows a part has does not depend on the values, so
that parts of too few rows cost nothing. Nothing is drawn at random, and the order of the rows does not matter.

Of the parts that are worse, many are the same one seen again. A part of two columns gives way to that of one of them
unless it is clearly worse than the rest of it. And a part is dropped if it is no longer worse once the rows of those
before are set aside, unless it lies within them and is clearly worse than the rest of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.report import Interval
from wardein.statistics import intervals
from wardein.statistics.levels import Levels, levels_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# A number is cut into so many quantiles: alone, where neighbours are looked at together as well, and beside another.
_FINE, _COARSE = 10, 4
# Of a wider table, columns whose values tell the least about what is worse are not combined with others.
_COMBINED = 40
# Of so many parts that are worse it is asked whether they are the same one seen again.
_COMPARED = 400
# What most of a part's rows are.
_MOST_OF = 0.8
_ONE_TEST = 1 - intervals.LEVEL
_METHOD = "bonferroni"


@dataclass(frozen=True)
class Slice:
    """A part of a table that some of its columns' values single out.

    Attributes:
        name: As a metric's slice, for example ``age=60+, sex=1``.
        rows: Which rows are in it, shape (n,), truth values.
        inside: The mean of the values within it.
        outside: Their mean elsewhere.
        gap: The 95 % interval of inside less outside, adjusted for all slices that were looked at.
    """

    name: str
    rows: np.ndarray
    inside: float
    outside: float
    gap: Interval


@dataclass(frozen=True)
class _Part:
    """One or two columns, each from one of its levels to another."""

    bounds: tuple[tuple[Levels, int, int], ...]

    @property
    def name(self) -> str:
        return ", ".join(sorted(levels.name(first, last) for levels, first, last in self.bounds))

    def rows(self) -> np.ndarray:
        import numpy as np

        parts = [(levels.codes >= first) & (levels.codes <= last) for levels, first, last in self.bounds]
        found: np.ndarray = np.logical_and.reduce(parts)
        return found


@dataclass(frozen=True)
class _Search:
    """Parts that were looked at, by the number, the sum and the sum of squares of the values within each.

    Attributes:
        parts: The parts.
        sums: Shape (3, parts).
        parents: Of a part of two columns, the same for the parts of one column that it lies in, shape (3, parts, 2).
        times: How often each counts, if it stands for others that were not looked at.
    """

    parts: Sequence[_Part]
    sums: np.ndarray
    parents: np.ndarray | None = None
    times: float = 1.0


@dataclass(frozen=True)
class _Means:
    """How means are compared: whether they are shares, and what is known of all rows."""

    are_shares: bool
    total: np.ndarray
    tolerance: float

    @property
    def spread(self) -> float:
        """The variance of all values."""
        n, total, squares = self.total.tolist()
        return float(max(squares - total**2 / n, 0.0) / max(n - 1, 1))

    def gaps(self, one: np.ndarray, other: np.ndarray, tail: float) -> tuple[np.ndarray, np.ndarray]:
        """The ends of the intervals of the means of these rows less those of others; every side has rows."""
        if self.are_shares:
            return intervals.gaps_of_proportions((one[1], one[0]), (other[1], other[0]), tail)
        return intervals.gaps_of_means(one, other, self.spread, tail)


def find_slices(
    table: pd.DataFrame,
    columns: Sequence[str],
    values: np.ndarray,
    *,
    tolerance: float = 0.0,
    least: int = 50,
    depth: int = 2,
    most: int = 20,
) -> list[Slice]:
    """Slices where the mean of ``values`` is higher than elsewhere by more than ``tolerance``, the worst first.

    The worst is the one whose gap has the largest lower end.

    Args:
        table: The rows.
        columns: The columns that slices may be made of.
        values: What is worse when it is larger, one finite number a row: an error (0 or 1), a loss, a difference of
            two models.
        tolerance: The gap that does not matter.
        least: How many rows a slice has at least; at most it has half of them.
        depth: How many columns a slice is made of at most, 1 or 2.
        most: How many slices are returned at most.
    """
    import numpy as np

    values = np.asarray(values, dtype=float)
    are_shares = bool(((values == 0) | (values == 1)).all())
    means = _Means(are_shares, np.array([len(values), values.sum(), (values**2).sum()]), tolerance)
    searches = [_singles([levels_of(table[name], _FINE, least) for name in columns], values, means, least)]
    if depth > 1:
        searches.append(_pairs([levels_of(table[name], _COARSE, least) for name in columns], values, means, least))
    worse = [slice for search in searches for slice in _worse(search, means, intervals.TAIL / len(searches))]
    worse.sort(key=lambda found: (-found[1].low, len(found[0].bounds), found[0].name))
    return _distinct(worse[:_COMPARED], values, means, least, most)


def _sums(values: np.ndarray, codes: np.ndarray, size: int, are_shares: bool) -> np.ndarray:
    """How many values there are of each code, their sum, and that of their squares: shape (3, size)."""
    import numpy as np

    total = np.bincount(codes, values, size)
    squares = total if are_shares else np.bincount(codes, values**2, size)
    return np.stack([np.bincount(codes, minlength=size), total, squares])[:, :size]


def _singles(columns: Sequence[Levels], values: np.ndarray, means: _Means, least: int) -> _Search:
    """The parts that one column singles out: a level, or neighbours among those that are ordered."""
    import numpy as np

    parts: list[_Part] = []
    sums = [np.empty((3, 0))]
    for levels in columns:
        of_level = _sums(values, levels.codes, levels.size, means.are_shares)
        ordered = len(levels.ranges)
        first, last = np.triu_indices(ordered)
        others = np.arange(ordered, levels.size)
        # Sums over neighbours are differences of sums from the first level on.
        upto = np.cumsum(np.concatenate([np.zeros((3, 1)), of_level[:, :ordered]], axis=1), axis=1)
        of_part = np.concatenate([upto[:, last + 1] - upto[:, first], of_level[:, others]], axis=1)
        first, last = np.concatenate([first, others]), np.concatenate([last, others])
        enough = (of_part[0] >= least) & (of_part[0] <= means.total[0] / 2)
        sums.append(of_part[:, enough])
        parts += [_Part(((levels, i, j),)) for i, j in zip(first[enough].tolist(), last[enough].tolist(), strict=True)]
    return _Search(parts, np.concatenate(sums, axis=1))


def _pairs(columns: Sequence[Levels], values: np.ndarray, means: _Means, least: int) -> _Search:
    """The parts that two columns single out: a level of the one within a level of the other."""
    import numpy as np

    columns = [levels for levels in columns if levels.size > 1]
    pairs = len(columns) * (len(columns) - 1) // 2
    telling = sorted(columns, key=lambda levels: (-_told(levels, values, means), levels.column))[:_COMBINED]
    parts: list[_Part] = []
    sums, parents = [np.empty((3, 0))], [np.empty((3, 0, 2))]
    for place, one in enumerate(telling):
        for other in telling[:place]:
            width = other.size + 1
            codes = one.codes * width + other.codes
            cells = _sums(values, codes, (one.size + 1) * width, means.are_shares).reshape(3, one.size + 1, width)
            of_one, of_other = cells.sum(axis=2), cells.sum(axis=1)
            n = cells[0, :-1, :-1]
            i, j = np.nonzero((n >= least) & (n <= means.total[0] / 2))
            sums.append(cells[:, i, j])
            parents.append(np.stack([of_one[:, i], of_other[:, j]], axis=2))
            parts += [_Part(((one, a, a), (other, b, b))) for a, b in zip(i.tolist(), j.tolist(), strict=True)]
    combined = len(telling) * (len(telling) - 1) // 2
    return _Search(
        parts, np.concatenate(sums, axis=1), np.concatenate(parents, axis=1), pairs / combined if combined else 1.0
    )


def _told(levels: Levels, values: np.ndarray, means: _Means) -> float:
    """How far the means of a column's levels lie apart, as the squares between levels."""
    import numpy as np

    n, total, _ = _sums(values, levels.codes, levels.size + 1, means.are_shares)
    return round(float((total**2 / np.maximum(n, 1)).sum()), 9)


def _worse(search: _Search, means: _Means, tail: float) -> list[tuple[_Part, Interval]]:
    """The parts whose mean is higher than elsewhere by more than the tolerance, with the interval of the gap."""
    import numpy as np

    if not search.parts:
        return []
    tail /= len(search.parts) * search.times
    sums, rest = search.sums, means.total[:, None] - search.sums
    low, high = means.gaps(sums, rest, tail)
    worse = low > means.tolerance
    if search.parents is not None:
        for which in range(2):
            parent = search.parents[:, :, which]
            worse &= ~_is_its_parent(sums, parent, means, tail)
    return [
        (search.parts[i], Interval(float(low[i]), float(high[i]), intervals.LEVEL, _METHOD))
        for i in np.flatnonzero(worse).tolist()
    ]


def _is_its_parent(sums: np.ndarray, parent: np.ndarray, means: _Means, tail: float) -> np.ndarray:
    """Which parts are not clearly worse than the rest of the part that they lie in, which is worse itself."""
    import numpy as np

    rest, outside = parent - sums, means.total[:, None] - parent
    found: np.ndarray = np.zeros(sums.shape[1], bool)
    able = outside[0] > 0
    found[able] = means.gaps(parent[:, able], outside[:, able], tail)[0] > means.tolerance
    able = found & (rest[0] > 0)
    found[able] = means.gaps(sums[:, able], rest[:, able], tail)[0] <= 0
    return found


def _distinct(
    worse: Sequence[tuple[_Part, Interval]], values: np.ndarray, means: _Means, least: int, most: int
) -> list[Slice]:
    """One after the other, those that are not one of the slices before seen again."""
    import numpy as np

    found: list[Slice] = []
    left = np.ones(len(values), bool)
    tail = _ONE_TEST / max(len(worse), 1)

    def differ(one: np.ndarray, other: np.ndarray) -> bool:
        if min(int(one.sum()), int(other.sum())) < least / 2:
            return False
        return bool(means.gaps(_of(values[one]), _of(values[other]), tail)[0][0] > means.tolerance)

    for part, gap in worse:
        rows = part.rows()
        elsewhere = not found or differ(rows & left, ~rows & left)
        within = [slice.rows for slice in found if int((slice.rows & rows).sum()) >= _MOST_OF * int(rows.sum())]
        is_worse_within = bool(within) and all(differ(rows & other, other & ~rows) for other in within)
        if (elsewhere or is_worse_within) and not any(_alike(rows, slice.rows) for slice in found):
            name = part.name
            if name not in (other.name for other in found):
                found.append(Slice(name, rows, float(values[rows].mean()), float(values[~rows].mean()), gap))
                left &= ~rows
        if len(found) == most:
            break
    return found


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    return bool((one & other).sum() >= _MOST_OF * (one | other).sum())


def _of(values: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.array([[len(values)], [values.sum()], [(values**2).sum()]])
