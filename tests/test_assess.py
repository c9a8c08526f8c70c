# SPDX-License-Identifier: Apache-2.0
"""`wardein assess`: the manifest, the run, what is reused of an earlier one, and what must not be."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from junitparser import JUnitXml

import yaml
from demo import manifest
from demo.world import World
from tests.conformance.world import Ready
from tests.conftest import Ran
from wardein import wire
from wardein.assess import reuse
from wardein.assess.manifest import load
from wardein.errors import WardeinError
from wardein.evidence.envelope import Envelope, read_claims, seal
from wardein.evidence.keys import create_file_key, signer_for
from wardein.evidence.statement import read, write
from wardein.report import CHECK_RESULT, Report, Tool, Verdict
from wardein.spec import CHECKS
from wardein.spec import load as load_step

NINE = (
    "validate_data",
    "scan_model",
    "smoke_test",
    "evaluate_performance",
    "evaluate_robustness",
    "evaluate_fairness",
    "evaluate_privacy",
    "scan_image",
    "verify_artifact",
)
READ_TEST_DATA = {step for step in NINE if step not in ("scan_model", "scan_image", "verify_artifact")}
READ_TRAINING = {"validate_data", "evaluate_performance", "evaluate_privacy"}
Cli = Callable[..., Ran]


@dataclass(frozen=True)
class Place:
    """A folder with a world, its manifest, and what a run left."""

    folder: Path
    cli: Cli

    @property
    def world(self) -> World:
        return World(self.folder)

    @property
    def file(self) -> Path:
        return self.folder / "wardein.yaml"

    def write(self, **changed: Any) -> None:
        manifest.write(self.world, self.folder / "model.skops", self.folder / "model.sig", **changed)

    def assess(self, *arguments: object) -> Ran:
        return self.cli("assess", "--config", self.file, *arguments)

    def evidence(self, step: str) -> Path:
        return self.folder / "evidence" / f"{step}.jsonl"

    def report(self, step: str) -> Report:
        first = next(read_claims(self.evidence(step)))
        assert isinstance(first, Envelope)
        statement = read(first.payload)
        return wire.from_json(statement.predicate, statement.subject)

    def alter(self, step: str, *, key: str = "check", **changes: Any) -> None:
        """Change a report and sign it again: what only whoever holds the key could do."""
        report = replace(self.report(step), **changes)
        payload = write(report.subject, CHECK_RESULT, wire.to_json(report))
        self.evidence(step).write_bytes(seal(payload, signer_for(self.world.key(key))).to_line())


def steps_of(ran: Ran) -> dict[str, dict[str, Any]]:
    """Each step of a run that printed JSON, by its name."""
    return {step["report"]["check"]["id"]: step for step in json.loads(ran.out)["steps"]}


def ran_again(ran: Ran) -> set[str]:
    """The steps that were not reused, less the gate, which never is."""
    steps = steps_of(ran)
    assert steps["gate"]["reused"] is False
    return {name for name, step in steps.items() if not step["reused"]} - {"gate"}


@pytest.fixture(scope="session")
def assessed(ready: Ready, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world that a first run went through, in a process of its own, from another folder."""
    folder = tmp_path_factory.mktemp("assessed") / "world"
    shutil.copytree(ready.folder, folder, symlinks=True)
    manifest.write(World(folder), folder / "model.skops", folder / "model.sig")
    command = [sys.executable, "-m", "wardein", "assess", "--config", str(folder / "wardein.yaml"), "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=folder.parent, check=False)
    (folder / "first.json").write_text(ended.stdout)
    (folder / "first.err").write_text(ended.stderr)
    (folder / "first.code").write_text(str(ended.returncode))
    return folder


@pytest.fixture
def place(assessed: Path, tmp_path: Path, wardein: Cli) -> Place:
    """A copy of that world, to be changed."""
    folder = tmp_path / "world"
    shutil.copytree(assessed, folder, symlinks=True)
    return Place(folder, wardein)


@pytest.fixture
def small(place: Place) -> Place:
    """The same with the quickest check alone; the gate misses the others, and denies."""
    place.write(checks={"verify_artifact": None})
    return place


# The run


def test_a_good_release_passes(assessed: Path) -> None:
    assert (assessed / "first.code").read_text() == "0", (assessed / "first.json").read_text()[-2000:]
    document = json.loads((assessed / "first.json").read_text())
    assert document["verdict"] == "PASS"
    assert [step["report"]["check"]["id"] for step in document["steps"]] == [*NINE, "gate"]
    assert {step["report"]["verdict"] for step in document["steps"]} == {"PASS"}
    assert not any(step["reused"] for step in document["steps"])
    progress = (assessed / "first.err").read_text().splitlines()
    assert len(progress) == 2 * (len(NINE) + 1)
    assert progress[1].startswith("[1/9] validate_data: PASS in ")
    assert "\r" not in "".join(progress)


def test_evidence_is_signed_by_the_role_and_bound_to_the_policy(place: Place) -> None:
    for step in (*NINE, "gate"):
        shown = place.cli("show", place.evidence(step), "--trust", place.world.trust)
        assert f"by {'gate' if step == 'gate' else 'check'}" in shown.out
    assert len(place.evidence("gate").read_bytes().splitlines()) == 2
    assert {place.report(step).policy_digest for step in NINE} == {steps_policy(place)}
    assert {path.name for path in (place.folder / "evidence").iterdir()} == {f"{s}.jsonl" for s in (*NINE, "gate")} | {
        ".lock"
    }


def steps_policy(place: Place) -> str:
    return str(json.loads(place.world.trust.read_text())["policyDigest"])


def test_unchanged_everything_but_the_gate_is_reused(place: Place) -> None:
    before = {step: place.evidence(step).read_bytes() for step in (*NINE, "gate")}
    outputs = [x for n in ("html", "sarif", "junit", "markdown") for x in (f"--{n}", place.folder / f"out.{n}")]
    ran = place.assess("--json", *outputs)
    assert ran.code == 0
    assert ran_again(ran) == set()
    assert all(place.evidence(step).read_bytes() == before[step] for step in NINE)
    assert place.evidence("gate").read_bytes() != before["gate"]
    assert ran.err.count(": reused\n") == len(NINE)
    run = json.loads((place.folder / "out.sarif").read_text())["runs"][0]
    assert [r for r in run["results"] if r["level"] == "error"] == []
    assert [i["executionSuccessful"] for i in run["invocations"]] == [True] * (len(NINE) + 1)
    suites = list(JUnitXml.fromfile(str(place.folder / "out.junit")))
    assert [suite.name for suite in suites] == [*NINE, "gate"]
    assert sum(suite.failures + suite.errors for suite in suites) == 0
    page = (place.folder / "out.markdown").read_text()
    assert all(f"| `{step}` | ✅ PASS |" in page for step in (*NINE, "gate"))
    assert "demographic" in (place.folder / "out.html").read_text()


def test_the_summary_is_a_table(small: Place) -> None:
    ran = small.assess()
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert lines[0].split() == ["step", "verdict", "examined", "criteria", "seconds", "verdict", "core"]
    assert lines[1].split()[:2] == ["verify_artifact", "PASS"]
    assert "reused" in lines[1]
    assert lines[2].split()[:2] == ["gate", "FAIL"]
    assert "gate/missing" in ran.out


def test_without_checks_those_that_the_policy_requires(place: Place) -> None:
    place.write(checks=None)
    ran = place.assess("--json")
    # Bins come from the policy, which pins them; the bound of fairness is the run's, and its default fails here.
    assert list(steps_of(ran)) == [*(step for step in NINE if step not in ("smoke_test", "evaluate_privacy")), "gate"]
    assert ran_again(ran) == {"evaluate_fairness"}
    assert steps_of(ran)["evaluate_fairness"]["report"]["parameters"]["bins"] == {"age": "50"}
    assert ran.code == 1


def test_a_reference_that_the_policy_forbids_is_not_given(place: Place) -> None:
    """The baseline policy allows evaluate_robustness no reference; validate_data gets the training data as one."""
    assert {i.name for i in place.report("evaluate_robustness").inputs} == {"model", "data"}
    assert {i.name for i in place.report("validate_data").inputs} == {"data", "reference"}


def test_what_fails_ends_in_1(place: Place) -> None:
    place.write(checks={"evaluate_performance": {"min_accuracy": 0.99}})
    ran = place.assess("--json", "--junit", place.folder / "out.xml", "--sarif", place.folder / "out.sarif")
    assert ran.code == 1
    assert {name: step["report"]["verdict"] for name, step in steps_of(ran).items()} == {
        "evaluate_performance": "FAIL",
        "gate": "FAIL",
    }
    assert "gate/not-passed" in ran.out
    suites = list(JUnitXml.fromfile(str(place.folder / "out.xml")))
    assert all(suite.failures for suite in suites)
    run = json.loads((place.folder / "out.sarif").read_text())["runs"][0]
    assert "evaluate_performance/accuracy" in {r["ruleId"] for r in run["results"]}


def test_what_could_not_look_ends_in_2(place: Place) -> None:
    place.write(checks={"evaluate_performance": {"label": "no_such_column"}, "verify_artifact": None})
    ran = place.assess("--json", "--junit", place.folder / "out.xml", "--sarif", place.folder / "out.sarif")
    assert ran.code == 2
    assert json.loads(ran.out)["verdict"] == "ERROR"
    assert "Traceback" not in ran.err
    assert ran.err.splitlines()[-1].startswith("wardein: evaluate_performance: ")
    assert steps_of(ran)["verify_artifact"]["reused"]
    assert [suite.errors for suite in JUnitXml.fromfile(str(place.folder / "out.xml"))] == [1, 0, 0]
    run = json.loads((place.folder / "out.sarif").read_text())["runs"][0]
    assert [i["executionSuccessful"] for i in run["invocations"]] == [False, True, True]
    # What ended in ERROR is run again, though nothing changed.
    again = place.assess("--json")
    assert (again.code, ran_again(again)) == (2, {"evaluate_performance"})
    assert "run again: it ended in ERROR" in again.err


def test_keys_from_the_environment(small: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    small.write(checks={"verify_artifact": None}, keys=None)
    ran = small.assess()
    assert ran.code == 2
    assert "WARDEIN_KEY_CHECK" in ran.one_line
    monkeypatch.setenv("WARDEIN_KEY_CHECK", small.world.key("check"))
    monkeypatch.setenv("WARDEIN_KEY_GATE", small.world.key("gate").removeprefix("file:"))
    ran = small.assess("--fresh")
    assert ran.code == 1
    assert "by gate (gate), verified" in small.cli("show", small.evidence("gate"), "--trust", small.world.trust).out


def test_more_evidence_can_be_shown_to_the_gate(place: Place) -> None:
    """Approvals and the like: here, the evidence of the other checks, made elsewhere."""
    elsewhere = place.folder / "elsewhere"
    elsewhere.mkdir()
    for step in NINE[:-1]:
        shutil.move(place.evidence(step), elsewhere)
    place.write(checks={"verify_artifact": None}, claims=sorted(elsewhere.iterdir()))
    assert place.assess().code == 0


# What is reused, and what is not


def append(path: Path, content: bytes) -> None:
    with open(path, "ab") as file:
        file.write(content)


@pytest.mark.parametrize(
    ("change", "again", "why"),
    [
        (lambda p: append(p.world.test_data, b"\n"), READ_TEST_DATA, "an input changed"),
        (lambda p: append(p.folder / "train.csv", b"\n"), READ_TRAINING, "an input changed"),
        (lambda p: append(p.folder / "advisories/db/metadata.json", b" "), {"scan_image"}, "an input changed"),
        (lambda p: append(p.world.image, b"\0" * 512), {"scan_image"}, "an input changed"),
        (
            lambda p: p.write(checks={"evaluate_performance": {"seed": 1}, "scan_image": None}),
            {"evaluate_performance"},
            "its parameters changed",
        ),
        (
            lambda p: p.write(checks={"scan_image": {"write_sbom": "sbom.json"}}),
            {"scan_image"},
            "it writes a file",
        ),
    ],
    ids=["data", "training data", "database", "image", "parameter", "written file"],
)  # fmt: skip
def test_what_is_touched_is_run_again(change: Callable[[Place], None], again: set[str], why: str, place: Place) -> None:
    change(place)
    ran = place.assess("--json")
    assert ran_again(ran) == again
    assert ran.err.count(f"run again: {why}") == len(again)


HOUR = timedelta(hours=1)


def finished(when: datetime) -> dict[str, Any]:
    return {"finished": when.isoformat(), "python": ".".join(map(str, sys.version_info[:3]))}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"tools": (Tool("securesystemslib", "0.0.1"),)}, "another version of securesystemslib"),
        ({"tools": (Tool("no-such-package", "1"),)}, "another version of no-such-package"),
        ({"tools": (Tool("trivy", "0.1", "0" * 64),)}, "another version of trivy"),
        ({"tools": (Tool("securesystemslib", "", "0" * 64),)}, "another version of securesystemslib"),
        ({"version": "0.0.1"}, "the version of wardein"),
        ({"nonce": "run-0"}, "it belongs to another run"),
        ({"policy_digest": "0" * 64}, "the policy changed"),
        ({"verdict": Verdict.ERROR}, "it ended in ERROR"),
        ({"execution": finished(datetime.now(UTC) - 25 * HOUR)}, "it has aged"),
        ({"execution": finished(datetime.now(UTC) + HOUR)}, "it has aged"),
        ({"execution": finished(datetime.now(UTC).replace(tzinfo=None))}, "it has aged"),
        ({"execution": {"finished": datetime.now(UTC).isoformat(), "python": "3.9.0"}}, "the version of wardein"),
        ({"valid_until": (datetime.now(UTC) - HOUR).isoformat()}, "it has aged"),
        ({"parameters": {"more": 1}}, "its parameters changed"),
        ({"inputs": ()}, "an input changed"),
        ({"subject": ()}, "it is about something else"),
        ({"check": "scan_image"}, "its evidence is of another check"),
    ],
    ids=lambda value: value if isinstance(value, str) else "_".join(value),
)
def test_what_was_otherwise_is_run_again(changes: dict[str, Any], why: str, small: Place) -> None:
    """Signed by the right key, and yet not what a run of today would say."""
    small.alter("verify_artifact")
    assert ran_again(small.assess("--json")) == set()
    small.alter("verify_artifact", **changes)
    ran = small.assess("--json")
    assert ran_again(ran) == {"verify_artifact"}
    assert f"run again: {why}" in ran.err
    assert ran_again(small.assess("--json")) == set()


def forge(place: Place) -> None:
    """A stranger's key, on evidence that says what is true."""
    create_file_key(place.folder / "house/keys/stranger.pem")
    place.alter("verify_artifact", key="stranger")


@pytest.mark.parametrize(
    "spoil",
    [
        forge,
        lambda p: p.alter("verify_artifact", key="train"),
        lambda p: p.evidence("verify_artifact").write_bytes(p.evidence("verify_artifact").read_bytes()[:-200]),
        lambda p: p.evidence("verify_artifact").write_bytes(b""),
        lambda p: append(p.evidence("verify_artifact"), p.evidence("verify_artifact").read_bytes()),
        lambda p: append(p.evidence("verify_artifact"), b"{}\n"),
        lambda p: shutil.copyfile(p.evidence("scan_image"), p.evidence("verify_artifact")),
        lambda p: (p.evidence("verify_artifact").unlink(), os.mkfifo(p.evidence("verify_artifact"))),
        lambda p: (p.evidence("verify_artifact").unlink(), p.evidence("verify_artifact").symlink_to(p.world.image)),
    ],
    ids=["stranger", "other role", "half", "empty", "twice", "more lines", "other check", "pipe", "link"],
)
def test_spoilt_evidence_is_run_again(spoil: Callable[[Place], object], small: Place) -> None:
    spoil(small)
    ran = small.assess("--json")
    assert ran_again(ran) == {"verify_artifact"}
    assert "run again: its evidence" in ran.err
    assert small.report("verify_artifact").verdict is Verdict.PASS
    assert small.world.image.stat().st_size > 1000


def test_a_flipped_byte_is_found(small: Place) -> None:
    path = small.evidence("verify_artifact")
    line = json.loads(path.read_bytes())
    line["payload"] = line["payload"].replace("A", "B", 1)
    path.write_text(json.dumps(line) + "\n")
    ran = small.assess("--json")
    assert ran_again(ran) == {"verify_artifact"}
    assert "run again: its evidence does not count" in ran.err


def test_another_policy_runs_everything_again(small: Place) -> None:
    append(small.world.policy / "policy.yaml", b"\n")
    ran = small.assess("--json")
    assert ran_again(ran) == {"verify_artifact"}
    assert "gate/policy" in ran.out


def test_another_key_runs_everything_again(small: Place) -> None:
    """Also one that the trust root lists: evidence is by whoever signs now."""
    root = json.loads(small.world.trust.read_text())
    key = create_file_key(small.folder / "house/keys/check2.pem")
    root["keys"].append({"name": "check2", "roles": ["check"], "keyid": key.keyid, **key.to_dict()})
    small.world.trust.write_text(json.dumps(root))
    keys = {"check": "file:house/keys/check2.pem", "gate": "file:house/keys/gate.pem"}
    small.write(checks={"scan_image": None}, keys=keys)
    ran = small.assess("--json")
    assert ran_again(ran) == {"scan_image"}
    assert "signed by check, not by the key that signs now" in ran.err


def test_another_run_reuses_nothing_and_the_same_one_does(small: Place) -> None:
    ran = small.assess("--json", "--run-id", "7")
    assert ran_again(ran) == {"verify_artifact"}
    assert small.report("verify_artifact").nonce == "7"
    assert ran_again(small.assess("--json", "--run-id", "7")) == set()
    assert ran_again(small.assess("--json", "--run-id", "8")) == {"verify_artifact"}


def test_fresh_reuses_nothing(small: Place) -> None:
    assert ran_again(small.assess("--json", "--fresh")) == {"verify_artifact"}


def test_numbers_that_look_alike_are_told_apart() -> None:
    step = load_step("evaluate_performance")
    assert reuse.parameters(step, {"seed": 1})["seed"] == 1
    assert len({reuse._canonical({"x": value}) for value in (1, 1.0, True, "1")}) == 4


# Killed, stopped, and two at once


def start(place: Place) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "wardein", "assess", "--config", str(place.file)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def halfway(place: Place) -> Iterator[tuple[Place, subprocess.Popen[str]]]:
    """A run that has finished two checks and is at the third."""
    shutil.rmtree(place.folder / "evidence")
    place.write(
        checks={
            name: {"bins": {"age": "50"}, "bound": "best"} if name == "evaluate_fairness" else None for name in NINE[1:]
        }
    )
    process = start(place)
    deadline = time.monotonic() + 60
    while not place.evidence("evaluate_performance").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    yield place, process
    process.kill()
    process.communicate()


def test_a_killed_run_is_resumed(halfway: tuple[Place, subprocess.Popen[str]]) -> None:
    place, process = halfway
    process.kill()
    process.wait()
    done = {path.stem for path in (place.folder / "evidence").glob("[a-z]*.jsonl")}
    assert "evaluate_performance" in done
    assert "gate" not in done
    ran = place.assess("--json")
    assert ran_again(ran) == set(NINE[1:]) - done


def test_a_run_that_is_told_to_stop_says_how_to_go_on(halfway: tuple[Place, subprocess.Popen[str]]) -> None:
    place, process = halfway
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert not place.evidence("gate").exists()
    assert out == ""
    if process.returncode != -signal.SIGTERM:  # between two steps nobody listens, and nothing is lost
        assert process.returncode == 2
        assert err.splitlines()[-1].endswith("run it again to go on from there")


def test_two_at_once(small: Place) -> None:
    with open(small.folder / "evidence" / ".lock", "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = small.evidence("gate").read_bytes()
        ran = small.assess()
        assert ran.code == 2
        assert "another assess is writing to it" in ran.one_line
        assert small.evidence("gate").read_bytes() == before
    assert small.assess().code == 1


# Manifests and calls that are refused: one line, and nothing is run


def refused(place: Place, *arguments: object) -> str:
    """The one line of a run that was refused before anything was written."""
    before = sorted(path.name for path in place.folder.rglob("*"))
    ran = place.assess(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert sorted(path.name for path in place.folder.rglob("*")) == before
    return ran.one_line


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"modle": "x"}, "unknown key 'modle'"),
        ({"data": {"tets": "x"}}, "data: has an unknown key 'tets'"),
        ({"model": None}, "lacks 'model'"),
        ({"policy": None}, "lacks 'policy'"),
        ({"version": 2}, "version 2 is not 1"),
        ({"version": True}, "version True is not 1"),
        ({"model": 3}, "model: 3 is not a text; put it in quotes"),
        ({"model": " "}, "model: is not a path"),
        ({"tier": 1}, "tier: 1 is not a text"),
        ({"tier": "extreme"}, "extreme"),
        ({"image": "registry.example/app:latest"}, "nor pinned by digest; write registry references as"),
        ({"checks": {}}, "lists no check"),
        ({"checks": []}, "checks: is not a mapping"),
        ({"checks": {"gate": None}}, "there is no check 'gate'; choose from: "),
        ({"checks": {"scan_image": 3}}, "checks.scan_image: is not a mapping"),
        ({"checks": {"scan_image": {"scaners": []}}}, "has no parameter 'scaners'; it has: image, database"),
        ({"checks": {"scan_image": {"scanners": "vuln"}}}, "scanners: 'vuln' is not a list"),
        ({"checks": {"scan_image": {"fail_severity": "awful"}}}, "'awful' is none of critical"),
        ({"checks": {"scan_image": {"database_max_age_days": True}}}, "True is not a finite number"),
        ({"checks": {"scan_image": {"database_max_age_days": float("nan")}}}, "nan"),
        ({"checks": {"evaluate_performance": {"seed": 1.5}}}, "seed: 1.5 is not a whole number"),
        ({"checks": {"evaluate_performance": {"label": False}}}, "label: False is not a text; put it in quotes"),
        ({"checks": {"evaluate_performance": {"label": "\ud800"}}}, "'\\ud800' is not Unicode text"),
        ({"checks": {"evaluate_fairness": {"bins": {"\udcff": "5"}}}}, "is not Unicode text"),
        ({"checks": {"evaluate_fairness": {"bins": {"age": 50}}}}, "bins.age: 50 is not a text"),
        ({"data": None}, "needs 'data', which nothing says; add 'data.test'"),
        ({"image": None}, "needs 'image'"),
        ({"keys": {"train": "x"}}, "keys: has an unknown key 'train'"),
        ({"keys": {"check": "-----BEGIN PRIVATE KEY-----\nabc"}}, "holds a key itself"),
        ({"keys": {"check": "file:no/such.pem", "gate": "file:house/keys/gate.pem"}}, "does not exist"),
        ({"keys": {"gate": "file:no/such.pem", "check": "file:house/keys/check.pem"}}, "does not exist"),
        ({"keys": {"check": "file:house/keys/check.pem"}}, "nothing names the key that signs as gate"),
        ({"claims": "x"}, "claims: 'x' is not a list"),
        ({"evidence": "model.skops/evidence"}, "lies inside what 'model' names"),
        ({"evidence": "house/policy"}, "lies inside what 'policy' names"),
        ({"trust": "no/such.json"}, "no/such.json"),
    ],
    ids=lambda value: value if isinstance(value, str) else json.dumps(value, default=str)[:40],
)  # fmt: skip
def test_what_is_wrong_with_a_manifest_is_one_line(changed: dict[str, Any], said: str, place: Place) -> None:
    place.write(**changed)
    line = refused(place)
    assert said in line
    assert "BEGIN" not in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 1\nmodel: a\nmodel: b\n", "duplicate key"),
        ("version: 1\nmodel: &a x\ntrust: *a\npolicy: *a\n", "aliases are not allowed"),
        ("model: !!python/object/apply:os.system [id]\n", "not valid YAML"),
        ("[" * 100_000, "not valid YAML"),
        ("- 1\n", "is not a mapping"),
        ("", "is not a mapping"),
        ("version: 1\n---\nversion: 1\n", "not valid YAML"),
        ("x: " + "y" * 2_000_000, "larger than"),
        ("version: 1\nmodel: ${HOME}/x\ntrust: t\npolicy: p\n", "t"),
    ],
    ids=["duplicate", "alias", "tag", "deep", "list", "empty", "two", "large", "no interpolation"],
)
def test_yaml_that_is_refused(text: str, said: str, place: Place) -> None:
    place.file.write_text(text)
    assert said in refused(place)


def test_the_manifest_of_the_documentation_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "assess.md").read_text()
    (tmp_path / "serving-image.tar").touch()
    file = tmp_path / "wardein.yaml"
    file.write_text(page.split("```yaml\n")[1].split("```")[0])
    found = load(file)
    assert found.artifacts["reference"] == tmp_path / "train.csv"
    assert found.artifacts["artifact"] == tmp_path / "model.skops"
    assert found.key("gate") == f"file:{tmp_path}/house/keys/gate.pem"
    for name in found.checks or ():
        load_step(name)


def test_no_manifest(wardein: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = wardein("assess")
    assert ran.code == 2
    assert ran.one_line.startswith("wardein: wardein.yaml: ")
    assert "docs/assess.md" in ran.one_line


def test_a_trust_root_that_is_not_the_pinned_one(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARDEIN_TRUST_SHA256", "0" * 64)
    assert "is not the trust root that WARDEIN_TRUST_SHA256 pins" in refused(place)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--sarif", "wardein.yaml"),
        ("--junit", "model.skops"),
        ("--html", "house/keys/check.pem"),
        ("--markdown", "house/policy/summary.md"),
        ("--markdown", "evidence/gate.jsonl"),
        ("--sarif", "out", "--junit", "out"),
        ("--sarif", "no/such/folder/out"),
        ("--sarif", "advisories"),
    ],
    ids=" ".join,
)
def test_no_output_takes_the_place_of_something_else(arguments: tuple[str, ...], place: Place) -> None:
    line = refused(place, *(item if item.startswith("-") else place.folder / item for item in arguments))
    assert line.startswith(f"wardein: {arguments[-2]}: ") or str(place.folder / arguments[-1]) in line


@pytest.mark.parametrize("arguments", [("--nonsense",), ("--config",), ("extra",)])
def test_misuse_is_one_line(arguments: tuple[str, ...], wardein: Cli) -> None:
    ran = wardein("assess", *arguments)
    assert ran.code == 2
    assert "wardein assess --help" in ran.one_line


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["data", "checks", "keys", "scan_image", "label", "model", "check"]), inner, max_size=4
            )
        ),
        max_leaves=8,
    )
)
def test_whatever_a_manifest_holds_is_read_or_refused(value: Any, tmp_path: Path) -> None:
    file = tmp_path / "wardein.yaml"
    base = {"version": 1, "model": "m", "trust": "t", "policy": "p"}
    file.write_text(yaml.safe_dump(base | value if isinstance(value, dict) else value))
    try:
        found = load(file)
    except WardeinError as error:
        line = str(error)
        assert line.isprintable()  # noqa: PT017 - either ending is right, and each is looked at
        return
    assert found.evidence.is_absolute()
    assert set(found.checks or ()) <= set(CHECKS)
