# SPDX-License-Identifier: Apache-2.0
"""OMS v1.0 bundles, both ways with the model-signing package as an independent implementation."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from securesystemslib.signer import CryptoSigner

from tests.conftest import House, Ran
from wardein.evidence import trust
from wardein.evidence.envelope import PAYLOAD_TYPE, Envelope, parse
from wardein.evidence.keys import signer_for, trust_entry
from wardein.evidence.model_signing import ANNOTATION


@pytest.fixture(params=["folder", "file"])
def artifact(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "file":
        path = tmp_path / "model.skops"
        path.write_bytes(b"weights")
        return path
    root = tmp_path / "model"
    (root / "sub").mkdir(parents=True)
    for name in ("a.bin", "sub/b.bin", "sub.bin", "B", ".hidden"):
        (root / name).write_bytes(name.encode())
    return root


@pytest.fixture
def signed(artifact: Path, house: House, tmp_path: Path, wardein: Callable[..., Ran]) -> Path:
    bundle = tmp_path / "model.sig"
    ran = wardein("sign-artifact", "--artifact", artifact, "--signature", bundle, "--signer", house.key("train"))
    assert ran.code == 0
    return bundle


def verify(wardein: Callable[..., Ran], artifact: Path, bundle: Path, house: House) -> Ran:
    arguments = ["--artifact", artifact, "--signature", bundle, "--trust", house.trust, "--json"]
    return wardein("verify-artifact", *arguments)


def oracle(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "model_signing", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def public_key(house: House) -> Path:
    path = house.folder / "train.pub"
    key = next(k.key for k in trust.load(house.trust).keys if k.name == "train")
    path.write_text(key.keyval["public"])
    return path


def test_ours_verifies_with_ours_and_with_theirs(artifact, signed, house, wardein) -> None:
    assert verify(wardein, artifact, signed, house).code == 0
    theirs = oracle("verify", "key", artifact, "--signature", signed, "--public_key", public_key(house))
    assert theirs.returncode == 0, theirs.stderr


def test_theirs_verifies_with_ours(artifact, house, tmp_path, wardein) -> None:
    bundle = tmp_path / "theirs.sig"
    private = house.key("train").removeprefix("file:")
    assert oracle("sign", "key", artifact, "--signature", bundle, "--private_key", private).returncode == 0
    assert verify(wardein, artifact, bundle, house).code == 0


def differences(ran: Ran) -> list[tuple[str, str]]:
    return [(f["ruleId"], f["location"]) for f in ran.report["findings"] if f["fails"]]


def test_what_their_signer_ignored_counts_as_added(house, tmp_path, wardein) -> None:
    model = tmp_path / "model"
    (model / ".git").mkdir(parents=True)
    (model / "a").write_bytes(b"1")
    (model / ".git" / "hook").write_bytes(b"evil")
    bundle = tmp_path / "theirs.sig"
    private = house.key("train").removeprefix("file:")
    assert oracle("sign", "key", model, "--signature", bundle, "--private_key", private).returncode == 0
    ran = verify(wardein, model, bundle, house)
    assert ran.code == 1
    assert differences(ran) == [("signature/added", ".git/hook")]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda m: (m / "a.bin").write_bytes(b"x"), [("signature/changed", "a.bin")]),
        (lambda m: (m / "new").write_bytes(b""), [("signature/added", "new")]),
        (lambda m: (m / ".hidden").unlink(), [("signature/removed", ".hidden")]),
        (lambda m: (m / "a.bin").rename(m / "aa.bin"), [("signature/renamed", "a.bin")]),
    ],
    ids=["changed", "added", "removed", "renamed"],
)
def test_every_difference_is_named(change, expected, house, tmp_path, wardein) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for name in ("a.bin", "b.bin", ".hidden"):
        (model / name).write_bytes(name.encode())
    bundle = tmp_path / "sig"
    sign = ["--artifact", model, "--signature", bundle, "--signer", house.key("train")]
    assert wardein("sign-artifact", *sign).code == 0
    change(model)
    ran = verify(wardein, model, bundle, house)
    assert ran.code == 1
    assert differences(ran) == expected


def test_a_symbolic_link_in_the_artifact_is_refused(house, tmp_path, wardein) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "a").write_bytes(b"1")
    (model / "b").symlink_to("a")
    sign = ["--artifact", model, "--signature", tmp_path / "sig", "--signer", house.key("train")]
    ran = wardein("sign-artifact", *sign)
    assert ran.code == 2
    assert "b: is a symbolic link" in ran.one_line
    assert not (tmp_path / "sig").exists()


@pytest.mark.parametrize("role", ["check", "gate"])
def test_a_key_with_another_role_does_not_count(role, artifact, house, tmp_path, wardein) -> None:
    bundle = tmp_path / "sig"
    assert (
        wardein("sign-artifact", "--artifact", artifact, "--signature", bundle, "--signer", house.key(role)).code == 0
    )
    ran = verify(wardein, artifact, bundle, house)
    assert ran.code == 1
    assert [f["ruleId"] for f in ran.report["findings"]] == ["signature/untrusted"]


def test_an_edited_statement_does_not_count(artifact, signed, house, wardein) -> None:
    import base64

    data = json.loads(signed.read_text())
    payload = base64.b64decode(data["dsseEnvelope"]["payload"]) + b" "
    data["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    signed.write_text(json.dumps(data))
    assert [f["ruleId"] for f in verify(wardein, artifact, signed, house).report["findings"]] == ["signature/untrusted"]


def forge(bundle: Path, house: House, change: Callable[[dict[str, Any]], object], kind: str = PAYLOAD_TYPE) -> None:
    """A bundle as somebody with the train key could make it, whatever it says."""
    data = json.loads(bundle.read_text())
    said = json.loads(base64.b64decode(data["dsseEnvelope"]["payload"]))
    change(said)
    envelope = Envelope(json.dumps(said).encode(), kind, ()).signed_by(signer_for(house.key("train")))
    bundle.write_text(json.dumps({**data, "dsseEnvelope": envelope.to_json()}))


def listed(said: dict[str, Any]) -> list[dict[str, Any]]:
    return said["predicate"]["resources"]


FORGED: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda said: said.update(predicateType="https://slsa.dev/provenance/v1"), "not an OMS v1.0 signature"),
    (lambda said: said["predicate"]["serialization"].update(method="shards"), "was made by method"),
    (lambda said: said["predicate"]["serialization"].update(hash_type="blake2b"), "was made by method"),
    (lambda said: said["predicate"].update(serialization="files"), "was made by method"),
    (lambda said: said["predicate"].update(resources=[]), "lists no file"),
    (lambda said: said["predicate"].update(resources={".": "1"}), "lists no file"),
    (lambda said: said["predicate"].pop("resources"), "lists no file"),
    (lambda said: listed(said).append(listed(said)[0]), "lists a file twice"),
    (lambda said: listed(said)[0].update(digest="1" * 64), "a root digest that is not that of its files"),
    (lambda said: said["subject"].append(said["subject"][0]), "a root digest that is not that of its files"),
    (lambda said: listed(said)[0].update(digest="A" * 64), "is not a lower-case sha256"),
    (lambda said: listed(said)[0].update(digest="1" * 63), "is not a lower-case sha256"),
    (lambda said: listed(said)[0].update(algorithm="blake2b"), "lists a file without a sha256 digest"),
    (lambda said: listed(said).insert(0, "model.skops"), "lists a file without a sha256 digest"),
]


@pytest.mark.parametrize(("change", "what"), FORGED, ids=[str(number) for number in range(len(FORGED))])
def test_a_signed_statement_that_says_two_things_or_another_is_an_error(
    change: Callable[[dict[str, Any]], object], what: str, artifact: Path, signed: Path, house: House, wardein
) -> None:
    forge(signed, house, lambda said: None)
    assert verify(wardein, artifact, signed, house).code == 0
    forge(signed, house, change)
    ran = verify(wardein, artifact, signed, house)
    assert ran.code == 2
    assert what in ran.one_line


def test_a_signature_of_another_type_of_payload_is_an_error(artifact, signed, house, wardein) -> None:
    forge(signed, house, lambda said: None, "application/json")
    ran = verify(wardein, artifact, signed, house)
    assert ran.code == 2
    assert "has the payload type 'application/json'" in ran.one_line


@pytest.mark.parametrize("kind", ["application/vnd.dev.sigstore.bundle.v0.2+json", None])
def test_a_good_signature_in_a_bundle_of_another_version_is_an_error(kind, artifact, signed, house, wardein) -> None:
    signed.write_text(json.dumps(json.loads(signed.read_text()) | {"mediaType": kind}))
    ran = verify(wardein, artifact, signed, house)
    assert ran.code == 2
    assert "is not a bundle of type" in ran.one_line


@pytest.mark.parametrize("count", [0, 2])
def test_a_bundle_has_one_signature(count: int, artifact, signed, house, wardein) -> None:
    data = json.loads(signed.read_text())
    data["dsseEnvelope"]["signatures"] *= count
    signed.write_text(json.dumps(data))
    ran = verify(wardein, artifact, signed, house)
    assert ran.code == 2
    assert "exactly one is expected" in ran.one_line


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b'{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "dsseEnvelope": [1]}',
        b'{"mediaType": "application/vnd.dev.sigstore.bundle.v0.2+json", "dsseEnvelope": {}}',
        b"",
        b"{}",
        b"not json",
        b'{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "dsseEnvelope": {}}',
        b"\xff" * 40,
    ],
)
def test_a_file_that_is_no_bundle_is_an_error(content, artifact, house, tmp_path, wardein) -> None:
    bundle = tmp_path / "sig"
    bundle.write_bytes(content)
    ran = verify(wardein, artifact, bundle, house)
    assert ran.code == 2
    assert ran.one_line


def test_a_signature_inside_the_artifact_is_refused(house, tmp_path, wardein) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "a").write_bytes(b"1")
    sign = ["--artifact", model, "--signature", model / "sig", "--signer", house.key("train")]
    ran = wardein("sign-artifact", *sign)
    assert ran.code == 2
    assert "lie inside, what --artifact names" in ran.one_line
    assert [path.name for path in model.iterdir()] == ["a"]


def written(key: Any, folder: Path) -> Path:
    path = folder / "key.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


KEYS: dict[str, Callable[[], Any]] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": Ed25519PrivateKey.generate,
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_every_kind(kind: str, model, house, tmp_path, wardein) -> None:
    """What model-signing has no verifier for, OpenSSL has."""
    key, bundle, public = written(KEYS[kind](), tmp_path), tmp_path / "sig", tmp_path / "public.pem"
    assert wardein("sign-artifact", "--artifact", model, "--signature", bundle, "--signer", key).code == 0
    root = json.loads(house.trust.read_text())
    root["keys"].append({"name": "other", "identity": "other", "roles": ["train"], **json.loads(trust_entry(str(key)))})
    house.trust.write_text(json.dumps(root))
    assert verify(wardein, model, bundle, house).code == 0
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True)
    data = json.loads(bundle.read_text())
    hint = data["verificationMaterial"]["publicKey"]["hint"]
    assert hint == hashlib.sha256(public.read_bytes()).hexdigest()
    if kind.startswith("P-"):
        assert oracle("verify", "key", model, "--signature", bundle, "--public_key", public).returncode == 0
        return
    envelope = parse(data["dsseEnvelope"])
    (tmp_path / "said").write_bytes(envelope.pae)
    (tmp_path / "by").write_bytes(envelope.signatures[0][1])
    pss = ["-rawin", "-digest", "sha256", "-pkeyopt", "rsa_padding_mode:pss"] if kind == "RSA" else ["-rawin"]
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public, *pss]
    command += ["-in", tmp_path / "said", "-sigfile", tmp_path / "by"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_a_key_of_another_kind_is_refused(artifact, tmp_path, wardein) -> None:
    key = tmp_path / "mldsa.pem"
    key.write_bytes(CryptoSigner.generate_mldsa().private_bytes)
    ran = wardein("sign-artifact", "--artifact", artifact, "--signature", tmp_path / "sig", "--signer", f"file:{key}")
    assert ran.code == 2
    assert "P-256, P-384, P-521, Ed25519 or RSA" in ran.one_line
    assert not (tmp_path / "sig").exists()


@pytest.mark.parametrize("uri", ["file:/no/such/key.pem", "awskms:key", "nonsense:x"])
def test_a_key_that_cannot_be_opened_is_one_line(uri, artifact, tmp_path, wardein) -> None:
    ran = wardein("sign-artifact", "--artifact", artifact, "--signature", tmp_path / "sig", "--signer", uri)
    assert ran.code == 2
    assert ran.one_line


# What is signed beyond the specification


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "void").mkdir(parents=True)
    (folder / "run.sh").write_bytes(b"#!/bin/sh")
    (folder / "run.sh").chmod(0o755)
    (folder / "a.bin").write_bytes(b"1")
    return folder


@pytest.fixture
def labelled(model: Path, house: House, tmp_path: Path, wardein: Callable[..., Ran]) -> Path:
    bundle = tmp_path / "labelled.sig"
    given = ["--artifact", model, "--signature", bundle, "--signer", house.key("train")]
    assert wardein("sign-artifact", *given, "--name", "churn", "--version", "1.10").code == 0
    return bundle


def expect(wardein: Callable[..., Ran], model: Path, bundle: Path, house: House, *options: object) -> Ran:
    arguments = ["--artifact", model, "--signature", bundle, "--trust", house.trust, "--json"]
    return wardein("verify-artifact", *arguments, *options)


def test_name_version_and_time_are_signed_and_model_signing_accepts_them(model, labelled, house, wardein) -> None:
    ran = expect(wardein, model, labelled, house, "--name", "churn", "--min-version", "1.9.9")
    assert ran.code == 0, ran.out
    told = {f["ruleId"]: f for f in ran.report["findings"]}
    assert (told["signature/name"]["location"], told["signature/version"]["location"]) == ("churn", "1.10")
    said = json.loads(base64.b64decode(json.loads(labelled.read_text())["dsseEnvelope"]["payload"]))
    signed = datetime.fromisoformat(said["subject"][0]["annotations"][ANNOTATION]["signed"])
    assert abs(datetime.now(UTC) - signed) < timedelta(minutes=5)
    (model / "void").rmdir()  # which model-signing does not look at
    theirs = oracle("verify", "key", model, "--signature", labelled, "--public_key", public_key(house))
    assert theirs.returncode == 0, theirs.stderr


@pytest.mark.parametrize(
    ("options", "rules"),
    [
        (["--name", "fraud"], ["signature/other-name"]),
        (["--min-version", "1.10.1"], ["signature/rollback"]),
        (["--min-version", "2"], ["signature/rollback"]),
        (["--min-version", "1.10"], []),
        (["--min-version", "1.9"], []),  # by number: as texts, 1.9 would be the later one
        (["--name", "fraud", "--min-version", "2"], ["signature/other-name", "signature/rollback"]),
    ],
)
def test_a_roll_back_is_noticed(options, rules, model, labelled, house, wardein) -> None:
    ran = expect(wardein, model, labelled, house, *options)
    assert [rule for rule, _ in differences(ran)] == rules
    assert ran.code == (1 if rules else 0)


@pytest.mark.parametrize(("options", "rule"), [(["--name", "x"], "other-name"), (["--min-version", "1"], "rollback")])
def test_a_signature_without_name_or_version_meets_no_expectation(
    options, rule, artifact, signed, house, wardein
) -> None:
    ran = expect(wardein, artifact, signed, house, *options)
    assert [rule for rule, _ in differences(ran)] == [f"signature/{rule}"]


@pytest.mark.parametrize("version", ["latest", "1.x", "v", "1 2", "-1"])
def test_what_is_no_version_is_one_line(version, model, labelled, house, tmp_path, wardein) -> None:
    sign = ["--artifact", model, "--signature", tmp_path / "new.sig", "--signer", house.key("train")]
    for ran in (
        wardein("sign-artifact", *sign, f"--version={version}"),
        expect(wardein, model, labelled, house, f"--min-version={version}"),
    ):
        assert ran.code == 2
        assert "is not a version" in ran.one_line
    assert not (tmp_path / "new.sig").exists()


def test_an_expectation_needs_a_signature(model, house, tmp_path, wardein) -> None:
    given = ["--artifact", model, "--trust", house.trust, "--vsa", house.trust, "--name", "churn"]
    ran = wardein("verify-artifact", *given)
    assert ran.code == 2
    assert "--signature" in ran.one_line


LAYOUT = [
    (lambda m: (m / "a.bin").chmod(0o755), ("signature/mode", "a.bin")),
    (lambda m: (m / "a.bin").chmod(0o645), ("signature/mode", "a.bin")),
    (lambda m: (m / "run.sh").chmod(0o644), ("signature/mode", "run.sh")),
    (lambda m: (m / "void").rmdir(), ("signature/folder", "void")),
    (lambda m: (m / "more" / "of").mkdir(parents=True), ("signature/folder", "more/of")),
    (lambda m: (m / "void" / "deeper").mkdir(), ("signature/folder", "void")),
]


@pytest.mark.parametrize(("change", "expected"), LAYOUT, ids=[str(number) for number in range(len(LAYOUT))])
def test_modes_and_empty_folders_count(change, expected, model, labelled, house, wardein) -> None:
    assert expect(wardein, model, labelled, house).code == 0
    change(model)
    ran = expect(wardein, model, labelled, house)
    assert ran.code == 1
    assert expected in differences(ran)
    ran = expect(wardein, model, labelled, house, "--layout", "false")
    assert ran.code == 0
    assert expected in [(f["ruleId"], f["location"]) for f in ran.report["findings"]]


def test_the_mode_of_a_single_file_counts(house, tmp_path, wardein) -> None:
    model, bundle = tmp_path / "model.bin", tmp_path / "sig"
    model.write_bytes(b"1")
    given = ["--artifact", model, "--signature", bundle, "--signer", house.key("train")]
    assert wardein("sign-artifact", *given).code == 0
    model.chmod(0o755)
    assert differences(expect(wardein, model, bundle, house)) == [("signature/mode", ".")]


def test_a_time_a_file_was_touched_does_not_count(model, labelled, house, wardein) -> None:
    for path in (model, *model.rglob("*")):
        path.touch()
    assert expect(wardein, model, labelled, house).code == 0


@pytest.mark.parametrize(
    "said",
    [
        [],
        "x",
        {"name": 1, "executable": [], "emptyFolders": []},
        {"executable": ["a.bin", 2], "emptyFolders": []},
        {"executable": ["elsewhere"], "emptyFolders": []},
        {"emptyFolders": []},
        {"executable": []},
    ],
)
def test_what_is_said_beside_the_files_is_read_strictly(said, model, labelled, house, wardein) -> None:
    forge(labelled, house, lambda statement: statement["subject"][0].update(annotations={ANNOTATION: said}))
    ran = expect(wardein, model, labelled, house)
    assert ran.code == 2
    assert "the bundle" in ran.one_line


def test_bundles_of_earlier_versions_are_read(model, labelled, house, wardein) -> None:
    """They said nothing of names, modes and empty folders: then those are not compared, and that is told."""
    forge(labelled, house, lambda statement: statement["subject"][0].pop("annotations"))
    (model / "a.bin").chmod(0o755)
    ran = expect(wardein, model, labelled, house)
    assert ran.code == 0
    assert "signature/layout" in [f["ruleId"] for f in ran.report["findings"]]


# What a signature and a folder can be beside what they seem


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """A folder of one file."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.bin").write_bytes(b"weights")
    return tmp_path / "model"


def signs(wardein: Callable[..., Ran], artifact: Path, house: House, *more: object) -> tuple[Path, Ran]:
    bundle = artifact.with_name("one.sig")
    given = ["--artifact", artifact, "--signature", bundle, "--signer", house.key("train")]
    return bundle, wardein("sign-artifact", *given, *more, "--json")


def rules(ran: Ran) -> set[str]:
    return {finding["ruleId"] for finding in ran.report["findings"]}


def test_a_file_is_not_the_folder_that_was_signed(one: Path, house: House, wardein: Callable[..., Ran]) -> None:
    bundle, _ = signs(wardein, one, house)
    alone = one.with_name("model.bin")
    alone.write_bytes(b"weights")
    ran = verify(wardein, alone, bundle, house)
    assert ran.code == 1
    assert "signature/kind" in rules(ran)
    assert verify(wardein, one, bundle, house).code == 0


def test_another_name_of_a_single_file_is_told(one: Path, house: House, wardein: Callable[..., Ran]) -> None:
    bundle, _ = signs(wardein, one / "model.bin", house)
    bundle = bundle.rename(one.with_name("sig"))
    assert "signature/file-name" not in rules(verify(wardein, one / "model.bin", bundle, house))
    (one / "model.bin").rename(one / "model.pkl")
    ran = verify(wardein, one / "model.pkl", bundle, house)
    assert ran.code == 0
    assert "signature/file-name" in rules(ran)


@pytest.mark.parametrize("mode", [0o4644, 0o2644, 0o646, 0o664])
def test_modes_that_are_not_signed_are_told(mode: int, one: Path, house: House, wardein: Callable[..., Ran]) -> None:
    bundle, signed = signs(wardein, one, house)
    assert "signature/permissions" not in rules(signed)
    (one / "model.bin").chmod(mode)
    ran = verify(wardein, one, bundle, house)
    assert ran.code == 0
    assert "signature/permissions" in rules(ran) & rules(signs(wardein, one, house)[1])


def test_many_files_that_came_and_went_are_told_apart_quickly() -> None:
    """Not in the product of their numbers."""
    from time import monotonic

    from wardein.evidence.differences import of_files
    from wardein.evidence.model_signing import Signed
    from wardein.subject import HashedFile, Tree

    digests = [hashlib.sha256(bytes([n % 256, n // 256])).hexdigest() for n in range(8000)]
    gone = {f"s{n}": digest for n, digest in enumerate(digests[:5000])}
    tree = Tree(tuple(HashedFile(f"a{n}", digest, 1) for n, digest in enumerate(digests[3000:])))
    started = monotonic()
    found = [finding.rule for finding in of_files(Signed(gone), tree)]
    assert monotonic() - started < 5
    assert [found.count(f"signature/{rule}") for rule in ("renamed", "removed", "added")] == [2000, 3000, 3000]


def test_a_signature_that_could_never_be_read_is_not_written(
    one: Path, house: House, wardein: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wardein.evidence.model_signing.MAX_BYTES", 500)
    bundle, ran = signs(wardein, one, house)
    assert ran.code == 2
    assert "has so many files" in ran.one_line
    assert not bundle.exists()


@pytest.mark.parametrize("unit", ["[0],", '{"":0},', "0.5,"])
def test_a_bundle_of_many_values_is_not_read(unit: str, one: Path, house: House, wardein: Callable[..., Ran]) -> None:
    bundle = one.with_name("sig")
    bundle.write_text(f"[{(unit * 20_000)[:-1]}]")
    ran = verify(wardein, one, bundle, house)
    assert ran.code == 2
    assert "holds more than a signature does" in ran.one_line


def test_small_rsa_keys_are_refused(one: Path, house: House, tmp_path: Path, wardein: Callable[..., Ran]) -> None:
    private = rsa.generate_private_key(65537, 1024)
    key = written(private, tmp_path)
    given = ["--artifact", one, "--signature", tmp_path / "sig", "--signer", f"file:{key}"]
    assert "is an RSA key of 1024 bits" in wardein("sign-artifact", *given).one_line
    signer = CryptoSigner(private)
    entry = {"name": "small", "identity": "small", "roles": ["train"], "keyid": signer.public_key.keyid}
    root = json.loads(house.trust.read_text())
    root["keys"].append(entry | signer.public_key.to_dict())
    house.trust.write_text(json.dumps(root))
    (tmp_path / "sig").write_text("{}")
    ran = verify(wardein, one, tmp_path / "sig", house)
    assert ran.code == 2
    assert "is an RSA key of 1024 bits" in ran.one_line


def test_a_version_of_thousands_of_digits_is_none(one: Path, house: House, wardein: Callable[..., Ran]) -> None:
    _, ran = signs(wardein, one, house, "--version", "9" * 5000)
    assert ran.code == 2
    assert "is not a version" in ran.one_line


def test_a_name_that_is_not_utf8_is_one_line(one: Path, house: House, wardein: Callable[..., Ran]) -> None:
    odd = Path(os.fsdecode(os.fsencode(one.with_name("m")) + b"\xff"))
    one.rename(odd)
    given = ["--artifact", odd, "--signature", one.with_name("sig"), "--signer", house.key("train")]
    ran = wardein("sign-artifact", *given)
    assert ran.code == 2
    assert "is not UTF-8" in ran.one_line
    assert "WARDEIN_DEBUG" not in ran.one_line


@pytest.mark.parametrize("device", ["pipe", "large"])
def test_a_key_that_is_no_file_of_a_key_is_refused(
    device: str, one: Path, tmp_path: Path, wardein: Callable[..., Ran]
) -> None:
    key = tmp_path / "key"
    os.mkfifo(key) if device == "pipe" else key.write_bytes(b"-----BEGIN PUBLIC KEY-----" * 20_000)
    given = ["--artifact", one, "--signature", tmp_path / "sig", "--signer", f"file:{key}"]
    ran = wardein("sign-artifact", *given)
    assert ran.code == 2
    assert ("is not a regular file" if device == "pipe" else "is larger than") in ran.one_line
