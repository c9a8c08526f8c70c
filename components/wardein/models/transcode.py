# SPDX-License-Identifier: Apache-2.0
"""The child process that touches pickles: reads one through the allowlist and writes it as skops.

Run as ``python -I -m wardein.models.transcode SOURCE TARGET`` with a scrubbed environment, a memory and a
time limit, and no network where the kernel allows it. Prints one line and exits 3 if the file is refused.
"""

from __future__ import annotations

import ctypes
import io
import pickle
import sys
from typing import Any

from wardein.models.allowlist import allowed

REFUSED = 3
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


class _Refused(Exception):
    pass


def _leave_network() -> None:
    """Best effort: a kernel without user namespaces says no, and the allowlist stands alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def _find(module: str, name: str) -> Any:
    if f"{module}.{name}" not in allowed():
        raise _Refused(f"refers to {module}.{name}, which is not on the list of harmless constructors")
    return pickle.Unpickler.find_class(_PLAIN, module, name)


_PLAIN = pickle.Unpickler(io.BytesIO())  # noqa: S301 - used to look names up, never to load


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return _find(module, name)


def _joblib_load(path: str) -> Any:
    from joblib import numpy_pickle
    from joblib.numpy_pickle_utils import _validate_fileobject_and_memmap

    class Wrapper(numpy_pickle.NumpyArrayWrapper):  # type: ignore[misc]  # joblib is untyped
        """Reads object arrays, which joblib stores as a nested pickle, through the allowlist as well."""

        def read_array(self, unpickler: Any, *args: Any) -> Any:
            if self.dtype.hasobject:
                return _Unpickler(unpickler.file_handle).load()
            return super().read_array(unpickler, *args)

    class JoblibUnpickler(numpy_pickle.NumpyUnpickler):  # type: ignore[misc]  # joblib is untyped
        def load_build(self) -> None:
            if isinstance(self.stack[-2], numpy_pickle.NumpyArrayWrapper):
                self.stack[-2].__class__ = Wrapper
            super().load_build()

        dispatch = dict(numpy_pickle.NumpyUnpickler.dispatch)
        dispatch[pickle.BUILD[0]] = load_build

        def find_class(self, module: str, name: str) -> Any:
            return _find(module, name)

    with open(path, "rb") as raw, _validate_fileobject_and_memmap(raw, path, None) as (file, _):
        return JoblibUnpickler(path, file, True).load()


def main(source: str, target: str) -> int:
    """Transcode one file; returns the exit code."""
    _leave_network()
    try:
        model = _joblib_load(source)
        import skops.io  # after the file is known to be harmless: most of a refusal's time would be this import

        skops.io.dump(model, target)
    except _Refused as error:
        print(error)
        return REFUSED
    except Exception as error:  # whatever a broken or hostile stream raises is a refusal, in one line
        print(f"is not a complete pickle of a scikit-learn model ({type(error).__name__}: {str(error)[:200]})")
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
