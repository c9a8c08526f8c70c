# SPDX-License-Identifier: Apache-2.0
"""``wardein.yaml``, read strictly: what is to be released, and how it is checked. docs/assess.md documents it."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wardein.errors import UsageError
from wardein.policy.policy import Policy
from wardein.policy.reading import members, read_yaml
from wardein.spec import CHECKS, Param, Step

FILE = "wardein.yaml"
_READ = {"model", "champion", "features", "script", "source", "database", "advisories", "suite", "signature"}
_PATHS = _READ | {"trust", "policy"}
_KEYS = _PATHS | {"version", "data", "image", "tier", "checks", "keys", "claims", "evidence"}
_REQUIRED = ("version", "model", "trust", "policy")
_DATA = {"train", "test", "label", "sensitive"}
# Which parameters of steps an entry of the manifest fills, beside the one of its own name.
_ALSO = {"model": ("artifact",), "test": ("data",), "train": ("reference",)}


@dataclass(frozen=True)
class Manifest:
    """A manifest, with every path absolute.

    Attributes:
        file: The manifest itself.
        artifacts: What steps read, by the name of their parameter.
        settings: The settings that stand under ``data`` (label, sensitive) and ``tier``.
        checks: The settings of each check that is listed; None for the checks that the policy requires.
        keys: The URIs of the keys that sign, by role: ``check`` and ``gate``.
        claims: Further evidence for the gate, for example approvals.
        evidence: The folder that evidence is written to.
    """

    file: Path
    artifacts: Mapping[str, Any]
    settings: Mapping[str, Any]
    checks: Mapping[str, Mapping[str, Any]] | None
    keys: Mapping[str, str]
    claims: tuple[Path, ...]
    evidence: Path

    @property
    def tier(self) -> str:
        """The risk tier to judge by; empty for the policy's own."""
        asked = str(self.settings.get("tier", ""))
        return "" if asked == "default" else asked

    def names(self, policy: Policy) -> tuple[str, ...]:
        """The checks to run, in the order in which they are registered."""
        wanted = policy.required if self.checks is None else tuple(self.checks)
        return tuple(name for name in CHECKS if name in wanted)

    def arguments(self, step: Step, policy: Policy) -> dict[str, Any]:
        """The arguments of one step: its own settings, then the manifest's entries, then what the policy pins.

        An artifact that the policy allows none of (``inputs: {reference: []}``) is left out.

        Raises:
            UsageError: If the step has no such setting, a value is of the wrong type, or one that it needs is missing.
        """
        own = (self.checks or {}).get(step.name, {})
        where = f"{self.file.name}: checks.{step.name}"
        params = {param.name: param for param in step.params if param.artifact != "Key"}
        for name in own:
            if name not in params:
                raise UsageError(f"has no parameter {name!r}", where=where, mend=f"it has: {', '.join(params)}")
        rules = policy.checks.get(step.name)
        closed = {name for name, digests in rules.inputs.items() if not digests} if rules else set()
        found = {**(rules.parameters if rules else {}), **self.settings}
        found |= {name: value for name, value in self.artifacts.items() if name not in closed}
        arguments = {}
        for name, param in params.items():
            if name in own:
                arguments[name] = self._value(param, own[name], f"{where}.{name}")
            elif name in found:
                arguments[name] = found[name] if param.artifact else typed(param, found[name], f"{where}.{name}")
            elif param.required and param.type != "paths":
                mend = f"add '{_entry(name)}' to {self.file.name}, or {name!r} under checks.{step.name}"
                raise UsageError(f"needs {name!r}, which nothing says", where=where, mend=mend)
        return arguments

    def key(self, role: str) -> str:
        """The URI of the key that signs for a role: from the environment, else from the manifest.

        Raises:
            UsageError: If neither names one.
        """
        variable = f"WARDEIN_KEY_{role.upper()}"
        uri = os.environ.get(variable) or self.keys.get(role) or os.environ.get("WARDEIN_KEY", "")
        if not uri:
            mend = f"set {variable}, or keys.{role} in {self.file.name}, to the URI of the key"
            raise UsageError(f"nothing names the key that signs as {role}", where=self.file.name, mend=mend)
        return uri

    def _value(self, param: Param, value: Any, where: str) -> Any:
        if param.is_setting:
            return typed(param, value, where)
        if param.type == "paths":
            return [_path(item, self.file.parent, where) for item in _list(value, where)]
        return _image(value, self.file.parent, where) if param.type == "str" else _path(value, self.file.parent, where)


def load(file: Path) -> Manifest:
    """Read a manifest.

    Raises:
        WardeinError: If it is missing, is not YAML, has a duplicate or unknown key, or a value of the wrong type.
    """
    top = members(
        read_yaml(file, f"write one, as docs/assess.md shows, or name another with --config ({FILE})"), file.name, _KEYS
    )
    for name in _REQUIRED:
        if name not in top:
            raise UsageError(f"lacks {name!r}", where=file.name, mend="docs/assess.md lists the keys")
    if type(top["version"]) is not int or top["version"] != 1:
        raise UsageError(f"version {top['version']!r} is not 1", where=file.name)
    folder = Path(os.path.abspath(file)).parent
    data = members(top.get("data", {}), f"{file.name}: data", _DATA)
    entries: dict[str, Any] = {
        name: _path(top[name], folder, f"{file.name}: {name}") for name in sorted(_PATHS & set(top))
    }
    entries |= {
        name: _path(data[name], folder, f"{file.name}: data.{name}") for name in ("train", "test") if name in data
    }
    if "image" in top:
        entries["image"] = _image(top["image"], folder, f"{file.name}: image")
    settings = {name: data[name] for name in ("label", "sensitive") if name in data}
    settings |= {"tier": _text(top["tier"], f"{file.name}: tier")} if "tier" in top else {}
    keys = members(top.get("keys", {}), f"{file.name}: keys", {"check", "gate"})
    return Manifest(
        Path(os.path.abspath(file)),
        {name: entries[entry] for entry in entries for name in (entry, *_ALSO.get(entry, ()))},
        settings,
        _checks(top["checks"], f"{file.name}: checks") if "checks" in top else None,
        {role: _key(uri, folder, f"{file.name}: keys.{role}") for role, uri in keys.items()},
        tuple(
            _path(item, folder, f"{file.name}: claims") for item in _list(top.get("claims", []), f"{file.name}: claims")
        ),
        _path(top.get("evidence", "evidence"), folder, f"{file.name}: evidence"),
    )


def typed(param: Param, value: Any, where: str) -> Any:
    """A setting's value, of the type that the step declares; nothing is converted but a whole number to a float.

    Raises:
        UsageError: If it is of another type.
    """
    if param.type.startswith("list["):
        return [_scalar(item, param.type[5:-1], where) for item in _list(value, where)]
    if param.type.startswith("dict["):
        kind = param.type.split(", ")[1][:-1]
        return {
            _text(name, where): _scalar(item, kind, f"{where}.{name}") for name, item in members(value, where).items()
        }
    found = _scalar(value, param.type, where)
    if param.choices and found not in param.choices:
        raise UsageError(f"{found!r} is none of {', '.join(param.choices)}", where=where)
    return found


def _checks(value: Any, where: str) -> dict[str, Mapping[str, Any]]:
    found = members(value, where)
    if not found:
        raise UsageError("lists no check", where=where, mend="leave it out for those that the policy requires")
    for name in found:
        if name not in CHECKS:
            raise UsageError(f"there is no check {name!r}", where=where, mend=f"choose from: {', '.join(CHECKS)}")
    return {name: members({} if own is None else own, f"{where}.{name}") for name, own in found.items()}


def _scalar(value: Any, kind: str, where: str) -> Any:
    if kind == "str":
        return _text(value, where)
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "int" and type(value) is int:
        return value
    if kind == "float" and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    wanted = {"bool": "true or false", "int": "a whole number", "float": "a finite number"}[kind]
    raise UsageError(f"{_shown(value)} is not {wanted}", where=where)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{_shown(value)} is not a text", where=where, mend="put it in quotes")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise UsageError(f"{ascii(value)[:60]} is not Unicode text: it holds half of a character", where=where)
    return value


def _list(value: Any, where: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise UsageError(f"{_shown(value)} is not a list", where=where, mend="write it as [one, two]")
    return value


def _path(value: Any, folder: Path, where: str) -> Path:
    text = _text(value, where)
    if not text.strip() or "\0" in text:
        raise UsageError("is not a path", where=where, mend="name a file or a folder, relative to the manifest's own")
    return Path(os.path.abspath(folder / text))


def _image(value: Any, folder: Path, where: str) -> str:
    """A file or folder beside the manifest, or a registry reference, which is pinned by digest."""
    text = _text(value, where)
    if "@sha256:" in text:
        return text
    path = _path(text, folder, where)
    if not path.exists():
        mend = "write registry references as name@sha256:…"
        raise UsageError(f"{_shown(text)} is neither a file nor a folder, nor pinned by digest", where=where, mend=mend)
    return str(path)


def _key(value: Any, folder: Path, where: str) -> str:
    """A reference to a private key; the key itself in a manifest would be a secret in a repository."""
    text = _text(value, where)
    if "PRIVATE KEY" in text or "\n" in text:
        raise UsageError(
            "holds a key itself", where=where, mend="give its URI, and make a new key: this one is no secret"
        )
    scheme, colon, rest = text.partition(":")
    if colon and scheme not in ("file", "file2"):
        return text
    return f"file:{_path(rest if colon else text, folder, where)}"


def _entry(parameter: str) -> str:
    """The entry of a manifest that fills a parameter."""
    known = {name: entry for entry, names in _ALSO.items() for name in names} | {"data": "data.test"}
    known |= {"reference": "data.train", "train": "data.train", "label": "data.label", "sensitive": "data.sensitive"}
    return known.get(parameter, parameter)


def _shown(value: Any) -> str:
    return repr(value)[:60]
