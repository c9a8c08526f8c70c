# SPDX-License-Identifier: Apache-2.0
"""What a classifier said about labelled rows, set against their labels.

Labels and classes are compared by their text: a CSV file has no types, so the class ``1`` of a model is the
label ``1`` of a column that was read as numbers, as text or as ``1.0``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wardein.errors import WardeinError
from wardein.models.predictors import Classifier, Regressor
from wardein.tables import labels_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MAX_LENGTH = 40
# The squares of larger numbers, and their sums, are no numbers any more.
_LARGEST = 1e100


@dataclass(frozen=True)
class Outcomes:
    """Labels and predictions, row by row.

    Attributes:
        classes: The model's classes as text, in the model's order.
        truth: For each row its label, as an index into ``classes``.
        predicted: For each row the prediction, as an index into ``classes``.
        probabilities: The model's probabilities, shape (rows, classes); None if they were not asked for or the
            model gives none.
    """

    classes: tuple[str, ...]
    truth: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray | None = None

    def positive(self, given: str) -> int:
        """The index of the class that counts as positive; without a name the last one of two.

        Raises:
            WardeinError: If the model does not know the class, or it has more than two and none is named.
        """
        if not given and len(self.classes) == 2:
            return 1
        if given in self.classes:
            return self.classes.index(given)
        known = f"name one of: {', '.join(self.classes)}"
        what = f"the model has no class {given!r}" if given else f"the model has {len(self.classes)} classes"
        raise WardeinError(what, where="--positive", mend=known)


def observe(model: Classifier, table: pd.DataFrame, label: str, *, probabilities: bool = False) -> Outcomes:
    """Let a model predict every row of a table.

    Raises:
        WardeinError: If the label or a feature is missing or broken, a label is none of the model's classes, or the
            model cannot predict.
    """
    classes = tuple(text_of(name) for name in model.classes)
    labels_of(table, label)
    truth = _indices(table[label], classes, f"the label column {label!r} holds", "--data")
    _refuse_label_as_feature(model, label)
    rows = model.rows(table, complete=False)
    given = model.predict(rows)
    scores = model.predict_proba(rows) if probabilities else None
    predicted = _indices(given, classes, "the model predicts", "--model")
    return Outcomes(classes, truth, predicted, scores if scores is None else _checked(scores, len(table), len(classes)))


@dataclass(frozen=True)
class Numbers:
    """Labels and predictions of a regressor, row by row, shape (n,)."""

    truth: np.ndarray
    predicted: np.ndarray


def observe_numbers(model: Regressor, table: pd.DataFrame, label: str) -> Numbers:
    """Let a regressor predict every row of a table.

    Raises:
        WardeinError: If the label or a feature is missing or broken, the label holds no numbers, or the model predicts
            anything else than one finite number a row.
    """
    import numpy as np
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    truth = labels_of(table, label)
    is_number = is_numeric_dtype(table[label]) and not is_bool_dtype(table[label])
    if not is_number or not (np.abs(truth.astype(float)) <= _LARGEST).all():
        mend = "name the column of numbers that the regressor predicts"
        raise WardeinError(f"the label column {label!r} does not hold finite numbers", where="--data", mend=mend)
    _refuse_label_as_feature(model, label)
    predicted = model.predict(model.rows(table, complete=False))
    if predicted.ndim == 2 and predicted.shape[1] == 1:
        predicted = predicted[:, 0]
    if predicted.ndim != 1:
        raise WardeinError(f"predicts {predicted.shape[1]} numbers a row, not one", where="--model")
    if not (np.abs(predicted) <= _LARGEST).all():
        raise WardeinError("predicts numbers that are infinite, missing, or beyond any measure", where="--model")
    return Numbers(truth.astype(float), predicted.astype(float))


def text_of(value: Any) -> str:
    """A label or group as text; whole numbers without a decimal point."""
    if isinstance(value, float) and value.is_integer():  # numpy's float64 is a float
        return str(int(value))
    return str(value)


def slice_value(text: str) -> str:
    """A name from the data as part of a metric's slice: short, on one line, without what separates its parts."""
    return " ".join(text.replace(",", ";").replace("=", ":").split())[:MAX_LENGTH].strip()


def _refuse_label_as_feature(model: Classifier | Regressor, label: str) -> None:
    if label in model.features:
        raise WardeinError(
            f"the model takes the label column {label!r} as a feature",
            where="--model",
            mend="name the column it predicts, or fit it without that column",
        )


def _indices(values: Any, classes: tuple[str, ...], what: str, where: str) -> np.ndarray:
    import numpy as np
    import pandas as pd

    codes, distinct = pd.factorize(values)
    names = [text_of(value) for value in distinct]
    unknown = sorted(set(names) - set(classes))
    if unknown:
        raise WardeinError(
            f"{what} {unknown[0][:60]!r}, which is none of the model's classes",
            where=where,
            mend=f"the classes are: {', '.join(classes[:20])}",
        )
    found: np.ndarray = np.array([classes.index(name) for name in names])[codes]
    return found


def _checked(scores: np.ndarray, rows: int, classes: int) -> np.ndarray:
    import numpy as np

    if scores.shape != (rows, classes):
        raise WardeinError(f"gives probabilities of shape {scores.shape}, not {(rows, classes)}", where="--model")
    if not np.isfinite(scores).all() or scores.min() < 0 or np.abs(scores.sum(axis=1) - 1).max() > 1e-4:
        raise WardeinError("gives probabilities that are not finite or do not add up to 1", where="--model")
    return scores
