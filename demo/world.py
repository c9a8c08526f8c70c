# SPDX-License-Identifier: Apache-2.0
"""What the demo needs from the world, made offline: data, keys, a policy, a serving image, advisories."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import distribution, version
from pathlib import Path

import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from demo.images import tar, write_docker_archive
from demo.repository import CLEAN, write
from wardein.cli import main as wardein
from wardein.report import Severity
from wardein.tools.trivydb import Advisory, write_database

LABEL = "high_progression"
SERVED = ("numpy", "scipy", "scikit-learn", "skops", "joblib", "jinja2", "requests", "urllib3", "certifi")

# Published advisories on packages that serving images tend to hold. Ten are no vulnerability feed: the demo says so.
ADVISORIES = (
    ("scikit-learn", "CVE-2024-5206", "<1.5.0", "1.5.0", "medium", "TfidfVectorizer keeps tokens of its training data"),
    ("joblib", "CVE-2022-21797", "<1.2.0", "1.2.0", "critical", "Parallel evaluates its pre_dispatch argument"),
    ("jinja2", "CVE-2024-22195", "<3.1.3", "3.1.3", "medium", "xmlattr filter lets attributes be injected"),
    (
        "werkzeug",
        "CVE-2024-34069",
        "<3.0.3",
        "3.0.3",
        "high",
        "the debugger can execute code on the developer's machine",
    ),
    ("pillow", "CVE-2022-22817", "<9.0.1", "9.0.1", "critical", "ImageMath.eval evaluates arbitrary expressions"),
    ("numpy", "CVE-2021-34141", "<1.22.0", "1.22.0", "medium", "incomplete string comparison"),
    ("requests", "CVE-2024-35195", "<2.32.0", "2.32.0", "medium", "certificate verification stays off for a session"),
    ("urllib3", "CVE-2023-45803", "<1.26.18", "1.26.18", "medium", "request body is not stripped on redirects"),
    ("certifi", "CVE-2023-37920", "<2023.7.22", "2023.7.22", "high", "trusts the root certificates of e-Tugra"),
    ("setuptools", "CVE-2024-6345", "<70.0.0", "70.0.0", "high", "remote code execution through package_index"),
)


@dataclass(frozen=True)
class World:
    """Where everything lies."""

    folder: Path

    @property
    def store(self) -> Path:
        return self.folder / "served"

    @property
    def test_data(self) -> Path:
        return self.folder / "test.csv"

    @property
    def image(self) -> Path:
        return self.folder / "serving-image.tar"

    @property
    def source(self) -> Path:
        return self.folder / "source"

    @property
    def foreign(self) -> Path:
        """What another tool found in the source: nothing."""
        return self.folder / "foreign.sarif"

    @property
    def trust(self) -> Path:
        return self.folder / "house" / "trust.json"

    @property
    def policy(self) -> Path:
        return self.folder / "house" / "policy"

    def key(self, role: str) -> str:
        return f"file:{self.folder}/house/keys/{role}.pem"

    def parameters(self, run_id: str, **changed: object) -> dict[str, object]:
        """The parameters of ``pipelines/train_and_gate.py``."""
        return {
            "train_data": str(self.folder / "train.csv"),
            "test_data": str(self.test_data),
            "label": LABEL,
            "sensitive": ["sex", "age"],
            "bins": {"age": "50"},
            "image": str(self.image),
            "database": str(self.folder / "advisories"),
            "trust": str(self.trust),
            "policy": str(self.policy),
            "target": str(self.store),
            "train_key": self.key("train"),
            "check_key": self.key("check"),
            "gate_key": self.key("gate"),
            "run_id": run_id,
            **changed,
        }


def make(folder: Path) -> World:
    """Make everything in a new folder."""
    world = World(folder)
    folder.mkdir(parents=True)
    pins = ["--pin", f"label={LABEL}", "--pin", 'sensitive=["sex", "age"]', "--pin", 'bins={"age": "50"}']
    if wardein(["init", str(folder / "house"), *pins]) != 0:
        raise SystemExit("the trust root could not be made")
    _write_data(world)
    write(world.source, CLEAN)
    world.foreign.write_text(json.dumps(_sarif(sorted(CLEAN))), encoding="utf-8")
    packages = [tar(_metadata(name)) for name in SERVED]
    write_docker_archive(world.image, packages)
    found = [
        Advisory(cve, package, "pip", Severity(severity), (vulnerable,), (fixed,), title)
        for package, cve, vulnerable, fixed, severity, title in ADVISORIES
    ]
    write_database(folder / "advisories", found, datetime.now(UTC))
    return world


def _sarif(files: list[str]) -> dict[str, object]:
    """The report of a scanner that looked at these files just now."""
    run = {
        "tool": {"driver": {"name": "demo", "version": "1"}},
        "automationDetails": {"id": "demo"},
        "invocations": [{"executionSuccessful": True, "endTimeUtc": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}],
        "artifacts": [{"location": {"uri": file}, "roles": ["analysisTarget"]} for file in files],
        "results": [],
    }
    return {"version": "2.1.0", "runs": [run]}


def _write_data(world: World) -> None:
    """The diabetes study of Efron et al. (2004), 442 patients, as scikit-learn ships it, in its own units."""
    study = load_diabetes(scaled=False, as_frame=True)
    table = study.data.assign(**{LABEL: (study.target > study.target.median()).astype(int)})
    table["sex"] = table["sex"].astype(int)
    train, test = train_test_split(table, test_size=0.5, random_state=0, stratify=table[LABEL])
    train.to_csv(world.folder / "train.csv", index=False)
    test.to_csv(world.test_data, index=False)
    train.assign(**{LABEL: _prejudiced(train)}).to_csv(world.folder / "prejudiced-train.csv", index=False)


def _prejudiced(train: pd.DataFrame) -> pd.Series:
    """Labels as a prejudiced clinic would record them: one sex is found to progress, the other is not."""
    label = train[LABEL].copy()
    label[(train["sex"] == 2) & (train["bmi"] > 26)] = 1
    label[(train["sex"] == 1) & (train["bmi"] < 26)] = 0
    return label


def _metadata(name: str) -> dict[str, bytes]:
    """What an installed package leaves in an image: the metadata of the one that is installed here."""
    text = (
        distribution(name).read_text("METADATA") or f"Metadata-Version: 2.1\nName: {name}\nVersion: {version(name)}\n"
    )
    folder = f"usr/local/lib/python3.11/site-packages/{name.replace('-', '_')}-{version(name)}.dist-info"
    return {f"{folder}/METADATA": text.encode()}
