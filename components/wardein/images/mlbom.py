# SPDX-License-Identifier: Apache-2.0
"""The CycloneDX document of an image and of the model that it serves; for the same inputs, the same bytes."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wardein.errors import WardeinError
from wardein.images.modelcard import ModelClaims, card_of, named
from wardein.images.records import Record
from wardein.jsontext import canonical
from wardein.subject import digest_of, hash_folder

_LABELS = "aquasecurity:trivy:Labels:"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def document(
    packages: Mapping[str, Any], more: Sequence[Record], image: str, model: Path | None, claims: ModelClaims
) -> bytes:
    """The document that is written.

    Args:
        packages: The image's packages, as trivy wrote them in CycloneDX.
        more: Records of packages that trivy passed over.
        image: The image's digest.
        model: The model that it serves, if any.
        claims: What is known of the model.

    Raises:
        WardeinError: If trivy's document is not one.
    """
    try:
        made = _settled(packages, image)
        root = made["metadata"]["component"]["bom-ref"]
        for record in more:
            _add_package(made, root, record)
        if model is not None:
            component, data = _model(model, claims)
            made["components"] += [component, *data]
            references = [item["bom-ref"] for item in data]
            _depend(made, root, component["bom-ref"], references)
    except (KeyError, TypeError, AttributeError):
        raise WardeinError("wrote no CycloneDX document", where="trivy") from None
    made["serialNumber"] = "urn:uuid:" + _uuid({key: value for key, value in made.items() if key != "serialNumber"})
    return json.dumps(made, indent=2, ensure_ascii=False).encode() + b"\n"


def _add_package(made: dict[str, Any], root: str, record: Record) -> None:
    package = record.package
    if package is None or package.url in {component["bom-ref"] for component in made["components"]}:
        return
    place = named("wardein:path", record.place)
    made["components"].append(
        {
            "bom-ref": package.url,
            "type": "library",
            "name": package.name,
            "version": package.version,
            "purl": package.url,
            "properties": [place],
        }
    )
    _depend(made, root, package.url, [])


def _depend(made: dict[str, Any], root: str, reference: str, references: Sequence[str]) -> None:
    """The image needs this, and this needs those."""
    for entry in made["dependencies"]:
        if entry["ref"] == root:
            entry["dependsOn"] = [*entry.get("dependsOn", ()), reference]
    made["dependencies"].append({"ref": reference, "dependsOn": list(references)})
    made["dependencies"] += [{"ref": name, "dependsOn": []} for name in references]


def _settled(packages: Mapping[str, Any], image: str) -> dict[str, Any]:
    """Trivy's document without what differs from run to run: its time, random references, the private copy's path.

    Labels go as well: trivy copies them, and with them any secret that is in one.
    """
    made: dict[str, Any] = json.loads(json.dumps(packages))
    made["metadata"].pop("timestamp", None)
    made["metadata"]["component"]["name"] = f"sha256:{image}"
    properties = made["metadata"]["component"].get("properties") or []
    made["metadata"]["component"]["properties"] = [p for p in properties if not p["name"].startswith(_LABELS)]
    made["components"] = made.get("components") or []
    references: dict[str, str] = {}
    for component in (made["metadata"]["component"], *made["components"]):
        reference = component["bom-ref"]
        if _UUID.fullmatch(reference):
            told = {key: value for key, value in component.items() if key != "bom-ref"}
            references[reference] = str(
                uuid.UUID(bytes=hashlib.sha256(canonical(told, fix_floats=True)).digest()[:16], version=5)
            )
    renamed: dict[str, Any] = _renamed(made, references)
    renamed["components"].sort(key=lambda component: component["bom-ref"])
    for entry in renamed.setdefault("dependencies", []):
        entry["dependsOn"] = sorted(entry.get("dependsOn", ()))
    renamed["dependencies"].sort(key=lambda entry: entry["ref"])
    return renamed


def _renamed(value: Any, references: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(item, references) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, references) for item in value]
    return references.get(value, value) if isinstance(value, str) else value


def _uuid(content: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(canonical(content, fix_floats=True)).digest()
    return str(uuid.UUID(bytes=digest[:16], version=5))


def _model(path: Path, claims: ModelClaims) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The model, and the data that it was judged with."""
    digest = digest_of(path)
    data = _data(claims)
    component: dict[str, Any] = {
        "bom-ref": f"model:sha256:{digest}",
        "type": "machine-learning-model",
        "name": "model",
        "version": f"sha256:{digest}",
        "properties": [named("wardein:subject", f"sha256:{digest}")],
        "modelCard": card_of(claims, [item["bom-ref"] for item in data]),
    }
    if path.is_dir():
        component["components"] = [
            {
                "bom-ref": f"model:sha256:{digest}:{file.path}",
                "type": "file",
                "name": file.path,
                "hashes": [_hash(file.digest)],
            }
            for file in hash_folder(path)
        ]
    else:
        component["hashes"] = [_hash(digest)]
    return component, data


def _data(claims: ModelClaims) -> list[dict[str, Any]]:
    names: dict[str, set[str]] = {}
    for report, _ in claims.reports:
        for item in report.inputs:
            if item.role == "Dataset":
                names.setdefault(item.digest, set()).add(item.name)
    return [
        {
            "bom-ref": f"data:sha256:{digest}",
            "type": "data",
            "name": ", ".join(sorted(called)),
            "version": f"sha256:{digest}",
            "data": [{"type": "dataset", "name": ", ".join(sorted(called))}],
        }
        for digest, called in sorted(names.items())
    ]


def _hash(digest: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest}
