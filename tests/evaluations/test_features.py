# SPDX-License-Identifier: Apache-2.0
"""The declaration of a table's columns: read strictly, completed by the rows, and held against them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wardein.errors import WardeinError
from wardein.features import Declaration, complete, read

WHOLE = """\
columns:
  age: {kind: numeric, min: 17, max: 90, whole: true, only: increase}
  degree: {determined_by: years}
  years: {kind: ordinal, order: [1, 2, 3, 4]}
  sex: {kind: binary, immutable: true}
  spent: {kind: numeric, min: 0, at_most: income}
  income: {at_least: spent}
one_hot:
- [job_a, job_b, job_c]
"""


def rows(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    years, job = rng.integers(1, 5, n), rng.integers(0, 3, n)
    spent = rng.uniform(0, 50, n)
    return pd.DataFrame(
        {
            "age": rng.integers(20, 80, n),
            "degree": np.array(["none", "school", "college", "doctor"])[years - 1],
            "years": years,
            "sex": rng.choice(["f", "m"], n),
            "spent": spent,
            "income": spent + rng.uniform(0, 50, n),
            "job_a": (job == 0).astype(int),
            "job_b": (job == 1).astype(int),
            "job_c": (job == 2).astype(int),
        }
    )


def written(folder: Path, text: str) -> Path:
    path = folder / "features.yaml"
    path.write_text(text)
    return path


def test_yaml_and_json_say_the_same(tmp_path: Path) -> None:
    import yaml

    said = read(written(tmp_path, WHOLE))
    assert read(written(tmp_path, json.dumps(yaml.safe_load(WHOLE)))) == said
    assert said.one_hot == (("job_a", "job_b", "job_c"),)
    assert said.columns["age"].low == 17
    assert said.columns["years"].order == (1, 2, 3, 4)
    assert said.columns["spent"].at_most == "income"


BROKEN = {
    "columns: {age: {knid: numeric}}": "knid",
    "colunms: {}": "colunms",
    "columns: {age: {kind: number}}": "columns.age.kind",
    "columns: {age: {min: 3, max: 2}}": "columns.age",
    "columns: {age: {min: yes}}": "columns.age.min",
    "columns: {age: {min: true}}": "columns.age.min",
    "columns: {age: {whole: 1}}": "columns.age.whole",
    "columns: {age: {immutable: 'true'}}": "columns.age.immutable",
    "columns: {age: {only: up}}": "columns.age.only",
    "columns: {age: {order: [1]}}": "columns.age.order",
    "columns: {age: {order: [1, 1]}}": "columns.age.order",
    "columns: {age: {order: [1, [2]]}}": "columns.age.order",
    "columns: {age: {order: [1, 2], kind: numeric}}": "columns.age.order",
    "columns: {sex: {kind: binary, min: 0}}": "columns.sex.min",
    "columns: {sex: {kind: categorical, only: increase}}": "columns.sex.only",
    "columns: {age: {determined_by: []}}": "columns.age.determined_by",
    "columns: {age: {determined_by: [a, a]}}": "columns.age.determined_by",
    "columns: {age: {at_least: 3}}": "columns.age.at_least",
    "columns: [age]": "columns",
    "columns: {age: numeric}": "columns.age",
    "one_hot: [a, b]": "one_hot[0]",
    "one_hot: [[a]]": "one_hot[0]",
    "one_hot: [[a, b], [b, c]]": "one_hot[1]",
    "columns: {age: {min: 1}, age: {min: 2}}": "duplicate key",
    "columns: {age: {min: 1, min: 2}}": "duplicate key",
    "columns:\n  age: {kind: numeric\n": "line 3",
    "columns: {a: &x {min: 1}, b: *x}": "aliases",
    "columns: {a: !!python/object:os.system {}}": "tags",
    "{}": "declares nothing",
    "columns: {age: {min: 1e999}}": "not valid YAML",
    "- a": "not a mapping",
    "": "not a mapping",
}


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_no_declaration_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(WardeinError) as caught:
        read(written(tmp_path, text))
    assert BROKEN[text] in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


CONTRADICTED = {
    "columns: {wage: {min: 1}}": "'wage'",
    "columns: {age: {at_most: wage}}": "'wage'",
    "columns: {degree: {determined_by: [wage]}}": "'wage'",
    "one_hot: [[job_a, job_x]]": "'job_x'",
    "columns: {age: {at_least: age}}": "refers to itself",
    "columns: {age: {determined_by: sex}, sex: {determined_by: age}}": "circle",
    "columns: {age: {kind: numeric, min: 30}}": "less than its declared min 30",
    "columns: {age: {kind: numeric, max: 30}}": "more than its declared max 30",
    "columns: {income: {kind: numeric, whole: true}}": "declared whole",
    "columns: {age: {kind: numeric, max: 1.0e+30}}": "cannot hold",
    "columns: {degree: {kind: numeric}}": "no column of numbers",
    "columns: {degree: {min: 1}}": "no column of numbers",
    "columns: {degree: {kind: ordinal}}": "needs its order",
    "columns: {degree: {order: [none, school]}}": "not in the declared order",
    "columns: {years: {order: [one, two]}}": "another type",
    "columns: {degree: {kind: binary}}": "4 different values",
    "columns: {degree: {only: increase}}": "no meaning",
    "columns: {income: {at_most: spent}}": "not at most",
    "columns: {spent: {at_least: degree}}": "no column of numbers",
    "one_hot: [[job_a, job_b]]": "0 ones",
    "one_hot: [[job_a, years]]": "not in the values 0 and 1",
    "columns: {job_a: {kind: ordinal}}\none_hot: [[job_a, job_b, job_c]]": "one-hot group is binary",
}


@pytest.mark.parametrize("text", CONTRADICTED)
def test_a_declaration_that_the_rows_contradict_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(WardeinError) as caught:
        complete(read(written(tmp_path, text)), rows())
    assert CONTRADICTED[text] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_immutable_column_that_does_not_exist_is_refused() -> None:
    with pytest.raises(WardeinError, match="--immutable"):
        complete(None, rows(), ["wage"])


def test_what_was_not_declared_is_inferred_and_said() -> None:
    declared = complete(None, rows(), ["sex"])
    assert declared.one_hot == (("job_a", "job_b", "job_c"),)
    said = "\n".join(declared.decisions)
    assert "age: numeric, whole numbers, 21 to 77 (inferred)" in said
    assert "sex: binary, 2 values, immutable (partly declared)" in said
    assert "years: categorical, 4 values, follows degree (inferred)" in said
    assert "one-hot group of 3 columns: job_a, job_b, job_c (inferred)" in said
    assert len(declared.decisions) == 10


def test_what_was_declared_wins(tmp_path: Path) -> None:
    declared = complete(read(written(tmp_path, WHOLE)), rows())
    by_name = {feature.name: feature for feature in declared.features}
    assert by_name["degree"].determined_by == ("years",)
    assert (by_name["age"].low, by_name["age"].high) == (17, 90)
    assert by_name["years"].values.tolist() == [1, 2, 3, 4]
    assert "age: numeric, whole numbers, 17 to 90, can only increase (declared)" in declared.decisions


def test_chance_makes_no_two_names_of_one_thing() -> None:
    rng = np.random.default_rng(0)
    few = pd.DataFrame({"a": [1, 2, 3] * 3, "b": ["x", "y", "z"] * 3})  # too few rows to tell
    assert not any(feature.determined_by for feature in complete(None, few).features)
    many = pd.DataFrame({"a": rng.integers(0, 4, 500), "b": rng.choice(list("wxyz"), 500)})
    assert not any(feature.determined_by for feature in complete(None, many).features)


@pytest.mark.parametrize(
    ("change", "bad"),
    [
        ({}, False),
        ({"age": 89}, False),
        ({"age": 91}, True),
        ({"age": 18}, True),  # only: increase
        ({"age": 70.5}, True),
        ({"sex": "f"}, True),  # immutable; the row says m
        ({"years": 2}, True),  # without what follows it
        ({"years": 2, "degree": "school"}, False),
        ({"degree": "school"}, True),
        ({"degree": "master", "years": 5}, True),
        ({"spent": 45.0}, True),  # more than the income
        ({"spent": 45.0, "income": 46.0}, False),
        ({"spent": -1.0}, True),
        ({"spent": np.nan}, True),
        ({"job_a": 1}, True),
        ({"job_a": 1, "job_b": 0}, False),
        ({"job_b": 0}, True),
        ({"job_a": 0.5, "job_b": 0.5}, True),
    ],
)
def test_every_rule_holds(tmp_path: Path, change: dict, bad: bool) -> None:
    table = rows()
    own = {"age": 60, "degree": "none", "years": 1, "sex": "m", "spent": 10.0, "income": 20.0}
    table.loc[0, [*own]] = pd.Series(own)
    table.loc[0, ["job_a", "job_b", "job_c"]] = [0, 1, 0]
    declared = complete(read(written(tmp_path, WHOLE)), table)
    after = table.astype(object)
    for name, value in change.items():
        after.loc[0, name] = value
    assert declared.violations(table, after)[0] == bad
    assert not declared.violations(table, after)[1:].any()


def test_rows_come_back_as_they_were() -> None:
    table = rows().assign(
        flag=lambda t: t.age > 40,
        grade=lambda t: pd.Categorical(t.degree),
        mixed=lambda t: t.degree.where(t.age > 30, None),
        gaps=lambda t: t.spent.where(t.age > 30),
        small=lambda t: t.years.astype("int8"),
    )
    declared = complete(None, table)
    pd.testing.assert_frame_equal(declared.decoded(declared.encoded(table), table), table)


def test_nothing_declared_of_many_columns_is_quick_and_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(500, 300)), columns=[f"c{i}" for i in range(300)])
    declared = complete(Declaration(), table)
    assert not declared.violations(table, table).any()
    assert all(feature.kind == "numeric" for feature in declared.features)
