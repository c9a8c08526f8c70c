# SPDX-License-Identifier: Apache-2.0
"""One run, every output: written whole or not at all, in every ending, and none in the place of another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from jsonschema import Draft4Validator
from junitparser import JUnitXml

from tests.conftest import House, Ran
from wardein.artifacts import Source
from wardein.execute import Options, run
from wardein.report import BASELINE, Coverage, Finding, Report, Severity, Skipped, conclude
from wardein.spec import describe

SCHEMA = json.loads((Path(__file__).parent / "sarif-schema-2.1.0.json").read_text())
KINDS = ("evidence", "html", "sarif", "junit", "cyclonedx")
EVIL = "<b>\x1b[31m&]]></system-out>\ufffe"


def probe(source: Source, skip: bool = False) -> Report:
    """Say what many scanners would say.

    Args:
        source: The folder.
        skip: Whether a file is not examined.
    """
    return conclude(
        coverage=Coverage("files", 3, 2 if skip else 3, (Skipped("c.py", "does not parse"),) if skip else ()),
        findings=[
            Finding("code/pickle-load", Severity.HIGH, EVIL, "a.py", cwe="CWE-502", line=3, taxonomy=("bandit:B301",)),
            Finding("code/eval", Severity.LOW, "evaluates text", "n.ipynb", False, part="cell 2", line=1),
            Finding("code/eval", Severity.LOW, "evaluates text", "b.py", False, line=9),
            Finding("CVE-1", Severity.LOW, "m", "r.txt", False, cve="CVE-1", purl="pkg:pypi/a@1", suppressed=BASELINE),
        ],
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "a.py").write_text("x")
    return folder


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "artifact"
    path.write_bytes(b"content")
    return path


def outputs(folder: Path) -> dict[str, Path]:
    return {kind: folder / f"out.{kind}" for kind in KINDS}


def check(written: dict[str, Path]) -> None:
    """Every output is whole, and valid for whoever reads it."""
    Draft4Validator(SCHEMA).validate(json.loads(written["sarif"].read_text()))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written["cyclonedx"].read_text()) is None
    assert len(list(JUnitXml.fromfile(str(written["junit"])))) == 1
    assert written["html"].read_text().rstrip().endswith("</html>")
    for path in written.values():
        assert "\x1b" not in path.read_text()
        assert "\ufffe" not in path.read_text()


@pytest.mark.parametrize("skip", [False, True])
def test_one_run_writes_them_all(tmp_path: Path, source: Path, skip: bool) -> None:
    written = outputs(tmp_path)
    report = run(describe(probe), {"source": source, "skip": skip}, Options(**written))  # type: ignore[arg-type]
    assert report.verdict == ("ERROR" if skip else "FAIL")
    check(written)
    (suite,) = JUnitXml.fromfile(str(written["junit"]))
    assert (suite.failures, suite.errors) == (1, 1) if skip else (2, 0)
    assert "known: baseline" in written["junit"].read_text()
    assert str(tmp_path) not in written["sarif"].read_text() + written["cyclonedx"].read_text()
    results = json.loads(written["sarif"].read_text())["runs"][0]["results"]
    assert results[0]["locations"][0]["physicalLocation"]["region"]["startLine"] == 3


def test_the_evidence_is_shown_with_every_finding(tmp_path: Path, source: Path, wardein: Callable[..., Ran]) -> None:
    evidence = tmp_path / "e.jsonl"
    run(describe(probe), {"source": source, "skip": True}, Options(evidence=evidence))
    ran = wardein("show", evidence)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert "  not examined  c.py: does not parse" in lines
    assert "  high     code/pickle-load  CWE-502  a.py, line 3  <b>?[31m&]]></system-out>?  [bandit:B301]" in lines
    assert "  low      code/eval  2 findings: evaluates text" in lines
    assert [line.strip() for line in lines if ", line" in line][1:] == ["b.py, line 9", "n.ipynb, cell 2, line 1"]
    known = lines.index("  known    1 finding that an earlier report had already")
    assert "CVE-1" in lines[known + 1]
    assert "more findings" not in ran.out


def test_through_the_command_line(house: House, tmp_path: Path, artifact: Path, wardein: Callable[..., Ran]) -> None:
    asked = ["--artifact", artifact, "--signature", house.trust, "--trust", house.trust]
    written = outputs(tmp_path)
    ran = wardein("verify-artifact", *asked, *(part for kind in KINDS for part in (f"--{kind}", written[kind])))
    assert ran.code == 2
    check(written)
    said = {p["name"]: p["value"] for p in json.loads(written["cyclonedx"].read_text())["metadata"]["properties"]}
    assert said["wardein:verdict"] == "ERROR"


@pytest.mark.parametrize("kind", ["junit", "cyclonedx"])
def test_an_output_takes_nothings_place(
    house: House, tmp_path: Path, artifact: Path, wardein: Callable[..., Ran], kind: str
) -> None:
    asked = ["verify-artifact", "--artifact", artifact, "--signature", house.trust, "--trust", house.trust]
    before = artifact.read_bytes(), house.trust.read_bytes()
    for target in (artifact, house.trust):
        assert f"--{kind}: would overwrite" in wardein(*asked, f"--{kind}", target).one_line
    assert "create the folder first" in wardein(*asked, f"--{kind}", tmp_path / "no" / "file").one_line
    assert "--sarif" in wardein(*asked, "--sarif", tmp_path / "x", f"--{kind}", tmp_path / "x").one_line
    assert not (tmp_path / "x").exists()
    assert (artifact.read_bytes(), house.trust.read_bytes()) == before


def test_a_real_process_writes_them(house: House, tmp_path: Path, artifact: Path) -> None:
    written = outputs(tmp_path)
    command: list[Any] = [sys.executable, "-m", "wardein.cli", "verify-artifact", "--artifact", artifact]
    command += ["--signature", tmp_path / "none", "--trust", house.trust]
    command += ["--junit", written["junit"], "--cyclonedx", written["cyclonedx"]]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    (suite,) = JUnitXml.fromfile(str(written["junit"]))
    assert suite.errors == 1
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written["cyclonedx"].read_text()) is None


def test_other_shells_have_no_such_options() -> None:
    from wardein.airflow import operators
    from wardein.kfp import components

    for module in (operators, components):
        text = Path(str(module.__file__)).read_text()
        assert "junit" not in text
        assert "cyclonedx" not in text


@pytest.mark.parametrize("kind", ["pipe", "link", "broken link"])
def test_nothing_but_a_file_is_replaced(kind: str, tmp_path: Path) -> None:
    from wardein.errors import UsageError
    from wardein.files import check_writable, deliver, write_whole

    target, source = tmp_path / "target", tmp_path / "source"
    source.write_text("x")
    os.mkfifo(target) if kind == "pipe" else target.symlink_to("source" if kind == "link" else "nowhere")
    before = target.lstat()
    for write in (check_writable, lambda path: write_whole(path, b"y"), lambda path: deliver(source, path)):
        with pytest.raises(UsageError, match="would be replaced"):
            write(target)
    assert (target.lstat().st_mode, target.lstat().st_ino) == (before.st_mode, before.st_ino)
    assert source.read_text() == "x"
