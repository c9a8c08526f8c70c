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


def rollbacks(decision: Decision, entries: Iterable[Entry], model: str, registry: str) -> Iterator[Finding]:
    """The reason against a promotion that steps back from what the audit log says is served.

    Args:
        decision: What counted of the evidence.
        entries: The audit log of the place.
        model: The digest of what is to be served.
        registry: Where else it is to be served; what was promoted elsewhere is not looked at.
    """
    served: Mapping[str, str] = {}
    for said in (entry.record for entry in entries):
        if said.get("action") == "promote" and said.get("registry", "") == registry:
            served = said
    why = _step_back(label_in(decision.reports) | {"model": model}, served)
    if not why:
        return
    if decision.break_glass is not None:
        yield tell("promote/rollback", "model", f"lifted by the break-glass of {decision.break_glass.identity}: {why}")
    else:
        text = f"{why}; sign what is to be served as a later version"
        yield Finding("promote/rollback", Severity.CRITICAL, text, "model")


def _step_back(found: Mapping[str, str], served: Mapping[str, str]) -> str:
    """In what one model is earlier than another that is served; empty if it is not, or another model altogether."""
    names = {found.get("signedName", ""), served.get("signedName", "")} - {""}
    if not served.get("signedVersion") or len(names) > 1:
        return ""
    stands = f"version {served['signedVersion']} is served"
    if not found.get("signedVersion"):
        return f"{stands}, and this was signed without a version"
    new, old = (parse_version(said["signedVersion"], "a signed version") for said in (found, served))
    if new < old:
        return f"{stands}, and this is version {found['signedVersion']}"
    if new == old and found["model"] != served.get("model"):
        return f"{stands}, and this is other bytes under the same version"
    return ""
