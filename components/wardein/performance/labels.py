# SPDX-License-Identifier: Apache-2.0
"""How often a classifier is right, and whether its probabilities can be believed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wardein.performance.study import Study, share
from wardein.report import Interval, Metric, Severity, Skipped
from wardein.statistics import intervals
from wardein.statistics.outcomes import slice_value

if TYPE_CHECKING:
    from wardein.statistics.outcomes import Outcomes


def measure_labels(study: Study, outcomes: Outcomes) -> None:
    """What follows from labels and predictions: accuracy, and per class recall and precision."""
    import numpy as np
    from sklearn.metrics import accuracy_score, confusion_matrix

    cells = confusion_matrix(outcomes.truth, outcomes.predicted, labels=np.arange(len(outcomes.classes)))
    right, of_class, called = cells.diagonal(), cells.sum(axis=1), cells.sum(axis=0)
    rows, present = int(cells.sum()), of_class > 0
    accuracy = share("accuracy", int(right.sum()), rows)
    study.metrics += [
        replace(accuracy, value=float(accuracy_score(outcomes.truth, outcomes.predicted))),
        replace(share("baseline_accuracy", int(of_class.max()), rows), direction="none"),
        Metric(
            "balanced_accuracy",
            float((right[present] / of_class[present]).mean()),
            rows,
            direction="higher",
            ci=intervals.mean_of_proportions(right[present], of_class[present]),
        ),
    ]
    for i, name in enumerate(outcomes.classes):
        part = f"class={slice_value(name)}"
        if of_class[i]:
            study.metrics.append(share("recall", int(right[i]), int(of_class[i]), part))
        else:
            why = "the model knows it, but no row is labelled with it; give rows of every class"
            study.skipped.append(Skipped(f"class {name!r}", why))
        if called[i]:
            study.metrics.append(share("precision", int(right[i]), int(called[i]), part))
        else:
            text = f"the model never predicts the class {name!r}, so that its precision is undefined"
            study.find("never-predicted", Severity.MEDIUM, text, part)


def measure_probabilities(study: Study, outcomes: Outcomes, positive: int) -> None:
    """What follows from probabilities: the areas under the ROC curves, Brier score and calibration."""
    import numpy as np
    from sklearn.metrics import roc_auc_score

    from wardein.statistics.calibration import calibration

    if outcomes.probabilities is None:
        text = "the model gives no probabilities, so that ROC curve and calibration were not measured"
        study.find("no-probabilities", Severity.INFO, text, "--model")
        return
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
    found = calibration(outcomes.probabilities, outcomes.truth, positive)
    study.metrics += [
        mean,
        *(areas if len(areas) > 1 else []),
        Metric("brier_score", found.brier, rows, direction="lower", ci=found.brier_interval),
        Metric("calibration_error", found.error, rows, direction="lower", ci=found.error_interval),
        *(
            Metric("observed_share", observed, n, ci=interval, slice=f"probability={middle:.2f}")
            for middle, observed, interval, n in found.reliability
        ),
    ]


def warn_of_guessing(study: Study, classes: int) -> None:
    """What a reader has to know whatever the thresholds: whether the model is better than no model."""
    balanced, guessing = study.metric("balanced_accuracy"), 1 / classes
    if balanced and balanced.ci and balanced.ci.low <= guessing:
        text = (
            f"balanced accuracy {balanced.value:.4g} [{balanced.ci.low:.4g}, {balanced.ci.high:.4g}] is not shown "
            f"to be above {guessing:.4g}, which guessing gives"
        )
        study.find("no-better-than-guessing", Severity.HIGH, text, "balanced_accuracy", fails=True)
    accuracy, baseline = study.metric("accuracy"), study.metric("baseline_accuracy")
    if accuracy and baseline and accuracy.value <= baseline.value:
        text = (
            f"accuracy {accuracy.value:.4g} is not above {baseline.value:.4g}, "
            "which naming the most frequent class for every row gives"
        )
        study.find("below-baseline", Severity.LOW, text, "accuracy")
