# SPDX-License-Identifier: Apache-2.0
"""What two models say of the same rows, in metrics and findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wardein.comparison import paired
from wardein.comparison.probe import Probe, probes
from wardein.errors import WardeinError, printable
from wardein.models.predictors import Classifier, Regressor
from wardein.report import Criterion, Finding, Interval, Metric, Severity
from wardein.statistics import intervals
from wardein.statistics.intervals import End
from wardein.statistics.outcomes import MAX_LENGTH, Outcomes, observe, observe_numbers, slice_value, text_of
from wardein.statistics.slices import find_slices

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.comparison.probe import Differ

Predictor = Classifier | Regressor

LEAST_ROWS = 30
_REPLICATES = 1000
_EXAMPLES, _ASKED_AGAIN = 10, 200
# Below this share of rows that only the challenger sends to one answer, retrained models stay (docs/evaluations.md).
_SUSPECT = 0.25
_NAMES = ("challenger", "champion")
_TINY = 1e-15
# Errors that are smaller than this share of the labels' spread are those of rounding.
_NO_ERROR = 1e-9


@dataclass
class Comparison:
    """What was found, as it is gathered."""

    metrics: list[Metric] = field(default_factory=list)
    criteria: list[Criterion] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def compare(
    challenger: Predictor,
    champion: Predictor,
    table: pd.DataFrame,
    label: str,
    limits: tuple[float, float],
    bound: End,
    seed: int,
) -> Comparison:
    """Let both models predict every row, and set what they say side by side.

    Args:
        challenger: The new model.
        champion: The one in use.
        table: Labelled rows.
        label: The label column.
        limits: How much worse the challenger may be, on all rows and on any part of them; 1 for any.
        bound: Which end of an interval counts.
        seed: Seeds what is drawn.

    Raises:
        WardeinError: If they cannot be compared.
    """
    if isinstance(challenger, Classifier) and isinstance(champion, Classifier):
        found, losses = _classifiers(challenger, champion, table, label, limits[0], bound, seed)
    elif isinstance(challenger, Regressor) and isinstance(champion, Regressor):
        found, losses = _regressors(challenger, champion, table, label, limits[0], bound, seed)
    else:
        what = f"is a {challenger.kind}, and the champion a {champion.kind}"
        raise WardeinError(what, where="--model", mend="compare two models of the same task")
    columns = [str(column) for column in table.columns if column != label]
    _slices(found, table, columns, losses, limits[1])
    _again(found, challenger, champion, table)
    _probe(found, challenger, champion, table, seed)
    return found


def _classifiers(
    challenger: Classifier, champion: Classifier, table: pd.DataFrame, label: str, loss: float, bound: End, seed: int
) -> tuple[Comparison, np.ndarray]:
    import numpy as np

    ours = observe(challenger, table, label, probabilities=True)
    with _of_champion():
        theirs = _reordered(observe(champion, table, label, probabilities=True), ours.classes)
    right, before = ours.predicted == ours.truth, theirs.predicted == ours.truth
    n, more, less = len(right), int((right & ~before).sum()), int((~right & before).sum())
    differ = int((ours.predicted != theirs.predicted).sum())
    found = Comparison()
    for name, hits in zip(_NAMES, (right, before), strict=True):
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
    _by_probabilities(found, ours, theirs, seed)
    _examples(found, ours, theirs)
    if loss < 1:
        found.criteria.append(Criterion("accuracy_difference", ">=", -loss, intervals.counted(bound, ">=")))
    return found, before.astype(int) - right.astype(np.int64)


def _by_probabilities(found: Comparison, ours: Outcomes, theirs: Outcomes, seed: int) -> None:
    """What follows from probabilities, if both models give them."""
    import numpy as np

    if ours.probabilities is None or theirs.probabilities is None:
        who = _NAMES[ours.probabilities is not None]
        text = f"the {who} gives no probabilities, so that nothing that rests on them was compared"
        found.findings.append(Finding("compare/no-probabilities", Severity.INFO, text, f"{who}", fails=False))
        return
    truth, n = ours.truth, len(ours.truth)
    is_second = truth == 1
    if len(ours.classes) == 2 and 0 < is_second.sum() < n:
        scores = (ours.probabilities[:, 1], theirs.probabilities[:, 1])
        first, second, interval = paired.auc_difference(is_second, *scores)
        counts = int(is_second.sum()), int((~is_second).sum())
        for name, area in zip(_NAMES, (first, second), strict=True):
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


def _regressors(
    challenger: Regressor, champion: Regressor, table: pd.DataFrame, label: str, loss: float, bound: End, seed: int
) -> tuple[Comparison, np.ndarray]:
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
    for i, (name, value) in enumerate(zip(_NAMES, (mean, before), strict=True)):
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


def _slices(found: Comparison, table: pd.DataFrame, columns: Sequence[str], losses: np.ndarray, limit: float) -> None:
    """Where the challenger loses more than elsewhere, and how much it loses there."""
    import numpy as np

    n, overall = len(losses), float(losses.mean())
    whole = _mean_interval(losses)
    worst = Metric("worst_slice_loss", overall, n, direction="lower", ci=whole)
    for part in find_slices(table, columns, losses.astype(float)):
        size = int(part.rows.sum())
        inside, rest = float(losses[part.rows].mean()), 1 - size / n
        gap = inside - float(losses[~part.rows].mean())
        # The mean within is that of all rows and the rest of the gap; the two are all but independent.
        low = inside - float(np.hypot(overall - whole.low, rest * (gap - part.gap.low)))
        high = inside + float(np.hypot(whole.high - overall, rest * (part.gap.high - gap)))
        ci = Interval(low, high, intervals.LEVEL, "bonferroni")
        found.metrics.append(Metric("slice_loss", inside, size, direction="lower", ci=ci, slice=part.name))
        if worst.ci is None or low > worst.ci.low:
            worst = Metric("worst_slice_loss", inside, size, direction="lower", ci=ci)
        if low > limit:
            text = f"where {part.name} ({size} rows) the challenger loses {inside:.3f} [{low:.3f}, {high:.3f}]"
            text += f", and {overall:.3f} on all rows"
            found.findings.append(Finding("compare/regressed-slice", Severity.HIGH, text, part.name, fails=False))
    found.metrics.append(worst)
    if limit < 1:
        # Parts are searched for, so that small ones are among them: what counts is what the data show.
        found.criteria.append(Criterion("worst_slice_loss", "<=", limit, "ci_low"))


def _mean_interval(losses: np.ndarray) -> Interval:
    import numpy as np
    from scipy.stats import t

    n = len(losses)
    if losses.dtype.kind == "i":
        return intervals.paired(int((losses > 0).sum()), int((losses < 0).sum()), n)
    half = float(t.isf((1 - intervals.LEVEL) / 2, n - 1) * losses.std(ddof=1) / np.sqrt(n))
    return Interval(float(losses.mean()) - half, float(losses.mean()) + half, intervals.LEVEL, "student")


def _again(found: Comparison, challenger: Predictor, champion: Predictor, table: pd.DataFrame) -> None:
    """What is said of some rows is said of them again when they are asked for again."""
    import numpy as np

    few = table.iloc[:_ASKED_AGAIN]
    for name, model in zip(_NAMES, (challenger, champion), strict=True):
        rows = model.rows(few, complete=False)
        first, second = model.predict(rows), model.predict(rows)
        if not np.array_equal(first, second):
            changed = int((first != second).reshape(len(rows), -1).any(axis=1).sum())
            text = f"asked again, the {name} answers otherwise for {changed} of {len(rows)} rows"
            found.findings.append(Finding("compare/not-repeatable", Severity.HIGH, text, name))


def _probe(found: Comparison, challenger: Predictor, champion: Predictor, table: pd.DataFrame, seed: int) -> None:
    features = list(dict.fromkeys((*challenger.features, *champion.features)))
    probed = probes(table[features], _differ(challenger, champion, table), seed)
    for probe in probed:
        part = f"columns={probe.columns}"
        found.metrics.append(
            Metric("probe_disagreement", probe.share, probe.n, direction="lower", ci=probe.interval, slice=part)
        )
    found.findings += [_suspect(probe) for probe in probed if probe.interval.low > _SUSPECT][:1]


def _suspect(probe: Probe) -> Finding:
    text = (
        f"with {probe.text} the challenger alone gives one same answer to {probe.share:.0%} of {probe.n} rows "
        f"({probe.usual:.0%} as they are): a trigger, or models of different kinds"
    )
    return Finding("compare/trigger-suspect", Severity.MEDIUM, text, probe.columns, fails=False)


def _differ(challenger: Predictor, champion: Predictor, table: pd.DataFrame) -> Differ:
    """Asks both models: the class, or the direction, in which the challenger differs."""
    import numpy as np

    if isinstance(challenger, Classifier) and isinstance(champion, Classifier):
        names = sorted({text_of(name) for name in challenger.classes.tolist()})

        def classes(rows: pd.DataFrame) -> np.ndarray:
            ours, theirs = (
                np.array([text_of(value) for value in model.predict(model.rows(rows, complete=False)).tolist()])
                for model in (challenger, champion)
            )
            return np.where(ours == theirs, -1, np.searchsorted(names, ours))

        return classes
    spread = float(np.std(champion.predict(champion.rows(table, complete=False))))

    def directions(rows: pd.DataFrame) -> np.ndarray:
        ours, theirs = (model.predict(model.rows(rows, complete=False)).reshape(-1) for model in (challenger, champion))
        return np.where(np.abs(ours - theirs) <= spread, -1, (ours > theirs).astype(int))

    return directions


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
