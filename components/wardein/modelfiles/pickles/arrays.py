# SPDX-License-Identifier: Apache-2.0
"""Arrays as joblib writes them: a place holder in the stream, and the array's bytes right behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardein.modelfiles.examination import Unexamined
from wardein.modelfiles.pickles import dtypes
from wardein.modelfiles.pickles import opcodes as op
from wardein.modelfiles.pickles.values import Dtype, Global, Instance, Value

if TYPE_CHECKING:
    from wardein.modelfiles.pickles.machine import Machine

_KEYS = {"subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"}
_ALIGNMENT = 16


def read_array(machine: Machine, wrapper: Global, state: Value, at: int) -> int:
    """Put an array in the place of its place holder; gives what is behind its bytes.

    Args:
        machine: Where the stream is.
        wrapper: The place holder's class.
        state: What the place holder says of the array.
        at: Where the array's bytes begin.

    Raises:
        Unexamined: If joblib does not describe arrays so, or the array breaks off.
    """
    atoms, content = machine.atoms, machine.content
    if not machine.joblib:
        raise Unexamined(f"has an array of joblib's where no loader reads one, at byte {at}")
    entries = atoms.mapping(state)
    if entries is None or not set(entries) <= _KEYS:
        raise Unexamined(f"describes an array in a way that joblib does not at byte {at}")
    if machine.frame_end and machine.frame_end != at:
        # joblib would take the rest of the frame for the stream, whatever the file has here.
        raise Unexamined(f"has an array within a frame at byte {at}")
    machine.frame_end = 0
    subclass, dtype = entries.get("subclass"), entries.get("dtype")
    shape = dtypes.shape_of(entries["shape"], atoms) if "shape" in entries else None
    if not isinstance(subclass, Global) or not isinstance(dtype, Dtype) or shape is None:
        raise Unexamined(f"describes an array in a way that joblib does not at byte {at}")
    machine.stack.append(Instance(subclass) if subclass.uses is None else subclass.instance)
    if dtype.objects is not False:
        return _nested(machine, dtype, at)
    if dtype.size is None:
        raise Unexamined(f"has an array of a type whose size is not known at byte {at}")
    aligned = "numpy_array_alignment_bytes" in entries and atoms.kind(entries["numpy_array_alignment_bytes"]) != "None"
    begin = _past_padding(machine, at) if aligned else at
    machine.others_stop = machine.others_stop or aligned
    end = begin + dtypes.product(shape) * dtype.size
    if end > content.size:
        raise Unexamined(f"has an array that breaks off at byte {at}")
    if not aligned and end > begin and content.at(begin, 1)[0] in op.KNOWN:
        _judge_bytes(machine, begin)
    return end


def _nested(machine: Machine, dtype: Dtype, at: int) -> int:
    """Objects: a pickle of their own, which must not be another one to who takes it for more of the stream."""
    from wardein.modelfiles.pickles.probing import acts_otherwise

    if dtype.objects is None:
        raise Unexamined(f"has an array of a type that is not known at byte {at}")
    end = type(machine)(machine.content, machine.judge).run(at).at
    if not machine.others_stop and acts_otherwise(machine, at):
        raise Unexamined(f"has a pickle in it that other loaders read otherwise, at byte {at}")
    return end


def _past_padding(machine: Machine, at: int) -> int:
    """Bytes 1 to 16 are no opcodes: whoever takes the array for more of the stream stops here."""
    length = (machine.content.at(at, 1) or b"\0")[0]
    if not 1 <= length <= _ALIGNMENT or machine.content.at(at + 1, length) != b"\xff" * length:
        raise Unexamined(f"aligns an array in a way that joblib does not at byte {at}")
    return at + 1 + length


def _judge_bytes(machine: Machine, at: int) -> None:
    """Old arrays are not padded: whoever takes their bytes for opcodes must not come to do anything."""
    from wardein.modelfiles.pickles.probing import would_act

    if would_act(machine.content, at, machine):
        raise Unexamined(f"has an array whose bytes an unpickler would follow at byte {at}")
