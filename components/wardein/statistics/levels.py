# SPDX-License-Identifier: Apache-2.0
"""The values of a table's column in few levels: its categories, a number's quantiles, and what is missing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.statistics.outcomes import slice_value, text_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# A column's most frequent categories are levels; so are a number's values, if there are no more than these.
_CATEGORIES, _NUMBERS = 50, 10
_MISSING = "missing"


@dataclass(frozen=True)
class Levels:
    """A column in levels.

    Attributes:
        column: Its name, as a part of a metric's slice.
        ranges: For each ordered level where it starts and ends, empty without end; these levels come first, and
            ascend. The two are equal where a level is a single number.
        names: The names of all other levels.
        codes: For each row its level, counted over both; the number of all levels for what is in none.
    """

    column: str
    ranges: tuple[tuple[str, str], ...]
    names: tuple[str, ...]
    codes: np.ndarray

    @property
    def size(self) -> int:
        """How many levels there are."""
        return len(self.ranges) + len(self.names)

    def name(self, first: int, last: int) -> str:
        """These two levels and those between them, as a metric's slice: ``age=28 to <37``."""
        if first >= len(self.ranges):
            return f"{self.column}={self.names[first - len(self.ranges)]}"
        start, end = self.ranges[first][0], self.ranges[last][1]
        if not start or not end:
            return f"{self.column}={start}+" if start else f"{self.column}=<{end}"
        single = self.ranges[first][0] == self.ranges[first][1]
        if single:
            return f"{self.column}={start}" if first == last else f"{self.column}={start} to {end}"
        return f"{self.column}={start} to <{end}"


def levels_of(column: pd.Series, bins: int, least: int) -> Levels:
    """A column in levels.

    Args:
        column: It.
        bins: Into how many quantiles a number is cut.
        least: Categories of fewer rows are no levels.
    """
    import numpy as np
    from pandas.api.types import is_bool_dtype, is_complex_dtype, is_numeric_dtype

    name = slice_value(str(column.name))
    if not is_numeric_dtype(column) or is_bool_dtype(column) or is_complex_dtype(column):
        return _categories(name, column, least)
    numbers = column.to_numpy(dtype=float, na_value=np.nan)
    known = ~np.isnan(numbers)
    values, counts = np.unique(numbers[known], return_counts=True)
    if len(values) <= _NUMBERS:
        ranges = tuple((text_of(value), text_of(value)) for value in values.tolist())
        codes = np.searchsorted(values, numbers)
    else:
        cuts = _cuts(values, counts, bins)
        ends = [text_of(cut) for cut in cuts.tolist()]
        ranges = tuple(zip(["", *ends], [*ends, ""], strict=True))
        codes = np.searchsorted(cuts, numbers, side="right")
    names = () if known.all() else (_MISSING,)
    return Levels(name, ranges, names, np.where(known, codes, len(ranges)))


def _cuts(values: np.ndarray, counts: np.ndarray, bins: int) -> np.ndarray:
    """Where to cut a number with many values, so that a value that many rows share has a level of its own."""
    import numpy as np

    below = np.cumsum(counts)
    at = np.searchsorted(below, below[-1] * np.arange(1, bins) / bins)
    low, high = values[at[0]], values[at[-1]]
    # A hundredth of what lies between is enough for people, and leaves whole numbers whole.
    spread = high - low if 0 < high - low < math.inf else 0.0
    quantiles = [
        round(cut, max(0, 2 - math.floor(math.log10(spread)))) if spread else cut for cut in values[at].tolist()
    ]
    shared = np.flatnonzero(counts >= below[-1] / bins)
    after = shared[shared + 1 < len(values)] + 1
    cuts = np.unique(np.concatenate([quantiles, values[shared], values[after]]))
    # A cut at or below the smallest value, or above the largest one, cuts nothing off.
    found: np.ndarray = cuts[(cuts > values[0]) & (cuts <= values[-1]) & np.isfinite(cuts)]
    return found


def _categories(name: str, column: pd.Series, least: int) -> Levels:
    import numpy as np
    import pandas as pd

    given = column.astype(object)
    try:
        codes, values = pd.factorize(given)
    except TypeError:  # in Parquet, cells may be lists
        codes, values = pd.factorize(given.map(str, na_action="ignore"))
    # Values that are written alike are one level; the code -1, the last place, means missing.
    texts = [slice_value(text_of(value)) or "empty" for value in values] + [_MISSING]
    places, names = pd.factorize(pd.Series(texts, dtype=object))
    codes = places[codes]
    counts = np.bincount(codes, minlength=len(names)).tolist()
    frequent = sorted((i for i in range(len(names)) if counts[i] >= least), key=lambda i: (-counts[i], str(names[i])))
    kept = frequent[:_CATEGORIES]
    place = np.full(len(names), len(kept))
    place[kept] = np.arange(len(kept))
    return Levels(name, (), tuple(str(names[i]) for i in kept), place[codes])
