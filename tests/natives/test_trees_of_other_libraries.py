# SPDX-License-Identifier: Apache-2.0
"""The trees of XGBoost and LightGBM, as their files hold them, attacked through the process that holds the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_iris

from wardein.attacks.decision import Pool
from wardein.attacks.space import Space, columns_of
from wardein.attacks.trees import attack, certified, trees_of
from wardein.models.load import load

EPSILONS = [0.05, 0.1, 0.2, 0.4]
SETS = {"breast": load_breast_cancer, "iris": load_iris}


def data(name: str) -> tuple[pd.DataFrame, np.ndarray]:
    bunch = SETS[name](as_frame=True)
    rows = bunch.data.rename(columns=lambda column: column.replace(" ", "_").replace("(", "").replace(")", ""))
    return rows, bunch.target.to_numpy()


def xgboost(rows: pd.DataFrame, labels: np.ndarray, path: Path) -> Path:
    library = pytest.importorskip("xgboost")
    model = library.XGBClassifier(n_estimators=20, max_depth=4, n_jobs=1).fit(rows, labels)
    model.save_model(path / "model.ubj")
    return path / "model.ubj"


def lightgbm(rows: pd.DataFrame, labels: np.ndarray, path: Path) -> Path:
    library = pytest.importorskip("lightgbm")
    model = library.LGBMClassifier(n_estimators=20, n_jobs=1, verbose=-1).fit(rows, labels)
    model.booster_.save_model(path / "model.txt")
    return path / "model.txt"


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("library", [xgboost, lightgbm])
def test_their_trees_are_attacked_and_nothing_certified_falls(tmp_path: Path, library, name: str) -> None:
    rows, labels = data(name)
    model = library(rows[::2], labels[::2], tmp_path)
    rows, labels = rows[1::2].reset_index(drop=True), labels[1::2]
    with load(model) as classifier:
        space = Space(classifier, rows.iloc[:70], columns_of(rows, rows, [], []))
        ensemble = trees_of(classifier, space)
        assert ensemble is not None
        predicted = np.asarray(classifier.predict(rows))
        right = np.flatnonzero(predicted[:70] == labels[:70])
        distance, points = attack(
            space, ensemble, right, labels, Pool(space.coordinates(rows.to_numpy()), predicted), 0
        )
        assert np.isfinite(distance).all()
        assert (space.classes_at(right, points) != labels[right]).all()
        proven = certified(space, ensemble, right, labels, EPSILONS)
        for i, epsilon in enumerate(EPSILONS):
            assert not (proven[:, i] & (distance <= epsilon)).any()
        assert proven[:, 0].mean() > 0.8 * (distance > EPSILONS[0]).mean()


def test_splits_by_category_are_no_thresholds(tmp_path: Path) -> None:
    library = pytest.importorskip("lightgbm")
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"a": rng.normal(size=500), "kind": rng.integers(0, 6, 500)})
    labels = ((rows.a > 0) ^ (rows.kind % 2 == 0)).to_numpy().astype(int)
    model = library.LGBMClassifier(n_estimators=5, verbose=-1, min_child_samples=5, max_cat_to_onehot=1)
    model.fit(rows, labels, categorical_feature=["kind"]).booster_.save_model(tmp_path / "model.txt")
    with load(tmp_path / "model.txt") as classifier:
        space = Space(
            classifier, rows.iloc[:50].astype(float), columns_of(rows.astype(float), rows.astype(float), [], [])
        )
        assert trees_of(classifier, space) is None
