# SPDX-License-Identifier: Apache-2.0
"""Sign a model or any other artifact."""

from __future__ import annotations

from wardein.artifacts import Artifact, KeyUri, OutputFile
from wardein.report import Coverage, Report, conclude


def sign_artifact(artifact: Artifact, signature: OutputFile, signer: KeyUri) -> Report:
    """Sign every file of an artifact with one OpenSSF Model Signing v1.0 bundle.

    The bundle can be verified by verify-artifact and, independently of wardein, by ``model_signing verify``.
    Every file counts, there is no ignore list; symbolic links are refused. The signature lies beside the
    artifact, never inside it.

    Args:
        artifact: The file or folder to sign, for example a model.
        signature: Where to write the bundle (JSON); outside the artifact's folder.
        signer: The URI of the private key of the role ``train``: file:PATH, or hsm: awskms: azurekms: gcpkms: hv:
            gnupg:. OMS takes elliptic-curve keys P-256, P-384 and P-521.

    Returns:
        PASS once the bundle is written; its coverage counts the files signed.

    Raises:
        UsageError: If the key cannot be opened, or the signature would lie inside the artifact.
        WardeinError: If the artifact holds a link or a special file, or the key's kind is not in the specification.

    References:
        OpenSSF Model Signing specification v1.0 (2026); DSSE v1.0; in-toto Statement v1.
    """
    from wardein.evidence.keys import signer_for
    from wardein.evidence.model_signing import sign
    from wardein.subject import hash_tree
    from wardein.tools.versions import packages

    files = hash_tree(artifact)
    signature.write_bytes(sign(artifact.name, files, signer_for(signer), single=not artifact.is_dir()))
    return conclude(coverage=Coverage("files", len(files), len(files)), tools=packages("securesystemslib"))
