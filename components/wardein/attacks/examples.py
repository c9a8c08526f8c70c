# SPDX-License-Identifier: Apache-2.0
"""Adversarial examples as a person who knows the data would tell them: as few changes as do it, in round numbers.

Whatever is said was put to the model exactly as it is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.report import Finding, Severity
from wardein.tables import shown

if TYPE_CHECKING:
    import numpy as np

    from wardein.attacks.edits import Edited
    from wardein.attacks.space import Space

MOST = 10
# How many columns are named.
_NAMED = 3
# Columns are put back one by one; of wider tables so many parts.
_PARTS = 64
_DIGITS = (1, 2, 3, 4, 6, 8)


@dataclass(frozen=True)
class Flip:
    """One row that a small change makes the model get wrong.

    Attributes:
        row: Its place in the space.
        before: The values of the moved columns.
        after: What they are changed to.
        predicted: The index of the class that the model then predicts.
    """

    row: int
    before: np.ndarray
    after: np.ndarray
    predicted: int


def nearest(space: Space, labels: np.ndarray, rows: np.ndarray, points: np.ndarray, most: int = MOST) -> list[Flip]:
    """The rows that fell to the smallest changes, each change as short to tell as it can be.

    Args:
        space: The rows and the model.
        labels: The index of the true class of each row of the space, shape (n,).
        rows: The rows that fell, shape (k,).
        points: The coordinates of an adversarial example of each, shape (k, moved).
        most: How many to return.
    """
    import numpy as np

    if not len(rows):
        return []
    distance = space.distance(rows, points)
    chosen = np.lexsort((rows, distance))[:most]
    rows, truth = rows[chosen], labels[rows[chosen]]
    before, after = space.original[rows], space.realise(rows, points[chosen])
    after = _rounded(space, rows, truth, before, _fewest(space, rows, truth, before, after))
    predicted = space.classes(space.frame(rows, after))
    flips = [Flip(int(rows[i]), before[i], after[i], int(predicted[i])) for i in range(len(rows))]
    return [flip for flip in flips if flip.predicted != labels[flip.row]]


def findings(
    space: Space, flips: Sequence[Flip], numbers: np.ndarray, labels: np.ndarray, classes: Sequence[str]
) -> Iterator[Finding]:
    """What to tell of them.

    Args:
        space: The rows.
        flips: What they fell to.
        numbers: The number of each row of the space in the table, from 1; shape (n,).
        labels: The index of the true class of each row of the space, shape (n,).
        classes: The classes' names.
    """
    for flip in flips:
        turn = f"{shown(classes[labels[flip.row]])} becomes {shown(classes[flip.predicted])}"
        message = f"{_words(space, flip)}, and {turn}"
        yield Finding("robustness/flip", Severity.INFO, message, f"row {numbers[flip.row]}", fails=False)


def edits(
    edited: Edited, predicted: np.ndarray, numbers: np.ndarray, labels: np.ndarray, classes: Sequence[str], most: int
) -> Iterator[Finding]:
    """What to tell of rows that fell to edits of single columns, the fewest first.

    Args:
        edited: The rows that fell, and to what.
        predicted: The index of the class that the model predicts for each of the examples, in their order.
        numbers: The number of each row in the table, from 1; shape (n,).
        labels: The index of the true class of each row, shape (n,).
        classes: The classes' names.
        most: How many to tell.
    """
    said = dict(zip(edited.examples.index.tolist(), predicted.tolist(), strict=True))
    for row in sorted(said, key=lambda row: (edited.edits[row], row))[:most]:
        changes = edited.changes[row]
        words = [change.words for change in changes[:_NAMED]] + _and_more(len(changes) - _NAMED)
        turn = f"{shown(classes[labels[row]])} becomes {shown(classes[said[row]])}"
        message = f"{', '.join(words)}, and {turn}"
        yield Finding("robustness/flip", Severity.INFO, message, f"row {numbers[row]}", fails=False, identity="edits")


def _and_more(more: int) -> list[str]:
    return [f"change {more} more {'column' if more == 1 else 'columns'}"] if more > 0 else []


def _fewest(space: Space, rows: np.ndarray, truth: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The changes that are needed: columns are put back, the least changed first, as long as the model stays wrong."""
    import numpy as np

    k, m = before.shape
    order = np.argsort(np.abs(after - before) / space.columns.scale, axis=1, kind="stable")
    for part in np.array_split(np.arange(m), min(m, _PARTS)):
        tried, lines = after.copy(), np.arange(k)[:, None]
        tried[lines, order[:, part]] = before[lines, order[:, part]]
        wrong = space.classes(space.frame(rows, tried)) != truth
        after = np.where(wrong[:, None], tried, after)
    return after


def _rounded(space: Space, rows: np.ndarray, truth: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Values with as few digits as do it, counted from the first digit of the change."""
    import numpy as np

    found, waiting = after.copy(), np.arange(len(rows))
    change = np.abs(after - before)
    first = np.floor(np.log10(np.where(change > 0, change, 1.0)))
    for digits in _DIGITS:
        decimals = digits - 1 - first[waiting]
        scale = 10.0**decimals
        tried = np.where(change[waiting] > 0, np.rint(after[waiting] * scale) / scale, after[waiting])
        inside = ((tried >= space.columns.low) & (tried <= space.columns.high)).all(axis=1)
        wrong = space.classes(space.frame(rows[waiting], tried)) != truth[waiting]
        good = inside & wrong
        found[waiting[good]] = tried[good]
        waiting = waiting[~good]
        if not len(waiting):
            break
    return found


def _words(space: Space, flip: Flip) -> str:
    import numpy as np

    change = np.abs(flip.after - flip.before) / space.columns.scale
    changed = [int(i) for i in np.argsort(-change, kind="stable") if change[i] > 0]
    parts = [
        f"{'raise' if flip.after[i] > flip.before[i] else 'lower'} {shown(space.columns.moved[i])} "
        f"from {flip.before[i]:.12g} to {flip.after[i]:.12g}"
        for i in changed[:_NAMED]
    ]
    return ", ".join(parts + _and_more(len(changed) - _NAMED))
