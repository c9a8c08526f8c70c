# SPDX-License-Identifier: Apache-2.0
"""Names that mean something elsewhere: to a file system, a terminal, a browser, a shell or a template.

A pipeline's author names files, columns, groups, runs and images. Each hostile name goes the whole way through the
real command line, and nothing may be written outside, nothing executed, and nothing shown as anything but text.
"""

from __future__ import annotations

import html.parser
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from tests.conftest import House, Ran
from wardein.cli import main
from wardein.errors import printable
from wardein.evidence.envelope import read_claims
from wardein.evidence.statement import read

# What a file system lets a file be called, beside which everything has to be let a column or a run be called.
FILES = {
    "up": "..%2f..%2fetc",
    "escape": "\x1b[2J\x1b]0;owned\x07.csv",
    "line": "a\nwardein: PASS",
    "airflow": "{{ ti.xcom_pull() }}",
    "kfp": "{{$.inputs.parameters['x']}}",
    "jndi": "${jndi:ldap:",
    "script": "<script>alert(1)<",
    "attribute": '" onmouseover="alert(1)',
    "sql": "' OR 1=1 --",
    "right to left": "safe\u202egpj.exe",
    "dash": "-rf",
    "option": "--exit-zero",
    "shell": "$(touch owned); touch owned & `touch owned`",
    "percent": "%s%n%(x)s",
    "isolate": "\u2066x\u2069",
    "separator": "a\u2028b\x85c",
}
NAMES = FILES | {
    "path": "../../etc/passwd",
    "absolute": "/etc/passwd",
    "script tag": "</script><script>alert(1)</script>",
}
LONG = {"long": "x" * 10_000}


class Page(html.parser.HTMLParser):
    """The tags and attributes of a page, as a browser sees them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]


def assert_harmless(ran: Ran, page: Path | None = None, evidence: Path | None = None) -> None:
    """What a run printed and wrote is text and nothing else."""
    assert "Traceback" not in ran.err
    for text in (ran.out, ran.err):
        assert all(character.isprintable() or character == "\n" for character in text), ascii(text)
    if evidence is not None and evidence.exists():
        content = evidence.read_bytes()
        assert content.isascii()
        assert b"\x1b" not in content
        assert all(json.loads(line) for line in content.splitlines())
        assert all(read(item.payload) for item in read_claims(evidence))  # type: ignore[union-attr]
    if page is not None and page.exists():
        seen = Page(page.read_text(encoding="utf-8"))
        assert not {"script", "iframe", "object", "img", "form", "base", "link"} & set(seen.tags)
        assert not [name for name in seen.attributes if name.startswith("on")]


def table(**changed: Any) -> pd.DataFrame:
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 2))
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "sex": random.integers(1, 3, 300)})
    return frame.assign(y=(x[:, 0] + random.normal(size=300) / 2 > 0).astype(int), **changed)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder; whatever appears beside or above it was written outside."""
    inner = tmp_path / "in" / "here"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    return inner


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_classes(name: str, place: Path, wardein: Callable[..., Ran]) -> None:
    """The values of the label: they name the slices of recall and precision, and the positive class."""
    frame = table()
    frame["y"] = np.where(frame["y"] == 1, name, f"{name}, probability=x")
    frame.to_parquet(place / "data.parquet")
    model_of(frame, place / "m.skops", ["a", "b"])
    call = [
        "evaluate-performance",
        "--model",
        "m.skops",
        "--data",
        "data.parquet",
        "--label",
        "y",
        f"--positive={name}",
    ]
    for more in (["--evidence", "e.jsonl", "--html", "p.html"], ["--json"]):
        ran = wardein(*call, *more)
        assert ran.code == 0, ran.err
        assert_harmless(ran, place / "p.html", place / "e.jsonl")


def model_of(frame: pd.DataFrame, path: Path, features: list[str]) -> Path:
    skops.io.dump(LogisticRegression().fit(frame[features], frame["y"]), path)
    return path


@pytest.mark.parametrize("name", FILES.values(), ids=FILES)
def test_files(name: str, place: Path, wardein: Callable[..., Ran], house: House) -> None:
    """Data, evidence, page and key under such a name."""
    folder = place / "files"
    folder.mkdir()
    data, evidence, page = (folder / f"{kind}{name}" for kind in ("d", "e", "p"))
    table().to_csv(data, index=False)
    before = sorted(place.parents[1].rglob("*"))
    arguments = [
        "--data",
        data,
        "--reference",
        data,
        "--evidence",
        evidence,
        "--html",
        page,
        "--key",
        house.key("check"),
    ]
    ran = wardein("validate-data", *arguments)
    assert ran.code == 0, ran.err
    assert_harmless(ran, page, evidence)
    assert set(place.parents[1].rglob("*")) - set(before) == {evidence, page}
    missing = wardein("validate-data", "--data", folder / f"missing{name}", "--reference", data)
    assert missing.code == 2
    assert_harmless(missing)
    assert missing.one_line


@pytest.mark.parametrize("name", (NAMES | LONG).values(), ids=NAMES | LONG)
def test_columns(name: str, place: Path, wardein: Callable[..., Ran]) -> None:
    """A feature, a sensitive attribute and a label under such a name: measured under it, or refused in one line."""
    frame = table()
    frame = frame.rename(columns={"sex": name})
    frame.to_parquet(place / "data.parquet")
    model_of(frame, place / "m.skops", ["a", "b", name])
    signed = ["--evidence", place / "e.jsonl", "--html", place / "p.html"]
    judged = ["--model", place / "m.skops", "--data", place / "data.parquet", "--label", "y"]
    for call in (
        ["validate-data", "--data", place / "data.parquet", "--reference", place / "data.parquet"],
        ["evaluate-fairness", *judged, f"--sensitive={name}"],
        ["evaluate-robustness", *judged, "--max-rows=20"],
    ):
        for more in (signed, ["--json"]):
            ran = wardein(*call, *more)
            assert ran.code in (0, 1, 2)
            assert_harmless(ran, place / "p.html", place / "e.jsonl")


GROUPS = {
    **NAMES,
    "another metric": "1, epsilon=x",
    "a number that is none": "1, probability=1e999",
    "equals": "a=b=c, =, ,",
    "dollar": "$\\frac{x}{0}$ $",
}


@pytest.mark.parametrize("name", GROUPS.values(), ids=GROUPS)
def test_groups(name: str, place: Path, wardein: Callable[..., Ran]) -> None:
    """The values of a sensitive column: they name the slices of metrics, the findings, and the ticks of pictures."""
    frame = table()
    frame["group"] = np.where(frame["sex"] == 1, name, f"other {name}")
    frame.to_parquet(place / "data.parquet")
    model_of(frame, place / "m.skops", ["a", "b"])
    arguments = ["--model", place / "m.skops", "--data", place / "data.parquet", "--label", "y", "--sensitive", "group"]
    signed = ["--evidence", place / "e.jsonl", "--html", place / "p.html"]
    ran = wardein("evaluate-fairness", *arguments, *signed)
    assert ran.code in (0, 1), ran.err
    assert_harmless(ran, place / "p.html", place / "e.jsonl")
    assert_harmless(wardein("evaluate-fairness", *arguments, "--json"))
    shown = wardein("show", place / "e.jsonl")
    assert shown.code == 0
    assert_harmless(shown)


@pytest.mark.parametrize(
    "name", (NAMES | LONG | {"surrogate": "\udcff"}).values(), ids=NAMES | LONG | {"surrogate": ""}
)
def test_runs_and_settings(name: str, place: Path, wardein: Callable[..., Ran], house: House) -> None:
    """The run's identifier, the name of a label that is not there, and an image reference."""
    table().to_csv(place / "data.csv", index=False)
    model_of(table(), place / "m.skops", ["a", "b"])
    signed = ["--evidence", place / "e.jsonl", "--html", place / "p.html", "--key", house.key("check")]
    ran = wardein("validate-data", "--data", "data.csv", "--reference", "data.csv", f"--run-id={name}", *signed)
    assert ran.code in (0, 2)
    assert_harmless(ran, place / "p.html", place / "e.jsonl")
    for call in (
        ["evaluate-performance", "--model", "m.skops", "--data", "data.csv", f"--label={name}"],
        ["scan-image", f"--image={name}"],
        ["scan-image", f"--image=registry.invalid/{name}@sha256:{'0' * 64}"],
        ["validate-data", f"--data={name}", "--reference", "data.csv"],
        ["gate", "--model", "m.skops", f"--claims={name}", "--trust", house.trust, "--policy", house.policy],
        ["show", f"{name}"] if not name.startswith("-") else ["show", "--", name],
    ):
        denied = wardein(*call)
        assert_harmless(denied)
        if call[0] == "gate" and os.path.isfile(name):
            assert denied.code == 1  # a file that is there, and is no evidence, denies with every other reason
            assert "root:" not in denied.out + denied.err
        else:
            assert denied.code == 2
            assert denied.one_line
    assert not list(place.parents[1].rglob("owned"))


@pytest.mark.parametrize("name", (NAMES | LONG).values(), ids=NAMES | LONG)
def test_keys_and_policies(name: str, place: Path, wardein: Callable[..., Ran], house: House) -> None:
    """Names in the trust root and the policy, which the gate puts into its decision, are names."""
    (place / "claims.jsonl").write_text("{}\n")
    (place / "m").write_text("m")
    call = ["gate", "--model", "m", "--claims", "claims.jsonl", "--policy", house.policy, "--json"]
    root = json.loads(house.trust.read_text())
    for change in ("name", "identity", "environment"):
        changed = json.loads(json.dumps(root))
        (changed if change == "environment" else changed["keys"][0])[change] = name
        (place / "trust.json").write_text(json.dumps(changed))
        denied = wardein(*call, "--trust", "trust.json")
        assert denied.code == 2
        assert_harmless(Ran(2, "", denied.err))
    policy = place / "policy"
    policy.mkdir()
    text = (house.policy / "policy.yaml").read_text()
    (policy / "policy.yaml").write_text(text.replace("name: baseline", f"name: {json.dumps(name)}"))
    denied = wardein("gate", "--model", "m", "--claims", "claims.jsonl", "--policy", policy, "--trust", house.trust)
    assert denied.code == 2
    assert_harmless(denied)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_what_evidence_says(name: str, place: Path, wardein: Callable[..., Ran], house: House) -> None:
    """Evidence of a key that was stolen, or of none: the gate's reasons, its page and what show prints quote it."""
    from wardein.evidence.envelope import seal
    from wardein.evidence.keys import signer_for
    from wardein.evidence.statement import write
    from wardein.subject import Subject

    (place / "m").write_text("m")
    said = {"check": {"id": name, "version": name}, "reason": name, "verdict": name}
    payloads = [
        write([Subject(name, "0" * 64)], kind, said)
        for kind in ("urn:wardein:check-result:1", "urn:wardein:waiver:1", name)
    ]
    signers = [signer_for(house.key("check")), None]
    (place / "c.jsonl").write_bytes(b"".join(seal(p, s).to_line() for p in payloads for s in signers))
    call = ["gate", "--model", "m", "--claims", "c.jsonl", "--policy", house.policy, "--trust", house.trust]
    ran = wardein(*call, "--html", place / "p.html", "--evidence", place / "e.jsonl", "--key", house.key("gate"))
    assert ran.code == 1
    assert_harmless(ran, place / "p.html", place / "e.jsonl")
    assert_harmless(wardein(*call, "--json"))
    assert_harmless(wardein("show", place / "c.jsonl", "--trust", house.trust))


def test_a_process_of_its_own(place: Path) -> None:
    """Once as a program, with a name that no terminal should see, and a standard output that is not UTF-8."""
    name = FILES["escape"]
    table().to_csv(place / name, index=False)
    command = [sys.executable, "-m", "wardein.cli", "validate-data", "--data", name, "--reference", f"x{name}"]
    ended = subprocess.run(
        command, capture_output=True, check=False, env={"LANG": "C", "PYTHONUTF8": "0", "PATH": "/usr/bin"}
    )
    assert ended.returncode == 2
    assert b"\x1b" not in ended.stdout + ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_picture_of_groups_warns_of_nothing(place: Path) -> None:
    """Libraries warn on standard error, where no test in this process sees it: here of letters that no font has."""
    frame = table()
    frame["group"] = np.where(frame["sex"] == 1, "\u5973\x1b[2J", "\u7537")
    frame.to_parquet(place / "data.parquet")
    model_of(frame, place / "m.skops", ["a", "b"])
    call = ["--model", "m.skops", "--data", "data.parquet", "--label", "y", "--sensitive", "group", "--html", "p.html"]
    command = [sys.executable, "-m", "wardein", "evaluate-fairness", *call]
    ended = subprocess.run(command, capture_output=True, check=False)
    assert ended.returncode in (0, 1)
    assert ended.stderr == b""
    assert b"\x1b" not in ended.stdout


def test_printable_leaves_nothing_for_a_terminal() -> None:
    for name in (NAMES | LONG).values():
        assert printable(name).isprintable()
        assert len(printable(name)) == len(name)


# Airflow and Kubeflow


def test_airflow_expands_nothing_that_came_from_evidence(place: Path) -> None:
    """What an operator pushes to XCom is fixed words, digests and its own path; a template there stays as it is."""
    from wardein.airflow import ValidateDataOperator

    operator = ValidateDataOperator(
        task_id="t", data="{{ params.data }}", reference="/r", evidence="/e.jsonl", run_id="r"
    )
    rendered = "{{ ti.xcom_pull(task_ids='x') }} $(touch owned)"
    operator.render_template_fields({"params": {"data": rendered}, "run_id": "r"})
    arguments = operator.arguments()
    assert arguments[arguments.index("--data") + 1] == rendered  # rendered once, and one argument still


def test_kubeflow_placeholders_in_values_are_values() -> None:
    """The command line is the last to look at a value; what looks like a placeholder is the name of a file."""
    assert main(["validate-data", "--data", "{{$.inputs.parameters['x']}}", "--reference", "y"]) == 2


def test_every_name_is_tried_everywhere() -> None:
    """A name that a file system refuses would make a test that tests nothing."""
    assert not [name for name in FILES.values() if "/" in name or "\0" in name or len(name) > 200]
    assert re.search("[\x00-\x1f]", "".join(FILES.values()))
