# SPDX-License-Identifier: Apache-2.0
"""What the README shows is run as shown."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from demo.world import LABEL
from tests.conformance.world import Ready

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def block(containing: str) -> str:
    found = [text for _, text in BLOCKS if containing in text]
    assert len(found) == 1
    return found[0]


def python(code: str, folder: Path) -> None:
    (folder / "example.py").write_text(code)
    command = [sys.executable, str(folder / "example.py")]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.kfp
def test_kubeflow_example_compiles(tmp_path: Path) -> None:
    compile_it = "\nfrom kfp import compiler\ncompiler.Compiler().compile(release, 'release.yaml')\n"
    python(block("from wardein.kfp import") + compile_it, tmp_path)
    assert "evaluate-fairness" in (tmp_path / "release.yaml").read_text()


@pytest.mark.airflow
def test_airflow_example_is_an_operator(tmp_path: Path) -> None:
    python(block("from wardein.airflow import"), tmp_path)


def test_shell_example_runs_as_shown(ready: Ready, tmp_path: Path) -> None:
    """Its model is unfair to nobody that the data show; the gate denies it for what is missing, as the text says."""
    shutil.copyfile(ready.folder / "model.skops", tmp_path / "m.skops")
    pd.read_csv(ready.world.test_data).rename(columns={LABEL: "approved"}).to_csv(tmp_path / "test.csv", index=False)
    commands = block("wardein init try-out").replace("\\\n", " ").splitlines()
    codes = []
    for command in commands:
        if not command.startswith("pip install"):
            line = re.sub(r"^wardein ", f"{sys.executable} -m wardein ", command)
            codes.append(
                subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
            )
    assert [ended.returncode for ended in codes] == [0, 0, 1, 0], [ended.stdout for ended in codes]
    assert "measured demographic_parity_difference[attribute=sex]" in codes[1].stdout
    assert codes[2].stdout.count("gate/missing") == 6
    assert "verificationResult" in codes[3].stdout


def test_commands_named_in_the_text_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([\w-]+)", README, flags=re.MULTILINE)) <= targets
    for path in re.findall(r"\]\(([\w./-]+)\)", README):
        assert (ROOT / path).exists(), path
