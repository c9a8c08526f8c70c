# SPDX-License-Identifier: Apache-2.0
"""The bootstrap of means: rows drawn anew, or of many rows blocks of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# The means of so many blocks vary as those of the rows do; more rows than these are put into blocks at random.
BLOCKS = 20_000


def resampled(columns: Iterable[np.ndarray], replicates: int, seed: int) -> np.ndarray:
    """The means of columns in bootstrap replicates, shape (replicates, columns).

    Args:
        columns: One number a row each; one is held at a time, if there are many rows.
        replicates: How often rows are drawn anew.
        seed: Seeds what is drawn.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    blocks = np.empty(0, int)
    sums: list[np.ndarray] = []
    for column in columns:
        if not sums:
            rows = len(column)
            blocks = random.permutation(rows) % BLOCKS if rows > BLOCKS else np.arange(rows)
            sums = [np.bincount(blocks).astype(float)]
        sums.append(np.bincount(blocks, column))
    of_blocks = np.column_stack(sums)
    size = len(of_blocks)
    drawn = np.empty((replicates, len(sums)))
    for replicate in drawn:
        times = np.bincount(random.integers(0, size, size), minlength=size)
        # Summed in one order whatever the number of threads.
        replicate[:] = np.einsum("i,ij->j", times.astype(float), of_blocks)
    means: np.ndarray = drawn[:, 1:] / drawn[:, :1]
    return means
