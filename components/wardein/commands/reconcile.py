# SPDX-License-Identifier: Apache-2.0
"""The aliases of a model registry, held against the decisions of the gate."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wardein.errors import UsageError, WardeinError, printable

if TYPE_CHECKING:
    from wardein.release.reconciliation import Pointer
    from wardein.report import Report


def run(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Reconcile the registered models that the options name."""
    parser.epilog = "The server is that of MLFLOW_TRACKING_URI. Exit codes: 0 all is well, 1 not, 2 could not look."
    parser.add_argument("models", nargs="*", metavar="models:/NAME", help="the registered models to look at")
    parser.add_argument("--all", action="store_true", help="look at every registered model")
    parser.add_argument("--trust", type=Path, required=True, help="the trust root, obtained out of band")
    parser.add_argument("--policy", type=Path, required=True, help="the policy folder that the trust root pins")
    parser.add_argument("--target", type=Path, help="the folder that promote serves from: its audit log must agree")
    parser.add_argument("--json", action="store_true", help="as one JSON document")
    options = parser.parse_args(argv)
    if bool(options.models) == options.all:
        raise UsageError("name registered models as models:/NAME, or give --all", where="reconcile")
    return reconcile(options.models, options.trust, options.policy, options.target, options.json)


def reconcile(models: Sequence[str], trust: Path, policy: Path, target: Path | None, as_json: bool) -> int:
    """Examine every alias of the registered models, print what is found, and return the exit code.

    Raises:
        WardeinError: If the registry, the trust root, the policy or the audit log cannot be read, these do not fit
            together, or there was an alias that could not be examined, or none at all.
    """
    from wardein.cli import EXIT_ERROR, exit_code
    from wardein.evidence import trust as trust_root
    from wardein.release.mlflow_server import connect
    from wardein.release.reconciliation import Rules, pointers
    from wardein.release.registry import parse_name
    from wardein.subject import digest_of

    names = [parse_name(text) for text in models]
    root = trust_root.load(trust)
    if digest_of(policy) != root.policy_digest:
        raise UsageError("is not the policy that the trust root pins", where=str(policy))
    rules = Rules(root, None if target is None else _entries(target, root.environment))
    client = connect()
    registered = _registered(client, names)
    found = [pointer for model in registered for pointer in pointers(client, model, rules)]
    idle = sorted({model.name for model in registered} - {pointer.model for pointer in found})
    report = _concluded(found)
    print(json.dumps(_document(report, found, idle), indent=2) if as_json else _text(report, found, idle))
    code = exit_code(report)
    if code == EXIT_ERROR:
        raise WardeinError(report.reason, where="reconcile")
    return code


def _entries(target: Path, environment: str) -> tuple[Mapping[str, str], ...]:
    """What the audit log of a folder tells, its chain verified."""
    from wardein.release.store import Store

    log = Store(target, environment).log
    if not log.path.is_file():
        raise UsageError(
            "does not exist", where=str(log.path), mend="give --target the folder that promote serves from"
        )
    if log.opened_for() not in ("", environment):
        raise UsageError(f"is the log of {log.opened_for()}, the trust root is for {environment}", where=str(log.path))
    return tuple(entry.record for entry in log.entries())


def _registered(client: Any, names: Sequence[str]) -> list[Any]:
    """The registered models of these names; all of them if there is no name."""
    from wardein.release.mlflow_server import asking, pages

    if not names:
        return list(pages(client.search_registered_models, "the registered models cannot be listed"))
    found = []
    for name in dict.fromkeys(names):
        with asking(f"models:/{name} cannot be looked up"):
            found.append(client.get_registered_model(name))
    return found


def _concluded(found: Sequence[Pointer]) -> Report:
    """The verdict, derived as any other: nothing to examine, or something that could not be, is an ERROR."""
    from wardein.report import Coverage, Finding, Severity, Skipped, conclude

    unseen = tuple(Skipped(pointer.uri, pointer.problems[0]) for pointer in found if not pointer.examined)
    findings = [
        Finding("reconcile/not-decided", Severity.CRITICAL, f"{pointer.uri}: {problem}", pointer.uri)
        for pointer in found
        if pointer.examined
        for problem in pointer.problems
    ]
    return conclude(coverage=Coverage("aliases", len(found), len(found) - len(unseen), unseen), findings=findings)


def _text(report: Report, found: Sequence[Pointer], idle: Sequence[str]) -> str:
    lines = [f"{report.verdict}  reconcile  {report.reason}"]
    for pointer in found:
        why = "; ".join(pointer.problems) or f"sha256:{pointer.digest}"
        lines.append(f"  {pointer.state:<13} {pointer.uri} version {pointer.version}: {why}")
    lines += [f"  {'no alias':<13} models:/{name}" for name in idle]
    return "\n".join(map(printable, lines))


def _document(report: Report, found: Sequence[Pointer], idle: Sequence[str]) -> dict[str, Any]:
    listed = [
        {
            "uri": pointer.uri,
            "version": pointer.version,
            "state": pointer.state,
            "digest": pointer.digest,
            "problems": list(pointer.problems),
        }
        for pointer in found
    ]
    return {"verdict": str(report.verdict), "reason": report.reason, "aliases": listed, "withoutAlias": list(idle)}
