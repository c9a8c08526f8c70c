# SPDX-License-Identifier: Apache-2.0
"""GnuPG keys: which of them may sign, and whether a signature by one holds today.

A GnuPG key has a life of its own, which GnuPG does not enforce when it verifies: of an expired key it says so and
exits 0. So a trust root notes until when each such key is valid, and what it does not note does not count.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass, field
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
# By OpenPGP's number (RFC 4880, 9.1; EdDSA by its successor), the kind of key and what its numbers are called.
_KINDS = {
    "1": ("rsa", "pgp+rsa-pkcsv1.5", ("n", "e")),
    "17": ("dsa", "pgp+dsa-fips-180-2", ("p", "q", "g", "y")),
    "22": ("eddsa", "pgp+eddsa-ed25519", ("curve", "q")),
}
_ALGORITHMS = {keytype: int(number) for number, (keytype, _, _) in _KINDS.items()}
_ED25519 = "092b06010401da470f01"  # the curve's object identifier, after its length
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

    GnuPG is asked, which verifies what binds a subkey to its primary key, rather than the keyring's packets parsed.

    Args:
        fingerprint: All 40 hex digits, of the key or subkey that signs.

    Raises:
        UsageError: If the keyring does not have it, it cannot sign, or it is expired, revoked, disabled or invalid.
    """
    from securesystemslib.signer import GPGKey

    found = _listing(fingerprint.lower())
    listed = next((key for key in found if key.fingerprint == fingerprint.lower()), None)
    if listed is None:
        raise _refused("is not in the keyring", fingerprint)
    if listed.fields[1] in _UNUSABLE:
        raise _refused(f"is {_UNUSABLE[listed.fields[1]]}", fingerprint)
    if "s" not in listed.fields[11]:
        raise _refused("is not for signing", fingerprint)
    if listed.fields[3] not in _KINDS or (listed.fields[3] == "22" and listed.numbers[0] != _ED25519):
        raise _refused("is of a kind that cannot sign evidence; Ed25519, RSA and DSA can", fingerprint)
    keytype, scheme, names = _KINDS[listed.fields[3]]
    numbers = dict(zip(names, listed.numbers, strict=True))
    if keytype == "eddsa":
        numbers = {"q": numbers["q"].removeprefix("40")}  # what says that a point follows
    ends = [int(key.fields[6]) for key in (found[0], listed) if key.fields[6]]  # the primary key's as well
    keyval = {"private": "", "public": numbers, EXPIRES: min(ends, default=0)}
    return GPGKey(listed.fingerprint, keytype, scheme, keyval)


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


@dataclass
class _Listed:
    """A key or subkey as GnuPG lists it: the fields of its first line, its fingerprint and its numbers in hex."""

    fields: list[str]
    fingerprint: str = ""
    numbers: list[str] = field(default_factory=list)


def _listing(fingerprint: str) -> list[_Listed]:
    """A primary key and its subkeys, in the form that GnuPG keeps stable for programs."""
    program = shlex.split(os.environ.get("GNUPG") or "gpg")  # the variable is securesystemslib's
    command = [*program, "--batch", "--no-tty", "--with-colons", "--with-key-data", "--list-keys", fingerprint]
    try:
        ended = subprocess.run(command, capture_output=True, timeout=LIST_SECONDS, check=False)
    except FileNotFoundError:
        mend = "install GnuPG (Debian: apt-get install gnupg), or name the program in GNUPG"
        raise UsageError("needs the program 'gpg', which is not installed", where="key gnupg:…", mend=mend) from None
    found: list[_Listed] = []
    for line in ended.stdout.decode(errors="replace").splitlines():
        fields = line.split(":")
        if fields[0] in ("pub", "sub"):
            found.append(_Listed(fields))
        elif fields[0] == "fpr" and found:
            found[-1].fingerprint = fields[9].lower()
        elif fields[0] == "pkd" and found:
            found[-1].numbers.append(fields[3].lower())
    return found


def _refused(what: str, fingerprint: str) -> UsageError:
    mend = "give a valid signing key's 40 digits (gpg --list-keys --with-subkey-fingerprint; GNUPGHOME says whose)"
    return UsageError(what, where=f"key gnupg:{fingerprint}", mend=mend)
