# SPDX-License-Identifier: Apache-2.0
"""LightGBM's text: its parts in their order, as many trees as it promises, and nothing behind them."""

from __future__ import annotations

import json

from wardein.modelfiles.any_format import TRAILING
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined

NAME = "lightgbm"
TEXT = True

_MAX_LINE = 16 * 1024**2
_END_OF_TREES, _PARAMETERS, _END = b"end of trees", b"parameters:", b"end of parameters"
_IMPORTANCES = (b"feature_importances:", b"feature importances:")
_CATEGORIES = b"pandas_categorical:"


def matches(content: Content, head: bytes) -> bool:
    """Whether it begins as a model with a version."""
    return head.startswith((b"tree\nversion=", b"tree\r\nversion=", b"tree\nnum_class="))


def examine(content: Content, examination: Examination) -> None:
    """Read every line."""
    trees = _Trees()
    with content.open() as stream:
        part = "header"
        while line := stream.readline(_MAX_LINE + 1):
            if len(line) > _MAX_LINE:
                raise Unexamined(f"has a line of more than {_MAX_LINE} bytes")
            line.decode("utf-8")
            text = line.strip()
            after = _follows(part, text, trees)
            if text and after == "behind":
                message = f"goes on behind its end, at byte {stream.tell() - len(line)}"
                examination.tell(TRAILING, content, message, identity="behind its end")
                break
            part = after
    trees.check(part)


class _Trees:
    """The trees that the header promises, and those that came."""

    def __init__(self) -> None:
        self.promised, self.came = -1, 0

    def check(self, part: str) -> None:
        if self.promised >= 0 and self.promised != self.came:
            raise Unexamined(f"breaks off: it has {self.came} trees of {self.promised}")
        if part in ("header", "parameters"):
            raise Unexamined("breaks off")


def _follows(part: str, text: bytes, trees: _Trees) -> str:
    """The part of the file that a line belongs to, after a part."""
    if not text:
        return part
    if part in ("header", "trees"):
        return _in_trees(part, text, trees)
    if part == "parameters":
        return "ended" if text == _END else part
    if text.startswith(_CATEGORIES) and part in ("after trees", "importances", "ended"):
        json.loads(text[len(_CATEGORIES) :])
        return "categories"
    if text == _PARAMETERS and part in ("after trees", "importances"):
        return "parameters"
    if text in _IMPORTANCES and part == "after trees":
        return "importances"
    return part if part == "importances" and b"=" in text else "behind"


def _in_trees(part: str, text: bytes, trees: _Trees) -> str:
    if text.startswith(b"tree_sizes=") and part == "header":
        trees.promised = len(text.partition(b"=")[2].split())
    elif text.startswith(b"Tree="):
        if text != b"Tree=%d" % trees.came:
            raise Unexamined("has trees out of their order")
        trees.came += 1
        return "trees"
    elif text == _END_OF_TREES:
        return "after trees"
    elif text in _IMPORTANCES:
        return "importances"
    elif b"=" not in text and text not in (b"tree", b"average_output"):
        raise Unexamined("has a line that is none of a model")
    return part
