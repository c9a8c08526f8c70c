# SPDX-License-Identifier: Apache-2.0
"""evaluate_performance: how often a model is right, where it is not, and whether its numbers can be believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from wardein.artifacts import Dataset, Judged, Model, Threshold
from wardein.errors import UsageError, WardeinError
from wardein.report import Coverage, Criterion, Report, Severity, Skipped, Tool, conclude
from wardein.statistics import intervals
from wardein.statistics.intervals import End
from wardein.statistics.outcomes import slice_value

if TYPE_CHECKING:
    import pandas as pd

    from wardein.performance.study import Study
    from wardein.statistics.outcomes import Numbers, Outcomes

# What needs probabilities.
_PROBABILITIES = ("roc_auc", "calibration_error")


def evaluate_performance(
    model: Model,
    data: Dataset,
    label: str,
    positive: str = "",
    min_accuracy: Threshold = 0.0,
    min_balanced_accuracy: Threshold = 0.0,
    min_recall: Threshold = 0.0,
    min_precision: Threshold = 0.0,
    min_roc_auc: Threshold = 0.0,
    max_calibration_error: Threshold = 1.0,
    min_slice_accuracy: Threshold = 0.0,
    max_mae: Threshold = 0.0,
    min_r2: Threshold = 0.0,
    reference: Dataset | None = None,
    max_train_overlap: Threshold = 1.0,
    bound: Annotated[End, Judged()] = "worst",
    margin: float = 0.02,
    slice_tolerance: float = 0.05,
    min_slice_rows: int = 50,
    max_seconds: int = 600,
    seed: int = 0,
    bootstrap_replicates: int = 1000,
) -> Report:
    """Measure how often a model is right, where it is not, and whether its probabilities can be believed.

    Of a classifier: accuracy, balanced accuracy, recall and precision of every class, area under the ROC curve, Brier
    score and expected calibration error, each with a 95 % interval, beside the accuracy of always naming the most
    frequent class. Of a regressor: mean absolute error, root mean squared error and R², beside predicting the mean of
    the labels. Whatever the thresholds, a model that is not shown to be better than guessing fails, and so does one
    that says something else of the same rows when it is asked again.

    Slices of the rows where the model does worse than elsewhere are looked for in all its features and pairs of them,
    with intervals that take into account how many slices were looked at; a slice is a lesser matter where the model's
    own probabilities say that it is hard. With the training data as reference, rows
    that the model may know from training are counted, also those with numbers changed a little, and what was measured
    is given with and without them. A feature that tells the label alone is named. For each threshold it says how many
    rows would show that it is met.

    Every row is examined. A class that the model knows and the data lack makes the verdict ERROR, and so does a
    threshold on what needs probabilities when the model gives none; without such a threshold that is a finding.

    Args:
        model: The fitted classifier or regressor: skops, a pickle or joblib file of a scikit-learn model or Pipeline,
            or the native file of another library.
        data: Labelled rows that the model has not seen, as CSV or Parquet, one row per example.
        label: The column with the true class, or for a regressor the true number.
        positive: The class that min_recall and min_precision are about, for example "fraud". Empty means the last of
            the model's two classes; a model with more classes needs it for these two thresholds.
        min_accuracy: The smallest tolerated share of right predictions, 0 to 1; 0 tolerates any.
        min_balanced_accuracy: The smallest tolerated mean of the classes' recalls, 0 to 1.
        min_recall: The smallest tolerated share of the positive rows that the model finds, 0 to 1.
        min_precision: The smallest tolerated share of right ones among the rows that the model calls positive, 0 to 1.
        min_roc_auc: The smallest tolerated area under the ROC curve, 0 to 1; with more than two classes the mean over
            each class against the rest.
        max_calibration_error: The largest tolerated expected calibration error, 0 to 1; 1 tolerates any. With few
            rows it is large by chance alone: a perfectly calibrated model has about 0.04 on 500 rows, and 0.09 at the
            upper end of its interval.
        min_slice_accuracy: The smallest tolerated accuracy within the worst of the slices that are shown to be worse
            than the rest, 0 to 1; if none is, all rows count as that slice. 0 tolerates any.
        max_mae: For a regressor the largest tolerated mean absolute error, in the unit of the label; 0 tolerates any.
        min_r2: For a regressor the smallest tolerated share of the labels' variance that it explains (R²), 0 to 1; 0
            tolerates any that is shown to be better than predicting the labels' mean.
        reference: The training data, as CSV or Parquet, with the model's features; without it, rows that the model may
            know from training are not looked for.
        max_train_overlap: The largest tolerated share of rows that are in the training data as well, 0 to 1; 1
            tolerates any, and names them in a finding. It needs the reference.
        bound: Which number must meet a threshold. "worst" is the unfavourable end of the 95 % interval: a PASS means
            that the data show it, and too few rows fail as inconclusive. "point" is the estimate. "best" is the other
            end: a FAIL means that the data show it. That the model is better than guessing has to be shown whatever
            the bound.
        margin: How far above a threshold the truth is supposed to be, when it is said how many rows would show it;
            beside that it is said for what was observed.
        slice_tolerance: How much lower the accuracy of a slice has to be for certain to be named, 0 to 1; for a
            regressor, how much larger its mean absolute error, as a share of that of all rows.
        min_slice_rows: How many rows a slice has at least.
        max_seconds: How many seconds of processor time the model may take to answer; a slower one ends in ERROR.
        seed: The seed of the bootstrap.
        bootstrap_replicates: How often the rows are drawn anew for the intervals of a regressor's errors; 1000 take
            about half a second.

    Returns:
        A report with the metrics, per class and per slice where that makes sense, and the reliability curve.

    Raises:
        WardeinError: If the model or data cannot be read, a column is missing or incomplete, or a value makes no sense.

    References:
        Wilson (1927), Probable inference, JASA 22. Newcombe (2006), Confidence intervals for an effect size measure
        based on the Mann-Whitney statistic, Statistics in Medicine 25. Zou and Donner (2008), Construction of
        confidence limits about effect measures, Statistics in Medicine 27. Guo et al. (2017), On Calibration of
        Modern Neural Networks. Clopper and Pearson (1934), The use of confidence or fiducial limits, Biometrika 26.
        Efron and Tibshirani (1993), An Introduction to the Bootstrap.
        Chung et al. (2019), Automated Data Slicing for Model Validation. Point values by scikit-learn.
    """
    import sklearn

    from wardein.models.confinement import Limits
    from wardein.models.load import loaded
    from wardein.models.predictors import Classifier
    from wardein.performance.claims import count_rows_needed
    from wardein.performance.leakage import find_known_rows
    from wardein.performance.study import Study
    from wardein.statistics.outcomes import Outcomes, observe, observe_numbers
    from wardein.statistics.repeats import differing_again
    from wardein.tables import read_table

    lowest = {
        "accuracy": min_accuracy,
        "balanced_accuracy": min_balanced_accuracy,
        "recall": min_recall,
        "precision": min_precision,
        "roc_auc": min_roc_auc,
        "slice_accuracy": min_slice_accuracy,
    }
    shares = {f"--min-{name.replace('_', '-')}": least for name, least in lowest.items()}
    judges_classes = {flag: least > 0 for flag, least in shares.items()} | {
        "--max-calibration-error": max_calibration_error < 1,
        "--positive": bool(positive),
    }
    judges_numbers = {"--max-mae": max_mae > 0, "--min-r2": min_r2 > 0}
    shares |= {"--max-calibration-error": max_calibration_error, "--min-r2": min_r2, "--margin": margin}
    _check_shares(shares | {"--max-train-overlap": max_train_overlap, "--slice-tolerance": slice_tolerance})
    _check_numbers(max_mae, min_slice_rows, max_seconds, bootstrap_replicates)
    if max_train_overlap < 1 and reference is None:
        raise UsageError("needs the training data", where="--max-train-overlap", mend="pass them with --reference")
    table = read_table(data)
    training = None if reference is None else read_table(reference)
    study = Study()
    with loaded(model, limits=Limits(seconds=max_seconds)) as held:
        if isinstance(held.model, Classifier):
            _refuse(judges_numbers, "a classifier")
            found: Outcomes | Numbers = observe(held.model, table, label, probabilities=True)
        else:
            _refuse(judges_classes, "a regressor")
            found = observe_numbers(held.model, table, label)
        rows = held.model.rows(table, complete=False)
        known = None if training is None else held.model.rows(training, "--reference", complete=False)
        differing, asked = differing_again(held.model, table, found)
    if differing:
        text = (
            f"asked again, the model says something else of {differing} of {asked} rows: "
            "what was measured would come out otherwise the next time"
        )
        study.find("not-repeatable", Severity.HIGH, text, "--model", fails=True)
    looking = _Looking(bound, bootstrap_replicates, seed, slice_tolerance, min_slice_rows)
    if isinstance(found, Outcomes):
        criteria = _classes(study, found, rows, positive, lowest, max_calibration_error, looking)
    else:
        criteria = _numbers(study, found, rows, {"max_mae": max_mae, "min_r2": min_r2}, looking)
    if known is not None:
        find_known_rows(study, rows, known, found)
    if max_train_overlap < 1:
        # Of these rows it is known, and not estimated, how many are in the training data.
        criteria.append(Criterion("train_overlap", "<=", max_train_overlap))
    count_rows_needed(study, criteria, len(table), margin)
    return conclude(
        coverage=Coverage("rows", expected=len(table), examined=len(table), skipped=tuple(study.skipped)),
        tools=[Tool("scikit-learn", sklearn.__version__)],
        metrics=study.metrics,
        criteria=criteria,
        findings=study.findings,
    )


@dataclass(frozen=True)
class _Looking:
    """How it is looked at a model, whatever it predicts."""

    bound: End
    replicates: int
    seed: int
    tolerance: float
    least: int


def _classes(
    study: Study,
    found: Outcomes,
    rows: pd.DataFrame,
    positive: str,
    lowest: Mapping[str, float],
    max_calibration_error: float,
    looking: _Looking,
) -> list[Criterion]:
    """Measure a classifier; its criteria."""
    from wardein.performance.labels import measure_labels, measure_probabilities, warn_of_guessing
    from wardein.performance.leakage import find_telling_columns
    from wardein.performance.weakness import WORST, find_weak_slices

    names_class = bool(positive) or lowest["recall"] > 0 or lowest["precision"] > 0 or len(found.classes) == 2
    chosen = found.positive(positive) if names_class else -1
    measure_labels(study, found)
    measure_probabilities(study, found, chosen)
    warn_of_guessing(study, len(found.classes))
    find_weak_slices(study, rows, found, looking.tolerance, looking.least)
    find_telling_columns(study, rows, found.truth, len(found.classes))
    slices = dict.fromkeys(("recall", "precision"), f"class={slice_value(found.classes[chosen])}")
    slices["slice_accuracy"] = WORST
    criteria = [
        Criterion(name, ">=", least, intervals.counted(looking.bound, ">="), slices.get(name, ""))
        for name, least in lowest.items()
        if least > 0
    ]
    if max_calibration_error < 1:
        counted = intervals.counted(looking.bound, "<=")
        criteria.append(Criterion("calibration_error", "<=", max_calibration_error, counted))
    if found.probabilities is None:
        why = "the model gives no probabilities; give one with predict_proba, or drop the threshold"
        study.skipped += [Skipped(c.metric, why) for c in criteria if c.metric in _PROBABILITIES]
    return criteria


def _numbers(
    study: Study, found: Numbers, rows: pd.DataFrame, thresholds: Mapping[str, float], looking: _Looking
) -> list[Criterion]:
    """Measure a regressor; its criteria."""
    import numpy as np

    from wardein.performance.numbers import measure_numbers
    from wardein.performance.weakness import find_far_slices
    from wardein.statistics.regression import LEAST

    if len(rows) < LEAST:
        what = f"has {len(rows)} rows, too few to say how far a regressor's numbers are off"
        raise WardeinError(what, where="--data", mend=f"give {LEAST} rows or more")
    measure_numbers(study, found, looking.replicates, looking.seed)
    find_far_slices(study, rows, np.abs(found.predicted - found.truth), looking.tolerance, looking.least)
    criteria = []
    if thresholds["max_mae"] > 0:
        counted = intervals.counted(looking.bound, "<=")
        criteria.append(Criterion("mean_absolute_error", "<=", thresholds["max_mae"], counted))
    if thresholds["min_r2"] > 0:
        criteria.append(Criterion("r2", ">=", thresholds["min_r2"], intervals.counted(looking.bound, ">=")))
    return criteria


def _refuse(judges: Mapping[str, bool], kind: str) -> None:
    """Refuse a setting that has no meaning for this kind of model."""
    for flag, asked in judges.items():
        if asked:
            raise UsageError(f"has no meaning for {kind}", where=flag, mend="leave it out")


def _check_shares(shares: Mapping[str, float]) -> None:
    for flag, share in shares.items():
        if not 0 <= share <= 1:
            raise UsageError(f"{share:g} is not between 0 and 1", where=flag, mend="give a proportion")


def _check_numbers(max_mae: float, min_slice_rows: int, max_seconds: int, replicates: int) -> None:
    if max_mae < 0:
        raise UsageError(f"{max_mae:g} is below 0", where="--max-mae", mend="give an error in the label's unit")
    if min_slice_rows < 10:
        raise UsageError(f"{min_slice_rows} is not 10 or more", where="--min-slice-rows")
    if not 1 <= max_seconds <= 86_400:
        raise UsageError(f"{max_seconds} is not between 1 and 86400", where="--max-seconds")
    if not 100 <= replicates <= 100_000:
        raise UsageError(f"{replicates} is not between 100 and 100000", where="--bootstrap-replicates")
