# SPDX-License-Identifier: Apache-2.0
"""The JSON of ``npm audit``, version 2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wardein.foreign import severities
from wardein.foreign.document import Node
from wardein.foreign.reading import UNTOLD_VERSION, Issue, Reading, Target, cwe_of
from wardein.report import Tool


def recognises(value: Any) -> bool:
    """Whether it looks like a report of ``npm audit``."""
    return isinstance(value, dict) and "auditReportVersion" in value


def read(document: Node) -> Reading:
    """Read a report.

    Raises:
        WardeinError: If it is not of the form, or of another version of it.
    """
    version = document.at("auditReportVersion")
    if version.value != 2 or isinstance(version.value, bool):
        raise version.wrong(f"is {str(version.value)[:20]}, not 2")
    metadata = document.at("metadata")
    total = metadata.at("dependencies").at("total").count()
    listed, counted = len(document.at("vulnerabilities").members()), metadata.at("vulnerabilities").at("total")
    if counted.count() > listed:
        raise counted.wrong(f"is {counted.value}, but {listed} are listed")
    _check_reasons(document.at("vulnerabilities"))
    return Reading(
        tool="npm-audit",
        tools=(Tool("npm-audit", UNTOLD_VERSION),),
        targets=(Target(),),
        made=(None,),
        issues=tuple(_issues(document)),
        unit="packages",
        examined=total,
        expected=total,
    )


def _check_reasons(packages: Node) -> None:
    """Refuse a report with a package that is listed for no advisory, neither its own nor a dependency's."""
    listed, dependents, reached = dict(packages.members()), dict[str, list[str]](), []
    for name, package in listed.items():
        for via in package.at("via").items():
            if not isinstance(via.value, str):
                reached.append(name)
            elif via.value in listed:
                dependents.setdefault(via.value, []).append(name)
            else:
                raise via.wrong("names a package that is not listed")
    explained: set[str] = set()
    while reached:
        name = reached.pop()
        if name not in explained:
            explained.add(name)
            reached += dependents.get(name, [])
    for name, package in listed.items():
        if name not in explained:
            raise package.wrong("comes to no advisory")


def _issues(document: Node) -> Iterator[Issue]:
    for name, package in document.at("vulnerabilities").members():
        for via in package.at("via").items():
            if isinstance(via.value, str):  # a dependency of it, which is listed itself
                continue
            advisory = via.text_at("url").rstrip("/").rpartition("/")[2]
            yield Issue(
                rule=f"npm-audit/{advisory or via.text_at('title') or 'unnamed'}",
                message=f"{name} {via.text_at('range')}: {via.text_at('title') or 'known vulnerability'}",
                severity=severities.worst(
                    severities.by_word(via.text_at("severity")), severities.by_word(package.text_at("severity"))
                ),
                place=name,
                cwe=cwe_of(*via.texts_at("cwe")),
            )
