# SPDX-License-Identifier: Apache-2.0
"""A policy in words: what one release needs, and what other tiers and environments need beyond or short of that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wardein.policy.compare import Change, Direction, changes
from wardein.policy.policy import CheckPolicy, Policy, Tier
from wardein.report import Criterion
from wardein.spec import CHECKS

ALWAYS = (
    "Every signature, and the role and owner of its key; that the evidence is about these bytes, this run and this "
    "version; that whatever a check read was shown to the gate; that nothing required is missing, unreadable or "
    "contradicts itself; that no run asked for less than the policy. No policy can switch any of that off."
)


def explained(policy: Policy, rego: list[str]) -> Iterator[str]:
    """What a release needs, line by line."""
    place = f"in {policy.environment}" if policy.environment else "where no environment says otherwise"
    yield f"{policy.name}, {place}, for the tier {policy.tier}  sha256:{policy.digest}"
    yield from ("", "A release needs signed evidence of:")
    width = max(map(len, policy.checks))
    for name, check in policy.checks.items():
        required = "required" if check.required else "optional, judged if it is there"
        unknown = "" if name in CHECKS else "; this version has no such check, and denies every release"
        yield f"  {name:<{width}}  {required}{unknown}; at most {_hours(check.max_age_hours)} old"
        yield from (f"  {'':<{width}}    {demand}" for demand in _demands(check))
    yield from ("", "Beside that:")
    yield from (f"  {line}" for line in (*_approvals(policy), *_waivers(policy), *_break_glass(policy), _rego(rego)))
    yield from ("", f"Always: {ALWAYS}")


def differences(
    policy: Policy, policies: Mapping[tuple[str, Tier], Policy]
) -> Mapping[tuple[str, Tier], tuple[Change, ...]]:
    """What changes from this policy to that of each other environment, in its tier, and tier, in its environment."""
    wanted = [key for key in policies if (key[0] == policy.environment) is not (key[1] == policy.tier) and key[0]]
    wanted += [key for key in policies if key == ("", key[1]) and not policy.environment and key[1] != policy.tier]
    return {key: changes(policy, policies[key]) for key in wanted}


def to_json(policy: Policy, rego: list[str]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "name": policy.name,
        "digest": policy.digest,
        "environment": policy.environment,
        "tier": policy.tier,
        "defaultTier": policy.default_tier,
        "checks": {name: _check_json(check) for name, check in policy.checks.items()},
        "approvals": {"required": policy.approvals_needed, "maxAgeHours": policy.approvals.max_age_hours},
        "waivers": {"maxDays": policy.waivers.max_days, "maxSeverity": str(policy.waivers.max_severity)},
        "breakGlass": {
            "maxHours": policy.break_glass.max_hours,
            "followUpHours": policy.break_glass.follow_up_hours,
        },
        "rego": rego,
    }


def changes_json(found: tuple[Change, ...]) -> list[dict[str, str]]:
    """Changes for programs."""
    return [{"direction": change.direction, "text": change.text} for change in found]


def counted(found: tuple[Change, ...]) -> str:
    """How many changes of each direction there are."""
    directions: tuple[Direction, ...] = ("looser", "tighter", "other")
    numbers = [(sum(change.direction == direction for change in found), direction) for direction in directions]
    return ", ".join(f"{number} {direction}" for number, direction in numbers if number) or "nothing changes"


def said(criterion: Criterion) -> str:
    """A criterion in words."""
    ends = {"point": "", "ci_low": "the lower end of ", "ci_high": "the upper end of "}
    how = "at least" if criterion.comparator == ">=" else "at most"
    of = f" of {criterion.slice}" if criterion.slice else ""
    several = " (each that was measured)" if "*" in criterion.slice else ""
    least = f", from {criterion.min_n} examples or more" if criterion.min_n else ""
    return f"{ends[criterion.bound]}{criterion.metric}{of}{several} is {how} {criterion.threshold:g}{least}"


def _demands(check: CheckPolicy) -> Iterator[str]:
    yield from map(said, check.criteria)
    if check.fail_severity is not None:
        yield f"no finding of severity {check.fail_severity} or worse, even if the check let it pass"
    if check.database_max_age_days is not None:
        yield f"its vulnerability database is at most {check.database_max_age_days:g} days old"
    if check.not_applicable:
        yield f"NOT_APPLICABLE counts as passed: {check.not_applicable}"
    for name, value in check.parameters.items():
        yield f"run with {name} = {value!r}"
    for name, digests in check.inputs.items():
        yield f"made {'with one of ' + str(len(digests)) + ' listed' if digests else 'without any'} {name}"


def _approvals(policy: Policy) -> Iterator[str]:
    needed = policy.approvals_needed
    why = f", as the tier is lower than {policy.default_tier}" if policy.is_lowered else ""
    if needed:
        who = "identity" if needed == 1 else "identities"
        age = _hours(policy.approvals.max_age_hours)
        yield f"approvals: {needed} {who} other than the author's, not older than {age}{why}"
    else:
        yield "approvals: none"


def _waivers(policy: Policy) -> Iterator[str]:
    rules = policy.waivers
    text = (
        f"of findings that are {rules.max_severity} at most, for {rules.max_days:g} days" if rules.max_days else "none"
    )
    yield f"waivers: {text}"


def _break_glass(policy: Policy) -> Iterator[str]:
    rules = policy.break_glass
    follow_up = f"a regular release has to follow within {_hours(rules.follow_up_hours)}"
    yield f"break-glass: {f'counts for {_hours(rules.max_hours)}; {follow_up}' if rules.max_hours else 'none'}"


def _rego(files: list[str]) -> str:
    return f"Rego rules that may deny more: {', '.join(files) or 'none'}"


def _hours(hours: float) -> str:
    return f"{hours:g} hour{'' if hours == 1 else 's'}"


def _check_json(check: CheckPolicy) -> dict[str, Any]:
    return {
        "required": check.required,
        "criteria": [
            {"metric": c.metric, "slice": c.slice, "comparator": c.comparator, "threshold": c.threshold}
            | {"bound": c.bound, "minN": c.min_n}
            for c in check.criteria
        ],
        "failSeverity": None if check.fail_severity is None else str(check.fail_severity),
        "maxAgeHours": check.max_age_hours,
        "databaseMaxAgeDays": check.database_max_age_days,
        "notApplicable": check.not_applicable,
        "parameters": dict(check.parameters),
        "inputs": {name: list(digests) for name, digests in check.inputs.items()},
    }
