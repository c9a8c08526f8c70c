# SPDX-License-Identifier: Apache-2.0
"""``policy-tests.yaml``: releases as a table, each with what the gate is to say of it under a policy.

It lies in the policy folder, and so is part of what the trust root pins: who reviews a policy reviews its cases.
:mod:`wardein.release.rehearsal` runs them; docs/policy.md documents every key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wardein.errors import WardeinError
from wardein.policy.load import MOST_DAYS, MOST_HOURS, criterion
from wardein.policy.policy import TIERS, Tier
from wardein.policy.reading import choice, items, members, name, number, read_yaml, text, whole
from wardein.report import Criterion, Finding, Interval, Metric, Severity, Verdict
from wardein.spec import CHECKS

CASES = "policy-tests.yaml"
_EVIDENCE = {"metrics", "n", "findings", "verdict", "age_hours", "database_age_days", "parameters", "inputs", "asked"}
_CASE = {"name", "environment", "tier", "but", "waivers", "approvals", "break_glass", "expect", "denied_by"}


@dataclass(frozen=True)
class Evidence:
    """What one check's report says.

    Attributes:
        verdict: The verdict; None for what metrics, findings and criteria add up to.
        parameters: The settings that are not as the policy pins them.
        inputs: What it read beside what it has to: by parameter, a sha256, or empty for any.
        asked: The criteria that the run itself asked for.
    """

    metrics: tuple[Metric, ...] = ()
    findings: tuple[Finding, ...] = ()
    verdict: Verdict | None = None
    age_hours: float = 0.0
    database_age_days: float = 0.0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    asked: tuple[Criterion, ...] = ()


@dataclass(frozen=True)
class Waived:
    """A waiver of the finding of one check, for so many days from now."""

    check: str
    rule: str
    days: float


@dataclass(frozen=True)
class Case:
    """One release, and what is to be said of it.

    Attributes:
        approvals: The age of each approval in hours, each by another identity.
        break_glass: The age of the break-glass in hours; None for none.
        denied_by: Exactly the reasons that are expected, each as ``rule location``; none if it is to pass.
    """

    name: str
    evidence: Mapping[str, Evidence]
    environment: str = ""
    tier: Tier | None = None
    waivers: tuple[Waived, ...] = ()
    approvals: tuple[float, ...] = ()
    break_glass: float | None = None
    denied_by: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Table:
    """The cases of a policy, and the settings that it leaves to whoever adopts it."""

    cases: tuple[Case, ...]
    assume: Mapping[str, Any]


def read_cases(path: Path) -> Table:
    """Read a table of cases.

    Raises:
        WardeinError: If it cannot be read, has no case, an unknown key, or a value of the wrong type.
    """
    where = path.name
    mend = f"write {CASES} into the policy folder, or name a file with --cases"
    data = members(read_yaml(path, mend), where, {"version", "assume", "evidence", "cases"})
    if data.get("version") != 1 or isinstance(data.get("version"), bool):
        raise WardeinError("version is not 1", where=where)
    honest = _by_check(data.get("evidence", {}), f"{where}: evidence")
    listed = items(data.get("cases", []), f"{where}: cases")
    cases = tuple(_case(item, honest, f"{where}: cases[{number}]") for number, item in enumerate(listed))
    if not cases:
        raise WardeinError("holds no case", where=where, mend="nothing would be tested")
    doubled = sorted({case.name for case in cases if sum(other.name == case.name for other in cases) > 1})
    if doubled:
        raise WardeinError(f"two cases are called {doubled[0]!r}", where=where)
    return Table(cases, members(data.get("assume", {}), f"{where}: assume"))


def _by_check(value: Any, where: str) -> Mapping[str, Any]:
    return members(value, where, CHECKS)


def _case(value: Any, honest: Mapping[str, Any], where: str) -> Case:
    data = members(value, where, _CASE)
    expect = choice(data.get("expect"), ("PASSED", "FAILED"), f"{where}: expect")
    reasons = frozenset(text(item, f"{where}: denied_by") for item in items(data.get("denied_by", []), where))
    if (expect == "PASSED") is bool(reasons):
        raise WardeinError("says in denied_by why it is FAILED, and only then", where=where)
    given = dict(honest)
    for check, change in _by_check(data.get("but", {}), f"{where}: but").items():
        given = _changed(given, check, change, f"{where}: but.{check}")
    glass, place = data.get("break_glass"), data.get("environment", "")
    return Case(
        name=text(data.get("name"), f"{where}: name"),
        evidence={check: _evidence(entry, f"{where}: {check}") for check, entry in given.items()},
        environment=name(place, f"{where}: environment", "environment") if place != "" else "",
        tier=choice(data["tier"], TIERS, f"{where}: tier") if "tier" in data else None,
        waivers=tuple(_waived(item, f"{where}: waivers") for item in items(data.get("waivers", []), where)),
        approvals=tuple(
            number(item, f"{where}: approvals", MOST_HOURS) for item in items(data.get("approvals", []), where)
        ),
        break_glass=None if glass is None else number(glass, f"{where}: break_glass", MOST_HOURS),
        denied_by=reasons,
    )


def _changed(given: dict[str, Any], check: str, change: Any, where: str) -> dict[str, Any]:
    """The evidence with one check's report changed, key by key, metric by metric; or without it."""
    if change == "missing":
        return {name: entry for name, entry in given.items() if name != check}
    below, above = given.get(check) or {}, members(change, where, _EVIDENCE)
    both = {**below, **above}
    if "metrics" in above:
        both["metrics"] = {**below.get("metrics", {}), **members(above["metrics"], f"{where}.metrics")}
    return {**given, check: both}


def _evidence(value: Any, where: str) -> Evidence:
    data = members({} if value is None else value, where, _EVIDENCE)
    n = whole(data.get("n", 1000), f"{where}.n")
    metrics = members(data.get("metrics", {}), f"{where}.metrics")
    inputs = members(data.get("inputs", {}), f"{where}.inputs")
    asked = items(data.get("asked", []), f"{where}.asked")
    return Evidence(
        metrics=tuple(_metric(label, value, n, f"{where}.metrics") for label, value in metrics.items()),
        findings=tuple(_finding(item, f"{where}.findings") for item in items(data.get("findings", []), where)),
        verdict=Verdict(choice(data["verdict"], tuple(Verdict), f"{where}.verdict")) if "verdict" in data else None,
        age_hours=number(data.get("age_hours", 0), f"{where}.age_hours", MOST_HOURS),
        database_age_days=number(data.get("database_age_days", 0), f"{where}.database_age_days", MOST_DAYS),
        parameters=members(data.get("parameters", {}), f"{where}.parameters"),
        inputs={artifact: _digest(value, f"{where}.inputs.{artifact}") for artifact, value in inputs.items()},
        asked=tuple(replace(criterion(item, f"{where}.asked"), source="parameter") for item in asked),
    )


def _metric(label: str, value: Any, n: int, where: str) -> Metric:
    """A metric by its label, ``name`` or ``name[slice]``: a number, or the interval's ends around one."""
    if isinstance(value, dict):
        said = members(value, f"{where}.{label}", {"is", "n"})
        return _metric(label, said.get("is"), whole(said.get("n", n), f"{where}.{label}.n"), where)
    match = re.fullmatch(r"([^\[\]]+)(?:\[(.+)\])?", label)
    if match is None:
        raise WardeinError(f"{label!r} is neither a name nor name[slice]", where=where)
    numbers = value if isinstance(value, list) else [value]
    if not all(isinstance(x, (int, float)) and not isinstance(x, bool) and abs(x) <= 1e300 for x in numbers):
        raise WardeinError(f"{label}: {value!r} is not a number", where=where)
    if len(numbers) not in (1, 3) or sorted(numbers) != numbers:
        raise WardeinError(f"{label}: {value!r} is not a number, or [low, estimate, high]", where=where)
    ci = Interval(float(numbers[0]), float(numbers[2])) if len(numbers) == 3 else None
    return Metric(match[1], float(numbers[len(numbers) // 2]), n, ci=ci, slice=match[2] or "")


def _finding(value: Any, where: str) -> Finding:
    data = members(value, where, {"rule", "severity", "location", "fails", "cwe"})
    fails = data.get("fails", True)
    if not isinstance(fails, bool):
        raise WardeinError("is neither true nor false", where=f"{where}.fails")
    rule, severity = text(data.get("rule"), f"{where}.rule"), choice(data.get("severity"), tuple(Severity), where)
    location, cwe = (text(data[key], f"{where}.{key}") if key in data else "" for key in ("location", "cwe"))
    return Finding(rule, Severity(severity), "found", location, fails=fails, cwe=cwe)


def _waived(value: Any, where: str) -> Waived:
    data = members(value, where, {"check", "rule", "days"})
    check = choice(data.get("check"), tuple(CHECKS), f"{where}.check")
    return Waived(check, text(data.get("rule"), f"{where}.rule"), number(data.get("days"), f"{where}.days", MOST_DAYS))


def _digest(value: Any, where: str) -> str:
    if value != "any" and not re.fullmatch(r"[0-9a-f]{64}", str(value)):
        raise WardeinError("is neither 'any' nor a lower-case sha256", where=where)
    return "" if value == "any" else str(value)
