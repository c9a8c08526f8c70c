# SPDX-License-Identifier: Apache-2.0
"""Every step, with its typed parameters."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from wardein.spec import STEPS, Param, Step, load


def run(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Print every step; as JSON with its typed parameters."""
    parser.add_argument("--json", action="store_true", help="as one JSON document")
    as_json = parser.parse_args(argv).json
    steps = [load(name) for name in STEPS]
    if as_json:
        print(json.dumps([_step_json(step) for step in steps], indent=2))
    else:
        width = max(len(step.command) for step in steps)
        print("\n".join(f"{step.kind:<9}{step.command:<{width}}  {step.summary}" for step in steps))
    return 0


def _step_json(step: Step) -> dict[str, Any]:
    return {
        "name": step.name,
        "command": step.command,
        "kind": step.kind,
        "extra": step.family,
        "summary": step.summary,
        "description": step.description,
        "parameters": [_param_json(param) for param in step.params],
    }


def _param_json(param: Param) -> dict[str, Any]:
    found: dict[str, Any] = {"name": param.name, "type": param.type, "required": param.required, "doc": param.doc}
    if not param.required:
        found["default"] = param.default
    if param.choices:
        found["choices"] = list(param.choices)
    if param.artifact or param.output:
        found["artifact"] = param.artifact or f"output {param.output.lower()}"
    return found
