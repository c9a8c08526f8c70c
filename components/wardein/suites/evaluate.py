# SPDX-License-Identifier: Apache-2.0
"""Evaluating expectations with Great Expectations 1.x, and telling "met" from "had nothing to look at".

Great Expectations reports success for expectations that saw no value, that state no limit, or that it did
not know. Each of these is *not evaluated* here, and says why.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wardein.errors import WardeinError
from wardein.suites.outcome import Outcome, unmet, without_values
from wardein.suites.suite import Expectation, hint
from wardein.tables import columns_of, shown

if TYPE_CHECKING:
    import pandas as pd

_NOT_NULL = "expect_column_values_to_not_be_null"
# These say something about a column without a single value; every other expectation needs at least one.
_ABOUT_NULLS = (
    _NOT_NULL,
    "expect_column_values_to_be_null",
    "expect_column_proportion_of_non_null_values_to_be_between",
)
_TO_EXIST = "expect_column_to_exist"
_MATCHES_ANYTHING = "(?s).*"
_EXAMPLE_ROWS = 3


def evaluate(table: pd.DataFrame, expectations: Sequence[Expectation], where: str) -> list[Outcome]:
    """Evaluate each expectation on a table, in order.

    Args:
        table: At least one row, rows numbered from 0.
        expectations: At least one.
        where: What to call the suite in an error.

    Raises:
        WardeinError: If an expectation's type or one of its arguments is unknown, or an argument does not fit.
    """
    with _quiet():
        configurations = {item.number: _configuration(item, where) for item in expectations}
        unable = {item.number: _unable(item, table) for item in expectations}
        asked = [item for item in expectations if not unable[item.number]]
        results = _run(table, asked, configurations) if asked else {}
    outcomes = []
    for item in expectations:
        text, result = unable[item.number], results.get(str(item.number))
        if not text:
            text = "Great Expectations gave no result" if result is None else _blind(item, result, results)
        if text or result is None:
            outcomes.append(Outcome(item, None, text))
        else:
            met = bool(result.success)
            outcomes.append(
                Outcome(
                    item, met, "" if met else unmet(item, result.result or {}, [str(name) for name in table.columns])
                )
            )
    return outcomes


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's log and warnings, hundreds of lines, out of the step's output."""
    logger, nowhere = logging.getLogger("great_expectations"), logging.NullHandler()
    propagate, logger.propagate = logger.propagate, False  # some of its modules set levels of their own
    logger.addHandler(nowhere)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.removeHandler(nowhere)
        logger.propagate = propagate


def _configuration(item: Expectation, where: str) -> Any:
    """The library's own object, after it has accepted type and arguments."""
    from great_expectations.compatibility.pydantic import ValidationError
    from great_expectations.exceptions import GreatExpectationsError
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.registry import (
        get_expectation_impl,
        list_registered_expectation_implementations,
    )

    where = f"{where}, expectation {item.number}"
    known = tuple(sorted(list_registered_expectation_implementations()))
    if item.type not in known:
        raise WardeinError(f"there is no expectation {item.type!r}", where=where, mend=hint(item.type, known))
    arguments = tuple(get_expectation_impl(item.type).__fields__)
    for name in item.kwargs:
        if name not in arguments:
            raise WardeinError(f"{item.type} has no argument {name!r}", where=where, mend=hint(name, arguments))
    configuration = ExpectationConfiguration(
        type=item.type, kwargs=dict(item.kwargs), meta={"wardein": str(item.number)}
    )
    try:
        configuration.to_domain_obj()
    except ValidationError as error:
        first = error.errors()[0]
        argument = ".".join(str(part) for part in first["loc"] if part != "__root__")
        raise WardeinError(
            f"{item.type} does not accept its arguments ({argument + ': ' if argument else ''}{first['msg']})",
            where=where,
        ) from None
    except (GreatExpectationsError, TypeError, ValueError) as error:
        raise WardeinError(f"{item.type} does not accept its arguments ({str(error)[:160]})", where=where) from None
    return configuration


def _unable(item: Expectation, table: pd.DataFrame) -> str:
    """Why an expectation cannot tell anything about this table; empty if it can."""
    if _states_nothing(item):
        return "it states no limit"
    if item.type == _TO_EXIST:
        return ""
    for name in item.columns:
        if name not in table.columns:
            return f"the data have no column {shown(name)!r}; {columns_of(table)}"
        if item.type not in _ABOUT_NULLS and not table[name].notna().any():
            return f"the column {shown(name)!r} holds no value in any of the {len(table)} rows"
    return ""


def _states_nothing(item: Expectation) -> bool:
    from great_expectations.expectations.registry import get_expectation_impl

    fields = get_expectation_impl(item.type).__fields__

    def given(name: str) -> Any:
        return item.kwargs.get(name)

    if float(item.kwargs.get("mostly", 1)) == 0:
        return True
    if "strict_min" in fields or item.type == "expect_table_column_count_to_be_between":
        return given("min_value") is None and given("max_value") is None
    if "quantile_ranges" in fields:
        ranges = given("quantile_ranges") or {}
        return not any(bound is not None for pair in ranges.get("value_ranges", []) for bound in pair)
    if item.type == "expect_column_kl_divergence_to_be_less_than":
        return given("threshold") is None or given("partition_object") is None
    if item.type == "expect_column_values_to_match_regex":
        return item.kwargs.get("regex", _MATCHES_ANYTHING) in (_MATCHES_ANYTHING, ".*", "")
    # An empty set or list forbids, contains or orders nothing; where it would allow nothing, it is a mistake.
    needed = ("value_set", "type_list", "column_set", "regex_list", "like_pattern_list", "value_pairs_set")
    lists = [name for name in (*needed, "column_list") if name in fields]
    return any(not given(name) for name in lists)


def _run(table: pd.DataFrame, asked: Sequence[Expectation], configurations: Mapping[int, Any]) -> dict[str, Any]:
    """One pass of the library over the table; its results by the mark that each configuration carries."""
    import great_expectations
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    context = great_expectations.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("memory").add_dataframe_asset("data")
    batch = asset.add_batch_definition_whole_dataframe("all rows").get_batch(batch_parameters={"dataframe": table})
    suite = great_expectations.ExpectationSuite(name="asked")
    for item in asked:
        suite.expectations.append(configurations[item.number].to_domain_obj())
        condition = {key: item.kwargs[key] for key in ("row_condition", "condition_parser") if key in item.kwargs}
        if condition and "column" in item.kwargs:
            # A condition that no row meets leaves nothing to look at; this companion counts what it leaves.
            counting = ExpectationConfiguration(
                type=_NOT_NULL,
                kwargs={"column": item.kwargs["column"], **condition},
                meta={"wardein": f"values of {item.number}"},
            )
            suite.expectations.append(counting.to_domain_obj())
    # Not ValidationDefinition.run: it fails on results that hold numpy booleans.
    validated = batch.validate(
        suite, result_format={"result_format": "SUMMARY", "partial_unexpected_count": _EXAMPLE_ROWS}
    )
    return {result.expectation_config.meta["wardein"]: result for result in validated.results}


def _blind(item: Expectation, result: Any, results: Mapping[str, Any]) -> str:
    """Why a result of the library is none; empty if it is one."""
    raised = _raised(result.exception_info or {})
    if raised or result.success is None:
        return f"it could not be computed: {raised or 'no result'}"
    numbers = result.result or {}
    counted = results.get(f"values of {item.number}")
    rows, values = numbers.get("element_count", 1), numbers.get("element_count", 1) - numbers.get("missing_count", 0)
    if counted is not None:
        rows = counted.result.get("element_count", 0)
        values = rows - counted.result.get("unexpected_count", 0)
    if "element_count" not in numbers and counted is None:
        rows = values = 1
    if (rows if item.type in _ABOUT_NULLS else values) <= 0:
        return "no row with a value was left to look at"
    return ""


def _raised(info: Mapping[str, Any]) -> str:
    """The message of the exception that the library caught, without the values that it quotes."""
    nested = [info] if "raised_exception" in info else [part for part in info.values() if isinstance(part, dict)]
    for part in nested:
        if part.get("raised_exception"):
            return without_values(str(part.get("exception_message"))) or "an exception without a message"
    return ""
