# SPDX-License-Identifier: Apache-2.0
"""The check ``scan_model``."""

from __future__ import annotations

from typing import Literal

from wardein.artifacts import Model
from wardein.errors import UsageError
from wardein.report import Coverage, Report, Severity, conclude

SCANNERS = ("wardein", "picklescan", "modelscan", "fickling", "modelaudit")


def scan_model(
    model: Model,
    allow: list[str] = [],  # noqa: B006 - read only
    formats: list[str] = [],  # noqa: B006 - read only
    scanners: list[str] = ["wardein"],  # noqa: B006 - read only
    fail_severity: Literal["critical", "high", "medium", "low"] = "high",
) -> Report:
    """Look for code in a model's files, without loading any of them.

    A serialized model is a program. TODO

    Args:
        model: The model: one file, or a folder of which every file counts.
        allow: Globals that pickles may refer to on top of the audited ones, as module.name; who allows one vouches for
            it, and a policy has to agree.
        formats: Accept only files of these formats, for example safetensors and onnx; empty accepts every known one.
        scanners: Who looks: wardein, which must be among them, and for second opinions picklescan, modelscan,
            fickling or modelaudit; the strictest opinion counts.
        fail_severity: The least severe finding that makes the check fail.

    Returns:
        Findings with the file, the byte offset and the call as text; how many of the files were examined.

    Raises:
        WardeinError: If a scanner is missing or fails.

    References:
        MITRE ATLAS AML.T0011.000 (unsafe AI artifacts), CWE-502.
    """
    from wardein.modelfiles.scan import examine_model
    from wardein.scan.merge import counts, merged

    for name in scanners:
        if name not in SCANNERS:
            raise UsageError(f"{name!r} is none of {', '.join(SCANNERS)}", where="--scanners")
    examined = examine_model(model, allow)
    findings = merged(examined.found, Severity(fail_severity))
    left_out = {entry.what.partition(",")[0] for entry in examined.skipped}
    return conclude(
        coverage=Coverage("files", examined.files, examined.files - len(left_out), tuple(examined.skipped)),
        tools=[],
        metrics=counts(findings, examined.files),
        findings=findings,
    )
