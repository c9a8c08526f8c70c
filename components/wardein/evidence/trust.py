# SPDX-License-Identifier: Apache-2.0
"""The trust root: which keys count, whose they are, for which role, where, and which policy is in force there.

The verifier of each environment gets its own, out of band. It is a JSON file::

    {"version": 1,
     "environment": "prod",
     "policyDigest": "<sha256 of the policy folder>",
     "keys": [{"name": "ci-checks", "identity": "ci@house.example", "roles": ["check"], "keyid": "…",
               "keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": "-----BEGIN PUBLIC KEY…"}}],
     "certificates": [{"name": "house-ca", "identity": "trainer@house.example", "roles": ["train"],
                       "root": "-----BEGIN CERTIFICATE…", "subject": "email:trainer@house.example"}],
     "keyless": [{"name": "ci-workflow", "identity": "ci@house.example", "roles": ["train"],
                  "subject": "https://…/release.yml@refs/heads/main", "issuer": "https://…"}]}

The last two may be left out. They sign artifacts, so ``train`` is the only role that they may have.
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

from wardein.errors import UsageError, WardeinError, missing_extra
from wardein.evidence import openpgp
from wardein.evidence.certificates import Authority
from wardein.evidence.envelope import PAYLOAD_TYPE, Envelope
from wardein.evidence.keyless import Certified
from wardein.evidence.keys import too_few_bits
from wardein.jsontext import strict_loads

if TYPE_CHECKING:
    from securesystemslib.signer import Key, Signer

# Whoever runs the gate can pin the trust root's sha256 in its environment, out of reach of run parameters.
PIN_VARIABLE = "WARDEIN_TRUST_SHA256"
Role = Literal["train", "check", "gate", "approve", "waive", "break-glass", "audit"]
# Separation of duties: no identity may hold roles on both sides.
_APART = (({"check"}, {"gate"}), ({"check", "gate"}, {"approve", "break-glass"}), ({"approve"}, {"break-glass"}))
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")


@dataclass(frozen=True)
class TrustedKey:
    """A public key, what people call it, whose it is, and what its signature may say.

    Attributes:
        identity: The person or service that holds the key; approvals are counted by identity, not by key.
    """

    name: str
    roles: tuple[str, ...]
    key: Key
    identity: str = ""


@dataclass(frozen=True)
class TrustRoot:
    """The trusted keys, the environment that they are trusted for, and the digest of the policy in force.

    Attributes:
        certificates: Who may sign artifacts by certificate.
        keyless: Who may sign artifacts by Sigstore.
    """

    keys: tuple[TrustedKey, ...]
    policy_digest: str
    environment: str
    certificates: tuple[Authority, ...] = ()
    keyless: tuple[Certified, ...] = ()

    @property
    def holders(self) -> tuple[TrustedKey | Authority | Certified, ...]:
        """Everybody whose signatures count for something, however they are made."""
        return (*self.keys, *self.certificates, *self.keyless)

    def signers_of(self, envelope: Envelope) -> tuple[TrustedKey, ...]:
        """The trusted keys that signed an envelope: all of its signatures, or none, count.

        Raises:
            WardeinError: Saying what is wrong: no signature, an unknown key, the same key twice, or one that does
                not hold. One bad signature among good ones means that somebody tampered with the envelope.
        """
        if envelope.payload_type != PAYLOAD_TYPE:
            raise WardeinError(f"the payload type is {envelope.payload_type!r}, not {PAYLOAD_TYPE!r}")
        if not envelope.signatures:
            raise WardeinError("is not signed", mend="run the step with --key")
        listed = {trusted.key.keyid: trusted for trusted in self.keys}
        keyids = [keyid for keyid, _ in envelope.signatures]
        if any(keyid not in listed for keyid in keyids):
            raise WardeinError("is signed by a key that the trust root does not list")
        if len(set(keyids)) != len(keyids):
            raise WardeinError("is signed twice by the same key")
        for keyid in keyids:
            if not envelope.verified_by(listed[keyid].key, keyid):
                name = listed[keyid].name
                raise WardeinError(f"the signature of {name} does not hold: the content was changed after signing")
        return tuple(listed[keyid] for keyid in keyids)

    def signer_of(self, envelope: Envelope, *roles: Role) -> TrustedKey:
        """The trusted key with one of these roles that signed the envelope.

        Raises:
            WardeinError: As :meth:`signers_of`, or if none of the signers has such a role.
        """
        return with_role(self.signers_of(envelope), *roles)


def with_role(signers: Sequence[TrustedKey], *roles: Role) -> TrustedKey:
    """The first signer with one of these roles.

    Raises:
        WardeinError: If none of them has one.
    """
    for signer in signers:
        if set(roles) & set(signer.roles):
            return signer
    first, needed = signers[0], " or ".join(map(repr, roles))
    raise WardeinError(f"is signed by {first.name}, whose roles ({', '.join(first.roles)}) do not include {needed}")


def holder_of(root: TrustRoot, signer: Signer, *roles: Role) -> TrustedKey:
    """The trusted key with one of these roles that a signer holds.

    Raises:
        UsageError: If there is none: whatever it signs would not count.
    """
    for trusted in root.keys:
        if trusted.key.keyid == signer.public_key.keyid and set(roles) & set(trusted.roles):
            return trusted
    named = " or ".join(roles)
    raise UsageError(f"is no key that the trust root lists with the role {named}", where="--key")


def load(path: Path) -> TrustRoot:
    """Read a trust root.

    Raises:
        WardeinError: If it cannot be read, is not the one that is pinned, a key is malformed or cannot be of the kind
            that it says, a role is unknown, or one identity holds roles that must be apart.
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
    if pinned is not None and not re.fullmatch(r"[0-9a-f]{64}", pinned):
        mend = "set it to the 64 digits that sha256sum prints, without the file's name"
        raise WardeinError("is not a lower-case sha256", where=PIN_VARIABLE, mend=mend)
    if pinned is not None and hashlib.sha256(content).hexdigest() != pinned:
        raise WardeinError(f"is not the trust root that {PIN_VARIABLE} pins", where=path.name)
    data = strict_loads(content, where=path.name)
    try:
        if data["version"] != 1:
            raise WardeinError(f"version {data['version']!r} is not 1", where=path.name)
        keys = tuple(
            TrustedKey(
                _name(item["name"]),
                _roles(item["roles"]),
                Key.from_dict(
                    item["keyid"], {"keytype": item["keytype"], "scheme": item["scheme"], "keyval": item["keyval"]}
                ),
                _name(item.get("identity", item["name"])),
            )
            for item in data["keys"]
        )
        if not re.fullmatch(r"[0-9a-f]{64}", str(data["policyDigest"])):
            mend = "paste the 64 digits that `wardein show POLICY` prints, without sha256:"
            raise WardeinError("policyDigest is not a lower-case sha256", where=path.name, mend=mend)
        certificates = tuple(
            Authority(*_train(item), item["root"], item["subject"]) for item in _listed(data, "certificates")
        )
        for authority in certificates:
            authority.check()
        keyless = tuple(
            Certified(*_train(item), _text(item["subject"]), _text(item["issuer"])) for item in _listed(data, "keyless")
        )
        root = TrustRoot(keys, data["policyDigest"], _name(data["environment"]), certificates, keyless)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WardeinError(
            f"is not a trust root ({type(error).__name__}: {error})", where=path.name, mend="see docs/trust.md"
        ) from None
    for trusted in keys:
        _can_verify(trusted, path.name)
    _separate(root, path.name)
    return root


def dump(keys: Sequence[TrustedKey], policy_digest: str, environment: str) -> bytes:
    """The trust root as JSON."""
    listed: list[Mapping[str, Any]] = [
        {
            "name": k.name,
            "identity": k.identity or k.name,
            "roles": list(k.roles),
            "keyid": k.key.keyid,
            **k.key.to_dict(),
        }
        for k in keys
    ]
    root = {"version": 1, "environment": environment, "policyDigest": policy_digest, "keys": listed}
    return json.dumps(root, indent=2).encode() + b"\n"


def _roles(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or any(role not in get_args(Role) for role in value):
        raise ValueError(f"roles {value!r}: each must be one of {', '.join(get_args(Role))}")
    return tuple(value)


def _listed(data: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = data.get(name, [])
    if not isinstance(found, list):
        raise TypeError(f"{name} is not a list")
    return found


def _train(item: Mapping[str, Any]) -> tuple[str, str, tuple[str, ...]]:
    """Name, identity and roles of who signs without a listed key; nothing but artifacts is signed so."""
    if (roles := _roles(item["roles"])) != ("train",):
        raise ValueError(f"{item['name']!r} may have the role train only")
    return _name(item["name"]), _name(item.get("identity", item["name"])), roles


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("a subject or an issuer is not a text")
    return value


def _name(value: Any) -> str:
    """A name that can stand in a report, a path or a terminal without meaning anything there."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(f"{value!r} is not a name of letters, digits and . _ @ + -")
    return value


def _can_verify(trusted: TrustedKey, where: str) -> None:
    """A key whose material is not of the kind and scheme that it claims would fail later, as if evidence were bad."""
    from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
    from securesystemslib.signer import GPGKey, Signature

    try:
        if isinstance(trusted.key, GPGKey):
            openpgp.check(trusted.key)
        else:
            trusted.key.verify_signature(Signature(trusted.key.keyid, "00"), b"")
    except (VerificationError, WardeinError) as error:  # first: it is a kind of the next
        why = f"{trusted.key.keytype}/{trusted.key.scheme}: {error.__cause__ or error}"
        raise WardeinError(f"the key of {trusted.name} is not what it says it is ({why})", where=where) from None
    except UnverifiedSignatureError:
        pass
    if bits := too_few_bits(trusted.key):
        raise WardeinError(
            f"the key of {trusted.name} is an RSA key of {bits} bits, too few to be believed", where=where
        )


def _separate(root: TrustRoot, where: str) -> None:
    """Separation of duties: who checks does not decide, who decides does not approve, and no key is listed twice."""
    materials = [json.dumps(k.key.to_dict()["keyval"], sort_keys=True) for k in root.keys]
    names = [holder.name for holder in root.holders]
    for trusted, material in zip(root.keys, materials, strict=True):
        if materials.count(material) > 1 or sum(k.key.keyid == trusted.key.keyid for k in root.keys) > 1:
            raise WardeinError(f"lists the key of {trusted.name} twice", where=where)
    for holder in root.holders:
        if names.count(holder.name) > 1:
            raise WardeinError(f"has two keys of the name {holder.name}", where=where)
        held = {role for k in root.holders if k.identity == holder.identity for role in k.roles}
        for one, other in _APART:
            if one & held and other & held:
                both = f"{sorted(one & held)[0]} and {sorted(other & held)[0]}"
                raise WardeinError(f"gives {holder.identity} the roles {both}; nobody may hold both", where=where)
