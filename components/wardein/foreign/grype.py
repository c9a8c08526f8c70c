# SPDX-License-Identifier: Apache-2.0
"""Grype's JSON report on an image, a folder or a list of packages."""

from __future__ import annotations

from typing import Any

from wardein.foreign import severities
from wardein.foreign.document import Node
from wardein.foreign.reading import UNTOLD_VERSION, Issue, Reading, Target, Unread, first_cve, sha256_of
from wardein.foreign.text import one_line
from wardein.report import Tool


def recognises(value: Any) -> bool:
    """Whether it looks like a report of grype."""
    return isinstance(value, dict) and value.keys() >= {"matches", "source", "descriptor"}


def read(document: Node) -> Reading:
    """Read a report.

    Raises:
        WardeinError: If it is not of the form.
    """
    descriptor = document.at("descriptor")
    if descriptor.at("name").text() != "grype":
        raise descriptor.wrong("is not grype's")
    built, trouble = _database(descriptor)
    tool = Tool(
        "grype",
        one_line(descriptor.text_at("version") or UNTOLD_VERSION, 60),
        db_name="grype-db" if built else "",
        db_updated=built,
    )
    return Reading(
        tool="grype",
        tools=(tool,),
        targets=(_target(document.at("source")),),
        made=(descriptor.time_at("timestamp"),),
        issues=(
            *(_issue(match) for match in document.at("matches").items()),
            *(_issue(match, "ignored") for match in document.each("ignoredMatches")),
        ),
        unread=(Unread(trouble, what="the vulnerability database"),) if trouble else (),
    )


def _database(descriptor: Node) -> tuple[str, str]:
    """When the database was built, and what is wrong with it; newer versions tell both under ``status``."""
    database = descriptor.maybe("db")
    if database is None:
        return "", ""
    status = database.maybe("status") or database
    built, error = status.time_at("built"), status.maybe("error")
    trouble = str(error.value)[:300] if error and error.value else ""
    if not trouble and status.has("valid") and not status.at("valid").flag():
        trouble = "grype says that it is not valid"
    return built.strftime("%Y-%m-%dT%H:%M:%SZ") if built else "", trouble


def _target(source: Node) -> Target:
    target = source.at("target")
    if isinstance(target.value, str):  # a folder or a file, by its path
        return Target(names=(target.value,))
    digests = [target.text_at("manifestDigest"), target.text_at("imageID"), *target.texts_at("repoDigests")]
    return Target(
        names=tuple(name for name in (target.text_at("userInput"), *target.texts_at("tags")) if name),
        digests=tuple(found for text in digests for found in sha256_of(text)),
    )


def _issue(match: Node, suppressed: str = "") -> Issue:
    found, artifact = match.at("vulnerability"), match.at("artifact")
    rule, name, version = found.at("id").text(), artifact.at("name").text(), artifact.text_at("version")
    fix = found.maybe("fix")
    fixed = ", ".join(fix.texts_at("versions")) if fix else ""
    mend = f"fixed in {fixed}" if fixed else "no fix is known"
    related = [other.text_at("id") for other in match.each("relatedVulnerabilities")]
    scores = [s.at("metrics").at("baseScore").number() for s in found.each("cvss") if s.has("metrics")]
    rated = severities.by_word(found.text_at("severity"))
    return Issue(
        rule=f"grype/{rule}",
        message=f"{name} {version}: {found.text_at('description')[:200] or rule}; {mend}",
        # The distribution's own rating comes first; the scores speak only where it is silent.
        severity=rated or severities.worst(*(severities.by_score(score) for score in scores)),
        place=f"{name}@{version}",
        cve=first_cve(rule) or first_cve(*related),
        purl=artifact.text_at("purl"),
        suppressed=suppressed,
    )
