# SPDX-License-Identifier: Apache-2.0
"""Reports of other people's tools: what is taken over, what is refused, and that nothing passes for want of a word."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from tests.conftest import Ran
from tests.corpus.foreign import GOLDENS, IMAGE, OLD_ENOUGH, SOURCE, Golden, subject_of
from wardein.checks.import_findings import import_findings
from wardein.foreign.formats import FORMATS
from wardein.subject import digest_of

pytestmark = pytest.mark.scanners

Import = Callable[..., Ran]
OTHER = "sha256:" + "9" * 64
ALL = [part for word in ("target", "time", "coverage") for part in ("--accept-unknown", word)]


@pytest.fixture
def take(wardein: Callable[..., Ran], tmp_path: Path) -> Import:
    """Import a golden, as it is or changed."""

    def run(
        name: str, *options: object, change: Callable[[Any], Any] | None = None, without: tuple[str, ...] = ()
    ) -> Ran:
        golden = GOLDENS[name]
        path = golden.file
        if change is not None:
            value = golden.load()
            changed = change(value)
            path = golden.write(value if changed is None else changed, tmp_path / "report")
        words = golden.arguments
        for flag in without:
            at = words.index(flag)
            del words[at : at + 2]
        return wardein("import-findings", "--findings", path, *words, *options, "--json")

    return run


@pytest.fixture
def give(wardein: Callable[..., Ran], tmp_path: Path) -> Import:
    """Import any text or value."""

    def run(content: Any, *options: object, subject: str = SOURCE) -> Ran:
        path = tmp_path / "given"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return wardein("import-findings", *subject_of(subject), "--findings", path, *OLD_ENOUGH, *options, "--json")

    return run


def told(ran: Ran) -> list[tuple[str, str, str, int]]:
    found = [f for f in ran.report["findings"] if not f["ruleId"].startswith("import/")]
    return [(f["ruleId"], f["severity"], f["location"], f.get("line", 0)) for f in found]


# What each format's report becomes


@pytest.mark.parametrize(
    ("name", "code", "findings", "coverage"),
    [
        (
            "ran/bandit.json",
            1,
            [
                ("bandit/B602", "high", "train.py", 15),
                ("bandit/B301", "medium", "train.py", 11),
                ("bandit/B506", "medium", "train.py", 16),
                ("bandit/B105", "low", "keys.py", 1),
                ("bandit/B105", "low", "train.py", 6),
                ("bandit/B403", "low", "train.py", 1),
                ("bandit/B404", "low", "train.py", 2),
            ],
            ("files", 3, 3),
        ),
        (
            "ran/semgrep.json",
            1,
            [("semgrep/pickle-load", "high", "train.py", 11), ("semgrep/shell", "medium", "train.py", 15)],
            ("files", 3, 3),
        ),
        (
            "ran/semgrep.sarif",
            1,
            [
                ("semgrep-oss/pickle-load", "high", "src/train.py", 11),
                ("semgrep-oss/shell", "medium", "src/train.py", 15),
            ],
            ("reports", 1, 1),
        ),
        ("ran/gitleaks.json", 1, [("gitleaks/github-pat", "high", "src/keys.py", 1)], ("reports", 1, 1)),
        ("ran/gitleaks.sarif", 1, [("gitleaks/github-pat", "high", "src/keys.py", 1)], ("reports", 1, 1)),
        (
            "ran/checkov-skipped.json",
            1,
            [
                ("checkov/CKV_K8S_12", "high", "deploy/pod.yaml", 1),
                ("checkov/CKV_K8S_16", "high", "deploy/pod.yaml", 1),
            ],
            ("checks", 3, 3),
        ),
        ("ran/trivy-image.sarif", 1, [("trivy/github-pat", "critical", "keys.py", 1)], ("reports", 1, 1)),
        (
            "ran/modelaudit.json",
            1,
            [("modelaudit/S201", "critical", "bad.pkl", 0), ("modelaudit/license_warning", "info", "", 0)],
            ("files", 2, 2),
        ),
        ("ran/pip-audit.json", 1, [("CVE-2022-22817", "high", "pillow@9.0.0", 0)], ("packages", 2, 2)),
        ("ran/garak.jsonl", 0, [("garak/ansiescape.AnsiRaw", "medium", "ansiescape.Raw", 0)], ("probes", 3, 3)),
        (
            "written/zap.json",
            1,
            [
                ("zap/40018", "high", "GET /predict", 0),
                ("zap/10038-1", "medium", "/", 0),
                ("zap/10109", "info", "GET /", 0),
            ],
            ("sites", 1, 1),
        ),
        (
            "written/clair.json",
            1,
            [("CVE-2022-0778", "high", "openssl@3.0.1-1", 0), ("clair/GHSA-8vj2-vxx3-667w", "high", "pillow@9.0.0", 0)],
            ("packages", 2, 2),
        ),
        (
            "written/grype.json",
            1,
            [
                ("CVE-2021-3711", "critical", "openssl@3.0.1-1", 0),
                ("CVE-2022-22817", "critical", "pillow@9.0.0", 0),
                ("CVE-2022-0778", "high", "openssl@3.0.1-1", 0),
            ],
            ("reports", 1, 1),
        ),
        (
            "written/snyk.json",
            1,
            [
                ("CVE-2022-22817", "critical", "Pillow@9.0.0", 0),
                ("CVE-2019-6446", "high", "numpy@1.16.0", 0),
                ("snyk/SNYK-PYTHON-REQUESTS-1", "high", "requests@2.0.0", 0),
            ],
            ("dependencies", 31, 31),
        ),
        (
            "written/snyk-container.json",
            1,
            [("CVE-2022-22817", "critical", "Pillow@9.0.0", 0), ("CVE-2022-0778", "high", "openssl@3.0.1-1", 0)],
            ("dependencies", 97, 97),
        ),
        (
            "written/safety.json",
            1,
            [("CVE-2022-22817", "critical", "pillow@9.0.0", 0), ("CVE-2019-6446", "high", "numpy@1.16.0", 0)],
            ("packages", 2, 2),
        ),
        (
            "written/trufflehog.jsonl",
            1,
            [("trufflehog/Github", "critical", "src/old.py", 9), ("trufflehog/AWS", "high", "src/keys.py", 3)],
            ("chunks", 7, 7),
        ),
        (
            "written/codeql.sarif",
            1,
            [("codeql/py/unsafe-deserialization", "critical", "src/train.py", 11)],
            ("files", 2, 2),
        ),
        (
            "written/npm-audit.json",
            1,
            [("npm-audit/GHSA-35jh-r3h4-6jhm", "high", "lodash", 0)],
            ("packages", 12, 12),
        ),
    ],
)
def test_golden(take: Import, name: str, code: int, findings: list[Any], coverage: tuple[str, int, int]) -> None:
    ran = take(name)
    assert ran.code == code, ran.report["reason"]
    assert told(ran) == findings
    counted = ran.report["coverage"]
    assert (counted["unit"], counted["expected"], counted["examined"]) == coverage
    assert take(name, "--format", GOLDENS[name].format).report["findings"] == ran.report["findings"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ran/bandit-nosec.json", "quiet.py: 1 of its lines are switched off by # nosec"),
        ("ran/bandit-unparsable.json", "broken.py: syntax error"),
        ("ran/semgrep-unparsable.json", "broken.py: Syntax error"),
        ("ran/checkov-nothing.json", "there were no checks to examine"),
        ("ran/modelaudit-nothing.json", "no"),
        ("ran/pip-audit-skipped.json", "could not be audited"),
        ("written/snyk-failed.json", "Could not detect supported target files"),
    ],
)
def test_golden_of_a_run_that_did_not_look(take: Import, name: str, says: str) -> None:
    ran = take(name)
    assert ran.code == 2
    assert says in ran.report["reason"]


def test_clean_report_passes(take: Import) -> None:
    ran = take("ran/modelaudit-clean.json")
    assert (ran.code, ran.report["verdict"]) == (0, "PASS")


@pytest.mark.parametrize("name", sorted(GOLDENS))
def test_nothing_secret_and_no_machine_is_taken_over(take: Import, name: str) -> None:
    ran = take(name)
    found = json.dumps([ran.report[key] for key in ("findings", "coverage", "metrics", "tools", "reason")])
    for forbidden in ("canary", "ghp_", "hunter2", "/srv/", "pickle.load(file)", "\\u001b"):
        assert forbidden not in found


def test_every_format_is_offered_and_has_a_golden() -> None:
    offered = get_args(get_type_hints(import_findings)["format"])
    assert offered == ("auto", *(form.name for form in FORMATS))
    assert {golden.format for golden in GOLDENS.values()} == set(offered) - {"auto"}


def test_tool_and_database_are_recorded(take: Import) -> None:
    assert take("written/grype.json").report["tools"] == [
        {"name": "grype", "version": "0.104.0", "db": {"name": "grype-db", "updated": "2020-01-01T00:00:00Z"}}
    ]
    assert take("written/codeql.sarif").report["tools"] == [{"name": "codeql", "version": "2.23.0"}]


# Of whom it is


def test_image_digest_must_be_the_subjects(take: Import) -> None:
    for name in ("written/grype.json", "written/clair.json", "written/snyk-container.json"):
        ran = take(name, "--subject", OTHER, without=("--subject",))
        assert ran.code == 2
        assert "about something else" in ran.one_line


def test_a_name_does_not_stand_in_for_another_digest(take: Import) -> None:
    name = "registry.example.org/team/app:1.0"
    ran = take(
        "written/grype.json", "--subject", OTHER, "--target", name, "--accept-unknown", "target", without=("--subject",)
    )
    assert "about something else" in ran.one_line
    assert take("written/grype.json", "--target", name).code == 1
    assert (
        "not 'registry.example.org/other'"
        in take("written/grype.json", "--target", "registry.example.org/other").one_line
    )


@pytest.mark.parametrize("name", [n for n, golden in GOLDENS.items() if golden.target])
def test_another_target_is_refused_and_none_is_not_enough(take: Import, name: str) -> None:
    assert take(name, without=("--target",)).code == 2
    assert "--target" in take(name, without=("--target",)).one_line
    for other in ("https://example.net", "sr", "/", ".", "test", "train2"):
        ran = take(name, "--target", other, without=("--target",))
        assert ran.code == 2, other
        assert "calls what it is about" in ran.one_line
        # Nor does the caller's word help where the report says otherwise.
        assert take(name, "--target", other, *ALL, without=("--target",)).code == 2


@pytest.mark.parametrize("name", [n for n, golden in GOLDENS.items() if golden.accept])
def test_what_is_unsaid_is_an_error_until_the_caller_answers_for_it(take: Import, name: str) -> None:
    accepted = GOLDENS[name].accept
    for word in accepted:
        others = [part for other in accepted if other != word for part in ("--accept-unknown", other)]
        ran = take(name, *others, without=("--accept-unknown",) * len(accepted))
        assert ran.code == 2
        assert f"--accept-unknown {word}" in ran.report["reason"] + json.dumps(ran.report["coverage"])
    rules = {f["ruleId"] for f in take(name).report["findings"] if f["ruleId"].startswith("import/")}
    assert rules == {f"import/{word}-unknown" for word in accepted}
    assert take(name).report["parameters"]["accept_unknown"] == list(accepted)


def test_model_folder_is_bound_by_the_digests_of_its_files(take: Import, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, ("echo hi",)

    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "bad.pkl").write_bytes(pickle.dumps(Hostile(), protocol=4))
    (folder / "good.pkl").write_bytes(pickle.dumps({"w": [1.0, 2.0]}, protocol=4))
    subject = f"sha256:{digest_of(folder)}"
    assert take("ran/modelaudit.json", "--subject", subject, without=("--subject",)).code == 1
    (folder / "third.pkl").write_bytes(b"not looked at")
    subject = f"sha256:{digest_of(folder)}"
    ran = take("ran/modelaudit.json", "--subject", subject, without=("--subject",))
    assert "about something else" in ran.one_line


def test_subject_of_no_form(take: Import) -> None:
    assert "names no digest" in take("ran/garak.jsonl", "--subject", "sha256:12", without=("--subject",)).one_line


# How old it is


def at(moment: datetime) -> Callable[[Any], None]:
    def change(value: Any) -> None:
        value["descriptor"]["timestamp"] = moment.isoformat()

    return change


def test_age(take: Import) -> None:
    now = datetime.now(UTC)
    limit = ("--max-age-hours", 24)
    assert take("written/grype.json", *limit, change=at(now), without=("--max-age-hours",)).code == 1
    old = take("written/grype.json", *limit, change=at(now - timedelta(hours=25)), without=("--max-age-hours",))
    assert (old.code, "older than 24 hours" in old.one_line) == (2, True)
    early = take("written/grype.json", *limit, change=at(now + timedelta(hours=2)), without=("--max-age-hours",))
    assert (early.code, "in the future" in early.one_line) == (2, True)
    # The default is a day, whatever the caller answers for.
    assert take("written/grype.json", "--accept-unknown", "time", without=("--max-age-hours",)).code == 2


@pytest.mark.parametrize("name", [n for n, g in GOLDENS.items() if "time" not in g.accept])
def test_every_time_that_is_told_is_read(take: Import, name: str) -> None:
    ran = take(name, "--accept-unknown", "time", without=("--max-age-hours",))
    assert ran.code == 2
    assert "is of 2020-01-02 03:04 UTC, older than 24 hours" in ran.one_line


@pytest.mark.parametrize(
    "time", ["", "yesterday", 1e300, True, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", {}]
)
def test_time_that_is_none(take: Import, time: Any) -> None:
    ran = take("written/grype.json", change=lambda value: value["descriptor"].update(timestamp=time))
    assert ran.code == 2
    assert ran.one_line


# Severities


def test_what_nobody_rated_fails_at_every_threshold(take: Import) -> None:
    for threshold in ("critical", "high", "medium", "low"):
        ran = take("ran/pip-audit.json", "--fail-severity", threshold)
        assert ran.code == 1
        assert "nobody has rated it" in ran.report["findings"][0]["message"]


def test_threshold(take: Import) -> None:
    assert take("ran/garak.jsonl", "--fail-severity", "medium").code == 1
    assert take("ran/bandit.json", "--fail-severity", "critical").code == 0


def sarif(results: Any, **run: Any) -> dict[str, Any]:
    driver = {"name": "Tool X", "version": "1", "rules": run.pop("rules", [])}
    return {"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results, **run}]}


def result(**members: Any) -> dict[str, Any]:
    place = {"physicalLocation": {"artifactLocation": {"uri": members.pop("uri", "a.py")}, "region": {"startLine": 1}}}
    return {"ruleId": "R1", "message": {"text": "wrong"}, "locations": [place]} | members


@pytest.mark.parametrize(
    ("members", "rules", "severity", "fails"),
    [
        ({"level": "error"}, [], "high", True),
        ({"level": "warning"}, [], "medium", False),
        ({"level": "note"}, [], "low", False),
        ({"level": "none"}, [], "high", True),
        ({"level": "blocker"}, [], "high", True),
        ({}, [], "high", True),
        ({}, [{"id": "R1", "defaultConfiguration": {"level": "note"}}], "low", False),
        ({"ruleId": "R1/2"}, [{"id": "R1", "defaultConfiguration": {"level": "note"}}], "low", False),
        ({"level": "note"}, [{"id": "R1", "properties": {"security-severity": "9.1"}}], "critical", True),
        ({"properties": {"security-severity": "5.0"}, "level": "error"}, [], "medium", False),
        ({"level": "note"}, [{"id": "R1", "properties": {"security-severity": "much"}}], "low", False),
        ({"level": "error"}, [{"id": "R1", "properties": {"security-severity": "-3"}}], "high", True),
        ({"kind": "review"}, [], "high", True),
        ({"kind": "informational"}, [], "info", False),
        ({"kind": "pass", "level": "error"}, [], "high", True),
        ({"baselineState": "unchanged", "level": "error"}, [], "high", True),
        ({"suppressions": [{"kind": "external", "status": "accepted"}], "level": "error"}, [], "high", True),
    ],
)
def test_sarif_severity(give: Import, members: dict[str, Any], rules: list[Any], severity: str, fails: bool) -> None:
    ran = give(sarif([result(**members)], rules=rules), *ALL)
    assert [(f["severity"], f["fails"]) for f in ran.report["findings"] if f["ruleId"].startswith("tool-x/")] == [
        (severity, fails)
    ]


@pytest.mark.parametrize(
    "members", [{"kind": "pass"}, {"kind": "notApplicable"}, {"baselineState": "absent", "level": "error"}]
)
def test_sarif_result_that_is_good_news(give: Import, members: dict[str, Any]) -> None:
    ran = give(sarif([result(**members)]), *ALL)
    assert (ran.code, told(ran)) == (0, [])


def test_sarif_level_that_the_run_overrides_is_not_known(give: Import) -> None:
    rules = [{"id": "R1", "defaultConfiguration": {"level": "note"}}]
    override = {"configuration": {"level": "error"}, "descriptor": {"id": "R1"}}
    ran = give(
        sarif(
            [result()],
            rules=rules,
            invocations=[{"executionSuccessful": True, "ruleConfigurationOverrides": [override]}],
        ),
        *ALL,
    )
    assert told(ran) == [("tool-x/R1", "high", "a.py", 1)]


def test_sarif_of_several_runs(give: Import) -> None:
    log = sarif([result(level="note")])
    log["runs"] += sarif([result(level="error", uri="b.py")])["runs"]
    assert told(give(log, *ALL)) == [("tool-x/R1", "high", "b.py", 1), ("tool-x/R1", "low", "a.py", 1)]
    named = sarif([], automationDetails={"id": "ours"}, invocations=[{"executionSuccessful": True}])
    named["runs"] += sarif([], automationDetails={"id": "theirs"})["runs"]
    assert "calls what it is about 'theirs', not 'ours'" in give(named, "--target", "ours", *ALL).one_line


def test_sarif_parts(give: Import) -> None:
    """A message by its number, a file by its number, fingerprints that stay."""
    rules = [
        {"id": "R1", "messageStrings": {"m": {"text": "{0} is {1}"}}, "properties": {"tags": ["external/cwe/cwe-502"]}}
    ]
    one = {"ruleIndex": 0, "message": {"id": "m", "arguments": ["this", "wrong"]}, "level": "error"}
    place = {"physicalLocation": {"artifactLocation": {"index": 1}, "region": {"startLine": 7}}}
    log = sarif(
        [one | {"locations": [place], "partialFingerprints": {"hash/v1": "abc"}}],
        rules=rules,
        artifacts=[{"location": {"uri": "a.py"}}, {"location": {"uri": "file:///home/ci/repo/src/b%20c.py"}}],
        originalUriBaseIds={"ROOT": {"uri": "file:///home/ci/repo/"}},
    )
    ran = give(log, *ALL, "--target", "file:///home/ci/repo/")
    found = ran.report["findings"][0]
    assert (found["message"], found["location"], found["line"], found["cwe"]) == (
        "this is wrong",
        "src/b c.py",
        7,
        "CWE-502",
    )
    place["physicalLocation"]["region"]["startLine"] = 70
    moved = give(log, *ALL, "--target", "file:///home/ci/repo/").report["findings"][0]
    assert moved["fingerprint"] == found["fingerprint"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda log: log["runs"][0]["invocations"][0].update(executionSuccessful=False), "its run failed"),
        (lambda log: log["runs"][0]["invocations"][0].update(exitSignalName="SIGKILL"), "ended before it was done"),
        (
            lambda log: log["runs"][0]["invocations"][0].update(
                toolConfigurationNotifications=[{"level": "error", "message": {"text": "no rules loaded"}}]
            ),
            "no rules loaded",
        ),
        (
            lambda log: log["runs"][0]["invocations"][0]["toolExecutionNotifications"].pop(),
            "src/clean.py: was not read",
        ),
        (lambda log: log["runs"][0].pop("results"), "did not come to look"),
        (lambda log: log["runs"][0].update(results=None), "did not come to look"),
        (lambda log: log["runs"][0].update(externalPropertyFileReferences={"results": []}), "in another file"),
        (lambda log: log.update(inlineExternalProperties=[]), "apart"),
        (lambda log: log.update(version="2.2.0"), "SARIF '2.2.0', not 2.1.0"),
        (lambda log: log.update(runs=[]), "holds no run"),
        (lambda log: log.update(runs=None), "has no 'runs'"),
        (lambda log: log["runs"][0]["tool"]["driver"].pop("name"), "has no 'name'"),
        (lambda log: log["runs"][0]["invocations"][0].pop("executionSuccessful"), "has no 'executionSuccessful'"),
        (lambda log: log["runs"][0]["results"].append("text"), "is not a JSON object"),
    ],
)
def test_sarif_that_is_no_answer(take: Import, change: Callable[[Any], Any], says: str) -> None:
    def apply(log: Any) -> None:
        change(log)

    ran = take("written/codeql.sarif", *ALL, change=apply)
    assert ran.code == 2
    assert says in ran.report["reason"]


# Broken in one way or another


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b" \n", "is empty"),
        (b"hello", "not valid JSON"),
        (b'{"version": "2.1.0", "runs": [', "not valid JSON"),
        (b'{"runs": [], "runs": [], "version": "2.1.0"}', "duplicate key"),
        (b'{"version": "2.1.0", "runs": [NaN]}', "NaN"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b'{"runs": ' + b"[" * 100 + b"]" * 100 + b', "version": "2.1.0"}', "nested deeper"),
        (b'{"version": "2.1.0", "runs": []}\n{"version": "2.1.0", "runs": []}', "in no format that is known"),
        (b"[]", "could be of any of"),
        (b"{}", "in no format that is known"),
        (b"3", "in no format that is known"),
        (b"null", "in no format that is known"),
        (b'["a", 1, null]', "in no format that is known"),
        (b'{"a": 1}\n{"b": ', "line 2"),
        (b'{"error": {"code": "ENOAUDIT"}}', "in no format that is known"),
        (b'{"ok": false, "error": "no"}', "does not tell what it is about"),
        (b" " * (32 * 1024 * 1024 + 1), "larger than"),
    ],
)
def test_bytes_that_are_no_report(give: Import, content: bytes, says: str) -> None:
    ran = give(content)
    assert ran.code == 2
    assert says in ran.one_line


def test_byte_order_mark_is_no_obstacle(give: Import) -> None:
    assert give(b"\xef\xbb\xbf" + json.dumps(sarif([])).encode(), *ALL).code == 0


@pytest.mark.parametrize("name", sorted(GOLDENS))
def test_another_format_than_was_said(take: Import, name: str) -> None:
    for form in FORMATS:
        if form.name != GOLDENS[name].format:
            assert "in no format that is known" in take(name, "--format", form.name).one_line


@pytest.mark.parametrize("name", sorted(GOLDENS))
def test_truncated(wardein: Callable[..., Ran], tmp_path: Path, name: str) -> None:
    golden = GOLDENS[name]
    content = golden.file.read_bytes()
    for part in (0.3, 0.6, 0.95):
        path = tmp_path / "cut"
        path.write_bytes(content[: max(1, int(len(content) * part))].rstrip(b"\n"))
        ran = wardein("import-findings", "--findings", path, *golden.arguments, "--json")
        assert ran.code == 2


def garak_line(kind: str, **members: Any) -> Callable[[Any], None]:
    def change(lines: Any) -> None:
        next(line for line in lines if line["entry_type"] == kind).update(members)

    return change


def drop(kind: str) -> Callable[[Any], Any]:
    return lambda lines: [line for line in lines if line["entry_type"] != kind]


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("ran/garak.jsonl", drop("completion"), "before the run was complete"),
        ("ran/garak.jsonl", drop("eval"), "did not come to evaluate"),
        ("ran/garak.jsonl", drop("init"), "0 entries 'init'"),
        ("ran/garak.jsonl", garak_line("eval", nones=3), "had no answer"),
        ("ran/garak.jsonl", garak_line("eval", passed=99), "more or fewer"),
        ("ran/garak.jsonl", garak_line("eval", passed=58), "more or fewer"),
        ("ran/garak.jsonl", lambda lines: lines + [{"entry_type": "eval", "probe": "x"}], "has no 'detector'"),
        ("written/trufflehog.jsonl", lambda lines: lines[:1] + lines[2:], "but 1 results are there"),
        ("written/trufflehog.jsonl", lambda lines: lines[-1].update(chunks=0), "no chunks to examine"),
        (
            "written/trufflehog.jsonl",
            lambda lines: lines.insert(1, {"level": "error", "logger": "trufflehog", "msg": "lost", "errors": ["x"]}),
            "lost",
        ),
        ("written/trufflehog.jsonl", lambda lines: lines[1].pop("Verified"), "has no 'Verified'"),
        ("written/zap.json", lambda value: value.update(site=[]), "does not tell what it is about"),
        ("written/zap.json", lambda value: value["site"].append({"@name": "x"}), "has no 'alerts'"),
        (
            "written/zap.json",
            lambda value: value["insights"].append(
                {
                    "key": "insight.network.failure",
                    "reason": "Exceeded High",
                    "description": "network failures",
                    "site": "",
                }
            ),
            "network failures",
        ),
        ("written/clair.json", lambda value: value["environments"].update({"10": []}), "neither their distribution"),
        ("written/clair.json", lambda value: value["vulnerabilities"].pop("500"), "does not list"),
        ("written/clair.json", lambda value: value["package_vulnerabilities"].pop("10"), "of no package"),
        (
            "written/clair.json",
            lambda value: value.update(packages={}, package_vulnerabilities={}, vulnerabilities={}),
            "no packages",
        ),
        ("written/grype.json", lambda value: value["descriptor"]["db"]["status"].update(valid=False), "not valid"),
        ("written/grype.json", lambda value: value["descriptor"]["db"]["status"].update(error="too old"), "too old"),
        ("written/grype.json", lambda value: value["descriptor"].update(name="other"), "is not grype's"),
        ("written/snyk.json", lambda value: value.update(dependencyCount=0), "no dependency"),
        ("written/snyk.json", lambda value: value.update(severityThreshold="critical"), "--severity-threshold"),
        ("written/snyk.json", lambda value: value.pop("dependencyCount"), "has no 'dependencyCount'"),
        ("written/safety.json", lambda value: value["report_meta"].update(json_version="9"), "'9', none of"),
        ("written/safety.json", lambda value: value["vulnerabilities"].clear(), "but 0 are listed"),
        ("written/safety.json", lambda value: value["scanned_packages"].clear(), "0 of 2 packages"),
        ("written/npm-audit.json", lambda value: value.update(auditReportVersion=1), "is 1, not 2"),
        ("written/npm-audit.json", lambda value: value["vulnerabilities"].clear(), "but 0 are listed"),
        ("written/npm-audit.json", lambda value: value["metadata"]["dependencies"].update(total=0), "no packages"),
        ("ran/modelaudit-clean.json", lambda value: value.update(has_errors=True), "had errors"),
        ("ran/modelaudit-clean.json", lambda value: value.update(success=False), "did not succeed"),
        ("ran/modelaudit-clean.json", lambda value: value.update(files_scanned=2), "1 of 2 files"),
        (
            "ran/modelaudit-clean.json",
            lambda value: next(iter(value["file_metadata"].values())).update(scanner_dependency_ids=["unknown"]),
            "has no scanner",
        ),
        (
            "ran/checkov.json",
            lambda value: value["summary"].update(parsing_errors=2),
            "2 files: checkov could not parse",
        ),
        ("ran/checkov.json", lambda value: value["results"]["failed_checks"].clear(), "lists 0 failed checks of 2"),
        ("ran/bandit.json", lambda value: value["results"].clear(), "7 of 7 findings"),
        ("ran/bandit.json", lambda value: value["metrics"].clear(), "does not tell what it is about"),
        ("ran/semgrep.json", lambda value: value["paths"]["scanned"].clear(), "does not tell what it is about"),
        ("ran/semgrep.json", lambda value: value["results"][0]["start"].update(line="11"), "is not a count"),
        ("ran/semgrep.json", lambda value: value["skipped_rules"].append({"rule_id": "r"}), "did not run this rule"),
        ("ran/gitleaks.json", lambda value: value[0].update(StartLine=-1), "is not a count"),
        ("ran/pip-audit.json", lambda value: value["dependencies"].clear(), "no packages"),
    ],
)
def test_report_that_contradicts_itself_or_did_not_look(
    take: Import, name: str, change: Callable[[Any], Any], says: str
) -> None:
    keeps = name in ("ran/garak.jsonl", "written/trufflehog.jsonl")

    def apply(value: Any) -> Any:
        changed = change(value)
        return changed if keeps and isinstance(changed, list) else None

    ran = take(name, change=apply)
    assert ran.code == 2
    assert says in ran.report["reason"] + json.dumps(ran.report["coverage"])


# Hostile words and places


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        ("src/a.py", "src/a.py"),
        ("./src//a.py", "src/a.py"),
        ("src\\a.py", "src/a.py"),
        ("file:///home/ci/build/a%20b.py", "a b.py"),
        ("/home/ci/build/a.py", "a.py"),
        ("C:\\Users\\ci\\a.py", "a.py"),
        ("file:///C:/Users/ci/a.py", "a.py"),
        ("\\\\host\\share\\a.py", "a.py"),
        ("https://user:word@host.example.org/a.py?token=t#f", "https://***host.example.org/a.py"),
        ("src/\u001b[31ma.py", "src/?[31ma.py"),
        ("src/a\u202eyp.py", "src/a?yp.py"),
        ("", ""),
    ],
)
def test_places(give: Import, uri: str, location: str) -> None:
    ran = give(sarif([result(uri=uri, level="error")]), *ALL)
    assert [f["location"] for f in ran.report["findings"] if f["ruleId"] == "tool-x/R1"] == [location]


@pytest.mark.parametrize("uri", ["../a.py", "src/../../a.py", "file:///srv/../etc/passwd", "..\\a.py", "src/.."])
def test_places_that_lead_out(give: Import, uri: str) -> None:
    ran = give(sarif([result(uri=uri, level="error")]), *ALL)
    assert "leads out of the subject" in ran.one_line


@pytest.mark.parametrize(
    "secret",
    [
        "AKIAABCDEFGHIJKLMNOP",
        "ghp_0123456789abcdefghijABCDEFGHIJ012345",
        "https://user:canary-word@example.org",
        "-----BEGIN RSA PRIVATE KEY-----\ncanary",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.canary",
        "Zm9vYmFyYmF6cXV4Zm9vYmFyMTIzNDU2Nzg5",
    ],
)
def test_secrets_in_messages_are_masked(give: Import, secret: str) -> None:
    ran = give(sarif([result(message={"text": f"found {secret} here"}, level="error")]), *ALL)
    assert secret not in ran.out
    assert "canary" not in ran.out
    assert "***" in ran.report["findings"][0]["message"]


def test_words_are_bounded_and_of_one_line(give: Import) -> None:
    ran = give(
        sarif([result(ruleId="R\n" + "x" * 5000, message={"text": "a\nb\u001b[2J" + "y" * 1000000}, level="error")]),
        *ALL,
    )
    found = ran.report["findings"][0]
    assert len(found["ruleId"]) < 200
    assert len(found["message"]) < 400
    assert "\n" not in found["message"] + found["ruleId"]
    assert "\u001b" not in ran.out


def test_machine_paths_go_out_of_messages(give: Import) -> None:
    text = "cannot read /home/ci/build/src/a.py, see https://example.org/docs/rules/r1 and GET /api/predict"
    found = give(sarif([result(message={"text": text}, level="error")]), *ALL).report["findings"][0]
    assert found["message"] == "cannot read a.py, see https://example.org/docs/rules/r1 and GET /api/predict"


def test_more_than_anybody_could_read(give: Import) -> None:
    ran = give(sarif([result(level="error")] * 25_001), *ALL)
    assert "more than 25000" in ran.one_line


def test_what_would_multiply_is_bounded_first(give: Import) -> None:
    bomb = {"text": "{0}" * 60_000, "arguments": ["A" * 200_000]}
    deep = give(sarif([result(message=bomb, ruleId="a" + "/" * 600_000, level="error")]), *ALL)
    assert deep.code == 1
    assert len(deep.report["findings"][0]["message"]) <= 300
    folders = {f"r{i}": {"uri": f"file:///a/{i}"} for i in range(101)}
    assert "names 101 folders" in give(sarif([], originalUriBaseIds=folders), *ALL, "--target", "file:///a/1").one_line
    many = b"{" + b'"a":[' + b",".join([b"{}"] * 1_500_001) + b"]}"
    assert "more than 1500000 objects" in give(many, *ALL).one_line
    assert "more than 1000000 lines" in give(b"{}\n" + b"1\n" * 1_000_001, *ALL).one_line
    rules = [{"id": "R1"}] * 101
    assert "told of more than 100 times" in give(sarif([result()], rules=rules), *ALL).one_line


def test_only_what_was_looked_at_binds(give: Import) -> None:
    own, hashes = SOURCE.rpartition(":")[2], [*ALL[2:]]
    mentioned = {"location": {"uri": "policy.cfg"}, "hashes": {"sha-256": own}}
    looked_at = mentioned | {"roles": ["analysisTarget"]}
    assert "does not tell what it is about" in give(sarif([], artifacts=[mentioned]), *hashes).one_line
    assert give(sarif([], artifacts=[looked_at]), *hashes).code == 0
    pointed_to = sarif([result(level="note", uri="policy.cfg")], artifacts=[mentioned])
    assert give(pointed_to, *hashes).code == 0
    settings = mentioned | {"roles": ["toolSpecifiedConfiguration"]}
    other = {"location": {"uri": "good.pkl"}, "roles": ["analysisTarget"], "hashes": {"sha-256": "2" * 64}}
    assert "about something else" in give(sarif([], artifacts=[other, settings]), *hashes).one_line


@pytest.mark.parametrize(
    ("invocation", "results", "code"),
    [
        ({"exitCode": 1, "exitCodeDescription": "findings"}, [{"level": "note"}], 0),
        ({"exitCode": 1, "exitCodeDescription": "no rules"}, [], 2),
        ({"exitCode": 2, "exitCodeDescription": "crashed"}, [{"level": "note"}], 2),
        ({"exitCode": 0, "exitCodeDescription": "done"}, [], 0),
        ({"exitCode": 7}, [], 0),
    ],
)
def test_sarif_exit_code(give: Import, invocation: dict[str, Any], results: list[Any], code: int) -> None:
    log = sarif([result(**one) for one in results], invocations=[{"executionSuccessful": True, **invocation}])
    assert give(log, *ALL).code == code


@pytest.mark.parametrize("reason", ["gitignore_patterns_match", "minified", "", "of tomorrow"])
def test_semgrep_leaves_nothing_out_unseen(take: Import, reason: str) -> None:
    left = [{"path": "src/x.py", "reason": reason}]
    assert take("ran/semgrep.json", change=lambda v: v["paths"].update(skipped=left)).code == 2
    harmless = [{"path": "src/x.js", "reason": "wrong_language"}]
    assert take("ran/semgrep.json", change=lambda v: v["paths"].update(skipped=harmless)).code == 1


def test_credentials_in_names_are_not_told(give: Import) -> None:
    address = "https://bob:hunter2@Secret9@h.example/?token=hunter2Secret9"
    log = sarif([], versionControlProvenance=[{"repositoryUri": address}])
    site = _zap("hunter2Secret9")
    site["site"][0]["@name"] = address
    secret = _zap("hunter2Secret9")
    alert = secret["site"][0]["alerts"][0]
    alert.update(name="Password in URL")
    alert["instances"][0]["uri"] = "https://h/reset/hunter2Secret9"
    outside = sarif([result(uri="../https://bob:hunter2Secret9@h/x", level="error")])
    for report, options in ((log, ALL), (site, ["--target", "https://other"]), (secret, ["--target", "https://h"])):
        ran = give(report, *options)
        assert "Secret9" not in ran.out + ran.err
    assert "Secret9" not in give(outside, *ALL).one_line


def test_the_same_result_twice_counts_once(give: Import) -> None:
    ran = give(sarif([result(level="error")] * 3), *ALL)
    assert told(ran) == [("tool-x/R1", "high", "a.py", 1)]


# Baseline, misuse, the command in a process of its own


def test_baseline(take: Import, wardein: Callable[..., Ran], tmp_path: Path) -> None:
    golden, evidence = GOLDENS["ran/semgrep.json"], tmp_path / "earlier.jsonl"
    assert wardein("import-findings", "--findings", golden.file, *golden.arguments, "--evidence", evidence).code == 1
    again = take("ran/semgrep.json", "--baseline", evidence)
    assert again.code == 0
    assert [f["suppressed"] for f in again.report["findings"] if f["severity"] == "high"] == ["baseline"]

    def add(value: Any) -> None:
        value["results"].append(value["results"][0] | {"path": "src/new.py"})

    assert take("ran/semgrep.json", "--baseline", evidence, change=add).code == 1


def _zap(parameter: str) -> dict[str, Any]:
    instance = {"uri": "https://h/q", "method": "GET", "param": parameter}
    alert = {"pluginid": "40012", "name": "XSS", "riskcode": "3", "confidence": "2", "instances": [instance]}
    site = {"@name": "https://h", "alerts": [alert]}
    return {"@version": "2.15", "created": "2020-01-02T00:00:00Z", "site": [site]}


def _leak(line: int, commit: str = "") -> list[dict[str, Any]]:
    return [{"RuleID": "github-pat", "File": "src/keys.py", "StartLine": line, "EndLine": line, "Commit": commit}]


def _guess(line: int) -> dict[str, Any]:
    extra = {"message": "sql injection", "severity": "ERROR", "lines": "requires login"}
    place = {"start": {"line": line}, "end": {"line": line}}
    result = {"check_id": "sqli", "path": "src/a.py", **place, "extra": extra | {"fingerprint": "requires login"}}
    return {"version": "1", "errors": [], "paths": {"scanned": ["src/a.py"]}, "results": [result]}


@pytest.mark.parametrize(
    ("old", "new", "options"),
    [
        (_zap("p1"), _zap("p2"), ["--target", "https://h"]),
        (_leak(3), _leak(99), ALL),
        (_leak(3, "1" * 40), _leak(3, "2" * 40), ALL),
        (_guess(3), _guess(77), [*ALL, "--target", "src/a.py"]),
    ],
    ids=["zap", "gitleaks", "gitleaks-commit", "semgrep"],
)
def test_baseline_does_not_excuse_another_of_the_kind(
    give: Import, tmp_path: Path, old: Any, new: Any, options: list[str]
) -> None:
    earlier = tmp_path / "earlier.jsonl"
    assert give(old, *options, "--evidence", earlier).code == 1
    assert give(old, *options, "--baseline", earlier).code == 0
    assert give(new, *options, "--baseline", earlier).code == 1


def test_baseline_outlives_moved_lines_where_the_text_is_known(give: Import, tmp_path: Path) -> None:
    earlier, before, after = tmp_path / "earlier.jsonl", _guess(3), _guess(77)
    for report in (before, after):
        report["results"][0]["extra"].update(lines="db.execute(query)")
    options = [*ALL, "--target", "src/a.py"]
    assert give(before, *options, "--evidence", earlier).code == 1
    assert give(after, *options, "--baseline", earlier).code == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--accept-unknown", "everything"], "'everything' is none of"),
        (["--format", "nessus"], "'nessus' is none of"),
        (["--fail-severity", "never"], "'never' is none of"),
    ],
)
def test_misuse(take: Import, options: list[str], says: str) -> None:
    ran = take("ran/bandit.json", *options)
    assert ran.code == 2
    assert says in ran.one_line


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "inf", "1e400"])
def test_age_that_is_none(take: Import, hours: str) -> None:
    ran = take("ran/bandit.json", "--max-age-hours", hours, without=("--max-age-hours",))
    assert ran.code == 2
    assert ran.one_line


def test_garak_measures(take: Import) -> None:
    metrics = {m["slice"]: m for m in take("ran/garak.jsonl").report["metrics"] if m["name"] == "attack_success_rate"}
    measured = metrics["probe=ansiescape.AnsiRaw, detector=ansiescape.Raw"]
    assert (measured["n"], round(measured["value"], 4)) == (58, 0.3621)
    assert 0.24 < measured["ci"]["low"] < 0.3621 < measured["ci"]["high"] < 0.5
    assert len(metrics) == 3


def test_command_in_its_own_process(tmp_path: Path) -> None:
    golden = GOLDENS["written/clair.json"]
    command = [
        sys.executable,
        "-m",
        "wardein.cli",
        "import-findings",
        "--findings",
        str(golden.file),
        *golden.arguments,
    ]
    ended = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert json.loads(ended.stdout)["inputs"][0] == {"name": "subject", "role": "Digest", "digest": IMAGE, "bytes": 0}


def test_same_report_same_core(take: Import) -> None:
    first, second = take("ran/bandit.json").report, take("ran/bandit.json").report
    for key in ("findings", "metrics", "coverage", "parametersDigest"):
        assert first[key] == second[key]


def test_golden_names_its_file() -> None:
    assert all(isinstance(golden, Golden) and golden.file.is_file() for golden in GOLDENS.values())
