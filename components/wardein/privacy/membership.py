# SPDX-License-Identifier: Apache-2.0
"""Membership attacks as scores of rows, and how well scores tell members from non-members."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.privacy.signals import CONFIDENCE, ENTROPY
from wardein.report import Interval
from wardein.statistics.intervals import LEVEL, TAIL, exact

if TYPE_CHECKING:
    import numpy as np

WORST = "worst"
_LEAST_OF_CLASS = 20


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    interval: Interval


def threshold_attacks(own: np.ndarray, classes: int, member: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Attacks that take the model's answers as they are: the more confident of the true label, the more a member.

    Args:
        own: The signals of the answers, shape (n, k).
        classes: How many classes there are; 0 for numbers.
        member: Which rows are members. The attack with a threshold for each class learns it from non-members of the
            other half of the rows.
        seed: Seeds the halves.
    """
    fit = own[:, CONFIDENCE]
    attacks = {"confidence": fit}
    if classes:
        attacks["class-confidence"] = _by_class(fit, own[:, -1].astype(int), member, seed)
    if classes > 2:  # between two classes it puts rows in the same order as the confidence
        attacks["entropy"] = own[:, ENTROPY]
    return attacks


def area(scores: np.ndarray, member: np.ndarray, tail: float = TAIL) -> Estimate:
    """The area under the ROC curve: how often a member scores above a non-member."""
    from scipy.stats import rankdata

    from wardein.statistics.intervals import auc

    inside, outside = int(member.sum()), int((~member).sum())
    value = float((rankdata(scores)[member].sum() - inside * (inside + 1) / 2) / (inside * outside))
    return Estimate(value, auc(value, inside, outside, tail))


def rate_at(scores: np.ndarray, member: np.ndarray, alarms: float, tail: float = TAIL) -> Estimate:
    """The share of members found by the threshold that takes this share of non-members for members.

    The threshold is estimated as well. Order statistics of the non-members enclose it whatever their distribution, and
    the interval of the share is taken at both: half of the error goes to each.
    """
    import numpy as np
    from scipy.stats import binom

    inside, outside = int(member.sum()), int((~member).sum())
    curve = _Roc.of(scores, member)
    value = curve.at(alarms)
    least, most = int(binom.ppf(tail / 2, outside, alarms)), int(binom.isf(tail / 2, outside, alarms))
    ends = np.array([curve.at((least - 1) / outside) if least else 0.0, curve.at(min(most / outside, 1.0))])
    _, lows, highs = exact(ends * inside, np.array([inside, inside]), tail / 2)
    return Estimate(value, Interval(min(float(lows[0]), value), max(float(highs[1]), value), LEVEL, "order-exact"))


def worst(estimates: Mapping[str, tuple[Estimate, Estimate]]) -> Estimate:
    """The best of several attacks.

    The largest of several estimates lies above the largest true one on average. The upper end is the largest of the
    attacks' upper ends; the lower end the largest of their lower ends at a level shared out over all (Bonferroni).

    Args:
        estimates: For each attack the estimate, and the same with an interval at the shared level.
    """
    value = max(one.value for one, _ in estimates.values())
    low = max(shared.interval.low for _, shared in estimates.values())
    high = max(one.interval.high for one, _ in estimates.values())
    method = next(iter(estimates.values()))[0].interval.method
    return Estimate(value, Interval(low, high, LEVEL, f"{method}-max"))


@dataclass(frozen=True)
class _Roc:
    """An empirical ROC curve; between its points an attacker can choose at random."""

    alarms: np.ndarray
    found: np.ndarray

    @staticmethod
    def of(scores: np.ndarray, member: np.ndarray) -> _Roc:
        import numpy as np

        order = np.argsort(-scores, kind="stable")
        last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
        found, alarms = np.cumsum(member[order])[last], np.cumsum(~member[order])[last]
        return _Roc(np.append(0, alarms) / (~member).sum(), np.append(0, found) / member.sum())

    def at(self, alarms: float) -> float:
        import numpy as np

        before = int(np.searchsorted(self.alarms, alarms + 1e-12, side="right")) - 1
        if before + 1 == len(self.alarms):
            return float(self.found[before])
        run, rise = (np.diff(part[before : before + 2])[0] for part in (self.alarms, self.found))
        return float(self.found[before] + rise * max(alarms - self.alarms[before], 0.0) / run)


def _by_class(fit: np.ndarray, classes: np.ndarray, member: np.ndarray, seed: int) -> np.ndarray:
    """For each row the share of known non-members of its class that score lower."""
    import numpy as np

    half = np.random.default_rng([seed, 2]).permutation(len(fit)) % 2 == 0
    shares = np.empty(len(fit))
    for chosen in (half, ~half):
        known = ~chosen & ~member
        for name in np.unique(classes[chosen]):
            like = known & (classes == name)
            below = np.sort(fit[like if like.sum() >= _LEAST_OF_CLASS else known])
            rows = chosen & (classes == name)
            sides = [np.searchsorted(below, fit[rows], side) for side in ("left", "right")]
            shares[rows] = (sides[0] + sides[1]) / 2 / max(len(below), 1)
    return shares
