# SPDX-License-Identifier: Apache-2.0
"""Tables of data beside a model: Parquet, Arrow and Feather. Data only; their frame is checked, not their values."""

from __future__ import annotations

from dataclasses import dataclass

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined


@dataclass
class Table:
    """A format that begins and ends with the same letters, and has its directory's length before the last.

    Attributes:
        NAME: What it is called.
        mark: The letters.
    """

    NAME: str
    mark: bytes
    TEXT: bool = False

    def matches(self, content: Content, head: bytes) -> bool:
        """Whether it begins with the letters."""
        return head.startswith(self.mark)

    def examine(self, content: Content, examination: Examination) -> None:
        """Check that it ends as it began, and that its directory lies within."""
        mark = len(self.mark)
        end = content.at(content.size - mark - 4, mark + 4)
        directory = int.from_bytes(end[:4], "little")
        if content.size < 2 * mark + 4 or end[4:] != self.mark or not 0 < directory <= content.size - 2 * mark - 4:
            raise Unexamined(f"begins as {self.NAME} and does not end so: it breaks off, or goes on")


TABLES = (Table("parquet", b"PAR1"), Table("arrow", b"ARROW1"), Table("feather", b"FEA1"))
