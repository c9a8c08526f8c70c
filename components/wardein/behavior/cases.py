# SPDX-License-Identifier: Apache-2.0
"""A model with labelled rows to judge it by, and the champion that it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.behavior.views import View, look
from wardein.errors import WardeinError
from wardein.models.predictors import Classifier, Regressor
from wardein.statistics.outcomes import observe, observe_numbers, text_of
from wardein.tables import labels_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class Case:
    """A model and labelled rows.

    Attributes:
        model: What stands for the model.
        table: The rows with all their columns, numbered from 0.
        rows: The model's columns of them.
        truth: Their labels, as places among the model's classes, or as numbers.
        view: What the model says of them.
        names: The classes as text; none for a regressor.
    """

    model: Classifier | Regressor
    table: pd.DataFrame
    rows: pd.DataFrame
    truth: np.ndarray
    view: View
    names: tuple[str, ...]


@dataclass(frozen=True)
class Champion:
    """The model that is in use.

    Attributes:
        model: What stands for it.
        table: The case's rows, of whose columns it may know others than the model does.
        order: The places of the model's classes among its own.
    """

    model: Classifier | Regressor
    table: pd.DataFrame
    order: Sequence[int]

    def rows(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Its columns of some of the case's rows, in which the model's columns may hold other values now."""
        table = self.table.loc[rows.index].assign(**{name: rows[name] for name in rows})
        return self.model.rows(table, "--champion", complete=False)

    def view(self, rows: pd.DataFrame) -> View:
        """What it says of some of the case's rows, by the model's classes."""
        import numpy as np

        seen = look(self.model, self.rows(rows))
        if not self.order:
            return seen
        places = np.argsort(self.order)[seen.said.astype(int)].astype(float)
        return View(places, None if seen.probabilities is None else seen.probabilities[:, self.order])


def draw(table: pd.DataFrame, label: str, most: int, seed: int) -> np.ndarray:
    """Places of rows, so that any first part of them, and every second one of it, holds the classes in proportion.

    Raises:
        WardeinError: If the label is missing or broken.
    """
    import numpy as np
    import pandas as pd

    classes = pd.factorize(labels_of(table, label))[0]
    if classes.max() > len(classes) / 10:  # numbers: there is nothing to hold in proportion
        classes = np.zeros_like(classes)
    rng = np.random.default_rng(seed)
    key: np.ndarray = np.empty(len(table))
    for place in np.unique(classes):
        rows = np.flatnonzero(classes == place)
        key[rows] = (rng.permutation(len(rows)) + rng.random()) / len(rows)
    drawn: np.ndarray = np.argsort(key, kind="stable")[:most]
    return drawn


def case_of(model: Classifier | Regressor, table: pd.DataFrame, label: str) -> Case:
    """Let a model predict labelled rows.

    Raises:
        WardeinError: If a label or a feature is missing or broken, or the model's answers make no sense.
    """
    rows = model.rows(table, complete=False)
    if isinstance(model, Classifier):
        seen = observe(model, table, label, probabilities=True)
        view = View(seen.predicted.astype(float), seen.probabilities)
        return Case(model, table, rows, seen.truth, view, seen.classes)
    numbers = observe_numbers(model, table, label)
    return Case(model, table, rows, numbers.truth, View(numbers.predicted), ())


def champion_of(model: Classifier | Regressor, case: Case) -> Champion:
    """The champion for a case.

    Raises:
        WardeinError: If it predicts something else than the model, or needs columns that are not there.
    """
    names = tuple(text_of(name) for name in model.classes) if isinstance(model, Classifier) else ()
    if sorted(names) != sorted(case.names):
        what = "has other classes than the model" if names and case.names else "is no model for the same task"
        raise WardeinError(what, where="--champion", mend="give a model that predicts the same label")
    champion = Champion(model, case.table, [names.index(name) for name in case.names])
    champion.rows(case.rows)
    return champion
