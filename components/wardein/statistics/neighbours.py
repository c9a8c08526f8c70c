# SPDX-License-Identifier: Apache-2.0
"""Rows of a table that are in a reference as well, though not to the last digit.

Two rows are nearly the same if they differ in one number only, or in every number by no more than a hundredth of its
standard deviation in the reference. In coarse tables many rows are so by chance. How many shows the reference, compared
with itself: where more than one of a hundred of its rows nearly agrees with another one, nothing is said.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.statistics.rows import LEAST_ROWS, TELLING, hashed, rows_in

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

TOLERANCE = 0.01
_LOOKED_AT = 20_000
# Further apart than any two numbers that are compared, in standard deviations.
_FAR = 1e6


@dataclass(frozen=True)
class Overlap:
    """Which rows of a table are in a reference as well.

    Attributes:
        same: Which rows are the same as one of the reference.
        near: Which others are nearly the same.
        twins: How many of the reference's rows are so of another one of it: what chance gives.
        among: Of how many that were looked at.
        tells: Whether rows can be nearly the same in what was compared without being so by chance.
    """

    same: np.ndarray
    near: np.ndarray
    twins: int
    among: int
    tells: bool


def overlap(table: pd.DataFrame, reference: pd.DataFrame) -> Overlap:
    """Compare two tables that have the same columns."""
    import numpy as np
    import pandas as pd

    reference = _with_numbers(reference, table)
    same = rows_in(table, reference)
    cells, known = _cells(table), _cells(reference)
    rows, whole = (sum(part.values(), np.zeros(len(next(iter(part.values()))), np.uint64)) for part in (cells, known))
    twins = pd.Series(whole).duplicated(keep=False).to_numpy(copy=True)
    # Rows are chosen by their hash, so that their order does not matter.
    looked_at = np.argsort(whole, kind="stable")[:_LOOKED_AT]
    near, tells = np.zeros(len(table), bool), False
    if len(reference) >= LEAST_ROWS:
        numbers = _numbers(reference)
        for name in numbers:
            without = whole - known[name]
            if len(pd.unique(without)) >= TELLING * len(without):
                tells = True
                near |= pd.Series(rows - cells[name]).isin(without).to_numpy()
                twins |= pd.Series(without).duplicated(keep=False).to_numpy()
        close = _close(table, reference, numbers, looked_at)
        if close is not None:
            tells = True
            near |= close[0]
            twins[looked_at] |= close[1]
    return Overlap(same, near & ~same, int(twins[looked_at].sum()), len(looked_at), tells)


def _with_numbers(reference: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The reference, with the table's numbers as numbers where it has them as text."""
    import pandas as pd

    numbers = {
        name: pd.to_numeric(reference[name], errors="coerce")
        for name in table.select_dtypes("number").columns.difference(reference.select_dtypes("number").columns)
    }
    complete = {name: numbers[name] for name in numbers if (numbers[name].isna() == reference[name].isna()).all()}
    return reference.assign(**complete)


def _cells(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """A hash of each cell, of each column in another way, so that their sum is one of the row."""
    import numpy as np
    import pandas as pd

    return {
        str(name): pd.util.hash_array(hashed(table[name]) ^ np.uint64(zlib.crc32(str(name).encode()) << 16))
        for name in table.columns
    }


def _numbers(table: pd.DataFrame) -> list[str]:
    """The columns that hold numbers of which more than two occur."""
    return [str(name) for name in table.select_dtypes("number") if table[name].nunique() > 2]


def _close(
    table: pd.DataFrame, reference: pd.DataFrame, numbers: list[str], looked_at: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Which rows differ from one of the reference in numbers only, and by little; None if that says nothing.

    And which of those rows of the reference that are looked at differ so from another one of it.
    """
    import numpy as np
    from scipy.spatial import cKDTree

    if not numbers:
        return None
    points, known = _points(table, reference, numbers)
    tree = cKDTree(known)
    beside, _ = tree.query(known[looked_at], k=2, p=np.inf, distance_upper_bound=TOLERANCE)
    twins = np.isfinite(beside[:, 1])
    if twins.mean() > 1 - TELLING:
        return None
    distance, _ = tree.query(points, p=np.inf, distance_upper_bound=TOLERANCE)
    return np.isfinite(distance), twins


def _points(table: pd.DataFrame, reference: pd.DataFrame, numbers: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Rows as points: numbers in standard deviations, and one coordinate for all else, far apart if it differs."""
    import numpy as np

    scale = np.nan_to_num(reference[numbers].astype(float).std().to_numpy(), nan=1.0)
    scale[scale == 0] = 1.0
    points, others = [], []
    for frame in (table, reference):
        scaled = frame[numbers].to_numpy(dtype=float, na_value=np.nan) / scale
        points.append(np.where(np.isfinite(scaled), scaled, _FAR))
        rest = _cells(frame[[name for name in frame.columns if name not in numbers]])
        others.append(sum(rest.values(), np.zeros(len(frame), np.uint64)))
    _, codes = np.unique(np.concatenate(others), return_inverse=True)
    apart = codes.reshape(-1) * _FAR
    return np.column_stack([points[0], apart[: len(table)]]), np.column_stack([points[1], apart[len(table) :]])
