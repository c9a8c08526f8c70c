# SPDX-License-Identifier: Apache-2.0
"""One small world for all contract tests: what each step needs for a call that passes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from demo.world import LABEL, World, make
from wardein.cli import main
from wardein.spec import CHECKS
from wardein.subject import digest_of

# A script that asks for every row, and finds nothing.
RED_TEAM = """
def attack(model, rows, labels, budget):
    model.predict(rows)
    return {"examined": len(rows), "findings": []}
"""
SCANS = ("scan_dependencies", "scan_code", "scan_secrets", "scan_config")


@dataclass(frozen=True)
class Ready:
    """The world, a trained model, its signature, and the evidence of every check on it."""

    world: World

    @property
    def folder(self) -> Path:
        return self.world.folder

    @property
    def model(self) -> Path:
        return self.folder / "model.skops"

    def evidence(self, step: str) -> Path:
        return self.folder / f"{step}.jsonl"

    def arguments(self, step: str, out: Path) -> Mapping[str, object]:
        """The arguments of a call of a step that passes; what it writes goes below ``out``."""
        labelled = {"model": self.model, "data": self.world.test_data, "label": LABEL}
        release = {
            "model": self.model,
            "data": self.world.test_data,
            "image": str(self.world.image),
            "source": self.world.source,
            "reference": self.folder / "train.csv",
            "database": self.folder / "advisories",
            "trust": self.world.trust,
            "policy": self.world.policy,
        }
        source = {"source": self.world.source}
        # A report of others, a script and a champion count only under a policy that says which, which the baseline
        # cannot know.
        pinned = ("import_findings", "evaluate_behavior", "compare_models")
        claims = [self.evidence(check) for check in CHECKS if check not in pinned]
        calls: dict[str, dict[str, object]] = {
            "validate_data": {"data": self.world.test_data, "reference": self.folder / "train.csv"},
            "evaluate_performance": labelled,
            "evaluate_robustness": labelled,
            "evaluate_fairness": labelled | {"sensitive": ["sex", "age"], "bins": {"age": "50"}, "bound": "best"},
            "evaluate_privacy": labelled | {"reference": self.folder / "train.csv", "sensitive": ["sex", "age"]},
            "evaluate_behavior": labelled | {"script": self.folder / "red_team.py", "scanner": "none"},
            "compare_models": labelled | {"champion": self.folder / "champion.skops", "bound": "best"},
            "scan_model": {"model": self.model},
            "smoke_test": {"model": self.model, "data": self.world.test_data},
            "scan_image": {"image": str(self.world.image), "database": self.folder / "advisories"},
            "scan_dependencies": source | {"database": self.folder / "advisories"},
            "scan_code": source,
            "scan_secrets": source,
            "scan_config": source,
            "import_findings": {
                "subject": f"sha256:{digest_of(self.world.source)}",
                "findings": self.world.foreign,
                "kind": "source",
                "target": "demo",
            },
            "summarize": source | {"claims": [self.evidence(check) for check in SCANS]},
            "verify_artifact": {
                "artifact": self.model,
                "signature": self.folder / "model.sig",
                "trust": self.world.trust,
            },
            "sign_artifact": {
                "artifact": self.model,
                "signature": out / "model.sig",
                "signer": self.world.key("train"),
            },
            "approve": release | {"claims": claims, "justification": "reviewed with the risk committee"},
            "gate": release | {"claims": [*claims, self.evidence("approve")], "audit": out / "decisions.jsonl"},
            "promote": release
            | {"claims": [*claims, self.evidence("approve"), self.evidence("gate")], "target": out / "served"}
            | {"auditor": self.world.key("audit")},
        }
        return calls[step]


def command_line(step: str, arguments: Mapping[str, object]) -> list[str]:
    """The arguments as a shell would pass them."""
    line = [step.replace("_", "-")]
    for name, value in arguments.items():
        for item in value if isinstance(value, list) else [value]:
            line += [f"--{name.replace('_', '-')}", json.dumps(item) if isinstance(item, dict) else str(item)]
    return line


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    """Made once: every check's evidence, and the gate's, on an honest model."""
    made = Ready(make(tmp_path_factory.mktemp("conformance") / "world"))
    table = pd.read_csv(made.folder / "train.csv")
    estimator = make_pipeline(StandardScaler(), LogisticRegression())
    skops.io.dump(estimator.fit(table.drop(columns=LABEL), table[LABEL]), made.model)
    champion = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    skops.io.dump(champion.fit(table.drop(columns=LABEL), table[LABEL]), made.folder / "champion.skops")
    (made.folder / "red_team.py").write_text(RED_TEAM, encoding="utf-8")
    for step in ("sign_artifact", *CHECKS, "approve", "gate"):
        arguments = made.arguments(step, made.folder)
        role = step if step in ("approve", "gate") else "check"
        signed = ["--evidence", str(made.evidence(step)), "--key", made.world.key(role)]
        assert main([*command_line(step, arguments), *signed]) == 0, step
    return made
