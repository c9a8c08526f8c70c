# SPDX-License-Identifier: Apache-2.0
"""The rules that every format can break."""

from __future__ import annotations

from wardein.report import Severity
from wardein.scan.rules import Rule

# MITRE ATLAS: a model file that runs code when somebody loads it; code that is brought along in a model.
UNSAFE_ARTIFACT = "mitre-atlas:AML.T0011.000"
SUPPLY_CHAIN = "mitre-atlas:AML.T0010.003"
DESERIALIZATION = "CWE-502"

POLYGLOT = Rule(
    "model/polyglot",
    Severity.HIGH,
    "is more than one kind of file at once",
    "A scanner that takes it for one kind passes what a loader that takes it for the other runs.",
    "save the model again with its own library, alone in its file",
    "CWE-434",
    (UNSAFE_ARTIFACT,),
)
TRAILING = Rule(
    "model/trailing-bytes",
    Severity.HIGH,
    "holds bytes that belong to nothing",
    "Bytes that no loader of the format reads are where a payload waits for another file to run it.",
    "save the model again with its own library",
    "CWE-506",
    (UNSAFE_ARTIFACT,),
)
FORMAT = Rule(
    "model/format-not-allowed",
    Severity.HIGH,
    "is of a format that this run does not accept",
    "Who limits the formats to those that hold no code has nothing to scan for in the others.",
    "convert it to one of the formats that are accepted (docs/model-files.md), or name its format among them",
    "",
    (SUPPLY_CHAIN,),
)

RULES = (POLYGLOT, TRAILING, FORMAT)
