# SPDX-License-Identifier: Apache-2.0
"""Evidence that two parsers could read differently, or that no parser should have to read."""

from __future__ import annotations

import json

import pytest

from tests.attacks.conftest import Siege, deny_rules
from wardein.evidence.envelope import seal
from wardein.evidence.keys import signer_for
from wardein.evidence.statement import write
from wardein.report import CHECK_RESULT
from wardein.subject import Subject
from wardein.wire import to_json

FAIR = "evaluate_fairness"


def signed(siege: Siege, payload: bytes) -> bytes:
    """A payload as a checker that was taken over could sign it."""
    return seal(payload, signer_for(siege.house.key("check"))).to_line()


def honest(siege: Siege) -> bytes:
    report = siege.reports[FAIR]
    return write(report.subject, CHECK_RESULT, to_json(report))


PAYLOADS = {
    "duplicate key": lambda p: p.replace(b'"verdict":"PASS"', b'"verdict":"FAIL","verdict":"PASS"'),
    "trailing data": lambda p: p + b"{}",
    "NaN": lambda p: p.replace(b'"value":0.05', b'"value":NaN', 1),
    "Infinity": lambda p: p.replace(b'"value":0.05', b'"value":Infinity', 1),
    "a number that overflows": lambda p: p.replace(b'"value":0.05', b'"value":1e999', 1),
    "a boolean for a number": lambda p: p.replace(b'"value":0.05', b'"value":true', 1),
    "a string for a number": lambda p: p.replace(b'"value":0.05', b'"value":"0.05"', 1),
    "nesting": lambda p: p.replace(b'"execution":{', b'"execution":{"x":' + b"[" * 100 + b"]" * 100 + b",", 1),
    "not UTF-8": lambda p: p.replace(b'"reason":"', b'"reason":"\xff', 1),
    "another statement type": lambda p: p.replace(b"in-toto.io/Statement/v1", b"in-toto.io/Statement/v0.1"),
    "no subject": lambda p: json.dumps({**json.loads(p), "subject": []}).encode(),
    "an unknown verdict": lambda p: p.replace(b'"verdict":"PASS"', b'"verdict":"PASSED"'),
    "complete, by its own word only": lambda p: p.replace(b'"examined":500', b'"examined":400'),
    "parameters changed": lambda p: p.replace(b'"label":"y"', b'"label":"z"', 1),
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_signed_payload_that_is_not_what_it_should_be(name: str, siege: Siege) -> None:
    payload = PAYLOADS[name](honest(siege))
    assert payload != honest(siege)
    paths = siege.write()
    (siege.folder / f"{FAIR}.jsonl").write_bytes(signed(siege, payload))
    denied = siege.gate(paths)
    assert denied.code == 1, denied.err
    assert deny_rules(denied) <= {"gate/unreadable", "gate/untrusted", "gate/missing"}
    assert deny_rules(denied)


FILES = {
    "empty": b"",
    "noise": b"\x00\xff" * 100,
    "not an envelope": b'{"a": 1}\n',
    "base64 with noise": b'{"payload": "e30=!!", "payloadType": "application/vnd.in-toto+json", "signatures": []}\n',
    "deep": b"[" * 100_000 + b"\n",
}


@pytest.mark.parametrize("name", FILES)
def test_file_that_is_no_evidence(name: str, siege: Siege) -> None:
    paths = siege.write()
    (siege.folder / f"{FAIR}.jsonl").write_bytes(FILES[name])
    denied = siege.gate(paths)
    assert denied.code in (1, 2)
    assert "Traceback" not in denied.err
    if denied.code == 1:
        assert "gate/unreadable" in deny_rules(denied)


def test_missing_evidence_file_is_an_error(siege: Siege) -> None:
    paths = siege.write()
    paths[0].unlink()
    assert "does not exist" in siege.gate(paths).one_line


def test_subject_named_nothing_matches_nothing(siege: Siege) -> None:
    siege.alter(FAIR, subject=(Subject("nothing-was-examined", "0" * 64),))
    assert deny_rules(siege.gate()) == {"gate/other-subject"}
