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
_MAX_CONSTANTS = 200_000
_MAX_BEFORE = 1024**2
_NAMES = (".pmml", ".xml", ".svg", ".xsl", ".xslt", ".xhtml")
# What may stand before a document's type or first element; a page for browsers has no declarations of its own.
_BEFORE = re.compile(rb"(?:\s++|<!--.*?-->|<\?(?!xml\s).*?\?>)*+", re.DOTALL)
_BEGINS = re.compile(
    rb"<(?:\?xml\s|!DOCTYPE\s+(?!html[\s>\[])|!DOCTYPE\s+html(?:[^>\[\"']|\"[^\"]*\"|'[^']*')*+\["
    rb"|!--|\?|(?:\w+:)?(?:PMML|net|svg|model)\b)",
    re.IGNORECASE,
)
_WIDE = tuple("<".encode(encoding) for encoding in ("utf-16-le", "utf-16-be"))
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_ACTIVE = frozenset({"script", "iframe", "object", "embed", "include", "import", "applet", "foreignobject", "handler"})
# Notes that exporters leave: names, versions, numbers, settings.
_PLAIN = re.compile(r"[\w\s.,:;+\-/%#@'\"=\[\]<>|*^~!?°]*")


def matches(content: Content, head: bytes) -> bool:
    """Whether it is called so or begins as XML; a page for browsers is text."""
    if content.name.lower().endswith(_NAMES):
        return head.lstrip(b" \t\r\n\xef\xbb\xbf\xff\xfe\0")[:1] == b"<"
    for mark in _MARKS:
        if head.startswith(mark):
            head = head[len(mark) :]
            if mark != _MARKS[0]:
                return head.startswith(_WIDE)
    if head.lstrip()[:1] != b"<":
        return False
    # A comment or an instruction without an end, as far as is looked, is for the parser to judge.
    begin = content.at(0, _MAX_BEFORE).removeprefix(_MARKS[0])
    before = _BEFORE.match(begin)
    return _BEGINS.match(begin, before.end() if before else 0) is not None


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
        self._is_picture = self._is_network = False
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
            self._is_picture, self._is_network = local == "svg", local == "net"
        self._take_numbers(local, attributes)
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

    def _take_numbers(self, element: str, attributes: dict[str, str]) -> None:
        """A network of OpenVINO's has its constants in the file of the same name beside it."""
        offset, size = attributes.get("offset"), attributes.get("size")
        if not self._is_network or element != "data" or offset is None or size is None:
            return
        path = f"{self._content.path.rpartition('.')[0]}.bin"
        if self._content.part or path not in self._examination.sizes:
            raise Unexamined("has its constants in a file that is not there")
        if not re.fullmatch(r"[0-9]{1,18} [0-9]{1,18}", f"{offset} {size}"):
            raise Unexamined("has a constant at no place")
        if int(offset) + int(size) > self._examination.sizes[path]:
            raise Unexamined("has a constant outside of the file that it is in")
        taken = self._examination.numbers.setdefault(path, [])
        if len(taken) >= _MAX_CONSTANTS:
            raise Unexamined(f"has more than {_MAX_CONSTANTS} constants")
        taken.append((int(offset), int(size)))

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
