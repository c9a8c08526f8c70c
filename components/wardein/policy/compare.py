# SPDX-License-Identifier: Apache-2.0
"""What gets looser and what gets tighter from one policy to another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from wardein.policy.policy import CheckPolicy, Policy
from wardein.report import Criterion

Direction = Literal["looser", "tighter", "other"]


@dataclass(frozen=True)
class Change:
    """One difference. ``other`` is one of which nobody can say in general whether it lets more through."""

    direction: Direction
    text: str


def changes(old: Policy, new: Policy) -> tuple[Change, ...]:
    """Every difference in what is demanded, the policies' names and digests aside."""
    found = [*_numbers(old, new)]
    for name in dict.fromkeys([*old.checks, *new.checks]):
        found += _check(name, old.checks.get(name), new.checks.get(name))
    return tuple(found)


def _numbers(old: Policy, new: Policy) -> Iterator[Change]:
    yield from _more_is("tighter", "approvals.required", old.approvals.required, new.approvals.required)
    for name in ("approvals.max_age_hours", "waivers.max_days", "break_glass.max_hours", "break_glass.follow_up_hours"):
        group, _, key = name.partition(".")
        yield from _more_is("looser", name, getattr(getattr(old, group), key), getattr(getattr(new, group), key))
    # A lower rank is a more severe finding that may be waived.
    before, after = old.waivers.max_severity, new.waivers.max_severity
    if before != after and (old.waivers.max_days or new.waivers.max_days):
        direction: Direction = "looser" if after.rank < before.rank else "tighter"
        yield Change(direction, f"waivers.max_severity: {before} -> {after}")


def _check(name: str, old: CheckPolicy | None, new: CheckPolicy | None) -> Iterator[Change]:
    before, after = old or CheckPolicy(required=False), new or CheckPolicy(required=False)
    if before.required != after.required:
        yield Change("tighter" if after.required else "looser", f"{name}: required: {_yes(before)} -> {_yes(after)}")
    if old is None or new is None:
        if not before.required and not after.required:
            yield Change("other", f"{name}: {'is judged if present' if new else 'is no longer judged'}")
        return
    yield from _more_is("looser", f"{name}: max_age_hours", before.max_age_hours, after.max_age_hours)
    yield from _limit(f"{name}: database_max_age_days", before.database_max_age_days, after.database_max_age_days)
    # Rank 4 bans findings of every severity, rank 0 only critical ones; None bans none.
    ranks = [None if c.fail_severity is None else -c.fail_severity.rank for c in (before, after)]
    shown = (before.fail_severity, after.fail_severity)
    yield from _limit(f"{name}: fail_severity", ranks[0], ranks[1], shown)
    if bool(before.not_applicable) != bool(after.not_applicable):
        direction: Direction = "looser" if after.not_applicable else "tighter"
        yield Change(direction, f"{name}: not_applicable: {before.not_applicable!r} -> {after.not_applicable!r}")
    elif before.not_applicable != after.not_applicable:
        yield Change("other", f"{name}: not_applicable: {before.not_applicable!r} -> {after.not_applicable!r}")
    yield from _parameters(name, before, after)
    yield from _inputs(name, before, after)
    yield from _criteria(name, before, after)


def _parameters(name: str, before: CheckPolicy, after: CheckPolicy) -> Iterator[Change]:
    """A pinned setting changes what is measured, and only people can say which way."""
    for key in dict.fromkeys([*before.parameters, *after.parameters]):
        was, now = before.parameters.get(key), after.parameters.get(key)
        if was != now:
            yield Change("other", f"{name}: parameters.{key}: {was!r} -> {now!r}")


def _inputs(name: str, before: CheckPolicy, after: CheckPolicy) -> Iterator[Change]:
    for key in dict.fromkeys([*before.inputs, *after.inputs]):
        was, now = before.inputs.get(key), after.inputs.get(key)
        if was == now:
            continue
        text = f"{name}: inputs.{key}: {_listed(was)} -> {_listed(now)}"
        if now is None or (was is not None and set(was) < set(now)):
            yield Change("looser", text)
        elif was is None or set(now) < set(was):
            yield Change("tighter", text)
        else:
            yield Change("other", text)


def _criteria(name: str, before: CheckPolicy, after: CheckPolicy) -> Iterator[Change]:
    keys = dict.fromkeys((c.metric, c.slice) for c in (*before.criteria, *after.criteria))
    for key in keys:
        was = [c for c in before.criteria if (c.metric, c.slice) == key]
        now = [c for c in after.criteria if (c.metric, c.slice) == key]
        if was == now:
            continue
        text = f"{name}: {_said(was)} -> {_said(now)}"
        lets_more, lets_less = not _implied(was, now), not _implied(now, was)
        yield Change("other" if lets_more and lets_less else "looser" if lets_more else "tighter", text)


def _implied(wanted: list[Criterion], given: list[Criterion]) -> bool:
    """Whether every wanted criterion follows from one that is given."""
    return all(any(not _weaker(g, w) for g in given) for w in wanted)


def _weaker(one: Criterion, other: Criterion) -> bool:
    return one.looser_than(other) or one.min_n < other.min_n


def _more_is(direction: Direction, name: str, was: float, now: float) -> Iterator[Change]:
    opposite: Direction = "tighter" if direction == "looser" else "looser"
    if was != now:
        yield Change(direction if now > was else opposite, f"{name}: {was:g} -> {now:g}")


def _limit(name: str, was: float | None, now: float | None, shown: tuple[Any, Any] | None = None) -> Iterator[Change]:
    """An upper limit, of which None is the loosest."""
    if was != now:
        looser = now is None or (was is not None and now > was)
        before, after = shown or (was, now)
        yield Change("looser" if looser else "tighter", f"{name}: {before or 'none'} -> {after or 'none'}")


def _said(criteria: list[Criterion]) -> str:
    return " and ".join(c.label + (f" (n >= {c.min_n})" if c.min_n else "") for c in criteria) or "no criterion"


def _listed(digests: tuple[str, ...] | None) -> str:
    return "any" if digests is None else f"{len(digests)} digests" if digests else "none"


def _yes(check: CheckPolicy) -> str:
    return "yes" if check.required else "no"
