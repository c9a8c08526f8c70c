# SPDX-License-Identifier: Apache-2.0
"""Rankings: who is among the first, if rows are ranked by a score."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def among_the_first(scores: np.ndarray, fraction: float) -> tuple[np.ndarray, int, int]:
    """For each row the probability that it is among the first, if rows are ranked by falling score.

    Rows with the score of the last place share the places that are left: each is as likely to get one.

    Args:
        scores: One number a row.
        fraction: Which part of all rows are the first; at least one row is, and at least one is not.

    Returns:
        The probabilities, how many places there are, and how many rows share the last of them.
    """
    import numpy as np

    rows = len(scores)
    places = min(max(round(fraction * rows), 1), rows - 1)
    last = np.partition(scores, rows - places)[rows - places]
    above, level = scores > last, scores == last
    sharing = int(level.sum())
    return above + level * ((places - int(above.sum())) / sharing), places, sharing
