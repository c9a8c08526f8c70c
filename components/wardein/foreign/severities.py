# SPDX-License-Identifier: Apache-2.0
"""How severe a finding is, from the words, scores and levels of other tools. What is not known is not guessed."""

from __future__ import annotations

from wardein.report import Severity

WORDS = {
    "critical": Severity.CRITICAL,
    "high": Severity.HIGH,
    "important": Severity.HIGH,
    "error": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "moderate": Severity.MEDIUM,
    "warning": Severity.MEDIUM,
    "low": Severity.LOW,
    "negligible": Severity.LOW,
    "note": Severity.LOW,
    "info": Severity.INFO,
    "informational": Severity.INFO,
}


def by_word(word: str) -> Severity | None:
    """The severity that a word stands for, None for one that is not known."""
    return WORDS.get(word.strip().lower())


def by_score(score: float) -> Severity | None:
    """The qualitative rating of a CVSS score, None if it is none."""
    if not 0 <= score <= 10:
        return None
    steps = ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM), (0.1, Severity.LOW))
    return next((severity for least, severity in steps if score >= least), Severity.INFO)


def worst(*rated: Severity | None) -> Severity | None:
    """The worst of several ratings; those that are not known say nothing."""
    return min((severity for severity in rated if severity is not None), key=lambda s: s.rank, default=None)
