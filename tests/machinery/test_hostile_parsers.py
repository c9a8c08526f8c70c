# SPDX-License-Identifier: Apache-2.0
"""Whatever a parser is given, it gives its value or the one error that the caller expects, and soon.

Two kinds of input: bytes without sense, and valid documents in which something was dropped, doubled, put in the place
of something else or cut off. What crashes a parser denies a release without a reason; what it takes for something
else could let one through.
"""

from __future__ import annotations

import base64
import copy
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.attacks.conftest import Siege, siege  # noqa: F401 - a fixture
from tests.conformance.world import Ready
from wardein import spec, wire
from wardein.cli import parse_value
from wardein.errors import WardeinError
from wardein.evidence import envelope, model_signing, statement, trust
from wardein.evidence.claims import Claim, gather
from wardein.evidence.summaries import summaries_in
from wardein.jsontext import canonical, strict_loads
from wardein.report import CHECK_RESULT, Severity

SOME = settings(
    max_examples=120,
    derandomize=True,
    deadline=timedelta(seconds=2),
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
FEW = settings(SOME, max_examples=30, deadline=timedelta(seconds=5))

# What nobody expects to find in the place of anything.
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 10**400, -(10**400), 2**63, 0.5, -0.0, 1e308, "", "x", "\x00", "\n", "\ud800",
    "\u202e", "9" * 5000, "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "0" * 64, [], [[]], [{}], {}, {"": ""},
    {"a": {"b": []}}, ["x"], "[]", "{}",
)  # fmt: skip


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where everything in a document is."""
    yield at
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from paths(child, (*at, key))


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> Any:
    """A document in which one to three things are not as they were."""
    result = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        places = [place for place in paths(result) if place]
        if not places:
            return result
        place = draw(st.sampled_from(places))
        parent = result
        for key in place[:-1]:
            parent = parent[key]
        how = draw(st.sampled_from(("replace", "drop", "double", "swap", "rename")))
        if how == "replace":
            parent[place[-1]] = copy.deepcopy(draw(st.sampled_from(ODD)))
        elif how == "drop":
            del parent[place[-1]]
        elif how == "double" and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[place[-1]]))
        elif how == "swap":
            other = result
            for key in draw(st.sampled_from(places)):
                other = other[key]
            parent[place[-1]] = copy.deepcopy(other)
        elif isinstance(parent, dict):
            parent[draw(st.sampled_from(("x", "", "\ud800", "__class__")))] = parent.pop(place[-1])
    return result


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes of which some are cut off, doubled, or other ones."""
    if draw(st.booleans()):
        return content[: draw(st.integers(0, len(content)))]
    result = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, max(0, len(result) - 1)))
        if draw(st.booleans()):
            result[start : start + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
        else:
            result[start:start] = result[start : start + draw(st.integers(0, 64))]
    return bytes(result)


@dataclass(frozen=True)
class Parser:
    """A parser, what it may raise, and a document that it reads."""

    read: Callable[[bytes], Any]
    sample: Any
    raises: tuple[type[Exception], ...] = (WardeinError,)

    def try_it(self, content: bytes) -> Any:
        """What it makes of some bytes; None if it refuses them."""
        try:
            return self.read(content)
        except self.raises:
            return None


def from_file(read: Callable[[Path], Any], name: str = "file") -> Callable[[Path], Callable[[bytes], Any]]:
    """A parser that takes a path, made one that takes bytes."""

    def with_folder(folder: Path) -> Callable[[bytes], Any]:
        def parse(content: bytes) -> Any:
            (folder / name).write_bytes(content)
            return read(folder / name)

        return parse

    return with_folder


def predicate() -> dict[str, Any]:
    return json.loads((Path(__file__).parents[1] / "corpus" / "0.1.0-evaluate-fairness.json").read_text())["predicate"]


def waiver() -> dict[str, Any]:
    digest = "a" * 64
    return {
        "_type": statement.STATEMENT_TYPE,
        "subject": [{"name": "finding", "digest": {"sha256": digest}}],
        "predicateType": statement.WAIVER,
        "predicate": {
            "check": "scan_image",
            "rule": "CVE-2022-22817",
            "scope": {"fingerprint": digest},
            "environment": "dev",
            "justification": "not reachable",
            "owner": "author",
            "notBefore": "2026-01-01T00:00:00+00:00",
            "expires": "2026-02-01T00:00:00+00:00",
        },
    }


def bundle_statement() -> dict[str, Any]:
    listed = [{"name": ".", "algorithm": "sha256", "digest": "b" * 64}]
    return {
        "_type": statement.STATEMENT_TYPE,
        "subject": [{"name": "m", "digest": {"sha256": model_signing.root_digest(["b" * 64])}}],
        "predicateType": model_signing.PREDICATE_TYPE,
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": []},
            "resources": listed,
        },
    }


def summary() -> dict[str, Any]:
    return {
        "verificationResult": "PASSED",
        "policy": {"uri": "urn:x", "digest": {"sha256": "c" * 64}},
        "inputAttestations": [{"uri": "", "digest": {"sha256": "d" * 64}}],
        "restsOn": ["d" * 64],
        "environment": "dev",
        "tier": "standard",
        "nonce": "run-1",
        "timeVerified": "2026-01-01T00:00:00.000000Z",
        "verifiedLevels": [],
    }


def dsse(payload: bytes = b"{}") -> dict[str, Any]:
    signatures = [{"keyid": "k", "sig": base64.b64encode(b"s" * 70).decode(), "other_headers": "04" * 6}]
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": envelope.PAYLOAD_TYPE,
        "signatures": signatures,
    }


SUITE = {
    "name": "s",
    "expectations": [
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {
                "column": "age",
                "min_value": 0,
                "max_value": 120,
                "row_condition": "(age > 3) & not (sex == 'm') or job in ['a', 'b'] and x.isnull()",
                "condition_parser": "pandas",
            },
            "severity": "warning",
            "meta": {},
        },
        {"type": "expect_column_values_to_match_json_schema", "kwargs": {"column": "j", "json_schema": {"$ref": "#"}}},
    ],
    "meta": {"severity": "info"},
}


def read_payload(content: bytes) -> Any:
    """What a payload says, as the gate reads it: a statement, a report, and the core that people compare."""
    said = statement.read(content)
    report = wire.from_json(said.predicate, said.subject)
    return report, wire.core(report), wire.to_json(report)


def read_waiver(content: bytes) -> Any:
    from wardein.release.waivers import read

    return read(statement.read(content))


def read_envelope(content: bytes) -> Any:
    return envelope.parse(strict_loads(content)).pae


def read_summaries(content: bytes) -> Any:
    said = statement.Statement((statement.Subject("m", "e" * 64),), "https://slsa.dev/verification_summary/v1", {})
    predicate_ = strict_loads(content)
    if not isinstance(predicate_, dict):
        return None
    said = statement.Statement(said.subject, said.predicate_type, predicate_)
    signer = trust.TrustedKey("gate", ("gate",), None, "gate")  # type: ignore[arg-type]
    return summaries_in([Claim("here", b"", said, signer=signer), Claim("here", b"", said, signer=signer)])


def read_suite(content: bytes) -> Any:
    from wardein.suites.suite import parse, rewritten

    return [(e.label, e.limits) for e in parse(content, "--suite")], rewritten(content, "--suite")


def trust_root(house: Any) -> Any:
    return json.loads(house.trust.read_text())


PARSERS: dict[str, Parser] = {
    "JSON": Parser(lambda content: canonical(strict_loads(content), fix_floats=True), predicate()),
    "envelope": Parser(read_envelope, dsse()),
    "statement": Parser(statement.read, bundle_statement()),
    "report": Parser(
        read_payload,
        {
            "_type": statement.STATEMENT_TYPE,
            "subject": [{"name": "model", "digest": {"sha256": "f" * 64}}],
            "predicateType": CHECK_RESULT,
            "predicate": predicate(),
        },
    ),
    "bundle statement": Parser(
        lambda content: model_signing.signed_files(envelope.Envelope(content, "", ())), bundle_statement()
    ),
    "waiver": Parser(read_waiver, waiver(), (WardeinError, ValueError, TypeError)),
    "summaries": Parser(read_summaries, summary()),
    "suite": Parser(read_suite, SUITE),
}


@pytest.mark.parametrize("name", PARSERS)
@SOME
@given(data=st.data())
def test_bytes_without_sense(name: str, data: st.DataObject) -> None:
    PARSERS[name].try_it(
        data.draw(st.binary(max_size=400) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass")))
    )


@pytest.mark.parametrize("name", PARSERS)
def test_the_sample_is_read(name: str) -> None:
    assert PARSERS[name].read(encoded(PARSERS[name].sample)) is not None


@pytest.mark.parametrize("name", PARSERS)
@SOME
@given(data=st.data())
def test_mutated_documents(name: str, data: st.DataObject) -> None:
    PARSERS[name].try_it(encoded(data.draw(mutated(PARSERS[name].sample))))


@pytest.mark.parametrize("name", PARSERS)
@FEW
@given(data=st.data())
def test_damaged_documents(name: str, data: st.DataObject) -> None:
    PARSERS[name].try_it(data.draw(damaged(encoded(PARSERS[name].sample))))
