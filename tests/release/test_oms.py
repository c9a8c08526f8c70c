# SPDX-License-Identifier: Apache-2.0
"""The vectors and schemas of the OpenSSF Model Signing specification v1.0 (tests/corpus/oms says where from)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.conftest import House, Ran
from wardein.evidence.keys import trust_entry

CORPUS = Path(__file__).parents[1] / "corpus" / "oms"
BY_KEY = ("key-python", "key-go", "key-v1.0.1")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "simple"
    folder.mkdir()
    (folder / "signme-1").write_bytes(b"signme-1\n")
    (folder / "signme-2").write_bytes(b"signme-2")
    return folder


@pytest.fixture
def theirs(house: House) -> House:
    """A trust root that lists the suite's key and its intermediate certificate."""
    root = json.loads(house.trust.read_text())
    key = json.loads(trust_entry(f"file:{CORPUS / 'public.pem'}"))
    root["keys"].append({"name": "suite", "identity": "suite", "roles": ["train"], **key})
    root["certificates"] = [
        authority("suite-ca", "dn:CN=intermediate-ca"),
        authority("expired", "dn:CN=expired-signer"),
    ]
    house.trust.write_text(json.dumps(root))
    return house


def authority(name: str, subject: str) -> dict[str, object]:
    held = json.loads((CORPUS / "certificate.sig").read_text())["verificationMaterial"]["x509CertificateChain"]
    issuer = x509.load_der_x509_certificate(base64.b64decode(held["certificates"][1]["rawBytes"]))
    root = issuer.public_bytes(Encoding.PEM).decode()
    return {"name": name, "identity": "suite", "roles": ["train"], "root": root, "subject": subject}


def verify(wardein: Callable[..., Ran], model: Path, bundle: Path, house: House) -> Ran:
    return wardein("verify-artifact", "--artifact", model, "--signature", bundle, "--trust", house.trust, "--json")


@pytest.mark.parametrize("name", [*BY_KEY, "certificate"])
def test_valid_vectors_verify(name: str, model: Path, theirs: House, wardein: Callable[..., Ran]) -> None:
    ran = verify(wardein, model, CORPUS / f"{name}.sig", theirs)
    assert ran.code == 0, ran.out
    told = {f["ruleId"]: f["message"] for f in ran.report["findings"]}
    assert told["signature/signer"].startswith("signed by suite-ca" if name == "certificate" else "signed by suite ")
    assert "says nothing of executable files" in told["signature/layout"]
    # What the signer left out beyond the specification's own list is told; the Go client lists paths of its machine.
    assert ("signature/ignored" in told) == (name != "key-v1.0.1")


def test_a_vector_of_a_single_file_verifies(model: Path, theirs: House, wardein: Callable[..., Ran]) -> None:
    assert verify(wardein, model / "signme-1", CORPUS / "key-v0.3.1-file.sig", theirs).code == 0
    assert verify(wardein, model / "signme-2", CORPUS / "key-v0.3.1-file.sig", theirs).code == 1


def test_what_the_signer_ignored_counts_as_added(model: Path, theirs: House, wardein: Callable[..., Ran]) -> None:
    (model / "ignore-me").write_text("x")
    ran = verify(wardein, model, CORPUS / "key-python.sig", theirs)
    assert ran.code == 1
    found = {f["ruleId"]: f for f in ran.report["findings"]}
    assert found["signature/added"]["location"] == "ignore-me"
    assert "left out ignore-me" in found["signature/ignored"]["message"]


def test_an_expired_certificate_is_refused(model: Path, theirs: House, wardein: Callable[..., Ran]) -> None:
    ran = verify(wardein, model, CORPUS / "certificate-expired.sig", theirs)
    assert ran.code == 1
    assert [f["ruleId"] for f in ran.report["findings"]] == ["signature/untrusted"]
    assert "CN=expired-signer expired on 2020-01-02" in ran.report["findings"][0]["message"]


def test_another_authority_is_refused(model: Path, theirs: House, wardein: Callable[..., Ran]) -> None:
    root = json.loads(theirs.trust.read_text())
    root["certificates"] = [authority("other", "dn:CN=somebody-else")]
    theirs.trust.write_text(json.dumps(root))
    ran = verify(wardein, model, CORPUS / "certificate.sig", theirs)
    assert ran.code == 1
    assert "is not for dn:CN=somebody-else" in ran.report["findings"][0]["message"]


def test_a_bundle_counts_only_by_its_own_method(model, theirs, tmp_path, wardein) -> None:
    """The leaf's key is the listed one: the certificate decides nevertheless, and the other way round."""
    by_key, by_chain = (json.loads((CORPUS / f"{name}.sig").read_text()) for name in ("key-python", "certificate"))
    root = json.loads(theirs.trust.read_text()) | {"certificates": []}
    theirs.trust.write_text(json.dumps(root))
    assert "by certificate" in verify(wardein, model, CORPUS / "certificate.sig", theirs).out
    swapped = tmp_path / "swapped.sig"
    material = by_chain["verificationMaterial"]
    swapped.write_text(json.dumps(by_key | {"verificationMaterial": material}))
    assert verify(wardein, model, swapped, theirs).code == 1
    both = material | by_key["verificationMaterial"]
    swapped.write_text(json.dumps(by_key | {"verificationMaterial": both}))
    ran = verify(wardein, model, swapped, theirs)
    assert ran.code == 2
    assert "in one way" in ran.one_line


def changed(data: dict[str, Any], **said: object) -> dict[str, Any]:
    """A bundle whose statement says something else."""
    envelope = data["dsseEnvelope"]
    payload = json.loads(base64.b64decode(envelope["payload"])) | said
    return data | {"dsseEnvelope": envelope | {"payload": base64.b64encode(json.dumps(payload).encode()).decode()}}


def enveloped(data: dict[str, Any], **said: object) -> dict[str, Any]:
    return data | {"dsseEnvelope": data["dsseEnvelope"] | said}


NEGATIVE: dict[str, Callable[[dict[str, Any]], object]] = {
    "wrong-mediatype": lambda data: data | {"mediaType": "application/json"},
    "wrong-payload-type": lambda data: enveloped(data, payloadType="application/octet-stream"),
    "no-signature": lambda data: enveloped(data, signatures=[]),
    "wrong-statement-type": lambda data: changed(data, _type="https://in-toto.io/Statement/v0.1"),
    "wrong-predicate": lambda data: changed(data, predicateType="https://example.com/wrong-predicate/v1.0"),
    "empty-resources": lambda data: changed(data, predicate={"resources": [], "serialization": {}}),
    "missing-serialization": lambda data: changed(data, predicate={"resources": []}),
    "missing-envelope": lambda data: {name: data[name] for name in ("mediaType", "verificationMaterial")},
    "missing-verification-material": lambda data: {name: data[name] for name in ("mediaType", "dsseEnvelope")},
    "corrupted": lambda data: {"garbage": True},
}


@pytest.mark.parametrize("name", [*NEGATIVE, "empty", "truncated"])
def test_the_suites_negative_vectors_are_refused(
    name: str, model: Path, theirs: House, tmp_path: Path, wardein: Callable[..., Ran]
) -> None:
    good = (CORPUS / "key-python.sig").read_bytes()
    bad = {"empty": b"", "truncated": good[:100]}.get(name)
    bundle = tmp_path / "bad.sig"
    bundle.write_bytes(json.dumps(NEGATIVE[name](json.loads(good))).encode() if bad is None else bad)
    assert verify(wardein, model, bundle, theirs).code in (1, 2)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda m: (m / "signme-1").write_text("TAMPERED CONTENT\n"), "signature/changed"),
        (lambda m: (m / "signme-2").unlink(), "signature/removed"),
        (lambda m: (m / "injected.bin").write_text("injected after signing\n"), "signature/added"),
    ],
    ids=["tampered-content", "missing-file", "extra-file"],
)
def test_the_suites_changed_models_are_refused(change, rule, model, theirs, wardein) -> None:
    change(model)
    ran = verify(wardein, model, CORPUS / "key-python.sig", theirs)
    assert ran.code == 1
    assert [f["ruleId"] for f in ran.report["findings"] if f["fails"]] == [rule]


def test_a_keyless_bundle_of_an_unlisted_identity_is_refused(model, theirs, tmp_path, wardein) -> None:
    """Sigstore's part of the suite needs its public instance; what is no bundle of it is refused without."""
    data = json.loads((CORPUS / "key-python.sig").read_text())
    leaf = json.loads((CORPUS / "certificate.sig").read_text())["verificationMaterial"]["x509CertificateChain"]
    material = {"certificate": leaf["certificates"][0], "tlogEntries": []}
    bundle = tmp_path / "keyless.sig"
    bundle.write_text(json.dumps(data | {"verificationMaterial": material}))
    ran = verify(wardein, model, bundle, theirs)
    assert ran.code == 1
    assert "it lists none" in ran.report["findings"][0]["message"]
    root = json.loads(theirs.trust.read_text())
    who = {"name": "ci", "identity": "ci", "roles": ["train"], "subject": "ci@house.example", "issuer": "https://i"}
    theirs.trust.write_text(json.dumps(root | {"keyless": [who]}))
    ran = verify(wardein, model, bundle, theirs)
    assert ran.code == 1
    assert "is not a keyless signature of ci" in ran.report["findings"][0]["message"]


@pytest.fixture
def keyless(model: Path, house: House) -> Callable[..., House]:
    """A trust root that lists one keyless identity; the model is the one of the vector."""
    (model / "signme-1").write_bytes(b"signme-1")

    def listed(**said: str) -> House:
        who = {"subject": "stefanb@us.ibm.com", "issuer": "https://sigstore.verify.ibm.com/oauth2"} | said
        root = json.loads(house.trust.read_text())
        entry = {"name": "ci", "identity": "ci", "roles": ["train"], **who}
        house.trust.write_text(json.dumps(root | {"keyless": [entry]}))
        return house

    return listed


def test_the_keyless_vector_verifies_without_a_network(keyless, model, wardein) -> None:
    ran = verify(wardein, model, CORPUS / "keyless.sig", keyless())
    assert ran.code == 0, ran.out
    assert "signed by ci" in ran.out
    assert ran.err == ""


@pytest.mark.parametrize("said", [{"subject": "somebody@us.ibm.com"}, {"issuer": "https://accounts.example.com"}])
def test_the_keyless_vector_of_another_identity_or_issuer_is_refused(said, keyless, model, wardein) -> None:
    ran = verify(wardein, model, CORPUS / "keyless.sig", keyless(**said))
    assert ran.code == 1
    assert "do not match" in ran.out or "does not match" in ran.out


def test_the_keyless_vector_with_a_changed_model_is_refused(keyless, model, wardein) -> None:
    (model / "signme-1").write_text("tampered content that should cause digest mismatch")
    ran = verify(wardein, model, CORPUS / "keyless.sig", keyless())
    assert [f["ruleId"] for f in ran.report["findings"] if f["fails"]] == ["signature/changed"]


def test_a_keyless_vector_whose_statement_was_exchanged_is_refused(keyless, model, tmp_path, wardein) -> None:
    data, other = (json.loads((CORPUS / f"{name}.sig").read_text()) for name in ("keyless", "key-python"))
    bundle = tmp_path / "exchanged.sig"
    bundle.write_text(json.dumps(data | {"dsseEnvelope": other["dsseEnvelope"]}))
    assert verify(wardein, model, bundle, keyless()).code == 1
    del data["verificationMaterial"]["tlogEntries"]
    bundle.write_text(json.dumps(data))
    assert verify(wardein, model, bundle, keyless()).code == 1


def test_what_sigstore_verified_is_what_is_read(keyless, model, wardein, monkeypatch) -> None:
    """Its client reads the bundle once more; were it to find another statement in it, that would count for nothing."""
    from wardein.evidence.keyless import Certified

    other = ("application/vnd.in-toto+json", b"{}")
    monkeypatch.setattr(Certified, "payload_of", lambda certified, bundle: other)
    ran = verify(wardein, model, CORPUS / "keyless.sig", keyless())
    assert ran.code == 1
    assert "the signature does not hold" in ran.out


def test_a_keyless_bundle_without_sigstores_client_is_an_error(keyless, model, wardein, monkeypatch) -> None:
    monkeypatch.setattr("wardein.evidence.keyless.find_spec", lambda name: None)
    ran = verify(wardein, model, CORPUS / "keyless.sig", keyless())
    assert ran.code == 2
    assert "pip install 'wardein[keyless]'" in ran.one_line


def sign_keyless(wardein: Callable[..., Ran], model: Path, *options: object) -> Ran:
    bundle = model.parent / "new.sig"
    return wardein("sign-artifact", "--artifact", model, "--signature", bundle, "--signer", "sigstore:", *options)


def test_no_keyless_signature_without_an_identity(model, wardein, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("sigstore.oidc.detect_credential", lambda: None)
    ran = sign_keyless(wardein, model)
    assert ran.code == 2
    assert "no identity token" in ran.one_line
    chain = tmp_path / "chain.pem"
    chain.write_text("x")
    assert "--certificates" in sign_keyless(wardein, model, "--certificates", chain).one_line


def test_a_keyless_signature_by_a_stand_in_of_sigstore(model, wardein, monkeypatch) -> None:
    """It gives a canned bundle for any statement: tested is that it is handed ours, and that its answer is written."""
    from sigstore.models import Bundle
    from sigstore.sign import SigningContext

    handed: list[bytes] = []

    class StandIn:
        def __enter__(self) -> StandIn:
            return self

        def __exit__(self, *error: object) -> None:
            return None

        def signer(self, token: object) -> StandIn:
            return self

        def sign_dsse(self, statement: Any) -> Bundle:
            handed.append(statement._contents)
            return Bundle.from_json((CORPUS / "keyless.sig").read_bytes())

    monkeypatch.setattr("sigstore.oidc.detect_credential", lambda: "token")
    monkeypatch.setattr("sigstore.oidc.IdentityToken", lambda token: token)
    monkeypatch.setattr("sigstore.models.ClientTrustConfig.production", lambda: None)
    monkeypatch.setattr(SigningContext, "from_trust_config", lambda config: StandIn())
    assert sign_keyless(wardein, model, "--version", "1.0").code == 0
    said = json.loads(handed[0])
    assert [resource["name"] for resource in said["predicate"]["resources"]] == ["signme-1", "signme-2"]
    written = json.loads((model.parent / "new.sig").read_text())
    assert written["verificationMaterial"]["tlogEntries"][0]["logIndex"] == "598151086"


def test_a_sigstore_that_cannot_be_reached_is_one_line(model, wardein, monkeypatch) -> None:
    def unreachable() -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("sigstore.oidc.detect_credential", lambda: "token")
    monkeypatch.setattr("sigstore.models.ClientTrustConfig.production", unreachable)
    ran = sign_keyless(wardein, model)
    assert ran.code == 2
    assert "Sigstore: could not sign (OSError)" in ran.one_line


def schema(name: str) -> Draft202012Validator:
    read = {path.name: json.loads(path.read_text()) for path in CORPUS.glob("*.schema.json")}
    registry = Registry().with_resources([(s["$id"], Resource.from_contents(s)) for s in read.values()])
    return Draft202012Validator(read[f"{name}.schema.json"], registry=registry)


@pytest.mark.parametrize("single", [True, False])
def test_what_we_write_meets_the_schemas(single: bool, model, house, tmp_path, wardein) -> None:
    (model / "empty").mkdir()
    (model / "signme-1").chmod(0o755)
    bundle = tmp_path / "ours.sig"
    sign = ["--artifact", model / "signme-1" if single else model, "--signature", bundle, "--signer"]
    assert wardein("sign-artifact", *sign, house.key("train"), "--name", "demo", "--version", "1.2").code == 0
    data = json.loads(bundle.read_text())
    schema("bundle").validate(data)
    said = json.loads(base64.b64decode(data["dsseEnvelope"]["payload"]))
    schema("statement").validate(said)
    names = [resource["name"] for resource in said["predicate"]["resources"]]
    assert names == sorted(names)
    assert not schema("statement").is_valid(said | {"subject": []})
