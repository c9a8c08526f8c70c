# SPDX-License-Identifier: Apache-2.0
"""The snippets for CI systems: they parse, call what exists, keep their secrets, and cannot let a failure pass."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import yaml
from tests.conftest import Ran

CI = Path(__file__).parents[1] / "docs" / "ci"
GITHUB, GITLAB, JENKINS = CI / "github-actions.yml", CI / "gitlab-ci.yml", CI / "Jenkinsfile"
# What would let a job go on, or be green, although the gate denied.
LETS_PASS = re.compile(
    r"continue-on-error|allow_failure|returnStatus|catchError|unstable\(|--exit-zero|set \+e|when: manual"
    r"|\|\|\s*(true|:|exit 0)|;\s*true"
)


def without_comments(path: Path) -> str:
    return "\n".join(re.sub(r"(^|\s)(#|//) .*", "", line) for line in path.read_text().splitlines())


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(item)


def commands(path: Path) -> list[str]:
    """The shell lines of a snippet."""
    if path == JENKINS:
        return re.findall(r"\bsh '([^']*)'", without_comments(path))
    return [line for text in strings(yaml.safe_load(path.read_text())) for line in text.splitlines()]


@pytest.mark.parametrize("path", [GITHUB, GITLAB, JENKINS], ids=lambda path: path.name)
def test_every_call_of_wardein_is_one(
    path: Path, wardein: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no manifest, a right call ends for want of it; a misspelt option would end before."""
    monkeypatch.chdir(tmp_path)
    calls = [shlex.split(line) for line in commands(path) if re.match(r"(\S*/)?wardein ", line)]
    assert len(calls) == 1
    assert calls[0][1] == "assess"
    ran = wardein(*calls[0][1:])
    assert ran.code == 2
    assert ran.one_line.startswith("wardein: wardein.yaml: ")
    assert wardein(*calls[0][1:], "--no-such-option").one_line.startswith("wardein: unrecognized")


@pytest.mark.parametrize("path", [GITHUB, GITLAB, JENKINS], ids=lambda path: path.name)
def test_nothing_lets_a_denied_release_pass(path: Path) -> None:
    assert not LETS_PASS.search(without_comments(path))
    assert "--run-id" in without_comments(path)
    assert "WARDEIN_TRUST_SHA256" in path.read_text()


@pytest.mark.parametrize("path", [GITHUB, GITLAB, JENKINS], ids=lambda path: path.name)
def test_no_secret_and_no_unhashed_package(path: Path) -> None:
    text = without_comments(path)
    assert not re.search(r"BEGIN|PRIVATE|password|token:|AKIA|--key\b", text)
    for line in commands(path):
        assert "pip" not in line.split() or "--require-hashes" in line
        # A secret on a command line is in the process table; an expression in a script is code.
        assert "${{" not in line or not re.search(r"run|script", line), line
        assert not re.search(r"secrets\.|\bset -x\b|\bcurl\b|\bwget\b", line) or line.startswith("${{ secrets."), line


def test_github_has_least_permissions_and_pinned_actions() -> None:
    workflow = yaml.safe_load(GITHUB.read_text())
    assert workflow["permissions"] == {}
    (job,) = workflow["jobs"].values()
    assert job["permissions"] == {"contents": "read", "security-events": "write"}
    assert job["environment"] == "release"
    assert "pull_request_target" not in workflow[True]  # YAML 1.1 reads `on` as true
    uses = [step["uses"] for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"(actions|github)/[\w./-]+@[0-9a-f]{40}", action) for action in uses)
    assert job["steps"][0]["with"] == {"persist-credentials": False}
    for step in job["steps"]:
        assert "${{" not in step.get("run", ""), "an expression in a script is code"
        assert "secrets." not in str(step.get("run"))
    gate = next(step for step in job["steps"] if "assess" in step.get("run", ""))
    assert set(gate) == {"name", "run"}, "the gate is neither conditional nor optional"
    after = job["steps"][job["steps"].index(gate) + 1 :]
    assert all("!cancelled()" in step["if"] for step in after)


def test_gitlab_keeps_evidence_and_is_not_optional() -> None:
    snippet = yaml.safe_load(GITLAB.read_text())
    (job,) = snippet.values()
    assert job["artifacts"]["when"] == "always"
    assert job["artifacts"]["reports"] == {"junit": "wardein.xml"}
    assert "wardein.xml" in job["script"][0]
    assert "$CI_PIPELINE_ID" in job["cache"]["key"]
    assert len(job["script"]) == 1, "the exit code of the script is that of wardein"
    assert [set(rule) for rule in job["rules"]] == [{"if"}]
    assert "variables" not in job


def test_jenkins_is_a_declarative_pipeline() -> None:
    text = without_comments(JENKINS)
    for opening, closing in ("{}", "()", "[]"):
        assert text.count(opening) == text.count(closing)
    blocks = re.findall(r"^( *)(\w+)(?:\([^)]*\))? \{", text, re.MULTILINE)
    outline = [(len(indent) // 2, name) for indent, name in blocks]
    assert outline[0] == (0, "pipeline")
    assert [name for depth, name in outline if depth == 1] == ["agent", "options", "stages", "post"]
    assert [name for depth, name in outline if depth == 2] == ["stage", "stage", "always"]
    gate = text[text.index("withCredentials") : text.index("post {")]
    assert "wardein assess" in gate
    assert set(re.findall(r"variable: '(\w+)'", gate)) == {
        "WARDEIN_KEY_CHECK",
        "WARDEIN_KEY_GATE",
        "WARDEIN_TRUST_SHA256",
    }
    assert not re.search(r'sh "', text), "Groovy would put secrets into the command itself"
    assert "junit testResults: 'wardein.xml'" in text
