# SPDX-License-Identifier: Apache-2.0
"""The rules on graphs of operations, and on the configurations that build them."""

from __future__ import annotations

from wardein.modelfiles.any_format import DESERIALIZATION, SUPPLY_CHAIN, UNSAFE_ARTIFACT
from wardein.report import Severity
from wardein.scan.rules import Rule

OPERATION = Rule(
    "model/graph-operation",
    Severity.HIGH,
    "holds an operation that does more than compute",
    "TensorFlow and ONNX Runtime run it as part of the model: it reads or writes files, calls Python, or dials out.",
    "rebuild the model without it, and read or write files outside of the model",
    DESERIALIZATION,
    (UNSAFE_ARTIFACT,),
)
CUSTOM_OPERATION = Rule(
    "model/custom-operator",
    Severity.HIGH,
    "holds an operation that needs a library of its own",
    "Native code has to be loaded for it, which no scanner of model files has seen.",
    "rebuild the model out of the standard operations, or ship and scan the library by itself",
    DESERIALIZATION,
    (SUPPLY_CHAIN, UNSAFE_ARTIFACT),
)
OUTSIDE = Rule(
    "model/outside-reference",
    Severity.HIGH,
    "refers to a file outside of the model",
    "Who loads the model reads (or, of a share, dials to) whatever file it names, secrets of the machine among them.",
    "save the model again with everything it needs inside its own folder",
    "CWE-22",
    (UNSAFE_ARTIFACT,),
)
LAMBDA = Rule(
    "model/keras-lambda",
    Severity.CRITICAL,
    "holds Python code that Keras would run",
    "A Lambda layer is marshalled byte code: it runs when the model is loaded or predicts.",
    "write a layer class of its own in code that is reviewed, or use the operations of Keras",
    DESERIALIZATION,
    (UNSAFE_ARTIFACT,),
)
KERAS_OBJECT = Rule(
    "model/keras-object",
    Severity.HIGH,
    "names an object that is not one of Keras's own that only compute",
    "Keras imports the module that the configuration names and calls what it finds there with what the file gives.",
    "rebuild the model out of Keras's own layers, or load its weights into code that is reviewed",
    DESERIALIZATION,
    (UNSAFE_ARTIFACT, "cve:CVE-2025-1550"),
)
KERAS_FILE = Rule(
    "model/keras-file-reference",
    Severity.HIGH,
    "names a file or an address for Keras to read",
    "Lookup layers read a vocabulary from wherever their configuration says, and put it into the model.",
    "save the vocabulary itself, as Keras does for layers that were adapted or given a list",
    "CWE-73",
    (UNSAFE_ARTIFACT, "cve:CVE-2025-12058"),
)
DUPLICATE_KEY = Rule(
    "model/keras-duplicate-name",
    Severity.HIGH,
    "has a name twice in the same object",
    "Readers differ in which of the two they take, so that what is scanned is not what is loaded.",
    "save the model again with its own library",
    "CWE-694",
    (UNSAFE_ARTIFACT,),
)
HDF5_FILTER = Rule(
    "model/hdf5-filter",
    Severity.HIGH,
    "needs a filter that is loaded as a library",
    "HDF5 looks for a filter it does not know as a native library on its search path, and runs it.",
    "save it again with the filters that HDF5 brings along (gzip, shuffle, szip)",
    DESERIALIZATION,
    (SUPPLY_CHAIN,),
)
PRINT = Rule(
    "model/graph-print",
    Severity.LOW,
    "prints what passes through it",
    "What it prints, inputs of users among it, ends in logs.",
    "rebuild the model without it",
    "CWE-532",
)

RULES: tuple[Rule, ...] = (
    OPERATION,
    CUSTOM_OPERATION,
    OUTSIDE,
    LAMBDA,
    KERAS_OBJECT,
    KERAS_FILE,
    DUPLICATE_KEY,
    HDF5_FILTER,
    PRINT,
)
