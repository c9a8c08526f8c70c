# SPDX-License-Identifier: Apache-2.0
"""The attacker's own models: boosted trees, which take mixed tables as they are and give the same for a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

FOLDS = 3


def encoded(table: pd.DataFrame) -> np.ndarray:
    """A table as numbers: texts by their place in the alphabet, missing ones as missing."""
    import numpy as np
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    columns = []
    for name in table:
        column = table[name]
        if is_numeric_dtype(column) and not is_bool_dtype(column):
            columns.append(column.to_numpy(dtype=float, na_value=np.nan))
        else:
            codes, _ = pd.factorize(column.astype(object).map(str, na_action="ignore"), sort=True)
            columns.append(np.where(codes < 0, np.nan, codes))
    return np.column_stack(columns) if columns else np.empty((len(table), 0))


def fitted_scores(
    rows: np.ndarray, labels: np.ndarray, asked: np.ndarray, classes: int, seed: int, rounds: int = 60
) -> np.ndarray:
    """What trees that were fitted on some rows say of others.

    Args:
        rows: The rows to fit on.
        labels: Their classes, or numbers.
        asked: The others.
        classes: How many classes there are; 0 for numbers.
        seed: The seed.
        rounds: How many trees a class.

    Returns:
        Probabilities, shape (n, classes); numbers, shape (n,), if there are no classes.
    """
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    settings = {"max_iter": rounds, "max_leaf_nodes": 15, "early_stopping": False, "random_state": seed}
    with threadpool_limits(1):
        if not classes:
            said: np.ndarray = HistGradientBoostingRegressor(**settings).fit(rows, labels).predict(asked)
            return said
        known = np.unique(labels)
        scores = np.zeros((len(asked), classes))
        if len(known) == 1:
            scores[:, known] = 1.0
        else:
            scores[:, known] = HistGradientBoostingClassifier(**settings).fit(rows, labels).predict_proba(asked)
    return scores


def cross_fitted(rows: np.ndarray, labels: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """Probabilities for each row of trees that were fitted on other rows, every class in the same share."""
    import numpy as np

    order = np.random.default_rng(seed).permutation(len(rows))
    fold = np.empty(len(rows), int)
    fold[order[np.argsort(labels[order], kind="stable")]] = np.arange(len(rows)) % FOLDS
    scores = np.empty((len(rows), classes))
    for part in range(FOLDS):
        out = fold == part
        scores[out] = fitted_scores(rows[~out], labels[~out], rows[out], classes, seed)
    return scores
