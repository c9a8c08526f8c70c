# SPDX-License-Identifier: Apache-2.0
"""The packs' own cases: every one holds, and every rule of a pack has one that tells when it is loosened."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import yaml
from wardein.errors import WardeinError
from wardein.policy.cases import CASES, Case, Table, read_cases
from wardein.policy.compare import changes
from wardein.policy.load import FILE, load_all
from wardein.policy.packs import NAMES, PACKS
from wardein.release.rehearsal import rehearse
from wardein.report import Severity

# By when a regular release has to follow is promote's to say, which reads it off its log.
NOT_THE_GATES = {"follow_up_hours"}
# A rule is its number; what it is about is not a rule of its own.
ABOUT = {"version", "name", "metric", "slice", "default_tier"}


@pytest.mark.parametrize("pack", NAMES)
def test_every_case_of_a_pack_holds(pack: str, tmp_path: Path) -> None:
    """Rego rules take a process for each case: only where they could make a difference are they asked."""
    table = read_cases(PACKS / pack / CASES)
    asked = {case.name for case in table.cases if not case.denied_by or "gate/rego rules" in case.denied_by}
    assert wrong(PACKS / pack, replace(table, cases=tuple(c for c in table.cases if c.name in asked))) == {}
    (tmp_path / FILE).write_bytes((PACKS / pack / FILE).read_bytes())
    assert (
        wrong(tmp_path, without_rego(replace(table, cases=tuple(c for c in table.cases if c.name not in asked)))) == {}
    )
    assert len(table.cases) > 40


def wrong(folder: Path, table: Table) -> dict[str, Any]:
    """The cases that do not come out as they say."""
    return {o.case.name: dict(o.reasons) for o in rehearse(folder, table) if not o.is_as_expected}


@pytest.mark.parametrize("pack", NAMES)
def test_an_honest_release_passes_in_every_environment_and_in_the_tiers_that_have_rules(pack: str) -> None:
    passing = [case for case in read_cases(PACKS / pack / CASES).cases if not case.denied_by]
    assert {case.environment for case in passing} == {place for place, _ in load_all(PACKS / pack)}
    assert {case.tier for case in passing} >= {None, *yaml.safe_load((PACKS / pack / FILE).read_text())["tiers"]}


def test_strict_is_nowhere_looser_than_baseline() -> None:
    baseline, strict = load_all(PACKS / "baseline"), load_all(PACKS / "strict")
    assert set(baseline) == set(strict)
    found = {change.direction for key in baseline for change in changes(baseline[key], strict[key])}
    assert found <= {"tighter", "other"}


def rules(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every rule of a policy, as the path to it: each check, each of its keys, each criterion and each of its keys."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if key not in ABOUT | NOT_THE_GATES:
            yield (*path, key)
            yield from rules(value, (*path, key))


def loosened(key: Any, value: Any) -> Any:
    """The rule a little looser; None if it can only be left out."""
    less_severe = list(Severity)[max(0, list(Severity).index(value) - 1)] if value in list(Severity) else ""
    by_key = {
        "required": (not value) if isinstance(value, bool) else (value - 1 if isinstance(value, int) else None),
        "bound": "point",
        "fail_severity": str(less_severe),
        "max_severity": str(less_severe),
        "at_least": value - abs(value) * 0.1 if isinstance(value, float) else None,
        "min_n": int(value * 0.9) if isinstance(value, int) else None,
    }
    if key in by_key:
        return by_key[key]
    return value * 1.1 if isinstance(value, (int, float)) else None


def mutants(pack: str) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """A pack with each of its rules loosened a little, or left out where nothing can be loosened."""
    policy = yaml.safe_load((PACKS / pack / FILE).read_text())
    for path in rules(policy):
        mutant = deepcopy(policy)
        holder = mutant
        for key in path[:-1]:
            holder = holder[key]
        changed = loosened(path[-1], holder[path[-1]])
        if changed is None:
            del holder[path[-1]]
        else:
            holder[path[-1]] = changed
        yield path, mutant


def without_rego(table: Table) -> Table:
    """The cases as they come out without Rego rules, which take a process for each."""
    cases = [replace(case, denied_by=case.denied_by - {"gate/rego rules"}) for case in table.cases]
    return replace(table, cases=tuple(c for c in cases if c.denied_by or not _denied(table, c.name)))


def _denied(table: Table, name: str) -> bool:
    return any(case.name == name and case.denied_by for case in table.cases)


@pytest.mark.slow
@pytest.mark.parametrize("pack", NAMES)
def test_no_rule_of_a_pack_can_be_loosened_unnoticed(pack: str, tmp_path: Path) -> None:
    table, before = without_rego(read_cases(PACKS / pack / CASES)), load_all(PACKS / pack)
    unnoticed, looked = [], 0
    for path, mutant in mutants(pack):
        (tmp_path / FILE).write_text(yaml.safe_dump(mutant))
        looked += 1
        try:
            if any(not outcome.is_as_expected for outcome in rehearse(tmp_path, nearest_first(table, path))):
                continue
        except WardeinError:
            continue  # a policy that does not load is noticed
        after = load_all(tmp_path)
        if set(after) != set(before) or any(changes(before[key], after[key]) for key in before):
            unnoticed.append(path)  # else it said what holds anyway
    assert unnoticed == []
    assert looked > 50


def nearest_first(table: Table, path: tuple[Any, ...]) -> Table:
    """The cases with those first that are likely to tell: of this tier or environment, and about this check."""

    def distance(case: Case) -> int:
        there = {case.tier or "standard", case.environment}
        elsewhere = len(path) > 1 and path[0] in ("tiers", "environments") and path[1] not in there
        return 2 * elsewhere + all(not reason.endswith(f" {part}") for reason in case.denied_by for part in path)

    return replace(table, cases=tuple(sorted(table.cases, key=distance)))


def test_a_rego_rule_left_out_is_noticed(tmp_path: Path) -> None:
    shutil.copytree(PACKS / "strict", tmp_path / "strict")
    (tmp_path / "strict" / "rules.rego").unlink()
    table = read_cases(PACKS / "strict" / CASES)
    asked = replace(table, cases=tuple(c for c in table.cases if "gate/rego rules" in c.denied_by))
    assert [o.is_as_expected for o in rehearse(tmp_path / "strict", asked)] == [False] * len(asked.cases)
    assert asked.cases
