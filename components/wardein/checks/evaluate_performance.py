# SPDX-License-Identifier: Apache-2.0
"""evaluate_performance: how often a classifier is right, and whether its probabilities can be believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from wardein.artifacts import Dataset, Model, Threshold
from wardein.errors import UsageError
from wardein.report import Coverage, Criterion, Finding, Interval, Metric, Report, Severity, Skipped, Tool, conclude
from wardein.statistics import intervals
from wardein.statistics.intervals import End
from wardein.statistics.outcomes import slice_value

if TYPE_CHECKING:
    from wardein.statistics.outcomes import Outcomes


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
    bound: End = "worst",
    seed: int = 0,
    bootstrap_replicates: int = 1000,
) -> Report:
    """Measure how often a classifier is right, and whether its probabilities can be believed.

    Accuracy, balanced accuracy, recall and precision of every class, area under the ROC curve, Brier score and
    expected calibration error, each with a 95 % interval, beside the accuracy of always naming the most frequent
    class. Whatever the thresholds, a model whose balanced accuracy is not above what guessing gives fails.

    Every row is examined. A class that the model knows and the data lack makes the verdict ERROR, and so does a
    threshold on what needs probabilities when the model gives none; without such a threshold that is a finding.

    Args:
        model: The fitted classifier: skops, or a pickle or joblib file of a scikit-learn model or Pipeline.
        data: Labelled rows that the model has not seen, as CSV or Parquet, one row per example.
        label: The column with the true class.
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
        bound: Which number must meet a threshold. "worst" is the unfavourable end of the 95 % interval: a PASS means
            that the data show it, and too few rows fail as inconclusive. "point" is the estimate. "best" is the other
            end: a FAIL means that the data show it.
        seed: The seed of the bootstrap.
        bootstrap_replicates: How often the rows are drawn anew for the intervals of Brier score and calibration
            error; 1000 take about a second for 100 000 rows.

    Returns:
        A report with the metrics, per class where that makes sense, and the reliability curve.

    Raises:
        WardeinError: If the model or data cannot be read, a column is missing or incomplete, or a value makes no sense.

    References:
        Wilson (1927), Probable inference, JASA 22. Newcombe (2006), Confidence intervals for an effect size measure
        based on the Mann-Whitney statistic, Statistics in Medicine 25. Zou and Donner (2008), Construction of
        confidence limits about effect measures, Statistics in Medicine 27. Guo et al. (2017), On Calibration of
        Modern Neural Networks. Point values by scikit-learn.
    """
    import sklearn

    from wardein.models.load import load
    from wardein.statistics.outcomes import observe
    from wardein.tables import read_table

    lowest = {
        "accuracy": min_accuracy,
        "balanced_accuracy": min_balanced_accuracy,
        "recall": min_recall,
        "precision": min_precision,
        "roc_auc": min_roc_auc,
    }
    _check_settings(
        {f"--min-{name.replace('_', '-')}": least for name, least in lowest.items()}
        | {"--max-calibration-error": max_calibration_error},
        bootstrap_replicates,
    )
    table = read_table(data)
    with load(model) as classifier:
        outcomes = observe(classifier, table, label, probabilities=True)
    names_class = bool(positive) or min_recall > 0 or min_precision > 0 or len(outcomes.classes) == 2
    chosen = outcomes.positive(positive) if names_class else -1
    metrics, findings = _labels(outcomes)
    metrics += _probabilities(outcomes, chosen, bootstrap_replicates, seed)
    findings += _warnings(outcomes, {metric.name: metric for metric in metrics if not metric.slice}, bound)
    criteria = [
        Criterion(
            name,
            ">=",
            least,
            intervals.counted(bound, ">="),
            f"class={slice_value(outcomes.classes[chosen])}" if name in ("recall", "precision") else "",
        )
        for name, least in lowest.items()
        if least > 0
    ]
    if max_calibration_error < 1:
        counted = intervals.counted(bound, "<=")
        criteria.append(Criterion("calibration_error", "<=", max_calibration_error, counted))
    return conclude(
        coverage=_coverage(outcomes, criteria),
        tools=[Tool("scikit-learn", sklearn.__version__)],
        metrics=metrics,
        criteria=criteria,
        findings=findings,
    )


def _labels(outcomes: Outcomes) -> tuple[list[Metric], list[Finding]]:
    """What follows from labels and predictions: accuracy, and per class recall and precision."""
    import numpy as np
    from sklearn.metrics import accuracy_score, confusion_matrix

    cells = confusion_matrix(outcomes.truth, outcomes.predicted, labels=np.arange(len(outcomes.classes)))
    right, of_class, called = cells.diagonal(), cells.sum(axis=1), cells.sum(axis=0)
    rows, present = int(cells.sum()), of_class > 0
    metrics = [
        _share("accuracy", int(right.sum()), rows, value=float(accuracy_score(outcomes.truth, outcomes.predicted))),
        replace(_share("baseline_accuracy", int(of_class.max()), rows), direction="none"),
        Metric(
            "balanced_accuracy",
            float((right[present] / of_class[present]).mean()),
            rows,
            direction="higher",
            ci=intervals.mean_of_proportions(right[present], of_class[present]),
        ),
    ]
    findings = []
    for i, name in enumerate(outcomes.classes):
        part = f"class={slice_value(name)}"
        if of_class[i]:
            metrics.append(_share("recall", int(right[i]), int(of_class[i]), part))
        if called[i]:
            metrics.append(_share("precision", int(right[i]), int(called[i]), part))
        else:
            text = f"the model never predicts the class {name!r}, so that its precision is undefined"
            findings.append(Finding("performance/never-predicted", Severity.MEDIUM, text, part, fails=False))
    return metrics, findings


def _probabilities(outcomes: Outcomes, positive: int, replicates: int, seed: int) -> list[Metric]:
    """What follows from probabilities: the areas under the ROC curves, Brier score and calibration."""
    import numpy as np
    from sklearn.metrics import roc_auc_score

    from wardein.statistics.calibration import calibration

    if outcomes.probabilities is None:
        return []
    rows, classes = len(outcomes.truth), range(len(outcomes.classes))
    areas = []
    for i in [positive] if len(classes) == 2 else classes:
        is_class = outcomes.truth == i
        if is_class.any():
            area = float(roc_auc_score(is_class, outcomes.probabilities[:, i]))
            interval = intervals.auc(area, int(is_class.sum()), int((~is_class).sum()))
            part = f"class={slice_value(outcomes.classes[i])}"
            areas.append(Metric("roc_auc", area, rows, direction="higher", ci=interval, slice=part))
    # The mean of the ends is an interval of the mean whatever the dependence between the areas.
    ends = np.mean([(area.value, area.ci.low, area.ci.high) for area in areas if area.ci], axis=0).tolist()
    mean = Metric("roc_auc", ends[0], rows, direction="higher", ci=Interval(ends[1], ends[2], method="newcombe"))
    found = calibration(outcomes.probabilities, outcomes.truth, positive, replicates, seed)
    return [
        mean,
        *(areas if len(areas) > 1 else []),
        Metric("brier_score", found.brier, rows, direction="lower", ci=found.brier_interval),
        Metric("calibration_error", found.error, rows, direction="lower", ci=found.error_interval),
        *(
            Metric("observed_share", share, n, ci=interval, slice=f"probability={middle:.2f}")
            for middle, share, interval, n in found.reliability
        ),
    ]


def _warnings(outcomes: Outcomes, measured: Mapping[str, Metric], bound: End) -> list[Finding]:
    """What a reader has to know whatever the thresholds."""
    findings = []
    balanced, guessing = measured["balanced_accuracy"], 1 / len(outcomes.classes)
    if balanced.ci and {"worst": balanced.ci.low, "point": balanced.value, "best": balanced.ci.high}[bound] <= guessing:
        text = (
            f"balanced accuracy {balanced.value:.4g} [{balanced.ci.low:.4g}, {balanced.ci.high:.4g}] is not shown to "
            f"be above {guessing:.4g}, which guessing gives"
        )
        findings.append(Finding("performance/no-better-than-guessing", Severity.HIGH, text, "balanced_accuracy"))
    if measured["accuracy"].value <= measured["baseline_accuracy"].value:
        text = (
            f"accuracy {measured['accuracy'].value:.4g} is not above {measured['baseline_accuracy'].value:.4g}, "
            "which naming the most frequent class for every row gives"
        )
        findings.append(Finding("performance/below-baseline", Severity.LOW, text, "accuracy", fails=False))
    if outcomes.probabilities is None:
        text = "the model gives no probabilities, so that ROC curve and calibration were not measured"
        findings.append(Finding("performance/no-probabilities", Severity.INFO, text, "--model", fails=False))
    return findings


def _coverage(outcomes: Outcomes, criteria: Sequence[Criterion]) -> Coverage:
    """All rows are examined; a class without rows, or a metric asked for that cannot be measured, is not."""
    import numpy as np

    rows = len(outcomes.truth)
    skipped = [
        Skipped(f"class {name!r}", "the model knows it, but no row is labelled with it; give rows of every class")
        for i, name in enumerate(outcomes.classes)
        if not np.any(outcomes.truth == i)
    ]
    if outcomes.probabilities is None:
        skipped += [
            Skipped(c.metric, "the model gives no probabilities; give one with predict_proba, or drop the threshold")
            for c in criteria
            if c.metric in ("roc_auc", "calibration_error")
        ]
    return Coverage("rows", expected=rows, examined=rows, skipped=tuple(skipped))


def _share(name: str, hits: int, n: int, part: str = "", value: float | None = None) -> Metric:
    interval = intervals.wilson(hits, n)
    return Metric(name, hits / n if value is None else value, n, direction="higher", ci=interval, slice=part)


def _check_settings(shares: Mapping[str, float], replicates: int) -> None:
    for flag, share in shares.items():
        if not 0 <= share <= 1:
            raise UsageError(f"{share:g} is not between 0 and 1", where=flag, mend="give a proportion")
    if not 100 <= replicates <= 100_000:
        raise UsageError(f"{replicates} is not between 100 and 100000", where="--bootstrap-replicates")
