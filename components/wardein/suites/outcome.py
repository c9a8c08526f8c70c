# SPDX-License-Identifier: Apache-2.0
"""What became of an expectation, in words that hold numbers and row numbers but no value of any row."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wardein.suites.suite import Expectation
from wardein.tables import shown

# Aggregates over the rows. Other observed values are values of single rows, which stay out of a report.
_AGGREGATES = re.compile(
    r"_(mean|median|stdev|sum|kl_divergence|proportion_of\w+_values|unique_value_count)_to_"
    r"|_(row|column)_count_|_type_to_be|_of_type|_in_type_list"
)
_QUOTED = re.compile(r"(['\"]).*?\1(?!\w)|['\"].*")
_WORDS = re.compile(
    r"['\"]([<>=!+*/-]{1,2}|[a-z]?str|u?int\d*|float\d*|bool|object|mean|median|std|sum|sub|quantile)['\"]"
)


@dataclass(frozen=True)
class Outcome:
    """What became of one expectation.

    Attributes:
        met: True or False; None if it was not evaluated.
        text: Why it was not met, or not evaluated.
    """

    expectation: Expectation
    met: bool | None
    text: str = ""


def unmet(item: Expectation, result: Mapping[str, Any], columns: Sequence[str]) -> str:
    """Why an expectation was not met.

    Args:
        item: The expectation.
        result: The numbers that Great Expectations gives for it.
        columns: The table's columns.
    """
    return f"{_expected(item)}: {_numbers(item, result, columns)}"


def _expected(item: Expectation) -> str:
    """The expectation as a phrase: *column 'age' values to be between (max_value=120, min_value=0)*."""
    phrase = item.type.removeprefix("expect_").replace("_", " ")
    if len(item.columns) == 1:
        phrase = phrase.replace("column", f"column {shown(item.columns[0])!r}", 1)
    elif item.columns:
        phrase += " in " + ", ".join(repr(shown(name)) for name in item.columns)
    return f"{phrase} ({item.limits})" if item.limits else phrase


def _numbers(item: Expectation, result: Mapping[str, Any], columns: Sequence[str]) -> str:
    if item.type.startswith("expect_table_columns_to_match"):
        return _difference(item, columns)
    unexpected, missing = result.get("unexpected_count"), result.get("missing_count", 0)
    if unexpected is not None and "element_count" in result:
        seen = int(result["element_count"]) - int(missing)
        rows = [str(int(index) + 1) for index in result.get("partial_unexpected_index_list") or []]
        first = f", first in row{'s' if len(rows) > 1 else ''} {', '.join(rows)}" if rows else ""
        what = "values" if len(item.columns) == 1 else "rows"
        return f"not so for {unexpected} of {seen} {what} ({100 * unexpected / seen:.3g} %){first}"
    if unexpected or missing:
        return f"{unexpected or missing} distinct values are {'not among them' if unexpected else 'missing'}"
    observed = result.get("observed_value")
    if observed is not None and _AGGREGATES.search(item.type):
        return f"it is {observed if isinstance(observed, str) else format(float(observed), '.6g')}"
    return "not so"


def _difference(item: Expectation, columns: Sequence[str]) -> str:
    expected = [str(name) for name in item.kwargs.get("column_list") or item.kwargs.get("column_set") or []]
    parts = [
        f"{what} {', '.join(repr(shown(name)) for name in names[:5])}{' and more' if len(names) > 5 else ''}"
        for what, names in (
            ("missing:", [name for name in expected if name not in columns]),
            # The name of an only column stays out: it is the first line of whatever text was given as a table.
            ("not expected:", [name for name in columns if name not in expected] if len(columns) > 1 else []),
        )
        if names
    ]
    return "; ".join(parts or ["the only column is another" if len(columns) == 1 else "they are in another order"])


def without_values(message: str) -> str:
    """An exception's message in one line, with all that it quotes left out but the names of types and operations."""
    line = " ".join(message.split())
    return _QUOTED.sub(lambda quoted: quoted[0] if _WORDS.fullmatch(quoted[0]) else "'…'", line)[:160]
