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
from wardein.policy.policy import TIERS, ApprovalRules, BreakGlassRules, CheckPolicy, Policy, Tier, WaiverRules
from wardein.policy.reading import choice, items, members, no_stray, number, read_yaml, whole
from wardein.report import Bound, Comparator, Criterion, Severity
from wardein.spec import CHECKS
from wardein.spec import load as load_step
from wardein.subject import digest_of

FILE = "policy.yaml"
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
    data = members(read_yaml(folder / FILE, "a policy is a folder that holds policy.yaml"), FILE, _TOP_KEYS)
    if data.get("version") != 1:
        raise WardeinError(f"version {data.get('version')!r} is not 1", where=FILE)
    digest = digest_of(folder)
    environments = members(data.get("environments", {}), f"{FILE}: environments")
    if environment and environments and environment not in environments:
        known = ", ".join(environments)
        raise WardeinError(f"says nothing of the environment {environment!r}", where=FILE, mend=f"it knows: {known}")
    # Every combination is read, so that a defect is found on the first day and not when it is needed.
    resolved = {(name, t): _resolve(data, digest, name, t) for name in ("", *environments) for t in TIERS}
    for name in ("", *environments):
        for lower, higher in zip(TIERS, TIERS[1:], strict=False):
            for change in changes(resolved[name, lower], resolved[name, higher]):
                if change.direction != "tighter":
                    where = f"{FILE}: tiers.{higher}" + (f" in {name}" if name else "")
                    raise WardeinError(f"is not tighter than {lower}: {change.text}", where=where)
    wanted = tier or resolved["", "standard"].default_tier
    policy = resolved[environment if environment in environments else "", _tier(wanted)]
    return replace(policy, environment=environment)


def environments_of(folder: Path) -> tuple[str, ...]:
    """The environments that a policy names."""
    data = members(read_yaml(folder / FILE, "a policy is a folder that holds policy.yaml"), FILE, _TOP_KEYS)
    return tuple(members(data.get("environments", {}), f"{FILE}: environments"))


def _tier(value: Any) -> Tier:
    found: Tier = choice(value, TIERS, f"{FILE}: tier")
    return found


def _resolve(data: Mapping[str, Any], digest: str, environment: str, tier: Tier) -> Policy:
    tiers = members(data.get("tiers", {}), f"{FILE}: tiers", TIERS)
    layer: Mapping[str, Any] = {key: data[key] for key in _LAYER_KEYS if key in data}
    for where, over in (
        (f"tiers.{tier}", tiers.get(tier, {})),
        (f"environments.{environment}", members(data.get("environments", {}), FILE).get(environment, {})),
    ):
        layer = _merged(layer, members({} if over is None else over, f"{FILE}: {where}", _LAYER_KEYS), where)
    return _policy(data, layer, digest, environment, tier)


def _merged(layer: Mapping[str, Any], over: Mapping[str, Any], where: str) -> dict[str, Any]:
    """One layer over another: a key that it has replaces the key below; checks are merged key by key."""
    merged = dict(layer)
    for key, value in over.items():
        below = members(merged.get(key, {}), f"{FILE}: {key}")
        above = members(value, f"{FILE}: {where}.{key}")
        if key == "checks":
            both = {name: members(below.get(name) or {}, f"{FILE}: checks.{name}") for name in {**below, **above}}
            for name, entry in above.items():
                both[name] = {**both[name], **members(entry or {}, f"{FILE}: {where}.checks.{name}")}
            merged[key] = both
        else:
            merged[key] = {**below, **above}
    return merged


def _policy(top: Mapping[str, Any], layer: Mapping[str, Any], digest: str, environment: str, tier: Tier) -> Policy:
    general = members(top.get("parameters", {}), f"{FILE}: parameters")
    checks = members(layer.get("checks"), f"{FILE}: checks")
    read = {name: _check(name, value, general) for name, value in checks.items()}
    if not any(check.required for check in read.values()):
        mend = f"list at least one check under 'checks' without 'required: false', also for the tier {tier}"
        raise WardeinError("requires no check at all", where=FILE, mend=mend)
    used = {name for check in read.values() for name in check.parameters}
    no_stray(sorted(set(general) - used), f"{FILE}: parameters", "no check of the policy has a setting of this name")
    found = Policy(
        _name(top.get("name")),
        digest,
        read,
        environment,
        tier,
        _tier(top.get("default_tier", "standard")),
        _approvals(layer.get("approvals", {})),
        _waivers(layer.get("waivers", {})),
        _break_glass(layer.get("break_glass", {})),
    )
    if found.approvals.required and "verify_artifact" not in found.required:
        mend = f"require verify_artifact in the tier {tier} too, or approvals cannot be told from the author's own"
        raise WardeinError("needs approvals but not the evidence of who made the model", where=FILE, mend=mend)
    return found


def _name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", value):
        raise WardeinError(f"name {value!r} is not a name of letters, digits and . _ -", where=FILE)
    return value


def _approvals(value: Any) -> ApprovalRules:
    where = f"{FILE}: approvals"
    data = members(value, where, {"required", "max_age_hours"})
    return ApprovalRules(whole(data.get("required", 0), where), number(data.get("max_age_hours", 24), where))


def _waivers(value: Any) -> WaiverRules:
    where = f"{FILE}: waivers"
    data = members(value, where, {"max_days", "max_severity"})
    severity = Severity(choice(data.get("max_severity", "high"), tuple(Severity), where))
    return WaiverRules(number(data.get("max_days", 0), where), severity)


def _break_glass(value: Any) -> BreakGlassRules:
    where = f"{FILE}: break_glass"
    data = members(value, where, {"max_hours", "follow_up_hours"})
    return BreakGlassRules(number(data.get("max_hours", 0), where), number(data.get("follow_up_hours", 72), where))


def _check(name: str, value: Any, general: Mapping[str, Any]) -> CheckPolicy:
    where = f"{FILE}: checks.{name}"
    data = members({} if value is None else value, where, _CHECK_KEYS)
    required = data.get("required", True)
    if not isinstance(required, bool):
        raise WardeinError("'required' is neither true nor false", where=where)
    database, listed = data.get("database_max_age_days"), items(data.get("criteria", []), f"{where}.criteria")
    return CheckPolicy(
        required=required,
        criteria=tuple(_criterion(item, f"{where}.criteria[{i}]") for i, item in enumerate(listed)),
        fail_severity=Severity(choice(data["fail_severity"], tuple(Severity), where))
        if "fail_severity" in data
        else None,
        max_age_hours=number(data.get("max_age_hours", 24), where),
        database_max_age_days=None if database is None else number(database, where),
        not_applicable=_condition(data.get("not_applicable"), where) if "not_applicable" in data else "",
        parameters=_pins(name, data.get("parameters", {}), general, f"{where}.parameters"),
        inputs=_digests(name, data.get("inputs", {}), f"{where}.inputs"),
    )


def _pins(check: str, value: Any, general: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The check's own pins, and those for all checks that have such a setting."""
    own = members(value, where)
    settings = {param.name for param in load_step(check).params if param.is_setting} if check in CHECKS else set(own)
    no_stray(sorted(set(own) - settings), where, f"{check} has no setting of this name")
    return {name: pinned for name, pinned in general.items() if name in settings} | dict(own)


def _digests(check: str, value: Any, where: str) -> Mapping[str, tuple[str, ...]]:
    found = {}
    artifacts = {param.name for param in load_step(check).params if param.artifact} if check in CHECKS else set()
    for name, digests in members(value, where).items():
        no_stray([] if name in artifacts else [name], where, f"{check} reads no artifact of this name")
        if not isinstance(digests, list) or not all(re.fullmatch(r"[0-9a-f]{64}", str(digest)) for digest in digests):
            raise WardeinError("is not a list of lower-case sha256 digests", where=f"{where}.{name}")
        found[name] = tuple(map(str, digests))
    return found


def _condition(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise WardeinError("'not_applicable' does not say when, in words", where=where, mend="leave it out for never")
    return value


def _criterion(value: Any, where: str) -> Criterion:
    data = members(value, where, {"metric", "slice", "at_least", "at_most", "bound", "min_n"})
    if ("at_least" in data) == ("at_most" in data):
        raise WardeinError("needs exactly one of at_least and at_most", where=where)
    comparator: Comparator = ">=" if "at_least" in data else "<="
    metric, part = data.get("metric"), data.get("slice", "")
    if not isinstance(metric, str) or not metric or not isinstance(part, str):
        raise WardeinError("'metric' or 'slice' is not a text", where=where)
    bounds: Sequence[str] = get_args(Bound)
    return Criterion(
        metric=metric,
        comparator=comparator,
        threshold=number(data.get("at_least", data.get("at_most")), where),
        bound=choice(data.get("bound", "point"), bounds, where),
        slice=part,
        min_n=whole(data.get("min_n", 0), where),
        source="policy",
    )
