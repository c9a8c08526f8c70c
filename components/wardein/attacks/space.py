# SPDX-License-Identifier: Apache-2.0
"""What an attacker may change in a table, and by how much.

Attacks work on coordinates ``z``: the columns that may move, each centred and divided by its own scale, so
that one epsilon means the same for all of them. Only :meth:`Space.realise` leads back to a table, and it
alone keeps the rules: observed ranges, whole numbers, columns that are held fixed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from wardein.attacks.budget import Budget, unlimited
from wardein.errors import WardeinError
from wardein.tables import require_columns

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.features import Declared
    from wardein.models.predictors import Classifier

# How the size of a change is measured: the largest change of any column, or the root of the sum of squares.
Norm = Literal["linf", "l2"]
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
        only: 1 for a column that may only increase, -1 for one that may only decrease, else 0.
        held: The columns that are held fixed, by reason.
    """

    moved: tuple[str, ...]
    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray
    whole: np.ndarray
    only: np.ndarray
    held: dict[str, tuple[str, ...]]


def columns_of(
    observed: pd.DataFrame,
    scaled_on: pd.DataFrame,
    immutable: list[str],
    mutable: list[str],
    declared: Declared | None = None,
) -> Columns:
    """Decide what may move.

    Args:
        observed: Every row seen of the model's features; gives ranges and kinds.
        scaled_on: The rows whose standard deviations are the unit of epsilon.
        immutable: Columns that must not move.
        mutable: If not empty, exactly the columns that may move.
        declared: What was declared of the columns, if anything was.

    Raises:
        WardeinError: If a name is unknown, a named column cannot be moved, or nothing is left to move.
    """
    import numpy as np
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    require_columns(observed, immutable, "--immutable")
    require_columns(observed, mutable, "--mutable")
    tied = _tied(declared)
    held: dict[str, list[str]] = {}
    moved = []
    for name in map(str, observed.columns):
        column = observed[name]
        numeric = is_numeric_dtype(column) and not is_bool_dtype(column)
        reason = "tied to other columns" if name in tied else _reason(name, column, numeric, immutable, mutable)
        if declared and not reason:
            feature = declared.features[declared.place[name]]
            numbers = feature.numeric or name in mutable
            reason = "declared immutable" if feature.immutable else "" if numbers else "a category's codes"
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
            mend="name the columns that an attacker controls with --mutable, or choose --attack edits",
        )
    values = observed[moved].to_numpy(dtype=float)
    columns = Columns(
        tuple(moved),
        scaled_on[moved].to_numpy(dtype=float).std(axis=0),
        values.min(axis=0),
        values.max(axis=0),
        (values == np.rint(values)).all(axis=0),
        np.zeros(len(moved), dtype=int),
        {reason: tuple(names) for reason, names in held.items()},
    )
    return _as_declared(columns, declared) if declared else columns


def _tied(declared: Declared | None) -> set[str]:
    """The columns that cannot be moved by themselves, as others hang on them or they on others."""
    if declared is None:
        return set()
    names = {name for group in declared.one_hot for name in group}
    for feature in declared.features:
        others = {*feature.determined_by, feature.at_least, feature.at_most} - {""}
        names |= {feature.name, *others} if others else set()
    return names


def _as_declared(columns: Columns, declared: Declared) -> Columns:
    """The columns with the ends, the steps and the directions that were declared of them."""
    import numpy as np

    features = [declared.features[declared.place[name]] for name in columns.moved]
    known = np.array([feature.numeric for feature in features])
    return replace(
        columns,
        low=np.where(known, [feature.low for feature in features], columns.low),
        high=np.where(known, [feature.high for feature in features], columns.high),
        whole=np.where(known, [feature.whole for feature in features], columns.whole),
        only=np.array([{"increase": 1, "decrease": -1}.get(feature.only, 0) for feature in features]),
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
        original: The values of the columns that may move, shape (n, moved).
        origin: Their coordinates, shape (n, moved).
        low: The smallest coordinate of each moved column, shape (moved,).
        high: The largest.
        norm: How the size of a change is measured.
        budget: What the model may be asked.
    """

    def __init__(
        self,
        classifier: Classifier,
        rows: pd.DataFrame,
        columns: Columns,
        norm: Norm = "linf",
        budget: Budget | None = None,
    ) -> None:
        import numpy as np

        self.rows = rows.reset_index(drop=True)
        self.columns, self.norm = columns, norm
        self.budget = budget or unlimited()
        self._classifier = classifier
        self.original = self.rows[list(columns.moved)].to_numpy(dtype=float)
        self._centre = (columns.low + columns.high) / 2
        self.origin = self.coordinates(self.original)
        self.low, self.high = self.coordinates(columns.low), self.coordinates(columns.high)
        self._dtypes = {name: self.rows[name].dtype for name in columns.moved}
        self._fixed = [name for name in self.rows.columns if name not in self._dtypes]
        self._floats = not self._fixed and all(kind is np.dtype(float) for kind in self._dtypes.values())
        self._index = {label: i for i, label in enumerate(classifier.classes.tolist())}

    @property
    def queries(self) -> int:
        """How many rows the model was asked about so far."""
        return self.budget.queries

    @property
    def widest(self) -> float:
        """The size of the largest change there is: an epsilon that bounds nothing."""
        return float(self.size(self.high - self.low))

    @property
    def gives_probabilities(self) -> bool:
        """Whether the model says how sure it is."""
        return self._classifier.probabilities

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

        start = self.original[which]
        step = (z - self.origin[which]) * self.columns.scale
        step = np.where(self.columns.whole, np.trunc(step + np.sign(step) * 1e-9), step)
        step = np.where(step * self.columns.only < 0, 0.0, step)
        return np.asarray(np.clip(start + step, self.columns.low, self.columns.high))

    def frame(self, which: np.ndarray, values: np.ndarray) -> pd.DataFrame:
        """Whole rows with the moved columns replaced, in the table's own columns and types."""
        import numpy as np
        import pandas as pd

        if self._floats:  # column after column in memory, as a table of several columns hands them to a model
            return pd.DataFrame(np.asfortranarray(values), columns=self.rows.columns, copy=False)
        empty = np.isnan(values).any(axis=0)  # of whole numbers, a column with empty cells can be none
        kinds = {name: kind for name, kind in self._dtypes.items() if not empty[self.columns.moved.index(name)]}
        moved = pd.DataFrame(values, columns=list(self.columns.moved)).astype(kinds)
        if not self._fixed:
            return moved
        fixed = self.rows[self._fixed].iloc[which].reset_index(drop=True)
        return pd.concat([fixed, moved], axis=1)[list(self.rows.columns)]

    def classes(self, frame: pd.DataFrame) -> np.ndarray:
        """The index of the class that the model predicts for each row of a whole table, shape (k,)."""
        import numpy as np

        self.budget.take(len(frame))
        return np.array([self._index[label] for label in self._classifier.predict(frame).tolist()], dtype=int)

    def margins_at(self, which: np.ndarray, z: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """By how much the probability of each row's label exceeds that of any other class, shape (k,).

        Raises:
            WardeinError: If the model gives no probabilities, or what it gives are none.
        """
        import numpy as np

        found = []
        for i in range(0, len(z), _BATCH):
            part = slice(i, i + _BATCH)
            frame = self.frame(which[part], self.realise(which[part], z[part]))
            self.budget.take(len(frame))
            scores = self._classifier.predict_proba(frame)
            if scores is None:
                raise WardeinError("gives no probabilities", where="--model", mend="choose another --attack")
            if scores.shape != (len(frame), len(self._index)) or not np.isfinite(scores).all():
                raise WardeinError("gives probabilities that are not finite, or not one a class", where="--model")
            at, true = np.arange(len(frame)), labels[part]
            own = scores[at, true].astype(float)
            others = scores.astype(float)
            others[at, true] = -np.inf
            found.append(own - others.max(axis=1))
        return np.concatenate(found) if found else np.empty(0)

    def classes_at(self, which: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The index of the class that the model predicts at coordinates ``z``, shape (k,)."""
        import numpy as np

        answers = [
            self.classes(self.frame(which[i : i + _BATCH], self.realise(which[i : i + _BATCH], z[i : i + _BATCH])))
            for i in range(0, len(z), _BATCH)
        ]
        return np.concatenate(answers) if answers else np.empty(0, dtype=int)

    def size(self, change: np.ndarray) -> np.ndarray:
        """How large changes of coordinates are by the norm, shape (…, moved) to shape (…)."""
        import numpy as np

        if self.norm == "l2":
            return np.asarray(np.sqrt((change**2).sum(axis=-1)))
        return np.asarray(np.abs(change).max(axis=-1, initial=0.0))

    def within(self, origin: np.ndarray, z: np.ndarray, size: np.ndarray) -> np.ndarray:
        """The points nearest to ``z`` whose change from ``origin`` is no larger than ``size``, shape (k, moved)."""
        import numpy as np

        change = z - origin
        if self.norm == "l2":
            far = np.maximum(self.size(change), np.finfo(float).tiny)
            return np.asarray(origin + change * np.minimum(1.0, size / far)[:, None])
        return np.asarray(origin + np.clip(change, -size[:, None], size[:, None]))

    def distance(self, which: np.ndarray, z: np.ndarray) -> np.ndarray:
        """How large the change is, in units of the scales, once ``z`` is a table again; shape (k,)."""
        return self.size((self.realise(which, z) - self.original[which]) / self.columns.scale)

    def falls(self, which: np.ndarray, z: np.ndarray, labels: np.ndarray, epsilon: float) -> np.ndarray:
        """Whether each ``z`` is an adversarial example that counts: wrong by the real model, and within epsilon."""
        import numpy as np

        wrong = self.classes_at(which, z) != labels
        return np.asarray(wrong & (self.distance(which, z) <= epsilon * (1 + SLACK) + SLACK))
