# SPDX-License-Identifier: Apache-2.0
"""Rows that the model may know from training, and columns that tell the label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardein.performance.study import SHOWN, UNIT, Study, mean, share
from wardein.report import Metric, Severity
from wardein.statistics import intervals
from wardein.statistics.outcomes import slice_value
from wardein.tables import shown

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.statistics.outcomes import Numbers, Outcomes

# How well one column alone has to rank the rows before it is too good to be true, and for certain.
_TOO_GOOD, _FOR_CERTAIN = 0.99, 0.95


def find_known_rows(study: Study, rows: pd.DataFrame, training: pd.DataFrame, said: Outcomes | Numbers) -> None:
    """Rows that are in the training data as well, and what the model does with them and without.

    Args:
        study: Where it is noted.
        rows: The model's features of the rows.
        training: Those of the training data.
        said: What the model predicts for the rows.
    """
    from wardein.statistics.neighbours import overlap

    found = overlap(rows, training)
    known, n = found.same | found.near, len(rows)
    for part, which in {"": known, "rows=same": found.same, "rows=nearly the same": found.near}.items():
        hits = int(which.sum())
        study.metrics.append(Metric("train_overlap", hits / n, n, "1", "lower", intervals.wilson(hits, n), part))
    chance = intervals.wilson(found.twins, found.among)
    twins = found.twins / found.among
    study.metrics.append(Metric("train_twins", twins, found.among, ci=chance))
    if not found.tells:
        text = (
            "too many rows of the training data nearly agree with one another, by chance or because they are few: "
            "only rows that are the same were counted"
        )
        study.find("only-same-rows", Severity.INFO, text, "--reference")
    if not known.any():
        return
    for part, which in {"rows=in training": known, "rows=not in training": ~known}.items():
        if which.any():
            study.metrics.append(_success(said, which, part))
    more = intervals.wilson(int(known.sum()), n).low > chance.high
    text = (
        f"{int(known.sum())} of {n} rows ({known.mean():.2%}) are in the training data as well, "
        f"{int(found.near.sum())} of them changed a little; "
    )
    text += (
        f"of the training data's own rows, {twins:.2%} have a twin: the test was not set apart"
        if more
        else f"of the training data's own rows, {twins:.2%} have a twin: as many as chance gives"
    )
    study.find("leakage", Severity.MEDIUM if more else Severity.INFO, text, "train_overlap")


def _success(said: Outcomes | Numbers, which: np.ndarray, part: str) -> Metric:
    """How well the model does on some of the rows."""
    import numpy as np

    from wardein.statistics.outcomes import Outcomes

    if isinstance(said, Outcomes):
        return share("accuracy", int((said.predicted == said.truth)[which].sum()), int(which.sum()), part)
    return mean("mean_absolute_error", np.abs(said.predicted - said.truth)[which], part, UNIT)


def find_telling_columns(study: Study, rows: pd.DataFrame, truth: np.ndarray, classes: int) -> None:
    """Columns that alone rank the rows of every class almost perfectly."""
    import numpy as np

    of_class = [truth == i for i in range(classes)]
    of_class = [which for which in of_class if which.any() and not which.all()]
    if len(of_class) == 2:  # the other class's areas are the same
        of_class = of_class[1:]
    told = []
    for name in rows.columns:
        areas = [_area(rows[name], which) for which in of_class]
        certain = min(
            intervals.auc(area, int(which.sum()), int((~which).sum())).low
            for area, which in zip(areas, of_class, strict=True)
        )
        if min(areas) > _TOO_GOOD and certain > _FOR_CERTAIN:
            told.append((float(np.mean(areas)), str(name)))
    for area, name in sorted(told, key=lambda one: (-one[0], one[1]))[:SHOWN]:
        text = (
            f"the column {shown(name)!r} alone ranks the rows almost perfectly (area {area:.4f}): "
            "is it known before the label is?"
        )
        study.find("telling-column", Severity.MEDIUM, text, slice_value(name))


def _area(column: pd.Series, positive: np.ndarray) -> float:
    """The area under the ROC curve of the best ranking by a column: as a number either way, or by its levels' rates."""
    import numpy as np
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    from wardein.statistics.levels import levels_of

    levels = levels_of(column, 10, 20)
    n = np.bincount(levels.codes, minlength=levels.size + 1)
    rate = np.bincount(levels.codes, positive, levels.size + 1) / np.maximum(n, 1)
    areas = [_ranked(rate[levels.codes], positive)]
    if is_numeric_dtype(column) and not is_bool_dtype(column):
        numbers = column.to_numpy(dtype=float, na_value=np.nan)
        area = _ranked(np.where(np.isnan(numbers), -np.inf, numbers), positive)
        areas += [area, 1 - area]
    return max(areas)


def _ranked(scores: np.ndarray, positive: np.ndarray) -> float:
    from scipy.stats import rankdata

    hits, n = int(positive.sum()), len(positive)
    ranks = float(rankdata(scores)[positive].sum())
    return (ranks - hits * (hits + 1) / 2) / (hits * (n - hits))
