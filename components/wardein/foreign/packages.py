# SPDX-License-Identifier: Apache-2.0
"""Package URLs of packages that a report names in other ways."""

from __future__ import annotations

import re
from urllib.parse import quote

_TYPES = {"pip": "pypi", "pipenv": "pypi", "poetry": "pypi", "pypi": "pypi", "npm": "npm", "yarn": "npm", "pnpm": "npm"}


def purl(manager: str, name: str, version: str) -> str:
    """The package URL of a Python or Node package; empty for others, and for one whose version is not known."""
    kind = _TYPES.get(manager.lower())
    if kind is None or not name or not version:
        return ""
    if kind == "pypi":
        name = re.sub(r"[-_.]+", "-", name).lower()
    scope, _, bare = name.rpartition("/")
    shown = f"{quote(scope, safe='')}/{quote(bare, safe='')}" if scope else quote(bare, safe="")
    return f"pkg:{kind}/{shown}@{quote(version, safe='')}"[:300]
