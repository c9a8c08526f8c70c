# SPDX-License-Identifier: Apache-2.0
"""All rules of wardein's own, from the rooms that hold them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from wardein.scan.rules import Rule

# Each has a module ``rules`` with a tuple RULES, and imports nothing heavy.
ROOMS = ("code", "config", "dependencies", "foreign", "images", "modelfiles", "secrecy")


@cache
def known_rules() -> Mapping[str, Rule]:
    """Every rule by its identifier, under which findings name it.

    Raises:
        ValueError: If two rules have the same identifier (a defect, found by a test).
    """
    rules = [rule for room in ROOMS for rule in importlib.import_module(f"wardein.{room}.rules").RULES]
    found = {rule.id: rule for rule in rules}
    if len(found) != len(rules):
        ids = [rule.id for rule in rules]
        raise ValueError(f"two rules are called {next(name for name in ids if ids.count(name) > 1)}")
    return MappingProxyType(found)
