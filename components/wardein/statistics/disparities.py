# SPDX-License-Identifier: Apache-2.0
"""How differently a model treats groups: rates per group, and what lies between the groups that differ most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.report import Interval
from wardein.statistics.groups import Division
from wardein.statistics.intervals import smallest_ratio, widest_gap

if TYPE_CHECKING:
    import numpy as np
    from fairlearn.metrics import MetricFrame


@dataclass(frozen=True)
class Rate:
    """How often a model says yes, in each group of a division, among some of the group's rows.

    Attributes:
        name: ``selection_rate`` among all rows, ``true_positive_rate`` among the positive ones,
            ``false_positive_rate`` among the negative ones.
        among: Which rows those are, in words.
        hits: For each group, how many of these rows the model says yes to.
        n: For each group, how many such rows there are.
        needed: How many such rows a group needs to be compared.
        compared: For each group, whether it has enough of them to be compared.
    """

    name: str
    among: str
    hits: np.ndarray
    n: np.ndarray
    needed: int
    compared: np.ndarray


def rates(
    division: Division, truth: np.ndarray, predicted: np.ndarray, *, rows: int, outcomes: int
) -> tuple[Rate, Rate, Rate]:
    """The selection, true positive and false positive rate of every group.

    Args:
        division: The groups.
        truth: For each row whether it is positive.
        predicted: For each row whether the model says so.
        rows: The rows that a group needs to be compared at all.
        outcomes: The positive (negative) rows that it needs for its true (false) positive rate to be compared.
    """
    import numpy as np

    groups = len(division.groups)
    flat = np.bincount(division.codes * 4 + truth * 2 + predicted, minlength=groups * 4)
    cells = flat.reshape(groups, 2, 2)
    yes, n = cells[:, :, 1], cells.sum(axis=2)
    size = n.sum(axis=1)
    large = size >= rows
    return (
        Rate("selection_rate", "rows", yes.sum(axis=1), size, rows, large),
        Rate("true_positive_rate", "positive rows", yes[:, 1], n[:, 1], outcomes, large & (n[:, 1] >= outcomes)),
        Rate("false_positive_rate", "negative rows", yes[:, 0], n[:, 0], outcomes, large & (n[:, 0] >= outcomes)),
    )


@dataclass(frozen=True)
class Disparity:
    """The largest difference and the smallest ratio between two groups, over one or more rates.

    Attributes:
        n: The rows that the rates were computed from.
        ratio: None, like its interval, if no group has a single yes: then the rates are equal, and 0 / 0 is no number.
    """

    n: int
    difference: float
    difference_interval: Interval
    ratio: float | None
    ratio_interval: Interval | None


def disparity(measured: Sequence[Rate]) -> Disparity:
    """The disparity of one rate, or the worst of several, over the groups that are compared; two at least."""
    tables = [(rate.hits[rate.compared], rate.n[rate.compared]) for rate in measured]
    frames = [_frame(rate.name, hits, n) for rate, (hits, n) in zip(measured, tables, strict=True)]
    defined = [i for i, (hits, _) in enumerate(tables) if hits.any()]
    return Disparity(
        n=int(sum(n.sum() for _, n in tables)),
        difference=max(float(frame.difference()) for frame in frames),
        difference_interval=widest_gap(tables),
        ratio=min((float(frames[i].ratio()) for i in defined), default=None),
        ratio_interval=smallest_ratio([tables[i] for i in defined]) if defined else None,
    )


def _frame(metric: str, hits: np.ndarray, n: np.ndarray) -> MetricFrame:
    """A rate as fairlearn sees it, from counts: two weighted rows a group, so that a million rows cost nothing."""
    import fairlearn.metrics
    import numpy as np

    says_yes = np.repeat([1, 0], len(n))
    return fairlearn.metrics.MetricFrame(
        metrics=getattr(fairlearn.metrics, metric),
        y_true=np.full_like(says_yes, metric != "false_positive_rate"),
        y_pred=says_yes,
        sensitive_features=np.tile(np.arange(len(n)), 2),
        sample_params={"sample_weight": np.concatenate([hits, n - hits])},
    )
