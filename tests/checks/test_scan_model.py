# SPDX-License-Identifier: Apache-2.0
"""scan_model as its users meet it: verdicts, settings, second opinions. The formats have tests of their own."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.conftest import Ran
from tests.corpus.fail_open.case import program, stand_in

Wardein = Callable[..., Ran]
IMPORTS = b"\x80\x04\x8c\x09importlib\x8c\x0dimport_module\x93\x8c\x0bantigravity\x85R."
OTHERS = ("picklescan", "modelscan", "fickling", "modelaudit")

pytestmark = pytest.mark.scanners


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """What two of the most used scanners call clean."""
    path = tmp_path / "model.pkl"
    path.write_bytes(IMPORTS)
    return path


@pytest.fixture(scope="module")
def forest() -> RandomForestClassifier:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(60, 3)), columns=["a", "b", "c"])
    return make_pipeline(StandardScaler(), RandomForestClassifier(5, random_state=0)).fit(table, table["a"] > 0)


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other scanners, as the project's own environment for them has them."""
    for name in OTHERS:
        monkeypatch.setenv(f"WARDEIN_{name.upper()}", str(program(name)))


def rules(ran: Ran) -> set[str]:
    return {finding["ruleId"] for finding in ran.report["findings"]}


def test_a_call_that_other_scanners_pass_fails_and_is_told_where(wardein: Wardein, hostile: Path) -> None:
    ran = wardein("scan-model", "--model", hostile, "--json")
    assert ran.code == 1
    [finding] = [f for f in ran.report["findings"] if f["severity"] in ("critical", "high")]
    assert "importlib.import_module" in finding["message"]
    assert "byte" in finding["message"]
    assert "antigravity" in finding["message"]
    assert finding["cwe"] == "CWE-502"
    assert any(name.startswith("mitre-atlas:AML.T") for name in finding["taxonomy"])


def test_a_class_of_somebodys_own_fails_and_says_how_it_is_allowed(wardein: Wardein, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x04\x8c\x10mypackage.layers\x8c\x06Scaler\x93)\x81}\x8c\x05scale\x4b\x02sb.")
    ran = wardein("scan-model", "--model", path, "--json")
    assert ran.code == 1
    [finding] = ran.report["findings"]
    assert finding["ruleId"] == "model/pickle-unknown-global"
    assert "mypackage.layers.Scaler" in finding["message"]
    assert "byte" in finding["message"]
    assert "--allow mypackage.layers.Scaler" in finding["message"]
    assert wardein("scan-model", "--model", path, "--allow", "mypackage.layers.Scaler").code == 0


def test_what_a_run_allows_is_recorded(wardein: Wardein, hostile: Path) -> None:
    ran = wardein("scan-model", "--model", hostile, "--allow", "importlib.import_module", "--json")
    assert ran.code == 0
    assert ran.report["parameters"]["allow"] == ["importlib.import_module"]


def test_an_honest_forest_passes_in_every_form(wardein: Wardein, tmp_path: Path, forest: object) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    for protocol in range(6):
        (folder / f"p{protocol}.pkl").write_bytes(pickle.dumps(forest, protocol=protocol))
    joblib.dump(forest, folder / "plain.joblib")
    for compression in ("zlib", "gzip", "bz2", "lzma", "xz", "lz4"):
        joblib.dump(forest, folder / f"{compression}.joblib", compress=(compression, 3))
    skops.io.dump(forest, folder / "model.skops")
    ran = wardein("scan-model", "--model", folder, "--json")
    assert ran.code == 0, ran.report["reason"]
    assert ran.report["coverage"]["examined"] == 14


def test_through_a_real_process(hostile: Path) -> None:
    command = [sys.executable, "-m", "wardein", "scan-model", "--model", str(hostile)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stdout.startswith("FAIL  scan_model")
    assert ended.stderr == ""


def test_one_file_that_nobody_knows_is_enough(wardein: Wardein, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "good.pkl").write_bytes(pickle.dumps({"a": 1}))
    (folder / "odd.bin").write_bytes(b"\xf7\xf3\xf1" * 99)
    ran = wardein("scan-model", "--model", folder, "--json")
    assert ran.code == 2
    assert "odd.bin" in ran.one_line
    assert ran.report["coverage"] | {"examined": 1, "expected": 2} == ran.report["coverage"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--scanners", "wardien"], "'wardien' is none of wardein, picklescan"),
        (["--scanners", "picklescan"], "leaves wardein itself out"),
        (["--formats", "safetensor"], "'safetensor' is none of"),
    ],
)
def test_settings_that_make_no_sense(wardein: Wardein, hostile: Path, arguments: list[str], says: str) -> None:
    ran = wardein("scan-model", "--model", hostile, *arguments)
    assert ran.code == 2
    assert says in ran.one_line


def test_only_the_formats_that_are_accepted(wardein: Wardein, tmp_path: Path, forest: object) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    skops.io.dump(forest, folder / "model.skops")
    (folder / "README.md").write_text("# A forest\n\nGrown for a test.\n")
    assert wardein("scan-model", "--model", folder, "--formats", "skops").code == 0
    ran = wardein("scan-model", "--model", folder, "--formats", "safetensors", "--formats", "onnx", "--json")
    assert ran.code == 1
    [finding] = ran.report["findings"]
    assert (finding["ruleId"], finding["location"]) == ("model/format-not-allowed", "model.skops")


def test_every_other_scanner_is_heard(wardein: Wardein, tmp_path: Path, others: None) -> None:
    path = tmp_path / "model.bin"  # their names for it would be another
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    ran = wardein("scan-model", "--model", path, *[f"--scanners={name}" for name in ("wardein", *OTHERS)], "--json")
    assert ran.code == 1
    assert [tool["name"] for tool in ran.report["tools"]] == sorted(OTHERS)
    assert {rule.partition("/")[0] for rule in rules(ran)} == {"model", *OTHERS}


def test_the_strictest_opinion_counts(wardein: Wardein, tmp_path: Path, forest: object, others: None) -> None:
    """What fickling thinks of any ordinary estimator."""
    path = tmp_path / "forest.pkl"
    path.write_bytes(pickle.dumps(forest, protocol=4))
    assert wardein("scan-model", "--model", path).code == 0
    ran = wardein("scan-model", "--model", path, "--scanners", "wardein", "--scanners", "fickling", "--json")
    assert ran.code in (1, 2)
    assert ran.report["verdict"] in ("FAIL", "ERROR")


def test_a_scanner_that_could_not_read_a_file_has_not_examined_it(
    wardein: Wardein, tmp_path: Path, others: None
) -> None:
    """picklescan ends with 0 for a stream that it cannot follow, and with 2 for any array of joblib's."""
    path = tmp_path / "model.joblib"
    joblib.dump({"weights": np.arange(9.0)}, path)
    ran = wardein("scan-model", "--model", path, "--scanners", "wardein", "--scanners", "picklescan", "--json")
    assert ran.code == 2
    assert "picklescan did not examine it" in json.dumps(ran.report["coverage"])


FAULTS = {
    "it says nothing and ends well": "",
    "it breaks off": "sys.exit(1)",
    "its report is no report": "open(args[args.index('-o') + 1] if '-o' in args else os.devnull, 'w').write('{}')",
    "its report breaks off": "[open(a, 'w').write('{\"issues\": [') for a in args if a.endswith('report.json')]",
    "it is killed": "import signal; os.kill(os.getpid(), signal.SIGKILL)",
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.replace(" ", "-"))
def test_a_stand_in_that_does_not_answer_has_not_examined_anything(
    wardein: Wardein, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, fault: str
) -> None:
    model = tmp_path / "model.pkl"
    model.write_bytes(pickle.dumps({"a": 1}))
    fake = stand_in(tmp_path / "bin", name, FAULTS[fault])
    version = {"picklescan": "1.0.5", "modelscan": "0.8.8", "fickling": "0.1.12", "modelaudit": "0.2.54"}[name]
    (tmp_path / "bin" / "python").write_text(f"#!/bin/sh\necho {version}\n")
    (tmp_path / "bin" / "python").chmod(0o755)
    monkeypatch.setenv(f"WARDEIN_{name.upper()}", str(fake))
    ran = wardein("scan-model", "--model", model, "--scanners", "wardein", "--scanners", name, "--json")
    assert ran.code == 2
    assert f"{name} did not examine it" in json.dumps(ran.report["coverage"])


@pytest.mark.parametrize("name", OTHERS)
def test_a_scanner_that_is_not_there_or_of_another_generation(
    wardein: Wardein, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hostile: Path, name: str
) -> None:
    arguments = ["scan-model", "--model", hostile, "--scanners", "wardein", "--scanners", name]
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv(f"WARDEIN_{name.upper()}", raising=False)
    ran = wardein(*arguments)
    assert ran.code == 2
    assert f"pip install {name}" in ran.one_line
    fake = stand_in(tmp_path / "bin", name, "")
    (tmp_path / "bin" / "python").write_text("#!/bin/sh\necho 99.0\n")
    (tmp_path / "bin" / "python").chmod(0o755)
    monkeypatch.setenv(f"WARDEIN_{name.upper()}", str(fake))
    ran = wardein(*arguments)
    assert ran.code == 2
    assert "version '99.0' is none of" in ran.one_line


def test_a_folder_without_a_model(wardein: Wardein, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "README.md").write_text("# Soon\n\nThe model will be here.\n")
    ran = wardein("scan-model", "--model", tmp_path / "model")
    assert ran.code == 2
    assert "there is no model" in ran.one_line


def test_an_empty_file_is_no_model(wardein: Wardein, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "good.pkl").write_bytes(pickle.dumps({"a": 1}))
    (folder / "__init__.py").touch()
    assert wardein("scan-model", "--model", folder).code == 0
    (folder / "weights.safetensors").touch()
    ran = wardein("scan-model", "--model", folder)
    assert ran.code == 2
    assert "weights.safetensors: is empty (0 bytes)" in ran.one_line
