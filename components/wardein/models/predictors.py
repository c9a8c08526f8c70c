# SPDX-License-Identifier: Apache-2.0
"""What stands for a model where it is evaluated: asks whoever holds it, and believes nothing that it does not check."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wardein.errors import WardeinError
from wardein.models.process import Failed

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Ask = Callable[..., tuple[Mapping[str, Any], list[np.ndarray]]]

_CLASSES = re.compile(r"object|\|b1|[<>|][iu][1248]|[<>]f[248]|[<>]U[0-9]{1,5}")


@dataclass(frozen=True)
class Predictor:
    """A model that another process holds.

    Attributes:
        kind: ``classifier`` or ``regressor``.
        type: The name of its class.
        format: ``skops`` or ``pickle``.
        features: The names of the columns it was fitted on, in order.
        ask: Asks the process that holds it.
    """

    kind: str
    type: str
    format: str
    features: tuple[str, ...]
    ask: Ask = field(repr=False)

    def rows(self, table: pd.DataFrame, where: str = "--data", *, complete: bool = True) -> pd.DataFrame:
        """The model's feature columns of a table, in the order of fitting.

        Args:
            table: The table.
            where: What to call it in an error.
            complete: Whether missing numbers are refused as well; a model may know what to do with them.

        Raises:
            WardeinError: If a column is missing, or a number is infinite (or missing).
        """
        import numpy as np

        from wardein.tables import require_columns

        require_columns(table, list(self.features), where)
        rows = table.loc[:, list(self.features)]
        numeric = rows.select_dtypes("number")
        for name in numeric:
            values = numeric[name].to_numpy(dtype=float)
            if not (np.isfinite(values) if complete else ~np.isinf(values)).all():
                what = "missing or infinite" if complete else "infinite"
                mend = "impute them as in training" if complete else "mend the data, or the step that made it"
                raise WardeinError(f"the feature {name!r} holds {what} numbers", where=where, mend=mend)
        return rows

    def transform(self, rows: pd.DataFrame) -> np.ndarray:
        """What reaches the model's last step, as numbers: of a Pipeline all steps but the last, else the rows.

        Raises:
            WardeinError: If it cannot be computed.
        """
        return self._only(*self._asked("transform", rows))

    def inside(
        self, question: str, rows: pd.DataFrame | None = None, **more: np.ndarray
    ) -> tuple[Mapping[str, Any], list[np.ndarray]]:
        """What the model's process says of its inside (:mod:`wardein.models.insides`); nothing of it is checked.

        Args:
            question: ``trees``, ``gradients``, ``stored`` or ``refit``.
            rows: Rows with the model's features, if the question is about rows.
            more: What goes with each row: numbers or truth values, shape (n,) or (n, k).

        Raises:
            WardeinError: If it cannot answer.
        """
        import numpy as np
        import pandas as pd

        from wardein.models.insides import ALSO

        if rows is None or not more:
            return self._asked(question, rows)
        columns = {
            f"{ALSO}{name}.{i}": column
            for name, values in more.items()
            for i, column in enumerate(np.atleast_2d(values.T))
        }
        if all(kind == np.float64 for kind in (*rows.dtypes, *(column.dtype for column in columns.values()))):
            names = pd.Index([*rows.columns, *columns], dtype=object)
            numbers = np.empty((len(rows), len(names)), order="F")  # one array, which travels faster than columns do
            numbers[:, : -len(columns)] = rows.to_numpy()
            numbers[:, -len(columns) :] = np.column_stack(list(columns.values()))
            table = pd.DataFrame(numbers, columns=names, copy=False)
        else:
            table = pd.concat([rows, pd.DataFrame(columns, index=rows.index)], axis=1)
        return self._asked(question, table, named=True)

    def _asked(
        self, question: str, rows: pd.DataFrame | None, *, named: bool = False
    ) -> tuple[Mapping[str, Any], list[np.ndarray]]:
        try:
            return self.ask(question, rows, named=named) if named else self.ask(question, rows)
        except Failed as error:
            raise WardeinError(
                f"the model cannot predict these rows ({error.kind}: {str(error)[:200]})",
                where="--data",
                mend="give rows with the columns and types that the model was fitted on",
            ) from None

    def _only(self, said: Mapping[str, Any], arrays: Sequence[np.ndarray]) -> np.ndarray:
        if len(arrays) != 1 or arrays[0].dtype.kind not in "biuf":
            raise WardeinError("answers with something else than one array of numbers", where="--model")
        return arrays[0]


@dataclass(frozen=True)
class Classifier(Predictor):
    """A classifier that another process holds.

    Attributes:
        classes: The class labels, in the order of the probability columns.
        probabilities: Whether it gives any.
    """

    classes: np.ndarray
    probabilities: bool

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """Predicted labels, shape (n,).

        Raises:
            WardeinError: If it cannot predict these rows, or predicts what is none of its classes.
        """
        import numpy as np

        said, arrays = self._asked("predict", rows)
        if "shape" in said:
            shape = tuple(said["shape"]) if isinstance(said["shape"], list) else said["shape"]
            raise WardeinError(f"predicts an array of shape {shape}, not one label a row", where="--model")
        if "unknown" in said:
            known = ", ".join(str(label) for label in self.classes.tolist()[:20])
            raise WardeinError(
                f"the model predicts {str(said['unknown'])[:60]!r}, which is none of the model's classes",
                where="--model",
                mend=f"the classes are: {known}",
            )
        places = self._only(said, arrays)
        if places.shape != (len(rows),) or places.dtype.kind != "i" or not self._are_classes(places):
            raise WardeinError("answers with something else than one label a row", where="--model")
        return np.asarray(self.classes[places])

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray | None:
        """Class probabilities, shape (n, classes); None if the model has none. Of any size and any shape, if hostile.

        Raises:
            WardeinError: If it cannot predict these rows.
        """
        return self._only(*self._asked("predict_proba", rows)) if self.probabilities else None

    def layers(self) -> tuple[list[np.ndarray], list[np.ndarray], str] | None:
        """Weights, biases and activation of the model's last step, down to one score per class; None if it has none.

        Raises:
            WardeinError: If what it says is no network.
        """
        import numpy as np

        said, parts = self._asked("layers", None)
        if not parts:
            return None
        half, activation = len(parts) // 2, said.get("activation")
        weights, biases = parts[:half], parts[half:]
        widths = [weight.shape[-1] for weight in weights if weight.ndim == 2]
        chained = len(widths) == half and [weight.shape[0] for weight in weights[1:]] == widths[:-1]
        if (
            not chained
            or [bias.shape for bias in biases] != [(width,) for width in widths]
            or widths[-1] != len(self.classes)
            or activation not in ("identity", "logistic", "tanh", "relu")
            or not all(part.dtype == np.float64 and np.isfinite(part).all() for part in parts)
        ):
            raise WardeinError("answers with layers that do not fit together", where="--model")
        return weights, biases, activation

    def _are_classes(self, places: np.ndarray) -> bool:
        return not len(places) or bool(places.min() >= 0 and places.max() < len(self.classes))


@dataclass(frozen=True)
class Regressor(Predictor):
    """A regressor that another process holds."""

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """Predicted numbers, one or more a row; they may be infinite or missing.

        Raises:
            WardeinError: If it cannot predict these rows.
        """
        said, arrays = self._asked("predict", rows)
        numbers = self._only(said, arrays)
        if numbers.ndim not in (1, 2) or len(numbers) != len(rows):
            raise WardeinError(f"predicts an array of shape {numbers.shape}, not one row each", where="--model")
        return numbers


def predictor(facts: Mapping[str, Any], ask: Ask, path: Path) -> Classifier | Regressor:
    """What stands for a model, by what its process says that it is."""
    import numpy as np

    kind, name, form, features = (facts.get(part) for part in ("kind", "type", "format", "features"))
    texts = [kind, name, form, *(features if isinstance(features, list) else [None])]
    if not all(isinstance(text, str) for text in texts):
        raise _senseless(path)
    common = (str(kind), str(name)[:80], str(form), tuple(features or ()), ask)
    if kind == "regressor":
        return Regressor(*common)
    said = facts.get("classes")
    said = said if isinstance(said, dict) else {}
    values = said.get("values")
    if kind != "classifier" or not isinstance(values, list) or not values:
        raise _senseless(path)
    if not all(isinstance(value, str | bool | int | float) for value in values):
        raise _senseless(path)
    kind_of_class = said.get("type")
    if not isinstance(kind_of_class, str) or not _CLASSES.fullmatch(kind_of_class):
        raise _senseless(path)
    try:
        classes = np.array(values, dtype=kind_of_class)
    except (TypeError, ValueError, OverflowError):
        raise _senseless(path) from None
    return Classifier(*common, classes, facts.get("probabilities") is True)


def _senseless(path: Path) -> WardeinError:
    return WardeinError("the process that holds the model says nothing sensible of it", where=str(path))
