# SPDX-License-Identifier: Apache-2.0
"""Whether a suspicion is more than chance, and more than the data's own difficulty.

A slice where a model errs more often than elsewhere may be one that is hard for every model, so that a difference from
the rest proves nothing. What counts is what a model need not do: err more often than another model on the same rows
(the champion, or a simple model of other rows), or more often than its own probabilities announce. The slices were
found on other rows than those that they are judged by, and the p-values are adjusted for all suspicions (Holm 1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wardein.behavior.giskard import SLICES, WHOLE, Suspicion
from wardein.behavior.views import View
from wardein.statistics import intervals

if TYPE_CHECKING:
    import numpy as np

    from wardein.report import Interval

# The level of all tests together, and how few rows are too few to say anything.
ALPHA = 0.05
LEAST = 30
# As giskard has it: how much surer of a wrong class than of the right one is overconfident, how near the two likeliest
# classes are where a model is unsure, and which share of changed predictions is no longer harmless.
_UNSURE = 0.95
_HARMLESS = 0.05
# A change of a number is a small one up to this many standard deviations of its column, and it changes a regressor's
# prediction by this many of the label's.
SMALL, LARGE = 0.05, 0.25
CHAMPION = "the champion"


@dataclass(frozen=True)
class Judged:
    """What a suspicion comes to on the rows that judge.

    Attributes:
        suspicion: What giskard suspects.
        name: The rate's name, as a metric's.
        n: How many rows it was measured on.
        rate: How often the event happens there.
        ci: Its 95 % interval.
        yardstick: What it is compared with, in words; empty if there is nothing to compare with.
        expected: How often the event happens by the yardstick.
        excess: By how much that is less.
        p: The probability of such an excess, or a larger one, by chance; after :func:`holm` the adjusted one.
        why_not: Why it cannot count, whatever the numbers; empty if it can.
    """

    suspicion: Suspicion
    name: str
    n: int
    rate: float
    ci: Interval | None = None
    yardstick: str = ""
    expected: float = 0.0
    excess: float = 0.0
    p: float = 1.0
    why_not: str = ""

    def counts(self, tolerance: float) -> bool:
        """Whether it is shown, and more than tolerated."""
        return not self.why_not and self.p <= ALPHA and self.excess > tolerance


@dataclass(frozen=True)
class Bench:
    """The rows that judge.

    Attributes:
        truth: Their labels, as places among the classes, or as numbers.
        classes: How many classes there are; 0 for numbers.
        model: What the model says of them.
        champion: What the champion says of them, if there is one.
        simple: What a simple model says of them, if there is no champion.
    """

    truth: np.ndarray
    classes: int
    model: View
    champion: View | None
    simple: View | None


def judge_slice(suspicion: Suspicion, bench: Bench) -> Judged:
    """Judge a slice of the rows."""
    import numpy as np

    assert suspicion.held is not None
    rows = np.flatnonzero(suspicion.held)
    if len(rows) < LEAST:
        return Judged(suspicion, "error_rate", len(rows), 0.0, why_not=f"fewer than {LEAST} rows to judge by")
    if not bench.classes:
        return _errors(suspicion, bench, rows)
    name = {"overconfidence": "overconfident_rate", "underconfidence": "unsure_rate"}.get(
        suspicion.detector, "error_rate"
    )
    happened = _event(name, bench.model, bench.truth)[rows]
    found = Judged(suspicion, name, len(rows), float(happened.mean()), intervals.wilson(int(happened.sum()), len(rows)))
    if bench.champion is not None:
        if name != "error_rate" and bench.champion.probabilities is None:
            return replace(found, why_not="the champion gives no probabilities to compare with")
        return against(found, happened, _event(name, bench.champion, bench.truth)[rows], CHAMPION)
    against_itself = _announced(found, bench, rows, happened)
    if name != "error_rate" or bench.simple is None:
        return against_itself or replace(found, why_not="the model gives no probabilities to compare with")
    against_simple = against(
        found, happened, _event(name, bench.simple, bench.truth)[rows], "a simple model of other rows"
    )
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
    """Judge whether answers hang on what else is asked, or change by themselves: one such answer is enough."""
    found = Judged(suspicion, "differing_rate", n, differing / n, intervals.wilson(differing, n), p=0.0)
    if not differing:
        return replace(found, why_not="not seen again")
    if champion:
        return replace(found, yardstick=CHAMPION, expected=champion / n, why_not="the champion does it as well")
    return replace(found, yardstick="right", excess=1.0)


def against(found: Judged, happened: np.ndarray, there: np.ndarray, yardstick: str) -> Judged:
    """Compare with another model on the same rows, by McNemar's exact test, one-sided."""
    from scipy.stats import binom

    only, never = int((happened & ~there).sum()), int((~happened & there).sum())
    p = float(binom.sf(only - 1, only + never, 0.5)) if only else 1.0
    return replace(found, yardstick=yardstick, expected=float(there.mean()), excess=(only - never) / len(happened), p=p)


def holm(judged: Sequence[Judged]) -> list[Judged]:
    """The same with p-values adjusted for all that can count; those that cannot are none of the tests."""
    tests = sorted((one.p, i) for i, one in enumerate(judged) if not one.why_not)
    adjusted, largest = list(judged), 0.0
    for rank, (p, i) in enumerate(tests):
        largest = max(largest, min(p * (len(tests) - rank), 1.0))
        adjusted[i] = replace(judged[i], p=largest)
    return adjusted


def is_known(judged: Judged) -> bool:
    """Whether it was set against the champion."""
    return judged.yardstick == CHAMPION


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


def _errors(suspicion: Suspicion, bench: Bench, rows: np.ndarray) -> Judged:
    """Judge a slice of a regressor's rows by its mean absolute error, in standard deviations of the label."""
    import numpy as np
    from scipy.stats import ttest_1samp

    scale = float(bench.truth.std()) or 1.0
    residuals = (bench.model.said - bench.truth)[rows] / scale
    sizes = np.abs(residuals)
    found = Judged(suspicion, "mean_absolute_error", len(rows), float(sizes.mean()), student(sizes))
    other = bench.champion or bench.simple
    assert other is not None
    more = sizes - np.abs((other.said - bench.truth)[rows] / scale)
    yardstick = CHAMPION if bench.champion is not None else "a simple model of other rows"
    p = float(ttest_1samp(more, 0, alternative="greater").pvalue) if np.ptp(more) > 0 else 1.0
    compared = replace(
        found, yardstick=yardstick, expected=found.rate - float(more.mean()), excess=float(more.mean()), p=p
    )
    if bench.champion is not None:
        return compared
    p = float(ttest_1samp(residuals, 0).pvalue) if np.ptp(residuals) > 0 else float(residuals[0] == 0)
    lean = float(abs(residuals.mean()))
    leaning = replace(found, yardstick="without leaning to one side", expected=found.rate - lean, excess=lean, p=p)
    better = min(compared, leaning, key=lambda one: (one.p, -one.excess))
    return replace(better, p=min(2 * better.p, 1.0))


def student(values: np.ndarray) -> Interval:
    """The 95 % interval of a mean (Student 1908)."""
    import numpy as np
    from scipy.stats import t

    from wardein.report import Interval

    if np.ptp(values) == 0:
        return Interval(float(values[0]), float(values[0]), intervals.LEVEL, "student")
    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return Interval(float(values.mean()) - half, float(values.mean()) + half, intervals.LEVEL, "student")


def _flipped(before: View, after: View, scale: float) -> np.ndarray:
    """Which predictions a change of the inputs changes: another class, or a number that is far away."""
    import numpy as np

    if not scale:
        return np.asarray(before.said != after.said)
    return np.asarray(np.abs(before.said - after.said) > LARGE * scale)
