# SPDX-License-Identifier: Apache-2.0
"""Whatever a parser is given, it gives its value or the one error that the caller expects, and soon.

Two kinds of input: bytes without sense, and valid documents in which something was dropped, doubled, put in the place
of something else or cut off. What crashes a parser denies a release without a reason; what it takes for something
else could let one through.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import io
import json
import pickle
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

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
    max_examples=80,
    phases=(Phase.explicit, Phase.generate),  # a failure is shown as it was found: shrinking it would take minutes
    derandomize=True,
    deadline=timedelta(seconds=2),
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
FEW = settings(SOME, max_examples=20, deadline=timedelta(seconds=5))

# What nobody expects to find in the place of anything.
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 10**400, -(10**400), 2**63, 0.5, -0.0, 1e308, "", "x", "\x00", "\n", "\ud800",
    "\u202e", "9" * 5000, "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "0" * 64, [], [[]], [{}], {},
    {"": ""}, {"a": {"b": []}}, ["x"], "[]", "{}",
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
    "bundle statement": Parser(model_signing.signed_in, bundle_statement()),
    "waiver": Parser(read_waiver, waiver(), (WardeinError, ValueError, TypeError)),
    "summaries": Parser(read_summaries, summary()),
    "suite": Parser(read_suite, SUITE),
}


def manifest() -> dict[str, Any]:
    return {
        "version": 1,
        "model": "m",
        "trust": "t",
        "policy": "p",
        "data": {"train": "a", "test": "b", "label": "y", "sensitive": ["s"]},
        "image": "i.tar",
        "tier": "standard",
        "checks": {"evaluate_fairness": {"bins": {"a": "1"}, "min_group_size": 30}, "validate_data": None},
        "keys": {"check": "file:k", "gate": "hv:x"},
        "claims": ["c"],
        "evidence": "e",
    }


VEX = {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "author": "vendor",
    "statements": [
        {
            "vulnerability": {"name": "CVE-2022-22817"},
            "products": [{"@id": "pkg:pypi/pillow@9.0.0", "subcomponents": [{"@id": "pkg:pypi/x@1"}]}],
            "status": "not_affected",
            "justification": "vulnerable_code_not_present",
        }
    ],
}


@pytest.fixture(scope="module")
def parsers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Parser]:
    """Every parser; those that take files have a folder to find them in."""
    import yaml
    from wardein.assess import manifest as manifests
    from wardein.cli import main
    from wardein.policy import cases
    from wardein.policy import load as policies
    from wardein.release import openvex
    from wardein.release.audit import AuditLog
    from wardein.tools import trivydb

    folder = tmp_path_factory.mktemp("parsers")
    assert main(["init", str(folder / "house"), "--pin", "label=y", "--pin", 'sensitive=["s"]']) == 0
    rules = folder / "house" / "policy"
    policy = policies.load(rules)

    def read_policy(path: Path) -> Any:
        return [policies.load(path.parent, environment) for environment in ("", "prod")]

    def read_manifest(path: Path) -> Any:
        found = manifests.load(path)
        return [found.arguments(spec.load(name), policy) for name in found.names(policy)]

    def verify_log(path: Path) -> Any:
        log = AuditLog(path)
        return log.verify(), log.append({"action": "decide"})

    def index(path: Path) -> Any:
        from wardein.images.identity import identify

        return identify(str(path.parent))

    log = AuditLog(folder / "audit.jsonl", "dev")
    log.append({"action": "decide", "result": "PASSED"})
    advisories = [trivydb.Advisory("CVE-2022-1", "x", "pip", Severity.HIGH, ("<1",))]
    trivydb.write_database(folder / "advisories", advisories, datetime(2026, 1, 1, tzinfo=UTC))

    def metadata(path: Path) -> Any:
        return trivydb.read_database(path.parents[1])

    def of_file(read: Callable[[Path], Any], name: str, sample: Any, *before: bytes) -> Parser:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)

        def parse(content: bytes) -> Any:
            path.write_bytes(b"".join(line + b"\n" for line in before) + content)
            return read(path)

        return Parser(parse, sample)

    (folder / "i.tar").write_bytes(b"an image, as far as a manifest goes")
    lines = (folder / "audit.jsonl").read_bytes().splitlines()
    bundle = {
        "mediaType": model_signing.MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": ""}},
        "dsseEnvelope": dsse(),
    }
    del bundle["dsseEnvelope"]["signatures"][0]["other_headers"]
    return PARSERS | {
        "trust root": of_file(trust.load, "trust.json", json.loads((folder / "house" / "trust.json").read_text())),
        "policy": of_file(read_policy, "policy/policy.yaml", yaml.safe_load((rules / "policy.yaml").read_text())),
        "policy tests": of_file(cases.read_cases, "cases.yaml", yaml.safe_load((rules / cases.CASES).read_text())),
        "manifest": of_file(read_manifest, "wardein.yaml", manifest()),
        "bundle": of_file(model_signing.open_bundle, "model.sig", bundle),
        "OpenVEX": of_file(openvex.read, "vex.json", VEX),
        "audit log": of_file(verify_log, "log.jsonl", json.loads(lines[1]), lines[0]),
        "image index": of_file(index, "layout/index.json", {"manifests": [{"digest": "sha256:" + "a" * 64}]}),
        "database": of_file(
            metadata, "advisories/db/metadata.json", {"Version": 2, "UpdatedAt": "2026-01-01T00:00:00Z"}
        ),
        "claims": of_file(
            lambda path: gather([path], trust.load(folder / "house" / "trust.json")), "c.jsonl", dsse(encoded(waiver()))
        ),
    }


NAMES = (
    *PARSERS, "trust root", "policy", "policy tests", "manifest", "bundle", "OpenVEX", "audit log", "image index",
    "database", "claims",
)  # fmt: skip
NONSENSE = st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("name", NAMES)
def test_the_sample_is_read(name: str, parsers: dict[str, Parser]) -> None:
    assert parsers[name].read(encoded(parsers[name].sample)) is not None


@pytest.mark.parametrize("name", NAMES)
@FEW
@given(data=st.data())
def test_bytes_without_sense(name: str, data: st.DataObject, parsers: dict[str, Parser]) -> None:
    parsers[name].try_it(data.draw(NONSENSE))


@pytest.mark.parametrize("name", NAMES)
@SOME
@given(data=st.data())
def test_mutated_documents(name: str, data: st.DataObject, parsers: dict[str, Parser]) -> None:
    parsers[name].try_it(encoded(data.draw(mutated(parsers[name].sample))))


@pytest.mark.parametrize("name", NAMES)
@FEW
@given(data=st.data())
def test_damaged_documents(name: str, data: st.DataObject, parsers: dict[str, Parser]) -> None:
    parsers[name].try_it(data.draw(damaged(encoded(parsers[name].sample))))


@pytest.mark.parametrize("place", ["number", "text", "name"])
@pytest.mark.parametrize("odd", [10**400, "\ud800"], ids=["beyond a float", "half a character"])
def test_report_with_what_json_can_write_and_nobody_can_count(place: str, odd: Any) -> None:
    """The two that random mutations found; both have ended the gate without a decision."""
    said = predicate()
    if place == "number":
        said["metrics"][0]["value"] = odd
    elif place == "text":
        said["reason"] = str(odd)
    else:
        said["parameters"][str(odd)] = odd
    content = encoded({**PARSERS["report"].sample, "predicate": said})
    if (place, odd) == ("text", 10**400):
        return  # four hundred digits are a reason like any other
    assert PARSERS["report"].try_it(content) is None


YAML = (
    b"? [a]\n: 1", b"? {a: b}\n: 1", b'a: !!int ""', b"a: !!bool x", b"a: !!timestamp x", b"a: !!float x",
    b"a: 2001-99-99", b"!!set {a, b}", b"a: !!omap 3", b"a: !!pairs [1]", b"a: &x 1\nb: *x", b"<<: {a: 1}", b"<<: [1]",
    b"- " * 3000, b"[" * 5000, b"a: 1:99:99", b"a: !!python/object:os.system x", b"%YAML 9.9\n---\na: 1",
    b"--- a\n--- b", b"a: " + b"9" * 5000, b'"\\ud800": 1', b"a: =", b"\xff\xfea",
)  # fmt: skip


@pytest.mark.parametrize("content", YAML, ids=lambda content: ascii(content[:20]))
def test_yaml_that_is_no_policy(content: bytes, parsers: dict[str, Parser]) -> None:
    for name in ("policy", "manifest", "policy tests"):
        assert parsers[name].try_it(content) is None


# Settings, as a shell or an orchestrator hands them over

SETTINGS = {param.type: param for name in spec.STEPS for param in spec.load(name).params}
TEXTS = (
    "", "x", "[", "{", "[{}]", "[[1]]", "[null]", "[true]", "[1e400]", "[" + "9" * 400 + "]", "[" * 100, '["a"]',
    " [1]", '{"a": []}', '{"a": {}}', '{"a": null}', '{"a": 1e999}', '{"a": ' + "9" * 400 + "}", '{"": 1}', "=x",
    "a=", "a=nan", "nan", "inf", "1_0", "0x1", "9" * 5000, "\x00", "\ud800", "\udcff[", "[\udcff",
    '{"\udcff": "1"}', "true", "\u202e",
)  # fmt: skip


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text[:12]))
def test_settings(kind: str, text: str) -> None:
    wanted: Any = {"str": str, "int": int, "float": float, "bool": bool}.get(
        kind.removeprefix("list[").rstrip("]"), dict
    )
    wanted = (Path, type(None)) if "path" in kind else wanted
    for given_ in ([text], [text, text]):
        with contextlib.suppress(WardeinError):
            value = parse_value(SETTINGS[kind], given_)
            assert all(isinstance(item, wanted) for item in (value if isinstance(value, list) else [value]))


PIECES = st.sampled_from(
    [
        "a",
        "(",
        ")",
        " and ",
        " or ",
        "not ",
        "==",
        "<",
        "1",
        '"x"',
        "'",
        "[",
        "]",
        ",",
        ".isnull()",
        " in ",
        "~",
        "&",
        "|",
        "\\",
        "#",
        "\n",
        "\t",
        "lambda x:",
        "await ",
        'f"{a}"',
        ":=",
        "**",
        "@",
        "`",
        "0_",
        "1e",
        "...",
        "__class__",
        ".a",
    ]  # fmt: skip
)


@SOME
@given(st.lists(PIECES, max_size=14).map("".join) | st.text(max_size=40))
def test_row_conditions(text: str) -> None:
    from wardein.suites.condition import rewrite

    try:
        query = rewrite(text, "pandas", "here")
    except WardeinError:
        return
    assert "__" not in query
    assert "@" not in query


@SOME
@given(st.text(max_size=60) | st.from_regex(r"models:/[\w./@-]{0,20}@[\w./@-]{0,20}"))
def test_registry_destinations(text: str) -> None:
    from wardein.release.registry import Destination

    try:
        found = Destination.parse(text)
    except WardeinError:
        return
    assert found.uri == text
    assert ".." not in text
    assert "/" not in found.name + found.alias


# Containers: archives, databases, tables


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Callable[[bytes], Any], bytes]]:
    """Readers of binary files, each with a file that it reads."""
    import pandas as pd

    from demo.images import tar, write_docker_archive
    from wardein.images.copy import verified_copy
    from wardein.tables import read_table
    from wardein.tools import trivydb

    folder = tmp_path_factory.mktemp("containers")
    record = {"usr/lib/python3.11/site-packages/a-1.dist-info/METADATA": b"Name: a\nVersion: 1\n"}
    write_docker_archive(folder / "image.tar", [tar(record), tar({"x": b"x" * 2000})])
    advisories = [trivydb.Advisory(f"CVE-{n}", f"p{n}", "pip", Severity.HIGH, ("<1",)) for n in range(200)]
    trivydb.write_database(folder / "advisories", advisories, datetime(2026, 1, 1, tzinfo=UTC))
    table = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [[1], [2]]})
    table.to_parquet(folder / "t.parquet")
    table[["a", "b"]].to_csv(folder / "t.csv.gz", index=False)

    def image(path: Path) -> Any:
        with verified_copy(str(path)) as verified:
            return verified.records

    def reader(read: Callable[[Path], Any], path: Path) -> tuple[Callable[[bytes], Any], bytes]:
        content = path.read_bytes()

        def parse(changed: bytes) -> Any:
            path.write_bytes(changed)
            return read(path)

        return parse, content

    return {
        "image": reader(image, folder / "image.tar"),
        "database": reader(lambda path: trivydb.read_database(path.parents[1]), folder / "advisories/db/trivy.db"),
        "Parquet": reader(read_table, folder / "t.parquet"),
        "gzipped CSV": reader(read_table, folder / "t.csv.gz"),
    }


@pytest.mark.parametrize("name", ["image", "database", "Parquet", "gzipped CSV"])
@SOME
@given(data=st.data())
def test_damaged_containers(
    name: str, data: st.DataObject, containers: dict[str, tuple[Callable[[bytes], Any], bytes]]
) -> None:
    read, content = containers[name]
    noise = st.binary(max_size=200).map(lambda noise: content[:40] + noise)
    with contextlib.suppress(WardeinError):
        read(data.draw(damaged(content) | noise))


def docker_archive(parts: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in parts.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


@pytest.mark.parametrize("part", ["manifest.json", "configuration"])
@SOME
@given(data=st.data())
def test_mutated_image_documents(
    part: str, data: st.DataObject, containers: dict[str, tuple[Callable[[bytes], Any], bytes]]
) -> None:
    """Whatever they say, an image that is read has the layers that its configuration lists."""
    read, content = containers["image"]
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        parts = {member.name: archive.extractfile(member).read() for member in archive if member.isreg()}
    name = json.loads(parts["manifest.json"])[0]["Config"] if part == "configuration" else part
    parts[name] = encoded(data.draw(mutated(json.loads(parts[name]))))
    try:
        records = read(docker_archive(parts))
    except WardeinError:
        return
    found = {record.path for record in records if record.kind == "python"}
    assert found <= {"usr/lib/python3.11/site-packages/a-1.dist-info/METADATA"}


def test_a_damaged_pickle(ready: Ready, tmp_path: Path) -> None:
    """A pickle is read in a process of its own, which takes seconds; tests/checks/test_models.py has more."""
    from wardein.models.load import load

    path = tmp_path / "model.pkl"
    content = pickle.dumps(LogisticRegression().fit([[0.0], [1.0]], [0, 1]))
    path.write_bytes(content[: len(content) // 2] + b"\xff" + content[len(content) // 2 + 1 :])
    with pytest.raises(WardeinError), load(path):
        pass


# The gate


@pytest.fixture
def denied(siege: Siege) -> Siege:  # noqa: F811
    """A release that is denied for one reason: what was measured is not what the policy asks for."""
    from wardein.report import Verdict

    report = siege.reports["evaluate_fairness"]
    from dataclasses import replace

    worse = tuple(replace(metric, value=0.5, ci=replace(metric.ci, low=0.45, high=0.55)) for metric in report.metrics)
    siege.alter("evaluate_fairness", metrics=worse, verdict=Verdict.FAIL, reason="not met")
    return siege


def decided(siege: Siege, claims: list[Path]) -> bool:  # noqa: F811
    """Whether the gate would let it through."""
    from wardein.release.terms import release_of
    from wardein.release.verification import decide

    shown = {name: value for name, value in siege.shown.items() if name not in ("model", "image")}
    model, image = siege.shown["model"], str(siege.shown["image"])
    release = release_of(Path(model), siege.house.trust, siege.house.policy, siege.nonce, "default", image, **shown)
    return not any(finding.fails for finding in decide(release, claims).findings)


@SOME
@given(data=st.data())
def test_no_mutation_of_the_evidence_turns_a_denial(data: st.DataObject, denied: Siege) -> None:
    """Among the evidence there is an honest report that passed, of another model, to take signatures from."""
    from dataclasses import replace

    from wardein.report import Verdict
    from wardein.subject import Subject

    key = denied.house.key("check")
    if not hasattr(denied, "written"):
        lines = {check: denied.lines(check)[0] for check in denied.reports}
        good = replace(denied.reports["evaluate_fairness"], verdict=Verdict.PASS, subject=(Subject("model", "9" * 64),))
        said = statement.write(good.subject, CHECK_RESULT, wire.to_json(replace(good, criteria=())))
        lines["other"] = envelope.seal(said, envelope_signer(key)).to_line()
        denied.written = [json.loads(line) for line in lines.values()]  # type: ignore[attr-defined]
        path = denied.folder / "c.jsonl"
        path.write_bytes(b"".join(encoded(item) + b"\n" for item in denied.written))  # type: ignore[attr-defined]
        assert not decided(denied, [path])
    mutation = data.draw(mutated(denied.written))  # type: ignore[attr-defined]
    assume(isinstance(mutation, list) and mutation)
    path = denied.folder / "claims.jsonl"
    path.write_bytes(b"".join(encoded(item) + b"\n" for item in mutation))
    assert not decided(denied, [path])


def envelope_signer(uri: str) -> Any:
    from wardein.evidence.keys import signer_for

    return signer_for(uri)
