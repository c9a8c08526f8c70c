# SPDX-License-Identifier: Apache-2.0
"""Private keys by URI, through securesystemslib: files, PKCS#11, cloud key managers, Vault, GnuPG."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from wardein.errors import UsageError, WardeinError, missing_extra

if TYPE_CHECKING:
    from securesystemslib.signer import Signer, SSlibKey

PUBLIC_KEY_VARIABLE = "WARDEIN_PUBLIC_KEY"
PASSPHRASE_VARIABLE = "WARDEIN_KEY_PASSPHRASE"  # noqa: S105 - the variable's name, not its value


def signer_for(uri: str) -> Signer:
    """Open the private key that a URI names.

    Args:
        uri: ``file:PATH`` or a bare path (PEM, PKCS#8; a passphrase comes from ``WARDEIN_KEY_PASSPHRASE``), or
            any URI of securesystemslib (``hsm:``, ``awskms:``, ``azurekms:``, ``gcpkms:``, ``hv:``, ``gnupg:``) with
            the public key's PEM file named by ``WARDEIN_PUBLIC_KEY``.

    Raises:
        UsageError: If the key cannot be opened.
    """
    try:
        from securesystemslib.signer import CryptoSigner, Signer
    except ModuleNotFoundError:
        raise missing_extra("securesystemslib", "sign") from None
    scheme, colon, rest = uri.partition(":")
    try:
        if not colon or scheme in ("file", "file2"):
            return CryptoSigner(_private_key(Path(rest if colon else uri)))
        public = os.environ.get(PUBLIC_KEY_VARIABLE)
        if not public:
            raise UsageError(
                f"a {scheme}: key needs its public key",
                where=PUBLIC_KEY_VARIABLE,
                mend="set it to the public key's PEM file",
            )
        return Signer.from_priv_key_uri(uri, public_key_from(Path(public)))
    except WardeinError:
        raise
    except Exception as error:  # every signer raises its own library's errors; none of them is ours
        raise UsageError(f"cannot be opened ({type(error).__name__}: {error})", where=f"key {_shown(uri)}") from None


def public_key_from(path: Path) -> SSlibKey:
    """Read a PEM public key.

    Raises:
        WardeinError: If the file is missing or holds no public key that securesystemslib knows.
    """
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey

    try:
        return SSlibKey.from_crypto(load_pem_public_key(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise WardeinError(f"is not a readable PEM public key ({type(error).__name__})", where=str(path)) from None


def create_file_key(path: Path) -> SSlibKey:
    """Make a P-256 key for trying out, readable by its owner only, and return its public half."""
    from securesystemslib.signer import CryptoSigner

    signer = CryptoSigner.generate_ecdsa()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(signer.private_bytes)
    return signer.public_key


def _private_key(path: Path):  # type: ignore[no-untyped-def]  # cryptography's union of private key types
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    passphrase = os.environ.get(PASSPHRASE_VARIABLE)
    try:
        return load_pem_private_key(path.read_bytes(), passphrase.encode() if passphrase else None)
    except FileNotFoundError:
        raise UsageError(
            "does not exist", where=f"key {path}", mend="wardein init DIR makes keys for trying out"
        ) from None
    except TypeError:
        raise UsageError(
            "is encrypted, or is not and a passphrase was given",
            where=f"key {path}",
            mend=f"check {PASSPHRASE_VARIABLE}",
        ) from None


def _shown(uri: str) -> str:
    """A URI without what could be a credential: only its scheme, and the path of a file."""
    scheme, colon, _ = uri.partition(":")
    return uri if not colon or scheme.startswith("file") else f"{scheme}:…"
