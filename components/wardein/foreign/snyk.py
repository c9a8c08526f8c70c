# SPDX-License-Identifier: Apache-2.0
"""Snyk's JSON of ``snyk test`` and ``snyk container test``: one project, or an array of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wardein.foreign import severities
from wardein.foreign.document import Node
from wardein.foreign.packages import purl
from wardein.foreign.reading import UNTOLD_VERSION, Issue, Reading, Target, Unread, cwe_of, first_cve, sha256_of
from wardein.foreign.text import one_line
from wardein.report import Severity, Tool


def recognises(value: Any) -> bool:
    """Whether it looks like a test of Snyk's, also one that failed."""
    projects = value if isinstance(value, list) else [value]
    return all(isinstance(project, dict) and _is_project(project) for project in projects)


def _is_project(project: dict[str, Any]) -> bool:
    failed = project.get("ok") is False and isinstance(project.get("error"), str)
    return failed or ("ok" in project and "vulnerabilities" in project)


def read(document: Node) -> Reading:
    """Read a test.

    Raises:
        WardeinError: If it is not of the form.
    """
    top = document.items() if isinstance(document.value, list) else [document]
    projects = [project for one in top for project in (one, *one.each("applications"))]
    tested = [project for project in projects if not project.has("error")]
    counts = [project.at("dependencyCount").count() for project in tested]
    return Reading(
        tool="snyk",
        tools=(Tool("snyk", UNTOLD_VERSION),),
        targets=tuple(_target(project) for project in top if not project.has("error")),
        made=tuple(None for _ in top),
        issues=tuple(issue for project in tested for issue in _issues(project)),
        unit="dependencies",
        examined=sum(counts),
        expected=sum(counts),
        unread=tuple(entry for project in projects for entry in _unread(project)),
    )


def _unread(project: Node) -> Iterator[Unread]:
    if project.has("error"):
        yield Unread(project.at("error").text(), what=_name(project))
        return
    if not project.at("dependencyCount").count():
        yield Unread("Snyk found no dependency in it", what=_name(project))
    least = project.text_at("severityThreshold")
    if least not in ("", "low"):
        why = f"Snyk was told to leave out what is less than {least}; run it without --severity-threshold"
        yield Unread(why, what=f"findings in {_name(project)}")


def _name(project: Node) -> str:
    names = (project.text_at(key) for key in ("displayTargetFile", "targetFile", "projectName"))
    return one_line(next((name for name in names if name), "a project"))


def _target(project: Node) -> Target:
    keys = ("projectName", "path", "displayTargetFile", "targetFile")
    names = [project.text_at(key) for key in keys]
    docker = project.maybe("docker")
    if docker:
        # An image is called by its reference, which may be pinned.
        names += [names[0].removeprefix("docker-image|"), docker.text_at("imageName")]
    pinned = [digest for name in names if "@sha256:" in name for digest in sha256_of(name)]
    return Target(names=tuple(name for name in names if name), digests=tuple(pinned))


def _issues(project: Node) -> Iterator[Issue]:
    listed = project.at("vulnerabilities").items()
    counted, known = project.count_at("uniqueCount"), len({found.at("id").text() for found in listed})
    if counted > known:
        raise project.wrong(f"counts {counted} vulnerabilities, but {known} are listed")
    if not project.at("ok").flag() and not listed:
        raise project.wrong("says that it is not ok, but lists no vulnerability")
    for found in listed:
        yield _issue(found, project)
    filtered = project.maybe("filtered")
    for key in ("ignore", "patch"):
        for found in filtered.each(key) if filtered else []:
            yield _issue(found, project, "ignored" if key == "ignore" else "told to be patched")


def _issue(found: Node, project: Node, suppressed: str = "") -> Issue:
    rule, version = found.at("id").text(), found.text_at("version")
    name = found.text_at("packageName") or found.text_at("moduleName") or found.text_at("name")
    identifiers = found.maybe("identifiers")
    fixed = ", ".join(item.text() for item in found.each("fixedIn"))
    return Issue(
        rule=f"snyk/{rule}",
        message=f"{name} {version}: {found.text_at('title') or rule}; "
        + (f"fixed in {fixed}" if fixed else "no fix is known"),
        severity=_severity(found),
        place=f"{name}@{version}",
        cve=first_cve(*(identifiers.texts_at("CVE") if identifiers else [])),
        cwe=cwe_of(*(identifiers.texts_at("CWE") if identifiers else [])),
        purl=purl(found.text_at("packageManager") or project.text_at("packageManager"), name, version),
        suppressed=suppressed,
    )


def _severity(found: Node) -> Severity | None:
    """Snyk's rating; ``severity`` may have been lowered by the organisation's policy, the original stands beside it."""
    words = [found.text_at(key) for key in ("severity", "originalSeverity", "severityWithCritical")]
    return severities.worst(*(severities.by_word(word) for word in words))
