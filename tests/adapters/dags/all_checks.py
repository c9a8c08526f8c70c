# SPDX-License-Identifier: Apache-2.0
"""Every check on the world that the test made; its arguments come in a file that an environment variable names."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG

from wardein import spec
from wardein.airflow import operators

SETTINGS = json.loads(Path(os.environ["WARDEIN_TEST_SETTINGS"]).read_text())

with DAG(dag_id="all_checks", schedule=None, start_date=datetime(2026, 1, 1), catchup=False) as dag:
    for name, arguments in SETTINGS["arguments"].items():
        getattr(operators, spec.load(name).operator)(
            task_id=name,
            **arguments,
            evidence=f"{SETTINGS['out']}/{name}.jsonl",
            key=SETTINGS["key"],
        )
