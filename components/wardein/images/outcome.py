# SPDX-License-Identifier: Apache-2.0
"""What has been read off an image so far: what was examined, what was not, and what was found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from wardein.images.rules import ACCEPTED
from wardein.report import Finding, Metric, Severity, Skipped

UNEXAMINABLE = ("conda", "third-party")
RATED = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)
_UNRATED = "unrated"


@dataclass
class Outcome:
    """What becomes the report.

    Attributes:
        fail_severity: The least severe finding that fails.
        accepted: The kinds of packages that may go unexamined.
    """

    fail_severity: Severity
    accepted: frozenset[str]
    examined: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)

    def add(
        self,
        rule: str,
        rated: str,
        message: str,
        location: str,
        cve: str = "",
        cwes: Sequence[str] = (),
        purl: str = "",
    ) -> None:
        """One finding; a severity that trivy does not know is no reason to let it pass."""
        known = rated.lower() in RATED
        severity = Severity(rated.lower()) if known else Severity.HIGH
        fails = not known or severity.rank <= self.fail_severity.rank
        text = message if known else f"{message} (nobody has rated it)"
        cwe, more = next(iter(cwes), ""), tuple(cwes[1:])
        self.findings.append(Finding(rule, severity, text, location, fails, cve, cwe, more, purl))

    def inform(self, rule: str, message: str, location: str) -> None:
        """A finding that only tells something."""
        self.findings.append(Finding(rule, Severity.INFO, message, location, fails=False))

    def skip(self, kind: str, what: str, why: str) -> None:
        """Something that was not looked up: not examined, unless its kind was accepted."""
        if kind in self.accepted:
            self.inform(ACCEPTED.id, f"{why}; accepted unexamined", what)
        else:
            mend = f"; --accept-unexamined {kind} lets them pass, and says so" if kind in UNEXAMINABLE else ""
            self.skipped.append(Skipped(what, why + mend))

    def count(self, name: str, severities: Iterable[str], n: int) -> None:
        """How many findings of each severity there are, among so many things looked at."""
        counted = [text.lower() if text.lower() in RATED else _UNRATED for text in severities]
        for severity in (*RATED, *({_UNRATED} & set(counted))):
            total = counted.count(severity)
            self.metrics.append(Metric(name, total, n, unit="count", direction="lower", slice=f"severity={severity}"))
