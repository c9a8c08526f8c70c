# SPDX-License-Identifier: Apache-2.0
"""How many examples it takes to show a claim: that a proportion is at least a threshold, if it truly is more.

A claim is shown if the lower end of the 95 % Wilson interval reaches the threshold. That is when the score test of the
threshold says so, so that the least number of hits has a closed form, and the probability to reach it is a binomial
tail. The probability does not grow evenly with the examples; counted is the number from which on it stays high enough.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from wardein.report import MOST_EXAMPLES
from wardein.statistics.intervals import TAIL

if TYPE_CHECKING:
    import numpy as np

POWER = 0.8
# Of more examples, not every number is tried.
_TRIED = 20_000


def power(threshold: float, truth: float, n: Any) -> np.ndarray:
    """How likely so many examples show that a proportion is at least a threshold.

    Args:
        threshold: It, above 0 and below 1.
        truth: The true proportion.
        n: The examples, 1 or more; a number or an array.
    """
    import numpy as np
    from scipy.stats import binom, norm

    n = np.asarray(n, dtype=float)
    z = float(norm.isf(TAIL))
    least = np.ceil(n * threshold + z * np.sqrt(n * threshold * (1 - threshold)) - 1e-9)
    chance: np.ndarray = binom.sf(least - 1, n, truth)
    return chance


def examples_needed(threshold: float, truth: float, chance: float = POWER) -> int | None:
    """How many examples show with this probability that a proportion is at least a threshold; None if none do.

    Args:
        threshold: It, above 0 and below 1.
        truth: The true proportion.
        chance: The probability with which the interval's lower end has to reach the threshold.
    """
    import numpy as np

    if not threshold < truth:
        return None
    about = _about(threshold * (1 - threshold), truth * (1 - truth), truth - threshold, chance)
    if about > MOST_EXAMPLES:
        return None
    most = 3 * about + 100
    tried = np.unique(np.linspace(1, most, min(int(most), _TRIED)).astype(int))
    short = np.flatnonzero(power(threshold, truth, tried) < chance)
    return int(tried[short[-1] + 1]) if len(short) else 1


def examples_by_interval(n: int, half: float, gap: float, chance: float = POWER) -> int | None:
    """How many examples show a claim about a number whose interval is known, by how intervals shrink; None if none do.

    Args:
        n: The examples behind the interval.
        half: The length of the interval on the side of the threshold.
        gap: How far the truth is from the threshold, on the right side of it.
        chance: The probability with which the interval has to lie on the right side of the threshold.
    """
    from scipy.stats import norm

    z = float(norm.isf(TAIL))
    if gap <= 0:
        return None
    needed = n * (half * (z + float(norm.ppf(chance))) / (z * gap)) ** 2
    return max(1, math.ceil(needed)) if needed <= MOST_EXAMPLES else None


def _about(claimed: float, true: float, gap: float, chance: float) -> float:
    """The number of examples by the normal approximation, from the two variances."""
    from scipy.stats import norm

    root = float(norm.isf(TAIL)) * math.sqrt(claimed) + float(norm.ppf(chance)) * math.sqrt(true)
    return (root / gap) ** 2
