# SPDX-License-Identifier: Apache-2.0
"""A scan from end to end: half of the rows to look at, the other half to judge by what was seen there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.behavior import giskard
from wardein.behavior.host import Oracle
from wardein.behavior.judged import Bench, Judged, holm
from wardein.behavior.judging import is_slice, is_whole, judge_change, judge_slice, judge_whole
from wardein.behavior.reference import simple_view
from wardein.behavior.residuals import student
from wardein.behavior.views import View, look
from wardein.errors import UsageError, WardeinError
from wardein.report import Interval, Tool
from wardein.statistics import intervals

if TYPE_CHECKING:
    import pandas as pd

    from wardein.behavior.cases import Case, Champion
    from wardein.behavior.columns import Columns
    from wardein.models.predictors import Classifier, Regressor

# How many rows are asked about one by one, to see whether their answers hang on other rows.
_FEW = 100


@dataclass(frozen=True)
class Scanned:
    """What a scan came to.

    Attributes:
        tool: Giskard, and its version.
        detectors: The detectors that were to run.
        broken: Those that did not come to an end, each with the reason.
        judged: What each suspicion comes to.
        rows: How many rows it was judged by.
        name: What is measured of all of these: ``error_rate``, or a regressor's ``mean_absolute_error``.
        overall: Its value; of a regressor in standard deviations of the label.
        ci: Its 95 % interval.
        asked: About how many rows the model was asked for giskard.
    """

    tool: Tool
    detectors: Sequence[str]
    broken: Sequence[tuple[str, str]]
    judged: Sequence[Judged]
    rows: int
    name: str
    overall: float
    ci: Interval
    asked: int


def look_through(
    case: Case, columns: Columns, champion: Champion | None, named: Sequence[str], seed: int, seconds: float
) -> Scanned:
    """Scan a model, and measure anew what is suspected.

    Args:
        case: The model with its rows.
        columns: What its columns are.
        champion: The model that is in use, if there is one.
        named: The detectors to run; those that have a meaning for the model if empty.
        seed: Seeds what is drawn.
        seconds: How long giskard may take.

    Raises:
        WardeinError: If there are too few rows, or giskard is not there, too slow or broken.
    """
    import numpy as np

    if len(case.rows) < 2 * giskard.LEAST_ROWS:
        raise WardeinError(
            f"has {len(case.rows)} rows, the scan needs {2 * giskard.LEAST_ROWS}: half to look at, half to judge by",
            where="--data",
            mend="give more labelled rows",
        )
    detectors = _detectors(case, columns, named)
    first, second = np.arange(0, len(case.rows), 2), np.arange(1, len(case.rows), 2)
    rows, others, classes = case.rows.iloc[first].reset_index(drop=True), case.rows.iloc[second], len(case.names)
    plain, probabilities = others.reset_index(drop=True), case.view.probabilities
    oracle = Oracle(case.model, columns, 2**62)
    order = giskard.Order(
        rows, case.truth[first].tolist(), plain, tuple(detectors), classes, probabilities is not None, seed
    )
    scan = giskard.scan(oracle, columns, order, seconds)
    bench = Bench(
        case.truth[second],
        classes,
        View(case.view.said[second], None if probabilities is None else probabilities[second]),
        None if champion is None else champion.view(others),
        None if champion else simple_view(columns, rows, case.truth[first], plain, classes, seed),
    )
    bar = _Bar(case, columns, champion, others, bench)
    errors = np.abs(bench.model.said - bench.truth) / bar.scale if bar.scale else bench.model.said != bench.truth
    return Scanned(
        scan.tool,
        detectors,
        tuple(scan.broken.items()),
        holm([bar.judge(suspicion) for suspicion in scan.suspicions]),
        len(others),
        "mean_absolute_error" if bar.scale else "error_rate",
        float(errors.mean()),
        student(errors) if bar.scale else intervals.wilson(int(errors.sum()), len(errors)),
        oracle.asked,
    )


def _detectors(case: Case, columns: Columns, named: Sequence[str]) -> list[str]:
    """Those that have a meaning for the model and its columns; those that are named must have one."""
    kinds = set(columns.kinds.values())
    without = {
        "overconfidence": case.view.probabilities is None,
        "underconfidence": case.view.probabilities is None,
        "spurious_correlation": not case.names,
        "numerical_perturbation": "numeric" not in kinds,
        "text_perturbation": "text" not in kinds,
        "ethical_bias": "text" not in kinds,
    }
    for name in named:
        if without.get(name):
            raise UsageError(
                f"{name} has no meaning for this {case.model.type} and its columns",
                where="--detectors",
                mend="leave it out; what has one runs by default",
            )
    wanted = named or [name for name in giskard.DETECTORS if name != giskard.ON_DEMAND and not without.get(name)]
    return [name for name in giskard.DETECTORS if name in wanted]


@dataclass(frozen=True)
class _Bar:
    """Where suspicions are judged: rows that giskard has not looked at."""

    case: Case
    columns: Columns
    champion: Champion | None
    others: pd.DataFrame
    bench: Bench

    @property
    def scale(self) -> float:
        """The labels' standard deviation for a regressor; 0 for a classifier."""
        return 0.0 if self.case.names else float(self.bench.truth.std()) or 1.0

    def judge(self, suspicion: giskard.Suspicion) -> Judged:
        if is_slice(suspicion):
            return judge_slice(suspicion, self.bench)
        return self._whole(suspicion) if is_whole(suspicion) else self._change(suspicion)

    def _whole(self, suspicion: giskard.Suspicion) -> Judged:
        few = self.others.iloc[:_FEW] if suspicion.detector == "data_leakage" else self.others
        theirs = None
        if self.champion is not None:
            theirs = _differing(self.champion.model, self.champion.rows(few), suspicion.detector)
        return judge_whole(suspicion, _differing(self.case.model, few, suspicion.detector), len(few), theirs)

    def _change(self, suspicion: giskard.Suspicion) -> Judged:
        import numpy as np

        assert suspicion.changed is not None
        was = self.others[suspicion.column]
        now = self.columns.restored_column(suspicion.column, suspicion.changed.set_axis(self.others.index))
        moved = ((was != now) & ~(was.isna() & now.isna())).to_numpy(dtype=bool)
        size = 0.0
        if self.columns.kinds[suspicion.column] == "numeric" and moved.any():
            step = (now.astype(float) - was.astype(float)).abs().to_numpy()[moved]
            size = float(np.nanmedian(step)) / (float(was.astype(float).std()) or 1.0)
        after = self.others.assign(**{suspicion.column: now})
        champion = self.champion
        return judge_change(
            suspicion,
            moved,
            size,
            (self.bench.model, look(self.case.model, after)),
            None if champion is None else (champion.view(self.others), champion.view(after)),
            self.scale,
        )


def _differing(model: Classifier | Regressor, rows: pd.DataFrame, detector: str) -> int:
    """Of how many rows a model says something else when it is asked for each alone, or again."""
    from wardein.models.answers import ask, ask_one_by_one

    rows = rows.reset_index(drop=True)
    again = ask_one_by_one(model, rows) if detector == "data_leakage" else ask(model, rows)
    return ask(model, rows).differing(again)
