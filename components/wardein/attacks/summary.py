# SPDX-License-Identifier: Apache-2.0
"""What is reported of the attacks on a model: coverage, metrics, findings, examples in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from wardein.attacks.campaign import MOST_EDITS
from wardein.report import Coverage, Criterion, Finding, Metric, Severity, Skipped

if TYPE_CHECKING:
    from wardein.attacks.campaign import Attacked, Edits
    from wardein.attacks.task import Task

# How many of the decisions on columns are told.
_TOLD = 50


def examples(task: Task, attacked: Attacked | None, edits: Edits | None) -> list[Finding]:
    """The rows that the least makes fall, in words."""
    from wardein.attacks.examples import MOST

    return [*_told(task, edits), *_nearest(task, attacked)][:MOST]


def coverage(task: Task, attacked: Attacked | None, edits: Edits | None) -> Coverage:
    """Which rows were looked at, and why others were not."""
    from wardein.attacks import account

    n = len(task.rows)
    coverage = account.coverage(attacked.sweep, n, attacked.stopped) if attacked else Coverage("rows", n, n)
    if edits is None:
        return coverage
    if edits.edited is None:
        left = Skipped(f"edits of {len(edits.rows)} rows", f"{edits.left}; allow more, or lower --max-rows")
        return replace(coverage, skipped=(*coverage.skipped, left))
    untried = len(edits.edited.unattacked)
    if untried == 0:
        return coverage
    left = Skipped(f"edits of {untried} rows", "no edit of them is allowed; let more columns change (--features)")
    examined = coverage.examined if attacked else n - untried
    return replace(coverage, examined=examined, skipped=(*coverage.skipped, left))


def metrics(task: Task, attacked: Attacked | None, edits: Edits | None) -> Iterator[Metric]:
    """What was measured."""
    from wardein.attacks import account

    if attacked:
        yield from account.curves(attacked.sweep)
    if edits and edits.edited:
        yield from account.edited(edits.edited, MOST_EDITS)
    if attacked:
        yield from account.certificates(attacked.sweep)
        yield from account.corrupted(attacked.corrupted)
        yield from account.costs(attacked.sweep, attacked.space, len(task.features))


def findings(
    task: Task, attacked: Attacked | None, edits: Edits | None, wanted: Criterion, at_epsilon: float
) -> Iterator[Finding]:
    """What else there is to know of the run."""
    from wardein.attacks import account

    if task.incomplete:
        what = (
            f"{task.incomplete} rows of {task.incomplete + len(task.places)} hold missing numbers and were left out: "
            "an attack has no number to start from there"
        )
        yield Finding("robustness/incomplete-rows", Severity.MEDIUM, what, fails=False)
    if attacked:
        sweep = attacked.sweep
        yield from account.held_fixed(attacked.space.columns)
        if sweep.arms.names == ("hopskipjump",):
            message = "attacked by its predictions only: the model has neither gradients nor trees that could be used"
            yield Finding("robustness/black-box", Severity.INFO, message, fails=False)
        if attacked.corrupted.refused:
            message = f"accuracy under missing values was not measured: {attacked.corrupted.refused}"
            yield Finding("robustness/no-missing-values", Severity.INFO, message, fails=False)
        if attacked.stopped:
            lost = int((sweep.together[sweep.done] <= at_epsilon).sum())
            message = (
                f"stopped after {int(sweep.done.sum())} of {len(task.rows)} rows: {lost} of them are lost, and even if "
                f"all others stood, {wanted.label} could not be met"
            )
            yield Finding("robustness/stopped-early", Severity.INFO, message, fails=False)
        yield from account.gradients(sweep)
    if edits:
        for decision in edits.declared.decisions[:_TOLD]:
            yield Finding("robustness/column", Severity.INFO, decision, decision.partition(":")[0], fails=False)
        more = len(edits.declared.decisions) - _TOLD
        if more > 0:
            yield Finding("robustness/column", Severity.INFO, f"and {more} more columns", "further", fails=False)


def _nearest(task: Task, attacked: Attacked | None) -> list[Finding]:
    """The nearest adversarial examples, in words; as far as the budget allows."""
    import numpy as np

    from wardein.attacks import examples
    from wardein.attacks.budget import Exhausted

    if attacked is None or attacked.sweep.exhausted:
        return []
    space, sweep = attacked.space, attacked.sweep
    fell = np.flatnonzero(np.isfinite(sweep.together) & sweep.right & sweep.done)
    points, distance = space.origin[fell], np.full(len(fell), np.inf)
    for name, found in sweep.points.items():
        far = np.where(np.isfinite(sweep.fell_at[name][fell]), space.distance(fell, found[fell]), np.inf)
        points = np.where((far < distance)[:, None], found[fell], points)
        distance = np.minimum(far, distance)
    try:
        flips = examples.nearest(space, task.truth, fell, points)
    except Exhausted:  # the attacks themselves are through
        return []
    return list(examples.findings(space, flips, task.numbers, task.truth, task.outcomes.classes))


def _told(task: Task, edits: Edits | None) -> list[Finding]:
    """The rows that the fewest edits make fall, in words; half of all that is told."""
    from wardein.attacks import examples

    if edits is None or edits.edited is None or edits.predicted is None:
        return []
    numbers, truth = task.numbers[edits.rows], task.truth[edits.rows]
    classes, most = task.outcomes.classes, examples.MOST // 2
    return list(examples.edits(edits.edited, edits.predicted, numbers, truth, classes, most))
