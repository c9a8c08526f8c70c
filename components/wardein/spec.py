# SPDX-License-Identifier: Apache-2.0
"""A step, read off a typed function and its Google-style docstring.

The function is the only thing that is written by hand. The command line, the Kubeflow component, the
Airflow operator, the README row and the documentation page are derived from the :class:`Step` that
:func:`load` reads off it.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from wardein.artifacts import In, Judged, Out
from wardein.errors import UsageError

# Each step with its family: the optional dependencies (and the container image) that it needs.
CHECKS = {
    "validate_data": "data",
    "scan_model": "scan",
    "smoke_test": "evaluate",
    "evaluate_performance": "evaluate",
    "evaluate_robustness": "evaluate",
    "evaluate_fairness": "evaluate",
    "evaluate_privacy": "evaluate",
    "evaluate_behavior": "evaluate",
    "compare_models": "evaluate",
    "scan_dependencies": "scan",
    "scan_code": "scan",
    "scan_secrets": "scan",
    "scan_config": "scan",
    "scan_image": "scan",
    "import_findings": "scan",
    "verify_artifact": "sign",
}
RELEASE = {"sign_artifact": "sign", "summarize": "scan", "approve": "sign", "gate": "sign", "promote": "sign"}
# Steps that fail no Kubeflow task, which would lose its page: what follows them reads ``passed``.
KEEP_THEIR_PAGE = (*CHECKS, "summarize")
# What else a step takes as claims, beside the evidence of checks.
CLAIMS = {"approve": ("waivers",), "gate": ("waivers", "approvals"), "promote": ("waivers", "approvals", "gate")}
STEPS = tuple(CHECKS) + tuple(RELEASE)

Kind = Literal["check", "release"]

_SCALARS = (str, int, float, bool)


@dataclass(frozen=True)
class Param:
    """One parameter of a step.

    Attributes:
        type: ``str int float bool list[str] dict[str, str] dict[str, float]``; ``path`` and ``paths`` for artifacts.
        artifact: For an artifact the step reads, its kind (``Model``, ``Dataset`` …); else empty.
        output: For something the step writes, ``File``, or what it works in itself: ``Folder`` or ``Log``; else empty.
        choices: The allowed values of an enumeration; else empty.
        judged: Whether it only judges what was measured, so that a run may choose it freely.
    """

    name: str
    type: str
    doc: str
    required: bool
    default: Any = None
    artifact: str = ""
    output: str = ""
    choices: tuple[str, ...] = ()
    judged: bool = False

    @property
    def flag(self) -> str:
        """The command-line option."""
        return "--" + self.name.replace("_", "-")

    @property
    def is_setting(self) -> bool:
        """Whether it is a plain value, recorded among the report's parameters."""
        return not self.artifact and not self.output


@dataclass(frozen=True)
class Step:
    """A check or a release action. Its first parameter is its subject."""

    name: str
    kind: Kind
    family: str
    summary: str
    description: str
    returns: str
    params: tuple[Param, ...]
    function: Callable[..., Any]

    @property
    def command(self) -> str:
        """The name on the command line."""
        return self.name.replace("_", "-")

    @property
    def operator(self) -> str:
        """The Airflow operator's class name."""
        return "".join(word.capitalize() for word in self.name.split("_")) + "Operator"

    @property
    def subject(self) -> Param:
        """The parameter that names what is judged."""
        return self.params[0]

    @property
    def claims(self) -> tuple[str, ...]:
        """The evidence that it takes; Kubeflow, which passes no lists of artifacts, has an input for each."""
        if not any(param.type == "paths" for param in self.params):
            return ()
        return (*CHECKS, *CLAIMS.get(self.name, ()))

    def has(self, name: str) -> bool:
        """Whether the step itself has a parameter of this name."""
        return any(param.name == name for param in self.params)


@cache
def load(name: str) -> Step:
    """Read a step off its function; imports the step's module, which imports nothing heavy.

    Raises:
        UsageError: If there is no step of that name.
        TypeError: If the signature or docstring breaks the rules (a defect of the step, found by a test).
    """
    name = name.replace("-", "_")
    if name not in STEPS:
        raise UsageError(f"there is no step {name!r}", mend=f"choose one of: {', '.join(STEPS)}")
    kind: Kind = "check" if name in CHECKS else "release"
    package = "checks" if kind == "check" else "release"
    function = getattr(importlib.import_module(f"wardein.{package}.{name}"), name)
    return describe(function, kind, (CHECKS | RELEASE)[name])


def describe(function: Callable[..., Any], kind: Kind = "check", family: str = "evaluate") -> Step:
    """The :class:`Step` of a function."""
    summary, description, args, returns = _parse_docstring(inspect.getdoc(function) or "")
    hints = get_type_hints(function, include_extras=True)
    params = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name not in args:
            raise TypeError(f"{function.__name__}: parameter {parameter.name} has no line under Args")
        params.append(_param(parameter, hints[parameter.name], args[parameter.name]))
    return Step(function.__name__, kind, family, summary, description, returns, tuple(params), function)


def _param(parameter: inspect.Parameter, hint: Any, doc: str) -> Param:
    required = parameter.default is inspect.Parameter.empty
    default = None if required else parameter.default
    optional = get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint)
    if optional:
        hint = next(arg for arg in get_args(hint) if arg is not NoneType)
    for mark in getattr(hint, "__metadata__", ()):
        if isinstance(mark, In):
            kind = {Path: "path", str: "str"}.get(hint.__origin__, "paths")
            return Param(parameter.name, kind, doc, required, default, artifact=mark.kind)
        if isinstance(mark, Out):
            return Param(parameter.name, "path", doc, required, default, output=mark.kind)
    judged = any(isinstance(mark, Judged) for mark in getattr(hint, "__metadata__", ()))
    if judged:
        hint = hint.__origin__
    if optional or (not required and default is None):
        raise TypeError(f"parameter {parameter.name}: only an artifact may be absent (None)")
    if get_origin(hint) is Literal:
        return Param(parameter.name, "str", doc, required, default, choices=get_args(hint), judged=judged)
    if hint in _SCALARS:
        return Param(parameter.name, hint.__name__, doc, required, default, judged=judged)
    if hint in (list[str], list[float], dict[str, str], dict[str, float]):
        return Param(parameter.name, str(hint), doc, required, default)
    raise TypeError(f"parameter {parameter.name}: type {hint} is not one that every shell can express")


def _parse_docstring(text: str) -> tuple[str, str, dict[str, str], str]:
    """Summary, body, one entry per argument, and the Returns text of a Google-style docstring."""
    sections = re.split(r"^(Args|Returns|Raises|References|Example|Examples):\n", text, flags=re.MULTILINE)
    summary, _, body = sections[0].partition("\n")
    named = dict(zip(sections[1::2], sections[2::2], strict=True))
    args: dict[str, str] = {}
    name = ""
    for line in named.get("Args", "").splitlines():
        match = re.match(r"    (\w+): (.*)", line)
        if match:
            name = match[1]
            args[name] = match[2].strip()
        elif name and line.strip():
            args[name] += " " + line.strip()
    body = body.strip()
    if "References" in named:
        body += "\n\nReferences: " + " ".join(named["References"].split())
    return summary.strip(), body.strip(), args, " ".join(named.get("Returns", "").split())
