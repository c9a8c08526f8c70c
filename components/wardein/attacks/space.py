# SPDX-License-Identifier: Apache-2.0
"""What an attacker may change in a table, and by how much.

Attacks work on coordinates ``z``: the columns that may move, each centred and divided by its own scale, so
that one epsilon means the same for all of them. Only :meth:`Space.realise` leads back to a table, and it
alone keeps the rules: observed ranges, whole numbers, columns that are held fixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.errors import WardeinError
from wardein.tables import require_columns

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.models.predictors import Classifier

# A column of whole numbers with no more distinct values than this is taken for a category's codes.
FEW = 10
# Relative and absolute slack of a distance, for what is lost between float32, float64 and the table.
SLACK = 1e-6
_BATCH = 20_000


@dataclass(frozen=True)
class Columns:
    """Which columns an attack may move, and why the others are held fixed.

    Attributes:
        moved: The names of the columns that may move, in the model's order.
        scale: The standard deviation of each of them: the length of one epsilon.
        low: The smallest value observed of each of them.
        high: The largest value observed.
        whole: Whether only whole numbers were observed, so that only whole numbers are tried.
        held: The columns that are held fixed, by reason.
    """

    moved: tuple[str, ...]
    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray
    whole: np.ndarray
    held: dict[str, tuple[str, ...]]


def columns_of(observed: pd.DataFrame, scaled_on: pd.DataFrame, immutable: list[str], mutable: list[str]) -> Columns:
    """Decide what may move.

    Args:
        observed: Every row seen of the model's features; gives ranges and kinds.
        scaled_on: The rows whose standard deviations are the unit of epsilon.
        immutable: Columns that must not move.
        mutable: If not empty, exactly the columns that may move.

    Raises:
        WardeinError: If a name is unknown, a named column cannot be moved, or nothing is left to move.
    """
    import numpy as np
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    require_columns(observed, immutable, "--immutable")
    require_columns(observed, mutable, "--mutable")
    held: dict[str, list[str]] = {}
    moved = []
    for name in map(str, observed.columns):
        column = observed[name]
        numeric = is_numeric_dtype(column) and not is_bool_dtype(column)
        reason = _reason(name, column, numeric, immutable, mutable)
        if numeric and not reason and not scaled_on[name].to_numpy(dtype=float).std() > 0:
            reason = "constant"
        if reason and name in mutable:
            raise WardeinError(f"the column {name!r} cannot be moved, it is {reason}", where="--mutable")
        if reason:
            held.setdefault(reason, []).append(name)
        else:
            moved.append(name)
    if not moved:
        raise WardeinError(
            "no numeric feature is left that an attack may change",
            where="--data",
            mend="name the columns that an attacker controls with --mutable",
        )
    values = observed[moved].to_numpy(dtype=float)
    return Columns(
        tuple(moved),
        scaled_on[moved].to_numpy(dtype=float).std(axis=0),
        values.min(axis=0),
        values.max(axis=0),
        (values == np.rint(values)).all(axis=0),
        {reason: tuple(names) for reason, names in held.items()},
    )


def _reason(name: str, column: pd.Series, numeric: bool, immutable: list[str], mutable: list[str]) -> str:
    """Why a column is held fixed; empty if it may move."""
    if name in immutable:
        return "declared immutable"
    if not numeric:
        return "not numeric"
    if mutable:
        return "" if name in mutable else "not declared mutable"
    distinct = column.nunique()
    whole = bool((column == column.round()).all())
    return "a category's codes" if distinct <= 2 or (whole and distinct <= FEW) else ""


class Space:
    """The rows under attack and the model that judges them; counts what is asked of the model.

    Attributes:
        rows: The rows under attack, all features in the model's order.
        columns: What may move.
        origin: Their coordinates, shape (n, moved).
        low: The smallest coordinate of each moved column, shape (moved,).
        high: The largest.
        queries: How many rows the model was asked to classify so far.
    """

    def __init__(self, classifier: Classifier, rows: pd.DataFrame, columns: Columns) -> None:
        import numpy as np

        self.rows = rows.reset_index(drop=True)
        self.columns = columns
        self.queries = 0
        self._classifier = classifier
        self._values = self.rows[list(columns.moved)].to_numpy(dtype=float)
        self._centre = (columns.low + columns.high) / 2
        self.origin = self.coordinates(self._values)
        self.low, self.high = self.coordinates(columns.low), self.coordinates(columns.high)
        self._dtypes = {name: self.rows[name].dtype for name in columns.moved}
        self._fixed = [name for name in self.rows.columns if name not in self._dtypes]
        self._floats = not self._fixed and all(kind is np.dtype(float) for kind in self._dtypes.values())
        self._index = {label: i for i, label in enumerate(classifier.classes.tolist())}

    def coordinates(self, values: np.ndarray) -> np.ndarray:
        """The coordinates of values of the moved columns, shape (…, moved)."""
        z: np.ndarray = (values - self._centre) / self.columns.scale
        return z

    def values(self, z: np.ndarray) -> np.ndarray:
        """The values at coordinates ``z``, as they come: not rounded, not kept in any range."""
        values: np.ndarray = z * self.columns.scale + self._centre
        return values

    def realise(self, which: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The values that a table can really hold nearest to ``z`` on the near side of each row's own values.

        Args:
            which: The row each line of ``z`` starts from, shape (k,).
            z: Coordinates, shape (k, moved).

        Returns:
            Values of the moved columns, shape (k, moved).
        """
        import numpy as np

        start = self._values[which]
        step = (z - self.origin[which]) * self.columns.scale
        step = np.where(self.columns.whole, np.trunc(step + np.sign(step) * 1e-9), step)
        return np.asarray(np.clip(start + step, self.columns.low, self.columns.high))

    def frame(self, which: np.ndarray, values: np.ndarray) -> pd.DataFrame:
        """Whole rows with the moved columns replaced, in the table's own columns and types."""
        import numpy as np
        import pandas as pd

        if self._floats:  # column after column in memory, as a table of several columns hands them to a model
            return pd.DataFrame(np.asfortranarray(values), columns=self.rows.columns, copy=False)
        moved = pd.DataFrame(values, columns=list(self.columns.moved)).astype(self._dtypes)
        if not self._fixed:
            return moved
        fixed = self.rows[self._fixed].iloc[which].reset_index(drop=True)
        return pd.concat([fixed, moved], axis=1)[list(self.rows.columns)]

    def classes(self, frame: pd.DataFrame) -> np.ndarray:
        """The index of the class that the model predicts for each row of a whole table, shape (k,)."""
        import numpy as np

        self.queries += len(frame)
        return np.array([self._index[label] for label in self._classifier.predict(frame).tolist()], dtype=int)

    def classes_at(self, which: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The index of the class that the model predicts at coordinates ``z``, shape (k,)."""
        import numpy as np

        answers = [
            self.classes(self.frame(which[i : i + _BATCH], self.realise(which[i : i + _BATCH], z[i : i + _BATCH])))
            for i in range(0, len(z), _BATCH)
        ]
        return np.concatenate(answers) if answers else np.empty(0, dtype=int)

    def distance(self, which: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The largest change of any column, in units of its scale, once ``z`` is a table again; shape (k,)."""
        import numpy as np

        change = np.abs(self.realise(which, z) - self._values[which]) / self.columns.scale
        return np.asarray(change.max(axis=1))

    def falls(self, which: np.ndarray, z: np.ndarray, labels: np.ndarray, epsilon: float) -> np.ndarray:
        """Whether each ``z`` is an adversarial example that counts: wrong by the real model, and within epsilon."""
        import numpy as np

        wrong = self.classes_at(which, z) != labels
        return np.asarray(wrong & (self.distance(which, z) <= epsilon * (1 + SLACK) + SLACK))
