# SPDX-License-Identifier: Apache-2.0
"""The globals that a model file may refer to, how it may use each of them, and why that is harmless.

The lists are data (``allowed/*.tsv``), written by ``tools/allowlist.py`` out of the libraries' own code and read by
people. One exact name a line: no wildcards, no dotted walks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

Use = Literal["refer", "new", "call"]


@dataclass(frozen=True)
class Entry:
    """One allowed global.

    Attributes:
        name: ``module.qualname`` as the file has it, for example ``sklearn.svm._classes.SVC``.
        uses: What may be done with it. ``refer``: stand as a value, which whoever uses the model may call
            with whatever the file or the data give. ``new``: make an object without
            calling its constructor (NEWOBJ, ``copyreg._reconstructor``) and set its state (BUILD). ``call``: be called
            by REDUCE with whatever the file gives, which for a class runs its ``__init__``.
        reason: Why that only builds data.
    """

    name: str
    uses: frozenset[Use]
    reason: str


@dataclass(frozen=True)
class Allowlist:
    """The audited entries, and the names that a run allows on top of them."""

    entries: Mapping[str, Entry]

    def get(self, module: str, name: str) -> Entry | None:
        """The entry of a global; None if it is not allowed. A name with dots is only found if it is listed so."""
        return self.entries.get(f"{module}.{name}")


@cache
def audited() -> Mapping[str, Entry]:
    """The entries of all lists, by name.

    A line is ``name TAB uses TAB reason``, the uses separated by commas; lines that begin with ``#`` are comments.
    """
    entries = {}
    for path in sorted(Path(__file__).with_name("allowed").glob("*.tsv")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                name, uses, reason = line.split("\t")
                entries[name] = Entry(name, frozenset(uses.split(",")), reason)  # type: ignore[arg-type]
    return entries


def allowlist(extra: list[str]) -> Allowlist:
    """The audited entries and further names, which may be used in every way: whoever allows them vouches for them."""
    every: frozenset[Use] = frozenset(["refer", "new", "call"])
    return Allowlist({**audited(), **{name: Entry(name, every, "allowed by this run") for name in extra}})
