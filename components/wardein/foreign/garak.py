# SPDX-License-Identifier: Apache-2.0
"""Garak's report on a language model: JSON lines of attempts and evaluations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from wardein.foreign.document import Node
from wardein.foreign.reading import Issue, Reading, Target, Unread
from wardein.foreign.text import one_line
from wardein.report import Interval, Metric, Severity, Tool

_EVALUATED = 2
# Garak's own five grades of the share of answers that are as they should be; the best one is no finding.
_GRADES = ((0.05, Severity.CRITICAL), (0.4, Severity.HIGH), (0.8, Severity.MEDIUM), (1.0, Severity.LOW))


def recognises(lines: Any) -> bool:
    """Whether the lines look like a report of garak."""
    kinds = {line.get("entry_type") for line in lines if isinstance(line, dict)}
    return bool(kinds & {"start_run setup", "init"})


def read(document: Node) -> Reading:
    """Read the lines.

    Raises:
        WardeinError: If they are not of the form.
    """
    lines = [(line.at("entry_type").text(), line) for line in document.items()]
    kinds: dict[str, list[Node]] = {}
    for kind, line in lines:
        kinds.setdefault(kind, []).append(line)
    setup, started = _one(document, kinds, "start_run setup"), _one(document, kinds, "init")
    completed = kinds.get("completion", [])
    evaluated = [_Evaluation(line) for line in kinds.get("eval", [])]
    asked = _probes(setup, kinds.get("attempt", [])) | {one.probe for one in evaluated}
    done = {one.probe for one in evaluated if one.total}
    unread = [Unread("garak did not come to evaluate it", what=probe) for probe in sorted(asked - done)]
    if not completed:
        unread.append(Unread("the report ends before the run was complete", what="what garak had still to do"))
    open_attempts = sum(attempt.at("status").count() != _EVALUATED for attempt in _latest(kinds.get("attempt", [])))
    if open_attempts:
        unread.append(Unread("garak did not come to evaluate them", what=f"{open_attempts} attempts"))
    unread += [
        Unread(f"{one.nones} of {one.total + one.nones} had no answer", what=f"{one.probe} by {one.detector}")
        for one in evaluated
        if one.nones
    ]
    unread += [
        Unread("garak evaluated no answer", what=f"{one.probe} by {one.detector}")
        for one in evaluated
        if not one.total and not one.nones and one.probe in done
    ]
    return Reading(
        tool="garak",
        tools=(Tool("garak", one_line(started.at("garak_version").text(), 60)),),
        targets=(Target(names=_names(setup)),),
        made=(completed[-1].time_at("end_time") if completed else started.time_at("start_time"),),
        issues=tuple(one.issue() for one in evaluated if one.passed < one.total),
        unit="probes",
        examined=len(done),
        expected=len(done),
        unread=tuple(unread),
        metrics=tuple(one.metric() for one in evaluated if one.total),
    )


def _one(document: Node, kinds: dict[str, list[Node]], kind: str) -> Node:
    found = kinds.get(kind, [])
    if len(found) != 1:
        raise document.wrong(f"holds {len(found)} entries {kind!r}, not one")
    return found[0]


def _names(setup: Node) -> tuple[str, ...]:
    """What was asked: older versions say model for target."""
    found = []
    for word in ("target", "model"):
        kind, name = setup.text_at(f"plugins.{word}_type"), setup.text_at(f"plugins.{word}_name")
        found += [name, f"{kind}:{name}" if kind and name else "", kind if kind and not name else ""]
    return tuple(dict.fromkeys(name for name in found if name))


def _probes(setup: Node, attempts: Sequence[Node]) -> set[str]:
    """The probes that were to run: as far as the setup tells, and those that were begun."""
    active = setup.maybe("transient.active_probes")
    if active is None:
        told = []
    elif isinstance(active.value, str):
        told = active.value.split(",")
    else:
        told = [name.text() for name in active.items()]
    begun = [attempt.at("probe_classname").text() for attempt in attempts]
    return {name.removeprefix("probes.") for name in (*told, *begun) if name}


def _latest(attempts: Sequence[Node]) -> list[Node]:
    """Each attempt stands there once when it is answered and again when it is evaluated."""
    return list({attempt.at("uuid").text(): attempt for attempt in attempts}.values())


class _Evaluation:
    """What one detector says of the answers to one probe."""

    def __init__(self, line: Node) -> None:
        self.probe = line.at("probe").text().removeprefix("probes.")
        self.detector = line.at("detector").text().removeprefix("detector.")
        self.passed, self.nones = line.at("passed").count(), line.count_at("nones")
        # Older versions call it total.
        self.total = line.at("total_evaluated" if line.has("total_evaluated") else "total").count()
        if self.passed > self.total or (line.has("fails") and line.at("fails").count() != self.total - self.passed):
            raise line.wrong("counts more or fewer answers than it has")

    def issue(self) -> Issue:
        hits = self.total - self.passed
        return Issue(
            rule=f"garak/{self.probe}",
            message=f"{hits} of {self.total} answers are what they should not be, says {self.detector}",
            severity=next((s for bound, s in _GRADES if self.passed / self.total < bound), Severity.LOW),
            place=self.detector,
        )

    def metric(self) -> Metric:
        hits = self.total - self.passed
        return Metric(
            "attack_success_rate",
            hits / self.total,
            self.total,
            direction="lower",
            ci=_wilson(hits, self.total),
            slice=f"probe={_word(self.probe)}, detector={_word(self.detector)}",
        )


def _word(name: str) -> str:
    """A name as a slice's value, which commas and equals signs would cut."""
    return one_line(name, 80).replace(",", ";").replace("=", ":")


def _wilson(hits: int, n: int) -> Interval:
    """The 95 % Wilson score interval in closed form, as scanners need no scipy."""
    z = 1.959963984540054
    centre, spread = hits / n + z * z / (2 * n), z * math.sqrt(hits / n * (1 - hits / n) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return Interval(max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale), 0.95, "wilson")
