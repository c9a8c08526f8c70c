# SPDX-License-Identifier: Apache-2.0
"""What an attack may cost, and what it has cost so far."""

from __future__ import annotations

import time
from collections.abc import Callable


class Exhausted(Exception):  # noqa: N818 - the end of a budget, no error
    """Nothing more may be asked.

    Attributes:
        option: The option that would give more.
        spent: What was used up, in words.
    """

    def __init__(self, option: str, spent: str) -> None:
        super().__init__(f"{spent} ({option})")
        self.option, self.spent = option, spent


class Budget:
    """Queries that may be put to a model, and seconds that this may take.

    Queries run out at the same question on every machine; seconds are for a model that would otherwise hold a
    pipeline up, and end nothing but in an error.

    Attributes:
        queries: How many rows the model was asked about so far.
    """

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.queries = 0
        self._most, self._seconds, self._clock = most, seconds, clock
        self._began = clock()

    @property
    def left(self) -> int:
        """How many rows the model may still be asked about."""
        return self._most - self.queries

    @property
    def late(self) -> bool:
        """Whether the seconds have passed."""
        return self._clock() - self._began > self._seconds

    @property
    def over(self) -> Exhausted:
        """What to say when time is up."""
        return Exhausted("--max-seconds", f"the {self._seconds:g} seconds allowed had passed")

    def take(self, queries: int) -> None:
        """Count queries that are about to be put.

        Raises:
            Exhausted: If that would be too many, or time is up.
        """
        self.check()
        if queries > self.left:
            raise Exhausted("--max-queries", f"the {self._most} queries allowed were used up")
        self.queries += queries

    def check(self) -> None:
        """Stop if time is up.

        Raises:
            Exhausted: If it is.
        """
        if self.late:
            raise self.over


def unlimited() -> Budget:
    """A budget without an end."""
    return Budget(2**62, float("inf"))
