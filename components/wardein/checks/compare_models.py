# SPDX-License-Identifier: Apache-2.0
"""compare_models: whether a new model is worse than the one in use, on the same rows or on a stream of outcomes."""

from __future__ import annotations

from typing import Annotated, Literal

from wardein.artifacts import Dataset, Judged, Model, Threshold
from wardein.report import Report
from wardein.statistics.intervals import End


def compare_models(
    model: Model,
    data: Dataset,
    label: str,
    champion: Model,
    mode: Literal["rows", "canary"] = "rows",
    max_loss: Threshold = 0.02,
    bound: Annotated[End, Judged()] = "worst",
    seed: int = 0,
) -> Report:
    """Compare a model with the one in use, and fail if it is worse.

    Args:
        model: The challenger.
        data: Labelled rows that neither model has seen, as CSV or Parquet.
        label: The column with the true class.
        champion: The model in use.
        mode: "rows" lets both predict the same rows; "canary" reads outcomes of both in use.
        max_loss: How much less often the challenger may be right.
        bound: Which number must meet a threshold.
        seed: Seeds the bootstrap.

    Returns:
        A report.
    """
    raise NotImplementedError
