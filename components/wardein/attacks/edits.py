# SPDX-License-Identifier: Apache-2.0
"""The fewest columns of a row that have to change for a classifier to be wrong, among rows that could exist.

A search on the table itself: columns take values that were observed, what follows them follows, one-hot groups move as
one, nothing else moves. So every example is feasible, where attacks on coordinates leave next to none feasible on
tables of mixed columns (Simonetto et al. 2024, Constrained adaptive attack: CAPGD repairs the steps of a gradient,
MOEVA breeds examples and penalises what they break; here nothing is broken that would have to be repaired).

First every single edit is tried, then pairs and triples of the most promising ones, all rows at once. What counts is
what the model predicts; probabilities, where there are any, only say what to try next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wardein.attacks.moves import Asked, Moves, moves_of, shrunk
from wardein.tables import shown

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.features import Declared
    from wardein.models.predictors import Classifier

# Of the single edits of a row, how many are paired with one another; of its pairs, how many are carried on.
_PROMISING, _CARRIED = 40, 6
_BLOCK = 100


@dataclass(frozen=True)
class Change:
    """What happened to one column of a row.

    Attributes:
        column: Its name.
        before: Its value in the table.
        after: Its value in the example.
    """

    column: str
    before: Any
    after: Any

    @property
    def words(self) -> str:
        """It, as an instruction."""
        numbers = [
            isinstance(value, int | float) and not isinstance(value, bool) for value in (self.before, self.after)
        ]
        name = shown(self.column)
        if all(numbers) and self.before == self.before:  # noqa: PLR0124 - a missing number is not itself
            verb = "raise" if self.after > self.before else "lower"
            return f"{verb} {name} from {_said(self.before)} to {_said(self.after)}"
        return f"change {name} from {_said(self.before)} to {_said(self.after)}"


@dataclass(frozen=True)
class Edited:
    """What the search found.

    Attributes:
        edits: The smallest number of edits that made the model wrong on each row: 0 where it was wrong from the start,
            infinite where the row stood; a one-hot group, or a column with those that follow it, is one edit; (n,).
        changes: Of each row that fell, by its place, the columns that change, those that follow among them.
        examples: The rows that fell, as they are then, with their places as index.
        queries: How many rows the model was asked about.
        unattacked: The places of rows that the model got right and that nothing could be tried on.
    """

    edits: np.ndarray
    changes: Mapping[int, tuple[Change, ...]]
    examples: pd.DataFrame
    queries: int
    unattacked: np.ndarray


def search(
    classifier: Classifier,
    rows: pd.DataFrame,
    declared: Declared,
    labels: np.ndarray,
    right: np.ndarray,
    observed: pd.DataFrame,
    most: int = 3,
    budget: int = 400,
    seed: int = 0,
    take: Callable[[int], None] = lambda queries: None,
) -> Edited:
    """Look for the fewest edits that make a classifier wrong.

    Args:
        classifier: The model.
        rows: The rows under attack, with the model's features.
        declared: What the columns mean.
        labels: The index of the true class of each row, shape (n,).
        right: The places of the rows on which the model is right, shape (k,).
        observed: Rows that show which values there are.
        most: How many edits to try at most, 1 to 3.
        budget: How many rows the model is asked about for each row under attack, about; half of it for single edits.
        seed: Two runs with the same seed are the same.
        take: Told how many rows the model is about to be asked about.

    Raises:
        WardeinError: If the model cannot predict rows that the declaration allows.
    """
    import numpy as np

    table = rows.reset_index(drop=True)
    asked = Asked(classifier, table, declared, labels, take)
    moves = moves_of(declared, observed, budget // 2)
    start = declared.encoded(table)
    edits, best, tried = np.zeros(len(table)), start.copy(), [np.empty(0, dtype=int)]
    edits[right] = np.inf
    for first in range(0, len(right), _BLOCK):
        part = _Search(asked, declared, start, moves, budget // 4, np.random.default_rng([seed, first]))
        tried.append(part.run(np.sort(right)[first : first + _BLOCK], most, edits, best))
    fallen = np.flatnonzero(np.isfinite(edits) & (edits > 0))
    shrunk(asked, declared, start, best, fallen)
    examples = declared.decoded(best[fallen], table).set_axis(fallen, axis=0)
    changes = {int(row): tuple(_changes(table, examples, int(row))) for row in fallen}
    return Edited(edits, changes, examples, asked.queries, np.setdiff1d(right, np.concatenate(tried)))


def _changes(table: pd.DataFrame, examples: pd.DataFrame, row: int) -> Iterator[Change]:
    for name in table.columns:
        before, after = table[name].iloc[row], examples[name].loc[row]
        if before != after and not (before != before and after != after):  # noqa: PLR0124 - missing ones
            yield Change(str(name), _plain(before), _plain(after))


def _plain(value: Any) -> Any:
    """A value as Python has it."""
    return value.item() if hasattr(value, "item") else value


def _said(value: Any) -> str:
    if isinstance(value, float):
        return "missing" if value != value else f"{value:.10g}"  # noqa: PLR0124 - a missing number is not itself
    return shown(value)


class _Search:
    """The rounds over some rows. An edit is the place of a single edit among all of them."""

    def __init__(
        self, asked: Asked, declared: Declared, start: np.ndarray, moves: Moves, limit: int, rng: np.random.Generator
    ) -> None:
        self._asked, self._declared, self._start, self._moves = asked, declared, start, moves
        self._limit, self._rng = limit, rng

    def run(self, right: np.ndarray, most: int, edits: np.ndarray, best: np.ndarray) -> np.ndarray:
        """Fill in how many edits each row takes and the example, and return the rows that anything was tried on."""
        import numpy as np

        which = np.repeat(right, len(self._moves))
        chosen = np.tile(np.arange(len(self._moves)), len(right))[:, None]
        which, chosen, numbers = self._feasible(which, chosen)
        tried = np.unique(which)
        singles: list[_Tried] = []
        grown: list[_Tried] = []
        for count in range(1, most + 1):
            wrong = self._asked.wrong(which, numbers)
            self._keep(which[wrong], numbers[wrong], count, edits, best)
            go = np.isinf(edits[which])
            if count == most or not go.any():
                break
            lead = self._asked.lead(which[go], numbers[go])
            lead = self._rng.random(int(go.sum())) if lead is None else lead
            grown = _by_row(which[go], chosen[go], lead)
            singles = grown if count == 1 else [one for one in singles if np.isinf(edits[one.row])]
            which, chosen, numbers = self._feasible(*self._combined(grown, singles))
        return tried

    def _feasible(self, which: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The rows after their edits, as far as these change anything and break no rule."""
        import numpy as np

        before = self._start[which]
        numbers = before
        for edit in chosen.T:
            numbers = self._moves.apply(numbers, edit)
        numbers = self._declared.follow(before, numbers)
        good = (numbers != before).any(axis=1) & ~self._declared.broken(before, numbers)
        return which[good], chosen[good], np.asarray(numbers[good])

    def _combined(self, grown: list[_Tried], singles: list[_Tried]) -> tuple[np.ndarray, np.ndarray]:
        """Edits of each row together with one more, where both have made the true class lead less."""
        import numpy as np

        which, chosen = [], []
        one_more = {single.row: single for single in singles}
        for some in grown:
            single = one_more[some.row]
            few, more = some.least(_PROMISING if some.chosen.shape[1] == 1 else _CARRIED), single.least(_PROMISING)
            left, right = np.divmod(np.arange(len(few) * len(more)), len(more))
            together = np.sort(np.hstack([some.chosen[few[left]], single.chosen[more[right]]]), axis=1)
            lead = some.lead[few[left]] + single.lead[more[right]]
            groups = np.sort(self._moves.group[together], axis=1)
            order = np.argsort(lead, kind="stable")
            order = order[(np.diff(groups, axis=1)[order] != 0).all(axis=1)]
            _, first = np.unique(together[order], axis=0, return_index=True)
            picked = together[order[np.sort(first)[: self._limit]]]
            which.append(np.full(len(picked), some.row))
            chosen.append(picked)
        return np.concatenate(which), np.concatenate(chosen)

    def _keep(self, which: np.ndarray, numbers: np.ndarray, count: int, edits: np.ndarray, best: np.ndarray) -> None:
        """Of the examples of each row, the one that changes least."""
        import numpy as np

        order = np.lexsort((self._declared.cost(self._start[which], numbers), which))
        rows, first = np.unique(which[order], return_index=True)
        edits[rows], best[rows] = count, numbers[order[first]]


@dataclass(frozen=True)
class _Tried:
    """Edits of one row that left the model right, shape (k, edits), and by how much the true class still led."""

    row: int
    chosen: np.ndarray
    lead: np.ndarray

    def least(self, count: int) -> np.ndarray:
        """The places of those where it led least."""
        import numpy as np

        return np.argsort(self.lead, kind="stable")[:count]


def _by_row(which: np.ndarray, chosen: np.ndarray, lead: np.ndarray) -> list[_Tried]:
    import numpy as np

    rows, first = np.unique(which, return_index=True)
    ends = np.append(first[1:], len(which))
    return [_Tried(int(row), chosen[at:end], lead[at:end]) for row, at, end in zip(rows, first, ends, strict=True)]
