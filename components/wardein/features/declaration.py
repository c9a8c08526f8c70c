# SPDX-License-Identifier: Apache-2.0
"""What a person declares of a table's columns, in a file (docs/features.md), read strictly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from wardein.errors import WardeinError
from wardein.tables import shown

Kind = Literal["numeric", "ordinal", "categorical", "binary"]
Only = Literal["", "increase", "decrease"]
_KINDS = ("numeric", "ordinal", "categorical", "binary")
_MEND = "give a file as docs/features.md describes it"


@dataclass(frozen=True)
class Column:
    """What was declared of one column; what was not is None or empty.

    Attributes:
        kind: What its values are.
        low: The smallest value that it can take.
        high: The largest.
        whole: Whether it takes whole numbers only.
        immutable: Whether nobody can change it.
        only: The one direction in which it can change.
        determined_by: The columns that it follows.
        at_least: The column that it is never smaller than.
        at_most: The column that it is never larger than.
        order: All values of an ordinal column, the lowest first.
    """

    kind: Kind | None = None
    low: float | None = None
    high: float | None = None
    whole: bool | None = None
    immutable: bool = False
    only: Only = ""
    determined_by: tuple[str, ...] = ()
    at_least: str = ""
    at_most: str = ""
    order: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Declaration:
    """What was declared of a table.

    Attributes:
        columns: By name; of any number of its columns.
        one_hot: Groups of columns of zeros and ones, exactly one of which is one.
    """

    columns: Mapping[str, Column] = field(default_factory=dict)
    one_hot: tuple[tuple[str, ...], ...] = ()


def read(path: Path) -> Declaration:
    """Read a declaration, YAML or JSON.

    Raises:
        WardeinError: If it is no such file, or holds anything that a declaration does not, or twice.
    """
    from wardein.policy.reading import items, members, read_yaml

    content = members(read_yaml(path, _MEND), path.name, ("columns", "one_hot"))
    columns = {
        str(name): _column(said, f"columns.{shown(name)}")
        for name, said in members(content.get("columns", {}), "columns").items()
    }
    groups = tuple(
        _names(group, f"one_hot[{i}]") for i, group in enumerate(items(content.get("one_hot", []), "one_hot"))
    )
    for i, group in enumerate(groups):
        if len(group) < 2:
            raise WardeinError("needs two or more columns", where=f"one_hot[{i}]")
        twice = sorted({name for other in groups[:i] for name in other} & set(group))
        if twice:
            raise WardeinError(f"the column {shown(twice[0])!r} is in two groups", where=f"one_hot[{i}]")
    if not columns and not groups:
        raise WardeinError("declares nothing", where=path.name, mend=_MEND)
    return Declaration(columns, groups)


def _column(said: Any, where: str) -> Column:
    from wardein.policy.reading import choice, items, members, text

    known = ("kind", "min", "max", "whole", "immutable", "only", "determined_by", "at_least", "at_most", "order")
    said = members(said, where, known)
    order = tuple(items(said.get("order", []), f"{where}.order"))
    if not all(isinstance(value, str | bool) or _is_number(value) for value in order):
        raise WardeinError("holds something else than texts and numbers", where=f"{where}.order")
    if "order" in said and (len(order) < 2 or len(set(map(repr, order))) < len(order)):
        raise WardeinError("needs two or more different values", where=f"{where}.order")
    low, high = (_number(said[end], f"{where}.{end}") if end in said else None for end in ("min", "max"))
    if low is not None and high is not None and low > high:
        raise WardeinError(f"min {low:g} is larger than max {high:g}", where=where)
    kind: Kind | None = choice(said["kind"], _KINDS, f"{where}.kind") if "kind" in said else None
    if order and kind not in (None, "ordinal"):
        raise WardeinError(f"belongs to an ordinal column, this one is {kind}", where=f"{where}.order")
    kind = "ordinal" if order else kind
    if kind in ("categorical", "binary"):
        for name in ("min", "max", "whole", "only", "at_least", "at_most"):
            if name in said:
                raise WardeinError(f"has no meaning for a {kind} column", where=f"{where}.{name}")
    return Column(
        kind,
        low,
        high,
        _truth(said["whole"], f"{where}.whole") if "whole" in said else None,
        _truth(said["immutable"], f"{where}.immutable") if "immutable" in said else False,
        choice(said["only"], ("increase", "decrease"), f"{where}.only") if "only" in said else "",
        _names(said["determined_by"], f"{where}.determined_by") if "determined_by" in said else (),
        text(said["at_least"], f"{where}.at_least") if "at_least" in said else "",
        text(said["at_most"], f"{where}.at_most") if "at_most" in said else "",
        order,
    )


def _names(said: Any, where: str) -> tuple[str, ...]:
    """One name, or a list of different ones."""
    from wardein.policy.reading import items, text

    names = tuple(text(name, where) for name in ([said] if isinstance(said, str) else items(said, where)))
    if not names or len(set(names)) < len(names):
        raise WardeinError("needs one or more different names of columns", where=where)
    return names


def _number(said: Any, where: str) -> float:
    if not _is_number(said):
        raise WardeinError(f"{ascii(said)[:60]} is not a finite number", where=where)
    return float(said)


def _is_number(said: Any) -> bool:
    return isinstance(said, int | float) and not isinstance(said, bool) and math.isfinite(said)


def _truth(said: Any, where: str) -> bool:
    if not isinstance(said, bool):
        raise WardeinError(f"{ascii(said)[:60]} is neither true nor false", where=where)
    return said
