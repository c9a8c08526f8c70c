# SPDX-License-Identifier: Apache-2.0
"""The rules on pickles: what a stream may not name, and what it may not do with what it names."""

from __future__ import annotations

from wardein.modelfiles.any_format import DESERIALIZATION, SUPPLY_CHAIN, UNSAFE_ARTIFACT
from wardein.report import Severity
from wardein.scan.rules import Rule

_SAVE_AGAIN = "save the model in a format that holds no code (skops, safetensors, ONNX), from a source you trust"
_ALLOW = "find out what it does; who vouches for it names it with --allow, which the report records"

CODE = Rule(
    "model/pickle-runs-code",
    Severity.CRITICAL,
    "runs code when it is loaded",
    "It names a function that runs commands, evaluates code, imports modules, or reaches files or the network.",
    "do not load it; find out where it came from",
    DESERIALIZATION,
    (UNSAFE_ARTIFACT,),
)
UNKNOWN = Rule(
    "model/pickle-unknown-global",
    Severity.HIGH,
    "names something that is not known to only build data",
    "A pickle calls what it names; of names that nobody has looked at, any can run code.",
    _ALLOW,
    DESERIALIZATION,
    (UNSAFE_ARTIFACT,),
)
USE = Rule(
    "model/pickle-unknown-use",
    Severity.HIGH,
    "uses something known in a way that is not known to be harmless",
    "A class that is safe to restore may do anything when it is called, or with other arguments.",
    _ALLOW,
    DESERIALIZATION,
    (UNSAFE_ARTIFACT,),
)
STATE = Rule(
    "model/pickle-state",
    Severity.HIGH,
    "changes how an object behaves, not what it holds",
    "Names of Python's own in a state, and the state of a class or a function, replace code by what the file says.",
    _SAVE_AGAIN,
    DESERIALIZATION,
    (UNSAFE_ARTIFACT,),
)
COMPUTED = Rule(
    "model/pickle-computed-name",
    Severity.HIGH,
    "names a global by a text that it computes",
    "No pickler writes that: it hides from a scanner what is called.",
    _SAVE_AGAIN,
    DESERIALIZATION,
    (UNSAFE_ARTIFACT,),
)
EXTENSION = Rule(
    "model/pickle-extension",
    Severity.HIGH,
    "calls something by a number",
    "What an extension code stands for is decided by the process that loads the file.",
    _SAVE_AGAIN,
    DESERIALIZATION,
    (UNSAFE_ARTIFACT,),
)
PERSISTENT = Rule(
    "model/pickle-persistent-id",
    Severity.HIGH,
    "refers to something outside in a way that is not known",
    "What a persistent id stands for is decided by the loader; only those of torch's storages are known here.",
    _SAVE_AGAIN,
    DESERIALIZATION,
    (UNSAFE_ARTIFACT,),
)
MEMORY = Rule(
    "model/pickle-memory",
    Severity.HIGH,
    "describes memory in a way that does not hold together",
    "Arrays whose description lies about objects or sizes make a loader read or write memory that is not theirs.",
    _SAVE_AGAIN,
    "CWE-787",
    (UNSAFE_ARTIFACT,),
)
LEFTOVER = Rule(
    "model/pickle-leftover",
    Severity.HIGH,
    "makes objects that it does not return",
    "No pickler writes that; things made only for what their making does are how payloads ride along.",
    _SAVE_AGAIN,
    "CWE-506",
    (UNSAFE_ARTIFACT,),
)
COMPANION = Rule(
    "model/joblib-companion",
    Severity.MEDIUM,
    "is loaded together with another file",
    "Old versions of joblib read arrays, objects among them, from files beside the model.",
    "examine the folder that holds both, or save the model again with a present version of joblib",
    "",
    (SUPPLY_CHAIN,),
)

RULES = (CODE, UNKNOWN, USE, STATE, COMPUTED, EXTENSION, PERSISTENT, MEMORY, LEFTOVER, COMPANION)
