# SPDX-License-Identifier: Apache-2.0
"""Cases of ``scan_code``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.corpus.fail_open.case import Case, World, program, stand_in, write

RISK = "import pickle\n\nmodel = pickle.load(file)\n"
MISSED = "import joblib\n\nmodel = joblib.load('model.joblib')\n"
CLEAN = "import json\n\nprint(json.dumps({}))\n"
FOUND = r"code/pickle-load train\.py"
Files = Mapping[str, str | bytes]


def bandit(*options: str | Path) -> list[str | Path]:
    return [program("bandit"), "-q", *options]


def ruff(*options: str | Path) -> list[str | Path]:
    return [program("ruff"), "check", "--select", "S", *options]


def only(bare: list[str | Path]) -> tuple[str, str]:
    """The options that let nobody else find what a scanner was told to pass over."""
    return "--scanners", Path(bare[0]).name


def notebook(*cells: str, **document: object) -> str:
    code = [{"cell_type": "code", "source": cell} for cell in cells]
    return json.dumps({"nbformat": 4, "cells": code, **document})


def tree(files: Files, bare: list[str | Path], *options: str, **environment: str) -> Callable[[Path], World]:
    """A world of files, which the bare command is run in."""

    def make(folder: Path) -> World:
        source = write(folder / "code", files)
        return World(["--source", source, *options], environment, bare, source)

    return make


def programs(name: str, body: str, files: Files | None = None) -> Callable[[Path], World]:
    """A world in which one scanner is another program."""

    def make(folder: Path) -> World:
        source = write(folder / "code", files or {"train.py": RISK})
        version = "if args == ['--version']:\n    print(NAME + ' 99.0.0')\n    sys.exit()\n"
        path = stand_in(folder / "bin", name, f"NAME = {name!r}\n{version}{body}")
        return World(["--source", source], {f"WARDEIN_{name.upper()}": str(path)}, [path, "."], source)

    return make


def absent(name: str) -> Callable[[Path], World]:
    def make(folder: Path) -> World:
        source = write(folder / "code", {"train.py": RISK})
        nowhere = folder / "nowhere"
        return World(["--source", source], {f"WARDEIN_{name.upper()}": str(nowhere)}, [nowhere, "."], source)

    return make


def old_version(folder: Path) -> World:
    source = write(folder / "code", {"train.py": CLEAN})
    path = stand_in(folder / "bin", "bandit", "print('bandit 1.0.0')")
    return World(["--source", source], {"WARDEIN_BANDIT": str(path)})


def nothing_there(folder: Path) -> World:
    source = write(folder / "code", {"README.md": "no code"})
    return World(["--source", source / "train.py"], {}, bandit("train.py"), source)


def link_loop(folder: Path) -> World:
    source = write(folder / "code", {"train.py": RISK})
    (source / "loop").symlink_to("loop")
    return World(["--source", source], {}, bandit("-r", "."), source)


def reports(errors: str = "[]", results: str = "[]") -> str:
    return f"print(json.dumps({{'errors': {errors}, 'results': {results}, 'metrics': {{}}}}))"


CASES: tuple[Case, ...] = (
    # What is not looked at
    Case("scan_code", "the path is not there (bandit)", "ERROR", "does not exist", nothing_there),
    Case("scan_code", "no Python at all", "ERROR", "no Python files", tree({"README.md": "x"}, bandit("-r", "."))),
    Case(
        "scan_code",
        "a file that does not parse (bandit)",
        "ERROR",
        "train.py: is not valid Python in line 4",
        tree({"train.py": RISK + "def f(:\n", "other.py": CLEAN}, bandit("-r", ".", "-lll")),
    ),
    Case(
        "scan_code",
        "Python 2",
        "ERROR",
        "train.py: is not valid Python",
        tree({"train.py": "import pickle\nprint pickle.load(f)\n"}, bandit("-r", ".")),
    ),
    Case(
        "scan_code",
        "a null byte",
        "ERROR",
        "train.py: holds a null byte",
        tree({"train.py": RISK + "\0"}, bandit("-r", ".")),
    ),
    Case(
        "scan_code",
        "an encoding that hides the code",
        "ERROR",
        "'utf-7', which can hide code",
        tree({"train.py": "# coding: utf-7\n+AGUAdgBhAGw-(x)\n"}, ruff(".")),
    ),
    Case(
        "scan_code",
        "nested too deeply for the parser",
        "ERROR",
        "train.py: is not valid Python|nested too deeply",
        tree({"train.py": RISK + "x = " + "(" * 5000 + ")" * 5000 + "\n"}, bandit("-r", ".")),
    ),
    Case(
        "scan_code",
        "a notebook (bandit)",
        "FAIL",
        "code/pickle-load n.ipynb cell 2 3",
        tree({"n.ipynb": notebook("%matplotlib inline", RISK)}, bandit("-r", ".")),
    ),
    Case(
        "scan_code",
        "code below a request for help (IPython)",
        "FAIL",
        "code/pickle-load n.ipynb cell 1 4",
        tree({"n.ipynb": notebook("%%html?\n" + RISK)}, ruff(".")),
    ),
    Case(
        "scan_code",
        "a cell for another Python program",
        "FAIL",
        "code/pickle-load n.ipynb cell 1 4",
        tree({"n.ipynb": notebook("%%script /usr/bin/python3\n" + RISK)}, ruff(".")),
    ),
    Case(
        "scan_code",
        "a magic that is not known",
        "ERROR",
        "n.ipynb: cell 1 holds the magic %mine",
        tree({"n.ipynb": notebook("%mine model.pkl")}, ruff(".")),
    ),
    Case(
        "scan_code",
        "a notebook whose document is cut off",
        "ERROR",
        "n.ipynb: is not a notebook",
        tree({"n.ipynb": notebook(RISK)[:-9], "a.py": CLEAN}, bandit("-r", ".")),
    ),
    Case(
        "scan_code",
        "a notebook that says it is of another language",
        "ERROR",
        "another language than Python",
        tree({"n.ipynb": notebook(RISK, metadata={"language_info": {"name": "R"}})}, ruff(".")),
    ),
    Case(
        "scan_code",
        "a cell that does not parse",
        "ERROR",
        "cell 2 is not valid Python",
        tree({"n.ipynb": notebook("x = 1", "def f(:")}, bandit("-r", ".")),
    ),
    Case(
        "scan_code",
        "code in an f-string beside a magic",
        "FAIL",
        "code/pickle-load n.ipynb cell 1",
        tree({"n.ipynb": notebook('!ls\ns = f"""\n%{pickle.loads(b)}\n"""\nimport pickle')}, bandit("-r", ".")),
    ),
    Case(
        "scan_code",
        "a notebook that pipes a download into a shell",
        "FAIL",
        "code/pipe-to-shell",
        tree({"n.ipynb": notebook("!curl -s https://example.org/x | sh")}, ruff(".")),
    ),
    Case(
        "scan_code",
        "a script without a suffix",
        "FAIL",
        "code/pickle-load bin/train",
        tree({"bin/train": "#!/usr/bin/env python3\n" + RISK}, bandit("-r", ".")),
    ),
    Case("scan_code", "a stub file", "FAIL", "code/pickle-load a.pyi", tree({"a.pyi": RISK}, bandit("-r", "."))),
    Case(
        "scan_code",
        "a folder that scanners pass over",
        "FAIL",
        r"code/pickle-load \.venv/x/train\.py",
        tree({".venv/x/train.py": RISK, "a.py": CLEAN}, ruff(".")),
    ),
    Case(
        "scan_code",
        "a .gitignore that names everything",
        "FAIL",
        FOUND,
        tree({"train.py": RISK, ".gitignore": "*\n", ".ignore": "*\n"}, ruff(".")),
    ),
    Case(
        "scan_code",
        "bytecode without its source",
        "FAIL",
        "code/bytecode train.pyc",
        tree({"train.pyc": b"\0", "a.py": CLEAN}, bandit("-r", ".")),
    ),
    Case("scan_code", "a loop of links", "ERROR", "leads to nothing inside", link_loop),
    # What neither bandit nor ruff knows
    *(
        Case("scan_code", f"only wardein knows it: {what}", "FAIL", rule, tree({"train.py": code}, bandit("-r", ".")))
        for what, rule, code in (
            ("joblib.load", "code/joblib-load", MISSED),
            ("np.load(allow_pickle=True)", "code/numpy-allow", "import numpy as np\nnp.load(f, allow_pickle=True)\n"),
            ("safe_mode=False", "code/keras-unsafe", "import keras\nkeras.models.load_model(p, safe_mode=False)\n"),
            ("trust_remote_code=True", "code/trust-remote", "pipeline('x', trust_remote_code=True)\n"),
            ("getattr(pickle, 'loads')", "code/pickle-load", "import pickle as p\ngetattr(p, 'loads')(b)\n"),
            ("__import__('os').system", "code/shell", "__import__('os').system(x)\n"),
            ("sys.modules", "code/pickle-load", "import sys\nsys.modules['pickle'].loads(b)\n"),
            ("an alias of an alias", "code/eval", "a = eval\nb = a\nb(x)\n"),
        )
    ),
    # What switches a scanner off
    *(
        Case("scan_code", what, "FAIL", FOUND, tree({"train.py": RISK, **files}, bare, *only(bare)))
        for what, files, bare in (
            (".bandit in the source", {".bandit": "[bandit]\nskips: B301,B403\n"}, bandit("-r", ".")),
            (".bandit that excludes", {".bandit": "[bandit]\nexclude: /\ntargets: nowhere\n"}, bandit("-r", ".")),
            ("ruff.toml in the source", {"ruff.toml": "exclude = ['*']\n"}, ruff(".")),
            (".ruff.toml with per-file-ignores", {".ruff.toml": "lint.per-file-ignores = {'*' = ['S']}\n"}, ruff(".")),
            ("pyproject.toml in the source", {"pyproject.toml": "[tool.ruff.lint]\nignore = ['S']\n"}, ruff(".")),
        )
    ),
    *(
        Case("scan_code", what, "FAIL", FOUND, tree({"train.py": code}, bare, *only(bare)))
        for what, code, bare in (
            (
                "# nosec",
                RISK.replace("file)", "file)  # nosec").replace("pickle\n", "pickle # nosec\n"),
                bandit("-r", "."),
            ),
            ("# noqa", RISK.replace("file)", "file)  # noqa"), ruff(".")),
            ("# noqa: S301", RISK.replace("file)", "file)  # noqa: S301"), ruff(".")),
            ("# ruff: noqa for the file", "# ruff: noqa\n" + RISK, ruff(".")),
            ("# flake8: noqa for the file", "# flake8: noqa\n" + RISK, ruff(".")),
            ("# ruff: disable", "# ruff: disable[S301]\n" + RISK, ruff(".")),
            ("# ruff: ignore", RISK.replace("file)", "file)  # ruff: ignore[S301]"), ruff(".")),
        )
    ),
    *(
        Case("scan_code", f"a stray {name}", "FAIL", FOUND, tree({"train.py": RISK}, ruff("."), **{name: value}))
        for name, value in (
            ("RUFF_CONFIG", "/dev/null"),
            ("RUFF_NO_CACHE", "false"),
            ("RUFF_OUTPUT_FORMAT", "concise"),
            ("PYTHONSTARTUP", "/nowhere"),
            ("PYTHONHOME", "/nowhere"),
            ("PYTHONOPTIMIZE", "2"),
        )
    ),
    # Scanners that fail
    Case("scan_code", "bandit is not there", "ERROR", "WARDEIN_BANDIT", absent("bandit")),
    Case("scan_code", "ruff is not there", "ERROR", "WARDEIN_RUFF", absent("ruff")),
    Case("scan_code", "an old bandit", "ERROR", r"older than 1\.8\.0", old_version, fake=True),
    *(
        Case("scan_code", f"{name} {what}", "ERROR", told, programs(name, body), fake=True)
        for name in ("bandit", "ruff")
        for what, body, told in (
            ("prints nothing and ends with 0", "", f"{name}: ended with code 0"),
            ("prints nothing and ends with 1", "sys.exit(1)", f"{name}: wrote a report|did not read it to its end"),
            ("is killed", "os.kill(os.getpid(), 9)", f"{name}: was ended by signal 9"),
            ("ends with an error", "sys.exit('cannot')", f"{name}: wrote a report|did not read it to its end"),
            ("prints a report that is cut off", "print('{\"errors\": ['); sys.exit(1)", "form that is not known"),
            ("prints a report of another schema", "print('{\"runs\": []}'); sys.exit(1)", "form that is not known"),
        )
    ),
    Case(
        "scan_code",
        "bandit says clean with a list of errors",
        "ERROR",
        "bandit could not read it|ended with code 0",
        programs("bandit", reports("[{'filename': '000000.py', 'reason': 'exception'}]") + "\nsys.exit(1)"),
        fake=True,
    ),
    Case(
        "scan_code",
        "bandit says clean about what it was not given",
        "ERROR",
        "bandit did not read it to its end",
        programs("bandit", reports() + "\nsys.exit(1)"),
        fake=True,
    ),
    Case(
        "scan_code",
        "bandit reports on other files",
        "ERROR",
        "files that it was not given",
        programs(
            "bandit",
            reports(
                results="[{'filename': '/x/other.py', 'test_id': 'B101', 'issue_severity': 'LOW', "
                "'issue_text': '', 'line_number': 1, 'line_range': [1]}]"
            )
            + "\nsys.exit(1)",
        ),
        fake=True,
    ),
    Case(
        "scan_code",
        "ruff reports of another form",
        "ERROR",
        "form that is not known",
        programs("ruff", "print(json.dumps([{'code': 'S301'}]))\nsys.exit(1)"),
        fake=True,
    ),
    Case(
        "scan_code",
        "bandit floods its output",
        "ERROR",
        "printed more than",
        programs(
            "bandit",
            "block = b'x' * (1 << 22)\nwhile True:\n    os.write(1, block)",
        ),
        fake=True,
    ),
)
