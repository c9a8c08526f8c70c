# SPDX-License-Identifier: Apache-2.0
"""Evidence about the source: of another source, excused by a baseline of the run's own, about something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.attacks.conftest import Attack, Siege, assert_stopped_by_its_step, deny_rules, honest_report
from wardein.report import BASELINE, Finding, Input, Severity
from wardein.subject import Subject, digest_of

SCANS = ("scan_dependencies", "scan_code", "scan_secrets", "scan_config")
KNOWN = Finding(
    "code/pickle-load", Severity.HIGH, "runs code", "a.py", fails=False, identity="x:1", suppressed=BASELINE
)


@pytest.fixture
def scanned(siege: Siege, tmp_path: Path) -> Siege:
    """A release whose source was scanned, as its policy demands, and is shown."""
    siege.amend(lambda policy: [policy["checks"][check].update(required=True) for check in SCANS])
    source = tmp_path / "source"
    source.mkdir()
    (source / "train.py").write_text("import json\n")
    (source / "latest.py").symlink_to("train.py")
    siege.shown["source"] = source
    digest = digest_of(source, links=True)
    for check in SCANS:
        report = honest_report(check, siege.house, {"model": digest, "data": digest})
        inputs = (Input("source", "Source", digest, 1),)
        siege.reports[check] = replace(report, subject=(Subject("source", digest),), inputs=inputs)
    return siege


def change_the_source(siege: Siege) -> None:
    Path(siege.shown["source"], "train.py").write_text("import os\n")


def move_a_link(siege: Siege) -> None:
    link = Path(siege.shown["source"], "latest.py")
    link.unlink()
    link.symlink_to("./train.py")


def hide_the_source(siege: Siege) -> None:
    del siege.shown["source"]


def bring_a_baseline(siege: Siege) -> None:
    """The run excuses what it found with earlier evidence that nobody but itself knows of."""
    inputs = (*siege.reports["scan_code"].inputs, Input("baseline", "Baseline", "1" * 64, 10))
    siege.alter("scan_code", findings=(KNOWN,), inputs=inputs)


def bring_advisories(siege: Siege) -> None:
    inputs = (*siege.reports["scan_dependencies"].inputs, Input("advisories", "Advisories", "1" * 64, 10))
    siege.alter("scan_dependencies", inputs=inputs)


ATTACKS = [
    Attack("bring a baseline", bring_a_baseline, "gate/other-input", "_is_of_shown_inputs"),
    Attack("bring advisories", bring_advisories, "gate/input-not-shown", "_is_of_shown_inputs"),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_attack(attack: Attack, scanned: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_stopped_by_its_step(attack, scanned, monkeypatch)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (change_the_source, "gate/other-subject"),
        (move_a_link, "gate/other-subject"),
        (hide_the_source, "gate/subject-not-shown"),
    ],
)
def test_another_source(change: object, rule: str, scanned: Siege) -> None:
    assert scanned.gate().code == 0
    change(scanned)  # type: ignore[operator]
    assert deny_rules(scanned.gate()) == {rule}


def test_baseline_counts_once_the_policy_lists_it(scanned: Siege) -> None:
    bring_a_baseline(scanned)
    scanned.amend(lambda policy: policy["checks"]["scan_code"].update(inputs={"baseline": ["1" * 64]}))
    assert scanned.gate().code == 0
    scanned.amend(lambda policy: policy["checks"]["scan_code"].update(inputs={"baseline": ["2" * 64]}))
    assert deny_rules(scanned.gate()) == {"gate/other-input"}


def test_finding_that_only_says_that_it_is_known_is_banned(scanned: Siege) -> None:
    """Without a baseline among the inputs nothing can be known."""
    scanned.alter("scan_code", findings=(KNOWN,))
    assert deny_rules(scanned.gate()) == {"gate/finding"}


def test_report_of_others_is_held_to_what_it_is_about(siege: Siege) -> None:
    digest = digest_of(Path(str(siege.shown["image"])))
    demanded = {"fail_severity": "high", "parameters": {"kind": "image"}}
    siege.amend(lambda policy: policy["checks"].update(import_findings=demanded))
    report = honest_report("import_findings", siege.house, {"model": digest, "data": digest})
    told = (Input("subject", "Digest", digest, 0), Input("findings", "ForeignReport", "3" * 64, 10))
    siege.reports["import_findings"] = replace(report, subject=(Subject("image", digest),), inputs=told)
    assert siege.gate().code == 0
    siege.alter("import_findings", subject=(Subject("image", "4" * 64),))
    assert deny_rules(siege.gate()) == {"gate/other-subject"}
    # A clean report about the model is no report about the image.
    model = digest_of(Path(str(siege.shown["model"])))
    siege.alter(
        "import_findings", subject=(Subject("model", model),), parameters={**report.parameters, "kind": "model"}
    )
    assert deny_rules(siege.gate()) == {"gate/parameter"}


def test_policy_that_does_not_say_what_a_report_is_about_denies(siege: Siege) -> None:
    digest = digest_of(Path(str(siege.shown["image"])))
    siege.amend(lambda policy: policy["checks"].update(import_findings={}))
    report = honest_report("import_findings", siege.house, {"model": digest, "data": digest})
    said = {**report.parameters, "kind": "image"}
    siege.reports["import_findings"] = replace(
        report, subject=(Subject("image", digest),), inputs=(Input("subject", "Digest", digest, 0),), parameters=said
    )
    assert deny_rules(siege.gate()) == {"gate/parameter"}
