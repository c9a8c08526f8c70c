# SPDX-License-Identifier: Apache-2.0
"""Cases of ``scan_secrets``."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import os
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.corpus.fail_open.case import Case, World, program, stand_in, write

# Put together here, so that the repository itself holds no line that a scanner would take for a secret.
TOKEN = "".join(("gh", "p_", "A1b2C3d4E5", "f6G7h8I9j0", "K1l2M3n4O5", "p6Q7r8"))
LINE = f'token = "{TOKEN}"\n'
CLEAN = {"train.py": "x = 1\n"}
_CHECK = "scan_secrets"
_FOUND = r"secret/github-token"


def bare(folder: Path, *options: str) -> list[str | Path]:
    """What a thin wrapper runs, in the folder itself."""
    return [program("gitleaks"), "dir", "--no-banner", "--no-color", "--redact=100", *options, folder]


def tree(
    files: Mapping[str, str | bytes], *more: str, environment: Mapping[str, str] | None = None
) -> Callable[[Path], World]:
    """A world of these files, which wardein scans by itself."""

    def make(folder: Path) -> World:
        source = write(folder / "source", files)
        return World(["--source", source, *more], environment or {}, bare(source), source)

    return make


def both(
    files: Mapping[str, str | bytes], *, fake: str = "", environment: Mapping[str, str] | None = None
) -> Callable[[Path], World]:
    """A world of these files, which gitleaks scans as well, or a stand-in for it."""

    def make(folder: Path) -> World:
        source = write(folder / "source", files)
        tool = stand_in(folder / "tools", "gitleaks", fake) if fake else program("gitleaks")
        given = {"WARDEIN_GITLEAKS": str(tool), **(environment or {})}
        command = [tool, *bare(source)[1:]] if fake else bare(source)
        return World(["--source", source, "--scanners", "wardein", "gitleaks"], given, command, source)

    return make


def git(folder: Path, *arguments: str) -> None:
    fixed = {"PATH": os.defpath, "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        fixed |= {f"GIT_{role}_NAME": "a", f"GIT_{role}_EMAIL": "a", f"GIT_{role}_DATE": "2026-01-01T00:00:00Z"}
    subprocess.run(["git", *arguments], cwd=folder, env=fixed, capture_output=True, check=True)


def repository(change: Callable[[Path], object]) -> Callable[[Path], World]:
    """A repository in which a token was committed and deleted, and then something was changed."""

    def make(folder: Path) -> World:
        source = write(folder / "source", {"train.py": "x = 1\n", "settings.py": LINE})
        for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "1"], ["rm", "-q", "settings.py"]):
            git(source, *arguments)
        git(source, "commit", "-qm", "2")
        change(source)
        return World(["--source", source], {}, bare(source), source)

    return make


def _zipped(content: str, *, encrypted: bool = False) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("settings.py", content)
    packed = bytearray(buffer.getvalue())
    if encrypted:
        packed[6] |= 1
        packed[packed.index(b"PK\x01\x02") + 8] |= 1
    return bytes(packed)


def _notebook(output: str) -> str:
    cell = {"cell_type": "code", "source": ["x"], "outputs": [{"output_type": "stream", "text": [output]}]}
    return json.dumps({"cells": [cell], "nbformat": 4})


# Answers of a gitleaks that the real one cannot be made to give.
_VERSION = "if args[:1] == ['version']: print('8.30.1'); sys.exit(0)\n"
_REPORT = "path = args[args.index('--report-path') + 1]\nfolder = args[-1]\n"
_READ = "total = sum(os.path.getsize(os.path.join(folder, n)) for n in os.listdir(folder))\n"
_SAY = "sys.stderr.write(f'INF scanned ~{total} bytes (x) in 1ms\\n')\n"
_LEAK = (
    "leak = {'RuleID': 'github-pat', 'StartLine': 2, 'EndLine': 2, 'StartColumn': 1, 'EndColumn': 9,"
    " 'Secret': 'REDACTED', 'File': folder + '/000000.txt'}\n"
)


def _fake(what: str, told: str, body: str) -> Case:
    start = _VERSION + _REPORT + _READ
    return Case(_CHECK, what, "ERROR", told, both(CLEAN, fake=start + body), fake=True)


_ESCAPED = '{"a": "' + "".join(f"\\u{ord(c):04x}" for c in TOKEN) + '"}'
_EVIDENCE = {"payloadType": "application/vnd.in-toto+json", "signatures": []}

CASES: tuple[Case, ...] = (
    Case(_CHECK, "a clean tree", "PASS", "1 of 1 files examined", both(CLEAN)),
    Case(_CHECK, "a token in the open", "FAIL", _FOUND, both({"a.py": LINE})),
    # The scanned tree switches the scanner off.
    Case(_CHECK, "gitleaks:allow beside the token", "FAIL", _FOUND, tree({"a.py": LINE[:-1] + "  # gitleaks:allow\n"})),
    Case(
        _CHECK,
        "a .gitleaks.toml that allows everything",
        "FAIL",
        _FOUND,
        both({"a.py": LINE, ".gitleaks.toml": "[allowlist]\npaths = ['.*']\n"}),
    ),
    Case(
        _CHECK,
        "a .gitleaksignore that lists the token",
        "FAIL",
        _FOUND,
        both({"a.py": LINE, ".gitleaksignore": "a.py:github-pat:1\n"}),
    ),
    Case(
        _CHECK,
        "GITLEAKS_CONFIG_TOML in the environment allows everything",
        "FAIL",
        r"gitleaks|secret/github-token",
        both({"a.py": LINE}, environment={"GITLEAKS_CONFIG_TOML": "[allowlist]\npaths = ['.*']\n"}),
    ),
    Case(
        _CHECK,
        "markers of other scanners beside the token",
        "FAIL",
        _FOUND,
        tree({"a.py": LINE[:-1] + "  # nosec # noqa # pragma: allowlist secret # trufflehog:ignore\n"}),
    ),
    # Places that scanners pass over by name.
    Case(_CHECK, "a token in node_modules", "FAIL", _FOUND, tree({"node_modules/a/package-lock.json": LINE})),
    Case(_CHECK, "a token in a file called .png", "FAIL", _FOUND, tree({"a.png": LINE})),
    Case(_CHECK, "a token in tests", "FAIL", _FOUND, tree({"tests/test_a.py": LINE, "a.md": "x"})),
    # Forms that hide a value.
    Case(_CHECK, "a token in the output of a notebook", "FAIL", "cell 1, output", tree({"a.ipynb": _notebook(LINE)})),
    Case(_CHECK, "a token in JSON escapes", "FAIL", _FOUND, tree({"pipeline.json": _ESCAPED})),
    Case(
        _CHECK,
        "a token in a YAML escape",
        "FAIL",
        _FOUND,
        tree({"pipeline.yaml": f'a: "{TOKEN[:9]}\\x{ord(TOKEN[9]):02x}{TOKEN[10:]}"\n'}),
    ),
    Case(
        _CHECK,
        "a token in the payload of evidence",
        "FAIL",
        _FOUND,
        tree({"e.jsonl": json.dumps({**_EVIDENCE, "payload": base64.b64encode(LINE.encode()).decode()})}),
    ),
    Case(_CHECK, "a token in UTF-16", "FAIL", _FOUND, tree({"a.ps1": LINE.encode("utf-16")})),
    Case(_CHECK, "a token in a wheel", "FAIL", "member settings.py", tree({"a.whl": _zipped(LINE)})),
    Case(_CHECK, "a token in a compressed log", "FAIL", _FOUND, tree({"a.log.gz": gzip.compress(LINE.encode())})),
    Case(_CHECK, "a token in a binary file", "FAIL", _FOUND, tree({"m.bin": bytes(99) + TOKEN.encode() + bytes(99)})),
    Case(
        _CHECK,
        "a password in a parameter of an MLflow run",
        "FAIL",
        "secret/password mlruns/0/a/params/db_password",
        tree({"mlruns/0/a/params/db_password": "Kq8zWm2xPl0V"}),
    ),
    Case(
        _CHECK,
        "a password in the default of a pipeline's parameter",
        "FAIL",
        "secret/password",
        tree(
            {"p.yaml": "root:\n  inputDefinitions:\n    parameters:\n      db_password: {defaultValue: Kq8zWm2xPl0V}\n"}
        ),
    ),
    # What cannot be read.
    Case(_CHECK, "a notebook that is cut off", "ERROR", "is not a notebook", tree({"a.ipynb": _notebook(LINE)[:60]})),
    Case(_CHECK, "an encrypted archive", "ERROR", "encrypted", tree({"a.zip": _zipped(LINE, encrypted=True)})),
    Case(_CHECK, "an archive that is cut off", "ERROR", "broken archive", tree({"a.zip": _zipped(LINE)[:50]})),
    Case(
        _CHECK, "an archive that nobody opens", "ERROR", "cannot be opened", tree({"a.7z": b"7z\xbc\xaf\x27\x1c" * 9})
    ),
    Case(_CHECK, "a bundle of git", "ERROR", "git bundle", tree({"a.bundle": b"# v2 git bundle\n" + bytes(99)})),
    Case(
        _CHECK,
        "an archive behind a compressed file",
        "FAIL",
        _FOUND,
        tree({"a.bz2": bz2.compress(b"x") + _zipped(LINE)}),
    ),
    Case(_CHECK, "an archive that is called like a table", "FAIL", _FOUND, tree({"a.csv": _zipped(LINE)})),
    Case(
        _CHECK,
        "a manifest of a Kubernetes secret before one that is broken",
        "ERROR",
        "cannot be read to its end",
        tree({"a.yaml": f"kind: Secret\ndata: {{a: {base64.b64encode(LINE.encode()).decode()}}}\n---\na: [\n"}),
    ),
    # History.
    Case(_CHECK, "a token that was deleted from the repository", "FAIL", "commit", repository(lambda folder: None)),
    Case(
        _CHECK,
        "a token in a commit that was amended away",
        "FAIL",
        "unreachable object",
        repository(lambda folder: [_rewrite(folder)]),
    ),
    Case(
        _CHECK,
        "a repository whose replacement hides the token",
        "FAIL",
        "commit",
        repository(lambda folder: git(folder, "replace", "HEAD~1:settings.py", "HEAD:train.py")),
    ),
    Case(
        _CHECK,
        "a repository that borrows its objects",
        "ERROR",
        "borrows objects",
        repository(lambda folder: write(folder / ".git/objects/info", {"alternates": "/elsewhere\n"})),
    ),
    Case(
        _CHECK,
        "a repository without a HEAD",
        "ERROR",
        "not a repository",
        repository(lambda folder: (folder / ".git/HEAD").unlink()),
    ),
    Case(
        _CHECK,
        "a repository whose only pack has another name",
        "FAIL",
        "commit",
        repository(lambda folder: _rename_pack(folder)),
    ),
    Case(_CHECK, "a worktree without its repository", "ERROR", "worktree", tree({".git": "gitdir: /a/b\n", **CLEAN})),
    # The program.
    Case(
        _CHECK,
        "gitleaks is missing",
        "ERROR",
        "is not the absolute path of a program",
        both(CLEAN, environment={"WARDEIN_GITLEAKS": "/nowhere/gitleaks"}),
    ),
    Case(
        _CHECK,
        "gitleaks is too old",
        "ERROR",
        "'7.0.0' is not a release of 8.30.0 or later",
        both(CLEAN, fake="if args[:1] == ['version']: print('7.0.0')"),
        fake=True,
    ),
    _fake("gitleaks is killed", "failed with code -9", "os.kill(os.getpid(), 9)"),
    _fake("gitleaks ends with 0 and writes nothing", "failed with code 0", "sys.exit(0)"),
    _fake("gitleaks floods its output", "gitleaks", "open(path, 'w').write('[]')\nos.write(2, b'x' * 5_000_000)"),
    _fake("gitleaks writes half of a report", "expected form", "open(path, 'w').write('[{\"RuleID')\n" + _SAY),
    _fake("gitleaks writes another schema", "expected form", "open(path, 'w').write('{\"leaks\": []}')\n" + _SAY),
    _fake("gitleaks says that it read nothing", "read 0 bytes of", "open(path, 'w').write('[]')\ntotal = 0\n" + _SAY),
    _fake("gitleaks does not say what it read", "read no bytes of", "open(path, 'w').write('[]')"),
    _fake(
        "gitleaks ends with 0 and an error in its log",
        "something went wrong",
        "open(path, 'w').write('[]')\n" + _SAY + "sys.stderr.write('ERR cannot read file\\n')",
    ),
    _fake(
        "gitleaks ends with 0 and findings in its report",
        "ended with code 0, but reports 1 findings",
        _LEAK + "json.dump([leak], open(path, 'w'))\n" + _SAY,
    ),
    _fake(
        "gitleaks reports on a file of another run",
        "which|not given",
        _LEAK + "leak['File'] = '/old/a.py'\njson.dump([leak], open(path, 'w'))\n" + _SAY + "sys.exit(10)",
    ),
    _fake(
        "gitleaks does not redact",
        "expected form",
        _LEAK + "leak['Secret'] = 'x'\njson.dump([leak], open(path, 'w'))\n" + _SAY + "sys.exit(10)",
    ),
)


def _rewrite(folder: Path) -> None:
    """One commit without the token in place of all; what was there is in no branch any more."""
    git(folder, "checkout", "-q", "--orphan", "fresh")
    git(folder, "commit", "-qm", "fresh")
    for branch in ("master", "main"):
        subprocess.run(["git", "branch", "-qD", branch], cwd=folder, capture_output=True, check=False)


def _rename_pack(folder: Path) -> None:
    git(folder, "gc", "-q")
    for file in (folder / ".git/objects/pack").iterdir():
        file.rename(file.with_name(f"pack-a.b{file.suffix}"))
