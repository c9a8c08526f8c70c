# SPDX-License-Identifier: Apache-2.0
"""evaluate_fairness: compare a classifier's outcomes between groups of people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from wardein.artifacts import Dataset, Judged, Model, Threshold
from wardein.errors import UsageError
from wardein.report import Coverage, Criterion, Finding, Metric, Report, Severity, Skipped, Tool, conclude
from wardein.statistics import intervals
from wardein.statistics.disparities import Disparity, Rate, disparity, rates
from wardein.statistics.groups import Division, divide, name_of
from wardein.statistics.intervals import End

if TYPE_CHECKING:
    import numpy as np


def evaluate_fairness(
    model: Model,
    data: Dataset,
    label: str,
    sensitive: list[str],
    positive: str = "",
    max_demographic_parity_difference: Threshold = 0.10,
    max_equalized_odds_difference: Threshold = 0.10,
    min_demographic_parity_ratio: Threshold = 0.0,
    bound: Annotated[End, Judged()] = "worst",
    min_group_size: int = 30,
    min_outcomes: int = 10,
    required_groups: list[str] = [],  # noqa: B006 - read, never changed
    intersectional: bool = True,
    bins: dict[str, str] = {},  # noqa: B006 - read, never changed
) -> Report:
    """Compare a classifier's outcomes between groups of people, and fail if they differ too much.

    For each sensitive attribute, and for all of them crossed, three rates are compared between groups: how often
    the model gives the positive class (selection rate), how often to rows that are truly positive (true positive
    rate), and how often to rows that are not (false positive rate). Demographic parity is about the first,
    equalized odds about the other two; difference and ratio are between the groups that differ most. Every rate
    has a Wilson interval. The intervals of differences and ratios take into account that the most different pair
    was picked among all pairs, which a bootstrap of the largest difference does not.

    A group with too few rows is listed with its rates and a finding, but is not compared; nor is a group's true
    (false) positive rate if it has too few positive (negative) rows. Its rows count as examined: name the groups that
    must not go uncompared as required. Where fewer than two groups can be compared, or a required group cannot, the
    verdict is ERROR.

    Args:
        model: The fitted classifier: skops, or a pickle or joblib file of a scikit-learn model or Pipeline.
        data: Labelled rows that the model has not seen, as CSV or Parquet, one row per person. It holds the model's
            features, the label and the sensitive attributes, which need not be features.
        label: The column with the true class.
        sensitive: The columns that divide people into groups, for example sex and race. Repeat the option for more
            than one.
        positive: The favourable class, for example "approved"; every other class counts as unfavourable. Empty means
            the last of the model's two classes; a model with more classes needs it.
        max_demographic_parity_difference: The largest tolerated difference of selection rates, 0 to 1; 1 tolerates
            any.
        max_equalized_odds_difference: The largest tolerated difference of true or of false positive rates, 0 to 1; 1
            tolerates any.
        min_demographic_parity_ratio: The smallest tolerated ratio of selection rates, 0 to 1; 0.8 is the four-fifths
            rule, 0 reports the ratio without judging it.
        bound: Which number must meet a threshold. "worst" is the unfavourable end of the 95 % interval: a PASS means
            that the data show it, and too few rows fail as inconclusive (to show that a true difference of 0.05 is
            below 0.10 takes at least about 700 rows a group). "point" is the estimate, which overstates the
            difference between many or small groups. "best" is the other end: a FAIL means that the data show it.
        min_group_size: The rows that a group needs to be compared.
        min_outcomes: The positive rows that a group needs for its true positive rate to be compared, and the negative
            rows for its false positive rate.
        required_groups: Groups that have to be compared, written as in the report: "sex=1", or "sex=1, age=60+" for
            attributes crossed. Repeat the option for more than one.
        intersectional: Whether all attributes are crossed as well, if there is more than one.
        bins: Cut points that turn a number into groups, for example age=40,60 for below 40, 40 to below 60, and 60 or
            more. A number with more than 10 different values needs them.

    Returns:
        A report with the rates of every group, and per attribute the demographic parity and equalized odds
        differences and ratios.

    Raises:
        WardeinError: If the model or data cannot be read, a column is missing or incomplete, or a value makes no sense.

    References:
        Hardt, Price and Srebro (2016), Equality of Opportunity in Supervised Learning. Newcombe (1998), Interval
        estimation for the difference between independent proportions, Statistics in Medicine 17. Zou and Donner
        (2008), Construction of confidence limits about effect measures, Statistics in Medicine 27. Four-fifths rule:
        29 CFR 1607.4 D. Point values by fairlearn.
    """
    import fairlearn

    from wardein.models.load import load
    from wardein.statistics.outcomes import observe
    from wardein.tables import read_table

    _check_settings(sensitive, label)
    _check_numbers(
        {
            "--max-demographic-parity-difference": max_demographic_parity_difference,
            "--max-equalized-odds-difference": max_equalized_odds_difference,
            "--min-demographic-parity-ratio": min_demographic_parity_ratio,
        },
        {"--min-group-size": min_group_size, "--min-outcomes": min_outcomes},
    )
    table = read_table(data)
    with load(model) as classifier:
        outcomes = observe(classifier, table, label)
    favourable = outcomes.positive(positive)
    truth, predicted = outcomes.truth == favourable, outcomes.predicted == favourable
    study = _Study(
        bound, max_demographic_parity_difference, max_equalized_odds_difference, min_demographic_parity_ratio
    )
    study.note_predictions(predicted, "" if positive else outcomes.classes[favourable])
    examined = len(table)
    for division in divide(table, sensitive, bins, crossed=intersectional):
        measured = rates(division, truth, predicted, rows=min_group_size, outcomes=min_outcomes)
        study.describe(division, measured)
        if not study.compare(division, measured):
            examined = 0
    study.require([name_of(group) for group in required_groups])
    return conclude(
        coverage=Coverage("rows", expected=len(table), examined=examined, skipped=tuple(study.skipped)),
        tools=[Tool("fairlearn", fairlearn.__version__)],
        metrics=study.metrics,
        criteria=study.criteria,
        findings=study.findings,
    )


@dataclass
class _Study:
    """What is gathered about the groups, one division after the other."""

    bound: End
    parity_difference: float
    odds_difference: float
    parity_ratio: float
    metrics: list[Metric] = field(default_factory=list)
    criteria: list[Criterion] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    compared: set[str] = field(default_factory=set)
    left_out: dict[str, str] = field(default_factory=dict)

    def note_predictions(self, predicted: np.ndarray, assumed: str) -> None:
        """Say what a reader of the rates has to know about all of them."""
        if assumed:
            text = f"the favourable class was not named and taken to be {assumed!r}; ratios depend on it"
            self.findings.append(Finding("fairness/assumed-positive", Severity.INFO, text, "--positive", fails=False))
        if predicted.all() or not predicted.any():
            text = "the model gives every row the same class: its rates are equal, and say nothing about its merit"
            self.findings.append(Finding("fairness/constant-model", Severity.MEDIUM, text, "--model", fails=False))

    def describe(self, division: Division, measured: Sequence[Rate]) -> None:
        """List every group's rates, and name the groups that are too small to be compared."""
        for rate in measured:
            for group, hits, n in zip(division.groups, rate.hits.tolist(), rate.n.tolist(), strict=True):
                if n:
                    interval = intervals.wilson(hits, n)
                    self.metrics.append(Metric(rate.name, hits / n, n, ci=interval, slice=group))
        size, *outcomes = measured
        for i, group in enumerate(division.groups):
            few = [size] if not size.compared[i] else [rate for rate in outcomes if not rate.compared[i]]
            for rate in few:
                text = f"only {rate.n[i]} {rate.among}, {rate.needed} are needed"
                where, rule = (group, "small-group") if rate is size else (f"{group}: {rate.name}", "few-outcomes")
                message = f"{where} is not compared: {text}"
                self.findings.append(Finding(f"fairness/{rule}", Severity.LOW, message, where, fails=False))
                self.left_out[group] = text
            if not few:
                self.compared.add(group)

    def compare(self, division: Division, measured: Sequence[Rate]) -> bool:
        """Measure the disparities between the groups; False if one cannot be measured."""
        for rate in measured:
            if rate.compared.sum() < 2:
                enough = int(rate.compared.sum())
                reason = f"{enough} group{'' if enough == 1 else 's'} with at least {rate.needed} {rate.among}"
                hint = ", or pass --intersectional false" if " & " in division.attribute else ""
                self.skipped.append(
                    Skipped(
                        division.attribute, f"has {reason}, comparing takes two; give more rows of every group{hint}"
                    )
                )
                return False
        selection, *odds = measured
        part = f"attribute={division.attribute}"
        self._judge("demographic_parity", part, disparity([selection]), self.parity_difference, self.parity_ratio)
        self._judge("equalized_odds", part, disparity(odds), self.odds_difference, 0.0)
        return True

    def require(self, groups: Sequence[str]) -> None:
        """Count a required group that was not compared as not examined."""
        for group in groups:
            if group not in self.compared:
                self.skipped.append(Skipped(group, self.left_out.get(group, "no group of this name was examined")))

    def _judge(self, name: str, part: str, found: Disparity, largest: float, smallest: float) -> None:
        """Turn a disparity into metrics and into criteria on them; a ratio is judged only if that was asked for."""
        counted, n = intervals.counted(self.bound, "<="), found.n
        metric = Metric(
            f"{name}_difference", found.difference, n, direction="lower", ci=found.difference_interval, slice=part
        )
        self.metrics.append(metric)
        self.criteria.append(Criterion(metric.name, "<=", largest, counted, part))
        if smallest > 0:
            counted = intervals.counted(self.bound, ">=")
            self.criteria.append(Criterion(f"{name}_ratio", ">=", smallest, counted, part))
        if found.ratio is None:
            text = "no group has a single yes, so that the rates are equal and their ratio is undefined"
            where = f"{name}_ratio[{part}]"
            self.findings.append(Finding("fairness/undefined-ratio", Severity.LOW, text, where, fails=False))
            return
        self.metrics.append(
            Metric(f"{name}_ratio", found.ratio, n, direction="higher", ci=found.ratio_interval, slice=part)
        )


def _check_settings(sensitive: Sequence[str], label: str) -> None:
    if not sensitive:
        raise UsageError("names no attribute", where="--sensitive", mend="name at least one column")
    for name in sensitive:
        if name == label or list(sensitive).count(name) > 1:
            what = "is the label" if name == label else "is named twice"
            raise UsageError(f"{name!r} {what}", where="--sensitive", mend="name each sensitive column once")


def _check_numbers(shares: Mapping[str, float], counts: Mapping[str, int]) -> None:
    for flag, share in shares.items():
        if not 0 <= share <= 1:
            raise UsageError(f"{share:g} is not between 0 and 1", where=flag, mend="rates are proportions")
    for flag, count in counts.items():
        if count < 1:
            raise UsageError(f"{count} is not 1 or more", where=flag, mend="a rate of no rows is undefined")
