# SPDX-License-Identifier: Apache-2.0
"""Settings of evaluate-robustness that make sense, by themselves and together."""

from __future__ import annotations

from collections.abc import Sequence

from wardein.attacks.campaign import MOST_EDITS
from wardein.errors import UsageError


def check_levels(epsilons: Sequence[float], noise: Sequence[float], missing: Sequence[float]) -> None:
    """Whether the sizes of changes are sizes, and none is there twice."""
    for name, levels, least in (("--epsilons", epsilons, 1), ("--noise", noise, 0), ("--missing", missing, 0)):
        shown = {f"{level:g}" for level in levels}
        if len(shown) < max(least, len(levels)) or not all(0 < level < float("inf") for level in levels):
            raise UsageError(f"needs {'one or more ' if least else ''}different numbers above 0", where=name)
    if any(share > 1 for share in missing):
        raise UsageError("holds a share above 1", where="--missing")


def check_numbers(**settings: int) -> None:
    """Whether counts are counts."""
    for name, value in settings.items():
        least = 0 if name in ("restarts", "seed") else 1
        if value < least:
            raise UsageError(f"{value} is less than {least}", where=f"--{name.replace('_', '-')}")
    if settings["seed"] >= 2**32:
        raise UsageError(f"{settings['seed']} is not below 2^32", where="--seed")


def check_thresholds(**thresholds: float) -> None:
    """Whether thresholds are shares."""
    for name, threshold in thresholds.items():
        if not 0 <= threshold <= 1:
            raise UsageError(f"{threshold:g} is not between 0 and 1", where=f"--{name.replace('_', '-')}")


def check_places(epsilons: Sequence[float], at_epsilon: float, at_edits: int) -> None:
    """Whether what is demanded is demanded of what is measured."""
    if f"{at_epsilon:g}" not in [f"{epsilon:g}" for epsilon in epsilons]:
        raise UsageError(f"{at_epsilon:g} is not among the epsilons", where="--at-epsilon", mend="add it to --epsilons")
    if not 1 <= at_edits <= MOST_EDITS:
        raise UsageError(f"{at_edits} is not between 1 and {MOST_EDITS}", where="--at-edits")


def check_measured(attack: str, declared: bool, on_curve: bool, on_edits: bool) -> None:
    """Whether what is demanded is measured at all."""
    if on_curve and attack == "edits":
        raise UsageError("edits alone measure nothing but robust accuracy under edits", where="--attack")
    if on_edits and not (attack == "edits" or (attack == "auto" and declared)):
        mend = "choose --attack edits, or auto with --features"
        raise UsageError("no edits are tried", where="--min-robust-accuracy-edits", mend=mend)
