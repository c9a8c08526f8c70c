# SPDX-License-Identifier: Apache-2.0
"""Every step, every artifact it reads, broken in every plain way: ERROR, one line, nothing half-written."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.world import Ready, command_line
from tests.conftest import Ran
from wardein import spec

STEPS = [spec.load(name) for name in spec.STEPS]
BROKEN = ("missing", "empty", "noise", "other kind", "link to nowhere")
RELEASING = ("approve", "gate", "promote")
CASES = [
    (step, param, how) for step in STEPS for param in step.params if param.artifact not in ("", "Key") for how in BROKEN
]


def broken(how: str, good: Path, folder: Path) -> Path:
    """The artifact in a broken form."""
    path = folder / "broken"
    if how == "empty":
        path.mkdir() if good.is_dir() else path.touch()
    elif how == "noise":
        content = bytes(range(256)) * 8
        if good.is_dir():
            path.mkdir()
            (path / "noise").write_bytes(content)
        else:
            path.write_bytes(content)
    elif how == "other kind":
        path.touch() if good.is_dir() else path.mkdir()
        (path if good.is_dir() else path / "file").write_bytes(b"content")
    elif how == "link to nowhere":
        path.symlink_to(folder / "nowhere")
    return path


@pytest.mark.parametrize(("step", "param", "how"), CASES, ids=lambda value: getattr(value, "name", value))
def test_broken_artifact(
    step: spec.Step, param: spec.Param, how: str, ready: Ready, tmp_path: Path, wardein: Callable[..., Ran]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    arguments = dict(ready.arguments(step.name, out))
    if param.name == "suite":
        del arguments["reference"]
    given = arguments.get(param.name, ready.folder / "train.csv")
    good = Path(str(given[0] if isinstance(given, list) else given))
    bad = broken(how, good, tmp_path)
    arguments[param.name] = [bad] if isinstance(given, list) else bad
    evidence = out / "evidence.jsonl"
    role = step.name if step.name in ("gate", "approve") else "check"
    signed = ["--evidence", evidence, "--key", ready.world.key(role)]
    ran = wardein(*command_line(step.name, arguments), *signed)
    if step.name == "verify_artifact" and param.name == "artifact" and how in ("noise", "other kind"):
        assert ran.code == 1  # it was looked at: it is not what was signed
    elif param.type == "paths" and how in ("noise", "other kind"):
        assert ran.code in (1, 2)  # evidence that cannot be read denies, with every other reason
    elif step.name in ("sign_artifact", "scan_secrets") and how in ("noise", "other kind"):
        return  # any bytes can be signed, and searched
    elif step.name == "scan_image" and param.name in ("model", "model_evidence") and how in ("noise", "other kind"):
        return  # any file or folder can be the model; without a document to write, nobody reads what is told of it
    elif step.name in RELEASING and param.name in ("suite", "advisories", "source") and how in ("noise", "other kind"):
        return  # shown for comparison: no check that the policy requires read any
    elif step.kind == "release" and param.name not in ("trust", "policy") and how in ("noise", "other kind"):
        assert ran.code in (1, 2)  # a model may be any file or folder; the evidence is about another one
    else:
        assert ran.code == 2, ran.out
        assert ran.one_line
    payload = json.loads(base64.b64decode(json.loads(evidence.read_text().splitlines()[0])["payload"]))
    assert payload["predicate"]["verdict"] == {1: "FAIL", 2: "ERROR"}[ran.code]
    noted = {"decisions.jsonl"} if step.name == "gate" and ran.code == 1 else set()  # a refusal is noted as well
    assert {path.name for path in out.iterdir()} == {"evidence.jsonl"} | noted


TABLES = {
    "header only": "age,sex,bmi,bp,s1,s2,s3,s4,s5,s6,high_progression\n",
    "wrong column": "agee,sex\n1,2\n",
    "ragged": "age,sex\n1,2\n3\n",
    "single class": None,
    "not finite": None,
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("step", ["evaluate_performance", "evaluate_robustness", "evaluate_fairness", "validate_data"])
def test_broken_table(step: str, name: str, ready: Ready, tmp_path: Path, wardein: Callable[..., Ran]) -> None:
    import pandas as pd

    path = tmp_path / "table.csv"
    if TABLES[name] is not None:
        path.write_text(TABLES[name])
    else:
        table = pd.read_csv(ready.world.test_data)
        if name == "single class":
            if step == "validate_data":
                pytest.skip("validate_data knows no label")
            table = table[table["high_progression"] == 1]
        else:
            table = table.astype(float)
            table.loc[3, "bmi"] = float("inf")
        table.to_csv(path, index=False)
    ran = wardein(*command_line(step, {**ready.arguments(step, tmp_path), "data": path}))
    if step == "validate_data" and name == "not finite":
        assert ran.code == 1  # an expectation on the column's range or type finds it
    else:
        assert ran.code == 2
        assert ran.one_line


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_missing_extra_names_the_command(
    step: spec.Step, ready: Ready, tmp_path: Path, wardein: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine where only the core is installed."""
    needed = {
        "data": ["great_expectations"],
        "evaluate": ["sklearn", "skops", "skops.io", "art"],
        "scan": [],
        "sign": ["securesystemslib", "securesystemslib.signer", "cryptography"],
    }[step.family]
    if not needed:
        pytest.skip("needs a program, not a package; tests/machinery/test_run.py covers it")
    for name in [n for n in sys.modules if n.split(".")[0] in {m.split(".")[0] for m in needed}]:
        monkeypatch.delitem(sys.modules, name)
    for name in needed:
        monkeypatch.setitem(sys.modules, name, None)
    ran = wardein(*command_line(step.name, ready.arguments(step.name, tmp_path)))
    assert ran.code == 2
    assert f"pip install 'wardein[{step.family}]'" in ran.one_line


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_time_limit_ends_every_step(step: spec.Step, ready: Ready, tmp_path: Path) -> None:
    """In a process of its own, as the limit strikes in the middle of an import."""
    command = [sys.executable, "-m", "wardein", *command_line(step.name, ready.arguments(step.name, tmp_path))]
    ended = subprocess.run([*command, "--time-limit", "0.001"], capture_output=True, text=True, check=False)
    ran = Ran(ended.returncode, ended.stdout, ended.stderr)
    assert ran.code == 2
    assert "did not finish within" in ran.one_line
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_good_call_passes_twice_with_the_same_core(
    step: spec.Step, ready: Ready, tmp_path: Path, wardein: Callable[..., Ran]
) -> None:
    cores = []
    for turn in ("a", "b"):
        out = tmp_path / turn
        out.mkdir()
        ran = wardein(*command_line(step.name, ready.arguments(step.name, out)), "--html", out / "page.html")
        assert ran.code == 0, ran.err
        cores.append(ran.out.rpartition("sha256:")[2])
        page = (out / "page.html").read_text()
        assert "PASS" in page
        assert "http://" not in page.replace("http://www.w3.org/", "").replace("http://purl.org/", "").replace(
            "http://creativecommons.org/", ""
        )
        assert str(ready.folder) not in page
    assert cores[0] == cores[1]
