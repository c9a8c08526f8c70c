# SPDX-License-Identifier: Apache-2.0
"""Models of other libraries than scikit-learn through the checks, from the command line.

Each runs where its library is installed: ``.venv-models/bin/python -m pytest tests/natives``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

NAMES = list("abcdef")


def xgboost_(path: Path, rows: pd.DataFrame, labels: np.ndarray) -> Path:
    xgboost = pytest.importorskip("xgboost")
    booster = xgboost.XGBClassifier(n_estimators=8, max_depth=3, n_jobs=1).fit(rows, labels).get_booster()
    booster.save_model(path / "model.ubj")
    return path / "model.ubj"


def lightgbm_(path: Path, rows: pd.DataFrame, labels: np.ndarray) -> Path:
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMClassifier(n_estimators=8, max_depth=3, n_jobs=1, verbose=-1).fit(rows, labels)
    model.booster_.save_model(path / "model.txt")
    return path / "model.txt"


def catboost_(path: Path, rows: pd.DataFrame, labels: np.ndarray) -> Path:
    catboost = pytest.importorskip("catboost")
    model = catboost.CatBoostClassifier(
        iterations=8, depth=3, thread_count=1, verbose=False, allow_writing_files=False
    ).fit(rows, labels)
    model.save_model(str(path / "model.cbm"))
    return path / "model.cbm"


def onnx_(path: Path, rows: pd.DataFrame, labels: np.ndarray) -> Path:
    """One input for each column, label and probabilities."""
    skl2onnx = pytest.importorskip("skl2onnx")
    pytest.importorskip("onnxruntime")
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(make_column_transformer((StandardScaler(), NAMES)), LogisticRegression()).fit(rows, labels)
    kinds = [(name, skl2onnx.common.data_types.FloatTensorType([None, 1])) for name in NAMES]
    (path / "model.onnx").write_bytes(skl2onnx.to_onnx(model, initial_types=kinds).SerializeToString())
    return path / "model.onnx"


def tensor_(path: Path, rows: pd.DataFrame, labels: np.ndarray, said: Any = None) -> Path:
    """One tensor of all columns, scores out, and in the metadata what the columns are."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper

    model = LogisticRegression().fit(rows, labels)
    weights = np.hstack([np.zeros((6, 1)), model.coef_.T]).astype(np.float32)
    bias = np.array([0, model.intercept_[0]], dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w", "b"], ["y"])],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        [onnx.numpy_helper.from_array(weights, "w"), onnx.numpy_helper.from_array(bias, "b")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    said = {"features": NAMES, "classes": [0, 1], "output": "logits"} if said is None else said
    if said:
        helper.set_model_props(made, {"wardein": json.dumps(said)})
    (path / "model.onnx").write_bytes(made.SerializeToString())
    return path / "model.onnx"


def torch_(path: Path, rows: pd.DataFrame, labels: np.ndarray) -> Path:
    torch = pytest.importorskip("torch")
    model = LogisticRegression().fit(rows, labels)
    net = torch.nn.Linear(6, 1)
    net.weight.data = torch.tensor(model.coef_, dtype=torch.float32)
    net.bias.data = torch.tensor(model.intercept_, dtype=torch.float32)
    extra = {"wardein.json": json.dumps({"features": NAMES, "classes": [0, 1], "output": "logits"})}
    torch.jit.save(torch.jit.script(net), str(path / "model.pt"), _extra_files=extra)
    return path / "model.pt"


LIBRARIES: dict[str, Callable[[Path, pd.DataFrame, np.ndarray], Path]] = {
    "XGBoost": xgboost_,
    "LightGBM": lightgbm_,
    "CatBoost": catboost_,
    "ONNX": onnx_,
    "ONNX of one tensor": tensor_,
    "torch": torch_,
}


@pytest.fixture(scope="module")
def table() -> tuple[pd.DataFrame, np.ndarray]:
    inputs, labels = make_classification(240, 6, n_informative=4, n_redundant=0, class_sep=1.5, random_state=0)
    return pd.DataFrame(inputs, columns=NAMES), labels


def given(folder: Path, model: Path, rows: pd.DataFrame, labels: np.ndarray) -> list[str]:
    rows.assign(y=labels).to_csv(folder / "rows.csv", index=False)
    return ["--model", str(model), "--data", str(folder / "rows.csv"), "--label", "y"]


def values(report: dict[str, Any], name: str) -> dict[str, float]:
    return {metric.get("slice", ""): metric["value"] for metric in report["metrics"] if metric["name"] == name}


@pytest.mark.parametrize("library", LIBRARIES)
def test_its_models_are_judged(wardein, tmp_path, table, library: str) -> None:
    rows, labels = table
    common = given(tmp_path, LIBRARIES[library](tmp_path, rows, labels), rows, labels)
    performance = wardein("evaluate-performance", *common, "--json")
    assert performance.code == 0, performance.err
    accuracy = values(performance.report, "accuracy")[""]
    assert 0.7 < accuracy <= 1
    ran = wardein("evaluate-robustness", *common, "--max-rows", "30", "--json")
    assert ran.code == 0, ran.err
    left = values(ran.report, "robust_accuracy")
    worst = [value for where, value in left.items() if where.startswith("attack=worst")]
    assert worst == sorted(worst, reverse=True)
    assert worst[-1] < worst[0] - 0.1  # an epsilon of 0.4 brings rows of every one of them down
    demanded = wardein(
        "evaluate-robustness", *common, "--max-rows", "30", "--at-epsilon", "0.4", "--min-robust-accuracy", "0.95"
    )
    assert demanded.code == 1


def test_a_tensor_is_what_the_scores_make_it(wardein, tmp_path, table) -> None:
    """The network is the logistic regression: so is what it is judged to be."""
    import skops.io

    rows, labels = table
    model = LogisticRegression().fit(rows, labels)
    skops.io.dump(model, tmp_path / "model.skops")
    found = []
    for path in (tmp_path / "model.skops", tensor_(tmp_path, rows, labels), torch_(tmp_path, rows, labels)):
        ran = wardein("evaluate-performance", *given(tmp_path, path, rows, labels), "--json")
        found.append(
            [value for name in ("accuracy", "roc_auc", "log_loss") for value in values(ran.report, name).values()]
        )
    assert len(found[0]) > 0
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)
    np.testing.assert_allclose(found[2], found[0], atol=1e-5)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({}, "metadata_props"),
        ({"features": NAMES, "classes": [0, 1]}, "metadata_props"),
        ({"features": NAMES[:5], "classes": [0, 1], "output": "logits"}, "predict these rows"),
        ({"features": NAMES, "classes": [0, 1, 2], "output": "logits"}, "2 numbers a row for 3 classes"),
    ],
)
def test_a_tensor_that_does_not_say_what_it_is_is_refused(wardein, tmp_path, table, said: Any, says: str) -> None:
    rows, labels = table
    ran = wardein("evaluate-performance", *given(tmp_path, tensor_(tmp_path, rows, labels, said), rows, labels))
    assert ran.code == 2
    assert says in ran.one_line
