# SPDX-License-Identifier: Apache-2.0
"""Single edits of rows, what a model says of edited rows, and how an example is brought nearer to its row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.features import Declared
    from wardein.models.predictors import Classifier

# How many values of one column are tried: of categories the most frequent ones, of numbers quantiles.
_CATEGORIES, _QUANTILES = 64, 16
_HALVINGS = 18
_DIGITS = (2, 3, 4, 6)
_BATCH = 20_000


class Moves:
    """Single edits: which columns each sets, and to what numbers.

    Attributes:
        group: Edits of one group exclude one another.
    """

    def __init__(self, edits: list[tuple[int, tuple[int, ...], tuple[float, ...]]]) -> None:
        """Take edits as group, columns and numbers."""
        import numpy as np

        self.group = np.array([group for group, _, _ in edits], dtype=int)
        self._sets = [(np.array(columns), np.array(numbers)) for _, columns, numbers in edits]

    def __len__(self) -> int:
        return len(self._sets)

    def apply(self, rows: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Rows after one edit each."""
        import numpy as np

        rows = rows.copy()
        if not len(chosen):
            return rows
        order = np.argsort(chosen, kind="stable")
        edits, first = np.unique(chosen[order], return_index=True)
        for edit, where in zip(edits, np.split(order, first[1:]), strict=True):
            columns, numbers = self._sets[edit]
            rows[np.ix_(where, columns)] = numbers
        return rows


def moves_of(declared: Declared, observed: pd.DataFrame, most: int) -> Moves:
    """All single edits: every column that can change to values that were observed, every one-hot group to each member.

    Args:
        declared: What the columns mean.
        observed: Rows that show which values there are.
        most: About how many; with more, every column gets fewer values, but no fewer than two.
    """
    numbers = declared.encoded(observed)
    units: list[tuple[tuple[int, ...], list[tuple[float, ...]]]] = []
    hot = {name for group in declared.one_hot for name in group}
    for group in declared.one_hot:
        columns = tuple(declared.place[name] for name in group)
        if not any(declared.features[i].immutable or declared.features[i].determined_by for i in columns):
            units.append((columns, [tuple(float(j == i) for j in columns) for i in columns]))
    for i, feature in enumerate(declared.features):
        if not (feature.name in hot or feature.immutable or feature.determined_by):
            seen = _quantiles(numbers[:, i], _QUANTILES) if feature.numeric else _frequent(numbers[:, i], _CATEGORIES)
            units.append(((i,), [(value,) for value in seen]))
    each = max(_CATEGORIES, max((len(values) for _, values in units), default=0))
    while each > 2 and sum(min(each, len(values)) for _, values in units) > most:
        each -= 1
    return Moves(
        [
            (group, columns, values[round(k * (len(values) - 1) / max(min(each, len(values)) - 1, 1))])
            for group, (columns, values) in enumerate(units)
            for k in range(min(each, len(values)))
        ]
    )


def _quantiles(numbers: np.ndarray, count: int) -> list[float]:
    """Values that were observed, from the smallest to the largest."""
    import numpy as np

    seen = numbers[~np.isnan(numbers)]
    if not len(seen):
        return []
    found: list[float] = np.unique(np.quantile(seen, np.linspace(0, 1, count), method="inverted_cdf")).tolist()
    return found


def _frequent(numbers: np.ndarray, count: int) -> list[float]:
    """The most frequent values, by their places."""
    import numpy as np

    seen, times = np.unique(numbers[numbers >= 0], return_counts=True)
    found: list[float] = np.sort(seen[np.argsort(-times, kind="stable")[:count]]).tolist()
    return found


class Asked:
    """A model, asked about rows as numbers.

    Attributes:
        queries: About how many rows so far.
    """

    def __init__(
        self,
        classifier: Classifier,
        table: pd.DataFrame,
        declared: Declared,
        labels: np.ndarray,
        take: Callable[[int], None],
    ) -> None:
        """Ask a model about rows that come from a table, whose true classes are ``labels``."""
        self._classifier, self._table, self._declared, self._labels = classifier, table, declared, labels
        self._index = {label: i for i, label in enumerate(classifier.classes.tolist())}
        self._take = take
        self.queries = 0

    def wrong(self, which: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Whether the model is wrong on each edited row; ``which`` are the places of the rows it comes from."""
        import numpy as np

        found = [np.empty(0, dtype=bool)]
        for part, frame in self._frames(numbers):
            said = [self._index[label] for label in self._classifier.predict(frame).tolist()]
            found.append(np.array(said, dtype=int) != self._labels[which[part]])
        return np.concatenate(found)

    def lead(self, which: np.ndarray, numbers: np.ndarray) -> np.ndarray | None:
        """By how much the true class leads, where the model says so in probabilities that make sense."""
        import numpy as np

        if not self._classifier.probabilities:
            return None
        found = [np.empty(0)]
        for part, frame in self._frames(numbers):
            said = self._classifier.predict_proba(frame)
            if said is None or said.shape != (len(frame), len(self._index)) or not np.isfinite(said).all():
                return None
            said, labels, at = said.astype(float), self._labels[which[part]], np.arange(len(frame))
            own = said[at, labels]
            said[at, labels] = -np.inf
            found.append(own - said.max(axis=1))
        return np.concatenate(found)

    def _frames(self, numbers: np.ndarray) -> Iterator[tuple[slice, pd.DataFrame]]:
        for first in range(0, len(numbers), _BATCH):
            part = slice(first, first + _BATCH)
            frame = self._declared.decoded(numbers[part], self._table)
            self._take(len(frame))
            self.queries += len(frame)
            yield part, frame


def shrunk(asked: Asked, declared: Declared, start: np.ndarray, best: np.ndarray, rows: np.ndarray) -> None:
    """Bring examples nearer to their rows: each number that changed, as long as the model stays wrong.

    Args:
        asked: The model.
        declared: What the columns mean.
        start: All rows, as numbers.
        best: Their examples, changed in place.
        rows: The rows that have one.
    """
    import numpy as np

    for i, feature in enumerate(declared.features):
        if feature.determined_by or feature.kind not in ("numeric", "ordinal"):
            continue
        steps = feature.whole or not feature.numeric
        own = rows[(best[rows, i] != start[rows, i]) & ~np.isnan(start[rows, i])]
        near, far = start[own, i], best[own, i]
        for _ in range(_HALVINGS):
            middle = (near + far) / 2
            middle = np.where(far > near, np.floor(middle), np.ceil(middle)) if steps else middle
            go = (middle != near) & (middle != far)
            if not go.any():
                break
            wrong = np.zeros(len(own), dtype=bool)
            wrong[go] = _still(asked, declared, start, best, own[go], i, middle[go])
            near, far = np.where(wrong | ~go, near, middle), np.where(wrong, middle, far)
        long = np.ones(len(own), dtype=bool)
        for digits in () if steps else _DIGITS:
            rounded = _in_digits(far, digits, up=far > start[own, i])
            go = long & (rounded != far)
            if go.any():
                wrong = np.zeros(len(own), dtype=bool)
                wrong[go] = _still(asked, declared, start, best, own[go], i, rounded[go])
                long &= ~wrong


def _in_digits(numbers: np.ndarray, digits: int, *, up: np.ndarray) -> np.ndarray:
    """Numbers in so many digits, the next one up or down: away from the row, where a model mostly stays wrong."""
    import numpy as np

    unit = 10.0 ** (np.floor(np.log10(np.maximum(np.abs(numbers), 1e-300))) - digits + 1)
    rounded = np.where(up, np.ceil(numbers / unit), np.floor(numbers / unit)) * unit
    return np.array([float(f"{number:.{digits}g}") for number in rounded])


def _still(
    asked: Asked,
    declared: Declared,
    start: np.ndarray,
    best: np.ndarray,
    rows: np.ndarray,
    column: int,
    numbers: np.ndarray,
) -> np.ndarray:
    """Where the model is still wrong with these numbers in one column, which is kept there."""
    import numpy as np

    tried = best[rows]
    tried[:, column] = numbers
    tried = declared.follow(start[rows], tried)
    good = ~declared.broken(start[rows], tried)
    wrong = np.zeros(len(rows), dtype=bool)
    wrong[good] = asked.wrong(rows[good], tried[good])
    best[rows[wrong]] = tried[wrong]
    return wrong
