# SPDX-License-Identifier: Apache-2.0
"""One bug counts once, keeps its fingerprint when lines move, and is news unless an earlier report had it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardein import __version__, wire
from wardein.errors import WardeinError
from wardein.evidence.envelope import seal
from wardein.evidence.statement import write
from wardein.report import (
    BASELINE,
    CHECK_RESULT,
    Coverage,
    Finding,
    Report,
    Severity,
    Skipped,
    Verdict,
    conclude,
)
from wardein.scan.merge import Found, counts, merged, without
from wardein.subject import Subject

LOAD = Found("code/pickle-load", "a.py", Severity.HIGH, "pickle runs code", line=3, text="pickle.load(f)")


def found(**changes: object) -> Found:
    return replace(LOAD, **changes)  # type: ignore[arg-type]


def test_two_tools_on_one_line_are_one_finding() -> None:
    other = found(tool="bandit:B301", severity=Severity.CRITICAL, message="blacklisted")
    (one,) = merged([other, LOAD], Severity.HIGH)
    assert (one.message, one.severity, one.taxonomy) == ("pickle runs code", Severity.HIGH, ("bandit:B301",))
    (one,) = merged([other, found(tool="ruff:S301", message="suspicious")], Severity.HIGH)
    assert (one.severity, one.taxonomy) == (Severity.CRITICAL, ("bandit:B301", "ruff:S301"))


def test_two_tools_name_different_lines_of_one_statement() -> None:
    (one,) = merged([found(last=6), found(tool="ruff:S301", line=5)], Severity.HIGH)
    assert one.taxonomy == ("ruff:S301",)


@pytest.mark.parametrize(
    "other",
    [found(line=9), found(path="b.py"), found(rule="code/eval"), found(part="cell 2"), found(tool="bandit:B1", line=4)],
)
def test_what_is_not_the_same_is_two(other: Found) -> None:
    assert len(merged([LOAD, other], Severity.HIGH)) == 2


def test_one_tool_twice_on_one_line_is_two_bugs_unless_it_says_the_same() -> None:
    same = found(tool="bandit:B301")
    assert len(merged([same, replace(same, message="another")], Severity.HIGH)) == 2
    assert len(merged([same, same], Severity.HIGH)) == 1


@pytest.mark.parametrize("limit", list(Severity)[:4])
def test_what_fails_is_what_is_as_severe_as_asked(limit: Severity) -> None:
    findings = merged([found(line=n, severity=s) for n, s in enumerate(Severity, 1)], limit)
    assert [f.fails for f in findings] == [s.rank <= limit.rank for s in Severity]


@given(st.integers(0, 500), st.sampled_from(["", "  ", "\t"]))
def test_fingerprint_survives_moved_and_reindented_lines(down: int, indent: str) -> None:
    moved = found(line=3 + down, text=f"{indent}pickle.load(f)")
    assert merged([moved], Severity.HIGH)[0].fingerprint == merged([LOAD], Severity.HIGH)[0].fingerprint


@pytest.mark.parametrize("other", [found(text="pickle.load(g)"), found(path="b.py"), found(rule="code/eval")])
def test_fingerprint_tells_findings_apart(other: Found) -> None:
    assert merged([other], Severity.HIGH)[0].fingerprint != merged([LOAD], Severity.HIGH)[0].fingerprint


def test_two_alike_lines_have_two_fingerprints_and_a_third_is_news() -> None:
    two = merged([LOAD, found(line=9)], Severity.HIGH)
    three = merged([LOAD, found(line=9), found(line=12)], Severity.HIGH)
    assert len({f.fingerprint for f in two}) == 2
    assert len({f.fingerprint for f in three} - {f.fingerprint for f in two}) == 1


def evidence(path: Path, *reports: Report) -> Path:
    lines = [
        seal(write([Subject("source", "0" * 64)], CHECK_RESULT, wire.to_json(report)), None).to_line()
        for report in reports
    ]
    path.write_bytes(b"".join(lines))
    return path


def report(findings: list[Finding], check: str = "scan_code", **changes: object) -> Report:
    made = conclude(coverage=Coverage("files", 1, 1), findings=findings)
    return replace(made, check=check, version=__version__, **changes)  # type: ignore[arg-type]


def test_baseline_leaves_only_news(tmp_path: Path) -> None:
    old = merged([LOAD], Severity.HIGH)
    baseline = evidence(tmp_path / "old.jsonl", report(old))
    now = without(merged([found(line=40), found(path="new.py")], Severity.HIGH), baseline, "scan_code")
    assert {f.location: (f.fails, f.suppressed) for f in now} == {"a.py": (False, BASELINE), "new.py": (True, "")}
    assert [m.value for m in counts(now, 2) if m.name == "known_findings"] == [1]
    assert conclude(coverage=Coverage("files", 1, 1), findings=now[:1]).verdict is Verdict.PASS


def test_baseline_excuses_nothing_that_became_worse(tmp_path: Path) -> None:
    baseline = evidence(tmp_path / "old.jsonl", report(merged([found(severity=Severity.LOW)], Severity.HIGH)))
    (now,) = without(merged([LOAD], Severity.HIGH), baseline, "scan_code")
    assert (now.fails, now.suppressed) == (True, "")


@pytest.mark.parametrize(
    ("reports", "said"),
    [
        ([report([], check="scan_config")], "holds 0 reports"),
        ([report([]), report([])], "holds 2 reports"),
        (
            [replace(report([]), verdict=Verdict.ERROR, coverage=Coverage("files", 2, 1, (Skipped("b.py", "odd"),)))],
            "could not look",
        ),
    ],
)
def test_baseline_of_something_else_is_refused(reports: list[Report], said: str, tmp_path: Path) -> None:
    with pytest.raises(WardeinError, match=said):
        without([], evidence(tmp_path / "old.jsonl", *reports), "scan_code")


def test_baseline_that_is_no_evidence_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    path.write_text(json.dumps({"findings": []}))
    with pytest.raises(WardeinError, match="is no evidence"):
        without([], path, "scan_code")


def test_report_reads_back_what_it_wrote() -> None:
    known = replace(merged([LOAD], Severity.HIGH)[0], fails=False, suppressed=BASELINE, part="cell 3")
    wrote = wire.to_json(report([known]))
    assert wire.from_json(wrote).findings == (known,)
    for wrong in ({"suppressed": "excused"}, {"fails": True}, {"line": -1}, {"line": "3"}, {"identity": 3}):
        wrote["findings"] = [{**wire.to_json(report([known]))["findings"][0], **wrong}]
        with pytest.raises(WardeinError):
            wire.from_json(wrote)
