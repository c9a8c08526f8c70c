# SPDX-License-Identifier: Apache-2.0
"""An old model with everything in order, put in the place of a newer one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.attacks.conftest import Siege, deny_rules
from tests.attacks.test_approvals import approve, broken, guarded
from tests.conftest import Ran
from wardein.release.rollback import rollbacks
from wardein.release.store import Store
from wardein.report import NAME_RULE, SIGNER_RULE, VERSION_RULE, Finding, Severity

__all__ = ["guarded"]


def sign_as(siege: Siege, version: str, name: str = "churn") -> None:
    """What verify_artifact tells of the signature."""
    told = [Finding(SIGNER_RULE, Severity.INFO, "signed by train (author)", "train", fails=False)]
    said = {NAME_RULE: name, VERSION_RULE: version}
    told += [
        Finding(rule, Severity.INFO, f"signed as {text}", text, fails=False) for rule, text in said.items() if text
    ]
    siege.alter("verify_artifact", findings=tuple(told))


def release(siege: Siege) -> Ran:
    """Gate and promote, as a pipeline does."""
    siege.claims.clear()
    assert siege.gate().code == 0
    siege.claims.append(siege.folder / "gate.jsonl")
    return siege.step("promote", "--target", siege.folder / "served")


@pytest.fixture
def served(siege: Siege) -> Siege:
    """Version 1.10 of the model churn is served."""
    sign_as(siege, "1.10")
    assert release(siege).code == 0
    return siege


def entry(siege: Siege) -> dict[str, str]:
    return json.loads((siege.folder / "served" / "audit.jsonl").read_bytes().splitlines()[-1])


def other_bytes(siege: Siege) -> None:
    """The same evidence on another model."""
    from dataclasses import replace

    from wardein.subject import Subject, digest_of

    model = Path(str(siege.shown["model"]))
    before = digest_of(model)
    model.write_bytes(b"another model")
    now = digest_of(model)
    for check, report in siege.reports.items():
        subject = tuple(Subject(s.name, now if s.digest == before else s.digest) for s in report.subject)
        inputs = tuple(replace(i, digest=now) if i.digest == before else i for i in report.inputs)
        siege.alter(check, subject=subject, inputs=inputs)


def test_what_is_served_is_noted(served: Siege) -> None:
    assert (entry(served)["signedName"], entry(served)["signedVersion"]) == ("churn", "1.10")


@pytest.mark.parametrize(("version", "why"), [("1.9", "this is version 1.9"), ("", "signed without a version")])
def test_an_earlier_version_is_denied(version: str, why: str, served: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    other_bytes(served)
    sign_as(served, version)
    ran = release(served)
    assert deny_rules(ran) == {"promote/rollback"}
    assert "version 1.10 was served" in ran.out
    assert why in ran.out
    assert entry(served)["signedVersion"] == "1.10"
    monkeypatch.setattr("wardein.release.rollback._step_back", lambda *arguments: "")
    assert release(served).code == 0


def test_an_unnamed_earlier_version_is_denied(served: Siege) -> None:
    other_bytes(served)
    sign_as(served, "1.9", name="")
    assert deny_rules(release(served)) == {"promote/rollback"}


@pytest.mark.parametrize("version", ["1.10.1", "1.11", "2", "2026.11.20"])
def test_a_later_version_takes_its_place(version: str, served: Siege) -> None:
    other_bytes(served)
    sign_as(served, version)
    assert release(served).code == 0
    assert entry(served)["signedVersion"] == version


def test_the_same_model_is_promoted_again(served: Siege) -> None:
    assert release(served).code == 0


def test_other_bytes_under_the_same_version_are_denied(served: Siege) -> None:
    other_bytes(served)
    ran = release(served)
    assert deny_rules(ran) == {"promote/rollback"}
    assert "other bytes under the same version" in ran.out


def test_another_model_is_another_matter(served: Siege) -> None:
    other_bytes(served)
    sign_as(served, "0.1", name="fraud")
    assert release(served).code == 0


def test_models_without_versions_are_promoted_as_before(siege: Siege) -> None:
    assert release(siege).code == 0
    other_bytes(siege)
    assert release(siege).code == 0
    assert "signedVersion" not in entry(siege)


def test_a_version_that_cannot_be_compared_is_an_error(served: Siege) -> None:
    other_bytes(served)
    sign_as(served, "newest")
    served.claims.clear()
    assert served.gate().code == 0
    served.claims.append(served.folder / "gate.jsonl")
    ran = served.step("promote", "--target", served.folder / "served")
    assert ran.code == 2
    assert "is not a version" in ran.one_line


def test_a_break_glass_rolls_back(guarded: Siege) -> None:
    sign_as(guarded, "1.10")
    broken(guarded)
    assert approve(guarded, "--break-glass", "true", key="break-glass").code == 0
    assert guarded.gate().code == 0
    guarded.claims.append(guarded.folder / "gate.jsonl")
    assert guarded.step("promote", "--target", guarded.folder / "served").code == 0
    guarded.claims.clear()
    sign_as(guarded, "1.9")
    assert approve(guarded, "--break-glass", "true", key="break-glass").code == 0
    assert guarded.gate().code == 0
    guarded.claims.append(guarded.folder / "gate.jsonl")
    ran = guarded.step("promote", "--target", guarded.folder / "served")
    assert ran.code == 0, ran.out
    assert "lifted by the break-glass of duty-officer: version 1.10 was served, and this is version 1.9" in ran.out


def promoted(version: str, model: str = "a", name: str = "churn", registry: str = "") -> SimpleNamespace:
    said = {"action": "promote", "signedName": name, "signedVersion": version, "model": model}
    return SimpleNamespace(record=said | ({"registry": registry} if registry else {}))


def found(version: str, entries: list[SimpleNamespace], alias: dict[str, str] | None = None) -> list[str]:
    told = ((NAME_RULE, "churn"), (VERSION_RULE, version))
    findings = tuple(Finding(rule, Severity.INFO, "m", text, fails=False) for rule, text in told)
    report = SimpleNamespace(check="verify_artifact", findings=findings)
    decision = SimpleNamespace(reports=(report,), break_glass=None)
    return [finding.message for finding in rollbacks(decision, entries, "b", alias)]


def test_what_was_promoted_with_a_registry_counts_without_it_as_well() -> None:
    entries = [promoted("3", registry="models:/churn@champion")]
    assert found("4", entries) == []
    assert "version 3 was served, and this is version 2" in found("2", entries)[0]


@pytest.mark.parametrize("between", [promoted("0.1", name="fraud"), promoted("2")], ids=["another name", "a step back"])
def test_the_latest_version_counts_and_not_the_last(between: SimpleNamespace) -> None:
    assert "version 3 was served" in found("2.5", [promoted("3"), between])[0]
    assert found("3.0.1", [promoted("3"), between]) == []


def test_what_the_alias_is_at_counts() -> None:
    alias = {"signedName": "churn", "signedVersion": "3", "model": "a"}
    assert "version 3 was served" in found("2", [], alias)[0]
    assert found("2", [], {"model": "a"}) == found("3.1", [promoted("1")], alias) == []


def test_a_detour_by_another_name_is_no_way_back(served: Siege) -> None:
    other_bytes(served)
    sign_as(served, "", name="fraud")
    assert release(served).code == 0
    sign_as(served, "1.9")
    assert deny_rules(release(served)) == {"promote/rollback"}


def test_what_is_current_has_to_be_in_the_log(served: Siege) -> None:
    folder = served.folder / "served"
    (folder / "audit.jsonl").unlink()
    other_bytes(served)
    sign_as(served, "1.9")
    before = os.readlink(folder / "current")
    ran = release(served)
    assert ran.code == 2
    assert "leads to what the audit log does not tell of" in ran.one_line
    assert os.readlink(folder / "current") == before


def test_of_two_promotions_at_once_one_waits_for_the_other(served: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what was found before the copy would no longer be what is served after it."""
    monkeypatch.setattr("wardein.release.journal.LOCK_SECONDS", 0.2)
    with Store(served.folder / "served", "dev").alone():
        ran = release(served)
    assert ran.code == 2
    assert "stayed locked" in ran.one_line
    assert release(served).code == 0
    assert not [path.name for path in (served.folder / "served").iterdir() if path.name.startswith(".")]
