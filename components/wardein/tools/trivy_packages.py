# SPDX-License-Identifier: Apache-2.0
"""Packages looked up by trivy, which is given one document that lists them and nothing else.

Trivy reads few of the files that declare dependencies, and says nothing of those that it does not; a bill of
materials that was written for it leaves it no choice. What proves that it looked: every package is in its report, the
database has advisories on the ecosystem, and packages that were planted for that are reported as vulnerable.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from wardein.dependencies.declared import Package, normal, normal_version
from wardein.dependencies.known import Answer, Vulnerability
from wardein.dependencies.sbom import document
from wardein.errors import WardeinError
from wardein.jsontext import strict_loads
from wardein.report import Severity, Tool
from wardein.tools import bbolt, trivy, trivydb

SOURCE = "trivy"
CANARIES = 3
_SEVERITIES = {s.upper(): s for s in (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)}
_COMPARED = re.compile(r"(==?|<=?|>=)\s*([^\s,<>=!]+)")


def look_up(packages: Sequence[Package], database: Path, contents: trivydb.Contents) -> Answer:
    """Look packages up in a database.

    Args:
        packages: What to look up, of any ecosystem.
        database: The database's folder.
        contents: From :func:`wardein.tools.trivydb.read_database`.

    Raises:
        WardeinError: If trivy fails, or what it reports does not fit what it was given.
    """
    program = trivy.locate()
    tool = Tool(
        "trivy",
        program.version,
        program.program.sha256,
        db_name="trivy-db",
        db_updated=contents.updated.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    wanted = sorted(set(packages))
    spelled = _spelled_otherwise(database, wanted)
    asked = [*wanted, *spelled]
    canaries = _canaries(database, asked) if any(package.ecosystem == "pypi" for package in wanted) else []
    named = {package: f"package-{number}" for number, package in enumerate([*asked, *canaries])}
    results = _run(program, document(named, "0" * 64, named), database)
    listed = _listed(results)
    by_name = {name: package for package, name in named.items()}
    unknown = set(listed) - set(by_name)
    if unknown:
        raise WardeinError("reports on a package that it was not given", where="trivy")
    told = list(_vulnerabilities(results, by_name))
    if canaries and not any(item.package in canaries for item in told):
        raise WardeinError(
            f"does not report {canaries[0].name} {canaries[0].version}, which its database has an advisory on",
            where="trivy",
            mend=f"the database may be damaged; {trivydb.HOW_TO_GET_ONE}",
        )
    examined, unread = set(), {}
    for package in wanted:
        bucket = trivydb.ecosystem(listed.get(named[package], ""))
        if not bucket or bucket not in contents.buckets:
            continue  # not known here; another source may know it
        if package.ecosystem == "pypi" and bucket != "pip":
            unread[package] = "trivy takes it for a package of another ecosystem"
        else:
            examined.add(package)
    for package in (package for package in asked if named[package] not in listed):
        for declared in spelled.get(package, [package]):
            unread[declared] = "trivy left it out of its report"
    told = [replace(item, package=package) for item in told for package in spelled.get(item.package, [item.package])]
    found = tuple(item for item in told if item.package in examined)
    return Answer(tool, frozenset(examined), found, unread)


def _run(program: trivy.Trivy, sbom: bytes, database: Path) -> list[Mapping[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="wardein-packages-") as folder:
        path = Path(folder, "packages.cdx.json")
        path.write_bytes(sbom)
        options = ["--scanners", "vuln", "--list-all-pkgs"]
        ended, text = trivy.run_on(program, "sbom", [path], "json", options, database)
        complaints = trivy.complaints(ended.stderr, path)
    if complaints:
        raise WardeinError(f"complained: {complaints[0][:300]}", where="trivy")
    report = strict_loads(text, where="trivy's report")
    try:
        results = list(report.get("Results") or ())
        found = any(result.get("Vulnerabilities") for result in results)
        form = (report["SchemaVersion"], report["ArtifactType"], Path(report["ArtifactName"]).name)
    except (KeyError, TypeError, AttributeError):
        raise WardeinError("wrote a report of a form that is not known", where="trivy") from None
    if form != (2, "cyclonedx", path.name):
        raise WardeinError("reports on something else, or in another format, than was asked for", where="trivy")
    if (ended.code == 10) is not found or ended.code not in (0, 10):
        raise WardeinError(f"ended with code {ended.code}, which does not fit its report", where="trivy")
    return results


def _listed(results: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The names of the packages in a report, each with the type that trivy takes it for."""
    try:
        return {
            str(package["Identifier"]["BOMRef"]): str(result.get("Type"))
            for result in results
            for package in result.get("Packages") or ()
        }
    except (KeyError, TypeError, AttributeError):
        raise WardeinError("lists packages in a form that is not known", where="trivy") from None


def _vulnerabilities(results: Sequence[Mapping[str, Any]], by_name: Mapping[str, Package]) -> Iterator[Vulnerability]:
    try:
        for item in (item for result in results for item in result.get("Vulnerabilities") or ()):
            yield Vulnerability(
                by_name[str(item["PkgIdentifier"]["BOMRef"])],
                str(item["VulnerabilityID"]),
                tuple(map(str, item.get("VendorIDs") or ())),
                str(item.get("Title") or item.get("Description") or ""),
                tuple(part.strip() for part in str(item.get("FixedVersion") or "").split(",") if part.strip()),
                _SEVERITIES.get(str(item.get("Severity", "")).upper()),
                tuple(map(str, item.get("CweIDs") or ())),
                SOURCE,
            )
    except (KeyError, TypeError, AttributeError):
        raise WardeinError("reports vulnerabilities in a form that is not known", where="trivy") from None


def _spelled_otherwise(database: Path, packages: Sequence[Package]) -> dict[Package, list[Package]]:
    """Python packages under the names that the database gives them, each with those that are so called.

    Trivy takes ``a.b`` and ``a-b`` for two packages, which are one on every index.
    """
    declared: dict[str, list[Package]] = {}
    for package in packages:
        if package.ecosystem == "pypi":
            declared.setdefault(normal(package.name), []).append(package)
    keyed: set[str] = set()
    if declared:
        with bbolt.open_file(database / "db" / "trivy.db") as root:
            for source, names in root:
                if source.startswith(b"pip::") and not isinstance(names, bytes):
                    keyed |= {name.decode("utf-8", "replace") for name, _ in names}
    spelled: dict[Package, list[Package]] = {}
    for name in sorted(keyed):
        for package in declared.get(normal(name), ()):
            if package.name != name:
                spelled.setdefault(Package("pypi", name, package.version), []).append(package)
    for package in set(spelled) & set(packages):  # it is asked for as it is
        del spelled[package]
    return spelled


def _canaries(database: Path, packages: Sequence[Package]) -> list[Package]:
    """Some Python packages that the database itself says are vulnerable, and that are not asked for anyway."""
    asked = {(package.name, package.version) for package in packages}
    with bbolt.open_file(database / "db" / "trivy.db") as root:
        return list(islice((p for p in _vulnerable(root) if (p.name, p.version) not in asked), CANARIES))


def _vulnerable(root: bbolt.Bucket) -> Iterator[Package]:
    for source, names in root:
        if not source.startswith(b"pip::") or isinstance(names, bytes):
            continue
        for name, entries in names:
            if isinstance(entries, bytes):
                continue
            versions = (v for _, entry in entries if isinstance(entry, bytes) and (v := _version_in(entry)))
            for version in islice(versions, 1):
                yield Package("pypi", name.decode("utf-8", "replace"), version)


def _version_in(entry: bytes) -> str:
    """A version that an advisory names as vulnerable, or that its first range begins or ends with."""
    try:
        data = json.loads(entry)
        bounds = str(data["VulnerableVersions"][0])
        parts = [_COMPARED.fullmatch(part.strip()) for part in bounds.split(",")]
        if not all(parts) or data.get("UnaffectedVersions"):
            return ""
        pairs = [(part[1], part[2]) for part in parts if part]
        candidate = next((version for operator, version in pairs if operator != "<"), "0")
        allowed = SpecifierSet(",".join(f"{'==' if operator == '=' else operator}{v}" for operator, v in pairs))
    except (ValueError, KeyError, TypeError, IndexError, InvalidSpecifier):
        return ""
    version = normal_version(candidate)
    fits = version and allowed.contains(version, prereleases=True)
    return version if fits and version not in map(str, data.get("PatchedVersions") or ()) else ""
