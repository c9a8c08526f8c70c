# SPDX-License-Identifier: Apache-2.0
"""Keys that never leave a device or a service: how to ask for their public half, and for signatures.

Whatever a library says when it fails may repeat what it was given, so its words are not passed on: only the error's
name, and what that means, are.
"""

from __future__ import annotations

import base64
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs

from wardein.errors import UsageError, WardeinError, missing_extra
from wardein.evidence import openpgp
from wardein.evidence.envelope import Envelope, holds
from wardein.evidence.kinds import KINDS, PIN_VARIABLE, cause_of, scheme_of

if TYPE_CHECKING:
    from securesystemslib.signer import Key, Signature, Signer, SSlibKey

ANSWER_SECONDS = 60.0
_TRIAL = Envelope(b"", "application/vnd.wardein.trial", ()).pae  # of a type that no verifier takes for evidence
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class RemoteKey:
    """A signer that asks a device or service, in bounded time, and believes no signature that it has not verified."""

    scheme: str
    public_key: Key
    signer: Signer

    @classmethod
    def opened(cls, uri: str, public: Key) -> RemoteKey:
        """Open a key, and have it sign a trial message.

        Raises:
            WardeinError: If the URI is malformed, or the key cannot be used.
        """
        scheme = scheme_of(uri)
        key = cls(scheme, public, _ask(scheme, lambda: _signer(scheme, uri, public)))
        key.sign(_TRIAL)
        return key

    def sign(self, payload: bytes) -> Signature:
        """The key's signature over some bytes.

        Raises:
            WardeinError: If the service does not sign, or signs with another key.
        """
        made = _ask(self.scheme, lambda: self.signer.sign(payload))
        headers = made.unrecognized_fields.get("other_headers", "")
        if not holds(self.public_key, bytes.fromhex(made.signature), payload, headers):
            mend = "check that WARDEIN_PUBLIC_KEY, where it is set, names this key's public half"
            raise UsageError("its signature does not fit the public key", where=f"key {self.scheme}:…", mend=mend)
        return made


def public_key_at(uri: str) -> Key:
    """Ask a key's device or service for the public half.

    Raises:
        WardeinError: If the URI is malformed, or there is no answer.
    """
    scheme = scheme_of(uri)
    rest = uri.partition(":")[2]
    if scheme == "azurekms":
        mend = "set it to the PEM file of `az keyvault key download --encoding PEM`"
        raise UsageError("an azurekms: key needs its public key", where="WARDEIN_PUBLIC_KEY", mend=mend)
    readers: dict[str, Callable[[str], Key]] = {
        "hsm": _hsm_public_key,
        "gnupg": openpgp.public_key,
        "hv": _vault_public_key,
        "awskms": lambda key: _signers().AWSSigner.import_(key)[1],
        "gcpkms": lambda key: _signers().GCPSigner.import_(key)[1],
    }
    return _ask(scheme, lambda: readers[scheme](rest))


def _signers() -> Any:
    from securesystemslib import signer

    # The library prints errors that it raises as well, in the services' own words; they reach the reader by _ask.
    logging.getLogger("securesystemslib").setLevel(logging.CRITICAL)
    return signer


def _signer(scheme: str, uri: str, public: Key) -> Signer:
    signers = _signers()
    if scheme == "gnupg":
        return signers.GPGSigner(public)
    return signers.Signer.from_priv_key_uri(uri, public, _pin)


def _pin(_: str) -> str:
    return os.environ[PIN_VARIABLE]


def _hsm_public_key(rest: str) -> Key:
    keyid, _, query = rest.partition("?")
    label = parse_qs(query).get("label", [None])[0]
    return _signers().HSMSigner.import_(int(keyid) if keyid else None, label, _pin)[1]


def _vault_public_key(rest: str) -> SSlibKey:
    """Read a transit key, of the kinds whose signatures by Vault's defaults are of a scheme that trust roots know."""
    import hvac  # type: ignore[import-untyped]
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey

    name, _, version = rest.partition("/")
    data = hvac.Client().secrets.transit.read_key(name)["data"]
    text = data["keys"][version]["public_key"]
    if data["type"] == "ed25519":
        return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(base64.b64decode(text)))
    if data["type"] == "ecdsa-p256" or data["type"].startswith("rsa-"):
        return SSlibKey.from_crypto(load_pem_public_key(text.encode()))
    mend = "Vault signs by SHA-256; use a key of type ecdsa-p256, ed25519 or rsa-3072"
    raise UsageError("is of a type that cannot sign evidence", where="key hv:…", mend=mend)


def _ask(scheme: str, question: Callable[[], _Answer]) -> _Answer:
    """Have a library do something, in bounded time and with errors in one line that hold nothing it was given."""
    kind, where = KINDS[scheme], f"key {scheme}:…"
    answers: list[_Answer] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            answers.append(question())
        except Exception as error:  # every library raises errors of its own
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)  # a library that hangs must not keep the process
    thread.start()
    thread.join(ANSWER_SECONDS)
    if answers:
        return answers[0]
    if not errors:
        raise UsageError(f"does not answer within {ANSWER_SECONDS:g} seconds", where=where, mend=kind.mend)
    if isinstance(errors[0], WardeinError):
        raise errors[0]
    if isinstance(errors[0], ModuleNotFoundError) or type(errors[0]).__name__ == "UnsupportedLibraryError":
        raise missing_extra(kind.package, kind.extra)
    raise UsageError(f"cannot be used: {cause_of(scheme, errors[0])}", where=where, mend=kind.mend)
