# SPDX-License-Identifier: Apache-2.0
"""A rule of wardein's own: what it is about, how severe it is in machine-learning code, and why that."""

from __future__ import annotations

from dataclasses import dataclass

from wardein.report import Severity


@dataclass(frozen=True)
class Rule:
    """One rule; docs/rules.md lists all of them.

    Attributes:
        id: The check's family and a name, for example ``code/torch-load``.
        severity: How bad it is.
        title: What is wrong, in one clause that can stand in a finding.
        why: Why it has this severity, in code and configuration of machine learning.
        mend: What to do instead.
        cwe: The kind of weakness, for example ``CWE-502``.
        taxonomy: Other tools' rules that say the same, as ``tool:rule``, for example ``bandit:B301``.
    """

    id: str
    severity: Severity
    title: str
    why: str
    mend: str
    cwe: str = ""
    taxonomy: tuple[str, ...] = ()
