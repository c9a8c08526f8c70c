# SPDX-License-Identifier: Apache-2.0
"""What a step found is written down, whatever it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import House, Ran
from wardein.execute import Options, run
from wardein.html import page
from wardein.report import Coverage, Finding, Report, Severity, Verdict, conclude
from wardein.spec import load


def call(house: House, tmp_path: Path) -> list[object]:
    paths = {"artifact": house.policy, "signature": house.trust, "trust": house.trust}
    return [*(part for name, path in paths.items() for part in (f"--{name}", path)), "--evidence", tmp_path / "e"]


def test_a_finding_that_cannot_be_written_is_an_error(house: House, tmp_path: Path) -> None:
    """Otherwise a column's name could keep the evidence of what was found from being written."""

    def found(**given: object) -> Report:
        return conclude(coverage=Coverage("files", 1, 1), findings=[Finding("x", Severity.LOW, "a\udcff", fails=False)])

    given = {"artifact": house.policy, "signature": house.trust, "trust": house.trust}
    report = run(replace(load("verify_artifact"), function=found), given, Options(evidence=tmp_path / "e"))
    assert report.verdict is Verdict.ERROR
    assert "not UTF-8" in report.reason
    assert (tmp_path / "e").exists()


def test_a_page_that_cannot_be_drawn_is_one_line(
    house: House, tmp_path: Path, wardein: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(report: Report) -> str:
        raise ValueError("could not convert string to float: 'x'")

    monkeypatch.setattr(page, "render", broken)
    ran = wardein("verify-artifact", *call(house, tmp_path), "--html", tmp_path / "page.html")
    assert ran.code == 2
    assert "cannot be drawn" in ran.err
    assert "Traceback" not in ran.err
    assert (tmp_path / "e").exists()
    assert not (tmp_path / "page.html").exists()
