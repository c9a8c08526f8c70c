# SPDX-License-Identifier: Apache-2.0
"""The kinds of keys that are not files: the exact form of their URIs, what they need, and what their errors mean."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from wardein.errors import UsageError

PIN_VARIABLE = "WARDEIN_HSM_PIN"
LIBRARY_VARIABLE = "PYKCS11LIB"  # securesystemslib's own
_ID = r"[A-Za-z0-9][A-Za-z0-9._-]*"


@dataclass(frozen=True)
class Kind:
    """One kind of URI: its exact form, what it needs, and where to look when it fails."""

    form: str
    pattern: str
    package: str
    extra: str
    mend: str


KINDS = {
    "hsm": Kind(
        "hsm:KEYID?label=TOKEN",
        r"hsm:[0-9]{0,9}(\?label=[A-Za-z0-9._+%-]+)?",
        "python-pkcs11",
        "hsm",
        f"check {PIN_VARIABLE}, {LIBRARY_VARIABLE}, and the URI's KEYID and label",
    ),
    "gnupg": Kind(
        "gnupg:FINGERPRINT",
        r"gnupg:[0-9A-Fa-f]{40}",
        "securesystemslib",
        "sign",
        "check that `gpg --batch --detach-sign` works with the key; GNUPGHOME says which keyring",
    ),
    "awskms": Kind(
        "awskms:KEY or awskms:alias/NAME",
        r"awskms:[A-Za-z0-9:/_-]+",
        "boto3",
        "awskms",
        "check the key, AWS_DEFAULT_REGION, the credentials and their right to kms:Sign and kms:GetPublicKey",
    ),
    "azurekms": Kind(
        "azurekms://VAULT.vault.azure.net/keys/NAME/VERSION",
        rf"azurekms://[A-Za-z0-9-]+\.(vault\.azure\.(net|cn)|vault\.usgovcloudapi\.net)/keys/{_ID}/{_ID}",
        "azure-keyvault-keys",
        "azurekms",
        "check the key and the credentials that azure-identity finds",
    ),
    "gcpkms": Kind(
        "gcpkms:projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/V",
        rf"gcpkms:projects/{_ID}/locations/{_ID}/keyRings/{_ID}/cryptoKeys/{_ID}/cryptoKeyVersions/[0-9]+",
        "google-cloud-kms",
        "gcpkms",
        "check the key and GOOGLE_APPLICATION_CREDENTIALS",
    ),
    "hv": Kind(
        "hv:NAME/VERSION",
        rf"hv:{_ID}/[0-9]+",
        "hvac",
        "vault",
        "check VAULT_ADDR, VAULT_TOKEN, and that the transit key and its version exist",
    ),
}
# What the names of the libraries' errors mean; any other name is shown as it is.
_MEANINGS = {
    "PinIncorrect": "the PIN is wrong",
    "PinInvalid": "the PIN is wrong",
    "PinLenRange": "the PIN is wrong",
    "PinLocked": "the PIN is locked after too many wrong ones",
    "Forbidden": "permission denied",
    "InvalidPath": "there is no such key",
    "KeyError": "there is no such key",
    "NotFoundException": "there is no such key",
    "NoCredentialsError": "there are no credentials",
    "NoRegionError": "no region is set",
    "ConnectionError": "the service cannot be reached",
    "EndpointConnectionError": "the service cannot be reached",
    "ConnectTimeoutError": "the service cannot be reached",
    "ConnectTimeout": "the service cannot be reached",
    "ReadTimeout": "the service does not answer",
    "ReadTimeoutError": "the service does not answer",
    "TimeoutExpired": "gpg does not answer; it may be waiting for a passphrase",
}


def is_remote(uri: str) -> bool:
    """Whether a URI names a key that is not a file."""
    return uri.partition(":")[0] in KINDS


def scheme_of(uri: str) -> str:
    """The scheme of a URI that is all that it should be, in an environment that can be used.

    Raises:
        UsageError: If it is not; what the URI holds is not repeated.
    """
    scheme = uri.partition(":")[0]
    kind = KINDS[scheme]
    if not re.fullmatch(kind.pattern, uri):
        mend = "secrets come from the environment; see docs/keys.md"
        raise UsageError(f"is not of the form {kind.form}", where=f"key {scheme}:…", mend=mend)
    if scheme == "hsm":
        library = os.environ.get(LIBRARY_VARIABLE, "")
        if not Path(library).is_file():
            mend = "set it to the path of the token's library, for example libsofthsm2.so"
            raise UsageError("names no PKCS#11 library", where=LIBRARY_VARIABLE, mend=mend)
        if not os.environ.get(PIN_VARIABLE):
            raise UsageError("holds no PIN", where=PIN_VARIABLE, mend="set it to the token's user PIN")
    return scheme


def cause_of(scheme: str, error: Exception) -> str:
    """What an error means, in words that hold nothing that the library was given."""
    name = type(error).__name__
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # boto's one class for all that the service refuses
        code = str(response.get("Error", {}).get("Code", ""))
        name = code if re.fullmatch(r"[A-Za-z.]{1,60}", code) else name
    if scheme == "hsm" and isinstance(error, ValueError):
        return str(error)  # securesystemslib's own words for what it did not find; at most the token's label is in them
    if scheme == "gnupg" and isinstance(error, ValueError):
        return "GnuPG signs with another subkey of the same owner; give the fingerprint of that one"
    if scheme == "gnupg" and isinstance(error, OSError):
        return (
            "; ".join(dict.fromkeys(re.findall(r"gpg: (.{1,120})", str(error)))) or name
        )  # GnuPG never prints a passphrase
    return f"{_MEANINGS[name]} ({name})" if name in _MEANINGS else name
