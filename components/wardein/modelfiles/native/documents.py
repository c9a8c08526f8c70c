# SPDX-License-Identifier: Apache-2.0
"""Documents and leavings of a desktop beside a model: no loader reads them."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from wardein.modelfiles.any_format import TRAILING
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined
from wardein.modelfiles.native import rules

_CHUNK = 1024**2
_END = b"%%EOF"
_ACTIVE = re.compile(rb"/(?:JavaScript|JS|Launch|OpenAction|EmbeddedFile)\b")


@dataclass
class Document:
    """A document in PDF."""

    NAME: str = "document"
    TEXT: bool = False

    def matches(self, content: Content, head: bytes) -> bool:
        """Whether it begins as one."""
        return head.startswith(b"%PDF-")

    def examine(self, content: Content, examination: Examination) -> None:
        """Check that it ends as one, and tell what its reader would run."""
        tail = content.at(max(content.size - 1024, 0), 1024)
        if _END not in tail:
            raise Unexamined("is a document without its end")
        if tail.rpartition(_END)[2].strip(b" \t\r\n\0"):
            examination.tell(TRAILING, content, "holds bytes behind its end", identity="behind its end")
        before = b""
        for offset in range(0, content.size, _CHUNK):
            joined = before + content.at(offset, _CHUNK)
            if found := _ACTIVE.search(joined):
                what = found[0].decode("ascii")
                examination.tell(rules.MARKUP, content, f"has an active part, {what}", identity=what)
                return
            before = joined[-32:]


@dataclass
class FolderView:
    """How a folder looked on a Mac: a header that gives the place of its directory twice, and the directory."""

    NAME: str = "ds-store"
    TEXT: bool = False

    def matches(self, content: Content, head: bytes) -> bool:
        """Whether it begins as one."""
        return head.startswith(b"\0\0\0\1Bud1")

    def examine(self, content: Content, examination: Examination) -> None:
        """Check that its directory lies within it."""
        first, size, second = struct.unpack(">3I", content.at(8, 12))
        if content.name != ".DS_Store" or first != second or first + 4 > content.size or size > content.size:
            raise Unexamined("is no view of a folder, though it begins as one")


DOCUMENTS = (Document(), FolderView())
