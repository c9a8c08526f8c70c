# SPDX-License-Identifier: Apache-2.0
"""What many tests need: the command line in this process, and a house with keys, trust root and policy."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

pytest_plugins = ["tests.conformance.world"]
os.environ.setdefault("OMP_NUM_THREADS", "1")

from wardein import cli  # noqa: E402 - after the thread limit

SCHEMA = json.loads((Path(cli.__file__).parent / "report.schema.json").read_text())


@dataclass(frozen=True)
class Ran:
    """What a run of the command line gave."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The report that was printed; every one that a test reads is held against the schema."""
        report = json.loads(self.out)
        Draft202012Validator(SCHEMA).validate(report)
        return report

    @property
    def one_line(self) -> str:
        """The one line of an error; anything else is a failure."""
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0]


@dataclass(frozen=True)
class House:
    """What ``wardein init`` makes."""

    folder: Path

    @property
    def trust(self) -> Path:
        return self.folder / "trust.json"

    @property
    def policy(self) -> Path:
        return self.folder / "policy"

    def key(self, role: str) -> str:
        return f"file:{self.folder}/keys/{role}.pem"


@pytest.fixture
def wardein(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run the command line in this process."""

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        code = cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def house(tmp_path: Path, wardein: Callable[..., Ran]) -> House:
    """A fresh trust root with one key a role and the baseline policy."""
    folder = tmp_path / "house"
    assert wardein("init", folder, "--pin", "label=y", "--pin", 'sensitive=["sex"]').code == 0
    return House(folder)
