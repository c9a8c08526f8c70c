# SPDX-License-Identifier: Apache-2.0
"""GnuPG keys: which of them may sign, and whether a signature by one holds today.

A GnuPG key has a life of its own, which GnuPG does not enforce when it verifies: of an expired key it says so and
exits 0. So a trust root notes until when each such key is valid, and what it does not note does not count.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from wardein.errors import UsageError, WardeinError

if TYPE_CHECKING:
    from securesystemslib.signer import GPGKey

# The member of a trust root's ``keyval`` that holds the end of the key's validity, in seconds of 1970; 0 for none.
EXPIRES = "expires"
LIST_SECONDS = 10
BINARY = (4, 0)  # a version 4 signature of a binary document
SHA256 = 8
_ALGORITHMS = {"rsa": 1, "dsa": 17, "eddsa": 22}  # RFC 4880, 9.1; EdDSA by its successor
_UNUSABLE = {"d": "disabled", "e": "expired", "i": "invalid", "n": "not valid", "r": "revoked"}


def holds(key: GPGKey, signature: bytes, data: bytes, other_headers: str) -> bool:
    """Whether an OpenPGP signature over some bytes is by a key that is still valid.

    Args:
        key: The public key, with the member ``expires`` in its ``keyval``.
        signature: The signature's numbers.
        data: What was signed.
        other_headers: The signature packet's hashed part, in hex: it was signed with the data.

    Raises:
        WardeinError: If the signature is right, but the key expired, or does not say when it does.
    """
    from securesystemslib.signer import Signature

    head = bytes.fromhex(other_headers)
    # What the key signed in any other sense, as a text or as a certificate, does not count as evidence.
    start = bytes((*BINARY, _ALGORITHMS.get(key.keytype, 0), SHA256))
    if head[:4] != start or len(head) != 6 + int.from_bytes(head[4:6]):
        return False
    try:
        key.verify_signature(Signature(key.keyid, signature.hex(), {"other_headers": other_headers}), data)
    except Exception:  # hostile numbers make the library's parsers raise whatever they raise
        return False
    _check_valid(key)
    return True


def check(key: GPGKey) -> None:
    """Look at a trusted key before any evidence is.

    Raises:
        WardeinError: If its numbers are no key of its kind, or it does not say until when it is valid.
    """
    from securesystemslib.exceptions import UnverifiedSignatureError
    from securesystemslib.signer import Signature

    _end(key)
    try:
        key.verify_signature(Signature(key.keyid, "00", {"other_headers": "00"}), b"")
    except UnverifiedSignatureError:
        return
    except Exception as error:  # whatever the library says of numbers that it cannot use
        raise WardeinError(f"its numbers are not a {key.keytype} key ({type(error).__name__})") from None


def public_key(fingerprint: str) -> GPGKey:
    """The public half of a signing key in the keyring, with the end of its validity.

    Args:
        fingerprint: All 40 hex digits, of the key or subkey that signs.

    Raises:
        UsageError: If the keyring does not have it, or it is expired, revoked, disabled or invalid.
    """
    from securesystemslib.signer import GPGSigner

    expires = _end_of_validity(fingerprint.lower())
    _, key = GPGSigner.import_(fingerprint.lower())
    key.keyval[EXPIRES] = expires
    return key


def _check_valid(key: GPGKey) -> None:
    end = _end(key)
    if end and end <= datetime.now(UTC).timestamp():
        day = datetime.fromtimestamp(end, UTC).date()
        raise WardeinError(f"the OpenPGP key {key.keyid} expired on {day}; what it signed does not count")


def _end(key: GPGKey) -> int:
    end: Any = key.keyval.get(EXPIRES)
    # Not after the year 9999: a moment that cannot be shown is a mistake.
    if not isinstance(end, int) or isinstance(end, bool) or not 0 <= end < 253402300800:
        mend = "make the trust root's entry anew, as docs/keys.md shows"
        raise WardeinError(f"the OpenPGP key {key.keyid} does not say when it expires", mend=mend)
    return end


def _end_of_validity(fingerprint: str) -> int:
    """When the key, or the primary key above it, expires first; 0 for never."""
    ends, primary = [], 0
    record: list[str] = []
    for line in _listing(fingerprint):
        fields = line.split(":")
        if fields[0] in ("pub", "sub"):
            record = fields
            primary = int(fields[6] or 0) if fields[0] == "pub" else primary
        elif fields[0] == "fpr" and fields[9].lower() == fingerprint:
            if record[1] in _UNUSABLE:
                mend = "sign with a valid key, and list that in the trust root"
                raise UsageError(f"is {_UNUSABLE[record[1]]}", where=f"key gnupg:{fingerprint}", mend=mend)
            ends = [end for end in (int(record[6] or 0), primary) if end]
    return min(ends, default=0)


def _listing(fingerprint: str) -> list[str]:
    """What GnuPG says of a key, in the form that it keeps stable for programs."""
    program = shlex.split(os.environ.get("GNUPG") or "gpg")  # the variable is securesystemslib's
    command = [*program, "--batch", "--no-tty", "--with-colons", "--list-keys", fingerprint]
    try:
        ended = subprocess.run(command, capture_output=True, timeout=LIST_SECONDS, check=False)
    except FileNotFoundError:
        mend = "install GnuPG (Debian: apt-get install gnupg), or name the program in GNUPG"
        raise UsageError("needs the program 'gpg', which is not installed", where="key gnupg:…", mend=mend) from None
    if ended.returncode != 0:
        mend = "give the 40 digits of `gpg --list-keys --with-subkey-fingerprint`; GNUPGHOME says which keyring"
        raise UsageError("is not in the keyring", where=f"key gnupg:{fingerprint}", mend=mend)
    return ended.stdout.decode(errors="replace").splitlines()
