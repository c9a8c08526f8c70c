# SPDX-License-Identifier: Apache-2.0
"""evaluate_privacy: what a model gives away about the rows that it was trained on."""

from __future__ import annotations

from typing import Annotated

from wardein.artifacts import Dataset, Judged, Model, Threshold
from wardein.report import Report
from wardein.statistics.intervals import End


def evaluate_privacy(
    model: Model,
    data: Dataset,
    label: str,
    reference: Dataset,
    sensitive: list[str] = [],  # noqa: B006 - read, never changed
    max_membership_auc: Threshold = 1.0,
    max_membership_tpr: Threshold = 1.0,
    max_attribute_advantage: Threshold = 1.0,
    bound: Annotated[End, Judged()] = "worst",
    shadow_models: int = 16,
    max_rows: int = 2000,
    seed: int = 0,
) -> Report:
    """Attack what a model gives away about its training rows, and fail if it is too much.

    Args:
        model: The fitted model.
        data: Labelled rows that the model has not seen, as CSV or Parquet: the non-members.
        label: The column with the true class.
        reference: The labelled rows that the model was trained on: the members.
        sensitive: Columns that an attacker would like to infer.
        max_membership_auc: The largest tolerated area under the ROC curve of the best membership attack, 0.5 to 1.
        max_membership_tpr: The largest tolerated share of members found at 1 % of false alarms, 0 to 1.
        max_attribute_advantage: The largest tolerated advantage of attribute inference over guessing without the model.
        bound: Which number must meet a threshold.
        shadow_models: How many models are fitted anew for the likelihood-ratio attack; 0 leaves it out.
        max_rows: How many members and how many non-members to attack at most.
        seed: Seeds the samples and the shadow models.

    Returns:
        A report.
    """
    raise NotImplementedError
