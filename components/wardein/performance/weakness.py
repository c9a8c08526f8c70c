# SPDX-License-Identifier: Apache-2.0
"""Slices of the rows on which a model does worse than elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardein.performance.study import SHOWN, UNIT, Study, mean, share
from wardein.report import Severity
from wardein.statistics import intervals
from wardein.statistics.slices import find_slices

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.statistics.outcomes import Outcomes

WORST = "slice=worst"
# Slices are picked because they are bad, so that what is said of them takes a thinner tail.
_PICKED = intervals.TAIL / 100


def find_weak_slices(study: Study, rows: pd.DataFrame, outcomes: Outcomes, tolerance: float, least: int) -> None:
    """Slices with more errors; the accuracy within each, and that of the worst, which is the whole if none is weak.

    Rows may be hard to tell apart, and a model may know it: where it is right as often as its probabilities say, that
    is no fault of the model. So slices are looked for a second time, where it is right less often than it says.
    """
    wrong = (outcomes.predicted != outcomes.truth).astype(float)
    found = find_slices(rows, list(rows.columns), wrong, tolerance=tolerance, least=least, most=SHOWN)
    rights = [(slice.name, int((wrong[slice.rows] == 0).sum()), int(slice.rows.sum())) for slice in found]
    study.metrics += [share("slice_accuracy", hits, n, name) for name, hits, n in rights]
    everything = (WORST, int((wrong == 0).sum()), len(wrong))
    _, hits, n = min(rights or [everything], key=lambda right: right[1] / right[2])
    study.metrics.append(share("slice_accuracy", hits, n, WORST))
    stated = _stated(outcomes)
    for slice, (name, hits, n) in zip(found, rights, strict=True):
        text = (
            f"accuracy is {1 - slice.inside:.3f} on the {n} rows with {name}, and {1 - slice.outside:.3f} on all "
            f"others: {slice.gap.low:.3f} to {slice.gap.high:.3f} less"
        )
        severity = Severity.MEDIUM
        if stated is not None:
            expected = float(stated[slice.rows].mean())
            if is_as_stated := bool(intervals.exact(hits, n, _PICKED)[2] >= expected):
                severity = Severity.LOW
            text += f"; its probabilities say {expected:.3f} there, {'as' if is_as_stated else 'not as'} it comes out"
        study.find("weak-slice", severity, text, name)
    if stated is not None:
        excess = wrong - (1 - stated)
        names = {name for name, _, _ in rights}
        for slice in find_slices(rows, list(rows.columns), excess, tolerance=tolerance, least=least, most=SHOWN):
            if slice.name not in names and slice.inside > 0:
                text = (
                    f"the model is right on {1 - float(wrong[slice.rows].mean()):.3f} of the {int(slice.rows.sum())} "
                    f"rows with {slice.name}, and its probabilities say {float(stated[slice.rows].mean()):.3f}"
                )
                study.find("overconfident-slice", Severity.MEDIUM, text, slice.name)


def _stated(outcomes: Outcomes) -> np.ndarray | None:
    """How probable the model says it is that it is right, row by row."""
    import numpy as np

    if outcomes.probabilities is None:
        return None
    stated: np.ndarray = outcomes.probabilities[np.arange(len(outcomes.truth)), outcomes.predicted]
    return stated


def find_far_slices(study: Study, rows: pd.DataFrame, errors: np.ndarray, tolerance: float, least: int) -> None:
    """Slices with larger absolute errors; the mean within each.

    Args:
        study: Where it is noted.
        rows: The model's features.
        errors: The absolute error of each row.
        tolerance: The gap that does not matter, as a share of the mean absolute error.
        least: How many rows a slice has at least.
    """
    whole = float(errors.mean())
    found = find_slices(rows, list(rows.columns), errors, tolerance=tolerance * whole, least=least, most=SHOWN)
    for slice in found:
        inside = mean("slice_mean_absolute_error", errors[slice.rows], slice.name, UNIT)
        study.metrics.append(inside)
        text = (
            f"the mean absolute error is {slice.inside:.4g} on the {inside.n} rows with {slice.name}, and "
            f"{slice.outside:.4g} on all others: {slice.gap.low:.4g} to {slice.gap.high:.4g} more"
        )
        study.find("weak-slice", Severity.MEDIUM, text, slice.name)
    worst = max((errors[slice.rows] for slice in found), key=lambda part: float(part.mean()), default=errors)
    study.metrics.append(mean("slice_mean_absolute_error", worst, WORST, UNIT))
