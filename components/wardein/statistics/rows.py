# SPDX-License-Identifier: Apache-2.0
"""Rows that a table holds twice, and rows that two tables have in common, also where an identifier sets them apart.

Whoever repeats rows, or tests on rows of the training data, can give each copy a new identifier or shift one of its
numbers a little, and no two rows are equal. So a column that alone tells the rows of the reference apart is weak
evidence that two rows differ, and the columns are parted by what they do in the reference:

* *telling* columns hold another value in 99 of 100 rows or more: identifiers, times, fine measurements;
* *plain* columns are all others.

Two rows are the same if they agree in all plain columns and these tell 99 of 100 rows of the reference apart; or if
they agree in all plain columns and in two telling ones at least; or in every column. By the same bar of 99 in 100,
rows that only happen to agree are few in tables that were drawn alike.

Cells are compared by 64-bit hashes of what they would be in CSV: by chance, one pair among a million rows in each table
is taken for equal once in ten million times.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

TELLING = 0.99
_MISSING, _LARGEST_EXACT = 0x9E3779B97F4A7C15, 2**53


def repeated_fraction(table: pd.DataFrame, reference: pd.DataFrame | None = None) -> float:
    """The share of rows that are the same as an earlier row of the table.

    Args:
        table: The table.
        reference: A table of the same kind, to know its telling columns by; without it, only rows that agree in every
            column are the same.
    """
    import numpy as np
    import pandas as pd

    every, plain, telling = _parted(table, table if reference is None else reference, table)
    same = pd.Series(every).duplicated().to_numpy()
    if reference is None:
        return float(same.mean())
    if telling is None:
        return float(pd.Series(plain).duplicated().mean())
    pairs = []
    for name in telling:
        cells = hashed(table[name])
        _, first, place = np.unique(cells, return_index=True, return_inverse=True)
        pairs.append(_agreeing(np.arange(len(table)), first[place], cells, plain, plain))
    return float((same | _twice(pairs, len(table))).mean())


def common_fraction(table: pd.DataFrame, reference: pd.DataFrame) -> float:
    """The share of a table's rows that are the same as a row of the reference, in the columns that both have."""
    import numpy as np

    every, plain, telling = _parted(table, reference, table)
    every_known, plain_known, _ = _parted(reference, reference, table)
    if telling is None:
        return float(np.isin(plain, plain_known).mean())
    pairs = []
    for name in telling:
        cells, known = hashed(table[name]), hashed(reference[name])
        order = np.argsort(known, kind="stable")
        place = np.minimum(np.searchsorted(known, cells, sorter=order), len(known) - 1)
        nearest = order[place]
        rows = np.flatnonzero(known[nearest] == cells)
        pairs.append(_agreeing(rows, nearest[rows], cells, plain, plain_known))
    return float((np.isin(every, every_known) | _twice(pairs, len(table))).mean())


def hashed(column: pd.Series) -> np.ndarray:
    """A 64-bit hash of each cell, the same for what would be the same in CSV.

    A number is known by its value, whether it is stored as a number or as text: a whole one exactly, another one to the
    seven digits of single precision. Text is known without the spaces around it. Missing cells are all the same.
    """
    import numpy as np
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        large = column.abs().gt(_LARGEST_EXACT).fillna(False).to_numpy(dtype=bool)
        if not large.any():
            return _hashed_numbers(column.to_numpy(dtype=float, na_value=np.nan))
    codes, values = pd.factorize(_hashable(column))
    texts = pd.Series([_text(value) for value in values], dtype=object)
    numbers = pd.to_numeric(texts.where(texts.str.len() <= 300), errors="coerce").to_numpy(dtype=float)
    numbers[~np.isfinite(numbers) | (np.abs(numbers) > _LARGEST_EXACT)] = np.nan
    hashes = np.where(
        np.isnan(numbers), pd.util.hash_array(texts.to_numpy(), categorize=False), _hashed_numbers(numbers)
    )
    hashes[(texts == "").to_numpy()] = _MISSING
    # The last one stands for the code -1, which means missing.
    return np.append(hashes, np.uint64(_MISSING))[codes]


def _hashed_numbers(numbers: np.ndarray) -> np.ndarray:
    import numpy as np
    import pandas as pd

    with np.errstate(over="ignore", invalid="ignore"):
        rounded = numbers.astype(np.float32).astype(float)
        exact = np.where(numbers == np.floor(numbers), numbers, np.where(np.isfinite(rounded), rounded, numbers))
    hashes: np.ndarray = pd.util.hash_array(exact + 0.0)  # plus zero: there is one zero only
    hashes[np.isnan(numbers)] = _MISSING
    return hashes


def _hashable(column: pd.Series) -> pd.Series:
    """Parquet knows cells that are lists or arrays."""
    try:
        column.map(hash)
    except TypeError:
        return column.map(str, na_action="ignore")
    return column.astype(object)


def _text(value: object) -> str:
    text = str(value).strip().removesuffix(" 00:00:00")
    return text.lower() if text.lower() in ("true", "false") else text


def _parted(
    table: pd.DataFrame, reference: pd.DataFrame, other: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray, list[str] | None]:
    """A table's rows in all columns and in the plain ones; and the telling columns, if those are needed."""
    import numpy as np
    import pandas as pd

    names = sorted(name for name in reference.columns if name in other.columns)
    every, plain = np.zeros(len(table), np.uint64), np.zeros(len(table), np.uint64)
    plain_known = np.zeros(len(reference), np.uint64)
    telling = []
    for name in names:
        known = hashed(reference[name])
        cells = known if table is reference else hashed(table[name])
        part = _salted(cells, name)
        every += part
        if len(pd.unique(known)) >= TELLING * len(known):
            telling.append(name)
        else:
            plain += part
            plain_known += part if table is reference else _salted(known, name)
    tells = len(pd.unique(plain_known)) >= TELLING * len(plain_known)
    return every, plain, None if tells else telling


def _salted(cells: np.ndarray, name: str) -> np.ndarray:
    """The cells of one column, mixed with its name, so that sums over columns keep them apart."""
    import numpy as np
    import pandas as pd

    salted: np.ndarray = pd.util.hash_array(cells ^ np.uint64(zlib.crc32(name.encode()) << 16))
    return salted


def _agreeing(
    rows: np.ndarray, others: np.ndarray, cells: np.ndarray, plain: np.ndarray, plain_known: np.ndarray
) -> np.ndarray:
    """The pairs of rows, each as one number, that agree in a telling column, by a value, and in all plain columns."""
    import numpy as np

    fits = (cells[rows] != np.uint64(_MISSING)) & (plain[rows] == plain_known[others])
    fits &= (rows != others) if plain is plain_known else True
    pairs: np.ndarray = rows[fits].astype(np.uint64) * np.uint64(len(plain_known)) + others[fits].astype(np.uint64)
    return pairs


def _twice(pairs: list[np.ndarray], rows: int) -> np.ndarray:
    ...
