# SPDX-License-Identifier: Apache-2.0
"""The difference of two models' rates of good outcomes, with an interval that holds however often one looks.

Outcomes come in time, those of one model among those of the other, and are cut into blocks that end once both models
have had some. Before each block a bet is made on it, from earlier blocks alone, against a difference of at most ``d``:
the likelihood of an alternative over that of the nearest rates whose difference is ``d``. With ``a`` and ``b`` for the
outcomes of the two models in a block, ``t`` for the true rates, ``u`` and ``v`` for the derivatives of the divergence,
the expected gain is ``(1 + u (t1 - r1))^a (1 + v (t2 - r2))^b <= exp(a u (t1 - r1) + b v (t2 - r2)) <= 1``, as the
rates ``r`` are the nearest ones (Turner and Grünwald 2023). So no bettor's wealth grows on average as long as the
difference is at most ``d``, whatever the rates are and however they drift, and by Ville's inequality the probability
that it ever reaches ``1 / error`` is at most ``error``. Nothing is approximate, and there is no first or last look.

Several alternatives, each with its own purse, stand for not knowing how large the difference is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# How far from ``d`` the alternatives lie.
_ALTERNATIVES = tuple(0.005 * 2**k for k in range(7))
# Ends of intervals are multiples of this.
STEP = 0.0005
_STEPS = round(1 / STEP)
# A block has one outcome of each model more for so many that both had before.
_GROWTH = 1000


@dataclass(frozen=True)
class Blocks:
    """Outcomes in blocks, for both models.

    Attributes:
        counts: How many outcomes each model has in each block, shape (2, blocks); the champion comes first.
        sums: The sum of these, each between 0 and 1, shape (..., 2, blocks).
        ends: How many outcomes there were when each block had ended.
    """

    counts: np.ndarray
    sums: np.ndarray
    ends: np.ndarray


def blocks_of(is_challenger: np.ndarray, outcomes: np.ndarray) -> Blocks:
    """Cut a stream of outcomes into blocks; what comes after the last block is not used.

    Args:
        is_challenger: Whose outcome each is, in order of time.
        outcomes: What they are, between 0 and 1, shape (..., n).
    """
    import numpy as np

    upto = [np.flatnonzero(~is_challenger), np.flatnonzero(is_challenger)]
    ends, had = [], 0
    seen = [np.cumsum(~is_challenger), np.cumsum(is_challenger)]
    before = [0, 0]
    while True:
        needed = 1 + had // _GROWTH
        wanted = [count + needed for count in before]
        if any(want > len(places) for want, places in zip(wanted, upto, strict=True)):
            break
        end = max(int(places[want - 1]) for want, places in zip(wanted, upto, strict=True)) + 1
        before = [int(counted[end - 1]) for counted in seen]
        had = min(before)
        ends.append(end)
    at = np.array(ends, dtype=int)
    totals = [np.where(arm, outcomes, 0.0).cumsum(axis=-1)[..., at - 1] for arm in (~is_challenger, is_challenger)]
    counts = np.stack([counted[at - 1] for counted in seen])
    sums = np.stack(totals, axis=-2)
    return Blocks(np.diff(counts, prepend=0), np.diff(sums, axis=-1, prepend=0.0), at)


def interval(blocks: Blocks, alpha: float, beta: float) -> tuple[float, float]:
    """The ends that the difference, challenger less champion, was ever shown to lie between.

    Args:
        blocks: One stream.
        alpha: How probable it is, at most, that the lower end is ever above the true difference.
        beta: How probable it is, at most, that the upper end is ever below it.
    """
    return _end(blocks, alpha, 1), _end(blocks, beta, -1)


def mean_interval(n: int, total: float, error: float) -> tuple[float, float]:
    """The interval of one model's rate, which likewise holds at all times at once (Robbins 1970).

    Args:
        n: How many outcomes there are, 1 or more.
        total: Their sum.
        error: How probable it is, at most, that the rate is ever outside.
    """
    from math import log

    from scipy.optimize import brentq
    from scipy.special import betaln, xlogy

    mixed = betaln(total + 0.5, n - total + 0.5) - betaln(0.5, 0.5) + log(error)

    def beyond(rate: float) -> float:
        return float(mixed - xlogy(total, rate) - xlogy(n - total, 1 - rate))

    mean, edge = total / n, 1e-300
    low = brentq(beyond, edge, mean) if total > 0 else 0.0
    high = brentq(beyond, mean, 1 - 1e-16) if total < n else 1.0
    return float(low), float(high)


def shown_at(blocks: Blocks, difference: float, error: float, side: int) -> np.ndarray:
    """After which block the difference is first shown to be above (``side`` 1) or below (-1) a number; -1 if never.

    Args:
        blocks: One or more streams of the same arms.
        difference: The number.
        error: How probable it is, at most, that this is ever shown though it is not so.
        side: 1 or -1.
    """
    import numpy as np

    shown = _log_wealth(blocks, difference, side) >= -np.log(error)
    if not shown.shape[-1]:
        return np.full(shown.shape[:-1], -1)
    first: np.ndarray = np.where(shown.any(axis=-1), shown.argmax(axis=-1), -1)
    return first


def _end(blocks: Blocks, error: float, side: int) -> float:
    """The multiple of the step, furthest towards the other end, that the difference is shown to lie beyond."""
    shown, not_shown = -_STEPS, _STEPS  # times the side
    while not_shown - shown > 1:
        middle = (shown + not_shown) // 2
        if shown_at(blocks, side * middle * STEP, error, side) >= 0:
            shown = middle
        else:
            not_shown = middle
    return side * shown * STEP


def _log_wealth(blocks: Blocks, difference: float, side: int) -> np.ndarray:
    """The logarithm of the wealth after each block, shape (..., blocks)."""
    import numpy as np

    counts, sums = blocks.counts, blocks.sums
    past = np.cumsum(counts, axis=-1) - counts + 1.0
    good = np.cumsum(sums, axis=-1) - sums + 0.5
    purses = []
    for distance in _ALTERNATIVES:
        bet = nearest(past, good, min(max(difference + side * distance, STEP - 1), 1 - STEP))
        null = nearest(counts, counts * bet, difference)
        gain = _times_log(sums, bet, null) + _times_log(counts - sums, 1 - bet, 1 - null)
        purses.append(np.cumsum(gain.sum(axis=-2), axis=-1))
    wealth: np.ndarray = np.logaddexp.reduce(np.stack(purses), axis=0) - np.log(len(purses))
    return wealth


def _times_log(amount: np.ndarray, over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """The amount times the logarithm of a ratio; nothing times anything is nothing."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(amount > 0, amount * (np.log(over) - np.log(under)), 0.0)


def nearest(counts: np.ndarray, sums: np.ndarray, difference: float) -> np.ndarray:
    """The most likely rates whose difference, the second less the first, is a given one (Miettinen and Nurminen 1985).

    Args:
        counts: How many outcomes each has, shape (..., 2, blocks).
        sums: How many of them are good, shape (..., 2, blocks).
        difference: The difference.
    """
    import numpy as np

    n1, n2 = counts[..., 0, :], counts[..., 1, :]
    s1, s2 = sums[..., 0, :], sums[..., 1, :]
    n, s, d = n1 + n2, s1 + s2, difference
    c2 = ((n2 + 2 * n1) * d - n - s) / (3 * n)
    c1 = ((n1 * d - n - 2 * s1) * d + s) / n
    q = c2**3 - c1 * c2 / 2 + s1 * d * (1 - d) / (2 * n)
    p = np.where(q >= 0, 1.0, -1.0) * np.sqrt(np.maximum(c2**2 - c1 / 3, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        angle = np.where(p == 0, 0.0, np.clip(q / p**3, -1.0, 1.0))
    first = 2 * p * np.cos((np.pi + np.arccos(angle)) / 3) - c2
    first = np.clip(first, max(0.0, -d), min(1.0, 1 - d))
    return np.stack([first, np.clip(first + d, 0.0, 1.0)], axis=-2)
