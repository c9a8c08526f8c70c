# SPDX-License-Identifier: Apache-2.0
"""Training rows that lie in the model's file as they were, or nearly: whoever has the file has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wardein.errors import WardeinError
from wardein.models.insides.stored import MOST_REACHES

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.models.predictors import Classifier, Regressor

# How many rows are compared: fewer if many or wide ones reach the parts of the model.
_MOST_TRAINING, _MOST_OTHERS, _FEW = 100_000, 20_000, 5
_MOST_CELLS, _LEAST = 50_000_000, 2000
# Other rows agree with the array as well where columns have few values; chance explains what is likelier than this.
_CHANCE = 1e-3
# So much of what is stored has to be training rows, if there are too few to tell by their number.
_MOSTLY = 0.9
# A row is nearly another one if no column is further off, in standard deviations. So many are looked at.
_NEARLY, _LOOKED_AT, _FAR = 0.01, 2000, 1e6


@dataclass(frozen=True)
class Kept:
    """An array of the model that holds training rows.

    Attributes:
        place: Where in the model.
        rows: How many rows the array has.
        alike: How many of them are training rows.
        found: How many of the training rows are among them.
        compared: How many training rows were compared.
        exact: Whether they are so cell by cell, and not only nearly.
    """

    place: str
    rows: int
    alike: int
    found: int
    compared: int
    exact: bool


def kept_rows(model: Classifier | Regressor, members: pd.DataFrame, others: pd.DataFrame) -> tuple[list[Kept], int]:
    """Find the arrays of a model that hold training rows, as they reach the part that keeps them.

    Cells are compared to the seven digits of single precision, and then as numbers that were shifted a little. Rows of
    the other table tell how many agree by chance.

    Args:
        model: The model.
        members: Training rows, the model's features.
        others: Rows that it was not trained on; those that are among the members as well are left out.

    Returns:
        The arrays, and how many others there were that were not compared.

    Raises:
        WardeinError: If the model's process answers with something else than rows.
    """
    import pandas as pd

    from wardein.statistics.rows import rows_in

    said, arrays = model.inside("stored", members.head(_FEW))
    if not _places(said, arrays, _FEW):
        return [], 0
    most = max(_MOST_CELLS // sum(seen.shape[1] for seen in arrays[1::2]), _LEAST)
    training = members.head(min(_MOST_TRAINING, most))
    control = others[~rows_in(others, members)].head(min(_MOST_OTHERS, most))
    rows = pd.concat([training, control], ignore_index=True)
    said, arrays = model.inside("stored", rows)
    found = _places(said, arrays, len(rows))
    chance = _CHANCE / len(found)
    kept = [_compared(place, array, seen, len(training), chance) for place, array, seen in found]
    return [one for one in kept if one is not None], _count(said.get("left_out"))


def _places(said: Mapping[str, Any], arrays: list[np.ndarray], rows: int) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """The name of each candidate, what it holds, and the rows as they reach it."""
    import numpy as np

    places, sides = said.get("places", []), list(zip(arrays[::2], arrays[1::2], strict=False))
    fits = isinstance(places, list) and len(arrays) == 2 * len(sides) <= 2 * MOST_REACHES
    for kept, seen in sides:
        wide = kept.ndim == seen.ndim == 2 and kept.shape[1] == seen.shape[1] > 0 and len(seen) == rows
        fits = fits and wide and kept.dtype.kind == seen.dtype.kind == "f"
    found, upto = [], [0] * len(sides)
    for one in places if fits else ():
        at, name, size = one if isinstance(one, list) and len(one) == 3 else (-1, "", 0)
        if not isinstance(name, str) or not 0 <= _count(at) < len(sides) or _count(size) < 1:
            fits = False
            break
        kept, seen = sides[at]
        found.append((re.sub(r"[^\w.-]", "?", name)[:80], kept[upto[at] : upto[at] + size], seen))
        upto[at] += size
    if not fits or not np.array_equal(upto, [len(kept) for kept, _ in sides]):
        raise WardeinError("answers with something else than rows that it keeps", where="--model")
    return found


def _count(said: Any) -> int:
    return said if isinstance(said, int) and not isinstance(said, bool) else -1


def _compared(place: str, array: np.ndarray, seen: np.ndarray, members: int, chance: float) -> Kept | None:
    """What of an array is training rows; None if it is no more than what chance explains."""
    import numpy as np

    stored, known = _hashes(array), _hashes(seen)
    same = np.isin(known, stored)
    alike = np.isin(stored, known[:members])
    few = same.any() and not same[members:].any() and alike.sum() >= _MOSTLY * len(stored)
    if few or _tells(same, members, chance):
        return Kept(place, len(stored), int(alike.sum()), int(same[:members].sum()), members, exact=True)
    looked_at = min(members, _LOOKED_AT)
    some = np.concatenate([seen[:looked_at], seen[members : members + _LOOKED_AT]])
    near = _is_near(some, array, seen)
    if _tells(near, looked_at, chance):
        alike = _is_near(array, some[:looked_at], seen)
        return Kept(place, len(stored), int(alike.sum()), int(near[:looked_at].sum()), looked_at, exact=False)
    return None


def _tells(found: np.ndarray, members: int, chance: float) -> bool:
    """Whether more training rows were found than chance explains, by the other rows."""
    from scipy.stats import fisher_exact

    sides = found[:members], found[members:]
    cells = [[int(side.sum()), int((~side).sum())] for side in sides]
    return bool(fisher_exact(cells, alternative="greater").pvalue < chance)


def _is_near(rows: np.ndarray, known: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Which rows are nearly one that is known, in standard deviations of what is seen."""
    import numpy as np
    from scipy.spatial import cKDTree

    spread = np.nan_to_num(seen[np.isfinite(seen).all(axis=1)].std(axis=0)) if len(seen) else np.ones(seen.shape[1])
    spread[spread == 0] = 1.0
    points, others = (np.nan_to_num(part / spread, nan=_FAR, posinf=_FAR, neginf=-_FAR) for part in (rows, known))
    distance, _ = cKDTree(others).query(points, p=np.inf, distance_upper_bound=_NEARLY)
    return np.asarray(np.isfinite(distance))


def _hashes(rows: np.ndarray) -> np.ndarray:
    """A 64-bit hash of each row."""
    import numpy as np
    import pandas as pd

    with np.errstate(over="ignore"):
        short = rows.astype(np.float32) + np.float32(0)
        total = np.zeros(len(rows), np.uint64)
        for i, column in enumerate(short.T):
            total += pd.util.hash_array(pd.util.hash_array(column.astype(float)) ^ np.uint64(i))
    return total
