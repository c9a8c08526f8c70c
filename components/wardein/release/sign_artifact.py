# SPDX-License-Identifier: Apache-2.0
"""Sign a model or any other artifact."""

from __future__ import annotations

from wardein.artifacts import Artifact, Certificates, KeyUri, OutputFile
from wardein.report import Coverage, Report, conclude


def sign_artifact(
    artifact: Artifact,
    signature: OutputFile,
    signer: KeyUri,
    certificates: Certificates | None = None,
    name: str = "",
    version: str = "",
) -> Report:
    """Sign every file of an artifact with one OpenSSF Model Signing v1.0 bundle.

    The bundle can be verified by verify-artifact and, where the key is an elliptic curve's, independently of wardein by
    ``model_signing verify``. Every file counts, there is no ignore list; symbolic links are refused. Which files may be
    executed, which folders are empty, the time, and what the artifact is called are signed as well. The signature lies
    beside the artifact, never inside it.

    Args:
        artifact: The file or folder to sign, for example a model.
        signature: Where to write the bundle (JSON); outside the artifact's folder.
        signer: The URI of the private key of the role ``train``: file:PATH, or hsm: awskms: azurekms: gcpkms: hv:; of
            the kind P-256, P-384, P-521, Ed25519 or RSA. Or sigstore: to sign without a key, by this machine's identity
            at Sigstore's public instance.
        certificates: A PEM file with the certificate of the key first and those that lead to the root after it; it has
            to be for code signing. None to sign with the bare key.
        name: What the artifact is called, whatever its file is called; empty for nothing.
        version: Which version of it this is, for example 1.4.0; promote puts no earlier one in its place. Empty for
            none.

    Returns:
        PASS once the bundle is written; its coverage counts the files signed.

    Raises:
        UsageError: If the key cannot be opened, the version is none, or the signature would lie inside the artifact.
        WardeinError: If the artifact holds a link or a special file, or too many files for one signature, the key is of
            another kind, or the certificates are not the key's, not for code signing or not valid now.

    References:
        OpenSSF Model Signing specification v1.0 (2026); DSSE v1.0; in-toto Statement v1; RFC 5280.
    """
    from datetime import UTC, datetime

    from wardein.errors import UsageError
    from wardein.evidence import certificates as chains
    from wardein.evidence import keyless
    from wardein.evidence.differences import of_permissions
    from wardein.evidence.keys import signer_for
    from wardein.evidence.model_signing import Label, check_size, sign, statement_of
    from wardein.evidence.version import parse_version
    from wardein.subject import tree_of
    from wardein.tools.versions import packages

    now = datetime.now(UTC)
    if version:
        parse_version(version, "--version")
    label, tree = Label(name, version, now.isoformat(timespec="seconds")), tree_of(artifact)
    statement = statement_of(artifact.name, tree, label)
    if signer == keyless.URI:
        if certificates is not None:
            mend = "Sigstore certifies the signature itself"
            raise UsageError(f"is for keys, not for {keyless.URI}", where="--certificates", mend=mend)
        bundle, tools = keyless.sign(statement), packages("sigstore")
    else:
        key = signer_for(signer)
        chain = () if certificates is None else chains.read_chain(certificates, key, now)
        bundle, tools = sign(statement, key, chain), packages("securesystemslib")
    check_size(bundle)
    signature.write_bytes(bundle)
    count = len(tree.files)
    return conclude(coverage=Coverage("files", count, count), tools=tools, findings=list(of_permissions(tree)))
