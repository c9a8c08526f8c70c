# SPDX-License-Identifier: Apache-2.0
"""What a format's reader takes from a report, as the report says it: nothing of it is judged or made safe yet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from wardein.report import Metric, Severity, Tool

UNTOLD_VERSION = "not told"
# What semgrep writes in the place of a fingerprint, for those without an account.
NO_MARK = "requires login"
# Nobody reads more, and code scanning services take no more of one run.
MOST_ISSUES = 25_000


@dataclass(frozen=True)
class Issue:
    """One thing that the tool found.

    Attributes:
        rule: The tool's own name of the rule.
        message: What is wrong, in the tool's words.
        severity: None if nobody has rated it.
        path: The file, as the report names it.
        place: Where it is if that is no file: a package, a request, a probe.
        line: The first line, 0 for the file as a whole.
        last: The last line, 0 if it is the first.
        identity: What makes it recognisable when lines move, from the report.
        secret: Whether it is about a secret: then nothing that could hold the value is taken over.
        suppressed: How the tool had put it aside; empty if it had not.
    """

    rule: str
    message: str
    severity: Severity | None
    path: str = ""
    place: str = ""
    part: str = ""
    line: int = 0
    last: int = 0
    identity: str = ""
    cve: str = ""
    cwe: str = ""
    purl: str = ""
    secret: bool = False
    suppressed: str = ""


@dataclass(frozen=True)
class Target:
    """What one run says it looked at.

    Attributes:
        names: Its names; one of them must be the one that the caller gives.
        digests: The sha256 of it, in any of its forms; one of them must be the subject's.
        files: The sha256 of each file that was looked at, by its path.
        paths: The files that were looked at: the folder that all of them lie in is a name of the target.
    """

    names: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unread:
    """Something that the tool should have looked at and did not, and why.

    Attributes:
        what: What that is, in words; empty for a file.
        path: The file, as the report names it.
    """

    reason: str
    what: str = ""
    path: str = ""


@dataclass(frozen=True)
class Reading:
    """A report that was read.

    Attributes:
        tool: The tool's name, as rules are told under it.
        targets: What each of its runs looked at; every one must agree with the subject.
        made: When each of its runs was made; None where one does not say.
        unit: What is counted as looked at; empty if the report does not tell what was.
        examined: How many of it were.
        expected: How many there were to look at, without those in ``unread``.
        unread: What was not looked at.
        roots: Folders on the machine of the tool that paths are told from.
    """

    tool: str
    tools: tuple[Tool, ...]
    targets: tuple[Target, ...]
    made: tuple[datetime | None, ...]
    issues: tuple[Issue, ...]
    unit: str = ""
    examined: int = 0
    expected: int = 0
    unread: tuple[Unread, ...] = ()
    metrics: tuple[Metric, ...] = ()
    roots: tuple[str, ...] = ()


def sha256_of(text: str) -> tuple[str, ...]:
    """The sha256 that a reference names: ``sha256:…``, ``name@sha256:…``, or the bare digest; nothing for others."""
    match = re.fullmatch(r"(?:.*sha256:)?([0-9a-f]{64})", text.strip().lower(), re.DOTALL)
    return (match[1],) if match else ()


def first_cve(*names: str) -> str:
    """The first CVE among the names of a vulnerability; empty if there is none."""
    return min((name.upper() for name in names if re.fullmatch(r"CVE-\d{4}-\d{4,10}", name.upper())), default="")


def cwe_of(*names: str | int) -> str:
    """The first weakness that is named, as ``CWE-502``; empty if there is none."""
    for name in names:
        match = re.match(r"(?:external/cwe/)?(?:CWE-?)?0*([1-9]\d{0,5})\b", str(name), re.IGNORECASE)
        if match:
            return f"CWE-{match[1]}"
    return ""
