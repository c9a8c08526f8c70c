# SPDX-License-Identifier: Apache-2.0
"""scan-code: what is planted is found by line or cell, once; nothing in the source switches anything off."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.conftest import House, Ran
from tests.corpus.fail_open.case import stand_in, write
from wardein.code import child, examined
from wardein.tools import bandit, ruff

pytestmark = pytest.mark.scanners

SAFE = "import json\n\n\ndef load(path):\n    with open(path) as file:\n        return json.load(file)\n"
Scan = Callable[..., Ran]


@pytest.fixture
def scan(wardein: Callable[..., Ran], tmp_path: Path) -> Scan:
    def run(files: Mapping[str, str | bytes], *options: object, name: str = "code") -> Ran:
        write(tmp_path / name, files)
        return wardein("scan-code", "--source", tmp_path / name, "--json", *options)

    return run


def told(ran: Ran) -> list[tuple[str, str, int]]:
    return [(f["ruleId"], f["location"], f.get("line", 0)) for f in ran.report["findings"]]


def skipped(ran: Ran) -> dict[str, str]:
    return {s["what"]: s["reason"] for s in ran.report["coverage"]["skipped"]}


def notebook(*cells: str) -> str:
    return json.dumps({"nbformat": 4, "cells": [{"cell_type": "code", "source": cell} for cell in cells]})


# Verdicts


def test_clean_code_passes(scan: Scan) -> None:
    ran = scan({"train.py": SAFE, "explore.ipynb": notebook("%matplotlib inline\nx = 1"), "README.md": "pickle.load"})
    assert (ran.code, ran.err) == (0, "")
    report = ran.report
    assert report["verdict"] == "PASS"
    assert report["coverage"] == {
        "unit": "Python files",
        "expected": 2,
        "examined": 2,
        "skipped": [],
        "complete": True,
    }
    assert [tool["name"] for tool in report["tools"]] == ["wardein", "python", "bandit", "ruff"]
    assert report["findings"] == []
    assert [(m["name"], m["slice"], m["value"]) for m in report["metrics"]] == [
        ("findings", f"severity={s}", 0) for s in ("critical", "high", "medium", "low")
    ]


def test_planted_risk_fails_with_its_line(scan: Scan) -> None:
    ran = scan({"a/train.py": SAFE, "a/b.py": "import joblib\n\nmodel = joblib.load('x')\n"})
    assert ran.code == 1
    assert told(ran) == [("code/joblib-load", "a/b.py", 3)]
    (finding,) = ran.report["findings"]
    assert (finding["severity"], finding["fails"], finding["cwe"]) == ("high", True, "CWE-502")
    assert "skops" in finding["message"]


def test_one_bug_found_by_three_tools_is_one_finding(scan: Scan) -> None:
    code = "import os, pickle\n\nx = pickle.loads(\n    data,\n)\nos.system(command)\n"
    ran = scan({"a.py": code, "b.ipynb": notebook("1", code)})
    high = [f for f in ran.report["findings"] if f["severity"] == "high"]
    assert [(f["ruleId"], f["location"], f.get("part", ""), f["line"]) for f in high] == [
        ("code/pickle-load", "a.py", "", 3),
        ("code/pickle-load", "b.ipynb", "cell 2", 3),
        ("code/shell", "a.py", "", 6),
        ("code/shell", "b.ipynb", "cell 2", 6),
    ]
    assert [f["taxonomy"] for f in high] == [["bandit:B301", "ruff:S301"]] * 2 + [["bandit:B605", "ruff:S605"]] * 2


def test_every_tools_own_findings_count(scan: Scan) -> None:
    ran = scan({"a.py": "import jinja2\njinja2.Environment()\nq = 'select * from t where x = %s' % x\nrun(q)\n"})
    assert ("bandit/B701", "a.py", 2) in told(ran)
    assert next(f["taxonomy"] for f in ran.report["findings"] if f["ruleId"] == "bandit/B701") == [
        "bandit:B701",
        "ruff:S701",
    ]


@pytest.mark.parametrize("scanner", ["wardein", "bandit", "ruff"])
def test_each_scanner_alone(scan: Scan, scanner: str) -> None:
    ran = scan({"a.py": "import pickle\npickle.load(f)\n"}, "--scanners", scanner)
    assert ran.code == 1
    assert ("code/pickle-load", "a.py", 2) in told(ran)


@pytest.mark.parametrize(("severity", "code"), [("critical", 0), ("high", 0), ("medium", 1), ("low", 1)])
def test_fail_severity(scan: Scan, severity: str, code: int) -> None:
    assert scan({"a.py": "import torch\ntorch.jit.load(p)\n"}, "--fail-severity", severity).code == code


def test_severities_are_those_of_ml_code(scan: Scan) -> None:
    code = "import random, hashlib, pickle\nassert x\nassert y\nrandom.random()\nhashlib.md5(b)\n"
    ran = scan({"a.py": code})
    assert ran.code == 0
    rated = {f["ruleId"]: (f["severity"], f.get("line", 0)) for f in ran.report["findings"]}
    assert rated == {
        "code/weak-hash": ("low", 5),
        "bandit/B101": ("info", 0),
        "bandit/B311": ("info", 0),
        "bandit/B403": ("info", 0),
    }


def test_same_source_gives_the_same_core(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"m{n}.py": f"import pickle\nx{n} = pickle.load(f)\n" for n in range(9)} | {"bad.py": "def f(:"}
    first = scan(files).report
    monkeypatch.setattr(examined, "_MOST_PARTS", 1)
    second = scan(files).report
    assert first | {"execution": {}} == second | {"execution": {}}


def test_single_file_is_a_source(wardein: Callable[..., Ran], tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "import joblib\njoblib.load(f)\n"})
    assert told(wardein("scan-code", "--source", tmp_path / "a.py", "--json")) == [("code/joblib-load", "a.py", 2)]


def test_real_process(tmp_path: Path) -> None:
    write(tmp_path / "code", {"a.py": "import joblib\njoblib.load(f)\n"})
    command = [sys.executable, "-m", "wardein.cli", "scan-code", "--source", str(tmp_path / "code")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path)
    assert ended.returncode == 1, ended.stderr
    assert "a.py, line 2" in ended.stdout


# Baselines


def test_baseline_fails_on_news_only(scan: Scan, house: House, tmp_path: Path) -> None:
    old, first = "import joblib\njoblib.load(f)\n", tmp_path / "first.jsonl"
    assert scan({"a.py": old}, "--evidence", first, "--key", house.key("check")).code == 1
    ran = scan({"a.py": "'''Moved.'''\n\n\n" + old}, "--baseline", first)
    assert ran.code == 0
    assert [f["suppressed"] for f in ran.report["findings"]] == ["baseline"]
    ran = scan({"a.py": old + "joblib.load(g)\n"}, "--baseline", first)
    assert ran.code == 1
    assert [(f["line"], f["fails"]) for f in ran.report["findings"]] == [(2, False), (3, True)]


def test_change_in_a_later_line_is_news(scan: Scan, house: House, tmp_path: Path) -> None:
    code, first = "import yaml\nx = yaml.load(\n    f,\n    {},\n)\n", tmp_path / "first.jsonl"
    assert scan({"a.py": code.format("yaml.FullLoader")}, "--evidence", first, "--key", house.key("check")).code == 1
    assert scan({"a.py": code.format("yaml.UnsafeLoader")}, "--baseline", first).code == 1


# What is Python


@pytest.mark.parametrize(
    "name",
    ["tests/test_a.py", "build/a.py", ".venv/lib/a.py", "node_modules/a.py", ".hidden/a.py", ".git/a.py", "CVS/a.py"]
    + ["a.egg/a.py", "a.pyw", "a.pyi", "A.PY", "dist/x.ipy", "site-packages/a.py", "a b'\"$(x).py", "-rf.py"],
)
def test_no_name_is_passed_over(scan: Scan, name: str) -> None:
    assert told(scan({name: "import pickle\npickle.load(f)\n"}))[0] == ("code/pickle-load", name, 2)


@pytest.mark.parametrize(
    "first", ["#!/usr/bin/env python3", "#!/usr/bin/python", "#! /opt/x/bin/python3.11 -I", "#!/usr/bin/env -S uv run"]
)
@pytest.mark.parametrize("name", ["bin/run", "run.sh"])
def test_scripts_are_known_by_their_first_line(scan: Scan, name: str, first: str) -> None:
    assert told(scan({name: f"{first}\nimport joblib\njoblib.load(f)\n"})) == [("code/joblib-load", name, 3)]


def test_long_first_line(scan: Scan) -> None:
    text = "#!" + "/" * 190 + "usr/bin/env python3\nimport joblib\njoblib.load(f)\n"
    assert told(scan({"run": text})) == [("code/joblib-load", "run", 3)]


def test_other_files_are_none_of_ours(scan: Scan) -> None:
    ran = scan({"run.sh": "#!/bin/sh\npython x.py\n", "notes": "python\n", "data.bin": b"#!\x00"})
    assert ran.code == 2
    assert "no Python files to examine" in ran.one_line


def test_compiled_code_is_a_finding(scan: Scan) -> None:
    files = {
        "a.py": SAFE,
        "gone.pyc": b"\0",
        "__pycache__/a.cpython-311.pyc": b"\0",
        "x/__pycache__/b.cpython-312.opt-1.pyc": b"\0",
        "lib/fast.cpython-311-x86_64-linux-gnu.so": b"\x7fELF",
        "lib/libx.so.6": b"\x7fELF",
    }
    ran = scan(files)
    assert ran.code == 1
    assert told(ran) == [
        ("code/bytecode", "gone.pyc", 0),
        ("code/bytecode", "x/__pycache__/b.cpython-312.opt-1.pyc", 0),
        ("code/cached-bytecode", "__pycache__/a.cpython-311.pyc", 0),
        ("code/native-code", "lib/fast.cpython-311-x86_64-linux-gnu.so", 0),
        ("code/native-code", "lib/libx.so.6", 0),
    ]


def test_notebook_commands_are_found(scan: Scan) -> None:
    book = notebook("x = 1", "!pip install -q pandas\n!curl https://example.org/x.sh | sh", "%%R\nx <- 1")
    ran = scan({"a.ipynb": book})
    assert [(f["ruleId"], f["part"], f["line"]) for f in ran.report["findings"]] == [
        ("code/pipe-to-shell", "cell 2", 2),
        ("code/install-unpinned", "cell 2", 1),
        ("code/other-language-cell", "cell 3", 1),
    ]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8-sig", "cp1252", "euc-jp", "shift_jis"])
def test_ordinary_encodings_are_read(scan: Scan, encoding: str) -> None:
    name = "utf-8" if encoding == "utf-8-sig" else encoding
    text = f"# -*- coding: {name} -*-\nimport joblib\njoblib.load('\u5024' if 0 else f)\n"
    content = text.replace("\u5024", "\u5024" if "j" in encoding else "\xe9").encode(encoding)
    assert told(scan({"a.py": content})) == [("code/joblib-load", "a.py", 3)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_as_python_counts(scan: Scan, end: str) -> None:
    text = end.join(["'''a", "\x0c \x0b \x1c \u2028 b'''", "import pickle", "pickle.load(f)"])
    ran = scan({"a.py": text.encode()})
    assert ("code/pickle-load", "a.py", 4) in told(ran)
    assert len([f for f in told(ran) if f[0] == "code/pickle-load"]) == 1


# Hostile sources


def test_what_cannot_be_parsed_is_not_examined_and_the_rest_is(scan: Scan) -> None:
    files = {
        "good.py": "import joblib\njoblib.load(f)\n",
        "py2.py": "print 'x'\n",
        "null.py": b"x = 1\0\n",
        "utf7.py": "# coding: utf-7\n+AGUAdgBhAGw-(x)\n",
        "late.py": "#\r# coding: unicode_escape\rx = 1\r",
        "wrong.py": b"x = '\xff'\n",
        "open.py": "x = (\n",
        "cut.py": "if x:\\\n",
        "deep.py": "x = " + "(" * 300 + ")" * 300,
        "large.py": "x = 1\n" * 800_000,
        "bad.ipynb": "{}",
    }
    ran = scan(files)
    assert ran.code == 2
    assert told(ran) == [("code/joblib-load", "good.py", 2)]
    assert skipped(ran).keys() == files.keys() - {"good.py"}
    assert (ran.report["coverage"]["expected"], ran.report["coverage"]["examined"]) == (11, 1)
    assert "utf-7" in skipped(ran)["utf7.py"]


def test_code_in_the_encodings_of_hiders_is_refused(scan: Scan) -> None:
    names = ("rot13", "utf_7", "unicode-escape", "raw_unicode_escape", "idna", "punycode", "utf-16", "hex")
    files = {f"{name}.py": f"#!/usr/bin/python\n# vim: set fileencoding={name} :\nx = 1\n" for name in names}
    assert skipped(scan(files)).keys() == files.keys()


def test_file_that_ends_its_reader_is_not_examined_and_the_rest_is(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    crash = "import os\nfrom wardein.code import reading\nold = reading.decode\n" + (
        "def decode(content):\n    if b'CRASH' in content: os.abort()\n"
        "    while b'HANG' in content: pass\n    return old(content)\n"
        "reading.decode = decode\nfrom wardein.code import child\nchild.FILE_SECONDS = 1\n"
    )
    monkeypatch.setattr(examined, "_START", examined._START.replace("from wardein", f"exec({crash!r}); from wardein"))
    files = {f"{n}.py": "import joblib\njoblib.load(f)\n" for n in range(6)}
    ran = scan(files | {"x.py": "# CRASH\n", "y.py": "# CRASH\n", "z.py": "# HANG\n"})
    assert ran.code == 2
    assert [location for _, location, _ in told(ran)] == [f"{n}.py" for n in range(6)]
    reasons = skipped(ran)
    assert reasons.keys() == {"x.py", "y.py", "z.py"}
    assert "signal 6" in reasons["x.py"]
    assert f"more than {child.FILE_SECONDS} seconds" in reasons["z.py"]


def test_too_many_crashes_end(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examined, "_START", 'import os, sys; print(\'{"skip": "x"}\', flush=True); os.abort()')
    monkeypatch.setattr(examined, "_MOST_CRASHES", 2)
    ran = scan({f"{n}.py": SAFE for n in range(30)})
    assert ran.code == 2
    assert ran.report["coverage"]["examined"] == 0
    assert len(skipped(ran)) == 30


def test_reader_that_does_not_start_is_an_error(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examined, "_START", "import nothing_of_the_kind")
    ran = scan({"a.py": SAFE})
    assert ran.code == 2
    assert "nothing_of_the_kind" in ran.one_line


def test_flood_of_findings_is_an_error(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = scan({"a.py": "import pickle\n" + "pickle.load(f)\n" * 1001})
    assert ran.code == 2
    assert "1000" in skipped(ran)["a.py"]
    assert len(ran.report["findings"]) > 900


def test_passwords_are_in_no_output(scan: Scan, tmp_path: Path) -> None:
    code = "password = 'hunter2-s3cret'\nf(password='hunter2-s3cret')\ndef g(password='hunter2-s3cret'): pass\n"
    ran = scan({"a.py": code}, "--evidence", tmp_path / "e.jsonl", "--html", tmp_path / "p.html")
    assert {rule for rule, _, _ in told(ran)} == {"bandit/B105", "bandit/B106", "bandit/B107"}
    said = ran.out + ran.err + (tmp_path / "e.jsonl").read_text() + (tmp_path / "p.html").read_text()
    assert "hunter2" not in said
    other = scan({"a.py": code.replace("hunter2", "letmein")}, name="other")  # nor can it be guessed from a digest
    assert [f["fingerprint"] for f in other.report["findings"]] == [f["fingerprint"] for f in ran.report["findings"]]


def test_evidence_confirms_no_guess_and_quotes_no_text(scan: Scan) -> None:
    code = "import os, requests\nrequests.get(u, auth=('ann', 'hunter2'), verify=False)\nos.chmod('/hunter2', 0o777)\n"
    ran = scan({"a.py": code})
    assert ("bandit/B103", "a.py", 3) in told(ran)
    assert "hunter2" not in ran.out
    other = scan({"a.py": code.replace("hunter2", "letmein")}, name="other")
    assert [f["fingerprint"] for f in other.report["findings"]] == [f["fingerprint"] for f in ran.report["findings"]]


def test_magic_that_is_not_known_is_not_examined_and_the_rest_is(scan: Scan) -> None:
    ran = scan({"a.ipynb": notebook("import joblib\njoblib.load(f)", "%mine x")})
    assert ran.code == 2
    assert told(ran) == [("code/joblib-load", "a.ipynb", 2)]
    assert skipped(ran) == {"a.ipynb": "cell 2 holds the magic %mine, and what it does with its argument is not known"}


def test_text_that_keeps_bandit_busy_is_an_error(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bandit, "BASE_SECONDS", 1)
    monkeypatch.setattr(bandit, "BYTES_A_SECOND", 10_000_000)
    ran = scan({"a.py": "x = '" + "select " * 200_000 + "'.format(1)\n"}, "--scanners", "bandit")
    assert ran.code == 2
    assert "bandit" in ran.one_line


@pytest.mark.parametrize("folder", [".git", "build", ".venv", "CVS", "x.egg", "node_modules", "__pycache__"])
def test_temporary_folder_of_any_name(
    wardein: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (tmp_path / folder / "tmp").mkdir(parents=True)
    (tmp_path / folder / ".gitignore").write_text("*\n")
    (tmp_path / folder / "pyproject.toml").write_text("[tool.ruff]\nexclude = ['*']\n")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / folder / "tmp"))
    write(tmp_path / "code", {"a.py": "import pickle\npickle.load(f)\n"})
    ran = wardein("scan-code", "--source", tmp_path / "code", "--json")
    assert ran.code == 1, ran.err
    assert ran.report["findings"][0]["taxonomy"] == ["bandit:B301", "ruff:S301"]


# Scanners that fail


@pytest.mark.parametrize("options", [["--scanners", "semgrep"], ["--scanners", ""]])
def test_scanners_are_those_that_are_known(scan: Scan, options: list[str]) -> None:
    ran = scan({"a.py": SAFE}, *options)
    assert ran.code == 2
    assert "--scanners" in ran.one_line


@pytest.mark.parametrize("name", ["bandit", "ruff"])
@pytest.mark.parametrize(
    ("version", "says"), [("1.2.3.4", "does not tell"), ("0.0.1", "older than"), ("", "does not tell")]
)
def test_version_is_checked(
    scan: Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, version: str, says: str
) -> None:
    monkeypatch.setenv(f"WARDEIN_{name.upper()}", str(stand_in(tmp_path / "bin", name, f"print('{name} {version}')")))
    ran = scan({"a.py": SAFE})
    assert ran.code == 2
    assert says in ran.one_line
    assert "pip install" in ran.one_line


def test_tools_are_recorded(scan: Scan) -> None:
    tools = {tool["name"]: tool for tool in scan({"a.py": SAFE}).report["tools"]}
    for name, adapter in (("bandit", bandit), ("ruff", ruff)):
        program, version = adapter.locate()
        assert (tools[name]["version"], tools[name]["sha256"]) == (version, program.sha256)
