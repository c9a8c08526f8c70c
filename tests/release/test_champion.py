# SPDX-License-Identifier: Apache-2.0
"""The champion that evidence rests on: what the gate believes of it, and what promote finds in its own log."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.attacks.conftest import Siege, deny_rules, honest_report, siege
from tests.attacks.test_approvals import approve, broken, guarded
from tests.attacks.test_rollback import entry, other_bytes, release
from tests.conftest import Ran
from wardein.release.audit import AuditLog
from wardein.report import Input, Metric
from wardein.subject import digest_of

__all__ = ["guarded", "siege"]

CHAMPION, OTHER = "c" * 64, "d" * 64


def compared(siege: Siege, champion: str = CHAMPION, proven: int = 1, check: str = "compare_models") -> None:
    """Evidence of a comparison that the policy asks for, on top of that of an honest release."""
    siege.amend(lambda policy: policy["checks"].setdefault(check, {}).update(required=True))
    inputs = {role: digest_of(siege.shown[role]) for role in ("model", "data")}
    report = honest_report(check, siege.house, inputs)
    used = Input("champion", "champion", champion, 10)
    shown = Metric("champion_promoted", proven, 1, unit="count", direction="higher")
    siege.reports[check] = replace(report, inputs=(*report.inputs, used), metrics=(*report.metrics, shown))


def pin(siege: Siege, check: str = "compare_models", **inputs: str) -> None:
    siege.amend(
        lambda policy: policy["checks"][check].update(inputs={name: [digest] for name, digest in inputs.items()})
    )


def promoted(siege: Siege, *models: str) -> None:
    """What the log of the folder tells."""
    (siege.folder / "served").mkdir()
    log = AuditLog(siege.folder / "served" / "audit.jsonl", "dev")
    for model in models:
        log.append({"action": "promote", "model": model})


def said(ran: Ran, rule: str) -> list[str]:
    return [finding["message"] for finding in ran.report["findings"] if finding["ruleId"] == rule]


# --- the gate ---------------------------------------------------------------------------------------------------


def test_a_champion_of_unknown_origin_counts_for_nothing(siege: Siege) -> None:
    compared(siege, proven=0)
    ran = siege.gate()
    assert deny_rules(ran) == {"gate/other-input"}
    assert "a champion of the run's own" in said(ran, "gate/other-input")[0]
    pin(siege, champion=OTHER)
    assert deny_rules(siege.gate()) == {"gate/other-input"}
    pin(siege, champion=CHAMPION)
    assert siege.gate().code == 0


def test_a_proven_champion_counts_unless_the_policy_lists_another(siege: Siege) -> None:
    compared(siege)
    assert siege.gate().code == 0
    pin(siege, champion=OTHER)
    assert deny_rules(siege.gate()) == {"gate/other-input"}


@pytest.mark.parametrize(
    ("check", "name"),
    [
        ("evaluate_behavior", "script"),
        ("evaluate_behavior", "champion"),
        ("evaluate_robustness", "features"),
    ],
)
def test_what_a_run_could_excuse_itself_with_has_to_be_listed(check: str, name: str, siege: Siege) -> None:
    """Neither a script nor the declaration of features is believed because a run brought it."""
    siege.amend(lambda policy: policy["checks"].setdefault(check, {}).update(required=True))
    report = honest_report(check, siege.house, {role: digest_of(siege.shown[role]) for role in ("model", "data")})
    siege.reports[check] = replace(report, inputs=(*report.inputs, Input(name, name, CHAMPION, 10)))
    assert deny_rules(siege.gate()) == {"gate/other-input"}
    pin(siege, check, **{name: CHAMPION})
    assert siege.gate().code == 0


# --- promote ----------------------------------------------------------------------------------------------------


def test_a_model_compared_with_the_one_promoted_last_takes_its_place(siege: Siege) -> None:
    compared(siege)
    promoted(siege, OTHER, CHAMPION)
    assert release(siege).code == 0
    assert release(siege).code == 0, "promoted again, it is compared with the one before it"


@pytest.mark.parametrize(
    ("log", "why"), [((CHAMPION, OTHER), f"sha256:{OTHER} was promoted last here"), ((), "nothing was promoted here")]
)
def test_a_champion_that_was_not_promoted_last_is_denied(log, why, siege: Siege, monkeypatch) -> None:
    """The log that proved it was a copy, whose end was cut, or of another folder."""
    compared(siege)
    promoted(siege, *log)
    ran = release(siege)
    assert deny_rules(ran) == {"promote/other-champion"}
    (text,) = said(ran, "promote/other-champion")
    assert text.startswith(f"compare_models compared it with sha256:{CHAMPION}, and {why}")
    assert not (siege.folder / "served" / "current").exists()
    monkeypatch.setattr("wardein.release.champion.other_champions", lambda *arguments: ())
    assert release(siege).code == 0


def test_a_comparison_that_was_overtaken_is_denied(siege: Siege) -> None:
    """Another model was promoted after the comparison; that the first one is current again changes nothing."""
    compared(siege)
    promoted(siege, CHAMPION)
    assert release(siege).code == 0
    first = entry(siege)["model"]
    other_bytes(siege)
    assert deny_rules(release(siege)) == {"promote/other-champion"}
    compared(siege, champion=first)
    assert release(siege).code == 0


def test_a_champion_that_the_policy_lists_is_its_choice(siege: Siege) -> None:
    compared(siege, proven=0)
    pin(siege, champion=CHAMPION)
    promoted(siege, OTHER)
    assert release(siege).code == 0


def test_a_break_glass_is_told_of_another_champion(guarded: Siege) -> None:
    compared(guarded)
    promoted(guarded, OTHER)
    broken(guarded)
    assert approve(guarded, "--break-glass", "true", key="break-glass").code == 0
    assert guarded.gate().code == 0
    guarded.claims.append(guarded.folder / "gate.jsonl")
    ran = guarded.step("promote", "--target", guarded.folder / "served")
    assert ran.code == 0, ran.out
    assert said(ran, "promote/other-champion")[0].startswith("lifted by the break-glass of duty-officer")
    assert json.loads(ran.out)["verdict"] == "PASS"
