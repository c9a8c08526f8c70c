# SPDX-License-Identifier: Apache-2.0
"""What an attack drives up: losses of scores, and how much each score counts in their gradients.

A loss takes the scores of a batch, shape (n, classes), and the truth, same shape: 1 at the true class, -1 at the rival
that an attack aims at (at most one), 0 elsewhere. Gradients are told up to a positive factor for each row, as attacks
look at their direction only; so chosen, they do not vanish in rounding where a model is sure of itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_TINY = 1e-12


def cross_entropy(scores: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cross-entropy, or the rival's lead over the true class where there is a rival.

    The loss is told as the logarithm of the sum of the other classes' exponentials, less the true class's score: it
    grows with the cross-entropy, and still does where that is rounded to nothing. The gradient is the cross-entropy's
    divided by (1 - p) for the true class's probability p.

    Returns:
        The loss, shape (n,), and the weights of the scores, shape (n, classes).
    """
    import numpy as np

    true: np.ndarray = np.equal(truth, 1)
    rivals = np.where(true, -np.inf, scores)
    highest = rivals.max(axis=1, keepdims=True)
    others = np.exp(rivals - highest)
    total = others.sum(axis=1, keepdims=True)
    marked: np.ndarray = np.any(truth < 0, axis=1)
    own: np.ndarray = (scores * true).sum(axis=1)
    soft = highest[:, 0] + np.log(total[:, 0]) - own
    aimed = np.where(truth < 0, scores, 0).sum(axis=1) - own
    weights = np.where(marked[:, None], -truth, others / total - true)
    return np.where(marked, aimed, soft), weights


def logits_ratio(scores: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The difference of logits ratio (Croce and Hein 2020): the lead, over the spread of the highest scores.

    It does not change when all scores are scaled. Where there is no spread beyond the lead, with two classes, or with
    three when the third is aimed at: the lead itself.

    Returns:
        The loss, shape (n,), and the weights of the scores, shape (n, classes).
    """
    import numpy as np

    n, classes = scores.shape
    rows, true = np.arange(n), truth.argmax(axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")
    marked = (truth < 0).any(axis=1)
    rival = np.where(marked, truth.argmin(axis=1), np.where(order[:, 0] == true, order[:, 1], order[:, 0]))
    weights: np.ndarray = np.zeros_like(scores)
    weights[rows, rival] += 1
    weights[rows, true] -= 1
    lead: np.ndarray = scores[rows, rival] - scores[rows, true]
    if classes == 2 or (classes == 3 and marked.any()):
        return lead, weights
    spread_of: np.ndarray = np.zeros_like(scores)
    spread_of[rows, order[:, 0]] += 1
    spread_of[rows, order[:, 2]] -= np.where(marked, 0.5, 1)
    if classes > 3:  # of an aimed attack the rival itself may be in third place: the fourth shares it
        spread_of[rows, order[:, 3]] -= np.where(marked, 0.5, 0)
    spread = (spread_of * scores).sum(axis=1) + _TINY
    return lead / spread, weights * spread[:, None] - lead[:, None] * spread_of
