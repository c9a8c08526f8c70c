# SPDX-License-Identifier: Apache-2.0
"""Vulnerability databases in trivy's format (schema 2): written from a list of advisories, and looked into.

A database is a folder with ``db/trivy.db`` and ``db/metadata.json``, as ``trivy --cache-dir`` takes it. The
writer is for advisories of one's own, for places without a network, and for tests. The reader answers what
trivy never says: whether the database has anything at all on the packages that were looked up in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from wardein import files
from wardein.errors import WardeinError
from wardein.jsontext import strict_loads
from wardein.report import Severity
from wardein.tools import bbolt

SCHEMA = 2
SOURCE = "Local advisories"

# Trivy's name for a distribution's advisories, by the family that its reports name. {major} and {minor} are
# the version's first part, and its first two. Each was proven against trivy (tests/machinery/test_trivydb.py).
_DISTRIBUTIONS = {
    "alma": "alma {major}",
    "alpine": "alpine {minor}",
    "amazon": "amazon linux {major}",
    "azurelinux": "Azure Linux {minor}",
    "cbl-mariner": "CBL-Mariner {minor}",
    "chainguard": "chainguard",
    "debian": "debian {major}",
    "echo": "echo",
    "minimos": "minimos",
    "opensuse-leap": "openSUSE Leap {minor}",
    "opensuse-tumbleweed": "openSUSE Tumbleweed",
    "oracle": "Oracle Linux {major}",
    "photon": "Photon OS {minor}",
    "redhat": "Red Hat",
    "rocky": "rocky {major}",
    "sles": "SUSE Linux Enterprise {minor}",
    "ubuntu": "ubuntu {minor}",
    "wolfi": "wolfi",
}
_DPKG, _APK = ("debian", "ubuntu", "echo"), ("alpine", "chainguard", "minimos", "wolfi")
# The ecosystem whose advisories trivy looks a package up in, by the package type that its reports name.
_ECOSYSTEMS = {
    "composer-vendor": "composer",
    "dotnet-core": "nuget",
    "gemspec": "rubygems",
    "gobinary": "go",
    "jar": "maven",
    "node-pkg": "npm",
    "python-pkg": "pip",
    "rustbinary": "cargo",
}
ECOSYSTEMS = frozenset(_ECOSYSTEMS.values())
_DETAILS = (b"vulnerability", b"data-source", b"Red Hat CPE")


@dataclass(frozen=True)
class Advisory:
    """One known vulnerability of one package.

    Attributes:
        id: Its identifier, for example ``CVE-2022-22817``.
        package: The package's name; for a distribution, the source package's.
        bucket: The ecosystem (``pip npm go maven cargo rubygems composer nuget``), or a distribution as trivy
            names it: ``debian 12``, ``ubuntu 24.04``, ``alpine 3.22``.
        severity: How bad it is.
        vulnerable: For an ecosystem, the version ranges, each with its parts joined by commas: ``>=8.0, <9.0.1``.
        fixed: The versions that mend it; for a distribution at most one, and none if there is no fix.
        title: One line that says what it is.
        cwe: The kinds of weakness, for example ``CWE-74``.
    """

    id: str
    package: str
    bucket: str
    severity: Severity
    vulnerable: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    title: str = ""
    cwe: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contents:
    """What a database has.

    Attributes:
        updated: When its advisories were collected.
        buckets: The distributions and ecosystems on which it has at least one advisory.
    """

    updated: datetime
    buckets: frozenset[str]


def write_database(folder: Path, advisories: Iterable[Advisory], updated: datetime) -> None:
    """Write a database; the same advisories give the same bytes.

    Args:
        folder: Where it goes; ``db/`` is made inside.
        advisories: At least one.
        updated: When they were collected, with a time zone.

    Raises:
        WardeinError: If there is no advisory, or one says what the format cannot hold.
    """
    tree: dict[bytes, dict[bytes, dict[bytes, bytes]]] = {}
    details: dict[bytes, bytes] = {}
    for advisory in advisories:
        _check(advisory)
        name, key = _bucket_name(advisory), advisory.id.encode()
        package = advisory.package.encode() if name != _pip() else _normal(advisory.package).encode()
        entries = tree.setdefault(name, {}).setdefault(package, {})
        detail = _compact(_detail(advisory))
        if key in entries or details.get(key, detail) != detail:
            raise WardeinError(
                "is listed twice, for the same package or with another severity or title", where=advisory.id
            )
        entries[key], details[key] = _compact(_entry(advisory)), detail
    if not tree:
        raise WardeinError("there is no advisory to write", where=str(folder))
    sources = {name: _compact({"ID": "local", "Name": SOURCE, "URL": ""}) for name in tree}
    content = bbolt.encode({**tree, b"vulnerability": details, b"data-source": sources})
    (folder / "db").mkdir(parents=True, exist_ok=True)
    files.write_whole(folder / "db" / "trivy.db", content)
    files.write_whole(folder / "db" / "metadata.json", _compact(_metadata(updated)))


def read_database(folder: Path) -> Contents:
    """Look into a database.

    Raises:
        WardeinError: If it is missing, damaged, of another schema, or without any advisory.
    """
    path = folder / "db" / "metadata.json"
    if not path.is_file() or not (folder / "db" / "trivy.db").is_file():
        raise WardeinError(
            "holds no vulnerability database (db/trivy.db and db/metadata.json)", where=str(folder), mend=HOW_TO_GET_ONE
        )
    data = strict_loads(path.read_bytes(), where="metadata.json")
    if not isinstance(data, dict) or data.get("Version") != SCHEMA:
        found = data.get("Version") if isinstance(data, dict) else data
        raise WardeinError(f"its schema is {found!r}, not {SCHEMA}", where="metadata.json", mend=HOW_TO_GET_ONE)
    try:
        updated = datetime.fromisoformat(str(data.get("UpdatedAt"))).astimezone(UTC)
    except (ValueError, OverflowError):
        raise WardeinError("'UpdatedAt' is not a time", where="metadata.json", mend=HOW_TO_GET_ONE) from None
    with bbolt.open_file(folder / "db" / "trivy.db") as root:
        buckets = frozenset(_public_name(key) for key, value in root if key not in _DETAILS and _has_advisory(value))
    if not buckets:
        raise WardeinError("holds no advisory at all", where="trivy.db", mend=HOW_TO_GET_ONE)
    return Contents(updated, buckets)


HOW_TO_GET_ONE = "get one where there is a network: trivy image --download-db-only --cache-dir FOLDER"


def distribution(family: str, version: str) -> str:
    """Trivy's name for the advisories of a distribution; empty if the family is not one that is known here."""
    parts = version.split(maxsplit=1)[0].split(".") if version.split() else [""]
    return _DISTRIBUTIONS.get(family, "").format(major=parts[0], minor=".".join(parts[:2]))


def package_manager(family: str) -> str:
    """The package manager of a distribution whose advisories are known here: dpkg, apk or rpm."""
    return "dpkg" if family in _DPKG else "apk" if family in _APK else "rpm"


def ecosystem(package_type: str) -> str:
    """The ecosystem that packages of a type are looked up in; empty if trivy has no advisories for the type."""
    return _ECOSYSTEMS.get(package_type, "")


def _has_advisory(bucket: bytes | bbolt.Bucket) -> bool:
    if isinstance(bucket, bytes):
        return False
    return any(not isinstance(package, bytes) and any(True for _ in package) for _, package in bucket)


def _public_name(key: bytes) -> str:
    return key.decode("utf-8", "replace").partition("::")[0]


def _pip() -> bytes:
    return f"pip::{SOURCE}".encode()


def _bucket_name(advisory: Advisory) -> bytes:
    return (f"{advisory.bucket}::{SOURCE}" if advisory.bucket in ECOSYSTEMS else advisory.bucket).encode()


def _normal(name: str) -> str:
    """A Python package's name as trivy's databases are keyed: dots stay, unlike in PEP 503."""
    return name.lower().replace("_", "-")


def _check(advisory: Advisory) -> None:
    if not advisory.id or not advisory.package:
        raise WardeinError("an advisory lacks its identifier or its package", where=advisory.id or advisory.package)
    if advisory.bucket in ECOSYSTEMS:
        if not advisory.vulnerable or not all(advisory.vulnerable):
            raise WardeinError("names no vulnerable versions", where=advisory.id, mend="write ranges such as <9.0.1")
    elif not _is_distribution(advisory.bucket):
        raise WardeinError(
            f"{advisory.bucket!r} is neither an ecosystem nor a distribution as trivy names it",
            where=advisory.id,
            mend=f"ecosystems are {', '.join(sorted(ECOSYSTEMS))}; a distribution is, for example, 'debian 12'",
        )
    elif advisory.vulnerable or len(advisory.fixed) > 1:
        raise WardeinError("a distribution's advisory has at most one fixed version and no ranges", where=advisory.id)


def _is_distribution(bucket: str) -> bool:
    # Red Hat's advisories are keyed by product streams and Rocky's by architecture: not for this writer.
    plain = {name: text for name, text in _DISTRIBUTIONS.items() if name not in ("redhat", "rocky", "alma", "oracle")}
    patterns = (
        re.escape(text).replace(r"\{major\}", r"[\w/]+").replace(r"\{minor\}", r"[\w.]+") for text in plain.values()
    )
    return any(re.fullmatch(pattern, bucket) for pattern in patterns)


def _entry(advisory: Advisory) -> Mapping[str, Any]:
    if advisory.bucket in ECOSYSTEMS:
        return {"VulnerableVersions": list(advisory.vulnerable), "PatchedVersions": list(advisory.fixed)}
    return {"FixedVersion": advisory.fixed[0] if advisory.fixed else ""}


def _detail(advisory: Advisory) -> Mapping[str, Any]:
    rank = {Severity.CRITICAL: 4, Severity.HIGH: 3, Severity.MEDIUM: 2, Severity.LOW: 1}.get(advisory.severity, 0)
    return {
        "Title": advisory.title,
        "Severity": advisory.severity.upper() if rank else "UNKNOWN",
        "VendorSeverity": {"local": rank},
        "CweIDs": list(advisory.cwe),
    }


def _metadata(updated: datetime) -> Mapping[str, Any]:
    moment = updated.astimezone(UTC)
    texts = [time.strftime("%Y-%m-%dT%H:%M:%SZ") for time in (moment, moment + timedelta(days=1))]
    return {"Version": SCHEMA, "UpdatedAt": texts[0], "NextUpdate": texts[1], "DownloadedAt": texts[0]}


def _compact(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
