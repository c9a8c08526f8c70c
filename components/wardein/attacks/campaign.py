# SPDX-License-Identifier: Apache-2.0
"""What is done to the rows beside attacks on their numbers, and what all of it came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from wardein.attacks.budget import Budget
    from wardein.attacks.corruption import Corrupted
    from wardein.attacks.edits import Edited
    from wardein.attacks.space import Space
    from wardein.attacks.sweep import Sweep
    from wardein.attacks.task import Task
    from wardein.features import Declared

MOST_EDITS = 3
# How many rows are made noisy.
_CORRUPTED = 2000


@dataclass(frozen=True)
class Attacked:
    """What attacks and corruptions did to the rows."""

    space: Space
    sweep: Sweep
    corrupted: Corrupted

    @property
    def stopped(self) -> bool:
        """Whether the verdict was certain before every row was attacked."""
        return self.sweep.exhausted is None and not bool(self.sweep.done.all())


@dataclass(frozen=True)
class Edits:
    """What edits of single columns did.

    Attributes:
        rows: The rows that were edited, as places among those to attack.
        declared: What the columns mean.
        edited: What was found; None if that was cut short.
        examples: The class predicted for each example, in their order.
        left: Why it was cut short.
    """

    rows: np.ndarray
    declared: Declared
    edited: Edited | None
    predicted: np.ndarray | None = None
    left: str = ""


def corrupted(task: Task, space: Space, noise: list[float], missing: list[float]) -> Corrupted:
    """Make rows noisy, and empty some of their cells."""
    from wardein.attacks.corruption import corrupt

    rows, labels = task.sampled(space.columns, space.budget, _CORRUPTED)
    return corrupt(rows, labels, sorted(noise), sorted(missing), task.seed)


def edited(task: Task, attacked: Attacked | None, immutable: list[str], budget: Budget) -> Edits:
    """Search among edits; where the other attacks stopped early, on the rows that these attacked."""
    import numpy as np

    from wardein.attacks.budget import Exhausted
    from wardein.attacks.edits import search
    from wardein.features import complete

    declared = task.declared or complete(None, task.observed, immutable)
    places = np.arange(len(task.rows)) if attacked is None else np.flatnonzero(attacked.sweep.done)
    if attacked and attacked.sweep.exhausted:
        return Edits(places, declared, None, left=str(attacked.sweep.exhausted))
    rows, right = task.features.iloc[task.rows[places]], np.flatnonzero(task.right[places])
    try:
        found = search(
            task.classifier,
            rows,
            declared,
            task.truth[places],
            right,
            task.observed,
            MOST_EDITS,
            seed=task.seed,
            take=budget.take,
        )
        budget.take(len(found.examples))
    except Exhausted as error:
        if attacked is None:
            raise
        return Edits(places, declared, None, left=str(error))
    index = {name: i for i, name in enumerate(task.classifier.classes.tolist())}
    said = task.classifier.predict(found.examples).tolist() if len(found.examples) else []
    return Edits(places, declared, found, np.array([index[name] for name in said], dtype=int))
