# SPDX-License-Identifier: Apache-2.0
"""The attacks over a sweep of epsilons: for every attack and row, the smallest epsilon at which it fell."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.attacks.decision import Pool, hopskipjump
from wardein.attacks.gradient import WhiteBox
from wardein.attacks.space import SLACK, Space

if TYPE_CHECKING:
    import numpy as np

    from wardein.attacks.network import Network


@dataclass(frozen=True)
class Sweep:
    """What the attacks did to the rows of a space.

    Attributes:
        fell_at: Per attack, the smallest change that made the model wrong on each row: for FGSM and PGD one of the
            epsilons, for HopSkipJump the distance it found. 0 where the model was wrong from the start, infinite
            where the row stood; shape (n,).
        asked: Per attack, how many predictions (``queries``) or gradients it took.
        unattacked: The rows that an attack could not start on.
        unmoved: How many rows stood even when PGD could move every column over its whole range.
    """

    fell_at: Mapping[str, np.ndarray]
    asked: Mapping[tuple[str, str], int]
    unattacked: np.ndarray
    unmoved: int = 0


def with_gradients(
    space: Space,
    network: Network,
    labels: np.ndarray,
    right: np.ndarray,
    names: Sequence[str],
    epsilons: Sequence[float],
    restarts: int,
    seed: int,
) -> Sweep:
    """FGSM and PGD at every epsilon, the smallest first; what fell is not attacked again.

    Args:
        space: The rows and what may move.
        network: The model's white-box view.
        labels: The index of the true class of each row, shape (n,).
        right: The rows on which the model is right, shape (k,).
        names: Which of ``fgsm`` and ``pgd`` to run.
        epsilons: Ascending.
        restarts: PGD's further random starts.
        seed: Seeds them.
    """
    import numpy as np

    white, fell_at, asked = WhiteBox(network, space, labels, seed), {}, {}
    for name in names:
        fell = _at_start(len(labels), right)
        before = white.gradients, space.queries
        for i, epsilon in enumerate(epsilons):
            _progress(f"{name}: epsilon {i + 1} of {len(epsilons)}")
            standing = np.flatnonzero(np.isinf(fell))
            fallen = white.fgsm(standing, epsilon) if name == "fgsm" else white.pgd(standing, epsilon, restarts)
            fell[fallen] = epsilon
        fell_at[name] = fell
        asked[name, "gradients"], asked[name, "queries"] = white.gradients - before[0], space.queries - before[1]
    stood = np.flatnonzero(np.isinf(np.min(list(fell_at.values()), axis=0)))
    unbounded = float((space.high - space.low).max())
    unmoved = len(stood) - len(white.pgd(stood, unbounded, restarts))
    _progress("")
    return Sweep(fell_at, asked, np.empty(0, dtype=int), unmoved)


def by_decisions(space: Space, labels: np.ndarray, right: np.ndarray, pool: Pool, seed: int) -> Sweep:
    """HopSkipJump once; every epsilon is read off the distances it found.

    Args:
        space: The rows and what may move.
        labels: The index of the true class of each row, shape (n,).
        right: The rows on which the model is right, shape (k,).
        pool: Real rows to start from.
        seed: Two runs with the same seed are the same.
    """
    import numpy as np

    before, fell = space.queries, _at_start(len(labels), right)
    distance = hopskipjump(space, right, labels, pool, seed, _progress)
    # What counts as within epsilon is the same for every attack.
    fell[right] = np.maximum((distance - SLACK) / (1 + SLACK), np.finfo(float).tiny)
    _progress("")
    return Sweep({"hopskipjump": fell}, {("hopskipjump", "queries"): space.queries - before}, right[np.isinf(distance)])


def _at_start(n: int, right: np.ndarray) -> np.ndarray:
    import numpy as np

    fell = np.zeros(n)
    fell[right] = np.inf
    return fell


def _progress(text: str) -> None:
    """One line that overwrites itself, for people only; an empty text clears it."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
