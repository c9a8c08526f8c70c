# SPDX-License-Identifier: Apache-2.0
"""What a suspicion comes to, and what it is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wardein.behavior.giskard import Suspicion
from wardein.behavior.views import View

if TYPE_CHECKING:
    import numpy as np

    from wardein.report import Interval

# The level of all tests together, and how few rows are too few to say anything.
ALPHA = 0.05
LEAST = 30
CHAMPION = "the champion"
SIMPLE = "a simple model of other rows"


@dataclass(frozen=True)
class Judged:
    """What a suspicion comes to on the rows that judge.

    Attributes:
        suspicion: What giskard suspects.
        name: The rate's name, as a metric's.
        n: How many rows it was measured on.
        rate: How often the event happens there.
        ci: Its 95 % interval.
        yardstick: What it is compared with, in words; empty if there is nothing to compare with.
        expected: How often the event happens by the yardstick.
        excess: By how much that is less.
        p: The probability of such an excess, or a larger one, by chance; after :func:`holm` the adjusted one.
        why_not: Why it cannot count, whatever the numbers; empty if it can.
    """

    suspicion: Suspicion
    name: str
    n: int
    rate: float
    ci: Interval | None = None
    yardstick: str = ""
    expected: float = 0.0
    excess: float = 0.0
    p: float = 1.0
    why_not: str = ""

    def counts(self, tolerance: float) -> bool:
        """Whether it is shown, and more than tolerated."""
        return not self.why_not and self.p <= ALPHA and self.excess > tolerance


@dataclass(frozen=True)
class Bench:
    """The rows that judge.

    Attributes:
        truth: Their labels, as places among the classes, or as numbers.
        classes: How many classes there are; 0 for numbers.
        model: What the model says of them.
        champion: What the champion says of them, if there is one.
        simple: What a simple model says of them, if there is no champion.
    """

    truth: np.ndarray
    classes: int
    model: View
    champion: View | None
    simple: View | None


def holm(judged: Sequence[Judged]) -> list[Judged]:
    """The same with p-values adjusted for all that can count; those that cannot are none of the tests."""
    tests = sorted((one.p, i) for i, one in enumerate(judged) if not one.why_not)
    adjusted, largest = list(judged), 0.0
    for rank, (p, i) in enumerate(tests):
        largest = max(largest, min(p * (len(tests) - rank), 1.0))
        adjusted[i] = replace(judged[i], p=largest)
    return adjusted


def is_known(judged: Judged) -> bool:
    """Whether it was set against the champion."""
    return judged.yardstick == CHAMPION
