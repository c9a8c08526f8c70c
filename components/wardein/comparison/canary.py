# SPDX-License-Identifier: Apache-2.0
"""Two models in use at the same time: the outcomes of both, in order of time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardein.comparison import sequential
from wardein.errors import WardeinError
from wardein.report import Criterion, Finding, Interval, Metric, Severity
from wardein.statistics import intervals
from wardein.statistics.intervals import End
from wardein.tables import require_columns, shown

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# Of which share of its outcomes each model has to have others' beside it.
_SIDE_BY_SIDE = 0.5
_METHOD = "anytime-valid"


def stream_of(
    table: pd.DataFrame, columns: tuple[str, str, str], digests: tuple[str, str]
) -> tuple[np.ndarray, np.ndarray]:
    """Who answered, as whether it was the challenger, and the outcomes, in order of time.

    Args:
        table: One row an outcome.
        columns: What holds the outcome, who answered, and when; the last may be empty.
        digests: The challenger's, and the champion's.

    Raises:
        WardeinError: If a column is missing or holds what makes no sense, an answer is of neither model, or one of them
            has none.
    """
    label, answered_by, time = columns
    require_columns(table, [column for column in columns if column], "--data")
    said = table[answered_by].astype(str).str.removeprefix("sha256:")
    by = [(said == digest).to_numpy() for digest in digests]
    strangers = int((~(by[0] | by[1])).sum())
    if strangers:
        what = f"{strangers} of {len(table)} outcomes are of neither model, by {shown(answered_by)!r}"
        mend = "log the sha256 of the model that answered, as `wardein show` prints it"
        raise WardeinError(what, where="--data", mend=mend)
    for name, arm in zip(("challenger", "champion"), by, strict=True):
        if not arm.any():
            raise WardeinError(f"holds no outcome of the {name}", where="--data", mend="let both models answer")
    if time and not _is_in_order(table[time]):
        mend = "sort the rows by time, with no time missing"
        raise WardeinError(f"the rows are not in order of {shown(time)!r}", where="--data", mend=mend)
    return by[0], _outcomes(table[label], label)


def judge(
    is_challenger: np.ndarray, outcomes: np.ndarray, errors: tuple[float, float], limit: float, least: int, bound: End
) -> tuple[list[Metric], list[Criterion], list[Finding]]:
    """The difference of the two models' means, and what it says of the challenger.

    Args:
        is_challenger: Who answered.
        outcomes: Between 0 and 1.
        errors: How probable a wrong PASS and a wrong FAIL may be.
        limit: How much worse the challenger may be.
        least: How many outcomes each model needs.
        bound: Which end of the interval counts.
    """
    metrics, criteria, findings = [], [], []
    means = []
    arms = {"challenger": is_challenger, "champion": ~is_challenger}
    for name, arm in arms.items():
        n, part = int(arm.sum()), f"model={name}"
        means.append(float(outcomes[arm].mean()))
        metrics.append(Metric("outcomes", n, n, unit="count", slice=part))
        ends = sequential.mean_interval(n, float(outcomes[arm].sum()), sum(errors))
        ci = Interval(*ends, 1 - sum(errors), _METHOD)
        metrics.append(Metric("canary_outcome", means[-1], n, direction="higher", ci=ci, slice=part))
        criteria.append(Criterion("outcomes", ">=", least, slice=part))
    blocks = sequential.blocks_of(is_challenger, outcomes)
    low, high = sequential.interval(blocks, *errors)
    used = min(
        int(count) / arm.sum() for count, arm in zip(blocks.counts.sum(axis=1)[::-1], arms.values(), strict=True)
    )
    ci = Interval(min(low, high), max(low, high), 1 - sum(errors), _METHOD)
    metrics.append(Metric("canary_difference", means[0] - means[1], len(outcomes), direction="higher", ci=ci))
    if limit < 1:
        criteria.append(Criterion("canary_difference", ">=", -limit, intervals.counted(bound, ">=")))
    if low > high:
        text = f"the difference was shown to be above {low:g} and below {high:g} at different times: it changes"
        findings.append(Finding("compare/drifting", Severity.HIGH, text, "canary_difference"))
    if used < _SIDE_BY_SIDE:
        text = f"only {used:.0%} of one model's outcomes fall among those of the other: the rest shows nothing"
        findings.append(Finding("compare/not-side-by-side", Severity.LOW, text, "--data", fails=False))
    findings += _decided(blocks, errors, limit)
    return metrics, criteria, findings


def _decided(blocks: sequential.Blocks, errors: tuple[float, float], limit: float) -> list[Finding]:
    for error, side, what in ((errors[0], 1, "not worse"), (errors[1], -1, "worse")):
        first = int(sequential.shown_at(blocks, -limit, error, side)) if limit < 1 else -1
        if first >= 0:
            text = f"that the challenger is {what} by {limit:g} was shown after {blocks.ends[first]} outcomes"
            return [Finding("compare/decided", Severity.INFO, text, "canary_difference", fails=False)]
    return []


def _outcomes(column: pd.Series, label: str) -> np.ndarray:
    import numpy as np
    from pandas.api.types import is_numeric_dtype

    numbers = column.to_numpy(dtype=float, na_value=np.nan) if is_numeric_dtype(column) else np.array([np.nan])
    if not ((numbers >= 0) & (numbers <= 1)).all():
        mend = "give 1 for a good outcome and 0 for a bad one, or a number between"
        raise WardeinError(f"{shown(label)!r} holds what is no number between 0 and 1", where="--data", mend=mend)
    return numbers


def _is_in_order(column: pd.Series) -> bool:
    import pandas as pd
    from pandas.api.types import is_numeric_dtype

    times = column if is_numeric_dtype(column) else pd.to_datetime(column, errors="coerce", utc=True, format="ISO8601")
    return bool(times.notna().all() and times.is_monotonic_increasing)
