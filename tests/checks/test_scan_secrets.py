# SPDX-License-Identifier: Apache-2.0
"""scan-secrets: what is planted is found wherever pipelines leak it, no value comes out, and gaps are ERRORs."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import os
import random
import shutil
import string
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Ran
from tests.corpus.fail_open.case import program, write
from tests.machinery.test_checkout import committed

pytestmark = pytest.mark.scanners
Scan = Callable[..., Ran]
_RANDOM = random.Random(4)
_LETTERS, _HEX = string.ascii_letters + string.digits, "0123456789abcdef"


def some(length: int, alphabet: str = _LETTERS) -> str:
    """A value that nobody has: never written down in the repository, the same in every run."""
    return "".join(_RANDOM.choice(alphabet) for _ in range(length))


def pem(kind: str = "") -> str:
    body = "\n".join(some(64, _LETTERS + "+/") for _ in range(6))
    return f"-----BEGIN {kind}PRIVATE KEY-----\n{body}\n-----END {kind}PRIVATE KEY-----\n"


# Each kind: its rule, a line of it in a Python file, and the part of it that nobody may see.
def _kinds() -> dict[str, tuple[str, str, str]]:
    made: dict[str, tuple[str, str, str]] = {}

    def add(name: str, rule: str, line: str, secret: str) -> None:
        made[name] = (f"secret/{rule}", line.replace("SECRET", secret), secret)

    for name, rule, prefix, length, alphabet in (
        ("github", "github-token", "ghp_", 36, _LETTERS),
        ("github-app", "github-token", "ghs_", 36, _LETTERS),
        ("github-fine", "github-token", "github_pat_", 70, _LETTERS),
        ("gitlab", "gitlab-token", "glpat-", 20, _LETTERS),
        ("huggingface", "huggingface-token", "hf_", 34, string.ascii_letters),
        ("openai", "openai-key", "sk-", 48, _LETTERS),
        ("openai-project", "openai-key", "sk-proj-", 120, _LETTERS),
        ("anthropic", "anthropic-key", "sk-ant-api03-", 93, _LETTERS),
        ("groq", "model-service-key", "gsk_", 52, _LETTERS),
        ("databricks", "databricks-token", "dapi", 32, _HEX),
        ("slack", "slack-token", "xoxb-", 50, _LETTERS),
        ("stripe", "stripe-key", "sk_live_", 24, _LETTERS),
        ("npm", "npm-token", "npm_", 36, _LETTERS),
        ("pypi", "pypi-token", "pypi-AgE", 120, _LETTERS),
        ("google", "google-api-key", "AIza", 35, _LETTERS),
        ("vault", "vault-token", "hvs.", 90, _LETTERS),
        ("docker-pat", "cloud-token", "dckr_pat_", 27, _LETTERS),
        ("aws-id", "aws-access-key-id", "AKIA", 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
    ):
        add(name, rule, f'x = "{prefix}SECRET"', some(length, alphabet))
    add("aws-secret", "aws-secret-access-key", 'aws_secret_access_key = "SECRET"', some(40))
    add("aws-pair", "aws-secret-access-key", f'client("s3", "AKIA{some(16, "ABCDEFG234567")}", "SECRET")', some(40))
    add("azure-storage", "azure-storage-key", 's = "AccountName=a;AccountKey=SECRET=="', some(86))
    add("azure-sas", "azure-sas", 'u = "https://a.blob.core.windows.net/c?sv=2024&sig=SECRET%3D"', some(43))
    add("wandb", "wandb-key", 'os.environ["WANDB_API_KEY"] = "SECRET"', some(40, _HEX))
    add("kaggle", "kaggle-key", 'KAGGLE_KEY = "SECRET"', some(32, _HEX))
    add("comet", "comet-key", 'comet_api_key = "SECRET"', some(25))
    add("mlflow", "url-password", 'mlflow.set_tracking_uri("http://ml:SECRET@tracking:5000")', some(16))
    add("webhook", "webhook", 'u = "https://hooks.slack.com/services/SECRET"', some(44))
    add("jwt", "jwt", f't = "eyJ{some(30)}.eyJSECRET.{some(43)}"', some(60))
    add("basic", "basic-auth", 'h = {"Authorization": "Basic SECRET"}', base64.b64encode(b"me:Zq8-kLm2").decode())
    add("bearer", "bearer-token", 'h = {"Authorization": "Bearer SECRET"}', some(40))
    add("fernet", "fernet-key", 'FERNET_KEY = "SECRET="', some(43))
    add("connection", "connection-string", 'c = "Server=db;User Id=sa;Password=SECRET;"', some(14))
    add("airflow", "password", 'Connection(conn_id="db", login="me", password="SECRET")', some(14) + "1!")
    add("variable", "password", 'Variable.set("slack_api_token", "SECRET")', some(30) + "1")
    add("argument", "password", 'task(arguments=["--api-key", "SECRET"])', some(30) + "1")
    add("weak", "weak-password", 'password = "SECRET"', "hunter27")
    key = pem("RSA ")
    add("key", "private-key", '"""\nSECRET"""', key)
    return made


KINDS = _kinds()
TOKEN = KINDS["github"][1].split('"')[1]


@pytest.fixture
def scan(wardein: Callable[..., Ran], tmp_path: Path) -> Scan:
    """Write files below the source folder and scan it."""

    def run(files: Mapping[str, str | bytes], *options: object) -> Ran:
        write(tmp_path / "source", files)
        return wardein("scan-secrets", "--source", tmp_path / "source", "--json", *options)

    return run


def rules(ran: Ran) -> list[tuple[str, str, str, int]]:
    return sorted((f["ruleId"], f["location"], f.get("part", ""), f.get("line", 0)) for f in ran.report["findings"])


def skipped(ran: Ran) -> str:
    assert ran.report["verdict"] == "ERROR"
    assert ran.code == 2
    assert ran.one_line
    return "\n".join(f"{s['what']}: {s['reason']}" for s in ran.report["coverage"]["skipped"])


# What is clean passes

CLEAN = {
    "train.py": """
import os
password = os.environ["DB_PASSWORD"]
token = get_token(user, "name")
pad_token, eos_token = "[PAD]", "</s2>"
tokenizer = "bert-base-uncased-v2"
api_key = "changeme"
secret_name = "training/db-password-2"
secret: str = "${DB_PASSWORD}"
url = "postgresql://{user}:{password}@host/db"
aws_access_key_id = "AKIAIOSFODNN7EXAMPLE"
aws_secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
key = "-----BEGIN PRIVATE KEY-----\\n...\\n-----END PRIVATE KEY-----"
token_url = "https://login.invalid/oauth2/token"
PASSWORD_REF = "vault://kv/data/db#password"
digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
""",
    "deploy.yaml": "env:\n- name: DB_PASSWORD\n  valueFrom: {secretKeyRef: {name: db, key: password-1}}\n"
                   "token: '{{ t }}'\n",
    "notes.md": "Set the token: see your administrator. `export HF_TOKEN=hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx`\n",
    ".env": "DB_PASSWORD=<your-password>\nAPI_KEY=\n",
    "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20,
}  # fmt: skip


def test_clean_tree_passes(scan: Scan) -> None:
    ran = scan(CLEAN)
    assert ran.report["findings"] == []
    assert (ran.code, ran.err) == (0, "")
    coverage = ran.report["coverage"]
    assert (coverage["unit"], coverage["expected"], coverage["examined"]) == ("files", 5, 5)


def test_same_tree_gives_the_same_core(scan: Scan, wardein: Callable[..., Ran]) -> None:
    files = {f"{name}.py": line for name, (_, line, _) in KINDS.items()}
    first, second = (scan(files).report for _ in range(2))
    assert first | {"execution": {}} == second | {"execution": {}}


# What is planted is found


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(kind: str, scan: Scan) -> None:
    rule, line, _ = KINDS[kind]
    found = [f for f in scan({"a/b.py": f"# a first line\n{line}\n"}).report["findings"] if f["ruleId"] == rule]
    assert len(found) == 1
    assert (found[0]["location"], found[0]["line"]) == ("a/b.py", 2 if kind != "key" else 3)
    assert found[0]["cwe"].startswith("CWE-")


@pytest.mark.parametrize(("limit", "code"), [("critical", 1), ("high", 1)])
def test_severity_decides(limit: str, code: int, scan: Scan) -> None:
    assert scan({"a.py": KINDS["github"][1]}, "--fail-severity", limit).code == code


def test_what_is_weak_is_listed_and_passes_by_default(scan: Scan) -> None:
    assert scan({"a.py": KINDS["weak"][1]}).code == 0
    assert scan({}, "--fail-severity", "medium").code == 1


PLACES: dict[str, tuple[str, str | bytes, str, str]] = {
    "settings": (".env", 'DB_PASSWORD=Kq8zWm2xPl0V\n', "secret/password", ""),
    "compose": ("docker-compose.yml", "services:\n  db:\n    environment:\n    - POSTGRES_PASSWORD=Kq8zWm2xPl0V\n",
                "secret/password", ""),
    "dockerfile": ("Dockerfile", "FROM x\nENV API_TOKEN Kq8zWm2xPl0VKq8z\n", "secret/password", ""),
    "dockerfile in two lines": ("Dockerfile", f"FROM x\nENV A=1 \\\n    GH={TOKEN[:20]}\\\n{TOKEN[20:]}\n",
                                "secret/github-token", ""),
    "history of a shell": (".bash_history", "ls\ncurl -u me:Kq8zWm2x http://x\n", "secret/basic-auth", ""),
    "pip": ("pip.conf", "[global]\nindex-url = https://me:Kq8zWm2x@pypi.invalid/simple\n", "secret/url-password", ""),
    "pypirc": (".pypirc", "[pypi]\nusername = me\npassword = Kq8zWm2xPl0V\n", "secret/password", ""),
    "netrc": (".netrc", "machine a.invalid\n  login me\n  password Kq8zWm2x\n", "secret/netrc", ""),
    "docker's configuration": ("config.json", json.dumps({"auths": {"r.invalid": {
        "auth": base64.b64encode(b"me:Kq8zWm2x").decode()}}}), "secret/docker-auth", ""),
    "kubeconfig": ("kubeconfig", "apiVersion: v1\nkind: Config\nusers:\n- name: a\n  user:\n"
                   "    token: Kq8zWm2xPl0VKq8zWm\n",
                   "secret/kubeconfig", ""),
    "kubernetes secret": ("s.yaml", "kind: Secret\ndata:\n  a: " + base64.b64encode(b"Kq8zWm2x").decode() + "\n",
                          "secret/kubernetes-secret", ""),
    "escapes of YAML": ("p.yaml",
                        f'a: "{TOKEN[:10]}\\x{ord(TOKEN[10]):02x}{TOKEN[11:]}"\n', "secret/github-token", ""),
    "escapes of JSON": ("p.json", '{"a": ["' + "".join(f"\\u{ord(c):04x}" for c in TOKEN) + '"]}',
                        "secret/github-token", ""),
    "default of a pipeline": ("p.yaml", "root:\n  inputDefinitions:\n    parameters:\n      db_password:\n"
                              "        defaultValue: Kq8zWm2xPl0V\n        parameterType: STRING\n",
                              "secret/password", ""),
    "source in a pipeline": ("p.yaml",
                             'command: [sh, -c, "import os\\ndef f():\\n    api_key = \\"Kq8zWm2xPl0V\\"\\n"]\n',
                             "secret/password", ""),
    "environment of a pipeline": ("p.yaml", "env:\n- {name: MLFLOW_TRACKING_PASSWORD, value: Kq8zWm2xPl0V}\n",
                                  "secret/password", ""),
    "alias": ("p.yaml", "a: &x Kq8zWm2xPl0V\ndb_password: *x\n", "secret/password", ""),
    "parameter of a run": ("mlruns/0/abc/params/api_key", "Kq8zWm2xPl0V", "secret/password", ""),
    "tag of a run": ("mlruns/0/abc/tags/db_password", "Kq8zWm2xPl0V", "secret/password", ""),
    "base64": ("a.txt", base64.b64encode(f"export GH={TOKEN}".encode()).decode(), "secret/github-token", ""),
    "base64 in base64": ("a.txt", base64.b64encode(base64.b64encode(f"export GH={TOKEN}".encode())).decode(),
                         "secret/github-token", ""),
    "wrapped base64": ("a.txt", base64.encodebytes(f"some text before it, of some length, {TOKEN}".encode()),
                       "secret/github-token", ""),
    "evidence": ("e.jsonl", json.dumps({"payloadType": "a", "signatures": [], "payload": base64.b64encode(
        json.dumps({"predicate": {"parameters": {"uri": "http://me:Kq8zWm2x@x/"}}}).encode()).decode()}) + "\n",
        "secret/url-password", ""),
    "two literals": ("a.py", f'x = "{TOKEN[:12]}" + "{TOKEN[12:]}"\n', "secret/github-token", ""),
    "UTF-16": ("a.py", f'x = "{TOKEN}"\n'.encode("utf-16"), "secret/github-token", ""),
    "UTF-16 without a mark": ("a.py", 'password = "Kq8zWm2xPl0V"\n'.encode("utf-16-le"), "secret/password", ""),
    "latin-1": ("a.py", f'# é\nx = "{TOKEN}"\n'.encode("latin-1"), "secret/github-token", ""),
    "a zero byte": ("a.py", '\0password = "Kq8zWm2xPl0V"\n', "secret/password", ""),
    "binary": ("model.bin", b"\0\1\2" * 99 + TOKEN.encode() + b"\0" * 99, "secret/github-token", ""),
    "wide text in a binary": ("m.dll", b"\0\1\2\3" * 99 + TOKEN.encode("utf-16-le") + b"\0" * 99,
                              "secret/github-token", ""),
    "a key in a service account": ("k.json", json.dumps({"type": "service_account", "private_key": pem()}),
                                   "secret/gcp-service-account", ""),
    "an encrypted key": ("k.pem", pem("ENCRYPTED "), "secret/encrypted-private-key", ""),
    "tests": ("tests/test_x.py", f'x = "{TOKEN}"', "secret/github-token", ""),
    "documentation": ("docs/a.md", f"use {TOKEN} here", "secret/github-token", ""),
    "ignored": ("node_modules/.cache/a.min.js", f'x="{TOKEN}"', "secret/github-token", ""),
    "marked": ("a.py",
               f'x = "{TOKEN}"  # gitleaks:allow # nosec # pragma: allowlist secret\n', "secret/github-token", ""),
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_places(place: str, scan: Scan) -> None:
    name, content, rule, part = PLACES[place]
    ran = scan({name: content})
    assert [(r, where, p) for r, where, p, _ in rules(ran)] == [(rule, name, part)]
    assert (ran.code, ran.report["verdict"]) == ((1, "FAIL") if "encrypted" not in rule else (0, "PASS"))


def notebook(source: list[str], outputs: list[Any], **more: Any) -> str:
    cell = {"cell_type": "code", "source": source, "outputs": outputs, "metadata": {}, "execution_count": 1}
    return json.dumps({"cells": [{"cell_type": "markdown", "source": "# x"}, cell], "nbformat": 4, "metadata": more})


def test_notebook_tells_cell_and_line(scan: Scan) -> None:
    stream = {"output_type": "stream", "name": "stdout", "text": ["a\n", f"\x1b[31m{KINDS['gitlab'][1]}\x1b[0m\n"]}
    picture = {"output_type": "display_data", "data": {"text/html": [f"<b>{KINDS['npm'][1]}</b>"]}}
    ran = scan(
        {"n.ipynb": notebook(["import x\n", f"{KINDS['github'][1]}\n"], [stream, picture], api_key=some(20) + "1")}
    )
    assert rules(ran) == [
        ("secret/github-token", "n.ipynb", "cell 2", 2),
        ("secret/gitlab-token", "n.ipynb", "cell 2, output", 2),
        ("secret/npm-token", "n.ipynb", "cell 2, output", 4),
        ("secret/password", "n.ipynb", "metadata", 0),
    ]
    assert {f["cwe"] for f in ran.report["findings"] if "output" in f["part"]} == {"CWE-532"}


def test_keys_that_are_there_twice_count_twice(scan: Scan) -> None:
    text = notebook([], []).replace(
        '"cells": [', f'"cells": [{{"cell_type": "code", "source": "t = \'{TOKEN}\'"}}], "cells": ['
    )
    assert [rule for rule, *_ in rules(scan({"n.ipynb": text}))] == ["secret/github-token"]


def packed(content: bytes) -> dict[str, bytes]:
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/a.py", content)
    with tarfile.open(fileobj=tarred, mode="w") as tar:
        info = tarfile.TarInfo("in/a.py")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return {
        "a.whl": zipped.getvalue(),
        "a.pex": b"#!/usr/bin/env python\n" + zipped.getvalue(),
        "a.tar": tarred.getvalue(),
        "a.tgz": gzip.compress(tarred.getvalue()),
        "a.txt.gz": gzip.compress(content),
        "a.txt.bz2": bz2.compress(content),
        "a.txt.xz": lzma.compress(content),
        "after.tar": b"".join(
            (tarred.getvalue()[:0], tarfile.TarInfo("empty").tobuf(), b"\0" * 1024, tarred.getvalue())
        ),
    }


@pytest.mark.parametrize("name", packed(b""))
def test_archives(name: str, scan: Scan) -> None:
    ran = scan({name: packed(b'\npassword = "Kq8zWm2xPl0V"\n')[name]})
    part = "" if name.startswith("a.txt") else "member in/a.py"
    assert rules(ran) == [("secret/password", name, part, 2)]


def test_large_files_are_searched_in_windows(scan: Scan) -> None:
    """Across the border of two windows, with the right line, and in little memory."""
    from wardein.secrecy import reading

    filler = b"x = 1  # nothing\n"
    before = filler * ((reading.WINDOW - 20) // len(filler))
    content = before + f'y = "{TOKEN}"\n'.encode() + filler * (reading.WHOLE // len(filler))
    assert rules(scan({"a.py": content})) == [("secret/github-token", "a.py", "", before.count(b"\n") + 1)]


# The history of a repository


def git(folder: Path, *arguments: str) -> str:
    environment = {"PATH": os.defpath, "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{role}_NAME": "a", f"GIT_{role}_EMAIL": "a", f"GIT_{role}_DATE": "2026-01-01T00:00:00Z"}
    ended = subprocess.run(["git", *arguments], cwd=folder, env=environment, capture_output=True, check=True)
    return ended.stdout.decode().strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One with a token that was committed and deleted."""
    folder = tmp_path / "source"
    write(folder, {"a.py": "x = 1\n", "old/b.py": f"\n{KINDS['github'][1]}\n"})
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    git(folder, "rm", "--quiet", "old/b.py")
    git(folder, "commit", "--quiet", "-m", "second")
    return folder


@pytest.mark.parametrize("packs", [False, True], ids=["loose", "packed"])
def test_deleted_secret_is_found(packs: bool, repository: Path, scan: Scan) -> None:
    first = git(repository, "rev-parse", "--short=7", "HEAD~1")
    if packs:
        git(repository, "gc", "--quiet")
    ran = scan({})
    assert rules(ran) == [("secret/github-token", "old/b.py", f"commit {first}", 2)]
    assert ran.code == 1
    assert {m["name"]: m["value"] for m in ran.report["metrics"]}["history_objects"] == 7


def test_secret_that_is_still_there_counts_once(repository: Path, scan: Scan) -> None:
    ran = scan({"new.py": KINDS["github"][1]})
    assert rules(ran) == [("secret/github-token", "new.py", "", 1)]
    assert "also in history (commit " in ran.report["findings"][0]["message"]


def test_unreachable_objects_messages_and_tags_are_searched(repository: Path, scan: Scan) -> None:
    git(repository, "commit", "--quiet", "--amend", "-m", f"with {KINDS['gitlab'][1]}")
    git(repository, "tag", "-a", "v1", "-m", KINDS["npm"][1])
    lost = write(repository.parent, {"lost": KINDS["stripe"][1]}) / "lost"
    git(repository, "hash-object", "-w", str(lost))
    for log in (repository / ".git" / "logs").rglob("*"):
        if log.is_file():
            log.write_text("")
    (repository / ".git" / "COMMIT_EDITMSG").unlink()
    found = {(rule, part.split()[0]) for rule, _, part, _ in rules(scan({}))}
    assert {
        ("secret/gitlab-token", "messages"),
        ("secret/npm-token", "tag"),
        ("secret/stripe-key", "unreachable"),
    } <= found


def test_settings_of_the_repository_do_not_count(repository: Path, scan: Scan, tmp_path: Path) -> None:
    ran_by_git = tmp_path / "ran"
    (repository / ".git" / "config").write_text(
        f"[core]\nfsmonitor = touch {ran_by_git}\npager = touch {ran_by_git}\nhooksPath = .\n"
        f'[diff "x"]\ntextconv = touch {ran_by_git}\n[log]\nshowSignature = true\n[include]\npath = /etc/passwd\n'
        f"[gpg]\nprogram = touch {ran_by_git}\n[alias]\nshow = !touch {ran_by_git}\n"
    )
    write(repository, {".git/info/attributes": "* diff=x\n", ".gitattributes": "* diff=x -text\n"})
    assert len(rules(scan({}))) == 1
    assert not ran_by_git.exists()


def test_replacements_do_not_hide(repository: Path, scan: Scan) -> None:
    blob = git(repository, "rev-parse", "HEAD~1:old/b.py")
    harmless = git(repository, "rev-parse", "HEAD:a.py")
    git(repository, "replace", "-f", blob, harmless)
    assert [rule for rule, *_ in rules(scan({}))] == ["secret/github-token"]


def test_index_that_leaves_an_object_out_hides_nothing(repository: Path, scan: Scan, tmp_path: Path) -> None:
    """The index of another pack in place of the pack's own."""
    git(repository, "gc", "--quiet")
    pack = next((repository / ".git" / "objects" / "pack").glob("*.pack"))
    other = write(tmp_path / "other", {"z.py": "z = 1\n"})
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "x"], ["gc", "--quiet"]):
        git(other, *arguments)
    index = next((other / ".git" / "objects" / "pack").glob("*.idx"))
    pack.with_suffix(".idx").chmod(0o644)
    pack.with_suffix(".idx").write_bytes(index.read_bytes())
    assert ("secret/github-token", "old/b.py") in {(rule, where) for rule, where, *_ in rules(scan({}))}


def test_repositories_further_down_are_searched(repository: Path, scan: Scan, wardein: Callable[..., Ran]) -> None:
    ran = wardein("scan-secrets", "--source", repository.parent, "--json")
    assert [(rule, where) for rule, where, *_ in rules(ran)] == [("secret/github-token", "source/old/b.py")]


def test_broken_repositories_are_errors(repository: Path, scan: Scan) -> None:
    blob = git(repository, "rev-parse", "HEAD~1:old/b.py")
    (repository / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    assert ".git: " in skipped(scan({}))


def test_borrowed_objects_are_errors(repository: Path, scan: Scan) -> None:
    assert "borrows objects" in skipped(scan({".git/objects/info/alternates": "/somewhere\n"}))


def test_repository_without_head_is_an_error(repository: Path, scan: Scan) -> None:
    (repository / ".git" / "HEAD").unlink()
    assert "not a repository that git can read" in skipped(scan({}))


def test_pointer_to_a_repository_elsewhere_is_an_error(scan: Scan) -> None:
    assert "whose repository is not in the folder" in skipped(scan({".git": "gitdir: /elsewhere/.git/worktrees/a\n"}))


def test_without_git_history_is_an_error(repository: Path, scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "apt-get install git" in skipped(scan({}))


# What cannot be read is an ERROR, and findings stay beside it


def encrypted_zip() -> bytes:
    content = bytearray(packed(b"secret")["a.whl"])
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def nested(depth: int) -> bytes:
    content = KINDS["github"][1].encode()
    for _ in range(depth):
        content = gzip.compress(content)
    return content


UNREADABLE: dict[str, tuple[str, str | bytes, str]] = {
    "broken notebook": ("a.ipynb", '{"cells": [', "is not a notebook that can be read"),
    "a list as a notebook": ("a.ipynb", "[]", "is not a notebook that can be read"),
    "deep notebook": ("a.ipynb", "[" * 100_000, "is not a notebook that can be read"),
    "broken zip": ("a.zip", packed(b"x" * 500)["a.whl"][:90], "broken archive"),
    "damaged member": ("a.zip",
                       packed(b"x" * 5000)["a.whl"].replace(b"\x4b\x04", b"\x4b\x05", 1)[:-1], "broken archive"),
    "broken gzip": ("a.gz", gzip.compress(b"x" * 500)[:20], "broken archive"),
    "encrypted zip": ("a.zip", encrypted_zip(), "is encrypted"),
    "7z": ("a.7z", b"7z\xbc\xaf\x27\x1c" + bytes(99), "cannot be opened (7z)"),
    "zstandard": ("a.zst", b"\x28\xb5\x2f\xfd" + bytes(99), "Zstandard"),
    "deep nesting": ("a.gz", nested(9), "is an archive within 4 others"),
    "too many secrets": ("a.txt", "\n".join(f"glpat-{some(20)}" for _ in range(300)), "more than 200 secrets"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNREADABLE)
def test_gaps(case: str, scan: Scan) -> None:
    name, content, told = UNREADABLE[case]
    ran = scan({name: content, "b.py": KINDS["npm"][1]})
    assert told in skipped(ran)
    assert ("secret/npm-token", "b.py", "", 1) in rules(ran)
    assert (ran.report["coverage"]["expected"], ran.report["coverage"]["examined"]) == (2, 1)


def test_bomb_is_an_error(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wardein.secrecy.archives.MAX_UNPACKED", 1_000_000)
    assert "unpacks to more" in skipped(scan({"a.gz": gzip.compress(bytes(5_000_000))}))


def test_what_nobody_foresaw_says_nothing_of_the_content(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError(TOKEN)

    monkeypatch.setattr("wardein.secrecy.matching.hits", fail)
    ran = scan({"a.py": KINDS["github"][1]})
    assert TOKEN[4:] not in ran.out + ran.err
    assert ran.report["verdict"] == "ERROR"


@pytest.mark.parametrize(
    ("content", "form"),
    [("[" * 100_000, "yaml"), ("{a: " * 5000, "yaml"), ("- " * 50_000, "yaml"), ("[" * 100_000, "json")],
)
def test_deep_documents_kill_nothing(content: str, form: str, scan: Scan) -> None:
    """Their text is searched; a reader that recurses would end the process."""
    ran = scan({f"a.{form}": f"# {TOKEN}\n{content}"})
    assert [rule for rule, *_ in rules(ran)] == ["secret/github-token"]


def test_nothing_in_scope_is_an_error(scan: Scan, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    ran = scan({})
    assert ran.code == 2
    assert "holds no file" in ran.one_line


def test_scanners_are_named_and_known(scan: Scan) -> None:
    assert "'trufflehog' is none of wardein, gitleaks" in scan({"a": "x"}, "--scanners", "trufflehog").one_line
    assert scan({"a": "x"}, "--scanners", "").code == 2


# No value comes out


def planted() -> dict[str, str | bytes]:
    files: dict[str, str | bytes] = {f"{name}.py": line for name, (_, line, _) in KINDS.items()}
    files["n.ipynb"] = notebook([line + "\n" for _, line, _ in KINDS.values()], [])
    files |= {"mlruns/0/a/params/api_key": KINDS["variable"][2], f"named-{TOKEN}.txt": "x"}
    files["a.zip"] = packed(KINDS["slack"][1].encode())["a.whl"]
    files["s.yaml"] = "kind: Secret\ndata:\n  a: " + base64.b64encode(KINDS["airflow"][2].encode()).decode() + "\n"
    files["config.json"] = json.dumps({"a": base64.b64encode(KINDS["npm"][1].encode()).decode()})
    return files


def windows(secret: str) -> set[str]:
    """Every six characters of it, and of its base64."""
    texts = [secret, *(base64.b64encode(b"x" * n + secret.encode()).decode()[4:-4] for n in range(3))]
    return {text[n : n + 6] for text in texts for n in range(len(text) - 5)}


@pytest.mark.parametrize("way", ["fails", "ends in ERROR"])
@pytest.mark.parametrize("scanners", [["wardein"], ["wardein", "gitleaks"]], ids=["own", "both"])
def test_no_value_on_any_surface(
    way: str,
    scanners: list[str],
    scan: Scan,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wardein: Callable[..., Ran],
) -> None:
    monkeypatch.setenv("WARDEIN_GITLEAKS", str(program("gitleaks")))
    files = planted()
    if way == "ends in ERROR":
        files |= {"broken.ipynb": '{"cells": ' + TOKEN, f"{TOKEN}/b.zip": b"PK\x03\x04" + TOKEN.encode()}
    out = tmp_path / "out"
    out.mkdir()
    options = ["--evidence", out / "e.jsonl", "--html", out / "p.html", "--sarif", out / "s.sarif"]
    as_json = scan(files, "--scanners", *scanners, *options)
    as_text = wardein("scan-secrets", "--source", tmp_path / "source", "--scanners", *scanners)
    assert as_json.code == as_text.code == (1 if way == "fails" else 2)
    assert len(as_json.report["findings"]) > len(KINDS)
    payload = json.loads((out / "e.jsonl").read_text())["payload"]
    surfaces = {
        "out": as_json.out, "err": as_json.err, "text": as_text.out, "text err": as_text.err,
        "evidence": base64.b64decode(payload).decode(), "html": (out / "p.html").read_text(),
        "sarif": (out / "s.sarif").read_text(),
    }  # fmt: skip
    secret = set().union(*(windows(value) for _, _, value in KINDS.values()))
    secret -= windows("-----BEGIN RSA PRIVATE KEY-----\n-----END RSA PRIVATE KEY-----\n")
    public = "\n".join(files).replace(TOKEN, "")
    for name, text in surfaces.items():
        for line in text.splitlines():
            # Pictures on the page are long lines of base64, in which everything comes up by chance.
            shown = line if len(line) < 5000 or name != "html" else ""
            told = {w for n in range(len(shown) - 5) if (w := shown[n : n + 6]) in secret and w not in public}
            assert not told, (name, told)


# Baselines and identities


def baseline(scan: Scan, tmp_path: Path, files: Mapping[str, str | bytes]) -> Path:
    assert scan(files, "--evidence", tmp_path / "old.jsonl").code == 1
    return tmp_path / "old.jsonl"


def test_baseline_keeps_what_moved_and_not_what_took_its_place(scan: Scan, tmp_path: Path) -> None:
    old = baseline(scan, tmp_path, {"a.py": KINDS["github"][1]})
    moved = scan({"a.py": "\n\n# more\n" + KINDS["github"][1]}, "--baseline", old)
    assert (moved.code, moved.report["findings"][0]["line"]) == (0, 4)
    another = scan({"a.py": f'x = "ghp_{some(36)}"'}, "--baseline", old)
    assert another.code == 1
    both = scan({"a.py": KINDS["github"][1], "b.py": KINDS["npm"][1]}, "--baseline", old)
    assert both.code == 1
    assert [f["fails"] for f in both.report["findings"]] == [False, True]


def test_identity_is_sixteen_bits(scan: Scan) -> None:
    from wardein.secrecy import values

    assert len(values.identity(TOKEN)) == 4
    assert values.identity(TOKEN) == values.identity(TOKEN) != values.identity(TOKEN + "x")


# gitleaks


def test_both_scanners_count_one_secret_once(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARDEIN_GITLEAKS", str(program("gitleaks")))
    files = {f"{name}.py": KINDS[name][1] for name in ("github", "gitlab", "slack", "aws-id", "pypi")}
    files["n.ipynb"] = notebook(["x = 1\n", KINDS["npm"][1]], [])
    own = scan(files)
    both = scan({}, "--scanners", "wardein", "gitleaks")
    assert rules(own) == rules(both)
    assert [f["fingerprint"] for f in own.report["findings"]] == [f["fingerprint"] for f in both.report["findings"]]
    assert sum("gitleaks:" in "".join(f.get("taxonomy", [])) for f in both.report["findings"]) >= 4
    assert [t["name"] for t in both.report["tools"]] == ["gitleaks"]
    assert len(both.report["tools"][0]["sha256"]) == 64


def test_gitleaks_searches_history_and_knows_more_kinds(
    repository: Path, scan: Scan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WARDEIN_GITLEAKS", str(program("gitleaks")))
    key = "shpat_" + some(32, _HEX)
    ran = scan({"shop.py": f'\nx = "{key}"\n'}, "--scanners", "wardein", "gitleaks")
    assert [(rule, where) for rule, where, *_ in rules(ran)] == [
        ("secret/foreign", "shop.py"),
        ("secret/github-token", "old/b.py"),
    ]
    assert ran.report["findings"][0]["taxonomy"] == ["gitleaks:github-pat"]
    assert key[6:] not in ran.out


def test_through_a_process(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": KINDS["github"][1]})
    command = [sys.executable, "-m", "wardein.cli", "scan-secrets", "--source", str(tmp_path), "--json"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["findings"][0]["ruleId"] == "secret/github-token"
    assert TOKEN[4:] not in ended.stdout + ended.stderr


# What hid secrets from earlier versions


def test_repository_in_a_folder_called_objects_is_searched(repository: Path, scan: Scan, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--bare", str(repository), str(tmp_path / "all/objects/backup.git"))
    write(tmp_path / "source", {})
    shutil.rmtree(tmp_path / "source")
    shutil.move(tmp_path / "all", tmp_path / "source")
    assert [rule for rule, *_ in rules(scan({}))] == ["secret/github-token"]


def test_pack_of_any_name_is_searched(repository: Path, scan: Scan) -> None:
    git(repository, "gc", "--quiet")
    for file in (repository / ".git/objects/pack").iterdir():
        file.rename(file.with_name(f"pack-a.b{file.suffix}"))
    ran = scan({})
    assert ran.code == 1
    assert ("secret/github-token", "old/b.py") in {(rule, where) for rule, where, *_ in rules(ran)}


def test_comment_does_not_change_the_hash(repository: Path, scan: Scan) -> None:
    with (repository / ".git/config").open("a") as file:
        file.write("# objectformat = sha256\n")
    assert [rule for rule, *_ in rules(scan({}))] == ["secret/github-token"]


def test_objects_elsewhere_are_errors(repository: Path, scan: Scan) -> None:
    for name in ("objects", "refs", "config"):
        (repository / "store").mkdir(exist_ok=True)
        shutil.move(repository / ".git" / name, repository / "store" / name)
    assert ".git: has no objects" in skipped(scan({}))
    assert "has its objects elsewhere (commondir)" in skipped(scan({".git/commondir": "../store\n"}))


def test_stray_files_among_objects_are_errors(repository: Path, scan: Scan) -> None:
    assert ".git/objects/pack/old: is among a repository's objects" in skipped(scan({".git/objects/pack/old": "x"}))


def test_bundle_is_an_error(repository: Path, scan: Scan, tmp_path: Path) -> None:
    git(repository, "bundle", "create", str(tmp_path / "b"), "--all")
    shutil.rmtree(repository)
    assert "cannot be opened (git bundle)" in skipped(scan({"b": (tmp_path / "b").read_bytes()}))


def test_history_has_a_budget(repository: Path, scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wardein.secrecy.history.MAX_HISTORY", 10)
    assert "more than 10 bytes in its history; 1 objects were not searched" in skipped(scan({}))


def test_tags_are_read_together(repository: Path, scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    from wardein.tools import run

    for number in range(20):
        git(repository, "tag", "-a", f"v{number}", "-m", KINDS["npm"][1] if number == 13 else "x\n\ny")
    started: list[object] = []
    monkeypatch.setattr("wardein.tools.git.run.run", lambda *a, _run=run.run, **k: started.append(a) or _run(*a, **k))
    assert "secret/npm-token" in {rule for rule, _, part, _ in rules(scan({})) if part.startswith("tag ")}
    assert len(started) < 15


def _old_tar(name: str, content: bytes, kind: bytes = b"\0") -> bytes:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    header = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    header[156:157], header[257:265] = kind, bytes(8)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + content + bytes(-len(content) % 512 + 1024)


def _ar(content: bytes) -> bytes:
    return b"!<arch>\n" + b"%-48s%-10d`\n" % (b"data", len(content)) + content


def hidden(content: bytes) -> dict[str, bytes]:
    packs = packed(content)
    zipped, clean = packs["a.whl"], packed(b"nothing")
    return {
        "a.bz2": bz2.compress(b"x") + zipped,
        "a.xz": lzma.compress(b"x") + zipped,
        "a.gz": gzip.compress(b"x") + zipped,
        "a.tar": clean["a.tar"] + zipped,
        "two.zip": zipped + clean["a.whl"],
        "text.csv": zipped,
        "a.lzma": lzma.compress(content, lzma.FORMAT_ALONE),
        "a.z": zlib.compress(content),
        "a.deb": _ar(lzma.compress(content)),
        "old.tar": _old_tar("a.gz", gzip.compress(content)),
        "unknown.tar": _old_tar("a.gz", gzip.compress(content), b"Z"),
        "bz2 twice": bz2.compress(b"x\n") + bz2.compress(content),
    }


@pytest.mark.parametrize("name", hidden(b""))
def test_nothing_hides_behind_an_archive(name: str, scan: Scan) -> None:
    ran = scan({name: hidden(KINDS["github"][1].encode())[name]})
    assert ("secret/github-token", name) in {(rule, where) for rule, where, *_ in rules(ran)}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (gzip.compress(b"x") + b"rest", "belongs to none of them"),
        (b"070701" + b"0" * 104 + b"a\0", "cannot be opened (cpio)"),
        (b"PACK\0\0\0\2" + bytes(50), "cannot be opened (git pack)"),
    ],
    ids=["trailing data", "cpio", "pack"],
)
def test_archives_that_are_gaps(content: bytes, told: str, scan: Scan) -> None:
    assert told in skipped(scan({"a": content}))


def test_text_that_begins_like_zlib_is_text(scan: Scan) -> None:
    assert scan({"a.txt": "x^2 + y^2 = z^2\n" * 80, "b.txt": "x^2"}).code == 0


SEALED = base64.b64encode(b"Tr0ub4dor&3xyz!9").decode()
MANIFEST = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: x}}\ndata:\n  conn: {SEALED}\n"


@pytest.mark.parametrize(
    ("name", "content", "gap"),
    [
        ("a.yaml", MANIFEST + "---\na: [\n", "cannot be read to its end"),
        ("a.yaml", MANIFEST + "{{ if }}\n", "cannot be read to its end"),
        ("a.yaml", MANIFEST + "---\n" + "[" * 600 + "]" * 600, "cannot be read to its end"),
        ("a.yaml", f"x: &d\n  conn: {SEALED}\nkind: Secret\ndata: *d\n", ""),
        ("a.yaml", f"x: &d\n  conn: {SEALED}\nkind: Secret\ndata:\n  <<: *d\n", ""),
        ("a.yaml", f"x: &d\n  data: {{conn: {SEALED}}}\nkind: Secret\n<<: [*d]\n", ""),
        ("secret", "# mine\n" + MANIFEST, ""),
    ],
    ids=["broken", "template", "deep", "alias", "merge", "merged list", "comment first"],
)
def test_kubernetes_secrets_are_read_as_far_as_they_go(name: str, content: str, gap: str, scan: Scan) -> None:
    ran = scan({name: content})
    assert "secret/kubernetes-secret" in {rule for rule, *_ in rules(ran)}
    assert gap in (skipped(ran) if gap else "")
    assert ran.code == (2 if gap else 1)


def test_manifest_that_is_too_large_is_a_gap(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wardein.secrecy.reading.WHOLE", 100)
    assert "says that it is a Kubernetes secret" in skipped(scan({"a.yaml": MANIFEST + "# x\n" * 99}))


@pytest.mark.parametrize("name", ["a.json", "a.ipynb", "a.yaml"])
def test_documents_of_too_many_parts_are_gaps(name: str, scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wardein.secrecy.documents.MAX_NODES", 50)
    assert "has more than 50 parts" in skipped(scan({name: json.dumps({"cells": ["text"] * 99})}))
    numbers = scan({name: json.dumps({"cells": [0] * 99})}) if name == "a.json" else None
    assert numbers is None or numbers.code == 0


def test_aliases_that_multiply_are_a_gap(scan: Scan) -> None:
    lines = ["a0: &a0 [password]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))]
    assert "parts" in skipped(scan({"a.yaml": "\n".join(lines)}))


def test_keys_of_notebooks_are_searched(scan: Scan) -> None:
    output = {"output_type": "display_data", "data": {"application/json": {TOKEN: 1}}}
    gitlab = KINDS["gitlab"][1].split('"')[1]
    assert [
        (rule, part) for rule, _, part, _ in rules(scan({"n.ipynb": notebook(["x"], [output], **{gitlab: 1})}))
    ] == [
        ("secret/github-token", "cell 2, output"),
        ("secret/gitlab-token", "metadata"),
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("params/db_password", "Kq8zWm2xPl0V"),
        ("a.env", "DB_PASSWORD=Mastodon7!xYq2Lm\n"),
        ("a.env", "DB=postgresql://app:reSample9!kQzW@db.corp/x\n"),
        ("a.env", "NEW_PASSWORD=Kq8zWm2xPl0V\n"),
        ("a.env", "INPUT_TOKEN=k9Qz7Lm2Xw4Rt8Vb1Nc5\n"),
        ("a.yaml", 'db_password: "Tr0ub4 dor&3xyz!9"\n'),
        ("a.py", "get(url, auth=('ann', 'Tr0ub4dor&3xyz!9'))\n"),
    ],
)
def test_names_and_values_that_were_taken_for_harmless(name: str, content: str, scan: Scan) -> None:
    assert scan({name: content}).code == 1


@pytest.mark.parametrize(
    "value", ["sample-password-1", "ExamplePassword12", "my_example_1234", "TODO: set 1 Password!"]
)
def test_placeholders_stay_harmless(value: str, scan: Scan) -> None:
    assert rules(scan({"a.yaml": f'db_password: "{value}"\n'})) == []


def test_too_many_secrets_in_all_are_a_gap(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wardein.checks.scan_secrets.MAX_SECRETS", 2)
    ran = scan({f"{n}.txt": f"glpat-{some(20)}\n" for n in range(5)})
    assert "the rest of the files: more than 2 secrets" in skipped(ran)
    assert (len(rules(ran)), ran.report["coverage"]["examined"]) == (3, 3)


def test_names_of_folders_are_masked_in_gaps(scan: Scan) -> None:
    ran = scan({f"{TOKEN}/.git/config": "x\n", f"b/{TOKEN}/.git": "gitdir: /elsewhere\n"})
    assert "not a repository" in skipped(ran)
    assert TOKEN not in ran.out + ran.err


def test_a_history_that_was_fetched_in_part_is_told_of(wardein: Callable[..., Ran], tmp_path: Path) -> None:
    source = write(tmp_path / "source", {"a.py": "x = 1\n"})
    committed(source)
    (source / "a.py").write_text("x = 2\n")
    git(source, "commit", "--quiet", "--all", "--message", "more")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{source}", str(tmp_path / "clone"))
    told = [wardein("scan-secrets", "--source", tmp_path / name, "--json") for name in ("source", "clone")]
    assert [ran.code for ran in told] == [0, 0]
    rules = [{finding["ruleId"] for finding in ran.report["findings"]} for ran in told]
    assert rules == [set(), {"secret/shallow-history"}]
