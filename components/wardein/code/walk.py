# SPDX-License-Identifier: Apache-2.0
"""One pass over a module's syntax tree, and what in it breaks a rule."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from wardein.code import calls, shell
from wardein.code.calls import Broken, Use, is_false
from wardein.code.names import Names
from wardein.report import Severity

# Nodes without children that say nothing; there are so many of them that they are left out early.
_LEAVES = frozenset(
    kind
    for parent in (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)
    for kind in parent.__subclasses__()
) | {ast.Constant, ast.alias, ast.Pass}
_BINDING = (ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.withitem, ast.ClassDef, ast.Import, ast.ImportFrom)
_LOOPS = (ast.For, ast.AsyncFor, ast.comprehension)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_NAMING = (ast.ExceptHandler, ast.MatchAs, ast.MatchStar, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_UNPICKLERS = frozenset({"pickle.Unpickler", "dill.Unpickler", "cloudpickle.Unpickler"})


@dataclass(frozen=True)
class Hit:
    """A rule that is broken in one place; ``what`` is the function's name, as rules know it."""

    rule: str
    severity: Severity | None
    line: int
    last: int
    what: str


@dataclass
class _Parts:
    """The nodes that rules look at."""

    calls: list[ast.Call] = field(default_factory=list)
    values: list[ast.Name | ast.Attribute] = field(default_factory=list)
    settings: list[tuple[ast.Attribute, ast.expr]] = field(default_factory=list)
    aliases: list[tuple[str, ast.Name | ast.Attribute]] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    bases: list[ast.expr] = field(default_factory=list)


def examine(tree: ast.Module) -> list[Hit]:
    """Every broken rule of a module.

    Raises:
        RecursionError: If an expression is nested too deeply to be followed.
    """
    names = Names(calls.RELEVANT, calls.JUDGED_AT_ONCE)
    parts = _read(tree, names)
    names.settle()
    handed_on = {id(call.args[0]) for call in parts.calls if call.args and "functools.partial" in names.of(call.func)}
    found = set(_in_settings(parts.settings, names))
    for call in parts.calls:
        found.update(_hit(call, what, broken) for what, broken in _in_call(call, names))
    for base in parts.bases:
        found.update(_hit(base, name, Broken("code/pickle-load")) for name in names.of(base) & _UNPICKLERS)
    # A name that nothing here uses is there for other modules.
    parts.values += [value for name, value in parts.aliases if name not in parts.used]
    for value in parts.values:
        if id(value) not in handed_on:
            found.update(_in_value(value, names))
    return sorted(found, key=lambda hit: (hit.line, hit.last, hit.rule, hit.what))


def _read(tree: ast.Module, names: Names) -> _Parts:
    """Collect what rules look at, and tell the names what is bound to them."""
    parts = _Parts()
    # Parents come before their children, so that a child can be marked as nothing that is handed on.
    taken: set[int] = set()
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Call):
            parts.calls.append(node)
            names.read_update(node)
            taken.add(id(node.func))
        elif isinstance(node, (ast.Name, ast.Attribute)):
            if id(node) not in taken and isinstance(node.ctx, ast.Load):
                parts.values.append(node)
            if isinstance(node, ast.Name):
                if isinstance(node.ctx, ast.Load):
                    parts.used.add(node.id)
                else:
                    names.read_binding(node.id)
                continue
            taken.add(id(node.value))
        else:
            _bind(node, names, parts, taken)
        for value in node.__dict__.values():
            if isinstance(value, list):
                todo += [item for item in value if isinstance(item, ast.AST) and type(item) not in _LEAVES]
            elif isinstance(value, ast.AST) and type(value) not in _LEAVES:
                todo.append(value)
    return parts


def _bind(node: ast.AST, names: Names, parts: _Parts, taken: set[int]) -> None:
    """Tell the names what a node other than a name or a call binds."""
    _name(node, names)
    if isinstance(node, _BINDING):
        _bind_value(node, names, parts, taken)
    elif isinstance(node, _LOOPS):
        for value in node.iter.elts if isinstance(node.iter, (ast.Tuple, ast.List, ast.Set)) else ():
            names.read_value(node.target, value)
    if isinstance(node, _FUNCTIONS):
        _defaults(node.args, names)


def _name(node: ast.AST, names: Names) -> None:
    """Names that are bound, but stand in the tree as mere text."""
    if isinstance(node, _NAMING) and node.name is not None:
        names.read_binding(node.name)
    elif isinstance(node, ast.arg):
        names.read_binding(node.arg)
    elif isinstance(node, ast.MatchMapping) and node.rest is not None:
        names.read_binding(node.rest)


def _bind_value(node: ast.AST, names: Names, parts: _Parts, taken: set[int]) -> None:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        names.read_import(node)
    elif isinstance(node, ast.Assign):
        _assign(node, names, parts, taken)
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
        names.read_value(node.target, node.value)
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        names.read_value(node.optional_vars, node.context_expr)
    elif isinstance(node, ast.ClassDef):
        names.read_class(node)
        taken.update(id(base) for base in node.bases)
        if not any(isinstance(inner, ast.FunctionDef) and inner.name == "find_class" for inner in node.body):
            parts.bases += node.bases


def _assign(node: ast.Assign, names: Names, parts: _Parts, taken: set[int]) -> None:
    for target in node.targets:
        names.read_value(target, node.value)
        if isinstance(target, ast.Name):
            taken.add(id(node.value))  # an alias: what it is used for is found where it is used
            if isinstance(node.value, (ast.Name, ast.Attribute)):
                parts.aliases.append((target.id, node.value))
        elif isinstance(target, ast.Attribute):
            parts.settings.append((target, node.value))
        elif isinstance(target, ast.Subscript):
            names.read_item(target, node.value)


def _defaults(arguments: ast.arguments, names: Names) -> None:
    """Bind the default values of parameters."""
    every = [*arguments.posonlyargs, *arguments.args]
    given = every[len(every) - len(arguments.defaults) :]
    pairs = [*zip(given, arguments.defaults, strict=True)]
    pairs += [(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None]
    for argument, default in pairs:
        names.read_value(ast.Name(argument.arg), default)


def _in_call(call: ast.Call, names: Names) -> Iterator[tuple[str, Broken]]:
    functions = names.of(call.func)
    arguments, keywords = call.args, _keywords(call, names)
    if "functools.partial" in functions and arguments:
        functions, arguments = names.of(arguments[0]), arguments[1:]
    use = Use(names, arguments, keywords)
    for function in sorted(functions & calls.FUNCTIONS.keys()):
        yield from ((function, broken) for broken in calls.FUNCTIONS[function](use))
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if method in calls.METHODS and not _is_own(call.func):
        yield from ((method, broken) for broken in calls.METHODS[method](use))
    if not keywords:
        return
    name = method or (call.func.id if isinstance(call.func, ast.Name) else "")
    for keyword in calls.KEYWORDS.keys() & keywords.keys():
        if name in calls.ONLY_FOR.get(keyword, (name,)):
            yield from ((keyword, broken) for broken in calls.KEYWORDS[keyword](keywords[keyword], names))


def _keywords(call: ast.Call, names: Names) -> dict[str, ast.expr]:
    """The keyword arguments, also those of a dictionary that is spelled out."""
    found = {}
    for keyword in call.keywords:
        if keyword.arg is not None:
            found[keyword.arg] = keyword.value
            continue
        given = names.literal(keyword.value)
        if isinstance(given, ast.Dict):
            for key, value in [*zip(given.keys, given.values, strict=True), *names.items(keyword.value)]:
                name = names.constant(key)
                if isinstance(name, str):
                    # Two values for one key: the dictionary stands for one of them that cannot be told.
                    found[name] = ast.BoolOp(ast.Or(), [found[name], value]) if name in found else value
        elif isinstance(given, ast.Call) and "builtins.dict" in names.of(given.func):
            found.update((inner.arg, inner.value) for inner in given.keywords if inner.arg is not None)
    return found


def _is_own(function: ast.expr) -> bool:
    """Whether a method is called on the object or class itself, or on what it inherits from."""
    base = function.value if isinstance(function, ast.Attribute) else function
    if isinstance(base, ast.Call):
        base = base.func
    return isinstance(base, ast.Name) and base.id in ("self", "cls", "super")


def _in_value(value: ast.Name | ast.Attribute, names: Names) -> Iterator[Hit]:
    for function in names.of(value) & calls.AS_VALUE:
        yield from (_hit(value, function, broken) for broken in calls.FUNCTIONS[function](Use(names)))


def _in_settings(settings: Iterable[tuple[ast.Attribute, ast.expr]], names: Names) -> Iterator[Hit]:
    """Verification that is switched off by an assignment."""
    for target, value in settings:
        off = target.attr == "check_hostname" and names.truth(value) is False
        off = off or (target.attr == "verify_mode" and "ssl.CERT_NONE" in names.of(value))
        off = off or (target.attr == "verify" and is_false(value, names))
        if off:
            yield _hit(target, target.attr, Broken("code/tls-verify-off"))


def _hit(node: ast.expr, what: str, broken: Broken) -> Hit:
    return Hit(broken.rule, broken.severity, node.lineno, node.end_lineno or node.lineno, what)


def in_shell(lines: Iterable[tuple[int, str]]) -> list[Hit]:
    """What the shell commands of a notebook do, by their lines."""
    pairs = chain.from_iterable(((line, rule) for rule in set(shell.rules_of(text))) for line, text in lines)
    return [Hit(rule, None, line, line, "shell command") for line, rule in sorted(pairs)]
