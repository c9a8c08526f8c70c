# SPDX-License-Identifier: Apache-2.0
"""Verify an artifact against its signature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from wardein.artifacts import Artifact, Signature, TrustRoot
from wardein.report import Coverage, Finding, Report, Severity, conclude


def verify_artifact(artifact: Artifact, signature: Signature, trust: TrustRoot) -> Report:
    """Verify that an artifact is, file by file, what a trusted key signed.

    Reads OpenSSF Model Signing v1.0 bundles, those of the model-signing package included. Any changed, added,
    removed or renamed file is named. Files that a signer chose to ignore are not: they count as added.

    Args:
        artifact: The file or folder to verify.
        signature: The bundle that sign-artifact (or ``model_signing sign``) wrote.
        trust: The trust root (trust.json); a key with the role ``train`` must have signed.

    Returns:
        PASS if the signature holds and every file is as signed; FAIL with one finding per difference.

    Raises:
        WardeinError: If the bundle cannot be read, or the artifact holds a link or a special file.

    References:
        OpenSSF Model Signing specification v1.0 (2026); DSSE v1.0; in-toto Statement v1.
    """
    from wardein.evidence import trust as trust_root
    from wardein.evidence.model_signing import SINGLE_FILE, open_bundle, signed_files
    from wardein.subject import hash_tree
    from wardein.tools.versions import packages

    present = {file.path if artifact.is_dir() else SINGLE_FILE: file.digest for file in hash_tree(artifact)}
    envelope = open_bundle(signature)
    signers = [key for key in trust_root.load(trust).keys if "train" in key.roles]
    if not any(envelope.verified_by(trusted.key) for trusted in signers):
        message = "no trusted key with the role 'train' made this signature, or it was changed after signing"
        findings = [Finding("signature/untrusted", Severity.CRITICAL, message)]
    else:
        findings = list(_differences(signed_files(envelope), present))
    return conclude(
        coverage=Coverage("files", len(present), len(present)), tools=packages("securesystemslib"), findings=findings
    )


def _differences(signed: Mapping[str, str], present: Mapping[str, str]) -> Iterator[Finding]:
    added = {name: digest for name, digest in present.items() if name not in signed}
    for name in sorted(signed):
        if name not in present:
            new = next((other for other, digest in sorted(added.items()) if digest == signed[name]), "")
            if new:
                del added[new]
                yield Finding("signature/renamed", Severity.CRITICAL, f"was signed as {name}, is now {new}", name)
            else:
                yield Finding("signature/removed", Severity.CRITICAL, "was signed and is gone", name)
        elif present[name] != signed[name]:
            yield Finding("signature/changed", Severity.CRITICAL, "its content is not what was signed", name)
    for name in sorted(added):
        yield Finding("signature/added", Severity.CRITICAL, "was not signed", name)
