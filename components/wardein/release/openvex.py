# SPDX-License-Identifier: Apache-2.0
"""OpenVEX documents, read as requests for waivers (https://github.com/openvex/spec, v0.2.0).

A vendor's word that a product is not affected accepts nothing by itself: it becomes a waiver once somebody here owns
it and somebody else approves it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wardein.errors import WardeinError
from wardein.jsontext import MAX_BYTES, strict_loads
from wardein.subject import read_regular

CONTEXT = "https://openvex.dev/ns"
# https://github.com/openvex/spec/blob/main/OPENVEX-SPEC.md#status-justifications
JUSTIFICATIONS = {
    "component_not_present",
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
}


@dataclass(frozen=True)
class Request:
    """One vulnerability of one version of one package, and why it is said not to matter."""

    rule: str
    package: str
    versions: str
    justification: str


def read(path: Path) -> tuple[list[Request], list[str]]:
    """The requests of an OpenVEX document, and why other statements are none.

    Raises:
        WardeinError: If it is not an OpenVEX document.
    """
    try:
        data = strict_loads(read_regular(path, MAX_BYTES), where=path.name)
    except OSError as error:
        raise WardeinError(f"cannot be read ({error.strerror})", where=str(path)) from None
    statements = data.get("statements") if isinstance(data, dict) else None
    if not isinstance(statements, list) or not str(data.get("@context", "")).startswith(CONTEXT):
        raise WardeinError("is not an OpenVEX document", where=path.name, mend=f"its @context begins with {CONTEXT}")
    requests: list[Request] = []
    passed_over: list[str] = []
    for number, statement in enumerate(statements, 1):
        try:
            requests += _requests(statement)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            passed_over.append(f"{path.name} statement {number}: {error}")
    return requests, passed_over


def _requests(statement: Mapping[str, Any]) -> Iterator[Request]:
    if statement["status"] != "not_affected":
        raise ValueError(f"its status is {statement['status']!r}, which accepts nothing")
    vulnerability = statement["vulnerability"]
    rule = vulnerability["name"] if isinstance(vulnerability, dict) else vulnerability
    why = str(statement.get("justification", ""))
    said = str(statement.get("impact_statement", ""))
    if why and why not in JUSTIFICATIONS:
        raise ValueError(f"the justification {why!r} is none of the specification's")
    if not (why or said) or not isinstance(rule, str) or not rule:
        raise ValueError("it names no vulnerability, or gives neither a justification nor an impact statement")
    for product in statement["products"]:
        for item in product.get("subcomponents") or [product]:
            package, at, version = str(item["@id"]).partition("?")[0].rpartition("@")
            if not at or not package.startswith("pkg:") or not version:
                raise ValueError(f"{item['@id']!r} is not a package URL with a version")
            yield Request(rule, package, f"=={version}", ": ".join(filter(None, ("OpenVEX " + why, said))))
