# SPDX-License-Identifier: Apache-2.0
"""One task for each way in which an operator can end."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG

from wardein.airflow import VerifyArtifactOperator

SETTINGS = json.loads(Path(os.environ["WARDEIN_TEST_SETTINGS"]).read_text())
OUT = SETTINGS["out"]

with DAG(
    dag_id="endings",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 1, "retry_delay": timedelta(0)},
) as dag:
    signed = {"signature": SETTINGS["signature"], "trust": SETTINGS["trust"]}
    good, bad, missing = SETTINGS["good"], SETTINGS["bad"], f"{OUT}/missing"
    for name, artifact, changed in (
        ("passes", good, {}),
        ("fails", bad, {}),
        ("leaves_the_fail_to_a_gate", bad, {"fail_on": "error"}),
        ("errs", missing, {}),
        ("errs_for_a_gate_too", missing, {"fail_on": "error"}),
        ("is_misused", good, {"evidence": "relative.jsonl"}),
        ("makes_its_folder", good, {"evidence": f"{OUT}/a/new/folder/e.jsonl"}),
        ("has_no_program", good, {"command": ("/no/such/wardein",)}),
        ("lies_by_its_exit_code", good, {"command": (SETTINGS["liar"],)}),
    ):
        arguments = {"artifact": artifact, **signed, "evidence": f"{OUT}/{name}.jsonl", **changed}
        VerifyArtifactOperator(task_id=name, **arguments)
    VerifyArtifactOperator.partial(
        task_id="is_mapped", **signed, evidence=OUT + "/mapped-{{ ti.map_index }}.jsonl"
    ).expand(artifact=[good, bad])
