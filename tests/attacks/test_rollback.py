# SPDX-License-Identifier: Apache-2.0
"""An old model with everything in order, put in the place of a newer one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.attacks.conftest import Siege, deny_rules
from tests.attacks.test_approvals import approve, broken, guarded
from tests.conftest import Ran
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
    assert "version 1.10 is served" in ran.out
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
    assert "lifted by the break-glass of duty-officer: version 1.10 is served, and this is version 1.9" in ran.out


def test_what_was_promoted_elsewhere_is_not_looked_at() -> None:
    from types import SimpleNamespace

    from wardein.release.rollback import rollbacks

    said = {"action": "promote", "signedVersion": "3", "model": "a", "registry": "models:/churn@champion"}
    entries = [SimpleNamespace(record=said)]
    decision = SimpleNamespace(reports=(), break_glass=None)
    assert list(rollbacks(decision, entries, "b", "")) == []
    (found,) = rollbacks(decision, entries, "b", "models:/churn@champion")
    assert found.fails
