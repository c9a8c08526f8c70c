# SPDX-License-Identifier: Apache-2.0
"""The rules of this room."""

from __future__ import annotations

from wardein.scan.rules import Rule

RULES: tuple[Rule, ...] = ()
