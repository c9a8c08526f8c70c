# SPDX-License-Identifier: Apache-2.0
"""What was declared of a table, completed by what its rows show, and held against them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from wardein.errors import WardeinError
from wardein.features.declaration import Column, Declaration
from wardein.features.declared import Declared, Feature
from wardein.tables import columns_of, require_columns, shown

if TYPE_CHECKING:
    import pandas as pd

    from wardein.features.declaration import Kind

WHERE = "--features"
# A column of whole numbers with no more distinct values than this is taken for a category's codes.
FEW = 10
# Two columns are taken for two names of one thing if each value of one has gone with one of the other, so often.
_FEWEST_NAMES, _ROWS_PER_NAME = 3, 5


def complete(declaration: Declaration | None, table: pd.DataFrame, immutable: Sequence[str] = ()) -> Declared:
    """Complete a declaration by what the rows show.

    Args:
        declaration: What was declared; None if nothing was.
        table: Rows with the model's features and nothing else.
        immutable: Further columns that nobody can change.

    Raises:
        WardeinError: If it names a column that does not exist, contradicts itself, or the rows contradict it.
    """
    declaration = declaration or Declaration()
    _require_names(declaration, table)
    require_columns(table, list(immutable), "--immutable")
    said = {str(name): declaration.columns.get(str(name), Column()) for name in table.columns}
    groups = declaration.one_hot + tuple(_one_hot_groups(table, said, declaration.one_hot))
    hot = {name for group in groups for name in group}
    features = {name: _feature(name, table[name], said[name], name in hot, name in immutable) for name in said}
    twins = _twins(table, features, said, hot)
    for name, first in twins.items():
        features[name] = replace(features[name], determined_by=(first,))
    _require_no_circle(features)
    observed = {
        name: _together(table, features, feature) for name, feature in features.items() if feature.determined_by
    }
    declared = Declared(
        tuple(features.values()),
        groups,
        observed,
        (*_words(features, said, immutable), *_words_of_groups(groups, declaration.one_hot)),
    )
    _require_fit(declared, table)
    return declared


def _require_names(declaration: Declaration, table: pd.DataFrame) -> None:
    """Refuse names of columns that the model does not have."""
    named = [(name, f"columns.{shown(name)}") for name in declaration.columns]
    for name, column in declaration.columns.items():
        where = f"columns.{shown(name)}"
        if name in (*column.determined_by, column.at_least, column.at_most):
            raise WardeinError("refers to itself", where=f"{WHERE} {where}")
        named += [(other, f"{where}.determined_by") for other in column.determined_by]
        named += [(other, f"{where}.at_least") for other in (column.at_least,) if other]
        named += [(other, f"{where}.at_most") for other in (column.at_most,) if other]
    named += [(name, f"one_hot[{i}]") for i, group in enumerate(declaration.one_hot) for name in group]
    known = set(map(str, table.columns))
    for name, where in named:
        if name not in known:
            what = f"names the column {shown(name)!r}, which is none of the model's features"
            raise WardeinError(what, where=f"{WHERE} {where}", mend=columns_of(table))


def _feature(name: str, column: pd.Series, said: Column, hot: bool, immutable: bool) -> Feature:
    """A column's own part; what was declared of it wins, if it can be."""
    import numpy as np
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    where = f"{WHERE} columns.{shown(name)}"
    number = is_numeric_dtype(column) and not is_bool_dtype(column)
    kind = "binary" if hot else said.kind or _kind(column, number)
    bounds = said.low is not None or said.high is not None or said.whole is not None
    if not said.kind and kind != "numeric" and number and not hot and (bounds or said.at_least or said.at_most):
        kind = "numeric"  # ends are declared of numbers, however few were seen
    if (kind == "numeric" or bounds or said.at_least or said.at_most) and not (number and kind == "numeric"):
        raise WardeinError(f"the column {shown(name)!r} is no column of numbers between two ends", where=where)
    if hot and said.kind not in (None, "binary"):
        raise WardeinError(f"a column of a one-hot group is binary, not {said.kind}", where=where)
    if kind == "ordinal" and not said.order and not number:
        raise WardeinError("an ordinal column of texts needs its order", where=where, mend="list its values: order")
    values = _values(column, said, hot, where)
    if kind == "binary" and len(values) > 2:
        raise WardeinError(f"is declared binary, and holds {len(values)} different values", where=where)
    if said.only and kind not in ("numeric", "ordinal"):
        raise WardeinError(f"has no meaning for a {kind} column", where=f"{where}.only", mend="declare it ordinal")
    low = high = 0.0
    whole = False
    if kind == "numeric":
        numbers = column.dropna().to_numpy(dtype=float)
        numbers = numbers if len(numbers) else np.zeros(1)
        low = float(numbers.min()) if said.low is None else said.low
        high = float(numbers.max()) if said.high is None else said.high
        integral = bool((numbers == np.rint(numbers)).all())
        whole = integral if said.whole is None else said.whole
        for bad, what in (
            (numbers.min() < low, f"holds {numbers.min():g}, less than its declared min {low:g}"),
            (numbers.max() > high, f"holds {numbers.max():g}, more than its declared max {high:g}"),
            (whole and not integral, "is declared whole, and holds numbers that are not"),
            (not _holds(column, low, high), f"is of the type {column.dtype}, which cannot hold {low:g} to {high:g}"),
        ):
            if bad:
                raise WardeinError(f"the column {shown(name)!r} {what}", where=where, mend="mend one of them")
        values = values.iloc[:0]
    return Feature(
        name, kind, low, high, whole, values, said.immutable or immutable,
        said.only, said.determined_by, said.at_least, said.at_most,
    )  # fmt: skip


def _holds(column: pd.Series, low: float, high: float) -> bool:
    """Whether the column's own type has room for both ends; beyond it, whole numbers turn into others."""
    import numpy as np

    if not isinstance(column.dtype, np.dtype) or column.dtype.kind not in "iu":
        return True
    room = np.iinfo(column.dtype)
    return bool(room.min <= low and high <= room.max)


def _kind(column: pd.Series, number: bool) -> Kind:
    distinct = column.nunique()
    if distinct <= 2:
        return "binary"
    if not number:
        return "categorical"
    numbers = column.dropna()
    return "categorical" if distinct <= FEW and bool((numbers == numbers.round()).all()) else "numeric"


def _values(column: pd.Series, said: Column, hot: bool, where: str) -> pd.Series:
    """All values of a column that is not numeric, in the table's own type."""
    import pandas as pd

    seen = column.dropna().drop_duplicates()
    ordered = sorted(seen.tolist(), key=_rank)
    wanted = list(said.order) if said.order else [0, 1] if hot else ordered
    try:
        values = pd.Series(wanted, dtype=column.dtype)
    except (TypeError, ValueError):
        raise WardeinError("holds values of another type than the column", where=f"{where}.order") from None
    strange = seen[~seen.isin(values)]
    if len(strange):
        listed = "the values 0 and 1 of a one-hot group" if hot else "the declared order"
        raise WardeinError(f"the column holds {strange.iloc[0]!r}, which is not in {listed}", where=where)
    return values


def _rank(value: object) -> tuple[bool, float, str]:
    """Numbers by size, then everything else by its text: columns of objects may hold both."""
    return (False, float(value), "") if isinstance(value, int | float) else (True, 0.0, str(value))


def _one_hot_groups(
    table: pd.DataFrame, said: Mapping[str, Column], declared: Sequence[Sequence[str]]
) -> Iterator[tuple[str, ...]]:
    """Columns of zeros and ones whose names begin alike, exactly one of which is one in every row."""
    taken = {name for group in declared for name in group}
    alike: dict[str, list[str]] = {}
    for name in map(str, table.columns):
        prefix = name.rpartition("=")[0] or name.rpartition("_")[0]
        if prefix and name not in taken and said[name].kind in (None, "binary") and table[name].isin([0, 1]).all():
            alike.setdefault(prefix, []).append(name)
    for names in alike.values():
        if len(names) > 1 and (table[names].astype(float).sum(axis=1) == 1).all():
            yield tuple(names)


def _twins(
    table: pd.DataFrame, features: Mapping[str, Feature], said: Mapping[str, Column], hot: set[str]
) -> dict[str, str]:
    """Columns that are another name of an earlier one, such as a degree and its number; texts follow numbers."""
    seen: list[tuple[str, pd.Series]] = []
    twins: dict[str, str] = {}
    for name in sorted(features, key=lambda name: (not features[name].numeric, list(features).index(name))):
        if name in hot or said[name].determined_by or table[name].isna().any():
            continue
        codes = table[name].factorize()[0]
        distinct = int(codes.max()) + 1
        if distinct < _FEWEST_NAMES or len(table) < _ROWS_PER_NAME * distinct:
            continue
        # Numbered by first appearance, two names of one thing have the same numbers in every row.
        same = [first for first, other in seen if (codes == other).all()]
        if same and not features[name].numeric:
            twins[name] = same[0]
        else:
            seen.append((name, codes))
    return twins


def _require_no_circle(features: Mapping[str, Feature]) -> None:
    for start in features:
        todo, passed = list(features[start].determined_by), set()
        while todo:
            name = todo.pop()
            if name == start:
                raise WardeinError("follows itself in a circle", where=f"{WHERE} columns.{shown(start)}.determined_by")
            if name not in passed:
                passed.add(name)
                todo += features[name].determined_by


def _together(
    table: pd.DataFrame, features: Mapping[str, Feature], feature: Feature
) -> dict[tuple[float, ...], tuple[float, ...]]:
    """What was observed of a column with the numbers of those that it follows, the most frequent first."""
    own = tuple(features[name] for name in (*feature.determined_by, feature.name))
    rows = Declared(own, (), {}, ()).encoded(table).tolist()
    counted: dict[tuple[float, ...], Counter[float]] = {}
    for *key, value in rows:
        if all(number == number for number in (*key, value)):  # noqa: PLR0124 - a missing one is not itself
            counted.setdefault(tuple(key), Counter())[value] += 1
    return {
        key: tuple(value for value, _ in sorted(values.items(), key=lambda item: (-item[1], item[0])))
        for key, values in counted.items()
    }


def _require_fit(declared: Declared, table: pd.DataFrame) -> None:
    """Refuse rows that break a rule between columns before anything is changed."""
    import numpy as np

    numbers = declared.encoded(table)
    for feature in declared.features:
        where = f"{WHERE} columns.{shown(feature.name)}"
        for other, sign, what in ((feature.at_least, 1, "at least"), (feature.at_most, -1, "at most")):
            if not other:
                continue
            if not declared.features[declared.place[other]].numeric:
                raise WardeinError(f"the column {shown(other)!r} is no column of numbers", where=where)
            less = sign * (numbers[:, declared.place[feature.name]] - numbers[:, declared.place[other]]) < 0
            if less.any():
                raise WardeinError(
                    f"row {int(np.flatnonzero(less)[0]) + 1} breaks it: not {what} {shown(other)!r}",
                    where=where,
                    mend="mend the row or the declaration",
                )
    for group in declared.one_hot:
        ones = (numbers[:, [declared.place[name] for name in group]] == 1).sum(axis=1)
        if (ones != 1).any():
            row = int(np.flatnonzero(ones != 1)[0])
            what = f"row {row + 1} has {ones[row]} ones in the group {', '.join(map(shown, group[:5]))}"
            raise WardeinError(what, where=f"{WHERE} one_hot", mend="exactly one column of a group is one")


def _words(features: Mapping[str, Feature], said: Mapping[str, Column], immutable: Sequence[str]) -> Iterator[str]:
    for name, feature in features.items():
        declared = said[name]
        parts: list[str] = [feature.kind]
        if feature.numeric:
            parts += ["whole numbers"] if feature.whole else []
            parts.append(f"{feature.low:g} to {feature.high:g}")
        else:
            parts.append(f"{len(feature.values)} values")
        parts += ["immutable"] if feature.immutable else []
        parts += [f"can only {feature.only}"] if feature.only else []
        parts += [f"follows {', '.join(map(shown, feature.determined_by))}"] if feature.determined_by else []
        parts += [f"at least {shown(feature.at_least)}"] if feature.at_least else []
        parts += [f"at most {shown(feature.at_most)}"] if feature.at_most else []
        source = (
            "declared"
            if declared.kind
            else "partly declared"
            if declared != Column() or name in immutable
            else "inferred"
        )
        yield f"{shown(name)}: {', '.join(parts)} ({source})"


def _words_of_groups(groups: Sequence[Sequence[str]], declared: Sequence[Sequence[str]]) -> Iterator[str]:
    for i, group in enumerate(groups):
        source = "declared" if i < len(declared) else "inferred"
        names = ", ".join(map(shown, group[:5])) + (" …" if len(group) > 5 else "")
        yield f"one-hot group of {len(group)} columns: {names} ({source})"
