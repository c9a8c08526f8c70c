# SPDX-License-Identifier: Apache-2.0
"""What is attacked: a model, the rows that it is right on, and what may move in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wardein.attacks.budget import Budget
from wardein.attacks.decision import Pool
from wardein.attacks.space import Columns, Norm, Space, columns_of
from wardein.errors import WardeinError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.features import Declared
    from wardein.models.predictors import Classifier
    from wardein.statistics.outcomes import Outcomes

_POOL = 2000
# Of how many rows so many changed ones are asked about together, and some of them again alone.
_ALONE, _SIMILAR = 20, 30


@dataclass(frozen=True)
class Task:
    """A model and labelled rows.

    Attributes:
        classifier: The model.
        features: Its features of all rows.
        observed: Every row seen, those of a reference among them.
        scaled_on: The rows whose standard deviations are the unit of epsilon.
        declared: What the columns mean, completed by what the rows show; None if nothing was declared.
        outcomes: What the model says of all rows.
        rows: The positions of the rows to attack, ascending.
        seed: Of the samples.
        places: The place in the table of each of all rows; those with missing numbers are not among them.
        incomplete: How many rows had missing numbers.
    """

    classifier: Classifier
    features: pd.DataFrame
    observed: pd.DataFrame
    scaled_on: pd.DataFrame
    declared: Declared | None
    outcomes: Outcomes
    rows: np.ndarray
    seed: int
    places: np.ndarray
    incomplete: int = 0

    @property
    def numbers(self) -> np.ndarray:
        """The number of each row to attack, counted from 1 in the table."""
        numbers: np.ndarray = self.places[self.rows] + 1
        return numbers

    @property
    def truth(self) -> np.ndarray:
        """The true class of each row to attack."""
        labels: np.ndarray = self.outcomes.truth[self.rows]
        return labels

    @property
    def right(self) -> np.ndarray:
        """Whether the model is right on each row to attack."""
        import numpy as np

        return np.asarray(self.truth == self.outcomes.predicted[self.rows])

    def columns(self, immutable: list[str], mutable: list[str]) -> Columns:
        """Which columns may move.

        Raises:
            WardeinError: If none can.
        """
        return columns_of(self.observed, self.scaled_on, immutable, mutable, self.declared)

    def space(self, columns: Columns, norm: Norm, budget: Budget) -> Space:
        """The rows to attack.

        Raises:
            WardeinError: If the model answers them by chance.
        """
        space = Space(self.classifier, self.features.iloc[self.rows], columns, norm, budget)
        changed = int((space.classes(space.rows) != self.outcomes.predicted[self.rows]).sum())
        if changed:
            raise WardeinError(
                f"answers {changed} of {len(self.rows)} rows differently when asked again, so that no attack can be "
                "judged",
                where="--model",
                mend="save a model whose predictions do not depend on chance",
            )
        self._ask_alone(space)
        return space

    def _ask_alone(self, space: Space) -> None:
        """Attacks ask about many similar rows at once: what a model says of a row must not depend on the others.

        Raises:
            WardeinError: If it does.
        """
        import numpy as np

        which = np.repeat(np.arange(min(len(self.rows), _ALONE)), _SIMILAR)
        change = np.random.default_rng([self.seed, 4]).uniform(-1, 1, (len(which), space.origin.shape[1]))
        points = np.clip(space.origin[which] + change, space.low, space.high)
        together = space.classes_at(which, points)
        changed = [
            i for i in range(0, len(which), _SIMILAR + 1) if space.classes_at(which[[i]], points[[i]]) != together[i]
        ]
        if len(changed) > 1:  # one may be a tie that rounding decides
            raise WardeinError(
                f"answers {len(changed)} rows differently when each is asked alone, so that no attack can be judged",
                where="--model",
                mend="save a model that predicts each row by itself",
            )

    def sampled(self, columns: Columns, budget: Budget, most: int) -> tuple[Space, np.ndarray]:
        """As many of all rows, and their labels."""
        rows = sample(self.outcomes.truth, most, self.seed)
        return Space(self.classifier, self.features.iloc[rows], columns, budget=budget), self.outcomes.truth[rows]

    def pool(self, space: Space) -> Pool:
        """Real rows to start from."""
        rows = sample(self.outcomes.predicted, _POOL, self.seed)
        values = self.features.iloc[rows][list(space.columns.moved)].to_numpy(dtype=float)
        return Pool(space.coordinates(values), self.outcomes.predicted[rows])

    def order(self) -> np.ndarray:
        """The rows to attack, as places among them, in an order whose every beginning has the classes in proportion."""
        import numpy as np

        truth = self.truth
        shuffled = np.random.default_rng([self.seed, 3]).permutation(len(truth))
        share = np.empty(len(truth))
        for label in np.unique(truth):
            own = shuffled[truth[shuffled] == label]
            share[own] = (np.arange(len(own)) + 0.5) / len(own)
        return np.asarray(shuffled[np.argsort(share[shuffled], kind="stable")])


def task_of(
    classifier: Classifier,
    table: pd.DataFrame,
    label: str,
    reference: Path | None,
    features: Path | None,
    immutable: list[str],
    max_rows: int,
    seed: int,
) -> Task:
    """Read what is to be attacked.

    Raises:
        WardeinError: If a table does not fit the model, a declaration does not fit the rows, or the model decides
            nothing, or nothing right.
    """
    from wardein.features import complete, read
    from wardein.statistics.outcomes import observe

    places = _complete(classifier, table)
    whole = table.iloc[places].reset_index(drop=True)
    rows, outcomes = classifier.rows(whole), observe(classifier, whole, label)
    observed, scaled_on = _seen(classifier, rows, reference)
    declared = complete(read(features), observed, immutable) if features else None
    chosen = sample(outcomes.truth, max_rows, seed)
    left = len(table) - len(places)
    task = Task(classifier, rows, observed, scaled_on, declared, outcomes, chosen, seed, places, left)
    _require_attackable(task)
    return task


def _complete(classifier: Classifier, table: pd.DataFrame) -> np.ndarray:
    """The places of the rows without missing numbers, which an attack can start from.

    Raises:
        WardeinError: If there are others, and the model cannot predict them either; or nothing is left.
    """
    import numpy as np

    rows = classifier.rows(table, complete=False)
    gaps = rows.select_dtypes("number").isna().any(axis=1).to_numpy()
    if gaps.all():
        classifier.rows(table)  # says which column it is
    try:
        if gaps.any():
            classifier.predict(rows[gaps])
    except WardeinError:
        classifier.rows(table)
        raise
    return np.flatnonzero(~gaps)


def sample(truth: np.ndarray, most: int, seed: int) -> np.ndarray:
    """The positions of at most so many rows, ascending: every class in proportion, drawn at random within it."""
    import numpy as np

    shuffled = np.random.default_rng(seed).permutation(len(truth))
    by_class = shuffled[np.argsort(truth[shuffled], kind="stable")]
    size = min(most, len(truth))
    return np.sort(by_class[np.arange(size) * len(truth) // size])


def _seen(classifier: Classifier, features: pd.DataFrame, reference: Path | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every row seen, and those that give the scales."""
    import pandas as pd
    from pandas.api.types import is_numeric_dtype

    from wardein.tables import read_table

    if reference is None:
        return features, features
    others = classifier.rows(read_table(reference), "--reference")
    for name in features:
        if is_numeric_dtype(features[name]) != is_numeric_dtype(others[name]):
            raise WardeinError(
                f"the feature {name!r} is numeric in only one of data and reference",
                where="--reference",
                mend="give rows of the same kind as data",
            )
    return pd.concat([features, others], ignore_index=True), others


def _require_attackable(task: Task) -> None:
    """A model that decides nothing, or nothing right, cannot be shown to be robust."""
    outcomes = task.outcomes
    first = int(outcomes.predicted[0])
    if (outcomes.predicted == first).all():
        raise WardeinError(
            f"the model predicts the single class {outcomes.classes[first]!r} for all {len(outcomes.predicted)} rows, "
            "so that there is no decision to attack",
            where="--data",
            mend="give rows of every class, or a model that tells them apart",
        )
    if not task.right.any():
        raise WardeinError(
            "the model is wrong on every sampled row, so that there is nothing to attack",
            where="--data",
            mend="check that --label names the column that the model predicts",
        )
