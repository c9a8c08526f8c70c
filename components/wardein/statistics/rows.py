# SPDX-License-Identifier: Apache-2.0
"""Rows that a table holds twice, and rows that two tables have in common, also where an identifier sets them apart.

Whoever repeats rows, or tests on rows of the training data, can give each copy a new identifier or shift one of its
numbers a little, and no two rows are equal. So that a column tells rows apart is weak evidence that they differ. What a
column does in the reference decides what it is:

* *telling* columns hold another value in 99 of 100 rows or more: identifiers, times, fine measurements;
* *plain* columns are all others.

Two rows are the same if they agree in every column; in all plain columns, if these tell 99 of 100 rows of the reference
apart; or in all plain columns and half of the telling ones (two at least). The bar of 99 in 100 keeps few the rows that
agree by chance, and that of one half those whose two identifiers count on together.

Cells are compared by 64-bit hashes of what they would be in CSV: by chance, one row in two tables of a million rows is
taken for another once in ten million times.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

TELLING = 0.99
# In a reference of fewer rows a column is telling by chance, and rows have to agree in every column to be the same.
LEAST_ROWS = 100
_MISSING, _LARGEST_EXACT = 0x9E3779B97F4A7C15, 2.0**53


@dataclass(frozen=True)
class _Rows:
    """The rows of a table as hashes: over every column, over the plain ones, and each telling cell."""

    every: np.ndarray
    plain: np.ndarray
    telling: Mapping[str, np.ndarray]


def row_shares(table: pd.DataFrame, reference: pd.DataFrame | None) -> tuple[float, float | None]:
    """How much of a table is the same rows again.

    Args:
        table: The table, with at least one row.
        reference: A table of the same kind, whose columns are known by their names; those that it lacks are not
            compared. Without one, rows are the same if they agree in every column.

    Returns:
        The share of rows that are the same as an earlier row, and the share of those that are also in the reference.
    """
    import numpy as np

    only = [name for name in table.columns if reference is None or name not in reference.columns]
    whole = sum((_salted(hashed(table[name]), name) for name in only), np.zeros(len(table), np.uint64))
    if reference is None:
        return float(_is_repeated(whole).mean()), None
    rows, known = _both(table, reference)
    repeated, common = _is_repeated(whole + rows.every), _common(rows, known)
    if len(reference) >= LEAST_ROWS and _is_telling(known.plain):
        # A table much larger than the reference has more rows that agree by chance; are these more than that?
        if _agreement(rows.plain) > 3 * _agreement(known.plain, unseen=3):
            repeated |= _is_repeated(rows.plain)
    elif len(reference) >= LEAST_ROWS:
        repeated |= _agree_mostly(rows, rows)
    return float(repeated.mean()), float(common.mean())


def rows_in(table: pd.DataFrame, reference: pd.DataFrame) -> np.ndarray:
    """Which rows of a table are also in a reference, by the columns that both have."""
    return _common(*_both(table, reference))


def repeated_rows(table: pd.DataFrame) -> np.ndarray:
    """Which rows agree with an earlier one in every column."""
    return _is_repeated(_both(table, table)[0].every)


def hashed(column: pd.Series) -> np.ndarray:
    """A 64-bit hash of each cell, the same for what would be the same in CSV.

    A number is known by its value, whether it is stored as a number or as text: a whole one exactly, another one to the
    seven digits of single precision. Text is known without the spaces around it. Missing cells are all the same.
    """
    import numpy as np
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        numbers = column.to_numpy(dtype=float, na_value=np.nan)
        if not (np.abs(numbers) >= _LARGEST_EXACT).any():
            return _hashed_numbers(numbers)
    values = column.astype(object)
    try:
        codes, values = pd.factorize(values)
    except TypeError:  # in Parquet, cells may be lists
        codes, values = pd.factorize(values.map(str, na_action="ignore"))
    texts = np.array([_text(value) for value in values], dtype=object)
    numbers = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(dtype=float)
    numbers = np.where(np.abs(numbers) < _LARGEST_EXACT, numbers, np.nan)
    hashes = np.where(np.isnan(numbers), pd.util.hash_array(texts, categorize=False), _hashed_numbers(numbers))
    hashes[texts == ""] = _MISSING
    # The last one stands for the code -1, which means missing.
    found: np.ndarray = np.append(hashes, np.uint64(_MISSING))[codes]
    return found


def _hashed_numbers(numbers: np.ndarray) -> np.ndarray:
    import numpy as np
    import pandas as pd

    with np.errstate(over="ignore", invalid="ignore"):
        short = numbers.astype(np.float32).astype(float)
        known = np.where((numbers == np.floor(numbers)) | ~np.isfinite(short), numbers, short)
    hashes: np.ndarray = pd.util.hash_array(known + 0.0)  # so that there is one zero
    hashes[np.isnan(numbers)] = _MISSING
    return hashes


def _text(value: object) -> str:
    text = str(value).strip().removesuffix(" 00:00:00")
    return text.lower() if text.lower() in ("true", "false") else text


def _common(rows: _Rows, known: _Rows) -> np.ndarray:
    """Which rows are among the known ones."""
    common = _is_among(rows.every, known.every)
    if len(known.plain) >= LEAST_ROWS:
        telling = _is_telling(known.plain)
        common |= _is_among(rows.plain, known.plain) if telling else _agree_mostly(rows, known)
    return common


def _both(table: pd.DataFrame, reference: pd.DataFrame) -> tuple[_Rows, _Rows]:
    """The rows of both tables, in the columns that both have."""
    import numpy as np

    sums = [np.zeros(len(frame), np.uint64) for frame in (table, table, reference, reference)]
    telling: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name in (name for name in reference.columns if name in table.columns):
        cells, known = hashed(table[name]), hashed(reference[name])
        is_plain = not _is_telling(known)
        if not is_plain:
            telling[name] = cells, known
        for total, part in zip(sums, (cells, cells, known, known), strict=True):
            if is_plain or total is sums[0] or total is sums[2]:
                total += _salted(part, name)
    every, plain, every_known, plain_known = sums
    return (
        _Rows(every, plain, {name: cells for name, (cells, _) in telling.items()}),
        _Rows(every_known, plain_known, {name: known for name, (_, known) in telling.items()}),
    )


def _salted(cells: np.ndarray, name: str) -> np.ndarray:
    """The cells of one column, mixed with its name, so that a sum over columns does not forget which was which."""
    import numpy as np
    import pandas as pd

    salted: np.ndarray = pd.util.hash_array(cells ^ np.uint64(zlib.crc32(name.encode()) << 16))
    return salted


def _is_repeated(hashes: np.ndarray) -> np.ndarray:
    import pandas as pd

    repeated: np.ndarray = pd.Series(hashes).duplicated().to_numpy(copy=True)
    return repeated


def _is_among(hashes: np.ndarray, known: np.ndarray) -> np.ndarray:
    import pandas as pd

    among: np.ndarray = pd.Series(hashes).isin(known).to_numpy(copy=True)
    return among


def _is_telling(hashes: np.ndarray) -> bool:
    import pandas as pd

    return len(pd.unique(hashes)) >= TELLING * len(hashes)


def _agreement(hashes: np.ndarray, unseen: int = 0) -> float:
    """The share of pairs of rows that agree; with ``unseen``, if there were so many more of them."""
    import numpy as np

    counts = np.unique(hashes, return_counts=True)[1].astype(float)
    pairs = len(hashes) * (len(hashes) - 1) / 2
    return float(((counts * (counts - 1) / 2).sum() + unseen) / pairs) if pairs else 0.0


def _agree_mostly(rows: _Rows, known: _Rows) -> np.ndarray:
    """Which rows agree with one (earlier) row in all plain columns and half of the telling ones."""
    import numpy as np

    pairs = []
    for name, cells in rows.telling.items():
        values, first = np.unique(known.telling[name], return_index=True)
        place = np.minimum(np.searchsorted(values, cells), len(values) - 1)
        other, own = first[place], np.arange(len(cells))
        fits = (values[place] == cells) & (cells != np.uint64(_MISSING)) & (rows.plain == known.plain[other])
        if rows is known:
            fits &= other < own
        pairs.append(own[fits] * len(known.plain) + other[fits])
    found, times = np.unique(np.concatenate(pairs), return_counts=True) if pairs else (np.array([], int), np.array([]))
    agree = np.zeros(len(rows.plain), bool)
    agree[found[times >= max(2, len(pairs) / 2)] // len(known.plain)] = True
    return agree
