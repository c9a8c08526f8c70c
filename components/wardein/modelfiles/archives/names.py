# SPDX-License-Identifier: Apache-2.0
"""The names that archives give to their members, and what is wrong with them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"[A-Za-z]:")


def fault_of(name: str) -> str:
    """What is wrong with the name of a member, in one clause; empty if nothing is."""
    if not name:
        return "has an empty name"
    if name.startswith("/") or _DRIVE.match(name):
        return "has an absolute name"
    if ".." in re.split(r"[/\\]", name):
        return "has a name that leads out of the archive"
    if "\\" in name:
        return "has a backslash in its name, which some readers take for a folder"
    if _CONTROL.search(name):
        return "has a control character in its name"
    if any("\udc80" <= char <= "\udcff" for char in name):
        return "has a name that is not UTF-8"
    return ""


def legible(name: str, most: int = 200) -> str:
    """A name as it may stand in a report: what cannot be printed is escaped, and what is long is cut."""
    if not name.isprintable():
        name = ascii(name)[1:-1]
    return name if len(name) <= most else f"{name[:most]}…"


def settled(name: str) -> str:
    """A name as every reader finds it: without the parts that say nothing."""
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def twice(names: Iterable[str]) -> list[str]:
    """The names that are there more than once, however they are written."""
    seen: set[str] = set()
    again: dict[str, None] = {}
    for name in names:
        key = unicodedata.normalize("NFC", settled(name))
        if key in seen:
            again[key] = None
        seen.add(key)
    return list(again)
