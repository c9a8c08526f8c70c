# SPDX-License-Identifier: Apache-2.0
"""The check ``scan_code``."""

from __future__ import annotations

from typing import Literal

from wardein.artifacts import Baseline, Source
from wardein.errors import WardeinError
from wardein.report import Report


def scan_code(
    source: Source,
    fail_severity: Literal["critical", "high", "medium", "low"] = "high",
    baseline: Baseline | None = None,
) -> Report:
    """Look for code that runs, loads or trusts what it should not, in scripts and notebooks.

    Args:
        source: The folder that holds the code, or one file.
        fail_severity: The least severe finding that makes the check fail.
        baseline: Earlier evidence of this check: what it found already stays listed and does not fail.

    Returns:
        Findings.

    Raises:
        WardeinError: If nothing can be examined.
    """
    raise WardeinError("is not built yet")
