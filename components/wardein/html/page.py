# SPDX-License-Identifier: Apache-2.0
"""The report page: one self-contained HTML file."""

from __future__ import annotations

from wardein.report import Report


def render(report: Report) -> str:
    """The page of a report."""
    raise NotImplementedError
