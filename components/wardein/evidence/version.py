# SPDX-License-Identifier: Apache-2.0
"""Versions of artifacts, which can be told to be earlier or later than others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardein.errors import UsageError, missing_extra

if TYPE_CHECKING:
    from packaging.version import Version

_LONGEST = 128


def parse_version(text: str, where: str) -> Version:
    """Read a version.

    Raises:
        UsageError: If it is none that others could be compared with.
    """
    try:
        from packaging.version import InvalidVersion, Version
    except ModuleNotFoundError:
        raise missing_extra("packaging", "sign") from None
    try:
        if len(text) > _LONGEST:
            raise InvalidVersion
        return Version(text)
    except InvalidVersion:
        mend = "write numbers with dots between them, like 1.4.0 or 2026.11.20"
        raise UsageError(f"{text[:80]!r} is not a version", where=where, mend=mend) from None
