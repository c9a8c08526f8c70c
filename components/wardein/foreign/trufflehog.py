# SPDX-License-Identifier: Apache-2.0
"""TruffleHog v3's JSON lines, with or without the lines of its log."""

from __future__ import annotations

from typing import Any

from wardein.foreign.document import Node
from wardein.foreign.reading import UNTOLD_VERSION, Issue, Reading, Target, Unread
from wardein.foreign.text import one_line
from wardein.report import Severity, Tool

_DONE = "finished scanning"


def recognises(lines: Any) -> bool:
    """Whether the lines look like results and log of TruffleHog."""
    return bool(lines) and all(isinstance(line, dict) and (_is_result(line) or _is_log(line)) for line in lines)


def _is_result(line: dict[str, Any]) -> bool:
    return line.keys() >= {"DetectorName", "SourceMetadata"}


def _is_log(line: dict[str, Any]) -> bool:
    return line.get("logger") == "trufflehog" or (line.keys() >= {"level", "msg"} and "logger" not in line)


def read(document: Node) -> Reading:
    """Read the lines.

    Raises:
        WardeinError: If they are not of the form, or the log's counts are not those of the results.
    """
    lines = document.items()
    results = [line for line in lines if _is_result(line.value)]
    log = [line for line in lines if not _is_result(line.value)]
    done = [line for line in log if line.text_at("msg") == _DONE]
    told = sum(line.count_at("verified_secrets") + line.count_at("unverified_secrets") for line in done)
    if done and told > len(results):
        raise done[0].wrong(f"tells of {told} secrets, but {len(results)} results are there")
    version = next((line.text_at("trufflehog_version") for line in done), "") or UNTOLD_VERSION
    chunks = sum(line.at("chunks").count() for line in done)
    times = [line.time_at("ts") for line in done]
    return Reading(
        tool="trufflehog",
        tools=(Tool("trufflehog", one_line(version, 60)),),
        targets=(Target(names=_units(log)),),
        made=(min((time for time in times if time), default=None) if all(times) else None,),
        issues=tuple(_issue(line) for line in results),
        unit="chunks" if done else "",
        examined=chunks,
        expected=chunks,
        unread=tuple(
            Unread(f"TruffleHog told: {line.text_at('msg')} {_errors(line)}", what="a part of the source")
            for line in log
            if line.text_at("level").lower() in ("error", "fatal", "panic")
        ),
    )


def _units(log: list[Node]) -> tuple[str, ...]:
    """What the log says is scanned, where it is told to be talkative."""
    return tuple(dict.fromkeys(line.text_at("unit") for line in log if line.text_at("unit")))


def _errors(line: Node) -> str:
    told = line.maybe("errors") or line.maybe("error")
    return str(told.value)[:200] if told else ""


def _issue(result: Node) -> Issue:
    name, verified = result.at("DetectorName").text(), result.at("Verified").flag()
    place = _place(result)
    known = "it works" if verified else "whether it works is not known"
    return Issue(
        rule=f"trufflehog/{name}",
        message=f"a secret of {name}; {known} (the value is not shown)",
        severity=Severity.CRITICAL if verified else Severity.HIGH,
        path=(place.text_at("file") or place.text_at("path") or place.text_at("link")) if place else "",
        part=f"commit {place.text_at('commit')[:12]}" if place and place.has("commit") else "",
        line=place.count_at("line") if place else 0,
        cwe="CWE-798",
        secret=True,
    )


def _place(result: Node) -> Node | None:
    """Where it lies: the one member of the data, which has the source's name, as Git or Filesystem."""
    data = result.at("SourceMetadata").maybe("Data")
    members = data.members() if data else []
    return members[0][1] if members else None
