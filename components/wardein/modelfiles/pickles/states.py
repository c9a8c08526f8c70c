# SPDX-License-Identifier: Apache-2.0
"""What an object's state may set: what it holds, and nothing that Python or its library would run."""

from __future__ import annotations

import re

from wardein.modelfiles.examination import Unexamined, shown
from wardein.modelfiles.pickles import rules
from wardein.modelfiles.pickles.arguments import is_bindable
from wardein.modelfiles.pickles.atoms import Atoms
from wardein.modelfiles.pickles.refused import Refused
from wardein.modelfiles.pickles.values import Box, Instance, Value

_OWN = re.compile(r"__\w*__", re.ASCII)
_LONG = 500
# joblib's place holders for arrays in files of their own, in which objects may be.
_COMPANIONS = {
    f"joblib.{module}.{name}"
    for module in ("numpy_pickle", "numpy_pickle_compat")
    for name in ("NDArrayWrapper", "ZNDArrayWrapper")
}
# Of a formula, names and operators alone are harmless; patsy evaluates whatever else stands in it as Python.
_CALL = re.compile(r"\b(?:(?:C|np\.(?:log|log10|log1p|exp|sqrt|power|abs|square))\(\s*\w+\s*\)|Q\(['\"][\w -]*['\"]\))")
_PLAIN = re.compile(r"[\w\s~+*:/^|()-]*")
_CALLS_ELSE = re.compile(r"[\w)]\s*\(")


def judge_state(made: Instance | Box, state: Value, atoms: Atoms) -> None:
    """Judge the state that a stream sets on an object.

    Raises:
        Refused: If it changes more than what the object holds.
        Unexamined: If not all of it is known.
    """
    of = made.of.text if made.of else ""
    items = atoms.items(state)
    pair = atoms.kind(state) == "tuple" and items is not None and len(items) == 2
    for part in items if pair and items else [state]:
        if atoms.kind(part) == "dict":
            _judge_names(of, part, atoms)
    if of in _COMPANIONS:
        raise Refused(_companion(state, atoms), rules.COMPANION)
    if of == "functools.partial" and not (items and is_bindable(items[0])):
        raise Refused(f"sets the function of a {of}")
    if of.startswith("statsmodels."):
        _judge_formula(state, atoms)


def _judge_names(of: str, state: Value, atoms: Atoms) -> None:
    entries = atoms.items(state)
    if entries is None:
        raise Unexamined(f"sets a state of {of} that is too large to be followed")
    atoms.work(len(entries) // 8)
    for key in entries[::2]:
        name = atoms.text(key)
        if name is None and not _is_no_name(key, atoms):
            raise Refused(f"sets something of {of} by a computed name", rules.STATE)
        if name is not None and (_OWN.fullmatch(name) or name == "default_factory"):
            raise Refused(f"sets {shown(name)} of an object of {of}", rules.STATE)


def _is_no_name(key: Value, atoms: Atoms) -> bool:
    """Whether a key is known to be none that Python looks anything up by."""
    if atoms.kind(key) == "text" and isinstance(key, int):
        return not 0 <= atoms.payload(key)[1] <= _LONG
    return atoms.kind(key) in ("int", "bytes", "tuple", "float", "None", "bool")


def _companion(state: Value, atoms: Atoms) -> str:
    entries = atoms.mapping(state)
    name = atoms.text(entries["filename"]) if entries and "filename" in entries else None
    if name is None or not re.fullmatch(r"[\w.+-][\w.+ -]*", name) or name.startswith(".."):
        raise Refused("reads an array from a file in another folder", rules.USE)
    return f"reads an array from the file {shown(name)} beside it"


def _judge_formula(state: Value, atoms: Atoms) -> None:
    entries = atoms.items(state) if atoms.kind(state) == "dict" else None
    for key, value in zip(entries[::2], entries[1::2], strict=True) if entries else ():
        if atoms.text(key) == "formula" and atoms.kind(value) != "None":
            text = atoms.text(value)
            if text is None or not _is_arithmetic(text):
                raise Refused(f"has a formula evaluated, {atoms.show(value)}", rules.USE)


def _is_arithmetic(formula: str) -> bool:
    """Whether names, operators and a few functions of numbers are all that there is in a formula."""
    rest = _CALL.sub("x", formula)
    return bool(_PLAIN.fullmatch(rest)) and not _CALLS_ELSE.search(rest) and "__" not in formula
