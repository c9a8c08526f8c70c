# SPDX-License-Identifier: Apache-2.0
"""What a model says of rows, checked: places among its classes with probabilities, or numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.errors import WardeinError
from wardein.models.predictors import Classifier, Regressor

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_SUM = 1e-3


@dataclass(frozen=True)
class View:
    """What a model says of some rows.

    Attributes:
        said: One number a row: the place of the predicted class among the model's classes, or a regressor's prediction.
        probabilities: Shape (rows, classes); None if the model gives none.
    """

    said: np.ndarray
    probabilities: np.ndarray | None = None


def look(model: Classifier | Regressor, rows: pd.DataFrame) -> View:
    """Ask a model about rows.

    Raises:
        WardeinError: If it cannot predict them, or what it says makes no sense.
    """
    import numpy as np

    if isinstance(model, Regressor):
        said = model.predict(rows)
        said = said[:, 0] if said.ndim == 2 and said.shape[1] == 1 else said
        if said.ndim != 1 or not np.isfinite(said).all():
            raise WardeinError("predicts something else than one finite number a row", where="--model")
        return View(said.astype(float))
    labels, probabilities = model.predict(rows), model.predict_proba(rows)
    places = (labels[:, None] == model.classes[None, :]).argmax(axis=1).astype(float)
    if probabilities is not None:
        fits = probabilities.shape == (len(rows), len(model.classes)) and bool(np.isfinite(probabilities).all())
        if not fits or probabilities.min(initial=0) < 0 or np.abs(probabilities.sum(axis=1) - 1).max(initial=0) > _SUM:
            raise WardeinError("gives probabilities that are not finite or do not add up to 1", where="--model")
        probabilities = probabilities.astype(float)
    return View(places, probabilities)


def decided(view: View) -> np.ndarray:
    """Probabilities of which the greatest is that of the class that the model says.

    A model may decide otherwise than by its probabilities; whoever knows nothing else would judge another model. Where
    it does, the two classes trade places.
    """
    import numpy as np

    assert view.probabilities is not None
    places, said = np.arange(len(view.said)), view.said.astype(int)
    likeliest, decided = view.probabilities.argmax(axis=1), view.probabilities.copy()
    decided[places, likeliest] = view.probabilities[places, said]
    decided[places, said] = view.probabilities[places, likeliest]
    return decided
