# SPDX-License-Identifier: Apache-2.0
"""How often two models are right on the same rows, and how much they differ, in metrics and findings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wardein.comparison import paired
from wardein.errors import WardeinError, printable
from wardein.models.predictors import Classifier, Regressor
from wardein.report import Criterion, Finding, Interval, Metric, Severity
from wardein.statistics import intervals
from wardein.statistics.intervals import End
from wardein.statistics.outcomes import MAX_LENGTH, Outcomes, observe, observe_numbers, slice_value

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

NAMES = ("challenger", "champion")
_REPLICATES, _EXAMPLES = 1000, 10
_TINY = 1e-15
# What the recall of a class may lose before it is told.
_CLASS_LOSS = 0.05
# Errors that are smaller than this share of the labels' spread are those of rounding.
_NO_ERROR = 1e-9


@dataclass
class Comparison:
    """What was found, as it is gathered."""

    metrics: list[Metric] = field(default_factory=list)
    criteria: list[Criterion] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def of_classifiers(
    challenger: Classifier, champion: Classifier, table: pd.DataFrame, label: str, loss: float, bound: End, seed: int
) -> tuple[Comparison, np.ndarray]:
    """Compare the classes and the probabilities that two models give.

    Returns:
        What was found, and for each row 1 if only the champion is right, -1 if only the challenger is, else 0.
    """
    import numpy as np

    ours = observe(challenger, table, label, probabilities=True)
    with _of_champion():
        theirs = _reordered(observe(champion, table, label, probabilities=True), ours.classes)
    right, before = ours.predicted == ours.truth, theirs.predicted == ours.truth
    n, more, less = len(right), int((right & ~before).sum()), int((~right & before).sum())
    differ = int((ours.predicted != theirs.predicted).sum())
    found = Comparison()
    for name, hits in zip(NAMES, (right, before), strict=True):
        share = int(hits.sum())
        ci = intervals.wilson(share, n)
        found.metrics.append(Metric("accuracy", share / n, n, direction="higher", ci=ci, slice=f"model={name}"))
    found.metrics += [
        _difference("accuracy_difference", (more - less) / n, n, intervals.paired(more, less, n)),
        Metric("mcnemar_p", paired.mcnemar(more, less), n),
        Metric("disagreement_rate", differ / n, n, ci=intervals.wilson(differ, n)),
    ]
    for i, name in enumerate(ours.classes):
        rows = ours.truth == i
        if size := int(rows.sum()):
            gained, lost = int((right & ~before & rows).sum()), int((~right & before & rows).sum())
            part, ci = f"class={slice_value(name)}", intervals.paired(gained, lost, size)
            found.metrics.append(_difference("recall_difference", (gained - lost) / size, size, ci, part))
            if ci.high < -_CLASS_LOSS:
                text = (
                    f"of the {size} rows of class {name!r} the challenger finds {(lost - gained) / size:.1%} fewer "
                    f"than the champion, at least {-ci.high:.1%}"
                )
                found.findings.append(Finding("compare/regressed-class", Severity.MEDIUM, text, part, fails=False))
    _by_probabilities(found, ours, theirs, seed)
    _examples(found, ours, theirs)
    if loss < 1:
        found.criteria.append(Criterion("accuracy_difference", ">=", -loss, intervals.counted(bound, ">=")))
    return found, before.astype(int) - right.astype(np.int64)


def _by_probabilities(found: Comparison, ours: Outcomes, theirs: Outcomes, seed: int) -> None:
    """What follows from probabilities, if both models give them."""
    import numpy as np

    if ours.probabilities is None or theirs.probabilities is None:
        who = NAMES[ours.probabilities is not None]
        text = f"the {who} gives no probabilities, so that nothing that rests on them was compared"
        found.findings.append(Finding("compare/no-probabilities", Severity.INFO, text, f"{who}", fails=False))
        return
    truth, n = ours.truth, len(ours.truth)
    is_second = truth == 1
    if len(ours.classes) == 2 and 0 < is_second.sum() < n:
        scores = (ours.probabilities[:, 1], theirs.probabilities[:, 1])
        first, second, interval = paired.auc_difference(is_second, *scores)
        counts = int(is_second.sum()), int((~is_second).sum())
        for name, area in zip(NAMES, (first, second), strict=True):
            ci = intervals.auc(area, *counts)
            found.metrics.append(Metric("roc_auc", area, n, direction="higher", ci=ci, slice=f"model={name}"))
        found.metrics.append(_difference("roc_auc_difference", first - second, n, interval))
    losses = []
    for given in (ours.probabilities, theirs.probabilities):
        wanted = np.eye(len(ours.classes))[truth]
        brier = ((given - wanted) ** 2).sum(axis=1) / (2 if len(ours.classes) == 2 else 1)
        losses.append((brier, -np.log(np.clip(given[np.arange(n), truth], _TINY, 1))))
    values = np.stack([one - other for one, other in zip(*losses, strict=True)], axis=1)
    samples = paired.bootstrap_means(values, _REPLICATES, seed)
    for i, (name, unit) in enumerate((("brier_score_difference", "1"), ("log_loss_difference", "nats"))):
        mean, ci = float(values[:, i].mean()), paired.percentile(samples[:, i], n)
        found.metrics.append(Metric(name, mean, n, unit=unit, direction="lower", ci=ci))


def _examples(found: Comparison, ours: Outcomes, theirs: Outcomes) -> None:
    """Rows that the models see differently: first those where only the champion is right."""
    import numpy as np

    differ = np.flatnonzero(ours.predicted != theirs.predicted)
    lost = theirs.predicted[differ] == ours.truth[differ]
    for row in differ[np.argsort(~lost, kind="stable")][:_EXAMPLES].tolist():
        said, said_before = ours.predicted[row], theirs.predicted[row]
        marks = ["" if said != ours.truth[row] else " (right)", "" if said_before != ours.truth[row] else " (right)"]
        text = (
            f"row {row + 1}: champion {_shown(ours.classes[said_before])}{marks[1]}, "
            f"challenger {_shown(ours.classes[said])}{marks[0]}"
        )
        found.findings.append(Finding("compare/disagreement", Severity.INFO, text, f"row {row + 1}", fails=False))


def of_regressors(
    challenger: Regressor, champion: Regressor, table: pd.DataFrame, label: str, loss: float, bound: End, seed: int
) -> tuple[Comparison, np.ndarray]:
    """Compare the numbers that two models give.

    Returns:
        What was found, and for each row the challenger's error less the champion's, in parts of the latter's mean.
    """
    import numpy as np

    ours = observe_numbers(challenger, table, label)
    with _of_champion():
        theirs = observe_numbers(champion, table, label)
    errors = np.stack([np.abs(numbers.predicted - ours.truth) for numbers in (ours, theirs)], axis=1)
    n, (mean, before) = len(errors), errors.mean(axis=0).tolist()
    if before <= _NO_ERROR * float(ours.truth.std()):
        mend = "a relative loss has no meaning then; see whether the label was among its features"
        raise WardeinError("makes no errors on these rows", where="--champion", mend=mend)
    samples = paired.bootstrap_means(errors, _REPLICATES, seed)
    ratios = samples[:, 0] / np.maximum(samples[:, 1], _NO_ERROR * ours.truth.std()) - 1
    found = Comparison()
    for i, (name, value) in enumerate(zip(NAMES, (mean, before), strict=True)):
        ci = paired.percentile(samples[:, i], n)
        found.metrics.append(
            Metric("mean_absolute_error", value, n, unit="label", direction="lower", ci=ci, slice=f"model={name}")
        )
    ci = paired.percentile(samples[:, 0] - samples[:, 1], n)
    found.metrics += [
        Metric("mean_absolute_error_difference", mean - before, n, unit="label", direction="lower", ci=ci),
        Metric("relative_loss", mean / before - 1, n, direction="lower", ci=paired.percentile(ratios, n)),
    ]
    if loss < 1:
        found.criteria.append(Criterion("relative_loss", "<=", loss, intervals.counted(bound, "<=")))
    return found, (errors[:, 0] - errors[:, 1]) / before


def _shown(name: str) -> str:
    return printable(" ".join(name.split()))[:MAX_LENGTH]


def _reordered(outcomes: Outcomes, classes: tuple[str, ...]) -> Outcomes:
    """The champion's outcomes, with its classes in the challenger's order."""
    import numpy as np

    if set(outcomes.classes) != set(classes):
        only = map(_shown, sorted(set(outcomes.classes) ^ set(classes))[:5])
        mend = "compare models of the same classes"
        raise WardeinError(
            f"knows other classes than the challenger ({', '.join(only)})", where="--champion", mend=mend
        )
    place = np.array([classes.index(name) for name in outcomes.classes])
    given = outcomes.probabilities
    if given is not None:
        given = given[:, np.argsort(place)]
    return Outcomes(classes, place[outcomes.truth], place[outcomes.predicted], given)


@contextmanager
def _of_champion() -> Iterator[None]:
    """What is wrong with the champion is not said of the model."""
    try:
        yield
    except WardeinError as error:
        if error.where == "--model":
            raise WardeinError(error.what, where="--champion", mend=error.mend) from None
        raise WardeinError(f"{error.what} (for the champion)", where=error.where, mend=error.mend) from None


def _difference(name: str, value: float, n: int, ci: Interval, part: str = "") -> Metric:
    return Metric(name, value, n, direction="higher", ci=ci, slice=part)
