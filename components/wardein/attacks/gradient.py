# SPDX-License-Identifier: Apache-2.0
"""Attacks with gradients and the true labels: FGSM and PGD by the Adversarial Robustness Toolbox, and Auto-PGD.

ART works in float32 and on coordinates; whatever it returns counts only once the real model is wrong on the
table row it stands for. So does whatever Auto-PGD finds.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from wardein.attacks.autopgd import Ball, autopgd
from wardein.models.insides.losses import cross_entropy

if TYPE_CHECKING:
    import numpy as np

    from wardein.attacks.network import View
    from wardein.attacks.space import Space

PGD_STEPS = 40
# With more than two classes attacks also aim at each of the classes that come closest to the true one.
RIVALS = 9
# ART's coordinates are float32: a step this near to epsilon was meant to be epsilon.
_ROUNDING = 1e-5
# A gradient is flat if following it over the whole range of every column would change less than this part of the lead.
_FLAT = 1e-6
_POINTS_PER_ROW = 4

Loss = Literal["ce", "dlr"]


class WhiteBox:
    """Attacks with gradients on the rows of a space.

    Attributes:
        gradients: How many gradients were taken so far, one per row and step.
        found: The coordinates of each row's latest adversarial example that counted, not a number where there is none;
            shape (n, moved).
    """

    def __init__(self, network: View, space: Space, labels: np.ndarray, seed: int) -> None:
        """Begin.

        Args:
            network: The network that the model is on this space.
            space: The rows under attack.
            labels: The index of the true class of each row, shape (n,).
            seed: Seeds the random starts.
        """
        import numpy as np

        self._network, self._space, self._labels, self._seed = network, space, labels, seed
        self.gradients = 0
        self.found: np.ndarray = np.full(space.origin.shape, np.nan)
        self._toolbox: Any = None

    def fgsm(self, rows: np.ndarray, epsilon: float) -> np.ndarray:
        """One step of the fast gradient sign method (Goodfellow et al. 2015).

        Args:
            rows: Which rows to attack, shape (k,).
            epsilon: The size of the step.

        Returns:
            The rows that fell, a subset of ``rows``.
        """
        from art.attacks.evasion import FastGradientMethod

        attack = FastGradientMethod(self._classifier(), self._norm, eps=epsilon, batch_size=max(1, len(rows)))
        return self._fallen(attack, rows, self._truth(rows), epsilon)

    def pgd(self, rows: np.ndarray, epsilon: float, restarts: int) -> np.ndarray:
        """Projected gradient descent (Madry et al. 2018): from the row itself, then from random starts.

        With more than two classes each random start aims at another rival class, the nearest first. Where scores are
        linear, aiming at each rival from the row itself is the exact worst case, and what is done instead.

        Args:
            rows: Which rows to attack, shape (k,).
            epsilon: The largest change.
            restarts: How many random starts to add.

        Returns:
            The rows that fell, a subset of ``rows``.
        """
        import numpy as np

        standing, rivals = rows, self._rivals
        if self._network.linear:
            aims = [(0, rival) for rival in range(rivals + 1)]
        else:
            aims = [(0, 0)] + [(1, 1 + i % rivals if rivals else 0) for i in range(restarts)]
        with _seeded(self._seed):
            for random_starts, rival in aims:
                if not len(standing):
                    break
                truth = self._truth(standing) if rival == 0 else self._against(standing, rival)
                fell = self._fallen(self._pgd(epsilon, random_starts, len(standing)), standing, truth, epsilon)
                standing = np.setdiff1d(standing, fell)
        return np.setdiff1d(rows, standing)

    def apgd(self, rows: np.ndarray, epsilon: float, loss: Loss, restarts: int) -> np.ndarray:
        """Auto-PGD (Croce and Hein 2020) from random starts; with "dlr", then once more at each rival class.

        Args:
            rows: Which rows to attack, shape (k,).
            epsilon: The largest change.
            loss: The cross-entropy, or the difference of logits ratio.
            restarts: How many starts to draw beside the first.

        Returns:
            The rows that fell, a subset of ``rows``.
        """
        import numpy as np

        ball, rng, standing = Ball(self._space, epsilon), np.random.default_rng([self._seed, loss == "dlr"]), rows
        for rival in [0] * (1 + restarts) + list(range(1, 1 + (self._rivals if loss == "dlr" else 0))):
            if not len(standing):
                break
            truth = self._truth(standing) if rival == 0 else self._against(standing, rival)
            found, gradients = autopgd(
                self._network,
                ball,
                standing,
                ball.drawn(standing, rng),
                truth,
                ratio=loss == "dlr",
                falls=lambda which, points: self._space.falls(which, points, self._labels[which], epsilon),
            )
            self.gradients += gradients
            fell = ~np.isnan(found[:, 0])
            self.found[standing[fell]] = found[fell]
            standing = standing[~fell]
        return np.setdiff1d(rows, standing)

    def unbounded(self, rows: np.ndarray, restarts: int) -> np.ndarray:
        """The rows that stand even when every column may move over its whole range; ``found`` stays as it is.

        That is where gradients mislead, unless the columns that are held fixed decide.
        """
        import numpy as np

        kept, widest = self.found.copy(), self._space.widest
        standing = rows
        for loss in ("ce", "dlr"):
            standing = np.setdiff1d(standing, self.apgd(standing, widest, loss, restarts))
        self.found = kept
        return standing

    def flat(self, rows: np.ndarray) -> np.ndarray:
        """The rows at which, and around which, the gradient is practically nothing: it cannot lead an attack."""
        import numpy as np

        space, m = self._space, self._space.origin.shape[1]
        which = np.repeat(rows, 1 + _POINTS_PER_ROW)
        points = np.random.default_rng(self._seed).uniform(space.low, space.high, (len(which), m))
        points = space.origin[which] + 0.1 * (points - space.origin[which])
        points[:: 1 + _POINTS_PER_ROW] = space.origin[rows]
        inputs, truth = np.hstack([points, self._network.inputs[which, m:]]), self._truth(which)
        scores, slope = self._network.ascent(inputs, truth, False)
        self.gradients += len(which)
        lead, _ = cross_entropy(scores, truth)
        reach = (np.abs(slope[:, :m]) * (space.high - space.low)).sum(axis=1)
        flat = (reach <= _FLAT * np.abs(lead)).reshape(len(rows), -1).all(axis=1)
        return np.asarray(rows[flat])

    @property
    def _norm(self) -> float:
        return 2.0 if self._space.norm == "l2" else float("inf")

    @property
    def _rivals(self) -> int:
        """With two classes the only rival is what is aimed at already."""
        classes = self._network.classes
        return min(classes - 1, RIVALS) if classes > 2 else 0

    def _pgd(self, epsilon: float, random_starts: int, size: int) -> Any:
        from art.attacks.evasion import ProjectedGradientDescentNumpy

        return ProjectedGradientDescentNumpy(
            self._classifier(),
            norm=self._norm,
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

        hot: np.ndarray = np.eye(self._network.classes)[self._labels[rows]]
        return hot

    def _against(self, rows: np.ndarray, rival: int) -> np.ndarray:
        """The true labels with -1 at the rival-th nearest other class: the lead of that class is the loss."""
        import numpy as np

        truth = self._truth(rows)
        scores = self._network.forward(self._network.inputs[rows])[-1]
        nearest = np.argsort(np.where(truth == 1, np.inf, -scores), axis=1, kind="stable")[:, rival - 1]
        truth[np.arange(len(rows)), nearest] = -1
        return truth

    def _fallen(self, attack: Any, rows: np.ndarray, truth: np.ndarray, epsilon: float) -> np.ndarray:
        """The rows that an attack of ART brings down; what it lost of epsilon in rounding is given back."""
        import numpy as np

        m = self._space.origin.shape[1]
        inputs = self._network.inputs[rows]
        mask = np.zeros(inputs.shape[1])
        mask[:m] = 1
        found = attack.generate(x=inputs, y=truth, mask=mask)[:, :m].astype(float)
        step = found - self._space.origin[rows]
        if self._space.norm == "l2":
            size = self._space.size(step)
            step = step * np.where(size > epsilon - _ROUNDING, epsilon / np.maximum(size, _ROUNDING), 1)[:, None]
        else:
            step = np.where(np.abs(step) > epsilon - _ROUNDING, np.sign(step) * epsilon, step)
        moved = self._space.origin[rows] + step
        fell = self._space.falls(rows, moved, self._labels[rows], epsilon)
        self.found[rows[fell]] = self._space.coordinates(self._space.realise(rows[fell], moved[fell]))
        return np.asarray(rows[fell])

    def _classifier(self) -> Any:
        """The network as ART knows classifiers, once ART is needed: it takes seconds to import."""
        if self._toolbox is None:
            self._toolbox = self._art_classifier()
        return self._toolbox

    def _art_classifier(self) -> Any:
        import numpy as np

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ART warns of every framework that is not installed
            from art.estimators import BaseEstimator, LossGradientsMixin
            from art.estimators.classification import ClassifierMixin

        white, network, space = self, self._network, self._space

        class Differentiated(LossGradientsMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # ART is untyped
            input_shape = (network.inputs.shape[1],)

            def fit(self, x: np.ndarray, y: np.ndarray, **_: Any) -> None:
                raise NotImplementedError

            def predict(self, x: np.ndarray, **_: Any) -> np.ndarray:
                return network.forward(x.astype(float))[-1]

            def loss_gradient(self, x: np.ndarray, y: np.ndarray, **_: Any) -> np.ndarray:
                white.gradients += len(x)
                return network.ascent(x.astype(float), y, False)[1]

        unmoved = np.full(network.inputs.shape[1] - len(space.low), np.inf)
        classifier = Differentiated(
            model=None,  # the columns' ranges are its clip values
            clip_values=(np.concatenate([space.low, -unmoved]), np.concatenate([space.high, unmoved])),
            preprocessing=None,
        )
        classifier.nb_classes = network.classes
        return classifier


def loss_gradient(network: View, inputs: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The direction in which the loss grows, shape of inputs (:func:`wardein.models.insides.losses.cross_entropy`)."""
    return network.ascent(inputs, truth, False)[1]


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
