# SPDX-License-Identifier: Apache-2.0
"""Verify an artifact against its signature, or against the decision of a gate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from wardein.artifacts import Artifact, Signature, Summary, TrustRoot
from wardein.errors import UsageError, WardeinError
from wardein.report import SIGNER_RULE, Coverage, Finding, Report, Severity, conclude

if TYPE_CHECKING:
    from wardein.evidence.summaries import Summary as Decided
    from wardein.evidence.trust import TrustRoot as TrustedKeys


def verify_artifact(
    artifact: Artifact,
    trust: TrustRoot,
    signature: Signature | None = None,
    vsa: Summary | None = None,
    name: str = "",
    min_version: str = "",
    layout: bool = True,
) -> Report:
    """Verify that an artifact is, file by file, what a trusted key signed, or what a gate let through.

    Reads OpenSSF Model Signing v1.0 bundles, those of the model-signing package included. Any changed, added,
    removed or renamed file is named. Files that a signer chose to ignore are not: they count as added. Whoever serves
    a model gives --vsa, the claims.jsonl that promote keeps beside it: then a gate of the trust root must have let
    exactly these bytes through, in the trust root's environment, under the policy that it pins.

    Args:
        artifact: The file or folder to verify.
        trust: The trust root (trust.json); a key, a certificate or a Sigstore identity with the role ``train`` must
            have signed the bundle, a key with the role ``gate`` the decision.
        signature: The bundle that sign-artifact (or ``model_signing sign``) wrote; a gate counts only evidence with it.
        vsa: Evidence that holds the gate's decision (SLSA Verification Summary); at least one of the two is needed.
        name: What the artifact has to have been signed as; empty for anything.
        min_version: The earliest version that it may have been signed as, for example 1.4.0; empty for any, or none.
        layout: Whether files that may be executed and empty folders have to be as signed. Say false where storage keeps
            neither, as object stores do: differences are then told, and do not fail.

    Returns:
        PASS if what is given holds for every file as it is; FAIL with one finding per difference.

    Raises:
        WardeinError: If the bundle or the evidence cannot be read, the artifact holds a link or a special file, or
            the version is none.

    References:
        OpenSSF Model Signing specification v1.0 (2026); SLSA Verification Summary Attestation v1; DSSE v1.0; RFC 5280.
    """
    from datetime import UTC, datetime

    from wardein.evidence import differences
    from wardein.evidence import trust as trust_root
    from wardein.evidence.artifact_signer import Untrusted, signer_of
    from wardein.evidence.model_signing import open_bundle, signed_in
    from wardein.evidence.version import parse_version
    from wardein.subject import tree_of
    from wardein.tools.versions import packages

    if signature is None and vsa is None:
        raise UsageError("there is nothing to verify it against", where="--signature", mend="give it, or --vsa")
    if (name or min_version) and signature is None:
        raise UsageError("says what an artifact is called", where="--signature", mend="give it, as only it")
    if min_version:
        parse_version(min_version, "--min-version")
    root, tree, findings = trust_root.load(trust), tree_of(artifact), list[Finding]()
    if signature is not None:
        bundle = open_bundle(signature)
        try:
            signer = signer_of(bundle, root, datetime.now(UTC))
        except Untrusted as error:
            findings.append(Finding("signature/untrusted", Severity.CRITICAL, str(error)))
        else:
            signed = signed_in(bundle.envelope.payload)
            text = f"signed by {signer.name} ({signer.identity})"
            findings.append(Finding(SIGNER_RULE, Severity.INFO, text, signer.name, fails=False))
            findings += differences.of_kind(signed, tree, artifact.name)
            findings += differences.of_files(signed, tree)
            findings += differences.of_layout(signed, tree, counts=layout)
            findings += differences.of_label(signed.label, name, min_version)
    findings += differences.of_permissions(tree)
    if vsa is not None:
        findings += _against_decisions(vsa, tree.digest, root)
    count = len(tree.files)
    return conclude(coverage=Coverage("files", count, count), tools=packages("securesystemslib"), findings=findings)


def _against_decisions(vsa: Path, digest: str, root: TrustedKeys) -> Iterator[Finding]:
    """The last decision on these bytes, in this environment and under this policy, has to be PASSED."""
    from wardein.evidence.claims import gather
    from wardein.evidence.summaries import summaries_in

    claims = gather([vsa], root)
    for claim in claims:
        if claim.statement is None:
            raise WardeinError(claim.error, mend="give the claims.jsonl that promote keeps beside the model")
    where = {"model": digest, "environment": root.environment, "policy": root.policy_digest}
    summaries = summaries_in(claims)
    decided = [s for s in summaries if all(getattr(s, name) == where[name] for name in where)]
    for summary in summaries if not decided else decided[-1:]:
        yield Finding("signature/decision", Severity.INFO, _words(summary, where), summary.environment, fails=False)
    if not decided:
        message = f"no gate of the trust root let these bytes through in {root.environment} under the policy it pins"
        yield Finding("signature/undecided", Severity.CRITICAL, message)
    elif not decided[-1].passed:
        yield Finding("signature/denied", Severity.CRITICAL, "the gate's last decision on these bytes is FAILED")


def _words(summary: Decided, where: Mapping[str, str]) -> str:
    """A decision in words, and in what it is another than the one that is needed."""
    glass = ", by a break-glass" if "WARDEIN_BREAK_GLASS" in str(summary.said.get("verifiedLevels")) else ""
    result = "PASSED" if summary.passed else "FAILED"
    text = f"{result} on {summary.decided:%Y-%m-%d %H:%M} UTC, tier {summary.tier}{glass}"
    other = [f"another {name}" for name, value in where.items() if getattr(summary, name) != value]
    return f"{text}; does not count here: {', '.join(other)}" if other else text
