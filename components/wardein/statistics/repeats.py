# SPDX-License-Identifier: Apache-2.0
"""Whether a model says the same of a row when it is asked again: if not, what was measured is that of one draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardein.models.answers import Answers, ask
from wardein.models.predictors import Classifier, Regressor
from wardein.statistics.outcomes import Outcomes

if TYPE_CHECKING:
    import pandas as pd

    from wardein.statistics.outcomes import Numbers

ASKED = 1_000


def differing_again(model: Classifier | Regressor, table: pd.DataFrame, said: Outcomes | Numbers) -> tuple[int, int]:
    """Of how many rows a model says something else when it is asked again, and how many it was asked about.

    It is asked twice: some of the rows now stand without the others, and then they are asked for as before, which
    leaves not even rounding as an excuse where two classes are equally probable.

    Args:
        model: The model.
        table: The rows.
        said: What it said of them when it was asked about all.
    """
    step = -(-len(table) // ASKED)
    rows = model.rows(table.iloc[::step], complete=False)
    again, as_before = ask(model, rows), ask(model, rows)
    if isinstance(said, Outcomes) and isinstance(model, Classifier):
        once = Answers(model.classes[said.predicted], said.probabilities)
    else:
        once = Answers(None, said.predicted)
        again, as_before = _flat(again), _flat(as_before)
    differing = max(once.at(slice(None, None, step)).differing(again), again.differing(as_before))
    if again.labels is not None and as_before.labels is not None:
        differing = max(differing, int((again.labels != as_before.labels).sum()))
    return differing, len(rows)


def _flat(said: Answers) -> Answers:
    """A regressor's numbers, one a row, without a second dimension."""
    return Answers(None, None if said.numbers is None else said.numbers.reshape(-1))
