# SPDX-License-Identifier: Apache-2.0
"""XML: PMML and its kin. Read by a parser that refuses document types, so nothing is ever expanded or fetched."""

from __future__ import annotations

import ast
import re
from xml.parsers import expat

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined, shown
from wardein.modelfiles.native import rules
from wardein.scan.rules import Rule

NAME = "xml"
TEXT = True

_CHUNK = 256 * 1024
_DEEPEST = 500
_MAX_BYTES = 512 * 1024**2
_MAX_NOTE = 64 * 1024
_BEGINS = re.compile(rb"\s*<(?:\?xml\b|!DOCTYPE\s+(?!html)|(?:\w+:)?(?:PMML|net|svg|model)\b)", re.IGNORECASE)
_WIDE = tuple("<".encode(encoding) for encoding in ("utf-16-le", "utf-16-be"))
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_ACTIVE = frozenset({"script", "iframe", "object", "embed", "include", "import", "applet", "foreignobject", "handler"})
# Notes that exporters leave: names, versions, numbers, settings.
_PLAIN = re.compile(r"[\w\s.,:;+\-/%#@'\"=\[\]<>|*^~!?°]*")


def matches(content: Content, head: bytes) -> bool:
    """Whether it begins as XML; a page for browsers is text."""
    for mark in _MARKS:
        if head.startswith(mark):
            head = head[len(mark) :]
            if mark != _MARKS[0]:
                return head.startswith(_WIDE)
    return _BEGINS.match(head) is not None


def examine(content: Content, examination: Examination) -> None:
    """Read it to its end; tell what makes a reader run or fetch something."""
    if content.size > _MAX_BYTES:
        raise Unexamined(f"is XML of more than {_MAX_BYTES} bytes")
    reader = _Reader(content, examination)
    try:
        for offset in range(0, content.size, _CHUNK):
            reader.parser.Parse(content.at(offset, _CHUNK), offset + _CHUNK >= content.size)
    except _Refused:
        raise Unexamined("was not read on behind its document type") from None
    except expat.ExpatError as error:
        raise Unexamined(f"is not valid XML ({shown(str(error))})") from None


class _Refused(Exception):
    """The document declares a type."""


class _Reader:
    """What is told while a document is read."""

    def __init__(self, content: Content, examination: Examination) -> None:
        self._content, self._examination = content, examination
        self._depth = self._noted = 0
        # What the extension holds that is being read: its texts, and its attributes.
        self._texts: list[str] = []
        self._notes: list[str] = []
        self._is_picture = False
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.ProcessingInstructionHandler = self._instruction
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.EntityDeclHandler = self._refuse
        self.parser.ExternalEntityRefHandler = self._refuse

    def _doctype(self, name: str, _system: str | None, _public: str | None, has_declarations: int) -> None:
        if name == "svg" and not has_declarations:
            # Drawing programs write it; no reader of pictures follows it.
            self._tell(rules.MARKUP, "declares a document type", "doctype")
        else:
            self._refuse()

    def _refuse(self, *_: object) -> int:
        self._tell(rules.XML_ENTITY, "declares a document type or an entity", "doctype")
        raise _Refused

    def _tell(self, rule: Rule, message: str, identity: str) -> None:
        at = f"at line {self.parser.CurrentLineNumber}"
        self._examination.tell(rule, self._content, f"{message}, {at}", identity=identity)

    def _instruction(self, target: str, data: str) -> None:
        self._tell(rules.XML_CODE, f"has an instruction for its reader, {shown(target)}", f"instruction {target}")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise Unexamined(f"is nested deeper than {_DEEPEST} levels")
        local = name.rpartition(":")[2]
        if self._depth == 1:
            self._is_picture = local == "svg"
        if local.lower() in _ACTIVE:
            if self._is_picture:
                self._tell(rules.MARKUP, f"has the element {shown(name)}", f"element {local}")
            else:
                self._tell(rules.XML_CODE, f"has the element {shown(name)}", f"element {local}")
        if local == "Extension" and not self._noted:
            self._noted = self._depth
            self._tell(rules.EXTENSION, "has an extension", "extension")
        if self._noted:
            self._notes += attributes.values()
            self._check_size()
        function = attributes.get("function", "")
        if local == "Apply" and "." in function:
            # Evaluators take a name with dots for a class of theirs or of anybody's, and call it.
            self._tell(rules.XML_CODE, f"calls the class {shown(function)}", f"apply {function}")
        for key, value in attributes.items():
            if key.rpartition(":")[2] in ("href", "src") and not value.startswith("#") and not self._is_picture:
                self._tell(rules.XML_CODE, f"refers to {shown(value)}", f"href {value}")

    def _text(self, data: str) -> None:
        if self._noted:
            self._texts.append(data)
            self._check_size()

    def _end(self, name: str) -> None:
        if self._noted == self._depth:
            for note in map(str.strip, ["".join(self._texts), *self._notes]):
                if not _PLAIN.fullmatch(note) and not _is_representation(note):
                    self._tell(rules.XML_CODE, f"has an extension that may be code: {shown(note)}", note)
            self._noted, self._texts, self._notes = 0, [], []
        self._depth -= 1

    def _check_size(self) -> None:
        if (
            len(self._texts) + len(self._notes) > _MAX_NOTE
            or sum(map(len, self._texts[-1:] + self._notes[-1:])) > _MAX_NOTE
        ):
            raise Unexamined(f"has an extension of more than {_MAX_NOTE} characters")


def _is_representation(note: str) -> bool:
    """Whether a note is how Python writes an estimator: constructors of plain names, given plain values."""
    try:
        tree = ast.parse(note, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    plain = (
        ast.Expression, ast.Call, ast.Name, ast.Constant, ast.keyword, ast.List, ast.Tuple, ast.Dict, ast.Set,
        ast.UnaryOp, ast.USub, ast.UAdd, ast.Load,
    )  # fmt: skip
    for node in ast.walk(tree):
        if not isinstance(node, plain):
            return False
        if isinstance(node, ast.Call) and not (
            isinstance(node.func, ast.Name) and (node.func.id[:1].isupper() or node.func.id in ("array", "dtype"))
        ):
            return False
    return True
