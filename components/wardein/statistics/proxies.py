# SPDX-License-Identifier: Apache-2.0
"""Hidden proxies: how well features tell who belongs to which group.

A model that never sees an attribute can still act on it, through the features that give it away. For each feature,
a table of shares is learnt on some rows (how frequent each group is where the feature has such a value) and ranks the
others; for all features together, a small forest of random trees does the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wardein.report import Interval
from wardein.statistics import intervals
from wardein.statistics.groups import Division

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

FOLDS = 5
MOST_ROWS = 10_000
# How many features are looked at together, the best ones.
MOST_TOGETHER = 50
_LEAST_OF_A_GROUP = 500
_BINS = 32
_TREES = 40


@dataclass(frozen=True)
class Proxy:
    """How well something tells the members of a group from all others.

    Attributes:
        feature: The feature; empty for all together.
        group: The group that it tells best.
        auc: The probability that a member gets a higher score than another row, on rows that the score was not made
            from: 0.5 is guessing, 1 is knowing.
        interval: Its 95 % interval.
        n: The rows it was measured on.
    """

    feature: str
    group: str
    auc: float
    interval: Interval
    n: int


def proxies(features: pd.DataFrame, division: Division, *, least: int, seed: int) -> list[Proxy]:
    """How well features tell groups, all together first, then each alone, the best first.

    Args:
        features: The features, one row a person.
        division: The groups.
        least: The rows that a group needs to be told from the others.
        seed: Decides which rows are looked at, if there are more than :data:`MOST_ROWS`, and which learn from which.

    Returns:
        Nothing if there is no feature, or fewer than two groups have enough rows.
    """
    import numpy as np

    sizes = np.bincount(division.codes, minlength=len(division.groups))
    told = [i for i in np.flatnonzero(sizes >= max(least, 2 * FOLDS)).tolist() if sizes[i] < len(features)]
    if len(told) < 2 or not len(features.columns):
        return []
    binned = np.stack([_binned(features[name]) for name in features], axis=1)
    chosen = _sample(binned, division.codes, sizes, seed)
    binned, codes = binned[chosen], division.codes[chosen]
    fold = np.arange(len(codes)) % FOLDS
    # Two groups are told from each other, whichever is asked for.
    told = told[:1] if np.count_nonzero(sizes) == 2 else told
    found = [
        _best(str(name), _areas_of_bins(binned[:, i], codes, fold, told), division, codes, told)
        for i, name in enumerate(features)
    ]
    order = sorted(range(len(found)), key=lambda i: (-found[i].auc, found[i].feature))
    if len(found) == 1:
        return [replace(found[0], feature=""), *found]
    areas = _areas_of_forest(binned[:, order[:MOST_TOGETHER]], codes, fold, told, seed)
    return [_best("", areas, division, codes, told), *(found[i] for i in order)]


def _best(name: str, areas: np.ndarray, division: Division, codes: np.ndarray, told: list[int]) -> Proxy:
    import numpy as np

    place = int(np.argmax(areas))
    area, members = float(areas[place]), int((codes == told[place]).sum())
    interval = intervals.auc(area, members, len(codes) - members)
    return Proxy(name, division.groups[told[place]], area, interval, len(codes))


def _binned(column: pd.Series) -> np.ndarray:
    """A feature in a few steps that do not depend on the order of the rows; missing values are a step of their own."""
    import numpy as np
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if is_numeric_dtype(column) and not is_bool_dtype(column):
        values = column.to_numpy(dtype=float, na_value=np.nan)
        known = values[~np.isnan(values)]
        if not len(known):
            return np.zeros(len(values), dtype=np.int64)
        ends = np.unique(np.quantile(known, np.linspace(0, 1, _BINS)[:-1], method="lower"))
        return np.where(np.isnan(values), 0, np.searchsorted(ends, values, side="right"))
    text = column.astype("string")
    frequent = text.value_counts()
    kept = sorted(sorted(frequent.index, key=lambda value: (-int(frequent[value]), value))[: _BINS - 2])
    codes: np.ndarray = pd.Categorical(text, categories=kept).codes.astype(np.int64) + 2
    return np.where(text.isna().to_numpy(), 0, codes)


def _sample(binned: np.ndarray, codes: np.ndarray, sizes: np.ndarray, seed: int) -> np.ndarray:
    """Rows of every group, in an order that follows from what they hold and not from where they stand."""
    import numpy as np

    random = np.random.default_rng(seed)
    factors = random.integers(1, 2**62, binned.shape[1], dtype=np.int64) | 1
    with np.errstate(over="ignore"):
        mixed = (binned * factors).sum(axis=1)
    mixed ^= mixed >> 29
    chosen = []
    for group, size in enumerate(sizes.tolist()):
        rows = np.flatnonzero(codes == group)
        rows = rows[np.lexsort((*binned[rows].T, mixed[rows]))]
        quota = min(size, max(-(-MOST_ROWS * size // len(codes)), _LEAST_OF_A_GROUP))
        # Every k-th of them, so that rows that are alike are as frequent as among all; then in any order, since folds
        # in which each kind of rows is equally frequent would be no rows that are new.
        chosen.append(random.permutation(rows[np.arange(quota) * size // max(quota, 1)]))
    return np.concatenate(chosen)


def _areas_of_bins(steps: np.ndarray, codes: np.ndarray, fold: np.ndarray, told: list[int]) -> np.ndarray:
    """For each group, the area under the ROC curve of its shares by step, learnt on the other folds; their mean."""
    import numpy as np

    groups = int(codes.max()) + 1
    counts = np.zeros((FOLDS, int(steps.max()) + 1, groups))
    np.add.at(counts, (fold, steps, codes), 1)
    whole = counts.sum(axis=2)
    areas: np.ndarray = np.empty((FOLDS, len(told)))
    for held in range(FOLDS):
        learnt, rows = counts.sum(axis=0) - counts[held], whole.sum(axis=0) - whole[held]
        for place, group in enumerate(told):
            prior = learnt[:, group].sum() / rows.sum()
            score = (learnt[:, group] + prior) / (rows + 1)
            areas[held, place] = _area(score, counts[held][:, group], whole[held] - counts[held][:, group])
    mean: np.ndarray = areas.mean(axis=0)
    return mean


def _areas_of_forest(binned: np.ndarray, codes: np.ndarray, fold: np.ndarray, told: list[int], seed: int) -> np.ndarray:
    import numpy as np
    from sklearn.ensemble import ExtraTreesClassifier

    areas: np.ndarray = np.empty((FOLDS, len(told)))
    for held in range(FOLDS):
        test = fold == held
        forest = ExtraTreesClassifier(_TREES, min_samples_leaf=5, max_features=0.5, random_state=seed, n_jobs=1)
        forest.fit(binned[~test].astype(np.float32), codes[~test])
        shares = forest.predict_proba(binned[test].astype(np.float32))
        for place, group in enumerate(told):
            score = shares[:, forest.classes_.tolist().index(group)].round(9)
            members = codes[test] == group
            areas[held, place] = _area(score, members.astype(float), (~members).astype(float))
    mean: np.ndarray = areas.mean(axis=0)
    return mean


def _area(score: np.ndarray, members: np.ndarray, others: np.ndarray) -> float:
    """The area under the ROC curve of scores that so many members and others have; ties count half."""
    import numpy as np

    _, place = np.unique(score, return_inverse=True)
    members, others = np.bincount(place, members), np.bincount(place, others)
    below = np.cumsum(others) - others / 2
    return float((members * below).sum() / (members.sum() * others.sum()))
