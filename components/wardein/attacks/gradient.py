# SPDX-License-Identifier: Apache-2.0
"""FGSM and PGD by the Adversarial Robustness Toolbox, on a network of dense layers, always with the true labels.

ART works in float32 and on coordinates; whatever it returns counts only once the real model is wrong on the
table row it stands for.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from wardein.attacks.network import Network
    from wardein.attacks.space import Space

PGD_STEPS = 40
# With more than two classes PGD also aims at each of the classes that come closest to the true one.
RIVALS = 9
# ART's coordinates are float32: a step this near to epsilon was meant to be epsilon.
_ROUNDING = 1e-5


class WhiteBox:
    """Attacks with gradients on the rows of a space.

    Attributes:
        gradients: How many gradients were taken so far, one per row and step.
    """

    def __init__(self, network: Network, space: Space, labels: np.ndarray, seed: int) -> None:
        """Wrap the network for ART.

        Args:
            network: The network that the model is on this space.
            space: The rows under attack.
            labels: The index of the true class of each row, shape (n,).
            seed: Seeds PGD's random starts.
        """
        self._network, self._space, self._labels, self._seed = network, space, labels, seed
        self._classifier = _art_classifier(network, space)

    @property
    def gradients(self) -> int:
        """How many gradients were taken so far, one per row and step."""
        return int(self._classifier.gradients)

    def fgsm(self, rows: np.ndarray, epsilon: float) -> np.ndarray:
        """One step of the fast gradient sign method (Goodfellow et al. 2015).

        Args:
            rows: Which rows to attack, shape (k,).
            epsilon: The size of the step.

        Returns:
            The rows that fell, a subset of ``rows``.
        """
        from art.attacks.evasion import FastGradientMethod

        attack = FastGradientMethod(self._classifier, eps=epsilon, batch_size=max(1, len(rows)))
        return self._fallen(attack, rows, self._truth(rows), epsilon)

    def pgd(self, rows: np.ndarray, epsilon: float, restarts: int) -> np.ndarray:
        """Projected gradient descent (Madry et al. 2018): from the row itself, at random, and at each rival class.

        Args:
            rows: Which rows to attack, shape (k,).
            epsilon: The largest change of any column.
            restarts: How many further starts to draw within epsilon.

        Returns:
            The rows that fell, a subset of ``rows``.
        """
        import numpy as np

        standing = rows
        aims = [(0, rival) for rival in range(self._rivals + 1)] + [(1, 0)] * restarts
        with _seeded(self._seed):
            for random_starts, rival in aims:
                if not len(standing):
                    break
                truth = self._truth(standing) if rival == 0 else self._against(standing, rival)
                fell = self._fallen(self._pgd(epsilon, random_starts, len(standing)), standing, truth, epsilon)
                standing = np.setdiff1d(standing, fell)
        return np.setdiff1d(rows, standing)

    @property
    def _rivals(self) -> int:
        """With two classes the only rival is what plain PGD aims at already."""
        classes = self._network.weights[-1].shape[1]
        return min(classes - 1, RIVALS) if classes > 2 else 0

    def _pgd(self, epsilon: float, random_starts: int, size: int) -> Any:
        from art.attacks.evasion import ProjectedGradientDescentNumpy

        return ProjectedGradientDescentNumpy(
            self._classifier,
            eps=epsilon,
            eps_step=2.5 * epsilon / PGD_STEPS,
            max_iter=PGD_STEPS,
            num_random_init=random_starts,
            batch_size=size,
            verbose=False,
        )

    def _truth(self, rows: np.ndarray) -> np.ndarray:
        """The true labels, one-hot."""
        import numpy as np

        hot: np.ndarray = np.eye(self._network.weights[-1].shape[1])[self._labels[rows]]
        return hot

    def _against(self, rows: np.ndarray, rival: int) -> np.ndarray:
        """The true labels with -1 at the rival-th nearest other class: the margin between the two is the loss."""
        import numpy as np

        truth = self._truth(rows)
        scores = self._network.forward(self._network.inputs[rows])[-1]
        nearest = np.argsort(np.where(truth == 1, np.inf, -scores), axis=1, kind="stable")[:, rival - 1]
        truth[np.arange(len(rows)), nearest] = -1
        return truth

    def _fallen(self, attack: Any, rows: np.ndarray, truth: np.ndarray, epsilon: float) -> np.ndarray:
        import numpy as np

        m = self._space.origin.shape[1]
        inputs = self._network.inputs[rows]
        mask = np.zeros(inputs.shape[1])
        mask[:m] = 1
        found = attack.generate(x=inputs, y=truth, mask=mask)[:, :m].astype(float)
        step = found - self._space.origin[rows]
        step = np.where(np.abs(step) > epsilon - _ROUNDING, np.sign(step) * epsilon, step)
        moved = self._space.origin[rows] + step
        return np.asarray(rows[self._space.falls(rows, moved, self._labels[rows], epsilon)])


def loss_gradient(network: Network, inputs: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The direction in which the loss grows, shape of inputs.

    For one-hot ``truth`` that is the gradient of the cross-entropy divided by (1 - p) for the true class's
    probability p: the same direction, but it does not vanish in rounding where the model is sure of itself.
    Where a class is marked -1, it is the gradient of its score less the true class's.
    """
    import numpy as np

    scores = np.where(truth == 1, -np.inf, network.forward(inputs)[-1])
    others = np.exp(scores - scores.max(axis=1, keepdims=True))
    others /= others.sum(axis=1, keepdims=True)
    marked = (truth < 0).any(axis=1, keepdims=True)
    return network.pull_back(inputs, np.where(marked, -truth, others - truth))


def _art_classifier(network: Network, space: Space) -> Any:
    """The network as ART knows classifiers; the columns' ranges are its clip values."""
    import numpy as np

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ART warns of every framework that is not installed
        from art.estimators import BaseEstimator, LossGradientsMixin
        from art.estimators.classification import ClassifierMixin

    class Dense(LossGradientsMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # ART is untyped
        gradients = 0
        input_shape = (network.inputs.shape[1],)

        def fit(self, x: np.ndarray, y: np.ndarray, **_: Any) -> None:
            raise NotImplementedError

        def predict(self, x: np.ndarray, **_: Any) -> np.ndarray:
            return network.forward(x.astype(float))[-1]

        def loss_gradient(self, x: np.ndarray, y: np.ndarray, **_: Any) -> np.ndarray:
            self.gradients += len(x)
            return loss_gradient(network, x.astype(float), y)

    unbounded = np.full(network.inputs.shape[1] - len(space.low), np.inf)
    classifier = Dense(
        model=None,
        clip_values=(np.concatenate([space.low, -unbounded]), np.concatenate([space.high, unbounded])),
        preprocessing=None,
    )
    classifier.nb_classes = network.weights[-1].shape[1]
    return classifier


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """ART draws from numpy's global generator; seed it, and give it back as it was."""
    import numpy as np

    before = np.random.get_state()  # noqa: NPY002 - the legacy generator is what ART uses
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
