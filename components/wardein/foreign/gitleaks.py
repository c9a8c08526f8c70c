# SPDX-License-Identifier: Apache-2.0
"""Gitleaks' JSON: an array of leaks, and nothing about what was looked at, when and by which version."""

from __future__ import annotations

from typing import Any

from wardein.foreign.document import Node
from wardein.foreign.reading import UNTOLD_VERSION, Issue, Reading, Target
from wardein.report import Severity, Tool


def recognises(value: Any) -> bool:
    """Whether it looks like leaks; a report without one is an empty array, as others' are."""
    return isinstance(value, list) and all(
        isinstance(leak, dict) and leak.keys() >= {"RuleID", "File"} for leak in value
    )


def read(document: Node) -> Reading:
    """Read a report.

    Raises:
        WardeinError: If it is not of the form.
    """
    return Reading(
        tool="gitleaks",
        tools=(Tool("gitleaks", UNTOLD_VERSION),),
        targets=(Target(),),
        made=(None,),
        issues=tuple(_issue(leak) for leak in document.items()),
    )


def _issue(leak: Node) -> Issue:
    rule, commit = leak.at("RuleID").text(), leak.text_at("Commit")
    return Issue(
        rule=f"gitleaks/{rule}",
        message=f"a secret ({rule}; the value is not shown)",
        severity=Severity.HIGH,  # Gitleaks rates nothing; that a secret lies open is never less
        path=leak.at("File").text(),
        part=f"commit {commit[:12]}" if commit else "",
        line=leak.count_at("StartLine"),
        last=leak.count_at("EndLine"),
        cwe="CWE-798",
        secret=True,
    )
