# SPDX-License-Identifier: Apache-2.0
"""Models that are no pickles: those of XGBoost, LightGBM and CatBoost in their own formats, ONNX, and TorchScript.

Their files hold numbers, which their own libraries read, within the process that holds the model. What they lack is
taken from where they have it: the names of the columns, and the classes, which are 0, 1, 2 … where a format does not
store them.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wardein.modelfiles.content import Content
from wardein.models.container import Refused
from wardein.models.description import MEND, described

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MAX_BYTES = 2 * 1024**3
_LIBRARIES = {
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "catboost": "catboost",
    "onnx": "onnxruntime",
    "torchscript": "torch",
}
# Those that start threads when they are imported.
_WITH_THREADS = ("onnxruntime",)
_IN_METADATA = 'in metadata_props under the key "wardein"'
_NAMES = "train it on a pandas DataFrame, so that columns cannot be mixed up, and save it again"


@dataclass(frozen=True)
class Native:
    """A model of another library than scikit-learn.

    Attributes:
        library: Which.
        features: The names of its columns, in order.
        classes: The classes of a classifier; None of a regressor.
        scores: Probabilities of the classes, shape (n, classes), or a regressor's predictions.
        booster: The library's own model, where its trees can be read.
    """

    library: str
    features: Sequence[str]
    classes: np.ndarray | None
    scores: Callable[[pd.DataFrame], np.ndarray]
    booster: Any = None

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """The likeliest class, or the number."""
        import numpy as np

        scores = self.scores(rows)
        return scores if self.classes is None else np.asarray(self.classes[scores.argmax(axis=1)])


def native_format(content: Content, name: str) -> str:
    """Which of these a file is, by its beginning and by the name that the examination gave it; empty if none."""
    head = content.at(0, 4096)
    if head.startswith(b"tree\n"):
        return "lightgbm"
    if head.startswith(b"CBM1"):
        return "catboost"
    if name in ("onnx", "torch"):
        return {"onnx": "onnx", "torch": "torchscript"}[name]
    return "xgboost" if re.match(rb'\{\s*"learner"|\{[Lli#$].{0,20}learner', head, re.DOTALL) else ""


def prepare(name: str, *, confined: bool = False) -> None:
    """Import the library that reads a format.

    Args:
        name: The format.
        confined: Whether the process is confined by now. Most libraries are imported before that; one that starts
            threads after it, as a process with threads cannot be confined.

    Raises:
        Refused: If it is not installed.
    """
    library = _LIBRARIES.get(name)
    if library and importlib.util.find_spec(library) is None:
        raise Refused(f"is a model of {name}, which takes {library} to load", f"run: pip install {library}")
    if library and confined == (library in _WITH_THREADS):
        importlib.import_module(library)


def read_native(content: Content, name: str) -> Native:
    """Load such a model.

    Raises:
        Refused: If it has no names of columns, or is neither a classifier nor a regressor.
    """
    if content.size > MAX_BYTES:
        raise Refused(f"is larger than {MAX_BYTES // 1024**3} GiB")
    readers = {
        "xgboost": _xgboost,
        "lightgbm": _lightgbm,
        "catboost": _catboost,
        "onnx": _onnx,
        "torchscript": _torchscript,
    }
    try:
        model = readers[name](content.at(0, content.size))
    except (Refused, MemoryError):
        raise
    except Exception as error:  # each library has its own for a file that it cannot read
        said = " ".join(str(error).split())[:160]
        raise Refused(f"cannot be read by {_LIBRARIES[name]} ({type(error).__name__}: {said})") from None
    if not model.features or not all(isinstance(feature, str) for feature in model.features):
        raise Refused("was trained on columns without names", _NAMES)
    return model


def _both(scores: np.ndarray) -> np.ndarray:
    """Of one probability a row, that of both classes."""
    import numpy as np

    return np.column_stack([1 - scores, scores]) if scores.ndim == 1 else scores


def _numbered(count: int) -> np.ndarray:
    import numpy as np

    return np.arange(count)


def _xgboost(content: bytes) -> Native:
    import xgboost  # type: ignore[import-not-found]

    booster = xgboost.Booster()
    booster.load_model(bytearray(content))
    learner = json.loads(booster.save_config())["learner"]
    objective, count = learner["objective"]["name"], int(learner["learner_model_param"]["num_class"])
    features = booster.feature_names or ()
    if objective == "multi:softmax":  # the same model, asked for probabilities
        booster.set_param({"objective": "multi:softprob"})

    def scores(rows: pd.DataFrame) -> np.ndarray:
        answers: np.ndarray = booster.predict(xgboost.DMatrix(rows, enable_categorical=True))
        return answers

    if objective in ("multi:softprob", "multi:softmax"):
        return Native("XGBoost", features, _numbered(count), scores, booster)
    if objective == "binary:logistic":
        return Native("XGBoost", features, _numbered(2), lambda rows: _both(scores(rows)), booster)
    if objective.startswith(("reg:", "count:")) and objective != "reg:logistic":
        return Native("XGBoost", features, None, scores)
    raise Refused(f"was trained for {objective}, which is neither classification nor regression")


def _lightgbm(content: bytes) -> Native:
    import lightgbm  # type: ignore[import-not-found]

    text = content.decode()
    booster = lightgbm.Booster(model_str=text)
    found = re.search(r"^objective=(\w+)", text, re.MULTILINE)
    objective, features = found[1] if found else "none", booster.feature_name()
    if objective in ("multiclass", "multiclassova"):
        return Native("LightGBM", features, _numbered(booster.num_model_per_iteration()), booster.predict, booster)
    if objective == "binary":
        return Native("LightGBM", features, _numbered(2), lambda rows: _both(booster.predict(rows)), booster)
    if objective in ("regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie"):
        return Native("LightGBM", features, None, booster.predict)
    raise Refused(f"was trained for {objective}, which is neither classification nor regression")


def _catboost(content: bytes) -> Native:
    import catboost  # type: ignore[import-not-found]
    import numpy as np

    model = catboost.CatBoost()
    model.load_model(blob=content)
    classes = np.asarray(model.classes_)
    if not len(classes):
        return Native("CatBoost", model.feature_names_, None, model.predict)
    return Native(
        "CatBoost", model.feature_names_, classes, lambda rows: model.predict(rows, prediction_type="Probability")
    )


def _torchscript(content: bytes) -> Native:
    from wardein.models.torchscript import torchscript

    return torchscript(content)


def _onnx(content: bytes) -> Native:
    """As skl2onnx writes it: one input a column, and of a classifier the label and a map of probabilities.

    Or a network that takes one tensor, and says in its metadata, under ``wardein``, what the columns are.
    """
    import numpy as np
    import onnxruntime  # type: ignore[import-not-found]

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
    said = session.get_modelmeta().custom_metadata_map.get("wardein", "")
    if said:
        return _onnx_of_one_tensor(session, said)
    inputs = {one.name: one.type for one in session.get_inputs() if len(one.shape) == 2 and one.shape[1] == 1}
    if len(inputs) < len(session.get_inputs()):
        mend = f"export it with one input for each column; or of a network, {MEND}, {_IN_METADATA}"
        raise Refused("was exported without the names of its columns", mend)

    def run(rows: pd.DataFrame) -> Sequence[Any]:
        columns = {name: _typed(rows[name], kind) for name, kind in inputs.items()}
        answers: Sequence[Any] = session.run(None, columns)
        return answers

    outputs = [one.type for one in session.get_outputs()]
    if outputs == ["tensor(float)"]:
        return Native("ONNX", list(inputs), None, lambda rows: np.asarray(run(rows)[0]).reshape(len(rows), -1)[:, 0])
    if len(outputs) != 2 or not outputs[1].startswith("seq(map("):
        mend = "export a classifier with its label and a map of probabilities (zipmap), a regressor with one number"
        raise Refused(f"gives {', '.join(outputs)[:200]}", mend)
    import pandas as pd

    blank = pd.DataFrame({name: [""] if "string" in kind else [0] for name, kind in inputs.items()})
    classes = list(run(blank)[1][0])

    def scores(rows: pd.DataFrame) -> np.ndarray:
        return np.array([[row[name] for name in classes] for row in run(rows)[1]])

    return Native("ONNX", list(inputs), np.asarray(classes), scores)


def _onnx_of_one_tensor(session: Any, said: str) -> Native:
    import numpy as np

    description = described(said, _IN_METADATA)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64}
    if len(inputs) != 1 or inputs[0].type not in kinds or outputs[-1].type not in kinds:
        raise Refused("takes or gives something else than one tensor of floating-point numbers, and describes columns")

    def scores(rows: pd.DataFrame) -> np.ndarray:
        given = description.given(rows, kinds[inputs[0].type])
        return description.scores(session.run([outputs[-1].name], {inputs[0].name: given})[0])

    return Native("ONNX", description.features, description.classes, scores)


def _typed(column: pd.Series, kind: str) -> np.ndarray:
    """A column as an input takes it, shape (n, 1)."""
    import numpy as np

    types = {"float": np.float32, "double": np.float64, "int64": np.int64, "int32": np.int32, "bool": np.bool_}
    name = kind.removeprefix("tensor(").removesuffix(")")
    typed: np.ndarray = column.astype(str).to_numpy(dtype=object) if name == "string" else column.to_numpy(types[name])
    return typed.reshape(-1, 1)
