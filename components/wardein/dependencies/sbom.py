# SPDX-License-Identifier: Apache-2.0
"""Software bills of materials: read from CycloneDX and SPDX documents in JSON, written as CycloneDX 1.6."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from wardein import __version__
from wardein.dependencies.declared import NAME, Lines, Package, Reading, Requirement, normal, normal_version
from wardein.errors import printable
from wardein.jsontext import strict_loads

_CYCLONEDX = ("1.2", "1.3", "1.4", "1.5", "1.6", "1.7")
_SPDX = ("SPDX-2.2", "SPDX-2.3")
# What a document lists beside software that is installed as a package.
_NO_PACKAGES = ("data", "file", "machine-learning-model", "cryptographic-asset")
_PURL = re.compile(r"pkg:([A-Za-z][A-Za-z0-9.+-]*)/([^@?#\s]+)(?:@([^?#\s]+))?(\?[^#\s]*)?(#\S*)?")
_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # RFC 9562: names that are URLs


def read_sbom(reading: Reading, path: str, content: bytes) -> bool:
    """Read a bill of materials; whether it is one.

    Raises:
        ValueError: If it is of a version that is not known, or does not have its form.
        WardeinError: If it is not JSON.
    """
    data = strict_loads(content, where=path)
    if not isinstance(data, dict):
        return False
    lines = Lines(content.decode("utf-8"))
    if data.get("bomFormat") == "CycloneDX":
        if data.get("specVersion") not in _CYCLONEDX:
            raise ValueError("is of a version of CycloneDX that is not known here")
        listed = list(_components(data.get("components", [])))
    elif "spdxVersion" in data or "@graph" in data:
        if data.get("spdxVersion") not in _SPDX:
            raise ValueError("is of a version of SPDX that is not known here (known: 2.2, 2.3)")
        listed = list(_spdx(data))
    else:
        return False
    for name, version, purl in listed:
        _add(reading, path, lines.of(purl) if purl else 0, name, version, purl)
    return True


def _components(value: Any) -> Iterator[tuple[str, str, str]]:
    if not isinstance(value, list):
        raise ValueError("has components that are no list")
    for item in value:
        if not isinstance(item, dict):
            raise ValueError("has a component that is no object")
        purl = item.get("purl")
        if purl or item.get("type") not in _NO_PACKAGES:
            yield str(item.get("name", "")), str(item.get("version", "")), purl if isinstance(purl, str) else ""
        yield from _components(item.get("components", []))


def _spdx(data: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    packages, relations = data.get("packages", []), data.get("relationships", [])
    if not isinstance(packages, list) or not isinstance(relations, list):
        raise ValueError("has packages or relationships that are no list")
    # The thing that the document is about is not one of its dependencies.
    described = data.get("documentDescribes", [])
    about = {str(name) for name in (described if isinstance(described, list) else [])}
    for item in relations:
        if isinstance(item, dict) and item.get("relationshipType") == "DESCRIBES":
            about.add(str(item.get("relatedSpdxElement")))
    for package in packages:
        if not isinstance(package, dict):
            raise ValueError("has a package that is no object")
        references = package.get("externalRefs", [])
        purls = [
            str(item.get("referenceLocator", ""))
            for item in (references if isinstance(references, list) else [])
            if isinstance(item, dict) and item.get("referenceType") == "purl"
        ]
        if purls or str(package.get("SPDXID")) not in about:
            yield str(package.get("name", "")), str(package.get("versionInfo", "")), next(iter(purls), "")


def _add(reading: Reading, path: str, line: int, name: str, version: str, purl: str) -> None:
    shown = f"{path}: {printable(name)[:100] or 'a component'}"
    match = _PURL.fullmatch(purl) if len(purl) <= 1000 and purl.isascii() and purl.isprintable() else None
    if match is None:
        reading.skip(shown, "has no package URL, so that it is not known what to look up")
        return
    ecosystem, told = match[1].lower(), unquote(match[3] or "") or version
    full = unquote(match[2]).strip("/")
    if ecosystem == "pypi":
        known = normal_version(told)
        if not NAME.fullmatch(full) or not known:
            reading.skip(shown, "has no name and version that can be compared with advisories")
            return
        reading.add(Requirement(path, line, normal(full), version=known, hashed=True, is_direct=False))
        return
    if not told or printable(full) != full or not told.isprintable() or len(told) > 200:
        reading.skip(shown, "has no version that can be compared with advisories")
        return
    address = purl.partition("?")[0].partition("#")[0]
    address = address if match[3] else f"{address}@{told}"
    reading.add(
        Requirement(path, line, full, version=told, ecosystem=ecosystem, hashed=True, is_direct=False, address=address)
    )


def document(packages: Iterable[Package], digest: str, references: Mapping[Package, str] | None = None) -> bytes:
    """A CycloneDX 1.6 document; the same packages give the same bytes.

    Args:
        packages: What it lists.
        digest: The sha256 of what the packages are the dependencies of.
        references: How the document refers to each package; by its package URL if None.
    """
    every = sorted(set(packages))
    named = references or {package: package.purl for package in every}
    data = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, ' '.join([digest, *(p.purl for p in every)]))}",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "wardein", "version": __version__}]},
            "component": {"type": "application", "bom-ref": "subject", "name": f"sha256:{digest}"},
        },
        "components": [
            {
                "type": "library",
                "bom-ref": named[package],
                "name": package.name,
                "version": package.version,
                "purl": package.purl,
            }
            for package in every
        ],
    }
    return json.dumps(data, indent=2, ensure_ascii=False).encode()
