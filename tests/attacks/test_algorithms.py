# SPDX-License-Identifier: Apache-2.0
"""Algorithm confusion: signatures that are right for something else than what the verifier checks.

Nothing in an envelope names an algorithm. The trust root says of each key what it is and how it signs, and
``envelope.holds`` checks that and nothing else. Each test names the step that stops its attack, and where the step can
be taken away, takes it away and sees the attack pass.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.attacks.conftest import Siege, deny_rules
from wardein.errors import WardeinError
from wardein.evidence import envelope as envelopes
from wardein.evidence import trust
from wardein.evidence.envelope import PAYLOAD_TYPE, Envelope, parse, seal
from wardein.evidence.keys import create_file_key, signer_for, trust_entry

TARGET = "evaluate_fairness"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
KINDS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


def adopt(siege: Siege, kind: str) -> Any:
    """Give the house a check key of a kind, sign all evidence by it, and return the private key."""
    private = KINDS[kind]()
    path = siege.folder.parent / "adopted.pem"
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    edit_trust(siege, lambda key: key.update(json.loads(trust_entry(str(path)))))
    siege.keys = dict.fromkeys(siege.reports, str(path))
    return private


def edit_trust(siege: Siege, change: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads(siege.house.trust.read_text())
    change(next(key for key in data["keys"] if key["roles"] == ["check"]))
    siege.house.trust.write_text(json.dumps(data))


def target(siege: Siege) -> Path:
    return siege.folder / f"{TARGET}.jsonl"


def signed_anew(siege: Siege, change: Callable[[Envelope, bytes], bytes]) -> list[Path]:
    """All evidence, with another signature in one envelope: made of the envelope and the honest signature."""
    paths = siege.write()
    honest = parse(json.loads(target(siege).read_bytes()))
    ((keyid, value),) = honest.signatures
    forged = Envelope(honest.payload, honest.payload_type, ((keyid, change(honest, value)),))
    target(siege).write_bytes(forged.to_line())
    return paths


def denied_because(siege: Siege, paths: list[Path], reason: str, rule: str = "gate/untrusted") -> None:
    denied = siege.gate(paths)
    assert denied.code == 1, denied.err
    assert deny_rules(denied) == {rule}
    assert reason in next(f["message"] for f in denied.report["findings"] if f["fails"])


def passes_without_verification(siege: Siege, paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelopes, "holds", lambda *_: True)
    assert siege.gate(paths).code == 0


# Signatures that no key of the trust root made over these bytes in this way. The step: envelope.holds.


def private_key(siege: Siege) -> Any:
    return load_pem_private_key(Path(siege.house.key("check").removeprefix("file:")).read_bytes(), None)


def hmac_by_public_key(siege: Siege, envelope: Envelope, honest: bytes) -> bytes:
    pem = private_key(siege).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return hmac.new(pem, envelope.pae, hashlib.sha256).digest()


def by_another_key(siege: Siege, envelope: Envelope, honest: bytes) -> bytes:
    create_file_key(siege.folder / "mallory.pem")
    return seal(envelope.payload, signer_for(str(siege.folder / "mallory.pem"))).signatures[0][1]


def by_another_listed_key(siege: Siege, envelope: Envelope, honest: bytes) -> bytes:
    return seal(envelope.payload, signer_for(siege.house.key("train"))).signatures[0][1]


def by_another_algorithm(siege: Siege, envelope: Envelope, honest: bytes) -> bytes:
    return ed25519.Ed25519PrivateKey.generate().sign(envelope.pae)


def over(make: Callable[[Envelope], bytes]) -> Callable[[Siege, Envelope, bytes], bytes]:
    return lambda siege, envelope, honest: private_key(siege).sign(make(envelope), ec.ECDSA(SHA256()))


def over_another_hash(siege: Siege, envelope: Envelope, honest: bytes) -> bytes:
    return private_key(siege).sign(envelope.pae, ec.ECDSA(SHA384()))


def as_raw_numbers(siege: Siege, envelope: Envelope, honest: bytes) -> bytes:
    r, s = decode_dss_signature(honest)
    return r.to_bytes(32) + s.to_bytes(32)


FORGERIES: dict[str, Callable[[Siege, Envelope, bytes], bytes]] = {
    "none": lambda siege, envelope, honest: b"",
    "HMAC with the public key as secret": hmac_by_public_key,
    "by another key": by_another_key,
    "by another key of the trust root": by_another_listed_key,
    "by another algorithm": by_another_algorithm,
    "of the payload alone": over(lambda e: e.payload),
    "of the payload's base64": over(lambda e: base64.b64encode(e.payload)),
    "of the base64 in its encoding": over(lambda e: Envelope(base64.b64encode(e.payload), PAYLOAD_TYPE, ()).pae),
    "of another payload type": over(lambda e: Envelope(e.payload, "application/json", ()).pae),
    "of the envelope's digest": over(lambda e: hashlib.sha256(e.pae).digest()),
    "by another hash": over_another_hash,
    "as raw numbers": as_raw_numbers,
    "zeros": lambda siege, envelope, honest: encode_dss_signature(0, 0),
    "zero and the order": lambda siege, envelope, honest: encode_dss_signature(0, ORDER),
    "s beyond the order": lambda siege, envelope, honest: encode_dss_signature(
        decode_dss_signature(honest)[0], decode_dss_signature(honest)[1] + ORDER
    ),
    "a byte too many": lambda siege, envelope, honest: honest + b"\0",
    "a byte too few": lambda siege, envelope, honest: honest[:-1],
    "a long length": lambda siege, envelope, honest: honest[:1] + b"\x81" + honest[1:],
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_signature_that_is_right_for_something_else(name: str, siege: Siege, monkeypatch) -> None:
    paths = signed_anew(siege, lambda envelope, honest: FORGERIES[name](siege, envelope, honest))
    denied_because(siege, paths, "the signature of check does not hold")
    passes_without_verification(siege, paths, monkeypatch)


@pytest.mark.parametrize(
    ("kind", "sign"),
    [
        ("RSA", lambda key, data, honest: key.sign(data, padding.PKCS1v15(), SHA256())),
        ("RSA", lambda key, data, honest: key.sign(data, padding.PSS(padding.MGF1(SHA384()), 32), SHA256())),
        ("RSA", lambda key, data, honest: key.sign(data, padding.PSS(padding.MGF1(SHA384()), 48), SHA384())),
        ("RSA", lambda key, data, honest: b"\0" + honest),
        ("RSA", lambda key, data, honest: (int.from_bytes(honest) + key.public_key().public_numbers().n).to_bytes(257)),
        ("Ed25519", lambda key, data, honest: key.sign(hashlib.sha512(data).digest())),
        ("Ed25519", lambda key, data, honest: honest[:32] + plus_order(honest[32:])),
        ("Ed25519", lambda key, data, honest: b"\1" + bytes(63)),
    ],
    ids=["PKCS1", "other mask", "other hash", "leading zero", "plus modulus", "prehashed", "plus order", "identity"],
)
def test_another_form_by_the_right_key(kind: str, sign: Callable[..., bytes], siege: Siege, monkeypatch) -> None:
    """The key is right and so are the bytes; the trust root's scheme for it is another. The step: envelope.holds."""
    key = adopt(siege, kind)
    assert siege.gate().code == 0
    paths = signed_anew(siege, lambda envelope, honest: sign(key, envelope.pae, honest))
    denied_because(siege, paths, "does not hold")
    passes_without_verification(siege, paths, monkeypatch)


def plus_order(scalar: bytes) -> bytes:
    return (int.from_bytes(scalar, "little") + ED25519_ORDER).to_bytes(32, "little")


def test_headers_beside_a_signature_that_has_none_are_denied(siege: Siege, monkeypatch) -> None:
    """What is not signed must not ride along. The step: envelope.holds."""
    paths = siege.write()
    data = json.loads(target(siege).read_bytes())
    data["signatures"][0]["other_headers"] = "040016080000"
    target(siege).write_text(json.dumps(data))
    denied_because(siege, paths, "does not hold")
    passes_without_verification(siege, paths, monkeypatch)


def test_a_malleated_signature_is_the_same_signature(siege: Siege) -> None:
    """Of (r, s), anybody can make (r, n - s): it holds as well, over the same bytes, and changes no decision.

    It cannot be refused, as half of all honest signers give the larger s. So nothing may rest on a signature being
    the only one: what is counted is identities, and what is remembered is digests, which a changed line no longer has.
    """
    paths = signed_anew(siege, malleated)
    assert siege.gate(paths).code == 0


def malleated(envelope: Envelope, honest: bytes) -> bytes:
    r, s = decode_dss_signature(honest)
    return encode_dss_signature(r, ORDER - s)


def test_a_malleated_signature_does_not_count_as_a_second_one(siege: Siege) -> None:
    """The step: trust.signers_of takes each key once."""
    paths = siege.write()
    honest = parse(json.loads(target(siege).read_bytes()))
    ((keyid, value),) = honest.signatures
    both = ((keyid, value), (keyid, malleated(honest, value)))
    target(siege).write_bytes(Envelope(honest.payload, honest.payload_type, both).to_line())
    denied_because(siege, paths, "is signed twice by the same key")


# Envelopes with several signatures. The step: trust.signers_of, to which all have to hold, or none counts.


def test_all_signatures_hold(siege: Siege) -> None:
    """Two honest ones pass, so that what is denied below is denied for the bad one."""
    assert siege.gate(with_second(siege, lambda e: e.signed_by(signer_for(siege.house.key("train"))))).code == 0


def with_second(siege: Siege, add: Callable[[Envelope], Envelope]) -> list[Path]:
    paths = siege.write()
    target(siege).write_bytes(add(parse(json.loads(target(siege).read_bytes()))).to_line())
    return paths


def added(envelope: Envelope, keyid: str, value: bytes, *, first: bool) -> Envelope:
    extra = ((keyid, value),)
    signatures = (*extra, *envelope.signatures) if first else (*envelope.signatures, *extra)
    return Envelope(envelope.payload, envelope.payload_type, signatures)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("value", [b"", b"junk", "the check key's"])
def test_one_bad_signature_of_a_listed_key(value: bytes | str, first: bool, siege: Siege, monkeypatch) -> None:
    gate = trust_entry(siege.house.key("gate"))
    keyid = json.loads(gate)["keyid"]
    paths = with_second(
        siege, lambda e: added(e, keyid, e.signatures[0][1] if isinstance(value, str) else value, first=first)
    )
    denied_because(siege, paths, "the signature of gate does not hold")
    passes_without_verification(siege, paths, monkeypatch)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("keyid", ["", "0" * 64, "check"])
def test_one_signature_of_an_unknown_key(keyid: str, first: bool, siege: Siege) -> None:
    paths = with_second(siege, lambda e: added(e, keyid, e.signatures[0][1], first=first))
    denied_because(siege, paths, "is signed by a key that the trust root does not list")


def test_a_good_signature_twice(siege: Siege) -> None:
    paths = with_second(siege, lambda e: added(e, *e.signatures[0], first=True))
    denied_because(siege, paths, "is signed twice by the same key")


def test_a_flood_of_signatures_is_not_verified_one_by_one(siege: Siege) -> None:
    """The step: envelope.parse."""
    keys = [f"{number:064x}" for number in range(16)]
    paths = siege.write()
    data = json.loads(target(siege).read_bytes())
    data["signatures"] += [{"keyid": key, "sig": ""} for key in keys]
    target(siege).write_text(json.dumps(data))
    denied = siege.gate(paths)
    assert deny_rules(denied) == {"gate/unreadable", "gate/missing"}
    assert any("holds more than 16 signatures" in finding["message"] for finding in denied.report["findings"])


# The payload type is part of what is signed, and only one type is evidence.


def test_the_same_bytes_under_another_type(siege: Siege, monkeypatch) -> None:
    """Mallory has the check key sign, as some other service would, the same bytes as another type.

    The steps: trust.signers_of takes one type only; were it to take the other, what is signed says which it was.
    """
    other = "application/vnd.example+json"
    paths = siege.write()
    honest = parse(json.loads(target(siege).read_bytes()))
    foreign = Envelope(honest.payload, other, ()).signed_by(signer_for(siege.house.key("check")))
    target(siege).write_bytes(foreign.to_line())
    denied_because(siege, paths, "the payload type is 'application/vnd.example+json'")
    target(siege).write_bytes(Envelope(honest.payload, PAYLOAD_TYPE, foreign.signatures).to_line())
    denied_because(siege, paths, "does not hold")
    monkeypatch.setattr(trust, "PAYLOAD_TYPE", other)
    only = trust.load(siege.house.trust)
    assert only.signers_of(foreign)
    with pytest.raises(WardeinError, match="the payload type is"):
        only.signers_of(honest)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab 0123456789é", max_size=12), st.binary(max_size=24), st.integers(0, 60), st.integers(0, 60))
def test_no_two_envelopes_are_signed_as_the_same_bytes(kind: str, payload: bytes, start: int, end: int) -> None:
    """However what is signed is cut into a type and a payload, only the true cut gives the same bytes back."""
    signed = Envelope(payload, kind, ()).pae
    cut = Envelope(signed[end:], signed[start:end].decode(errors="ignore"), ())
    assert cut.pae != signed or (cut.payload, cut.payload_type) == (payload, kind)
    spaced = Envelope(payload + b" ", kind, ()), Envelope(payload, kind + " ", ()), Envelope(b" " + payload, kind, ())
    assert all(other.pae != signed for other in spaced)


# What two parsers could read differently is read by none. The step: envelope.parse.


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"sig":"', '"sig":" '),
        lambda text: text.replace('"sig":"', '"sig":"\\n'),
        lambda text: text.replace("=", ""),
        lambda text: text.replace('"sig":', '"sig":"","sig":'),
        lambda text: text.replace('"keyid":', '"keyid":"\\ud800","keyid2":'),
        lambda text: text.replace('"keyid":', '"keyid":7,"keyid2":'),
        lambda text: text.replace('"signatures":[', '"signatures":[7,'),
        lambda text: text.replace('"signatures":[', '"signatures":{"a":').replace("]}", "}}"),
        lambda text: text.replace(PAYLOAD_TYPE, "\\udfff"),
    ],
    ids=["space", "newline", "padding", "twice", "surrogate", "number", "item", "object", "type"],
)
def test_an_ambiguous_envelope_is_unreadable(change: Callable[[str], str], siege: Siege) -> None:
    paths = signed_anew(siege, lambda envelope, honest: honest if len(honest) % 3 else honest + b"\0")
    honest = target(siege).read_text()
    target(siege).write_text(change(honest))
    assert target(siege).read_text() != honest
    denied = siege.gate(paths)
    assert denied.code == 1
    assert "gate/unreadable" in deny_rules(denied)


def test_bits_after_the_last_byte_of_base64_are_refused() -> None:
    assert parse({"payload": "e30=", "payloadType": "t", "signatures": []}).payload == b"{}"
    with pytest.raises(WardeinError, match="is not a DSSE envelope"):
        parse({"payload": "e31=", "payloadType": "t", "signatures": []})


# A trust root whose keys are not what they say. The step: trust._can_verify; without it, envelope.holds still denies.


@pytest.mark.parametrize(
    ("kind", "claimed"),
    [
        ("P-256", ("ecdsa", "ecdsa-sha2-nistp384")),
        ("P-256", ("rsa", "rsassa-pss-sha256")),
        ("P-256", ("ed25519", "ed25519")),
        ("P-256", ("rsa", "pgp+rsa-pkcsv1.5")),
        ("P-256", ("ml-dsa", "ml-dsa-65/1")),
        ("RSA", ("ecdsa", "ecdsa-sha2-nistp256")),
        ("RSA", ("ed25519", "ed25519")),
        ("Ed25519", ("ecdsa", "ecdsa-sha2-nistp256")),
        ("Ed25519", ("rsa", "rsassa-pss-sha256")),
        ("Ed25519", ("eddsa", "pgp+eddsa-ed25519")),
    ],
)
def test_a_trusted_key_of_another_kind_than_it_says(kind: str, claimed: tuple[str, str], siege: Siege, monkeypatch):
    adopt(siege, kind)
    assert siege.gate().code == 0
    edit_trust(siege, lambda key: key.update(keytype=claimed[0], scheme=claimed[1]))
    refused = siege.gate()
    assert refused.code == 2
    assert "the key of check is not what it says it is" in refused.one_line
    monkeypatch.setattr(trust, "_can_verify", lambda *_: None)
    denied = siege.gate()
    assert denied.code == 1
    assert deny_rules(denied) == {"gate/untrusted"}


@pytest.mark.parametrize(
    "claimed", [("ecdsa", "none"), ("none", "none"), ("oct", "HS256"), ("ecdsa", "ed25519"), ("", "")]
)
def test_a_trusted_key_of_no_kind_at_all(claimed: tuple[str, str], siege: Siege) -> None:
    """The step: securesystemslib's table of pairs, which trust.load asks."""
    edit_trust(siege, lambda key: key.update(keytype=claimed[0], scheme=claimed[1]))
    refused = siege.gate()
    assert refused.code == 2
    assert "Unsupported public key" in refused.one_line
