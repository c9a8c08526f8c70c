# SPDX-License-Identifier: Apache-2.0
"""The rules of this room."""

from __future__ import annotations

from wardein.modelfiles.any_format import DESERIALIZATION, SUPPLY_CHAIN, UNSAFE_ARTIFACT
from wardein.report import Severity
from wardein.scan.rules import Rule

TEMPLATE = Rule(
    "model/template",
    Severity.HIGH,
    "has a chat template that is more than a plain template",
    "Whoever asks the model something renders its template; outside of a sandbox that reaches Python itself.",
    "keep to variables, loops, conditions, the known functions and methods of texts, lists and mappings",
    "CWE-1336",
    (UNSAFE_ARTIFACT,),
)
REMOTE_CODE = Rule(
    "model/remote-code",
    Severity.HIGH,
    "makes its loader run code that comes with it or from elsewhere",
    "The code of a model repository runs with the rights of whoever loads it, and can change with every download.",
    "use a model type that the library itself has, or review the code and put it into a package of your own",
    "CWE-829",
    (SUPPLY_CHAIN,),
)
INSTANTIATE = Rule(
    "model/instantiate",
    Severity.HIGH,
    "names something that its reader imports and calls",
    "A settings file that names what is to be called is a program, whatever its ending.",
    "name only classes of the library that reads it, or take the setting out",
    DESERIALIZATION,
    (UNSAFE_ARTIFACT,),
)
YAML_TAG = Rule(
    "model/yaml-tag",
    Severity.LOW,
    "has a tag of an application's own",
    "What a tag does is decided by whoever reads the file; safe readers refuse it.",
    "write plain values",
    DESERIALIZATION,
)
SKOPS = Rule(
    "model/skops-type",
    Severity.HIGH,
    "asks skops for a type or a function that is not known to only build data",
    "skops imports and calls what the schema names once somebody trusts it.",
    "train with types of the known libraries, or allow the name after reading its code",
    DESERIALIZATION,
    (UNSAFE_ARTIFACT,),
)
DUPLICATE_KEY = Rule(
    "model/duplicate-key",
    Severity.LOW,
    "has a setting twice",
    "Readers differ in which of the two counts; both were examined.",
    "write it once",
    "CWE-436",
)
OUTSIDE = Rule(
    "model/path-outside",
    Severity.HIGH,
    "refers to a file outside of its folder",
    "A loader that follows the path reads files of the machine it runs on, or code that nobody scanned.",
    "keep every file of the model in its folder and refer to it by its plain name",
    "CWE-22",
    (SUPPLY_CHAIN,),
)
XML_ENTITY = Rule(
    "model/xml-entity",
    Severity.HIGH,
    "declares a document type",
    "Entities read files, dial out and grow without bound in readers that follow them.",
    "write the document without DOCTYPE and ENTITY",
    "CWE-611",
    (UNSAFE_ARTIFACT,),
)
XML_CODE = Rule(
    "model/xml-code",
    Severity.HIGH,
    "holds something that readers run or fetch",
    "Extensions, scripts, includes and functions by class name are run by the evaluators that know them.",
    "export the model again without extensions",
    "CWE-94",
    (UNSAFE_ARTIFACT,),
)
EXTENSION = Rule(
    "model/extension",
    Severity.LOW,
    "has an extension of the format",
    "Readers of the vendor may act on it; others ignore it.",
    "export the model again without extensions if nobody needs them",
)
CODE = Rule(
    "model/code",
    Severity.MEDIUM,
    "is program source that lies among the model's files",
    "Nothing that was scanned loads it; whoever runs it by hand trusts whoever made the model.",
    "keep code in a package, apart from the model",
    "CWE-829",
    (SUPPLY_CHAIN,),
)
NATIVE_CODE = Rule(
    "model/native-library",
    Severity.HIGH,
    "is or loads compiled code",
    "Compiled code has all rights of the process that loads it, and cannot be examined here.",
    "take it out of the model; install libraries from where they are maintained",
    "CWE-829",
    (SUPPLY_CHAIN,),
)
MARKUP = Rule(
    "model/active-document",
    Severity.LOW,
    "is a document with scripts in it",
    "Whoever opens it in a browser runs them.",
    "take the scripts out",
    "CWE-79",
)
EXTENSION_TYPE = Rule(
    "model/msgpack-extension",
    Severity.HIGH,
    "has an extension type that is not known",
    "What an extension does is decided by whoever reads it; some unpickle it.",
    "save the parameters as plain arrays, for example as safetensors",
    DESERIALIZATION,
    (UNSAFE_ARTIFACT,),
)

RULES = (
    TEMPLATE,
    REMOTE_CODE,
    INSTANTIATE,
    YAML_TAG,
    SKOPS,
    DUPLICATE_KEY,
    OUTSIDE,
    XML_ENTITY,
    XML_CODE,
    EXTENSION,
    CODE,
    NATIVE_CODE,
    MARKUP,
    EXTENSION_TYPE,
)
