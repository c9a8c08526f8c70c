# SPDX-License-Identifier: Apache-2.0
"""The verdict core of every evaluation is the same whatever the threads, the BLAS kernel, the hash seed and the day."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import skops.io
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from wardein import wire

LABEL = "benign"
# OpenBLAS has a kernel for each kind of processor; these two sum in different orders.
SURROUNDINGS = (
    {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "1"},
    {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "PYTHONHASHSEED": "2", "OPENBLAS_CORETYPE": "Nehalem"},
)
CALLS = {
    "evaluate-performance": ["--reference", "train.csv"],
    "evaluate-robustness": ["--max-rows", "30"],
    "evaluate-fairness": ["--sensitive", "site"],
    "evaluate-privacy": ["--reference", "train.csv", "--shadow-models", "4"],
    "compare-models": ["--champion", "champion.skops"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A neural network, a forest to compare it with, and data."""
    folder = tmp_path_factory.mktemp("deterministic")
    bunch = load_breast_cancer(as_frame=True)
    table = bunch.data.iloc[:, :8].assign(
        **{LABEL: bunch.target, "site": (bunch.data["mean texture"] > 19).astype(int)}
    )
    train, test = table.iloc[::2], table.iloc[1::2]
    features = list(table.columns[:8])
    network = make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=300, random_state=0))
    skops.io.dump(network.fit(train[features], train[LABEL]), folder / "model.skops")
    forest = RandomForestClassifier(20, random_state=0)
    skops.io.dump(forest.fit(train[features], train[LABEL]), folder / "champion.skops")
    train.to_csv(folder / "train.csv", index=False)
    test.to_csv(folder / "test.csv", index=False)
    return folder


@pytest.mark.parametrize("step", CALLS)
def test_threads_and_blas_do_not_change_the_verdict_core(step: str, folder: Path) -> None:
    one, other = (core(step, folder, surroundings) for surroundings in SURROUNDINGS)
    assert one == other


def test_another_seed_gives_another_verdict_core(folder: Path) -> None:
    """So that the test above can fail."""
    one, other = (core("evaluate-robustness", folder, SURROUNDINGS[0], *more) for more in ([], ["--seed", "1"]))
    assert one != other


def core(step: str, folder: Path, surroundings: dict[str, str], *more: str) -> str:
    command = [sys.executable, "-m", "wardein", step, "--model", "model.skops", "--data", "test.csv", "--label", LABEL]
    ran = subprocess.run(
        [*command, *CALLS[step], *more, "--json"],
        capture_output=True,
        cwd=folder,
        env=os.environ | surroundings,
        timeout=300,
    )
    assert ran.returncode in (0, 1), ran.stderr
    return wire.core_sha256(wire.from_json(json.loads(ran.stdout)))
