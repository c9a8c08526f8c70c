# SPDX-License-Identifier: Apache-2.0
"""evaluate-privacy's membership attacks against the Adversarial Robustness Toolbox, on the same models and rows.

Both attack the second half of the members and of the non-members; ART's black-box attack with a forest, its strongest,
learns from the first halves, which it is told, and ours from models fitted anew. Prints the areas under the ROC curve,
the share of members found at 1 % of false alarms, and processor seconds, those of the process that holds the model
included. Ends with 1 if ours finds fewer members of a model that memorised, by either number.

Run: python benchmarks/privacy.py [ROWS] [SHADOWS]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from art.attacks.inference.membership_inference import MembershipInferenceBlackBox
from art.estimators.classification import SklearnClassifier
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from wardein.models.load import load
from wardein.privacy.likelihood_ratio import fit_shadows, likelihood_ratios
from wardein.privacy.membership import area, rate_at
from wardein.privacy.population import draw
from wardein.privacy.signals import signals

MODELS = {
    "forest": RandomForestClassifier(100, random_state=0),
    "boosted": GradientBoostingClassifier(random_state=0),
    "tree": DecisionTreeClassifier(random_state=0),
    "regularised": LogisticRegression(C=0.01),
}
NOTHING_TO_FIND = ("regularised",)


def seconds() -> float:
    """Processor seconds of this process and of those that it started, at any remove."""
    parent, spent = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parent[int(entry.name)] = int(words[1])
            spent[int(entry.name)] = sum(int(word) for word in words[11:15]) / os.sysconf("SC_CLK_TCK")
    family = {os.getpid()}
    for _ in range(4):
        family |= {process for process, its in parent.items() if its in family}
    return sum(spent.get(process, 0.0) for process in family)


def table_of(rows: int) -> pd.DataFrame:
    values, label = make_classification(rows, 20, n_informative=8, random_state=0, flip_y=0)
    label = np.where(np.random.default_rng(0).random(rows) < 0.3, 1 - label, label)
    return pd.DataFrame(values, columns=[f"f{i}" for i in range(20)]).assign(y=label)


def theirs(estimator: Any, training: pd.DataFrame, unseen: pd.DataFrame, half: int) -> np.ndarray:
    inside, outside = (table.drop(columns="y").to_numpy() for table in (training, unseen))
    attack = MembershipInferenceBlackBox(SklearnClassifier(estimator), attack_model_type="rf")
    attack.fit(inside[:half], training["y"][:half], outside[:half], unseen["y"][:half])
    rows = np.concatenate([inside[half:], outside[half:]])
    return attack.infer(rows, pd.concat([training["y"][half:], unseen["y"][half:]]), probabilities=True).ravel()


def ours(model: Any, training: pd.DataFrame, unseen: pd.DataFrame, half: int, shadows: int) -> np.ndarray:
    people = draw(model, training, unseen, "y", 2 * half, 0)
    fitted = fit_shadows(model, people, shadows, 0)
    chosen = np.r_[half : 2 * half, 3 * half : 4 * half]
    own = signals(people.answers, people.truth, people.classes)[chosen]
    return likelihood_ratios(fitted.of(chosen), own)["lira-online"]


def main(rows: int, shadows: int) -> int:
    warnings.simplefilter("ignore")
    table, half = table_of(rows), rows // 4
    training, unseen = table[: rows // 2], table[rows // 2 :].reset_index(drop=True)
    member, worse = np.arange(2 * half) < half, []
    print(f"{half} members and {half} non-members, {shadows} shadow models; area / found at 1 % / processor seconds")
    for name, estimator in MODELS.items():
        estimator.fit(training.drop(columns="y"), training["y"])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.skops"
            skops.io.dump(estimator, path)
            with load(path) as model:
                began, wall = seconds(), time.monotonic()
                mine = ours(model, training, unseen, half, shadows)
                spent, wall = seconds() - began, time.monotonic() - wall
        began = seconds()
        other = theirs(estimator, training, unseen, half)
        took = seconds() - began
        pairs = [(area(scores, member).value, rate_at(scores, member, 0.01).value) for scores in (mine, other)]
        print(f"  {name:12} wardein {pairs[0][0]:.3f} / {pairs[0][1]:.3f} / {spent:6.2f} (wall {wall:.2f})")
        print(f"  {'':12} ART     {pairs[1][0]:.3f} / {pairs[1][1]:.3f} / {took:6.2f}")
        if name not in NOTHING_TO_FIND and (pairs[0][0] < pairs[1][0] or pairs[0][1] < pairs[1][1]):
            worse.append(name)
    print(f"  fewer members found than by ART: {', '.join(worse) or 'nowhere'}")
    return 1 if worse else 0


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:3]]
    sys.exit(main(*given, *(4000, 16)[len(given) :]))
