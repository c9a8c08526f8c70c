# SPDX-License-Identifier: Apache-2.0
"""Evaluation gaming: test data that make a model look better, or better known, than it is.

The whole way, with the real checks and the baseline policy: whoever runs the pipeline chooses the data and the
parameters, the checks run and sign as they should, and the gate denies, by the rule that is meant to.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from demo.world import LABEL
from tests.conformance.world import Ready, command_line
from tests.conftest import Ran

ON_DATA = ("validate_data", "evaluate_performance", "evaluate_robustness", "evaluate_fairness")


@dataclass
class Author:
    """A pipeline author without keys: he chooses data and parameters, and the pipeline runs and signs."""

    ready: Ready
    folder: Path
    wardein: Callable[..., Ran]
    reports: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, Path] = field(default_factory=dict)

    @property
    def test(self) -> pd.DataFrame:
        return pd.read_csv(self.ready.world.test_data)

    @property
    def train(self) -> pd.DataFrame:
        return pd.read_csv(self.ready.folder / "train.csv")

    def release(self, data: pd.DataFrame, *, train: pd.DataFrame | None = None, **changed: Mapping[str, object]) -> Ran:
        """Run every check on this data, then the gate."""
        shown = {"data": self.folder / "data.csv", "reference": self.ready.folder / "train.csv"}
        data.to_csv(shown["data"], index=False)
        if train is not None:
            shown["reference"] = self.folder / "train.csv"
            train.to_csv(shown["reference"], index=False)
        claims = {check: self.ready.evidence(check) for check in ("scan_image", "scan_model")}
        for check in (*ON_DATA, "verify_artifact"):
            arguments = {**self.ready.arguments(check, self.folder), **changed.get(check, {})}
            arguments |= {name: path for name, path in (shown | self.rules).items() if name in arguments}
            claims[check] = self.folder / f"{check}.jsonl"
            signed = ("--evidence", claims[check], "--key", self.ready.world.key("check"), "--json")
            ran = self.wardein(*command_line(check, arguments), *signed)
            assert "Traceback" not in ran.err
            self.reports[check] = ran.report
        arguments = {
            **self.ready.arguments("gate", self.folder),
            **shown,
            **self.rules,
            "claims": list(claims.values()),
        }
        return self.wardein(*command_line("gate", arguments), "--json")

    def metric(self, check: str, name: str, part: str = "") -> float:
        """What a check measured."""
        measured = self.reports[check]["metrics"]
        return next(m["value"] for m in measured if (m["name"], m.get("slice", "")) == (name, part))


@pytest.fixture
def author(ready: Ready, tmp_path: Path, wardein: Callable[..., Ran]) -> Author:
    return Author(ready, tmp_path, wardein)


def denials(ran: Ran, rule: str) -> str:
    """What the gate says by one rule."""
    assert ran.code == 1, ran.out
    return "\n".join(f"{f['location']}: {f['message']}" for f in ran.report["findings"] if f["ruleId"] == rule)


def test_the_honest_release_passes(author: Author) -> None:
    ran = author.release(author.test)
    assert ran.code == 0, ran.out
    assert author.metric("validate_data", "duplicate_fraction") == 0
    assert author.metric("validate_data", "overlap_fraction", "with=reference") == 0


def well_predicted(author: Author) -> pd.DataFrame:
    """The rows of the test data that the model gets right, the surest first."""
    import skops.io

    from wardein.modelfiles.allowlist import audited

    model = skops.io.load(author.ready.model, trusted=sorted(audited()))
    table = author.test
    shares = model.predict_proba(table.drop(columns=LABEL))
    right = np.flatnonzero(model.classes_[shares.argmax(axis=1)] == table[LABEL])
    return table.iloc[sorted(right, key=lambda row: -shares[row].max())]


# Too few rows


def test_a_tiny_test_set(author: Author) -> None:
    """Forty rows on which the model makes no mistake."""
    denied = author.release(well_predicted(author).head(40))
    assert author.metric("evaluate_performance", "accuracy") == 1
    assert "only 40 examples, 100 required" in denials(denied, "gate/criterion")


def test_a_tiny_group(author: Author) -> None:
    """So few of one group that nothing can be shown of it; by a hair above nobody."""
    table = author.test
    few = pd.concat([table[table["sex"] == 1], table[table["sex"] == 2].head(3)])
    assert len(few) > 100
    denied = author.release(few)
    assert "evaluate_fairness" in denials(denied, "gate/not-passed")
    assert "fairness/small-group" in {f["ruleId"] for f in author.reports["evaluate_fairness"]["findings"]}


def test_one_group_only(author: Author) -> None:
    table = author.test
    denied = author.release(table[table["sex"] == 1])
    assert "evaluate_fairness" in denials(denied, "gate/not-passed")


# The same rows again


def fresh_identifiers(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return table.assign(id=random.permutation(len(table)), noise=random.normal(size=len(table)))


def inflated(author: Author) -> pd.DataFrame:
    """Forty well predicted rows, five times over: 200 rows, and intervals as narrow as for 200 patients."""
    return pd.concat([well_predicted(author).head(40)] * 5, ignore_index=True)


def test_duplicated_rows(author: Author) -> None:
    denied = author.release(inflated(author))
    assert author.metric("validate_data", "duplicate_fraction") == 0.8
    assert "duplicate_fraction <= " in denials(denied, "gate/criterion")


def test_duplicated_rows_under_new_identifiers(author: Author) -> None:
    denied = author.release(fresh_identifiers(inflated(author), 0), train=fresh_identifiers(author.train, 1))
    assert author.metric("validate_data", "duplicate_fraction") == 0.8
    assert "duplicate_fraction <= " in denials(denied, "gate/criterion")


def test_duplicated_rows_with_numbers_changed_beyond_notice(author: Author) -> None:
    table = inflated(author)
    table["bmi"] *= 1 + np.random.default_rng(0).normal(size=len(table)) * 1e-12
    assert not table.duplicated().any()
    assert "duplicate_fraction <= " in denials(author.release(table), "gate/criterion")


# Rows of the training data


def test_the_training_data_as_test_data(author: Author) -> None:
    denied = author.release(author.train)
    assert author.metric("validate_data", "overlap_fraction", "with=reference") == 1
    assert "overlap_fraction[with=reference] <= " in denials(denied, "gate/criterion")


@pytest.mark.parametrize("disguise", ["none", "identifiers", "order", "precision"])
def test_a_tenth_of_training_rows(author: Author, disguise: str) -> None:
    train = author.train
    mixed = pd.concat([author.test, train.sample(25, random_state=0)]).sample(frac=1, random_state=0)
    if disguise == "identifiers":
        mixed, train = fresh_identifiers(mixed, 0), fresh_identifiers(train, 1)
    elif disguise == "order":
        mixed = mixed[sorted(mixed.columns, reverse=True)]
        train = train[sorted(train.columns, reverse=True)]
    elif disguise == "precision":
        mixed[["bmi", "s4"]] += 1e-9
    denied = author.release(mixed, train=train)
    assert author.metric("validate_data", "overlap_fraction", "with=reference") > 0.09
    assert "overlap_fraction[with=reference] <= " in denials(denied, "gate/criterion")


def test_without_a_reference_nothing_is_known_of_training_rows(author: Author, tmp_path: Path) -> None:
    """A suite of one's own, that expects nothing: the gate asks for the measurement."""
    suite = tmp_path / "suite.json"
    suite.write_text(
        '{"name": "s", "expectations": [{"type": "expect_table_row_count_to_be_between",'
        ' "kwargs": {"min_value": 1}, "meta": {}}], "meta": {}}'
    )
    arguments = {"data": author.ready.world.test_data, "suite": suite}
    claim = tmp_path / "validate_data.jsonl"
    signed = ("--evidence", claim, "--key", author.ready.world.key("check"))
    assert author.wardein(*command_line("validate_data", arguments), *signed).code == 0
    given = dict(author.ready.arguments("gate", tmp_path))
    others = [path for path in given["claims"] if path.name != "validate_data.jsonl"]
    denied = author.wardein(*command_line("gate", {**given, "suite": suite, "claims": [claim, *others]}), "--json")
    assert "overlap_fraction[with=reference] <= 0.05: not measured" in denials(denied, "gate/criterion")


# Slices that are not what they are called


def test_another_sensitive_column(author: Author) -> None:
    """A coin in the place of the attribute, under a name of its own."""
    coin = np.random.default_rng(0).integers(1, 3, len(author.test))
    changed = {"evaluate_fairness": {"sensitive": ["gender"], "bins": {}}}
    train = author.train
    denied = author.release(
        author.test.assign(gender=coin), train=train.assign(gender=np.resize([1, 2], len(train))), **changed
    )
    text = denials(denied, "gate/parameter")
    assert "sensitive" in text
    assert "bins" in text


def test_a_sensitive_column_less(author: Author) -> None:
    changed = {"evaluate_fairness": {"sensitive": ["age"]}}
    assert "sensitive" in denials(author.release(author.test, **changed), "gate/parameter")


def test_bins_that_put_everybody_in_one_group(author: Author) -> None:
    changed = {"evaluate_fairness": {"bins": {"age": "200"}}}
    denied = author.release(author.test, **changed)
    assert denials(denied, "gate/parameter") or denials(denied, "gate/not-passed")


def test_groups_that_are_renamed_to_nothing(author: Author) -> None:
    """Whoever is treated badly loses the attribute, and would be in no group."""
    table = author.test
    table["sex"] = table["sex"].astype(float).mask((table["sex"] == 2) & (table.index % 2 == 0))
    assert 40 < table["sex"].isna().sum() < 100
    denied = author.release(table)
    assert denials(denied, "gate/not-passed")


def test_a_slice_that_was_not_measured(author: Author) -> None:
    changed = {"evaluate_robustness": {"epsilons": [0.01]}}
    denied = author.release(author.test, **changed)
    assert "epsilon=0.1" in denials(denied, "gate/criterion")
    assert "not measured" in denials(denied, "gate/criterion")
    assert "epsilons" in denials(denied, "gate/parameter")


# What only the policy's list of data sets can stop


def with_pinned_inputs(author: Author, **pinned: Path) -> None:
    """From here on the policy lists which data sets count, by their sha256."""
    import yaml
    from wardein.subject import digest_of

    folder = author.folder / "pinned"
    shutil.copytree(author.ready.world.policy, folder / "policy")
    rules = yaml.safe_load((folder / "policy" / "policy.yaml").read_text())
    for check in ON_DATA:
        names = author.ready.arguments(check, author.folder)
        inputs = {name: [digest_of(path)] for name, path in pinned.items() if name in names}
        rules["checks"][check]["inputs"] = inputs | rules["checks"][check].get("inputs", {})
    (folder / "policy" / "policy.yaml").write_text(yaml.safe_dump(rules))
    trust = json.loads(author.ready.world.trust.read_text())
    (folder / "trust.json").write_text(json.dumps({**trust, "policyDigest": digest_of(folder / "policy")}))
    author.rules = {"trust": folder / "trust.json", "policy": folder / "policy"}


def test_rows_that_the_model_gets_right_take_a_pinned_data_set(author: Author) -> None:
    """Chosen rows are new, real and many: nothing in them shows how they were chosen. The digest in a policy does."""
    chosen = well_predicted(author)
    assert len(chosen) > 100
    assert author.release(chosen).code == 0
    assert author.metric("evaluate_performance", "accuracy") == 1
    with_pinned_inputs(author, data=author.ready.world.test_data, reference=author.ready.folder / "train.csv")
    denied = author.release(chosen)
    assert "evaluate_performance: was made with another data" in denials(denied, "gate/other-input")
    assert author.release(author.test).code == 0


def test_a_reference_that_is_not_the_training_data_takes_a_pinned_one(author: Author) -> None:
    """Rows in common are looked for in what is shown as the training data. Only a policy knows whether it is."""
    train = author.train
    shifted = train.assign(**{name: train[name] + 1 for name in ("age", "bmi", "bp")})
    assert author.release(train, train=shifted).code == 0
    with_pinned_inputs(author, reference=author.ready.folder / "train.csv")
    denied = author.release(train, train=shifted)
    assert "validate_data: was made with another reference" in denials(denied, "gate/other-input")
    assert "overlap_fraction" in denials(author.release(train), "gate/criterion")
