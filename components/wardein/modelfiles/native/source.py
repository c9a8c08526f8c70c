# SPDX-License-Identifier: Apache-2.0
"""Python source: code that lies among a model's files. Whether anything loads it, the folder says."""

from __future__ import annotations

import codecs

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined
from wardein.modelfiles.native import rules
from wardein.report import Severity

NAME = "python-source"
TEXT = True

_MAX_BYTES = 16 * 1024**2


def matches(content: Content, head: bytes) -> bool:
    """Whether it is called so and has no NUL: what its loader would make of it, it makes of any text."""
    return content.name.lower().endswith((".py", ".pyw")) and b"\0" not in head


def examine(content: Content, examination: Examination) -> None:
    """Tell that it is there; it is not run, and what it does is not judged."""
    if content.size > _MAX_BYTES:
        raise Unexamined(f"is source of more than {_MAX_BYTES} bytes")
    codecs.decode(content.at(0, content.size), "utf-8")
    # In an archive nothing says that it is only kept there: its loaders put it on the path.
    severity = Severity.HIGH if content.depth else None
    examination.tell(rules.CODE, content, "is Python source", identity="python", severity=severity)
