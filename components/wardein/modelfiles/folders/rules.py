# SPDX-License-Identifier: Apache-2.0
"""The rules of this room."""

from __future__ import annotations

from wardein.modelfiles.any_format import SUPPLY_CHAIN, UNSAFE_ARTIFACT
from wardein.report import Severity
from wardein.scan.rules import Rule

LOADED_CODE = Rule(
    "model/loaded-code",
    Severity.HIGH,
    "is code that a loader of the folder runs",
    "Who loads or serves the model runs it, with all rights of that process.",
    "use a model type that the library itself has, or review the code and put it into a package of your own",
    "CWE-829",
    (SUPPLY_CHAIN, UNSAFE_ARTIFACT),
)
HOOK = Rule(
    "model/hook",
    Severity.HIGH,
    "has a name that a program runs by itself",
    "Python, pytest and git run files of such names from the folder that they work in, without being asked.",
    "take it out of the model",
    "CWE-426",
    (SUPPLY_CHAIN,),
)
REPOSITORY = Rule(
    "model/git-repository",
    Severity.HIGH,
    "holds a repository of git",
    "Its settings, hooks and filters make git run programs, as soon as it is asked anything in the folder.",
    "export it without .git, for example with git archive",
    "CWE-426",
    (SUPPLY_CHAIN,),
)
REQUIREMENT = Rule(
    "model/requirement",
    Severity.MEDIUM,
    "asks for a package from somewhere else than the package index",
    "Serving tools install what the model asks for before it is loaded; an address can change what it serves.",
    "name packages by name and version, and install them from an index of your own",
    "CWE-494",
    (SUPPLY_CHAIN,),
)
SAME_NAME = Rule(
    "model/same-name",
    Severity.MEDIUM,
    "differs from another file only in case",
    "Where case does not count, one of the two takes the place of the other.",
    "give them different names",
    "CWE-178",
)
HIDDEN = Rule(
    "model/hidden-file",
    Severity.LOW,
    "is a hidden file",
    "Nobody sees it who lists the folder.",
    "take it out of the model if nothing needs it",
)

RULES = (LOADED_CODE, HOOK, REPOSITORY, REQUIREMENT, SAME_NAME, HIDDEN)
