# SPDX-License-Identifier: Apache-2.0
"""Protocol buffers written as text: turned into their binary form, field by field, and examined as that."""

from __future__ import annotations

import codecs
import math
import re
import struct
from collections.abc import Iterator, Mapping
from functools import cache
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
_FIXED = "saved_model.pbtxt"  # the name that a loader looks for, whatever is in it
# What may stand between two words, and the beginning of what is longer than what was read of it.
_BETWEEN = re.compile(r"\s+|#[^\n]*(?:\n|\Z)")
_NAME = re.compile(r"[A-Za-z_]\w*")
_CHUNK = 64 * 1024
_LONGEST_NAME = 100
# How many words and marks, and how many messages, the parser reads of one text.
MAX_TOKENS = 4_000_000
MAX_MESSAGES = 500_000
# The message that each field begins; those in the second part begin other texts, too.
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
    **dict.fromkeys(["node", "library", "version", "debug_info"], "tensorflow.GraphDef"),
    **dict.fromkeys(
        [
            "producer_name",
            "producer_version",
            "domain",
            "model_version",
            "doc_string",
            "graph",
            "metadata_props",
            "training_info",
            "functions",
            "configuration",
        ],
        onnx.MODEL,
    ),
}
# Without one of these fields and its brace, such a text is no graph, and nothing that does anything.
_GRAPHS: Mapping[str, re.Pattern[bytes]] = {
    kind: re.compile(rb"\b(?:%s)(?:\s|#[^\n]*\n)*+:?(?:\s|#[^\n]*\n)*+\[?(?:\s|#[^\n]*\n)*+[{<]" % b"|".join(names))
    for kind, names in (
        ("tensorflow.GraphDef", [b"node", b"library"]),
        (onnx.MODEL, [b"graph", b"functions", b"training_info"]),
    )
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
        if not kind or is_sure or content.size > MAX_BYTES:
            return bool(kind)
        return _GRAPHS[kind].search(content.at(0, content.size)) is not None

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
    if content.name.lower() == _FIXED:
        return "tensorflow.SavedModel", True
    name, mark = _beginning(content)
    if not name or mark not in (":", "{", "<", "["):
        return "", False
    return _BEGINS.get(name) or _MAY_BEGIN.get(name, ""), name in _BEGINS


def _beginning(content: Content) -> tuple[str, str]:
    """The first word of a text and the mark behind it, wherever they are: comments go before and between them."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    left, name = "", ""
    for offset in range(0, content.size, _CHUNK):
        left += decoder.decode(content.at(offset, _CHUNK), final=offset + _CHUNK >= content.size)
        left = left.removeprefix("\ufeff") if not offset else left
        left = _behind_comments(left)
        if not name and left[:1] != "#":
            match = _NAME.match(left)
            if left and (match is None or match.end() > _LONGEST_NAME):
                return "", ""
            if match is not None and (match.end() < len(left) or offset + _CHUNK >= content.size):
                name, left = match[0], _behind_comments(left[match.end() :])
        if name and left and left[0] != "#":
            return name, left[0]
    return "", ""


def _behind_comments(text: str) -> str:
    """A text from its first word on; a comment that does not end is cut to its mark."""
    position = 0
    while (match := _BETWEEN.match(text, position)) is not None:
        if match[0][0] == "#" and match[0][-1] != "\n":
            return "#"
        position = match.end()
    return text[position:]


def _binary(content: Content, kind: str) -> bytes:
    if content.size > MAX_BYTES:
        raise Unexamined(f"is a text of more than {MAX_BYTES} bytes")
    return _Parser(content.at(0, content.size).decode().removeprefix("\ufeff")).message(kind, "", 0)


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
        self._tokens, self._messages = MAX_TOKENS, MAX_MESSAGES
        self._next()

    def _next(self) -> str:
        """Go on, and give the token that was there."""
        self._tokens -= 1
        if self._tokens < 0:
            raise Unexamined(f"is a text of more than {MAX_TOKENS} words and marks")
        token, match = self._token, _TOKEN.match(self._text, self._position)
        if match is None or match.lastgroup is None:
            raise ValueError(f"no token at character {self._position}")
        self._position, self._kind, self._token = match.end(), match.lastgroup, match[match.lastgroup]
        return token

    def message(self, kind: str, end: str, depth: int) -> bytes:
        """The fields of a message up to its end, in binary form."""
        if depth > MAX_DEPTH:
            raise Unexamined(f"is nested deeper than {MAX_DEPTH} messages")
        self._messages -= 1
        if self._messages < 0:
            raise Unexamined(f"is a text of more than {MAX_MESSAGES} messages")
        fields = bytearray()
        while not (self._kind == "end" or (self._kind == "mark" and self._token == end)):
            fields += self._field(kind, depth)
        if end and self._kind == "end":
            raise ValueError("a message without its end")
        if end:
            self._next()
        return bytes(fields)

    def _field(self, kind: str, depth: int) -> bytes:
        """One field of a message, with all its values."""
        if self._kind != "name":
            raise ValueError(f"no field before character {self._position}")
        name = self._next()
        if name not in _numbered(kind):
            raise Unexamined(f"has a field {shown(name)} that is unknown in {kind.rpartition('.')[2]}")
        number, entry = _numbered(kind)[name]
        if self._is(":"):
            self._next()
        if self._is("["):
            values = bytearray()
            for value in self._values(number, entry, depth):
                values += value
        else:
            values = bytearray(self._value(number, entry, depth))
        if self._is(";") or self._is(","):
            self._next()
        return bytes(values)

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


@cache
def _numbered(kind: str) -> Mapping[str, tuple[int, Field]]:
    """The fields of a message by their names."""
    return {entry.name: (number, entry) for number, entry in protobuf.messages()[kind].fields.items()}


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
