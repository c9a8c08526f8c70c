# SPDX-License-Identifier: Apache-2.0
"""The demo's release as a manifest, for ``wardein assess``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from demo.world import LABEL, World

FILE = "wardein.yaml"


def write(world: World, model: Path, signature: Path, /, **changed: Any) -> Path:
    """Write ``wardein.yaml`` into the world's folder; a value of None leaves an entry out."""
    house = world.trust.parent
    entries: Mapping[str, Any] = {
        "version": 1,
        "model": model,
        "signature": signature,
        "data": {"train": "train.csv", "test": world.test_data, "label": LABEL, "sensitive": ["sex", "age"]},
        "image": world.image,
        "database": "advisories",
        "trust": world.trust,
        "policy": world.policy,
        "checks": {
            "validate_data": None,
            "scan_model": None,
            "smoke_test": None,
            "evaluate_performance": None,
            "evaluate_robustness": None,
            # 221 patients cannot show fairness, only that nothing speaks against it.
            "evaluate_fairness": {"bins": {"age": "50"}, "bound": "best"},
            "evaluate_privacy": None,
            "scan_image": None,
            "verify_artifact": None,
        },
        "keys": {"check": f"file:{house}/keys/check.pem", "gate": f"file:{house}/keys/gate.pem"},
        "evidence": "evidence",
    }
    kept = {name: value for name, value in {**entries, **changed}.items() if value is not None}
    file = world.folder / FILE
    file.write_text(yaml.safe_dump(_relative(kept, world.folder), sort_keys=False), encoding="utf-8")
    return file


def _relative(value: Any, folder: Path) -> Any:
    """With paths as a person would write them: relative to the manifest's folder."""
    if isinstance(value, dict):
        return {name: _relative(item, folder) for name, item in value.items()}
    if isinstance(value, list):
        return [_relative(item, folder) for item in value]
    if isinstance(value, Path):
        return os.path.relpath(value, folder)
    return value.replace(f"file:{folder}/", "file:") if isinstance(value, str) else value
