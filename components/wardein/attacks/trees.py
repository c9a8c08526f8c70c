# SPDX-License-Identifier: Apache-2.0
"""Models made of trees: what they are on the columns that may move, an attack on them, and what withstands any attack.

What the model's process says of its trees is not believed: it is checked for form, and then has to predict what the
model predicts, on the rows and at random points. An example that the attack finds counts only where the model itself
is wrong.
"""

from __future__ import annotations

from wardein.attacks.certificates import certified
from wardein.attacks.ensemble import Ensemble
from wardein.attacks.regions import attack
from wardein.attacks.unfolding import trees_of

__all__ = ["Ensemble", "attack", "certified", "trees_of"]
