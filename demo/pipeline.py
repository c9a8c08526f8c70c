# SPDX-License-Identifier: Apache-2.0
"""Run a pipeline with the KFP SDK's local runner, in this interpreter's environment: no Docker, no network."""

from __future__ import annotations

import json
import sys
from importlib import import_module

from kfp import local


def main(root: str, parameters: str, name: str = "train_and_gate") -> None:
    """Run it once; ends with an exception if a task, for example the gate, fails."""
    local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=root)
    import_module(f"pipelines.{name}").pipeline(**json.loads(parameters))


if __name__ == "__main__":
    main(*sys.argv[1:])
