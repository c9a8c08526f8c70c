# SPDX-License-Identifier: Apache-2.0
"""What the process that holds a model says of its inside: trees, gradients, rows that it keeps, how it is fitted anew.

Each question has a module. Its ``answer`` is given the model (an estimator, or a
:class:`~wardein.models.natives.Native`), the rows with the model's features, and what goes with them, and returns JSON
and arrays. An empty list of arrays says that the model has nothing of the kind.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Answer = tuple[dict[str, Any], list["np.ndarray"]]
Inside = Callable[[Any, "pd.DataFrame | None", Mapping[str, "np.ndarray"]], Answer]

# What goes with the rows travels as further columns, under names that no feature can have by chance.
ALSO = "\0wardein."


def _of(module: str) -> Inside:
    def answer(model: Any, rows: pd.DataFrame | None, more: Mapping[str, np.ndarray]) -> Answer:
        found: Inside = importlib.import_module(f"{__name__}.{module}").answer
        return found(model, rows, more)

    return answer


INSIDES: Mapping[str, Inside] = {
    "trees": _of("trees"),
    "gradients": _of("gradients"),
    "stored": _of("stored"),
    "refit": _of("refitting"),
}


def split(table: pd.DataFrame, columns: pd.Index) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The model's columns of a table, and by name what goes with each row, shape (n, k)."""
    first, rest = table.iloc[:, : len(columns)], table.iloc[:, len(columns) :]
    if not first.columns.equals(columns):
        first, rest = table[list(columns)], table
    names = [name[len(ALSO) :].rpartition(".")[0] if str(name).startswith(ALSO) else "" for name in rest.columns]
    also: dict[str, np.ndarray] = {}
    for name in dict.fromkeys(filter(None, names)):  # what belongs together lies side by side
        start = names.index(name)
        also[name] = rest.iloc[:, start : start + names.count(name)].to_numpy()
    return first, also
