# SPDX-License-Identifier: Apache-2.0
"""The document that scan-image writes: valid CycloneDX, always the same, with the model and what is known of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from demo import images
from tests.checks.test_scan_image import rules, run_on
from tests.conftest import Ran
from wardein import wire
from wardein.evidence.envelope import seal
from wardein.evidence.statement import write
from wardein.report import CHECK_RESULT, Coverage, Criterion, Input, Interval, Metric, Report, Severity, conclude
from wardein.subject import Subject, digest_of
from wardein.tools import trivydb
from wardein.tools.trivydb import Advisory

pytestmark = pytest.mark.scanners
LAYERS = [images.base_layer(), images.tar(images.python_package("pillow", "10.0.0"))]
DATA = Input("data", "Dataset", "d" * 64, 100)
Scan = Callable[..., tuple[Ran, dict[str, Any]]]


@pytest.fixture
def scan(wardein: Callable[..., Ran], tmp_path: Path) -> Scan:
    """Scan an image and read the document; it must be valid CycloneDX of the version that it says."""
    images.write_layout(tmp_path / "image", LAYERS)

    def run(*options: object) -> tuple[Ran, dict[str, Any]]:
        out = tmp_path / "sbom.json"
        out.unlink(missing_ok=True)
        ran = run_on(wardein, tmp_path / "image", "--write-sbom", out, *options, what=("secret",))
        text = out.read_text() if out.exists() else "{}"
        document = json.loads(text)
        if document:
            version = SchemaVersion.from_version(document["specVersion"])
            assert JsonStrictValidator(version).validate_str(text) is None
            assert str(tmp_path) not in text
        return ran, document

    return run


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "parts").mkdir(parents=True)
    (folder / "model.skops").write_bytes(b"weights")
    (folder / "parts" / "scaler.skops").write_bytes(b"scaler")
    return folder


def evaluated(digest: str) -> Report:
    metrics = [
        Metric("accuracy", 0.91, 100, direction="higher", ci=Interval(0.84, 0.95)),
        Metric("accuracy", 0.8, 20, direction="higher", slice="sex=1"),
    ]
    return about(digest, "evaluate_performance", metrics=metrics, criteria=[Criterion("accuracy", ">=", 0.5)])


def about(digest: str, check: str, **measured: Any) -> Report:
    report = conclude(coverage=Coverage("rows", 100, 100), **measured)
    subject = (Subject("model", digest),)
    return replace(report, check=check, version="0.1.0", subject=subject, inputs=(DATA,))


def unfair(digest: str) -> Report:
    metrics = [
        Metric("demographic_parity_difference", 0.3, 100, direction="lower", slice="attribute=sex"),
        Metric("selection_rate", 0.5, 50, slice="sex=1"),
    ]
    criteria = [Criterion("demographic_parity_difference", "<=", 0.1, slice="attribute=sex")]
    return about(digest, "evaluate_fairness", metrics=metrics, criteria=criteria)


def evidence(path: Path, *reports: Report) -> Path:
    lines = [seal(write(r.subject, CHECK_RESULT, wire.to_json(r)), None).to_line() for r in reports]
    path.write_bytes(b"".join(lines))
    return path


def component(document: Mapping[str, Any], kind: str) -> dict[str, Any]:
    (found,) = [item for item in document["components"] if item["type"] == kind]
    return found


def test_packages_and_no_path_of_this_machine(scan: Scan) -> None:
    ran, document = scan()
    assert ran.code == 0
    assert {"pkg:pypi/pillow@10.0.0"} <= {item.get("purl") for item in document["components"]}
    assert document["metadata"]["component"]["name"] == f"sha256:{ran.report['inputs'][0]['digest']}"
    assert "wardein-image-" not in json.dumps(document)
    assert "timestamp" not in document["metadata"]


def test_packages_that_trivy_passes_over(wardein: Callable[..., Ran], scan: Scan, tmp_path: Path) -> None:
    hidden = images.tar({"x/hidden-1.0.Dist-Info/METADATA": b"Name: Hidden\nVersion: 1.0\n"})
    images.write_layout(tmp_path / "image", [*LAYERS, hidden])
    advisories = [
        Advisory("CVE-1", "a", "pip", Severity.LOW, ("<1",)),
        Advisory("CVE-2", "a", "debian 12", Severity.LOW),
    ]
    trivydb.write_database(tmp_path / "data", advisories, datetime.now(UTC))
    ran, document = scan("--scanners", "vuln", "--database", tmp_path / "data")
    assert ran.code == 0
    (found,) = [item for item in document["components"] if item.get("purl") == "pkg:pypi/Hidden@1.0"]
    assert found["properties"] == [{"name": "wardein:path", "value": "x/hidden-1.0.Dist-Info/METADATA"}]


def test_the_same_image_gives_the_same_document(scan: Scan, model: Path, tmp_path: Path) -> None:
    assert scan()[1] == scan()[1]
    claims = evidence(tmp_path / "claims.jsonl", evaluated(digest_of(model)))
    first, second = (scan("--model", model, "--model-evidence", claims)[1] for _ in range(2))
    assert json.dumps(first) == json.dumps(second)
    assert first["serialNumber"] != scan("--model", model)[1]["serialNumber"] != scan()[1]["serialNumber"]


def test_model_in_the_document(scan: Scan, model: Path) -> None:
    ran, document = scan("--model", model)
    assert ran.code == 0
    digest = digest_of(model)
    found = component(document, "machine-learning-model")
    assert (found["name"], found["version"], found["modelCard"]) == ("model", f"sha256:{digest}", {})
    assert [file["name"] for file in found["components"]] == ["model.skops", "parts/scaler.skops"]
    assert found["components"][0]["hashes"] == [{"alg": "SHA-256", "content": digest_of(model / "model.skops")}]
    root = document["metadata"]["component"]["bom-ref"]
    graph = {entry["ref"]: entry["dependsOn"] for entry in document["dependencies"]}
    assert f"model:sha256:{digest}" in graph[root]
    # What the gate is shown.
    assert ("model", digest) in {(i["name"], i["digest"]) for i in ran.report["inputs"]}


def test_model_of_one_file_has_its_hash(scan: Scan, model: Path) -> None:
    found = component(scan("--model", model / "model.skops")[1], "machine-learning-model")
    assert found["hashes"] == [{"alg": "SHA-256", "content": digest_of(model / "model.skops")}]


def test_card_is_filled_in_from_evidence(scan: Scan, model: Path, tmp_path: Path) -> None:
    digest = digest_of(model)
    claims = evidence(tmp_path / "claims.jsonl", evaluated(digest), unfair(digest))
    ran, document = scan("--model", model, "--model-evidence", claims)
    assert (ran.code, rules(ran)) == (0, [])
    card = component(document, "machine-learning-model")["modelCard"]
    metrics = card["quantitativeAnalysis"]["performanceMetrics"]
    interval = {"lowerBound": "0.84", "upperBound": "0.95"}
    assert {"type": "accuracy", "value": "0.91", "confidenceInterval": interval} in metrics
    assert {"type": "accuracy", "value": "0.8", "slice": "sex=1"} in metrics
    (assessment,) = card["considerations"]["fairnessAssessments"]
    assert assessment["groupAtRisk"] == "sex"
    assert "<= 0.1: not met" in assessment["harms"]
    assert "Unequal treatment" in card["considerations"]["ethicalConsiderations"][0]["name"]
    assert card["considerations"]["technicalLimitations"][0].startswith("evaluate_fairness: FAIL")
    properties = {item["name"]: item["value"] for item in card["properties"]}
    assert properties["wardein:evaluate_performance:verdict"] == "PASS"
    assert properties["wardein:signatures"] == "not looked at"
    data = component(document, "data")
    assert (data["name"], data["version"]) == ("data", f"sha256:{DATA.digest}")
    assert card["modelParameters"]["datasets"] == [{"ref": data["bom-ref"]}]


def test_evidence_about_another_model_is_left_out_and_told(scan: Scan, model: Path, tmp_path: Path) -> None:
    foreign = evaluated("0" * 64)
    claims = evidence(tmp_path / "claims.jsonl", foreign)
    claims.write_bytes(claims.read_bytes() + b"{}\n")
    ran, document = scan("--model", model, "--model-evidence", claims)
    assert (ran.code, rules(ran)) == (0, [("image/evidence-left-out", "info", "--model-evidence")])
    assert ran.report["findings"][0]["message"].startswith("2 statements are about something else")
    assert component(document, "machine-learning-model")["modelCard"] == {}


def test_evidence_about_more_than_the_model_is_left_out(scan: Scan, model: Path, tmp_path: Path) -> None:
    both = replace(evaluated(digest_of(model)), subject=(Subject("model", digest_of(model)), Subject("x", "1" * 64)))
    ran, document = scan("--model", model, "--model-evidence", evidence(tmp_path / "claims.jsonl", both))
    assert component(document, "machine-learning-model")["modelCard"] == {}


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "empty"), (b"\n\n", "0 lines"), (b"x" * (33 << 20), "larger than")]
)
def test_evidence_that_cannot_be_read(scan: Scan, model: Path, tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "claims.jsonl").write_bytes(content)
    ran, document = scan("--model", model, "--model-evidence", tmp_path / "claims.jsonl")
    assert (ran.code, document) == (2, {})
    assert says in ran.one_line


def test_model_without_a_document_ties_the_scan_to_it(
    wardein: Callable[..., Ran], scan: Scan, model: Path, tmp_path: Path
) -> None:
    ran = run_on(wardein, tmp_path / "image", "--model", model, what=("secret",))
    assert ran.code == scan()[0].code
    assert ("model", digest_of(model)) in [(item["name"], item["digest"]) for item in ran.report["inputs"]]


def test_misuse(scan: Scan, tmp_path: Path) -> None:
    claims = evidence(tmp_path / "claims.jsonl", evaluated("0" * 64))
    assert "--model" in scan("--model-evidence", claims)[0].one_line
    assert scan("--model", tmp_path / "nowhere")[0].code == 2
