# SPDX-License-Identifier: Apache-2.0
"""What a rule on arguments or states raises."""

from __future__ import annotations

from wardein.modelfiles.pickles import rules
from wardein.scan.rules import Rule


class Refused(Exception):
    """A use that is not known to be harmless; the text says why, in one clause."""

    def __init__(self, why: str, rule: Rule = rules.USE) -> None:
        super().__init__(why)
        self.rule = rule
