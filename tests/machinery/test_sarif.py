# SPDX-License-Identifier: Apache-2.0
"""SARIF of scanned sources: files and lines, cells, baselines, weaknesses, our rules' words, what GitHub asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator, FormatChecker, ValidationError

from wardein.export import sarif
from wardein.report import (
    BASELINE,
    Coverage,
    Criterion,
    Finding,
    Input,
    Metric,
    Report,
    Severity,
    Skipped,
    conclude,
)
from wardein.scan.catalogue import known_rules
from wardein.subject import Subject

SCHEMA = json.loads((Path(__file__).parent / "sarif-schema-2.1.0.json").read_text())
LOAD = Finding(
    "code/pickle-load",
    Severity.HIGH,
    "unpickles",
    "src/load model.py",
    cwe="CWE-502",
    taxonomy=("bandit:B301", "ruff:S301"),
    line=7,
    identity="0123456789abcdef:1",
)
CELL = replace(LOAD, location="notebooks/train.ipynb", part="cell 3", line=2)


def scanned(*findings: Finding, subject: str = "source", baseline: bool = False, **changes: Any) -> Report:
    made = conclude(coverage=Coverage("Python files", 3, 3), findings=findings)
    inputs = [Input(subject, "Source", "a" * 64, 10)] + (
        [Input(BASELINE, "Baseline", "b" * 64, 10)] if baseline else []
    )
    named = replace(made, check="scan_code", version="1", subject=(Subject(subject, "a" * 64),), inputs=tuple(inputs))
    return replace(named, **changes)


def run_of(text: str) -> dict[str, Any]:
    document = json.loads(text)
    Draft4Validator(SCHEMA, format_checker=FormatChecker()).validate(document)
    (run,) = document["runs"]
    return run  # type: ignore[no-any-return]


def place_of(result: dict[str, Any]) -> tuple[str, int]:
    physical = result["locations"][0]["physicalLocation"]
    return physical["artifactLocation"]["uri"], physical["region"]["startLine"]


def test_the_schema_is_the_whole_one_and_refuses() -> None:
    Draft4Validator.check_schema(SCHEMA)
    assert SCHEMA["id"] == sarif.SCHEMA
    assert len(SCHEMA["definitions"]) == 52
    good = json.loads(sarif.render(scanned(LOAD)))
    for spoil in (
        lambda run: run["taxonomies"][0].pop("name"),
        lambda run: run["taxonomies"][0]["taxa"][0].pop("id"),
        lambda run: run["results"][0].update(baselineState="old"),
        lambda run: run["results"][0].update(suppressions=[{"status": "accepted"}]),
        lambda run: run["results"][0]["locations"][0]["physicalLocation"]["region"].update(startLine=0),
        lambda run: run["tool"]["driver"]["rules"][0]["help"].pop("text"),
        lambda run: run["tool"]["driver"]["rules"][0].update(relationships=[{"kinds": ["superset"]}]),
        lambda run: run["tool"]["driver"].update(unheardOf=1),
    ):
        bad = json.loads(json.dumps(good))
        spoil(bad["runs"][0])
        assert list(Draft4Validator(SCHEMA).iter_errors(bad))


def test_a_finding_in_a_source_is_shown_at_its_file_and_line() -> None:
    (result,) = run_of(sarif.render(scanned(LOAD)))["results"]
    assert place_of(result) == ("src/load%20model.py", 7)
    assert "logicalLocations" not in result["locations"][0]
    assert result["message"]["text"] == "unpickles"


def test_a_source_below_the_root_of_the_repository() -> None:
    (result,) = run_of(sarif.log([scanned(LOAD)], "wardein.yaml", source="services/train"))["results"]
    assert place_of(result) == ("services/train/src/load%20model.py", 7)
    # Where it is not known where the source lies, no file of the repository may be named.
    (result,) = run_of(sarif.log([scanned(LOAD)], "wardein.yaml"))["results"]
    assert place_of(result) == ("wardein.yaml", 1)
    assert result["message"]["text"] == "src/load model.py, line 7: unpickles"


def test_a_finding_on_a_whole_file() -> None:
    (result,) = run_of(sarif.render(scanned(replace(LOAD, line=0))))["results"]
    assert place_of(result) == ("src/load%20model.py", 1)


def test_a_line_of_a_cell_is_no_line_of_the_file() -> None:
    (result,) = run_of(sarif.render(scanned(CELL)))["results"]
    assert place_of(result) == ("notebooks/train.ipynb", 1)
    assert result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "cell 3, line 2"
    assert result["message"]["text"] == "cell 3, line 2: unpickles"


def test_a_path_inside_an_image_is_no_path_of_the_repository() -> None:
    (result,) = run_of(sarif.render(scanned(LOAD, subject="image")))["results"]
    assert place_of(result) == ("image", 1)
    assert result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "src/load model.py, line 7"


def test_two_findings_of_one_fingerprint_stay_two_alerts() -> None:
    twice = scanned(replace(LOAD, identity=""), replace(LOAD, identity="", line=9))
    hashes = [r["partialFingerprints"]["primaryLocationLineHash"] for r in run_of(sarif.render(twice))["results"]]
    assert [text[-2:] for text in hashes] == [":1", ":2"]
    assert hashes[0][:-2] == hashes[1][:-2]


def test_the_fingerprint_does_not_move_with_the_line() -> None:
    def hashed(finding: Finding) -> str:
        (result,) = run_of(sarif.render(scanned(finding)))["results"]
        assert result["partialFingerprints"]["wardein/v1"] == finding.fingerprint
        return str(result["partialFingerprints"]["primaryLocationLineHash"])

    assert hashed(LOAD) == hashed(replace(LOAD, line=70))
    assert hashed(LOAD) != hashed(replace(LOAD, identity="0123456789abcdef:2"))


def test_what_a_baseline_had_is_unchanged_and_suppressed_and_the_rest_is_new() -> None:
    known = replace(LOAD, fails=False, suppressed=BASELINE)
    results = run_of(sarif.render(scanned(known, CELL, baseline=True)))["results"]
    assert [(r["baselineState"], r["level"]) for r in results] == [("new", "error"), ("unchanged", "warning")]
    assert results[0]["suppressions"] == []
    (suppression,) = results[1]["suppressions"]
    assert (suppression["kind"], suppression["status"]) == ("external", "accepted")
    assert "earlier report" in suppression["justification"]


def test_without_a_baseline_nothing_is_said_of_news() -> None:
    for text in (sarif.render(scanned(LOAD)), sarif.log([scanned(LOAD), scanned(CELL, baseline=True)])):
        assert all("baselineState" not in result for result in run_of(text)["results"])


def test_weaknesses_are_a_taxonomy_that_rules_and_results_refer_to() -> None:
    other = Finding("CVE-1", Severity.LOW, "m", "b.py", cwe="CWE-079", taxonomy=("CWE-502", "trivy:CVE-1"), fails=False)
    run = run_of(sarif.render(scanned(LOAD, other, replace(LOAD, rule="none", cwe="", taxonomy=("CWE-x", "CWE-0")))))
    (taxonomy,) = run["taxonomies"]
    assert (taxonomy["name"], [taxon["id"] for taxon in taxonomy["taxa"]]) == ("CWE", ["502", "79"])
    assert run["tool"]["driver"]["supportedTaxonomies"] == [{"name": "CWE", "index": 0}]
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert [r["target"]["id"] for r in rules["CVE-1"]["relationships"]] == ["79", "502"]
    assert rules["none"]["relationships"] == []
    for reference in [r["target"] for rule in rules.values() for r in rule["relationships"]] + [
        taxon for result in run["results"] for taxon in result["taxa"]
    ]:
        assert taxonomy["taxa"][reference["index"]]["id"] == reference["id"]
        assert reference["toolComponent"] == {"name": "CWE", "index": 0}
    assert "external/cwe/cwe-079" in rules["CVE-1"]["properties"]["tags"]
    assert "trivy:CVE-1" in rules["CVE-1"]["properties"]["tags"]


def test_no_weakness_no_taxonomy() -> None:
    run = run_of(sarif.render(scanned(replace(LOAD, cwe="", taxonomy=()))))
    assert run["taxonomies"] == []
    assert "supportedTaxonomies" not in run["tool"]["driver"]


def test_our_own_rules_say_why_and_what_to_do_instead() -> None:
    rule = known_rules()[LOAD.rule]
    (told,) = run_of(sarif.render(scanned(LOAD)))["tool"]["driver"]["rules"]
    assert told["shortDescription"]["text"] == rule.title
    assert rule.why in told["fullDescription"]["text"]
    for text in (told["help"]["text"], told["help"]["markdown"]):
        assert rule.why in text
        assert rule.mend in text
    assert "cwe.mitre.org/data/definitions/502.html" in told["help"]["markdown"]


def every_kind() -> Report:
    """A report with whatever a result can come from, and more of it than fits."""
    many = [replace(LOAD, rule=f"r/{n % 40}", location=f"src/{n}.py", line=n + 1, identity=f"{n}:1") for n in range(60)]
    tagged = replace(LOAD, rule="many tags", taxonomy=tuple(f"tool{n}:rule" for n in range(60)))
    long = replace(LOAD, rule="x" * 3000, message="long. " * 2000, location="deep/" * 900 + "f.py")
    made = conclude(
        coverage=Coverage("files", 100, 99, (Skipped("a.py", "does not parse"),)),
        metrics=[Metric("m", 0.1, 10)],
        criteria=[Criterion("m", ">=", 0.5)],
        findings=[
            *many,
            tagged,
            long,
            CELL,
            *(replace(LOAD, severity=s, rule=f"s/{s}", fails=False) for s in Severity),
        ],
    )
    return scanned(
        coverage=made.coverage, **{n: getattr(made, n) for n in ("verdict", "reason", "criteria", "findings")}
    )


@pytest.mark.parametrize("text", [sarif.render(every_kind()), sarif.log([every_kind(), scanned(LOAD)], "wardein.yaml")])
def test_what_github_asks_of_a_file(text: str) -> None:
    """The requirements and limits that GitHub documents under "SARIF support for code scanning"."""
    document = json.loads(text)
    assert len(text.encode()) < 10_000_000  # compressed; this is more than what it asks
    assert document["$schema"]
    assert document["version"] == "2.1.0"
    assert 1 <= len(document["runs"]) <= 20
    run = run_of(text)
    driver = run["tool"]["driver"]
    assert driver["name"]
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", driver["semanticVersion"])
    assert len(run["tool"].get("extensions", [])) <= 100
    assert len(run["results"]) <= 5_000 < 25_000
    assert len(driver["rules"]) <= 25_000
    assert run["automationDetails"]["id"].count("/") == 2
    assert run["automationDetails"]["id"].endswith("/")
    assert len({rule["id"] for rule in driver["rules"]}) == len(driver["rules"])
    for rule in driver["rules"]:
        assert rule["id"]
        assert 0 < len(rule["shortDescription"]["text"]) <= 1024
        assert 0 < len(rule["fullDescription"]["text"]) <= 1024
        assert rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in ("note", "warning", "error")
        assert len(rule["properties"]["tags"]) <= 10
        assert "security" in rule["properties"]["tags"]
        assert isinstance(rule["properties"]["security-severity"], str)
        assert 0.0 < float(rule["properties"]["security-severity"]) <= 10.0
    assert len({r["partialFingerprints"]["primaryLocationLineHash"] for r in run["results"]}) == len(run["results"])
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("note", "warning", "error")
        assert result["message"]["text"]
        assert 1 <= len(result["locations"]) <= 10
        for location in result["locations"]:
            uri = location["physicalLocation"]["artifactLocation"]["uri"]
            assert re.fullmatch(r"[\w.~%/-]+", uri, re.ASCII), uri
            assert not uri.startswith("/")
            assert ".." not in uri.split("/")
            region = location["physicalLocation"]["region"]
            assert all(region[name] >= 1 for name in ("startLine", "startColumn", "endLine", "endColumn"))
            assert region["endLine"] >= region["startLine"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda run: run["tool"]["driver"]["rules"][0]["properties"].update({"security-severity": 9.5}),
        lambda run: run["tool"]["driver"]["rules"][0]["properties"].update(tags=["security"] * 11),
        lambda run: run["results"][0]["partialFingerprints"].pop("primaryLocationLineHash"),
        lambda run: run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"].update(uri="/etc/passwd"),
        lambda run: run["results"][0].update(locations=[]),
        lambda run: run["tool"]["driver"]["rules"][0]["help"].update(text=""),
    ],
)
def test_the_list_of_requirements_can_fail(spoil: Callable[[dict[str, Any]], Any]) -> None:
    document = json.loads(sarif.render(scanned(LOAD)))
    spoil(document["runs"][0])
    with pytest.raises((AssertionError, KeyError, ValidationError)):
        test_what_github_asks_of_a_file(json.dumps(document))
