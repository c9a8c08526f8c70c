# SPDX-License-Identifier: Apache-2.0
"""The trust root: which keys count, for which role, and which policy is in force.

The verifier gets it out of band. It is a JSON file::

    {"version": 1,
     "policyDigest": "<sha256 of the policy folder>",
     "keys": [{"name": "ci-checks", "roles": ["check"], "keyid": "…", "keytype": "ecdsa",
               "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": "-----BEGIN PUBLIC KEY-----…"}}]}
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from wardein.errors import WardeinError, missing_extra
from wardein.evidence.envelope import PAYLOAD_TYPE, Envelope
from wardein.jsontext import strict_loads

if TYPE_CHECKING:
    from securesystemslib.signer import Key

# Whoever runs the gate can pin the trust root's sha256 in its environment, out of reach of run parameters.
PIN_VARIABLE = "WARDEIN_TRUST_SHA256"
Role = Literal["train", "check", "gate", "approve"]


@dataclass(frozen=True)
class TrustedKey:
    """A public key, what people call it, and what its signature may say."""

    name: str
    roles: tuple[str, ...]
    key: Key


@dataclass(frozen=True)
class TrustRoot:
    """The trusted keys and the digest of the policy in force."""

    keys: tuple[TrustedKey, ...]
    policy_digest: str

    def signer_of(self, envelope: Envelope, role: Role) -> TrustedKey:
        """The trusted key with this role whose signature on the envelope holds.

        Raises:
            WardeinError: Saying which of the steps failed: no signature, unknown key, wrong role, bad signature.
        """
        if envelope.payload_type != PAYLOAD_TYPE:
            raise WardeinError(f"the payload type is {envelope.payload_type!r}, not {PAYLOAD_TYPE!r}")
        if not envelope.signatures:
            raise WardeinError("is not signed", mend="run the step with --key")
        known = [k for k in self.keys if any(k.key.keyid == keyid for keyid, _ in envelope.signatures)]
        if not known:
            raise WardeinError("is signed by a key that the trust root does not list")
        holding = [k for k in known if envelope.verified_by(k.key, k.key.keyid)]
        if not holding:
            raise WardeinError(f"the signature of {known[0].name} does not hold: the content was changed after signing")
        for trusted in holding:
            if role in trusted.roles:
                return trusted
        raise WardeinError(
            f"is signed by {holding[0].name}, whose roles ({', '.join(holding[0].roles)}) do not include {role!r}"
        )


def load(path: Path) -> TrustRoot:
    """Read a trust root.

    Raises:
        WardeinError: If it cannot be read, a key is malformed, a role unknown, or one key holds both check and gate.
    """
    try:
        from securesystemslib.signer import Key
    except ModuleNotFoundError:
        raise missing_extra("securesystemslib", "sign") from None
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WardeinError(
            f"cannot be read ({error.strerror})", where=str(path), mend="wardein init DIR makes one for trying out"
        ) from None
    pinned = os.environ.get(PIN_VARIABLE)
    if pinned is not None and hashlib.sha256(content).hexdigest() != pinned:
        raise WardeinError(f"is not the trust root that {PIN_VARIABLE} pins", where=path.name)
    data = strict_loads(content, where=path.name)
    try:
        if data["version"] != 1:
            raise WardeinError(f"version {data['version']!r} is not 1", where=path.name)
        keys = tuple(
            TrustedKey(
                str(item["name"]),
                _roles(item["roles"]),
                Key.from_dict(
                    item["keyid"], {"keytype": item["keytype"], "scheme": item["scheme"], "keyval": item["keyval"]}
                ),
            )
            for item in data["keys"]
        )
        if not re.fullmatch(r"[0-9a-f]{64}", str(data["policyDigest"])):
            mend = "paste the 64 digits that `wardein show POLICY` prints, without sha256:"
            raise WardeinError("policyDigest is not a lower-case sha256", where=path.name, mend=mend)
        root = TrustRoot(keys, data["policyDigest"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WardeinError(
            f"is not a trust root ({type(error).__name__}: {error})", where=path.name, mend="see docs/trust.md"
        ) from None
    _separate(root, path.name)
    return root


def dump(keys: Sequence[TrustedKey], policy_digest: str) -> bytes:
    """The trust root as JSON."""
    listed: list[Mapping[str, Any]] = [
        {"name": k.name, "roles": list(k.roles), "keyid": k.key.keyid, **k.key.to_dict()} for k in keys
    ]
    return json.dumps({"version": 1, "policyDigest": policy_digest, "keys": listed}, indent=2).encode() + b"\n"


def _roles(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or any(role not in get_args(Role) for role in value):
        raise ValueError(f"roles {value!r}: each must be one of {', '.join(get_args(Role))}")
    return tuple(value)


def _separate(root: TrustRoot, where: str) -> None:
    """Separation of duties: who checks does not decide, and no key is listed twice."""
    materials = [json.dumps(k.key.to_dict()["keyval"], sort_keys=True) for k in root.keys]
    for trusted, material in zip(root.keys, materials, strict=True):
        if materials.count(material) > 1 or sum(k.key.keyid == trusted.key.keyid for k in root.keys) > 1:
            raise WardeinError(f"lists the key of {trusted.name} twice", where=where)
        if {"check", "gate"} <= set(trusted.roles):
            raise WardeinError(f"gives {trusted.name} the roles check and gate; no key may hold both", where=where)
