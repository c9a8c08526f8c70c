# SPDX-License-Identifier: Apache-2.0
"""Where giskard's scan of tabular models suspects something; whether there is something, others find out.

Giskard lives in an environment of its own, since its pins fit with nobody else's, and is found like any program: by
WARDEIN_GISKARD, the absolute path of that environment's Python, or as .venv-giskard beside wardein's environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wardein.behavior import channel
from wardein.behavior.host import Guest, Oracle, guest, line, source_root
from wardein.errors import WardeinError
from wardein.report import Tool

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.behavior.columns import Columns

VARIABLE = "WARDEIN_GISKARD"
GENERATION = "2.19."
INSTALL = (
    "run: python3.11 -m venv .venv-giskard && .venv-giskard/bin/python -m pip install 'giskard>=2.19.2,<3', and set "
    f"{VARIABLE} to the absolute path of .venv-giskard/bin/python"
)
# Fewer rows than this, its detectors leave out without a word.
LEAST_ROWS = 100
# What may be asked of a detector's suspicion: the part of the table, a perturbation, or the model as a whole.
SLICES = ("performance_bias", "overconfidence", "underconfidence", "spurious_correlation")
CHANGES = ("numerical_perturbation", "text_perturbation", "ethical_bias")
WHOLE = ("data_leakage", "stochasticity")
DETECTORS = (*SLICES, *CHANGES, *WHOLE)
# It swaps words for women and men, religions and nations in prose, which only whoever knows the prose wants.
ON_DEMAND = "ethical_bias"
_LEVELS = ("major", "medium", "minor")
_MOST = 2000
_LONGEST = 200


@dataclass(frozen=True)
class Suspicion:
    """Something that a detector takes for an issue.

    Attributes:
        detector: Its name.
        level: What it calls it: major, medium or minor.
        words: The slice or the perturbation.
        held: For a slice, which of the other rows are in it.
        column: For a perturbation, the column.
        changed: For a perturbation, what is in that column of the other rows then.
    """

    detector: str
    level: str
    words: str = ""
    held: np.ndarray | None = None
    column: str = ""
    changed: pd.Series | None = None


@dataclass(frozen=True)
class Scan:
    """What a scan came to.

    Attributes:
        tool: Giskard, and its version.
        suspicions: In the order of the detectors.
        broken: The detectors that did not come to an end, and why.
    """

    tool: Tool
    suspicions: Sequence[Suspicion]
    broken: Mapping[str, str]


def find() -> Path:
    """The Python of giskard's environment.

    Raises:
        WardeinError: If there is none.
    """
    setting = os.environ.get(VARIABLE)
    if setting:
        if not os.path.isabs(setting) or not os.access(setting, os.X_OK) or Path(setting).is_dir():
            raise WardeinError(f"{setting} is not the absolute path of a program", where=VARIABLE, mend=INSTALL)
        return Path(setting)
    beside = Path(sys.prefix).parent / ".venv-giskard" / "bin" / "python"
    if not os.access(beside, os.X_OK):
        raise WardeinError("needs giskard 2.19, in an environment of its own", where="--scanner", mend=INSTALL)
    return beside


@dataclass(frozen=True)
class Order:
    """What giskard is to look through.

    Attributes:
        rows: The rows to look at.
        labels: Their labels, as places among the classes, or as numbers.
        others: Other rows, of which slices and perturbations are told.
        detectors: Names among :data:`DETECTORS`.
        classes: How many classes the model has; 0 for a regressor.
        probabilities: Whether it gives any.
        seed: Seeds what giskard draws.
    """

    rows: pd.DataFrame
    labels: Sequence[int] | Sequence[float]
    others: pd.DataFrame
    detectors: Sequence[str]
    classes: int
    probabilities: bool
    seed: int


def scan(oracle: Oracle, columns: Columns, order: Order, seconds: float) -> Scan:
    """Let giskard look through a model.

    Args:
        oracle: Answers for the model.
        columns: What its columns are.
        order: What to look through.
        seconds: How long it may take.

    Raises:
        WardeinError: If giskard is not there or of another generation, is too slow, tries what it may not, or says what
            makes no sense.
    """
    first, body = channel.pack(order.rows)
    second, more = channel.pack(order.others)
    said = {
        "columns": first,
        "rows": len(order.rows),
        "bytes": len(body),
        "other_columns": second,
        "other_rows": len(order.others),
        "labels": list(order.labels),
        "kinds": dict(columns.kinds),
        "detectors": list(order.detectors),
        "classes": order.classes,
        "probabilities": order.probabilities,
        "seed": order.seed,
    }
    nowhere = "http://127.0.0.1:9"
    environment = {
        "GSK_DISABLE_ANALYTICS": "True",
        "DO_NOT_TRACK": "1",
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), nowhere),
    }
    python, worker = find(), Path(__file__).with_name("worker.py")
    command: list[str | Path] = [python, "-P", "-s", "-B", worker, source_root()]
    with guest(command, "giskard", seconds, environment, INSTALL) as held:
        held.say(said, body + more)
        version = held.hear(oracle)[0].get("version")
        if not isinstance(version, str) or not version.startswith(GENERATION):
            raise WardeinError(f"version {line(version, 40)} is none of {GENERATION}x", where="giskard", mend=INSTALL)
        suspicions: list[Suspicion] = []
        broken: dict[str, str] = {}
        for name in order.detectors:
            found, failure = _of_detector(held, oracle, name, order.others)
            suspicions += found
            if failure:
                broken[name] = failure
        if held.attempts:
            raise held.failure("scanned all the same")
    return Scan(Tool("giskard", version), tuple(suspicions), broken)


def _of_detector(held: Guest, oracle: Oracle, name: str, others: pd.DataFrame) -> tuple[list[Suspicion], str]:
    """What one detector suspects, and why it did not come to an end, if it did not."""
    found: list[Suspicion] = []
    unanswered = oracle.unanswered
    while True:
        said, part = held.hear(oracle)
        if said.get("detector") != name or len(found) > _MOST:
            raise held.failure("says what makes no sense")
        if "failure" in said:
            return found, f"giskard's detector raised {line(said['failure'], 40)}: {line(said.get('text'), _LONGEST)}"
        if "done" in said:
            went_on = "giskard's detector went on where the model had no answer"
            return found, went_on if oracle.unanswered > unanswered else ""
        found.append(_suspicion(held, name, said, part, others))


def _suspicion(held: Guest, name: str, said: Mapping[str, Any], part: bytes, others: pd.DataFrame) -> Suspicion:
    """One suspicion, once it makes sense."""
    import numpy as np

    level, words = said.get("level"), line(said.get("words"), _LONGEST)
    if level not in _LEVELS:
        raise held.failure("says what makes no sense")
    if name in SLICES:
        mask = np.frombuffer(part, dtype=np.uint8)
        if len(mask) != len(others) or mask.max(initial=0) > 1:
            raise held.failure("names a slice of other rows than there are")
        return Suspicion(name, level, words, held=mask.astype(bool))
    if name in CHANGES:
        try:
            changed = channel.unpack(said.get("change"), len(others), part)
        except ValueError as error:
            raise held.failure(f"says what makes no sense: it {error}") from None
        if len(changed.columns) != 1 or changed.columns[0] not in others.columns:
            raise held.failure("changes a column that is not there")
        column = str(changed.columns[0])
        return Suspicion(name, level, words, column=column, changed=changed[column])
    return Suspicion(name, level, words)
