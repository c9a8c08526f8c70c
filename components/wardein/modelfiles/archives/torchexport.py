# SPDX-License-Identifier: Apache-2.0
"""Programs of torch.export: a graph in JSON whose nodes name functions, and whose sizes are expressions.

Who loads one looks up each function by walking from ``torch``, and evaluates each expression as Python.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

from wardein.modelfiles.archives import rules
from wardein.modelfiles.archives.torchscript import operations
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined, shown


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NAME = "torch-export"
TEXT = True
_LARGEST = 1024 * 1024
_WANTED = {"target", "expr_str", "guards_code", "range_constraints"}
_OPERATOR = re.compile(r"torch\.ops\.(\w+)\.(\w+)(?:\.([A-Za-z]\w*))?")
_ARITHMETIC = re.compile(
    r"_operator\.(getitem|add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|and_|or_|xor|not_|inv"
    r"|invert|lshift|rshift|index|matmul)"
    r"|math\.[a-z0-9]+|torch\._?sym_[a-z0-9_]+"
)
# What runs a part of the same graph, and nothing else.
_SUBGRAPHS = {
    f"higher_order::{name}"
    for name in _words("""
        cond while_loop map map_impl scan associative_scan wrap wrap_with_set_grad_enabled wrap_with_autocast
        auto_functionalized auto_functionalized_v2 flex_attention invoke_subgraph out_dtype strict_mode
        tag_activation_checkpoint wrap_activation_checkpoint with_effects
    """)
}
# In quotes there is the name of a symbol, or a number.
_SYMBOL = re.compile(r"[A-Za-z][A-Za-z0-9_]*|-?[0-9][0-9.eE+-]*")
_FUNCTIONS = _words("""
    Symbol Integer Float Rational Dummy Add Mul Pow Max Min Mod Abs Eq Ne Lt Le Gt Ge And Or Not Piecewise floor ceiling
    FloorDiv ModularIndexing Where PythonMod CleanDiv CeilToInt FloorToInt CeilDiv LShift RShift PowByNatural FloatPow
    FloatTrueDiv IntTrueDiv IsNonOverlappingAndDenseIndicator TruncToFloat TruncToInt RoundToInt RoundDecimal ToFloat
    Identity sqrt log exp Equality Unequality GreaterThan LessThan StrictGreaterThan StrictLessThan Boolean
""")
_READS = {"size", "shape", "stride", "dim", "ndim", "numel", "dtype", "storage_offset"}
_PLAIN = (
    ast.Expression, ast.Constant, ast.Name, ast.Load, ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.Call,
    ast.keyword, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.Tuple,
)  # fmt: skip


def matches(content: Content, head: bytes) -> bool:
    """It is known by its place only."""
    return False


def examine(content: Content, examination: Examination) -> None:
    """Look at every function that the graph names, and at every expression.

    Raises:
        Unexamined: If it is not JSON, or an expression is too long.
    """
    from wardein.modelfiles.native.jsonstream import values

    for value in values(content, _WANTED.__contains__):
        if value.end - value.start > _LARGEST:
            raise Unexamined(f"has {value.key} of more than {_LARGEST} bytes")
        said = json.loads(content.at(value.start, value.end - value.start))
        for what in _strange(value.key, said):
            message = f"is an exported program that reaches {shown(what)} at byte {value.start}"
            examination.tell(rules.OPERATION, content, message, identity=what)


def _strange(key: str, said: Any) -> Iterator[str]:
    if key == "target":
        # What is exported names its own inputs and outputs as targets as well: plain words.
        if isinstance(said, str) and not _is_known(said):
            yield said
    elif key == "expr_str":
        if not isinstance(said, str) or not _only_computes(said, reads=False):
            yield str(said)
    elif key == "guards_code":
        yield from (str(code) for code in said or () if not _only_computes(str(code), reads=True))
    elif isinstance(said, dict):
        yield from (name for name in said if not _only_computes(name, reads=False))


def _is_known(target: str) -> bool:
    operator = _OPERATOR.fullmatch(target)
    if operator:
        name = f"{operator[1]}::{operator[2]}"
        return name in operations() or name in _SUBGRAPHS
    return not target.startswith(("torch", "math", "_operator", "#")) or bool(_ARITHMETIC.fullmatch(target))


def _only_computes(text: str, *, reads: bool) -> bool:
    """Whether an expression is arithmetic over symbols; with ``reads``, also over the sizes of the inputs."""
    if len(text) > 10_000:
        return False
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return all(_is_harmless(node, reads=reads) for node in ast.walk(tree))


def _is_harmless(node: ast.AST, *, reads: bool) -> bool:
    if isinstance(node, ast.Call):
        callee = node.func
        named = isinstance(callee, ast.Name) and callee.id in _FUNCTIONS
        return named or (reads and isinstance(callee, ast.Attribute) and callee.attr in _READS)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return reads or bool(_SYMBOL.fullmatch(node.value))
    if isinstance(node, ast.Name):
        return not node.id.startswith("_")
    if isinstance(node, ast.Attribute):
        return reads and node.attr in _READS
    return isinstance(node, _PLAIN) or (reads and isinstance(node, (ast.Subscript, ast.List)))
