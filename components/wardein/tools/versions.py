# SPDX-License-Identifier: Apache-2.0
"""The versions of the Python packages that did the looking, for the report."""

from __future__ import annotations

from importlib.metadata import version

from wardein.report import Tool


def packages(*names: str) -> list[Tool]:
    """One tool per installed distribution name."""
    return [Tool(name, version(name)) for name in names]
