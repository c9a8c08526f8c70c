# SPDX-License-Identifier: Apache-2.0
"""Which attacks a model is attacked with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wardein.attacks.network import unwrap
from wardein.attacks.trees import trees_of
from wardein.errors import WardeinError

if TYPE_CHECKING:
    from wardein.attacks.decision import Pool
    from wardein.attacks.network import View
    from wardein.attacks.space import Space
    from wardein.attacks.task import Task
    from wardein.attacks.trees import Ensemble

# Attacks that take gradients.
WHITE = ("fgsm", "pgd", "apgd")
# On how many rows that the model gets right decisions alone are tried as well, where gradients lead.
CONTROL = 20


@dataclass(frozen=True)
class Arms:
    """What a model is attacked with.

    Attributes:
        names: The attacks that every row is to stand against.
        network: The model's gradients, for those that need them.
        ensemble: Its trees, likewise.
        pool: Real rows to start from.
        restarts: Further random starts of attacks with gradients.
        control: On how many rows HopSkipJump checks that the gradients do not mislead.
    """

    names: tuple[str, ...]
    network: View | None
    ensemble: Ensemble | None
    pool: Pool
    restarts: int
    control: int = 0


def arms_of(task: Task, space: Space, attack: str, restarts: int) -> Arms:
    """What a model can be attacked with, and is to be.

    Args:
        task: The model and rows.
        space: What may move.
        attack: ``auto``, or the name of the one attack to run.
        restarts: Further random starts of attacks with gradients.

    Raises:
        WardeinError: If it lacks what the named attack needs.
    """
    network = unwrap(task.classifier, space, task.seed) if attack in ("auto", *WHITE) else None
    ensemble = None if network or attack not in ("auto", "trees") else trees_of(task.classifier, space)
    lacks = {"trees": "" if ensemble else "trees", "square": "" if space.gives_probabilities else "probabilities"}
    lacking = lacks.get(attack, "gradients" if attack in WHITE and not network else "")
    if lacking:
        raise WardeinError(
            f"{attack} needs {lacking}, and this {task.classifier.type} has none on the columns that may move",
            where="--attack",
            mend="choose auto or hopskipjump",
        )
    names: tuple[str, ...] = (attack,)
    if attack == "auto":
        names = ("trees", "hopskipjump") if ensemble else ("hopskipjump",)
        if network:
            names = WHITE[:2] if network.linear else WHITE
    return Arms(names, network, ensemble, task.pool(space), restarts, CONTROL if attack == "auto" else 0)
