# SPDX-License-Identifier: Apache-2.0
"""Slices: planted ones are found and named, none is found where there is none, and each is told once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from wardein.statistics.levels import levels_of
from wardein.statistics.slices import find_slices


def table(rows, seed, columns=12):
    random = np.random.default_rng(seed)
    numbers = {f"number{i}": random.normal(size=rows) for i in range(columns // 2)}
    names = {f"name{i}": random.choice(list("abcdefghij")[: 2 + 2 * i], rows) for i in range(columns // 2)}
    return pd.DataFrame(numbers | names), random


def columns_of(found):
    return {part.partition("=")[0] for part in found.name.split(", ")}


# --- what is planted is found -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("planted", "columns"),
    [
        (lambda t: t["name4"] == "c", {"name4"}),
        (lambda t: t["number2"] > 1.2816, {"number2"}),
        (lambda t: (t["name0"] == "a") & (t["name1"] == "b"), {"name0", "name1"}),
        (lambda t: (t["number1"] > 0.6745) & (t["name0"] == "a"), {"number1", "name0"}),
    ],
)
def test_a_bad_tenth_of_the_rows_is_found_and_named_first(planted, columns):
    right = 0
    for seed in range(20):
        rows, random = table(5000, seed)
        wrong = random.random(5000) < np.where(planted(rows), 0.25, 0.10)
        found = find_slices(rows, list(rows), wrong.astype(float))
        right += bool(found) and columns_of(found[0]) == columns
    assert right >= 18


def test_a_slice_of_larger_losses_is_found():
    rows, random = table(5000, 1)
    bad = (rows["name3"] == "a").to_numpy()
    losses = random.exponential(size=5000) * np.where(bad, 1.5, 1.0)
    found = find_slices(rows, list(rows), losses)
    assert [slice.name for slice in found] == ["name3=a"]
    assert found[0].inside == pytest.approx(losses[bad].mean(), abs=1e-12)
    assert found[0].outside == pytest.approx(losses[~bad].mean(), abs=1e-12)
    assert found[0].gap.low < 0.5 < found[0].gap.high
    assert (found[0].rows == bad).all()


def test_missing_values_are_a_slice():
    rows, random = table(4000, 2)
    rows.loc[random.random(4000) < 0.1, "number3"] = np.nan
    rows.loc[random.random(4000) < 0.1, "name2"] = None
    wrong = random.random(4000) < np.where(rows["number3"].isna(), 0.4, 0.1)
    assert [slice.name for slice in find_slices(rows, list(rows), wrong * 1.0)] == ["number3=missing"]
    wrong = random.random(4000) < np.where(rows["name2"].isna(), 0.4, 0.1)
    assert [slice.name for slice in find_slices(rows, list(rows), wrong * 1.0)] == ["name2=missing"]


def test_two_slices_are_both_found_and_the_worst_is_first():
    rows, random = table(20_000, 3)
    share = 0.1 + 0.3 * (rows["name1"] == "a") + 0.15 * (rows["number0"] > 1.2816)
    found = find_slices(rows, list(rows), (random.random(20_000) < share) * 1.0)
    assert columns_of(found[0]) == {"name1"}
    assert {"number0"} in [columns_of(slice) for slice in found]


def test_a_much_worse_part_of_a_bad_slice_is_told_as_well():
    rows, random = table(20_000, 4)
    parent = rows["name1"] == "a"
    share = 0.05 + 0.25 * parent + 0.4 * (parent & (rows["name2"] == "b"))
    names = [slice.name for slice in find_slices(rows, list(rows), (random.random(20_000) < share) * 1.0)]
    assert set(names[:2]) == {"name1=a", "name1=a, name2=b"}


# --- and nothing else is ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "draw",
    [
        lambda random: (random.random(1500) < 0.02) * 1.0,
        lambda random: (random.random(1500) < 0.2) * 1.0,
        lambda random: random.choice([-1.0, 0.0, 1.0], 1500, p=[0.03, 0.94, 0.03]),
        lambda random: random.lognormal(0, 1.5, 1500),
    ],
    ids=["rare errors", "errors", "differences", "losses"],
)
def test_where_nothing_is_planted_hardly_anything_is_found(draw):
    """At most one table of twenty by design; 200 tables show at most 15 of them, if that holds."""
    alarms = 0
    for seed in range(200):
        rows, random = table(1500, seed, columns=8)
        alarms += bool(find_slices(rows, list(rows), draw(random)))
    assert alarms <= 10


def test_a_slice_is_told_once_however_many_columns_say_it():
    rows, random = table(5000, 5)
    bad = (rows["name3"] == "a").to_numpy()
    rows["twin"] = np.where(bad, "yes", "no")
    rows["nearly"] = np.where(bad ^ (random.random(5000) < 0.005), 1, 0)
    found = find_slices(rows, list(rows), (random.random(5000) < 0.1 + 0.3 * bad) * 1.0)
    assert len(found) == 1


def test_a_column_that_goes_along_with_a_bad_one_is_not_told_as_well():
    rows, random = table(10_000, 10)
    bad = random.random(10_000) < 0.2
    rows["bad"] = np.where(bad, "yes", "no")
    rows["along"] = np.where(random.random(10_000) < np.where(bad, 0.7, 0.2), "yes", "no")
    found = find_slices(rows, list(rows), (random.random(10_000) < 0.1 + 0.3 * bad) * 1.0)
    assert [slice.name for slice in found] == ["bad=yes"]


def test_a_second_column_is_named_only_where_it_matters():
    """Most rows have the same value there, so that by chance that part may look worse than the whole slice."""
    names = []
    for seed in range(30):
        rows, random = table(5000, seed)
        rows = rows[["name1"]].assign(mostly=random.choice(["x", "y"], 5000, p=[0.7, 0.3]))
        wrong = random.random(5000) < np.where(rows["name1"] == "a", 0.5, 0.1)
        names.append([slice.name for slice in find_slices(rows, list(rows), wrong * 1.0)])
    assert names == [["name1=a"]] * 30


def test_the_interval_holds_the_true_gap():
    """Simultaneous intervals are wide: the one of the slice that is found holds the truth nearly always."""
    held = 0
    for seed in range(60):
        rows, random = table(5000, seed)
        bad = rows["name4"] == "c"
        found = find_slices(rows, list(rows), (random.random(5000) < np.where(bad, 0.35, 0.10)) * 1.0)
        held += any(slice.name == "name4=c" and slice.gap.low <= 0.25 <= slice.gap.high for slice in found)
    assert held >= 56


def test_a_tolerance_is_tolerated():
    rows, random = table(20_000, 6)
    wrong = (random.random(20_000) < np.where(rows["name1"] == "a", 0.2, 0.1)) * 1.0
    assert find_slices(rows, list(rows), wrong)
    assert not find_slices(rows, list(rows), wrong, tolerance=0.15)


# --- whatever the table -----------------------------------------------------------------------------------------


def test_the_order_of_rows_and_columns_does_not_matter():
    rows, random = table(3000, 7)
    wrong = (random.random(3000) < np.where(rows["name1"] == "a", 0.4, 0.1)) * 1.0
    order = np.random.default_rng(0).permutation(3000)
    one = find_slices(rows, list(rows), wrong)
    other = find_slices(rows.iloc[order], list(rows)[::-1], wrong[order])
    assert [(slice.name, slice.gap) for slice in one] == [(slice.name, slice.gap) for slice in other]
    assert one


@pytest.mark.parametrize("values", [np.zeros(300), np.ones(300)])
def test_equal_values_have_no_slices(values):
    rows, _ = table(300, 8)
    assert find_slices(rows, list(rows), values) == []


def test_hardly_any_rows_and_useless_columns_have_no_slices():
    rows = pd.DataFrame({"id": range(3), "same": 1, "none": [None] * 3, "text": ["a", "b", "c"]})
    assert find_slices(rows, list(rows), np.array([1.0, 0.0, 0.0])) == []
    rows = pd.DataFrame(
        {"id": range(400), "same": 1, "none": [None] * 400, "nan": np.nan, "text": map(str, range(400))}
    )
    assert find_slices(rows, ["same", "none", "nan", "text"], np.arange(400) % 2.0) == []
    assert find_slices(rows, [], np.arange(400) % 2.0) == []


def test_a_slice_has_rows_enough_and_at_most_half_of_them():
    rows = pd.DataFrame({"name": ["bad"] * 40 + ["good"] * 960})
    wrong = (rows["name"] == "bad").to_numpy() * 1.0
    assert find_slices(rows, ["name"], wrong) == []
    assert [slice.name for slice in find_slices(rows, ["name"], wrong, least=40)] == ["name=bad"]
    assert find_slices(rows, ["name"], 1 - wrong, least=40) == []


def test_wide_tables_are_searched_all_the_same():
    random = np.random.default_rng(9)
    rows = pd.DataFrame({f"n{i}": random.normal(size=2000) for i in range(80)})
    rows["name"] = random.choice(list("ab"), 2000)
    bad = (rows["n7"] > 0.6745) & (rows["name"] == "a")
    found = find_slices(rows, list(rows), (random.random(2000) < 0.1 + 0.6 * bad) * 1.0)
    assert columns_of(found[0]) == {"n7", "name"}


# --- levels -----------------------------------------------------------------------------------------------------


def test_levels_of_a_number():
    random = np.random.default_rng(0)
    age = pd.Series(random.integers(17, 90, 10_000), name="age")
    levels = levels_of(age, 4, 50)
    names = [levels.name(i, i) for i in range(levels.size)]
    assert names[0].startswith("age=<")
    assert names[-1].endswith("+")
    assert all("." not in name for name in names)
    low, high = (int(part.lstrip("<")) for part in names[1].removeprefix("age=").split(" to "))
    assert ((age >= low) & (age < high)).equals(pd.Series(levels.codes == 1, name="age"))
    assert levels.name(0, 1) == f"age=<{high}"
    assert levels.name(1, levels.size - 1) == f"age={low}+"


def test_a_value_that_most_rows_share_is_a_level():
    gain = pd.Series([0] * 900 + list(range(1, 101)), name="gain")
    levels = levels_of(gain, 10, 50)
    assert [levels.name(i, i) for i in range(levels.size)] == ["gain=<1", "gain=1+"]
    gain = pd.Series(list(range(-50, 0)) + [0] * 900 + list(range(1, 51)), name="gain")
    levels = levels_of(gain, 10, 50)
    assert [levels.name(i, i) for i in range(levels.size)] == ["gain=<0", "gain=0 to <1", "gain=1+"]


def test_few_numbers_are_levels_of_their_own():
    levels = levels_of(pd.Series([1.0, 2.0, 4.0, np.nan] * 5, name="grade"), 4, 1)
    assert [levels.name(i, i) for i in range(4)] == ["grade=1", "grade=2", "grade=4", "grade=missing"]
    assert levels.name(0, 2) == "grade=1 to 4"


def test_categories_that_are_written_alike_are_one_level():
    column = pd.Series(["a,b", "a;b", "x = 1", None, "", "missing"] * 10, name="odd")
    levels = levels_of(column, 4, 10)
    assert sorted(levels.names) == ["a;b", "empty", "missing", "x : 1"]
    assert np.bincount(levels.codes).sum() == 60


def test_most_of_a_bad_part_does_not_stand_for_it():
    """Three quarters of a bad part, a little worse than the rest of it by chance, are not what is bad."""
    rows = pd.DataFrame({"name": np.repeat(list("abcde"), 2000), "kind": np.tile(list("pppq"), 2500)})
    wrong = np.zeros(10_000)
    for place in np.unique(rows["name"]):
        for kind, share in (("p", 0.415), ("q", 0.355)):
            part = np.flatnonzero((rows["name"] == place) & (rows["kind"] == kind))
            wrong[part[: round(len(part) * (share if place == "a" else 0.1))]] = 1
    assert [slice.name for slice in find_slices(rows, list(rows), wrong)] == ["name=a"]


def test_a_bad_part_with_a_little_more_is_not_told_again():
    """Four tenths are very bad and the next one is bad: all five together are the same part seen again."""
    step = np.repeat(np.arange(10), 400)
    wrong = np.zeros(4000)
    for i in range(10):
        wrong[np.flatnonzero(step == i)[: 240 if i < 4 else 120 if i == 4 else 40]] = 1
    names = [slice.name for slice in find_slices(pd.DataFrame({"step": step}), ["step"], wrong)]
    assert names[0] == "step=0 to 3"
    assert "step=0 to 4" not in names
