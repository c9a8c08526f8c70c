# SPDX-License-Identifier: Apache-2.0
"""A simple model of other rows, to tell a model that is bad at a part of the data from a part that is hard for any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardein.behavior.views import View

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.behavior.columns import Columns

_MOST_CATEGORIES = 254


def simple_view(
    columns: Columns, rows: pd.DataFrame, labels: np.ndarray, others: pd.DataFrame, classes: int, seed: int
) -> View:
    """What gradient-boosted trees, fitted on some rows, say of others.

    Args:
        columns: What the columns are; prose is left out.
        rows: The rows to fit on.
        labels: Their labels, as places among the classes, or as numbers.
        others: The rows to predict.
        classes: How many classes there are; 0 for numbers.
        seed: Seeds the fit.
    """
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    table, categories = _numbers(columns, rows, others)
    if table.shape[1] == 0 or (classes and len(np.unique(labels)) < 2):
        return View(np.full(len(others), labels[0], dtype=float))
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    settings = {"max_iter": 100, "learning_rate": 0.08, "max_leaf_nodes": 15, "early_stopping": False}
    model = kind(**settings, categorical_features=categories, random_state=seed)
    model.fit(table[: len(rows)], labels)
    return View(model.predict(table[len(rows) :]).astype(float))


def _numbers(columns: Columns, rows: pd.DataFrame, others: pd.DataFrame) -> tuple[np.ndarray, list[bool]]:
    """All rows as numbers, and which columns are of codes; a category that is not among the first rows is missing."""
    import numpy as np
    import pandas as pd

    parts: list[np.ndarray] = []
    categories = []
    for name, kind in columns.kinds.items():
        if kind == "text":
            continue
        both = pd.concat([rows[name], others[name]], ignore_index=True)
        if kind == "numeric":
            parts.append(both.to_numpy(dtype=float, na_value=np.nan))
        else:
            texts = both.astype(str).where(both.notna())
            known = texts[: len(rows)].value_counts().sort_index().sort_values(ascending=False, kind="stable")
            codes = {text: float(i) for i, text in enumerate(known.index[:_MOST_CATEGORIES])}
            parts.append(np.array([codes.get(text, np.nan) for text in texts]))
        categories.append(kind == "category")
    return (np.column_stack(parts) if parts else np.empty((len(rows) + len(others), 0))), categories
