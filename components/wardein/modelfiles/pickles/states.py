# SPDX-License-Identifier: Apache-2.0
"""What an object's state may set: what it holds, and nothing that Python or its library would run."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wardein.modelfiles.examination import Unexamined, shown
from wardein.modelfiles.pickles import dtypes, rules
from wardein.modelfiles.pickles.arguments import is_bindable
from wardein.modelfiles.pickles.atoms import Atoms
from wardein.modelfiles.pickles.refused import Refused
from wardein.modelfiles.pickles.values import Box, Dtype, Instance, Value

_OWN = re.compile(r"(?!__doc__)__\w*__", re.ASCII)  # statsmodels hands its results their descriptions
_LONG = 500
# Where an estimator looks a method up by its name, and the names that it looks up.
_METHOD_KEYS = ("stack_method", "stack_method_", "chain_method", "chain_method_", "_response_method", "response_method")
_METHODS = {
    *("auto", "predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples", "transform"),
    *("drop", "passthrough"),
}
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
# statsmodels evaluates these, when it is loaded or asked for predictions, and asks these for them.
_EVALUATED = {"design_info", "model_spec"}
_OWN_PARTS = {"model", "data", "_results", "results", "family", "link", "variance"}


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
    if of == "functools.partial" and not (items and is_bindable(items[0]) and atoms.items(items[1]) in ([], ())):
        raise Refused(f"sets the function of a {of}, or what it is called with")
    if of.startswith("numpy.") and atoms.kind(state) == "tuple" and items:
        _judge_array(of, items, atoms)
    if of.startswith(("sklearn.", "imblearn.")):
        _judge_estimator(of, state, atoms)
    if of.startswith("statsmodels."):
        _judge_formula(of, state, atoms)


def _judge_array(of: str, items: Sequence[Value], atoms: Atoms) -> None:
    """See to it that an array of objects has as many as its shape says: numpy takes what lies behind them for more."""
    place = next((number for number, item in enumerate(items) if isinstance(item, Dtype)), 0)
    dtype = items[place]
    if not isinstance(dtype, Dtype) or not dtype.objects or not 0 < place < len(items) - 2:
        return
    shape, held = dtypes.shape_of(items[place - 1], atoms), atoms.items(items[place + 2])
    if shape is None or (held is not None and dtypes.product(shape) != len(held)):
        raise Refused(f"gives {of} another number of objects than its shape says", rules.STATE)


def _judge_estimator(of: str, state: Value, atoms: Atoms) -> None:
    """Judge the parameters of an estimator by which it calls something by its name, or opens files."""
    entries = atoms.mapping(state) if atoms.kind(state) == "dict" else None
    for name, value in (entries or {}).items():
        if name in _METHOD_KEYS:
            for method in atoms.items(value) or [] if atoms.kind(value) in ("list", "tuple") else [value]:
                if atoms.kind(method) != "None" and atoms.text(method) not in _METHODS:
                    raise Refused(f"has {of} call a method of another name, {atoms.show(method)}", rules.USE)
        if name == "input" and of.endswith("Vectorizer") and atoms.text(value) != "content":
            raise Refused(f"has {of} open files when it predicts", rules.USE)


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


def _judge_formula(of: str, state: Value, atoms: Atoms) -> None:
    """Judge a state of statsmodels, which has formulas in it evaluated as Python: at once, or when it predicts."""
    entries = atoms.mapping(state)
    if entries is None:
        raise Refused(f"sets a state of {of} that is not known")
    for name, value in entries.items():
        kind = atoms.kind(value)
        if kind == "None" or (kind == "bool" and not atoms.integer(value)):
            continue
        if name == "formula" and not _is_arithmetic(atoms.text(value) or "?"):
            raise Refused(f"has a formula evaluated, {atoms.show(value)}")
        if name in _EVALUATED:
            raise Refused(f"has {shown(name)} evaluated, {atoms.show(value)}")
        own = isinstance(value, Instance) and value.of.text.startswith("statsmodels.")
        if name in _OWN_PARTS and not own:
            raise Refused(f"sets {shown(name)} of {of} to what is none of statsmodels, {atoms.show(value)}")
    restored = {"restore_design_info", "restore_model_spec"} & entries.keys()
    if restored and ("formula" not in entries or atoms.kind(entries["formula"]) != "text"):
        raise Refused(f"has a formula of {of} evaluated that is not there")


def _is_arithmetic(formula: str) -> bool:
    """Whether names, operators and a few functions of numbers are all that there is in a formula."""
    rest = _CALL.sub("x", formula)
    return bool(_PLAIN.fullmatch(rest)) and not _CALLS_ELSE.search(rest) and "__" not in formula
