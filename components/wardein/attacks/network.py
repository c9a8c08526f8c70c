# SPDX-License-Identifier: Apache-2.0
"""White-box views of classifiers: of scikit-learn's, dense layers whose gradients can be taken.

A Pipeline hides the gradients of its last step. Where the steps before it are affine in the columns that may
move (scalers, encoders of other columns, PCA, column selection …), the whole is again a network of dense
layers. Whether that is so is not read off the steps' types but measured, and then checked against the real
model's predictions; what fails the check is attacked as a black box.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from wardein.attacks.differentiable import asked
from wardein.errors import WardeinError
from wardein.models.insides.losses import cross_entropy, logits_ratio

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.attacks.space import Space
    from wardein.models.predictors import Classifier

_PROBES_PER_ROW = 5
_TOLERANCE = 1e-6


class View(Protocol):
    """What gradients are taken of: scores of the classes, one row of inputs each."""

    @property
    def inputs(self) -> np.ndarray:
        """The inputs of the attacked rows, shape (n, moved + rest): what may move, and what may not."""
        ...

    @property
    def classes(self) -> int:
        """How many classes there are."""
        ...

    @property
    def linear(self) -> bool:
        """Whether the scores are known to be linear in the inputs."""
        ...

    def forward(self, inputs: np.ndarray) -> list[np.ndarray]:
        """The output of every layer; the last one is the scores, shape (k, classes)."""
        ...

    def pull_back(self, inputs: np.ndarray, weighting: np.ndarray) -> np.ndarray:
        """The gradient, with respect to the inputs, of the scores weighted by ``weighting``, shape of inputs."""
        ...

    def ascent(self, inputs: np.ndarray, truth: np.ndarray, ratio: bool) -> tuple[np.ndarray, np.ndarray]:
        """The scores and, up to a positive factor for each row, the gradient of a loss of them.

        Args:
            inputs: Where, shape (k, moved + rest).
            truth: 1 at the true class of each row, -1 at a rival to aim at, shape (k, classes).
            ratio: Whether the loss is the difference of logits ratio; else the cross-entropy.
        """
        ...


@dataclass(frozen=True)
class Network:
    """Dense layers that end in one score per class.

    Attributes:
        weights: One matrix per layer, shape (inputs, outputs).
        biases: One vector per layer, shape (outputs,).
        activation: What follows each layer but the last: ``identity``, ``logistic``, ``tanh`` or ``relu``.
        inputs: The inputs of the attacked rows, shape (n, moved + rest): the coordinates that may move, and
            what all other columns contribute to the first layer, which may not.
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    activation: str
    inputs: np.ndarray

    @property
    def linear(self) -> bool:
        """Whether the scores are linear in the inputs."""
        return len(self.weights) == 1

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return int(self.weights[-1].shape[1])

    def forward(self, inputs: np.ndarray) -> list[np.ndarray]:
        """The output of every layer, after its activation; the last one is the scores, shape (k, classes)."""
        outputs = [inputs]
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            value = outputs[-1] @ weight + bias
            outputs.append(value if i == len(self.weights) - 1 else _activate(value, self.activation))
        return outputs[1:]

    def pull_back(self, inputs: np.ndarray, weighting: np.ndarray) -> np.ndarray:
        """The gradient, with respect to the inputs, of the scores weighted by ``weighting``, shape of inputs."""
        return self._pulled_back(self.forward(inputs), weighting)

    def ascent(self, inputs: np.ndarray, truth: np.ndarray, ratio: bool) -> tuple[np.ndarray, np.ndarray]:
        """The scores and, up to a positive factor for each row, the gradient of a loss of them."""
        outputs = self.forward(inputs)
        _, weighting = (logits_ratio if ratio else cross_entropy)(outputs[-1], truth)
        return outputs[-1], self._pulled_back(outputs, weighting)

    def _pulled_back(self, outputs: list[np.ndarray], weighting: np.ndarray) -> np.ndarray:
        gradient: np.ndarray = weighting @ self.weights[-1].T
        for weight, output in zip(self.weights[-2::-1], outputs[-2::-1], strict=True):
            gradient = (gradient * _slope(output, self.activation)) @ weight.T
        return gradient


def unwrap(classifier: Classifier, space: Space, seed: int) -> View | None:
    """The network that a classifier is on the columns that may move; None if it is none, or not what it seems.

    Args:
        classifier: The model.
        space: The rows under attack and the columns that may move.
        seed: Seeds the points at which the equality is checked.
    """
    import numpy as np

    layers = classifier.layers()
    if layers is None:
        return asked(classifier, space, seed)
    rng = np.random.default_rng(seed)
    moves = _affine(classifier.transform, space, rng)
    if moves is None:
        return None
    matrix, rest = moves
    weights, biases, activation = layers
    if matrix.shape[1] != len(weights[0]):
        return None
    first = np.vstack([matrix @ weights[0], weights[0]])
    network = Network((first, *weights[1:]), tuple(biases), activation, np.hstack([space.origin, rest]))
    return network if _agrees(network, space, rng) else None


def _affine(
    transform: Callable[[pd.DataFrame], np.ndarray], space: Space, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """Measure ``transform(row) = z @ matrix + rest(row)``; None if that does not hold at random points."""
    import numpy as np

    n, m = space.origin.shape
    corners = np.repeat(space.origin[:1], 2 * m, axis=0)
    corners[np.arange(m), np.arange(m)] = space.low
    corners[np.arange(m, 2 * m), np.arange(m)] = space.high
    everyone, first = np.arange(n), np.zeros(2 * m, dtype=int)
    which = np.repeat(everyone, _PROBES_PER_ROW)
    try:
        at_corners = transform(_floats(space, first, corners))
        at_rows = transform(_floats(space, everyone, space.origin))
        points = rng.uniform(space.low, space.high, (len(which), m))
        at_points = transform(_floats(space, which, points))
    except WardeinError:  # whatever a step raises on probes is no reason to stop: the real model can still be asked
        return None
    widths = {at.shape[1:] for at in (at_corners, at_rows, at_points)}
    if (
        at_rows.ndim != 2
        or len(widths) > 1
        or [len(at_corners), len(at_rows), len(at_points)] != [2 * m, n, len(which)]
    ):
        return None
    matrix = (at_corners[m:] - at_corners[:m]) / (space.high - space.low)[:, None]
    rest = at_rows - space.origin @ matrix
    size = 1 + np.abs(at_points).max()
    if not np.abs(points @ matrix + rest[which] - at_points).max() <= _TOLERANCE * size:
        return None
    return matrix, rest


def _floats(space: Space, which: np.ndarray, z: np.ndarray) -> pd.DataFrame:
    """Rows at exactly these coordinates, whole or not: the arithmetic is probed here, not the data."""
    moved = list(space.columns.moved)
    frame = space.rows.iloc[which].reset_index(drop=True).astype(dict.fromkeys(moved, float))
    frame[moved] = space.values(z)
    return frame


def _agrees(network: Network, space: Space, rng: np.random.Generator) -> bool:
    """Whether the network predicts what the real model predicts, on the rows and at random points."""
    import numpy as np

    n, m = space.origin.shape
    which = np.repeat(np.arange(n), 1 + _PROBES_PER_ROW)
    points = rng.uniform(space.low, space.high, (len(which), m))
    points[:: 1 + _PROBES_PER_ROW] = space.origin
    points = space.coordinates(space.realise(which, points))
    inputs = np.hstack([points, network.inputs[which, m:]])
    return bool((network.forward(inputs)[-1].argmax(axis=1) == space.classes_at(which, points)).all())


def _activate(value: np.ndarray, activation: str) -> np.ndarray:
    import numpy as np

    if activation == "relu":
        return np.asarray(np.maximum(value, 0))
    if activation == "tanh":
        return np.asarray(np.tanh(value))
    if activation == "logistic":
        return np.asarray((1 + np.tanh(value / 2)) / 2)
    return value


def _slope(output: np.ndarray, activation: str) -> np.ndarray:
    """The activation's derivative, from its output."""
    import numpy as np

    if activation == "relu":
        return np.asarray(output > 0, dtype=float)
    if activation == "tanh":
        return np.asarray(1 - output**2)
    if activation == "logistic":
        return np.asarray(output * (1 - output))
    return np.ones_like(output)
