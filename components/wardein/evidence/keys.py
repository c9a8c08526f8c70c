# SPDX-License-Identifier: Apache-2.0
"""Private keys by URI, through securesystemslib: files, PKCS#11, cloud key managers, Vault, GnuPG.

A URI is a reference that anybody may know, and that a run parameter may choose. So it never holds a secret, names no
host and no folder with settings, and what cannot be a reference is refused before any library sees it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from wardein.errors import UsageError, WardeinError, missing_extra
from wardein.evidence.kinds import is_remote
from wardein.evidence.remote import RemoteKey, public_key_at
from wardein.subject import read_regular

if TYPE_CHECKING:
    from securesystemslib.signer import Key, Signer, SSlibKey

PUBLIC_KEY_VARIABLE = "WARDEIN_PUBLIC_KEY"
PASSPHRASE_VARIABLE = "WARDEIN_KEY_PASSPHRASE"  # noqa: S105 - the variable's name, not its value
_MOST_BYTES = 256 * 1024
_SMALLEST_RSA = 2048
_FILE_MEND = "give a PEM file of P-256, P-384, P-521, Ed25519 or RSA; wardein init DIR makes some for trying out"
_RSA_MEND = f"use one of {_SMALLEST_RSA} bits or more"


def signer_for(uri: str) -> Signer:
    """Open the private key that a URI names.

    A key that is not a file has to sign a trial message first, and the public key has to bear it out: a wrong PIN or
    the public key of another pair is found out now, not when the check is done.

    Args:
        uri: ``file:PATH`` or a bare path (PEM, PKCS#8; a passphrase comes from ``WARDEIN_KEY_PASSPHRASE``), or
            ``hsm:``, ``awskms:``, ``azurekms:``, ``gcpkms:``, ``hv:``, ``gnupg:``, as docs/keys.md says.

    Raises:
        WardeinError: If the key cannot be opened.
    """
    try:
        from securesystemslib.signer import CryptoSigner
    except ModuleNotFoundError:
        raise missing_extra("securesystemslib", "sign") from None
    if is_remote(uri):
        key = public_key_of(uri)
        if bits := too_few_bits(key):
            raise UsageError(f"is an RSA key of {bits} bits", where=f"key {uri.partition(':')[0]}:…", mend=_RSA_MEND)
        return RemoteKey.opened(uri, key)
    path = _path(uri)
    try:
        signer = CryptoSigner(_private_key(path))
    except ValueError:
        raise UsageError("is of a kind that cannot sign evidence", where=f"key {path}", mend=_FILE_MEND) from None
    if bits := too_few_bits(signer.public_key):
        raise UsageError(f"is an RSA key of {bits} bits", where=f"key {path}", mend=_RSA_MEND)
    return signer


def public_key_of(uri: str) -> Key:
    """The public half of a key: from ``WARDEIN_PUBLIC_KEY`` where that is set, else from where the key is.

    Args:
        uri: As for :func:`signer_for`; the file may also hold a public key in PEM.

    Raises:
        WardeinError: If it cannot be had.
    """
    named = os.environ.get(PUBLIC_KEY_VARIABLE)
    if is_remote(uri):
        return public_key_from(Path(named)) if named and not uri.startswith("gnupg:") else public_key_at(uri)
    path = _path(uri)
    if path.is_file() and b"-----BEGIN PUBLIC KEY-----" in read_regular(path, _MOST_BYTES):
        return public_key_from(path)
    return signer_for(uri).public_key


def too_few_bits(key: Key) -> int:
    """The size of an RSA key that is too small to be believed; 0 for any other key."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    public = key.keyval.get("public")
    if key.keytype != "rsa":
        return 0
    if isinstance(public, Mapping):  # as GnuPG has it
        bits = int(str(public.get("n", "0")), 16).bit_length()
    else:
        loaded = load_pem_public_key(str(public).encode())
        bits = loaded.key_size if isinstance(loaded, RSAPublicKey) else 0
    return bits if bits < _SMALLEST_RSA else 0


def trust_entry(uri: str) -> str:
    """What a trust root says of a key: JSON, to which its name, identity and roles are added by hand."""
    key = public_key_of(uri)
    return json.dumps({"keyid": key.keyid, **key.to_dict()}, indent=2)


def public_key_from(path: Path) -> SSlibKey:
    """Read a PEM public key.

    Raises:
        WardeinError: If the file is missing or holds no public key that securesystemslib knows.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey

    try:
        return SSlibKey.from_crypto(load_pem_public_key(read_regular(path, _MOST_BYTES)))
    except (WardeinError, OSError, ValueError, UnsupportedAlgorithm) as error:
        why = error.what if isinstance(error, WardeinError) else type(error).__name__
        raise WardeinError(f"is not a readable PEM public key ({why})", where=str(path)) from None


def create_file_key(path: Path) -> SSlibKey:
    """Make a P-256 key for trying out, readable by its owner only, and return its public half."""
    from securesystemslib.signer import CryptoSigner

    signer = CryptoSigner.generate_ecdsa()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(signer.private_bytes)
    return signer.public_key


def _path(uri: str) -> Path:
    if "-----BEGIN" in uri or "\0" in uri:
        raise UsageError(
            "holds a key, not its name", where="the key's URI", mend="write the key to a file, and name it"
        )
    scheme, colon, rest = uri.partition(":")
    if not colon or scheme in ("file", "file2"):
        return Path(rest if colon else uri)
    known = "file: hsm: gnupg: awskms: azurekms: gcpkms: hv:"
    raise UsageError(f"is not a kind of key; the kinds are {known}", where=f"key {scheme}:…", mend="see docs/keys.md")


def _private_key(path: Path):  # type: ignore[no-untyped-def]  # cryptography's union of private key types
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    passphrase = os.environ.get(PASSPHRASE_VARIABLE)
    where = f"key {path}"
    try:
        content = read_regular(path, _MOST_BYTES)
        # One variable serves every key of a run: one that is not encrypted does not need it.
        encrypted = b"ENCRYPTED" in content
        return load_pem_private_key(content, passphrase.encode() if passphrase and encrypted else None)
    except WardeinError as error:
        mend = "wardein init DIR makes keys for trying out" if not path.exists() else _FILE_MEND
        raise UsageError(error.what, where=where, mend=mend) from None
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})", where=where) from None
    except TypeError:
        raise UsageError("is encrypted", where=where, mend=f"set {PASSPHRASE_VARIABLE}") from None
    except (ValueError, UnsupportedAlgorithm):
        what = "is not a PEM private key, or the passphrase is wrong"
        raise UsageError(what, where=where, mend=f"check {PASSPHRASE_VARIABLE}; {_FILE_MEND}") from None
