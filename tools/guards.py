# SPDX-License-Identifier: Apache-2.0
"""Find the guards of a module, and say how each can be taken away: for tools/mutate.py.

A mutant weakens a guard and does nothing else: it lets through what the guard would have stopped.

| guard | weakened |
|---|---|
| ``if`` that raises, denies, tells or skips | its condition, or one operand of an ``or`` in it, is False |
| ``if`` that lets through before a denial, or skips | its condition, or one operand of an ``and`` in it, is True |
| what a function of truth returns, the filter of a comprehension | True and False; each operand likewise |
| a step, an entry of a tuple that is looped over or compared with, of a dict that has to match | removed |
| reasons that a function gives (``told += f()``, ``[*f()]``, ``yield from f()``) | none are given |
| a call for its effect alone, to what checks (``check_…``, ``_must_…``) | removed |
| a limit in any of these whose neighbour stops less (``<=`` for ``<``, or the other way round) | its neighbour |

Beside it, each guard has a probe: a call that notes which tests can see the weakening at all.
"""

from __future__ import annotations

import ast
import copy
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

PROBES = "reached_by_tests"
REMOVED = "*()"
_DENIES = re.compile(r"_?(deny|tell|not_counted|refused?|unfit)|Finding")
_CHECKS = re.compile(r"_?(check|must|can_verify|separate|no_stray|checks_of|holder_of)(_.*)?|_end")
_TOLD = ("told", "findings", "reasons", "problems", "wrong", "found")
_STRICT: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.LtE: ast.Lt, ast.GtE: ast.Gt}
_LOOSE: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.LtE, ast.Gt: ast.GtE}
Site = tuple[int, int, int, int]


@dataclass(frozen=True)
class Mutant:
    """One weakening.

    Attributes:
        name: What it is called: where, what was there and what is there instead; the same whatever line it stands on.
        site: The place in the source: line, column and their ends.
        text: What stands there in the mutant.
        watched: The place of the expression that the probe wraps.
        probe: Which function of the probes wraps it: ``value``, ``told``, ``step`` or ``effect``.
        seen: The signs by which the probe says that a test can see the weakening.
    """

    name: str
    site: Site
    text: str
    watched: Site
    probe: str = "value"
    seen: str = "+-"


def mutants_of(source: str) -> list[Mutant]:
    """Every weakening of a module's guards, each with a name of its own."""
    named, counts = [], Counter[str]()
    for mutant in dict.fromkeys(_Finder(source).mutants()):
        counts[mutant.name] += 1
        number = f" (#{counts[mutant.name]})" if counts[mutant.name] > 1 else ""
        named.append(replace(mutant, name=mutant.name + number))
    return named


def weakened(source: str, mutant: Mutant) -> str:
    """The source with one guard weakened; lines and columns of the rest stay as they are, or nearly so."""
    lines = [line.encode() for line in source.splitlines(keepends=True)]
    row, column, last, end = mutant.site
    head, tail = b"".join(lines[: row - 1]) + lines[row - 1][:column], lines[last - 1][end:] + b"".join(lines[last:])
    return (head + mutant.text.encode() + tail).decode()


def probed(source: str, mutants: list[Mutant], file: str) -> str:
    """The source with a probe at every guard, which changes nothing of what it does."""
    tree = ast.parse(source)
    _Prober({(m.watched, m.probe) for m in mutants}, file).visit(tree)
    after = [n for n, node in enumerate(tree.body) if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    tree.body.insert(after[0] + 1, ast.Import([ast.alias(PROBES)]))
    return ast.unparse(ast.fix_missing_locations(tree))


def key(file: str, watched: Site, probe: str) -> str:
    """What a probe is called in what it notes."""
    return f"{file}:{':'.join(map(str, watched))}:{probe}"


def _site(node: ast.expr) -> Site:
    return node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0


class _Prober(ast.NodeTransformer):
    def __init__(self, wanted: set[tuple[Site, str]], file: str) -> None:
        self._wanted, self._file = wanted, file

    def visit(self, node: ast.AST) -> Any:
        """Wrap what is inside first."""
        site = _site(node) if isinstance(node, ast.expr) else None
        if not isinstance(node, ast.JoinedStr):  # Python 3.11 does not know where the parts of one are
            self.generic_visit(node)
        found: Any = node
        for probe in ("value", "told", "step", "effect"):
            if site is not None and (site, probe) in self._wanted:
                self._wanted.remove((site, probe))
                name = ast.Attribute(ast.Name(PROBES, ast.Load()), probe, ast.Load())
                given: ast.expr = found
                if probe == "effect":
                    none = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
                    given = ast.Lambda(none, found)
                found = ast.Call(name, [ast.Constant(key(self._file, site, probe)), given], [])
        return found


class _Finder:
    def __init__(self, source: str) -> None:
        self._source, self._tree = source, ast.parse(source)

    def mutants(self) -> Iterator[Mutant]:
        # Without a walrus in it, what uses the name would crash rather than let through.
        found = self._in(self._tree, "", self._tree)
        return (mutant for mutant in found if not re.search(r"\w :=", mutant.name))

    def _in(self, node: ast.AST, place: str, function: ast.AST) -> Iterator[Mutant]:
        for child in () if isinstance(node, ast.JoinedStr) else ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inner = f"{place}.{child.name}".removeprefix(".")
                yield from self._in(child, inner, child if isinstance(child, ast.FunctionDef) else function)
            else:
                yield from self._at(child, place or "module", function)
                yield from self._in(child, place, function)

    def _at(self, node: ast.AST, place: str, function: ast.AST) -> Iterator[Mutant]:  # noqa: C901 - one line a kind
        if isinstance(node, ast.If):
            yield from self._branch(node, place, function)
        elif isinstance(node, ast.comprehension):
            for condition in node.ifs:
                yield from self._either(condition, place)
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Dict):
            yield from self._entries(node.value, place, place, self._asks(place))
        elif isinstance(node, ast.Return) and node.value is not None and _is_of_truth(function):
            if not isinstance(node.value, ast.Constant):
                yield from self._either(node.value, place)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            yield from self._assigned(node, place, function)
        elif isinstance(node, ast.For) and isinstance(node.iter, ast.Tuple):
            yield from (self._made(item, place, REMOVED) for item in node.iter.elts)
        elif isinstance(node, ast.For) and isinstance(node.iter, ast.Name):
            yield from self._looped(node.iter, place)
        elif isinstance(node, ast.List):
            starred = [item.value for item in node.elts if isinstance(item, ast.Starred)]
            yield from (self._made(v, place, "()", "told", "+") for v in starred if isinstance(v, ast.Call))
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) and node.target.id in _TOLD:
            yield self._made(node.value, place, "()", "told", "+")
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _CHECKS.fullmatch(_called(node.value)):
            yield self._made(node.value, place, "None", "effect", "+")
        elif isinstance(node, ast.YieldFrom) and isinstance(node.value, ast.Call):
            yield self._made(node.value, place, "()", "told", "+")

    def _branch(self, node: ast.If, place: str, function: ast.AST) -> Iterator[Mutant]:
        last = node.body[-1]
        stops = _is_denial(last, function) or _tells(node.body)
        skips = isinstance(last, ast.Continue) and not stops
        lets = isinstance(last, ast.Return) and not stops and _denies_after(node, function)
        told_else = bool(node.orelse) and (_is_denial(node.orelse[-1], function) or _tells(node.orelse))
        if stops or skips:
            yield self._made(node.test, place, "False", "value", "+")
            yield from self._parts(node.test, place, want=False)
        if lets or skips or (told_else and not isinstance(node.orelse[0], ast.If)):
            yield self._made(node.test, place, "True", "value", "-")
            yield from self._parts(node.test, place, want=True)

    def _assigned(self, node: ast.Assign | ast.AnnAssign, place: str, function: ast.AST) -> Iterator[Mutant]:
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        name = target.id if isinstance(target, ast.Name) else ""
        if isinstance(node.value, ast.Tuple) and name == "steps":
            yield from (self._made(item, place, REMOVED, "step", "+") for item in node.value.elts)
        elif isinstance(node.value, ast.Dict):
            yield from self._entries(node.value, place, name, _has_to_match(name, function))
        elif isinstance(node.value, ast.BoolOp) and any(
            isinstance(value, ast.Compare | ast.UnaryOp) for value in node.value.values
        ):
            yield from self._parts(node.value, place, want=isinstance(node.value.op, ast.And))

    def _entries(self, node: ast.Dict, place: str, name: str, match: bool) -> Iterator[Mutant]:
        for entry, value in zip(node.keys, node.values, strict=True) if match else ():
            if entry is not None:
                whole = (*_site(entry)[:2], *_site(value)[2:])
                yield Mutant(f"{place}: {ast.unparse(entry)} in {name} removed", whole, "**{}", _site(value))

    def _asks(self, function: str) -> bool:
        """Whether what a function returns has to match as a whole, wherever it is asked."""
        return any(
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and _called(node.value) == function
            and _has_to_match(ast.unparse(node.targets[0]), self._tree)
            for node in ast.walk(self._tree)
        )

    def _looped(self, node: ast.Name, place: str) -> Iterator[Mutant]:
        """A module's own tuple, one entry less, where it is looped over."""
        for item in self._tree.body:
            if isinstance(item, ast.Assign) and ast.unparse(item.targets[0]) == node.id:
                entries = item.value.elts if isinstance(item.value, ast.Tuple) else []
                for number, entry in enumerate(entries):
                    less = self._made(node, place, f"{node.id}[:{number}] + {node.id}[{number + 1} :]")
                    yield replace(less, name=f"{place}: {ast.unparse(entry)} of {node.id} removed")

    def _either(self, node: ast.expr, place: str) -> Iterator[Mutant]:
        for want in (False, True):
            yield self._made(node, place, str(want), "value", "-" if want else "+")
            yield from self._parts(node, place, want=want)

    def _parts(self, node: ast.expr, place: str, *, want: bool) -> Iterator[Mutant]:
        """The weakenings inside an expression that make it what is wanted more often."""
        if isinstance(node, ast.BoolOp):
            for value in node.values:
                if isinstance(node.op, ast.And) is want:
                    yield self._made(value, place, str(want), "value", "-" if want else "+")
                yield from self._parts(value, place, want=want)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield from self._parts(node.operand, place, want=not want)
        elif isinstance(node, ast.Call) and _called(node) in ("any", "all"):
            if isinstance(node.args[0], ast.GeneratorExp):
                yield from self._parts(node.args[0].elt, place, want=want)
        elif isinstance(node, ast.Compare):
            yield from self._compared(node, place, want=want)

    def _compared(self, node: ast.Compare, place: str, *, want: bool) -> Iterator[Mutant]:
        for at, operator in enumerate(node.ops):
            neighbour = (_LOOSE if want else _STRICT).get(type(operator))
            if neighbour is not None:
                other = copy.deepcopy(node)
                other.ops[at] = neighbour()
                yield self._made(node, place, ast.unparse(other))
            right = node.comparators[at]
            if isinstance(operator, ast.In) and not want and isinstance(right, ast.Tuple | ast.Set):
                removed = (self._made(item, place, REMOVED) for item in right.elts)
                yield from (replace(mutant, watched=_site(node), seen="+") for mutant in removed)

    def _made(self, node: ast.expr, place: str, text: str, probe: str = "value", seen: str = "+-") -> Mutant:
        was = " ".join((ast.get_source_segment(self._source, node) or "").split())
        became = "removed" if text == REMOVED else f"-> {text}"
        return Mutant(f"{place}: {was} {became}", _site(node), text, _site(node), probe, seen)


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _is_of_truth(function: ast.AST) -> bool:
    return isinstance(function, ast.FunctionDef) and getattr(function.returns, "id", "") == "bool"


def _is_denial(node: ast.stmt, function: ast.AST) -> bool:
    """Whether a statement raises, or returns a reason against."""
    if not isinstance(node, ast.Return):
        return isinstance(node, ast.Raise)
    value = node.value
    if isinstance(value, ast.Call):
        return bool(_DENIES.fullmatch(_called(value))) or any(k.arg in ("error", "problems") for k in value.keywords)
    if isinstance(value, ast.Tuple):
        return any(isinstance(item, ast.List) and item.elts for item in value.elts)
    if isinstance(value, ast.Constant):
        return isinstance(value.value, bool) or (isinstance(value.value, str) and bool(value.value))
    return isinstance(value, ast.JoinedStr) or (isinstance(value, ast.List) and bool(value.elts))


def _tells(body: list[ast.stmt]) -> bool:
    """Whether one of the statements gives a reason, or anything else, to be gathered."""
    for node in body:
        if isinstance(node, ast.AugAssign):
            return True
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield | ast.YieldFrom):
            return True
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _called(node.value) == "append":
            return True
    return False


def _denies_after(node: ast.If, function: ast.AST) -> bool:
    later = [n for n in ast.walk(function) if isinstance(n, ast.stmt) and n.lineno > (node.end_lineno or 0)]
    return any(_is_denial(n, function) or _tells([n]) for n in later)


def _has_to_match(name: str, function: ast.AST) -> bool:
    """Whether a dict's entries are all compared with something."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and _called(node) == "all"]
    generators = [node.args[0] for node in calls if isinstance(node.args[0], ast.GeneratorExp)]
    return any(getattr(g.generators[0].iter, "id", "") == name for g in generators)
