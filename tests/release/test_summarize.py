# SPDX-License-Identifier: Apache-2.0
"""One page of several checks: its verdict is the worst of theirs, and what is missing is not examined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import Ran
from wardein import __version__, wire
from wardein.evidence.envelope import seal
from wardein.evidence.statement import write
from wardein.report import CHECK_RESULT, Coverage, Finding, Report, Severity, Skipped, conclude
from wardein.subject import Subject, digest_of

SCANS = ("scan_dependencies", "scan_code", "scan_secrets", "scan_config")
BAD = Finding("code/eval", Severity.CRITICAL, "runs a text", "a.py", line=3)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "a.py").write_text("x = 1\n")
    (folder / "b.py").symlink_to("a.py")
    return folder


def evidence(source: Path, check: str, digest: str = "", findings: Sequence[Finding] = (), left: int = 0) -> Path:
    subject = (Subject("source", digest or digest_of(source, links=True)),)
    skipped = tuple(Skipped(f"file {n}", "odd") for n in range(left))
    made = conclude(coverage=Coverage("files", 3, 3 - left, skipped), findings=findings)
    report: Report = replace(made, check=check, version=__version__, subject=subject)
    path = source.parent / f"{check}.jsonl"
    path.write_bytes(seal(write(subject, CHECK_RESULT, wire.to_json(report)), None).to_line())
    return path


def ran(wardein: Callable[..., Ran], source: Path, paths: Sequence[Path], *options: object) -> Ran:
    claims = [part for path in paths for part in ("--claims", path)]
    return wardein("summarize", "--source", source, *claims, *options, "--json")


def test_all_passed(source: Path, wardein: Callable[..., Ran], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    ended = ran(wardein, source, [evidence(source, scan) for scan in SCANS], "--html", page)
    assert ended.code == 0
    assert ended.report["coverage"]["examined"] == 4
    assert all(scan.replace("_", " ") in page.read_text() for scan in SCANS)


def test_one_failed(source: Path, wardein: Callable[..., Ran], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    paths = [evidence(source, scan, findings=[BAD] if scan == "scan_code" else []) for scan in SCANS]
    ended = ran(wardein, source, paths, "--html", page)
    assert ended.code == 1
    (finding,) = ended.report["findings"]
    assert (finding["location"], finding["severity"]) == ("scan_code", "critical")
    assert "a.py, line 3" in page.read_text()


def test_what_is_missing_is_not_examined(source: Path, wardein: Callable[..., Ran]) -> None:
    ended = ran(wardein, source, [evidence(source, scan) for scan in SCANS[1:]])
    assert ended.code == 2
    assert "scan_dependencies: there is no evidence of it" in ended.report["reason"]


def test_what_could_not_look_is_an_error_though_another_failed(source: Path, wardein: Callable[..., Ran]) -> None:
    paths = [evidence(source, scan) for scan in SCANS[2:]]
    paths += [evidence(source, "scan_code", findings=[BAD]), evidence(source, "scan_dependencies", left=1)]
    ended = ran(wardein, source, paths)
    assert ended.code == 2
    assert "file 0" in ended.report["reason"]
    assert [f["location"] for f in ended.report["findings"]] == ["scan_code"]


def test_evidence_about_another_source_does_not_count(source: Path, wardein: Callable[..., Ran]) -> None:
    paths = [evidence(source, scan, digest="1" * 64 if scan == "scan_code" else "") for scan in SCANS]
    ended = ran(wardein, source, paths)
    assert ended.code == 2
    assert "scan_code: its evidence is about another source (sha256:111111111111…)" in ended.report["reason"]


def test_a_moved_link_is_another_source(source: Path, wardein: Callable[..., Ran]) -> None:
    paths = [evidence(source, scan) for scan in SCANS]
    (source / "b.py").unlink()
    assert ran(wardein, source, paths).code == 2


@pytest.mark.parametrize("content", [b"noise\n", b"{}\n"])
def test_what_cannot_be_read_is_an_error(content: bytes, source: Path, wardein: Callable[..., Ran]) -> None:
    paths = [evidence(source, scan) for scan in SCANS]
    paths[0].write_bytes(paths[0].read_bytes() + content)
    ended = ran(wardein, source, paths)
    assert ended.code == 2
    assert "evidence" in ended.report["reason"]


def test_other_checks_are_shown_and_do_not_count(source: Path, wardein: Callable[..., Ran], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    paths = [evidence(source, "scan_code"), evidence(source, "scan_config", findings=[BAD])]
    ended = ran(wardein, source, paths, "--checks", "scan_code", "--html", page)
    assert ended.code == 0
    assert ended.report["coverage"]["expected"] == 1
    assert "a.py, line 3" in page.read_text()


def test_a_check_that_is_none_is_misuse(source: Path, wardein: Callable[..., Ran]) -> None:
    ended = ran(wardein, source, [evidence(source, "scan_code")], "--checks", "scan-code")
    assert ended.code == 2
    assert "there is no check 'scan-code'" in ended.err


def test_what_is_wrong_is_counted_once(source: Path, wardein: Callable[..., Ran]) -> None:
    paths = [evidence(source, scan, digest="1" * 64) for scan in SCANS]
    assert "0 of 4 checks" in ran(wardein, source, paths).report["reason"]


@pytest.mark.parametrize("lie", [{"findings": (BAD,)}, {"version": "0.0.1"}])
def test_a_pass_that_its_own_content_does_not_bear_out_is_none(
    lie: dict[str, object], source: Path, wardein: Callable[..., Ran]
) -> None:
    paths = [evidence(source, scan) for scan in SCANS]
    subject = (Subject("source", digest_of(source, links=True)),)
    made = conclude(coverage=Coverage("files", 3, 3))
    report = replace(made, **{"check": "scan_code", "version": __version__, "subject": subject, **lie})
    paths[1].write_bytes(seal(write(subject, CHECK_RESULT, wire.to_json(report)), None).to_line())
    assert ran(wardein, source, paths).code in (1, 2)


def test_no_checks_at_all_is_misuse(source: Path, wardein: Callable[..., Ran]) -> None:
    assert ran(wardein, source, [evidence(source, "scan_code")], "--checks", "").code == 2
