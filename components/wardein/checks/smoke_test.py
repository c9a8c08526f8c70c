# SPDX-License-Identifier: Apache-2.0
"""smoke_test: whether a model loads and predicts, always the same, and does nothing else."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wardein.artifacts import Dataset, Model
from wardein.errors import UsageError, WardeinError
from wardein.report import Coverage, Finding, Metric, Report, Severity, Skipped, Tool, conclude

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.models.answers import Answers
    from wardein.models.predictors import Classifier, Regressor
    from wardein.models.supervision import Attempt

# How many rows are also predicted one by one, each of which is a question of its own.
_ALONE = 20
_MOST_NAMED = 20
_DAY = 24 * 60 * 60
# How far probabilities may miss a sum of one: single precision, summed over many classes.
_SUM = 1e-3


def smoke_test(
    model: Model,
    data: Dataset,
    rows: int = 100,
    max_seconds: float = 60.0,
    max_memory_mib: int = 2048,
    bounds: list[float] = [],  # noqa: B006 - read only
    allow: list[str] = [],  # noqa: B006 - read only
) -> Report:
    """Load a model in a sandbox, let it predict a sample of rows, and see that it does so reliably and nothing else.

    The sandbox is a process without network, keys and files, which can start no program and no other process. What the
    model tries all the same is told by the kernel, and fails the check. The model fails as well if it takes too much
    time or memory, misses columns, cannot predict the rows, answers differently when it is asked again, or when a row
    stands alone or elsewhere in the table, or if its answers make no sense: probabilities that do not add up to one,
    numbers that are not finite or out of bounds.

    A model that cannot be read, is refused, or whose process dies ends in ERROR, unless it tried something forbidden.
    What this machine's kernel cannot prevent is a finding that does not fail; where it cannot tell what the model
    tries, that was not examined, which is an ERROR.

    Args:
        model: The fitted scikit-learn classifier or regressor: skops, or a pickle or joblib file.
        data: Rows as the model will meet them, as CSV or Parquet, with its features under their names; other columns,
            such as the label, are not shown to it.
        rows: How many of the rows to predict, evenly spread over the table; all of them if it has fewer.
        max_seconds: Seconds that loading the model and all its predictions may take together, at most 86400; starting
            the sandbox counts, about two seconds.
        max_memory_mib: Mebibytes of memory that the model may take on top of its libraries.
        bounds: For a regressor the smallest and the largest number that make sense as a prediction, for example 0 and
            120; empty for no bounds. A classifier's probabilities have bounds anyway.
        allow: Globals that a pickle may refer to on top of the audited ones, as module.name; who allows one vouches for
            it, and a policy has to agree. The sandbox holds all the same.

    Returns:
        PASS if the model loads, predicts and stays within its bounds; else findings with what it did. Metrics: how many
        forbidden things it tried, how many different predictions it made, and a regressor's smallest and largest.

    Raises:
        WardeinError: If the data cannot be read or a value makes no sense; if the model cannot be read, is refused, or
            its process dies.

    References:
        MITRE ATLAS AML.T0011.000 (unsafe AI artifacts), CWE-502. The Linux kernel's documentation of Landlock and of
        seccomp filters.
    """
    import sklearn

    from wardein.models.confinement import UNWATCHED, Limits
    from wardein.models.load import FORMATS, read_by
    from wardein.models.process import Session
    from wardein.tables import read_table

    _check_settings(rows, max_seconds, max_memory_mib, bounds)
    if model.is_dir():
        raise WardeinError("is a folder", where=str(model), mend=f"give the model's file: {FORMATS}")
    sample = _spread(read_table(data), rows)
    findings: list[Finding] = []
    metrics: list[Metric] = []
    with Session(model, Limits(max_memory_mib * 1024**2, math.ceil(max_seconds))) as session:
        trial = _Trial(model, max_seconds, max_memory_mib, time.monotonic())
        try:
            findings, metrics = _predictions(read_by(session, model, allow), sample, bounds, trial)
        except WardeinError as error:
            broken = trial.broken_bound(error)
            # What it did instead of predicting is told below; without that, nobody knows what it would have done.
            if broken is None and (error.where != str(model) or not session.attempts):
                raise
            findings = [broken] if broken else []
        if trial.is_over and not findings:
            findings = [trial.too_slow()]
    deeds = _deeds(session.attempts)
    unwatched = tuple(
        Skipped("what the model attempts", f"this machine has {t}") for t in session.missing if t in UNWATCHED
    )
    return conclude(
        coverage=Coverage("models", 1, 0 if unwatched else 1, unwatched),
        tools=[Tool("scikit-learn", sklearn.__version__)],
        metrics=[Metric("forbidden_actions", len(deeds), 1, unit="count", direction="lower"), *metrics],
        findings=[*deeds, *findings, *_gaps(session.missing)],
    )


@dataclass(frozen=True)
class _Trial:
    """The bounds of one trial, and when it began."""

    model: Path
    seconds: float
    mebibytes: int
    began: float

    @property
    def is_over(self) -> bool:
        return time.monotonic() - self.began >= self.seconds

    def too_slow(self) -> Finding:
        return _failing("too-slow", f"the model does not load and predict within {self.seconds:g} seconds")

    def broken_bound(self, error: WardeinError) -> Finding | None:
        """The bound that a failure comes from, if it comes from one."""
        if "MemoryError" in error.what:
            return _failing("too-much-memory", f"the model takes more than {self.mebibytes} MiB of memory")
        return self.too_slow() if self.is_over else None


def _predictions(
    model: Classifier | Regressor, sample: pd.DataFrame, bounds: Sequence[float], trial: _Trial
) -> tuple[list[Finding], list[Metric]]:
    """What is wrong with the model's answers, or why it gives none."""
    from wardein.models.answers import ask, ask_one_by_one
    from wardein.tables import shown

    missing = [shown(name) for name in model.features if name not in sample.columns]
    if missing:
        text = "the data have no column {!r}, which the model was fitted on"
        return [_failing("missing-column", text.format(name), name) for name in missing[:_MOST_NAMED]], []
    rows = model.rows(sample, complete=False)
    try:
        answers, again = ask(model, rows), ask(model, rows)
        alone = ask_one_by_one(model, rows.iloc[:_ALONE])
        backwards = ask(model, rows.iloc[::-1]).at(slice(None, None, -1))
    except WardeinError as error:
        if error.where == str(trial.model):  # its process has ended
            raise
        return [trial.broken_bound(error) or _cannot_predict(error, rows)], []
    findings = _senseless(answers, bounds)
    if not answers.is_exactly(again):
        text = "asked twice about the same rows, the model gives two answers"
        findings.append(_failing("not-repeatable", text))
        return findings, _measured(answers)
    for other, count, how in (
        (alone, len(alone), "is predicted alone"),
        (backwards, len(rows), "stands elsewhere in the table"),
    ):
        if differing := answers.at(slice(count)).differing(other):
            text = f"the answers for {differing} of {count} rows change when the row {how}"
            findings.append(_failing("batch-dependent", text, how))
    return findings, _measured(answers)


def _cannot_predict(error: WardeinError, rows: pd.DataFrame) -> Finding:
    from wardein.tables import shown

    texts = [shown(name) for name in rows.select_dtypes(exclude=["number", "bool"]).columns]
    said = f"; columns of text: {', '.join(texts[:_MOST_NAMED])}" if texts else ""
    what = error.what if error.what.startswith("the model ") else f"the model {error.what}"
    return _failing("cannot-predict", f"{what}{said}")


def _senseless(answers: Answers, bounds: Sequence[float]) -> list[Finding]:
    """What is wrong with answers whatever the truth is."""
    import numpy as np

    findings, numbers = [], answers.numbers
    if numbers is not None:
        infinite = int((~np.isfinite(numbers.reshape(len(answers), -1))).any(axis=1).sum())
        if infinite:
            text = f"the answers for {infinite} of {len(answers)} rows are infinite or no numbers"
            return [_failing("not-finite", text)]
        findings += _outside(numbers, bounds) if answers.labels is None else _no_probabilities(answers)
    if len(answers) > 1 and _distinct(answers) == 1:
        text = f"the model says the same of all {len(answers)} rows"
        findings.append(Finding("smoke/constant", Severity.LOW, text, "predictions", fails=False))
    return findings


def _outside(numbers: np.ndarray, bounds: Sequence[float]) -> list[Finding]:
    outside = int(((numbers < bounds[0]) | (numbers > bounds[1])).sum()) if bounds else 0
    text = f"{outside} of {numbers.size} predictions are not between {{:g}} and {{:g}}"
    return [_failing("out-of-bounds", text.format(*bounds))] if outside else []


def _no_probabilities(answers: Answers) -> list[Finding]:
    import numpy as np

    numbers = answers.numbers
    if numbers is None:
        return []
    sums = np.isclose(numbers.sum(axis=1), 1, rtol=0, atol=_SUM)
    wrong = ((numbers < 0) | (numbers > 1)).any(axis=1) | ~sums
    text = f"the probabilities of {int(wrong.sum())} of {len(answers)} rows are not between 0 and 1 with a sum of 1"
    return [_failing("no-probabilities", text, "probabilities")] if wrong.any() else []


def _distinct(answers: Answers) -> int:
    import numpy as np

    said = answers.numbers if answers.labels is None else answers.labels
    return 0 if said is None else len(np.unique(said.astype(str) if said.dtype == object else said, axis=0))


def _measured(answers: Answers) -> list[Metric]:
    import numpy as np

    rows, numbers = len(answers), answers.numbers
    metrics = [
        Metric("rows", rows, rows, unit="count"),
        Metric("distinct_predictions", _distinct(answers), rows, unit="count"),
    ]
    if answers.labels is None and numbers is not None and np.isfinite(numbers).all():
        metrics.append(Metric("lowest_prediction", float(numbers.min()), rows, unit="prediction"))
        metrics.append(Metric("highest_prediction", float(numbers.max()), rows, unit="prediction"))
    return metrics


def _deeds(attempts: Sequence[Attempt]) -> list[Finding]:
    """One finding for each kind of forbidden thing, with the system calls that it was tried by."""
    by_deed: dict[str, list[str]] = {}
    for attempt in attempts:
        by_deed.setdefault(attempt.deed, []).append(attempt.call)
    return [
        Finding(
            "smoke/forbidden-action",
            Severity.CRITICAL,
            f"the model tried to {deed} ({', '.join(calls)})",
            deed,
            cwe="CWE-502",
            taxonomy=("mitre-atlas:AML.T0011.000",),
        )
        for deed, calls in by_deed.items()
    ]


def _gaps(missing: Sequence[str]) -> list[Finding]:
    return [
        Finding("smoke/confinement", Severity.LOW, f"the kernel of this machine has {text}", text, fails=False)
        for text in missing
    ]


def _failing(name: str, text: str, location: str = "--model") -> Finding:
    return Finding(f"smoke/{name}", Severity.HIGH, text, location)


def _spread(table: pd.DataFrame, rows: int) -> pd.DataFrame:
    """So many rows of a table, from its first to its last, as evenly as they go."""
    count = len(table)
    if count <= rows:
        return table
    places = [i * (count - 1) // max(rows - 1, 1) for i in range(rows)]
    return table.iloc[places].reset_index(drop=True)


def _check_settings(rows: int, seconds: float, mebibytes: int, bounds: Sequence[float]) -> None:
    for value, least, most, flag in (
        (rows, 1, 100_000, "--rows"),
        (seconds, 1, _DAY, "--max-seconds"),
        (mebibytes, 64, 1024 * 1024, "--max-memory-mib"),
    ):
        if not least <= value <= most:
            raise UsageError(f"{value:g} is not between {least} and {most}", where=flag)
    if bounds and (len(bounds) != 2 or not bounds[0] < bounds[1]):
        said = ", ".join(f"{bound:g}" for bound in bounds)
        raise UsageError(
            f"{said} is no smallest and largest number", where="--bounds", mend="give two, the smaller first"
        )
