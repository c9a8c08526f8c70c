# SPDX-License-Identifier: Apache-2.0
"""SARIF, JUnit and Markdown: nothing bad is lost on the way, and nothing hostile gets out of its place."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator, FormatChecker
from junitparser import Error, Failure, JUnitXml
from junitparser import Skipped as SkippedCase
from markdown_it import MarkdownIt

from wardein.errors import is_text
from wardein.export import junit, markdown, sarif
from wardein.report import (
    Coverage,
    Criterion,
    Finding,
    Metric,
    Report,
    Severity,
    Skipped,
    Verdict,
    conclude,
)
from wardein.subject import Subject

SCHEMA = json.loads((Path(__file__).parent / "sarif-schema-2.1.0.json").read_text())
NASTY = [
    "a | b | c",
    "`` `rm -rf` ```",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "\x1b[31mred\x1b[0m\x07",
    "]]></failure></testcase>",
    "nul\x00 \ud800 lone \udfff",
    "{{ 7*7 }} ${{ secrets.KEY }} {% raw %} {0} {#",
    "[click](https://evil.example) ![x](http://evil.example/x.png) https://evil.example www.evil.example",
    "@octocat #1 GH-2 me@evil.example",
    "two\nlines\r\n# heading\n| x |\u2028\u202e rtl",
    "\\| \\` trailing \\",
    "",
    "é … 漢字 🦆",
]
hostile = st.one_of(st.sampled_from(NASTY), st.text(st.characters(codec=None), max_size=60))


def report(check: str = "scan_image", **changes: Any) -> Report:
    """What a check says that found one bad and one tolerable thing, and missed one threshold of two."""
    made = conclude(
        coverage=Coverage("rows", 500, 500),
        metrics=[Metric("accuracy", 0.5, 500), Metric("auc", 0.9, 500)],
        criteria=[Criterion("accuracy", ">=", 0.8, source="policy"), Criterion("auc", ">=", 0.8)],
        findings=[
            Finding("CVE-2022-22817", Severity.CRITICAL, "evaluates expressions", "pillow 9.0.0", cwe="CWE-95"),
            Finding("CVE-2022-22817", Severity.LOW, "another place", "pillow 8", fails=False),
            Finding("note/done", Severity.INFO, "evidence counted", "x", fails=False),
        ],
    )
    execution = {"started": "2026-01-01T00:00:00.0Z", "finished": "2026-01-01T00:00:02.5Z"}
    named = replace(made, check=check, version="1", subject=(Subject("image", "0" * 64),), execution=execution)
    return replace(named, **changes)


def errored(check: str = "validate_data") -> Report:
    made = conclude(coverage=Coverage("rows", 2, 1, (Skipped("row 2", "unreadable"),)))
    return replace(made, check=check, subject=(Subject("data", "0" * 64),))


def passed(check: str = "evaluate_fairness") -> Report:
    return replace(conclude(coverage=Coverage("rows", 2, 2)), check=check, subject=(Subject("model", "0" * 64),))


def run_of(text: str) -> dict[str, Any]:
    """The one run of a valid log."""
    document = json.loads(text)
    Draft4Validator(SCHEMA, format_checker=FormatChecker()).validate(document)
    (run,) = document["runs"]
    found: dict[str, Any] = run
    return found


def errors(run: dict[str, Any]) -> list[dict[str, Any]]:
    return [r for r in run["results"] if r["level"] == "error" and not r.get("suppressions")]


# SARIF


def test_the_schema_refuses_what_is_not_sarif() -> None:
    good = json.loads(sarif.render(report()))
    for spoil in (
        lambda run: run["results"][0].pop("message"),
        lambda run: run["results"][0].update(level="fatal"),
        lambda run: run["tool"]["driver"].pop("name"),
        lambda run: run["invocations"][0].pop("executionSuccessful"),
        lambda run: run["results"][0].update(severity="high"),
    ):
        bad = json.loads(json.dumps(good))
        spoil(bad["runs"][0])
        assert list(Draft4Validator(SCHEMA).iter_errors(bad)), spoil


def test_findings_and_unmet_criteria_are_results() -> None:
    run = run_of(sarif.render(report()))
    assert [(r["ruleId"], r["level"]) for r in run["results"]] == [
        ("CVE-2022-22817", "error"),
        ("scan_image/accuracy", "error"),
        ("CVE-2022-22817", "note"),
    ]
    assert run["results"][0]["properties"] == {"check": "scan_image", "severity": "critical", "fails": True}
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "image"}
    assert run["results"][0]["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "pillow 9.0.0"
    notes = [n["message"]["text"] for n in run["invocations"][0]["toolExecutionNotifications"]]
    assert notes == ["evidence counted"]


def test_a_rule_has_the_worst_severity_of_its_findings() -> None:
    findings = report().findings
    for order in (findings, findings[::-1]):
        rules = run_of(sarif.render(report(findings=order)))["tool"]["driver"]["rules"]
        rule = next(r for r in rules if r["id"] == "CVE-2022-22817")
        assert rule["properties"]["security-severity"] == "9.5"
        assert "external/cwe/cwe-095" in rule["properties"]["tags"]
        assert rule["defaultConfiguration"] == {"level": "error"}


def test_fingerprints_are_those_of_the_findings_and_differ() -> None:
    run = run_of(sarif.render(report()))
    prints = [r["partialFingerprints"] for r in run["results"]]
    assert prints[0]["wardein/v1"] == report().findings[0].fingerprint
    assert len({p["primaryLocationLineHash"] for p in prints}) == len(prints)
    worse = report(metrics=(Metric("accuracy", 0.1, 500),))
    again = run_of(sarif.render(worse.judged_by([])))
    assert [r["partialFingerprints"] for r in again["results"]] == prints


def test_the_same_finding_of_two_checks_is_two_alerts() -> None:
    run = run_of(sarif.log([report("scan_image"), report("scan_model")], "wardein.yaml"))
    hashes = [r["partialFingerprints"]["primaryLocationLineHash"] for r in run["results"]]
    assert len(set(hashes)) == len(hashes) == 6
    assert {r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in run["results"]} == {
        "wardein.yaml"
    }
    assert [i["properties"]["check"] for i in run["invocations"]] == ["scan_image", "scan_model"]


def test_an_error_is_a_result_too() -> None:
    """Services show results only: without one, what could not be examined would look clean."""
    run = run_of(sarif.render(errored()))
    assert run["invocations"][0]["executionSuccessful"] is False
    notifications = run["invocations"][0]["toolExecutionNotifications"]
    assert [n["level"] for n in notifications] == ["error", "error"]
    assert "row 2" in notifications[1]["message"]["text"]
    assert [r["ruleId"] for r in errors(run)] == ["validate_data/not-examined"]


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_log_is_clean_only_if_the_verdict_is(verdict: Verdict) -> None:
    """Also of a report that contradicts itself: a FAIL without any reason in it."""
    run = run_of(sarif.render(replace(passed(), verdict=verdict, reason="because")))
    assert bool(errors(run)) == (verdict in (Verdict.FAIL, Verdict.ERROR))
    assert run["invocations"][0]["executionSuccessful"] == (verdict is not Verdict.ERROR)


def test_a_waived_finding_is_suppressed_and_stays_visible() -> None:
    waived = {report().findings[0].fingerprint: "accepted until June\x1b"}
    run = run_of(sarif.log([report()], waived=waived))
    assert run["results"][0]["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": "accepted until June?"}
    ]
    # All results of a run say whether they are suppressed, or none does (SARIF 2.1.0, 3.27.23).
    assert [r["suppressions"] for r in run["results"][1:]] == [[], []]
    assert all("suppressions" not in r for r in run_of(sarif.log([report()]))["results"])


def test_too_many_results_are_cut_and_said_so() -> None:
    many = [Finding("r", Severity.LOW, "m", str(n), fails=False) for n in range(sarif.MAX_RESULTS)]
    run = run_of(sarif.render(report(findings=(*many, Finding("bad", Severity.HIGH, "m")))))
    assert len(run["results"]) == sarif.MAX_RESULTS
    assert run["results"][0]["ruleId"] == "bad"
    assert (
        "2 of 5002 results are left out" in run["invocations"][0]["toolExecutionNotifications"][-1]["message"]["text"]
    )


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "https://evil.example/x", "//host/x", "a b%2e\x00", "", "javascript:x"]
)
def test_locations_stay_inside_the_repository(name: str) -> None:
    run = run_of(sarif.render(report(subject=(Subject(name, "0" * 64),))))
    uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert re.fullmatch(r"[\w.~%/-]+", uri, re.ASCII), uri
    assert not uri.startswith("/")
    assert ".." not in uri.split("/")


# JUnit


def test_junit_has_a_case_for_the_verdict_each_criterion_and_each_rule() -> None:
    suite = next(iter(JUnitXml.fromstring(junit.render([report()]).encode())))
    assert (suite.name, suite.tests, suite.failures, suite.errors, suite.skipped) == ("scan_image", 5, 3, 0, 0)
    outcomes = {case.name: [type(r) for r in case.result] for case in suite}
    assert outcomes == {
        "verdict": [Failure],
        "criterion accuracy >= 0.8": [Failure],
        "criterion auc >= 0.8": [],
        "rule CVE-2022-22817": [Failure],
        "rule note/done": [],
    }
    assert suite.time == 2.5
    assert sum(case.time for case in suite) == 2.5


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [(Verdict.PASS, None), (Verdict.FAIL, Failure), (Verdict.ERROR, Error), (Verdict.NOT_APPLICABLE, SkippedCase)],
)
def test_junit_says_what_the_verdict_says(verdict: Verdict, kind: Any) -> None:
    text = junit.render([replace(passed(), verdict=verdict, reason="because")])
    (suite,) = JUnitXml.fromstring(text.encode())
    (case,) = suite
    assert [type(r) for r in case.result] == ([kind] if kind else [])
    if kind:
        assert case.result[0].message == "because"


def test_junit_names_what_was_not_examined() -> None:
    (suite,) = JUnitXml.fromstring(junit.render([errored()]).encode())
    assert (suite.errors, suite.failures) == (1, 0)
    assert "not examined: row 2: unreadable" in next(iter(suite)).result[0].text


# Markdown


def rendered(text: str) -> tuple[list[list[str]], str]:
    """The rows of the first table as a GitHub-like renderer sees them, and the whole page as HTML."""
    html = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable("table").render(text)
    table = html[html.index("<table>") : html.index("</table>")]
    rows = [
        re.findall(r"<t[hd]>(.*?)</t[hd]>", row, re.DOTALL) for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    ]
    return rows, html


def test_markdown_is_a_table_of_steps() -> None:
    rows, html = rendered(markdown.render([passed(), report(), replace(errored(), check="gate")]))
    assert [row[0] for row in rows] == ["step"] + [
        f"<code>{n}</code>" for n in ("evaluate_fairness", "scan_image", "gate")
    ]
    assert [row[1].split()[-1] for row in rows[1:]] == ["PASS", "FAIL", "ERROR"]
    assert "wardein: ERROR</h3>" in html
    assert "evaluates expressions" in html
    assert "not examined: row 2: unreadable" in html


# All three, against whatever a finding may hold.


@settings(max_examples=150, deadline=None)
@given(hostile, hostile, hostile)
@example(*(["|`<b>"] * 3))
def test_nothing_hostile_gets_out_of_its_place(rule: str, place: str, message: str) -> None:
    found = [Finding(rule, Severity.HIGH, message, place, taxonomy=(message,), cve=rule, cwe=place)]
    made = conclude(
        coverage=Coverage(place, 3, 2, (Skipped(place, message),)),
        findings=found,
        criteria=[Criterion(rule, ">=", 0.5, slice=place, source=message)],
    )
    reports = [replace(made, check=rule, subject=(Subject(place, "0" * 64),)), passed()]

    log = sarif.log(reports, waived={"x": message})
    run = run_of(log)
    assert not re.search(r"[^\x20-\x7e\n]", log)
    shown = json.dumps([r["message"] for r in run["results"]])
    assert "](" not in shown
    assert "\\u001b" not in shown
    assert is_text(json.dumps(json.loads(log), ensure_ascii=False))
    assert len(run["results"]) == 3
    if rule:  # a result names its rule by text and by number
        assert all(run["tool"]["driver"]["rules"][r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])

    xml = junit.render(reports)
    assert not re.search(r"[^\x09\x0a\x0d\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", xml)
    root = ElementTree.parse(io.BytesIO(xml.encode())).getroot()
    assert [len(suite) for suite in root] == [3, 1]

    page = markdown.render(reports)
    rows, html = rendered(page)
    assert [len(row) for row in rows] == [4, 4, 4]
    assert set(re.findall(r"</?(\w+)", html)) <= {
        "h3", "table", "thead", "tbody", "tr", "th", "td", "code", "p", "strong", "ul", "li",
    }  # fmt: skip
    outside = re.sub(r"<code>.*?</code>", "", html, flags=re.DOTALL)
    assert not re.search(r"[@#]|https?:|www\.|\{\{|evil", outside.replace("<h3>", ""))
    assert not re.search(r"\{[{%#]", page)
    assert "\x1b" not in page


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_a_code_span_holds_its_text_and_nothing_else(text: str) -> None:
    (line,) = MarkdownIt("commonmark").render(markdown.code(text)).splitlines()
    assert re.fullmatch(r"<p><code>[^<]*</code></p>", line), line
