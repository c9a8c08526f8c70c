# SPDX-License-Identifier: Apache-2.0
"""What a report left unsaid, and the caller answered for. The findings themselves have the rules of their tools."""

from __future__ import annotations

from wardein.report import Severity
from wardein.scan.rules import Rule

TARGET = Rule(
    "import/target-unknown",
    Severity.INFO,
    "the report does not tell what it is about; the caller answers for it",
    "A report of another thing, or of an earlier version of it, looks the same. That it is about this subject is the"
    " word of whoever ran the check, and is listed so that a reader of the evidence knows.",
    "Use a format of the tool that names a digest or at least a name, and give --target.",
)
TIME = Rule(
    "import/time-unknown",
    Severity.INFO,
    "the report does not tell when it was made; the caller answers for it",
    "Yesterday's report of yesterday's code looks the same, and so does one that was left over by a run that failed.",
    "Use a format of the tool that tells a time, or write the report in the same job, into a fresh file.",
)
COVERAGE = Rule(
    "import/coverage-unknown",
    Severity.INFO,
    "the report does not tell what the tool examined; the caller answers for it",
    "A tool that looked at nothing, or at the wrong folder, writes the same report as one that found nothing wrong.",
    "Use a format of the tool that lists what it examined, and check its log.",
)
RULES = (TARGET, TIME, COVERAGE)
