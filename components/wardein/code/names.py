# SPDX-License-Identifier: Apache-2.0
"""What the names in a module stand for: through imports, aliases, ``getattr`` and ``importlib``.

Every binding that a name has anywhere in the module counts, whatever its scope: a second one must not hide the first.
Only names that rules are about, and what leads to them, are kept, so that there are never many.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

# Other names of what rules are written for; the longest that fits is replaced.
_SAME = {
    "_pickle": "pickle",
    "cPickle": "pickle",
    "pickle5": "pickle",
    "six.moves.cPickle": "pickle",
    "sklearn.externals.joblib": "joblib",
    "joblib.numpy_pickle": "joblib",
    "torch.serialization": "torch",
    "numpy.lib.npyio": "numpy",
    "numpy.lib.format.read_array": "numpy.load",
    "pandas.io.pickle": "pandas",
    "tensorflow.keras": "keras",
    "tensorflow.python.keras": "keras",
    "tensorflow.compat.v1": "tensorflow",
    "tf_keras": "keras",
    "keras.src": "keras",
    "keras.saving": "keras.models",
    "keras.layers.core": "keras.layers",
    "lightning.pytorch": "pytorch_lightning",
    "posix.system": "os.system",
    "__builtins__": "builtins",
    "__builtin__": "builtins",
}
_FIRST = {name.partition(".")[0] for name in _SAME}
_ITSELF = ("builtins.getattr", "builtins.__import__", "builtins.vars", "builtins.globals", "builtins.locals") + (
    "importlib.import_module", "importlib.__import__", "functools.partial", "sys.modules", "builtins",
    "operator.attrgetter",
)  # fmt: skip
_GLOBALS = "globals"
_NOTHING: frozenset[str] = frozenset()
# No name that a rule is about is a chain of so many attributes and calls; other expressions are not nested so deeply.
_LONGEST_CHAIN = 40
_DEEPEST = 100
_MOST_PARTS = 50


def canonical(name: str) -> str:
    """The name that rules are written for."""
    while name.partition(".")[0] in _FIRST:
        parts = name.split(".")
        for end in range(len(parts), 0, -1):
            same = _SAME.get(".".join(parts[:end]))
            if same is not None:
                name = ".".join([same, *parts[end:]])
                break
        else:
            break
    return name


def leading_to(targets: Iterable[str]) -> frozenset[str]:
    """The names that rules are about, with all names on the way to them."""
    found = {_GLOBALS}
    for target in (*targets, *_ITSELF, *_SAME):
        ends = [index for index, character in enumerate(target) if character == "."]
        for end in (*ends, len(target)):
            found |= {target[:end], target[:end].removesuffix("()"), f"{target[:end]}.__dict__"}
    return frozenset(found)


class Names:
    """The bindings of one module.

    Args:
        relevant: From :func:`leading_to`.
        judged_at_once: Functions that ``functools.partial`` does not lead to, as it is judged itself where it is made.
    """

    def __init__(self, relevant: frozenset[str], judged_at_once: frozenset[str] = _NOTHING) -> None:
        self._relevant, self._judged_at_once = relevant, judged_at_once
        self._stars: set[str] = set()
        self._values: dict[str, list[ast.expr]] = {}
        self._known: dict[str, frozenset[str]] = {}
        self._bound: Counter[str] = Counter()
        self._items: dict[str, list[tuple[ast.expr, ast.expr]]] = {}
        self._own = {"self", "cls"}

    def read_import(self, node: ast.Import | ast.ImportFrom) -> None:
        """Bind what an import binds."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                self.read_binding(alias.asname or alias.name.partition(".")[0])
                full = alias.name if alias.asname else alias.name.partition(".")[0]
                self._bind(alias.asname or full, full)
            return
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            if alias.name == "*":
                self._stars.add(module)
            else:
                self.read_binding(alias.asname or alias.name)
                self._bind(alias.asname or alias.name, f"{module}.{alias.name}")

    def read_binding(self, name: str) -> None:
        """Count that something is bound to a name, whatever it is: only a name bound once is a constant."""
        self._bound[name] += 1

    def read_item(self, target: ast.Subscript, value: ast.expr) -> None:
        """An item that is put into what a name is bound to."""
        if isinstance(target.value, ast.Name):
            self._items.setdefault(target.value.id, []).append((target.slice, value))

    def read_update(self, call: ast.Call) -> None:
        """What ``options.update(key=value)`` puts into what a name is bound to."""
        if (
            isinstance(call.func, ast.Attribute)
            and call.func.attr == "update"
            and isinstance(call.func.value, ast.Name)
        ):
            items = self._items.setdefault(call.func.value.id, [])
            items += [(ast.Constant(word.arg), word.value) for word in call.keywords if word.arg is not None]
            for given in call.args:
                if isinstance(given, ast.Dict):
                    items += [(k, v) for k, v in zip(given.keys, given.values, strict=True) if k is not None]

    def read_class(self, node: ast.ClassDef) -> None:
        """Bind the attributes that a class gives its objects."""
        self._own.add(node.name)
        for inner in node.body:
            if isinstance(inner, ast.Assign):
                for target in inner.targets:
                    if isinstance(target, ast.Name):
                        self._values.setdefault(f".{target.id}", []).append(inner.value)

    def read_value(self, target: ast.expr, value: ast.expr) -> None:
        """Bind what an assignment or a ``with`` binds."""
        if isinstance(target, ast.Name):
            self._values.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Attribute) and self._is_own(target.value):
            self._values.setdefault(f".{target.attr}", []).append(value)
        elif isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (ast.Tuple, ast.List)):
            for inner, its in zip(target.elts, value.elts, strict=False):
                self.read_value(inner, its)

    def settle(self) -> None:
        """Follow what is bound to names, until nothing new comes of it."""
        changed = True
        while changed:
            changed = False
            for name, values in self._values.items():
                before = self._known.get(name, _NOTHING)
                after = before.union(*(self.of(value) for value in values))
                if len(after) > len(before):
                    self._known[name] = after
                    changed = True

    def constant(self, node: ast.expr | None) -> object:
        """The value of a literal, or of a name that is bound once to one; None if it cannot be told."""
        node = self.literal(node)
        if isinstance(node, ast.BinOp):
            return _joined(node)
        return node.value if isinstance(node, ast.Constant) else None

    def truth(self, node: ast.expr | None) -> bool | None:
        """Whether an expression counts as true; None if it cannot be told."""
        node, negated = self.literal(node), False
        while isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            node, negated = self.literal(node.operand), not negated
        if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
            node = node.operand
        if isinstance(node, ast.Constant):
            return bool(node.value) is not negated
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return bool(node.elts) is not negated
        if isinstance(node, ast.Dict):
            return bool(node.keys) is not negated
        return None

    def values(self, node: ast.expr) -> list[ast.expr]:
        """The expression, or all those that it is known to stand for."""
        if isinstance(node, ast.Name):
            return self._values.get(node.id, [node])
        return list(_alternatives(node)) or [node]

    def items(self, node: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
        """What is put into what the name is bound to, under which keys."""
        return self._items.get(node.id, []) if isinstance(node, ast.Name) else []

    def literal(self, node: ast.expr | None) -> ast.expr | None:
        """The expression, or the one that the name is bound to, if it is bound once."""
        if isinstance(node, ast.Name) and self._bound[node.id] == 1 and len(self._values.get(node.id, ())) == 1:
            return self._values[node.id][0]
        return node

    def of(self, node: ast.expr) -> frozenset[str]:
        """What an expression may stand for: dotted names, and ``name()`` for what a call gives.

        Raises:
            RecursionError: If it is nested too deeply.
        """
        inner, length = node, 0
        while isinstance(inner, (ast.Attribute, ast.Call)):
            inner, length = inner.value if isinstance(inner, ast.Attribute) else inner.func, length + 1
        return self._of(node, 0) if length <= _LONGEST_CHAIN else _NOTHING

    def _of(self, node: ast.expr, depth: int) -> frozenset[str]:
        if isinstance(node, ast.Name):
            return self._of_name(node.id)
        if depth > _DEEPEST:
            raise RecursionError
        if isinstance(node, ast.Attribute):
            found = self._members(self._of(node.value, depth + 1), node.attr)
            return found | self._known.get(f".{node.attr}", _NOTHING) if self._is_own(node.value) else found
        if isinstance(node, ast.Call):
            return self._of_call(node, depth)
        if isinstance(node, ast.Subscript):
            return self._of_subscript(node, depth)
        return frozenset(name for inner in _alternatives(node) for name in self._of(inner, depth + 1))

    def _of_name(self, name: str) -> frozenset[str]:
        found = self._known.get(name, _NOTHING)
        built_in = canonical("builtins" if name == "__builtins__" else f"builtins.{name}")
        others = {built_in, *(canonical(f"{module}.{name}") for module in self._stars)} & self._relevant
        return found | others if others else found

    def _of_call(self, node: ast.Call, depth: int) -> frozenset[str]:
        found: set[str] = set()
        if isinstance(node.func, ast.Call):
            found |= self._of_getter(node.func, node.args, depth)
        for function in self._of(node.func, depth + 1):
            if function == "builtins.getattr" and len(node.args) > 1:
                name = self.constant(node.args[1])
                if isinstance(name, str):
                    found |= self._members(self._of(node.args[0], depth + 1), name)
            elif function in ("builtins.__import__", "importlib.import_module", "importlib.__import__"):
                module = self.constant(_first(node))
                if isinstance(module, str):
                    found |= {canonical(module), canonical(module.partition(".")[0])}
            elif function == "builtins.vars" and node.args:
                found |= self._members(self._of(node.args[0], depth + 1), "__dict__")
            elif function in ("builtins.globals", "builtins.locals", "builtins.vars"):
                found.add(_GLOBALS)
            elif function == "functools.partial" and node.args:
                found |= self._of(node.args[0], depth + 1) - self._judged_at_once
            else:
                found.add(f"{function}()")
        return self._relevant & found

    def _of_getter(self, getter: ast.Call, args: Sequence[ast.expr], depth: int) -> frozenset[str]:
        """``operator.attrgetter("load")(joblib)``."""
        name = self.constant(getter.args[0] if getter.args else None)
        if not isinstance(name, str) or not args:
            return _NOTHING
        if "operator.attrgetter" not in self._of(getter.func, depth + 1):
            return _NOTHING
        return self._members(self._of(args[0], depth + 1), name)

    def _of_subscript(self, node: ast.Subscript, depth: int) -> frozenset[str]:
        key = self.constant(node.slice)
        if not isinstance(key, str):
            return _NOTHING
        found: set[str] = set()
        for base in self._of(node.value, depth + 1):
            if base == "sys.modules":
                found.add(canonical(key))
            elif base == _GLOBALS:
                found |= self._of_name(key)
            elif base == "builtins":
                found.add(f"builtins.{key}")
            elif base.endswith(".__dict__"):
                found.add(canonical(f"{base.removesuffix('.__dict__')}.{key}"))
        return self._relevant & found

    def _is_own(self, node: ast.expr) -> bool:
        """Whether it is an object of the module's own classes, or such a class."""
        return isinstance(node, ast.Name) and node.id in self._own

    def _bind(self, name: str, full: str) -> None:
        full = canonical(full)
        if full in self._relevant:
            self._known[name] = self._known.get(name, _NOTHING) | {full}

    def _members(self, bases: frozenset[str], attribute: str) -> frozenset[str]:
        return self._relevant & {canonical(f"{base}.{attribute}") for base in bases}


def _first(call: ast.Call) -> ast.expr | None:
    """The name that an importing function is given."""
    named = (keyword.value for keyword in call.keywords if keyword.arg == "name")
    return call.args[0] if call.args else next(named, None)


def _joined(node: ast.expr) -> str | None:
    """A text that is put together from a few constants with plus signs."""
    parts: list[str] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and len(parts) < _MOST_PARTS:
        if not isinstance(node.right, ast.Constant) or not isinstance(node.right.value, str):
            return None
        parts.append(node.right.value)
        node = node.left
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return None
    return "".join([node.value, *reversed(parts)])


def _alternatives(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, (ast.NamedExpr, ast.Await, ast.Starred)):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (node.body, node.orelse)
    elif isinstance(node, ast.BoolOp):
        yield from node.values
