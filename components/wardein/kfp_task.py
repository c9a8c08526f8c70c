# SPDX-License-Identifier: Apache-2.0
"""What a Kubeflow component does inside its container; the components themselves are generated.

It lies outside ``wardein.kfp`` because inside a task the SDK has no ``dsl.component`` to build them with.

Checks, and what sums them up, always succeed as tasks and say ``passed``: a failed task would lose its report. The
steps that decide (gate, promote, sign_artifact) print their verdict and fail.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from wardein.errors import WardeinError
from wardein.spec import KEEP_THEIR_PAGE, Param, Step, load

MAX_METRICS = 200


class Outputs(NamedTuple):
    """The output parameters of every component."""

    verdict: str
    passed: bool


def run(name: str, given: Mapping[str, Any]) -> Outputs:
    """Run a step on what Kubeflow passed to its component.

    Args:
        name: The step.
        given: The component function's arguments: artifacts, parameters and output artifacts by name.

    Raises:
        SystemExit: With status 1, after the verdict was printed, if a step that decides did not pass; with status 2 and
            one line if the call is misused, so that there is no evidence.
    """
    from wardein import cli, execute

    step = load(name)
    arguments = {param.name: value for param in step.params if (value := _argument(step, param, given)) is not None}
    report_file, summary_file = Path(given["report"].path), Path(given["summary"].path)
    for path in (report_file, summary_file):
        path.parent.mkdir(parents=True, exist_ok=True)
    policy = given.get("policy")
    options = execute.Options(
        evidence=report_file,
        html=summary_file,
        key=given["key"],
        policy=Path(policy.path) if policy is not None and not step.has("policy") else None,
        run_id=given["run_id"],
        orchestrator="kfp",
    )
    try:
        report = execute.run(step, arguments, options)
    except WardeinError as error:
        print(f"wardein: {step.name}: {error}", file=sys.stderr)
        raise SystemExit(cli.EXIT_ERROR) from None
    print(cli.summary(report))
    for metric in report.metrics[:MAX_METRICS]:
        given["metrics"].log_metric(metric.label, metric.value)
    if step.name not in KEEP_THEIR_PAGE and not report.passed:
        raise SystemExit(cli.EXIT_FAILED)
    return Outputs(str(report.verdict), report.passed)


def _argument(step: Step, param: Param, given: Mapping[str, Any]) -> Any:
    if param.type == "paths":
        return [Path(given[name].path) for name in step.claims if given.get(name) is not None]
    value = given[param.name]
    if param.type == "str" or param.is_setting:
        return value
    if param.output in ("Folder", "Log"):
        return Path(value) if value else None
    if value is None:
        return None
    path = Path(value.path)
    if param.output:
        path.parent.mkdir(parents=True, exist_ok=True)
    return path
