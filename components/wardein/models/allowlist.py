# SPDX-License-Identifier: Apache-2.0
"""The exact names that a model file may refer to."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def allowed() -> frozenset[str]:
    """The ``module.name`` of every constructor that is known to only build data."""
    lines = Path(__file__).with_name("allowed.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))
