# SPDX-License-Identifier: Apache-2.0
"""The attacks with gradients against the Adversarial Robustness Toolbox called directly, on the same rows and models.

    python benchmarks/white_box.py [RUNS]

Both attack with PGD of 40 steps from five starts, turn by turn; from the random ones ours aims at the nearest rival
classes, and it asks the real model of every example. Auto-PGD is shown beside it. Seconds are those of processors, of
the process that holds the model as well, without imports and loading; the median counts. The target is at most 1.1
times ART's at an equal or lower robust accuracy. A network of scikit-learn has gradients for ART only as a network of
torch, so that this and the convolutions run where torch is installed; these are small, and a good part of what they
take is the way to the process that holds them.
Ends with 1 if a target is missed.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from wardein.attacks.gradient import WhiteBox
from wardein.attacks.network import unwrap
from wardein.attacks.space import Space, columns_of
from wardein.models.load import load

STEPS, STARTS, ROWS = 40, 5, 200
TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds() -> float:
    """Of this process and of all that it started and that still run."""
    parents, taken = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        process = int(stat.parent.name)
        parents[process], taken[process] = int(fields[1]), (int(fields[11]) + int(fields[12])) / TICKS
    own = {os.getpid()}
    while more := {process for process, parent in parents.items() if parent in own} - own:
        own |= more
    return time.process_time() + sum(taken.get(process, 0) for process in own - {os.getpid()})


def timed(attack: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    before = processor_seconds()
    stand = attack()
    return processor_seconds() - before, stand


def standing_by_art(classifier: Any, rows: np.ndarray, labels: np.ndarray, epsilon: float) -> np.ndarray:
    from art.attacks.evasion import ProjectedGradientDescent

    attack = ProjectedGradientDescent(
        classifier, eps=epsilon, eps_step=2.5 * epsilon / STEPS, max_iter=STEPS, num_random_init=STARTS,
        batch_size=len(rows), verbose=False,
    )  # fmt: skip
    z = rows.astype(np.float32)
    stand = classifier.predict(z).argmax(axis=1) == labels
    return stand & (classifier.predict(attack.generate(x=z, y=labels)).argmax(axis=1) == labels)


def compare(name: str, path: Path, direct: Callable[[Any], Any], rows: pd.DataFrame, labels: np.ndarray,
            epsilons: tuple[float, ...], runs: int) -> bool:  # fmt: skip
    values = rows.to_numpy()
    classifier = direct((values.min(axis=0), values.max(axis=0)))
    met = True
    with load(path) as model:
        right = np.flatnonzero(model.predict(rows) == labels)
        columns = columns_of(rows, rows, [], [])
        columns = dataclasses.replace(
            columns, scale=np.ones(len(columns.moved))
        )  # an epsilon is the same for both sides
        space = Space(model, rows, columns)

        network = unwrap(model, space, 0)
        assert network is not None

        def stand(attack: Callable[[WhiteBox], np.ndarray]) -> np.ndarray:
            left = np.zeros(len(rows), dtype=bool)
            left[np.setdiff1d(right, attack(WhiteBox(network, space, labels, 0)))] = True
            return left

        stand(lambda white: white.pgd(right[:5], 0.01, 0))  # imports
        for epsilon in epsilons:
            sides: dict[str, Callable[[], np.ndarray]] = {
                "ART's PGD": lambda e=epsilon: standing_by_art(classifier, values, labels, e),  # type: ignore[misc]
                "our PGD": lambda e=epsilon: stand(lambda white: white.pgd(right, e, STARTS - 1)),  # type: ignore[misc]
                "Auto-PGD, ce": lambda e=epsilon: stand(lambda white: white.apgd(right, e, "ce", 0)),  # type: ignore[misc]
                "Auto-PGD, dlr": lambda e=epsilon: stand(lambda white: white.apgd(right, e, "dlr", 0)),  # type: ignore[misc]
            }
            seconds: dict[str, list[float]] = {side: [] for side in sides}
            left: dict[str, float] = {}
            for _ in range(runs):
                for side, attack in sides.items():
                    taken, standing = timed(attack)
                    seconds[side].append(taken)
                    left[side] = float(standing.mean())
            print(f"{name}, {len(rows)} rows x {rows.shape[1]}, epsilon {epsilon:g}")
            for side, taken in seconds.items():
                ratio = median(taken) / median(seconds["ART's PGD"])
                print(f"  {side:<14} {median(taken):6.2f} s CPU ({ratio:4.2f}x)   robust accuracy {left[side]:.3f}")
            fast = median(seconds["our PGD"]) <= 1.1 * median(seconds["ART's PGD"])
            met &= fast and left["our PGD"] <= left["ART's PGD"] + 1e-9
    return met


def scaled(data: Any) -> tuple[pd.DataFrame, np.ndarray]:
    """In standard deviations."""
    rows = data.data.loc[:, data.data.nunique() > 10]
    return pd.DataFrame(StandardScaler().fit_transform(rows), columns=rows.columns), data.target.to_numpy()


def cases(folder: Path) -> Iterator[tuple[Any, ...]]:
    from art.estimators.classification import SklearnClassifier

    rows, labels = scaled(load_breast_cancer(as_frame=True))
    linear = LogisticRegression().fit(rows[:350], labels[:350])
    skops.io.dump(linear, folder / "lr.skops")
    test, truth = rows[350:].reset_index(drop=True), labels[350:]
    yield (
        "logistic regression", folder / "lr.skops", lambda box: SklearnClassifier(linear, clip_values=box), test, truth,
        (0.1, 0.4),
    )  # fmt: skip
    try:
        import torch
        from art.estimators.classification import PyTorchClassifier
    except ImportError:
        print("torch is not installed: networks are left out")
        return
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows, labels = scaled(load_digits(as_frame=True))
    train, test, truth = rows[:1400], rows[1400 : 1400 + ROWS].reset_index(drop=True), labels[1400 : 1400 + ROWS]

    def of(network: Any) -> Callable[[Any], Any]:
        loss, inputs = torch.nn.CrossEntropyLoss(), (rows.shape[1],)
        return lambda box: PyTorchClassifier(
            network, loss, inputs, 10, clip_values=tuple(side.astype(np.float32) for side in box)
        )

    dense = MLPClassifier((64,), max_iter=80, random_state=0).fit(train, labels[:1400])
    skops.io.dump(dense, folder / "mlp.skops")
    same = torch.nn.Sequential(torch.nn.Linear(rows.shape[1], 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    for layer, weight, bias in zip((same[0], same[2]), dense.coefs_, dense.intercepts_, strict=True):
        layer.weight.data, layer.bias.data = torch.tensor(weight.T).float(), torch.tensor(bias).float()
    yield "perceptron", folder / "mlp.skops", of(same.eval()), test, truth, (0.1, 0.3)
    side = torch.nn.Sequential(
        torch.nn.Unflatten(1, (1, rows.shape[1])), torch.nn.Conv1d(1, 16, 5, padding=2), torch.nn.ReLU(),
        torch.nn.Conv1d(16, 16, 5, padding=2), torch.nn.ReLU(), torch.nn.Flatten(),
        torch.nn.Linear(16 * rows.shape[1], 10),
    )  # fmt: skip
    optimiser = torch.optim.Adam(side.parameters(), 0.003)
    for _ in range(60):
        optimiser.zero_grad()
        given = torch.tensor(train.to_numpy()).float()
        torch.nn.functional.cross_entropy(side(given), torch.tensor(labels[:1400])).backward()
        optimiser.step()
    said = {"features": list(rows.columns), "classes": list(range(10)), "output": "logits"}
    script = torch.jit.trace(side.eval(), torch.zeros(2, rows.shape[1]))
    torch.jit.save(script, str(folder / "conv.pt"), _extra_files={"wardein.json": json.dumps(said)})
    yield "convolutions, torch", folder / "conv.pt", of(side), test, truth, (0.1, 0.3)


def main(runs: int) -> int:
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        met = [compare(*case, runs) for case in cases(Path(folder))]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:]) if sys.argv[1:] else (3,)))
