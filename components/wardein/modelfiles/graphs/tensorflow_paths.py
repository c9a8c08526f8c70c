# SPDX-License-Identifier: Apache-2.0
"""Where the names of files come from in a TensorFlow graph.

Every saved model writes and reads files: its saver does, with the name that whoever saves or restores it gives, and
its tables of words do, with the names of its own assets. The same operations with any other name are an attack.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

# Operations on files, and which of their inputs are names.
SAVERS: Mapping[str, Sequence[int]] = {
    "SaveV2": (0,),
    "RestoreV2": (0,),
    "Save": (0,),
    "SaveSlices": (0,),
    "Restore": (0,),
    "RestoreSlice": (0,),
    "MergeV2Checkpoints": (0, 1),
}
READERS: Mapping[str, Sequence[int]] = {
    "InitializeTableFromTextFile": (1,),
    "InitializeTableFromTextFileV2": (1,),
    "ReadFile": (0,),
}
# Operations that hand a text on, and which of their inputs it may come from; all of them where nothing is said.
HANDS_ON: Mapping[str, Sequence[int] | None] = {
    "Identity": (0,),
    "StringJoin": None,
    "ShardedFilename": (0,),
    "ShardedFilespec": (0,),
    "Select": (1, 2),
    "SelectV2": (1, 2),
    "Pack": None,
    "ConcatV2": None,
    "ExpandDims": (0,),
    "Reshape": (0,),
    "Squeeze": (0,),
}
# A text may wait in a variable: TensorFlow 2 puts the name of an asset into one.
VARIABLES = ("VarHandleOp", "AssignVariableOp", "ReadVariableOp")
CALLS = ("StatefulPartitionedCall", "PartitionedCall")
PLACES = ("Placeholder", "PlaceholderWithDefault", "PlaceholderV2")
# What Saver and tf.saved_model join to the name they are given, and the name TensorFlow 1 has where none is given.
_HARMLESS = re.compile(r"[\w.-]*|_temp(_[0-9a-f]{32})?/part")


@dataclass(frozen=True, slots=True)
class Node:
    """What matters here of an operation; its label is where it prints to, or what a variable is shared as."""

    name: str
    operation: str
    inputs: Sequence[str]
    texts: Sequence[str] | None = None
    calls: Sequence[str] = ()
    label: str = ""


@dataclass
class Function:
    """A function of a graph's library."""

    name: str
    arguments: Sequence[str]
    nodes: Sequence[Node]


@dataclass
class Graph:
    """A graph and the functions it calls.

    Attributes:
        nodes: The graph's own operations, those that matter here.
        functions: Its library.
        saver: The tensors that hold the name that a saver is given.
        assets: The tensors that hold the name of an asset of the model.
        given: The tensors that whoever asks the model something gives.
        bound: For each function that the model's objects have, what its last arguments are: the names of nodes.
    """

    nodes: Sequence[Node]
    functions: Mapping[str, Function]
    saver: set[str] = field(default_factory=set)
    assets: set[str] = field(default_factory=set)
    given: set[str] = field(default_factory=set)
    bound: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)


class Paths:
    """Follows names of files to where they come from."""

    def __init__(self, graph: Graph) -> None:
        """Take the graph."""
        self._graph = graph
        self._scopes = {"": {node.name: node for node in graph.nodes}}
        for function in graph.functions.values():
            self._scopes[function.name] = {node.name: node for node in function.nodes}
        self._callers: dict[str, list[tuple[str, Node]]] = {}
        for scope, nodes in self._scopes.items():
            for node in nodes.values():
                for called in node.calls:
                    self._callers.setdefault(called, []).append((scope, node))

    def are_own(self, scope: str, node: Node) -> bool:
        """Whether all files of an operation are those that a saver is given, or assets of the model itself."""
        wanted = "saver" if node.operation in SAVERS else "asset"
        for index in SAVERS.get(node.operation) or READERS[node.operation]:
            data = [name for name in node.inputs if name[:1] != "^"]
            if index >= len(data):
                return False
            sources = set(self._sources(scope, data[index], frozenset()))
            if wanted not in sources or sources - {wanted, "harmless"}:
                return False
        return True

    def _sources(self, scope: str, tensor: str, passed: frozenset[tuple[str, str]]) -> Iterator[str]:
        """What a text is made of: ``saver``, ``asset``, ``harmless`` or ``other``."""
        name = tensor.partition(":")[0]
        if (scope, name) in passed or len(passed) > 200:
            yield "other"
            return
        passed |= {(scope, name)}
        node = self._scopes[scope].get(name)
        if not scope and name in self._graph.assets:
            yield "asset"
        elif not scope and name in self._graph.saver:
            yield from ("saver", *self._defaults(node, passed))
        elif node is None:
            yield from self._given(scope, name, passed)
        elif not scope and name not in self._graph.given and node.operation == "PlaceholderWithDefault":
            yield from self._defaults(node, passed)
        elif not scope and node.operation == "ReadVariableOp":
            yield from self._kept(node, passed)
        elif node.operation == "Const":
            is_harmless = node.texts is not None and all(_HARMLESS.fullmatch(text) for text in node.texts)
            yield "harmless" if is_harmless and ".." not in "".join(node.texts or ()) else "other"
        elif node.operation in HANDS_ON:
            data = [one for one in node.inputs if one[:1] != "^"]
            wanted = HANDS_ON[node.operation]
            for index in range(len(data)) if wanted is None else wanted:
                yield from self._sources(scope, data[index], passed) if index < len(data) else ("other",)
        else:
            yield "other"

    def _kept(self, node: Node, passed: frozenset[tuple[str, str]]) -> Iterator[str]:
        """What is assigned to a variable, if all who could assign to it are known."""
        handle = node.inputs[0].partition(":")[0] if node.inputs else ""
        variable = self._scopes[""].get(handle)
        others = [n for nodes in self._scopes.values() for n in nodes.values() if n.operation == "VarHandleOp"]
        shared = [n for n in others if variable is not None and n.label == variable.label]
        if variable is None or variable.operation != "VarHandleOp" or len(shared) != 1:
            yield "other"
            return
        for user in self._scopes[""].values():
            takes = [one.partition(":")[0] for one in user.inputs]
            if handle not in takes or user.operation == "ReadVariableOp":
                continue
            if user.operation == "AssignVariableOp" and takes.count(handle) == 1 and takes[0] == handle:
                yield from self._sources("", user.inputs[1], passed)
            else:
                yield "other"

    def _defaults(self, node: Node | None, passed: frozenset[tuple[str, str]]) -> Iterator[str]:
        """What a place for a name holds if none is given."""
        if node is None:
            yield "other"
        elif node.operation == "PlaceholderWithDefault" and node.inputs:
            yield from self._sources("", node.inputs[0], passed)
        elif node.operation == "Const":
            texts = node.texts
            yield "harmless" if texts is not None and all(_HARMLESS.fullmatch(t) for t in texts) else "other"
        elif node.operation not in PLACES:
            yield "other"

    def _given(self, scope: str, name: str, passed: frozenset[tuple[str, str]]) -> Iterator[str]:
        """What an argument of a function is given by everyone who calls it."""
        function = self._graph.functions.get(scope)
        if function is None or name not in function.arguments:
            yield "other"
            return
        index = function.arguments.index(name)
        callers = self._callers.get(scope, [])
        for outer, call in callers:
            data = [one for one in call.inputs if one[:1] != "^"]
            if (call.operation in CALLS or call.operation == scope) and index < len(data):
                yield from self._sources(outer, data[index], passed)
            else:
                yield "other"
        bound = self._graph.bound.get(scope)
        if bound is not None:
            at = index - (len(function.arguments) - len(bound))
            if at < 0:
                yield "other"
            for tensor in bound[at] if at >= 0 else ():
                yield from self._sources("", tensor, passed)
        elif not callers:
            yield "other"
