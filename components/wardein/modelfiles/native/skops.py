# SPDX-License-Identifier: Apache-2.0
"""skops: the schema of an archive that names types and functions, which are imported once somebody trusts them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from wardein.modelfiles.allowlist import Use
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined, shown
from wardein.modelfiles.native import rules
from wardein.modelfiles.native.settings import leads_outside

MAX_BYTES = 8 * 1024**2
# What a schema of that size may hold at most: every value takes far more memory than its text.
MAX_VALUES = 250_000

# Plain values, whichever way they are asked for.
_PLAIN = frozenset({
    "builtins.NoneType", "builtins.bool", "builtins.bytearray", "builtins.bytes", "builtins.complex", "builtins.dict",
    "builtins.float", "builtins.frozenset", "builtins.int", "builtins.list", "builtins.set", "builtins.slice",
    "builtins.str", "builtins.tuple", "collections.OrderedDict", "collections.defaultdict", "datetime.date",
    "datetime.datetime", "datetime.time", "datetime.timedelta", "datetime.timezone", "numpy.ndarray", "numpy.dtype",
    "numpy.bool", "numpy.bool_", "numpy.float16", "numpy.float32", "numpy.float64", "numpy.int8", "numpy.int16",
    "numpy.int32", "numpy.int64", "numpy.uint8", "numpy.uint16", "numpy.uint32", "numpy.uint64", "numpy.intc",
    "numpy.longlong", "numpy.ulonglong", "numpy.str_", "numpy.bytes_", "numpy.complex64", "numpy.complex128",
    "numpy.datetime64", "numpy.timedelta64", "numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray",
    "numpy.random.RandomState", "numpy.random.Generator", "numpy.random._generator.Generator",
    "numpy.random.mtrand.RandomState",
})  # fmt: skip
# What each loader does with the name that it is given.
_USES: dict[str, Use] = {
    "DictNode": "call",
    "DefaultDictNode": "refer",
    "ListNode": "call",
    "SetNode": "call",
    "TupleNode": "call",
    "BytesNode": "refer",
    "BytearrayNode": "refer",
    "SliceNode": "refer",
    "TypeNode": "refer",
    "FunctionNode": "refer",
    "ConstructorFromReduceNode": "call",
    "ObjectNode": "new",
    "NdArrayNode": "call",
    "MaskedArrayNode": "refer",
    "DTypeNode": "refer",
    "RandomStateNode": "call",
    "RandomGeneratorNode": "call",
    "SparseMatrixNode": "refer",
    "TreeNode": "new",
    "LossNode": "new",
    "_DictWithDeprecatedKeysNode": "new",
    "QuantileForestNode": "new",
}
_LOSSES = ("sklearn._loss._loss", "sklearn.linear_model._sgd_fast")
_KINDS_OF_FUNCTIONS = frozenset({"function", "ufunc", "builtin_function_or_method", "_ArrayFunctionDispatcher"})
_BIT_GENERATORS = frozenset({"MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"})


def examine_schema(content: Content, examination: Examination) -> None:
    """Examine ``schema.json`` of a skops archive.

    Args:
        content: The schema.
        examination: Takes what is found.

    Raises:
        Unexamined: If it is no schema.
    """
    if content.size > MAX_BYTES:
        raise Unexamined(f"has a schema of more than {MAX_BYTES} bytes")
    text = content.at(0, content.size)
    if sum(map(text.count, (b",", b"{", b"["))) > MAX_VALUES:
        raise Unexamined(f"has a schema of more than {MAX_VALUES} values")
    schema = json.loads(text)
    if not isinstance(schema, dict) or "__loader__" not in schema:
        raise Unexamined("has a schema that names no loader")
    waiting: list[Any] = [schema]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, dict):
            waiting.extend(item.values())
            if "__loader__" in item:
                for message in _problems(item, examination):
                    examination.tell(rules.SKOPS, content, message, identity=message)


def _problems(node: dict[str, Any], examination: Examination) -> Iterator[str]:
    """What a node asks for that is not allowed."""
    loader, module, name = (node.get(key) for key in ("__loader__", "__module__", "__class__"))
    if not isinstance(loader, str) or not isinstance(module, str) or not isinstance(name, str):
        yield "has a node without a loader, a module and a class"
        return
    file = node.get("file")
    if isinstance(file, str) and leads_outside(file):
        yield f"reads {shown(file)}"
    if loader in ("JsonNode", "CachedNode"):
        return
    if loader == "PartialNode":
        # It always is functools.partial; what it calls is a node of its own.
        return
    if loader == "MethodNode":
        inner = node.get("content")
        method = inner.get("func") if isinstance(inner, dict) else None
        if not _is_allowed(module, f"{name}.{method}", "refer", examination):
            yield f"binds the method {shown(f'{module}.{name}.{method}')}"
    elif loader == "OperatorFuncNode":
        if name != "itemgetter" and not _is_allowed("operator", name, "call", examination):
            yield f"calls {shown(f'operator.{name}')}"
    elif loader not in _USES:
        yield f"has a loader that is not known: {shown(loader)}"
    else:
        yield from _named(loader, module, name, node, examination)


def _named(loader: str, module: str, name: str, node: dict[str, Any], examination: Examination) -> Iterator[str]:
    use = _USES[loader]
    names = [(module, name)]
    if loader == "FunctionNode" and isinstance(node.get("content"), dict):
        # The form of the first protocol, whose class says what kind of function it is; other readers go by the class.
        first = str(node["content"].get("module_path")), str(node["content"].get("function"))
        names = [first] if module == first[0] and name in _KINDS_OF_FUNCTIONS else [first, *names]
    if loader == "RandomGeneratorNode" and _bit_generator(node) not in _BIT_GENERATORS:
        yield "has a random generator of no known kind"
    if loader == "LossNode" and module not in _LOSSES:
        use = "call"
    does = {"call": "calls", "new": "makes an object of", "refer": "refers to"}[use]
    for module, name in names:
        if f"{module}.{name}" not in _PLAIN and not _is_allowed(module, name, use, examination):
            yield f"{does} {shown(f'{module}.{name}')} ({loader})"


def _is_allowed(module: str, name: str, use: Use, examination: Examination) -> bool:
    entry = examination.allowed.get(module, name)
    if entry is None:
        return False
    # Whose constructor may run may also be made without it.
    return use in entry.uses or (use == "new" and "call" in entry.uses)


def _bit_generator(node: dict[str, Any]) -> str | None:
    """The name of the class that the state of a generator asks for."""
    try:
        state = node["content"]["bit_generator"]["content"]["bit_generator"]["content"]
        name = json.loads(state)
    except (KeyError, TypeError, ValueError):
        return None
    return name if isinstance(name, str) else None
