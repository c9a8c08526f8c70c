# SPDX-License-Identifier: Apache-2.0
"""Whether a suspicion is more than chance, and more than the data's own difficulty.

A slice where a model errs more often than elsewhere may be one that is hard for every model, so that a difference from
the rest proves nothing. What counts is what a model need not do: err more often than another model on the same rows
(the champion, or a simple model of other rows), or more often than its own probabilities announce. The slices were
found on other rows than those that they are judged by, and the p-values are adjusted for all suspicions (Holm 1979).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wardein.behavior.giskard import SLICES, WHOLE, Suspicion
from wardein.behavior.judged import CHAMPION, LEAST, SIMPLE, Bench, Judged
from wardein.behavior.residuals import judge_errors
from wardein.behavior.views import View
from wardein.statistics import intervals

if TYPE_CHECKING:
    import numpy as np

# As giskard has it: how much surer of a wrong class than of the right one is overconfident, how near the two likeliest
# classes are where a model is unsure, and which share of changed predictions is no longer harmless.
_UNSURE = 0.95
_HARMLESS = 0.05
# A change of a number is a small one up to this many standard deviations of its column, and it changes a regressor's
# prediction by this many of the label's.
SMALL, LARGE = 0.05, 0.25


def judge_slice(suspicion: Suspicion, bench: Bench) -> Judged:
    """Judge a slice of the rows."""
    import numpy as np

    assert suspicion.held is not None
    rows = np.flatnonzero(suspicion.held)
    if len(rows) < LEAST:
        return Judged(suspicion, "error_rate", len(rows), 0.0, why_not=f"fewer than {LEAST} rows to judge by")
    if not bench.classes:
        return judge_errors(suspicion, bench, rows)
    name = {"overconfidence": "overconfident_rate", "underconfidence": "unsure_rate"}.get(
        suspicion.detector, "error_rate"
    )
    happened = _event(name, bench.model, bench.truth)[rows]
    found = Judged(suspicion, name, len(rows), float(happened.mean()), intervals.wilson(int(happened.sum()), len(rows)))
    # How sure a champion is that gives no probabilities, nobody knows: then the model's own have to do.
    if bench.champion is not None and (name == "error_rate" or bench.champion.probabilities is not None):
        return against(found, happened, _event(name, bench.champion, bench.truth)[rows], CHAMPION)
    against_itself = _announced(found, bench, rows, happened)
    if name != "error_rate" or bench.simple is None:
        return against_itself or replace(found, why_not="the model gives no probabilities to compare with")
    against_simple = against(found, happened, _event(name, bench.simple, bench.truth)[rows], SIMPLE)
    if against_itself is None:
        return against_simple
    # Of two looks at the same slice the better one is taken, so that its p-value counts twice.
    better = min(against_itself, against_simple, key=lambda one: (one.p, -one.excess))
    return replace(better, p=min(2 * better.p, 1.0))


def judge_change(
    suspicion: Suspicion,
    moved: np.ndarray,
    size: float,
    model: tuple[View, View],
    champion: tuple[View, View] | None,
    scale: float,
) -> Judged:
    """Judge a perturbation of one column.

    Args:
        suspicion: What giskard suspects.
        moved: Which rows it changes.
        size: By how many standard deviations of the column, as the median; 0 for a column of text.
        model: What the model says of the rows before and after.
        champion: The same of the champion, if there is one.
        scale: The labels' standard deviation for a regressor; 0 for a classifier.
    """
    import numpy as np

    rows = np.flatnonzero(moved)
    if len(rows) < LEAST:
        return Judged(suspicion, "flip_rate", len(rows), 0.0, why_not=f"changes fewer than {LEAST} rows")
    happened = _flipped(*model, scale)[rows]
    k, n = int(happened.sum()), len(rows)
    found = Judged(suspicion, "flip_rate", n, k / n, intervals.wilson(k, n))
    if size > SMALL:
        return replace(found, why_not=f"no small change: {size:.2g} standard deviations of the column")
    if champion is not None:
        return against(found, happened, _flipped(*champion, scale)[rows], CHAMPION)
    from scipy.stats import binom

    p = float(binom.sf(k - 1, n, _HARMLESS))
    return replace(found, yardstick="harmless", expected=_HARMLESS, excess=k / n - _HARMLESS, p=p)


def judge_whole(suspicion: Suspicion, differing: int, n: int, champion: int | None) -> Judged:
    """Judge whether answers hang on what else is asked, or change by themselves.

    One such answer is enough, unless there is a champion that gives some as well.
    """
    found = Judged(suspicion, "differing_rate", n, differing / n, intervals.wilson(differing, n), p=0.0)
    if not differing:
        return replace(found, why_not="not seen again")
    if not champion:
        return replace(found, yardstick="right", excess=1.0)
    from scipy.stats import hypergeom

    p = float(hypergeom.sf(differing - 1, 2 * n, n, differing + champion))  # Fisher's exact test
    return replace(found, yardstick=CHAMPION, expected=champion / n, excess=(differing - champion) / n, p=p)


def against(found: Judged, happened: np.ndarray, there: np.ndarray, yardstick: str) -> Judged:
    """Compare with another model on the same rows, by McNemar's exact test, one-sided."""
    from scipy.stats import binom

    only, never = int((happened & ~there).sum()), int((~happened & there).sum())
    p = float(binom.sf(only - 1, only + never, 0.5)) if only else 1.0
    return replace(found, yardstick=yardstick, expected=float(there.mean()), excess=(only - never) / len(happened), p=p)


def is_slice(suspicion: Suspicion) -> bool:
    """Whether it is about a part of the rows."""
    return suspicion.detector in SLICES


def is_whole(suspicion: Suspicion) -> bool:
    """Whether it is about the model as a whole."""
    return suspicion.detector in WHOLE


def _event(name: str, view: View, truth: np.ndarray) -> np.ndarray:
    """Which rows it happens to that the rate counts."""
    import numpy as np

    wrong: np.ndarray = view.said != truth
    probabilities = view.probabilities
    if name == "error_rate" or probabilities is None:
        return wrong
    if name == "unsure_rate":
        two: np.ndarray = np.sort(probabilities, axis=1)[:, -2:]
        return np.asarray(two[:, 0] > _UNSURE * two[:, 1])
    places = np.arange(len(truth))
    more = probabilities[places, view.said.astype(int)] - probabilities[places, truth.astype(int)]
    return np.asarray(wrong & (more > _much(probabilities.shape[1])))


def _much(classes: int) -> float:
    """How much surer of a wrong class than of the right one is overconfident; giskard's own formula."""
    return 1 / (0.3 * (classes - 2) + 2 - 0.001 * (classes - 2) ** 2)


def _announced(found: Judged, bench: Bench, rows: np.ndarray, happened: np.ndarray) -> Judged | None:
    """Compare with what the model's own probabilities say of the rows; None if it gives none."""
    import numpy as np

    probabilities = bench.model.probabilities
    if probabilities is None:
        return None
    probabilities, said = probabilities[rows], bench.model.said[rows].astype(int)
    likely = probabilities[np.arange(len(rows)), said]
    own = "announced by its own probabilities"
    if found.name == "error_rate":
        return _beyond(found, happened, 1 - likely, own)
    if found.name == "overconfident_rate":
        ahead = likely[:, None] - probabilities > _much(probabilities.shape[1])
        return _beyond(found, happened, (probabilities * ahead).sum(axis=1), own)
    # To be unsure is right where the answer is open; it is wrong if the model is right more often than it says.
    right = (bench.model.said == bench.truth)[rows][happened]
    k, n = int(right.sum()), int(happened.sum())
    if n < LEAST:
        return replace(found, why_not=f"unsure in fewer than {LEAST} rows")
    found = replace(found, name="right_where_unsure", n=n, rate=k / n, ci=intervals.wilson(k, n))
    return _beyond(found, right, likely[happened], own)


def _beyond(found: Judged, happened: np.ndarray, announced: np.ndarray, yardstick: str) -> Judged:
    """Compare a count with the sum of announced probabilities, by the exact distribution of that sum."""
    import numpy as np

    expected, k = float(announced.mean()), int(happened.sum())
    counts = np.zeros(len(announced) + 1)
    counts[0] = 1.0
    for i, probability in enumerate(np.clip(announced, 0.0, 1.0)):
        counts[1 : i + 2] = counts[1 : i + 2] * (1 - probability) + counts[: i + 1] * probability
        counts[0] *= 1 - probability
    p = float(min(counts[k:].sum(), 1.0))
    return replace(found, yardstick=yardstick, expected=expected, excess=float(happened.mean()) - expected, p=p)


def _flipped(before: View, after: View, scale: float) -> np.ndarray:
    """Which predictions a change of the inputs changes: another class, or a number that is far away."""
    import numpy as np

    if not scale:
        return np.asarray(before.said != after.said)
    return np.asarray(np.abs(before.said - after.said) > LARGE * scale)
