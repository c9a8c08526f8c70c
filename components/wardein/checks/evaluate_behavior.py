# SPDX-License-Identifier: Apache-2.0
"""evaluate_behavior: how a model behaves where nobody looked: giskard's scan, and attacks of one's own."""

from __future__ import annotations

from typing import Literal

from wardein.artifacts import Dataset, Model, Script
from wardein.report import Report


def evaluate_behavior(
    model: Model,
    data: Dataset,
    label: str,
    champion: Model | None = None,
    script: Script | None = None,
    scanner: Literal["giskard", "none"] = "giskard",
    max_rows: int = 5000,
    seed: int = 0,
) -> Report:
    """Scan how a model behaves, and run attacks of one's own on it.

    Args:
        model: The fitted classifier or regressor.
        data: Labelled rows that the model has not seen, as CSV or Parquet.
        label: The column with the true class.
        champion: The model that is in use: what it does as well is no news.
        script: A Python script that attacks the model.
        scanner: "giskard" runs its scan of tabular models in an environment of its own.
        max_rows: How many rows to scan at most.
        seed: Seeds what is drawn.

    Returns:
        A report.
    """
    raise NotImplementedError
