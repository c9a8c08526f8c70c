# SPDX-License-Identifier: Apache-2.0
"""Safety's JSON of ``safety check`` (versions 2 and 3)."""

from __future__ import annotations

from typing import Any

from wardein.foreign import severities
from wardein.foreign.document import Node
from wardein.foreign.packages import purl
from wardein.foreign.reading import UNTOLD_VERSION, Issue, Reading, Target, first_cve
from wardein.foreign.text import one_line
from wardein.report import Severity, Tool

_FORMS = ("1", "1.1")


def recognises(value: Any) -> bool:
    """Whether it looks like a report of ``safety check``."""
    return isinstance(value, dict) and value.keys() >= {"report_meta", "scanned_packages", "vulnerabilities"}


def read(document: Node) -> Reading:
    """Read a report.

    Raises:
        WardeinError: If it is not of the form, or of another version of it.
    """
    meta = document.at("report_meta")
    form = meta.at("json_version")
    if str(form.value) not in _FORMS:
        raise form.wrong(f"is {str(form.value)[:20]!r}, none of {', '.join(_FORMS)}")
    packages = document.at("scanned_packages").members()
    found, ignored = document.at("vulnerabilities").items(), document.at("ignored_vulnerabilities").items()
    for key, listed in (("vulnerabilities_found", len(found)), ("vulnerabilities_ignored", len(ignored))):
        if meta.has(key) and meta.at(key).count() != listed:
            raise meta.at(key).wrong(f"is {meta.at(key).value}, but {listed} are listed")
    paths = [path for path in meta.texts_at("scanned") if path]
    return Reading(
        tool="safety",
        tools=(Tool("safety", one_line(meta.text_at("safety_version") or UNTOLD_VERSION, 60)),),
        targets=(Target(names=tuple(paths)),),
        made=(meta.time_at("timestamp"),),
        issues=(*(_issue(one) for one in found), *(_issue(one, "ignored") for one in ignored)),
        unit="packages",
        examined=len(packages),
        # What Safety counted itself, if it listed less.
        expected=max(len(packages), meta.count_at("packages_found")),
    )


def _issue(found: Node, suppressed: str = "") -> Issue:
    rule, name = found.at("vulnerability_id").text(), found.at("package_name").text()
    version, cve = found.text_at("analyzed_version"), found.maybe("CVE")
    names = [cve.text() if isinstance(cve.value, str) else cve.text_at("name")] if cve else []
    fixed = ", ".join(found.texts_at("fixed_versions"))
    mend = f"fixed in {fixed}" if fixed else "no fix is known"
    return Issue(
        rule=f"safety/{rule}",
        message=f"{name} {version}: {found.text_at('advisory')[:200] or rule}; {mend}",
        severity=_severity(found),
        place=f"{name}@{version}",
        cve=first_cve(*names),
        purl=purl("pypi", name, version),
        suppressed=suppressed,
    )


def _severity(found: Node) -> Severity | None:
    """By the CVSS scores, which only paying users are told."""
    severity = found.maybe("severity")
    if severity is None or not isinstance(severity.value, dict):
        return None
    parts = [severity.maybe("cvssv3"), severity.maybe("cvssv2")]
    scores = [part.at("base_score").number() for part in parts if part and part.has("base_score")]
    words = [part.text_at("base_severity") for part in parts if part]
    rated = (*map(severities.by_score, scores), *map(severities.by_word, words))
    return severities.worst(*rated)
