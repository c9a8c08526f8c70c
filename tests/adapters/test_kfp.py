# SPDX-License-Identifier: Apache-2.0
"""Components in the KFP SDK's local runner: no Docker, no network, the same verdict cores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from kfp import compiler, components, dsl

import yaml
from demo.repository import CLEAN, HOSTILE, write
from tests.adapters.test_airflow import core
from tests.conformance.world import Ready
from tests.machinery.test_checkout import committed
from wardein import kfp as wardein
from wardein import spec
from wardein.evidence.envelope import read_claims
from wardein.evidence.statement import read

ROOT = Path(__file__).parents[2]
COMPILED = sorted((ROOT / "components" / "yaml").glob("*.yaml"))
PIPELINES = sorted((ROOT / "pipelines").glob("*.yaml"))
pytestmark = [pytest.mark.kfp, pytest.mark.xdist_group("kfp")]


def test_there_is_one_compiled_component_per_step() -> None:
    assert {path.stem for path in COMPILED} == set(spec.STEPS)
    assert PIPELINES


@pytest.mark.parametrize("path", COMPILED, ids=lambda path: path.stem)
def test_compiled_component_loads_and_documents_everything(path: Path) -> None:
    loaded = components.load_component_from_file(str(path))
    assert loaded.description
    definition = next(iter(yaml.safe_load(path.read_text())["components"].values()))
    for side in ("inputDefinitions", "outputDefinitions"):
        for group in definition[side].values():
            for name, port in group.items():
                assert port.get("description"), name


@pytest.mark.parametrize("path", COMPILED + PIPELINES, ids=lambda path: path.stem)
def test_nothing_is_installed_at_run_time(path: Path) -> None:
    text = path.read_text()
    assert "pip install" not in text.replace("pip install '", "")
    assert "packages_to_install" not in text


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.stem)
def test_no_task_of_a_pipeline_is_cached(path: Path) -> None:
    documents = list(yaml.safe_load_all(path.read_text()))
    tasks = documents[0]["root"]["dag"]["tasks"]
    importers = {name for name, task in tasks.items() if "importer" in name}
    assert tasks.keys() - importers
    for name in tasks.keys() - importers:
        assert not tasks[name].get("cachingOptions", {}).get("enableCache"), name
    importer_specs = [e["importer"] for e in documents[0]["deploymentSpec"]["executors"].values() if "importer" in e]
    assert all(importer["reimport"] for importer in importer_specs)


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.stem)
def test_every_parameter_of_a_pipeline_is_described(path: Path) -> None:
    document = next(yaml.safe_load_all(path.read_text()))
    for name, parameter in document["root"]["inputDefinitions"]["parameters"].items():
        assert parameter.get("description"), name


def test_a_misspelt_argument_fails_when_compiling():
    with pytest.raises(TypeError, match="unexpected keyword argument"):

        @dsl.pipeline(name="misspelt")
        def misspelt():
            wardein.scan_image(image="x", databse="y")


def test_python_function_of_a_component_can_be_called(ready: Ready, tmp_path: Path) -> None:
    """As a unit test of somebody's pipeline would."""
    artifact = dsl.Artifact(uri=str(ready.model))
    ended = wardein.verify_artifact.python_func(
        artifact=artifact,
        signature=dsl.Artifact(uri=str(ready.folder / "model.sig")),
        trust=dsl.Artifact(uri=str(ready.world.trust)),
        report=dsl.Artifact(uri=str(tmp_path / "report")),
        summary=dsl.HTML(uri=str(tmp_path / "summary")),
        metrics=dsl.Metrics(uri=str(tmp_path / "metrics")),
        policy=None,
        key="",
        run_id="",
    )
    assert ended == ("PASS", True)


SCRIPT = """
import json, sys
from kfp import dsl, local
from wardein import kfp as wardein, spec

settings = json.loads(open(sys.argv[1]).read())
local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=sys.argv[2])

@dsl.pipeline(name="checks")
def pipeline():
    def source(path):
        return dsl.importer(artifact_uri=path, artifact_class=dsl.Artifact, reimport=True).output
    reports = {}
    for name, arguments in settings["checks"].items():
        step = spec.load(name)
        artifacts = {p.name for p in step.params if p.artifact and p.type != "str"}
        given = {key: source(value) if key in artifacts else value for key, value in arguments.items()}
        task = getattr(wardein, name)(**given, key=settings["key"], run_id=settings["run_id"])
        reports[name] = task.set_caching_options(False).outputs["report"]
    if settings["gate"]:
        release = {key: source(settings["gate"][key]) for key in settings["gate"] if key != "image"}
        # A report of others counts only under a policy that says what it is about, which the baseline cannot know.
        reports.pop("import_findings", None)
        wardein.gate(**release, **reports, image=settings["gate"]["image"], key=settings["gate_key"])

pipeline()
"""


def run(tmp_path: Path, settings: dict[str, object]) -> tuple[subprocess.CompletedProcess[str], Path]:
    (tmp_path / "settings.json").write_text(json.dumps(settings, default=str))
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "settings.json"), str(tmp_path / "root")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    folders = list((tmp_path / "root").iterdir())
    assert len(folders) == 1, ended.stderr[-2000:]
    return ended, folders[0]


def settings(ready: Ready, tmp_path: Path, **changed: object) -> dict[str, object]:
    checks = {name: dict(ready.arguments(name, tmp_path)) for name in spec.CHECKS}
    release = dict(ready.arguments("gate", tmp_path))
    del release["claims"], release["audit"]
    keys = {"key": ready.world.key("check"), "gate_key": ready.world.key("gate"), "run_id": "r"}
    return {"checks": checks, "gate": release, **keys, **changed}


def predicate(folder: Path, step: str) -> dict:
    return dict(read(next(iter(read_claims(folder / step.replace("_", "-") / "report"))).payload).predicate)


@pytest.mark.slow
def test_same_verdict_cores_as_on_the_command_line(ready: Ready, tmp_path: Path) -> None:
    ended, folder = run(tmp_path, settings(ready, tmp_path))
    assert ended.returncode == 0, ended.stdout[-3000:]
    for name in spec.CHECKS:
        task = folder / name.replace("_", "-")
        assert core(task / "report") == core(ready.evidence(name)), name
        assert "<svg" in (task / "summary").read_text() or name not in ("evaluate_robustness", "evaluate_fairness")
    assert predicate(folder, "gate")["verdict"] == "PASS"
    metrics = json.loads((folder / "evaluate-performance" / "executor_output.json").read_text())["artifacts"]["metrics"]
    assert 0 < metrics["artifacts"][0]["metadata"]["accuracy"] < 1


@pytest.mark.slow
def test_a_check_that_fails_or_errs_leaves_its_report_and_the_gate_stops_the_pipeline(
    ready: Ready, tmp_path: Path
) -> None:
    asked = settings(ready, tmp_path)
    checks = asked["checks"]
    noise = tmp_path / "noise.sig"
    noise.write_bytes(b"noise")
    checks["verify_artifact"]["signature"] = noise
    checks["evaluate_performance"]["min_accuracy"] = 0.99
    ended, folder = run(
        tmp_path, {**asked, "checks": {k: checks[k] for k in ("verify_artifact", "evaluate_performance")}}
    )
    assert ended.returncode != 0
    assert predicate(folder, "verify_artifact")["verdict"] == "ERROR"
    said = json.loads((folder / "verify-artifact" / "executor_output.json").read_text())["parameterValues"]
    assert said == {"verdict": "ERROR", "passed": False}
    assert predicate(folder, "evaluate_performance")["verdict"] == "FAIL"
    assert "gate/missing" in ended.stdout  # the verdict was printed before the task failed
    assert "gate/not-passed" in ended.stdout


@pytest.mark.slow
@pytest.mark.scanners
@pytest.mark.parametrize(("files", "verdict"), [(CLEAN, "PASS"), (HOSTILE, "FAIL")], ids=["clean", "hostile"])
def test_a_repository_is_fetched_and_scanned_on_one_page(
    files: Mapping[str, str], verdict: str, ready: Ready, tmp_path: Path
) -> None:
    source = write(tmp_path / "repository", files)
    asked = {
        "repository": str(source),
        "commit": committed(source),
        "database": str(ready.folder / "advisories"),
        "key": ready.world.key("check"),
        "run_id": "r",
    }
    root = tmp_path / "runs"
    command = [sys.executable, "-m", "demo.pipeline", str(root), json.dumps(asked), "scan_repository"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode == 0) is (verdict == "PASS"), ended.stdout[-3000:]
    (folder,) = (path for path in root.iterdir() if path.is_dir())
    assert predicate(folder, "summarize")["verdict"] == verdict
    page = (folder / "summarize" / "summary").read_text()
    for scan in ("scan_dependencies", "scan_code", "scan_secrets", "scan_config"):
        assert predicate(folder, scan)["verdict"] in ("PASS", "FAIL"), predicate(folder, scan)["reason"]
        assert scan.replace("_", " ") in page
    assert ("serve.py" in page) is (verdict == "FAIL")


def test_compilation_is_reproducible(tmp_path: Path) -> None:
    for turn in ("a", "b"):
        compiler.Compiler().compile(wardein.gate, str(tmp_path / f"{turn}.yaml"))
    assert (tmp_path / "a.yaml").read_bytes() == (tmp_path / "b.yaml").read_bytes()


def test_misuse_ends_the_task_in_one_line(ready: Ready, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = {"artifact": ready.model, "signature": ready.folder / "model.sig", "trust": ready.world.trust}
    with pytest.raises(SystemExit) as ended:
        wardein.verify_artifact.python_func(
            **{name: dsl.Artifact(uri=str(path)) for name, path in given.items()},
            **{name: dsl.Artifact(uri=str(tmp_path / name)) for name in ("report", "summary", "metrics")},
            key="file:/no/such/key.pem",
        )
    assert ended.value.code == 2
    assert "does not exist" in capsys.readouterr().err
