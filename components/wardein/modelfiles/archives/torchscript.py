# SPDX-License-Identifier: Apache-2.0
"""TorchScript: a language that cannot import, but whose operations reach files and, with native code, everything."""

from __future__ import annotations

import ast
import re
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from wardein.modelfiles.archives import rules
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined, shown

_LARGEST = 16 * 1024 * 1024
_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n\f]+|\#[^\n]*|\\\r?\n)
      | (?P<text>[A-Za-z]{0,2}(?:\"\"\"(?:[^\"\\]|\\.|\"(?!\"\"))*\"\"\"|'''(?:[^'\\]|\\.|'(?!''))*'''
          |\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'))
      | (?P<name>[^\W\d]\w*)
      | (?P<number>(?:0[xXbBoO][0-9A-Fa-f]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)j?)
      | (?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)
# The classes of torch's own native code that only hold packed weights.
CLASSES = {
    *(f"quantized.{kind}PackedParamsBase" for kind in ("Linear", "Conv2d", "Conv3d", "Embedding")),
    *("sparse.LinearPackedParamsBase", "rnn.CellParamsBase", "mkldnn.ConvOpContext"),
    *(f"xnnpack.{kind}OpContext" for kind in ("Linear", "Conv2d", "TransposeConv2d")),
}
# Operations that are found by a method's name as well, on whatever it is called.
_METHODS = {"from_file", "save", "record_stream", "rpc_async", "rpc_sync", "rpc_remote", "data_ptr"}
_CALL = re.compile(rb"([A-Za-z_]\w*)::([A-Za-z_]\w*)")


@cache
def operations() -> frozenset[str]:
    """The operations of torch that only compute, as ``namespace::name``; tools/torch_operations.py writes them."""
    lines = Path(__file__).with_name("torch_operations.txt").read_text(encoding="ascii").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


class Script:
    """One file of TorchScript.

    Attributes:
        classes: The classes and functions that it defines, with their full names; known after the examination.
        strange: What it reaches and should not.
    """

    NAME = "torchscript"
    TEXT = True

    def __init__(self, module: str) -> None:
        """Begin.

        Args:
            module: The name of the module that it is, for example ``__torch__.torch.nn.modules.linear``.
        """
        self._module = module
        self.classes: set[str] = set()
        self.strange: dict[str, None] = {}

    def matches(self, content: Content, head: bytes) -> bool:
        """It is known by its place only."""
        return False

    def examine(self, content: Content, examination: Examination) -> None:
        """Look at every name in the code.

        Raises:
            Unexamined: If there is too much of it.
        """
        if content.size > _LARGEST:
            raise Unexamined("is more code than is looked at")
        text = content.at(0, content.size).decode("utf-8")
        tokens = [(str(m.lastgroup), m[0]) for m in _TOKEN.finditer(text) if m.lastgroup != "blank"]
        self.classes.update(f"{self._module}.{name}" for name in _defined(tokens))
        self.strange.update(dict.fromkeys(_strange(tokens)))


def _defined(tokens: list[tuple[str, str]]) -> Iterator[str]:
    for before, (kind, name) in zip(tokens, tokens[1:], strict=False):
        if before == ("name", "class") and kind == "name":
            yield name


def _strange(tokens: list[tuple[str, str]]) -> Iterator[str]:
    """What the code reaches that is not known to only compute."""
    padded = [*tokens, *[("mark", "")] * 6]
    before = ""
    has_getattr = ("name", "getattr") in tokens
    for number, (kind, text) in enumerate(tokens):
        after = [token[1] for token in padded[number + 1 : number + 7]]
        if kind == "name" and before == ".":
            if text in _METHODS:
                yield f".{text}"
        elif kind == "name" and text == "torch":
            yield from _unless_known("aten", after, text)
        elif kind == "name" and text == "ops":
            yield from _unless_known(after[1], after[2:], f"ops.{after[1]}")
        elif kind == "name" and text == "__torch__" and after[1:4:2] == ["torch", "classes"]:
            path = padded[number + 6 : number + 9]
            name = "".join(token[1] for token in path)
            if name not in CLASSES:
                yield f"__torch__.torch.classes.{name}"
        elif kind == "text" and has_getattr and _said(text) in _METHODS:
            yield f"getattr {_said(text)}"
        before = text


def _unless_known(namespace: str, after: list[str], reached: str) -> Iterator[str]:
    name = after[1] if after[0] == "." else ""
    if f"{namespace}::{name}" not in operations():
        yield f"{reached}.{name}"


def _said(literal: str) -> str:
    try:
        return str(ast.literal_eval(literal))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return literal.strip("'\"")


class _Bytecode:
    """The program of the interpreter for phones: a pickle that names operations."""

    NAME = "torch-bytecode"
    TEXT = False

    def matches(self, content: Content, head: bytes) -> bool:
        """It is known by its place only."""
        return False

    def examine(self, content: Content, examination: Examination) -> None:
        """Look at every operation that it names.

        Raises:
            Unexamined: If there is too much of it.
        """
        if content.size > _LARGEST:
            raise Unexamined("is more code than is looked at")
        program = content.at(0, content.size)
        for call in _CALL.finditer(program):
            # A text is written as "X", its length in four bytes, and itself.
            size = struct.unpack("<L", program[call.start() - 4 : call.start()])[0] if call.start() >= 5 else 0
            name = program[call.start() :][: min(size, 1000)].decode("utf-8", "replace")
            if name not in operations():
                message = f"has a program that calls {shown(name)} at byte {call.start()}"
                examination.tell(rules.OPERATION, content, message, identity=name)


BYTECODE = _Bytecode()
