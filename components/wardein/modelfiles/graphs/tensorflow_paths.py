# SPDX-License-Identifier: Apache-2.0
"""Where the names of files come from in a TensorFlow graph.

Every saved model writes and reads files: its saver does, with the name that whoever saves or restores it gives, and
its tables of words do, with the names of its own assets. The same operations with any other name are an attack.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
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
_TABLES = ("InitializeTableFromTextFile", "InitializeTableFromTextFileV2")
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
# What else writes into a variable that may hold texts.
WRITERS = (
    *("AssignVariableXlaConcatND", "ResourceScatterNdUpdate", "ResourceScatterUpdate", "ResourceStridedSliceAssign"),
)
CALLS = ("StatefulPartitionedCall", "PartitionedCall")
PLACES = ("Placeholder", "PlaceholderWithDefault", "PlaceholderV2")
# What Saver and tf.saved_model join to the name they are given, and the names TensorFlow 1 has where none is given.
_HARMLESS = re.compile(r"[\w.-]*|_temp(_[0-9a-f]{32})?/part")
_DEFAULTS = ("", "model")
_MAX_DEPTH = 200
SAVER, ASSET, HARMLESS, OTHER = (
    frozenset({"saver"}),
    frozenset({"asset"}),
    frozenset({"harmless"}),
    frozenset({"other"}),
)
# The name of an asset that is only put in its place while the model's tables are filled.
AT_START = frozenset({"asset at start"})


@dataclass(frozen=True, slots=True)
class Node:
    """What matters here of an operation.

    Attributes:
        name: Its name.
        operation: What it does.
        inputs: Where it takes what from.
        texts: The texts of a constant.
        calls: The functions it calls.
        label: Where it prints to, what a variable is shared as, or what stands between texts that are joined.
        may_be_text: Whether what it works on may be texts.
    """

    name: str
    operation: str
    inputs: Sequence[str]
    texts: Sequence[str] | None = None
    calls: Sequence[str] = ()
    label: str = ""
    may_be_text: bool = True


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
        fetched: The tensors and operations that are asked for by other than whoever fills the model's tables.
        bound: For each function that the model's objects have, what its last arguments are: the names of nodes.
    """

    nodes: Sequence[Node]
    functions: Mapping[str, Function]
    saver: set[str] = field(default_factory=set)
    assets: set[str] = field(default_factory=set)
    given: set[str] = field(default_factory=set)
    fetched: set[str] = field(default_factory=set)
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
        self._known: dict[tuple[str, str], frozenset[str]] = {}
        self._underway: set[tuple[str, str]] = set()
        self._after: dict[str, list[Node]] = {}
        for node in graph.nodes:
            for before in node.inputs:
                if before[:1] == "^":
                    self._after.setdefault(before[1:], []).append(node)
        self._find_variables()

    def _find_variables(self) -> None:
        """Which texts are written into which variable."""
        every = [(scope, node) for scope, nodes in self._scopes.items() for node in nodes.values()]
        self._shared = Counter(node.label for _, node in every if node.operation == "VarHandleOp")
        self._written: dict[str, list[str]] = {}
        # As soon as texts go into what is not known, they may go into every variable.
        self._is_any_written = False
        for scope, node in every:
            if node.operation in ("AssignVariableOp", *WRITERS) and node.may_be_text:
                variable = self._scopes[scope].get(_name(node.inputs[0])) if node.inputs else None
                data = _data(node)
                is_known = variable is not None and variable.operation == "VarHandleOp" and not scope
                if variable is None or not is_known or node.operation in WRITERS or len(data) != 2:
                    self._is_any_written = True
                else:
                    self._written.setdefault(variable.label, []).append(data[1])

    def are_own(self, scope: str, node: Node) -> bool:
        """Whether all files of an operation are those that a saver is given, or assets of the model itself."""
        wanted = SAVER if node.operation in SAVERS else ASSET
        data = _data(node)
        for index in SAVERS.get(node.operation) or READERS[node.operation]:
            if index >= len(data):
                return False
            sources = self._sources(scope, data[index])
            if sources == AT_START and node.operation in _TABLES and not scope and self._is_at_start(node.name):
                continue
            if sources != wanted:
                return False
        return True

    def _is_at_start(self, name: str) -> bool:
        """Whether an operation runs only while the model's tables are filled: nothing that computes waits for it."""
        seen, left = {name}, [name]
        while left:
            name = left.pop()
            users = self._after.get(name, [])
            if name in self._graph.fetched or any(user.operation != "NoOp" for user in users):
                return False
            left += [user.name for user in users if user.name not in seen]
            seen.update(left)
        return True

    def _sources(self, scope: str, tensor: str) -> frozenset[str]:
        """What a text is made of, each way in which it may come about."""
        here = (scope, _name(tensor))
        if here in self._known:
            return self._known[here]
        if here in self._underway or len(self._underway) > _MAX_DEPTH:
            return OTHER
        self._underway.add(here)
        found = self._known[here] = self._followed(*here)
        self._underway.remove(here)
        return found

    def _followed(self, scope: str, name: str) -> frozenset[str]:
        node = self._scopes[scope].get(name)
        if not scope and name in self._graph.assets:
            return self._asset(node)
        if not scope and name in self._graph.saver:
            return SAVER | self._default(node)
        if node is None:
            return self._given(scope, name)
        if not scope and name not in self._graph.given and node.operation == "PlaceholderWithDefault":
            return self._default(node) or HARMLESS
        if not scope and node.operation == "ReadVariableOp":
            return self._kept(node)
        if node.operation == "Const":
            return HARMLESS if node.texts and all(_is_harmless(text) for text in node.texts) else OTHER
        if node.operation in HANDS_ON:
            data, wanted = _data(node), HANDS_ON[node.operation]
            places = range(len(data)) if wanted is None else wanted
            parts = [self._sources(scope, data[index]) if index < len(data) else OTHER for index in places]
            return _joined(node, parts) if node.operation == "StringJoin" else frozenset().union(*parts) or OTHER
        return OTHER

    @staticmethod
    def _asset(node: Node | None) -> frozenset[str]:
        """What the place of an asset's name holds: TensorFlow 2's is empty until it is filled, 1's is not."""
        if node is not None and (node.operation in PLACES[:1] or (node.operation == "Const" and node.texts == [""])):
            return ASSET
        return AT_START if node is not None and node.operation == "Const" else OTHER

    def _kept(self, node: Node) -> frozenset[str]:
        """What is assigned to a variable, if all who could assign to it are known."""
        variable = self._scopes[""].get(_name(node.inputs[0])) if node.inputs else None
        is_known = variable is not None and variable.operation == "VarHandleOp" and self._shared[variable.label] == 1
        if variable is None or not is_known or self._is_any_written:
            return OTHER
        values = self._written.get(variable.label, [])
        return frozenset().union(*(self._sources("", value) for value in values)) or OTHER

    def _default(self, node: Node | None) -> frozenset[str]:
        """What the place for a saver's name holds if none is given; nothing where it is as TensorFlow has it."""
        if node is not None and node.operation == "PlaceholderWithDefault" and node.inputs:
            node = self._scopes[""].get(_name(node.inputs[0]))
            if node is not None and node.operation == "PlaceholderWithDefault" and node.inputs:
                node = self._scopes[""].get(_name(node.inputs[0]))
        if node is not None and node.operation == "Const":
            return frozenset() if node.texts and all(text in _DEFAULTS for text in node.texts) else OTHER
        return frozenset() if node is not None and node.operation in PLACES[:1] else OTHER

    def _given(self, scope: str, name: str) -> frozenset[str]:
        """What an argument of a function is given by everyone who calls it."""
        function = self._graph.functions.get(scope)
        if function is None or name not in function.arguments:
            return OTHER
        index = function.arguments.index(name)
        found: frozenset[str] = frozenset()
        for outer, call in self._callers.get(scope, []):
            data = _data(call)
            is_call = (call.operation in CALLS or call.operation == scope) and index < len(data)
            found |= self._sources(outer, data[index]) if is_call else OTHER
        bound = self._graph.bound.get(scope)
        if bound is not None:
            at = index - (len(function.arguments) - len(bound))
            tensors = bound[at] if at >= 0 else ()
            found |= frozenset().union(*(self._sources("", tensor) for tensor in tensors)) if tensors else OTHER
        return found or OTHER


def _name(tensor: str) -> str:
    return tensor.partition(":")[0]


def _data(node: Node) -> list[str]:
    """The inputs that an operation works on; it only waits for the others."""
    return [name for name in node.inputs if name[:1] != "^"]


def _is_harmless(text: str) -> bool:
    return _HARMLESS.fullmatch(text) is not None and ".." not in text


def _joined(node: Node, parts: Sequence[frozenset[str]]) -> frozenset[str]:
    """What texts are made of that are joined: one that is a name's beginning or end is harmless beside the name."""
    if not parts or not _is_harmless(node.label):
        return OTHER
    found: frozenset[str] = frozenset().union(*parts)
    return found - HARMLESS if any("harmless" not in part for part in parts) else found
