# SPDX-License-Identifier: Apache-2.0
"""Train a classifier, check it from all sides, and promote it only if the gate lets it through.

Trigger it with a configuration: every path is absolute and visible to the workers. The checks run in the
environment of ``WARDEIN_COMMAND`` (default: ``wardein`` on the PATH), so that none of their libraries has to be
installed beside Airflow.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, Asset, Param, task

from wardein.airflow import (
    EvaluateFairnessOperator,
    EvaluatePerformanceOperator,
    EvaluatePrivacyOperator,
    EvaluateRobustnessOperator,
    GateOperator,
    PromoteOperator,
    ScanImageOperator,
    ScanModelOperator,
    SignArtifactOperator,
    SmokeTestOperator,
    ValidateDataOperator,
    VerifyArtifactOperator,
)

COMMAND = tuple(os.environ.get("WARDEIN_COMMAND", "wardein").split())
FOLDER = "{{ params.folder }}"
MODEL, SIGNATURE = f"{FOLDER}/model.skops", f"{FOLDER}/model.sig"
CHECKS = (
    "validate_data",
    "scan_model",
    "smoke_test",
    "evaluate_performance",
    "evaluate_robustness",
    "evaluate_fairness",
    "evaluate_privacy",
    "scan_image",
    "verify_artifact",
)

with DAG(
    dag_id="train_and_gate",
    description=__doc__.splitlines()[0],
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # Values that a template renders keep their type: a list stays a list.
    render_template_as_native_obj=True,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    params={
        "folder": Param("", type="string", description="Where this run writes the model and its evidence."),
        "train_data": Param("", type="string", description="Training rows, CSV."),
        "test_data": Param("", type="string", description="Rows that the model does not see in training, CSV."),
        "label": Param("", type="string", description="The column to predict."),
        "sensitive": Param([], type="array", description="Columns that divide people into groups."),
        "bins": Param({}, type="object", description='Cut points for numeric ones, for example {"age": "50"}.'),
        "image": Param("", type="string", description="The image that will serve the model, pinned by digest."),
        "database": Param("", type="string", description="The folder with the vulnerability database."),
        "trust": Param("", type="string", description="The trust root; see docs/trust.md."),
        "policy": Param("", type="string", description="The policy folder that the trust root pins."),
        "target": Param("", type="string", description="The folder that models are served from."),
        "tier": Param(
            "default",
            enum=["default", "low", "standard", "high"],
            description="The risk tier to judge by; a lower one than the policy's own takes a signed approval.",
        ),
        "key_folder": Param(
            "", type="string", description="The folder with the key files train.pem, check.pem, gate.pem."
        ),
    },
    tags=["wardein"],
) as dag:

    @task
    def train(params: dict | None = None) -> None:
        """Train a logistic regression on all columns but the label; put your own training here."""
        import pandas as pd
        import skops.io
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        table = pd.read_csv(params["train_data"])
        features, label = table.drop(columns=params["label"]), table[params["label"]]
        skops.io.dump(
            make_pipeline(StandardScaler(), LogisticRegression()).fit(features, label),
            f"{params['folder']}/model.skops",
        )

    def said(name: str, role: str = "check") -> dict:
        """What every operator of this DAG is told: where its evidence goes, who signs it, what runs it."""
        return {
            "task_id": name,
            "evidence": f"{FOLDER}/{name}.jsonl",
            "html": f"{FOLDER}/{name}.html",
            "key": f"file:{{{{ params.key_folder }}}}/{role}.pem",
            "command": COMMAND,
        }

    labelled = {"model": MODEL, "data": "{{ params.test_data }}", "label": "{{ params.label }}"}
    trust, policy = "{{ params.trust }}", "{{ params.policy }}"
    # A check's FAIL is left to the gate; its ERROR is retried, and then denies.
    leave = {"fail_on": "error"}
    sign = SignArtifactOperator(
        artifact=MODEL,
        signature=SIGNATURE,
        signer="file:{{ params.key_folder }}/train.pem",
        **said("sign_artifact", "train"),
    )
    checks = [
        ValidateDataOperator(
            data="{{ params.test_data }}", reference="{{ params.train_data }}", **leave, **said("validate_data")
        ),
        ScanModelOperator(model=MODEL, **leave, **said("scan_model")),
        SmokeTestOperator(model=MODEL, data="{{ params.test_data }}", **leave, **said("smoke_test")),
        EvaluatePerformanceOperator(**labelled, **leave, **said("evaluate_performance")),
        EvaluateRobustnessOperator(**labelled, **leave, **said("evaluate_robustness")),
        EvaluateFairnessOperator(
            **labelled,
            sensitive="{{ params.sensitive }}",
            bins="{{ params.bins }}",
            bound="best",
            **leave,
            **said("evaluate_fairness"),
        ),
        EvaluatePrivacyOperator(
            **labelled,
            reference="{{ params.train_data }}",
            sensitive="{{ params.sensitive }}",
            **leave,
            **said("evaluate_privacy"),
        ),
        ScanImageOperator(image="{{ params.image }}", database="{{ params.database }}", **leave, **said("scan_image")),
        VerifyArtifactOperator(artifact=MODEL, signature=SIGNATURE, trust=trust, **leave, **said("verify_artifact")),
    ]
    release = {
        "model": MODEL,
        "data": "{{ params.test_data }}",
        "reference": "{{ params.train_data }}",
        "database": "{{ params.database }}",
        "image": "{{ params.image }}",
        "trust": trust,
        "policy": policy,
        "tier": "{{ params.tier }}",
        "nonce": "{{ run_id }}",
    }
    evidence = [f"{FOLDER}/{name}.jsonl" for name in CHECKS]
    # Every decision is noted where promote looks: a refusal outweighs an earlier pass, though it be withheld.
    gate = GateOperator(**release, claims=evidence, audit="{{ params.target }}/audit.jsonl", **said("gate", "gate"))
    promote = PromoteOperator(
        **release,
        claims=[*evidence, f"{FOLDER}/gate.jsonl"],
        target="{{ params.target }}",
        # Consumers are scheduled on the asset: no trigger rule reaches them past a failed gate.
        outlets=[Asset(uri="file:///models/current")],
        **said("promote", "gate"),
    )
    train() >> sign >> checks >> gate >> promote
