# SPDX-License-Identifier: Apache-2.0
"""CycloneDX: findings on packages, valid for the standard's own schema, the same bytes for the same report."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from wardein.export import cyclonedx
from wardein.report import BASELINE, Coverage, Finding, Report, Severity, Skipped, Tool, conclude, could_not_look
from wardein.subject import Subject

PILLOW = Finding(
    "CVE-2022-22817",
    Severity.CRITICAL,
    "pillow 9.0.0: evaluates expressions; fixed in 9.0.1",
    "requirements.txt",
    cve="CVE-2022-22817",
    cwe="CWE-95",
    taxonomy=("pip-audit:PYSEC-2022-9", "trivy:CVE-2022-22817"),
    purl="pkg:pypi/pillow@9.0.0",
    line=3,
)
NPM = Finding("GHSA-x", Severity.LOW, "m", "lock", fails=False, purl="pkg:npm/%40scope/name@1.2.3-rc.1%2Bb?arch=x#a/b")


def report(*findings: Finding, **changes: Any) -> Report:
    made = conclude(
        coverage=Coverage("declared dependencies", 2, 2), findings=findings, tools=[Tool("trivy", "0.76.0", "c" * 64)]
    )
    execution = {"started": "2026-01-01T00:00:00.0Z", "finished": "2026-01-01T00:00:02.500000Z"}
    named = replace(made, check="scan_dependencies", version="1", subject=(Subject("source", "a" * 64),))
    return replace(named, execution=execution, **changes)


def document(made: Report) -> dict[str, Any]:
    """The document, which the validator of the standard's own schema accepts."""
    text = cyclonedx.render(made)
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    assert error is None, error
    parsed = json.loads(text)
    references = [c["bom-ref"] for c in parsed["components"] + parsed["metadata"]["tools"]["components"]]
    references += [parsed["metadata"]["component"]["bom-ref"]] + [v["bom-ref"] for v in parsed["vulnerabilities"]]
    assert len(set(references)) == len(references)
    assert {a["ref"] for v in parsed["vulnerabilities"] for a in v["affects"]} <= set(references)
    return parsed  # type: ignore[no-any-return]


def properties(holder: dict[str, Any]) -> dict[str, str]:
    return {item["name"].removeprefix("wardein:"): item["value"] for item in holder["properties"]}


def test_the_validator_refuses() -> None:
    bad = document(report(PILLOW))
    bad["vulnerabilities"][0]["ratings"][0]["severity"] = "terrible"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bad)) is not None


def test_a_finding_on_a_package_is_a_vulnerability_that_affects_a_component() -> None:
    made = document(report(PILLOW))
    (told,) = made["vulnerabilities"]
    assert told["id"] == "CVE-2022-22817"
    assert told["ratings"] == [{"source": {"name": "wardein"}, "severity": "critical", "method": "other"}]
    assert told["cwes"] == [95]
    assert told["affects"] == [{"ref": "pkg:pypi/pillow@9.0.0"}]
    assert "analysis" not in told
    assert properties(told)["place"] == "requirements.txt, line 3"
    assert [p["value"] for p in told["properties"] if p["name"] == "wardein:reported-by"] == list(PILLOW.taxonomy)
    (component,) = made["components"]
    assert component == {
        "type": "library",
        "bom-ref": "pkg:pypi/pillow@9.0.0",
        "name": "pillow",
        "version": "9.0.0",
        "purl": "pkg:pypi/pillow@9.0.0",
    }
    assert made["compositions"] == [{"aggregate": "incomplete", "assemblies": ["subject"]}]


def test_a_package_url_with_everything_in_it() -> None:
    (component,) = document(report(NPM))["components"]
    assert (component["group"], component["name"], component["version"]) == ("@scope", "name", "1.2.3-rc.1+b")


@pytest.mark.parametrize(
    ("purl", "name"),
    [
        ("pkg:pypi/a", "a"),
        ("pkg:", "unknown"),
        ("pkg:pypi/a@", "a"),
        ("pkg:golang/@v/x@1", "x"),
        ("pkg:pypi/a%2Bb@1", "a+b"),
    ],
)
def test_odd_package_urls(purl: str, name: str) -> None:
    (component,) = document(report(replace(NPM, purl=purl)))["components"]
    assert component["name"] == name


def test_the_subject_is_the_component_with_its_digest() -> None:
    told = document(report(PILLOW))["metadata"]["component"]
    assert (told["type"], told["name"], told["version"]) == ("application", "source", "sha256:" + "a" * 64)
    assert told["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    kinds = {name: document(report(subject=(Subject(name, "a" * 64),)))["metadata"] for name in ("image", "model", "x")}
    assert [kinds[name]["component"]["type"] for name in kinds] == ["container", "machine-learning-model", "file"]


def test_what_names_no_package_is_counted() -> None:
    made = document(report(PILLOW, Finding("code/eval", Severity.HIGH, "m", "a.py", line=1), NPM))
    assert [v["id"] for v in made["vulnerabilities"]] == ["CVE-2022-22817", "GHSA-x"]
    assert properties(made["metadata"])["findings-without-a-package"] == "1"


def test_a_cve_without_a_package_is_one_of_the_subject() -> None:
    (told,) = document(report(replace(PILLOW, purl="")))["vulnerabilities"]
    assert told["affects"] == [{"ref": "subject"}]
    (told,) = document(report(replace(PILLOW, purl="no package url")))["vulnerabilities"]
    assert told["affects"] == [{"ref": "subject"}]


def test_one_vulnerability_of_one_package_in_two_files_is_one() -> None:
    other = replace(PILLOW, location="uv.lock", line=80, severity=Severity.HIGH, rule="PYSEC-2022-9", cwe="CWE-94")
    (told,) = document(report(other, PILLOW))["vulnerabilities"]
    assert told["ratings"][0]["severity"] == "critical"
    assert told["cwes"] == [95, 94]
    assert [r["id"] for r in told["references"]] == ["PYSEC-2022-9"]
    assert [p["value"] for p in told["properties"] if p["name"] == "wardein:place"] == [
        "requirements.txt, line 3",
        "uv.lock, line 80",
    ]
    made = document(report(PILLOW, replace(PILLOW, purl="pkg:pypi/pillow@8.0.0")))
    assert len(made["vulnerabilities"]) == len(made["components"]) == 2


def test_what_a_baseline_had_is_in_triage_and_never_said_to_be_harmless() -> None:
    known = replace(PILLOW, fails=False, suppressed=BASELINE)
    (told,) = document(report(known))["vulnerabilities"]
    assert told["analysis"]["state"] == "in_triage"
    assert "earlier report" in told["analysis"]["detail"]
    assert properties(told)["fails"] == "false"


def test_a_report_that_could_not_look_says_so() -> None:
    ended = replace(could_not_look("trivy is not installed"), check="scan_dependencies", version="1")
    said = properties(document(ended)["metadata"])
    assert (said["verdict"], said["reason"], said["not-examined"]) == ("ERROR", "trivy is not installed", "1")
    half = report(PILLOW, coverage=Coverage("files", 2, 1, (Skipped("a", "b"),)))
    assert properties(document(half)["metadata"])["examined"] == "1 of 2 files"


def test_the_same_report_gives_the_same_document_whatever_the_order() -> None:
    assert cyclonedx.render(report(PILLOW, NPM)) == cyclonedx.render(report(NPM, PILLOW))
    later = replace(report(PILLOW), execution={"finished": "2026-02-02T00:00:00Z"})
    texts = [json.loads(cyclonedx.render(made)) for made in (report(PILLOW), later)]
    assert [text["metadata"].pop("timestamp") for text in texts] == [
        "2026-01-01T00:00:02.500000Z",
        "2026-02-02T00:00:00Z",
    ]
    assert texts[0] == texts[1]
    assert texts[0]["serialNumber"] != document(report(NPM))["serialNumber"]


odd = st.text(st.characters(codec="utf-8"), max_size=40)


@settings(max_examples=40, deadline=None)
@given(odd, odd, odd)
def test_nothing_hostile_makes_it_invalid(rule: str, place: str, message: str) -> None:
    found = [
        Finding(rule, Severity.HIGH, message, place, purl=f"pkg:{place}", cve=message, cwe=rule, taxonomy=(message,)),
        Finding(rule, Severity.LOW, message, place, purl=place, cve=rule, suppressed=message),
    ]
    text = cyclonedx.render(report(*found, subject=(Subject(place, "0" * 64),)))
    assert text.isascii()
    assert "\\u001b" not in text
    document(report(*found, subject=(Subject(place, "0" * 64),)))
