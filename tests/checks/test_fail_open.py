# SPDX-License-Identifier: Apache-2.0
"""The fail-open corpus: every case ends in the verdict that is right, for the reason that is right."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Ran
from tests.corpus.fail_open.case import Case, cell

PAGE = Path(__file__).parents[2] / "docs" / "fail-open.md"
FAMILIES = ("dependencies", "code", "secrets", "config", "images", "reports")
CASES: list[Case] = [case for name in FAMILIES for case in import_module(f"tests.corpus.fail_open.{name}").CASES]


def test_names_are_unique() -> None:
    assert len({case.id for case in CASES}) == len(CASES)


def test_the_page_lists_every_case_with_its_verdict() -> None:
    """`make fail-open` writes it; a case that was added or changed since is missing here."""
    rows = [line.split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    listed = {(row[0].removeprefix("| ").removesuffix(" †"), row[3]) for row in rows}
    assert listed - {("case", "wardein")} == {(cell(case.what), f"**{case.expected}**") for case in CASES}


@pytest.mark.scanners
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(case: Case, tmp_path: Path, wardein: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    world = case.make(tmp_path)
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    ran = wardein(case.check.replace("_", "-"), *world.arguments, "--json")
    report = ran.report
    assert report["verdict"] == case.expected, report["reason"]
    assert ran.code == {"PASS": 0, "FAIL": 1, "ERROR": 2}[case.expected]
    assert re.search(case.told, said(report)), said(report)


def said(report: dict[str, Any]) -> str:
    """Everything that a report says in words."""
    lines = [report["reason"], *(f"{s['what']}: {s['reason']}" for s in report["coverage"]["skipped"])]
    lines += [
        " ".join(str(f.get(k, "")) for k in ("ruleId", "location", "part", "line", "message"))
        for f in report["findings"]
    ]
    return "\n".join(lines)
