# SPDX-License-Identifier: Apache-2.0
"""Giskard's detectors, run by the Python that has giskard: ``python -P -s -B worker.py ROOT CHANNEL SUPERVISION …``.

This process never has the model: its predictions are asked for. It only says where giskard suspects something, as the
rows of another table that a slice holds, or as the values that a perturbation puts into a column there; what that comes
to, the check finds out by itself. Each detector runs alone, so that one that breaks is named and hides no other.
"""

from __future__ import annotations

import logging
import random
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_TARGET = "wardein label"
_WORDS = {
    "IS": "is",
    "IS_NOT": "is not",
    "GREATER_THAN": "above",
    "GREATER_THAN_EQUALS": "at least",
    "LOWER_THAN": "below",
    "LOWER_THAN_EQUALS": "at most",
    "CONTAINS": "contains",
    "DOES_NOT_CONTAINS": "does not contain",
}


def main(root: str, *arguments: str) -> int:
    """Import giskard, become confined, and look through one model."""
    # The package is borrowed for these modules only: its own neighbours must not take the place of giskard's.
    sys.path.insert(0, root)
    from wardein.behavior import channel, entry

    sys.path.remove(root)
    logging.disable(logging.ERROR)
    import giskard
    import giskard.scanner
    import numpy as np

    host = entry.enter(arguments)
    order, body = channel.receive(host)
    random.seed(order["seed"])
    np.random.seed(order["seed"])  # noqa: NPY002 - giskard draws from it
    scan = _Scan(order, body, entry.asking(host))
    host.sendall(channel.framed({"version": giskard.__version__}))
    for name in order["detectors"]:
        try:
            for said, part in scan.run(name):
                host.sendall(channel.framed({"detector": name, **said}, part))
            host.sendall(channel.framed({"detector": name, "done": True}))
        except Exception as error:  # whatever a detector raises, it has not examined the model
            while error.__cause__ is not None:
                error = error.__cause__  # type: ignore[assignment]
            host.sendall(channel.framed({"detector": name, **entry.said_of(error)}))
    return 0


class _Scan:
    """A model and two tables as giskard knows them: one to look through, one to name slices and perturbations of."""

    def __init__(self, order: Mapping[str, Any], body: bytes, ask: Callable[[str, pd.DataFrame], Any]) -> None:
        import giskard

        from wardein.behavior import channel

        size = order["bytes"]
        rows = channel.unpack(order["columns"], order["rows"], body[:size])
        others = channel.unpack(order["other_columns"], order["other_rows"], body[size:])
        self._features = list(rows.columns)
        kinds = order["kinds"]
        target = _TARGET
        while target in rows:  # no column of the model's may be taken for the label
            target += "'"
        self.rows = giskard.Dataset(rows.assign(**{target: order["labels"]}), target=target, column_types=kinds)
        self.others = giskard.Dataset(others, target=None, column_types=kinds)
        classes = order["classes"]
        what = "decided" if order["probabilities"] else "predict"

        def predict(table: pd.DataFrame) -> Any:
            import numpy as np

            numbers = ask(what, table[self._features])
            if not classes or order["probabilities"]:
                return numbers
            return np.eye(classes)[numbers.astype(int)]

        self.model = giskard.Model(
            predict,
            model_type="classification" if classes else "regression",
            feature_names=self._features,
            classification_labels=list(range(classes)) if classes else None,
        )

    def run(self, name: str) -> Any:
        """The suspicions of one detector, each as a message."""
        from giskard.scanner.registry import DetectorRegistry
        from giskard.scanner.scanner import Scanner

        if name not in DetectorRegistry.get_detector_classes():
            raise LookupError("this giskard has no such detector")
        report = Scanner(only=[name]).analyze(
            self.model,
            self.rows,
            features=self._features,
            verbose=False,
            raise_exceptions=True,
            max_issues_per_detector=1000,
        )
        for issue in report.issues:
            yield self._told(issue)

    def _told(self, issue: Any) -> tuple[dict[str, Any], bytes]:
        from wardein.behavior import channel

        said: dict[str, Any] = {"level": issue.level.value}
        if issue.transformation_fn is not None:
            (feature,) = issue.features
            changed = self.others.transform(issue.transformation_fn).df[[feature]]
            columns, part = channel.pack(changed)
            return {**said, "words": str(issue.transformation_fn), "change": columns}, part
        if issue.slicing_fn is not None:
            held = self.others.df.index.isin(self.others.slice(issue.slicing_fn).df.index)
            return {**said, "words": _in_words(issue.slicing_fn)}, held.tobytes()
        return {**said, "words": ""}, b""


def _in_words(slicing: Any) -> str:
    """A slice in words, where giskard says of what clauses it is made."""
    query = getattr(slicing, "query", None)
    if query is None:
        return str(slicing)
    return " and ".join(
        f"{clause['columnName']} {_WORDS.get(clause['comparisonType'], clause['comparisonType'])} "
        f"{_shown(clause['value'])}".strip()
        for clause in query.to_clauses()
    )


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
