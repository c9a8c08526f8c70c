# SPDX-License-Identifier: Apache-2.0
"""Artifacts signed by certificate: what model-signing accepts wrongly is refused, what is right holds in both."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import House, Ran

CODE, TLS = (ExtendedKeyUsageOID.CODE_SIGNING,), (ExtendedKeyUsageOID.SERVER_AUTH,)
ANY = (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)
TRAINER = "trainer@house.example"
SIGNS = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
DIRECTORY = x509.NameConstraints([x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")]))], None)


@dataclass(frozen=True)
class Made:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()


def p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def make(name: str, issuer: Made | None = None, *, key: Any = None, ca: bool = False, **how: Any) -> Made:
    """A certificate that is right, but for what ``how`` says."""
    key, now = key or p256(), datetime.now(UTC)
    since, until = how.get("days", (-1, 365))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=since))
        .not_valid_after(now + timedelta(days=until))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False)
        .add_extension(x509.BasicConstraints(how.get("basic", ca), how.get("path_length") if ca else None), True)
    )
    signs = how.get("signs", not ca)
    usage = x509.KeyUsage(signs, False, False, False, False, ca, ca, False, False)
    if how.get("usage", True):
        builder = builder.add_extension(usage, True)
    if extended := how.get("extended", () if ca else CODE):
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), False)
    names: Sequence[x509.GeneralName] = how.get("names", () if ca else (x509.RFC822Name(TRAINER),))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
    for critical, extensions in ((True, how.get("more", ())), (False, how.get("beside", ()))):
        for extension in extensions:
            builder = builder.add_extension(extension, critical)
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Made(builder.sign(signer, algorithm), key)


def files(folder: Path, *chain: Made) -> tuple[Path, Path]:
    """The leaf's private key and the chain, as files."""
    key, certificates = folder / "leaf.pem", folder / "chain.pem"
    key.write_bytes(chain[0].key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificates.write_text("".join(made.pem for made in chain))
    return key, certificates


def trust(house: House, root: Made, subject: str = f"email:{TRAINER}") -> None:
    entry = {"name": "house-ca", "identity": TRAINER, "roles": ["train"], "root": root.pem, "subject": subject}
    house.trust.write_text(json.dumps(json.loads(house.trust.read_text()) | {"certificates": [entry]}))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.skops"
    path.write_bytes(b"weights")
    return path


@dataclass(frozen=True)
class Bench:
    """What signs and verifies one model."""

    model: Path
    house: House
    wardein: Callable[..., Ran]

    @property
    def bundle(self) -> Path:
        return self.model.parent / "model.sig"

    def sign(self, *chain: Made) -> Ran:
        key, certificates = files(self.model.parent, *chain)
        given = ["--artifact", self.model, "--signature", self.bundle, "--signer", f"file:{key}"]
        return self.wardein("sign-artifact", *given, "--certificates", certificates)

    def verify(self) -> Ran:
        given = ["--artifact", self.model, "--signature", self.bundle, "--trust", self.house.trust, "--json"]
        return self.wardein("verify-artifact", *given)

    def refused(self, why: str) -> None:
        ran = self.verify()
        assert ran.code == 1, ran.out
        (finding,) = ran.report["findings"]
        assert finding["ruleId"] == "signature/untrusted"
        assert why in finding["message"]


@pytest.fixture
def bench(model: Path, house: House, wardein: Callable[..., Ran]) -> Bench:
    return Bench(model, house, wardein)


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sign as those do who check nothing: with a chain as it is."""
    from wardein.evidence import certificates

    def as_it_is(path: Path, signer: object, now: object) -> tuple[x509.Certificate, ...]:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes()))

    monkeypatch.setattr(certificates, "read_chain", as_it_is)
    monkeypatch.setattr("wardein.evidence.keys.too_few_bits", lambda key: 0)


def oracle(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "model_signing", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_chain_below_the_listed_root_holds_in_both(bench: Bench, tmp_path: Path) -> None:
    root = make("root", ca=True)
    between = make("between", root, ca=True)
    leaf = make("leaf", between)
    assert bench.sign(leaf, between).code == 0
    trust(bench.house, root)
    ran = bench.verify()
    assert ran.code == 0, ran.out
    assert f"signed by house-ca ({TRAINER})" in ran.out
    anchor = tmp_path / "root.pem"
    anchor.write_text(root.pem)
    theirs = oracle("verify", "certificate", bench.model, "--signature", bench.bundle, "--certificate_chain", anchor)
    assert theirs.returncode == 0, theirs.stderr


def test_a_chain_that_model_signing_signed_holds(bench: Bench, tmp_path: Path) -> None:
    root = make("root", ca=True)
    between = make("between", root, ca=True)
    leaf = make("leaf", between, key=ec.generate_private_key(ec.SECP384R1()))
    key, _ = files(tmp_path, leaf)
    own, chain = tmp_path / "own.pem", tmp_path / "chain.pem"
    own.write_text(leaf.pem)
    chain.write_text(between.pem)
    given = ["--private_key", key, "--signing_certificate", own, "--certificate_chain", chain]
    signed = oracle("sign", "certificate", bench.model, "--signature", bench.bundle, *given)
    assert signed.returncode == 0, signed.stderr
    trust(bench.house, root)
    assert bench.verify().code == 0


KINDS: dict[str, Callable[[], Any]] = {
    "p-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("kind", KINDS)
def test_leaves_of_every_kind(kind: str, bench: Bench) -> None:
    root = make("root", ca=True)
    assert bench.sign(make("leaf", root, key=KINDS[kind]())).code == 0
    trust(bench.house, root)
    assert bench.verify().code == 0


NAMES: dict[str, x509.GeneralName] = {
    f"email:{TRAINER}": x509.RFC822Name(TRAINER),
    "uri:spiffe://house.example/trainer": x509.UniformResourceIdentifier("spiffe://house.example/trainer"),
    "dns:trainer.house.example": x509.DNSName("trainer.house.example"),
}


@pytest.mark.parametrize("subject", [*NAMES, "dn:CN=leaf"])
def test_the_subject_is_the_one_that_the_trust_root_names(subject: str, bench: Bench) -> None:
    root = make("root", ca=True)
    assert bench.sign(make("leaf", root, names=tuple(NAMES.values()))).code == 0
    trust(bench.house, root, subject)
    assert bench.verify().code == 0
    for other in (f"{subject}x", subject.replace("trainer", "x").replace("leaf", "x"), f"uri:{subject}"):
        trust(bench.house, root, other)
        bench.refused("is not for")


REFUSED: dict[str, tuple[Callable[[Made], Made], str]] = {
    "expired": (lambda root: make("leaf", root, days=(-400, -1)), "CN=leaf expired on"),
    "not yet valid": (lambda root: make("leaf", root, days=(1, 9)), "CN=leaf is not valid before"),
    "a TLS certificate": (lambda root: make("leaf", root, extended=TLS), "not codeSigning"),
    "any usage": (lambda root: make("leaf", root, extended=ANY), "not codeSigning"),
    "no extended usage": (lambda root: make("leaf", root, extended=()), "required extension"),
    "no usage": (lambda root: make("leaf", root, usage=False), "required extension"),
    "may not sign": (lambda root: make("leaf", root, signs=False), "not digitalSignature"),
    "an unknown critical extension": (
        lambda root: make("leaf", root, more=[x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")]),
        "critical",
    ),
    "RSA of 1024 bits": (lambda root: make("leaf", root, key=rsa.generate_private_key(65537, 1024)), "too weak"),
    "of another root": (lambda root: make("leaf", make("root", ca=True)), "does not hold"),
    "signed by itself": (lambda root: make("leaf"), "does not hold"),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", REFUSED)
def test_a_leaf_that_may_not_sign_is_refused(name: str, bench: Bench) -> None:
    root = make("root", ca=True)
    make_leaf, why = REFUSED[name]
    assert bench.sign(make_leaf(root)).code == 0
    trust(bench.house, root)
    bench.refused(why)


BETWEEN: dict[str, tuple[Callable[[Made], Made], str]] = {
    "expired": (lambda root: make("between", root, ca=True, days=(-9, -1)), "CN=between expired"),
    "not yet valid": (lambda root: make("between", root, ca=True, days=(1, 9)), "CN=between is not valid before"),
    "not a CA": (lambda root: make("between", root, ca=True, basic=False), "does not hold"),
    "a leaf": (lambda root: make("between", root), "does not hold"),
    "for TLS only": (lambda root: make("between", root, ca=True, extended=TLS), "does not hold"),
    "for others' names": (
        lambda root: make("between", root, ca=True, more=[x509.NameConstraints([x509.RFC822Name("x.example")], None)]),
        "name constraint",
    ),
    "for others' directory names, said in passing": (
        lambda root: make("between", root, ca=True, beside=[DIRECTORY]),
        "directory names",
    ),
    "without a key usage": (lambda root: make("between", root, ca=True, usage=False), "key usage is missing"),
    "with a small RSA key": (
        lambda root: make("between", root, ca=True, key=rsa.generate_private_key(65537, 1024)),
        "too weak",
    ),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", BETWEEN)
def test_a_certificate_between_that_may_not_certify_is_refused(name: str, bench: Bench) -> None:
    root = make("root", ca=True)
    make_between, why = BETWEEN[name]
    between = make_between(root)
    assert bench.sign(make("leaf", between), between).code == 0
    trust(bench.house, root)
    bench.refused(why)


@pytest.mark.parametrize("extended", [CODE, ANY, ()])
def test_a_certificate_between_may_be_for_code_signing(extended: tuple[Any, ...], bench: Bench) -> None:
    root = make("root", ca=True)
    between = make("between", root, ca=True, extended=extended)
    assert bench.sign(make("leaf", between), between).code == 0
    trust(bench.house, root)
    assert bench.verify().code == 0


def test_a_root_without_a_key_usage_holds(bench: Bench) -> None:
    """As `openssl req -x509` makes it."""
    root = make("root", ca=True, usage=False)
    assert bench.sign(make("leaf", root), root).code == 0
    trust(bench.house, root)
    assert bench.verify().code == 0


ROOTS: dict[str, tuple[Callable[[], Made], str]] = {
    "a leaf": (lambda: make("root"), "basicConstraints CA"),
    "may not certify": (lambda: make("root", ca=True, basic=True, more=[], usage=False, beside=[SIGNS]), "keyCertSign"),
    "an Ed25519 key": (
        lambda: make("root", ca=True, key=ed25519.Ed25519PrivateKey.generate()),
        "neither of an elliptic curve nor RSA",
    ),
    "a small RSA key": (lambda: make("root", ca=True, key=rsa.generate_private_key(65537, 1024)), "has 1024 bits"),
    "directory names": (lambda: make("root", ca=True, beside=[DIRECTORY]), "directory names"),
}


@pytest.mark.parametrize("name", ROOTS)
def test_a_root_that_no_chain_can_end_at_is_told_when_it_is_listed(name: str, bench: Bench) -> None:
    make_root, why = ROOTS[name]
    trust(bench.house, make_root())
    bench.bundle.write_text("{}")
    ran = bench.verify()
    assert ran.code == 2
    assert "no chain can end at the root of house-ca" in ran.one_line
    assert why in ran.one_line


def test_a_chain_that_could_not_be_verified_is_not_signed_with(bench: Bench) -> None:
    root = make("root", ca=True)
    for between, why in (
        (make("between", root, ca=True, beside=[DIRECTORY]), "directory names"),
        (make("between", root, ca=True, usage=False), "key usage is missing"),
        (make("between", root, ca=True, key=ed25519.Ed25519PrivateKey.generate()), "Forbidden"),
    ):
        ran = bench.sign(make("leaf", between), between, root)
        assert ran.code == 2
        assert "could not be verified" in ran.one_line
        assert why in ran.one_line


def test_a_certificate_of_no_known_version_is_none(bench: Bench) -> None:
    root = make("root", ca=True)
    leaf = make("leaf", root)
    assert bench.sign(leaf).code == 0
    trust(bench.house, root)
    encoded = leaf.certificate.public_bytes(Encoding.DER)
    odd = encoded.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020103"), 1)
    text = bench.bundle.read_text().replace(base64.b64encode(encoded).decode(), base64.b64encode(odd).decode())
    bench.bundle.write_text(text)
    ran = bench.verify()
    assert ran.code == 2
    assert "holds what is not a certificate" in ran.one_line


def test_the_length_of_the_path_is_bounded(bench: Bench) -> None:
    root = make("root", ca=True, path_length=0)
    between = make("between", root, ca=True)
    assert bench.sign(make("leaf", between), between).code == 0
    trust(bench.house, root)
    bench.refused("path length")


def test_an_expired_root_is_refused(bench: Bench) -> None:
    root = make("root", ca=True, days=(-9, -1))
    assert bench.sign(make("leaf", root)).code == 0
    trust(bench.house, root)
    bench.refused("CN=root expired on")


def test_a_missing_certificate_between_is_refused(bench: Bench) -> None:
    root = make("root", ca=True)
    assert bench.sign(make("leaf", make("between", root, ca=True))).code == 0
    trust(bench.house, root)
    bench.refused("does not hold below the root of house-ca")


def test_a_changed_statement_is_refused(bench: Bench) -> None:
    root = make("root", ca=True)
    assert bench.sign(make("leaf", root)).code == 0
    data = json.loads(bench.bundle.read_text())
    data["dsseEnvelope"]["signatures"][0]["sig"] = "AAAA"
    bench.bundle.write_text(json.dumps(data))
    trust(bench.house, root)
    bench.refused("the signature does not hold")


@pytest.mark.parametrize(
    ("chain", "why"),
    [
        (lambda root: [make("leaf", root, days=(-9, -1))], "expired on"),
        (lambda root: [make("leaf", root, extended=TLS)], "not codeSigning"),
        (lambda root: [make("leaf", root, signs=False)], "not digitalSignature"),
        (lambda root: [make("leaf", root), make("other", ca=True)], "is not issued by"),
        (lambda root: [Made(make("leaf", root).certificate, p256())], "of another key"),
        (lambda root: [make("leaf", root)] * 9, "9 certificates"),
    ],
)
def test_nobody_signs_by_a_chain_that_would_not_hold(chain, why, bench: Bench) -> None:
    ran = bench.sign(*chain(make("root", ca=True)))
    assert ran.code == 2
    assert why in ran.one_line
    assert not bench.bundle.exists()


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_file_that_holds_no_certificates_is_one_line(content: bytes, bench: Bench, tmp_path: Path) -> None:
    chain = tmp_path / "chain.pem"
    chain.write_bytes(content)
    given = ["--artifact", bench.model, "--signature", bench.bundle, "--signer", bench.house.key("train")]
    ran = bench.wardein("sign-artifact", *given, "--certificates", chain)
    assert ran.code == 2
    assert ran.one_line


@pytest.mark.parametrize(
    "chain", [[], [{}], ["x"], [{"rawBytes": "AAAA"}], [{"rawBytes": "%"}], None, [{"rawBytes": 1}]]
)
def test_a_bundle_whose_chain_cannot_be_read_is_an_error(chain: object, bench: Bench) -> None:
    root = make("root", ca=True)
    assert bench.sign(make("leaf", root)).code == 0
    data = json.loads(bench.bundle.read_text())
    data["verificationMaterial"]["x509CertificateChain"]["certificates"] = chain
    bench.bundle.write_text(json.dumps(data))
    ran = bench.verify()
    assert ran.code == 2
    assert ran.one_line


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"subject": "trainer"}, "none of email:"),
        ({"subject": "email:"}, "none of email:"),
        ({"root": "nonsense"}, "not a trust root"),
        ({"roles": ["train", "gate"]}, "role train only"),
        ({"roles": ["check"]}, "role train only"),
        ({"name": "train"}, "two keys of the name train"),
        ({"name": "a b"}, "is not a name"),
    ],
)
def test_a_trust_root_with_an_entry_that_could_not_count_is_an_error(
    said: dict[str, object], why: str, bench: Bench
) -> None:
    root = make("root", ca=True)
    assert bench.sign(make("leaf", root)).code == 0
    trust(bench.house, root)
    data = json.loads(bench.house.trust.read_text())
    data["certificates"][0] |= said
    bench.house.trust.write_text(json.dumps(data))
    ran = bench.verify()
    assert ran.code == 2
    assert why in ran.one_line


def test_a_damaged_chain_is_never_taken_for_another(bench: Bench) -> None:
    """Whatever bytes of the certificates are others: FAIL or ERROR, in one line, and never a traceback."""
    root = make("root", ca=True)
    between = make("between", root, ca=True)
    assert bench.sign(make("leaf", between), between).code == 0
    trust(bench.house, root)
    from wardein.errors import WardeinError
    from wardein.evidence import trust as trust_roots
    from wardein.evidence.artifact_signer import signer_of
    from wardein.evidence.model_signing import open_bundle

    data, listed = json.loads(bench.bundle.read_text()), trust_roots.load(bench.house.trust)
    whole = [
        base64.b64decode(c["rawBytes"]) for c in data["verificationMaterial"]["x509CertificateChain"]["certificates"]
    ]
    assert signer_of(open_bundle(bench.bundle), listed, datetime.now(UTC)).name == "house-ca"

    @settings(max_examples=150, deadline=None)
    @given(st.integers(0, 1), st.integers(0, 10_000), st.integers(1, 255), st.booleans())
    def damaged(which: int, place: int, other: int, cut: bool) -> None:
        chain = [bytearray(content) for content in whole]
        at = place % len(chain[which])
        if cut:
            del chain[which][at:]
        else:
            chain[which][at] ^= other
        encoded = [{"rawBytes": base64.b64encode(content).decode()} for content in chain]
        material = {"x509CertificateChain": {"certificates": encoded}}
        bench.bundle.write_text(json.dumps(data | {"verificationMaterial": material}))
        with pytest.raises(WardeinError):
            signer_of(open_bundle(bench.bundle), listed, datetime.now(UTC))

    damaged()
