# SPDX-License-Identifier: Apache-2.0
"""Clair v4's vulnerability report on an image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wardein.foreign import severities
from wardein.foreign.document import Node
from wardein.foreign.reading import UNTOLD_VERSION, Issue, Reading, Target, Unread, first_cve, sha256_of
from wardein.report import Tool

_MEMBERS = {"manifest_hash", "packages", "vulnerabilities", "package_vulnerabilities"}


def recognises(value: Any) -> bool:
    """Whether it looks like a vulnerability report of Clair."""
    return isinstance(value, dict) and value.keys() >= _MEMBERS


def read(document: Node) -> Reading:
    """Read a report.

    Raises:
        WardeinError: If it is not of the form.
    """
    packages = dict(document.at("packages").members())
    lost = sorted(key for key in packages if not _is_placed(document, key))
    why = "Clair knows neither their distribution nor their repository, so that it looked them up nowhere"
    some = ", ".join(packages[key].text_at("name") for key in lost[:3]) + (", …" if len(lost) > 3 else "")
    manifest = document.at("manifest_hash").text()
    return Reading(
        tool="clair",
        tools=(Tool("clair", UNTOLD_VERSION),),
        targets=(Target(names=() if sha256_of(manifest) else (manifest,), digests=sha256_of(manifest)),),
        made=(None,),
        issues=tuple(_issues(document, packages)),
        unit="packages",
        examined=len(packages) - len(lost),
        expected=len(packages),
        unread=(Unread(why, what=f"{len(lost)} packages ({some})"),) if lost else (),
    )


def _is_placed(document: Node, package: str) -> bool:
    environments = document.at("environments").maybe(package)
    found = environments.items() if environments else []
    return any(one.text_at("distribution_id") or one.each("repository_ids") for one in found)


def _issues(document: Node, packages: dict[str, Node]) -> Iterator[Issue]:
    known = dict(document.at("vulnerabilities").members())
    told = set()
    for package, numbers in document.at("package_vulnerabilities").members():
        if package not in packages:
            raise numbers.wrong("is about a package that the report does not list")
        name, version = packages[package].at("name").text(), packages[package].text_at("version")
        for number in numbers.items():
            found = known.get(number.text())
            if found is None:
                raise number.wrong("names a vulnerability that the report does not list")
            told.add(number.text())
            yield _issue(found, name, version)
    for left in sorted(known.keys() - told):
        raise known[left].wrong("is a vulnerability of no package")


def _issue(found: Node, name: str, version: str) -> Issue:
    rule, fixed = found.at("name").text(), found.text_at("fixed_in_version")
    mend = f"fixed in {fixed}" if fixed else "no fix is known"
    return Issue(
        rule=f"clair/{rule}",
        message=f"{name} {version}: {found.text_at('description')[:200] or rule}; {mend}",
        severity=severities.by_word(found.text_at("normalized_severity")),
        place=f"{name}@{version}",
        cve=first_cve(*rule.split()),
    )
