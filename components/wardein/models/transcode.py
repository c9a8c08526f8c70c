# SPDX-License-Identifier: Apache-2.0
"""The child process that touches pickles: reads one through the allowlist and writes it as skops.

Run as ``python -I -m wardein.models.transcode SOURCE TARGET`` with a scrubbed environment, a memory and a
time limit, and no network where the kernel allows it. Prints one line and exits 3 if the file is refused.

Nothing of joblib runs here. What joblib adds to a pickle is a place holder for each array, with the array's bytes
behind it; both are read by code of this module that takes nothing from the file but a shape and a type.
"""

from __future__ import annotations

import ctypes
import io
import math
import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from wardein.models.allowlist import allowed
from wardein.models.container import Refused, open_stream

if TYPE_CHECKING:
    import numpy as np

REFUSED = 3
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_STATE = {"subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"}
_PLACE_HOLDER = ("joblib.numpy_pickle", "NumpyArrayWrapper")


def _leave_network() -> None:
    """Best effort: a kernel without user namespaces says no, and the allowlist stands alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


_PLAIN = pickle.Unpickler(io.BytesIO())  # noqa: S301 - used to look names up, never to load


class _ArrayAhead:
    """Stands in the stream where joblib's ``NumpyArrayWrapper`` stands: the next bytes are an array's."""


def _read_array(state: Any, file: BinaryIO) -> np.ndarray:
    """The array behind a place holder, of which the stream gave only this description."""
    import numpy as np

    if type(state) is not dict or not set(state) <= _STATE or not isinstance(state.get("dtype"), np.dtype):
        raise Refused("describes an array in a way that joblib does not")
    kind, shape = state["dtype"], state["shape"]
    if kind.hasobject:  # a nested pickle
        array = _Nested(file).load()
        if type(array) is not np.ndarray:
            raise Refused(f"holds a {type(array).__name__} where it announces an array")
        return array
    # Byte 1 to 16 is no opcode: whoever takes the array for more of the pickle stops here.
    length = (file.read(1) or b"\0")[0]
    if state.get("numpy_array_alignment_bytes") != 16 or not 1 <= length <= 16 or file.read(length) != b"\xff" * length:
        raise Refused("aligns an array in a way that joblib does not")
    array = np.empty(math.prod(shape), dtype=kind)
    if array.nbytes and file.readinto(array.view(np.uint8)) != array.nbytes:  # type: ignore[attr-defined]
        raise EOFError("an array breaks off")
    array = array.reshape(shape[::-1]).T if state["order"] == "F" else array.reshape(shape)
    return array if kind.isnative else array.astype(kind.newbyteorder("="))


class _Unpickler(pickle._Unpickler):
    """The unpickler in Python, each step of which can be guarded."""

    stack: list[Any]
    _unframer: Any

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.file = file

    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in allowed():
            raise Refused(f"refers to {module}.{name}, which is not on the list of harmless constructors")
        if (module, name) == _PLACE_HOLDER:
            return _ArrayAhead
        return pickle.Unpickler.find_class(_PLAIN, module, name)

    def load_build(self) -> None:
        """Set an object's state; where the object is a place holder, put the array in its place."""
        instance, state = self.stack[-2:]
        if type(instance) is _ArrayAhead:
            self.stack[-2:] = [_read_array(state, self.file)]
            return
        if isinstance(instance, type):
            raise Refused(f"changes the class {instance.__name__}")
        for part in state if isinstance(state, tuple) and len(state) == 2 else (state,):
            if isinstance(part, dict) and any(isinstance(key, str) and key.startswith("__") for key in part):
                raise Refused(f"sets a name of Python's own on a {type(instance).__name__}")
        super().load_build()  # type: ignore[misc]  # not in its stub

    dispatch = {**pickle._Unpickler.dispatch, pickle.BUILD[0]: load_build}  # type: ignore[dict-item]

    def load(self) -> Any:
        value = super().load()
        frame = self._unframer.current_frame
        if frame is not None and frame.read(1):
            raise Refused("holds something after the end of its pickle")
        return value


class _Nested(_Unpickler):
    """Of objects in an array, which joblib reads as a plain pickle: there is no place holder in it."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == _PLACE_HOLDER:
            raise Refused("holds an array within the objects of an array, in a way that joblib does not")
        return super().find_class(module, name)


def _read(path: Path, scratch: Path) -> Any:
    with open_stream(path, scratch) as file:
        model = _Unpickler(file).load()
        if file.read(1):
            raise Refused("holds something after the end of its pickle")
    return model


def main(source: str, target: str) -> int:
    """Transcode one file; returns the exit code."""
    _leave_network()
    try:
        model = _read(Path(source), Path(target).parent)
        import skops.io  # after the file is known to be harmless: most of a refusal's time would be this import

        skops.io.dump(model, target)
    except Refused as error:
        print(" ".join(str(error).split()))  # one line, whatever names the file holds
        return REFUSED
    except Exception as error:  # whatever a broken or hostile stream raises is a refusal, in one line
        said = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"is not a complete pickle of a scikit-learn model ({said[:200]})")
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
