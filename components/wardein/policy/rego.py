# SPDX-License-Identifier: Apache-2.0
"""Rego rules beside ``policy.yaml``: more reasons to deny a release. They can never allow what the gate denies.

All that goes wrong with a rule is a reason to deny. docs/rego.md is for those who write rules.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wardein.errors import WardeinError, missing_extra, printable
from wardein.jsontext import strict_loads
from wardein.policy import rego_child
from wardein.policy.rego_document import portable
from wardein.policy.rego_lint import refusals
from wardein.policy.rego_text import PACKAGE, Module, Rules, join, read
from wardein.subject import open_regular
from wardein.tools import opa, run

MAX_SECONDS = 10.0
MAX_BYTES = 64 * 1024
MAX_FILES = 32
MAX_ANSWER = 1024 * 1024
MAX_REASONS = 50
_TESTS = "_test.rego"
# Lists, so that a rule that is undefined is an empty one.
_QUERY = f'{{"allow": [x | x := data.{PACKAGE}.allow], "deny": [x | x := data.{PACKAGE}.deny]}}'


def files(folder: Path) -> list[Path]:
    """The modules in a policy folder, at any depth, without their tests (``*_test.rego``)."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".rego" and not _is_test(path))


def packages_used(folder: Path) -> tuple[str, ...]:
    """The Python packages that judge the rules of a policy folder: none if there are no rules, or an OPA is asked."""
    used = files(folder) and not os.environ.get(opa.VARIABLE) and importlib.util.find_spec("regopy")
    return ("regopy",) if used else ()


def judge(folder: Path, document: Mapping[str, Any]) -> tuple[str, ...]:
    """The reasons that the rules of a policy folder have against a release.

    Args:
        folder: The policy folder.
        document: What is known of the release, a :class:`wardein.policy.rego_document.Document`.

    Returns:
        One line a reason; empty if there is no rule, or if ``allow`` is true and ``deny`` is empty. Whatever keeps the
        rules from being asked is a reason as well.
    """
    try:
        paths = files(folder)
        if not paths:
            return ()
        modules = _modules(folder, paths)
        reasons = refusals(modules)
        return _bounded(reasons or _against(_ask(join(modules), portable(document))))
    except WardeinError as error:
        return _bounded([str(error)])
    except Exception as error:  # a defect, or rules that nobody foresaw: never a release
        return _bounded([f"the rules could not be asked ({type(error).__name__}: {error})"])


def _is_test(path: Path) -> bool:
    return path.name.endswith(_TESTS)


def _modules(folder: Path, paths: Sequence[Path]) -> list[Module]:
    if len(paths) > MAX_FILES:
        raise WardeinError(f"holds more than {MAX_FILES} files with rules", where=folder.name, mend="join some of them")
    return [_module(path, path.relative_to(folder).as_posix()) for path in paths]


def _module(path: Path, name: str) -> Module:
    if not re.fullmatch(r"[A-Za-z0-9._/-]+\.rego", name):
        raise WardeinError(
            "is no plain name for a file with rules", where=ascii(name), mend="rename it, like: rules.rego"
        )
    with open_regular(path, name) as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise WardeinError(f"is larger than {MAX_BYTES} bytes", where=name, mend="split it")
    try:
        return read(name, content.decode("utf-8"))
    except UnicodeDecodeError:
        raise WardeinError("is not UTF-8", where=name, mend="save it as UTF-8") from None


def _ask(rules: Rules, document: str) -> Any:
    """The engine's answer. Which engine is the choice of whoever runs the gate, never that of a run's parameter."""
    setting = os.environ.get(opa.VARIABLE, "")
    if re.match(r"https?://", setting):
        return opa.by_server(setting, rules, document, MAX_SECONDS)
    if setting:
        return opa.by_program(rules, document, _QUERY, MAX_SECONDS)
    return _by_regopy(rules, document)


def _by_regopy(rules: Rules, document: str) -> Any:
    if importlib.util.find_spec("regopy") is None:
        raise missing_extra("regopy", "rego")
    with tempfile.TemporaryDirectory(prefix="wardein-") as folder:
        request, answer = Path(folder, "request.json"), Path(folder, "answer.json")
        request.write_text(json.dumps({"rules": rules.text, "document": document, "query": _QUERY}), encoding="utf-8")
        command: list[str | Path] = [sys.executable, "-I", "-B", rego_child.__file__, request, answer]
        ended = run.run(command, time_limit=MAX_SECONDS, what="the rules")
        if ended.code != 0 or not answer.is_file():
            raise _failed(ended, rules)
        if answer.stat().st_size > MAX_ANSWER:
            raise WardeinError(f"give more than {MAX_ANSWER} bytes of reasons", where="the rules", mend="give fewer")
        return strict_loads(answer.read_bytes(), "the rules' answer")


def _failed(ended: run.Ended, rules: Rules) -> WardeinError:
    printed = ended.stdout[:10_000].decode("utf-8", "replace")
    syntax = re.search(r"^(.+)\n-- rules\.rego:(\d+):", printed, re.MULTILINE)
    if syntax:
        where = rules.place(int(syntax[2]))
        return WardeinError(f"regopy refuses the rules: {syntax[1][:300]}", where=where, mend="docs/rego.md may help")
    words = ended.stderr.strip().splitlines()[-1:] or [f"regopy ended with code {ended.code}"]
    return WardeinError(
        words[0][:300], where="the rules", mend="try them in the engine that runs them, see docs/rego.md"
    )


def _against(answer: Any) -> list[str]:
    """What the answer has against the release; anything but a plain yes is against it."""
    allow, deny = ([*answer.get(name, [])] if isinstance(answer, dict) else [] for name in ("allow", "deny"))
    if len(deny) != 1 or not isinstance(deny[0], list) or not all(isinstance(reason, str) for reason in deny[0]):
        seen = "undefined" if not deny else f"{json.dumps(deny[0])[:80]}"
        return [f"{PACKAGE}.deny is {seen}, not a set of strings; write: deny contains message if {{ … }}"]
    if deny[0]:
        return sorted(set(deny[0]))
    if len(allow) != 1 or allow[0] is not True:
        seen = "undefined" if not allow else f"{json.dumps(allow[0])[:80]}"
        return [f"{PACKAGE}.allow is {seen}, not true; a rule has to say: allow if …, or default allow := true"]
    return []


def _bounded(reasons: Sequence[str]) -> tuple[str, ...]:
    """As many lines as people read, each of one line."""
    lines = [f"rego: {printable(' '.join(reason.split()))[:500]}" for reason in reasons]
    if len(lines) <= MAX_REASONS:
        return tuple(lines)
    return (*lines[:MAX_REASONS], f"rego: and {len(lines) - MAX_REASONS} more reasons")
