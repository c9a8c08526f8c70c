# SPDX-License-Identifier: Apache-2.0
"""Which controls of the frameworks that the field uses a policy covers, in part or not at all.

``frameworks.yaml`` says what of wardein serves each control; here that is held against what a policy asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from wardein.policy.policy import CheckPolicy, Policy
from wardein.policy.reading import items, members, read_yaml, text
from wardein.spec import CHECKS

Standing = Literal["covered", "partly", "not covered"]
STANDINGS: tuple[Standing, ...] = ("covered", "partly", "not covered")


@dataclass(frozen=True)
class Control:
    """One control of a framework.

    Attributes:
        by: What serves it: checks, rules of the gate, steps and commands; ``CHECK.criteria`` needs thresholds.
        gap: What is not covered, and why; empty if nothing is missing.
    """

    id: str
    title: str
    by: tuple[str, ...]
    gap: str


@dataclass(frozen=True)
class Framework:
    """A framework, its edition, and how much of it is listed."""

    id: str
    title: str
    edition: str
    scope: str
    controls: tuple[Control, ...]


@dataclass(frozen=True)
class Coverage:
    """How a control stands under a policy: what serves it there, and what is missing."""

    control: Control
    standing: Standing
    by: tuple[str, ...]
    gap: str


@cache
def frameworks() -> tuple[Framework, ...]:
    """The frameworks.

    Raises:
        WardeinError: If the file is not well-formed (a defect, found by a test).
    """
    path = Path(__file__).with_name("frameworks.yaml")
    found = members(read_yaml(path, "install wardein again"), path.name)
    return tuple(_framework(name, entry) for name, entry in found.items())


def coverage(control: Control, policy: Policy | None, *, has_rego: bool = False) -> Coverage:
    """How a control stands: under a policy, or without one if all that wardein has is used."""
    present = tuple(name for name in control.by if policy is None or _is_asked_for(name, policy, has_rego=has_rego))
    absent = [name for name in control.by if name not in present]
    if not control.by or not present:
        reason = f"this policy asks for none of: {', '.join(absent)}" if absent else control.gap
        return Coverage(control, "not covered", (), reason)
    gaps = [control.gap] * bool(control.gap) + [f"this policy does not ask for {', '.join(absent)}"] * bool(absent)
    return Coverage(control, "partly" if gaps else "covered", present, "; ".join(gaps))


def _is_asked_for(name: str, policy: Policy, *, has_rego: bool) -> bool:
    """Whether a policy makes use of what serves a control; what it has no say in is always there."""
    check, _, key = name.partition(".")
    if check in CHECKS:
        rules = policy.checks.get(check)
        return rules is not None and rules.required and bool(not key or getattr(rules, key))
    required = [policy.checks[check] for check in policy.required]
    asks: Mapping[str, Callable[[CheckPolicy], bool]] = {
        "gate/criterion": lambda rules: bool(rules.criteria),
        "gate/finding": lambda rules: rules.fail_severity is not None,
        "gate/database": lambda rules: rules.database_max_age_days is not None,
    }
    if name in asks:
        return any(asks[name](rules) for rules in required)
    switched = {
        **dict.fromkeys(("gate/approvals", "gate/author", "approve", "approve/unjustified", "approve/too-long"),
                        policy.approvals.required > 0),
        **dict.fromkeys(("approve/not-allowed", "promote/follow-up"), policy.break_glass.max_hours > 0),
        **dict.fromkeys(("waive", "countersign"), policy.waivers.max_days > 0),
        "gate/rego": has_rego,
    }  # fmt: skip
    return switched.get(name, True)


def _framework(name: str, entry: object) -> Framework:
    where = f"frameworks.yaml: {name}"
    data = members(entry, where, {"title", "edition", "scope", "controls"})
    title, edition, scope = (text(data.get(key), f"{where}.{key}") for key in ("title", "edition", "scope"))
    controls = members(data.get("controls"), f"{where}.controls")
    return Framework(name, title, edition, scope, tuple(_control(key, c, where) for key, c in controls.items()))


def _control(name: str, entry: object, where: str) -> Control:
    where = f"{where}.{name}"
    data = members(entry, where, {"title", "by", "gap"})
    by: Sequence[str] = [text(item, f"{where}.by") for item in items(data.get("by", []), f"{where}.by")]
    gap = text(data["gap"], f"{where}.gap") if "gap" in data or not by else ""
    return Control(name, text(data.get("title"), f"{where}.title"), tuple(by), gap)
