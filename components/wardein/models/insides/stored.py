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

# Of arrays with more cells rows at even distances are taken. So many parts may each be given other columns.
_MOST_CELLS, MOST_REACHES = 50_000_000, 200


def answer(model: Any, rows: pd.DataFrame | None, more: Mapping[str, np.ndarray]) -> Answer:
    """All candidates, put together by the rows that reach their part of the model, and these rows.

    Returns:
        In ``places`` for each candidate its name, which rows reach it, and how many rows it has; in ``left_out`` how
        many were too many. For all that the same rows reach an array of the candidates, one below the other, and one of
        these rows.
    """
    import numpy as np

    texts: list[Any] = []
    reaches: list[tuple[Any, np.ndarray, list[np.ndarray]]] = []
    places, left_out = [], 0
    for place, value, given in _walk(model, rows, "") if rows is not None else ():
        at = next((i for i, (known, _, _) in enumerate(reaches) if known is given), len(reaches))
        if any(given is known for known in texts):
            continue
        if at == MOST_REACHES:
            left_out += 1
            continue
        if at == len(reaches):
            seen = _numbers(given)
            if seen is None:
                texts.append(given)
                continue
            reaches.append((given, seen, []))
        reaches[at][2].append(value)
        places.append((at, place, len(value)))
    arrays = [part for _, seen, kept in reaches for part in (np.concatenate(kept), seen)]
    return {"places": sorted(places, key=lambda one: one[0]), "left_out": left_out}, arrays


def _walk(model: Any, rows: Any, place: str) -> Iterator[tuple[str, np.ndarray, Any]]:
    for name, step, given in _steps(model, rows):
        yield from _walk(step, given, f"{place}{name}.")
    yield from _kept(model, rows, place)
    for name, part, given in _parts(model, rows):
        yield from _walk(part, given, f"{place}{name}.")


def _steps(model: Any, rows: Any) -> Iterator[tuple[str, Any, Any]]:
    """The fitted estimators that another one is put together from, and the rows that reach each."""
    from sklearn.base import BaseEstimator
    from sklearn.utils import _safe_indexing  # columns by name, place, slice or truth values, as whoever fitted it said

    steps = getattr(model, "steps", None) or getattr(model, "transformer_list", [])
    for name, step in steps:
        if isinstance(step, BaseEstimator):
            yield name, step, rows
            if hasattr(model, "steps") and step is not steps[-1][1]:
                rows = step.transform(rows)
    for name, step, columns in getattr(model, "transformers_", []):
        if isinstance(step, BaseEstimator):
            yield name, step, _safe_indexing(rows, columns, axis=1)


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


def _kept(model: Any, rows: Any, place: str) -> Iterator[tuple[str, np.ndarray, Any]]:
    import numpy as np
    from scipy.sparse import issparse

    width = rows.shape[1]
    kept = {
        name: value
        for name, value in vars(model).items()
        if (isinstance(value, np.ndarray) or issparse(value))
        and value.dtype.kind in "fiu"
        and value.ndim == 2
        and value.shape[1] == width
        and value.size
    }
    for name, value in sorted(kept.items()):
        yield f"{place}{name}", _dense(value[:: -(-value.shape[0] * width // _MOST_CELLS)]), rows


def _numbers(rows: Any) -> np.ndarray | None:
    """The rows as they reach a part; None if texts do, so that numbers in it are no rows."""
    try:
        return _dense(rows)
    except (TypeError, ValueError):
        return None


def _dense(value: Any) -> np.ndarray:
    import numpy as np

    return np.asarray(value.toarray() if hasattr(value, "toarray") else value, dtype=float)
