# SPDX-License-Identifier: Apache-2.0
"""Operators in a real Airflow: ``dag.test()`` in a process and an Airflow home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from demo.repository import CLEAN, HOSTILE, write
from demo.world import LABEL
from tests.conformance.world import Ready
from tests.machinery.test_checkout import committed
from wardein import spec, wire
from wardein.airflow import GateOperator
from wardein.evidence.envelope import read_claims
from wardein.evidence.statement import read

ROOT = Path(__file__).parents[2]
# The interpreter of another Airflow, for example 2.11; the checks themselves always run in this environment.
PYTHON = os.environ.get("WARDEIN_AIRFLOW_PYTHON", sys.executable)
DAGS = Path(__file__).parent / "dags"
pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.xdist_group("airflow")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An Airflow home with a migrated database."""
    folder = tmp_path_factory.mktemp("airflow")
    airflow(folder, DAGS, "db", "migrate")
    return folder


def environment(home: Path, dags: Path, **more: str) -> dict[str, str]:
    return os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        **more,
    }


def airflow(home: Path, dags: Path, *arguments: str) -> str:
    command = [PYTHON, "-m", "airflow", *arguments]
    ended = subprocess.run(command, env=environment(home, dags), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def run(home: Path, file: Path, settings: dict[str, Any], conf: dict[str, Any] | None = None) -> dict[str, Any]:
    written = home / f"{file.stem}.json"
    written.write_text(json.dumps(settings))
    command = [PYTHON, str(Path(__file__).parent / "run_dag.py"), str(file), json.dumps(conf or {})]
    env = environment(home, file.parent, WARDEIN_TEST_SETTINGS=str(written))
    ended = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    lines = [line for line in ended.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, (ended.stdout + ended.stderr)[-4000:]
    return json.loads(lines[0].removeprefix("RESULT "))


@pytest.fixture(scope="module")
def endings(home: Path, ready: Ready, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    out = tmp_path_factory.mktemp("endings")
    bad = out / "bad.skops"
    bad.write_bytes(ready.model.read_bytes() + b"x")
    liar = out / "liar"  # a wrapper that swallows the exit code, as shell pipelines do
    liar.write_text(f'#!/bin/sh\n"{sys.executable}" -m wardein "$@" --exit-zero\nexit 7\n')
    liar.chmod(0o755)
    settings = {
        "out": str(out),
        "good": str(ready.model),
        "bad": str(bad),
        "signature": str(ready.folder / "model.sig"),
        "trust": str(ready.world.trust),
        "liar": str(liar),
    }
    return run(home, DAGS / "endings.py", settings)["tasks"], out


@pytest.mark.parametrize(
    ("task", "state", "tries", "verdict"),
    [
        ("passes", "success", 1, "PASS"),
        ("fails", "failed", 1, "FAIL"),
        ("leaves_the_fail_to_a_gate", "success", 1, "FAIL"),
        ("errs", "failed", 2, "ERROR"),
        ("errs_for_a_gate_too", "failed", 2, "ERROR"),
        ("is_misused", "failed", 1, None),
        ("makes_its_folder", "success", 1, "PASS"),
        ("has_no_program", "failed", 2, None),
        ("lies_by_its_exit_code", "failed", 2, None),
        ("is_mapped[0]", "success", 1, "PASS"),
        ("is_mapped[1]", "failed", 1, "FAIL"),
    ],
)
def test_endings(task: str, state: str, tries: int, verdict: str | None, endings: tuple[dict[str, Any], Path]) -> None:
    """FAIL is not retried, ERROR is; what XCom holds survives both."""
    tasks, out = endings
    ended = tasks[task]
    assert (ended["state"], ended["tries"]) == (state, tries)
    if verdict is None:
        assert ended["xcom"] is None
        return
    assert set(ended["xcom"]) == {"verdict", "passed", "evidence", "digest", "core"}
    assert ended["xcom"]["verdict"] == verdict
    assert Path(ended["xcom"]["evidence"]).is_file()


def test_same_verdict_cores_as_on_the_command_line(home: Path, ready: Ready, tmp_path: Path) -> None:
    arguments = {name: dict(ready.arguments(name, tmp_path)) for name in spec.CHECKS}
    plain = {
        name: {k: v if isinstance(v, (list, dict, int)) else str(v) for k, v in a.items()}
        for name, a in arguments.items()
    }
    settings = {"out": str(tmp_path), "key": ready.world.key("check"), "arguments": plain}
    tasks = run(home, DAGS / "all_checks.py", settings)["tasks"]
    for name in spec.CHECKS:
        assert tasks[name]["xcom"]["core"] == core(ready.evidence(name)), name


def core(evidence: Path) -> str:
    statement = read(next(iter(read_claims(evidence))).payload)
    return wire.core_sha256(wire.from_json(statement.predicate, statement.subject))


def conf(ready: Ready, folder: Path, **changed: Any) -> dict[str, Any]:
    folder.mkdir()
    world = ready.world.parameters("")
    named = ("train_data", "test_data", "sensitive", "bins", "image", "database", "trust", "policy")
    return {
        **{name: world[name] for name in named},
        "label": LABEL,
        "folder": str(folder),
        "target": str(folder / "served"),
        "key_folder": str(ready.folder / "house" / "keys"),
        **changed,
    }


def test_the_dag_promotes_an_honest_model(home: Path, ready: Ready, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    ended = run(home, ROOT / "dags" / "train_and_gate.py", {}, conf(ready, folder))
    assert {name: task["state"] for name, task in ended["tasks"].items() if task["state"] != "success"} == {}
    assert (folder / "served" / "current" / "model.skops").read_bytes() == (folder / "model.skops").read_bytes()


def test_the_dag_stops_an_unfair_model_at_the_gate(home: Path, ready: Ready, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    prejudiced = str(ready.folder / "prejudiced-train.csv")
    ended = run(home, ROOT / "dags" / "train_and_gate.py", {}, conf(ready, folder, train_data=prejudiced))
    states = {name: (task["state"], task["tries"]) for name, task in ended["tasks"].items()}
    assert states["evaluate_fairness"] == ("success", 1)
    assert states["gate"] == ("failed", 1)
    assert states["promote"][0] == "upstream_failed"
    assert ended["tasks"]["gate"]["xcom"]["verdict"] == "FAIL"
    assert [path.name for path in (folder / "served").iterdir()] == ["audit.jsonl"]
    refused = json.loads((folder / "served" / "audit.jsonl").read_bytes().splitlines()[-1])
    assert (refused["action"], refused["result"]) == ("decide", "FAILED")


@pytest.mark.scanners
@pytest.mark.parametrize(("files", "state"), [(CLEAN, "success"), (HOSTILE, "failed")], ids=["clean", "hostile"])
def test_the_dag_scans_a_repository(
    files: Mapping[str, str], state: str, home: Path, ready: Ready, tmp_path: Path
) -> None:
    source, folder = write(tmp_path / "repository", files), tmp_path / "run"
    asked = {
        "folder": str(folder),
        "repository": str(source),
        "commit": committed(source),
        "database": str(ready.folder / "advisories"),
    }
    tasks = run(home, ROOT / "dags" / "scan_repository.py", {}, asked)["tasks"]
    assert {name: t["state"] for name, t in tasks.items()} == dict.fromkeys(tasks, "success") | {"summarize": state}
    assert ("serve.py" in (folder / "summarize.html").read_text()) is (state == "failed")


@pytest.mark.parametrize(
    ("changed", "error"),
    [({"fail_on": "verdit"}, ValueError), ({"fail_on": "never"}, ValueError), ({"command": "wardein"}, TypeError)],
)
def test_a_misspelt_option_is_refused_when_the_dag_is_read(changed: dict[str, Any], error: type[Exception]) -> None:
    """A gate whose fail_on is misspelt must not turn a FAIL green."""
    with pytest.raises(error):
        GateOperator(task_id="g", model="/m", claims=["/c"], trust="/t", policy="/p", evidence="/e.jsonl", **changed)


def test_provider_is_listed(home: Path) -> None:
    assert "wardein" in airflow(home, DAGS, "providers", "list")
