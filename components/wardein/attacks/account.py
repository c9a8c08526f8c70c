# SPDX-License-Identifier: Apache-2.0
"""What attacks did to a model, as metrics, findings and coverage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from wardein.report import Coverage, Criterion, Finding, Metric, Severity, Skipped
from wardein.statistics import intervals

if TYPE_CHECKING:
    import numpy as np

    from wardein.attacks.budget import Budget
    from wardein.attacks.corruption import Corrupted
    from wardein.attacks.edits import Edited
    from wardein.attacks.space import Columns, Space
    from wardein.attacks.sweep import Sweep

# The name under which the attacks are counted together: a row stands only if it stands against all of them.
WORST = "worst"
# Decisions alone may get further than gradients on so many rows by chance and by patience; more is an illusion.
TOLERATED = 0.05


def curves(sweep: Sweep) -> Iterator[Metric]:
    """Robust accuracy and robustness over epsilon, for every attack and for all together."""
    measured = {name: (sweep.fell_at[name], sweep.scope[name] & sweep.done) for name in _on_a_sample(sweep)}
    for name, (fell_at, scope) in {**measured, WORST: (sweep.together, sweep.examined)}.items():
        # Rows that were wrong from the start need no attack: with fewer of the others, they would count too much.
        whole = name == WORST or bool((scope == sweep.done).all())
        for epsilon in (0.0, *sweep.epsilons):
            for metric in _shares(fell_at[scope], epsilon, f"attack={name}, epsilon={epsilon:g}"):
                if whole or metric.name == "robustness":
                    yield metric


def edited(found: Edited, most: int) -> Iterator[Metric]:
    """Robust accuracy over the number of edits; rows that none could be tried on are left out."""
    import numpy as np

    tried = np.delete(found.edits, found.unattacked)
    for k in range(most + 1 if len(tried) else 0):
        yield from _shares(tried, k, f"attack=edits, edits={k}")


def certificates(sweep: Sweep) -> Iterator[Metric]:
    """The share of rows that the model gets right, and that no attack whatever can make it get wrong."""
    if sweep.certified is None:
        return
    held, n = sweep.certified[sweep.done], int(sweep.done.sum())
    for epsilon, stand in zip(sweep.epsilons, held.sum(axis=0).tolist(), strict=True):
        ci = intervals.wilson(stand, n)
        yield Metric("certified_accuracy", stand / n, n, direction="higher", ci=ci, slice=f"epsilon={epsilon:g}")


def corrupted(found: Corrupted) -> Iterator[Metric]:
    """Accuracy at every level of noise and of missing values."""
    for (kind, level), right in found.right.items():
        ci, where = intervals.wilson(right, found.rows), f"corruption={kind}, level={level:g}"
        yield Metric("corrupted_accuracy", right / found.rows, found.rows, direction="higher", ci=ci, slice=where)


def costs(sweep: Sweep, space: Space, available: int) -> Iterator[Metric]:
    """What was attacked and how hard: without it a robust accuracy says little."""
    import numpy as np

    rows, columns = int(sweep.done.sum()), len(space.columns.moved)
    yield Metric("rows_available", available, available, unit="rows")
    yield Metric("columns_moved", columns, rows, unit="columns")
    for (name, what), count in sweep.asked.items():
        tried = int((sweep.scope[name] & sweep.right).sum())
        if tried:
            yield Metric(f"{what}_per_row", count / tried, tried, unit=what, slice=f"attack={name}")
    for name in ("hopskipjump", "trees"):
        found = sweep.fell_at.get(name, np.empty(0))
        found = found[np.isfinite(found) & (found > 0)]
        if len(found):
            yield Metric("median_distance", float(np.median(found)), len(found), "sd", "higher", slice=f"attack={name}")


def budgeted(budget: Budget, rows: int) -> Iterator[Metric]:
    """What the model was asked in all, and what it might have been."""
    yield Metric("queries_used", budget.queries, rows, unit="queries")
    yield Metric("queries_allowed", budget.queries + budget.left, rows, unit="queries")


def coverage(sweep: Sweep, rows: int, settled: bool) -> Coverage:
    """The rows that had to be attacked to decide, and those that were.

    Args:
        sweep: What was done.
        rows: How many rows there were to attack.
        settled: Whether the verdict was certain before all of them were.
    """
    done, examined = int(sweep.done.sum()), int(sweep.examined.sum())
    expected, skipped = done if settled else rows, []
    if sweep.exhausted:
        skipped.append(Skipped(f"{rows - done} rows", f"{sweep.exhausted}; allow more, or lower --max-rows"))
    if done > examined:
        reason = (
            "no start was found: no change of the columns that may move made the model wrong, nor its probabilities "
            "move, at any of thousands of points over their whole range; let more columns move"
        )
        skipped.append(Skipped(f"{done - examined} rows", f"{reason} (--mutable)"))
    return Coverage("rows", expected, examined, tuple(skipped))


def certainly_failed(lost: int, rows: int, wanted: Criterion) -> bool:
    """Whether a demanded robust accuracy cannot be shown any more, even if no further row were lost.

    The interval's ends never fall when a row that stands is added to the sample, so that what fails with all the
    remaining rows standing fails without them as well: stopping changes no verdict (curtailed sampling; Alling 1963).
    Where so few rows are to be had that nothing could be shown from the start, all of them are attacked.
    """
    return _could(rows, rows, wanted) and not _could(rows - lost, rows, wanted)


def held_fixed(columns: Columns) -> Iterator[Finding]:
    """Which columns were not attacked, and why."""
    for reason, names in columns.held.items():
        shown = ", ".join(names[:20]) + (" …" if len(names) > 20 else "")
        message = f"held fixed, {reason}: {shown} ({len(names)} columns)"
        yield Finding("robustness/held-fixed", Severity.INFO, message, reason, fails=False)


def gradients(sweep: Sweep) -> Iterator[Finding]:
    """Whether the gradients led the attacks that follow them astray."""
    if sweep.arms.network is None:
        return
    yield from _vanishing(sweep)
    beaten = _beaten(sweep)
    if beaten:
        epsilon, only, n = beaten
        message = (
            f"gradients mislead: within {epsilon:g}, decisions alone made the model wrong on {only} more of {n} rows "
            "than attacks with gradients, whose robust accuracy is an illusion; see --attack hopskipjump"
        )
        yield Finding("robustness/gradient-masking", Severity.HIGH, message)
        return
    movable, unmoved = int(sweep.movable.sum()), int(sweep.unmoved.sum())
    if movable:
        message = (
            f"gradients find no way on {movable} of {int(sweep.right[sweep.done].sum())} rows even where every column "
            "may move over its whole range, and decisions alone do; compare with --attack hopskipjump"
        )
        yield Finding("robustness/gradient-masking", Severity.MEDIUM, message, fails=False)
    if unmoved > movable:
        message = (
            f"{unmoved - movable} rows stand even where every column that may move does so over its whole range: "
            "the columns held fixed decide them"
        )
        yield Finding("robustness/unmoved", Severity.LOW, message, fails=False)


def _vanishing(sweep: Sweep) -> Iterator[Finding]:
    """Where there is no slope that an attack could follow."""
    flat = int(sweep.flat.sum())
    if flat:
        message = (
            f"gradients vanish on {flat} of {int(sweep.right[sweep.done].sum())} rows and lead no attack there; "
            "compare with --attack hopskipjump"
        )
        yield Finding("robustness/gradients-vanish", Severity.LOW, message, fails=False)


def _beaten(sweep: Sweep) -> tuple[float, int, int] | None:
    """Where decisions alone got clearly further than gradients on the same rows: epsilon, by how many rows, of all."""
    import numpy as np

    if "hopskipjump" not in sweep.fell_at:
        return None
    checked = sweep.right & sweep.done & sweep.scope["hopskipjump"]
    white = np.min([sweep.fell_at[name][checked] for name in sweep.arms.names], axis=0)
    black, n = sweep.fell_at["hopskipjump"][checked], int(checked.sum())
    for epsilon in sweep.epsilons:
        only = int((black <= epsilon).sum()) - int((white <= epsilon).sum())
        if only > 0 and intervals.wilson(only, n).low > TOLERATED:
            return epsilon, only, n
    return None


def _on_a_sample(sweep: Sweep) -> list[str]:
    """The attacks whose rows were not chosen for having withstood another."""
    return [name for name in sweep.fell_at if name in sweep.arms.names or name == "hopskipjump"]


def _shares(fell_at: np.ndarray, least: float, where: str) -> Iterator[Metric]:
    """Robust accuracy of these rows, and robustness of those that were right."""
    n, right, stand = len(fell_at), int((fell_at > 0).sum()), int((fell_at > least).sum())
    for metric, of in (("robust_accuracy", n), ("robustness", right)):
        if of:
            yield Metric(metric, stand / of, of, direction="higher", ci=intervals.wilson(stand, of), slice=where)


def _could(stand: int, rows: int, wanted: Criterion) -> bool:
    metric = Metric(wanted.metric, stand / rows, rows, ci=intervals.wilson(stand, rows), slice=wanted.slice)
    return wanted.judge([metric]).met is True
