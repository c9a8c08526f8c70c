# SPDX-License-Identifier: Apache-2.0
"""HDF5: configurations of Keras and pickles in its texts, files it refers to, filters it needs."""

from __future__ import annotations

import base64
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from wardein.errors import WardeinError
from wardein.modelfiles.any_format import TRAILING
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined, shown
from wardein.modelfiles.graphs.keras import examine_config
from wardein.modelfiles.graphs.rules import HDF5_FILTER, OUTSIDE
from wardein.report import Severity

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# What MATLAB puts in front of it: a text, no further places, its version and its order of bytes.
_MATLAB = re.compile(rb"MATLAB 7\.3 MAT-file[ -~]{97}(?:\0{8}| {8})\0\x02IM\0{384}")
_SECONDS = 30
# As how many processes one counts that had to be stopped.
_STOPPED = 16
_MEMORY = 3 * 1024**3 // 2


class Hdf5:
    """A file of groups and data sets: of Keras's models and weights, of pandas, of anyone's arrays."""

    NAME = "hdf5"
    TEXT = False

    def matches(self, content: Content, head: bytes) -> bool:
        """See :class:`wardein.modelfiles.formats.Format`."""
        return _superblock(content) is not None

    def examine(self, content: Content, examination: Examination) -> None:
        """See :class:`wardein.modelfiles.formats.Format`."""
        start = _superblock(content) or 0
        if any(content.at(0, min(start, 1024 * 1024))):
            message = f"has {start} bytes in front of its data"
            severity = Severity.LOW if _MATLAB.fullmatch(content.at(0, start)) else None
            examination.tell(TRAILING, content, message, identity=message, severity=severity)
        end = _end(content, start)
        if end < content.size:
            message = f"has {content.size - end} bytes behind its data, at byte {end}"
            examination.tell(TRAILING, content, message, identity="behind")
        elif end > content.size:
            raise Unexamined(f"ends {end - content.size} bytes too early")
        seen = _read(content, examination)
        for one in seen["references"]:
            message = f"{shown(one['path'])} has as {one['kind']} {shown(one['target'])}"
            examination.tell(OUTSIDE, content, message, identity=one["target"])
        for one in seen["filters"]:
            message = f"{shown(one['path'])} needs the filter {shown(one['filter'])}"
            examination.tell(HDF5_FILTER, content, message, identity=one["filter"])
        for path in seen["left_out"]:
            examination.leave_out(content, f"{shown(path)} is too large to be looked at")
        for one in seen["values"]:
            _examine_value(content, examination, one["path"], base64.b64decode(one["value"]), one["kind"])


def _superblock(content: Content) -> int | None:
    """Where the file's data begins: at its beginning, or at a power of two from 512 on."""
    if content.at(0, 8) == _SIGNATURE:
        return 0
    offset = 512
    while offset + 8 <= content.size:
        if content.at(offset, 8) == _SIGNATURE:
            return offset
        offset *= 2
    return None


def _end(content: Content, start: int) -> int:
    """Where the file ends, by its own account."""
    head = content.at(start, 96)
    version = head[8]
    if version in (0, 1):
        width, at = head[13], 24 + 4 * version
    elif version in (2, 3):
        width, at = head[9], 12
    else:
        raise Unexamined(f"is of a version ({version}) that is not known here")
    if width not in (2, 4, 8):
        raise ValueError("an offset of a width that there is not")
    return int.from_bytes(head[at + 2 * width : at + 3 * width], "little")


def _read(content: Content, examination: Examination) -> dict[str, Any]:
    """What the file's reader says of it, which runs in a process of its own."""
    from wardein.tools.run import run

    child = Path(__file__).with_name("hdf5_child.py")
    path = f"/proc/{os.getpid()}/fd/{content.descriptor}"
    if not Path(path).exists():
        raise Unexamined("can only be read on Linux")
    environment = {
        "HDF5_USE_FILE_LOCKING": "FALSE",
        "HDF5_PLUGIN_PRELOAD": "::",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    examination.count_process()
    command: list[str | Path] = [Path(sys.executable), "-I", child, path, str(content.start), str(content.size)]
    try:
        ended = run(command, time_limit=_SECONDS, environment=environment, memory_limit=_MEMORY, what="HDF5 reader")
    except WardeinError as error:
        examination.count_process(_STOPPED)
        raise Unexamined(f"could not be read to its end ({error.what})") from None
    if ended.code != 0:
        last = ended.stderr.strip().splitlines()[-1:] or [f"exit code {ended.code}"]
        raise Unexamined(f"could not be read to its end ({shown(last[0], 120)})")
    seen: dict[str, Any] = json.loads(ended.stdout)
    if "missing" in seen:
        raise Unexamined("needs h5py to be read: pip install 'wardein[scan]'")
    return seen


def _examine_value(content: Content, examination: Examination, path: str, value: bytes, kind: str) -> None:
    from wardein.modelfiles.formats import examine_as
    from wardein.modelfiles.pickles import plain, probe

    if value.lstrip()[:1] in (b"{", b"["):
        try:
            is_configuration = '"class_name"' in json.dumps(json.loads(value))
        except ValueError:
            if b"class_name" in value:
                examination.leave_out(content, f"{shown(path)} is no configuration that can be read")
            is_configuration = False
        if is_configuration:
            examine_config(content, examination, value, shown(path))
            return
    with examination.unpacked(content, path, path.rpartition("@")[2], [value]) as inner:
        if kind == "pickle":
            examine_as(plain, inner, examination)
        elif (value[:1] == b"\x80" and value[1:2] <= b"\x05") or probe(inner, examination):
            examination.examine(inner)


FORMATS = (Hdf5(),)
