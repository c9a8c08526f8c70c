# SPDX-License-Identifier: Apache-2.0
"""Somebody's own attack on a model, run as ``python -P -s -B -m wardein.behavior.scripted LIBRARIES CHANNEL …``.

The script's ``attack(model, rows, labels, budget)`` is called once. Its ``model`` only asks; what it prints, nobody
reads; what it returns goes to the check, which reads it by the contract (:mod:`wardein.behavior.script`).
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wardein.behavior import channel, entry

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


class AskedModel:
    """What stands for the model in a script.

    Attributes:
        features: The names of its columns.
        classes: Its classes, in the order of the probabilities' columns; None of a regressor.
        budget: How many more rows it can be asked about.
    """

    def __init__(self, features: list[str], classes: np.ndarray | None, ask: Callable[..., Any], budget: int) -> None:
        self.features, self.classes, self.budget, self._ask = features, classes, budget, ask

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """The predicted class or number of each row."""
        numbers = self._asked("predict", rows)
        return numbers if self.classes is None else self.classes[numbers.astype(int)]

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray:
        """The classes' probabilities, shape (rows, classes)."""
        return self._asked("predict_proba", rows)

    def _asked(self, what: str, rows: pd.DataFrame) -> np.ndarray:
        self.budget -= len(rows)
        numbers: np.ndarray = self._ask(what, rows[self.features])
        return numbers


def main(libraries: str, *arguments: str) -> int:
    """Import what an attack is made of, become confined, and run one script."""
    import numpy as np
    import pandas  # noqa: F401

    for name in filter(None, libraries.split(",")):
        importlib.import_module(name)
    if "joblib" in sys.modules:
        sys.modules["joblib"].cpu_count(only_physical_cores=True)  # runs a program, once; later it could not
    host = entry.enter(arguments)
    order, body = channel.receive(host)
    rows = channel.unpack(order["columns"], order["rows"], body)
    classes = None if order["classes"] is None else np.array(order["classes"])
    labels = np.array(order["labels"]) if classes is None else classes[np.array(order["labels"], dtype=int)]
    model = AskedModel(list(rows.columns), classes, entry.asking(host), order["budget"])
    np.random.seed(order["seed"])  # noqa: NPY002 - for scripts that draw without a seed of their own
    try:
        names: dict[str, Any] = {"__name__": "script"}
        exec(compile(order["script"], "script.py", "exec"), names)  # noqa: S102 - what this process is confined for
        if not callable(names.get("attack")):
            raise TypeError("it defines no function attack(model, rows, labels, budget)")
        returned = names["attack"](model, rows, labels, order["budget"])
        said = channel.framed({"returned": json.loads(json.dumps(returned, default=_plain, allow_nan=False))})
    except BaseException as error:  # SystemExit among them: a script that ends has returned nothing
        said = channel.framed(entry.said_of(error))
    host.sendall(said)
    return 0


def _plain(value: Any) -> Any:
    """A number of numpy's as one of Python's."""
    import numpy as np

    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"returns a {type(value).__name__}, which is no JSON")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
