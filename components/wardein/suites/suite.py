# SPDX-License-Identifier: Apache-2.0
"""Reading a suite strictly. Great Expectations drops what it does not know; here that is an error.

A suite is data, yet two of its arguments can do more: row conditions are evaluated as pandas queries (see
:mod:`wardein.suites.condition`), and JSON schemas can refer to others, which would be fetched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from wardein.errors import WardeinError
from wardein.jsontext import MAX_BYTES, strict_loads
from wardein.report import Severity
from wardein.suites.condition import rewrite
from wardein.tables import shown

SEVERITIES = {"critical": Severity.CRITICAL, "warning": Severity.MEDIUM, "info": Severity.INFO}

_SUITE_KEYS = ("name", "expectations", "meta", "notes", "id", "suite_parameters")
_EXPECTATION_KEYS = (
    "type",
    "kwargs",
    "meta",
    "notes",
    "description",
    "severity",
    "id",
    "success_on_last_run",
    "expectation_context",
    "rendered_content",
)
_OLD_KEYS = {"expectation_type": "type", "expectation_suite_name": "name"}
# How and on what to report is wardein's business; the rest of an expectation's arguments says what is expected.
_REPORTING = ("result_format", "catch_exceptions", "batch_id")
_COLUMN_KEYS = ("column", "column_A", "column_B", "column_list")
# What a JSON schema looks up by address. Relative to an address of its own, even "#" is somewhere else.
_ADDRESSES = ("$ref", "$dynamicRef", "$recursiveRef", "$id", "id")


@dataclass(frozen=True)
class Expectation:
    """One expectation as it was asked for.

    Attributes:
        number: Its place in the suite, from 1.
        type: The name of the expectation, for example ``expect_column_values_to_not_be_null``.
        kwargs: Its arguments.
        severity: How bad it is when it is not met.
    """

    number: int
    type: str
    kwargs: Mapping[str, Any]
    severity: Severity

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it looks at; none for an expectation on the table."""
        found: list[str] = []
        for key in _COLUMN_KEYS:
            value = self.kwargs.get(key)
            if isinstance(value, str):
                found.append(value)
            elif isinstance(value, list) and not self.type.startswith("expect_table"):
                found += [str(item) for item in value]
        return tuple(found)

    @property
    def location(self) -> str:
        """The columns as one text; ``table`` for an expectation on the table."""
        return ", ".join(map(shown, self.columns)) or "table"

    @property
    def label(self) -> str:
        """What to call it in a message."""
        return f"expectation {self.number} ({self.type} on {self.location})"

    @property
    def limits(self) -> str:
        """What is expected, in at most 120 characters."""
        left_out = (*_COLUMN_KEYS, "column_set", "condition_parser")
        rest = {key: value for key, value in self.kwargs.items() if key not in left_out}
        text = ", ".join(f"{key}={json.dumps(rest[key], ensure_ascii=False)}" for key in sorted(rest))
        return text if len(text) <= 120 else text[:119] + "…"


def load(path: Path, where: str) -> bytes:
    """The text of a file that should hold a suite; :func:`parse` tells.

    Raises:
        WardeinError: If it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise WardeinError(
            f"{path} cannot be read ({error.strerror})", where=where, mend="give a suite's JSON file"
        ) from None


def rewritten(content: bytes, where: str) -> bytes:
    """A suite's JSON text written anew, so that it holds nothing but the suite."""
    return (json.dumps(strict_loads(content, where=where), indent=2, ensure_ascii=False) + "\n").encode()


def parse(content: bytes, where: str) -> tuple[Expectation, ...]:
    """Read a suite from its JSON text.

    Raises:
        WardeinError: If it is no suite of Great Expectations 1.x with at least one expectation.
    """
    suite = strict_loads(content, where=where)
    if not isinstance(suite, dict):
        raise WardeinError(
            f"is a JSON {type(suite).__name__}, not a suite", where=where, mend='give {"name": …, "expectations": […]}'
        )
    _known_keys(suite, _SUITE_KEYS, where)
    if not isinstance(suite.get("name"), str) or not suite["name"]:
        raise WardeinError("the suite has no name", where=where, mend='add "name": "…"')
    expectations = suite.get("expectations")
    if not isinstance(expectations, list):
        raise WardeinError('has no list "expectations"', where=where, mend="give a suite of Great Expectations 1.x")
    if not expectations:
        raise WardeinError(
            "the suite is empty: it expects nothing of the data", where=where, mend="add at least one expectation"
        )
    return tuple(_expectation(item, number, where) for number, item in enumerate(expectations, 1))


def _expectation(item: Any, number: int, where: str) -> Expectation:
    where = f"{where}, expectation {number}"
    if not isinstance(item, dict):
        raise WardeinError("is not an object", where=where, mend='write {"type": …, "kwargs": {…}}')
    _known_keys(item, _EXPECTATION_KEYS, where)
    kind, kwargs, meta = item.get("type"), item.get("kwargs"), item.get("meta")
    if not isinstance(kind, str) or not isinstance(kwargs, dict) or not isinstance(meta, dict | None):
        raise WardeinError('"type" must be a text, "kwargs" and "meta" objects', where=where)
    severity = item.get("severity", (meta or {}).get("severity", "critical"))
    if not isinstance(severity, str) or severity not in SEVERITIES:
        raise WardeinError(f"the severity {severity!r} is none of {', '.join(SEVERITIES)}", where=where)
    _check_arguments(kwargs, where)
    kept = {key: value for key, value in kwargs.items() if key not in _REPORTING}
    condition, grammar = (kept.pop(key, None) for key in ("row_condition", "condition_parser"))
    if condition is not None:
        kept |= {"row_condition": rewrite(condition, grammar, where), "condition_parser": "pandas"}
    return Expectation(number, kind, kept, SEVERITIES[severity])


def _known_keys(given: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in given:
        if key in _OLD_KEYS:
            raise WardeinError(
                f'the key "{key}" is that of Great Expectations before 1.0',
                where=where,
                mend=f'write "{_OLD_KEYS[key]}"',
            )
        if key not in known:
            raise WardeinError(f"unknown key {key!r}", where=where, mend=hint(key, known))


def hint(name: str, known: tuple[str, ...]) -> str:
    """The nearest known name, as advice; all of them if none is near."""
    near = get_close_matches(name, known, 1, 0.6)
    return f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(known[:12])}"


def _check_arguments(value: Any, where: str) -> None:
    """Refuse what would be looked up elsewhere."""
    if isinstance(value, list):
        for item in value:
            _check_arguments(item, where)
    if not isinstance(value, dict):
        return
    if "$PARAMETER" in value:
        raise WardeinError(
            f"uses the suite parameter {value['$PARAMETER']!r}", where=where, mend="write the value itself"
        )
    for key in _ADDRESSES:
        target = value.get(key)
        if isinstance(target, str) and not target.startswith("#"):
            raise WardeinError(
                f"refers to {target!r} ({key})", where=where, mend="write the schema itself, without an address"
            )
    for item in value.values():
        _check_arguments(item, where)
