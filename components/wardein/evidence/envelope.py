# SPDX-License-Identifier: Apache-2.0
"""DSSE envelopes (https://github.com/secure-systems-lab/dsse), signed and verified over the raw payload bytes."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wardein.errors import WardeinError
from wardein.evidence import openpgp
from wardein.jsontext import MAX_BYTES, strict_loads
from wardein.subject import read_regular

if TYPE_CHECKING:
    from securesystemslib.signer import Key, Signer

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_ENVELOPES = 1000
MAX_SIGNATURES = 16  # of one envelope
_HEX = re.compile(r"(?:[0-9a-f]{2}){6,2048}")


@dataclass(frozen=True)
class Envelope:
    """A payload as it was signed, and its signatures as (key id, signature bytes).

    Attributes:
        other_headers: By key id, what an OpenPGP signature was made over beside the payload (hex); only GnuPG keys
            have it. It is securesystemslib's member of this name.
    """

    payload: bytes
    payload_type: str
    signatures: tuple[tuple[str, bytes], ...]
    other_headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def pae(self) -> bytes:
        """The pre-authentication encoding: what the signatures are over."""
        kind = self.payload_type.encode()
        return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(self.payload), self.payload)

    def verified_by(self, key: Key, keyid: str | None = None) -> bool:
        """Whether a signature by ``key`` holds; with ``keyid`` None, key ids in the envelope are not looked at.

        Raises:
            WardeinError: If it would hold, but the key is a GnuPG key that has expired, or that does not say until
                when it is valid.
        """
        claims = [item for item in self.signatures if keyid is None or item[0] == keyid]
        return any(holds(key, value, self.pae, self.other_headers.get(claimed, "")) for claimed, value in claims)

    def signed_by(self, signer: Signer) -> Envelope:
        """The envelope with one more signature, over the same bytes."""
        made = signer.sign(self.pae)
        headers = made.unrecognized_fields.get("other_headers")
        return replace(
            self,
            signatures=(*self.signatures, (made.keyid, bytes.fromhex(made.signature))),
            other_headers={**self.other_headers, **({made.keyid: headers} if headers else {})},
        )

    def to_json(self) -> dict[str, Any]:
        """The envelope as plain JSON values."""
        signatures = []
        for keyid, value in self.signatures:
            headers = {"other_headers": self.other_headers[keyid]} if keyid in self.other_headers else {}
            signatures.append({"keyid": keyid, "sig": base64.b64encode(value).decode(), **headers})
        payload = base64.b64encode(self.payload).decode()
        return {"payload": payload, "payloadType": self.payload_type, "signatures": signatures}

    def to_line(self) -> bytes:
        """The envelope as one line of a claims file."""
        return json.dumps(self.to_json(), separators=(",", ":")).encode() + b"\n"


def holds(key: Key, signature: bytes, data: bytes, other_headers: str = "") -> bool:
    """Whether a signature over some bytes is by a key.

    The key's own scheme decides how: nothing in an envelope can name another algorithm.

    Raises:
        WardeinError: As :meth:`Envelope.verified_by`.
    """
    from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
    from securesystemslib.signer import GPGKey, Signature

    if isinstance(key, GPGKey):
        return openpgp.holds(key, signature, data, other_headers)
    if other_headers:
        return False  # no other kind of key signs headers, so somebody added them
    try:
        key.verify_signature(Signature(key.keyid, signature.hex()), data)
    except (UnverifiedSignatureError, VerificationError):
        return False
    return True


def seal(payload: bytes, signer: Signer | None) -> Envelope:
    """Put a payload into an envelope; without a signer it has no signature, and no gate will count it.

    Raises:
        WardeinError: If the key, or the service that holds it, cannot sign.
    """
    unsigned = Envelope(payload, PAYLOAD_TYPE, ())
    return unsigned if signer is None else unsigned.signed_by(signer)


def parse(data: Any, where: str = "envelope") -> Envelope:
    """Read an envelope from JSON values.

    Raises:
        WardeinError: If it is not a DSSE envelope, its base64 is not strict, or it has more than 16 signatures.
    """
    try:
        if len(data["signatures"]) > MAX_SIGNATURES:
            raise WardeinError(f"holds more than {MAX_SIGNATURES} signatures", where=where)
        signatures = tuple((_text(s.get("keyid", "")), _decode(s["sig"])) for s in data["signatures"])
        headers = {s.get("keyid", ""): _hex(s["other_headers"]) for s in data["signatures"] if "other_headers" in s}
        return Envelope(_decode(data["payload"]), _text(data["payloadType"]), signatures, headers)
    except (KeyError, TypeError, AttributeError, binascii.Error, ValueError):
        raise WardeinError("is not a DSSE envelope", where=where) from None


def read_claims(path: Path) -> Iterator[Envelope | WardeinError]:
    """The envelopes of a claims file, one a line; a line that cannot be read is yielded as its error.

    Raises:
        WardeinError: If the file itself cannot be read, is too large or holds nothing.
    """
    try:
        content = read_regular(path, MAX_BYTES)
    except OSError as error:
        raise WardeinError(
            f"cannot be read ({error.strerror})", where=str(path), mend="give the evidence file of a step"
        ) from None
    lines = [line for line in content.split(b"\n") if line.strip()]
    if not 0 < len(lines) <= MAX_ENVELOPES:
        raise WardeinError(f"holds {len(lines)} lines, 1 to {MAX_ENVELOPES} envelopes are expected", where=path.name)
    for number, line in enumerate(lines, 1):
        where = f"{path.name} line {number}"
        try:
            yield parse(strict_loads(line, where), where)
        except WardeinError as error:
            yield error


def _decode(text: Any) -> bytes:
    content = base64.b64decode(_text(text), validate=True)
    if base64.b64encode(content).decode() != text:  # bits after the last byte, which the decoder ignores
        raise ValueError("not the one way to write these bytes")
    return content


def _hex(value: Any) -> str:
    if not _HEX.fullmatch(_text(value)):
        raise ValueError("not lower-case hex of a sensible length")
    return str(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    value.encode()  # half a surrogate pair can be neither signed nor shown
    return value
