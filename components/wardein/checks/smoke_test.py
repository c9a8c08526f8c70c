# SPDX-License-Identifier: Apache-2.0
"""The check ``smoke_test``."""

from __future__ import annotations

from wardein.artifacts import Dataset, Model
from wardein.report import Report


def smoke_test(
    model: Model,
    data: Dataset,
    rows: int = 100,
    max_seconds: float = 60.0,
    max_memory_mib: int = 2048,
    low: float = 0.0,
    high: float = 0.0,
    allow: list[str] = [],  # noqa: B006 - read only
) -> Report:
    """Load a model in a sandbox and let it predict a sample, twice.

    Args:
        model: The model.
        data: Rows to predict, as CSV or Parquet.
        rows: How many of the rows to predict.
        max_seconds: Seconds that loading and predicting may take.
        max_memory_mib: Mebibytes of memory that it may take.
        low: The smallest prediction that makes sense.
        high: The largest prediction that makes sense; the same as low for no bounds.
        allow: Globals that a pickle may refer to on top of the audited ones, as module.name.

    Returns:
        PASS if the model loads and predicts the same twice within its bounds.

    Raises:
        WardeinError: If the model or the data cannot be read.
    """
    raise NotImplementedError
