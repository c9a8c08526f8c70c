# SPDX-License-Identifier: Apache-2.0
"""What a model of harmless types could still do when it predicts, and what is therefore not let through.

Every type on the list only builds data, but some take parameters that make them open files or call something, and
some hand their indices unchecked to compiled code (:mod:`wardein.models.indices`). This walks all that a model is
made of.
"""

from __future__ import annotations

import inspect
import sys
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from types import BuiltinFunctionType, FunctionType
from typing import Any

from wardein.modelfiles.allowlist import audited
from wardein.models.container import Refused

_PLAIN_TYPES = (bool, int, float, complex, str, object)
_FACTORIES = (None, *_PLAIN_TYPES, list, dict, set, OrderedDict)


def make_safe(model: Any, allow: Sequence[str] = ()) -> None:
    """Make sure that predicting with a model only computes, within its own memory and process.

    ``n_jobs`` and ``verbose``, which change no prediction, are set to one process and to silence.

    Args:
        model: The model.
        allow: What it may call on top of what is on the audited list, each as ``module.name``.

    Raises:
        Refused: If a parameter or an index of any part of the model would do more.
    """
    from sklearn.base import BaseEstimator

    from wardein.models.indices import check_indices, check_widths

    try:
        parts = list(_parts(model, [_named(*name.rpartition(".")[::2]) for name in allow]))
        for part in parts:
            if isinstance(part, BaseEstimator):
                _check_parameters(part)
        for part in parts:
            check_indices(part)
        for part in parts:  # only now is it safe to let the parts compute
            check_widths(part)
    except Refused:
        raise
    except Exception as error:
        raise Refused(
            f"does not fit together ({type(error).__name__}: {' '.join(str(error).split())[:160]})",
            "save it again with the scikit-learn version that is installed here",
        ) from None


def takes_arrays(model: Any) -> bool:
    """Whether an array of float64 is the same to a model as a table of nothing else, the order of columns given.

    It is to scikit-learn's own estimators, but for those that look at a table's columns by their names, call a function
    on it, or make a table of what they return.
    """
    from sklearn.base import BaseEstimator
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import FunctionTransformer

    return all(
        type(part).__module__.startswith("sklearn.")
        and not isinstance(part, ColumnTransformer | FunctionTransformer)
        and not hasattr(part, "_sklearn_output_config")
        for part in _parts(model, None)
        if isinstance(part, BaseEstimator)
    )


def _check_parameters(estimator: Any) -> None:
    name, state = type(estimator).__name__, vars(estimator)
    if state.get("input", "content") != "content":
        raise Refused(
            f"has {name}(input={ascii(state['input'])[:40]}), which opens files when it predicts",
            "fit it on the texts themselves, with input='content'",
        )
    if state.get("memory") is not None:
        raise Refused(f"has {name}(memory=...), which writes files", "set memory=None before saving it")
    for quiet, value in (("n_jobs", 1), ("verbose", False)):
        if quiet in state:
            state[quiet] = value


def _parts(model: Any, vouched: Sequence[Any] | None) -> Iterator[Any]:
    """Every object a model is made of, once.

    Args:
        model: The model.
        vouched: What it may call on top of what is on the audited list; None if that was looked at before.

    Raises:
        Refused: If one of them is something to call.
    """
    seen: set[int] = set()
    waiting: list[tuple[Any, str, Any]] = [(None, "", model)]
    while waiting:
        owner, key, value = waiting.pop()
        if id(value) in seen and not callable(value):
            continue
        if vouched is not None and callable(value) and not (_only_computes(owner, key, value) or value in vouched):
            name = "the model" if owner is None else type(owner).__name__
            raise Refused(
                f"gives {name}.{key} something to call, {getattr(value, '__qualname__', type(value).__qualname__)}",
                f"use one of the built-in choices for {key}, given by its name",
            )
        if id(value) not in seen:
            seen.add(id(value))
            yield value
            waiting += _held(owner, key, value)


def _only_computes(owner: Any, key: str, value: Any) -> bool:
    """Whether something callable is a kernel or the like, a listed function, or the data type it is said to be."""
    import numpy as np

    if isinstance(value, type):
        if "dtype" in key:
            return value in _PLAIN_TYPES or issubclass(value, np.generic)
        return key == "_baseclass" and value is np.ndarray  # of what a masked array is made
    if isinstance(value, FunctionType | BuiltinFunctionType):
        name = f"{value.__module__}.{value.__qualname__}"
        entry = audited().get(name)
        # What a file may call while it is read builds things; only what it may refer to and not call computes.
        listed = entry is not None and entry.uses == {"refer"} and _named(*name.rpartition(".")[::2]) is value
        # A library may put its own method into a state; a file cannot name one.
        return listed or inspect.getattr_static(type(owner), value.__name__, None) is value
    # What holds another function to call is looked at by its parts.
    return isinstance(value, np.ufunc | partial) or _type_name(value) in audited()


def _named(module: str, name: str) -> Any:
    """What a name of a module that is imported leads to."""
    return getattr(sys.modules.get(module), name, None)


def _type_name(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _held(owner: Any, key: str, value: Any) -> Iterator[tuple[Any, str, Any]]:
    import numpy as np

    if isinstance(value, type | np.ufunc | FunctionType):
        return
    if isinstance(value, dict):
        yield from ((owner, key, name) for name in value)
        yield from ((owner, key, part) for part in value.values())
    if isinstance(value, defaultdict) and value.default_factory not in _FACTORIES:
        yield owner, f"{key}.default_factory", value.default_factory
    if isinstance(value, list | tuple | set | frozenset):
        yield from ((owner, key, part) for part in value)
    if isinstance(value, partial):
        yield from ((owner, key, part) for part in (value.func, *value.args))
        yield from ((owner, name, part) for name, part in value.keywords.items())
    if isinstance(value, np.ndarray) and value.dtype == object:
        yield from ((owner, key, part) for part in value.ravel())
    parts = getattr(value, "__dict__", {}).items()
    yield from ((value, ascii(name)[1:-1][:80], part) for name, part in parts)
