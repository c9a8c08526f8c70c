# SPDX-License-Identifier: Apache-2.0
"""Training rows that lie in the model's file as they were: whoever has the file has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wardein.errors import WardeinError
from wardein.models.insides.stored import MOST_PLACES

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.models.predictors import Classifier, Regressor

_MOST_TRAINING, _MOST_OTHERS, _FEW = 100_000, 20_000, 5
# Other rows agree with the array as well where columns have few values; chance explains what is likelier than this.
_CHANCE = 1e-3
# So much of what is stored has to be training rows, if there are too few to tell by their number.
_MOSTLY = 0.9


@dataclass(frozen=True)
class Kept:
    """An array of the model that holds training rows.

    Attributes:
        place: Where in the model.
        rows: How many rows the array has.
        verbatim: How many of them are training rows, cell by cell.
        found: How many of the training rows are among them.
        compared: How many training rows were compared.
    """

    place: str
    rows: int
    verbatim: int
    found: int
    compared: int


def kept_rows(model: Classifier | Regressor, members: pd.DataFrame, others: pd.DataFrame) -> list[Kept]:
    """Find the arrays of a model that hold training rows, as they reach the part that keeps them.

    Cells are compared to the seven digits of single precision. Rows of the other table tell how many agree by chance.

    Args:
        model: The model.
        members: Training rows, the model's features.
        others: Rows that it was not trained on; those that are among the members as well are left out.

    Raises:
        WardeinError: If the model's process answers with something else than rows.
    """
    import pandas as pd

    from wardein.statistics.rows import rows_in

    if not _places(*model.inside("stored", members.head(_FEW)), _FEW):
        return []
    training, control = members.head(_MOST_TRAINING), others[~rows_in(others, members)].head(_MOST_OTHERS)
    rows = pd.concat([training, control], ignore_index=True)
    found = _places(*model.inside("stored", rows), len(rows))
    kept = [_compared(place, array, seen, len(training)) for place, array, seen in found]
    return [one for one in kept if one is not None]


def _places(said: Mapping[str, Any], arrays: list[np.ndarray], rows: int) -> list[tuple[str, np.ndarray, np.ndarray]]:
    places = said.get("places", [])
    fits = isinstance(places, list) and len(places) <= MOST_PLACES and len(arrays) == 2 * len(places)
    found = []
    for place, kept, seen in zip(places, arrays[::2], arrays[1::2], strict=False) if fits else ():
        wide = kept.ndim == seen.ndim == 2 and kept.shape[1] == seen.shape[1] and len(seen) == rows
        fits = fits and isinstance(place, str) and wide and kept.dtype.kind == seen.dtype.kind == "f"
        found.append((re.sub(r"[^\w.-]", "?", str(place))[:80], kept, seen))
    if not fits:
        raise WardeinError("answers with something else than rows that it keeps", where="--model")
    return found


def _compared(place: str, array: np.ndarray, seen: np.ndarray, members: int) -> Kept | None:
    """What of an array is training rows; None if it is no more than what chance explains."""
    import numpy as np
    from scipy.stats import fisher_exact

    stored, known = _hashes(array), _hashes(seen)
    training, control = known[:members], known[members:]
    found, by_chance = int(np.isin(training, stored).sum()), int(np.isin(control, stored).sum())
    verbatim = int(np.isin(stored, training).sum())
    if not found:
        return None
    cells = [[found, members - found], [by_chance, len(control) - by_chance]]
    likely = fisher_exact(cells, alternative="greater").pvalue
    if likely < _CHANCE or (not by_chance and verbatim >= _MOSTLY * len(stored)):
        return Kept(place, len(stored), verbatim, found, members)
    return None


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
