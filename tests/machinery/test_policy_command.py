# SPDX-License-Identifier: Apache-2.0
"""``wardein policy``: explained, tested and compared, as a person or a CI of the policy's repository would."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Ran
from wardein.policy.packs import PACKS

Run = Callable[..., Ran]
SMALL = """version: 1
name: small
checks:
  evaluate_performance:
    criteria: [{metric: accuracy, at_least: 0.6, bound: ci_low, min_n: 100}]
environments:
  dev: {}
  prod: {waivers: {max_days: 10}}
"""
CASES = """version: 1
assume: {label: y}
evidence:
  evaluate_performance: {n: 200, metrics: {accuracy: [0.7, 0.8, 0.9]}}
cases:
  - {name: honest, expect: PASSED}
  - name: too few
    but: {evaluate_performance: {n: 99}}
    expect: FAILED
    denied_by: [gate/criterion evaluate_performance]
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "policy.yaml").write_text(SMALL)
    (folder / "policy-tests.yaml").write_text(CASES)
    return folder


def other(small: Path, *changes: tuple[str, str]) -> Path:
    """The small policy with something changed."""
    folder = small.parent / "other"
    shutil.copytree(small, folder)
    text = SMALL
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "policy.yaml").write_text(text)
    return folder


# explain


def test_explain_says_what_a_release_needs(wardein: Run) -> None:
    said = wardein("policy", "explain", PACKS / "baseline", "--environment", "prod").out
    for demand in (
        "the lower end of accuracy is at least 0.6, from 100 examples or more",
        "attribute=* (each that was measured) is at most 0.1",
        "its vulnerability database is at most 7 days old",
        "made without any reference",
        "approvals: 1 identity other than the author's, not older than 24 hours",
        "break-glass: counts for 4 hours; a regular release has to follow within 72 hours",
        "No policy can switch any of that off",
        "What differs in dev: 1 looser, 2 tighter",
        "What differs for the tier low: 2 looser",
    ):
        assert demand in said, demand


def test_explain_of_the_fast_track_names_its_approval(wardein: Run) -> None:
    said = wardein("policy", "explain", PACKS / "baseline", "--tier", "low").out
    assert "approvals: 1 identity other than the author's, not older than 24 hours, as the tier is lower than" in said
    assert "evaluate_fairness     optional, judged if it is there" in said


def test_explain_names_the_rego_rules(wardein: Run) -> None:
    assert "Rego rules that may deny more: rules.rego" in wardein("policy", "explain", PACKS / "strict").out


def test_explain_warns_of_a_check_that_there_is_not(wardein: Run, small: Path) -> None:
    said = wardein("policy", "explain", other(small, ("checks:\n", "checks:\n  scan_imge: {}\n"))).out
    assert "this version has no such check, and denies every release" in said


def test_explain_for_programs(wardein: Run, small: Path) -> None:
    said = json.loads(wardein("policy", "explain", small, "--environment", "prod", "--json").out)
    assert said["waivers"] == {"maxDays": 10, "maxSeverity": "high"}
    assert said["checks"]["evaluate_performance"]["criteria"][0]["minN"] == 100
    assert {(d["environment"], d["tier"]) for d in said["differences"]} == {("dev", "standard"), ("prod", "low"),
                                                                            ("prod", "high")}  # fmt: skip


# diff


def test_diff_of_a_policy_with_itself(wardein: Run, small: Path) -> None:
    ran = wardein("policy", "diff", small, small)
    assert (ran.code, ran.out) == (0, "nothing that is demanded changes\n")


@pytest.mark.parametrize(
    ("change", "code", "line"),
    [
        (("0.6", "0.5"), 1, "looser  evaluate_performance: accuracy (ci low) >= 0.6"),
        (("0.6", "0.7"), 0, "tighter evaluate_performance: accuracy (ci low) >= 0.6"),
        (("bound: ci_low, ", ""), 1, "looser  evaluate_performance"),
        (
            ("max_days: 10", "max_days: 11"),
            1,
            "looser  waivers.max_days: 10 -> 11  (prod/low, prod/standard, prod/high)",
        ),
        (("  dev: {}\n", ""), 0, "tighter is not known any more: every release there is denied  (dev/low"),
        (("  dev: {}\n", "  dev: {}\n  test: {}\n"), 1, "looser  is let in: before, every release there was denied"),
        (
            ("name: small\n", "name: small\ndefault_tier: low\n"),
            1,
            "looser  default_tier: standard -> low  (everywhere)",
        ),
        (
            ("    criteria", "    parameters: {seed: 7}\n    criteria"),
            0,
            "other   evaluate_performance: parameters.seed",
        ),
    ],
)
def test_diff_says_what_gets_looser(wardein: Run, small: Path, change: tuple[str, str], code: int, line: str) -> None:
    ran = wardein("policy", "diff", small, other(small, change))
    assert (ran.code, line in ran.out) == (code, True), ran.out
    back = wardein("policy", "diff", small.parent / "other", small)
    opposite = {"looser": "tighter", "tighter": "looser", "other": "other"}[line.split()[0]]
    assert all(found.startswith(opposite) for found in back.out.splitlines())


def test_diff_of_one_environment_and_tier(wardein: Run, small: Path) -> None:
    changed = other(small, ("max_days: 10", "max_days: 11"))
    assert wardein("policy", "diff", small, changed, "--environment", "dev").code == 0
    assert wardein("policy", "diff", small, changed, "--environment", "prod", "--tier", "high").code == 1
    said = json.loads(wardein("policy", "diff", small, changed, "--environment", "prod", "--tier", "low", "--json").out)
    assert said["changes"] == [
        {
            "environment": "prod",
            "tier": "low",
            "changes": [{"direction": "looser", "text": "waivers.max_days: 10 -> 11"}],
        }
    ]


def test_diff_of_a_policy_that_begins_to_name_environments(wardein: Run, small: Path) -> None:
    """Before, it held everywhere; now it denies where it names nothing."""
    unnamed = other(small, ("environments:\n  dev: {}\n  prod: {waivers: {max_days: 10}}\n", ""))
    assert wardein("policy", "diff", small, unnamed, "--environment", "dev").code == 0
    ran = wardein("policy", "diff", unnamed, small)
    assert "looser  waivers.max_days: 0 -> 10  (prod/low, prod/standard, prod/high)" in ran.out


@pytest.mark.parametrize(
    ("before", "after", "code", "line"),
    [
        (None, "package x", 0, "tighter Rego rules: none -> a.rego"),
        ("package x", None, 1, "looser  Rego rules: a.rego -> none"),
        ("package x", "package x\n", 0, "other   Rego rules: a.rego changed"),
    ],
)
def test_diff_of_rules(wardein: Run, small: Path, before: str | None, after: str | None, code: int, line: str) -> None:
    changed = other(small)
    for folder, text in ((small, before), (changed, after)):
        if text is not None:
            (folder / "a.rego").write_text(text)
    ran = wardein("policy", "diff", small, changed)
    assert (ran.code, line in ran.out) == (code, True), ran.out


# test


def test_cases_that_hold(wardein: Run, small: Path) -> None:
    ran = wardein("policy", "test", small)
    assert (ran.code, ran.out) == (0, "holds  honest\nholds  too few\n2 of 2 cases hold\n")


def test_a_case_that_a_changed_policy_breaks(wardein: Run, small: Path) -> None:
    ran = wardein("policy", "test", other(small, ("min_n: 100", "min_n: 90")))
    assert ran.code == 1
    assert "WRONG  too few\n       was to be denied by gate/criterion evaluate_performance, and was not\n" in ran.out


def test_a_case_that_is_denied_for_another_reason(wardein: Run, small: Path, tmp_path: Path) -> None:
    cases = tmp_path / "cases.yaml"
    cases.write_text(CASES.replace("assume: {label: y}", "assume: {}"))
    ran = wardein("policy", "test", small, "--cases", cases, "--json")
    said = json.loads(ran.out)
    assert (ran.code, said["wrong"]) == (1, 2)
    assert said["outcomes"][0]["denied"][0]["reason"] == "gate/parameter evaluate_performance"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version: 1", "version: 2", "version is not 1"),
        ("expect: PASSED", "expect: passed", "is none of PASSED, FAILED"),
        ("expect: PASSED", "expect: FAILED", "says in denied_by why"),
        ("expect: FAILED", "expect: PASSED", "says in denied_by why"),
        ("name: too few", "name: honest", "two cases are called 'honest'"),
        ("n: 99", "n: many", "is not a number"),
        ("[0.7, 0.8, 0.9]", "[0.9, 0.8, 0.7]", "[low, estimate, high]"),
        ("[0.7, 0.8, 0.9]", "true", "is not a number"),
        ("accuracy:", "'accuracy[':", "neither a name nor name[slice]"),
        ("{label: y}", "{lable: y}", "unknown key 'lable'"),
        ("but: {evaluate_performance", "but: {evaluate_perfomance", "unknown key 'evaluate_perfomance'"),
        ("but: {evaluate_performance: {n: 99}}", "tier: top", "is none of low, standard, high"),
        ("but: {evaluate_performance: {n: 99}}", "environment: moon", "says nothing of the environment 'moon'"),
        ("but: {evaluate_performance: {n: 99}}", "approvals: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]", "more than 9"),
        ("but: {evaluate_performance: {n: 99}}", "waivers: [{check: scan_image, rule: x, days: 1}]", "no finding 'x'"),
        ("{n: 99}", "{parameters: {sed: 1}}", "unknown key 'sed'"),
        ("{n: 99}", "{inputs: {dta: any}}", "unknown key 'dta'"),
        ("{n: 99}", "{inputs: {data: abc}}", "neither 'any' nor"),
        ("{n: 99}", "{findings: [{rule: x, severity: bad}]}", "none of critical"),
        ("{n: 99}", "{age_hours: 1.0e+9}", "is not a number of 0 to 87600"),
        ("  - {name: honest, expect: PASSED}\n", "  - 1\n", "is not a mapping"),
    ],
)
def test_a_table_that_cannot_be_read_is_misuse(wardein: Run, small: Path, old: str, new: str, message: str) -> None:
    assert old in CASES
    (small / "policy-tests.yaml").write_text(CASES.replace(old, new))
    ran = wardein("policy", "test", small)
    assert ran.code == 2
    assert message in ran.one_line


def test_no_case_is_no_test(wardein: Run, small: Path) -> None:
    (small / "policy-tests.yaml").write_text("version: 1\ncases: []\n")
    assert "holds no case" in wardein("policy", "test", small).one_line
    (small / "policy-tests.yaml").unlink()
    ran = wardein("policy", "test", small)
    assert (ran.code, "write policy-tests.yaml into the policy folder" in ran.one_line) == (2, True)


def test_misuse(wardein: Run, tmp_path: Path, small: Path) -> None:
    for arguments in (
        [],
        ["explain"],
        ["explain", tmp_path],
        ["explain", small, "--environment", "moon"],
        ["explain", small, "--tier", "top"],
        ["diff", small],
        ["diff", small, tmp_path],
        ["diff", small, small, "--environment", "moon"],
        ["praise", small],
    ):
        ran = wardein("policy", *arguments)
        assert ran.code == 2, arguments
        assert ran.one_line
        assert ran.out == ""


def test_in_a_process_of_its_own(small: Path) -> None:
    command = [sys.executable, "-m", "wardein", "policy", "test", str(small)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith("2 of 2 cases hold\n")
