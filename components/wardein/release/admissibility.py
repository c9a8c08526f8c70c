# SPDX-License-Identifier: Apache-2.0
"""Is this evidence of this release, of this run, and fresh? One small function for each way in which it may not be.

``tests/attacks`` has one attack for each; it goes red when its step is removed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from wardein import __version__
from wardein.evidence.claims import Claim
from wardein.policy.policy import CheckPolicy
from wardein.release.terms import CLOCK_SKEW, Release, deny, moment
from wardein.report import Finding, Report
from wardein.spec import load

# What a signature says was verified against the trust root, which is compared; evidence that a document is filled in
# from decides nothing; a report of somebody else's is what was examined, and cannot be shown to be another. Of a
# promotion and its log the check says whether they prove the champion.
_DECIDES_NOTHING = ("signature", "model_evidence", "findings", "promotion", "log")
# What a run could excuse itself with: there is no other way to show it than to list it in the policy.
_ONLY_PINNED = ("baseline", "champion", "features", "script")
# Unless the check has proven where it comes from: the name of the metric that says so.
_PROVEN = {"champion": "champion_promoted"}


def inadmissible(claim: Claim, release: Release, policy: CheckPolicy) -> Finding | None:
    """The first reason why a claim does not count, or None."""
    report = claim.report
    if claim.error or claim.signer is None or report is None:
        return deny("gate/untrusted", claim.check, claim.error or "is not a check result")
    steps: Sequence[Callable[[Report, Release, CheckPolicy], Finding | None]] = (
        _is_of_this_version,
        _is_of_this_release,
        _is_of_shown_inputs,
        _is_of_this_run,
        _is_fresh,
    )
    return next((reason for step in steps if (reason := step(report, release, policy)) is not None), None)


def _is_of_this_release(report: Report, release: Release, policy: CheckPolicy) -> Finding | None:
    param = load(report.check).subject
    # Of a subject that was not there, a setting that the policy pins says what it is to be shown as.
    role = str(report.parameters.get("kind")) if param.artifact == "Digest" else _role(param.name)
    expected = release.shown.get(role)
    if expected is None:
        return deny("gate/subject-not-shown", report.check, f"its subject cannot be compared: give the gate --{role}")
    if [subject.digest for subject in report.subject] != [expected]:
        return deny("gate/other-subject", report.check, f"is about another {role} than the one to be released")
    return None


def _is_of_shown_inputs(report: Report, release: Release, policy: CheckPolicy) -> Finding | None:
    """Whatever a check read beside its subject was chosen by the run: compare all of it, and deny what cannot be."""
    had = {item.name for item in report.inputs}
    absent = sorted(name for name, digests in policy.inputs.items() if digests and name not in had)
    if absent:
        return deny("gate/other-input", report.check, f"was made without the {absent[0]} that the policy lists")
    for item in report.inputs:
        role = _role(item.name)
        if item.name in policy.inputs and item.digest not in policy.inputs[item.name]:
            return deny("gate/other-input", report.check, f"was made with another {item.name} than the policy allows")
        if item.name in _ONLY_PINNED:
            if item.name not in policy.inputs and not _is_proven(item.name, report):
                mend = f"list its sha256 in the policy under inputs: {{{item.name}: […]}}"
                return deny("gate/other-input", report.check, f"was made with a {item.name} of the run's own; {mend}")
            continue
        if role in _DECIDES_NOTHING or item.role == "Digest":
            continue
        if role not in release.shown:
            text = f"what it read as {role} cannot be compared: give --{role}"
            return deny("gate/input-not-shown", report.check, text)
        if item.digest != release.shown[role]:
            return deny(
                "gate/other-input", report.check, f"was made with another {role} than the one shown to the gate"
            )
    return None


def _is_proven(name: str, report: Report) -> bool:
    return any(metric.name == _PROVEN.get(name) and metric.value == 1 for metric in report.metrics)


def _is_of_this_version(report: Report, release: Release, policy: CheckPolicy) -> Finding | None:
    """What a check looks at changes with its version; evidence of an older one may have looked at less."""
    if report.version != __version__:
        return deny("gate/other-version", report.check, f"was made by wardein {report.version}, this is {__version__}")
    return None


def _is_of_this_run(report: Report, release: Release, policy: CheckPolicy) -> Finding | None:
    if release.nonce and report.nonce != release.nonce:
        return deny("gate/other-run", report.check, "was made in another run of the pipeline")
    return None


def _is_fresh(report: Report, release: Release, policy: CheckPolicy) -> Finding | None:
    finished = moment(report.execution.get("finished"))
    until = moment(report.valid_until) if report.valid_until else finished
    if finished is None or until is None:
        return deny("gate/stale", report.check, "does not say when it was made, or until when it holds")
    if finished > release.now + CLOCK_SKEW:
        return deny("gate/stale", report.check, "was made in the future; check the clocks")
    age = release.now - finished
    if age > timedelta(hours=policy.max_age_hours) or (report.valid_until and release.now > until):
        hours = age.total_seconds() / 3600
        text = f"is {hours:.1f} hours old; the policy allows {policy.max_age_hours:g}"
        return deny("gate/stale", report.check, text)
    return None


def _role(parameter: str) -> str:
    """An artifact to verify is the model to release, by another name."""
    return "model" if parameter == "artifact" else parameter
