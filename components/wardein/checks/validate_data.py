# SPDX-License-Identifier: Apache-2.0
"""Data validation: does a table hold what its users expect of it?"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wardein.artifacts import Dataset, OutputFile, Suite
from wardein.errors import UsageError, WardeinError
from wardein.report import Coverage, Criterion, Finding, Metric, Report, Skipped, Tool, conclude
from wardein.statistics.outcomes import slice_value
from wardein.statistics.rows import row_shares
from wardein.suites.evaluate import evaluate
from wardein.suites.infer import Tolerance, infer
from wardein.suites.outcome import Outcome
from wardein.suites.suite import Expectation, load, parse, rewritten
from wardein.tables import read_table, shown

if TYPE_CHECKING:
    import pandas as pd

MAX_COLUMNS_MEASURED = 100


def validate_data(
    data: Dataset,
    suite: Suite | None = None,
    reference: Dataset | None = None,
    write_suite: OutputFile | None = None,
    min_rows: int = 1,
    max_null_fraction: float = 1.0,
    max_categories: int = 50,
    range_tolerance: float = 0.5,
    null_tolerance: float = 0.1,
) -> Report:
    """Validate a table against expectations, your own or inferred from a reference.

    Every row is looked at by Great Expectations. Each expectation that is not met is a finding. One that could not
    be evaluated, because its column is missing or holds no value, because it states no limit or raised an error,
    makes the verdict ERROR, as does a suite that holds an unknown expectation or none. Reports hold counts and row
    numbers (1 is the first row below the header), never the values of rows.

    Without a suite, one is inferred from a reference table: columns and their order, types, missing values, sets of
    categories, ranges of numbers, uniqueness of identifiers. It tests integrity, not drift. Write it out, review
    it, and give it as the suite from then on.

    Rows that the table holds twice make a small test set look large, and rows that the model was trained on make it
    look good. So the share of repeated rows is measured, and with a reference the share of rows that it holds as well.
    A reference of 100 rows or more also tells which columns are hardly ever the same in two rows (identifiers, times):
    rows that differ in some of those, but in no other column, count as the same. Thresholds are the policy's.

    Args:
        data: The table to validate: CSV (UTF-8, with a header) or Parquet.
        suite: What is expected: a suite of Great Expectations 1.x as JSON. Severities critical, warning and info are
            reported as critical, medium and info; each of them fails the check.
        reference: A table that is known to be good, such as the training data: to infer the suite from if none is
            given, and to look for rows in common with.
        write_suite: Where to write the suite that was applied: an inferred one for review, to be given from then on.
        min_rows: The smallest number of rows to accept.
        max_null_fraction: The largest share of missing values to accept in any column that an expectation looks at,
            from 0 to 1; most expectations pass over missing values. 1 leaves it to the suite.
        max_categories: When inferring, a text column with at most so many distinct values, each on average in ten
            rows or more, is expected to hold no others.
        range_tolerance: When inferring, how far numbers may leave the reference's range, as a share of its width on
            either side. New data always hold new extremes; give more for heavy-tailed columns.
        null_tolerance: When inferring, by how much the share of missing values may exceed the reference's. A column
            without missing values in the reference must have none.

    Returns:
        The share of expectations met, missing values per column, the share of repeated rows and of rows in common with
        the reference, and a finding per expectation that is not met.

    Raises:
        WardeinError: If a table or the suite cannot be read completely, or neither suite nor reference is given.

    References:
        Schelter et al., Automating Large-Scale Data Quality Verification, PVLDB 11(12), 2018; Breck et al., Data
        Validation for Machine Learning, MLSys 2019; Kapoor and Narayanan, Leakage and the Reproducibility Crisis in
        Machine-Learning-Based Science, Patterns 4(9), 2023; Great Expectations 1.x, https://docs.greatexpectations.io.
    """
    tolerance = Tolerance(max_categories, range_tolerance, null_tolerance)
    _check_usage(suite, reference, max_null_fraction, tolerance)
    known = read_table(reference) if reference is not None else None
    expectations, where = _expectations(suite, known, write_suite, tolerance)
    table = read_table(data)
    outcomes = evaluate(table, expectations, where)
    referenced = [name for name in table.columns if any(name in item.columns for item in expectations)]
    evaluated = [outcome for outcome in outcomes if outcome.met is not None]
    return conclude(
        coverage=Coverage(
            "expectations",
            expected=len(expectations),
            examined=len(evaluated),
            skipped=tuple(Skipped(o.expectation.label, o.text) for o in outcomes if o.met is None),
        ),
        tools=_tools(),
        metrics=[*_metrics(table, referenced or list(table.columns), evaluated), *_row_metrics(table, known)],
        criteria=[
            Criterion("rows", ">=", min_rows),
            Criterion("highest_null_fraction", "<=", max_null_fraction),
        ],
        findings=[
            Finding(o.expectation.type, o.expectation.severity, o.text, o.expectation.location)
            for o in evaluated
            if not o.met
        ],
    )


def _check_usage(suite: Path | None, reference: Path | None, max_null_fraction: float, tolerance: Tolerance) -> None:
    if suite is None and reference is None:
        raise UsageError(
            "nothing says what is expected of the data",
            where="--suite",
            mend="give --suite, or --reference to infer one from",
        )
    if not 0 <= max_null_fraction <= 1:
        raise UsageError(f"{max_null_fraction:g} is no share", where="--max-null-fraction", mend="give 0 to 1")
    if min(tolerance.categories, tolerance.range, tolerance.nulls) < 0:
        raise UsageError(
            "is negative", where="--max-categories, --range-tolerance or --null-tolerance", mend="give 0 or more"
        )


def _expectations(
    suite: Path | None, reference: pd.DataFrame | None, write_suite: Path | None, tolerance: Tolerance
) -> tuple[tuple[Expectation, ...], str]:
    """The expectations, and what to call their origin. An inferred suite is read back like any other."""
    if suite is not None:
        content = load(suite, "--suite")
        expectations = parse(content, "--suite")
        if write_suite is not None:  # only now that it is known to be a suite, not just any file
            write_suite.write_bytes(rewritten(content, "--suite"))
        return expectations, "--suite"
    assert reference is not None
    inferred = infer(reference, tolerance)
    if write_suite is not None:
        write_suite.write_bytes(inferred)
    return parse(inferred, "inferred suite"), "inferred suite"


def _metrics(table: pd.DataFrame, referenced: Sequence[str], evaluated: Sequence[Outcome]) -> list[Metric]:
    rows = len(table)
    nulls = table.isna().mean()
    metrics = [
        Metric("rows", rows, rows, unit="rows"),
        Metric("columns", len(table.columns), len(table.columns), unit="columns"),
        Metric("highest_null_fraction", float(nulls[list(referenced)].max()), rows, direction="lower"),
    ]
    if evaluated:
        met = sum(1 for outcome in evaluated if outcome.met)
        metrics.append(Metric("expectations_met", met / len(evaluated), len(evaluated), direction="higher"))
    if len(table.columns) == 1:
        return metrics  # the highest fraction is the only one; see read_table on the name of an only column
    # A table of thousands of columns shows those that lack the most.
    worst = set(nulls.sort_values(ascending=False, kind="stable").index[:MAX_COLUMNS_MEASURED])
    metrics += [
        Metric("null_fraction", float(nulls[name]), rows, direction="lower", slice=f"column={_slice(name)}")
        for name in table.columns
        if name in worst
    ]
    return metrics


def _slice(name: str) -> str:
    """A column's name as a part of a slice, where commas and equals signs mean something; no two become one."""
    text = shown(name)
    value = slice_value(text)
    return value if value == text else f"{value} {hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _row_metrics(table: pd.DataFrame, reference: pd.DataFrame | None) -> list[Metric]:
    if reference is not None and not set(table.columns) & set(reference.columns):
        raise WardeinError("has no column of the data", where="--reference", mend="give a table of the same kind")
    repeated, common = row_shares(table, reference)
    metrics = [Metric("duplicate_fraction", repeated, len(table), direction="lower")]
    if common is not None:
        metrics.append(Metric("overlap_fraction", common, len(table), direction="lower", slice="with=reference"))
    return metrics


def _tools() -> list[Tool]:
    import great_expectations
    import pandas as pd

    return [Tool("great-expectations", great_expectations.__version__), Tool("pandas", pd.__version__)]
