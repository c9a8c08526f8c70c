# SPDX-License-Identifier: Apache-2.0
"""Parts of a table where something is worse than elsewhere, found without being told where to look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.report import Interval

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class Slice:
    """A part of a table that some of its columns' values single out.

    Attributes:
        name: As a metric's slice, for example ``age=60+, sex=1``.
        rows: Which rows are in it, shape (n,), truth values.
        inside: The mean of the values within it.
        outside: Their mean elsewhere.
        gap: The 95 % interval of inside less outside, adjusted for all slices that were looked at.
    """

    name: str
    rows: np.ndarray
    inside: float
    outside: float
    gap: Interval


def find_slices(
    table: pd.DataFrame,
    columns: Sequence[str],
    values: np.ndarray,
    *,
    tolerance: float = 0.0,
    least: int = 50,
    depth: int = 2,
    most: int = 20,
    seed: int = 0,
) -> list[Slice]:
    """Slices where the mean of ``values`` is higher than elsewhere by more than ``tolerance``, the worst first.

    Args:
        table: The rows.
        columns: The columns that slices may be made of.
        values: What is worse when it is larger, one number a row: an error (0 or 1), a loss, a difference of two models.
        tolerance: The gap that does not matter.
        least: How many rows a slice has at least.
        depth: How many columns a slice is made of at most.
        most: How many slices are returned at most.
        seed: Seeds what is drawn.
    """
    raise NotImplementedError
