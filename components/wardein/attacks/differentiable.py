# SPDX-License-Identifier: Apache-2.0
"""White-box views of networks that another process holds: it tells scores and gradients, which are checked first.

Whoever holds the model may be wrong or hostile, and a model may hide its gradients from an attack. So the scores must
rank the classes as the model's own predictions do, and the gradients must foretell how the scores change; what fails is
attacked as a black box.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.errors import WardeinError

if TYPE_CHECKING:
    import numpy as np

    from wardein.attacks.space import Space
    from wardein.models.predictors import Classifier

_PROBES_PER_ROW = 5
# Classes that lead by less than this part of the scores' spread may change places in single precision.
_TIE = 1e-4
# Gradients are compared with differences at so many points, over this part of a column's range.
_POINTS, _STEP = 40, 1e-3
# How far the middle one of the comparisons may be off: where a layer has kinks, some are.
_OFF = 0.1
_HUGE = 1e30


@dataclass(frozen=True)
class Differentiable:
    """A network that is asked.

    Attributes:
        classifier: What stands for it.
        space: The rows under attack and the columns that may move.
        inputs: The inputs of the attacked rows, shape (n, moved + rest): the coordinates that may move, and the values
            of all other columns, which may not.
    """

    classifier: Classifier
    space: Space
    inputs: np.ndarray

    @property
    def linear(self) -> bool:
        """Nothing is known of that."""
        return False

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.classifier.classes)

    def forward(self, inputs: np.ndarray) -> list[np.ndarray]:
        """The scores, shape (k, classes), as the only layer."""
        return [self._asked(inputs, weighting=self._nothing(inputs))[0]]

    def pull_back(self, inputs: np.ndarray, weighting: np.ndarray) -> np.ndarray:
        """The gradient, with respect to the inputs, of the scores weighted by ``weighting``, shape of inputs."""
        return self._asked(inputs, weighting=weighting)[1]

    def ascent(self, inputs: np.ndarray, truth: np.ndarray, ratio: bool) -> tuple[np.ndarray, np.ndarray]:
        """The scores and, up to a positive factor for each row, the gradient of a loss of them."""
        import numpy as np

        return self._asked(inputs, truth=truth, ratio=np.full(len(inputs), float(ratio)))

    def _nothing(self, inputs: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.zeros((len(inputs), self.classes))

    def _asked(self, inputs: np.ndarray, **more: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        import numpy as np
        import pandas as pd

        names, moved = self.classifier.features, self.space.columns.moved
        m = len(moved)
        places = [names.index(name) for name in moved]
        held = [i for i, name in enumerate(names) if name not in set(moved)]
        values = np.empty((len(inputs), len(names)), order="F")
        values[:, places] = self.space.values(inputs[:, :m])
        values[:, held] = inputs[:, m:]
        rows = pd.DataFrame(values, columns=pd.Index(names, dtype=object), copy=False)
        _, arrays = self.classifier.inside("gradients", rows, **more)
        shapes = [(len(inputs), self.classes), (len(inputs), len(names))]
        if [array.shape for array in arrays] != shapes or any(array.dtype.kind != "f" for array in arrays):
            raise WardeinError("answers with something else than scores and gradients", where="--model")
        scores = np.nan_to_num(arrays[0].astype(float), nan=0, posinf=_HUGE, neginf=-_HUGE)
        slopes = np.nan_to_num(arrays[1].astype(float), nan=0, posinf=0, neginf=0)
        gradient: np.ndarray = np.zeros_like(inputs)
        gradient[:, :m] = slopes[:, places] * self.space.columns.scale
        return scores, gradient


def asked(classifier: Classifier, space: Space, seed: int) -> Differentiable | None:
    """The network that a classifier's process tells the gradients of; None if it tells none that hold.

    Args:
        classifier: The model.
        space: The rows under attack and the columns that may move.
        seed: Seeds the points at which it is checked.
    """
    import numpy as np

    first = space.rows.iloc[:1].reset_index(drop=True)
    try:
        _, arrays = classifier.inside("gradients", first, weighting=np.zeros((1, len(classifier.classes))))
        if not arrays:
            return None
        rest = [name for name in classifier.features if name not in set(space.columns.moved)]
        inputs = np.hstack([space.origin, space.rows[rest].to_numpy(dtype=float)])
        network = Differentiable(classifier, space, inputs)
        rng = np.random.default_rng(seed)
        return network if _agrees(network, space, rng) and _foretells(network, space, rng) else None
    except (WardeinError, ValueError):  # a column without numbers among them: the model itself can still be asked
        return None


def _agrees(network: Differentiable, space: Space, rng: np.random.Generator) -> bool:
    """Whether the scores rank the classes as the model does, on the rows and at random points."""
    import numpy as np

    n, m = space.origin.shape
    which = np.repeat(np.arange(n), 1 + _PROBES_PER_ROW)
    points = rng.uniform(space.low, space.high, (len(which), m))
    points[:: 1 + _PROBES_PER_ROW] = space.origin
    points = space.coordinates(space.realise(which, points))
    scores = network.forward(np.hstack([points, network.inputs[which, m:]]))[0]
    predicted = space.classes_at(which, points)
    behind = scores.max(axis=1) - scores[np.arange(len(which)), predicted]
    return bool((behind <= _TIE * (1e-6 + np.ptp(scores, axis=1))).all())


def _foretells(network: Differentiable, space: Space, rng: np.random.Generator) -> bool:
    """Whether the gradients foretell how scores change: by differences, in random directions, at rows and beside."""
    import numpy as np

    n, m = space.origin.shape
    which = np.arange(_POINTS) % n
    width = space.high - space.low
    inputs = network.inputs[which]
    inputs[::2, :m] += 0.05 * width * rng.uniform(-1, 1, (len(which), m))[::2]
    step: np.ndarray = np.zeros_like(inputs)
    step[:, :m] = _STEP * width * rng.choice([-1.0, 1.0], (len(which), m))
    scores = network.forward(inputs)[0]
    weighting = rng.normal(size=scores.shape)
    weighting -= weighting.mean(axis=1, keepdims=True)  # what all scores share changes no class
    told = (network.pull_back(inputs, weighting) * step).sum(axis=1) * 2
    after, before = (network.forward(inputs + sign * step)[0] for sign in (1, -1))
    seen = (weighting * (after - before)).sum(axis=1)
    noise = 1e-6 * (np.abs(weighting) * (np.abs(scores) + 1e-6)).sum(axis=1)
    off = np.maximum(np.abs(told - seen) - noise, 0) / (np.maximum(np.abs(told), np.abs(seen)) + noise)
    return bool(np.median(off) <= _OFF)
