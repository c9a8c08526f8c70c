# SPDX-License-Identifier: Apache-2.0
"""Model inversion: what the gradients of a network tell of how the rows of a class look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.errors import WardeinError

if TYPE_CHECKING:
    import numpy as np

    from wardein.attacks.network import Network
    from wardein.models.predictors import Classifier, Regressor
    from wardein.privacy.population import Population

_STEPS, _STEP, _DECAY = 200, 0.1, 0.01
# A correlation over fewer columns says nothing.
_LEAST_COLUMNS = 3


@dataclass(frozen=True)
class Inversion:
    """How a reconstructed prototype of one class looks.

    Attributes:
        own: Its correlation with the mean of the class's training rows, over the columns, both as they differ from the
            mean of all rows, in standard deviations.
        other: The largest of the same with another class's mean.
        columns: How many columns there are.
    """

    place: int
    own: float
    other: float
    columns: int


def invert(model: Classifier | Regressor, population: Population) -> list[Inversion]:
    """Climb, from the mean of the non-members, to what the model takes for each class (Fredrikson et al. 2015).

    Returns:
        One inversion for each class with members; none if the model's last step is no network.

    Raises:
        WardeinError: If what the model says of its steps does not fit together.
    """
    import numpy as np

    from wardein.attacks.network import Network
    from wardein.models.predictors import Classifier

    if not isinstance(model, Classifier):
        return []
    layers = model.layers()
    if layers is None:
        return []
    weights, biases, activation = layers
    rows = model.transform(population.rows)
    if rows.shape != (len(population.rows), len(weights[0])) or not np.isfinite(rows).all():
        raise WardeinError("answers with rows that do not fit its layers", where="--model")
    seen = rows[~population.member]
    spread = seen.std(axis=0)
    varied = spread > 0
    if varied.sum() < _LEAST_COLUMNS:
        return []
    centre = seen.mean(axis=0)
    scaled = (rows - centre)[:, varied] / spread[varied]
    # The network in standard deviations from the mean.
    first = weights[0][varied] * spread[varied, None]
    network = Network((first, *weights[1:]), (biases[0] + centre @ weights[0], *biases[1:]), activation, scaled[:1])
    prototypes = _climb(network, len(model.classes), scaled[~population.member])
    members, truth = scaled[population.member], population.truth[population.member]
    present = np.unique(truth)
    means = np.array([members[truth == place].mean(axis=0) for place in present]) - members.mean(axis=0)
    found = []
    for i, place in enumerate(present.tolist()):
        alike = [_correlation(prototypes[place], mean) for mean in means]
        others = [value for j, value in enumerate(alike) if j != i]
        if others:
            found.append(Inversion(place, alike[i], max(others), int(varied.sum())))
    return found


def _climb(network: Network, classes: int, seen: np.ndarray) -> np.ndarray:
    """One point for each class, from zero upwards along its log-probability, within what was seen of each column."""
    import numpy as np
    from scipy.special import softmax

    points, low, high = np.zeros((classes, seen.shape[1])), seen.min(axis=0), seen.max(axis=0)
    for _ in range(_STEPS):
        surprise = np.eye(classes) - softmax(network.forward(points)[-1], axis=1)
        slope = network.pull_back(points, surprise) - _DECAY * points
        length = np.sqrt((slope**2).mean(axis=1, keepdims=True))
        points = np.clip(points + _STEP * slope / np.maximum(length, 1e-12), low, high)
    return points


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's, and 0 where one of them does not vary."""
    import numpy as np

    one, other = one - one.mean(), other - other.mean()
    length = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float(np.clip(one @ other / length, -1, 1)) if length > 0 else 0.0
