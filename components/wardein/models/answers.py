# SPDX-License-Identifier: Apache-2.0
"""What a model says of some rows, to be compared with what it says of them at another time or in another place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.errors import WardeinError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.models.predictors import Classifier, Regressor

# How far numbers may differ when a row stands among others: sums are rounded in another order then. A model of single
# precision keeps seven digits.
_RELATIVE, _ABSOLUTE = 1e-4, 1e-6


@dataclass(frozen=True)
class Answers:
    """A model's answers, one a row.

    Attributes:
        labels: The classes that a classifier names; None of a regressor.
        numbers: A classifier's probabilities or a regressor's predictions; None if it gives none.
    """

    labels: np.ndarray | None
    numbers: np.ndarray | None

    def __len__(self) -> int:
        said = self.numbers if self.labels is None else self.labels
        return 0 if said is None else len(said)

    def at(self, rows: slice) -> Answers:
        """The answers for some of the rows."""
        return Answers(*(None if part is None else part[rows] for part in (self.labels, self.numbers)))

    def is_exactly(self, other: Answers) -> bool:
        """Whether two answers are the same, to the last bit."""
        import numpy as np

        pairs = [(self.labels, other.labels), (self.numbers, other.numbers)]
        return all(
            np.array_equal(one, two, equal_nan=one.dtype.kind == "f")
            for one, two in pairs
            if one is not None and two is not None
        )

    def differing(self, other: Answers) -> int:
        """In how many rows two answers differ by more than rounding."""
        import numpy as np

        differ: np.ndarray = np.zeros(len(self), dtype=bool)
        ties: np.ndarray = differ.copy()
        if self.numbers is not None and other.numbers is not None:
            if self.numbers.shape != other.numbers.shape:
                return len(self)
            close = _close(self.numbers, other.numbers).reshape(len(self), -1)
            differ = np.asarray(~close.all(axis=1))
            if self.labels is not None and self.numbers.shape[1] > 1:
                likeliest = np.sort(self.numbers, axis=1)[:, -2:]
                ties = _close(likeliest[:, 0], likeliest[:, 1])  # between these, rounding alone decides
        if self.labels is not None and other.labels is not None:
            differ |= (self.labels != other.labels) & ~ties
        return int(differ.sum())


def ask(model: Classifier | Regressor, rows: pd.DataFrame) -> Answers:
    """Ask a model for all that it says of some rows.

    Raises:
        WardeinError: If it cannot predict them, or its process ends.
    """
    from wardein.models.predictors import Regressor

    if isinstance(model, Regressor):
        return Answers(None, model.predict(rows))
    labels, numbers = model.predict(rows), model.predict_proba(rows)
    expected = (len(rows), len(model.classes))
    if numbers is not None and numbers.shape != expected:
        raise WardeinError(f"gives probabilities of shape {numbers.shape}, not {expected}", where="--model")
    return Answers(labels, numbers)


def ask_one_by_one(model: Classifier | Regressor, rows: pd.DataFrame) -> Answers:
    """The same, in a question of its own for each row."""
    import numpy as np

    said: Sequence[Answers] = [ask(model, rows.iloc[i : i + 1]) for i in range(len(rows))]
    labels = [one.labels for one in said if one.labels is not None]
    numbers = [one.numbers for one in said if one.numbers is not None]
    return Answers(*(np.concatenate(parts) if parts else None for parts in (labels, numbers)))


def _close(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    import numpy as np

    close: np.ndarray = np.isclose(one, other, rtol=_RELATIVE, atol=_ABSOLUTE, equal_nan=True)
    return close
