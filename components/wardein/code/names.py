# SPDX-License-Identifier: Apache-2.0
"""What the names in a module stand for: through imports, aliases, ``getattr`` and ``importlib``.

Every binding that a name has anywhere in the module counts, whatever its scope: a second one must not hide the first.
Only names that rules are about, and what leads to them, are kept, so that there are never many.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

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
)  # fmt: skip
_GLOBALS = "globals"
_NOTHING: frozenset[str] = frozenset()
# No name that a rule is about is a chain of so many attributes and calls; other expressions are not nested so deeply.
_LONGEST_CHAIN = 40
_DEEPEST = 100


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

    def read_import(self, node: ast.Import | ast.ImportFrom) -> None:
        """Bind what an import binds."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                full = alias.name if alias.asname else alias.name.partition(".")[0]
                self._bind(alias.asname or full, full)
            return
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            if alias.name == "*":
                self._stars.add(module)
            else:
                self._bind(alias.asname or alias.name, f"{module}.{alias.name}")

    def read_value(self, target: ast.expr, value: ast.expr) -> None:
        """Bind what an assignment or a ``with`` binds."""
        if isinstance(target, ast.Name):
            self._values.setdefault(target.id, []).append(value)
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
        return node.value if isinstance(node, ast.Constant) else None

    def literal(self, node: ast.expr | None) -> ast.expr | None:
        """The expression, or the one that the name is bound to, if it is bound once."""
        if isinstance(node, ast.Name) and len(self._values.get(node.id, ())) == 1:
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
            return self._members(self._of(node.value, depth + 1), node.attr)
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
        for function in self._of(node.func, depth + 1):
            if function == "builtins.getattr" and len(node.args) > 1:
                name = self.constant(node.args[1])
                if isinstance(name, str):
                    found |= self._members(self._of(node.args[0], depth + 1), name)
            elif function in ("builtins.__import__", "importlib.import_module", "importlib.__import__"):
                module = self.constant(node.args[0] if node.args else None)
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

    def _bind(self, name: str, full: str) -> None:
        full = canonical(full)
        if full in self._relevant:
            self._known[name] = self._known.get(name, _NOTHING) | {full}

    def _members(self, bases: frozenset[str], attribute: str) -> frozenset[str]:
        return self._relevant & {canonical(f"{base}.{attribute}") for base in bases}


def _alternatives(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, (ast.NamedExpr, ast.Await, ast.Starred)):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (node.body, node.orelse)
    elif isinstance(node, ast.BoolOp):
        yield from node.values
