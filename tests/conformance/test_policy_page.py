# SPDX-License-Identifier: Apache-2.0
"""docs/policy.md: its metrics are those that the checks measure, its keys those that are read, its examples work."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from tests.conformance.world import Ready
from wardein.policy import cases, load
from wardein.policy.cases import CASES, read_cases
from wardein.policy.load import FILE, load_all
from wardein.release.rehearsal import rehearse
from wardein.spec import CHECKS

PAGE = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()
TABLE = PAGE[PAGE.index("| check | metric | slices |") :].split("\n\n")[0]


PACKAGE = Path(__file__).parents[2] / "components" / "wardein"
# How a row begins that is not about every model: of a regressor, with a reference, of a scan by giskard.
CONDITION = re.compile(r"(of|with) [a-z ]+: ")


def documented(check: str, *, always: bool) -> set[str]:
    names: set[str] = set()
    current: list[str] = []
    for line in TABLE.splitlines()[2:]:
        first, metrics, _ = (cell.strip() for cell in line.strip("|").split("|")[:3])
        current = re.findall(r"`(\w+)`", first) or current
        if check in current and always != bool(CONDITION.match(metrics)):
            names |= set(re.findall(r"`(\w+)`", metrics))
    return names


@pytest.mark.parametrize("check", [name for name in CHECKS if name != "verify_artifact"])
def test_documented_metrics_are_measured(check: str, ready: Ready) -> None:
    envelope = json.loads(ready.evidence(check).read_bytes().splitlines()[0])
    metrics = json.loads(base64.b64decode(envelope["payload"]))["predicate"]["metrics"]
    assert documented(check, always=True)
    assert documented(check, always=True) <= {metric["name"] for metric in metrics}


def test_metrics_that_are_not_measured_on_every_model_have_the_documented_names() -> None:
    source = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    names = {name for check in CHECKS for name in documented(check, always=False)}
    assert len(names) > 20
    assert {name for name in names if f'"{name}"' not in source} == set()


def keys(heading: str) -> set[str]:
    """The keys in the first column of a table."""
    rows = PAGE[PAGE.index(heading) :].split("\n\n")[0].splitlines()[2:]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}


@pytest.mark.parametrize(
    ("heading", "read"),
    [
        ("| key | meaning | default |", load._TOP_KEYS),
        ("| key of a check |", load._CHECK_KEYS),
        ("| key of a criterion |", {"metric", "slice", "at_least", "at_most", "bound", "min_n"}),
        ("| key of a case |", cases._CASE),
        ("| key of evidence |", cases._EVIDENCE),
    ],
)
def test_documented_keys_are_those_that_are_read(heading: str, read: set[str]) -> None:
    assert keys(heading) == read


def test_the_examples_work(tmp_path: Path) -> None:
    policy, table = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / FILE).write_text(policy)
    (tmp_path / CASES).write_text(table)
    assert len(load_all(tmp_path)) == 9
    assert [outcome.is_as_expected for outcome in rehearse(tmp_path, read_cases(tmp_path / CASES))] == [True, True]
