# SPDX-License-Identifier: Apache-2.0
"""What of a model's answers speaks for a row's membership, the larger the more so."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# A probability of exactly 0 or 1 has no logarithm, nor has a residual of 0.
_NEAREST, _SMALLEST = 1e-3, 1e-2

CONFIDENCE, ENTROPY = 0, 1


def signals(answers: np.ndarray, truth: np.ndarray, classes: int) -> np.ndarray:
    """Signals of answers, shape (..., n, k): the first is how well the answer fits the label.

    Of a classifier the angle of the true class's probability, the modified entropy (Song and Mittal 2021) as its
    negative, the angle of the likeliest class's, and the class itself. Of a regressor how small the residual is, in
    parts of the label's spread, the answer, and the label.

    The angle is the arcsine of the root, as even as the scaled logit of Carlini et al. (2022) is for networks, and of
    the same variance wherever it lies for votes. On forests it finds several times as many members at few false alarms
    as the logit, on boosted trees and networks as many.

    Args:
        answers: Probabilities, shape (..., n, classes), or numbers, shape (..., n).
        truth: The labels, shape (n,).
        classes: How many classes there are; 0 for numbers.
    """
    import numpy as np

    if not classes:
        spread = float(truth.std()) or 1.0
        fit = -np.log(np.abs(answers - truth) / spread + _SMALLEST)
        return np.stack([fit, answers, np.broadcast_to(truth, answers.shape)], axis=-1)
    bounded = np.clip(answers, _NEAREST, 1 - _NEAREST)
    rows = np.arange(len(truth))
    own = bounded[..., rows, truth]
    against = np.log(1 - bounded)
    entropy = -(1 - own) * np.log(own) - (bounded * against).sum(axis=-1) + own * against[..., rows, truth]
    angles = [_angle(answers[..., rows, truth]), _angle(answers.max(axis=-1))]
    return np.stack([angles[0], -entropy, angles[1], np.broadcast_to(truth, own.shape)], axis=-1)


def probability(angle: float) -> float:
    """The probability that has this angle."""
    return math.sin(min(max(angle, 0.0), math.pi / 2)) ** 2


def _angle(share: np.ndarray) -> np.ndarray:
    import numpy as np

    angle: np.ndarray = np.arcsin(np.sqrt(np.clip(share, 0.0, 1.0)))
    return angle
