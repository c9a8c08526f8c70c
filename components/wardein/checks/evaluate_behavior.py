# SPDX-License-Identifier: Apache-2.0
"""evaluate_behavior: how a model behaves where nobody looked: giskard's scan, and attacks of one's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wardein.artifacts import Dataset, Model, Script
from wardein.errors import UsageError
from wardein.report import Coverage, Finding, Metric, Report, Severity, Skipped, Tool, conclude
from wardein.statistics.outcomes import slice_value
from wardein.tables import shown

if TYPE_CHECKING:
    from wardein.behavior.judged import Judged
    from wardein.behavior.script import Attacked
    from wardein.behavior.suspicions import Scanned

# How many suspicions are told that count, and that do not, the likeliest first; and how many of their rates.
_MOST, _TOLD, _RATES = 100, 10, 20
_SEVERITIES = {"major": Severity.HIGH, "medium": Severity.MEDIUM, "minor": Severity.LOW}
_UNITS = {"mean_absolute_error": "standard deviations"}
# What a rate counts, in words.
_HAPPENS = {
    "error_rate": "wrong",
    "overconfident_rate": "wrong and sure of it",
    "unsure_rate": "unsure",
    "right_where_unsure": "right where the model is unsure",
    "flip_rate": "predicted differently",
    "differing_rate": "predicted differently",
}


def evaluate_behavior(
    model: Model,
    data: Dataset,
    label: str,
    champion: Model | None = None,
    script: Script | None = None,
    scanner: Literal["giskard", "none"] = "giskard",
    detectors: list[str] = [],  # noqa: B006 - read only
    tolerance: float = 0.05,
    max_rows: int = 5000,
    max_queries: int = 200_000,
    max_seconds: int = 600,
    seed: int = 0,
) -> Report:
    """Scan how a model behaves, and run attacks of one's own on it.

    Giskard's scan of tabular models looks for parts of the data where the model errs more often, is sure of what is
    wrong or unsure of what is right, for small changes that flip its predictions, for answers that hang on the other
    rows or change by themselves, and for slices that decide alone. It runs in an environment of its own, without the
    model, the network or any file: it asks for predictions.

    What giskard suspects is no verdict yet, as parts of the data are hard for every model. The rows are halved: on one
    half giskard looks, on the other each suspicion is measured anew, and fails the check only if it is shown (p at most
    0.05, adjusted for all suspicions, on 30 rows or more) and larger than the tolerance: beyond what the champion
    does on the same rows; or without a champion, beyond what a simple model of the first half does, or what the model's
    own probabilities announce. All other suspicions are told, and fail nothing.

    A script of one's own runs in the same way: it can ask the model, within a budget, and nothing else. What counts is
    what it returns, not what it prints (docs/red-team.md). If it raises, runs out of budget or time, tries something
    forbidden, or has not examined every row, that is an ERROR.

    Args:
        model: The fitted classifier or regressor.
        data: Labelled rows that the model has not seen, as CSV or Parquet; 200 or more for the scan.
        label: The column with the true class or number.
        champion: The model that is in use, with the same classes: what it does as well is no news.
        script: A Python script that attacks the model: it defines attack(model, rows, labels, budget).
        scanner: "giskard" runs its scan, "none" the script alone.
        detectors: The scan's detectors, all that have a meaning for the model if empty: performance_bias,
            overconfidence, underconfidence, spurious_correlation, numerical_perturbation, text_perturbation,
            data_leakage, stochasticity. Repeat the option for more than one. Only on demand: ethical_bias.
        tolerance: How much more often than by the yardstick something may happen, as a share of the rows; for
            regressors, how much larger the mean absolute error may be, in standard deviations of the label.
        max_rows: How many rows to scan at most, and as many again to judge by; and how many the script gets.
        max_queries: How many rows the script may ask about in all.
        max_seconds: How long the scan, and the script, may take each.
        seed: Seeds what is drawn; the same seed gives the same report.

    Returns:
        A report with how many suspicions there were and how many count, the rate of each that was measured with its
        interval, and the script's own findings and metrics.

    Raises:
        WardeinError: If the model or data cannot be read, giskard is not there, there are too few rows, or the script
            breaks its contract.

    References:
        Giskard 2 (legacy scan of tabular models). McNemar (1947), Note on the sampling error of the difference between
        correlated proportions. Holm (1979), A simple sequentially rejective multiple test procedure. Hall (1992), On
        the removal of skewness by transformation.
    """
    import sklearn

    from wardein.behavior.cases import case_of, champion_of, draw
    from wardein.behavior.columns import columns_of
    from wardein.behavior.script import attack
    from wardein.behavior.suspicions import look_through
    from wardein.models.load import loaded
    from wardein.tables import read_table

    _checked(scanner, script, detectors, tolerance, max_rows, max_queries, max_seconds, seed)
    examined = _Examined(tools=[Tool("scikit-learn", sklearn.__version__)])
    with ExitStack() as stack:
        held = stack.enter_context(loaded(model)).model
        rival = None if champion is None else stack.enter_context(loaded(champion)).model
        table = read_table(data)
        drawn = draw(table, label, 2 * max_rows, seed)
        case = case_of(held, table.iloc[drawn].reset_index(drop=True), label)
        columns = columns_of(case.rows)
        if script is not None:
            numbers = (drawn[:max_rows] + 1).tolist()
            examined.add_attack(attack(script, case, columns, numbers, max_queries, seed, max_seconds), len(numbers))
        if scanner == "giskard":
            against = None if rival is None else champion_of(rival, case)
            examined.add_scan(look_through(case, columns, against, detectors, seed, max_seconds), tolerance)
    return conclude(
        coverage=Coverage(
            "examinations", examined.expected, examined.expected - len(examined.skipped), tuple(examined.skipped)
        ),
        tools=examined.tools,
        metrics=examined.metrics,
        findings=examined.findings,
    )


@dataclass
class _Examined:
    """What the scan and the script came to, together."""

    tools: list[Tool]
    expected: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)

    def add_attack(self, attacked: Attacked, rows: int) -> None:
        self.expected += 1
        if attacked.examined < rows:
            self.skipped.append(Skipped("the script", f"it examined {attacked.examined} of {rows} rows"))
        self.findings += attacked.findings
        self.metrics += attacked.metrics

    def add_scan(self, scanned: Scanned, tolerance: float) -> None:
        self.expected += len(scanned.detectors)
        self.skipped += [Skipped(name, reason) for name, reason in scanned.broken]
        self.tools.append(scanned.tool)
        self.findings += _findings(scanned.judged, tolerance)
        self.metrics += _metrics(scanned, tolerance)


def _findings(judged: Sequence[Judged], tolerance: float) -> list[Finding]:
    """What counts, and what else is suspected, the likeliest first."""
    from wardein.behavior.judged import is_known

    ranked = _ranked(judged)
    counting = [one for one in ranked if one.counts(tolerance)]
    # Where the model is better than what it is compared with, there is nothing to tell; but what the champion does too.
    others = [one for one in ranked if not one.counts(tolerance) and (one.why_not or one.excess > 0 or is_known(one))]
    return [_finding(one, True) for one in counting[:_MOST]] + [_finding(one, False) for one in others[:_TOLD]]


def _finding(judged: Judged, counts: bool) -> Finding:
    suspicion = judged.suspicion
    where = _place(judged)
    return Finding(
        f"behavior/{suspicion.detector.replace('_', '-')}",
        _SEVERITIES[suspicion.level] if counts else Severity.INFO,
        f"{where}: {_measured(judged)}{_compared(judged, counts)}",
        location=where,
        fails=counts,
    )


def _place(judged: Judged) -> str:
    suspicion = judged.suspicion
    if suspicion.column:
        return f"{shown(suspicion.column)}, {suspicion.words}"
    return suspicion.words or ("asked alone" if suspicion.detector == "data_leakage" else "asked again")


def _measured(judged: Judged) -> str:
    if judged.name == "mean_absolute_error":
        return f"a mean absolute error of {judged.rate:.3g} standard deviations of the label on {judged.n} rows"
    return f"{judged.rate:.1%} of {judged.n} rows {_HAPPENS[judged.name]}"


def _compared(judged: Judged, counts: bool) -> str:
    """How that stands to the yardstick, or why it is set against none."""
    from wardein.behavior.judged import ALPHA

    if judged.why_not:
        return f"; does not count: {judged.why_not}"
    if judged.yardstick == "right":
        return ""
    expected = f"{judged.expected:.3g}" if judged.name == "mean_absolute_error" else f"{judged.expected:.1%}"
    verdict = "" if counts else ", tolerated" if judged.p <= ALPHA else ", which may be chance"
    return f"; {judged.yardstick}: {expected} (p={judged.p:.2g}{verdict})"


def _metrics(scanned: Scanned, tolerance: float) -> list[Metric]:
    """How many suspicions there were and count, by detector, and the rates that were measured."""
    judged, rows = scanned.judged, scanned.rows
    suspected = Counter(one.suspicion.detector for one in judged)
    counting = Counter(one.suspicion.detector for one in judged if one.counts(tolerance))
    metrics = [
        Metric("issues", sum(counting.values()), rows, "count", "lower"),
        Metric("queries", scanned.asked, rows, "rows"),
    ]
    for name in scanned.detectors:
        metrics.append(Metric("issues", counting[name], rows, "count", "lower", slice=f"detector={name}"))
        metrics.append(Metric("suspicions", suspected[name], rows, "count", "lower", slice=f"detector={name}"))
    metrics.append(
        Metric(
            scanned.name, scanned.overall, rows, _UNITS.get(scanned.name, "1"), "lower", scanned.ci, "where=all rows"
        )
    )
    told = {metrics[-1].label}
    for one in _ranked(judged):
        part = f"detector={one.suspicion.detector}, where={slice_value(_place(one))}"
        metric = Metric(one.name, one.rate, one.n, _UNITS.get(one.name, "1"), "lower", one.ci, part)
        if one.ci is not None and metric.label not in told and len(told) < _RATES:
            told.add(metric.label)
            metrics.append(metric)
    return metrics


def _ranked(judged: Sequence[Judged]) -> list[Judged]:
    """The likeliest first."""
    return sorted(judged, key=lambda one: (one.p, -one.excess, one.suspicion.detector, _place(one)))


def _checked(
    scanner: str,
    script: Path | None,
    detectors: Sequence[str],
    tolerance: float,
    max_rows: int,
    max_queries: int,
    max_seconds: int,
    seed: int,
) -> None:
    from wardein.behavior.giskard import DETECTORS

    if scanner == "none" and script is None:
        raise UsageError("there is nothing to run", where="--scanner", mend="give a --script, or use giskard")
    unknown = [name for name in detectors if name not in DETECTORS]
    if unknown or len(set(detectors)) < len(detectors):
        what = f"there is no detector {unknown[0][:40]!r}" if unknown else "names a detector more than once"
        raise UsageError(what, where="--detectors", mend=f"choose among: {', '.join(DETECTORS)}")
    if not 0 <= tolerance < 1:
        raise UsageError(f"{tolerance:g} is not between 0 and 1", where="--tolerance")
    for name, value in (("--max-rows", max_rows), ("--max-queries", max_queries), ("--max-seconds", max_seconds)):
        if value < 1:
            raise UsageError(f"{value} is less than 1", where=name)
    if not 0 <= seed < 2**32:
        raise UsageError(f"{seed} is not between 0 and 2^32", where="--seed")
