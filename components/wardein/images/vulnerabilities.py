# SPDX-License-Identifier: Apache-2.0
"""Known vulnerabilities of an image's packages: what trivy looked up, what it did not, and what it is told to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wardein.images import rules
from wardein.images.copy import VerifiedImage
from wardein.images.outcome import Outcome
from wardein.images.packages import Package, normal
from wardein.images.records import Record
from wardein.tools import trivy, trivydb

# The families of trivy whose os-release calls them otherwise.
_FAMILIES = {"almalinux": "alma", "amzn": "amazon", "mariner": "cbl-mariner", "ol": "oracle", "rhel": "redhat"}
_LANGUAGES = {"python-pkg": "pypi", "node-pkg": "npm"}
_TOLD_AS = {"python": "Python", "node": "Node", "wheel": "Python"}
# How distributions call their packages of Python's, and what belongs to their version alone.
_AFFIX = re.compile(r"^(python\d*|py\d?)(-\d+)?-|-(whl|wheel)$")
_REVISION = re.compile(r"(-r\d+$)|([+~](dfsg|ds|debian|ubuntu|git).*)", re.IGNORECASE)


def read_packages(
    scan: trivy.Scan,
    copy: VerifiedImage,
    contents: trivydb.Contents,
    found: Outcome,
) -> list[Record]:
    """Read trivy's sets of packages; returns the records of packages that it passed over and that can be looked up."""
    family, version = scan.system
    sets = [result for result in scan.results if result.get("Class") in ("os-pkgs", "lang-pkgs")]
    counts = [len(result.get("Packages") or ()) for result in sets]
    passed_over = _passed_over(sets, copy, found)
    if family == "none" or (copy.of_kind("os") and not family):
        found.skip("", "packages of the distribution", "the distribution was not recognised, so none was looked up")
    elif family and not any(r.get("Class") == "os-pkgs" and n for r, n in zip(sets, counts, strict=True)):
        found.skip("", f"packages of {family} {version}", "the image's package database is missing or empty")
    elif not sum(counts) and not passed_over:
        found.skip("", "installed packages", "none was found, so none was looked up; leave vuln out of --scanners")
    for result, count in zip(sets, counts, strict=True):
        if count:
            _read_set(result, count, scan.system, contents, found)
    _compare_releases(scan.system, copy, found)
    if scan.end_of_life:
        message = f"{family} {version} no longer gets security updates"
        found.add(rules.END_OF_LIFE.id, rules.END_OF_LIFE.severity, message, f"{family} {version}")
    return passed_over


def read_lookup(
    records: Sequence[Record], program: trivy.Trivy, database: Path, contents: trivydb.Contents, found: Outcome
) -> Sequence[Mapping[str, Any]]:
    """Look up what trivy passed over, by the names that the records tell; returns what trivy says of them."""
    packages: dict[Package, str] = {}
    for record in records:
        bucket = {"pypi": "pip", "npm": "npm"}[record.package.type] if record.package else ""
        if bucket not in contents.buckets:
            found.skip("", record.place, f"the database has no advisory on {bucket!r}")
        elif record.package:
            packages.setdefault(record.package, record.place)
    if not packages:
        return ()
    looked_up = trivy.look_up(program, list(packages), database)
    found.examined += 1
    for complaint in looked_up.complaints:
        found.skip("", "something that trivy complained about", complaint)
    places = {(package.name, package.version): path for package, path in packages.items()}
    for item in looked_up.vulnerabilities:
        _add(item, found, places.get((str(item.get("PkgName")), str(item.get("InstalledVersion"))), ""))
    return looked_up.vulnerabilities


def _read_set(
    result: Mapping[str, Any], count: int, system: tuple[str, str], contents: trivydb.Contents, found: Outcome
) -> None:
    """One set of packages that are looked up in the same advisories."""
    kind = str(result.get("Type"))
    of_system = result.get("Class") == "os-pkgs"
    bucket = trivydb.distribution(*system) if of_system else trivydb.ecosystem(kind)
    what = f"{count} packages of {' '.join(system) if of_system else kind}"
    managers = {str(p.get("AnalyzedBy")).replace("rpmqa", "rpm") for p in result["Packages"]} & {"dpkg", "apk", "rpm"}
    strangers = sorted(managers - {trivydb.package_manager(system[0])}) if of_system else []
    foreign = sorted(
        str(p.get("Name")) for p in result["Packages"] if (p.get("Repository") or {}).get("Class") == "third-party"
    )
    if not bucket:
        found.skip("conda" if kind.startswith("conda") else "", what, "it is not known that trivy can look them up")
    elif bucket not in contents.buckets:
        found.skip("", what, f"the database has no advisory on {bucket!r}")
    else:
        found.examined += 1
        if strangers:
            why = f"{' '.join(system)}, which the image says it is, has no packages of {strangers[0]}"
            found.skip("", what, f"{why}, so that they were looked up in the wrong advisories")
        if foreign:
            some = ", ".join(foreign[:3]) + (", …" if len(foreign) > 3 else "")
            what = f"{len(foreign)} packages of another vendor's repository ({some})"
            found.skip("third-party", what, "the distribution publishes no advisories on them")
    for item in result.get("Vulnerabilities") or ():
        _add(item, found)


def _add(item: Mapping[str, Any], found: Outcome, place: str = "") -> None:
    name, installed, rule = (str(item.get(k, "")) for k in ("PkgName", "InstalledVersion", "VulnerabilityID"))
    title = str(item.get("Title") or item.get("Description") or "known vulnerability").strip()[:200]
    fixed = item.get("FixedVersion")
    message = f"{name} {installed}: {title}; " + (f"fixed in {fixed}" if fixed else "no fix is known")
    message += f"; its record is {place}, which trivy passes over" if place else ""
    cve = rule if rule.startswith("CVE-") else ""
    cwes = [str(cwe) for cwe in item.get("CweIDs") or ()]
    purl = str((item.get("PkgIdentifier") or {}).get("PURL", ""))
    found.add(rule, str(item.get("Severity", "")), message, f"{name}@{installed}", cve=cve, cwes=cwes, purl=purl)


def _compare_releases(system: tuple[str, str], copy: VerifiedImage, found: Outcome) -> None:
    """Packages are looked up under the name that the topmost layer gives the distribution: all layers must agree."""
    named = {(_FAMILIES.get(name, name), version) for name, version in copy.releases if name}
    named |= {system} if system[0] not in ("", "none") else set()
    advisories = {bucket for name, version in named if version and (bucket := trivydb.distribution(name, version))}
    if len(advisories) > 1:
        several = " and ".join(sorted(advisories))
        found.skip("", "packages of the distribution", f"the image says of itself that it is {several}")


def _passed_over(sets: Sequence[Mapping[str, Any]], copy: VerifiedImage, found: Outcome) -> list[Record]:
    """Records of packages that trivy did not look up: those that cannot be read are not examined."""
    listed = {
        Package(kind, str(package.get("Name")), str(package.get("Version"))).key
        for result in sets
        if (kind := _LANGUAGES.get(str(result.get("Type"))))
        for package in result.get("Packages") or ()
    }
    for record in copy.of_kind("os"):
        if record.problem:
            found.skip("", record.place, f"the package database {record.problem}")
    owners = _owners(sets)
    passed_over = []
    for record in (*copy.of_kind("python"), *copy.of_kind("node"), *copy.of_kind("wheel")):
        if record.package is None and record.kind == "wheel":
            continue  # nobody installs a file of such a name
        if record.package is None:
            why = f"the {_TOLD_AS[record.kind]} package's metadata could not be read ({record.problem})"
            found.skip("", record.place, f"{why}, so it was not looked up")
        elif record.package.key not in listed and not _is_of(owners.get(record.path), record.package):
            passed_over.append(record)
    conda = {record.path for record in copy.of_kind("conda")} - {
        str(package.get("FilePath")) for result in sets for package in result.get("Packages") or ()
    }
    if conda:
        found.skip("conda", f"{len(conda)} conda packages", "nobody publishes advisories on them")
    return passed_over


def _owners(sets: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The distribution's package that says that it brought a file."""
    return {
        str(path).lstrip("/"): package
        for result in sets
        if result.get("Class") == "os-pkgs"
        for package in result.get("Packages") or ()
        for path in package.get("InstalledFiles") or ()
    }


def _is_of(owner: Mapping[str, Any] | None, package: Package) -> bool:
    """Whether a distribution's package is this very package, so that it was looked up as that one.

    That it claims the package's files is not enough: an image can make any package claim any file.
    """
    if owner is None or package.type != "pypi":
        return False
    # Trivy looks Debian's and Alpine's packages up by what they were built from, those of rpm by either.
    claims = [("SrcName", "SrcVersion")] if owner.get("SrcName") else []
    if not claims or owner.get("AnalyzedBy") not in ("dpkg", "apk"):
        claims.append(("Name", "Version"))
    return all(
        _stem(str(owner.get(name))) == _stem(package.name)
        and _REVISION.sub("", str(owner.get(version))) == package.version
        for name, version in claims
    )


def _stem(name: str) -> str:
    """What a distribution's and Python's names of one package have in common: PyYAML, python3-yaml, py3-yaml."""
    return _AFFIX.sub("", normal(name)).removeprefix("py") or name
