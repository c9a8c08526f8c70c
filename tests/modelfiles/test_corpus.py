# SPDX-License-Identifier: Apache-2.0
"""The whole corpus: nothing malicious and nothing malformed passes, nothing honest is stopped, anywhere the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.corpus.modelfiles.samples import Sample, samples
from wardein.modelfiles.scan import examine_model
from wardein.report import Severity

ROOT = Path(__file__).parents[2]
FAILING = (Severity.CRITICAL, Severity.HIGH)
# What takes no library of the scan extra: in an interpreter that has none, only these can be compared.
PLAIN = ("pickles", "numpy", "sklearn", "stdlib", "torch", "pandas", "safetensors", "xgboost", "lightgbm")
# Examines the files that it is given, and prints what came out: without site-packages, as in a bare environment.
BARE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from wardein.modelfiles.scan import examine_model
for line in sys.stdin:
    examined = examine_model(Path(line.rstrip("\\n")), [])
    print(json.dumps([sorted(map(str, examined.found)), sorted(map(str, examined.skipped))]))
"""


def stopped(path: Path) -> list[str]:
    """Why a model does not pass; empty if it does."""
    examined = examine_model(path, [])
    alarms = [f.message for f in examined.found if f.severity in FAILING]
    return [*alarms, *[f"{entry.what}: {entry.reason}" for entry in examined.skipped]]


@pytest.mark.parametrize("sample", samples("malicious"), ids=lambda sample: sample.id)
def test_nothing_malicious_passes(sample: Sample, tmp_path: Path) -> None:
    assert stopped(sample.make(tmp_path))


@pytest.mark.parametrize("sample", samples("malformed"), ids=lambda sample: sample.id)
def test_nothing_malformed_passes(sample: Sample, tmp_path: Path) -> None:
    assert stopped(sample.make(tmp_path))


@pytest.mark.parametrize("sample", samples("benign"), ids=lambda sample: sample.id)
def test_nothing_honest_is_stopped(sample: Sample, tmp_path: Path) -> None:
    assert not stopped(sample.make(tmp_path))


def test_the_corpus_is_as_large_as_is_said() -> None:
    numbers = {kind: sum(1 for _ in samples(kind)) for kind in ("malicious", "malformed", "benign")}
    assert numbers["malicious"] >= 900
    assert numbers["malformed"] >= 250
    assert numbers["benign"] >= 290


def test_the_verdict_is_the_same_where_nothing_is_installed(tmp_path: Path) -> None:
    """Another scanner calls the same file clean or suspicious by what can be imported beside it."""
    paths = []
    for number, sample in enumerate([*samples("malicious"), *samples("benign")]):
        if sample.room in PLAIN:
            folder = tmp_path / str(number)
            folder.mkdir()
            paths.append(sample.make(folder))
    paths = paths[::5]
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", BARE, str(ROOT / "components")],
        input="\n".join(map(str, paths)),
        capture_output=True,
        text=True,
        check=True,
    )
    bare = [json.loads(line) for line in ended.stdout.splitlines()]
    here = []
    for path in paths:
        examined = examine_model(path, [])
        here.append([sorted(map(str, examined.found)), sorted(map(str, examined.skipped))])
    assert len(bare) == len(paths) > 100
    assert bare == here
