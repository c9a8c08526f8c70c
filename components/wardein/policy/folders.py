# SPDX-License-Identifier: Apache-2.0
"""Two policy folders, compared in every environment and tier, their Rego rules included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from wardein.errors import UsageError
from wardein.policy import rego
from wardein.policy.compare import Change, changes
from wardein.policy.load import load_all
from wardein.policy.policy import TIERS, Policy, Tier

Places = Mapping[tuple[str, Tier], tuple[Change, ...]]
_LET_IN = Change("looser", "is let in: before, every release there was denied")
_SHUT_OUT = Change("tighter", "is not known any more: every release there is denied")


def in_every_place(old: Path, new: Path, environment: str = "", tier: str = "") -> Places:
    """The changes in every environment that either policy knows, and every tier; or only in those that are named.

    Raises:
        WardeinError: If a policy cannot be read.
        UsageError: If neither knows the environment.
    """
    before, after = load_all(old), load_all(new)
    places = list(dict.fromkeys(place for place, _ in (*before, *after)))
    if environment and environment not in places:
        known = ", ".join(filter(None, places)) or "none"
        raise UsageError("neither policy names it", where="--environment", mend=f"they name: {known}")
    rules = _rego_changes(old, new)
    found: dict[tuple[str, Tier], tuple[Change, ...]] = {}
    for place in [environment] if environment else places:
        for level in (level for level in TIERS if tier in ("", level)):
            was, now = _in(before, place, level), _in(after, place, level)
            if was and now:
                found[place, level] = (*changes(was, now), *rules)
            elif was or now:
                found[place, level] = (_SHUT_OUT if was else _LET_IN,)
    return found


def grouped(found: Places) -> list[str]:
    """Each change once, with where it holds; what gets looser first."""
    where: dict[Change, list[str]] = {}
    for (place, tier), listed in found.items():
        for change in listed:
            where.setdefault(change, []).append(f"{place or 'elsewhere'}/{tier}")
    lines = []
    for direction in ("looser", "other", "tighter"):
        for change, places in where.items():
            if change.direction == direction:
                scope = "everywhere" if len(places) == len(found) else ", ".join(places)
                lines.append(f"{direction:<8}{change.text}  ({scope})")
    return lines


def rego_names(folder: Path) -> list[str]:
    """The files with Rego rules in a policy folder."""
    return [path.relative_to(folder).as_posix() for path in rego.files(folder)]


def _in(policies: Mapping[tuple[str, Tier], Policy], place: str, tier: Tier) -> Policy | None:
    """The policy for an environment; None if it names others but not this one, and so denies there."""
    names_some = any(environment for environment, _ in policies)
    return policies.get((place if names_some else "", tier))


def _rego_changes(old: Path, new: Path) -> Sequence[Change]:
    """Rules can only deny: the first are tighter, none are looser. What else changes in them takes people."""
    before, after = ({name: (folder / name).read_bytes() for name in rego_names(folder)} for folder in (old, new))
    if before == after:
        return []
    if not before:
        return [Change("tighter", f"Rego rules: none -> {', '.join(after)}")]
    if not after:
        return [Change("looser", f"Rego rules: {', '.join(before)} -> none")]
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return [Change("other", f"Rego rules: {', '.join(names)} changed; compare them by eye, and with cases")]
