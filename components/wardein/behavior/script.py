# SPDX-License-Identifier: Apache-2.0
"""The contract of somebody's own attack on a model, and running it where it can do nothing but ask.

A script defines ``attack(model, rows, labels, budget)`` and returns a dictionary: ``examined``, the number of rows that
it looked at; ``findings``, a list of dictionaries with ``rule``, ``severity``, ``message`` and optionally ``row``; and
optionally ``metrics``, numbers by name. Whatever else comes back is no verdict (docs/red-team.md).
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wardein.behavior import channel
from wardein.behavior.host import Oracle, OutOfBudget, guest, line
from wardein.errors import WardeinError
from wardein.models.predictors import Classifier
from wardein.report import Finding, Metric, Severity

if TYPE_CHECKING:
    from wardein.behavior.cases import Case
    from wardein.behavior.columns import Columns

WHERE = "--script"
_CONTRACT = "see docs/red-team.md for what attack has to return"
_LIBRARIES = {"scipy": "scipy.stats", "sklearn": "sklearn.ensemble", "joblib": "joblib"}
_RULE, _NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}"), re.compile(r"[a-z][a-z0-9_]{0,39}")
_PARTS = ("rule", "severity", "message", "row")
_LONGEST_SCRIPT, _LONGEST_MESSAGE, _MOST_FINDINGS, _MOST_METRICS = 1024**2, 300, 1000, 50


@dataclass(frozen=True)
class Attacked:
    """What a script came to.

    Attributes:
        examined: How many rows it says that it looked at, at most as many as there are.
        findings: What it found.
        metrics: What it measured.
    """

    examined: int
    findings: Sequence[Finding]
    metrics: Sequence[Metric]


def attack(
    script: Path, case: Case, columns: Columns, numbers: Sequence[int], budget: int, seed: int, seconds: float
) -> Attacked:
    """Run a script against a model.

    Args:
        script: The Python file.
        case: The model with its rows.
        columns: What the model's columns are.
        numbers: Where the rows that it gets stand in the data, counted from 1: the first of the case's rows.
        budget: About how many rows it may ask.
        seed: Seeds numpy's global generator for it.
        seconds: How long it may take.

    Raises:
        WardeinError: If it is no script, raises an exception, asks for more than its budget, is too slow, tries what it
            may not, or returns what the contract does not know.
    """
    rows = case.rows.iloc[: len(numbers)]
    packed, body = channel.pack(rows)
    order = {
        "script": _source(script),
        "columns": packed,
        "rows": len(rows),
        "labels": case.truth[: len(rows)].tolist(),
        "classes": case.model.classes.tolist() if isinstance(case.model, Classifier) else None,
        "budget": budget,
        "seed": seed,
    }
    oracle = Oracle(case.model, columns, budget)
    command = [
        sys.executable,
        "-P",
        "-s",
        "-B",
        "-m",
        "wardein.behavior.scripted",
        ",".join(_libraries(order["script"])),
    ]
    with guest(command, WHERE, seconds) as held:
        try:
            held.say(order, body)
            said, _ = held.hear(oracle)
        except OutOfBudget:
            raise WardeinError(
                f"the script asked about more than {budget} rows",
                where=WHERE,
                mend="ask about fewer, as its budget says, or allow more with --max-queries",
            ) from None
        if "failure" in said:
            kind, text = (line(said.get(part), _LONGEST_MESSAGE) for part in ("failure", "text"))
            raise held.failure(f"raised {kind}: {text}")
        if held.attempts:
            raise held.failure("returned a result all the same")
    return _by_contract(said.get("returned"), len(rows), numbers, oracle.asked)


def _source(script: Path) -> str:
    try:
        raw = script.read_bytes()
    except OSError as error:
        raise WardeinError(f"cannot be read ({error.strerror})", where=WHERE, mend="give a Python file") from None
    if not raw.strip() or len(raw) > _LONGEST_SCRIPT:
        raise WardeinError("is empty, or larger than 1 MiB", where=WHERE, mend="give a Python file")
    try:
        source = raw.decode()
        compile(source, "script.py", "exec", dont_inherit=True)
    except (UnicodeDecodeError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise WardeinError(f"is no Python script ({line(error, 120)})", where=WHERE) from None
    return source


def _libraries(source: str) -> list[str]:
    """What has to be imported before the process is confined, as it tries at first what it may not later."""
    return [module for name, module in _LIBRARIES.items() if name in source]


def _by_contract(returned: Any, rows: int, numbers: Sequence[int], asked: int) -> Attacked:
    """What a script returned, read strictly."""
    if not isinstance(returned, dict) or not {"examined", "findings"} <= set(returned):
        raise _breach("returned no dictionary with 'examined' and 'findings'")
    unknown = sorted(set(returned) - {"examined", "findings", "metrics"})
    if unknown:
        raise _breach(f"returned {unknown[0][:40]!r}, which nobody reads")
    examined, findings, metrics = returned["examined"], returned["findings"], returned.get("metrics", {})
    if type(examined) is not int or not 0 <= examined <= rows:
        raise _breach(f"says that it examined {line(examined, 40)} rows, of {rows}")
    if not isinstance(findings, list) or len(findings) > _MOST_FINDINGS:
        raise _breach(f"returned no list of at most {_MOST_FINDINGS} findings")
    if not isinstance(metrics, dict) or len(metrics) > _MOST_METRICS:
        raise _breach(f"returned no dictionary of at most {_MOST_METRICS} metrics")
    return Attacked(
        examined,
        [_finding(one, rows, numbers) for one in findings],
        [
            Metric("queries", asked, rows, "rows", slice="by=script"),
            *(_metric(name, value, examined) for name, value in sorted(metrics.items())),
        ],
    )


def _finding(said: Any, rows: int, numbers: Sequence[int]) -> Finding:
    if not isinstance(said, dict) or not {"rule", "severity", "message"} <= set(said) <= {*_PARTS}:
        raise _breach(f"returned a finding with other parts than {', '.join(_PARTS)}")
    rule, severity, message, row = (said.get(part) for part in _PARTS)
    if not isinstance(rule, str) or not _RULE.fullmatch(rule):
        raise _breach("returned a finding whose rule is no name of small letters, digits and hyphens")
    if severity not in list(Severity):
        raise _breach(f"returned a finding whose severity is none of {', '.join(Severity)}")
    if not isinstance(message, str) or not message.strip():
        raise _breach("returned a finding without a message")
    if row is not None and (type(row) is not int or not 0 <= row < rows):
        raise _breach(f"returned a finding on row {line(row, 40)}, of {rows}")
    text = line(message, _LONGEST_MESSAGE)
    return Finding(
        f"script/{rule}",
        Severity(severity),
        text,
        location="" if row is None else f"row {numbers[row]}",
        fails=severity != Severity.INFO,
        identity=hashlib.sha256(text.encode()).hexdigest()[:16] if row is None else "",
    )


def _metric(name: str, value: Any, examined: int) -> Metric:
    is_number = type(value) in (int, float) and abs(value) <= sys.float_info.max  # a whole number may be too large
    if not _NAME.fullmatch(name) or name == "queries" or not is_number:
        raise _breach(f"returned the metric {name[:40]!r}, which is no finite number with a plain name")
    return Metric(name, float(value), examined, slice="by=script")


def _breach(what: str) -> WardeinError:
    return WardeinError(f"the script {what}", where=WHERE, mend=_CONTRACT)
