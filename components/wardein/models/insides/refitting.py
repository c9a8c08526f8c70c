# SPDX-License-Identifier: Apache-2.0
"""Fitting a model anew on some rows, and what that new model says of all of them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wardein.models.insides import Answer

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def answer(model: Any, rows: pd.DataFrame | None, more: Mapping[str, np.ndarray]) -> Answer:
    """Fit a copy with the same parameters on the rows marked ``fitted``, and ask it about those marked ``asked``.

    Args:
        model: The model.
        rows: Rows with its features.
        more: The marks; ``truth``, each row's label as the place among the model's classes, or as a number; and
            ``seed``, the same in every row.

    Returns:
        The probabilities of the model's classes (of a model without them, 1 for the class that it names), or a
        regressor's numbers; nothing if the model is not scikit-learn's. ``failed`` names the error of a fit that fails.
    """
    import numpy as np
    from sklearn.base import BaseEstimator, clone
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    if rows is None or not isinstance(model, BaseEstimator):
        return {}, []
    fitted, asked, truth, seed = (more[name][:, 0] for name in ("fitted", "asked", "truth", "seed"))
    random.seed(int(seed[0]))
    np.random.seed(int(seed[0]))  # what estimators without a seed of their own draw from
    classes = getattr(model, "classes_", None)
    labels = truth if classes is None else np.asarray(classes)[truth.astype(int)]
    chosen, others = fitted.astype(bool), asked.astype(bool)
    if _keeps_fit(model):
        return {"failed": "FrozenEstimator"}, []
    try:
        anew = clone(model)
        _fix(anew, int(seed[0]))
        with threadpool_limits(1):
            anew.fit(rows[chosen], labels[chosen])
            return {}, [_said(anew, rows[others], classes)]
    except MemoryError:
        raise
    except Exception as error:  # an estimator can raise anything
        return {"failed": type(error).__name__}, []


def _keeps_fit(model: Any) -> bool:
    """Whether a part of it stays as it is fitted, however the model is fitted anew."""
    from sklearn.frozen import FrozenEstimator

    parts = [model, *model.get_params().values()]
    return any(isinstance(part, FrozenEstimator) or (isinstance(part, str) and part == "prefit") for part in parts)


def _fix(model: Any, seed: int) -> None:
    """One process, silence, and a seed for whatever has none."""
    wanted = {"n_jobs": 1, "verbose": False, "random_state": seed}
    found = {}
    for name, value in model.get_params().items():
        last = name.rpartition("__")[2]
        if last in wanted and not (last == "random_state" and isinstance(value, int)):
            found[name] = wanted[last]
    model.set_params(**found)


def _said(model: Any, rows: pd.DataFrame, classes: Any) -> np.ndarray:
    import numpy as np
    import pandas as pd

    if classes is None:
        return np.asarray(model.predict(rows), dtype=float)
    places = pd.Index(classes).get_indexer(model.classes_)  # a class may have had no row
    said = np.zeros((len(rows), len(classes)))
    if hasattr(model, "predict_proba"):
        said[:, places] = model.predict_proba(rows)
    else:
        said[np.arange(len(rows)), pd.Index(classes).get_indexer(model.predict(rows))] = 1.0
    return said
