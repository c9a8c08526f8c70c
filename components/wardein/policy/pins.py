# SPDX-License-Identifier: Apache-2.0
"""What a policy pins of a check: settings with their values, and artifacts with their digests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from wardein.errors import WardeinError
from wardein.policy.reading import members, no_stray
from wardein.spec import CHECKS, Param
from wardein.spec import load as load_step


def pins(check: str, value: Any, general: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The settings that a run of a check must have had: its own, and those for all checks that have such a setting.

    Raises:
        WardeinError: If it has no such setting, or no run could have that value.
    """
    own = members(value, where)
    params = {param.name: param for param in load_step(check).params if param.is_setting} if check in CHECKS else {}
    if check in CHECKS:
        no_stray(sorted(set(own) - set(params)), where, f"{check} has no setting of this name")
    pinned_here = {setting: pinned for setting, pinned in general.items() if setting in params} | dict(own)
    for setting, pinned in pinned_here.items():
        if setting in params and not _can_be(params[setting], pinned):
            kind = " or ".join(params[setting].choices) or params[setting].type
            mend = "a pin that no run can have would deny every release; quote what is a text"
            raise WardeinError(f"{setting} is pinned to {str(pinned)[:80]!r}, not a {kind}", where=where, mend=mend)
    return pinned_here


def _can_be(param: Param, value: Any) -> bool:
    """Whether a run's report could have this value for a setting."""
    if param.choices:
        return value in param.choices
    if param.type.startswith("list"):
        return isinstance(value, list) and all(_is_plain(item, param.type[5:-1]) for item in value)
    if param.type.startswith("dict"):
        kind = param.type.split(", ")[1][:-1]
        return isinstance(value, dict) and all(_is_plain(item, kind) for item in value.values())
    return _is_plain(value, param.type)


def _is_plain(value: Any, kind: str) -> bool:
    if kind in ("int", "float"):
        return isinstance(value, int if kind == "int" else (int, float)) and not isinstance(value, bool)
    return isinstance(value, {"bool": bool, "str": str}[kind])


def digests(check: str, value: Any, where: str) -> Mapping[str, tuple[str, ...]]:
    """By artifact, the sha256 digests that it may have.

    Raises:
        WardeinError: If the check reads no such artifact, or one is no lower-case sha256.
    """
    found = {}
    artifacts = {param.name for param in load_step(check).params if param.artifact} if check in CHECKS else set()
    for artifact, listed in members(value, where).items():
        no_stray([] if artifact in artifacts else [artifact], where, f"{check} reads no artifact of this name")
        if not isinstance(listed, list) or not all(re.fullmatch(r"[0-9a-f]{64}", str(digest)) for digest in listed):
            raise WardeinError("is not a list of lower-case sha256 digests", where=f"{where}.{artifact}")
        found[artifact] = tuple(map(str, listed))
    return found
