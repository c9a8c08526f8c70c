# SPDX-License-Identifier: Apache-2.0
"""Whether a promotion would put an earlier version in the place of a later one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from wardein.evidence.version import parse_version
from wardein.release.audit import Entry
from wardein.release.terms import tell
from wardein.release.verification import Decision
from wardein.report import NAME_RULE, VERSION_RULE, Finding, Report, Severity

_SAID = {NAME_RULE: "signedName", VERSION_RULE: "signedVersion"}


def label_in(reports: Sequence[Report]) -> dict[str, str]:
    """What the model was signed as, by the evidence of verify_artifact, as the audit log notes it."""
    said = {}
    for report in reports:
        for finding in report.findings if report.check == "verify_artifact" else ():
            if finding.rule in _SAID:
                said[_SAID[finding.rule]] = finding.location
    return said


def rollbacks(
    decision: Decision, entries: Iterable[Entry], model: str, alias: Mapping[str, str] | None = None
) -> Iterator[Finding]:
    """The reason against a promotion that steps back from the latest version that was ever served under its name.

    Args:
        decision: What counted of the evidence.
        entries: The audit log of the place; what it tells of registries counts as well.
        model: The digest of what is to be served.
        alias: What the registry's alias is said to be at, as the audit log would note it; None for no alias.

    Raises:
        UsageError: If one of the versions cannot be compared.
    """
    found = label_in(decision.reports) | {"model": model}
    served = [entry.record for entry in entries if entry.record.get("action") == "promote"]
    why = _step_back(found, _latest(found, [*served, *([alias] if alias else [])]))
    if not why:
        return
    if decision.break_glass is not None:
        yield tell("promote/rollback", "model", f"lifted by the break-glass of {decision.break_glass.identity}: {why}")
    else:
        text = f"{why}; sign what is to be served as a later version"
        yield Finding("promote/rollback", Severity.CRITICAL, text, "model")


def _latest(found: Mapping[str, str], served: Iterable[Mapping[str, str]]) -> Mapping[str, str]:
    """The latest version that was served under a name, or without one; of the same version, the last; {} for none."""
    latest: Mapping[str, str] = {}
    for said in served:
        names = {found.get("signedName", ""), said.get("signedName", "")} - {""}
        if said.get("signedVersion") and len(names) < 2 and not _is_later(latest, said):
            latest = said
    return latest


def _is_later(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    if not one:
        return False
    first, second = (parse_version(said["signedVersion"], "a served version") for said in (one, other))
    return first > second


def _step_back(found: Mapping[str, str], served: Mapping[str, str]) -> str:
    """In what one model is earlier than the latest of its name; empty if it is not."""
    if not served:
        return ""
    stands = f"version {served['signedVersion']} was served"
    if not found.get("signedVersion"):
        return f"{stands}, and this was signed without a version"
    new, old = (parse_version(said["signedVersion"], "a signed version") for said in (found, served))
    if new < old:
        return f"{stands}, and this is version {found['signedVersion']}"
    if new == old and found["model"] != served.get("model"):
        return f"{stands}, and this is other bytes under the same version"
    return ""
