# SPDX-License-Identifier: Apache-2.0
"""The JSON of pip-audit."""

from __future__ import annotations

from typing import Any

from wardein.foreign.document import Node
from wardein.foreign.packages import purl
from wardein.foreign.reading import UNTOLD_VERSION, Issue, Reading, Target, Unread, first_cve
from wardein.report import Tool


def recognises(value: Any) -> bool:
    """Whether it looks like a report of pip-audit."""
    return isinstance(value, dict) and value.keys() == {"dependencies", "fixes"}


def read(document: Node) -> Reading:
    """Read a report.

    Raises:
        WardeinError: If it is not of the form.
    """
    packages = document.at("dependencies").items()
    skipped = [package for package in packages if package.has("skip_reason")]
    audited = [package for package in packages if not package.has("skip_reason")]
    return Reading(
        tool="pip-audit",
        tools=(Tool("pip-audit", UNTOLD_VERSION),),
        targets=(Target(),),
        made=(None,),
        issues=tuple(_issue(found, package) for package in audited for found in package.at("vulns").items()),
        unit="packages",
        examined=len(audited),
        expected=len(audited),
        unread=tuple(Unread(p.at("skip_reason").text(), what=p.at("name").text()) for p in skipped),
    )


def _issue(found: Node, package: Node) -> Issue:
    rule, name, version = found.at("id").text(), package.at("name").text(), package.at("version").text()
    fixed = ", ".join(found.texts_at("fix_versions"))
    mend = f"fixed in {fixed}" if fixed else "no fix is known"
    return Issue(
        rule=f"pip-audit/{rule}",
        message=f"{name} {version}: {found.text_at('description')[:200] or rule}; {mend}",
        severity=None,
        place=f"{name}@{version}",
        cve=first_cve(rule, *found.texts_at("aliases")),
        purl=purl("pypi", name, version),
    )
