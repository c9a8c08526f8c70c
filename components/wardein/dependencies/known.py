# SPDX-License-Identifier: Apache-2.0
"""What is known against packages: what each source of advisories answers, and one finding a vulnerability of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from packaging.version import InvalidVersion, Version

from wardein.dependencies import rules
from wardein.dependencies.declared import Package, Requirement
from wardein.errors import printable
from wardein.report import Severity, Tool
from wardein.scan.merge import Found

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,99}")
_CVE = re.compile(r"CVE-\d{4}-\d{4,}")


@dataclass(frozen=True)
class Vulnerability:
    """What one source says against one package.

    Attributes:
        package: The package that was looked up.
        id: The identifier that the source gives it.
        aliases: Other identifiers of the same vulnerability.
        title: One line that says what it is.
        fixed: The versions that mend it.
        severity: How bad it is; None if the source does not rate it.
        cwes: The kinds of weakness.
        source: The source's name.
    """

    package: Package
    id: str
    aliases: tuple[str, ...] = ()
    title: str = ""
    fixed: tuple[str, ...] = ()
    severity: Severity | None = None
    cwes: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True)
class Answer:
    """What a source of advisories answers.

    Attributes:
        tool: Who answered, from which advisories.
        examined: The packages that were looked up.
        vulnerabilities: What is known against them.
        unread: Packages that the source should know and did not look up, with the reason.
    """

    tool: Tool
    examined: frozenset[Package]
    vulnerabilities: tuple[Vulnerability, ...] = ()
    unread: Mapping[Package, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Merged:
    """Findings of all sources, and those rules and packages that nobody has rated."""

    found: tuple[Found, ...]
    unrated: frozenset[tuple[str, str]]


def merged(answers: Sequence[Answer], rows: Iterable[tuple[Requirement, Package]]) -> Merged:
    """One rule a vulnerability, whichever of its identifiers a source uses, at every row that declares the package."""
    told = [item for answer in answers for item in answer.vulnerabilities]
    names = _Names(told)
    by_package: dict[Package, dict[str, list[Vulnerability]]] = defaultdict(lambda: defaultdict(list))
    for item in told:
        for rule in names.of(item):
            by_package[item.package][rule].append(item)
    found: list[Found] = []
    unrated = set()
    for row, package in rows:
        for rule, items in by_package.get(package.public, {}).items():
            severity = _worst(rule, items)
            if severity is None:
                unrated.add((rule, package.purl))
            found += _found(rule, items, severity, row, package)
    return Merged(tuple(found), frozenset(unrated))


def _worst(rule: str, items: Sequence[Vulnerability]) -> Severity | None:
    rated = [item.severity for item in items if item.severity is not None]
    if any(item.id.startswith("MAL-") for item in items) or rule.startswith("MAL-"):
        rated.append(rules.MALICIOUS.severity)
    return min(rated, key=lambda severity: severity.rank) if rated else None


def _found(
    rule: str, items: Sequence[Vulnerability], severity: Severity | None, row: Requirement, package: Package
) -> list[Found]:
    # The same words from every source, so that which of them is shown does not depend on who was asked.
    title = next((item.title for item in sorted(items, key=lambda i: (i.source, i.id)) if item.title), "")
    fixed = _fixes([version for item in items for version in item.fixed], package)
    message = f"{package.label}: {_line(title) or 'known vulnerability'}; "
    message += f"fixed in {', '.join(fixed)}" if fixed else "no fix is known"
    if severity is None:
        message += " (nobody has rated it)"
    cwe = next((cwe for item in items for cwe in item.cwes), "")
    return [
        Found(
            rule,
            row.path,
            severity or rules.UNRATED.severity,
            message,
            tool=f"{source}:{identifier}",
            line=row.line,
            # Without a line, what keeps two packages of a file apart.
            part="" if row.line else package.name,
            text=f"{package.ecosystem} {package.name}",
            cwe=cwe,
            cve=rule if _CVE.fullmatch(rule) else "",
            purl=package.purl,
        )
        for source, identifier in _one_each(items)
    ]


def _one_each(items: Sequence[Vulnerability]) -> list[tuple[str, str]]:
    """Each source once, with the first of the identifiers that it uses: two of them are one vulnerability."""
    named: dict[str, str] = {}
    for item in sorted(items, key=lambda i: (i.source, i.id)):
        named.setdefault(item.source, item.id)
    return sorted(named.items())


def _fixes(versions: Sequence[str], package: Package) -> list[str]:
    """The versions that mend it and are later than the package's, lowest first."""
    try:
        own = Version(package.public.version)
        later = sorted({version for text in versions if (version := Version(text)) > own})
    except InvalidVersion:
        return [_line(text)[:50] for text in dict.fromkeys(versions)][:3]
    return [str(version) for version in later[:3]]


def _line(text: str) -> str:
    return printable(" ".join(text.split()))[:200]


class _Names:
    """Which identifiers name the same vulnerability: CVE numbers where there are any."""

    def __init__(self, told: Sequence[Vulnerability]) -> None:
        self.parent: dict[str, str] = {}
        self.cves: dict[str, set[str]] = defaultdict(set)
        # CVE numbers never join two identifiers: an advisory may speak of several of them.
        for item in told:
            for alias in [] if _CVE.fullmatch(item.id) else self._others(item):
                self._join(item.id, alias)
        for item in told:
            for name in ([] if _CVE.fullmatch(item.id) else [item.id]) + self._others(item):
                self.cves[self._root(name)] |= self._numbers(item)
        self.first: dict[str, str] = {}
        for identifier in sorted(self.parent, key=lambda text: (not text.startswith(("GHSA-", "MAL-")), text)):
            self.first.setdefault(self._root(identifier), identifier)

    def of(self, item: Vulnerability) -> list[str]:
        """The rules that a vulnerability is told under."""
        root = self._root(item.id)
        return sorted(self._numbers(item) or self.cves[root]) or [self.first.get(root, item.id)]

    def _numbers(self, item: Vulnerability) -> set[str]:
        if _CVE.fullmatch(item.id):
            return {item.id}
        return {alias for alias in item.aliases if _CVE.fullmatch(alias)}

    def _others(self, item: Vulnerability) -> list[str]:
        return [alias for alias in item.aliases if _ID.fullmatch(alias) and not _CVE.fullmatch(alias)]

    def _join(self, one: str, other: str) -> None:
        self.parent[self._root(one)] = self._root(other)

    def _root(self, identifier: str) -> str:
        self.parent.setdefault(identifier, identifier)
        while self.parent[identifier] != identifier:
            self.parent[identifier] = self.parent[self.parent[identifier]]
            identifier = self.parent[identifier]
        return identifier
