# SPDX-License-Identifier: Apache-2.0
"""The frameworks: all that wardein has is mapped, every control stands once, and a policy covers only what it asks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import Ran
from wardein.cli import COMMANDS
from wardein.policy.controls import STANDINGS, Framework, coverage, frameworks
from wardein.policy.load import load
from wardein.policy.packs import PACKS
from wardein.spec import CHECKS, STEPS

RELEASE = Path(__file__).parents[2] / "components" / "wardein" / "release"
# How many controls each framework has, in the edition that is named.
SIZES = {"owasp-cicd": 10, "owasp-ml": 10, "nist-ssdf": 20, "slsa": 7, "mitre-atlas": 40}
IDS = {
    "owasp-cicd": [f"CICD-SEC-{number}" for number in range(1, 11)],
    "owasp-ml": [f"ML{number:02}:2023" for number in range(1, 11)],
    "nist-ssdf": [
        *(f"PO.{number}" for number in range(1, 6)),
        *(f"PS.{number}" for number in range(1, 4)),
        *(f"PW.{number}" for number in range(1, 10)),
        *(f"RV.{number}" for number in range(1, 4)),
    ],
    "slsa": [*(f"Build L{number}" for number in range(1, 4)), *(f"Source L{number}" for number in range(1, 5))],
    "mitre-atlas": [f"AML.M{number:04}" for number in range(40)],
}


def rules() -> set[str]:
    """Every reason by which a release is denied, as the code names them."""
    text = "".join(path.read_text() for path in RELEASE.glob("*.py"))
    names = set(re.findall(r'(?:deny|Finding)\(\s*"([a-z-]+/[a-z-]+)"', text))
    return {name for name in names if name.partition("/")[0] in ("gate", "approve", "promote")}


def mapped() -> set[str]:
    """What of wardein serves any control."""
    return {name for framework in frameworks() for control in framework.controls for name in control.by}


def test_every_check_and_every_rule_of_the_gate_serves_a_control() -> None:
    assert len(rules()) > 20
    assert rules() - mapped() == set()
    assert set(CHECKS) <= {name.partition(".")[0] for name in mapped()}
    assert {"sign_artifact", "approve", "gate", "promote"} <= mapped()


def test_nothing_is_mapped_that_there_is_not() -> None:
    known = {*CHECKS, *STEPS, *COMMANDS, *rules(), *(f"{check}.criteria" for check in CHECKS)}
    assert mapped() - known == set()


@pytest.mark.parametrize("framework", frameworks(), ids=lambda framework: framework.id)
def test_every_control_stands_once_and_none_is_left_out(framework: Framework) -> None:
    assert [control.id for control in framework.controls] == IDS[framework.id]
    assert len(framework.controls) == SIZES[framework.id]
    standings = [coverage(control, None).standing for control in framework.controls]
    assert set(standings) <= set(STANDINGS)
    for control in framework.controls:
        assert (coverage(control, None).standing == "covered") is (not control.gap)


def test_slsa_levels_are_not_claimed() -> None:
    """No provenance is made: the gate's VSA is no level."""
    assert "attest_provenance" not in STEPS, "it is there now: say so in frameworks.yaml"
    (slsa,) = (framework for framework in frameworks() if framework.id == "slsa")
    assert {coverage(control, None).standing for control in slsa.controls} == {"not covered"}


def control(name: str):
    return next(c for framework in frameworks() for c in framework.controls if c.id == name)


def test_a_policy_that_drops_a_check_loses_what_it_covered() -> None:
    whole = load(PACKS / "baseline", "prod")
    assert coverage(control("ML02:2023"), whole).standing == "partly"
    without = replace(whole, checks={name: c for name, c in whole.checks.items() if name != "validate_data"})
    lost = coverage(control("ML02:2023"), without)
    assert (lost.standing, lost.by) == ("not covered", ())
    assert "asks for none of: validate_data" in lost.gap


def test_a_check_that_is_not_required_covers_nothing() -> None:
    low = load(PACKS / "baseline", "prod", "low")
    assert coverage(control("ML01:2023"), low).standing == "not covered"


def test_a_check_without_thresholds_covers_no_attack() -> None:
    whole = load(PACKS / "baseline", "prod")
    checks = {**whole.checks, "evaluate_robustness": replace(whole.checks["evaluate_robustness"], criteria=())}
    assert coverage(control("ML01:2023"), replace(whole, checks=checks)).standing == "not covered"


def test_what_is_covered_is_so_only_with_all_that_covers_it() -> None:
    whole = load(PACKS / "baseline", "dev")
    assert coverage(control("PS.2"), whole).standing == "covered"
    without = replace(whole, checks={name: c for name, c in whole.checks.items() if name != "verify_artifact"})
    lost = coverage(control("PS.2"), without)
    assert lost.standing == "partly"
    assert lost.gap == "this policy does not ask for verify_artifact"


def test_approvals_count_only_where_they_are_asked_for() -> None:
    asked, free = (coverage(control("PO.2"), load(PACKS / "baseline", place)).by for place in ("prod", "dev"))
    assert set(asked) - set(free) == {"gate/author", "gate/approvals"}


def test_the_report(wardein: Callable[..., Ran]) -> None:
    folder = PACKS / "baseline"
    ran = wardein("policy", "controls", folder, "--environment", "prod", "--json")
    assert ran.code == 0
    said = json.loads(ran.out)
    assert said["policy"] == {"name": "baseline", "environment": "prod", "tier": "standard"}
    assert {framework["id"]: len(framework["controls"]) for framework in said["frameworks"]} == SIZES
    plain = wardein("policy", "controls", folder, "--framework", "owasp-ml").out
    assert plain.index("not covered") < plain.index("partly       ML")
    assert "this policy asks for none of: evaluate_privacy.criteria" in plain
    assert "CICD-SEC" not in plain


def test_the_page_in_the_documentation_is_up_to_date(wardein: Callable[..., Ran]) -> None:
    page = Path(__file__).parents[2] / "docs" / "controls.md"
    assert wardein("policy", "controls", "--markdown").out == page.read_text()


def test_misuse(wardein: Callable[..., Ran], tmp_path: Path) -> None:
    for arguments in (
        ["--framework", "iso"],
        ["--tier", "low"],
        [tmp_path],
        [PACKS / "baseline", "--environment", "x"],
    ):
        ran = wardein("policy", "controls", *arguments)
        assert ran.code == 2
        assert ran.one_line
        assert ran.out == ""
