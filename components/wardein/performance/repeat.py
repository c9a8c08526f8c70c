# SPDX-License-Identifier: Apache-2.0
"""Whether a model says the same of a row when it is asked again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardein.performance.study import Study
from wardein.report import Severity

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.models.predictors import Classifier, Regressor
    from wardein.statistics.outcomes import Numbers, Outcomes

_ASKED = 1_000
# What single precision, and another order of sums, may do to an answer.
_ROUNDING = 1e-5


def ask_again(study: Study, model: Classifier | Regressor, rows: pd.DataFrame, said: Outcomes | Numbers) -> None:
    """Ask for some of the rows again, with others beside them, and note it if the answers differ."""
    import numpy as np

    from wardein.models.predictors import Classifier
    from wardein.statistics.outcomes import Outcomes

    step = -(-len(rows) // _ASKED)
    places = np.arange(0, len(rows), step)
    again = rows.iloc[places]
    if isinstance(model, Classifier) and isinstance(said, Outcomes):
        answers = model.predict_proba(again) if said.probabilities is not None else None
        if answers is not None and said.probabilities is not None:
            differs = _far(answers, said.probabilities[places]).any(axis=1)
        else:
            classes = model.classes.tolist()
            differs = np.array([classes.index(one) for one in model.predict(again).tolist()]) != said.predicted[places]
    else:
        differs = _far(model.predict(again).reshape(len(again)), said.predicted[places])  # type: ignore[union-attr]
    if differs.any():
        text = (
            f"asked again, with other rows beside them, the model says something else of {int(differs.sum())} of "
            f"{len(places)} rows: what was measured would come out otherwise the next time"
        )
        study.find("not-repeatable", Severity.HIGH, text, "--model", fails=True)


def _far(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    import numpy as np

    far: np.ndarray = ~(np.abs(one - other) <= _ROUNDING * np.maximum(1, np.abs(other)))
    return far
