# SPDX-License-Identifier: Apache-2.0
"""Evidence that nobody with the right role signed."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.attacks.conftest import Siege, deny_rules
from wardein.evidence.envelope import seal
from wardein.evidence.keys import create_file_key, signer_for
from wardein.evidence.statement import STATEMENT_TYPE

FAIR = "evaluate_fairness"


def edit(line: bytes, change: Callable[[dict], None]) -> bytes:
    envelope = json.loads(line)
    change(envelope)
    return json.dumps(envelope).encode() + b"\n"


def strip(envelope: dict) -> None:
    envelope["signatures"] = []


def empty_signature(envelope: dict) -> None:
    envelope["signatures"][0]["sig"] = ""


def rewrite(envelope: dict) -> None:
    payload = base64.b64decode(envelope["payload"]).replace(b'"n":500', b'"n":999')
    envelope["payload"] = base64.b64encode(payload).decode()


def other_type(envelope: dict) -> None:
    envelope["payloadType"] = "application/json"


def other_keyid(envelope: dict) -> None:
    envelope["signatures"][0]["keyid"] = "0" * 64


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (strip, "is not signed"),
        (empty_signature, "does not hold"),
        (rewrite, "does not hold"),
        (other_type, "payload type"),
        (other_keyid, "does not list"),
    ],
)
def test_tampered_envelope_is_denied(change: Callable[[dict], None], reason: str, siege: Siege) -> None:
    paths = siege.write()
    target = siege.folder / f"{FAIR}.jsonl"
    target.write_bytes(edit(target.read_bytes(), change))
    denied = siege.gate(paths)
    assert denied.code == 1
    assert deny_rules(denied) == {"gate/untrusted"}
    assert reason in next(f["message"] for f in denied.report["findings"] if f["fails"])


@pytest.mark.parametrize("role", ["train", "gate"])
def test_a_key_with_another_role_is_denied(role: str, siege: Siege) -> None:
    siege.keys[FAIR] = siege.house.key(role)
    denied = siege.gate()
    assert denied.code == 1
    assert deny_rules(denied) == {"gate/untrusted"}
    assert "do not include 'check'" in next(f["message"] for f in denied.report["findings"] if f["fails"])


def test_a_foreign_key_is_denied(siege: Siege) -> None:
    create_file_key(siege.folder / "mallory.pem")
    siege.keys[FAIR] = f"file:{siege.folder}/mallory.pem"
    assert deny_rules(siege.gate()) == {"gate/untrusted"}


def test_another_trust_root_than_the_pinned_one_is_refused(siege: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mallory makes a trust root of his own, signs with his own keys, and names it in the run's parameters."""
    monkeypatch.setenv("WARDEIN_TRUST_SHA256", "")
    assert siege.gate().code == 2  # an unset secret must not switch the pin off
    monkeypatch.setenv("WARDEIN_TRUST_SHA256", hashlib.sha256(siege.house.trust.read_bytes()).hexdigest())
    assert siege.gate().code == 0
    siege.house.trust.write_bytes(siege.house.trust.read_bytes() + b" ")
    refused = siege.gate()
    assert refused.code == 2
    assert "is not the trust root that WARDEIN_TRUST_SHA256 pins" in refused.one_line


@pytest.mark.parametrize(
    "roles",
    [
        ["check", "gate"],
        ["check", "approve"],
        ["check", "break-glass"],
        ["gate", "approve"],
        ["gate", "break-glass"],
        ["approve", "break-glass"],
    ],
    ids=" and ".join,
)
@pytest.mark.parametrize("keys", [1, 2])
def test_a_trust_root_that_gives_one_identity_two_duties_is_refused(roles: list[str], keys: int, siege: Siege) -> None:
    """With one key for both, or with one key for each."""
    siege.add_key("one", "busy", *roles[: 3 - keys])
    if keys == 2:
        siege.add_key("other", "busy", roles[1])
    refused = siege.gate()
    assert refused.code == 2
    assert "nobody may hold both" in refused.one_line


def key(data: dict[str, Any], **changed: Any) -> None:
    data["keys"][1] |= changed


def again(data: dict[str, Any], **changed: Any) -> None:
    data["keys"].append({**data["keys"][1], **changed})


ROOTS: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda data: again(data, name="again", keyid="0" * 64), "lists the key of"),
    (lambda data: again(data, name="again", keyval=data["keys"][2]["keyval"]), "lists the key of"),
    (lambda data: key(data, keyid=data["keys"][2]["keyid"]), "twice"),
    (lambda data: key(data, name=data["keys"][2]["name"]), "has two keys of the name"),
    (lambda data: key(data, roles="check"), "is not a trust root"),
    (lambda data: key(data, roles=[]), "is not a trust root"),
    (lambda data: key(data, roles=["check", "everything"]), "is not a trust root"),
    (lambda data: key(data, name=7), "is not a trust root"),
    (lambda data: key(data, name="ci\u001b[2J"), "is not a trust root"),
    (lambda data: key(data, identity=["a", "b"]), "is not a trust root"),
    (lambda data: data.update(environment="../prod"), "is not a trust root"),
    (lambda data: data.update(version=2), "version 2 is not 1"),
    (lambda data: data.update(policyDigest="any"), "policyDigest is not a lower-case sha256"),
    (lambda data: data.update(policyDigest="A" * 64), "policyDigest is not a lower-case sha256"),
]


@pytest.mark.parametrize(("change", "what"), ROOTS, ids=[str(number) for number in range(len(ROOTS))])
def test_a_trust_root_that_says_two_things_or_nothing_is_refused(
    change: Callable[[dict[str, Any]], object], what: str, siege: Siege
) -> None:
    data = json.loads(siege.house.trust.read_text())
    change(data)
    siege.house.trust.write_text(json.dumps(data))
    refused = siege.gate()
    assert refused.code == 2
    assert what in refused.one_line


def statement(**changed: Any) -> Any:
    subject = [{"name": "model", "digest": {"sha256": "1" * 64}}]
    said = {"_type": STATEMENT_TYPE, "subject": subject, "predicateType": "urn:x:1", "predicate": {}}
    return {name: value for name, value in (said | changed).items() if value is not ...}


@pytest.mark.parametrize(
    "said",
    [
        [],
        "PASSED",
        statement(_type="https://in-toto.io/Statement/v0.1"),
        statement(subject={"digest": {"sha256": "1" * 64}}),
        statement(subject=[]),
        statement(subject=...),
        statement(subject=["1" * 64]),
        statement(subject=[{"name": "model", "digest": "1" * 64}]),
        statement(subject=[{"name": "model", "digest": {"sha256": 1}}]),
        statement(subject=[{"name": "model", "digest": {"sha256": "1" * 63}}]),
        statement(subject=[{"name": "model", "digest": {"sha256": "A" * 64}}]),
        statement(subject=[{"name": "model", "digest": {"sha512": "1" * 128}}]),
        statement(predicateType=7),
        statement(predicateType=["urn:x:1"]),
        statement(predicate=[]),
        statement(predicate="PASSED"),
        statement(predicate=...),
    ],
    ids=lambda said: str(said)[:90],
)
def test_what_is_signed_and_is_no_statement_denies(said: Any, siege: Siege) -> None:
    """Whoever holds a key can sign anything; the gate says that it could not read it, and does not pass it over."""
    path = siege.folder / "said.jsonl"
    path.write_bytes(seal(json.dumps(said).encode(), signer_for(siege.house.key("check"))).to_line())
    siege.claims.append(path)
    denied = siege.gate()
    assert denied.code == 1, denied.err
    assert deny_rules(denied) == {"gate/unreadable"}


@pytest.mark.parametrize("content", [b"\n \n", b"{}\n" * 1001], ids=["nothing", "too many"])
def test_a_file_without_or_with_too_many_envelopes_denies(content: bytes, siege: Siege) -> None:
    path = siege.folder / "said.jsonl"
    path.write_bytes(content)
    siege.claims.append(path)
    denied = siege.gate()
    assert deny_rules(denied) == {"gate/unreadable"}
    assert "1 to 1000 envelopes are expected" in denied.out


def test_a_pin_that_is_no_digest_is_named(siege: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARDEIN_TRUST_SHA256", "what sha256sum prints  trust.json")
    ran = siege.gate()
    assert ran.code == 2
    assert "the 64 digits" in ran.one_line
