# SPDX-License-Identifier: Apache-2.0
"""The metrics that docs/policy.md names are those that the checks measure."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from tests.conformance.world import Ready
from wardein.spec import CHECKS

PAGE = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()
TABLE = PAGE[PAGE.index("| check | metric | slices |") :].split("\n\n")[0]


def documented(check: str) -> set[str]:
    names: set[str] = set()
    current = ""
    for line in TABLE.splitlines()[2:]:
        first, metrics, _ = (cell.strip() for cell in line.strip("|").split("|")[:3])
        current = first.strip("`") or current
        if current == check:
            names |= set(re.findall(r"`(\w+)`", metrics))
    return names


@pytest.mark.parametrize("check", [name for name in CHECKS if name != "verify_artifact"])
def test_documented_metrics_are_measured(check: str, ready: Ready) -> None:
    envelope = json.loads(ready.evidence(check).read_bytes().splitlines()[0])
    metrics = json.loads(base64.b64decode(envelope["payload"]))["predicate"]["metrics"]
    assert documented(check)
    assert documented(check) <= {metric["name"] for metric in metrics}
