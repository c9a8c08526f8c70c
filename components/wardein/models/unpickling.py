# SPDX-License-Identifier: Apache-2.0
"""Reading a pickle through the list of names, each used only in the way that the list says.

Nothing of joblib runs here. What joblib adds to a pickle is a place holder for each array, with the array's bytes
behind it; both are read by code of this module that takes nothing from the file but a shape and a type.
"""

from __future__ import annotations

import _compat_pickle
import io
import math
import pickle
from collections import deque
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

from wardein.modelfiles.allowlist import Allowlist, audited
from wardein.models.container import Refused
from wardein.models.memory import check_array, state_of

if TYPE_CHECKING:
    import numpy as np

_STATE = {"subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"}
_PLACE_HOLDERS = tuple(
    (module, "NumpyArrayWrapper") for module in ("joblib.numpy_pickle", "sklearn.externals.joblib.numpy_pickle")
)
_PLAIN = pickle.Unpickler(io.BytesIO())  # noqa: S301 - used to look names up, never to load
# Holds a function to call later: harmless with one that the list allows as a value, as what it holds only computes.
_PARTIAL = "functools.partial"
_RECONSTRUCTORS = ("copyreg._reconstructor", "copy_reg._reconstructor")


class _ArrayAhead:
    """Stands in the stream where joblib's ``NumpyArrayWrapper`` stands: the next bytes are an array's."""


class Unpickler(pickle._Unpickler):
    """The unpickler in Python, each step of which can be guarded."""

    stack: list[Any]
    append: Any
    proto: int
    _unframer: Any

    def __init__(self, file: BinaryIO, allowed: Allowlist) -> None:
        super().__init__(file)
        self._file, self._allowed, self.proto = file, allowed, 0
        # What the stream got by a name, and how it may use it. Held, so that no other object takes its identity.
        self._known: dict[int, tuple[Any, str, frozenset[str]]] = {}
        self._guards_partial = allowed.entries.get(_PARTIAL) is audited().get(_PARTIAL)  # else the run vouches for it

    def load(self) -> Any:
        """Read one pickle."""
        value = super().load()
        frame = self._unframer.current_frame
        if frame is not None and frame.read(1):
            raise Refused("holds something after the end of its pickle")
        return value

    def find_class(self, module: str, name: str) -> Any:
        """Look a name up, if it is on the list."""
        entry = self._allowed.get(module, name)
        if entry is None and self.proto < 3:  # the names of Python 2, as the lookup below translates them
            entry = self._allowed.get(*_in_python_3(module, name))
        if entry is None:
            raise Refused(f"refers to {module}.{name}, which is not on the list of harmless constructors")
        found = _ArrayAhead if (module, name) in _PLACE_HOLDERS else self._found(module, name)
        _, _, uses = self._known.get(id(found), (None, "", frozenset()))
        self._known[id(found)] = (found, entry.name, uses | entry.uses)
        return found

    def _found(self, module: str, name: str) -> Any:
        try:
            return pickle.Unpickler.find_class(_PLAIN, module, name)
        except (ImportError, AttributeError) as error:
            library = module.partition(".")[0]
            missing = isinstance(error, ModuleNotFoundError) and error.name == library
            raise Refused(
                f"refers to {module}.{name}, and {library} is not installed here"
                if missing
                else f"refers to {module}.{name}, which the {library} that is installed here does not have",
                f"run: pip install {library}" if missing else "save the model with the version that is installed here",
            ) from None

    def _require(self, called: Any, use: str) -> None:
        """Make sure that the list allows what is about to be done with what was named."""
        _, name, uses = self._known.get(id(called), (None, "", frozenset[str]()))
        if not name:
            raise Refused(f"calls a {type(called).__name__} that it made itself")
        if use in uses or "call" in uses:
            return
        if "new" in uses:
            raise Refused(f"calls the constructor of {name}, which the list allows to be made without that only")
        raise Refused(f"calls {name}, which the list allows as a value only")

    def load_reduce(self) -> None:
        """Call what the list allows to be called."""
        called, arguments = self.stack[-2:]
        self._require(called, "call")
        name = self._known[id(called)][1]
        if name == _PARTIAL and self._guards_partial:
            self._require_value(arguments[0])
        if name in _RECONSTRUCTORS:
            made, base, _ = arguments
            self._require(made, "new")
            if base not in made.__mro__ or base.__module__ != "builtins":
                raise Refused(f"makes a {made.__name__} by the constructor of another class")
        super().load_reduce()  # type: ignore[misc]  # none of these are in its stub

    def _require_value(self, held: Any) -> None:
        """Make sure that something is a function that the list allows as a value and nothing else."""
        _, name, uses = self._known.get(id(held), (None, "", frozenset[str]()))
        if not isinstance(held, FunctionType) or uses != {"refer"}:
            raise Refused(f"holds {name or type(held).__name__} to call it later")

    def load_newobj(self) -> None:
        """Make an object without its constructor."""
        self._require(self.stack[-2], "new")
        super().load_newobj()  # type: ignore[misc]

    def load_newobj_ex(self) -> None:
        """The same with arguments by name."""
        self._require(self.stack[-3], "new")
        super().load_newobj_ex()  # type: ignore[misc]

    def _instantiate(self, made: Any, arguments: Any) -> None:
        """What protocols 0 and 1 do: without arguments it is no call."""
        self._require(made, "call" if arguments or not isinstance(made, type) else "new")
        super()._instantiate(made, arguments)  # type: ignore[misc]

    def load_build(self) -> None:
        """Set an object's state; where the object is a place holder, put the array in its place."""
        instance, state = self.stack[-2:]
        if type(instance) is _ArrayAhead:
            self.stack[-2:] = [self._read_array(state)]
            return
        if isinstance(instance, type) or id(instance) in self._known:
            raise Refused(f"changes the class {getattr(instance, '__name__', type(instance).__name__)}")
        if isinstance(instance, partial) and self._guards_partial:
            self._require_value(state[0])
        for part in state if isinstance(state, tuple) and len(state) == 2 else (state,):
            if isinstance(part, dict) and any(isinstance(key, str) and key.startswith("__") for key in part):
                raise Refused(f"sets a name of Python's own on a {type(instance).__name__}")
        check_array(instance, state)
        self.stack[-1] = state_of(instance, state)
        super().load_build()  # type: ignore[misc]

    def _into(self, place: int, *kinds: type) -> None:
        """Only what Python's own containers do is done to put something in; a class could do more."""
        if not isinstance(self.stack[place] if self.stack else None, kinds):
            raise Refused("fills something that is no container")

    def load_append(self) -> None:
        """Put one thing into a list."""
        self._into(-2, list, deque)
        super().load_append()  # type: ignore[misc]

    def load_setitem(self) -> None:
        """Put one thing into a dictionary."""
        self._into(-3, dict)
        super().load_setitem()  # type: ignore[misc]

    def load_appends(self) -> None:
        """Put things into a list."""
        self._into_marked(list, deque)
        super().load_appends()  # type: ignore[misc]

    def load_setitems(self) -> None:
        """Put things into a dictionary."""
        self._into_marked(dict)
        super().load_setitems()  # type: ignore[misc]

    def load_additems(self) -> None:
        """Put things into a set."""
        self._into_marked(set)
        super().load_additems()  # type: ignore[misc]

    def _into_marked(self, *kinds: type) -> None:
        below = self.metastack[-1]  # type: ignore[attr-defined]
        if not below or not isinstance(below[-1], kinds):
            raise Refused("fills something that is no container")

    dispatch: ClassVar[dict[int, Any]] = {
        **pickle._Unpickler.dispatch,
        pickle.REDUCE[0]: load_reduce,
        pickle.NEWOBJ[0]: load_newobj,
        pickle.NEWOBJ_EX[0]: load_newobj_ex,
        pickle.BUILD[0]: load_build,
        pickle.APPEND[0]: load_append,
        pickle.APPENDS[0]: load_appends,
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.ADDITEMS[0]: load_additems,
    }

    def _read_array(self, state: Any) -> np.ndarray:
        """The array behind a place holder, of which the stream gave only this description."""
        import numpy as np

        if type(state) is not dict or not set(state) <= _STATE or not isinstance(state.get("dtype"), np.dtype):
            raise Refused("describes an array in a way that joblib does not")
        kind, shape, file = state["dtype"], state["shape"], self._file
        if kind.hasobject:  # a nested pickle
            array = _Nested(file, self._allowed).load()
            if type(array) is not np.ndarray:
                raise Refused(f"holds a {type(array).__name__} where it announces an array")
            return array
        if state.get("numpy_array_alignment_bytes") is not None:  # joblib before 1.2 wrote none
            # Byte 1 to 16 is no opcode: whoever takes the array for more of the pickle stops here.
            length = (file.read(1) or b"\0")[0]
            aligned = state["numpy_array_alignment_bytes"] == 16 and 1 <= length <= 16
            if not aligned or file.read(length) != b"\xff" * length:
                raise Refused("aligns an array in a way that joblib does not")
        array = np.empty(math.prod(shape), dtype=kind)
        if array.nbytes and file.readinto(array.view(np.uint8)) != array.nbytes:  # type: ignore[attr-defined]
            raise EOFError("an array breaks off")
        array = array.reshape(shape[::-1]).T if state["order"] == "F" else array.reshape(shape)
        return array if kind.isnative else array.astype(kind.newbyteorder("="))


class _Nested(Unpickler):
    """Of objects in an array, which joblib reads as a plain pickle: there is no place holder in it."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _PLACE_HOLDERS:
            raise Refused("holds an array within the objects of an array, in a way that joblib does not")
        return super().find_class(module, name)


def _in_python_3(module: str, name: str) -> tuple[str, str]:
    named = _compat_pickle.NAME_MAPPING.get((module, name))
    return named or (_compat_pickle.IMPORT_MAPPING.get(module, module), name)
