# SPDX-License-Identifier: Apache-2.0
"""SARIF 2.1.0 (OASIS Standard), from whatever tool: all runs, all results, and what they say about themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from wardein.foreign import severities
from wardein.foreign.document import Node
from wardein.foreign.reading import (
    MOST_ISSUES,
    NO_MARK,
    UNTOLD_VERSION,
    Issue,
    Reading,
    Target,
    Unread,
    cwe_of,
    first_cve,
    sha256_of,
)
from wardein.foreign.text import MOST_CHARACTERS, is_about_secrets, one_line, slug
from wardein.report import Severity, Tool

_LEVELS = {"error": Severity.HIGH, "warning": Severity.MEDIUM, "note": Severity.LOW}
# What a result says that is no finding. Everything else is one: fail, open, review, and what nobody knows.
_GOOD = ("pass", "notApplicable")
# How CodeQL tells which files it read, and which it should have read.
_READ, _TO_READ = "/diagnostics/successfully-extracted-files", "/expected-extracted-files"
# Of an artifact that was looked at; others are settings, logs, what was traced.
_ANALYSED = {"analysisTarget", "resultFile"}
# More is cut off before it is worked on, as what a run tells once may stand for each of its results.
_FAR, _ARGUMENTS, _TAGS = 8 * MOST_CHARACTERS, 20, 100
_FINER, _ALIKE = 8, 100
_IS_SECRET = ("gitleaks", "trufflehog", "detect-secrets", "ggshield", "gitguardian", "whispers", "noseyparker")


def recognises(value: Any) -> bool:
    """Whether it looks like a SARIF log."""
    return isinstance(value, dict) and "runs" in value and "version" in value


def read(document: Node) -> Reading:
    """Read a log.

    Raises:
        WardeinError: If it is not of version 2.1.0, holds no run, or is not of the form.
    """
    version = document.at("version").text()
    if version != "2.1.0":
        raise document.wrong(f"is SARIF {version[:20]!r}, not 2.1.0")
    if document.has("inlineExternalProperties"):
        raise document.wrong("keeps parts of its runs apart from them, which is not supported")
    runs = [_run(run) for run in document.at("runs").items()]
    if not runs:
        raise document.wrong("holds no run")
    files = [run.files for run in runs]
    told = all(found is not None for found in files)
    return Reading(
        tool="sarif",
        tools=tuple(run.tool for run in runs),
        targets=tuple(run.target for run in runs),
        made=tuple(run.made for run in runs),
        issues=tuple(issue for run in runs for issue in run.issues),
        unit="files" if told else "",
        examined=sum(len(found or ()) for found in files) if told else 0,
        expected=sum(len(found or ()) for found in files) if told else 0,
        unread=tuple(entry for run in runs for entry in run.unread),
        roots=tuple(root for run in runs for root in run.roots),
    )


@dataclass(frozen=True)
class _Run:
    tool: Tool
    target: Target
    made: datetime | None
    issues: tuple[Issue, ...]
    unread: tuple[Unread, ...]
    roots: tuple[str, ...]
    files: frozenset[str] | None


def _run(run: Node) -> _Run:
    driver = run.at("tool").at("driver")
    name = driver.at("name").text()
    version = driver.text_at("semanticVersion") or driver.text_at("version") or UNTOLD_VERSION
    invocations = run.each("invocations")
    rules = _Rules.of(run)
    read, missing = _extracted(invocations)
    results = run.maybe("results")
    unread = [*_failures(invocations, slug(name), bool(results and results.value)), *missing]
    if run.has("externalPropertyFileReferences"):
        unread.append(Unread("is in another file", what="a part of the report"))
    if results is None:
        unread.append(Unread("the run has no results: the tool did not come to look", what=slug(name)))
    examined = read or _targets_examined(run)
    bad = (_issue(r, rules, slug(name)) for r in (results.items() if results else []) if not _is_good(r))
    return _Run(
        Tool(slug(name), one_line(version, 60)),
        _target(run),
        _time(invocations),
        tuple(islice(bad, MOST_ISSUES + 1)),  # which is refused, and more are not worth the memory
        tuple(unread),
        _roots(run),
        examined or None,
    )


# What the run says about itself


def _time(invocations: Sequence[Node]) -> datetime | None:
    """When the run was made: its oldest invocation, as that is how old what was looked at may be."""
    times = [i.time_at("endTimeUtc") or i.time_at("startTimeUtc") for i in invocations]
    told = [time for time in times if time is not None]
    return min(told) if told and len(told) == len(times) else None


def _failures(invocations: Sequence[Node], tool: str, came_to_something: bool) -> list[Unread]:
    found = []
    for invocation in invocations:
        if not invocation.at("executionSuccessful").flag():
            why = invocation.text_at("processStartFailureMessage") or invocation.text_at("exitCodeDescription")
            found.append(Unread(f"its run failed: {why or invocation.text_at('exitSignalName')}", what=tool))
        elif (code := invocation.maybe("exitCode")) and _went_wrong(_whole(code), invocation, came_to_something):
            why = invocation.text_at("exitCodeDescription")
            found.append(Unread(f"its run ended with exit code {_whole(code)}: {why}", what=tool))
        elif invocation.has("processStartFailureMessage") or invocation.has("exitSignalName"):
            found.append(Unread("its run was ended before it was done", what=tool))
        for kind in ("toolExecutionNotifications", "toolConfigurationNotifications"):
            for note in invocation.each(kind):
                exception = note.maybe("exception")
                if note.text_at("level") == "error" or exception:
                    why = _message(note) or (exception.text_at("message") if exception else "")
                    found.append(Unread(f"told an error: {why}", what=tool))
    return found


def _went_wrong(code: int, invocation: Node, came_to_something: bool) -> bool:
    """Whether an exit code tells of trouble: not if it stands there bare, nor 1 beside results, which is common."""
    return code != 0 and invocation.has("exitCodeDescription") and not (code == 1 and came_to_something)


def _notified(invocations: Sequence[Node], marker: str) -> frozenset[str]:
    found = set()
    for invocation in invocations:
        for note in invocation.each("toolExecutionNotifications"):
            described = note.maybe("descriptor")
            if described and marker in f"/{described.text_at('id')}/":
                found |= {path for place in note.each("locations") for path in [_place(place)[0]] if path}
    return frozenset(found)


def _extracted(invocations: Sequence[Node]) -> tuple[frozenset[str], list[Unread]]:
    """The files that CodeQL read, and those that it should have read and did not."""
    read = _notified(invocations, f"{_READ}/")
    missing = _notified(invocations, f"{_TO_READ}/") - read if read else frozenset()
    return read, [Unread("was not read by the tool", path=path) for path in sorted(missing)]


def _address(artifact: Node) -> str:
    location = artifact.maybe("location")
    return location.text_at("uri") if location else ""


def _pointed_to(run: Node) -> set[int | str]:
    """The files that results are in: their numbers among the run's files, and their addresses."""
    found: set[int | str] = set()
    for result in run.each("results"):
        for location in result.each("locations"):
            physical = location.maybe("physicalLocation")
            artifact = physical.maybe("artifactLocation") if physical else None
            if artifact:
                index = artifact.maybe("index")
                found |= {artifact.text_at("uri"), _whole(index) if index else -1}
    return found - {"", -1}


def _targets_examined(run: Node) -> frozenset[str]:
    """The files that the run says it was asked to look at."""
    found = set()
    for number, artifact in enumerate(run.each("artifacts")):
        if "analysisTarget" in artifact.texts_at("roles"):
            found.add(_address(artifact) or f"artifact {number}")
    return frozenset(found)


def _target(run: Node) -> Target:
    names, digests = [], []
    for provenance in run.each("versionControlProvenance"):
        uri, revision = provenance.text_at("repositoryUri"), provenance.text_at("revisionId")
        names += [uri, revision, f"{uri}@{revision}" if uri and revision else ""]
    details = run.maybe("automationDetails")
    names.append(details.text_at("id") if details else "")
    properties = run.maybe("properties")
    if properties and isinstance(properties.value, dict):
        # Trivy and Snyk tell which image it was.
        for key in ("imageName", "projectName", "targetFile"):
            names.append(properties.text_at(key) if isinstance(properties.value.get(key), str) else "")
        for key in ("repoDigests", "repoTags"):
            names += properties.texts_at(key)
        digests += properties.texts_at("repoDigests")
        # The digest of the image's configuration is not what an image goes by here, but a name that fits no other.
        names.append(properties.text_at("imageID") if isinstance(properties.value.get("imageID"), str) else "")
    files = {}
    pointed_to = _pointed_to(run)
    for number, artifact in enumerate(run.each("artifacts")):
        # Others are merely mentioned, as the tool's settings are.
        roles, uri = artifact.texts_at("roles"), _address(artifact)
        if not (_ANALYSED.intersection(roles) if roles else pointed_to & {number, uri}):
            continue
        hashes = artifact.maybe("hashes")
        told = hashes.text_at("sha-256") if hashes else ""
        for digest in sha256_of(told):
            files[uri or f"artifact {number}"] = digest
    return Target(
        names=tuple(name for name in (*names, *_roots(run)) if name),
        digests=tuple(digest for text in digests for digest in sha256_of(text)),
        files=files,
    )


def _roots(run: Node) -> tuple[str, ...]:
    found = []
    bases = run.maybe("originalUriBaseIds")
    for _, base in bases.members() if bases else []:
        found.append(base.text_at("uri"))
    for invocation in run.each("invocations"):
        folder = invocation.maybe("workingDirectory")
        found.append(folder.text_at("uri") if folder else "")
    return tuple(dict.fromkeys(uri for uri in found if uri))


# Rules and results


@dataclass(frozen=True)
class _Rules:
    """What results refer to: the rules that a run knows, by their id and in their order, and its files."""

    by_id: dict[str, list[Node]]
    in_order: list[Node]
    artifacts: list[Node]
    overridden: bool

    @staticmethod
    def of(run: Node) -> _Rules:
        tool = run.at("tool")
        in_order = tool.at("driver").each("rules")
        found: dict[str, list[Node]] = {}
        for rule in [*in_order, *(rule for extension in tool.each("extensions") for rule in extension.each("rules"))]:
            alike = found.setdefault(rule.at("id").text(), [])
            alike.append(rule)
            if len(alike) > _ALIKE:
                raise rule.wrong(f"is told of more than {_ALIKE} times")
        overridden = any(i.each("ruleConfigurationOverrides") for i in run.each("invocations"))
        return _Rules(found, in_order, run.each("artifacts"), overridden)

    def named(self, result: Node) -> tuple[str, list[Node]]:
        """The id of a result's rule, and everything that is said of that rule."""
        reference = result.maybe("rule")
        name = result.text_at("ruleId") or (reference.text_at("id") if reference else "")
        index = result.maybe("ruleIndex")
        if not name and index and 0 <= _whole(index) < len(self.in_order):
            name = self.in_order[_whole(index)].at("id").text()
        # An id may be finer than that of the rule: CA1000/1 is told by CA1000.
        known = name
        for _ in range(_FINER):
            if known in self.by_id:
                return name[:_FAR], self.by_id[known]
            known = known.rpartition("/")[0]
        return name[:_FAR], []


def _whole(node: Node) -> int:
    if isinstance(node.value, bool) or not isinstance(node.value, int):
        raise node.wrong("is not a whole number")
    return node.value


def _is_good(result: Node) -> bool:
    """Whether a result says that something is right, or is gone."""
    if result.text_at("baselineState") == "absent":
        return True
    return result.text_at("kind") in _GOOD and result.text_at("level") in ("", "none")


def _issue(result: Node, rules: _Rules, tool: str) -> Issue:
    name, described = rules.named(result)
    tags = [tag for rule in described for tag in _properties(rule, "tags")]
    secret = tool in _IS_SECRET or is_about_secrets(name, *tags)
    path, part, line, last, snippet = _where(result, rules.artifacts)
    marks = [mark for key in ("fingerprints", "partialFingerprints") for mark in _marks(result, key)]
    suppressed = bool(result.each("suppressions")) and "suppressed"
    unchanged = result.text_at("baselineState") == "unchanged" and "known before"
    return Issue(
        rule=f"{tool}/{name}",
        message=_title(described, name) if secret else _message(result, described) or _title(described, name),
        severity=_severity(result, described, rules.overridden),
        path=path,
        part=part,
        line=line,
        last=last,
        identity="" if secret else " ".join(marks) or snippet,
        cve=first_cve(name, *name.split("/"), *re.findall(r"CVE-\d+-\d+", name)),
        cwe=cwe_of(*(tag for tag in tags if re.match(r"(?i)(external/cwe/)?cwe-\d", tag))),
        secret=secret,
        suppressed=suppressed or unchanged or "",
    )


def _severity(result: Node, described: Sequence[Node], overridden: bool) -> Severity | None:
    scores = [s for node in (result, *described) for s in _properties(node, "security-severity")]
    rated = severities.worst(*(severities.by_score(_score(score)) for score in scores))
    if rated is not None:
        return rated
    if result.text_at("kind") == "informational" and result.text_at("level") in ("", "none"):
        return Severity.INFO
    level = result.text_at("level")
    if level:
        return _LEVELS.get(level)
    if overridden:  # the rule's level was changed for this run, in ways that are not worth following
        return None
    # Without any level the standard says warning, but that is nobody's rating.
    return severities.worst(
        *(_LEVELS.get(c.text_at("level")) for rule in described for c in [rule.maybe("defaultConfiguration")] if c)
    )


def _score(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -1.0


def _properties(node: Node, key: str) -> list[str]:
    """A property as texts, whatever it is: everybody may write there what he likes."""
    properties = node.maybe("properties")
    value = properties.value.get(key) if properties and isinstance(properties.value, dict) else None
    return [str(item)[:200] for item in (value[:_TAGS] if isinstance(value, list) else [value]) if item is not None]


def _where(result: Node, artifacts: Sequence[Node]) -> tuple[str, str, int, int, str]:
    """Path, part, first and last line, and the text there, of the first place that a result names."""
    for location in result.each("locations"):
        path, line, last, snippet = _place(location, artifacts)
        logical = [
            one.text_at("fullyQualifiedName") or one.text_at("name") for one in location.each("logicalLocations")
        ]
        part = next((name for name in logical if name), "")
        if path or part:
            return path or part, part if path else "", line, last, snippet
    return "", "", 0, 0, ""


def _place(location: Node, artifacts: Sequence[Node] = ()) -> tuple[str, int, int, str]:
    physical = location.maybe("physicalLocation")
    if physical is None:
        return "", 0, 0, ""
    artifact, region = physical.maybe("artifactLocation"), physical.maybe("region")
    path = _uri(artifact, artifacts) if artifact else ""
    if region is None:
        return path, 0, 0, ""
    snippet = region.maybe("snippet")
    return path, region.count_at("startLine"), region.count_at("endLine"), snippet.text_at("text") if snippet else ""


def _uri(artifact: Node, artifacts: Sequence[Node]) -> str:
    """The address of a file that is named by it, or by its number among the run's files."""
    uri, index = artifact.text_at("uri"), artifact.maybe("index")
    if uri or index is None or not 0 <= _whole(index) < len(artifacts):
        return uri
    location = artifacts[_whole(index)].maybe("location")
    return location.text_at("uri") if location else ""


def _marks(result: Node, key: str) -> list[str]:
    found = result.maybe(key)
    marks = [(name, mark.text()) for name, mark in found.members()] if found else []
    return sorted(f"{name}={mark}" for name, mark in marks if mark not in ("", NO_MARK))


def _known(described: Sequence[Node], key: str) -> str:
    """The text of a message that a rule keeps under a name."""
    strings = (rule.maybe("messageStrings") for rule in described)
    return next((found.text_at("text") for one in strings if one and (found := one.maybe(key))), "")


def _message(node: Node, described: Sequence[Node] = ()) -> str:
    message = node.maybe("message")
    if message is None:
        return ""
    text = message.text_at("text") or _known(described, message.text_at("id")) or message.text_at("markdown")
    # Bounded before they multiply: a few bytes may ask for a long argument again and again.
    told = [argument[:_FAR] for argument in message.texts_at("arguments")[:_ARGUMENTS]]
    filled = re.sub(
        r"\{(\d{1,3})\}", lambda m: told[int(m[1])] if int(m[1]) < len(told) else m[0], text[:_FAR], count=_ARGUMENTS
    )
    return filled[:_FAR]


def _title(described: Sequence[Node], name: str) -> str:
    for rule in described:
        short = rule.maybe("shortDescription")
        title = (short.text_at("text") if short else "") or rule.text_at("name")
        if title:
            return title
    return name
