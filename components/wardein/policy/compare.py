# SPDX-License-Identifier: Apache-2.0
"""What gets looser and what gets tighter from one policy to another.

The promise: where this finds nothing looser and nothing "other", whatever measurements, findings and ages pass the
new policy pass the old one as well (given intervals that hold their estimate). It may call looser what is not, as
thresholds that only together are as strict as before; never the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from wardein.policy.policy import TIERS, CheckPolicy, Policy, fits
from wardein.report import Criterion
from wardein.spec import CHECKS

Direction = Literal["looser", "tighter", "other"]
_OPTIONAL = CheckPolicy(required=False)


@dataclass(frozen=True)
class Change:
    """One difference. ``other`` is one of which nobody can say in general whether it lets more through."""

    direction: Direction
    text: str


def changes(old: Policy, new: Policy) -> tuple[Change, ...]:
    """Every difference in what is demanded, the policies' names and digests aside."""
    found = [*_numbers(old, new)]
    for check in dict.fromkeys([*old.checks, *new.checks]):
        found += _check(check, old.checks.get(check), new.checks.get(check))
    return tuple(found)


def _numbers(old: Policy, new: Policy) -> Iterator[Change]:
    if old.default_tier != new.default_tier:
        lower = TIERS.index(new.default_tier) < TIERS.index(old.default_tier)
        yield Change("looser" if lower else "tighter", f"default_tier: {old.default_tier} -> {new.default_tier}")
    yield from _more_is("tighter", "approvals.required", old.approvals.required, new.approvals.required)
    names = ["approvals.max_age_hours", "waivers.max_days", "break_glass.max_hours"]
    # By when a regular release has to follow says something only where there is a break-glass to follow.
    names += ["break_glass.follow_up_hours"] if old.break_glass.max_hours and new.break_glass.max_hours else []
    for name in names:
        group, _, key = name.partition(".")
        yield from _more_is("looser", name, getattr(getattr(old, group), key), getattr(getattr(new, group), key))
    before, after = old.waivers.max_severity, new.waivers.max_severity
    if before != after and old.waivers.max_days and new.waivers.max_days:
        # A lower rank is a more severe finding that may be waived.
        direction: Direction = "looser" if after.rank < before.rank else "tighter"
        yield Change(direction, f"waivers.max_severity: {before} -> {after}")


def _check(name: str, old: CheckPolicy | None, new: CheckPolicy | None) -> Iterator[Change]:
    # Evidence of a check that a policy does not name is judged like that of one that it does not require; only a
    # check that this version does not have makes a difference by its name alone: it denies every release.
    before, after = old or _OPTIONAL, new or _OPTIONAL
    if name not in CHECKS and (old is None or new is None):
        yield Change("tighter" if new else "looser", f"{name}: {_yes(old)} -> {_yes(new)}")
    elif before.required != after.required:
        yield Change("tighter" if after.required else "looser", f"{name}: {_yes(old)} -> {_yes(new)}")
        if old is None or new is None:
            return  # what a new check demands, or one that is gone demanded, says nothing more
    yield from _ages_and_findings(name, before, after)
    yield from _parameters(name, before, after)
    yield from _inputs(name, before, after)
    yield from _criteria(name, before, after)


def _ages_and_findings(name: str, before: CheckPolicy, after: CheckPolicy) -> Iterator[Change]:
    yield from _more_is("looser", f"{name}: max_age_hours", before.max_age_hours, after.max_age_hours)
    yield from _limit(f"{name}: database_max_age_days", before.database_max_age_days, after.database_max_age_days)
    # Rank 4 bans findings of every severity, rank 0 only critical ones; None bans none.
    ranks = [None if c.fail_severity is None else -c.fail_severity.rank for c in (before, after)]
    shown = (before.fail_severity, after.fail_severity)
    yield from _limit(f"{name}: fail_severity", ranks[0], ranks[1], shown)
    if before.not_applicable != after.not_applicable:
        direction: Direction = "other" if before.not_applicable and after.not_applicable else "tighter"
        direction = direction if before.not_applicable else "looser"
        yield Change(direction, f"{name}: not_applicable: {before.not_applicable!r} -> {after.not_applicable!r}")


def _parameters(name: str, before: CheckPolicy, after: CheckPolicy) -> Iterator[Change]:
    """A pinned setting changes what is measured, and only people can say which way."""
    for key in dict.fromkeys([*before.parameters, *after.parameters]):
        shown = [f"{c.parameters[key]!r}" if key in c.parameters else "the default" for c in (before, after)]
        if shown[0] != shown[1]:
            yield Change("other", f"{name}: parameters.{key}: {shown[0]} -> {shown[1]}")


def _inputs(name: str, before: CheckPolicy, after: CheckPolicy) -> Iterator[Change]:
    """A list: one of it has to be there; an empty list: none may be; no list: anything, or nothing."""
    for key in dict.fromkeys([*before.inputs, *after.inputs]):
        was, now = before.inputs.get(key), after.inputs.get(key)
        if was == now or (was and now and set(was) == set(now)):
            continue
        text = f"{name}: inputs.{key}: {_listed(was)} -> {_listed(now)}"
        if now is None or (was and set(was) < set(now)):
            yield Change("looser", text)
        elif was is None or (now and set(now) < set(was)):
            yield Change("tighter", text)
        else:
            yield Change("other", text)


def _criteria(name: str, before: CheckPolicy, after: CheckPolicy) -> Iterator[Change]:
    """By metric and slice. What others imply, as a pattern does for its slices, is not lost where it is left out."""
    for key in dict.fromkeys((c.metric, c.slice) for c in (*before.criteria, *after.criteria)):
        was = [c for c in before.criteria if (c.metric, c.slice) == key]
        now = [c for c in after.criteria if (c.metric, c.slice) == key]
        lets_more = not all(_implied(criterion, after.criteria) for criterion in was)
        lets_less = not all(_implied(criterion, before.criteria) for criterion in now)
        if lets_more or lets_less:
            direction: Direction = "other" if lets_more and lets_less else "looser" if lets_more else "tighter"
            yield Change(direction, f"{name}: {_said(was)} -> {_said(now)}")


def _implied(wanted: Criterion, given: Sequence[Criterion]) -> bool:
    """Whether whatever meets all the given criteria meets the wanted one.

    A criterion asks for a slice to be there, and something of each that is. So one of the given has to ask for a slice
    among those of the wanted, and one that stands for all of the wanted's slices has to be as strict.
    """
    same = [criterion for criterion in given if criterion.metric == wanted.metric]
    covering = [criterion for criterion in same if _stands_for(criterion.slice, wanted.slice)]
    return (
        any(_stands_for(wanted.slice, criterion.slice) for criterion in same)
        and any(criterion.min_n >= wanted.min_n for criterion in covering)
        and any(not replace(criterion, slice=wanted.slice).looser_than(wanted) for criterion in covering)
    )


def _stands_for(pattern: str, part: str) -> bool:
    """Whether every slice that ``part`` stands for is one that ``pattern`` stands for.

    A ``*`` in ``part`` is matched by none but one in the pattern, which then matches whatever it stands for.
    """
    return pattern == part or ("*" in pattern and fits(part, pattern))


def _more_is(direction: Direction, name: str, was: float, now: float) -> Iterator[Change]:
    opposite: Direction = "tighter" if direction == "looser" else "looser"
    if was != now:
        yield Change(direction if now > was else opposite, f"{name}: {was:g} -> {now:g}")


def _limit(name: str, was: float | None, now: float | None, shown: tuple[Any, Any] | None = None) -> Iterator[Change]:
    """An upper limit, of which None is the loosest."""
    if was != now:
        looser = now is None or (was is not None and now > was)
        before, after = ("none" if value is None else str(value).removesuffix(".0") for value in (shown or (was, now)))
        yield Change("looser" if looser else "tighter", f"{name}: {before} -> {after}")


def _said(criteria: Sequence[Criterion]) -> str:
    return " and ".join(c.label + (f" (n >= {c.min_n})" if c.min_n else "") for c in criteria) or "no criterion"


def _listed(digests: tuple[str, ...] | None) -> str:
    return "any" if digests is None else f"{len(digests)} digests" if digests else "none"


def _yes(check: CheckPolicy | None) -> str:
    return "not named" if check is None else "required" if check.required else "not required"
