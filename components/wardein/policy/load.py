# SPDX-License-Identifier: Apache-2.0
"""``policy.yaml``, read strictly, and resolved for an environment and a risk tier."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from wardein.errors import WardeinError
from wardein.policy.compare import changes
from wardein.policy.pins import digests, pins
from wardein.policy.policy import TIERS, ApprovalRules, BreakGlassRules, CheckPolicy, Policy, Tier, WaiverRules
from wardein.policy.reading import choice, items, members, name, no_stray, number, read_yaml, text, whole
from wardein.report import Bound, Comparator, Criterion, Severity
from wardein.spec import CHECKS
from wardein.subject import digest_of

FILE = "policy.yaml"
MOST_HOURS, MOST_DAYS = 87_600, 3_650  # ten years
_LAYER_KEYS = {"checks", "approvals", "waivers", "break_glass"}
_TOP_KEYS = _LAYER_KEYS | {"version", "name", "default_tier", "parameters", "tiers", "environments"}
_CHECK_KEYS = {
    "required",
    "criteria",
    "fail_severity",
    "max_age_hours",
    "database_max_age_days",
    "not_applicable",
    "parameters",
    "inputs",
}


def load(folder: Path, environment: str = "", tier: str = "") -> Policy:
    """Read the policy of a folder and resolve it: what holds everywhere, then the tier, then the environment.

    Args:
        folder: The policy folder.
        environment: The trust root's environment; empty for what holds everywhere.
        tier: The risk tier; empty for the policy's own.

    Raises:
        WardeinError: If the file is missing, is not YAML, has a duplicate or unknown key, or a value of the wrong type,
            if a higher tier is anywhere looser than a lower one, or the policy knows environments but not this one.
    """
    policies = load_all(folder)
    environments = tuple(dict.fromkeys(place for place, _ in policies if place))
    if environment and environments and environment not in environments:
        known = ", ".join(environments)
        raise WardeinError(f"says nothing of the environment {environment!r}", where=FILE, mend=f"it knows: {known}")
    wanted = choice(tier or policies["", "standard"].default_tier, TIERS, "the tier")
    return replace(policies[environment if environments else "", wanted], environment=environment)


def load_all(folder: Path) -> Mapping[tuple[str, Tier], Policy]:
    """Read the policy of a folder, and resolve it for every environment that it names, and none, and every tier.

    Raises:
        WardeinError: As :func:`load`. Every combination is read, so that a defect is found on the first day and not
            when it is needed.
    """
    data = _read(folder)
    digest, environments = digest_of(folder), ("", *_environments(data))
    policies = {(place, tier): _resolve(data, digest, place, tier) for place in environments for tier in TIERS}
    for place in environments:
        for lower, higher in zip(TIERS, TIERS[1:], strict=False):
            for change in changes(policies[place, lower], policies[place, higher]):
                if change.direction != "tighter":
                    where = f"{FILE}: tiers.{higher}" + (f" in {place}" if place else "")
                    raise WardeinError(f"is not tighter than {lower}: {change.text}", where=where)
    return policies


def _read(folder: Path) -> Mapping[str, Any]:
    data = members(read_yaml(folder / FILE, f"a policy is a folder that holds {FILE}"), FILE, _TOP_KEYS)
    if data.get("version") != 1 or isinstance(data.get("version"), bool):
        raise WardeinError(f"version {str(data.get('version'))[:40]!r} is not 1", where=FILE)
    return data


def _environments(data: Mapping[str, Any]) -> tuple[str, ...]:
    where = f"{FILE}: environments"
    return tuple(name(item, where, "environment") for item in members(data.get("environments", {}), where))


def _resolve(data: Mapping[str, Any], digest: str, environment: str, tier: Tier) -> Policy:
    layer: Mapping[str, Any] = {key: data[key] for key in _LAYER_KEYS if key in data}
    _checks_of(layer, "")
    tiers = members(data.get("tiers", {}), f"{FILE}: tiers", TIERS)
    environments = members(data.get("environments", {}), f"{FILE}: environments")
    for over, part in (
        (tiers.get(tier), f"tiers.{tier}"),
        (environments.get(environment), f"environments.{environment}"),
    ):
        if over is not None:
            layer = _merged(layer, members(over, f"{FILE}: {part}", _LAYER_KEYS), part)
    try:
        return _policy(data, layer, digest, environment, tier)
    except WardeinError as error:
        place = f"{error.where} (for the tier {tier}" + (f" in {environment})" if environment else ")")
        raise WardeinError(error.what, where=place, mend=error.mend) from None


def _checks_of(layer: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    where = f"{FILE}: {part + '.' if part else ''}checks"
    checks = members(layer.get("checks", {}), where)
    for check in checks:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", check):
            raise WardeinError(
                f"{ascii(check)[:80]} is not a check's name", where=where, mend=f"like: {next(iter(CHECKS))}"
            )
    return checks


def _merged(layer: Mapping[str, Any], over: Mapping[str, Any], part: str) -> dict[str, Any]:
    """One layer over another: a key that it has replaces the key below; checks are merged key by key."""
    merged = dict(layer)
    for key, value in over.items():
        below = members(merged.get(key, {}), f"{FILE}: {key}")
        above = members(value, f"{FILE}: {part}.{key}")
        if key == "checks":
            both = {check: members(below.get(check) or {}, f"{FILE}: checks.{check}") for check in {**below, **above}}
            for check, entry in _checks_of(over, part).items():
                both[check] = {**both[check], **members(entry or {}, f"{FILE}: {part}.checks.{check}")}
            merged[key] = both
        else:
            merged[key] = {**below, **above}
    return merged


def _policy(top: Mapping[str, Any], layer: Mapping[str, Any], digest: str, environment: str, tier: Tier) -> Policy:
    general = members(top.get("parameters", {}), f"{FILE}: parameters")
    checks = members(layer.get("checks"), f"{FILE}: checks")
    read = {check: _check(check, value, general) for check, value in checks.items()}
    if not any(check.required for check in read.values()):
        mend = "list at least one check under 'checks' without 'required: false'"
        raise WardeinError("requires no check at all", where=FILE, mend=mend)
    used = {setting for check in read.values() for setting in check.parameters}
    no_stray(sorted(set(general) - used), f"{FILE}: parameters", "no check of the policy has a setting of this name")
    found = Policy(
        name(top.get("name"), FILE),
        digest,
        read,
        environment,
        tier,
        choice(top.get("default_tier", "standard"), TIERS, f"{FILE}: default_tier"),
        _approvals(layer.get("approvals", {})),
        _waivers(layer.get("waivers", {})),
        _break_glass(layer.get("break_glass", {})),
    )
    if found.approvals.required and "verify_artifact" not in found.required:
        mend = "require verify_artifact as well, or approvals cannot be told from the author's own"
        raise WardeinError("needs approvals but not the evidence of who made the model", where=FILE, mend=mend)
    return found


def _approvals(value: Any) -> ApprovalRules:
    where = f"{FILE}: approvals"
    data = members(value, where, {"required", "max_age_hours"})
    hours = number(data.get("max_age_hours", 24), f"{where}.max_age_hours", MOST_HOURS)
    return ApprovalRules(whole(data.get("required", 0), f"{where}.required"), hours)


def _waivers(value: Any) -> WaiverRules:
    where = f"{FILE}: waivers"
    data = members(value, where, {"max_days", "max_severity"})
    severity = Severity(choice(data.get("max_severity", "high"), tuple(Severity), f"{where}.max_severity"))
    return WaiverRules(number(data.get("max_days", 0), f"{where}.max_days", MOST_DAYS), severity)


def _break_glass(value: Any) -> BreakGlassRules:
    where = f"{FILE}: break_glass"
    data = members(value, where, {"max_hours", "follow_up_hours"})
    hours = (("max_hours", 0), ("follow_up_hours", 72))
    return BreakGlassRules(*(number(data.get(key, default), f"{where}.{key}", MOST_HOURS) for key, default in hours))


def _check(check: str, value: Any, general: Mapping[str, Any]) -> CheckPolicy:
    where = f"{FILE}: checks.{check}"
    data = members({} if value is None else value, where, _CHECK_KEYS)
    required = data.get("required", True)
    if not isinstance(required, bool):
        raise WardeinError("is neither true nor false", where=f"{where}.required")
    database, listed = data.get("database_max_age_days"), items(data.get("criteria", []), f"{where}.criteria")
    severity = (
        choice(data["fail_severity"], tuple(Severity), f"{where}.fail_severity") if "fail_severity" in data else ""
    )
    return CheckPolicy(
        required=required,
        criteria=tuple(criterion(item, f"{where}.criteria[{i}]") for i, item in enumerate(listed)),
        fail_severity=Severity(severity) if severity else None,
        max_age_hours=number(data.get("max_age_hours", 24), f"{where}.max_age_hours", MOST_HOURS),
        database_max_age_days=None
        if database is None
        else number(database, f"{where}.database_max_age_days", MOST_DAYS),
        not_applicable=_condition(data["not_applicable"], where) if "not_applicable" in data else "",
        parameters=pins(check, data.get("parameters", {}), general, f"{where}.parameters"),
        inputs=digests(check, data.get("inputs", {}), f"{where}.inputs"),
    )


def _condition(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        mend = "leave it out for never"
        raise WardeinError("does not say when, in words", where=f"{where}.not_applicable", mend=mend)
    return value


def criterion(value: Any, where: str) -> Criterion:
    """A threshold, as a policy writes it.

    Raises:
        WardeinError: If it is none.
    """
    data = members(value, where, {"metric", "slice", "at_least", "at_most", "bound", "min_n"})
    if ("at_least" in data) == ("at_most" in data):
        raise WardeinError("needs exactly one of at_least and at_most", where=where)
    comparator: Comparator = ">=" if "at_least" in data else "<="
    part = data.get("slice", "")
    bounds: Sequence[str] = get_args(Bound)
    return Criterion(
        metric=text(data.get("metric"), f"{where}.metric"),
        comparator=comparator,
        threshold=_threshold(data, where),
        bound=choice(data.get("bound", "point"), bounds, where),
        slice=text(part, f"{where}.slice") if part != "" else "",
        min_n=whole(data.get("min_n", 0), where),
        source="policy",
    )


def _threshold(data: Mapping[str, Any], where: str) -> float:
    """A number of 0 or more; below it, whatever is measured would be above, unless it is a difference."""
    least = data.get("at_least")
    if isinstance(least, float) and -1 <= least < 0 and str(data.get("metric")).endswith("_difference"):
        return least
    return number(data.get("at_least", data.get("at_most")), where)
