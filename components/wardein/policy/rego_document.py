# SPDX-License-Identifier: Apache-2.0
"""What Rego rules see as ``input``: its types, and the one form of it that every engine reads alike.

Rules fail open where a member is missing or has another type: ``deny`` is then undefined, not true. Therefore the
document is held against its own types before any rule sees it. ``docs/rego.md`` explains the members.
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Mapping
from typing import Any, Literal, TypedDict, Union, get_args, get_origin, get_type_hints, is_typeddict

from wardein.errors import WardeinError

MAX_DEPTH = 32
# Both engines compare whole numbers up to here exactly, and fractions of this many decimals alike.
LARGEST = 10**15
DECIMALS = 9


class Named(TypedDict):
    """The policy: its name, and the digest of its folder."""

    name: str
    digest: str


class Signer(TypedDict):
    """Whose key signed a check's evidence."""

    name: str
    identity: str


class Covered(TypedDict):
    """How much a check looked at."""

    unit: str
    expected: int
    examined: int


class Measured(TypedDict):
    """A metric; the ends of its interval are null where the method gives none."""

    name: str
    slice: str
    value: float
    n: int
    unit: str
    ci_low: float | None
    ci_high: float | None


class Found(TypedDict):
    """A finding; what does not apply is an empty string."""

    rule: str
    severity: Literal["critical", "high", "medium", "low", "info"]
    message: str
    location: str
    fingerprint: str
    cve: str
    cwe: str
    waived: bool


class Program(TypedDict):
    """A tool that did the looking."""

    name: str
    version: str


class Check(TypedDict):
    """The evidence of one check that counted."""

    check: str
    verdict: Literal["PASS", "FAIL", "ERROR", "NOT_APPLICABLE"]
    signer: Signer
    age_hours: float
    database_age_days: float | None
    coverage: Covered
    parameters: dict[str, Any]
    metrics: list[Measured]
    findings: list[Found]
    tools: list[Program]


class Waived(TypedDict):
    """A waiver in force."""

    rule: str
    owner: str
    approver: str
    expires_in_hours: float
    justification: str


class Approved(TypedDict):
    """An approval that counted."""

    identity: str
    age_hours: float
    break_glass: bool


class Document(TypedDict):
    """The whole input."""

    version: Literal[1]
    environment: str
    tier: Literal["low", "standard", "high"]
    policy: Named
    subject: dict[str, str]
    checks: list[Check]
    waivers: list[Waived]
    approvals: list[Approved]


def portable(document: Mapping[str, Any]) -> str:
    r"""The document as JSON that every engine reads alike.

    Members are sorted, numbers rounded to nine decimals, and in strings ``"`` becomes ``'``, ``\`` becomes ``/`` and
    what is not printable ``?``.

    Raises:
        WardeinError: If it is not exactly of the type :class:`Document`.
    """
    return json.dumps(_fit(document, Document, "input"), ensure_ascii=False, sort_keys=True, allow_nan=False)


def members(kind: Any = Document) -> dict[str, Any]:
    """The names that may follow a dot, with the types of what they lead to; nothing may follow anywhere else."""
    return get_type_hints(kind) if is_typeddict(kind) else {}


def all_members(kind: Any = Document) -> frozenset[str]:
    """The names of every member anywhere in the document."""
    own = members(kind)
    inner = [member for child in [*own.values(), *get_args(kind)] for member in all_members(child)]
    return frozenset([*own, *inner])


def _fit(value: Any, kind: Any, where: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if is_typeddict(kind):
        hints = get_type_hints(kind)
        if not isinstance(value, Mapping) or set(value) != set(hints):
            raise _unfit(where, f"has not exactly the members {', '.join(hints)}")
        return {name: _fit(value[name], hint, f"{where}.{name}") for name, hint in hints.items()}
    if origin in (Union, types.UnionType):
        return None if value is None else _fit(value, arguments[0], where)
    if origin is Literal:
        if value not in arguments or isinstance(value, bool):
            raise _unfit(where, f"is none of {', '.join(map(str, arguments))}")
        return value
    if origin is list and isinstance(value, (list, tuple)):
        return [_fit(item, arguments[0], f"{where}[{index}]") for index, item in enumerate(value)]
    if origin is dict and isinstance(value, Mapping):
        return _object(value, arguments[1], where)
    return _plain(value, where) if kind is Any else _scalar(value, kind, where)


def _scalar(value: Any, kind: Any, where: str) -> Any:
    if kind is str and isinstance(value, str):
        return _text(value)
    if kind is bool and isinstance(value, bool):
        return value
    if kind in (int, float) and isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool):
        return _number(value, where)
    raise _unfit(where, f"is not of the type {getattr(kind, '__name__', kind)}")


def _plain(value: Any, where: str, depth: int = 0) -> Any:
    """Any JSON value, as settings of a check are."""
    if depth > MAX_DEPTH:
        raise _unfit(where, f"is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        fitted = {_key(name, where): _plain(item, f"{where}.{name}", depth + 1) for name, item in value.items()}
        return _unless_merged(fitted, value, where)
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(value)]
    if value is None or isinstance(value, bool):
        return value
    return _text(value) if isinstance(value, str) else _scalar(value, float, where)


def _object(value: Mapping[str, Any], kind: Any, where: str) -> dict[str, Any]:
    return _unless_merged({_key(name, where): _fit(item, kind, f"{where}.{name}") for name, item in value.items()},
                          value, where)  # fmt: skip


def _unless_merged(fitted: dict[str, Any], value: Mapping[str, Any], where: str) -> dict[str, Any]:
    if len(fitted) != len(value):
        raise _unfit(where, "has two names that differ only in characters that rules cannot see")
    return fitted


def _key(name: Any, where: str) -> str:
    if not isinstance(name, str):
        raise _unfit(where, "has a name that is not a string")
    return _text(name)


def _text(text: str) -> str:
    seen = text.replace('"', "'").replace("\\", "/")
    return "".join(character if character.isprintable() else "?" for character in seen)


def _number(value: int | float, where: str) -> int | float:
    if not math.isfinite(value) or abs(value) >= LARGEST:
        raise _unfit(where, f"is not a number below {LARGEST}")
    return value if isinstance(value, int) else round(value, DECIMALS) + 0.0


def _unfit(where: str, why: str) -> WardeinError:
    return WardeinError(why, where=where, mend="this is the gate's own document, not the rules': report it as a defect")
