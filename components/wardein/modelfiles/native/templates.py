# SPDX-License-Identifier: Apache-2.0
"""Chat templates: held to be plain programs over messages, whichever engine renders them, in a sandbox or not.

A template reaches Python itself through attributes that begin with an underscore. Those it can write as they are, or
put together out of pieces and look up; so neither is allowed: no such attribute, and no look-up by a text that the
template builds. Nothing is rendered here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined, shown
from wardein.modelfiles.native import rules

if TYPE_CHECKING:
    from jinja2 import nodes
    from jinja2.nodes import Node

MAX_BYTES = 1024**2
MAX_NODES = 30_000
MAX_BINDINGS = 20_000
# How many parts are looked at to follow where values come from; a long honest template takes a hundredth of them.
MAX_STEPS = 1_000_000
_MAX_ROUNDS = 50
# What transformers, vLLM and llama.cpp give a template besides its data, and Jinja's own that only count or build.
FUNCTIONS = frozenset({
    "raise_exception", "strftime_now", "namespace", "range", "dict", "joiner", "cycler", "caller", "zip", "enumerate",
    "list", "str", "int", "len",
})  # fmt: skip
METHODS = frozenset({
    "append", "capitalize", "casefold", "center", "changed", "clear", "copy", "count", "current", "cycle", "difference",
    "endswith", "expandtabs", "extend", "find", "format", "get", "index", "insert", "intersection", "isalnum",
    "isalpha", "isascii", "isdecimal", "isdigit", "islower", "isnumeric", "isspace", "istitle", "isupper", "items",
    "join", "keys", "ljust", "lower", "lstrip", "next", "partition", "pop", "popitem", "removeprefix", "removesuffix",
    "replace", "reset", "reverse", "rfind", "rindex", "rjust", "rpartition", "rsplit", "rstrip", "setdefault", "sort",
    "split", "splitlines", "startswith", "strip", "swapcase", "title", "to_dict", "union", "update", "upper", "values",
    "zfill",
})  # fmt: skip
FILTERS = frozenset({
    "abs", "batch", "capitalize", "center", "count", "d", "default", "dictsort", "e", "escape", "first", "float",
    "forceescape", "format", "from_json",
    "fromjson", "groupby", "indent", "int", "items", "join", "last", "length", "list",
    "lower", "map", "max", "min", "pprint", "random", "reject", "rejectattr", "replace", "reverse", "round", "safe",
    "select", "selectattr", "slice", "sort", "string", "striptags", "sum", "title", "tojson", "trim", "truncate",
    "unique", "upper", "urlencode", "urlize", "wordcount", "wordwrap",
})  # fmt: skip
# Filters that leave a text as it was, or cut it: what goes in without an underscore comes out without one.
_KEEPING = frozenset({
    "abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "int", "items", "last", "length",
    "list", "lower", "max", "min", "reject", "rejectattr", "round", "select", "selectattr", "slice", "batch", "sort",
    "string", "sum", "title", "trim", "unique", "upper",
})  # fmt: skip
_BUILDING = frozenset({"center", "format", "join", "ljust", "replace", "rjust", "zfill", "expandtabs"})
# Methods that give nothing back of what they are called with.
_ASKING = frozenset({
    "count", "difference", "endswith", "find", "index", "intersection", "lstrip", "partition", "removeprefix",
    "removesuffix", "rfind", "rindex", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip",
})  # fmt: skip
# What an attribute is named by in a filter's arguments without a name.
_ATTRIBUTE_AT = {
    "selectattr": 0,
    "rejectattr": 0,
    "groupby": 0,
    "sum": 0,
    "join": 1,
    "min": 1,
    "max": 1,
    "unique": 1,
    "sort": 2,
}
# Attributes without an underscore in front that lead from plain values to frames, code and globals.
_INNER = re.compile(
    r"_.*|mro|(gi|cr|ag)_(frame|code)|tb_(frame|next)|f_(back|globals|locals|builtins|code)|func_(globals|code|closure)"
    r"|im_(func|self|class)|co_(code|consts|names)|format_map",
    re.DOTALL,
)
_DUNDER = re.compile(r"__\w*__")
_FIELDS = re.compile(r"\{[^{}]*[.\[_][^{}]*\}?")
_LONG = 100_000

# What only Go's templates have, which Ollama writes: none of them can be read as Jinja's throughout.
_GO = re.compile(r"\{\{-?\s*(?:\.|\$|if\s|range\s|end\s*-?\}\}|else|with\s|template\s|define\s|eq\s|json\s)")


class _Refused(Unexamined):
    """Jinja itself does not take the text for a template."""


def looks_like_one(text: str) -> bool:
    """Whether a text may be a Jinja template."""
    return "{{" in text or "{%" in text


def _is_of_go(text: str) -> bool:
    """Whether a text that Jinja refuses is a template of Go's."""
    return "{%" not in text and _GO.search(text) is not None and not _DUNDER.search(text)


def examine_template(text: str, content: Content, examination: Examination, where: str) -> None:
    """Examine one template.

    Args:
        text: The template.
        content: What holds it.
        examination: Takes what is found.
        where: What to call it in messages, for example the key of the setting.
    """
    try:
        problems = sorted(set(_Inspection(_parsed(text)).problems()))
    except Unexamined as stopped:
        if not (isinstance(stopped, _Refused) and _is_of_go(text)):
            examination.leave_out(content, f"{where}: {stopped}")
        return
    for message in problems:
        examination.tell(rules.TEMPLATE, content, f"{where}: {message}", identity=f"{where} {message}")


def _parsed(text: str) -> nodes.Template:
    try:
        from jinja2 import Environment, TemplateError
        from jinja2.ext import Extension
        from jinja2.parser import Parser
    except ImportError:
        raise Unexamined("templates need Jinja to be examined: pip install 'wardein[scan]'") from None

    class Generation(Extension):
        """The tag by which transformers marks what an assistant said."""

        tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    if len(text) > MAX_BYTES:
        raise Unexamined(f"is a template of more than {MAX_BYTES} characters")
    environment = Environment(  # noqa: S701 - nothing is rendered
        extensions=["jinja2.ext.loopcontrols", "jinja2.ext.do", Generation], trim_blocks=True, lstrip_blocks=True
    )
    try:
        return environment.parse(text)
    except TemplateError as error:
        reason = str(error).partition("\n")[0]
        raise _Refused(f"is no valid template ({shown(reason)})") from None
    except RecursionError:
        raise Unexamined("is a template that is nested too deep") from None


class _Inspection:
    """One walk over a template's tree."""

    def __init__(self, tree: nodes.Template) -> None:
        from jinja2 import nodes

        self.nodes = nodes
        self._steps = 0
        self.all: list[nodes.Node] = []
        waiting: list[tuple[nodes.Node, dict[str, str]]] = [(tree, {})]
        while waiting:
            node, names = waiting.pop()
            self.all.append(node)
            if isinstance(node, nodes.Name):
                node.name = names.get(node.name, node.name)
            waiting.extend(self._inside(node, names))
            if len(self.all) > MAX_NODES:
                raise Unexamined(f"is a template of more than {MAX_NODES} parts")
        self.macros = frozenset(node.name for node in self.all if isinstance(node, nodes.Macro))
        self.callable = self.macros | FUNCTIONS
        bound = list(islice(self._bindings(), MAX_BINDINGS + 1))
        if len(bound) > MAX_BINDINGS:
            raise Unexamined(f"is a template that hands on values at more than {MAX_BINDINGS} places")
        self.assigned = {name for name, _ in bound}
        self.texts, self.scored, self.built = self._names(bound)
        self.called = {id(node.node) for node in self.all if isinstance(node, nodes.Call)}

    def _inside(self, node: nodes.Node, names: dict[str, str]) -> Iterator[tuple[nodes.Node, dict[str, str]]]:
        """The parts of a node, and what names stand for in them: those of a loop or a macro are its own."""
        nodes = self.nodes
        if isinstance(node, nodes.For):
            own: list[Node] = [node.target]
            outer: list[Node] = [node.iter, *node.else_]
        elif isinstance(node, nodes.Macro):
            own, outer = [*node.args], [*node.defaults]
        elif isinstance(node, nodes.CallBlock):
            own, outer = [*node.args], [*node.defaults, node.call]
        elif isinstance(node, nodes.With):
            own, outer = [*node.targets], [*node.values]
        else:
            yield from ((part, names) for part in node.iter_child_nodes())
            return
        named = [name for target in own for name in target.find_all(nodes.Name)]
        named += [target for target in own if isinstance(target, nodes.Name)]
        inner = names | {name.name: f"{name.name}@{len(self.all)}" for name in named}
        test = [node.test] if isinstance(node, nodes.For) and node.test else []
        yield from ((part, names) for part in outer)
        yield from ((part, inner) for part in [*own, *test, *node.body])

    def problems(self) -> Iterator[str]:
        """What is not plain, one clause each."""
        for node in self.all:
            yield from self._problem(node)

    def _problem(self, node: nodes.Node) -> Iterator[str]:
        nodes = self.nodes
        if isinstance(node, (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
            yield f"reads another file ({type(node).__name__.lower()}, line {node.lineno})"
        elif isinstance(node, nodes.Getattr):
            yield from self._attribute(node.attr)
            yield from self._formatter(node, node.attr)
        elif isinstance(node, nodes.Getitem):
            yield from self._subscript(node.arg)
            yield from self._formatter(node, node.arg.value if isinstance(node.arg, nodes.Const) else None)
        elif isinstance(node, nodes.Call):
            yield from self._call(node)
        elif isinstance(node, nodes.Filter):
            yield from self._filter(node)
        elif isinstance(node, (nodes.Mul, nodes.Pow)):
            yield from self._size(node)
        else:
            yield from self._named(node)

    def _named(self, node: nodes.Node) -> Iterator[str]:
        """Names that only Python itself gives, wherever they are written."""
        nodes = self.nodes
        fields = ("value", "key", "name", *(["attr"] if isinstance(node, nodes.NSRef) else []))
        given = [getattr(node, field, None) for field in fields]
        # Pieces are cut out of any of them: a macro tells its name, a mapping its keys.
        names = [name for text in given if isinstance(text, str) for name in _DUNDER.findall(text)]
        for name in names:
            yield f"names {shown(name)}"

    def _attribute(self, name: str) -> Iterator[str]:
        if _INNER.fullmatch(name):
            yield f"reads the attribute {shown(name)}"

    def _formatter(self, node: nodes.Getattr | nodes.Getitem, name: object) -> Iterator[str]:
        # Schemas have a "format" too; of a text of the template's own it is a method to call elsewhere.
        if name == "format" and id(node) not in self.called and self._is_own(node.node):
            yield f"takes the formatting method of a text (line {node.lineno})"

    def _is_own(self, node: nodes.Node) -> bool:
        """Whether a value may be a text out of the template, as it is written or put together."""
        return self._is_text(node, self.texts) or self._is_built(node, self.texts, self.scored, self.built)

    def _subscript(self, key: nodes.Node) -> Iterator[str]:
        nodes = self.nodes
        if isinstance(key, nodes.Const):
            if isinstance(key.value, str) and _INNER.fullmatch(key.value) and not re.match("_[^_]", key.value):
                yield f"reads the attribute {shown(key.value)}"
        elif not isinstance(key, nodes.Slice) and self._is_built(key, self.texts, self.scored, self.built):
            yield f"looks something up by a text that it builds (line {key.lineno})"

    def _call(self, node: nodes.Call) -> Iterator[str]:
        nodes = self.nodes
        target = node.node
        if isinstance(target, nodes.Getattr):
            if target.attr not in METHODS:
                yield f"calls the method {shown(target.attr)}"
            elif isinstance(target.node, nodes.Name) and f"{target.node.name}.{target.attr}" in self.assigned:
                yield f"calls what it has put into {shown(target.attr)} itself"
            elif target.attr == "format" and not self._plain_format(target.node):
                yield f"formats by a pattern that can read attributes (line {node.lineno})"
        elif not isinstance(target, nodes.Name):
            yield f"calls what it has looked up or been given (line {node.lineno})"
        elif target.name in self.assigned or target.name not in self.callable:
            yield f"calls {shown(target.name.partition('@')[0])}"
        elif target.name == "range" and any(
            isinstance(argument, nodes.Const) and isinstance(argument.value, int) and abs(argument.value) > _LONG
            for argument in node.args
        ):
            yield f"counts to more than {_LONG}"

    def _plain_format(self, pattern: nodes.Node) -> bool:
        return (
            isinstance(pattern, self.nodes.Const)
            and isinstance(pattern.value, str)
            and not _FIELDS.search(pattern.value)
        )

    def _filter(self, node: nodes.Filter) -> Iterator[str]:
        nodes = self.nodes
        if node.name not in FILTERS:
            yield f"uses the filter {shown(node.name)}"
        named = [keyword.value for keyword in node.kwargs if keyword.key == "attribute"]
        if node.name == "map" and node.args:
            first = node.args[0]
            if not isinstance(first, nodes.Const) or first.value not in FILTERS:
                yield f"maps by a filter that is not known (line {node.lineno})"
        elif node.name in _ATTRIBUTE_AT:
            named += node.args[_ATTRIBUTE_AT[node.name] :][:1]
        if (node.name == "map" or node.name in _ATTRIBUTE_AT) and (node.dyn_args or node.dyn_kwargs):
            yield f"picks by an attribute that is not plain (line {node.lineno})"
        base: Node = node
        while isinstance(base, nodes.Filter) and base.node is not None:
            base = base.node
        for name in named:
            value = name.value if isinstance(name, nodes.Const) else None
            parts = str(value).split(".")
            own = "format" in parts and self._is_own(base)
            if own or not isinstance(value, (str, int)) or any(_INNER.fullmatch(part) for part in parts):
                yield f"picks by an attribute that is not plain (line {node.lineno})"

    def _size(self, node: nodes.Mul | nodes.Pow) -> Iterator[str]:
        nodes = self.nodes
        for side in (node.left, node.right):
            large = isinstance(side, nodes.Const) and isinstance(side.value, (int, float)) and abs(side.value) > _LONG
            if large or isinstance(node, nodes.Pow):
                yield f"multiplies beyond all measure (line {node.lineno})"
                return

    def _names(self, bound: list[tuple[str, nodes.Node]]) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
        """The names that may hold a text of the template's own, one with an underscore, and one that it built."""
        texts: frozenset[str] = frozenset()
        scored: frozenset[str] = frozenset()
        built: frozenset[str] = frozenset()
        for _ in range(_MAX_ROUNDS):
            more_texts = texts | {name for name, value in bound if self._is_text(value, texts)}
            more_scored = scored | {name for name, value in bound if self._is_text(value, scored, "_")}
            more_built = built | {
                name for name, value in bound if self._is_built(value, more_texts, more_scored, built)
            }
            if (more_texts, more_scored, more_built) == (texts, scored, built):
                return texts, scored, built
            texts, scored, built = more_texts, more_scored, more_built
        raise Unexamined("is a template that hands its values on too often")

    def _bindings(self) -> Iterator[tuple[str, nodes.Node]]:
        """What is put into which name, by whatever statement."""
        nodes = self.nodes
        # What a macro is called with becomes its arguments: by any call of that name.
        arguments: dict[str, list[list[str]]] = {}
        for node in self.all:
            if isinstance(node, nodes.Macro):
                arguments.setdefault(node.name, []).append([argument.name for argument in node.args])
            elif isinstance(node, nodes.CallBlock):
                arguments.setdefault("caller", []).append([argument.name for argument in node.args])
        for node in self.all:
            if isinstance(node, nodes.Assign):
                yield from self._assigned(node)
            elif isinstance(node, nodes.Call):
                yield from self._given(node, arguments)
            else:
                for target, value in self._put(node):
                    yield from ((name, value) for name in self._targets(target))

    def _put(self, node: nodes.Node) -> Iterator[tuple[nodes.Node, nodes.Node]]:
        """Targets of a statement that is no plain assignment, and what they are given."""
        nodes = self.nodes
        if isinstance(node, nodes.For):
            yield node.target, node.iter
        elif isinstance(node, nodes.With):
            yield from zip(node.targets, node.values, strict=False)
        elif isinstance(node, nodes.AssignBlock):
            yield node.target, nodes.Concat([])
        elif isinstance(node, (nodes.Macro, nodes.CallBlock)):
            yield from zip(node.args[len(node.args) - len(node.defaults) :], node.defaults, strict=False)

    def _assigned(self, node: nodes.Assign) -> Iterator[tuple[str, nodes.Node]]:
        nodes = self.nodes
        value = node.node
        if (
            isinstance(value, nodes.Call)
            and isinstance(value.node, nodes.Name)
            and value.node.name == "namespace"
            and isinstance(node.target, nodes.Name)
            and not (value.args or value.dyn_args or value.dyn_kwargs)
        ):
            # Each of a namespace's values is a place of its own.
            yield from ((f"{node.target.name}.{keyword.key}", keyword.value) for keyword in value.kwargs)
        else:
            yield from ((name, value) for name in self._targets(node.target))

    def _given(self, node: nodes.Call, arguments: dict[str, list[list[str]]]) -> Iterator[tuple[str, nodes.Node]]:
        """What a call puts into names: a macro's arguments, or what holds the list that a text is appended to."""
        nodes = self.nodes
        values = [*node.args, *(keyword.value for keyword in node.kwargs)]
        unpacked = [value for value in (node.dyn_args, node.dyn_kwargs) if value]
        if isinstance(node.node, nodes.Name):
            for names in arguments.get(node.node.name, ()):
                yield from zip(names, node.args, strict=False)
                own = {name.partition("@")[0]: name for name in names}
                yield from ((own.get(keyword.key, keyword.key), keyword.value) for keyword in node.kwargs)
                yield from ((name, value) for name in names for value in unpacked)
        elif isinstance(node.node, nodes.Getattr):
            yield from ((name, value) for name in self._targets(node.node.node) for value in [*values, *unpacked])

    def _targets(self, node: nodes.Node) -> Iterator[str]:
        """The places that an assignment to this node changes: ``name``, or ``name.attribute``."""
        nodes = self.nodes
        attribute = ""
        while isinstance(node, (nodes.Getattr, nodes.Getitem)):
            attribute = f".{node.attr}" if isinstance(node, nodes.Getattr) else ""
            node = node.node
        if isinstance(node, nodes.NSRef):
            yield f"{node.name}.{node.attr}"
        elif isinstance(node, nodes.Name):
            yield node.name + attribute
        elif isinstance(node, nodes.Tuple):
            for item in node.items:
                yield from self._targets(item)

    def _holds(self, part: nodes.Node, places: frozenset[str]) -> bool:
        """Whether a name, or an attribute of a name, is one of these places."""
        nodes = self.nodes
        if isinstance(part, nodes.Getattr) and isinstance(part.node, nodes.Name):
            return f"{part.node.name}.{part.attr}" in places
        return isinstance(part, nodes.Name) and part.name in places

    def _is_text(self, node: nodes.Node, texts: frozenset[str], mark: str = "") -> bool:
        """Whether a value may be a text that is written in the template, and has some mark in it."""
        nodes = self.nodes
        return any(
            (isinstance(part, nodes.Const) and isinstance(part.value, str) and mark in part.value)
            or (isinstance(part, nodes.Keyword) and mark in part.key)
            or self._holds(part, texts)
            for part in self._value(node)
        )

    def _is_built(self, node: nodes.Node, texts: frozenset[str], scored: frozenset[str], built: frozenset[str]) -> bool:
        """Whether a value may be a text that the template puts together."""
        return any(self._holds(part, built) or self._builds(part, texts, scored) for part in self._value(node))

    def _builds(self, part: nodes.Node, texts: frozenset[str], scored: frozenset[str]) -> bool:
        """Whether an operation makes a text that is none of those that went in, nor a piece of one."""
        nodes = self.nodes
        if isinstance(part, (nodes.Mod, nodes.Add, nodes.Mul)):
            return self._is_text(part, texts)
        if isinstance(part, nodes.Getitem):
            steps = isinstance(part.arg, nodes.Slice) and part.arg.step is not None
            return steps and self._is_text(part.node, texts)
        if isinstance(part, nodes.Filter) and part.name == "replace":
            return not self._only_replaces(part.node, part.args, scored)
        if isinstance(part, nodes.Filter):
            by = part.args[0] if part.name == "map" and part.args else None
            applied = by.value if isinstance(by, nodes.Const) else part.name
            return applied not in _KEEPING and not (part.name == "map" and by is None)
        if isinstance(part, nodes.Call):
            if isinstance(part.node, nodes.Name):
                return part.node.name in self.macros or part.node.name in ("strftime_now", "caller")
            if isinstance(part.node, nodes.Getattr) and part.node.attr == "replace":
                return not self._only_replaces(part.node.node, part.args, scored)
            return isinstance(part.node, nodes.Getattr) and part.node.attr in _BUILDING
        return isinstance(part, nodes.Concat)

    def _only_replaces(self, text: nodes.Node | None, by: list[nodes.Expr], scored: frozenset[str]) -> bool:
        """Whether no underscore comes in by a replacement, and none come together."""
        new = by[1] if len(by) == 2 else None
        plain = isinstance(new, self.nodes.Const) and isinstance(new.value, str) and new.value and "_" not in new.value
        return bool(plain) and (text is None or not self._is_text(text, scored, "_"))

    def _value(self, node: nodes.Node) -> Iterator[nodes.Node]:
        """The parts of an expression that its value may come from; what it is only looked up by, or asked, is none."""
        nodes = self.nodes
        waiting = [node]
        while waiting:
            part = waiting.pop()
            self._steps += 1
            if self._steps > MAX_STEPS:
                raise Unexamined("is a template whose values take too many steps to follow")
            yield part
            if isinstance(part, (nodes.Compare, nodes.Test, nodes.Not)):
                continue
            if isinstance(part, nodes.CondExpr):
                waiting += [part.expr1, *([part.expr2] if part.expr2 else [])]
            elif isinstance(part, nodes.Getitem):
                waiting.append(part.node)
            elif isinstance(part, nodes.Filter) and part.name in ("length", "count", "int", "float", "abs", "round"):
                continue
            elif isinstance(part, nodes.Call) and isinstance(part.node, nodes.Getattr):
                waiting.append(part.node.node)
                if part.node.attr not in _ASKING:
                    skip = 1 if part.node.attr in ("get", "setdefault", "pop") else 0
                    waiting += [*part.args[skip:], *part.kwargs]
            else:
                waiting.extend(part.iter_child_nodes())
