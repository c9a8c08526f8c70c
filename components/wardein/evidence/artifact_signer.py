# SPDX-License-Identifier: Apache-2.0
"""Who signed an artifact: by a listed key, by certificate, or keyless; a bundle says by which, and only that counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from wardein.errors import WardeinError
from wardein.evidence import keyless
from wardein.evidence.certificates import Authority
from wardein.evidence.envelope import PAYLOAD_TYPE
from wardein.evidence.keyless import Certified
from wardein.evidence.model_signing import Bundle
from wardein.evidence.trust import TrustedKey, TrustRoot

Holder = TypeVar("Holder", TrustedKey, Authority, Certified)
_CHANGED = "the signature does not hold: it is by another key, or what is signed was changed"


class Untrusted(WardeinError):
    """A bundle that could be read, and that nobody signed who may sign artifacts."""


def signer_of(bundle: Bundle, root: TrustRoot, now: datetime) -> TrustedKey | Authority | Certified:
    """Who of the trust root signed a bundle.

    Args:
        bundle: The bundle.
        root: The trust root; the role ``train`` signs artifacts.
        now: When the certificates have to be valid.

    Raises:
        Untrusted: If nobody did, saying why.
        WardeinError: If that cannot be found out: a listed key has expired, or Sigstore's client is not installed.
    """
    if bundle.keyless:
        keyless.check_installed()
        return _first(root.keyless, "keyless", lambda who: _logged(bundle, who))
    if bundle.chain:
        return _first(root.certificates, "by certificate", lambda who: _certified(bundle, who, now))
    for key in root.keys:
        if "train" in key.roles and bundle.envelope.verified_by(key.key):
            return key
    raise Untrusted("no trusted key with the role 'train' made this signature, or it was changed after signing")


def _first(holders: Sequence[Holder], how: str, fault_of: Callable[[Holder], str]) -> Holder:
    """The first whose signature it is; if there is none, why not, of each."""
    faults = []
    for holder in holders:
        fault = fault_of(holder)
        if not fault:
            return holder
        faults.append(f"{holder.name}: {fault}")
    raise Untrusted(f"is signed {how}, and nobody's of the trust root: {'; '.join(faults) or 'it lists none'}")


def _certified(bundle: Bundle, authority: Authority, now: datetime) -> str:
    try:
        key = authority.key_of(bundle.chain, now)
    except WardeinError as error:
        return str(error)
    return "" if bundle.envelope.verified_by(key) else _CHANGED


def _logged(bundle: Bundle, certified: Certified) -> str:
    try:
        kind, payload = certified.payload_of(bundle.content)
    except WardeinError as error:
        return str(error)
    return "" if (kind, payload) == (PAYLOAD_TYPE, bundle.envelope.payload) else _CHANGED
