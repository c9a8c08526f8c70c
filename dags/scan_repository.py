# SPDX-License-Identifier: Apache-2.0
"""Fetch a repository's commit, scan its dependencies, code, secrets and configuration side by side, on one page.

Trigger it with a configuration: every path is absolute and visible to the workers. The scans run in the environment of
``WARDEIN_COMMAND`` (default: ``wardein`` on the PATH). The last task fails unless every scan looked at everything and
let it pass; ``summarize.html`` in the folder is the page. The history is not fetched: search it for secrets in a clone.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, Param, task

from wardein.airflow import (
    ScanCodeOperator,
    ScanConfigOperator,
    ScanDependenciesOperator,
    ScanSecretsOperator,
    SummarizeOperator,
)

COMMAND = tuple(os.environ.get("WARDEIN_COMMAND", "wardein").split())
FOLDER = "{{ params.folder }}"
SOURCE = f"{FOLDER}/source"
SCANS = ("scan_dependencies", "scan_code", "scan_secrets", "scan_config")

with DAG(
    dag_id="scan_repository",
    description=__doc__.splitlines()[0],
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # Values that a template renders keep their type: a list stays a list.
    render_template_as_native_obj=True,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    params={
        "folder": Param(
            type="string", pattern="^/.", description="A new folder, where this run writes source and evidence."
        ),
        "repository": Param(
            type="string", minLength=1, description="https://…, ssh://…, file://… or a path; no password."
        ),
        "commit": Param(type="string", pattern="^[0-9a-f]{40,64}$", description="The commit's full hash."),
        "database": Param(type="string", pattern="^/.", description="The folder with the vulnerability database."),
        "key": Param("", type="string", description="The URI of the key that signs the evidence; empty for none."),
        "accept_unexamined": Param(
            [], type="array", description="Dependencies that may go unexamined: build, conda, foreign, url."
        ),
        "checks": Param(
            list(SCANS), type="array", description="The scans that count, if the repository has nothing for others."
        ),
        "fail_severity": Param(
            "high",
            enum=["critical", "high", "medium", "low"],
            description="The least severe finding that makes a scan fail.",
        ),
    },
    tags=["wardein"],
) as dag:

    @task
    def fetch(params: dict | None = None) -> None:
        """Fetch one commit of a repository, every file as it was committed, without its history."""
        from pathlib import Path

        from wardein.tools.checkout import check_out

        check_out(params["repository"], params["commit"], Path(params["folder"], "source"))

    def said(name: str) -> dict:
        """What every operator of this DAG is told: what is scanned, where its evidence goes, who signs it."""
        return {
            "task_id": name,
            "source": SOURCE,
            "evidence": f"{FOLDER}/{name}.jsonl",
            "html": f"{FOLDER}/{name}.html",
            "key": "{{ params.key }}",
            "command": COMMAND,
        }

    # What a scan found is left to the last task, so that one page shows all of it.
    leave = {"fail_severity": "{{ params.fail_severity }}", "fail_on": "error"}
    scans = [
        ScanDependenciesOperator(
            database="{{ params.database }}",
            accept_unexamined="{{ params.accept_unexamined }}",
            **leave,
            **said("scan_dependencies"),
        ),
        ScanCodeOperator(**leave, **said("scan_code")),
        ScanSecretsOperator(**leave, **said("scan_secrets")),
        ScanConfigOperator(**leave, **said("scan_config")),
    ]
    page = SummarizeOperator(
        claims=[f"{FOLDER}/{name}.jsonl" for name in SCANS],
        checks="{{ params.checks }}",
        # A scan that ended in ERROR left its evidence as well: the page is needed most then.
        trigger_rule="all_done",
        **said("summarize"),
    )
    fetch() >> scans >> page
