# SPDX-License-Identifier: Apache-2.0
"""Run the pipeline with the KFP SDK's local runner, in this interpreter's environment: no Docker, no network."""

from __future__ import annotations

import json
import sys

from kfp import local

from pipelines.train_and_gate import pipeline


def main(root: str, parameters: str) -> None:
    """Run it once; ends with an exception if a task, for example the gate, fails."""
    local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=root)
    pipeline(**json.loads(parameters))


if __name__ == "__main__":
    main(*sys.argv[1:])
