# SPDX-License-Identifier: Apache-2.0
"""Policies are read strictly: a misspelt rule must not be a missing rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from wardein.errors import WardeinError
from wardein.policy.load import load
from wardein.policy.packs import NAMES, PACKS
from wardein.report import Metric
from wardein.spec import CHECKS

GOOD = "version: 1\nname: p\nchecks:\n  evaluate_fairness:\n    criteria:\n      - {metric: m, at_most: 0.1}\n"


def policy(folder: Path, text: str) -> Path:
    (folder / "policy.yaml").write_text(text)
    return folder


@pytest.mark.parametrize("pack", NAMES)
def test_packs_are_valid(pack: str) -> None:
    found = load(PACKS / pack)
    assert found.name == pack
    assert set(found.checks) <= set(CHECKS)
    assert found.required


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a mapping"),
        ("version: 2\nname: p\nchecks: {a: {}}\n", "version"),
        ("version: 1\nname: p\nchecks: {}\n", "requires no check"),
        (GOOD.replace("at_most", "at_moist"), "unknown key 'at_moist'"),
        (GOOD.replace("at_most: 0.1", "at_most: 0.1, at_least: 0.2"), "exactly one"),
        (GOOD.replace("0.1", ".nan"), "not a number"),
        (GOOD.replace("0.1", "'0.1'"), "not a number"),
        (GOOD.replace("0.1", "true"), "not a number"),
        (GOOD.replace("0.1", "-1"), "not a number"),
        (GOOD.replace("0.1}", "0.1, bound: low}"), "none of point"),
        (GOOD.replace("    criteria", "    requried: false\n    criteria"), "unknown key 'requried'"),
        (GOOD.replace("    criteria", "    required: 1\n    criteria"), "neither true nor false"),
        (GOOD.replace("    criteria", "    fail_severity: severe\n    criteria"), "none of critical"),
        (GOOD + "name: q\n", "duplicate key"),
        (GOOD.replace("0.1}", "0.1, min_n: 0.5}"), "is not a whole number"),
        (GOOD.replace("0.1}", "0.1, bound: [point]}"), "none of point"),
        (GOOD.replace("metric: m", "metric: 1"), "is not a text"),
        (GOOD.replace("metric: m", "metric: ' '"), "is not a text"),
        (GOOD.replace("metric: m", "metric: [m]"), "is not a text"),
        (GOOD.replace("0.1}", "0.1, slice: 1}"), "is not a text"),
        (GOOD.replace("name: p", "name: 1"), "is not a name"),
        (GOOD.replace("name: p", "name: [p]"), "is not a name"),
        (GOOD.replace("    criteria", "    not_applicable: ' '\n    criteria"), "does not say when"),
        (GOOD + "extra: 1\n", "unknown key 'extra'"),
        ("a: [", "not valid YAML"),
        (GOOD.replace("    criteria", "    not_applicable: false\n    criteria"), "does not say when"),
        (GOOD.replace("    criteria", "    not_applicable:\n    criteria"), "does not say when"),
        (GOOD.replace("    criteria", "    parameters: {imutable: []}\n    criteria"), "no setting of this name"),
        (GOOD.replace("    criteria", "    parameters: {reference: null}\n    criteria"), "no setting of this name"),
        (GOOD.replace("    criteria", "    inputs: {data: abc}\n    criteria"), "not a list of"),
        (GOOD.replace("    criteria", "    inputs: {dta: []}\n    criteria"), "no artifact of this name"),
        (GOOD.replace("    criteria", "    required: false\n    criteria"), "requires no check"),
        (GOOD + "parameters: {lable: x}\n", "unknown key 'lable'"),
        (GOOD + "x: !!python/object/apply:os.system ['true']\n", "not valid YAML"),
    ],
)
def test_bad_policy_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(WardeinError, match=message):
        load(policy(tmp_path, text))


def test_missing_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WardeinError, match="a folder that holds policy"):
        load(tmp_path)


def test_digest_is_of_the_whole_folder(tmp_path: Path) -> None:
    before = load(policy(tmp_path, GOOD)).digest
    (tmp_path / "extra.rego").write_text("package x")
    assert load(tmp_path).digest != before


def test_a_star_stands_for_every_slice_that_was_measured(tmp_path: Path) -> None:
    found = load(policy(tmp_path, GOOD.replace("metric: m,", 'metric: m, slice: "attribute=*",')))
    metrics = [Metric("m", 0.5, 10, slice=name) for name in ("attribute=sex", "attribute=age", "other=1")]
    assert [c.slice for c in found.criteria_for("evaluate_fairness", metrics)] == ["attribute=age", "attribute=sex"]


def test_a_star_that_fits_nothing_is_not_met(tmp_path: Path) -> None:
    found = load(policy(tmp_path, GOOD.replace("metric: m,", 'metric: m, slice: "attribute=*",')))
    (criterion,) = found.criteria_for("evaluate_fairness", [])
    assert criterion.judge([]).met is False
