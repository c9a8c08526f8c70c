# SPDX-License-Identifier: Apache-2.0
"""A model's columns in the plain form that guests know, and back: the model gets the types that the data have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wardein.errors import WardeinError

if TYPE_CHECKING:
    import pandas as pd

# A column of text is one of categories if it has few different values; else it is prose.
_FEW, _SHARE = 20, 0.05
# As where models are attacked: few different whole numbers are the codes of categories.
_CODES = 10


@dataclass(frozen=True)
class Columns:
    """What a model's columns are.

    Attributes:
        like: Rows with the columns in their own types.
        kinds: For each column ``numeric``, ``category`` or ``text``.
        known: For each column of something else than numbers and strings, its values by their text.
    """

    like: pd.DataFrame
    kinds: Mapping[str, str]
    known: Mapping[str, Mapping[str, Any]]

    def restored(self, plain: pd.DataFrame) -> pd.DataFrame:
        """Rows from a guest, in the model's order of columns and in the data's types.

        Raises:
            ValueError: If they are other columns.
            WardeinError: If a value has no place in its column.
        """
        import pandas as pd

        if set(plain.columns) != set(self.like.columns):
            raise ValueError("gives rows with other columns than the model's")
        return pd.DataFrame(
            {name: self.restored_column(name, plain[name]) for name in self.like.columns}, index=plain.index
        )

    def restored_column(self, name: str, values: pd.Series) -> pd.Series:
        """The same of one column.

        Raises:
            WardeinError: If a value has no place in it.
        """
        import pandas as pd
        from pandas.api.types import (
            is_bool_dtype,
            is_extension_array_dtype,
            is_float_dtype,
            is_integer_dtype,
            is_numeric_dtype,
        )

        kind = self.like[name].dtype
        if name in self.known:
            unknown = [text for text in values.dropna().unique() if text not in self.known[name]]
            if unknown:
                raise WardeinError(f"the column {name!r} has no value {str(unknown[0])[:60]!r}")
            return pd.Series([self.known[name].get(text) for text in values], index=values.index).astype(kind)
        if is_numeric_dtype(kind) and not is_numeric_dtype(values.dtype):
            raise WardeinError(f"the column {name!r} holds numbers, not text")
        if not is_numeric_dtype(kind):
            if is_numeric_dtype(values.dtype):
                raise WardeinError(f"the column {name!r} holds text, not numbers")
            return values.astype(kind)
        # An attack may put a fraction where the data have whole numbers or truth values: the model has to take it.
        whole = is_integer_dtype(kind) and not is_bool_dtype(values.dtype) and not _fractional(values.dropna())
        fits = whole and (is_extension_array_dtype(kind) or not values.isna().any())
        if is_float_dtype(kind) or fits or (is_bool_dtype(kind) and is_bool_dtype(values.dtype)):
            return values.astype(kind)
        return values


def columns_of(rows: pd.DataFrame) -> Columns:
    """What the columns of some rows are, by the values that they have."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    kinds, known = {}, {}
    for name in rows:
        values = rows[name].dropna()
        if is_numeric_dtype(values.dtype):
            kinds[name] = "category" if is_bool_dtype(values.dtype) or _coded(values) else "numeric"
            continue
        different = values.unique()
        few = len(different) <= max(_FEW, _SHARE * len(rows))
        kinds[name] = "category" if few else "text"
        if not all(isinstance(value, str) for value in different):
            known[name] = {str(value): value for value in different}
            kinds[name] = "category"
    return Columns(rows.iloc[:0], kinds, known)


def _coded(values: pd.Series) -> bool:
    """Whether a column's numbers stand for categories."""
    different = values.nunique()
    return bool(different <= 2 or (different <= _CODES and not _fractional(values)))


def _fractional(values: pd.Series) -> bool:
    return bool((values.astype(float) % 1 != 0).any())
