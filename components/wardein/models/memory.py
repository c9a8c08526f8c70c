# SPDX-License-Identifier: Apache-2.0
"""The states of numpy's arrays and data types in a pickle, which numpy itself believes.

A data type says what in an array is a pointer, and a shape how many there are. One that lies makes numpy read and write
memory that is not the array's, before anybody can look at what was loaded.
"""

from __future__ import annotations

import math
from typing import Any

from wardein.models.container import Refused

_ALIGNED = 0x80  # numpy's flag for a structure that is laid out as a C compiler does


def check_array(instance: Any, state: Any) -> None:
    """Make sure that an array of objects gets as many as its shape says: numpy does not count them.

    Raises:
        Refused: If it does not.
    """
    import numpy as np

    if not isinstance(instance, np.ndarray):
        return
    # With a version in front, and of a masked array with its mask behind; without one in the files of old.
    shape, kind, _, content = {4: state, 5: state[1:], 7: state[1:5]}[len(state)]
    counted = type(content) is list and min(shape, default=0) >= 0 and len(content) == math.prod(shape)
    if kind.hasobject and not counted:
        raise Refused("describes an array of more or fewer objects than it has")


def state_of(instance: Any, state: Any) -> Any:
    """The state to set: of a data type the one that numpy itself gives to the type that is described.

    Raises:
        Refused: If the description is of another type than what it says of it.
    """
    import numpy as np

    if not isinstance(instance, np.dtype):
        return state
    if type(state) is not tuple or len(state) not in (8, 9) or state[1] not in ("|", "<", ">", "="):
        raise Refused("describes a data type in a way that numpy does not")
    own = _described(instance, state)
    if (own.kind, own.itemsize, own.flags) != (instance.kind, instance.itemsize, state[7]):
        raise Refused(f"describes the data type {str(own)[:40]} as another one than it is")
    return own.__reduce__()[2]  # type: ignore[index]


def _described(instance: Any, state: Any) -> Any:
    """The data type that a state describes, made anew."""
    import numpy as np

    _, order, inner, names, fields, size, _, flags, *more = state
    if names is not None:
        parts = [fields[name] for name in names]
        if not all(isinstance(part[0], np.dtype) for part in parts):
            raise Refused("describes a data type in a way that numpy does not")
        formats, offsets = [part[0] for part in parts], [part[1] for part in parts]
        layout: Any = {"names": list(names), "formats": formats, "offsets": offsets, "itemsize": size}
        return np.dtype(layout, align=bool(flags & _ALIGNED))
    if inner is not None:
        of, shape = inner
        if not isinstance(of, np.dtype):
            raise Refused("describes a data type in a way that numpy does not")
        return np.dtype((of, shape))
    plain = np.dtype(instance.str)
    if plain.kind in "Mm":
        unit, count = more[0][1][:2]
        plain = np.dtype(f"{plain.kind}8[{int(count)}{bytes(unit).decode('ascii')}]")
    return plain.newbyteorder(order) if order in "<>" else plain
