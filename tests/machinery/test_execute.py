# SPDX-License-Identifier: Apache-2.0
"""What a step found is written down, whatever it is."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import House, Ran
from wardein.errors import UsageError, WardeinError
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


GIVEN = {"artifact": "policy", "signature": "trust", "trust": "trust"}


def given(house: House, **changed: object) -> dict[str, object]:
    return {name: getattr(house, value) for name, value in GIVEN.items()} | changed


@pytest.mark.parametrize("missing", [{"trust": None}, {"trust": ""}])
def test_what_is_required_is_required_from_every_shell(missing: dict[str, object], house: House) -> None:
    """An orchestrator calls the executor without the command line's parser before it."""
    report = run(load("verify_artifact"), given(house, **missing), Options())
    assert report.verdict is Verdict.ERROR
    assert report.reason == "--trust: is required"


def test_a_choice_is_one_from_every_shell(house: House, tmp_path: Path) -> None:
    fixed: dict[str, object] = {"model": house.trust, "claims": [], "trust": house.trust, "policy": house.policy}
    report = run(load("gate"), fixed, Options())
    assert report.reason == "--claims: is required"
    report = run(load("gate"), fixed | {"claims": [house.trust], "tier": "none"}, Options())
    assert report.verdict is Verdict.ERROR
    assert report.reason == "--tier: 'none' is none of default, low, standard, high"


def test_a_parameter_that_cannot_be_written_down_is_refused_before_anything_is_run(house: House) -> None:
    fixed = {"model": house.trust, "claims": [house.trust], "trust": house.trust, "policy": house.policy}
    with pytest.raises(UsageError, match="a parameter is not UTF-8"):
        run(load("gate"), fixed | {"nonce": "run\udcff"}, Options())


def test_a_page_that_cannot_be_made_is_told_before_anything_is_run(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent() -> None:
        raise WardeinError("needs jinja2")

    monkeypatch.setattr(page, "check_installed", absent)
    with pytest.raises(WardeinError, match="needs jinja2"):
        run(load("verify_artifact"), given(house), Options(evidence=tmp_path / "e", html=tmp_path / "page.html"))
    assert not (tmp_path / "e").exists()


def test_the_place_of_a_file_that_a_step_writes_is_looked_at_before_it_is_run(house: House, tmp_path: Path) -> None:
    def never(**given: object) -> Report:
        raise AssertionError("was run all the same")

    (tmp_path / "file").write_bytes(b"")
    target = tmp_path / "file" / "model.sig"
    step = replace(load("sign_artifact"), function=never)
    with pytest.raises(UsageError, match="cannot be written to"):
        run(step, {"artifact": house.policy, "signature": target, "signer": house.key("train")}, Options())


def test_a_step_runs_beside_the_main_thread_too(house: House, tmp_path: Path) -> None:
    """Signals are the main thread's: elsewhere there is no time limit, and no crash for want of one."""
    reports: list[Report] = []
    options = Options(time_limit=1.0)

    def ask() -> None:
        signed = {"artifact": house.policy, "signature": tmp_path / "sig", "signer": house.key("train")}
        reports.append(run(load("sign_artifact"), signed, options))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert [report.verdict for report in reports] == [Verdict.PASS]


def test_a_key_that_would_not_count_is_told_before_anything_is_run(house: House, tmp_path: Path) -> None:
    def never(**given: object) -> Report:
        raise AssertionError("was run all the same")

    step = replace(load("gate"), function=never)
    fixed = {"model": house.trust, "claims": [house.trust], "trust": house.trust, "policy": house.policy}
    with pytest.raises(WardeinError, match="gate"):
        run(step, fixed, Options(evidence=tmp_path / "e", key=house.key("check")))
    assert not (tmp_path / "e").exists()


def test_who_debugs_gets_the_traceback(
    house: House, tmp_path: Path, wardein: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**given: object) -> Report:
        raise KeyError("a defect")

    step = replace(load("verify_artifact"), function=broken)
    assert run(step, given(house), Options()).verdict is Verdict.ERROR
    monkeypatch.setenv("WARDEIN_DEBUG", "1")
    with pytest.raises(KeyError, match="a defect"):
        run(step, given(house), Options())
    monkeypatch.setattr(page, "render", lambda report: [][0])
    with pytest.raises(IndexError):
        run(load("verify_artifact"), given(house), Options(html=tmp_path / "page.html"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_time_limit_that_python_ignores_still_counts(house: House, tmp_path: Path) -> None:
    """It strikes wherever the program is, also in a destructor, from which no exception comes out."""

    class Slow:
        def __del__(self) -> None:
            deadline = time.monotonic() + 0.3
            while time.monotonic() < deadline:
                pass

    def found(**given: object) -> Report:
        Slow()
        return conclude(coverage=Coverage("files", 1, 1))

    given = {"artifact": house.policy, "signature": house.trust, "trust": house.trust}
    step = replace(load("verify_artifact"), function=found)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = run(step, given, Options(time_limit=0.1))
    assert report.verdict is Verdict.ERROR
    assert "did not finish within 0.1 seconds" in report.reason
