# SPDX-License-Identifier: Apache-2.0
"""``policy.yaml``, read strictly: required checks, thresholds, findings, ages. docs/policy.md documents it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, get_args

from wardein.errors import WardeinError, missing_extra
from wardein.report import Bound, Comparator, Criterion, Metric, Severity
from wardein.spec import CHECKS
from wardein.spec import load as load_step
from wardein.subject import digest_of

FILE = "policy.yaml"
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


@dataclass(frozen=True)
class CheckPolicy:
    """What the policy demands of one check.

    Attributes:
        required: Whether a release needs this check's evidence.
        criteria: Thresholds on its metrics.
        fail_severity: The least severe finding that stops a release, even if the check let it pass; None for none.
        max_age_hours: How old the evidence may be.
        database_max_age_days: How old the vulnerability database may be; None where the check has none.
        not_applicable: The condition under which NOT_APPLICABLE counts as passed; empty for never.
        parameters: Settings that a run must have had, with their values; all others must be at their defaults.
        inputs: By the parameter's name, the sha256 digests that an artifact may have; an empty list allows none.
    """

    required: bool = True
    criteria: tuple[Criterion, ...] = ()
    fail_severity: Severity | None = None
    max_age_hours: float = 24.0
    database_max_age_days: float | None = None
    not_applicable: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def criteria_on(self, metrics: Sequence[Metric]) -> tuple[Criterion, ...]:
        """The criteria with slice patterns spelled out.

        A criterion whose slice holds ``*`` stands for one on every slice that was measured and fits; if none was,
        it stays as it is, and so is not met.
        """
        spelled: list[Criterion] = []
        for criterion in self.criteria:
            measured = sorted({metric.slice for metric in metrics if metric.name == criterion.metric})
            fitting = [name for name in measured if "*" in criterion.slice and fnmatchcase(name, criterion.slice)]
            spelled += [replace(criterion, slice=name) for name in fitting] or [criterion]
        return tuple(spelled)


@dataclass(frozen=True)
class Policy:
    """A named policy and the digest of the folder that it was read from."""

    name: str
    digest: str
    checks: Mapping[str, CheckPolicy] = field(default_factory=dict)

    @property
    def required(self) -> tuple[str, ...]:
        """The checks without whose evidence no release passes."""
        return tuple(name for name, check in self.checks.items() if check.required)

    def criteria_for(self, check: str, metrics: Sequence[Metric]) -> tuple[Criterion, ...]:
        """The thresholds on the metrics of one check, slice patterns spelled out."""
        return self.checks[check].criteria_on(metrics) if check in self.checks else ()


def load(folder: Path) -> Policy:
    """Read the policy of a folder.

    Raises:
        WardeinError: If the file is missing, is not YAML, has a duplicate or unknown key, or a value of the wrong type.
    """
    try:
        import yaml
    except ModuleNotFoundError:
        raise missing_extra("yaml", "sign") from None
    path = folder / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WardeinError(
            f"cannot be read ({type(error).__name__})",
            where=str(path),
            mend="a policy is a folder that holds policy.yaml",
        ) from None
    try:
        data = yaml.load(text, Loader=_strict_loader(yaml))  # noqa: S506 - a SafeLoader that also refuses duplicate keys
    except yaml.YAMLError as error:
        raise WardeinError(f"is not valid YAML ({error})", where=FILE) from None
    return _policy(data, digest_of(folder))


def _policy(data: Any, digest: str) -> Policy:
    top = _members(data, FILE, {"version", "name", "parameters", "checks"})
    if top.get("version") != 1:
        raise WardeinError(f"version {top.get('version')!r} is not 1", where=FILE)
    checks = _members(top.get("checks"), f"{FILE}: checks", None)
    if not checks:
        raise WardeinError("requires no check at all", where=FILE, mend="list at least one check under 'checks'")
    general = _members(top.get("parameters", {}), f"{FILE}: parameters", None)
    read = {name: _check(name, value, general) for name, value in checks.items()}
    if not any(check.required for check in read.values()):
        raise WardeinError("requires no check at all", where=FILE, mend="leave 'required: false' out of at least one")
    used = {name for check in read.values() for name in check.parameters}
    _no_stray(sorted(set(general) - used), f"{FILE}: parameters", "no check of the policy has a setting of this name")
    return Policy(str(top.get("name", "")), digest, read)


def _check(name: str, value: Any, general: Mapping[str, Any]) -> CheckPolicy:
    where = f"{FILE}: checks.{name}"
    data = _members(
        value or {},
        where,
        _CHECK_KEYS,
    )
    required = data.get("required", True)
    if not isinstance(required, bool):
        raise WardeinError("'required' is neither true nor false", where=where)
    database = data.get("database_max_age_days")
    return CheckPolicy(
        required=required,
        criteria=tuple(
            _criterion(item, f"{where}.criteria[{i}]") for i, item in enumerate(_list(data.get("criteria", []), where))
        ),
        fail_severity=Severity(_choice(data["fail_severity"], tuple(Severity), where))
        if "fail_severity" in data
        else None,
        max_age_hours=_number(data.get("max_age_hours", 24), where),
        database_max_age_days=None if database is None else _number(database, where),
        not_applicable=_condition(data.get("not_applicable"), where) if "not_applicable" in data else "",
        parameters=_pins(name, data.get("parameters", {}), general, f"{where}.parameters"),
        inputs=_digests(name, data.get("inputs", {}), f"{where}.inputs"),
    )


def _pins(check: str, value: Any, general: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The check's own pins, and those for all checks that have such a setting."""
    own = _members(value, where, None)
    settings = {param.name for param in load_step(check).params if param.is_setting} if check in CHECKS else set(own)
    _no_stray(sorted(set(own) - settings), where, f"{check} has no setting of this name")
    return {name: pinned for name, pinned in general.items() if name in settings} | dict(own)


def _digests(check: str, value: Any, where: str) -> Mapping[str, tuple[str, ...]]:
    found = {}
    artifacts = {param.name for param in load_step(check).params if param.artifact} if check in CHECKS else set()
    for name, digests in _members(value, where, None).items():
        _no_stray([] if name in artifacts else [name], where, f"{check} reads no artifact of this name")
        if not isinstance(digests, list) or not all(re.fullmatch(r"[0-9a-f]{64}", str(digest)) for digest in digests):
            raise WardeinError("is not a list of lower-case sha256 digests", where=f"{where}.{name}")
        found[name] = tuple(map(str, digests))
    return found


def _condition(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise WardeinError("'not_applicable' does not say when, in words", where=where, mend="leave it out for never")
    return value


def _no_stray(names: Sequence[str], where: str, why: str) -> None:
    if names:
        raise WardeinError(f"has an unknown key {names[0]!r}", where=where, mend=why)


def _criterion(value: Any, where: str) -> Criterion:
    data = _members(value, where, {"metric", "slice", "at_least", "at_most", "bound", "min_n"})
    if ("at_least" in data) == ("at_most" in data):
        raise WardeinError("needs exactly one of at_least and at_most", where=where)
    comparator: Comparator = ">=" if "at_least" in data else "<="
    return Criterion(
        metric=str(data.get("metric") or _missing("metric", where)),
        comparator=comparator,
        threshold=_number(data.get("at_least", data.get("at_most")), where),
        bound=_choice(data.get("bound", "point"), get_args(Bound), where),
        slice=str(data.get("slice", "")),
        min_n=int(_number(data.get("min_n", 0), where)),
        source="policy",
    )


def _members(value: Any, where: str, allowed: set[str] | None) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise WardeinError("is not a mapping with names as keys", where=where)
    unknown = sorted(set(value) - allowed) if allowed is not None else []
    if unknown:
        raise WardeinError(
            f"has an unknown key {unknown[0]!r}", where=where, mend=f"known keys: {', '.join(sorted(allowed or ()))}"
        )
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise WardeinError("'criteria' is not a list", where=where)
    return value


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise WardeinError(f"{value!r} is not a number of 0 or more", where=where)
    return float(value)


def _choice(value: Any, allowed: tuple[Any, ...], where: str) -> Any:
    if value not in allowed:
        raise WardeinError(f"{value!r} is none of {', '.join(map(str, allowed))}", where=where)
    return value


def _missing(name: str, where: str) -> str:
    raise WardeinError(f"lacks {name!r}", where=where)


def _strict_loader(yaml: Any) -> Any:
    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML's class, imported late
        pass

    def mapping(loader: Any, node: Any) -> dict[Any, Any]:
        loader.flatten_mapping(node)
        pairs = [
            (loader.construct_object(key, deep=True), loader.construct_object(item, deep=True))
            for key, item in node.value
        ]
        names = [name for name, _ in pairs]
        if len(set(map(str, names))) != len(names):
            raise yaml.constructor.ConstructorError(None, None, "duplicate key", node.start_mark)
        return dict(pairs)

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    return Loader
