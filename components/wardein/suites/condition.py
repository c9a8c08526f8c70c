# SPDX-License-Identifier: Apache-2.0
"""Row conditions, which Great Expectations hands to pandas as queries: code that can call any function.

A condition is therefore parsed here, and what pandas gets is never the text that was given but one written anew
from the tree, of which every node is of a kind that is known to compare and nothing else.
"""

from __future__ import annotations

import ast
import io
import math
import tokenize
from collections.abc import Mapping
from typing import Any

from wardein.errors import WardeinError

_GRAMMARS = (None, "pandas", "great_expectations", "great_expectations__experimental__")
_MAX_CHARACTERS, _MAX_DEPTH = 10_000, 50
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.In: "in",
    ast.NotIn: "not in",
}  # fmt: skip
_OF_OBJECTS = {"==": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "IN": "in", "NOT_IN": "not in"}
# No powers and no shifts: a number that fills the memory is written in ten characters.
_ARITHMETIC: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_TESTS = {
    "isnull": "isnull", "isna": "isnull", "notnull": "notnull", "notna": "notnull", "notNull": "notnull",
}  # fmt: skip


def rewrite(condition: object, grammar: object, where: str) -> str:
    """The pandas query that says what a condition says, and can do nothing else.

    Args:
        condition: The text, or the object, that a suite gives as ``row_condition``.
        grammar: What it gives as ``condition_parser``.
        where: What to call the expectation in an error.

    Raises:
        WardeinError: If it is more than comparisons of columns with constants and with each other.
    """
    if grammar not in _GRAMMARS:
        raise WardeinError(f"the condition_parser {grammar!r} is not known", where=where, mend='write "pandas"')
    try:
        return _of_text(condition) if isinstance(condition, str) else _of_object(condition)
    except _NoComparison as error:
        shown = ascii(condition)
        raise WardeinError(
            f"the row condition {shown if len(shown) <= 80 else shown[:79] + '…'} is more than a comparison of columns "
            f"({error})",
            where=where,
            mend="use comparisons with and, or, not, in, isnull() and notnull() only",
        ) from None


class _NoComparison(Exception):
    """What in a condition is not understood."""


def _of_text(text: str) -> str:
    if len(text) > _MAX_CHARACTERS or not text.isprintable():
        raise _NoComparison("it is too long, or holds characters that cannot be printed")
    if "`" in text:
        raise _NoComparison("backticks; a column whose name is no identifier cannot be used in a condition")
    if "@" in text:
        raise _NoComparison("the character @")
    try:
        tree = ast.parse(_as_pandas_reads(text.strip()), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        raise _NoComparison("it cannot be parsed") from None
    return _condition(tree.body, _MAX_DEPTH)


def _as_pandas_reads(text: str) -> str:
    """To pandas ``&`` and ``|`` are other words for ``and`` and ``or``, which bind less than comparisons do."""
    words = {"&": "and", "|": "or"}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return tokenize.untokenize(
        (tokenize.NAME, words[token.string])
        if token.type == tokenize.OP and token.string in words
        else (token.type, token.string)
        for token in tokens
    )


def _condition(node: ast.AST, depth: int) -> str:
    """What is true or false of a row."""
    if depth == 0:
        raise _NoComparison("it is nested too deep")
    if isinstance(node, ast.BoolOp):
        word = " and " if isinstance(node.op, ast.And) else " or "
        return "(" + word.join(_condition(value, depth - 1) for value in node.values) + ")"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert):
        return f"(not {_condition(node.operand, depth - 1)})"
    if isinstance(node, ast.Compare):
        return _comparison(node, depth)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return _test(node.func, node)
    return _column(node)


def _comparison(node: ast.Compare, depth: int) -> str:
    parts = []
    left = node.left
    for operator, right in zip(node.ops, node.comparators, strict=True):
        word = _COMPARISONS.get(type(operator))
        if word is None:
            raise _NoComparison(f"the operator {type(operator).__name__}")
        second = _list(right) if word in ("in", "not in") else _value(right, depth - 1)
        parts.append(f"({_value(left, depth - 1)} {word} {second})")
        left = right
    return parts[0] if len(parts) == 1 else "(" + " and ".join(parts) + ")"


def _test(function: ast.Attribute, call: ast.Call) -> str:
    column = _column(function.value)
    if function.attr in _TESTS and not call.args and not call.keywords:
        return f"{column}.{_TESTS[function.attr]}()"
    if function.attr == "isin" and len(call.args) == 1 and not call.keywords:
        return f"({column} in {_list(call.args[0])})"
    raise _NoComparison(f"a call of {function.attr!r}")


def _value(node: ast.AST, depth: int) -> str:
    """A column, a constant, or a sum, difference, product or quotient of them."""
    if depth <= 0:
        raise _NoComparison("it is nested too deep")
    if isinstance(node, ast.Constant):
        return _constant(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return f"(-{_number_or_column(node.operand, depth)})"
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        left, right = (_number_or_column(part, depth) for part in (node.left, node.right))
        return f"({left} {_ARITHMETIC[type(node.op)]} {right})"
    return _column(node)


def _number_or_column(node: ast.AST, depth: int) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        raise _NoComparison("arithmetic with a text")
    return _value(node, depth - 1)


def _column(node: ast.AST) -> str:
    """A column's name, plain or in the ``col("name")`` of Great Expectations' own grammar."""
    if isinstance(node, ast.Name):
        return _identifier(node.id)
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "col"
        and len(node.args) == 1
        and not node.keywords
        and isinstance(node.args[0], ast.Constant)
    ):
        return _identifier(node.args[0].value)
    raise _NoComparison(f"a node of the kind {type(node).__name__}")


def _identifier(name: object) -> str:
    """A name that pandas reads as one name, and as the same one."""
    try:
        tree = ast.parse(name, mode="eval").body if isinstance(name, str) and name.isidentifier() else None
    except SyntaxError:  # a keyword
        tree = None
    # pandas reads names that begin like its own, __pd_eval_local_x, as variables of the calling code.
    if not isinstance(tree, ast.Name) or tree.id != name or name.startswith("__"):
        raise _NoComparison(
            f"the name {ascii(name)[:60]} is no identifier; such a column cannot be used in a condition"
        )
    return tree.id


def _list(node: ast.AST) -> str:
    if not isinstance(node, ast.List | ast.Tuple):
        raise _NoComparison("no list of constants after in")
    found = []
    for item in node.elts:
        negative = isinstance(item, ast.UnaryOp) and isinstance(item.op, ast.USub)
        constant = item.operand if isinstance(item, ast.UnaryOp) and negative else item
        if not isinstance(constant, ast.Constant) or (negative and isinstance(constant.value, str)):
            raise _NoComparison("no list of constants after in")
        found.append(("-" if negative else "") + _constant(constant.value))
    return "[" + ", ".join(found) + "]"


def _constant(value: object) -> str:
    if not isinstance(value, bool | int | float | str) or (isinstance(value, float) and not math.isfinite(value)):
        raise _NoComparison(f"the constant {value!r:.60}")
    if isinstance(value, str) and (not value.isprintable() or "`" in value or "@" in value):
        raise _NoComparison("a text with a backtick, with @ or with characters that cannot be printed")
    return repr(value)


def _of_object(value: object, depth: int = _MAX_DEPTH) -> str:
    """A condition in the form of Great Expectations 1.x: an object with a type."""
    if not isinstance(value, dict) or depth == 0:
        raise _NoComparison("it is neither a text nor an object with a type, or nested too deep")
    kind = value.get("type")
    if kind == "pass_through" and isinstance(value.get("pass_through_filter"), str):
        return _of_text(value["pass_through_filter"])
    if kind in ("and", "or") and isinstance(value.get("conditions"), list) and value["conditions"]:
        return "(" + f" {kind} ".join(_of_object(item, depth - 1) for item in value["conditions"]) + ")"
    column = value.get("column")
    name = _identifier(column.get("name") if isinstance(column, Mapping) else None)
    if kind == "nullity" and isinstance(value.get("is_null"), bool):
        return f"{name}.{'isnull' if value['is_null'] else 'notnull'}()"
    word, parameter = _OF_OBJECTS.get(str(value.get("operator"))), value.get("parameter")
    if kind != "comparison" or word is None:
        raise _NoComparison("an object of an unknown type")
    return f"({name} {word} {_parameter(word, parameter)})"


def _parameter(word: str, parameter: Any) -> str:
    if word not in ("in", "not in"):
        return _constant(parameter)
    if not isinstance(parameter, list):
        raise _NoComparison("no list of constants after in")
    return "[" + ", ".join(_constant(item) for item in parameter) + "]"
