# SPDX-License-Identifier: Apache-2.0
"""Each way to abuse a waiver: a finding stays denied, and the reason is told by name."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.conftest import NOW, Siege, deny_rules
from wardein.evidence.statement import WAIVER
from wardein.release import waivers
from wardein.release.waivers import Waiver
from wardein.report import Finding, Severity, Verdict, conclude

CVE = Finding(
    "CVE-2022-22817", Severity.HIGH, "in pillow", "pillow@9.0.0", cve="CVE-2022-22817", purl="pkg:pypi/pillow@9.0.0"
)
OTHER = Finding("CVE-2023-0001", Severity.HIGH, "in requests", "requests@2.0.0")


def find(siege: Siege, *findings: Finding) -> None:
    """Let the scan of the image fail on these findings."""
    report = siege.reports["scan_image"]
    again = conclude(coverage=report.coverage, findings=findings)
    siege.alter("scan_image", findings=findings, verdict=Verdict.FAIL, reason=again.reason)


def honest() -> Waiver:
    return Waiver(
        check="scan_image",
        rule=CVE.rule,
        environment="dev",
        justification="the vulnerable call is never made",
        owner="author",
        not_before=NOW - timedelta(hours=1),
        expires=NOW + timedelta(days=10),
        fingerprint=CVE.fingerprint,
    )


def waive(siege: Siege, waiver: Waiver, *keys: str) -> None:
    siege.say(WAIVER, waivers.predicate(waiver), waivers.scope_digest(waiver), *(keys or ("waive", "approve")))


@pytest.fixture
def found(siege: Siege) -> Siege:
    """A release that nothing but one finding stands against, under a policy that allows waivers."""
    siege.amend(lambda policy: policy.update(waivers={"max_days": 30, "max_severity": "high"}))
    assert siege.gate().code == 0
    find(siege, CVE)
    assert deny_rules(siege.gate()) == {"gate/not-passed", "gate/finding"}
    return siege


def told(siege: Siege) -> set[str]:
    """What was told of waivers."""
    return {f["ruleId"] for f in siege.gate().report["findings"] if f["ruleId"].startswith("waiver/")}


def test_a_waiver_lifts_its_finding_and_is_told(found: Siege) -> None:
    waive(found, honest())
    ran = found.gate()
    assert ran.code == 0, ran.report["reason"]
    assert told(found) == {"waiver/applied"}
    said = [f["message"] for f in ran.report["findings"] if f["ruleId"] == "waiver/applied"]
    assert "the vulnerable call is never made (owner author, approved by reviewer)" in said[0]
    summary = found.run_gate("show", found.folder / "gate.jsonl").out
    assert '"approver": "reviewer"' in summary


@pytest.mark.parametrize(
    "scope",
    [
        {"subject": "…"},
        {"package": "pkg:pypi/pillow", "versions": ">=8,<9.0.1"},
        *({"package": "pkg:pypi/pillow", "versions": f"{sign}9.0.0"} for sign in ("==", "===", "<=", "~=")),
    ],
    ids=["subject", "range", "version", "text", "end", "release"],
)
def test_other_scopes(scope: dict[str, str], found: Siege) -> None:
    if "subject" in scope:
        scope = {"subject": found.reports["scan_image"].subject[0].digest}
    waive(found, replace(honest(), fingerprint="", **scope))
    assert found.gate().code == 0


def test_versions_of_other_systems_are_listed_one_by_one(found: Siege) -> None:
    """Their order is not that of PyPI, so that no range of them is understood."""
    find(found, replace(CVE, purl="pkg:deb/debian/pillow@9.0.0?distro=debian-12"))
    listed = replace(honest(), fingerprint="", package="pkg:deb/debian/pillow", versions="==8.0.0 || ==9.0.0")
    for versions in (">=8", "<=9.0.0", "==9.0.0 || <9"):
        waive(found, replace(listed, versions=versions))
        assert told(found) == {"waiver/wildcard"}
        found.claims.clear()
    waive(found, replace(listed, versions="==8.0.0"))
    assert told(found) == {"waiver/orphan"}
    waive(found, listed)
    assert told(found) == {"waiver/orphan", "waiver/applied"}
    assert found.gate().code == 0


def test_every_waiver_is_told_with_what_it_lifted(found: Siege) -> None:
    find(found, CVE, OTHER)
    waive(found, honest())
    waive(found, replace(honest(), rule=OTHER.rule, fingerprint=OTHER.fingerprint))
    assert found.gate().code == 0
    summary = json.loads(
        base64.b64decode(json.loads((found.folder / "gate.jsonl").read_bytes().splitlines()[1])["payload"])
    )
    told_of = {waiver["rule"]: waiver["fingerprints"] for waiver in summary["predicate"]["waivers"]}
    assert told_of == {CVE.rule: [CVE.fingerprint], OTHER.rule: [OTHER.fingerprint]}


def test_no_other_finding_is_lifted(found: Siege) -> None:
    waive(found, honest())
    find(found, CVE, OTHER)
    assert deny_rules(found.gate()) == {"gate/not-passed", "gate/finding"}
    banned = [f["message"] for f in found.gate().report["findings"] if f["ruleId"] == "gate/finding"]
    assert len(banned) == 1
    assert OTHER.rule in banned[0]


@dataclass(frozen=True)
class Abuse:
    """A waiver that must not count: what is wrong with it, the rule that tells, and the step behind it."""

    name: str
    changed: dict[str, Any]
    rule: str
    step: str
    keys: tuple[str, ...] = ("waive", "approve")

    def __str__(self) -> str:
        return self.name


ENDLESS = {"fingerprint": "", "package": "pkg:pypi/pillow", "versions": ">=8"}
ABUSES = [
    Abuse("expired", {"expires": NOW - timedelta(minutes=1)}, "waiver/expired", "_is_in_time"),
    Abuse("future", {"not_before": NOW + timedelta(days=1)}, "waiver/future", "_is_in_time"),
    Abuse("too long", {"expires": NOW + timedelta(days=31)}, "waiver/too-long", "_is_short_enough"),
    Abuse("of another environment", {"environment": "staging"}, "waiver/copied", "_is_of_this_environment"),
    Abuse("every version", ENDLESS, "waiver/wildcard", "_is_no_wildcard"),
    Abuse("starred version", ENDLESS | {"versions": "==9.*"}, "waiver/wildcard", "_is_no_wildcard"),
    Abuse("of a reviewer", {"owner": "reviewer"}, "waiver/not-owned", "_is_signed_by_its_owner", ("approve", "twin2")),
    Abuse("self-approved", {"owner": "twin"}, "waiver/self-approved", "_is_approved_by_another", ("twin1", "twin2")),
    Abuse(
        "self-approved with a witness",
        {"owner": "twin"},
        "waiver/self-approved",
        "_is_approved_by_another",
        ("twin1", "twin2", "check"),
    ),
    Abuse("unapproved", {}, "waiver/unapproved", "_is_approved_by_another", ("waive",)),
    Abuse("of an owner who did not sign", {"owner": "ceo"}, "waiver/not-owned", "_is_signed_by_its_owner"),
    Abuse("approved only", {}, "waiver/not-owned", "_is_signed_by_its_owner", ("approve",)),
]


@pytest.mark.parametrize("abuse", ABUSES, ids=str)
def test_abuse(abuse: Abuse, found: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    found.add_key("twin1", "twin", "waive")
    found.add_key("twin2", "twin", "approve")
    waive(found, replace(honest(), **abuse.changed), *abuse.keys)
    denied = found.gate()
    assert denied.code == 1
    assert deny_rules(denied) == {"gate/not-passed", "gate/finding"}
    assert told(found) == {abuse.rule}
    monkeypatch.setattr(waivers, abuse.step, lambda *arguments: None)
    assert found.gate().code == 0, "the step that should have stopped it does not"


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"fingerprint": OTHER.fingerprint}, "another place"),
        ({"rule": "CVE-2022-9999"}, "another rule"),
        ({"check": "validate_data"}, "another check"),
        ({"fingerprint": "", "subject": "1" * 64}, "another image"),
        ({"fingerprint": "", "package": "pkg:pypi/pillow", "versions": "<9"}, "another version"),
        ({"fingerprint": "", "package": "pkg:pypi/pillow-simd", "versions": "<99"}, "another package"),
        ({"fingerprint": "", "package": "pkg:deb/debian/pillow", "versions": "==9.0.0"}, "another ecosystem"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_waiver_of_something_else_is_an_orphan(changed: dict[str, str], what: str, found: Siege) -> None:
    waive(found, replace(honest(), **changed))
    assert found.gate().code == 1
    assert told(found) == {"waiver/orphan"}


@pytest.mark.parametrize(
    "changed",
    [{"rule": "*"}, {"rule": "any"}, {"rule": "ALL"}, {"rule": "CVE-2022-*"}, {"rule": "CVE-202?-22817"}]
    + [{"check": "scan_[a-z]*"}, {"fingerprint": "", "package": "pkg:pypi/*", "versions": "==9.0.0"}],
    ids=str,
)
def test_a_pattern_is_told_as_one(changed: dict[str, str], found: Siege) -> None:
    waive(found, replace(honest(), **changed))
    assert found.gate().code == 1
    assert told(found) == {"waiver/wildcard"}


def test_two_good_signatures_under_each_others_names_are_none(found: Siege) -> None:
    waive(found, honest())
    path = found.claims[0]
    envelope = json.loads(path.read_text())
    one, other = envelope["signatures"]
    one["keyid"], other["keyid"] = other["keyid"], one["keyid"]
    path.write_text(json.dumps(envelope))
    assert found.gate().code == 1
    assert told(found) == {"waiver/untrusted"}


@pytest.mark.parametrize("member", ["rule", "scope", "expires", "justification"])
def test_a_widened_waiver_breaks_its_signatures(member: str, found: Siege) -> None:
    waive(found, replace(honest(), fingerprint=OTHER.fingerprint))
    path = found.claims[0]
    envelope = json.loads(path.read_text())
    statement = json.loads(base64.b64decode(envelope["payload"]))
    wide = waivers.predicate(replace(honest(), expires=NOW + timedelta(days=20), justification="…"))
    statement["predicate"][member] = wide[member]
    statement["subject"][0]["digest"]["sha256"] = CVE.fingerprint
    envelope["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    path.write_text(json.dumps(envelope))
    assert found.gate().code == 1
    assert told(found) == {"waiver/untrusted"}


@pytest.mark.parametrize(
    "broken",
    [
        {"scope": {}},
        {"scope": {"fingerprint": "*"}},
        {"scope": {"package": "pkg:pypi/pillow"}},
        {"scope": {"fingerprint": CVE.fingerprint, "subject": "1" * 64}},
        {"rule": "*"},
        {"rule": ""},
        {"justification": "  "},
        {"expires": "never"},
        {"expires": None},
        {"notBefore": "always"},
        {"justification": "x" * 4001},
        {"scope": ["fingerprint"]},
        {"scope": {"fingerprint": CVE.fingerprint, "everything": "else"}},
        {"owner": ["author"]},
        {"extra": "member"},
    ],
    ids=lambda broken: str(broken)[:40],
)
def test_a_malformed_waiver_lifts_nothing(broken: dict[str, Any], found: Siege) -> None:
    found.say(WAIVER, waivers.predicate(honest()) | broken, CVE.fingerprint, "waive", "approve")
    denied = found.gate()
    assert deny_rules(denied) == {"gate/not-passed", "gate/finding"}
    assert told(found) <= {"waiver/malformed", "waiver/wildcard", "waiver/orphan"}
    assert told(found)


def test_a_waiver_that_is_about_another_scope_lifts_nothing(found: Siege) -> None:
    """What tools see of a statement is its subject: it cannot be another than what is waived."""
    found.say(WAIVER, waivers.predicate(honest()), "1" * 64, "waive", "approve")
    assert found.gate().code == 1
    assert told(found) == {"waiver/malformed"}


RUNS_CODE = Finding("CVE-2025-1", Severity.CRITICAL, "unpickles", "model.pkl", cwe="CWE-502")
NEVER: list[tuple[Finding, str]] = [
    (RUNS_CODE, "high"),
    (RUNS_CODE, "critical"),
    (Finding("model/opcode", Severity.CRITICAL, "runs code", taxonomy=("code-execution",)), "critical"),
    (Finding("signature/changed", Severity.LOW, "changed", "a"), "critical"),
    (Finding("CVE-2025-2", Severity.CRITICAL, "reads files"), "high"),
]


@pytest.mark.parametrize(("finding", "limit"), NEVER)
def test_what_nobody_can_waive(finding: Finding, limit: str, found: Siege) -> None:
    found.amend(lambda policy: policy["waivers"].update(max_severity=limit))
    find(found, finding)
    waive(found, replace(honest(), rule=finding.rule, fingerprint=finding.fingerprint))
    assert "gate/not-passed" in deny_rules(found.gate())
    assert told(found) == {"waiver/not-waivable" if waivers.is_never_waivable(finding) else "waiver/too-severe"} or (
        finding.rule.startswith("signature/") and told(found) == {"waiver/not-waivable"}
    )
    assert told(found) in ({"waiver/not-waivable"}, {"waiver/too-severe"})


@pytest.mark.parametrize("finding", [NEVER[-1][0], replace(RUNS_CODE, severity=Severity.HIGH)], ids=["data", "code"])
def test_what_is_not_both_critical_and_code_can_be_waived_if_the_policy_says_so(finding: Finding, found: Siege) -> None:
    """The other side of the line: without it the test above could not fail for the right reason."""
    found.amend(lambda policy: policy["waivers"].update(max_severity="critical"))
    find(found, finding)
    waive(found, replace(honest(), rule=finding.rule, fingerprint=finding.fingerprint))
    assert found.gate().code == 0


@pytest.mark.parametrize("rule", ["gate/missing", "gate/other-subject", "promote/decision", "signature/changed"])
def test_the_gates_own_reasons_cannot_be_waived(rule: str, found: Siege) -> None:
    del found.reports["scan_image"]
    waive(found, replace(honest(), rule=rule))
    assert deny_rules(found.gate()) == {"gate/missing"}
    assert told(found) == {"waiver/not-waivable"}


def test_incomplete_coverage_cannot_be_waived(found: Siege) -> None:
    waive(found, honest())
    report = found.reports["scan_image"]
    found.alter("scan_image", coverage=replace(report.coverage, examined=report.coverage.examined - 1))
    assert deny_rules(found.gate()) == {"gate/not-passed"}


def test_an_error_cannot_be_waived(found: Siege) -> None:
    """Not even where all that stands in the report is a finding that is waived."""
    waive(found, honest())
    assert found.gate().code == 0
    found.alter("scan_image", verdict=Verdict.ERROR)
    assert deny_rules(found.gate()) == {"gate/not-passed"}


def test_no_waiver_counts_where_the_policy_allows_none(found: Siege) -> None:
    waive(found, honest())
    found.amend(lambda policy: policy.update(waivers={"max_days": 0}))
    assert told(found) == {"waiver/too-long"}
    assert found.gate().code == 1


# The commands


def run_waive(siege: Siege, *options: object, key: str = "waive", days: float = 10) -> Any:
    fixed = ["--trust", siege.house.trust, "--key", siege.house.key(key), "--out", siege.folder / "waiver.jsonl"]
    return siege.run_gate("waive", *options, *fixed, "--days", days)


def countersign(siege: Siege, key: str = "approve") -> Any:
    waiver = siege.folder / "waiver.jsonl"
    return siege.run_gate("countersign", waiver, "--trust", siege.house.trust, "--key", siege.house.key(key))


def test_a_waiver_is_made_by_two_commands(found: Siege) -> None:
    evidence = found.write()[list(found.reports).index("scan_image")]
    made = run_waive(found, "--evidence", evidence, "--rule", CVE.rule, "--justification", "never called")
    assert made.code == 0, made.err
    found.claims.append(found.folder / "waiver.jsonl")
    assert told(found) == {"waiver/unapproved"}
    for wrong in ("waive", "gate", "check"):
        refused = countersign(found, wrong)
        assert refused.code == 2
        assert "role approve" in refused.one_line
    signed = countersign(found)
    assert signed.code == 0, signed.err
    assert "never called" in signed.out
    assert found.gate().code == 0
    assert countersign(found).code == 2


def vex(siege: Siege, **changed: Any) -> Path:
    statement = {
        "vulnerability": {"name": CVE.rule},
        "products": [{"@id": "pkg:oci/serving", "subcomponents": [{"@id": "pkg:pypi/pillow@9.0.0"}]}],
        "status": "not_affected",
        "justification": "vulnerable_code_not_in_execute_path",
    }
    document = {"@context": "https://openvex.dev/ns/v0.2.0", "statements": [statement | changed]}
    path = siege.folder / "vendor.openvex.json"
    path.write_text(json.dumps(document))
    return path


def test_a_vendors_word_is_a_request(found: Siege) -> None:
    assert run_waive(found, "--vex", vex(found)).code == 0
    found.claims.append(found.folder / "waiver.jsonl")
    assert found.gate().code == 1
    assert countersign(found).code == 0
    assert found.gate().code == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "under_investigation"},
        {"status": "fixed"},
        {"justification": "trust me"},
        {"justification": ""},
        {"products": [{"@id": "pkg:pypi/pillow"}]},
        {"products": [{"@id": "pillow@9.0.0"}]},
        {"vulnerability": {}},
    ],
    ids=str,
)
def test_a_vendors_word_that_asks_for_nothing(changed: dict[str, Any], found: Siege) -> None:
    ran = run_waive(found, "--vex", vex(found, **changed))
    assert ran.code == 2
    assert "holds no statement to ask for" in ran.one_line
    assert not (found.folder / "waiver.jsonl").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--rule"),
        (("--rule", "CVE-1"), "--check"),
        (("--rule", "CVE-1", "--check", "scan_image"), "--justification"),
        (("--rule", "CVE-1", "--check", "scan_image", "--justification", "x"), "scope"),
        (("--rule", "CVE-1", "--evidence", "{evidence}", "--justification", "x"), "has 0 findings"),
    ],
)
def test_misuse_of_waive(options: tuple[str, ...], message: str, found: Siege) -> None:
    evidence = str(found.write()[list(found.reports).index("scan_image")])
    ran = run_waive(found, *(option.replace("{evidence}", evidence) for option in options))
    assert ran.code == 2
    assert message in ran.one_line
    assert not (found.folder / "waiver.jsonl").exists()


def test_only_an_owner_can_ask(found: Siege) -> None:
    asked = ("--rule", "CVE-1", "--check", "scan_image", "--subject", "1" * 64, "--justification", "x")
    ran = run_waive(found, *asked, key="check")
    assert ran.code == 2
    assert "role waive" in ran.one_line
