# SPDX-License-Identifier: Apache-2.0
"""Groups of people: how the rows of a table divide by sensitive attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.errors import WardeinError
from wardein.statistics.outcomes import MAX_LENGTH, slice_value, text_of
from wardein.tables import require_columns

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MAX_NUMBERS = 10
MAX_NAMES = 50
MAX_GROUPS = 500


@dataclass(frozen=True)
class Division:
    """The rows of a table, divided into groups.

    Attributes:
        attribute: What divides them: ``sex``, or ``sex & age`` for two attributes crossed.
        groups: The groups' names, each the slice of its metrics: ``sex=1``, or ``sex=1, age=60+``.
        codes: For each row its group, as an index into ``groups``.
    """

    attribute: str
    groups: tuple[str, ...]
    codes: np.ndarray


def divide(
    table: pd.DataFrame, sensitive: Sequence[str], bins: Mapping[str, str], *, crossed: bool
) -> tuple[Division, ...]:
    """Divide a table by each sensitive attribute and, if asked for, by all of them together.

    Raises:
        WardeinError: If a column is missing, has missing values, or too many values to be groups.
    """
    for name in bins:
        if name not in sensitive:
            raise WardeinError(f"{name!r} is not a sensitive attribute", where="--bins", mend="name it in --sensitive")
    require_columns(table, list(sensitive), "--data")
    single = tuple(_division(table[name], bins.get(name)) for name in sensitive)
    return (*single, _cross(single)) if crossed and len(single) > 1 else single


def name_of(group: str) -> str:
    """A group's name as a user wrote it, in the spacing that metrics use."""
    return ", ".join(part.strip() for part in group.split(","))


def _division(column: pd.Series, cuts: str | None) -> Division:
    missing = int(column.isna().sum())
    if missing:
        raise WardeinError(
            f"the sensitive column {column.name!r} has {missing} missing values",
            where="--data",
            mend="give missing values a name of their own, for example 'unknown', or leave the rows out",
        )
    attribute = slice_value(str(column.name))
    if cuts is not None:
        codes, names = _binned(column, _cuts(str(column.name), cuts))
    else:
        codes, names = _named(column)
    return Division(attribute, tuple(f"{attribute}={name}" for name in names), codes)


def _binned(column: pd.Series, cuts: Sequence[float]) -> tuple[np.ndarray, list[str]]:
    import numpy as np
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if not is_numeric_dtype(column) or is_bool_dtype(column):
        raise WardeinError(f"the column {column.name!r} does not hold numbers", where="--bins", mend="leave it out")
    ends = [text_of(cut) for cut in cuts]
    names = [f"<{ends[0]}", *(f"{low} to <{high}" for low, high in zip(ends, ends[1:], strict=False)), f"{ends[-1]}+"]
    codes = np.searchsorted(np.array(cuts), column.to_numpy(dtype=float), side="right")
    present, codes = np.unique(codes, return_inverse=True)
    return codes, [names[i] for i in present]


def _named(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    numeric = is_numeric_dtype(column) and not is_bool_dtype(column)
    try:
        codes, values = pd.factorize(column, sort=False)
    except TypeError:  # in Parquet, cells may be lists
        raise WardeinError(
            f"the sensitive column {column.name!r} does not hold single values", where="--data", mend="name another one"
        ) from None
    if len(values) > (MAX_NUMBERS if numeric else MAX_NAMES):
        mend = f"--bins {column.name}=40,60" if numeric else "a column with fewer, broader values"
        raise WardeinError(
            f"the sensitive column {column.name!r} has {len(values)} different values, too many to be groups",
            where="--data",
            mend=f"give cut points, for example {mend}" if numeric else f"give {mend}",
        )
    names = [slice_value(text_of(value)) for value in values]
    for index, name in enumerate(names):
        if not name:
            raise WardeinError(
                f"the sensitive column {column.name!r} has an empty value", where="--data", mend="give it a name"
            )
        if name in names[:index]:
            raise WardeinError(
                f"two values of the sensitive column {column.name!r} differ only in spacing, punctuation or after "
                f"{MAX_LENGTH} characters: {name!r}",
                where="--data",
                mend="spell them alike, or clearly apart",
            )
    order = sorted(range(len(names)), key=lambda i: (float(values[i]) if numeric else 0.0, names[i]))
    place = pd.Series(range(len(order)), index=order).sort_index().to_numpy()
    return place[codes], [names[i] for i in order]


def _cross(divisions: Sequence[Division]) -> Division:
    import numpy as np

    attribute = " & ".join(d.attribute for d in divisions)
    rows = np.stack([d.codes for d in divisions], axis=1)
    present, codes = np.unique(rows, axis=0, return_inverse=True)
    if len(present) > MAX_GROUPS:
        raise WardeinError(
            f"{attribute} divide the rows into {len(present)} groups, more than {MAX_GROUPS}",
            where="--sensitive",
            mend="name fewer attributes, give broader --bins, or pass --intersectional false",
        )
    names = [", ".join(d.groups[i] for d, i in zip(divisions, row, strict=True)) for row in present]
    return Division(attribute, tuple(names), codes.reshape(-1))


def _cuts(name: str, text: str) -> list[float]:
    try:
        cuts = [float(part) for part in text.split(",")]
    except ValueError:
        cuts = []
    if not cuts or any(not low < high for low, high in zip([float("-inf"), *cuts], [*cuts, float("inf")], strict=True)):
        raise WardeinError(
            f"{text!r} is not a list of ascending numbers", where="--bins", mend=f"write for example {name}=40,60"
        )
    return cuts
