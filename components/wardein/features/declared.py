# SPDX-License-Identifier: Apache-2.0
"""A table's columns as every change of a row has to respect them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.features.declaration import Kind, Only


@dataclass(frozen=True)
class Feature:
    """One column.

    Attributes:
        name: Its name.
        kind: What its values are.
        low: The smallest value of a numeric column.
        high: The largest.
        whole: Whether a numeric column takes whole numbers only.
        values: All values of any other column, of an ordinal one in their order, in the table's own type.
        immutable: Whether nobody can change it.
        only: The one direction in which it can change.
        determined_by: The columns that it follows.
        at_least: The column that it is never smaller than.
        at_most: The column that it is never larger than.
    """

    name: str
    kind: Kind
    low: float
    high: float
    whole: bool
    values: pd.Series
    immutable: bool = False
    only: Only = ""
    determined_by: tuple[str, ...] = ()
    at_least: str = ""
    at_most: str = ""

    @property
    def numeric(self) -> bool:
        """Whether it is a number that can be anywhere between two ends."""
        return self.kind == "numeric"


@dataclass(frozen=True)
class Declared:
    """All columns of a table, and what they have to do with each other.

    Rows are handled as arrays of numbers, shape (n, columns): a numeric column's own, of any other the place of the
    value among its values, -1 for one that is not among them; missing ones are NaN.

    Attributes:
        features: In the table's order.
        one_hot: Groups of columns of zeros and ones, exactly one of which is one.
        observed: Of each column that follows others, what was observed with their numbers, the most frequent first.
        decisions: What was taken to be true of the table, in words, and whether that was declared or inferred.
    """

    features: tuple[Feature, ...]
    one_hot: tuple[tuple[str, ...], ...]
    observed: Mapping[str, Mapping[tuple[float, ...], tuple[float, ...]]]
    decisions: tuple[str, ...]

    @cached_property
    def place(self) -> dict[str, int]:
        """Where each column stands."""
        return {feature.name: i for i, feature in enumerate(self.features)}

    def encoded(self, table: pd.DataFrame) -> np.ndarray:
        """Rows as numbers."""
        import numpy as np
        import pandas as pd

        numbers = np.empty((len(table), len(self.features)))
        for i, feature in enumerate(self.features):
            column = table[feature.name]
            if feature.numeric:
                numbers[:, i] = column.to_numpy(dtype=float, na_value=np.nan)
            else:
                codes = pd.Index(feature.values).get_indexer(pd.Index(column)).astype(float)
                numbers[:, i] = np.where(column.isna(), np.nan, codes)
        return numbers

    def decoded(self, numbers: np.ndarray, like: pd.DataFrame) -> pd.DataFrame:
        """Numbers as rows, in the columns' types of another table."""
        import numpy as np
        import pandas as pd

        columns: dict[str, Any] = {}
        for i, feature in enumerate(self.features):
            column, kind = numbers[:, i], like[feature.name].dtype
            if feature.numeric:
                columns[feature.name] = pd.Series(column).astype(kind)
            else:
                missing = np.isnan(column)
                codes = np.where(missing, -1, column).astype(np.intp)
                taken = feature.values.array.take(codes, allow_fill=bool(missing.any()))
                columns[feature.name] = pd.Series(taken).astype(kind)
        return pd.DataFrame(columns)

    def follow(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """The changed rows, in which columns that follow others take the value observed with theirs.

        Where nothing was observed, they stay as they are, which :meth:`broken` then says.
        """
        import numpy as np

        after = after.copy()
        for name in self._followers:
            i, own = self.place[name], [self.place[other] for other in self._by_name[name].determined_by]
            moved = np.flatnonzero(_changed(before[:, own], after[:, own]).any(axis=1))
            if len(moved):
                keys, where = _distinct(after[moved][:, own])
                seen = [self.observed[name].get(tuple(key.tolist())) for key in keys]
                given = np.array([np.nan if values is None else values[0] for values in seen])[where]
                after[moved, i] = np.where(np.isnan(given), after[moved, i], given)
        return after

    def broken(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Whether each changed row, as numbers, breaks a rule; what did not change breaks none; shape (n,)."""
        import numpy as np

        changed = _changed(before, after)
        bad = np.zeros(len(after), dtype=bool)
        for i, feature in enumerate(self.features):
            bad |= changed[:, i] & _outside(feature, before[:, i], after[:, i])
            for other, less in ((feature.at_least, True), (feature.at_most, False)):
                if other:
                    j = self.place[other]
                    over = after[:, i] < after[:, j] if less else after[:, i] > after[:, j]
                    bad |= (changed[:, i] | changed[:, j]) & over
            if feature.determined_by:
                bad |= self._unseen(feature, changed, after)
        for group in self.one_hot:
            own = [self.place[name] for name in group]
            ones = (after[:, own] == 1).sum(axis=1)
            bad |= changed[:, own].any(axis=1) & (ones != 1)
        return bad

    def cost(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """How much rows, as numbers, have changed: of numbers the share of their range, of a category 1; shape (n,)."""
        import numpy as np

        cost = np.zeros(len(after))
        for i, feature in enumerate(self.features):
            width = feature.high - feature.low if feature.numeric else len(feature.values) - 1
            ranked = feature.kind in ("numeric", "ordinal") and width > 0
            far = np.abs(after[:, i] - before[:, i]) / width if ranked else np.ones(len(after))
            changed = _changed(before, after)[:, i] & (not feature.determined_by)
            cost += np.where(changed, np.nan_to_num(far, nan=1.0), 0.0)
        return cost

    def violations(self, before: pd.DataFrame, after: pd.DataFrame) -> np.ndarray:
        """Whether each row, changed from the one before, breaks a rule; shape (n,)."""
        return self.broken(self.encoded(before), self.encoded(after))

    @cached_property
    def _by_name(self) -> dict[str, Feature]:
        return {feature.name: feature for feature in self.features}

    @cached_property
    def _followers(self) -> list[str]:
        """The columns that follow others, each after those that it follows."""
        ordered: list[str] = []

        def visit(name: str) -> None:
            if name not in ordered and self._by_name[name].determined_by:
                for other in self._by_name[name].determined_by:
                    visit(other)
                ordered.append(name)

        for feature in self.features:
            visit(feature.name)
        return ordered

    def _unseen(self, feature: Feature, changed: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Where a column, or one that it follows, changed to values that were not observed together."""
        import numpy as np

        i, own = self.place[feature.name], [self.place[name] for name in feature.determined_by]
        unseen = np.zeros(len(after), dtype=bool)
        moved = np.flatnonzero(changed[:, [i, *own]].any(axis=1))
        if len(moved):
            pairs, where = _distinct(after[moved][:, [*own, i]])
            seen = self.observed[feature.name]
            bad = [value not in seen.get(tuple(key), ()) for *key, value in pairs.tolist()]
            unseen[moved] = np.array(bad)[where]
        return unseen


def _changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.asarray((before != after) & ~(np.isnan(before) & np.isnan(after)))


def _distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different rows, and which of them each row is."""
    import numpy as np

    found, where = np.unique(rows, axis=0, return_inverse=True)
    return found, where.ravel()


def _outside(feature: Feature, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Whether a column's new value is none that it can take, or that it can take from the old one."""
    import numpy as np

    if feature.immutable:
        return np.ones(len(after), dtype=bool)
    low, high = (feature.low, feature.high) if feature.numeric else (0, len(feature.values) - 1)
    bad = np.isnan(after) | (after < low) | (after > high)
    if feature.whole or not feature.numeric:
        bad |= after != np.rint(after)
    if feature.only:
        bad |= after < before if feature.only == "increase" else after > before
    return np.asarray(bad)
