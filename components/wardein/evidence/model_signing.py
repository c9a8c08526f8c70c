# SPDX-License-Identifier: Apache-2.0
"""OpenSSF Model Signing (OMS) v1.0 bundles: a Sigstore bundle v0.3 around a DSSE envelope and an in-toto statement.

Written and read from the specification (https://github.com/ossf/model-signing-spec); the model-signing
package is an oracle in the tests. Stricter than the specification asks: nothing is ever ignored, symbolic
links are refused, and only the ``files`` method with sha256 is read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wardein.errors import WardeinError
from wardein.evidence.envelope import PAYLOAD_TYPE, Envelope, parse, seal
from wardein.evidence.statement import read, write
from wardein.jsontext import strict_loads
from wardein.subject import HashedFile, Subject

if TYPE_CHECKING:
    from securesystemslib.signer import Signer

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
SCHEME_OF_CURVES = ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
# A single file has no path inside itself; the reference implementation calls it by this name.
SINGLE_FILE = "."


def sign(name: str, files: Sequence[HashedFile], signer: Signer, *, single: bool) -> bytes:
    """The bundle over an artifact's files.

    Args:
        name: What the artifact is called; its file or folder name.
        files: Every file of it, hashed.
        signer: An elliptic-curve key (P-256, P-384 or P-521): OMS knows no other.
        single: Whether the artifact is one file rather than a folder.

    Raises:
        WardeinError: If the key is of another kind.
    """
    key = signer.public_key
    if key.scheme not in SCHEME_OF_CURVES:
        raise WardeinError(
            f"is {key.scheme}", where="the signing key", mend="OMS v1.0 takes P-256, P-384 or P-521 keys"
        )
    listed = [{"name": SINGLE_FILE if single else f.path, "algorithm": "sha256", "digest": f.digest} for f in files]
    serialization = {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": []}
    subject = Subject(name, root_digest([f.digest for f in files]))
    envelope = seal(write([subject], PREDICATE_TYPE, {"serialization": serialization, "resources": listed}), signer)
    hint = hashlib.sha256(key.keyval["public"].strip().encode() + b"\n").hexdigest()
    material = {"publicKey": {"hint": hint}, "tlogEntries": []}
    bundle = {"mediaType": MEDIA_TYPE, "verificationMaterial": material, "dsseEnvelope": envelope.to_json()}
    return json.dumps(bundle, indent=2).encode() + b"\n"


def open_bundle(path: Path) -> Envelope:
    """The envelope in a bundle.

    Raises:
        WardeinError: If the file is not a Sigstore bundle v0.3 with exactly one DSSE signature.
    """
    data = strict_loads(path.read_bytes(), where=path.name)
    if (
        not isinstance(data, dict)
        or data.get("mediaType") != MEDIA_TYPE
        or not isinstance(data.get("dsseEnvelope"), dict)
    ):
        raise WardeinError(
            f"is not a bundle of type {MEDIA_TYPE}", where=path.name, mend="give the file that sign-artifact wrote"
        )
    envelope = parse(data["dsseEnvelope"], where=path.name)
    if envelope.payload_type != PAYLOAD_TYPE:
        raise WardeinError(f"has the payload type {envelope.payload_type!r}, not {PAYLOAD_TYPE!r}", where=path.name)
    if len(envelope.signatures) != 1:
        raise WardeinError(f"holds {len(envelope.signatures)} signatures, exactly one is expected", where=path.name)
    return envelope


def signed_files(envelope: Envelope) -> dict[str, str]:
    """What a verified envelope says of the artifact: each file's path and sha256.

    Raises:
        WardeinError: If the statement is of another type, method or hash, or contradicts itself.
    """
    statement = read(envelope.payload)
    if statement.predicate_type != PREDICATE_TYPE:
        raise WardeinError(f"is about {statement.predicate_type!r}, not an OMS v1.0 signature", where="the bundle")
    serialization = statement.predicate.get("serialization")
    method = (serialization.get("method"), serialization.get("hash_type")) if isinstance(serialization, dict) else None
    if method != ("files", "sha256"):
        raise WardeinError(
            f"was made by method {method}; only files with sha256 are read",
            where="the bundle",
            mend="sign again by files",
        )
    resources = statement.predicate.get("resources")
    if not isinstance(resources, list) or not resources:
        raise WardeinError("lists no file", where="the bundle")
    files = dict(map(_resource, resources))
    if len(files) != len(resources):
        raise WardeinError("lists a file twice", where="the bundle")
    if [s.digest for s in statement.subject] != [root_digest([d for _, d in map(_resource, resources)])]:
        raise WardeinError("has a root digest that is not that of its files", where="the bundle")
    return files


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
