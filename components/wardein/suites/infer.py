# SPDX-License-Identifier: Apache-2.0
"""A first suite, inferred from a reference table: its schema, and what its values have in common.

Every expectation carries its reason in ``meta.reason``, so that a person can review the suite, correct it
and keep it. It is a test of integrity, not of drift: the bounds are wide.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wardein import __version__

if TYPE_CHECKING:
    import pandas as pd

_INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
_FLOATS = ["float16", "float32", "float64"]
# A column of distinct values is taken for an identifier, and whole numbers for codes, only on this much evidence.
_ROWS_OF_AN_IDENTIFIER = 100
_ROWS_PER_CATEGORY = 10
_CODES, _ROWS_PER_CODE, _SHARE_OF_A_CODE = 10, 5, 0.01


@dataclass(frozen=True)
class Tolerance:
    """How far new data may be from the reference.

    Attributes:
        categories: A text column with at most so many distinct values is taken as a set of categories.
        range: Numbers may leave the reference's range by this share of its width, on either side.
        nulls: The share of missing values may exceed the reference's by this much, if it had any.
    """

    categories: int
    range: float
    nulls: float


def infer(reference: pd.DataFrame, tolerance: Tolerance) -> bytes:
    """The JSON text of a suite that the reference itself meets."""
    names = [str(name) for name in reference.columns]
    expectations = [
        _expect(
            "expect_table_columns_to_match_ordered_list",
            f"the reference has these {len(names)} columns in this order",
            severity="critical",
            column_list=names,
        )
    ]
    for name in names:
        expectations += _of_column(name, reference[name], tolerance)
    suite = {
        "name": "inferred",
        "expectations": expectations,
        "meta": {"inferred_by": f"wardein {__version__}", "reference_rows": len(reference)},
    }
    return (json.dumps(suite, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _expect(kind: str, reason: str, severity: str = "warning", **kwargs: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": kwargs, "severity": severity, "meta": {"reason": reason}}


def _of_column(name: str, column: pd.Series, tolerance: Tolerance) -> Iterator[dict[str, Any]]:
    values = column.dropna()
    if values.empty:
        reason = "the reference holds no value here, so that nothing else can be expected"
        yield _expect("expect_column_to_exist", reason, severity="critical", column=name)
        return
    kind = _kind(column, values)
    yield from _of_type(name, kind, column)
    yield from _of_nulls(name, column, len(values), tolerance)
    if kind not in ("text", "category", "integer", "float"):
        return
    counts = values.value_counts()
    if kind in ("text", "integer") and len(counts) == len(values) >= _ROWS_OF_AN_IDENTIFIER:
        reason = f"the reference's {len(values)} values are all different, as identifiers are"
        yield _expect("expect_column_values_to_be_unique", reason, column=name)
    elif _is_categorical(kind, counts, tolerance):
        reason = f"the reference's {len(values)} values are of these {len(counts)} only"
        values_seen = sorted(_plain(value) for value in counts.index[counts > 0])
        yield _expect("expect_column_values_to_be_in_set", reason, column=name, value_set=values_seen)
    elif kind in ("integer", "float"):
        yield from _of_range(name, kind, values, tolerance)


def _kind(column: pd.Series, values: pd.Series) -> str:
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        return "category" if all(isinstance(value, str) for value in column.cat.categories) else "other"
    if isinstance(column.dtype, pd.DatetimeTZDtype) or column.dtype.kind == "M":
        return "time"
    return {"string": "text", "boolean": "boolean", "integer": "integer", "floating": "float"}.get(
        pd.api.types.infer_dtype(values if column.dtype == object else column, skipna=True), "other"
    )


def _of_type(name: str, kind: str, column: pd.Series) -> Iterator[dict[str, Any]]:
    import numpy as np

    reason = f"the reference's values are of the kind {kind!r} (stored as {column.dtype})"
    if kind == "text":
        yield _expect("expect_column_values_to_be_of_type", reason, severity="critical", column=name, type_="str")
    elif kind in ("category", "time"):
        stored = "datetime64" if isinstance(column.dtype, np.dtype) else str(column.dtype)
        yield _expect("expect_column_type_to_be", reason, severity="critical", column=name, type_=stored)
    elif kind != "other":
        types = {"boolean": ["bool"], "integer": _INTEGERS, "float": _FLOATS + _INTEGERS}[kind]
        yield _expect(
            "expect_column_values_to_be_in_type_list", reason, severity="critical", column=name, type_list=types
        )


def _of_nulls(name: str, column: pd.Series, present: int, tolerance: Tolerance) -> Iterator[dict[str, Any]]:
    missing = len(column) - present
    if missing == 0:
        reason = f"none of the reference's {len(column)} rows lacks a value"
        yield _expect("expect_column_values_to_not_be_null", reason, column=name)
        return
    mostly = math.floor((present / len(column) - tolerance.nulls) * 10_000) / 10_000
    if mostly > 0:
        reason = f"{missing} of the reference's {len(column)} rows lack a value; {tolerance.nulls:g} more is tolerated"
        yield _expect("expect_column_values_to_not_be_null", reason, column=name, mostly=mostly)


def _is_categorical(kind: str, counts: pd.Series, tolerance: Tolerance) -> bool:
    if kind in ("text", "category"):
        return len(counts) <= tolerance.categories and len(counts) * _ROWS_PER_CATEGORY <= counts.sum()
    # Few whole numbers, none of them rare, are codes; a rare one is the tail of a quantity.
    rarest = max(_ROWS_PER_CODE, _SHARE_OF_A_CODE * counts.sum())
    return kind == "integer" and len(counts) <= _CODES and bool(counts.min() >= rarest)


def _of_range(name: str, kind: str, values: pd.Series, tolerance: Tolerance) -> Iterator[dict[str, Any]]:
    import numpy as np

    finite = values[np.isfinite(values)]
    if finite.empty:
        return
    lowest, highest = _plain(finite.min()), _plain(finite.max())
    margin = tolerance.range * (float(highest) - float(lowest))
    low, high = lowest - margin, highest + margin
    if lowest >= 0:  # what cannot be negative in the reference cannot be in new data
        low = max(low, 0)
    if highest <= 0:
        high = min(high, 0)
    if not math.isfinite(low) or not math.isfinite(high):
        return
    if kind == "integer":
        low, high = math.floor(low), math.ceil(high)
    reason = (
        f"the reference's {len(finite)} values are from {lowest:g} to {highest:g}; "
        f"{tolerance.range:g} of that width is tolerated on either side, but no change of sign"
    )
    yield _expect("expect_column_values_to_be_between", reason, column=name, min_value=low, max_value=high)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
