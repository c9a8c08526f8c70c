# SPDX-License-Identifier: Apache-2.0
"""OpenSSF Model Signing (OMS) v1.0 bundles: a Sigstore bundle v0.3 around a DSSE envelope and an in-toto statement.

Written and read from the specification (https://github.com/ossf/model-signing-spec); the model-signing package is an
oracle in the tests. Stricter than the specification asks: nothing is ever ignored, symbolic links are refused, and only
the ``files`` method with sha256 is read.

What the specification has no place for is an annotation of the statement's subject, which other verifiers skip: the
artifact's name and version, when it was signed, which files may be executed, and which folders are empty.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wardein.errors import WardeinError, is_text
from wardein.evidence.certificates import SCHEMES, parse_chain, to_der
from wardein.evidence.envelope import PAYLOAD_TYPE, Envelope, parse, seal
from wardein.evidence.statement import read, write
from wardein.jsontext import MAX_BYTES, strict_loads
from wardein.subject import Subject, Tree, read_regular

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from securesystemslib.signer import Key, Signer

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
ANNOTATION = "urn:wardein:signed:1"
# A single file has no path inside itself; the reference implementation calls it so, the specification by its own name.
SINGLE_FILE = "."
_KINDS = ("file", "folder")
# More brackets and commas than a signature has, which hides them all in one text, would take much memory to read.
_MOST_VALUES = 10_000
# What the specification leaves out by default, wherever it lies at the top of the folder.
_IGNORED_BY_DEFAULT = {".git", ".gitignore", ".gitattributes", ".github"}


@dataclass(frozen=True)
class Label:
    """What a signer says of an artifact beside its files; empty for nothing."""

    name: str = ""
    version: str = ""
    signed: str = ""


@dataclass(frozen=True)
class Signed:
    """What a verified statement says of an artifact.

    Attributes:
        files: Each file's path and sha256.
        ignored: What the signer left out, as far as the signer says.
        label: Its name, its version and when it was signed, as the signer says.
        executable: The files that may be executed; None where the signer says nothing of that.
        empty: The empty folders; None likewise.
        kind: Whether a ``file`` or a ``folder`` was signed; empty likewise.
        artifact: What the file or folder was called.
    """

    files: Mapping[str, str]
    ignored: tuple[str, ...] = ()
    label: Label = Label()
    executable: frozenset[str] | None = None
    empty: frozenset[str] | None = None
    kind: str = ""
    artifact: str = ""


@dataclass(frozen=True)
class Bundle:
    """A bundle as it was read: nothing of it has been verified.

    Attributes:
        chain: The certificates, the leaf first; empty where it was signed with a bare key.
        keyless: Whether Sigstore certified and logged the signature.
        content: The file itself.
    """

    envelope: Envelope
    chain: tuple[Certificate, ...]
    keyless: bool
    content: bytes


def statement_of(artifact: str, tree: Tree, label: Label) -> bytes:
    """The statement that is signed of an artifact.

    Args:
        artifact: Its file or folder name.
        tree: Its files, hashed.
        label: What to say of it beside.

    Raises:
        WardeinError: If its name cannot be written.
    """
    if not is_text(artifact):
        raise WardeinError("its name is not UTF-8", where="the artifact", mend="rename it")
    names = {file.path: file.path if tree.is_folder else SINGLE_FILE for file in tree.files}
    listed = [{"name": names[f.path], "algorithm": "sha256", "digest": f.digest} for f in tree.files]
    serialization = {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": []}
    said: dict[str, Any] = {"name": label.name, "version": label.version, "signed": label.signed}
    said["kind"] = _KINDS[tree.is_folder]
    said["executable"] = [names[f.path] for f in tree.files if f.executable]
    said["emptyFolders"] = list(tree.empty)
    subject = Subject(artifact, root_digest([f.digest for f in tree.files]))
    predicate = {"serialization": serialization, "resources": listed}
    return write([subject], PREDICATE_TYPE, predicate, {ANNOTATION: said})


def sign(statement: bytes, signer: Signer, chain: Sequence[Certificate] = ()) -> bytes:
    """The bundle over an artifact's statement.

    Args:
        statement: What :func:`statement_of` made.
        signer: A key on P-256, P-384 or P-521, an Ed25519 or an RSA key.
        chain: The certificates of the key, the leaf first; none to sign with the bare key.

    Raises:
        WardeinError: If the key is of another kind.
    """
    key = signer.public_key
    if key.scheme not in SCHEMES:
        mend = "sign artifacts with a key of P-256, P-384, P-521, Ed25519 or RSA"
        raise WardeinError(f"is {key.scheme}", where="the signing key", mend=mend)
    envelope = seal(statement, signer)
    if chain:
        certificates = [{"rawBytes": base64.b64encode(to_der(certificate)).decode()} for certificate in chain]
        method: dict[str, Any] = {"x509CertificateChain": {"certificates": certificates}}
    else:
        method = {"publicKey": {"hint": hashlib.sha256(_pem(key)).hexdigest()}}
    material = method | {"tlogEntries": []}
    bundle = {"mediaType": MEDIA_TYPE, "verificationMaterial": material, "dsseEnvelope": envelope.to_json()}
    return json.dumps(bundle, indent=2).encode() + b"\n"


def check_size(bundle: bytes) -> None:
    """Find out when an artifact is signed that its signature could never be read.

    Raises:
        WardeinError: If the bundle is larger than :func:`open_bundle` reads.
    """
    if len(bundle) > MAX_BYTES:
        mend = "pack the files into fewer, or sign parts of it"
        raise WardeinError(f"has so many files that its signature is over {MAX_BYTES} bytes", "the artifact", mend)


def open_bundle(path: Path) -> Bundle:
    """Read a bundle.

    Raises:
        WardeinError: If it is not a Sigstore bundle v0.3 with exactly one DSSE signature and one way to verify it.
    """
    content = read_regular(path, MAX_BYTES)
    if sum(content.count(sign) for sign in (b"{", b"[", b",")) > _MOST_VALUES:
        raise WardeinError("holds more than a signature does", where=path.name, mend="give what sign-artifact wrote")
    data = strict_loads(content, where=path.name)
    if (
        not isinstance(data, dict)
        or data.get("mediaType") != MEDIA_TYPE
        or not isinstance(data.get("dsseEnvelope"), dict)
    ):
        raise WardeinError(
            f"is not a bundle of type {MEDIA_TYPE}", where=path.name, mend="give the file that sign-artifact wrote"
        )
    envelope = parse(_without_null_keyids(data["dsseEnvelope"]), where=path.name)
    if envelope.payload_type != PAYLOAD_TYPE:
        raise WardeinError(f"has the payload type {envelope.payload_type!r}, not {PAYLOAD_TYPE!r}", where=path.name)
    if len(envelope.signatures) != 1:
        raise WardeinError(f"holds {len(envelope.signatures)} signatures, exactly one is expected", where=path.name)
    said = data.get("verificationMaterial")
    material: dict[str, Any] = said if isinstance(said, dict) else {}
    methods = [name for name in ("publicKey", "x509CertificateChain", "certificate") if name in material]
    if len(methods) != 1 or not isinstance(material[methods[0]], dict):
        raise WardeinError("does not say in one way how it is verified", where=path.name)
    chain: tuple[Certificate, ...] = ()
    if "x509CertificateChain" in material:
        chain = parse_chain(_encoded(material["x509CertificateChain"].get("certificates"), path.name), path.name)
    return Bundle(envelope, chain, "certificate" in material, content)


def signed_in(payload: bytes) -> Signed:
    """What a verified payload says of the artifact.

    Raises:
        WardeinError: If the statement is of another type, method or hash, or contradicts itself.
    """
    statement = read(payload)
    if statement.predicate_type != PREDICATE_TYPE:
        raise WardeinError(f"is about {statement.predicate_type!r}, not an OMS v1.0 signature", where="the bundle")
    serialization = statement.predicate.get("serialization")
    method = (serialization.get("method"), serialization.get("hash_type")) if isinstance(serialization, dict) else None
    if not isinstance(serialization, dict) or method != ("files", "sha256"):
        raise WardeinError(
            f"was made by method {method}; only files with sha256 are read",
            where="the bundle",
            mend="sign again by files",
        )
    resources = statement.predicate.get("resources")
    if not isinstance(resources, list) or not resources:
        raise WardeinError("lists no file", where="the bundle")
    listed = [_resource(item) for item in resources]
    files = dict(listed)
    if len(files) != len(resources):
        raise WardeinError("lists a file twice", where="the bundle")
    if [s.digest for s in statement.subject] != [root_digest([digest for _, digest in listed])]:
        raise WardeinError("has a root digest that is not that of its files", where="the bundle")
    ignored, artifact = _texts(serialization.get("ignore_paths", [])), statement.subject[0].name
    own = statement.annotations.get(ANNOTATION)
    if own is None:
        return Signed(files, ignored, artifact=artifact)
    if not isinstance(own, Mapping):
        raise _unreadable()
    said = {name: own.get(name, "") for name in ("name", "version", "signed")}
    label = Label(*_texts(list(said.values())))
    executable, empty = (frozenset(_texts(own.get(name))) for name in ("executable", "emptyFolders"))
    if executable - set(files):
        raise WardeinError("calls a file executable that it does not list", where="the bundle")
    kind = own.get("kind", "")
    if kind not in ("", *_KINDS):
        raise _unreadable()
    return Signed(files, ignored, label, executable, empty, kind, artifact)


def beyond_default(ignored: Sequence[str]) -> list[str]:
    """What a signer left out beyond what the specification leaves out by default."""
    return sorted(set(ignored) - _IGNORED_BY_DEFAULT)


def root_digest(digests: Sequence[str]) -> str:
    """The OMS v1.0 root digest: sha256 over the concatenated raw digests, in listed order."""
    return hashlib.sha256(b"".join(bytes.fromhex(digest) for digest in digests)).hexdigest()


def _resource(item: Any) -> tuple[str, str]:
    if not isinstance(item, Mapping) or item.get("algorithm") != "sha256":
        raise WardeinError("lists a file without a sha256 digest", where="the bundle")
    name, digest = str(item.get("name", "")), str(item.get("digest", ""))
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise WardeinError(f"the digest of {name!r} is not a lower-case sha256", where="the bundle")
    return name, digest


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or any(not isinstance(item, str) for item in value):
        raise _unreadable()
    return tuple(value)


def _unreadable() -> WardeinError:
    return WardeinError("says something beside its files that cannot be read", where="the bundle")


def _encoded(certificates: Any, where: str) -> list[bytes]:
    try:
        return [base64.b64decode(item["rawBytes"], validate=True) for item in certificates]
    except (KeyError, TypeError, ValueError):
        raise WardeinError("holds what is not a certificate", where=where) from None


def _without_null_keyids(envelope: Mapping[str, Any]) -> Mapping[str, Any]:
    """An envelope as bundles before v1.1 have it as well: no key id there is ``null``."""
    signatures = envelope.get("signatures")
    if not isinstance(signatures, list) or any(not isinstance(item, dict) for item in signatures):
        return envelope
    kept = [{name: v for name, v in item.items() if (name, v) != ("keyid", None)} for item in signatures]
    return {**envelope, "signatures": kept}


def _pem(key: Key) -> bytes:
    """The public key as others would hash it to find it by its hint."""
    public = str(key.keyval["public"])
    if key.keytype == "ed25519":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        raw = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        public = raw.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return public.strip().encode() + b"\n"
