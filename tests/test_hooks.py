# SPDX-License-Identifier: Apache-2.0
"""The pre-commit hooks: one line a finding, and a file that cannot be examined stops the commit."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import yaml
from tests.conftest import Ran
from tests.corpus.fail_open.case import ROOT, write
from tests.corpus.fail_open.secrets import LINE, TOKEN
from wardein import cli

pytestmark = pytest.mark.scanners
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
UNSAFE = "import pickle\n\nmodel = pickle.load(open('m.pkl', 'rb'))\n"


def test_manifest_is_what_pre_commit_reads() -> None:
    """Its required keys, and types that it knows."""
    assert [hook["id"] for hook in HOOKS] == ["wardein-secrets", "wardein-code"]
    for hook in HOOKS:
        assert {"id", "name", "entry", "language"} <= set(hook)
        assert set(hook) <= {
            *("id", "name", "description", "entry", "language", "types", "types_or", "require_serial"),
            *("additional_dependencies", "minimum_pre_commit_version"),
        }
        assert hook["language"] == "python"
        assert hook["require_serial"] is True
        assert set(hook.get("types", []) + hook.get("types_or", [])) <= {"file", "text", "python", "pyi", "jupyter"}


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: str(hook["id"]))
def test_entries_run(hook: dict[str, str], wardein: Callable[..., Ran], tmp_path: Path) -> None:
    """As pre-commit runs them: the entry, then the names of files."""
    program, *command = hook["entry"].split()
    assert program == "wardein"
    clean = write(tmp_path, {"a.py": "x = 1\n"}) / "a.py"
    assert wardein(*command, clean) == Ran(0, "", "")
    bad = write(tmp_path, {"b.py": UNSAFE + LINE}) / "b.py"
    ran = wardein(*command, clean, bad)
    assert (ran.code, ran.err) == (1, "")
    assert TOKEN[4:] not in ran.out
    assert ran.out.startswith(f"{bad}:{4 if 'secrets' in command else 3}: ")


def test_places_in_notebooks_and_escapes(wardein: Callable[..., Ran], tmp_path: Path) -> None:
    cell = {"cell_type": "code", "source": "x", "outputs": [{"text": ["a\n", LINE]}]}
    files = {"n.ipynb": json.dumps({"cells": [cell]}), "e.json": json.dumps([base64.b64encode(LINE.encode()).decode()])}
    write(tmp_path, files)
    ran = wardein("hook", "secrets", *(tmp_path / name for name in files))
    assert ran.code == 1
    assert f"{tmp_path}/n.ipynb:cell 1, output:2: critical: secret/github-token: " in ran.out
    assert f"{tmp_path}/e.json:1: critical: secret/github-token: " in ran.out


@pytest.mark.parametrize(("limit", "code"), [("high", 0), ("medium", 1)])
def test_severity_decides(limit: str, code: int, wardein: Callable[..., Ran], tmp_path: Path) -> None:
    path = write(tmp_path, {"a.py": 'password = "hunter27"\n'}) / "a.py"
    ran = wardein("hook", "secrets", "--fail-severity", limit, path)
    assert (ran.code, "secret/weak-password" in ran.out) == (code, True)


def test_what_cannot_be_examined_stops_the_commit(wardein: Callable[..., Ran], tmp_path: Path) -> None:
    """And what was found in the other files is still told."""
    write(tmp_path, {"a.ipynb": "{", "b.py": LINE})
    ran = wardein("hook", "secrets", tmp_path / "a.ipynb", tmp_path / "gone.py", tmp_path / "b.py")
    assert ran.code == 2
    assert "secret/github-token" in ran.out
    assert [line.partition(": ")[2].rpartition(": ")[2] for line in ran.err.splitlines()] == [
        "is not a notebook that can be read",
        "does not exist; check the path",
    ]


def test_names_do_not_leak_or_command(wardein: Callable[..., Ran], tmp_path: Path) -> None:
    path = write(tmp_path, {f"{TOKEN}\x1b[2J.py": LINE}) / f"{TOKEN}\x1b[2J.py"
    ran = wardein("hook", "secrets", path)
    assert ran.code == 1
    assert TOKEN[4:] not in ran.out
    assert "\x1b" not in ran.out


def test_no_files_is_nothing_to_do(wardein: Callable[..., Ran]) -> None:
    assert wardein("hook", "secrets") == Ran(0, "", "")


def test_no_program_and_nothing_heavy(tmp_path: Path) -> None:
    """Only the standard library: two seconds for ten files leave no room for more."""
    write(tmp_path, {"a.py": LINE})
    code = (
        "import subprocess, sys; from wardein import cli\n"
        "def refuse(*a, **k): raise AssertionError('runs a program')\n"
        "subprocess.Popen = refuse\n"
        f"code = cli.main(['hook', 'secrets', {str(tmp_path / 'a.py')!r}])\n"
        "print(code, sorted(set(sys.modules) & {'yaml', 'pandas', 'numpy', 'jinja2', 'cryptography'}))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "1 []"


def test_without_yaml_a_pipeline_is_not_examined(
    wardein: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    path = write(tmp_path, {"p.yaml": "a: 1\n"}) / "p.yaml"
    ran = wardein("hook", "secrets", path)
    assert (ran.code, "pip install 'wardein[scan]'" in ran.one_line) == (2, True)


def test_it_is_a_command() -> None:
    assert "hook" in cli.COMMANDS


@pytest.mark.parametrize("name", ["-h", "--help", "--fail-severity=critical", "--"])
@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: str(hook["id"]))
def test_a_file_that_is_called_like_an_option_is_none(
    hook: dict[str, str], name: str, wardein: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write(tmp_path, {name: "#!/usr/bin/env python3\n" + UNSAFE + LINE, "b.py": UNSAFE + LINE}))
    ran = wardein(*hook["entry"].split()[1:], name, "b.py")
    assert ran.code == 1
    assert f"{name}:" in ran.out
    assert "b.py:" in ran.out


@pytest.mark.parametrize("kind", ["secrets", "code"])
def test_what_is_no_file_is_not_passed_over(kind: str, wardein: Callable[..., Ran], tmp_path: Path) -> None:
    assert wardein("hook", kind, "--", tmp_path).code == 2
    assert wardein("hook", kind, "--", tmp_path / "gone.py").code == 2
