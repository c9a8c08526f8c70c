# SPDX-License-Identifier: Apache-2.0
"""A model within the process that holds it: what it is, and what it says of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wardein.models.container import Refused
from wardein.models.insides import INSIDES, split
from wardein.models.natives import Native
from wardein.models.sanity import takes_arrays

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Answer = tuple[dict[str, Any], list["np.ndarray"]]


class Held:
    """A model, and what can be asked of it.

    Attributes:
        columns: The features that it was fitted on, once it was asked for its facts.
    """

    def __init__(self, model: Any, format: str, *, vouched: bool = False) -> None:
        """Hold a model.

        Args:
            model: It.
            format: What its file is.
            vouched: Whether it may be made of things that nobody but the run vouches for.
        """
        self._model, self._format = model, format
        self._classes: Any = None
        self._sorted: np.ndarray | None = None
        self._takes_arrays = not (vouched or isinstance(model, Native)) and takes_arrays(model)
        self.columns: Any = None
        self._answers: dict[str, Callable[[Any], Answer]] = {
            "predict": self._predict,
            "predict_proba": self._predict_proba,
            "transform": self._transform,
            "layers": self._layers,
        }

    def facts(self) -> dict[str, Any]:
        """What it is, as JSON.

        Raises:
            Refused: If it is no fitted classifier or regressor with names.
        """
        import pandas as pd

        model, kind = self._model, self._kind()
        name = model.library if isinstance(model, Native) else type(model).__name__
        facts: dict[str, Any] = {"kind": kind, "type": name, "format": self._format}
        if kind == "classifier":
            facts["classes"] = self._named_classes()
            facts["probabilities"] = isinstance(model, Native) or hasattr(model, "predict_proba")
        elif not isinstance(model, Native) and not hasattr(model, "n_features_in_"):
            raise Refused("is not fitted", "fit the model before saving it")
        features = model.features if isinstance(model, Native) else getattr(model, "feature_names_in_", None)
        if features is None:
            raise Refused(
                "was fitted on columns without names",
                "fit it on a pandas DataFrame, so that columns cannot be mixed up",
            )
        names = [str(name) for name in features]
        self.columns = pd.Index(names, dtype=object)  # scikit-learn compares them at every call, as objects
        return facts | {"features": names}

    def _kind(self) -> str:
        from sklearn.base import is_classifier, is_regressor

        model, name = self._model, type(self._model).__name__
        if isinstance(model, Native):
            return "regressor" if model.classes is None else "classifier"
        try:
            kind = "classifier" if is_classifier(model) else "regressor" if is_regressor(model) else ""
        except (AttributeError, TypeError):
            what = f"holds a {name}, not a scikit-learn estimator"
            raise Refused(what, "give a fitted scikit-learn model") from None
        if not kind:
            raise Refused(
                f"holds a {name}, not a classifier or a regressor", "give a fitted scikit-learn model or Pipeline"
            )
        return kind

    def answer(self, question: str, rows: pd.DataFrame | None) -> Answer:
        """What it says, as JSON and as arrays."""
        if question in INSIDES:
            model = self._model if isinstance(self._model, Native) else self._fitted()
            own, more = (None, {}) if rows is None else split(rows, self.columns)
            return INSIDES[question](model, own, more)
        return self._answers[question](rows)

    def _named_classes(self) -> dict[str, Any]:
        import numpy as np
        import pandas as pd

        model = self._model
        classes = model.classes if isinstance(model, Native) else getattr(model, "classes_", None)
        if classes is None:
            raise Refused("is not fitted", "fit the model before saving it")
        one_label = not isinstance(classes, list) and np.ndim(classes) == 1
        classes = np.asarray(classes) if one_label else np.empty(0)
        values = classes.tolist()
        if not one_label or not all(isinstance(value, str | bool | int | float) for value in values):
            raise Refused("has classes that are neither texts nor numbers", "fit it on one label a row")
        if len(set(values)) < len(values):
            raise Refused("has a class twice", "train and save the model again: no training writes this")
        self._classes = pd.Index(classes)
        self._sorted = classes if classes.dtype.kind in "biuf" and (classes[1:] > classes[:-1]).all() else None
        return {"type": "object" if classes.dtype.kind == "O" else classes.dtype.str, "values": values}

    def _predict(self, rows: pd.DataFrame) -> Answer:
        """Numbers, of a classifier the places of its classes."""
        import numpy as np

        said = np.asarray(self._model.predict(self._handed(rows)))
        if self._classes is None:
            return {}, [_numbers(said)]
        if said.shape != (len(rows),):
            return {"shape": list(said.shape)}, []
        codes = self._places(said)
        if codes.min(initial=0) < 0:
            return {"unknown": str(said[codes.argmin()])[:60]}, []
        return {}, [codes]

    def _places(self, labels: np.ndarray) -> np.ndarray:
        """The place of each label among the classes, -1 for what is none of them."""
        import numpy as np

        if self._sorted is None or labels.dtype != self._sorted.dtype:
            return np.asarray(self._classes.get_indexer(labels), dtype=np.int64)
        places = np.searchsorted(self._sorted[:-1], labels)
        return np.where(self._sorted[places] == labels, places, -1)

    def _predict_proba(self, rows: pd.DataFrame) -> Answer:
        import numpy as np

        model = self._model
        said = model.scores(rows) if isinstance(model, Native) else model.predict_proba(self._handed(rows))
        return {}, [_numbers(np.asarray(said))]

    def _transform(self, rows: pd.DataFrame) -> Answer:
        """What reaches the last step."""
        import numpy as np
        from sklearn.pipeline import Pipeline

        model = self._fitted()
        if not isinstance(model, Pipeline) or len(model) == 1:
            return {}, [rows.to_numpy(dtype=float)]
        matrix = model[:-1].transform(self._handed(rows))
        return {}, [np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix, dtype=float)]

    def _handed(self, rows: pd.DataFrame) -> Any:
        """Rows as the model gets them: of nothing but float64 as the array that scikit-learn makes of such a table.

        It makes the same array, and spends most of the time of a small question on looking at the table's columns.
        """
        import numpy as np

        plain = self._takes_arrays and all(kind == np.float64 for kind in rows.dtypes)
        return rows.to_numpy() if plain else rows

    def _layers(self, _: None) -> Answer:
        """Weights and biases of the last step, down to one score per class; nothing if it is no network."""
        import numpy as np
        from sklearn.linear_model._base import LinearClassifierMixin
        from sklearn.neural_network import MLPClassifier
        from sklearn.pipeline import Pipeline

        model = self._fitted()
        final = model[-1] if isinstance(model, Pipeline) else model
        if isinstance(final, MLPClassifier):
            weights, biases = list(final.coefs_), list(final.intercepts_)
        elif isinstance(final, LinearClassifierMixin) and isinstance(final.coef_, np.ndarray):
            weights = [np.atleast_2d(final.coef_).T]
            biases = [np.broadcast_to(np.asarray(final.intercept_, dtype=float), weights[0].shape[1])]
        else:
            return {}, []
        if weights[-1].shape[1] == 1:  # two classes share one score: the first class's is zero
            weights[-1] = np.hstack([np.zeros_like(weights[-1]), weights[-1]])
            biases[-1] = np.concatenate([[0.0], biases[-1]])
        activation = str(getattr(final, "activation", "identity"))
        return {"activation": activation}, [np.asarray(part, dtype=float) for part in (*weights, *biases)]

    def _fitted(self) -> Any:
        """The model, of a search the one that it found."""
        return getattr(self._model, "best_estimator_", self._model)


def _numbers(array: np.ndarray) -> np.ndarray:
    """Of types that can be handed over: no longer floats than eight bytes."""
    return array.astype(float) if array.dtype.kind == "f" and array.dtype.itemsize > 8 else array
