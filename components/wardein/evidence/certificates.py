# SPDX-License-Identifier: Apache-2.0
"""Certificate chains: whose key a leaf's is, by a root that the trust root names and by no other.

A chain holds at the time it is looked at: every certificate of it, the root included, has to be valid now. The time
that a signer writes into a bundle is only a claim, which the thief of an expired key makes as well. Who wants a
signature to outlive its certificates signs again, or uses bare keys, which the trust root ends. Nothing is fetched, so
nobody is asked about revocation: whoever revokes takes the identity out of the trust root. The system's own roots never
count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from wardein.errors import WardeinError
from wardein.subject import read_regular

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, ExtendedKeyUsage, KeyUsage
    from cryptography.x509.verification import ExtensionPolicy, Policy
    from securesystemslib.signer import Key, Signer

MOST_CERTIFICATES = 8
_MOST_BYTES = 256 * 1024
_SMALLEST_RSA = 2048
_CURVES = tuple(f"ecdsa-sha2-nistp{bits}" for bits in (256, 384, 521))
_RSA = tuple(f"{padding}-sha{bits}" for padding in ("rsassa-pss", "rsa-pkcs1v15") for bits in (256, 384, 512))
# What signs artifacts. The OMS specification demands the curves; the others are those of the registry it refers to.
SCHEMES = (*_CURVES, "ed25519", *_RSA)
_KINDS = ("email", "uri", "dns", "dn")


@dataclass(frozen=True)
class Authority:
    """Whose signatures count by certificate: one subject, certified below one root.

    Attributes:
        name: What people call this entry of the trust root.
        identity: The person or service that the subject stands for.
        roles: What its signatures may say.
        root: The certificate (PEM) that every chain has to end at; it may be an intermediate one.
        subject: What the leaf has to be certified as: ``email:``, ``uri:`` or ``dns:`` and a subject alternative name,
            or ``dn:`` and the whole distinguished name as RFC 4514 writes it.
    """

    name: str
    identity: str
    roles: tuple[str, ...]
    root: str
    subject: str

    def check(self) -> None:
        """Find out when the trust root is read that an entry could never count.

        Raises:
            ValueError: If the root is no certificate, or none that a chain can end at, or the subject is of no known
                kind.
        """
        from cryptography import x509

        kind, colon, value = self.subject.partition(":")
        if not colon or kind not in _KINDS or not value:
            raise ValueError(f"the subject {self.subject[:80]!r} is none of {', '.join(k + ':…' for k in _KINDS)}")
        try:
            found = [_whole(one) for one in x509.load_pem_x509_certificates(self.root.encode())]
        except _unreadable():
            found = []
        if len(found) != 1:
            raise ValueError("the root is not one certificate")
        try:
            _may_anchor(found[0])
        except _unreadable() as error:
            raise ValueError(f"no chain can end at the root of {self.name}: {error}") from None

    def key_of(self, chain: Sequence[Certificate], now: datetime) -> Key:
        """The public key of the leaf of a chain, if the chain holds and the leaf is whose it has to be.

        Raises:
            WardeinError: Saying why not.
        """
        from cryptography import x509

        leaf, root = chain[0], x509.load_pem_x509_certificate(self.root.encode())
        if why := _why_not_below(root, chain, now):
            raise WardeinError(f"its certificate does not hold below the root of {self.name}: {why}")
        if self.subject not in subjects_of(leaf):
            raise WardeinError(f"its certificate is not for {self.subject}, as {self.name} has to be")
        return _strong_key(leaf)


def _why_not_below(root: Certificate, chain: Sequence[Certificate], now: datetime) -> str:
    """Why a chain does not lead from its first certificate to a root; empty if it does.

    Raises:
        WardeinError: If a certificate is not valid now.
    """
    from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

    for certificate in (*chain, root):
        _check_valid(certificate, now)
    if constrained := next((one for one in (*chain, root) if _constrains_names(one)), None):
        return f"{_shown(constrained)} has name constraints on directory names, which cannot be compared"
    signs, certifies = _demands(root)
    policy = PolicyBuilder().store(Store([root])).time(now).max_chain_depth(MOST_CERTIFICATES)
    policy = policy.extension_policies(ca_policy=certifies, ee_policy=signs)
    try:
        policy.build_client_verifier().verify(chain[0], list(chain[1:]))
    except VerificationError as error:
        return str(error).removeprefix("validation failed: ").partition(" (encountered")[0][:200]
    return ""


def subjects_of(leaf: Certificate) -> set[str]:
    """What a certificate certifies its key as, each as a trust root names it."""
    from cryptography import x509

    found = {f"dn:{leaf.subject.rfc4514_string()}"}
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return found
    kinds: tuple[tuple[str, type[x509.GeneralName]], ...] = (
        ("email", x509.RFC822Name),
        ("uri", x509.UniformResourceIdentifier),
        ("dns", x509.DNSName),
    )
    return found | {f"{kind}:{name.value}" for kind, of in kinds for name in names if isinstance(name, of)}


def parse_chain(encoded: Sequence[bytes], where: str) -> tuple[Certificate, ...]:
    """Read a chain of DER certificates, the leaf first.

    Raises:
        WardeinError: If there is none, there are too many, or one is not a certificate.
    """
    from cryptography import x509

    if not 0 < len(encoded) <= MOST_CERTIFICATES:
        raise WardeinError(f"holds {len(encoded)} certificates, 1 to {MOST_CERTIFICATES} are expected", where=where)
    try:
        return tuple(_whole(x509.load_der_x509_certificate(content)) for content in encoded)
    except _unreadable():
        raise WardeinError("holds what is not a certificate", where=where) from None


def read_chain(path: Path, signer: Signer, now: datetime) -> tuple[Certificate, ...]:
    """Read a chain to sign with: the signer's own certificate first, then those that lead to the root.

    Raises:
        WardeinError: If it is not of PEM certificates, is not of the signer's key, cannot sign, is not valid now, or
            one certificate is not issued by the next.
    """
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.serialization import Encoding

    mend = "give a PEM file with the certificate of --signer first, then its issuers in order"
    try:
        found = x509.load_pem_x509_certificates(read_regular(path, _MOST_BYTES))
    except _unreadable():
        raise WardeinError("is not a file of PEM certificates", where=path.name, mend=mend) from None
    chain = parse_chain([certificate.public_bytes(Encoding.DER) for certificate in found], path.name)
    for certificate in chain:
        _check_valid(certificate, now)
    for certificate, issuer in zip(chain, chain[1:], strict=False):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            what = f"{_shown(certificate)} is not issued by the certificate after it"
            raise WardeinError(what, where=path.name, mend=mend) from None
    if _strong_key(chain[0]).keyval != signer.public_key.keyval:
        raise WardeinError("its first certificate is of another key than --signer", where=path.name, mend=mend)
    usages = {type(extension.value): extension.value for extension in chain[0].extensions}
    try:
        _may_sign(None, chain[0], usages.get(x509.KeyUsage))
        _for_code(None, chain[0], usages.get(x509.ExtendedKeyUsage))
    except ValueError as error:
        raise WardeinError(str(error), where=path.name, mend="have one issued for code signing") from None
    if len(chain) > 1 and (why := _why_not_below(chain[-1], chain[:-1], now)):
        raise WardeinError(f"could not be verified: {why}", where=path.name, mend=mend)
    return chain


def to_der(certificate: Certificate) -> bytes:
    """A certificate as a bundle holds it."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)


def _demands(root: Certificate) -> tuple[ExtensionPolicy, ExtensionPolicy]:
    """What a leaf has to be certified for, and what those above it; nothing holds with a critical unknown extension."""
    from cryptography import x509
    from cryptography.x509.verification import Criticality, ExtensionPolicy

    either = Criticality.AGNOSTIC
    signs = ExtensionPolicy.permit_all()
    signs = signs.require_present(x509.KeyUsage, either, _may_sign)
    signs = signs.require_present(x509.ExtendedKeyUsage, either, _for_code)
    certifies = ExtensionPolicy.webpki_defaults_ca().may_be_present(x509.ExtendedKeyUsage, either, _allows_code)

    def may_certify(policy: Policy | None, certificate: Certificate, usage: KeyUsage | None) -> None:
        if usage is None and certificate != root:  # a root may leave it out, as it is trusted for itself
            raise ValueError("its key usage is missing")
        _may_certify(usage)

    certifies = certifies.may_be_present(x509.KeyUsage, either, may_certify)
    return signs, certifies


def _may_sign(policy: Policy | None, certificate: Certificate, usage: KeyUsage | None) -> None:
    if usage is None or not usage.digital_signature:
        raise ValueError("its key usage is not digitalSignature")


def _may_certify(usage: KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("its key usage is not keyCertSign")


def _may_anchor(root: Certificate) -> None:
    """Find out of a root alone that no chain below it could hold."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    said = {type(extension.value): extension.value for extension in root.extensions}
    basic = said.get(x509.BasicConstraints)
    if basic is None or not basic.ca:
        raise ValueError("it is not the certificate of an authority (basicConstraints CA)")
    _may_certify(said.get(x509.KeyUsage))
    key = root.public_key()
    if not isinstance(key, (EllipticCurvePublicKey, RSAPublicKey)):
        raise ValueError("its key is neither of an elliptic curve nor RSA")
    if isinstance(key, RSAPublicKey) and key.key_size < _SMALLEST_RSA:
        raise ValueError(f"its RSA key has {key.key_size} bits")
    if _constrains_names(root):
        raise ValueError("it has name constraints on directory names, which cannot be compared")


def _constrains_names(certificate: Certificate) -> bool:
    """Whether it constrains directory names: the verifier skips these where they are not critical."""
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return False
    names = [*(found.permitted_subtrees or ()), *(found.excluded_subtrees or ())]
    return any(isinstance(name, x509.DirectoryName) for name in names)


def _unreadable() -> tuple[type[Exception], ...]:
    """What is raised for what is no certificate."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    return (
        ValueError,
        TypeError,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
        x509.DuplicateExtension,
        UnsupportedAlgorithm,
    )


def _for_code(policy: Policy | None, certificate: Certificate, usage: ExtendedKeyUsage | None) -> None:
    from cryptography.x509.oid import ExtendedKeyUsageOID

    if usage is None or ExtendedKeyUsageOID.CODE_SIGNING not in usage:
        raise ValueError("its extended key usage is not codeSigning")


def _allows_code(policy: Policy | None, certificate: Certificate, usage: ExtendedKeyUsage | None) -> None:
    from cryptography.x509.oid import ExtendedKeyUsageOID

    if usage is not None and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in usage:
        _for_code(policy, certificate, usage)


def _check_valid(certificate: Certificate, now: datetime) -> None:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > ends:
        raise WardeinError(f"its certificate {_shown(certificate)} expired on {ends:%Y-%m-%d}")
    if now < begins:
        raise WardeinError(f"its certificate {_shown(certificate)} is not valid before {begins:%Y-%m-%d}")


def _strong_key(leaf: Certificate) -> Key:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from securesystemslib.signer import SSlibKey

    try:
        public = leaf.public_key()
        weak = isinstance(public, RSAPublicKey) and public.key_size < _SMALLEST_RSA
        key = SSlibKey.from_crypto(public)  # a kind that it does not know is a ValueError
    except (ValueError, UnsupportedAlgorithm):
        raise WardeinError(f"the key of {_shown(leaf)} is of a kind that cannot sign artifacts") from None
    if weak or key.scheme not in SCHEMES:
        raise WardeinError(f"the key of {_shown(leaf)} is too weak, or of a kind that cannot sign artifacts")
    return key


def _whole(certificate: Certificate) -> Certificate:
    """A certificate whose parts can all be read: they are read lazily, where nobody expects an error."""
    _ = certificate.extensions, certificate.subject, certificate.not_valid_after_utc
    return certificate


def _shown(certificate: Certificate) -> str:
    return certificate.subject.rfc4514_string()[:100] or "without a subject"
