# SPDX-License-Identifier: Apache-2.0
"""How differently a model treats groups: rates per group, and what lies between the groups that differ most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.report import Interval
from wardein.statistics import intervals
from wardein.statistics.contingency import FALSE_POSITIVE, PRECISION, SELECTION, TRUE_POSITIVE, Counting

if TYPE_CHECKING:
    import numpy as np
    from fairlearn.metrics import MetricFrame

# The share of reports on equal groups in which some group is named as different.
FAMILY_WISE = 0.05


@dataclass(frozen=True)
class Rate:
    """How often a model says yes, in each group of a division, among some of the group's rows.

    Attributes:
        name: ``selection_rate`` among all rows, ``true_positive_rate`` among the positive ones,
            ``false_positive_rate`` among the negative ones; ``precision``, how often a yes of the model is right.
        among: Which rows those are, in words.
        hits: For each group, how many of these rows the model says yes to.
        n: For each group, how many such rows there are.
        needed: How many such rows a group needs to be compared.
        compared: For each group, whether it has enough of them to be compared.
        drawn: Bootstrap replicates of hits and n, shape (replicates, groups) each; None for intervals by formula.
    """

    name: str
    among: str
    hits: np.ndarray
    n: np.ndarray
    needed: int
    compared: np.ndarray
    drawn: tuple[np.ndarray, np.ndarray] | None = None


@dataclass(frozen=True)
class Rates:
    """The rates of every group."""

    selection: Rate
    true_positive: Rate
    false_positive: Rate
    precision: Rate


def rates(cells: np.ndarray, *, rows: int, outcomes: int, drawn: np.ndarray | None = None) -> Rates:
    """The selection, true positive and false positive rate and the precision of every group.

    Args:
        cells: Counts of rows, shape (groups, truth, said): :func:`wardein.statistics.contingency.tabulate`.
        rows: The rows that a group needs to be compared at all.
        outcomes: The positive (negative) rows that it needs for its true (false) positive rate to be compared, and
            the rows that the model calls positive for its precision.
        drawn: Replicates of the counts, shape (replicates, groups, truth, said).
    """
    large = cells.sum(axis=(1, 2)) >= rows

    def rate(counting: Counting) -> Rate:
        hits, n = counting.of(cells)
        needed = rows if counting is SELECTION else outcomes
        replicates = None if drawn is None else counting.of(drawn)
        return Rate(counting.name, counting.among, hits, n, needed, large & (n >= needed), replicates)

    return Rates(rate(SELECTION), rate(TRUE_POSITIVE), rate(FALSE_POSITIVE), rate(PRECISION))


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
    gap, ratio = _ends(measured, tables, defined)
    return Disparity(
        n=int(sum(n.sum() for _, n in tables)),
        difference=max(float(frame.difference()) for frame in frames),
        difference_interval=gap,
        ratio=min((float(frames[i].ratio()) for i in defined), default=None),
        ratio_interval=ratio,
    )


def _ends(
    measured: Sequence[Rate], tables: Sequence[tuple[np.ndarray, np.ndarray]], defined: Sequence[int]
) -> tuple[Interval, Interval | None]:
    replicates = [
        (rate.drawn[0][:, rate.compared], rate.drawn[1][:, rate.compared])
        for rate in measured
        if rate.drawn is not None
    ]
    if not replicates:
        ratio = intervals.smallest_ratio([tables[i] for i in defined]) if defined else None
        return intervals.widest_gap(tables), ratio
    ratio = intervals.smallest_ratio_by_bootstrap([(tables[i], replicates[i]) for i in defined]) if defined else None
    return intervals.widest_gap_by_bootstrap(list(zip(tables, replicates, strict=True))), ratio


@dataclass(frozen=True)
class Standout:
    """A group whose rate differs from that of all others together by more than chance and more than is tolerated.

    Attributes:
        rate: The rate's name.
        group: The group, as an index into its division's groups.
        value: Its rate.
        others: That of all other groups that are compared, together.
        p: The probability of so much by chance, adjusted for all groups and rates that were looked at (Holm 1979).
    """

    rate: str
    group: int
    value: float
    others: float
    p: float


def standouts(measured: Sequence[tuple[Rate, float]]) -> list[Standout]:
    """The groups that differ, the one that differs most first.

    Args:
        measured: The rates, each with the difference that is tolerated.
    """
    import numpy as np

    seen: list[tuple[Standout, float]] = []
    for rate, tolerance in measured:
        groups = np.flatnonzero(rate.compared)
        if len(groups) < 2:
            continue
        hits, n = rate.hits[groups], rate.n[groups]
        value, others = hits / n, (hits.sum() - hits) / (n.sum() - n)
        chance = intervals.chance_of_difference(hits, n)
        # Of two groups each is all others to the other: the one with less is named.
        looked = [int(np.argmin(value))] if len(groups) == 2 else range(len(groups))
        seen += [
            (Standout(rate.name, int(groups[i]), float(value[i]), float(others[i]), float(chance[i])), tolerance)
            for i in looked
        ]
    adjusted = intervals.holm(np.array([found.p for found, _ in seen]))
    named = [
        Standout(found.rate, found.group, found.value, found.others, float(p))
        for (found, tolerance), p in zip(seen, adjusted, strict=True)
        if p <= FAMILY_WISE and abs(found.value - found.others) > tolerance
    ]
    return sorted(named, key=lambda found: (-abs(found.value - found.others), found.rate, found.group))


def _frame(metric: str, hits: np.ndarray, n: np.ndarray) -> MetricFrame:
    """A rate as fairlearn sees it, from counts: two weighted rows a group, so that a million rows cost nothing."""
    import fairlearn.metrics
    import numpy as np

    said = np.repeat([1, 0], len(n))
    names = {"true_positive_rate": 1, "false_positive_rate": 0}
    return fairlearn.metrics.MetricFrame(
        # Any rate is the selection rate of its hits among its rows.
        metrics=getattr(fairlearn.metrics, metric if metric in names else "selection_rate"),
        y_true=np.full_like(said, names.get(metric, 1)),
        y_pred=said,
        sensitive_features=np.tile(np.arange(len(n)), 2),
        sample_params={"sample_weight": np.concatenate([hits, n - hits])},
    )
