# SPDX-License-Identifier: Apache-2.0
"""Cases of ``import_findings``: reports that a pipeline would take for good news."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.corpus.fail_open.case import Case, World, program, write
from tests.corpus.foreign import GOLDENS, OLD_ENOUGH, SOURCE, subject_of

_OTHER = "sha256:" + "9" * 64
# What pipelines commonly do with a report: count the results, by the tool's own severities.
_COUNT = (
    "import json, sys; d = json.load(open(sys.argv[1])); d = d['runs'][0] if 'runs' in d else d;"
    "n = len(d.get('results') or d.get('matches') or d.get('vulnerabilities') or d.get('site') or []);"
    "print(n, 'findings'); sys.exit(n > 0)"
)


def _counted(report: Path) -> list[str | Path]:
    return [sys.executable, "-c", _COUNT, report]


def _golden(
    name: str,
    change: Callable[[Any], Any] | None = None,
    options: Sequence[str] = (),
    without: str = "",
    bare: Callable[[Path], list[str | Path]] | None = None,
) -> Callable[[Path], World]:
    """A golden report, changed; with some of the arguments that import it left out."""

    def make(folder: Path) -> World:
        golden, path = GOLDENS[name], folder / "report.json"
        value = golden.load()
        if change is not None:
            value = change(value) or value
        golden.write(value, path)
        words = golden.arguments
        while without in words:
            del words[words.index(without) : words.index(without) + 2]
        report = path if golden.file.suffix != ".jsonl" else None
        line = bare(folder) if bare else _counted(report) if report else []
        return World(["--findings", path, *words, *options], bare=line, tree=folder)

    return make


def _given(content: str | bytes, *options: str) -> Callable[[Path], World]:
    def make(folder: Path) -> World:
        path = write(folder, {"report.json": content}) / "report.json"
        return World([*subject_of(SOURCE), "--findings", path, *OLD_ENOUGH, *options], bare=_counted(path), tree=folder)

    return make


def _empty_folder(name: str, *options: str) -> Callable[[Path], list[str | Path]]:
    def line(folder: Path) -> list[str | Path]:
        empty = folder / "empty"
        empty.mkdir(exist_ok=True)
        return [program(name), *options, empty]

    return line


def _sarif(**run: Any) -> str:
    run = {"tool": {"driver": {"name": "tool", "version": "1"}}, "results": [], **run}
    return json.dumps({"version": "2.1.0", "runs": [run]})


def _run(**members: Any) -> Callable[[Any], None]:
    return lambda log: log["runs"][0]["invocations"][0].update(members)


def _settings(subject: str) -> dict[str, Any]:
    """A file of the tool's own that has the subject's digest."""
    return {"roles": ["toolSpecifiedConfiguration"], "hashes": {"sha-256": subject.rpartition(":")[2]}}


def _no_results(log: Any) -> None:
    log["runs"][0].update(results=[])


def _lost(value: Any) -> None:
    value["environments"] = {}
    value["vulnerabilities"], value["package_vulnerabilities"] = {}, {}


def _unrated(value: Any) -> None:
    value["matches"], value["ignoredMatches"] = value["matches"][:1], []
    value["matches"][0]["vulnerability"].update(severity="Unknown", cvss=[])


_UNKNOWN = ("--accept-unknown", "target", "--accept-unknown", "time")
_ANSWERED = (*_UNKNOWN, "--accept-unknown", "coverage")
_RESULT = {"ruleId": "R1", "message": {"text": "wrong"}, "locations": []}


def _case(what: str, expected: Any, told: str, make: Callable[[Path], World]) -> Case:
    return Case("import_findings", what, expected, told, make)


CASES: tuple[Case, ...] = (
    _case(
        "gitleaks on a folder that is no repository (exit code 0)",
        "ERROR",
        "what gitleaks looked at",
        lambda folder: World(
            ["--findings", GOLDENS["ran/gitleaks.json"].file.parent / "gitleaks-no-repository.json"]
            + [*subject_of(SOURCE), "--format", "gitleaks", *_UNKNOWN],
            bare=_empty_folder("gitleaks", "git", "--no-banner")(folder),
            tree=folder,
        ),
    ),
    _case(
        "checkov on an empty folder (exit code 0)",
        "ERROR",
        "no checks to examine",
        _golden("ran/checkov-nothing.json", bare=_empty_folder("checkov", "--quiet", "-d")),
    ),
    _case(
        "pip-audit that could audit nothing (exit code 0)",
        "ERROR",
        "not audited|be audited",
        _golden("ran/pip-audit-skipped.json"),
    ),
    _case(
        "bandit with a file that does not parse (exit code 0)",
        "ERROR",
        "broken.py: syntax error",
        _golden("ran/bandit-unparsable.json"),
    ),
    _case(
        "bandit with lines that are switched off", "ERROR", "quiet.py: 1 of its lines", _golden("ran/bandit-nosec.json")
    ),
    _case(
        "bandit told to leave out low findings",
        "ERROR",
        "4 of 7 findings",
        _golden("ran/bandit.json", lambda v: v["results"].__delitem__(slice(4))),
    ),
    _case(
        "semgrep with a file that does not parse (exit code 0)",
        "ERROR",
        "broken.py: Syntax error",
        _golden("ran/semgrep-unparsable.json"),
    ),
    _case(
        "modelaudit on an empty folder (success: true)",
        "ERROR",
        "no files to examine",
        _golden("ran/modelaudit-nothing.json"),
    ),
    _case(
        "modelaudit on a file that no scanner of it knows",
        "ERROR",
        "no scanner",
        _golden(
            "ran/modelaudit-clean.json",
            lambda v: next(iter(v["file_metadata"].values())).update(scanner_dependency_ids=["unknown"]),
        ),
    ),
    _case(
        "checkov check that a comment skips",
        "FAIL",
        "CKV_K8S_16 .*skipped in the report",
        _golden("ran/checkov-skipped.json"),
    ),
    _case(
        "report on another image",
        "ERROR",
        "about something else",
        _golden("written/grype.json", options=("--subject", _OTHER), without="--subject"),
    ),
    _case(
        "report on another site",
        "ERROR",
        "'https://staging.example.org', not",
        _golden("written/zap.json", options=("--target", "https://www.example.org"), without="--target"),
    ),
    _case(
        "report whose target nobody named",
        "ERROR",
        "--target is needed",
        _golden("written/snyk.json", without="--target"),
    ),
    _case(
        "report of years ago, left over by an earlier run",
        "ERROR",
        "older than 24 hours",
        _golden("written/grype.json", without="--max-age-hours"),
    ),
    _case(
        "report that tells no time",
        "ERROR",
        "when it was made",
        _golden("ran/semgrep.json", without="--accept-unknown"),
    ),
    _case("report that does not tell what was examined", "ERROR", "what tool looked at", _given(_sarif(), *_UNKNOWN)),
    _case(
        "SARIF of a run that failed",
        "ERROR",
        "its run failed",
        _golden("written/codeql.sarif", lambda v: _no_results(v) or _run(executionSuccessful=False)(v)),
    ),
    _case(
        "SARIF that holds an error of the tool",
        "ERROR",
        "no rules",
        _golden(
            "written/codeql.sarif",
            lambda v: (
                _no_results(v)
                or _run(toolConfigurationNotifications=[{"level": "error", "message": {"text": "no rules"}}])(v)
            ),
        ),
    ),
    _case(
        "CodeQL that did not read a file",
        "ERROR",
        "src/clean.py: was not read",
        _golden(
            "written/codeql.sarif",
            lambda v: v["runs"][0]["invocations"][0]["toolExecutionNotifications"].pop() and None,
        ),
    ),
    _case(
        "SARIF without results, because the tool did not start",
        "ERROR",
        "did not come to look",
        _golden("written/codeql.sarif", lambda v: v["runs"][0].update(results=None)),
    ),
    _case(
        "SARIF whose results are in another file",
        "ERROR",
        "in another file",
        _golden(
            "written/codeql.sarif",
            lambda v: _no_results(v) or v["runs"][0].update(externalPropertyFileReferences={"results": []}),
        ),
    ),
    _case(
        "SARIF result that a comment suppresses", "FAIL", "suppressed in the report", _golden("written/codeql.sarif")
    ),
    _case(
        "SARIF result without a level",
        "FAIL",
        "nobody has rated it",
        _given(_sarif(results=[_RESULT]), *_UNKNOWN, "--accept-unknown", "coverage"),
    ),
    _case("SARIF of another version", "ERROR", "not 2.1.0", _given(_sarif().replace("2.1.0", "2.2.0"), *_UNKNOWN)),
    _case(
        "second run in a SARIF, with the findings",
        "FAIL",
        "R1",
        _given(
            json.dumps(
                {
                    "version": "2.1.0",
                    "runs": [
                        json.loads(_sarif())["runs"][0],
                        json.loads(_sarif(results=[_RESULT | {"level": "error"}]))["runs"][0],
                    ],
                }
            ),
            *_UNKNOWN,
            "--accept-unknown",
            "coverage",
        ),
    ),
    _case(
        "grype match that an ignore rule hides",
        "FAIL",
        "CVE-2021-3711 .*ignored in the report",
        _golden("written/grype.json", lambda v: v.update(matches=[])),
    ),
    _case(
        "vulnerability that nobody has rated", "FAIL", "nobody has rated it", _golden("written/grype.json", _unrated)
    ),
    _case(
        "grype with a broken database",
        "ERROR",
        "vulnerability database",
        _golden(
            "written/grype.json",
            lambda v: v.update(matches=[], ignoredMatches=[]) or v["descriptor"]["db"]["status"].update(valid=False),
        ),
    ),
    _case(
        "Clair that does not know the distribution",
        "ERROR",
        "neither their distribution",
        _golden("written/clair.json", _lost),
    ),
    _case(
        "ZAP that reached nothing",
        "ERROR",
        "does not tell what it is about",
        _golden("written/zap.json", lambda v: v.update(site=[])),
    ),
    _case(
        "ZAP whose requests mostly failed",
        "ERROR",
        "network failures",
        _golden(
            "written/zap.json",
            lambda v: v["insights"].append(
                {
                    "key": "insight.network.failure",
                    "reason": "Exceeded High",
                    "description": "Percentage of network failures",
                    "site": "",
                }
            ),
        ),
    ),
    _case(
        "ZAP alert marked as a false positive",
        "FAIL",
        "10038-1 .*false positive",
        _golden(
            "written/zap.json", lambda v: v["site"][0]["alerts"].__delitem__(0), options=("--fail-severity", "medium")
        ),
    ),
    _case("Snyk test that failed", "ERROR", "Could not detect", _golden("written/snyk-failed.json")),
    _case(
        "Snyk on a project without dependencies (ok: true)",
        "ERROR",
        "no dependency",
        _golden(
            "written/snyk.json",
            lambda v: v.update(ok=True, vulnerabilities=[], filtered=None, dependencyCount=0, uniqueCount=0),
        ),
    ),
    _case(
        "Snyk vulnerability that a policy file ignores",
        "FAIL",
        "CVE-2019-6446 .*ignored",
        _golden("written/snyk.json", lambda v: v.update(ok=True, vulnerabilities=[], uniqueCount=0)),
    ),
    _case(
        "Safety report that lists less than it counts",
        "ERROR",
        "but 0 are listed",
        _golden("written/safety.json", lambda v: v["vulnerabilities"].clear()),
    ),
    _case(
        "TruffleHog that read nothing (exit code 0)",
        "ERROR",
        "no chunks",
        _golden(
            "written/trufflehog.jsonl",
            lambda v: [v[-1] | {"chunks": 0, "verified_secrets": 0, "unverified_secrets": 0}],
        ),
    ),
    _case(
        "TruffleHog results cut off",
        "ERROR",
        "but 1 results",
        _golden("written/trufflehog.jsonl", lambda v: [*v[:2], v[-1]]),
    ),
    _case(
        "garak that was ended half way",
        "ERROR",
        "before the run was complete",
        _golden("ran/garak.jsonl", lambda v: v[:-1]),
    ),
    _case(
        "garak probe without an evaluation",
        "ERROR",
        "did not come to evaluate",
        _golden("ran/garak.jsonl", lambda v: [line for line in v if line["entry_type"] != "eval"]),
    ),
    _case(
        "garak probe of which no answer was evaluated",
        "ERROR",
        "test.Test: garak did not come to evaluate",
        _golden(
            "ran/garak.jsonl",
            lambda v: [
                line | {"passed": 0, "total_evaluated": 0} if line.get("probe") == "test.Test" else line for line in v
            ],
        ),
    ),
    _case(
        "SARIF that only mentions the subject, as the tool's settings",
        "ERROR",
        "does not tell what it is about",
        _given(_sarif(artifacts=[_settings(SOURCE)]), *_ANSWERED[2:]),
    ),
    _case(
        "SARIF with a warning that a file could not be parsed",
        "ERROR",
        "told an error: could not parse a.py",
        _golden(
            "written/codeql.sarif",
            lambda v: (
                _no_results(v)
                or v["runs"][0]["invocations"][0]["toolExecutionNotifications"].append(
                    {"level": "warning", "message": {"text": "could not parse a.py"}, "exception": {"kind": "E"}}
                )
            ),
        ),
    ),
    _case(
        "SARIF of a run that succeeded with exit code 2, an internal error",
        "ERROR",
        "exit code 2: internal error",
        _golden(
            "written/codeql.sarif",
            lambda v: _no_results(v) or _run(exitCode=2, exitCodeDescription="internal error")(v),
        ),
    ),
    _case(
        "semgrep that left a file out because it may not read it",
        "ERROR",
        "evil.py: semgrep left it out",
        _golden(
            "ran/semgrep.json",
            lambda v: v["paths"].update(skipped=[{"path": "src/evil.py", "reason": "insufficient_permissions"}]),
        ),
    ),
    _case(
        "Snyk that counts vulnerabilities and lists none",
        "ERROR",
        "but 0 are listed",
        _golden("written/snyk.json", lambda v: v.update(vulnerabilities=[])),
    ),
    _case(
        "Snyk that is not ok and does not tell why",
        "ERROR",
        "not ok, but lists no vulnerability",
        _golden("written/snyk.json", lambda v: v.update(vulnerabilities=[], uniqueCount=0)),
    ),
    _case(
        "npm audit that blames a package it does not list",
        "ERROR",
        "a package that is not listed",
        _golden("written/npm-audit.json", lambda v: v["vulnerabilities"]["lodash"].update(via=["nobody"])),
    ),
    _case(
        "npm audit with a vulnerable package and no advisory",
        "ERROR",
        "comes to no advisory",
        _golden("written/npm-audit.json", lambda v: v["vulnerabilities"]["lodash"].update(via=["app"])),
    ),
    _case(
        "checkov summary that counts failed checks, and nothing else",
        "ERROR",
        "3 checks that failed",
        _golden("ran/checkov-nothing.json", lambda v: v.update(passed=5, failed=3)),
    ),
    _case(
        "modelaudit with a check that failed, and no issue",
        "ERROR",
        "lists no issue",
        _golden("ran/modelaudit.json", lambda v: v.update(issues=[])),
    ),
    _case("truncated JSON", "ERROR", "not valid JSON", _given(_sarif()[:-9])),
    _case("the same key twice", "ERROR", "duplicate key", _given(_sarif()[:-1] + ', "runs": []}')),
    _case("NaN", "ERROR", "NaN", _given(_sarif()[:-1] + ', "x": NaN}')),
    _case(
        "a thousand brackets",
        "ERROR",
        "nested deeper",
        _given(_sarif()[:-1] + ', "x": ' + "[" * 1000 + "]" * 1000 + "}"),
    ),
    _case("JSON that is no report", "ERROR", "no format that is known", _given('{"error": "unauthorized"}')),
    _case("empty list, which several tools write", "ERROR", "could be of any of", _given("[]")),
    _case(
        "path that leads out of the subject",
        "ERROR",
        "leads out",
        _golden("ran/gitleaks.json", lambda v: v[0].update(File="../../etc/passwd")),
    ),
)
