# SPDX-License-Identifier: Apache-2.0
"""Shadow models: the model fitted anew with and without each row, and what that says of who was in the training.

Every shadow is fitted on a random half of the attacked rows, members and non-members alike, and on other training rows;
in pairs whose halves complete each other, so that every row is in exactly half of them. A model of scikit-learn is
fitted anew by the process that holds it; for any other one, boosted trees of our own take its place.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.errors import WardeinError
from wardein.privacy.learners import encoded, fitted_scores
from wardein.privacy.signals import CONFIDENCE, signals

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.models.predictors import Classifier, Regressor
    from wardein.privacy.population import Population

LEAST_SHADOWS, MOST_SHADOWS = 4, 256
MOST_SECONDS = 600.0
_SUMS_TO_ONE = 1e-4
# The attack model of the shadows sees at most so many of their answers.
_MOST_EXAMPLES = 60_000
_NARROWEST = 1e-3


@dataclass(frozen=True)
class Shadows:
    """Models fitted anew.

    Attributes:
        inside: Which of the attacked rows each was fitted on, shape (shadows, n).
        said: The signals of their answers, shape (shadows, n, k).
        stand_in: Why they are of another kind than the model; empty if they are of its own.
    """

    inside: np.ndarray
    said: np.ndarray
    stand_in: str

    def without(self) -> np.ndarray:
        """For each row the mean confidence of the shadows that were fitted without it."""
        return _mean(self.said[..., CONFIDENCE], ~self.inside)

    def of(self, rows: np.ndarray) -> Shadows:
        """What they say of some of the rows."""
        return Shadows(self.inside[:, rows], self.said[:, rows], self.stand_in)


def fit_shadows(model: Classifier | Regressor, population: Population, count: int, seed: int) -> Shadows:
    """Fit shadow models, each on half of the attacked rows.

    Raises:
        WardeinError: If it takes longer than ten minutes, or the model's process does not keep to its part.
    """
    import numpy as np

    inside = _halves(len(population.rows), count, seed)
    answers, why = _refitted(model, population, inside, seed)
    if why:
        table = encoded(_everything(population))
        attacked, labels = table[: len(population.rows)], np.concatenate([population.truth, population.others_truth])
        with_others = np.ones(len(table) - len(attacked), bool)
        answers = [
            fitted_scores(table[chosen], labels[chosen], attacked, population.classes, seed + i)
            for i, chosen in enumerate(np.concatenate([half, with_others]) for half in inside)
        ]
    return Shadows(inside, signals(np.stack(answers), population.truth, population.classes), why)


def likelihood_ratios(shadows: Shadows, own: np.ndarray) -> dict[str, np.ndarray]:
    """The likelihood-ratio attack (Carlini et al. 2022) with one variance for all rows, online and offline.

    Args:
        shadows: The shadow models.
        own: The signals of the attacked model's answers, shape (n, k).

    Returns:
        A score for each row: online it compares how the model answers with shadows that were fitted with the row and
        with those that were fitted without it, offline with the latter alone.
    """
    import numpy as np

    said, inside, seen = shadows.said[..., CONFIDENCE], shadows.inside, own[:, CONFIDENCE]
    with_it, without = _mean(said, inside), shadows.without()
    spread_with, spread_without = _spread(said - with_it, inside), _spread(said - without, ~inside)
    online = _log_density(seen, with_it, spread_with) - _log_density(seen, without, spread_without)
    return {"lira-offline": np.asarray((seen - without) / spread_without), "lira-online": online}


def shadow_attack(shadows: Shadows, own: np.ndarray, seed: int) -> np.ndarray:
    """The shadow-model attack (Shokri et al. 2017): trees learn from the shadows how answers to known rows look."""
    import numpy as np

    examples, known = shadows.said.reshape(-1, own.shape[1]), shadows.inside.ravel().astype(int)
    if len(examples) > _MOST_EXAMPLES:
        chosen = np.sort(np.random.default_rng(seed).permutation(len(examples))[:_MOST_EXAMPLES])
        examples, known = examples[chosen], known[chosen]
    return fitted_scores(examples, known, own, 2, seed)[:, 1]


def _halves(rows: int, count: int, seed: int) -> np.ndarray:
    import numpy as np

    random = np.random.default_rng([seed, 1])
    inside = np.zeros((count, rows), bool)
    for first in range(0, count, 2):
        inside[first, random.permutation(rows)[: rows // 2]] = True
        if first + 1 < count:
            inside[first + 1] = ~inside[first]
    return inside


def _refitted(
    model: Classifier | Regressor, population: Population, inside: np.ndarray, seed: int
) -> tuple[list[np.ndarray], str]:
    """What the model says when it is fitted anew, and why it cannot be."""
    import numpy as np

    table, count = _everything(population), len(population.rows)
    asked = np.arange(len(table)) < count
    truth = np.concatenate([population.truth, population.others_truth])
    answers: list[np.ndarray] = []
    began = time.monotonic()
    for i, half in enumerate(inside):
        fitted = np.concatenate([half, np.ones(len(table) - count, bool)])
        seeds = np.full(len(table), seed + i)
        said, arrays = model.inside("refit", table, fitted=fitted, asked=asked, truth=truth, seed=seeds)
        failed = str(said.get("failed", ""))
        if failed or not arrays:
            named = failed if re.fullmatch(r"[A-Za-z]{1,60}", failed) else "an error"
            return [], f"fitting it anew ends in {named}" if failed else "its format does not tell how it was fitted"
        answers.append(_believed(arrays, population))
        if time.monotonic() - began > MOST_SECONDS:
            raise WardeinError(
                f"fitting the model anew {i + 1} times took more than {MOST_SECONDS:g} seconds",
                where="--shadow-models",
                mend="take fewer shadow models or fewer rows (--max-rows)",
            )
    if all(np.array_equal(answers[0], other) for other in answers):
        return [], "fitting it anew on other rows changes nothing"
    return answers, ""


def _believed(arrays: list[np.ndarray], population: Population) -> np.ndarray:
    import numpy as np

    if len(arrays) == 1 and arrays[0].dtype.kind == "f" and arrays[0].size == population.answers.size:
        said = arrays[0].reshape(population.answers.shape)
        sums = said.sum(axis=1) if population.classes else np.ones(1)
        if np.isfinite(said).all() and np.abs(sums - 1).max() <= _SUMS_TO_ONE:
            return said
    raise WardeinError("fitted anew, it answers with something else than numbers of the right kind", where="--model")


def _everything(population: Population) -> pd.DataFrame:
    import pandas as pd

    return pd.concat([population.rows, population.others], ignore_index=True)


def _mean(said: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.asarray((said * chosen).sum(axis=0) / chosen.sum(axis=0))


def _spread(rest: np.ndarray, chosen: np.ndarray) -> float:
    """The standard deviation about the rows' own means, each of which was estimated from these values."""
    import numpy as np

    left = chosen.sum() - chosen.shape[1]
    return max(float(np.sqrt((rest[chosen] ** 2).sum() / left)), _NARROWEST)


def _log_density(value: np.ndarray, mean: np.ndarray, spread: float) -> np.ndarray:
    import numpy as np

    return np.asarray(-((value - mean) ** 2) / (2 * spread**2) - np.log(spread))
