# SPDX-License-Identifier: Apache-2.0
"""Outputs as weapons: whoever names them may not destroy what the process could write to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attacks.conftest import Siege
from tests.attacks.test_promote import audited, decided, promote
from wardein import outputs
from wardein.evidence.envelope import seal
from wardein.evidence.keys import signer_for
from wardein.evidence.statement import write
from wardein.report import CHECK_RESULT
from wardein.subject import Subject


@pytest.fixture
def served(siege: Siege) -> Siege:
    """A release that is served, with its log."""
    assert promote(siege, decided(siege)).code == 0
    return siege


def place(siege: Siege, name: str) -> Path:
    folder = siege.folder / "served"
    return {"log": folder / "audit.jsonl", "evidence": folder / "current" / "claims.jsonl"}.get(
        name, folder / "current" / "model.skops"
    )


@pytest.mark.parametrize("victim", ["log", "evidence", "model"])
@pytest.mark.parametrize("option", ["--evidence", "--html", "--sarif"])
def test_nothing_is_written_where_models_are_served_from(option: str, victim: str, served: Siege) -> None:
    path = place(served, victim)
    before = path.read_bytes()
    ran = served.step("gate", option, path)
    assert ran.code == 2
    assert "where models are served from" in ran.one_line
    assert path.read_bytes() == before


def test_a_log_of_any_name_is_no_page(siege: Siege) -> None:
    log = audited(siege)
    assert siege.gate().code == 0
    elsewhere = siege.folder / "log-of-another-name.jsonl"
    elsewhere.write_bytes(log.read_bytes())
    siege.options = ()
    for option in ("--evidence", "--html", "--sarif"):
        ran = siege.step("gate", option, elsewhere)
        assert ran.code == 2
        assert "is an audit log" in ran.one_line
    assert elsewhere.read_bytes() == log.read_bytes()


VICTIMS: dict[str, Callable[[Siege], Path]] = {
    "a key": lambda siege: siege.house.folder / "keys" / "gate.pem",
    "the trust root": lambda siege: siege.house.trust,
    "a token without a line end": lambda siege: siege.folder / "token",
    "a page": lambda siege: siege.folder / "page.html",
}


@pytest.mark.parametrize("victim", VICTIMS.values(), ids=VICTIMS)
def test_no_decision_is_noted_in_what_is_no_log(victim: Callable[[Siege], Path], siege: Siege) -> None:
    (siege.folder / "token").write_text("a-secret-token")
    (siege.folder / "page.html").write_text("<html>\n</html>\n")
    path = victim(siege)
    before = path.read_bytes()
    ran = siege.step("gate", "--audit", path)
    assert ran.code == 2
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*.unfinished"))


def test_evidence_of_another_step_is_not_overwritten(siege: Siege) -> None:
    paths = siege.write()
    before = paths[0].read_bytes()
    ran = siege.step("gate", "--evidence", paths[0], "--key", siege.house.key("gate"), paths=paths[1:])
    assert ran.code == 2
    assert "something else than evidence of gate" in ran.one_line
    assert paths[0].read_bytes() == before
    assert siege.gate().code == 0
    assert siege.gate().code == 0, "a step may replace its own evidence"


def gate_says(siege: Siege, predicate: object, *, times: int = 1) -> bytes:
    payload = write([Subject("s", "1" * 64)], CHECK_RESULT, {"check": predicate})
    return seal(payload, signer_for(siege.house.key("gate"))).to_line() * times


FOREIGN: dict[str, Callable[[Siege], bytes]] = {
    "no envelope": lambda siege: b"{}\n",
    "no statement": lambda siege: seal(b"{}", signer_for(siege.house.key("gate"))).to_line(),
    "a text for the check": lambda siege: gate_says(siege, "gate"),
    "another check": lambda siege: gate_says(siege, {"id": "validate_data"}),
    "evidence of two runs": lambda siege: gate_says(siege, {"id": "gate"}, times=2),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_only_what_one_run_left_is_replaced(content: Callable[[Siege], bytes], siege: Siege) -> None:
    """Evidence that was gathered in one file is not the gate's to overwrite, although the gate's is in it."""
    path = siege.folder / "gathered.jsonl"
    path.write_bytes(content(siege))
    before = path.read_bytes()
    ran = siege.step("gate", "--evidence", path, "--key", siege.house.key("gate"))
    assert ran.code == 2
    assert "holds something else than evidence of gate" in ran.one_line
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b'{"act', b'{"action": "pro', b'{"action": '])
def test_a_log_whose_first_line_was_cut_is_a_log(content: bytes, siege: Siege) -> None:
    """A killed writer leaves such a one; what it noted is set aside, and no page is drawn over it."""
    path = siege.folder / "audit"
    path.write_bytes(content)
    for option in ("--html", "--sarif", "--evidence"):
        ran = siege.step("gate", option, path)
        assert ran.code == 2
        assert "is an audit log" in ran.one_line
    assert path.read_bytes() == content
    assert siege.step("gate", "--audit", path).code == 0
    assert path.with_name("audit.unfinished").exists()


@pytest.mark.parametrize("content", [b"7\n", b'["action", "previous", "time"]\n', b'{"action": "promote"}\n', b"[\n"])
def test_json_that_is_no_entry_is_no_log(content: bytes, siege: Siege) -> None:
    path = siege.folder / "audit"
    path.write_bytes(content)
    ran = siege.step("gate", "--audit", path)
    assert ran.code == 2
    assert "is a file that is no audit log" in ran.one_line
    assert path.read_bytes() == content


def test_no_log_within_a_store_but_its_own(served: Siege) -> None:
    log = served.folder / "served" / "audit.jsonl"
    assert served.step("gate", "--audit", log).code == 0
    for path in (log.parent / "current" / "audit.jsonl", log.with_name("another.jsonl")):
        ran = served.step("gate", "--audit", path)
        assert ran.code == 2
        assert "where models are served from" in ran.one_line
        assert not path.exists()


def test_no_store_within_a_store(served: Siege) -> None:
    inside = served.folder / "served" / "current"
    served.claims.append(served.folder / "gate.jsonl")
    ran = served.step("promote", "--target", inside)
    assert ran.code == 2
    assert "where models are served from" in ran.one_line


def test_a_refusal_in_any_run_stops_a_promotion_that_names_none(siege: Siege) -> None:
    from wardein.report import Verdict

    audited(siege)
    honest = siege.reports["evaluate_fairness"]
    siege.nonce = ""
    paths = decided(siege)
    passed = (siege.folder / "gate.jsonl").read_bytes()
    siege.nonce = "run-1"
    siege.alter("evaluate_fairness", verdict=Verdict.FAIL)
    assert siege.gate().code == 1
    siege.nonce = ""
    siege.reports["evaluate_fairness"] = honest
    siege.write()
    (siege.folder / "gate.jsonl").write_bytes(passed)
    assert "later decision on this model: FAILED" in promote(siege, paths).out


def test_without_its_guard_an_output_would_destroy(served: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place(served, "model")
    monkeypatch.setattr(outputs, "_check_harmless", lambda *arguments: None)
    assert served.step("gate", "--html", path).code == 0
    assert b"<html" in path.read_bytes()
