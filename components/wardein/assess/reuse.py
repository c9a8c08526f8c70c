# SPDX-License-Identifier: Apache-2.0
"""Evidence of an earlier run, and whether a new run would say the same.

It is reused only if everything that could change the answer is what it was: looked up anew, never taken from a note
that an earlier run left. Whoever can write to the folder can make a check run again, and no more than that.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from wardein import __version__
from wardein.errors import WardeinError
from wardein.evidence.claims import Claim, gather
from wardein.evidence.trust import TrustRoot
from wardein.images.identity import identify
from wardein.policy.policy import CheckPolicy, Policy
from wardein.report import CHECK_RESULT, Report, Tool, Verdict
from wardein.spec import Step
from wardein.subject import digest_of, pinned


@dataclass(frozen=True)
class Now:
    """What a run that starts now would have.

    Attributes:
        keyid: The key that would sign.
        run_id: The run that evidence is bound to; empty for none.
    """

    keyid: str
    trust: TrustRoot
    policy: Policy
    run_id: str


def earlier(step: Step, arguments: Mapping[str, Any], evidence: Path, now: Now) -> tuple[Report | None, str]:
    """The report of an earlier run that a new run would repeat.

    Returns:
        The report; or None, and why the check has to be run again (empty if there is no earlier run).
    """
    if not evidence.exists():
        return None, ""
    if evidence.is_symlink() or not evidence.is_file():
        return None, "its evidence is not a regular file"
    claims = gather([evidence], now.trust)
    broken = next((claim.error for claim in claims if claim.error), "")
    results = [c for c in claims if c.statement is not None and c.statement.predicate_type == CHECK_RESULT]
    if broken or len(results) != 1:
        return None, f"its evidence does not count: {broken or 'not one result'}"
    try:
        why = next(_differences(step, arguments, results[0], now), "")
    except WardeinError as error:
        return None, f"its inputs cannot be compared: {error}"
    return (None, why) if why else (results[0].report, "")


def _differences(step: Step, arguments: Mapping[str, Any], claim: Claim, now: Now) -> Iterator[str]:
    """What is not as it was; the cheap comparisons first, as hashing takes the longest."""
    report, signer = claim.report, claim.signer
    if report is None or signer is None or report.check != step.name:
        yield "its evidence is of another check"
        return
    if signer.key.keyid != now.keyid:
        yield f"it was signed by {signer.name}, not by the key that signs now"
    yield from _of_the_run(report, now)
    yield from _of_what_is_asked(step, arguments, report)


def _of_the_run(report: Report, now: Now) -> Iterator[str]:
    if report.verdict is Verdict.ERROR:
        yield "it ended in ERROR"
    if report.version != __version__ or report.execution.get("python") != ".".join(map(str, sys.version_info[:3])):
        yield "the version of wardein or Python changed"
    if report.nonce != now.run_id:
        yield "it belongs to another run"
    if report.policy_digest != now.policy.digest or _asked_by_policy(report) != _asked_now(report, now.policy):
        yield "the policy changed, or another tier or environment is asked for"
    if not _is_fresh(report, now.policy.checks.get(report.check, CheckPolicy())):
        yield "it has aged"
    changed = next((tool.name for tool in report.tools if not _is_installed(tool)), "")
    if changed:
        yield f"another version of {changed} would run now"


def _asked_by_policy(report: Report) -> list[str]:
    return sorted(f"{c.label} {c.min_n}" for c in report.criteria if c.source == "policy")


def _asked_now(report: Report, policy: Policy) -> list[str]:
    return sorted(f"{c.label} {c.min_n}" for c in policy.criteria_for(report.check, report.metrics))


def _of_what_is_asked(step: Step, arguments: Mapping[str, Any], report: Report) -> Iterator[str]:
    if _canonical(report.parameters) != _canonical(parameters(step, arguments)):
        yield "its parameters changed"
    if any(param.output and arguments.get(param.name) is not None for param in step.params):
        yield "it writes a file beside its evidence"
    digests = inputs(step, arguments)
    if sorted((item.name, item.digest) for item in report.inputs) != digests:
        yield "an input changed"
    if [s.digest for s in report.subject] != [digest for name, digest in digests if name == step.subject.name]:
        yield "it is about something else"


def parameters(step: Step, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as a report of these arguments would record them."""
    return {param.name: arguments.get(param.name, param.default) for param in step.params if param.is_setting}


def inputs(step: Step, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every artifact by its parameter's name, hashed now.

    Raises:
        WardeinError: If one cannot be read.
    """
    found = []
    for param in step.params:
        value = arguments.get(param.name, param.default)
        if param.artifact in ("", "Key") or value in (None, ""):
            continue
        if param.artifact in ("Image", "Digest"):
            digest = identify(str(value)) if param.artifact == "Image" else pinned(str(value))
            found.append((param.name, digest))
            continue
        # A mounted file is often a link, which the executor follows as well.
        items = value if isinstance(value, list) else [value]
        found += [(param.name, digest_of(Path(item).resolve(), links=param.artifact == "Source")) for item in items]
    return sorted(found)


def _is_fresh(report: Report, policy: CheckPolicy) -> bool:
    moment = datetime.now(UTC)
    try:
        finished = datetime.fromisoformat(str(report.execution.get("finished", "")))
        until = datetime.fromisoformat(report.valid_until) if report.valid_until else moment
        return finished <= moment <= finished + timedelta(hours=policy.max_age_hours) and moment <= until
    except (ValueError, TypeError, OverflowError):
        return False


def _is_installed(tool: Tool) -> bool:
    """Whether the tool that did the looking is what would look now; one that cannot be found again is not."""
    if tool.name == "trivy":
        from wardein.tools import trivy

        try:
            program = trivy.locate()
        except WardeinError:
            return False
        return (program.version, program.program.sha256) == (tool.version, tool.sha256)
    try:
        return not tool.sha256 and version(tool.name) == tool.version
    except (PackageNotFoundError, ValueError):
        return False


def _canonical(value: Mapping[str, Any]) -> str:
    """JSON text, in which 1, 1.0 and true are three values."""
    return json.dumps(value, sort_keys=True, default=list)
