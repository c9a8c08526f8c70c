# SPDX-License-Identifier: Apache-2.0
"""Secrets come in by the environment and by files that keys lie in; none may come out.

A canary is a word that stands for a secret. One is planted wherever a secret can be, every step is run in ways that
pass and that fail, and everything that it prints and writes is searched. Each surface is shown to be searched by a
word that is no secret and has to be found there: the run's identifier, or the name of a file that is missing.

A secret that somebody gives as a plain setting (a label, a run's identifier, a path) is out of scope: settings are
what evidence is for.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from tests.conformance.world import Ready, command_line
from tests.conftest import Ran
from wardein import kfp_task, spec

CANARY = re.compile(r"c4nary[a-z]+|s3cret-line")
CONTROL = "run-control-42"
# By the environment variable that a secret comes in by.
ENVIRONMENT = {
    "WARDEIN_KEY_PASSPHRASE": "c4narypassphrase",
    "WARDEIN_HSM_PIN": "c4narypin",
    "VAULT_TOKEN": "c4naryvault",
    "AWS_SECRET_ACCESS_KEY": "c4naryaws",
    "AWS_SESSION_TOKEN": "c4narysession",
    "AZURE_CLIENT_SECRET": "c4naryazure",
    "MLFLOW_TRACKING_TOKEN": "c4narymlflowtoken",
    "MLFLOW_TRACKING_PASSWORD": "c4narymlflowpassword",
    "MLFLOW_TRACKING_URI": "http://user:c4narymlflowuri@127.0.0.1:9/?token=c4narymlflowquery",
    "WARDEIN_OPA": "http://user:c4naryopa@127.0.0.1:9",
    "SOMETHING_ELSE": "c4naryelse",
    "HTTPS_PROXY": "http://user:c4naryproxy@127.0.0.1:9",
}
TAG = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "2"}


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The environment of somebody who has all kinds of secrets, and a home with a registry's credentials in it."""
    for name, value in (ENVIRONMENT | TAG).items():
        monkeypatch.setenv(name, value)
    home = tmp_path / "home"
    for file, content in {
        ".docker/config.json": json.dumps({"auths": {"registry.invalid": {"auth": "c4narydocker"}}}),
        ".aws/credentials": "[default]\naws_secret_access_key = c4naryawsfile\n",
        ".netrc": "machine 127.0.0.1 login user password c4narynetrc\n",
    }.items():
        (home / file).parent.mkdir(parents=True, exist_ok=True)
        (home / file).write_text(content)
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def locked(ready: Ready, tmp_path: Path) -> Callable[[str], str]:
    """The house's keys once more, encrypted by the passphrase that is a canary."""

    def lock(role: str) -> str:
        path = Path(ready.world.key(role).removeprefix("file:"))
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
        phrase = serialization.BestAvailableEncryption(ENVIRONMENT["WARDEIN_KEY_PASSPHRASE"].encode())
        target = tmp_path / f"{role}-locked.pem"
        target.write_bytes(key.private_bytes(*form, phrase))
        return f"file:{target}"

    return lock


def secrets_of(ready: Ready) -> set[str]:
    """What the private keys of the house look like in a file, line by line, and as numbers."""
    found = set()
    for path in (ready.folder / "house" / "keys").glob("*.pem"):
        content = path.read_bytes()
        found |= {line for line in content.decode().splitlines() if len(line) > 40}
        number = serialization.load_pem_private_key(content, None).private_numbers().private_value
        found |= {str(number), f"{number:x}"}
    assert found
    return found


def texts(content: bytes) -> Iterator[str]:
    """What can be read in a file: itself, what is base64 in it, and what is packed."""
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    text = content.decode("utf-8", "replace")
    yield text
    for part in re.findall(r"[A-Za-z0-9+/]{40,}={0,2}", text):
        yield base64.b64decode(part + "=" * (-len(part) % 4), validate=False).decode("utf-8", "replace")


def search(surfaces: Mapping[str, bytes | str], ready: Ready) -> None:
    """No surface holds a canary or a key."""
    keys = secrets_of(ready)
    for name, content in surfaces.items():
        for text in texts(content if isinstance(content, bytes) else content.encode()):
            assert not CANARY.search(text), (name, CANARY.search(text))
            assert not [key for key in keys if key in text], name


def written(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def broken(arguments: Mapping[str, object], step: str, folder: Path) -> dict[str, object]:
    """A call that ends in ERROR after the key was opened: its subject is of another kind."""
    (folder / "noise").write_bytes(bytes(range(256)))
    return {**arguments, spec.load(step).subject.name: folder / "noise"}


ROLES = {"gate": "gate", "promote": "gate", "approve": "approve"}


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
@pytest.mark.parametrize("way", ["passing", "failing"])
@pytest.mark.parametrize("step", spec.STEPS)
def test_steps(
    step: str, way: str, as_json: bool, ready: Ready, planted: Path, locked: Callable[[str], str],
    tmp_path: Path, wardein: Callable[..., Ran],
) -> None:  # fmt: skip
    out = tmp_path / "out"
    out.mkdir()
    arguments = dict(ready.arguments(step, out))
    for name in ("signer", "auditor"):
        if name in arguments:
            arguments[name] = locked("train" if name == "signer" else "audit")
    if way == "failing":
        arguments = broken(arguments, step, tmp_path)
    signed = ["--evidence", out / "e.jsonl", "--html", out / "p.html", "--key", locked(ROLES.get(step, "check"))]
    signed += ["--sarif", out / "s.sarif"]
    decides = step in ("approve", "gate", "promote")  # of a run of this name there is no evidence to decide on
    signed += ["--run-id", "" if decides else CONTROL]
    ran = wardein(*command_line(step, arguments), *signed, *(["--json"] if as_json else []))
    assert ran.code == 0 if way == "passing" else ran.code in (0, 1, 2)
    surfaces = {"stdout": ran.out, "stderr": ran.err, **written(out)}
    assert {"e.jsonl", "p.html", "s.sarif"} <= set(surfaces)
    if not decides:
        for surface in ("e.jsonl", "p.html", *(["stdout"] if as_json else [])):
            content = surfaces[surface]
            assert any(CONTROL in text for text in texts(content if isinstance(content, bytes) else content.encode()))
    search(surfaces, ready)


# Secrets where they should not be: in URIs

URIS = {
    "vault with a token": "hv:c4naryuri@vault/key/1",
    "vault with a query": "hv:key/1?token=c4naryuri",
    "an address": "https://user:c4naryuri@vault.invalid/key",
    "a kind nobody knows": "vault://c4naryuri@host",
    "aws": "awskms:c4naryuri",
    "gcp": "gcpkms:projects/c4naryuri",
    "azure": "azurekms://c4naryuri.vault.azure.net/keys/x",
    "pkcs11": "hsm:2?label=x&pin-value=c4naryuri",
    "gnupg": "gnupg:c4naryuri",
}


@pytest.mark.parametrize("uri", URIS.values(), ids=URIS)
def test_key_uris(
    uri: str, ready: Ready, planted: Path, tmp_path: Path, wardein: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a key manager's library says when it fails, it says of the URI it was given."""
    monkeypatch.setattr("wardein.evidence.remote.ANSWER_SECONDS", 3.0)
    out = tmp_path / "out"
    out.mkdir()
    data = ["--data", ready.world.test_data, "--reference", ready.folder / "train.csv"]
    first = wardein("validate-data", *data, "--evidence", out / "e.jsonl", "--key", uri)
    arguments = dict(ready.arguments("sign_artifact", out)) | {"signer": uri}
    second = wardein(*command_line("sign_artifact", arguments), "--evidence", out / "s.jsonl", "--html", out / "s.html")
    assert (first.code, second.code) == (2, 2)
    assert first.one_line
    search({"err": first.err, "err 2": second.err, "out": second.out, **written(out)}, ready)


def test_a_key_in_the_place_of_its_uri(
    ready: Ready, planted: Path, tmp_path: Path, wardein: Callable[..., Ran]
) -> None:
    pem = Path(ready.world.key("check").removeprefix("file:")).read_text()
    data = ["--data", ready.world.test_data, "--reference", ready.folder / "train.csv"]
    ran = wardein("validate-data", *data, "--evidence", tmp_path / "e.jsonl", "--key", pem)
    assert ran.code == 2
    search({"err": ran.err, "out": ran.out}, ready)


def test_a_wrong_passphrase(
    ready: Ready, planted: Path, locked: Callable[[str], str], tmp_path: Path, wardein: Callable[..., Ran],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    uri = locked("check")
    monkeypatch.setenv("WARDEIN_KEY_PASSPHRASE", "c4narywrong")
    data = ["--data", ready.world.test_data, "--reference", ready.folder / "train.csv"]
    ran = wardein("validate-data", *data, "--evidence", tmp_path / "e.jsonl", "--key", uri)
    assert ran.code == 2
    assert "check-locked.pem" in ran.one_line  # the control: the key's name is told
    search({"err": ran.err}, ready)


IMAGES = {
    "userinfo": f"user:c4naryimage@registry.invalid/app@sha256:{'0' * 64}",
    "scheme": f"https://user:c4naryimage@registry.invalid/app@sha256:{'0' * 64}",
    "tag": "user:c4naryimage@registry.invalid/app:1",
    "query": f"registry.invalid/app?token=c4naryimage@sha256:{'0' * 64}",
}


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_image_references(image: str, ready: Ready, planted: Path, tmp_path: Path, wardein: Callable[..., Ran]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for step in ("scan_image", "gate"):
        arguments = dict(ready.arguments(step, out)) | {"image": image}
        arguments.pop("audit", None)
        written_to = ["--evidence", out / f"{step}.jsonl", "--html", out / f"{step}.html"]
        for more in ([], ["--json"]):
            ran = wardein(*command_line(step, arguments), *written_to, *more)
            assert ran.code == 2
            search({"err": ran.err, "out": ran.out, **written(out)}, ready)


def test_a_missing_file_is_told(ready: Ready, planted: Path, tmp_path: Path, wardein: Callable[..., Ran]) -> None:
    """The control of the error surfaces: what is no secret is named."""
    out = tmp_path / "out"
    out.mkdir()
    arguments = dict(ready.arguments("scan_image", out)) | {"database": out / CONTROL}
    ran = wardein(*command_line("scan_image", arguments), "--evidence", out / "e.jsonl", "--html", out / "p.html")
    assert CONTROL in ran.one_line
    for surface in written(out).values():
        assert any(CONTROL in text for text in texts(surface))


@pytest.mark.parametrize(
    "uri", ["http://user:c4narymlflowuri@127.0.0.1:9", "c4narymlflowuri://x", "http://c4narymlflowuri.invalid"]
)
def test_promotion_to_a_registry_that_does_not_answer(
    uri: str, ready: Ready, planted: Path, locked: Callable[[str], str], tmp_path: Path, wardein: Callable[..., Ran],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The client's errors hold the address, and the address the password."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    out = tmp_path / "out"
    out.mkdir()
    arguments = dict(ready.arguments("promote", out)) | {"registry": "models:/m@live"}
    ran = wardein(
        *command_line("promote", arguments), "--evidence", out / "e.jsonl", "--html", out / "p.html", "--json"
    )
    assert ran.code == 2
    search({"err": ran.err, "out": ran.out, **written(out)}, ready)
    assert not (out / "served" / "current").exists()


def with_rules(ready: Ready, folder: Path) -> dict[str, Path]:
    """The house's policy with a Rego rule, so that OPA is asked."""
    import shutil

    from wardein.subject import digest_of

    shutil.copytree(ready.world.policy, folder / "policy")
    (folder / "policy" / "rules.rego").write_text(
        "package wardein.release\n\nimport rego.v1\n\ndefault allow := false\n\nallow := true\n"
    )
    root = json.loads(ready.world.trust.read_text()) | {"policyDigest": digest_of(folder / "policy")}
    (folder / "trust.json").write_text(json.dumps(root))
    return {"trust": folder / "trust.json", "policy": folder / "policy"}


@pytest.mark.parametrize("opa", ["http://user:c4naryopa@127.0.0.1:9", "http://127.0.0.1:9/?c4naryopa", "c4naryopa"])
def test_an_opa_that_cannot_be_asked(
    opa: str, ready: Ready, planted: Path, tmp_path: Path, wardein: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WARDEIN_OPA", opa)
    out = tmp_path / "out"
    out.mkdir()
    arguments = dict(ready.arguments("gate", out)) | with_rules(ready, tmp_path)
    ran = wardein(*command_line("gate", arguments), "--evidence", out / "e.jsonl", "--html", out / "p.html", "--json")
    assert ran.code in (1, 2)
    assert "gate/rego" in ran.out  # the control: it was asked, and told
    if opa != "c4naryopa":  # that is no secret but the name of a program
        search({"err": ran.err, "out": ran.out, **written(out)}, ready)


# The orchestrators


@pytest.mark.parametrize("way", ["passing", "failing"])
def test_kubeflow_task(
    way: str,
    ready: Ready,
    planted: Path,
    locked: Callable[[str], str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    logged: dict[str, Any] = {}
    arguments: dict[str, Any] = dict(ready.arguments("validate_data", out))
    if way == "failing":
        out.mkdir()
        arguments = broken(arguments, "validate_data", out)
    params = spec.load("validate_data").params
    given = {param.name: param.default for param in params if not param.required and not param.output}
    given |= {name: SimpleNamespace(path=str(path)) for name, path in arguments.items()}
    given |= {"write_suite": SimpleNamespace(path=str(out / "suite.json")), "suite": None, "policy": None}
    for name in ("report", "summary"):
        given[name] = SimpleNamespace(path=str(out / name))
    given |= {"metrics": SimpleNamespace(log_metric=logged.__setitem__), "key": locked("check"), "run_id": CONTROL}
    outputs = kfp_task.run("validate_data", given)
    assert outputs.passed == (way == "passing")
    printed = capsys.readouterr()
    surfaces = {"out": printed.out, "err": printed.err, "outputs": repr((outputs, logged)), **written(out)}
    assert any(CONTROL in text for text in texts(surfaces["report"]))  # type: ignore[arg-type]
    search(surfaces, ready)


# An operator in a process of its own, as Airflow sets up logging for all of one. The last line is what it pushed.
TASK = """
import json, sys
from types import SimpleNamespace
from wardein.airflow import ValidateDataOperator
pushed, error = {}, ""
operator = ValidateDataOperator(task_id="t", command=(sys.executable, "-m", "wardein"), **json.loads(sys.argv[1]))
try:
    ti = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))
    pushed["returned"] = operator.execute({"ti": ti})
except Exception as raised:
    error = repr(raised)
print(json.dumps({"pushed": pushed, "error": error}))
"""


@pytest.mark.parametrize("way", ["passing", "failing"])
def test_airflow_operator(
    way: str, ready: Ready, planted: Path, locked: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XCom, the task's log and the exception, which Airflow shows to whoever may see the DAG."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    arguments = dict(ready.arguments("validate_data", tmp_path))
    if way == "failing":
        arguments = broken(arguments, "validate_data", tmp_path)
    given = {name: str(path) for name, path in arguments.items()}
    given |= {"evidence": str(tmp_path / "out" / "e.jsonl"), "key": locked("check"), "run_id": CONTROL}
    ended = subprocess.run([sys.executable, "-c", TASK, json.dumps(given)], capture_output=True, text=True, check=True)
    log, _, last = ended.stdout.rstrip().rpartition("\n")
    told = json.loads(last)
    assert bool(told["error"]) == (way == "failing")
    assert len(json.dumps(told["pushed"])) <= 2048
    assert "digest" in json.dumps(told["pushed"])
    assert CONTROL in log + ended.stderr  # the control: the log holds the command
    search({"out": ended.stdout, "err": ended.stderr, **written(tmp_path / "out")}, ready)


def test_the_search_finds_what_is_there(ready: Ready) -> None:
    """In plain text, in base64, in a packed file; and a private key by a line of its file."""
    planted_in = {
        "plain": b"x c4narytest y",
        "base64": base64.b64encode(b'{"reason": "of some length, then c4narytest"}'),
        "packed": gzip.compress(b"c4narytest"),
        "key": Path(ready.world.key("gate").removeprefix("file:")).read_bytes(),
    }
    for name, content in planted_in.items():
        with pytest.raises(AssertionError):
            search({name: content}, ready)
