# SPDX-License-Identifier: Apache-2.0
"""Rows that a model keeps as they were: of its neighbours, its support vectors, its kernel.

Any array in any part of a model is a candidate if it is as wide as the rows that reach that part; whether it holds
rows of the training data is for the other side to find out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from wardein.models.insides import Answer

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# Of a forest of neighbours the first ones tell enough.
MOST_PLACES = 8
_MOST_CELLS = 50_000_000


def answer(model: Any, rows: pd.DataFrame | None, more: Mapping[str, np.ndarray]) -> Answer:
    """For each candidate what it holds, and the rows as they reach that part of the model; ``places`` names them."""
    from itertools import islice

    found = list(islice(_walk(model, rows, ""), MOST_PLACES)) if rows is not None else []
    return {"places": [place for place, _, _ in found]}, [array for _, kept, seen in found for array in (kept, seen)]


def _walk(model: Any, rows: Any, place: str) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    for name, step, given in _steps(model, rows):
        yield from _walk(step, given, f"{place}{name}.")
    yield from _kept(model, rows, place)
    for name, part, given in _parts(model, rows):
        yield from _walk(part, given, f"{place}{name}.")


def _steps(model: Any, rows: Any) -> Iterator[tuple[str, Any, Any]]:
    """The fitted estimators that another one is put together from, and the rows that reach each."""
    from sklearn.base import BaseEstimator

    steps = getattr(model, "steps", None) or getattr(model, "transformer_list", [])
    for name, step in steps:
        if isinstance(step, BaseEstimator):
            yield name, step, rows
            if hasattr(model, "steps") and step is not steps[-1][1]:
                rows = step.transform(rows)
    for name, step, columns in getattr(model, "transformers_", []):
        if isinstance(step, BaseEstimator):
            yield name, step, rows.loc[:, columns] if hasattr(rows, "loc") else rows[:, columns]


def _parts(model: Any, rows: Any) -> Iterator[tuple[str, Any, Any]]:
    """What else of scikit-learn an estimator holds, and the rows with the columns that each was given."""
    columns = vars(model).get("estimators_features_")
    for name, held in vars(model).items():
        several = name == "estimators_" or isinstance(held, list | tuple)
        for i, part in enumerate(held if several else [held]):
            if not _may_keep(part):
                continue
            given = rows
            if name == "estimators_" and columns is not None:
                given = (rows.to_numpy() if hasattr(rows, "to_numpy") else rows)[:, columns[i]]
            yield f"{name}.{i}" if several else name, part, given


def _may_keep(part: Any) -> bool:
    from sklearn.tree import BaseDecisionTree

    ours = type(part).__module__.startswith("sklearn.") and hasattr(part, "__dict__")
    return ours and not isinstance(part, type | BaseDecisionTree)


def _kept(model: Any, rows: Any, place: str) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    import numpy as np
    from scipy.sparse import issparse

    width = rows.shape[1]
    kept: dict[str, np.ndarray] = {}
    for name, value in vars(model).items():
        if (isinstance(value, np.ndarray) or issparse(value)) and value.dtype.kind in "fiu":
            fits = value.shape[1:] == (width,) and 0 < value.shape[0] * width <= _MOST_CELLS
            kept |= {name: _dense(value)} if fits else {}
    if not kept:
        return
    try:
        seen = _dense(rows)
    except (TypeError, ValueError):  # texts reach this part: numbers in it are no rows
        return
    for name, value in sorted(kept.items()):
        yield f"{place}{name}", value, seen


def _dense(value: Any) -> np.ndarray:
    import numpy as np

    return np.asarray(value.toarray() if hasattr(value, "toarray") else value, dtype=float)
