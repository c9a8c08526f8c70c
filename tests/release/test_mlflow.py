# SPDX-License-Identifier: Apache-2.0
"""Promotion to MLflow and the reconciling of its aliases, against a real server, with hostile writers at both ends."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conformance.world import Ready, command_line
from tests.conftest import House, Ran
from wardein.errors import UsageError, WardeinError
from wardein.evidence.envelope import seal
from wardein.evidence.keys import signer_for
from wardein.evidence.statement import write
from wardein.release import registry
from wardein.release.audit import AuditLog
from wardein.release.mlflow_server import DEFAULTS, connect, is_proxied, pages
from wardein.release.registry import Destination, check_reachable, publish
from wardein.report import VSA
from wardein.subject import Subject, digest_of

# Packages that the full mlflow has and mlflow-skinny has not.
NOT_IN_SKINNY = ("sqlalchemy", "alembic", "flask", "pandas", "numpy", "pyarrow", "sklearn", "scipy", "matplotlib")


@dataclass(frozen=True)
class Server:
    """A running MLflow server and the folder in which it keeps artifacts."""

    uri: str
    store: Path


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "store"),
    ]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", process, folder / "log")
        yield Server(f"http://127.0.0.1:{port}", folder / "store")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.5)
    raise AssertionError(log.read_text())


@dataclass
class Released:
    """One registered model of a test, and what an honest promotion needs."""

    name: str
    server: Server
    house: House
    model: Path
    client: Any
    run: Callable[..., Ran]

    @property
    def to(self) -> Destination:
        return Destination(self.name, "champion")

    @property
    def policy(self) -> str:
        return digest_of(self.house.policy)

    def decision(self, role: str = "gate", model: Path | None = None, **changed: Any) -> bytes:
        """A gate's decision on a model, or what somebody else would like to pass for one."""
        said = {"policy": {"digest": {"sha256": self.policy}}, "environment": "dev", "tier": "standard", "nonce": ""}
        said |= {"verificationResult": "PASSED", "timeVerified": "2026-01-02T03:04:05Z", **changed}
        payload = write([Subject("model", digest_of(model or self.model))], VSA, said)
        return seal(payload, signer_for(self.house.key(role)) if role else None).to_line()

    def publish(self, evidence: bytes = b"", model: Path | None = None) -> str:
        """Publish what was decided, or what never was: this function does not ask."""
        model, evidence = model or self.model, evidence or self.decision(model=model)
        decision = hashlib.sha256(evidence.splitlines(keepends=True)[-1]).hexdigest()
        noted = {"policy": self.policy, "environment": "dev", "tier": "standard", "decision": decision}
        return publish(self.to, model, digest_of(model), evidence, noted).rpartition("/")[2]

    def alias(self) -> str | None:
        found = self.client.get_registered_model(self.name).aliases.get("champion")
        return None if found is None else str(found)

    def versions(self) -> list[str]:
        return sorted(str(v.version) for v in self.client.search_model_versions(f"name='{self.name}'"))

    def files(self, version: str) -> Path:
        """Where the server keeps the files of a version."""
        uri = self.client.get_model_version_download_uri(self.name, version)
        return self.server.store / uri.removeprefix("mlflow-artifacts:/")

    def reconcile(self, *more: object) -> Ran:
        rules = ["--trust", self.house.trust, "--policy", self.house.policy, "--json"]
        return self.run("reconcile", f"models:/{self.name}", *rules, *more)

    def problems(self, *more: object) -> str:
        """What reconcile says is wrong with the one alias."""
        ran = self.reconcile(*more)
        assert ran.code == 1, ran
        (listed,) = json.loads(ran.out)["aliases"]
        assert listed["state"] == "not ok"
        return "; ".join(listed["problems"])


@pytest.fixture
def released(
    server: Server,
    house: House,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    wardein: Callable[..., Ran],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Released]:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    model = tmp_path / "model.skops"
    model.write_bytes(b"honest weights")
    name = "m-" + hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]
    client = connect()
    yield Released(name, server, house, model, client, wardein)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    for left in client.search_registered_models():
        client.delete_registered_model(left.name)


@dataclass
class Wire:
    """The way to the server: a proxy that can lose or refuse what matches, and can die."""

    uri: str
    server: str
    matches: str = "nothing"
    loses: str = ""
    dead: bool = False
    seen: list[str] = field(default_factory=list)


@pytest.fixture
def wire(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    class Handler(BaseHTTPRequestHandler):
        def forward(self) -> None:
            asked = f"{self.command} {self.path}"
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            hit = wire.matches in asked
            wire.seen.append(asked)
            if hit and wire.loses == "server":
                wire.dead = True
            if wire.dead or (hit and wire.loses == "request"):
                self.connection.close()
                return
            there = HTTPConnection(urlsplit(wire.server).netloc, timeout=30)
            there.request(self.command, self.path, body, {k: v for k, v in self.headers.items() if k != "Host"})
            answer = there.getresponse()
            content = answer.read()
            if hit and wire.loses == "answer":
                self.connection.close()
                return
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (OSError, ValueError):
                self.close_connection = True

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    wire = Wire(f"http://127.0.0.1:{proxy.server_address[1]}", server.uri)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    yield wire
    proxy.shutdown()
    proxy.server_close()


# Publishing


def test_what_is_published_is_what_the_alias_gives(released: Released, tmp_path: Path) -> None:
    from mlflow.artifacts import download_artifacts

    evidence = released.decision()
    version = released.publish(evidence)
    assert released.alias() == version
    uri = f"models:/{released.name}@champion"
    got = Path(download_artifacts(artifact_uri=uri, dst_path=str(tmp_path / "got")))
    assert digest_of(got / "model.skops") == digest_of(released.model)
    tags = released.client.get_model_version(released.name, version).tags
    assert tags == {
        "wardein.digest": digest_of(released.model),
        "wardein.evidence": hashlib.sha256(evidence).hexdigest(),
        "wardein.decision": hashlib.sha256(evidence).hexdigest(),
        "wardein.policy": released.policy,
        "wardein.environment": "dev",
        "wardein.tier": "standard",
    }
    ran = released.reconcile()
    assert ran.code == 0, ran
    (listed,) = json.loads(ran.out)["aliases"]
    assert (listed["state"], listed["uri"], listed["digest"]) == ("ok", uri, digest_of(released.model))


def test_a_folder_is_published_as_it_is(released: Released, tmp_path: Path) -> None:
    folder = tmp_path / "a model"
    (folder / "data" / "tief").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "data" / "tief" / "wägung 1.bin").write_bytes(b"\0" * 3000)
    version = released.publish(model=folder)
    assert digest_of(released.files(version)) == digest_of(folder)
    assert released.reconcile().code == 0


@pytest.mark.parametrize("name", ["weights#1.bin", "weights?.bin"])
def test_a_name_that_mlflow_does_not_keep_is_found_out(name: str, released: Released, tmp_path: Path) -> None:
    """MLflow's client cuts these names off and reports success."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / name).write_bytes(b"1")
    with pytest.raises(WardeinError, match="came back as other bytes"):
        released.publish(model=folder)
    assert released.versions() == []


def test_the_same_again_is_the_same_version(released: Released) -> None:
    evidence = released.decision()
    version = released.publish(evidence)
    released.client.delete_registered_model_alias(released.name, "champion")
    assert released.publish(evidence) == version == released.alias()
    released.client.set_model_version_tag(released.name, version, "wardein.policy", "forged")
    assert released.publish(evidence) != version
    later = released.publish(released.decision(timeVerified="2026-02-02T03:04:05Z"))
    assert released.versions() == ["1", "2", "3"]
    assert released.alias() == later == "3"


def test_a_version_that_was_tampered_with_is_not_used_again(released: Released) -> None:
    evidence = released.decision()
    version = released.publish(evidence)
    (released.files(version) / "model.skops").write_bytes(b"evil")
    again = released.publish(evidence)
    assert again != version
    assert released.alias() == again
    assert released.reconcile().code == 0


@pytest.mark.parametrize("change", ["model", "more", "evidence", "less"])
def test_what_comes_back_changed_is_not_served(
    change: str, released: Released, monkeypatch: pytest.MonkeyPatch
) -> None:
    standing = released.publish()
    make = registry._Publication._make_version

    def tampering(publication: registry._Publication, run: Any) -> str:
        version = make(publication, run)
        files = released.files(version)
        {
            "model": lambda: (files / "model.skops").write_bytes(b"evil"),
            "more": lambda: (files / "model.pkl").write_bytes(b"evil"),
            "evidence": lambda: (files.parent / "claims.jsonl").write_bytes(b"{}\n"),
            "less": lambda: shutil.rmtree(files),
        }[change]()
        return version

    monkeypatch.setattr(registry._Publication, "_make_version", tampering)
    with pytest.raises(WardeinError, match="came back as other bytes.*the alias was not moved.*is deleted") as error:
        released.publish(released.decision(timeVerified="2026-02-02T03:04:05Z"))
    assert str(error.value).startswith(f"models:/{released.name}/2: ")
    assert released.alias() == standing
    assert released.versions() == [standing]
    monkeypatch.setattr(registry._Publication, "_check_came_back", lambda *arguments: None)
    assert released.publish(released.decision(timeVerified="2026-03-02T03:04:05Z")) == released.alias() != standing


@pytest.mark.parametrize(
    "request_of",
    [
        "POST /api/2.0/mlflow/registered-models/create",
        "POST /api/2.0/mlflow/runs/create",
        "PUT /api/2.0/mlflow-artifacts/artifacts/",
        "released/model.skops",
        "POST /api/2.0/mlflow/model-versions/create",
        "GET /api/2.0/mlflow/model-versions/get-download-uri",
        "GET /api/2.0/mlflow-artifacts/artifacts/",
        "POST /api/2.0/mlflow/registered-models/alias",
    ],
)
@pytest.mark.parametrize("loses", ["server", "request"])
def test_a_failure_on_the_way_leaves_the_alias(
    request_of: str, loses: str, released: Released, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    standing = released.publish()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", wire.uri)
    wire.matches, wire.loses = request_of, loses
    with pytest.raises(WardeinError) as error:
        released.publish(released.decision(timeVerified="2026-02-02T03:04:05Z"))
    assert any(request_of in asked for asked in wire.seen)
    assert "cannot be reached" in str(error.value) or "Remote end closed connection" in str(error.value)
    assert len(str(error.value)) < 400
    monkeypatch.setenv("MLFLOW_TRACKING_URI", released.server.uri)
    assert released.alias() == standing
    if loses == "request":
        assert released.versions() == [standing]
        assert "not known" not in str(error.value)
    elif "/alias" in request_of:
        assert "it is not known whether it moved to version 2" in str(error.value)
    assert released.reconcile().code == 0


def test_a_lost_answer_to_the_move_is_looked_up(
    released: Released, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", wire.uri)
    wire.matches, wire.loses = "POST /api/2.0/mlflow/registered-models/alias", "answer"
    version = released.publish()
    assert any("/alias" in asked for asked in wire.seen)
    assert released.alias() == version


def test_a_server_without_an_artifact_proxy_is_refused(released: Released, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = released.client.create_experiment(released.name, artifact_location="s3://elsewhere/bucket")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
    with pytest.raises(WardeinError, match="does not serve the artifacts"):
        released.publish()
    assert released.versions() == []


def test_an_experiment_can_be_named(released: Released, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"{released.name} promotions")
    first = released.publish()
    second = released.publish(released.decision(timeVerified="2026-02-02T03:04:05Z"))
    experiment = released.client.get_experiment_by_name(f"{released.name} promotions")
    for version in (first, second):
        run = released.client.get_run(released.client.get_model_version(released.name, version).run_id)
        assert (run.info.experiment_id, run.info.status) == (experiment.experiment_id, "FINISHED")


# Finding the server


@pytest.mark.parametrize(
    "uri",
    [
        "http://user:s3cret@127.0.0.1:1",
        "http://user:s3/cret@127.0.0.1:1",
        "http://user:s3@cret@127.0.0.1:1/",
        "https://user:s3cret@localhost:1/prefix",
    ],
)
def test_a_server_that_is_down_is_one_line_without_credentials(
    uri: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    with pytest.raises(WardeinError) as error:
        check_reachable(Destination("m", "champion"))
    text = str(error.value)
    assert not [part for part in ("user", "s3", "cret") if part in text], text
    assert "\n" not in text
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("uri", ["", "sqlite:///mlflow.db", "file:///tmp/mlruns", "databricks", "mlruns"])
def test_an_environment_without_a_server(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(UsageError, match="MLFLOW_TRACKING_URI: names no MLflow server"):
        check_reachable(Destination("m", "champion"))


def test_a_registry_apart_must_be_a_server_too(released: Released, monkeypatch: pytest.MonkeyPatch) -> None:
    check_reachable(released.to)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "sqlite:///mine.db")
    with pytest.raises(UsageError, match="MLFLOW_REGISTRY_URI: names no MLflow server"):
        check_reachable(released.to)


def test_requests_are_bounded_and_nothing_is_told_to_others(
    released: Released, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in DEFAULTS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "17")
    connect()
    assert {name: os.environ[name] for name in DEFAULTS} == DEFAULTS | {"MLFLOW_HTTP_REQUEST_TIMEOUT": "17"}


def test_without_the_extra(released: Released, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(WardeinError, match=r"needs the Python package 'mlflow'.*pip install 'wardein\[mlflow\]'"):
        check_reachable(released.to)


def test_mlflow_skinny_is_enough(released: Released) -> None:
    program = f"""
import sys
sys.modules.update(dict.fromkeys({NOT_IN_SKINNY!r}))
from pathlib import Path
from wardein.release.registry import Destination, check_reachable, publish
to = Destination({released.name!r}, "champion")
check_reachable(to)
print(publish(to, Path({str(released.model)!r}), {digest_of(released.model)!r}, b"{{}}\\n", {{}}))
print(publish(to, Path({str(released.model)!r}), {digest_of(released.model)!r}, b"{{}}\\n", {{}}))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"models:/{released.name}/1\n" * 2
    assert ran.stderr == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m@champion",
        "models:/m",
        "models:/m/1",
        "models:/m@",
        "models:/@champion",
        "models:/m@champion@other",
        "models:/m/../n@champion",
        "models:/..@champion",
        "models:/a..b@champion",
        "models:/.m@champion",
        "models:/-m@champion",
        "models:/m@latest",
        "models:/m@LATEST",
        "models:/m@v1",
        "models:/m@V12",
        "models:/m@cham/pion",
        "models:/m@cham pion",
        "models:/m'@champion",
        "models:/m%2f@champion",
        "models:/m?a=b@champion",
        "models:/m#a@champion",
        "models:/{{m}}@champion",
        "models:/${m}@champion",
        "models:/m@champion\n",
        "models:/m\x00@champion",
        "models:/m\x1b[31m@champion",
        "models:/ｍ@champion",
        "models:/m@chämpion",
        "models://host/m@champion",
        "MODELS:/m@champion",
        f"models:/{'m' * 129}@champion",
        f"models:/m@{'a' * 65}",
    ],
)
def test_a_destination_that_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not models:/NAME@ALIAS"):
        Destination.parse(text)


@pytest.mark.parametrize("text", ["models:/m@champion", "models:/Fraud_model-2.1@prod_eu-1", "models:/m@latest-ok"])
def test_a_destination_that_is_read(text: str) -> None:
    assert Destination.parse(text).uri == text


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("mlflow-artifacts:/0/abc/artifacts/released", True),
        ("mlflow-artifacts:/a..b/c", True),
        ("mlflow-artifacts://evil.example/0/abc", False),
        ("mlflow-artifacts:///0/abc", False),
        ("mlflow-artifacts:/0/../1", False),
        ("mlflow-artifacts:/..", False),
        ("mlflow-artifacts:/../x", False),
        ("mlflow-artifacts:/0/./1", False),
        ("mlflow-artifacts:/0/%2e%2e/1", False),
        ("mlflow-artifacts:/0/a?b", False),
        ("mlflow-artifacts:/0/a#b", False),
        ("mlflow-artifacts:/0\\..\\a", False),
        ("mlflow-artifacts:/", False),
        ("http://evil.example/a", False),
        ("file:///etc", False),
        ("/etc/passwd", False),
        ("s3://bucket/a", False),
        ("runs:/a/b", False),
    ],
)
def test_only_the_servers_own_artifacts_are_asked_for(uri: str, expected: bool) -> None:
    """Another address would be sent the credentials of whoever reconciles."""
    assert is_proxied(uri) is expected


# Reconciling


def move_by_hand(released: Released, version: str) -> None:
    released.client.set_registered_model_alias(released.name, "champion", version)


def make_by_hand(released: Released, content: bytes, evidence: bytes = b"", **tags: str) -> str:
    """A version as anybody can make it who can write to the registry and to the store."""
    run = released.client.create_run("0")
    folder = released.model.parent / "by-hand"
    folder.mkdir(exist_ok=True)
    (folder / "model.skops").write_bytes(content)
    released.client.log_artifact(run.info.run_id, str(folder / "model.skops"), "released")
    if evidence:
        (folder / "claims.jsonl").write_bytes(evidence)
        released.client.log_artifact(run.info.run_id, str(folder / "claims.jsonl"))
    source = f"{run.info.artifact_uri}/released"
    made = released.client.create_model_version(released.name, source, run.info.run_id, tags, await_creation_for=0)
    return str(made.version)


def test_bytes_exchanged_in_the_store(released: Released) -> None:
    version = released.publish()
    (released.files(version) / "model.skops").write_bytes(b"evil")
    found = released.problems()
    assert "its bytes differ from those that were decided on" in found
    assert "wardein.digest is not" in found


def test_a_file_added_in_the_store(released: Released) -> None:
    version = released.publish()
    (released.files(version) / "model.pkl").write_bytes(b"evil")
    assert "its bytes differ" in released.problems()


def test_an_alias_moved_by_hand(released: Released) -> None:
    released.publish()
    move_by_hand(released, make_by_hand(released, b"evil"))
    assert released.problems() == "moved without a decision: there is no evidence beside this version"


def test_tags_copied_by_hand(released: Released) -> None:
    version = released.publish()
    tags = released.client.get_model_version(released.name, version).tags
    move_by_hand(released, make_by_hand(released, b"evil", **tags))
    assert "there is no evidence" in released.problems()


def test_tags_and_evidence_copied_by_hand(released: Released) -> None:
    evidence = released.decision()
    version = released.publish(evidence)
    tags = released.client.get_model_version(released.name, version).tags
    move_by_hand(released, make_by_hand(released, b"evil", evidence, **tags))
    assert "its bytes differ from those that were decided on" in released.problems()
    tags["wardein.digest"] = hashlib.sha256(b"evil").hexdigest()
    move_by_hand(released, make_by_hand(released, b"evil", evidence, **tags))
    assert "its bytes differ from those that were decided on" in released.problems()


@pytest.mark.parametrize("role", ["", "check", "train", "approve", "break-glass"])
def test_a_decision_by_nobody_who_may_decide(role: str, released: Released) -> None:
    released.publish(released.decision(role))
    assert "moved without a decision: its evidence holds none that a gate" in released.problems()


def test_a_decision_of_another_house(released: Released, tmp_path: Path, wardein: Callable[..., Ran]) -> None:
    assert wardein("init", tmp_path / "evil").code == 0
    foreign = House(tmp_path / "evil")
    theirs = Released(released.name, released.server, foreign, released.model, released.client, wardein)
    released.publish(theirs.decision(policy={"digest": {"sha256": released.policy}}))
    assert "holds none that a gate of the trust root signed" in released.problems()


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"verificationResult": "FAILED"}, "the last decision on it is FAILED"),
        ({"verificationResult": "passed"}, "the last decision on it is FAILED"),
        ({"environment": "prod"}, "the decision was made for another environment than dev"),
        ({"environment": None}, "the decision was made for another environment than dev"),
        ({"policy": {"digest": {"sha256": "0" * 64}}}, "under another policy"),
        ({"policy": "baseline"}, "under another policy"),
    ],
)
def test_a_decision_that_does_not_let_it_be_served_here(
    changed: dict[str, Any], problem: str, released: Released
) -> None:
    released.publish(released.decision(**changed))
    assert problem in released.problems()


def test_a_later_refusal_outweighs_an_earlier_pass(released: Released) -> None:
    refused = released.decision(verificationResult="FAILED", timeVerified="2026-02-02T03:04:05Z")
    released.publish(refused + released.decision())
    assert "the last decision on it is FAILED" in released.problems()


def test_a_decision_for_elsewhere_does_not_count_here_for_or_against(released: Released) -> None:
    elsewhere = released.decision(environment="prod", verificationResult="FAILED", timeVerified="2026-02-02T03:04:05Z")
    released.publish(elsewhere + released.decision())
    assert released.reconcile().code == 0


@pytest.mark.parametrize("tag", ["digest", "evidence", "decision", "policy", "environment", "tier"])
def test_tags_that_lie_about_a_good_version(tag: str, released: Released) -> None:
    version = released.publish()
    released.client.set_model_version_tag(released.name, version, f"wardein.{tag}", "forged")
    assert released.problems() == f"its tag wardein.{tag} is not what its files say"


def test_evidence_exchanged_or_removed(released: Released) -> None:
    version = released.publish()
    claims = released.files(version).parent / "claims.jsonl"
    claims.write_bytes(released.decision(timeVerified="2026-02-02T03:04:05Z"))
    assert "wardein.evidence is not" in released.problems()
    claims.write_bytes(b"not evidence\n")
    assert "holds none that a gate" in released.problems()
    claims.unlink()
    assert "there is no evidence" in released.problems()


def test_files_that_are_gone(released: Released) -> None:
    shutil.rmtree(released.files(released.publish()))
    assert released.problems() == "its files are gone"


def test_files_that_lie_elsewhere(released: Released) -> None:
    released.publish()
    made = released.client.create_model_version(released.name, "s3://evil/released", await_creation_for=0)
    move_by_hand(released, made.version)
    assert released.problems() == "its files lie elsewhere than in the artifact store of the server"


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_stage_without_an_alias(released: Released) -> None:
    version = released.publish()
    released.client.transition_model_version_stage(released.name, version, "Production")
    assert released.reconcile().code == 0
    other = make_by_hand(released, b"evil")
    released.client.transition_model_version_stage(released.name, other, "Archived")
    assert released.reconcile().code == 0
    released.client.transition_model_version_stage(released.name, other, "Staging")
    ran = released.reconcile()
    assert ran.code == 1
    found = {item["uri"]: item["state"] for item in json.loads(ran.out)["aliases"]}
    assert found == {f"models:/{released.name}@champion": "ok", f"models:/{released.name}/Staging": "not ok"}


def test_every_alias_is_looked_at(released: Released) -> None:
    released.publish()
    released.client.set_registered_model_alias(released.name, "shadow", make_by_hand(released, b"evil"))
    ran = released.reconcile()
    assert ran.code == 1
    assert [item["state"] for item in json.loads(ran.out)["aliases"]] == ["ok", "not ok"]


def test_the_audit_log_must_know_of_it(released: Released, tmp_path: Path) -> None:
    version = released.publish()
    target = tmp_path / "served"
    target.mkdir()
    log = AuditLog(target / "audit.jsonl")
    log.append({"action": "promote", "model": "0" * 64})
    log.append({"action": "refuse", "model": digest_of(released.model)})
    assert "knows of no promotion of these bytes" in released.problems("--target", target)
    log.append({"action": "promote", "model": digest_of(released.model), "registry": released.to.uri})
    assert released.reconcile("--target", target).code == 0
    # What was promoted once, and replaced since, is a good model at the wrong time.
    released.model.write_bytes(b"better weights")
    released.publish()
    log.append({"action": "promote", "model": digest_of(released.model), "registry": released.to.uri})
    assert released.reconcile("--target", target).code == 0
    move_by_hand(released, version)
    assert "is not where the audit log's last promotion" in released.problems("--target", target)
    assert released.reconcile().code == 0


def test_a_later_refusal_in_the_audit_log(released: Released, tmp_path: Path) -> None:
    released.publish()
    log = AuditLog(tmp_path / "audit.jsonl", "dev")
    said = {"model": digest_of(released.model)}
    log.append(said | {"action": "decide", "result": "FAILED", "decided": "2026-01-01T00:00:00+00:00"})
    log.append(said | {"action": "promote"})
    assert "no promotion of these bytes to this alias" in released.problems("--target", tmp_path)
    log.append(said | {"action": "promote", "registry": released.to.uri})
    assert released.reconcile("--target", tmp_path).code == 0
    refused = {"action": "decide", "result": "FAILED", "reasons": "gate/finding"}
    log.append(said | refused | {"decided": "2026-01-03T00:00:00+00:00"})
    assert "a later decision on these bytes: FAILED (gate/finding)" in released.problems("--target", tmp_path)
    log.append(said | {"action": "decide", "result": "PASSED", "decided": "2026-01-04T00:00:00+00:00"})
    assert released.reconcile("--target", tmp_path).code == 0


def test_an_audit_log_of_another_environment(released: Released, tmp_path: Path) -> None:
    released.publish()
    AuditLog(tmp_path / "audit.jsonl", "prod").append({"action": "promote", "model": digest_of(released.model)})
    ran = released.reconcile("--target", tmp_path)
    assert ran.code == 2
    assert "is the log of prod, the trust root is for dev" in ran.one_line


def test_an_audit_log_that_cannot_be_believed(released: Released, tmp_path: Path) -> None:
    released.publish()
    ran = released.reconcile("--target", tmp_path)
    assert ran.code == 2
    assert "give --target the folder that promote serves from" in ran.one_line
    (tmp_path / "audit.jsonl").write_text('{"action": "promote", "previous": "edited"}\n')
    ran = released.reconcile("--target", tmp_path)
    assert ran.code == 2
    assert "the log was edited" in ran.one_line
    assert ran.out == ""


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_all_of_a_registry_with_hostile_names(released: Released) -> None:
    released.publish()
    released.client.transition_model_version_stage(released.name, make_by_hand(released, b"evil"), "Staging")
    odd = ("it's", "it's \"", "name='x", "\x1b[31mred", "100% ..%2e", "one\ntwo", "zwölf")
    names = [f"{released.name} {name}" for name in odd]
    for name in names:
        released.client.create_registered_model(name)
        released.client.create_model_version(name, "s3://x/y", await_creation_for=0)
    ran = released.run("reconcile", "--all", "--trust", released.house.trust, "--policy", released.house.policy)
    assert ran.code == 1, ran
    assert "\x1b" not in ran.out
    assert sum(f"no alias      models:/{released.name} " in line for line in ran.out.splitlines()) == len(names)
    assert not [line for line in ran.out.splitlines() if line.startswith("two")]
    # The versions of one model are not taken for those of another.
    assert ran.out.count(f"models:/{released.name}/Staging version 2") == 1


def test_every_page_of_a_search_is_read(released: Released) -> None:
    for number in range(3):
        released.client.create_registered_model(f"{released.name}-{number}")
    found = [model.name for model in pages(partial(released.client.search_registered_models, max_results=1), "no")]
    assert {f"{released.name}-{number}" for number in range(3)} <= set(found)
    assert len(found) == len(set(found))


def test_nothing_to_look_at_is_no_pass(released: Released) -> None:
    released.publish()
    released.client.delete_registered_model_alias(released.name, "champion")
    ran = released.reconcile()
    assert ran.code == 2
    assert ran.one_line == "wardein: reconcile: there were no aliases to examine"
    assert json.loads(ran.out)["withoutAlias"] == [released.name]


def test_what_cannot_be_examined_is_no_pass(released: Released, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    released.publish()
    released.client.set_registered_model_alias(released.name, "shadow", make_by_hand(released, b"evil"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", wire.uri)
    wire.matches, wire.loses = "released/model.skops", "request"
    ran = released.reconcile()
    assert ran.code == 2
    assert "only 1 of 2 aliases examined" in ran.one_line
    states = [item["state"] for item in json.loads(ran.out)["aliases"]]
    assert states == ["not examined", "not ok"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["models:/no-such-model"], "no-such-model cannot be looked up"),
        (["models:/m@champion"], "is not models:/NAME"),
        (["m'; drop"], "is not models:/NAME"),
        ([], "or give --all"),
        (["models:/m", "--all"], "or give --all"),
        (["models:/m", "--trust", "/nowhere"], "cannot be read"),
        (["models:/m", "--policy", "/dev/null"], "is not a regular file"),
    ],
)
def test_calls_that_cannot_be_answered(arguments: list[str], line: str, released: Released) -> None:
    ran = released.run("reconcile", "--trust", released.house.trust, "--policy", released.house.policy, *arguments)
    assert ran.code == 2
    assert line in ran.one_line
    assert ran.out == ""


def test_another_policy_than_the_pinned_one(released: Released) -> None:
    (released.house.policy / "more.yaml").write_text("{}")
    ran = released.reconcile()
    assert ran.code == 2
    assert "is not the policy that the trust root pins" in ran.one_line


def test_a_registry_that_is_down(released: Released) -> None:
    """In a process of its own, where nothing keeps the libraries' own warnings from the terminal."""
    command = [sys.executable, "-m", "wardein", "reconcile", "--all", "--trust", str(released.house.trust)]
    environment = {"MLFLOW_TRACKING_URI": "http://user:s3cret@127.0.0.1:1", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
    ran = subprocess.run(
        [*command, "--policy", str(released.house.policy)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert Ran(2, ran.stdout, ran.stderr).one_line == (
        "wardein: the model registry: the registered models cannot be listed (it cannot be reached); "
        "check that the server of MLFLOW_TRACKING_URI runs and can be reached"
    )


# The real thing: a gate's evidence, promote, and a shell


def test_promote_moves_an_alias_that_reconcile_finds_in_order(
    ready: Ready, server: Server, tmp_path: Path, wardein: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    name = "models:/high-progression"
    line = [*command_line("promote", ready.arguments("promote", tmp_path)), "--registry", f"{name}@champion", "--json"]
    promoted = wardein(*line)
    assert promoted.code == 0, promoted.err
    assert promoted.report["verdict"] == "PASS"
    rules = ["--trust", str(ready.world.trust), "--policy", str(ready.world.policy), "--target", tmp_path / "served"]
    command = [sys.executable, "-m", "wardein", "reconcile", name, *map(str, rules)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran
    assert ran.stdout.splitlines() == [
        "PASS  reconcile  1 of 1 aliases examined",
        f"  ok            {name}@champion version 1: sha256:{digest_of(ready.model)}",
    ]
    assert ran.stderr == ""
    assert wardein(*line).code == 0
    assert connect().get_registered_model("high-progression").aliases == {"champion": "1"}


def test_promote_does_nothing_if_the_registry_cannot_be_asked(
    ready: Ready, tmp_path: Path, wardein: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:s3cret@127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    line = command_line("promote", ready.arguments("promote", tmp_path))
    for registry_uri, why in (("models:/m@champion", "cannot be reached"), ("models:/m", "is not models:/NAME@ALIAS")):
        ran = wardein(*line, "--registry", registry_uri)
        assert ran.code == 2
        assert why in ran.one_line
        assert "s3cret" not in ran.one_line + ran.out
        assert not (tmp_path / "served" / "current").exists()
