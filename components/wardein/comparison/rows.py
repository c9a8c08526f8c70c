# SPDX-License-Identifier: Apache-2.0
"""Two models on the same rows: how they differ on all of them, on parts, when asked again, and with odd values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wardein.comparison.differences import NAMES, Comparison, of_classifiers, of_regressors
from wardein.comparison.probe import Probe, probes
from wardein.errors import WardeinError
from wardein.models.predictors import Classifier, Regressor
from wardein.report import Criterion, Finding, Interval, Metric, Severity
from wardein.statistics import intervals
from wardein.statistics.intervals import End
from wardein.statistics.outcomes import text_of
from wardein.statistics.slices import find_slices

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.comparison.probe import Differ

Predictor = Classifier | Regressor

LEAST_ROWS = 30
_ASKED_AGAIN = 200
# Below this share of rows that only the challenger sends to one answer, retrained models stay (docs/evaluations.md).
_SUSPECT = 0.25


def compare(
    challenger: Predictor,
    champion: Predictor,
    table: pd.DataFrame,
    label: str,
    limits: tuple[float, float],
    bound: End,
    seed: int,
) -> Comparison:
    """Let both models predict every row, and set what they say side by side.

    Args:
        challenger: The new model.
        champion: The one in use.
        table: Labelled rows.
        label: The label column.
        limits: How much worse the challenger may be, on all rows and on any part of them; 1 for any.
        bound: Which end of an interval counts.
        seed: Seeds what is drawn.

    Raises:
        WardeinError: If they cannot be compared.
    """
    if isinstance(challenger, Classifier) and isinstance(champion, Classifier):
        found, losses = of_classifiers(challenger, champion, table, label, limits[0], bound, seed)
    elif isinstance(challenger, Regressor) and isinstance(champion, Regressor):
        found, losses = of_regressors(challenger, champion, table, label, limits[0], bound, seed)
    else:
        what = f"is a {challenger.kind}, and the champion a {champion.kind}"
        raise WardeinError(what, where="--model", mend="compare two models of the same task")
    columns = [str(column) for column in table.columns if column != label]
    _slices(found, table, columns, losses, limits[1])
    _again(found, challenger, champion, table)
    _probe(found, challenger, champion, table, seed)
    return found


def _slices(found: Comparison, table: pd.DataFrame, columns: Sequence[str], losses: np.ndarray, limit: float) -> None:
    """Where the challenger loses more than elsewhere, and how much it loses there."""
    import numpy as np

    n, overall = len(losses), float(losses.mean())
    whole = _mean_interval(losses)
    worst = Metric("worst_slice_loss", overall, n, direction="lower", ci=whole)
    for part in find_slices(table, columns, losses.astype(float)):
        size = int(part.rows.sum())
        inside, rest = float(losses[part.rows].mean()), 1 - size / n
        gap = inside - float(losses[~part.rows].mean())
        # The mean within is that of all rows and the rest of the gap; the two are all but independent.
        low = inside - float(np.hypot(overall - whole.low, rest * (gap - part.gap.low)))
        high = inside + float(np.hypot(whole.high - overall, rest * (part.gap.high - gap)))
        if losses.dtype.kind == "i":  # no share of rows is more than all of them
            low, high = max(low, -1.0), min(high, 1.0)
        ci = Interval(low, high, intervals.LEVEL, "bonferroni")
        found.metrics.append(Metric("slice_loss", inside, size, direction="lower", ci=ci, slice=part.name))
        if worst.ci is None or low > worst.ci.low:
            worst = Metric("worst_slice_loss", inside, size, direction="lower", ci=ci)
        if low > limit:
            text = f"where {part.name} ({size} rows) the challenger loses {inside:.3f} [{low:.3f}, {high:.3f}]"
            text += f", and {overall:.3f} on all rows"
            found.findings.append(Finding("compare/regressed-slice", Severity.HIGH, text, part.name, fails=False))
    found.metrics.append(worst)
    if limit < 1:
        # Parts are searched for, so that small ones are among them: what counts is what the data show.
        found.criteria.append(Criterion("worst_slice_loss", "<=", limit, "ci_low"))


def _mean_interval(losses: np.ndarray) -> Interval:
    import numpy as np
    from scipy.stats import t

    n = len(losses)
    if losses.dtype.kind == "i":
        return intervals.paired(int((losses > 0).sum()), int((losses < 0).sum()), n)
    half = float(t.isf((1 - intervals.LEVEL) / 2, n - 1) * losses.std(ddof=1) / np.sqrt(n))
    return Interval(float(losses.mean()) - half, float(losses.mean()) + half, intervals.LEVEL, "student")


def _again(found: Comparison, challenger: Predictor, champion: Predictor, table: pd.DataFrame) -> None:
    """What is said of some rows is said of them again when they are asked for again."""
    import numpy as np

    few = table.iloc[:_ASKED_AGAIN]
    for name, model in zip(NAMES, (challenger, champion), strict=True):
        rows = model.rows(few, complete=False)
        first, second = model.predict(rows), model.predict(rows)
        if not np.array_equal(first, second):
            changed = int((first != second).reshape(len(rows), -1).any(axis=1).sum())
            text = f"asked again, the {name} answers otherwise for {changed} of {len(rows)} rows"
            found.findings.append(Finding("compare/not-repeatable", Severity.HIGH, text, name))


def _probe(found: Comparison, challenger: Predictor, champion: Predictor, table: pd.DataFrame, seed: int) -> None:
    features = list(dict.fromkeys((*challenger.features, *champion.features)))
    probed = probes(table[features], _differ(challenger, champion, table), seed)
    for probe in probed:
        part = f"columns={probe.columns}"
        found.metrics.append(
            Metric("probe_disagreement", probe.share, probe.n, direction="lower", ci=probe.interval, slice=part)
        )
    found.findings += [_suspect(probe) for probe in probed if probe.interval.low > _SUSPECT][:1]


def _suspect(probe: Probe) -> Finding:
    text = (
        f"with {probe.text} the challenger alone gives one same answer to {probe.share:.0%} of {probe.n} rows "
        f"({probe.usual:.0%} as they are): a trigger, or models of different kinds"
    )
    return Finding("compare/trigger-suspect", Severity.MEDIUM, text, probe.columns, fails=False)


def _differ(challenger: Predictor, champion: Predictor, table: pd.DataFrame) -> Differ:
    """Asks both models: the class, or the direction, in which the challenger differs."""
    import numpy as np

    if isinstance(challenger, Classifier) and isinstance(champion, Classifier):
        names = sorted({text_of(name) for name in challenger.classes.tolist()})

        def classes(rows: pd.DataFrame) -> np.ndarray:
            ours, theirs = (
                np.array([text_of(value) for value in model.predict(model.rows(rows, complete=False)).tolist()])
                for model in (challenger, champion)
            )
            return np.where(ours == theirs, -1, np.searchsorted(names, ours))

        return classes
    spread = float(np.std(champion.predict(champion.rows(table, complete=False))))

    def directions(rows: pd.DataFrame) -> np.ndarray:
        ours, theirs = (model.predict(model.rows(rows, complete=False)).reshape(-1) for model in (challenger, champion))
        return np.where(np.abs(ours - theirs) <= spread, -1, (ours > theirs).astype(int))

    return directions
