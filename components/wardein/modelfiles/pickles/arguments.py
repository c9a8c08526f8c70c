# SPDX-License-Identifier: Apache-2.0
"""Rules on the arguments of what may be called: where what a call does depends on what it is given.

A rule gives what the call gives, or raises :class:`Refused`. What has no rule here only builds data whatever it is
given: that is what its place on the allowlist says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from wardein.modelfiles.pickles import dtypes
from wardein.modelfiles.pickles.refused import Refused
from wardein.modelfiles.pickles.values import Box, Dtype, Global, Instance, Unknown, Value

if TYPE_CHECKING:
    from wardein.modelfiles.pickles.judge import Judge

_CODECS = re.compile(r"latin[-_]?1|iso-?8859-?1|utf[-_]?8|ascii", re.IGNORECASE)
# Types of numpy that have a class of their own, and whose items are neither objects nor texts kept elsewhere.
_FIXED_SIZE = re.compile(r"numpy\.dtypes\.(?!Object|String)\w+DType")
_FRACTION = re.compile(r"-?\d{1,4000}(?:/\d{1,4000})?", re.ASCII)
_BASES = {
    f"builtins.{name}"
    for name in (
        "object",
        "list",
        "dict",
        "set",
        "frozenset",
        "tuple",
        "str",
        "int",
        "float",
        "complex",
        "bytes",
        "bytearray",
    )
}
_FACTORIES = {
    f"builtins.{name}" for name in ("list", "dict", "set", "frozenset", "tuple", "str", "int", "float", "bool", "bytes")
} | {f"collections.{name}" for name in ("OrderedDict", "defaultdict", "Counter", "deque")}
# What scikit-learn keeps with arguments of its own.
_BINDABLE = {"sklearn.utils.validation.check_array"}
_MOST_ITEMS = 1024**2
Rule = Callable[["Judge", Global, Sequence[Value], int], Value]


def canonical(what: Global) -> str:
    """One name for all that a global is called: by Python 2 and 3, by numpy before and after its second version."""
    from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING

    module, name = what.module, what.name
    module, name = NAME_MAPPING.get((module, name)) or (IMPORT_MAPPING.get(module, module), name)
    return f"{module.replace('numpy._core', 'numpy.core')}.{name}"


def _class(value: Value, why: str = "on what is no class known here") -> Global:
    """A class of which objects may be made."""
    if isinstance(value, Global) and value.uses is None:
        raise Refused(why)  # it was told by its name as well
    if not isinstance(value, Global) or not (value.uses or frozenset()) & {"new", "call"}:
        if isinstance(value, Global) and canonical(value) in _BASES:
            return value
        raise Refused(why)
    return value


def _first_is_a_class(judge: Judge, what: Global, args: Sequence[Value], at: int) -> Value:
    if not args:
        raise Refused("without a class")
    return _class(args[0]).instance


def _reconstructor(judge: Judge, what: Global, args: Sequence[Value], at: int) -> Value:
    if len(args) != 3 or not isinstance(args[1], Global) or canonical(args[1]) not in _BASES:
        raise Refused("over a base that is no built-in type")
    return _class(args[0]).instance


def _array(judge: Judge, what: Global, args: Sequence[Value], at: int) -> Value:
    """An array of a shape that is allocated: picklers write one without items."""
    if not args or not isinstance(args[0], Global) or args[0].uses is None:
        raise Refused("on what is no class known here")
    shape = dtypes.shape_of(args[1], judge.atoms) if len(args) > 1 else None
    if shape is None or dtypes.product(shape) > _MOST_ITEMS:
        raise Refused("of a size that no pickler gives it")
    return args[0].instance


def _masked_array(judge: Judge, what: Global, args: Sequence[Value], at: int) -> Value:
    if len(args) != 4 or not isinstance(args[1], Global) or args[1].uses is None:
        raise Refused("on what is no class known here")
    _array(judge, what, [args[0], args[2]], at)
    return args[0].instance  # type: ignore[union-attr]  # _array has looked


def _dtype(judge: Judge, what: Global, args: Sequence[Value], at: int) -> Value:
    text = judge.atoms.text(args[0]) if args else None
    item = dtypes.parse(text) if text is not None else None
    if item is not None:
        return Dtype(what, item.kind, item.size, item.objects)
    if args and isinstance(args[0], (Global, Dtype)):
        return Dtype(what, "", None, None)
    raise Refused("of a type that is not known")


def _scalar(judge: Judge, what: Global, args: Sequence[Value], at: int) -> Value:
    kind = args[0] if args else None
    if isinstance(kind, Dtype) and kind.objects is not False:
        raise Refused("of a type that holds objects")
    if not isinstance(kind, Dtype) and not (isinstance(kind, Instance) and _FIXED_SIZE.fullmatch(canonical(kind.of))):
        raise Refused("of a type that is not known")
    return what.instance


def _from_buffer(judge: Judge, what: Global, args: Sequence[Value], at: int) -> Value:
    if len(args) < 2 or not isinstance(args[1], Dtype) or args[1].objects is not False:
        raise Refused("of a type that holds objects")
    return what.instance


def _encode(judge: Judge, what: Global, args: Sequence[Value], at: int) -> Value:
    codec = judge.atoms.text(args[1]) if len(args) > 1 else "utf-8"
    if len(args) not in (1, 2) or judge.atoms.kind(args[0]) != "text" or not _CODECS.fullmatch(codec or ""):
        raise Refused("with a codec that picklers do not use")
    return Box("encoded", at, [args[0]], what)


def _bytes(judge: Judge, what: Global, args: Sequence[Value], at: int) -> Value:
    """Bytes out of bytes or text; a number would be how many of them to make."""
    for arg in args:
        if judge.atoms.kind(arg) not in ("text", "bytes", "encoded", "list", "tuple"):
            raise Refused("with what is neither bytes nor text")
    if len(args) > 1 and not _CODECS.fullmatch(judge.atoms.text(args[1]) or ""):
        raise Refused("with a codec that picklers do not use")
    return what.instance


def _plain(judge: Judge, what: Global, args: Sequence[Value], at: int) -> Value:
    """Something made of plain values, which no method of another object is asked for."""
    for arg in args:
        if not judge.atoms.kind(arg):
            raise Refused("with what is no plain value")
    return what.instance


def _container(kind: str) -> Rule:
    def rule(judge: Judge, what: Global, args: Sequence[Value], at: int) -> Value:
        _plain(judge, what, args, at)
        box = Box(kind, at, None, what)
        if args:
            box.forget()
        return box

    return rule


def _default_dict(judge: Judge, what: Global, args: Sequence[Value], at: int) -> Value:
    """A mapping with a factory, which it calls for whatever it does not hold."""
    if args and judge.atoms.kind(args[0]) != "None":
        factory = args[0]
        if not isinstance(factory, Global) or factory.uses is None or canonical(factory) not in _FACTORIES:
            raise Refused("with a factory that is no built-in container or number")
    return _container("dict")(judge, what, args[1:], at)


def _fraction(judge: Judge, what: Global, args: Sequence[Value], at: int) -> Value:
    for arg in args:
        if judge.atoms.integer(arg) is None and not _FRACTION.fullmatch(judge.atoms.text(arg, 8192) or ""):
            raise Refused("with what is no whole number")
    return what.instance


def _random(judge: Judge, what: Global, args: Sequence[Value], at: int) -> Value:
    """A random generator: of the arguments, classes and functions are called."""
    for arg in args:
        if isinstance(arg, Global) and (arg.uses is None or not canonical(arg).startswith("numpy.random.")):
            raise Refused("with what is no generator of numpy")
        if isinstance(arg, Unknown) or (
            isinstance(arg, Instance) and not canonical(arg.of).startswith("numpy.random.")
        ):
            raise Refused("with what is no generator of numpy")
    return what.instance


def _partial(judge: Judge, what: Global, args: Sequence[Value], at: int) -> Value:
    """A call that somebody else makes later: of functions that are known to be harmless with any arguments."""
    if len(args) != 1 or not is_bindable(args[0]):
        raise Refused("of what is not known to be harmless when it is called")
    return what.instance


def is_bindable(value: Value) -> bool:
    """Whether ``functools.partial`` may hold it; its state says so once more."""
    return isinstance(value, Global) and value.uses is not None and canonical(value) in _BINDABLE


def _same(judge: Judge, what: Global, args: Sequence[Value], at: int) -> Value:
    """A function that gives back what it is given."""
    if not args:
        raise Refused("without arguments")
    return args[0]


def _from_type(judge: Judge, what: Global, args: Sequence[Value], at: int) -> Value:
    """Calls its first argument with its third, and sets its fourth as the state."""
    if len(args) != 4:
        raise Refused("with arguments that are not known")
    made = judge.call(args[0], args[2], at)
    _class(args[1])
    return judge.build(made, args[3], at) if judge.atoms.kind(args[3]) != "None" else made


def _with_state(judge: Judge, what: Global, args: Sequence[Value], at: int) -> Value:
    """Sets its last argument as the state."""
    return judge.build(what.instance, args[-1], at) if args else what.instance


def _nested(judge: Judge, what: Global, args: Sequence[Value], at: int) -> Value:
    """Bytes that are a torch file of their own."""
    from wardein.modelfiles.pickles.nested import examine

    if len(args) != 1 or not examine(judge, args[0], at):
        raise Refused("with what are no bytes of the file")
    return what.instance


def _ufunc(judge: Judge, what: Global, args: Sequence[Value], at: int) -> Value:
    """A function of numpy, by its module and name: as if the stream named it itself."""
    module, name = (judge.atoms.text(arg) for arg in args) if len(args) == 2 else (None, None)
    if module is None or name is None:
        raise Refused("by a computed name")
    return judge.find(module, name, 4, at)


ARGUMENTS: dict[str, Rule] = {
    "numpy.core._ufunc_reconstruct": _ufunc,
    "copyreg._reconstructor": _reconstructor,
    "copyreg.__newobj__": _first_is_a_class,
    "copyreg.__newobj_ex__": _first_is_a_class,
    "collections.OrderedDict": _container("dict"),
    "collections.Counter": _container("dict"),
    "collections.deque": _container("list"),
    "collections.defaultdict": _default_dict,
    "builtins.set": _container("set"),
    "builtins.frozenset": _container("frozenset"),
    "builtins.list": _container("list"),
    "builtins.dict": _container("dict"),
    "builtins.tuple": _container("tuple"),
    "builtins.bytes": _bytes,
    "builtins.bytearray": _bytes,
    "builtins.str": _plain,
    "builtins.int": _plain,
    "builtins.float": _plain,
    "builtins.complex": _plain,
    "builtins.bool": _plain,
    "fractions.Fraction": _fraction,
    "functools.partial": _partial,
    "_codecs.encode": _encode,
    "numpy.dtype": _dtype,
    "numpy.core.multiarray._reconstruct": _array,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _from_buffer,
    "numpy.ma.core._mareconstruct": _masked_array,
    "numpy.ma.mrecords._mrreconstruct": _masked_array,
    "numpy.random.__RandomState_ctor": _random,
    "numpy.random._pickle.__bit_generator_ctor": _random,
    "numpy.random._pickle.__generator_ctor": _random,
    "numpy.random._pickle.__randomstate_ctor": _random,
    **dict.fromkeys(
        [f"pandas.{module}._new_Index" for module in ("core.index", "core.indexes.base", "indexes.base")],
        _first_is_a_class,
    ),
    "pandas.core.indexes.datetimes._new_DatetimeIndex": _first_is_a_class,
    "pandas.core.indexes.interval._new_IntervalIndex": _first_is_a_class,
    "pandas.core.indexes.period._new_PeriodIndex": _first_is_a_class,
    "pandas.tseries.index._new_DatetimeIndex": _first_is_a_class,
    "pandas.tseries.period._new_PeriodIndex": _first_is_a_class,
    **dict.fromkeys(
        [
            f"sklearn.{module}.{name}"
            for module in (
                "metrics._dist_metrics", "neighbors._dist_metrics", "neighbors.dist_metrics",
                "neighbors._ball_tree", "neighbors.ball_tree", "neighbors._kd_tree", "neighbors.kd_tree",
            )
            for name in ("newObj", "newObj32", "newObj64")
        ],
        _first_is_a_class,
    ),
    **dict.fromkeys(
        [
            f"torch.jit._pickle.{name}"
            for name in (
                "build_boollist", "build_doublelist", "build_intlist", "build_tensor_from_id", "build_tensorlist",
                "restore_type_tag",
            )
        ],
        _same,
    ),
    "torch._tensor._rebuild_from_type_v2": _from_type,
    "torch._utils._rebuild_parameter_with_state": _with_state,
    "torch.storage._load_from_bytes": _nested,
}  # fmt: skip
# Rules on functions whose first argument is the class that they make something of.
TAKE_A_CLASS = {_reconstructor, _first_is_a_class, _array, _masked_array}
