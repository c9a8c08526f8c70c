# SPDX-License-Identifier: Apache-2.0
"""Every kind of key, from the command line to the trust root: what it signs holds, and what it cannot do is said."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from securesystemslib.signer import GPGSigner, Key

from tests.conftest import House, Ran
from tests.standins import vault as standin
from wardein.errors import WardeinError
from wardein.evidence import openpgp, remote, trust
from wardein.evidence.envelope import Envelope, parse, read_claims, seal
from wardein.evidence.keys import public_key_of, signer_for, trust_entry
from wardein.evidence.trust import TrustRoot

LIBRARY = next((p for p in Path("/usr/lib").rglob("libsofthsm2.so")), None)
PIN, TOKEN, PASSPHRASE, SECRET = "4711-canary-pin", "hvs.canary-token", "canary-passphrase", "canary/aws+secret"
needs_softhsm = pytest.mark.skipif(
    LIBRARY is None or shutil.which("softhsm2-util") is None, reason="softhsm2 is not installed"
)
needs_gpg = pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg (GnuPG) is not installed")
CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}


@dataclass
class Place:
    """Where keys of one kind are: the environment that reaches them, and their URIs."""

    environment: dict[str, str]
    uris: dict[str, str] = field(default_factory=dict)
    folder: Path = Path()


def write_pem(path: Path, key: object, passphrase: str = "") -> Path:
    protection = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection))
    return path


def write_public(path: Path, key: object) -> Path:
    path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("file")
    keys = {name: ec.generate_private_key(curve) for name, curve in CURVES.items()}
    keys |= {"Ed25519": ed25519.Ed25519PrivateKey.generate(), "RSA": rsa.generate_private_key(65537, 2048)}
    keys |= {"ML-DSA": mldsa.MLDSA65PrivateKey.generate()}
    return Place({}, {name: f"file:{write_pem(folder / f'{name}.pem', key)}" for name, key in keys.items()}, folder)


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Place:
    path = tmp_path_factory.mktemp("encrypted") / "key.pem"
    write_pem(path, ec.generate_private_key(CURVES["P-256"]), PASSPHRASE)
    return Place({"WARDEIN_KEY_PASSPHRASE": PASSPHRASE}, {"P-256": str(path)})


@pytest.fixture(scope="module")
def hsm(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A SoftHSM token with two keys. The library reads its settings once a process, so there is one token for all."""
    folder = tmp_path_factory.mktemp("hsm")
    (folder / "tokens").mkdir()
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
    environment = {"SOFTHSM2_CONF": str(settings), "PYKCS11LIB": str(LIBRARY), "WARDEIN_HSM_PIN": PIN}

    def util(*arguments: str) -> None:
        command = ["softhsm2-util", *arguments, "--pin", PIN]
        subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True)

    util("--init-token", "--free", "--label", "house 1", "--so-pin", "87654321")
    for number, name in ((2, "P-256"), (3, "P-384")):
        pem = write_pem(folder / f"{number}.pem", ec.generate_private_key(CURVES[name]))
        util("--import", str(pem), "--token", "house 1", "--id", f"0{number}", "--label", name)
    uris = {"P-256": "hsm:2?label=house+1", "P-384": "hsm:3?label=house%201", "the default": "hsm:"}
    return Place(environment, uris, folder)


@pytest.fixture(scope="module")
def gnupg() -> Iterator[Place]:
    """A keyring: keys that sign, one that is revoked, one that was valid for a day until two days ago."""
    home = Path(tempfile.mkdtemp(prefix="gpg-"))  # a short path, as the agent's socket is in it
    place = Place({"GNUPGHOME": str(home)}, {}, home)
    long_ago = f"{datetime.now(UTC) - timedelta(days=3):%Y%m%dT%H%M%S}"
    kinds = {"Ed25519": ("ed25519", "1y"), "RSA": ("rsa2048", "never"), "DSA": ("dsa2048", "0")}
    kinds |= {"NIST P-256": ("nistp256", "1y"), "revoked": ("ed25519", "1y"), "expired": ("ed25519", "1d")}
    try:
        for name, (algorithm, life) in kinds.items():
            faked = ["--faked-system-time", long_ago] if name == "expired" else []
            place.uris[name] = f"gnupg:{generate(place, name, algorithm, 'sign', life, *faked)}"
        primary = generate(place, "primary", "ed25519", "cert", "1y")
        gpg(place, "--passphrase", "", "--quick-add-key", primary, "ed25519", "sign", "30d")
        place.uris["a subkey"] = f"gnupg:{fingerprints(place, primary)[1]}"
        place.uris["only certifies"] = f"gnupg:{primary}"
        yield place
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)


def generate(place: Place, name: str, algorithm: str, use: str, life: str, *options: str) -> str:
    user = f"{name} <{name}@house.example>"
    gpg(place, *options, "--passphrase", "", "--quick-generate-key", user, algorithm, use, life)
    return fingerprints(place, f"={user}")[0]


def fingerprints(place: Place, whose: str) -> list[str]:
    listed = gpg(place, "--with-colons", "--list-keys", whose).splitlines()
    return [line.split(":")[9] for line in listed if line.startswith("fpr")]


def gpg(place: Place, *arguments: str) -> str:
    command = ["gpg", "--homedir", str(place.folder), "--batch", "--yes", "--pinentry-mode", "loopback", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def awskms() -> Iterator[Place]:
    """Moto's server of AWS KMS, over HTTP. What it lacks, MessageType=DIGEST, is made up for here."""
    import boto3
    from moto.kms.utils import ECDSAPrivateKey, RSAPrivateKey
    from moto.server import ThreadedMotoServer

    patches = pytest.MonkeyPatch()
    for kind in (ECDSAPrivateKey, RSAPrivateKey):
        patches.setattr(kind, "sign", sign_digest)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_MAX_ATTEMPTS": "1",
    }
    environment |= {"AWS_ACCESS_KEY_ID": "AKIACANARY", "AWS_SECRET_ACCESS_KEY": SECRET}
    environment["AWS_EC2_METADATA_DISABLED"] = "true"
    client = boto3.client(
        "kms",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name="eu-west-1",
        aws_access_key_id="AKIACANARY",
        aws_secret_access_key=SECRET,
    )
    uris = {}
    for name, spec in (("P-256", "ECC_NIST_P256"), ("P-384", "ECC_NIST_P384"), ("RSA", "RSA_2048")):
        made = client.create_key(KeyUsage="SIGN_VERIFY", KeySpec=spec)["KeyMetadata"]
        uris[name] = f"awskms:{made['KeyId']}"
        uris[f"{name} by its ARN"] = f"awskms:{made['Arn']}"
    yield Place(environment, uris)
    server.stop()
    patches.undo()


def sign_digest(key: Any, message: bytes, signing_algorithm: str) -> bytes:
    """Sign as AWS KMS does where the message is a digest; any message of another length is refused."""
    digest = {"256": SHA256(), "384": SHA384()}[signing_algorithm[-3:]]
    if isinstance(key.private_key, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
        return key.private_key.sign(message, pss, Prehashed(digest))
    return key.private_key.sign(message, ec.ECDSA(Prehashed(digest)))


@pytest.fixture(scope="module")
def server() -> Iterator[standin.StandIn]:
    types = {"check": "ecdsa-p256", "ed": "ed25519", "big": "rsa-2048", "unfit": "ecdsa-p384"}
    with standin.serving(TOKEN, **types) as serving:
        yield serving


@pytest.fixture
def hv(server: standin.StandIn, monkeypatch: pytest.MonkeyPatch) -> Place:
    server.signed, server.silent, server.refuse_after = 0, False, 0
    uris = {"P-256": "hv:check/1", "Ed25519": "hv:ed/1", "RSA": "hv:big/1"}
    return Place({"VAULT_ADDR": server.address, "VAULT_TOKEN": TOKEN}, uris)


def enter(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Reach the keys from this process."""
    import boto3

    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it remembers the credentials of earlier tests
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    return place


CASES = [
    *[("file", name) for name in ("P-256", "P-384", "P-521", "Ed25519", "RSA", "ML-DSA")],
    ("encrypted", "P-256"),
    *[pytest.param("hsm", name, marks=needs_softhsm) for name in ("P-256", "P-384", "the default")],
    *[pytest.param("gnupg", name, marks=needs_gpg) for name in ("Ed25519", "RSA", "DSA", "a subkey")],
    *[("awskms", name) for name in ("P-256", "P-384", "RSA", "P-256 by its ARN")],
    *[("hv", name) for name in ("P-256", "Ed25519", "RSA")],
]


@pytest.fixture
def uri(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of a key, in an environment that reaches it."""
    kind, name = request.param
    return enter(request.getfixturevalue(kind), monkeypatch).uris[name]


def parametrize(*cases: object) -> pytest.MarkDecorator:
    params = [
        pytest.param(c.values, marks=c.marks, id="-".join(c.values))
        if hasattr(c, "marks")
        else pytest.param(c, id="-".join(c))
        for c in cases
    ]
    return pytest.mark.parametrize("uri", params, indirect=True)


def root_with(house: House, entry: str, *roles: str) -> TrustRoot:
    """The house's trust root, with a key in the place of those that have the same duties."""
    data = json.loads(house.trust.read_text())
    data["keys"] = [key for key in data["keys"] if not set(key["roles"]) & {*roles, "train"}]
    data["keys"].append({"name": "the-key", "identity": "ci", "roles": list(roles), **json.loads(entry)})
    house.trust.write_text(json.dumps(data))
    return trust.load(house.trust)


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "model.skops"
    path.write_bytes(b"weights")
    return path


def sign(artifact: Path, house: House, *options: object) -> list[object]:
    signature = artifact.with_suffix(".sig")
    command = ["sign-artifact", "--artifact", artifact, "--signature", signature, "--signer", house.key("train")]
    return [*command, *options]


def flipped(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


@parametrize(*CASES)
def test_evidence_signed_by_it_holds_and_a_flipped_byte_does_not(uri, house, artifact, wardein) -> None:
    evidence = artifact.with_name("evidence.jsonl")
    ran = wardein(*sign(artifact, house, "--evidence", evidence, "--key", uri))
    assert (ran.code, ran.err) == (0, "")
    (line,) = read_claims(evidence)
    root = root_with(house, trust_entry(uri), "check")
    assert root.signer_of(line, "check").name == "the-key"
    assert parse(line.to_json()) == line
    ((keyid, value),) = line.signatures
    middle = len(line.payload) // 2
    altered = [
        replace(line, payload=flipped(line.payload, position)) for position in (0, middle, -1 % len(line.payload))
    ]
    altered += [replace(line, signatures=((keyid, flipped(value, position)),)) for position in (0, len(value) - 1)]
    altered += [replace(line, signatures=((keyid, value[:-1]),)), replace(line, signatures=((keyid, b""),))]
    altered += [replace(line, other_headers={keyid: "040000080000"})]
    for envelope in altered:
        with pytest.raises(WardeinError, match="does not hold"):
            root.signers_of(envelope)


@parametrize(*[case for case in CASES if re.search("P-|default", str(case))])
def test_an_artifact_signed_by_it_verifies(uri, house, artifact, wardein) -> None:
    bundle = artifact.with_suffix(".sig")
    assert wardein("sign-artifact", "--artifact", artifact, "--signature", bundle, "--signer", uri).code == 0
    root_with(house, trust_entry(uri), "train", "check")
    verify = ["verify-artifact", "--artifact", artifact, "--signature", bundle, "--trust", house.trust, "--json"]
    assert wardein(*verify).code == 0
    artifact.write_bytes(b"Weights")
    assert wardein(*verify).code == 1


@needs_softhsm
def test_two_keys_of_two_kinds_sign_in_one_run(hsm, hv, house, artifact, wardein, monkeypatch) -> None:
    """Each public key comes from where its private key is, so that no one variable has to fit both."""
    enter(hsm, monkeypatch), enter(hv, monkeypatch)
    evidence = artifact.with_name("evidence.jsonl")
    command = [
        "sign-artifact",
        "--artifact",
        artifact,
        "--signature",
        artifact.with_suffix(".sig"),
        "--signer",
        "hsm:3",
    ]
    assert wardein(*command, "--evidence", evidence, "--key", "hv:ed/1").code == 0
    (line,) = read_claims(evidence)
    assert line.verified_by(public_key_of("hv:ed/1"))
    assert PIN not in evidence.read_text() + artifact.with_suffix(".sig").read_text()


@needs_softhsm
def test_a_public_key_in_a_file_serves_where_the_service_does_not_show_it(hsm, house, artifact, wardein, monkeypatch):
    enter(hsm, monkeypatch)
    key = public_key_of("hsm:2")
    pem = artifact.with_name("public.pem")
    pem.write_text(key.keyval["public"])
    monkeypatch.setenv("WARDEIN_PUBLIC_KEY", str(pem))
    monkeypatch.setattr(remote, "_hsm_public_key", lambda rest: pytest.fail("it was asked"))
    assert signer_for("hsm:2").public_key.keyid == key.keyid == json.loads(trust_entry(str(pem)))["keyid"]


@needs_softhsm
def test_through_the_installed_program(hsm, house, artifact, tmp_path) -> None:
    evidence = tmp_path / "evidence.jsonl"
    command = [
        sys.executable,
        "-m",
        "wardein",
        *map(str, sign(artifact, house, "--evidence", evidence, "--key", "hsm:2")),
    ]
    ended = subprocess.run(command, env={**os.environ, **hsm.environment}, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    wrong = {**os.environ, **hsm.environment, "WARDEIN_HSM_PIN": "canary-wrong"}
    evidence.unlink()
    ended = subprocess.run(command, env=wrong, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("wardein: key hsm:…: cannot be used: the PIN is wrong")
    assert len(ended.stderr.splitlines()) == 1
    assert "canary" not in ended.stdout + ended.stderr
    assert not evidence.exists()


@dataclass(frozen=True)
class Broken:
    """A key that cannot be used: its URI, what is changed in a working environment, and what is said."""

    uri: str
    said: str
    changes: tuple[tuple[str, str], ...] = ()


def broken(uri: str, said: str, **changes: str) -> Broken:
    return Broken(uri, said, tuple(changes.items()))


def refusal(case: Broken, house: House, artifact: Path, wardein: Callable[..., Ran], monkeypatch) -> str:
    """The one line by which both uses of a key are refused, with nothing written and no secret said."""
    for name, value in case.changes:
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(remote, "ANSWER_SECONDS", 20.0)
    evidence, bundle = artifact.with_name("evidence.jsonl"), artifact.with_suffix(".sig")
    started = time.monotonic()
    asked = wardein(*sign(artifact, house, "--evidence", evidence, "--key", case.uri))
    assert time.monotonic() - started < 25
    assert asked.code == 2
    assert (evidence.exists(), bundle.exists()) == (False, False)
    signed = wardein("sign-artifact", "--artifact", artifact, "--signature", bundle, "--signer", case.uri)
    assert signed.code == 2
    assert not bundle.exists()
    assert asked.one_line.removeprefix("wardein: ") == signed.one_line.removeprefix("wardein: sign-artifact: ")
    for text in (asked.out, asked.err, signed.out, signed.err):
        assert "canary" not in text.lower()
        assert SECRET not in text
    return asked.one_line


@needs_softhsm
@pytest.mark.parametrize(
    "case",
    [
        broken("hsm:2", "the PIN is wrong", WARDEIN_HSM_PIN="canary-wrong"),
        broken("hsm:2", "WARDEIN_HSM_PIN: holds no PIN", WARDEIN_HSM_PIN=""),
        broken("hsm:9", "could not find ECDSA key on the PKCS#11 token"),
        broken("hsm:2?label=other", "No PKCS#11 token found for label other"),
        broken("hsm:2", "PYKCS11LIB: names no PKCS#11 library", PYKCS11LIB=""),
        broken("hsm:2", "PYKCS11LIB: names no PKCS#11 library", PYKCS11LIB="/nowhere/lib.so"),
        broken("hsm:2", "check WARDEIN_HSM_PIN, PYKCS11LIB", PYKCS11LIB=sys.executable),
        broken("hsm:2?label=house&pin-value=canary", "is not of the form hsm:KEYID?label=TOKEN"),
        broken("hsm:two", "is not of the form hsm:KEYID?label=TOKEN"),
    ],
    ids=lambda case: case.said,
)
def test_a_token_that_cannot_be_used(case, hsm, house, artifact, wardein, monkeypatch) -> None:
    enter(hsm, monkeypatch)
    assert case.said in refusal(case, house, artifact, wardein, monkeypatch)


@needs_softhsm
def test_no_token_at_all(hsm, house, artifact, tmp_path) -> None:
    (tmp_path / "none").mkdir()
    settings = tmp_path / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {tmp_path}/none\n")
    command = [sys.executable, "-m", "wardein", *map(str, sign(artifact, house, "--evidence", tmp_path / "e", "--key"))]
    environment = {**os.environ, **hsm.environment, "SOFTHSM2_CONF": str(settings)}
    ended = subprocess.run([*command, "hsm:2"], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "No PKCS#11 token found" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@needs_softhsm
def test_the_public_key_of_another_pair_is_found_out_before_the_step_runs(hsm, house, artifact, wardein, monkeypatch):
    enter(hsm, monkeypatch)
    other = write_public(artifact.with_name("other.pem"), ec.generate_private_key(CURVES["P-256"]))
    case = broken("hsm:2", "its signature does not fit the public key", WARDEIN_PUBLIC_KEY=str(other))
    assert case.said in refusal(case, house, artifact, wardein, monkeypatch)


@pytest.mark.parametrize(
    "case",
    [
        broken(
            "hv:check/1", "permission denied (Forbidden); check VAULT_ADDR, VAULT_TOKEN", VAULT_TOKEN="hvs.canary-2"
        ),
        broken("hv:nobody/1", "there is no such key"),
        broken("hv:check/7", "there is no such key"),
        broken("hv:unfit/1", "is of a type that cannot sign evidence"),
        broken("hv:check/1", "the service cannot be reached", VAULT_ADDR="http://canary:canary@127.0.0.1:9"),
        broken("hv:check", "is not of the form hv:NAME/VERSION"),
        broken("hv:../sys/canary/1", "is not of the form hv:NAME/VERSION"),
        broken("hv:check/1?token=canary", "is not of the form hv:NAME/VERSION"),
    ],
    ids=lambda case: case.said,
)
def test_a_vault_that_cannot_be_used(case, hv, house, artifact, wardein, monkeypatch) -> None:
    enter(hv, monkeypatch)
    assert case.said in refusal(case, house, artifact, wardein, monkeypatch)


def test_a_service_that_never_answers(hv, server, monkeypatch) -> None:
    enter(hv, monkeypatch)
    monkeypatch.setattr(remote, "ANSWER_SECONDS", 0.5)
    server.silent = True
    with pytest.raises(WardeinError, match="does not answer within 0.5 seconds; check VAULT_ADDR"):
        signer_for("hv:check/1")


def test_a_service_that_fails_when_the_check_is_done(hv, server, house, artifact, wardein, monkeypatch) -> None:
    """The trial is signed, the evidence is not: one line, and no evidence rather than an unsigned one."""
    enter(hv, monkeypatch)
    server.refuse_after = 1
    evidence = artifact.with_name("evidence.jsonl")
    ran = wardein(*sign(artifact, house, "--evidence", evidence, "--key", "hv:check/1"))
    assert ran.code == 2
    assert "permission denied" in ran.one_line
    assert server.signed == 1
    assert not evidence.exists()


@pytest.mark.parametrize(
    "case",
    [
        broken("awskms:00000000-0000-0000-0000-000000000000", "there is no such key (NotFoundException)"),
        broken("awskms:alias/nobody", "there is no such key (NotFoundException)"),
        broken("awskms:alias/x", "the service cannot be reached", AWS_ENDPOINT_URL="http://127.0.0.1:9"),
        broken("awskms:alias/x", "no region is set", AWS_DEFAULT_REGION=""),
        broken("awskms:alias/x", "there are no credentials", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY=""),
        broken("awskms:x?secret=canary", "is not of the form awskms:"),
    ],
    ids=lambda case: case.said,
)
def test_an_aws_key_that_cannot_be_used(case, awskms, house, artifact, tmp_path, wardein, monkeypatch) -> None:
    enter(awskms, monkeypatch)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert case.said in refusal(case, house, artifact, wardein, monkeypatch)


def test_what_a_library_logs_is_not_printed(awskms, house, artifact) -> None:
    """Where the public key is known, it is the trial that fails, and securesystemslib logs that as an error."""
    public = write_public(artifact.with_name("public.pem"), ec.generate_private_key(CURVES["P-256"]))
    command = [sys.executable, "-m", "wardein", *map(str, sign(artifact, house, "--evidence", artifact.with_name("e")))]
    environment = {**os.environ, **awskms.environment, "WARDEIN_PUBLIC_KEY": str(public)}
    ended = subprocess.run(
        [*command, "--key", "awskms:alias/nobody"], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "there is no such key (NotFoundException)" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@needs_gpg
@pytest.mark.parametrize(
    "case",
    [
        broken(f"gnupg:{'0' * 40}", "is not in the keyring"),
        broken("gnupg:", "is not of the form gnupg:FINGERPRINT"),
        broken("gnupg:canary@house.example", "is not of the form gnupg:FINGERPRINT"),
        broken("gnupg:/tmp/canary --output /tmp/x", "is not of the form gnupg:FINGERPRINT"),
        broken(f"gnupg:{'0' * 40}", "needs the program 'gpg', which is not installed", GNUPG="/nowhere/gpg"),
    ],
    ids=lambda case: case.said,
)
def test_a_gnupg_key_that_cannot_be_used(case, gnupg, house, artifact, wardein, monkeypatch) -> None:
    enter(gnupg, monkeypatch)
    assert case.said in refusal(case, house, artifact, wardein, monkeypatch)
    assert not Path("/tmp/x").exists()


@needs_gpg
def test_a_gnupg_key_of_a_kind_that_cannot_sign_evidence(gnupg, house, artifact, wardein, monkeypatch) -> None:
    enter(gnupg, monkeypatch)
    case = broken(gnupg.uris["NIST P-256"], "is of a kind that cannot sign evidence; Ed25519, RSA and DSA can")
    assert case.said in refusal(case, house, artifact, wardein, monkeypatch)


@needs_gpg
def test_a_gnupg_key_of_another_curve_of_its_kind(gnupg, monkeypatch) -> None:
    """EdDSA says nothing of the curve: GnuPG lists Ed448 under the same number, with another object identifier."""
    enter(gnupg, monkeypatch)
    uri = gnupg.uris["Ed25519"]
    assert public_key_of(uri)
    listing = openpgp._listing

    def another_curve(fingerprint: str) -> list[openpgp._Listed]:
        return [replace(key, numbers=["032b6571", *key.numbers[1:]]) for key in listing(fingerprint)]

    monkeypatch.setattr(openpgp, "_listing", another_curve)
    with pytest.raises(WardeinError, match="is of a kind that cannot sign evidence"):
        public_key_of(uri)


@needs_gpg
@pytest.mark.parametrize("name", ["Ed25519", "RSA", "DSA"])
def test_a_gnupg_key_is_read_as_securesystemslib_reads_it(name, gnupg, monkeypatch) -> None:
    enter(gnupg, monkeypatch)
    ours = public_key_of(gnupg.uris[name])
    _, theirs = GPGSigner.import_(ours.keyid)
    assert {**ours.to_dict()["keyval"], "expires": None} == {**theirs.to_dict()["keyval"], "expires": None}
    assert (ours.keyid, ours.keytype, ours.scheme) == (theirs.keyid, theirs.keytype, theirs.scheme)


@needs_gpg
def test_the_end_of_a_gnupg_key_is_the_earlier_one_of_it_and_its_primary_key(gnupg, house, artifact, monkeypatch):
    enter(gnupg, monkeypatch)
    month, year = (public_key_of(gnupg.uris[name]).keyval["expires"] - time.time() for name in ("a subkey", "Ed25519"))
    assert 29 < month / 86400 <= 30
    assert 364 < year / 86400 <= 366
    assert public_key_of(gnupg.uris["RSA"]).keyval["expires"] == 0
    gpg(gnupg, "--quick-set-expire", gnupg.uris["only certifies"].removeprefix("gnupg:"), "7d")
    assert 6 < (public_key_of(gnupg.uris["a subkey"]).keyval["expires"] - time.time()) / 86400 <= 7
    with pytest.raises(WardeinError, match="is not for signing"):
        signer_for(gnupg.uris["only certifies"])


@needs_gpg
def test_an_expired_gnupg_key_neither_signs_nor_verifies(gnupg, house, artifact, wardein, monkeypatch) -> None:
    """The evidence is from the day on which the key was valid; GnuPG itself would exit 0."""
    enter(gnupg, monkeypatch)
    key = gnupg.uris["expired"]
    case = broken(key, "is expired; give a valid signing key")
    assert case.said in refusal(case, house, artifact, wardein, monkeypatch)
    then = f"gpg --faked-system-time {datetime.now(UTC) - timedelta(days=2, hours=12):%Y%m%dT%H%M%S}"
    evidence = artifact.with_name("evidence.jsonl")
    # A signer that looks at no clock but GnuPG's, which is set back.
    code = "import sys; from wardein.evidence import openpgp; openpgp._check_valid = bool; "
    code += "from wardein.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *map(str, sign(artifact, house, "--evidence", evidence, "--key", key))]
    environment = {**os.environ, "GNUPG": then}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    (line,) = read_claims(evidence)
    monkeypatch.setenv("GNUPG", then)
    entry = json.loads(trust_entry(key))
    root = root_with(house, json.dumps(entry), "check")
    with pytest.raises(WardeinError, match="expired on .*; what it signed does not count"):
        root.signers_of(line)
    with pytest.raises(WardeinError, match="does not hold"):
        root.signers_of(replace(line, payload=b"{}"))
    entry["keyval"]["expires"] = 0  # the guard, and nothing else, is what stops it
    assert root_with(house, json.dumps(entry), "check").signers_of(line)
    for unclear in (None, "never", True, -1):
        entry["keyval"]["expires"] = unclear
        with pytest.raises(WardeinError, match="does not say when it expires"):
            root_with(house, json.dumps(entry), "check").signers_of(line)


@needs_gpg
def test_a_revoked_gnupg_key_neither_signs_nor_enters_a_trust_root(gnupg, house, artifact, wardein, monkeypatch):
    enter(gnupg, monkeypatch)
    key = gnupg.uris["revoked"]
    revocation = artifact.with_name("revocation.asc")
    made = (gnupg.folder / "openpgp-revocs.d" / f"{key.removeprefix('gnupg:')}.rev").read_text()
    revocation.write_text(made.replace(":-----BEGIN", "-----BEGIN"))
    assert json.loads(trust_entry(key))["keytype"] == "eddsa"
    gpg(gnupg, "--import", str(revocation))
    case = broken(key, "is revoked; give a valid signing key")
    assert case.said in refusal(case, house, artifact, wardein, monkeypatch)
    with pytest.raises(WardeinError, match="is revoked"):
        trust_entry(key)


@needs_gpg
def test_what_a_gnupg_key_signed_in_another_sense_is_not_evidence(gnupg, house, tmp_path, monkeypatch) -> None:
    """The same bytes signed as a text, which people do to messages: GnuPG calls it good; a gate must not."""
    from securesystemslib._gpg.common import parse_signature_packet

    enter(gnupg, monkeypatch)
    uri = gnupg.uris["Ed25519"]
    root = root_with(house, trust_entry(uri), "check")
    good = seal(b"{}", signer_for(uri))
    assert root.signers_of(good)
    text, detached = tmp_path / "text", tmp_path / "text.sig"
    text.write_bytes(good.pae)
    key = uri.removeprefix("gnupg:")
    gpg(gnupg, "--local-user", key, "--digest-algo", "SHA256", "--output", str(detached), "--textmode", "-b", str(text))
    gpg(gnupg, "--verify", str(detached), str(text))
    made = parse_signature_packet(detached.read_bytes(), supported_signature_types={1})
    signatures = ((made["keyid"], bytes.fromhex(made["signature"])),)
    as_text = replace(good, signatures=signatures, other_headers={made["keyid"]: made["other_headers"]})
    with pytest.raises(WardeinError, match="does not hold"):
        root.signers_of(as_text)
    with pytest.raises(WardeinError, match="does not hold"):
        root.signers_of(replace(good, other_headers={}))
    monkeypatch.setattr(openpgp, "BINARY", (4, 1))  # the guard, and nothing else, is what stops it
    assert root.signers_of(as_text)


@needs_gpg
@pytest.mark.parametrize(
    "numbers",
    [{}, {"q": "00"}, {"q": "zz"}, {"e": "1", "n": "2"}, 7],
    ids=["none", "short", "no hex", "rsa", "no object"],
)
def test_a_gnupg_key_of_other_numbers_verifies_nothing(numbers, gnupg, house, monkeypatch) -> None:
    enter(gnupg, monkeypatch)
    uri = gnupg.uris["Ed25519"]
    entry = json.loads(trust_entry(uri))
    key = Key.from_dict(entry["keyid"], {name: entry[name] for name in ("keytype", "scheme", "keyval")})
    openpgp.check(key)
    line = seal(b"{}", signer_for(uri))
    assert line.verified_by(key)
    key.keyval["public"] = numbers
    assert not line.verified_by(key)
    with pytest.raises(WardeinError, match="its numbers are not a eddsa key"):
        openpgp.check(key)
    del key.keyval["expires"]
    with pytest.raises(WardeinError, match="does not say when it expires"):
        openpgp.check(key)


@pytest.mark.parametrize("headers", ["", "zz", "0", "04" * 5000, "04 00 16 08 00 00", "AB" * 6, 7, None, ["04"]])
def test_headers_that_are_not_hex_of_a_sensible_length_are_no_envelope(headers: object) -> None:
    data = {"payload": "e30=", "payloadType": "t", "signatures": [{"keyid": "k", "sig": "", "other_headers": headers}]}
    with pytest.raises(WardeinError, match="is not a DSSE envelope"):
        parse(data)


@pytest.mark.parametrize(
    "case",
    [
        broken("missing.pem", "key missing.pem: does not exist"),
        broken("folder", "is not a regular file"),
        broken("encrypted.pem", "key encrypted.pem: is encrypted; set WARDEIN_KEY_PASSPHRASE"),
        broken("encrypted.pem", "or the passphrase is wrong", WARDEIN_KEY_PASSPHRASE="canary-wrong"),
        broken("garbage.pem", "is not a PEM private key"),
        broken("koblitz.pem", "is of a kind that cannot sign evidence"),
        broken("-----BEGIN PRIVATE KEY-----\ncanary", "holds a key, not its name"),
        broken("vault://canary", "is not a kind of key"),
        broken("azurekms://house.vault.azure.net/keys/check/1", "WARDEIN_PUBLIC_KEY: an azurekms: key needs"),
        broken("azurekms://canary.example/keys/check/1", "is not of the form azurekms:"),
        broken("gcpkms:canary", "is not of the form gcpkms:"),
    ],
    ids=lambda case: case.said,
)
def test_a_file_or_a_uri_that_cannot_be_used(case, house, artifact, wardein, monkeypatch) -> None:
    monkeypatch.chdir(artifact.parent)
    Path("folder").mkdir()
    write_pem(Path("encrypted.pem"), ec.generate_private_key(CURVES["P-256"]), PASSPHRASE)
    write_pem(Path("koblitz.pem"), ec.generate_private_key(ec.SECP256K1()))
    Path("garbage.pem").write_text("-----BEGIN NOTHING-----\ncanary\n")
    assert case.said in refusal(case, house, artifact, wardein, monkeypatch)


@pytest.mark.parametrize(
    ("module", "extra", "uri"),
    [
        ("pkcs11", "hsm", "hsm:2"),
        ("boto3", "awskms", "awskms:alias/check"),
        ("hvac", "vault", "hv:check/1"),
        ("google.cloud.kms", "gcpkms", "gcpkms:projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1"),
        ("azure.identity", "azurekms", "azurekms://house.vault.azure.net/keys/check/1"),
        ("securesystemslib", "sign", "file:key.pem"),
    ],
)
def test_a_missing_extra_is_named(module: str, extra: str, uri: str, artifact: Path) -> None:
    public = write_public(artifact.with_name("public.pem"), ec.generate_private_key(CURVES["P-256"]))
    code = f"import sys; sys.modules[{module!r}] = None; from wardein.cli import main; sys.exit(main(sys.argv[1:]))"
    command = ["sign-artifact", "--artifact", artifact, "--signature", artifact.with_suffix(".sig"), "--signer", uri]
    environment = {**os.environ, "WARDEIN_HSM_PIN": PIN, "PYKCS11LIB": sys.executable}
    environment |= {"WARDEIN_PUBLIC_KEY": str(public)} if extra == "azurekms" else {}
    ended = subprocess.run(
        [sys.executable, "-c", code, *map(str, command)], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert f"run: pip install 'wardein[{extra}]'" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_an_envelope_takes_a_second_signature(file) -> None:
    first, second = signer_for(file.uris["P-256"]), signer_for(file.uris["Ed25519"])
    both: Envelope = seal(b"{}", first).signed_by(second)
    assert [keyid for keyid, _ in both.signatures] == [first.public_key.keyid, second.public_key.keyid]
    assert both.verified_by(first.public_key)
    assert both.verified_by(second.public_key)


@needs_softhsm
@pytest.mark.parametrize("name", ["P-256", "P-384"])
@pytest.mark.parametrize("certified", [True, False])
def test_an_artifact_is_signed_by_a_token(
    name, certified, hsm, house, artifact, tmp_path, wardein, monkeypatch
) -> None:
    """By the token's bare key, and by a certificate of it; model-signing verifies both."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    from tests.release.test_certificates import make, trust

    enter(hsm, monkeypatch)
    private = load_pem_private_key((hsm.folder / ("2.pem" if name == "P-256" else "3.pem")).read_bytes(), None)
    root = make("root", ca=True)
    leaf = make("leaf", root, key=private)
    chain, anchor, public, bundle = (tmp_path / part for part in ("chain.pem", "root.pem", "public.pem", "hsm.sig"))
    chain.write_text(leaf.pem)
    anchor.write_text(root.pem)
    public.write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    by = ["--certificates", chain] if certified else []
    given = ["--artifact", artifact, "--signature", bundle, "--signer", hsm.uris[name], *by]
    assert wardein("sign-artifact", *given).code == 0
    if certified:
        trust(house, root)
    else:
        listed = {"name": "token", "identity": "token", "roles": ["train"], **json.loads(trust_entry(str(public)))}
        said = json.loads(house.trust.read_text())
        house.trust.write_text(json.dumps(said | {"keys": [*said["keys"], listed]}))
    assert wardein("verify-artifact", "--artifact", artifact, "--signature", bundle, "--trust", house.trust).code == 0
    method = ["certificate", "--certificate_chain", anchor] if certified else ["key", "--public_key", public]
    command = [sys.executable, "-m", "model_signing", "verify", method[0], artifact, "--signature", bundle, *method[1:]]
    theirs = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert theirs.returncode == 0, theirs.stderr
