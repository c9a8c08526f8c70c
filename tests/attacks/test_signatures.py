# SPDX-License-Identifier: Apache-2.0
"""Evidence that nobody with the right role signed."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable

import pytest

from tests.attacks.conftest import Siege, deny_rules
from wardein.evidence.keys import create_file_key

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


def test_a_trust_root_that_gives_one_key_two_duties_is_refused(siege: Siege) -> None:
    data = json.loads(siege.house.trust.read_text())
    data["keys"][1]["roles"] = ["check", "gate"]
    siege.house.trust.write_text(json.dumps(data))
    refused = siege.gate()
    assert refused.code == 2
    assert "nobody may hold both" in refused.one_line


def test_a_key_listed_twice_is_refused(siege: Siege) -> None:
    data = json.loads(siege.house.trust.read_text())
    data["keys"].append({**data["keys"][1], "name": "again", "roles": ["gate"]})
    siege.house.trust.write_text(json.dumps(data))
    assert "twice" in siege.gate().one_line
