# SPDX-License-Identifier: Apache-2.0
"""Protocol buffers written as text: turned into their binary form, field by field, and examined as that."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Mapping
from typing import Protocol

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined, shown
from wardein.modelfiles.graphs import onnx, protobuf, tensorflow
from wardein.modelfiles.graphs.protobuf import Field
from wardein.modelfiles.graphs.rules import OUTSIDE
from wardein.report import Severity

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 100
_TOKEN = re.compile(
    r"""(?:\s+|\#[^\n]*)*+(?:
    (?P<name>[A-Za-z_]\w*)
    |(?P<number>[-+]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)[fF]?)
    |(?P<text>"(?:[^"\\\n]|\\.)*+"|'(?:[^'\\\n]|\\.)*+')
    |(?P<mark>[-{}<>:;,\[\]])
    |(?P<end>\Z)
    )""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"} | {c: c for c in "\\'\"?"}
_CHECKPOINT = "tensorflow.CheckpointState"
# The message that each field begins; those in the second part begin other texts, too, which have to be read to be told.
_BEGINS: Mapping[str, str] = {
    "saved_model_schema_version": "tensorflow.SavedModel",
    "meta_graphs": "tensorflow.SavedModel",
    **dict.fromkeys(
        [
            "meta_info_def",
            "graph_def",
            "saver_def",
            "collection_def",
            "signature_def",
            "asset_file_def",
            "object_graph_def",
        ],
        "tensorflow.MetaGraphDef",
    ),
    "versions": "tensorflow.GraphDef",
    "model_checkpoint_path": _CHECKPOINT,
    "all_model_checkpoint_paths": _CHECKPOINT,
    "all_model_checkpoint_timestamps": _CHECKPOINT,
    "last_preserved_timestamp": _CHECKPOINT,
    "ir_version": onnx.MODEL,
    "opset_import": onnx.MODEL,
}
_MAY_BEGIN: Mapping[str, str] = {
    "node": "tensorflow.GraphDef",
    "library": "tensorflow.GraphDef",
    "version": "tensorflow.GraphDef",
    "debug_info": "tensorflow.GraphDef",
    **dict.fromkeys(
        [
            "producer_name",
            "producer_version",
            "domain",
            "model_version",
            "doc_string",
            "graph",
            "metadata_props",
            "functions",
        ],
        onnx.MODEL,
    ),
}


class _Binary(Protocol):
    def examine(self, content: Content, examination: Examination) -> None: ...


class TextProto:
    """A graph, a saved model or the state of checkpoints, as text."""

    NAME = "protobuf-text"
    TEXT = True

    def matches(self, content: Content, head: bytes) -> bool:
        """See :class:`wardein.modelfiles.formats.Format`."""
        kind, is_sure = _kind(content)
        if not kind or is_sure:
            return bool(kind)
        try:
            _binary(content, kind)
        except (ValueError, Unexamined):
            return bool(re.match(rb"\s*(node|library|graph)\s*:?\s*\{\s*[a-z_]+\s*[:{]", head))
        return True

    def examine(self, content: Content, examination: Examination) -> None:
        """See :class:`wardein.modelfiles.formats.Format`."""
        kind, _ = _kind(content)
        data = _binary(content, kind)
        with examination.unpacked(content, "in binary form", content.name, [data]) as inner:
            if kind == _CHECKPOINT:
                _state(content, examination, data)
            else:
                formats: tuple[_Binary, ...] = (*tensorflow.FORMATS, *onnx.FORMATS)
                next(f for f in formats if getattr(f, "kind", onnx.MODEL) == kind).examine(inner, examination)


def _kind(content: Content) -> tuple[str, bool]:
    """The kind of message that a text is by its first field, and whether nothing else begins so."""
    head = content.at(0, 64 * 1024)
    token = _TOKEN.match(head.decode("utf-8", "replace"))
    name = token["name"] if token else None
    if not token or not name or b"\0" in head:
        return "", False
    after = head.decode("utf-8", "replace")[token.end() :].lstrip()[:1]
    if after not in (":", "{", "<", "["):
        return "", False
    return _BEGINS.get(name) or _MAY_BEGIN.get(name, ""), name in _BEGINS


def _binary(content: Content, kind: str) -> bytes:
    if content.size > MAX_BYTES:
        raise Unexamined(f"is a text of more than {MAX_BYTES} bytes")
    return _Parser(content.at(0, content.size).decode()).message(kind, "", 0)


def _state(content: Content, examination: Examination, data: bytes) -> None:
    """Tell of checkpoints that lie elsewhere; honest ones of TensorFlow 1 remember where they were made."""
    fields = protobuf.held(data).fields(protobuf.messages()[_CHECKPOINT])
    for entry, _, value in fields:
        if entry.kind == "text" and isinstance(value, protobuf.Span):
            path = value.text()
            if path.startswith("/") or ".." in path.split("/") or ":" in path:
                message = f"says that its checkpoint is {shown(path)}"
                examination.tell(OUTSIDE, content, message, identity=path, severity=Severity.MEDIUM)


class _Parser:
    """Reads a text from left to right."""

    def __init__(self, text: str) -> None:
        self._text, self._position = text, 0
        self._kind, self._token = "", ""
        self._next()

    def _next(self) -> str:
        """Go on, and give the token that was there."""
        token, match = self._token, _TOKEN.match(self._text, self._position)
        if match is None or match.lastgroup is None:
            raise ValueError(f"no token at character {self._position}")
        self._position, self._kind, self._token = match.end(), match.lastgroup, match[match.lastgroup]
        return token

    def message(self, kind: str, end: str, depth: int) -> bytes:
        """The fields of a message up to its end, in binary form."""
        if depth > MAX_DEPTH:
            raise Unexamined(f"is nested deeper than {MAX_DEPTH} messages")
        numbered = {entry.name: (number, entry) for number, entry in protobuf.messages()[kind].fields.items()}
        parts: list[bytes] = []
        while not (self._kind == "end" or (self._kind == "mark" and self._token == end)):
            if self._kind != "name":
                raise ValueError(f"no field before character {self._position}")
            name = self._next()
            if name not in numbered:
                raise Unexamined(f"has a field {shown(name)} that is unknown in {kind.rpartition('.')[2]}")
            number, entry = numbered[name]
            if self._is(":"):
                self._next()
            parts += self._values(number, entry, depth) if self._is("[") else [self._value(number, entry, depth)]
            if self._is(";") or self._is(","):
                self._next()
        if end and self._kind == "end":
            raise ValueError("a message without its end")
        if end:
            self._next()
        return b"".join(parts)

    def _values(self, number: int, entry: Field, depth: int) -> Iterator[bytes]:
        """The values of a list."""
        self._next()
        while not self._is("]"):
            yield self._value(number, entry, depth)
            if not self._is("]") and self._next() != ",":
                raise ValueError("a list without commas")
        self._next()

    def _is(self, mark: str) -> bool:
        return self._kind == "mark" and self._token == mark

    def _value(self, number: int, entry: Field, depth: int) -> bytes:
        if entry.message:
            end = {"{": "}", "<": ">"}.get(self._next() if self._kind == "mark" else "", "")
            if not end:
                raise ValueError("a message without its beginning")
            return _long(number, self.message(entry.message, end, depth + 1))
        if entry.kind in ("text", "bytes"):
            parts = []
            while self._kind == "text":
                parts.append(_unescaped(self._next()[1:-1]))
            if not parts:
                raise ValueError("a text without quotes")
            return _long(number, b"".join(parts))
        return self._number(number, entry)

    def _number(self, number: int, entry: Field) -> bytes:
        sign = ""
        if self._is("-"):
            sign = self._next()
        if self._kind not in ("name", "number"):
            raise ValueError("a field without its value")
        token = sign + self._next()
        if entry.kind in ("fix4", "fix8"):
            value = _float(token)
            wire = 5 if entry.kind == "fix4" else 1
            return _varint(number << 3 | wire) + struct.pack("<f" if wire == 5 else "<d", value)
        return _varint(number << 3) + _varint(_integer(token, entry) & 0xFFFFFFFFFFFFFFFF)


def _integer(token: str, entry: Field) -> int:
    if token in entry.values:
        return entry.values[token]
    lowered = token.lower()
    if lowered in ("true", "t", "false", "f"):
        return int(lowered[0] == "t")
    is_octal = re.fullmatch(r"[-+]?0[0-7]+", token)
    return int(token, 8 if is_octal else 0)


def _float(token: str) -> float:
    """A number of either width; what is too large for it is infinite."""
    if re.fullmatch(r"[-+]?0[xX].*|[-+]?0[0-7]+", token):
        return float(_integer(token, Field("", "int", "", False)))
    value = float(token.rstrip("fF") if token.lower().lstrip("-+") not in ("inf", "infinity") else token)
    return value if abs(value) < 3e38 or math.isnan(value) else math.copysign(math.inf, value)


def _unescaped(text: str) -> bytes:
    out, position = [], 0
    for match in _ESCAPE.finditer(text):
        out.append(text[position : match.start()].encode())
        octal, hexadecimal, short, long, plain = match.groups()
        if octal or hexadecimal:
            out.append(bytes([(int(octal, 8) if octal else int(hexadecimal, 16)) & 0xFF]))
        elif short or long:
            out.append(chr(int(short or long, 16)).encode())
        else:
            out.append(_ESCAPED[plain].encode())
        position = match.end()
    return b"".join([*out, text[position:].encode()])


def _long(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


FORMATS = (TextProto(),)
