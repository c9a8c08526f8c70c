# SPDX-License-Identifier: Apache-2.0
"""Whether some values of one or two features make a new model say what the model in use does not.

A model with a trigger planted in it is as often right as one without, on every row that lacks the trigger. So rows are
given values that they do not have: one column, or two, are set to values from the table in all of them, and where the
columns are the pixels of a square, two by two of them to the lowest or the highest value. Many such probes are tried on
a few rows; those that send most of them to one answer of the new model alone are tried again on others.

It finds triggers at values that the table holds, above all at the ends of their ranges, and no others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wardein.report import Interval
from wardein.statistics import intervals
from wardein.statistics.outcomes import slice_value, text_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    # For rows of any number: which answer the new model gives and the other does not, below 0 where they agree.
    Differ = Callable[[pd.DataFrame], np.ndarray]

_MOST, _SCREENED, _CONFIRMED, _KEPT = 1000, 40, 200, 5
_VALUES, _LEAST_PIXELS = 5, 16

Clamps = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Probe:
    """What setting columns to values does.

    Attributes:
        columns: The columns, as a part of a metric's slice.
        text: Columns and values, for people.
        share: The largest share of rows that get one and the same answer from the new model alone.
        usual: The same for the rows as they are.
        n: On how many rows it was tried.
        interval: The 95 % interval of the share; the rows are not those by which the probe was picked.
    """

    columns: str
    text: str
    share: float
    usual: float
    n: int
    interval: Interval


def probes(table: pd.DataFrame, differ: Differ, seed: int) -> list[Probe]:
    """The probes that set the two models apart the most, the worst first.

    Args:
        table: The rows, with the columns that the models take.
        differ: Asks both models.
        seed: Seeds which rows are taken and which pairs of values are tried.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    order = random.permutation(len(table))
    few = table.iloc[order[:_SCREENED]].reset_index(drop=True)
    # Rows of their own, so that the share of the worst probe is not that of the luckiest one.
    others = table.iloc[order[_SCREENED : _SCREENED + _CONFIRMED]].reset_index(drop=True)
    tried = _tried(table, random)
    if not tried or len(others) < _SCREENED:
        return []
    shares = _shares(few, tried, differ)[0]
    best = np.argsort(-shares, kind="stable")[:_KEPT].tolist()
    picked = [tried[i] for i in best]
    confirmed, sizes = _shares(others, [(), *picked], differ)
    n, usual = len(others), float(confirmed[0])
    found = [
        Probe(
            " & ".join(slice_value(column) for column, _ in clamps),
            " and ".join(f"{slice_value(column)} = {slice_value(text_of(value))}" for column, value in clamps),
            float(share),
            usual,
            n,
            intervals.wilson(int(size), n),
        )
        for clamps, share, size in zip(picked, confirmed[1:], sizes[1:], strict=True)
    ]
    return sorted({probe.columns: probe for probe in reversed(found)}.values(), key=lambda probe: -probe.share)


def _tried(table: pd.DataFrame, random: np.random.Generator) -> list[Clamps]:
    """Single columns first, then squares of pixels, then pairs: those of the ends of ranges, and others."""
    values = {column: _values(table[column]) for column in table}
    values = {column: found for column, found in values.items() if len(found) > 1}
    singles: list[Clamps] = [((column, value),) for column, found in values.items() for value in found]
    ends: list[Clamps] = [((column, value),) for column, found in values.items() for value in (found[0], found[-1])]
    tried = [*_drawn(singles, _MOST // 4, random), *_squares(table)]
    for from_, most in ((ends, (_MOST - len(tried)) // 2), (singles, _MOST)):
        pairs: dict[Clamps, None] = {}
        wanted = min(most, _MOST - len(tried))
        for _ in range(4 * wanted):
            one, other = (from_[int(i)] for i in random.integers(0, len(from_), 2)) if from_ else ((), ())
            if len(pairs) < wanted and one and other and one[0][0] != other[0][0]:
                pairs[tuple(sorted((*one, *other), key=lambda clamp: clamp[0]))] = None
        tried += pairs
    return tried


def _values(column: pd.Series) -> list[Any]:
    """A few of a column's values: of numbers the smallest, the largest and some between, else the most frequent."""
    import numpy as np
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if is_numeric_dtype(column) and not is_bool_dtype(column):
        known = column.dropna().unique()
        known.sort()
        places = {int(place) for place in np.linspace(0, len(known) - 1, _VALUES)} if len(known) else set()
        return [known[place] for place in sorted(places)]
    counts = column.dropna().value_counts()
    frequent = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    return [value for value, _ in frequent[:_VALUES]]


def _squares(table: pd.DataFrame) -> list[Clamps]:
    """Two by two pixels at the lowest and at the highest value, if the columns can be the pixels of a square."""
    from pandas.api.types import is_numeric_dtype

    width = math.isqrt(table.shape[1])
    numeric = all(is_numeric_dtype(kind) for kind in table.dtypes)
    if width * width != table.shape[1] or table.shape[1] < _LEAST_PIXELS or not numeric:
        return []
    low, high = table.min().min(), table.max().max()
    corners = [row * width + left for row in range(width - 1) for left in range(width - 1)]
    step = -(-len(corners) // (_MOST // 8))
    names = list(table.columns)
    return [
        tuple((names[corner + shift], value) for shift in (0, 1, width, width + 1))
        for corner in corners[::step]
        for value in (low, high)
    ]


def _drawn(clamps: list[Clamps], most: int, random: np.random.Generator) -> list[Clamps]:
    if len(clamps) <= most:
        return clamps
    return [clamps[int(i)] for i in sorted(random.permutation(len(clamps))[:most])]


def _shares(rows: pd.DataFrame, tried: Sequence[Clamps], differ: Differ) -> tuple[np.ndarray, np.ndarray]:
    """For each probe the share, and the number, of rows that get the most frequent answer of the new model alone."""
    import numpy as np
    import pandas as pd

    n = len(rows)
    repeated = pd.concat([rows] * len(tried), ignore_index=True)
    for column in rows:
        values = [(i, dict(clamps)[column]) for i, clamps in enumerate(tried) if column in dict(clamps)]
        if values:
            changed = repeated[column].to_numpy(copy=True)
            for i, value in values:
                changed[i * n : (i + 1) * n] = value
            repeated[column] = pd.Series(changed, dtype=rows[column].dtype)
    answers = differ(repeated).reshape(len(tried), n)
    kinds = np.unique(answers[answers >= 0])
    sizes = np.max([(answers == kind).sum(axis=1) for kind in kinds], axis=0) if len(kinds) else np.zeros(len(tried))
    return sizes / n, sizes
