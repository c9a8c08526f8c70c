# SPDX-License-Identifier: Apache-2.0
"""Run one DAG with ``dag.test()`` in an Airflow home of its own and print what became of it as JSON."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path


def main(file: str, conf: str) -> None:
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    run = module.dag.test(run_conf=json.loads(conf))
    tasks = {}
    for ti in run.get_task_instances():
        name = ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]"
        xcom = ti.xcom_pull(task_ids=ti.task_id, map_indexes=ti.map_index)
        tasks[name] = {"state": str(ti.state), "tries": ti.try_number, "xcom": xcom}
    print("RESULT " + json.dumps({"state": str(run.state), "tasks": tasks}))


if __name__ == "__main__":
    main(*sys.argv[1:])
