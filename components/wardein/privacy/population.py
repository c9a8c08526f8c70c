# SPDX-License-Identifier: Apache-2.0
"""Members and non-members: rows that a model was trained on, and rows that it was not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.errors import WardeinError
from wardein.models.predictors import Classifier

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.models.predictors import Regressor

# With fewer on a side nothing can be told from chance.
LEAST_ROWS = 50
# Models are fitted anew on half of the attacked rows and at most so many other training rows.
MOST_OTHERS = 4000


@dataclass(frozen=True)
class Population:
    """The rows that are attacked, and what the model says of them.

    Attributes:
        rows: The model's features: the members first, then the non-members.
        member: Which are members.
        numbers: For each row its number in its own table, from 1.
        truth: For each row the place of its class among the model's, or its number.
        answers: The model's probabilities, shape (n, classes): of a model without, 1 for the class that it names. Of a
            regressor its numbers, shape (n,).
        others: Training rows that are not attacked, to fit models anew on.
        others_truth: Their labels.
        shared: How many rows of the non-members' table are also among the members, and are left out.
        near: How many others are nearly among them, and are left out.
        available: How many distinct members and non-members there were to choose from.
    """

    rows: pd.DataFrame
    member: np.ndarray
    numbers: np.ndarray
    truth: np.ndarray
    answers: np.ndarray
    others: pd.DataFrame
    others_truth: np.ndarray
    shared: int
    near: int
    available: tuple[int, int]

    @property
    def classes(self) -> int:
        """How many classes the model has; 0 for a regressor."""
        return self.answers.shape[1] if self.answers.ndim == 2 else 0


def draw(
    model: Classifier | Regressor, members: pd.DataFrame, others: pd.DataFrame, label: str, most: int, seed: int
) -> Population:
    """Choose at most so many members and non-members, and ask the model about them.

    A row that both tables hold is no evidence for either side and is left out of both; so are non-members that nearly
    are a member, which a model that knows the member recognises as well.

    Raises:
        WardeinError: If a column is missing or broken, or too few rows are left.
    """
    import numpy as np
    import pandas as pd

    from wardein.statistics.neighbours import overlap
    from wardein.statistics.rows import repeated_rows, rows_in
    from wardein.tables import labels_of, require_columns

    columns = [*model.features, label]
    for table, where in ((others, "--data"), (members, "--reference")):
        labels_of(table, label, where)
        require_columns(table, columns, where)
    members, others = members[columns], others[columns]
    _require_same_kinds(members, others, model.features)
    both = overlap(others, members)
    inside = np.flatnonzero(~rows_in(members, others) & ~repeated_rows(members))
    outside = np.flatnonzero(~both.same & ~both.near & ~repeated_rows(others))
    for rows, where, what in ((outside, "--data", "reference"), (inside, "--reference", "data")):
        if len(rows) < LEAST_ROWS:
            raise WardeinError(
                f"has {len(rows)} distinct rows that {what} has not, or nearly, and an attack needs {LEAST_ROWS}",
                where=where,
                mend="give the training rows as reference, and as data rows that were held out of the training",
            )
    random = np.random.default_rng(seed)
    order = _by_class(members[label].to_numpy(), random.permutation(inside), most)
    chosen, rest = np.sort(order[:most]), np.sort(random.permutation(order[most:])[:MOST_OTHERS])
    unseen = np.sort(_by_class(others[label].to_numpy(), random.permutation(outside), most)[:most])
    with _named("--reference"):
        truth, answers = _asked(model, members.iloc[np.concatenate([chosen, rest])], label)
    truth_unseen, answers_unseen = _asked(model, others.iloc[unseen], label)
    features = list(model.features)
    return Population(
        rows=pd.concat([members.iloc[chosen], others.iloc[unseen]], ignore_index=True)[features],
        member=np.arange(len(chosen) + len(unseen)) < len(chosen),
        numbers=np.concatenate([chosen, unseen]) + 1,
        truth=np.concatenate([truth[: len(chosen)], truth_unseen]),
        answers=np.concatenate([answers[: len(chosen)], answers_unseen]),
        others=members.iloc[rest][features],
        others_truth=truth[len(chosen) :],
        shared=int(both.same.sum()),
        near=int(both.near.sum()),
        available=(len(inside), len(outside)),
    )


def _by_class(labels: np.ndarray, rows: np.ndarray, most: int) -> np.ndarray:
    """The rows in another order: first so many of every class in proportion, then the others."""
    import numpy as np
    import pandas as pd

    if len(rows) <= most or len(pd.unique(labels[rows])) > most // 2:
        return rows
    grouped = rows[np.argsort(pd.factorize(labels[rows], sort=True)[0], kind="stable")]
    first = np.arange(most) * len(rows) // most
    return np.concatenate([grouped[first], np.delete(grouped, first)])


def _asked(model: Classifier | Regressor, table: pd.DataFrame, label: str) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    from wardein.models.answers import ask
    from wardein.statistics.outcomes import observe, observe_numbers

    table = table.reset_index(drop=True)
    if isinstance(model, Classifier):
        seen = observe(model, table, label, probabilities=True)
        named = np.eye(len(seen.classes))[seen.predicted]
        truth, answers = seen.truth, named if seen.probabilities is None else seen.probabilities.astype(float)
    else:
        numbers = observe_numbers(model, table, label)
        truth, answers = numbers.truth, numbers.predicted
    again = table[list(model.features)].head(LEAST_ROWS)
    if ask(model, again).differing(ask(model, again)):
        raise WardeinError(
            "answers differently when it is asked about the same rows again, so that nothing can be measured of it",
            where="--model",
            mend="give a model whose predictions are not drawn at random",
        )
    return truth, answers


def _require_same_kinds(one: pd.DataFrame, other: pd.DataFrame, features: tuple[str, ...]) -> None:
    from pandas.api.types import is_numeric_dtype

    for name in features:
        if is_numeric_dtype(one[name]) != is_numeric_dtype(other[name]):
            raise WardeinError(
                f"the feature {name!r} is numeric in only one of data and reference",
                where="--reference",
                mend="give rows of the same kind as data",
            )


@contextmanager
def _named(where: str) -> Iterator[None]:
    """What is said of the data, said of another table."""
    try:
        yield
    except WardeinError as error:
        raise WardeinError(error.what, where if error.where == "--data" else error.where, error.mend) from None
