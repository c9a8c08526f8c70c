# SPDX-License-Identifier: Apache-2.0
"""The rules on containers."""

from __future__ import annotations

from wardein.modelfiles.any_format import DESERIALIZATION, SUPPLY_CHAIN, UNSAFE_ARTIFACT
from wardein.report import Severity
from wardein.scan.rules import Rule

PATH = Rule(
    "model/archive-path",
    Severity.HIGH,
    "is a member that reaches out of its archive when it is unpacked",
    "Who unpacks it writes to a place that the archive's author chose: start-up files, keys, other models.",
    "pack the model again, with plain relative names and regular files only",
    "CWE-22",
    (SUPPLY_CHAIN,),
)
AMBIGUOUS = Rule(
    "model/archive-ambiguous",
    Severity.HIGH,
    "is an archive that different readers read differently",
    "A scanner that reads one member passes what a loader that reads the other runs.",
    "save the model again with its own library",
    "CWE-436",
    (UNSAFE_ARTIFACT,),
)
NOTE = Rule(
    "model/archive-note",
    Severity.LOW,
    "is an archive with a comment or with fields that nobody reads",
    "They do nothing, but they are bytes that no library of models writes.",
    "save the model again with its own library",
    "",
    (SUPPLY_CHAIN,),
)
HANDLER = Rule(
    "model/handler-code",
    Severity.HIGH,
    "brings its own code, which the server runs when it loads the model",
    "TorchServe imports the handler and the model file of an archive: whoever wrote them has the server.",
    "use one of TorchServe's own handlers, or review the code and serve it from the image",
    "CWE-94",
    (UNSAFE_ARTIFACT, SUPPLY_CHAIN),
)
REQUIREMENTS = Rule(
    "model/requirements",
    Severity.MEDIUM,
    "asks the server to install packages",
    "What is installed when a model is loaded has passed no review, and its set-up code runs.",
    "install the packages in the image, from a lock with hashes",
    "CWE-829",
    (SUPPLY_CHAIN,),
)
OPERATION = Rule(
    "model/torch-operation",
    Severity.HIGH,
    "calls an operation that is not known to only compute",
    "A TorchScript or exported program can read and write files, reach other machines or need foreign native code.",
    "export the model again without it; if it only computes, say so in an issue",
    DESERIALIZATION,
    (UNSAFE_ARTIFACT,),
)

RULES = (PATH, AMBIGUOUS, NOTE, HANDLER, REQUIREMENTS, OPERATION)
