# SPDX-License-Identifier: Apache-2.0
"""DSSE envelopes (https://github.com/secure-systems-lab/dsse), signed and verified over the raw payload bytes."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wardein.errors import WardeinError
from wardein.jsontext import MAX_BYTES, strict_loads

if TYPE_CHECKING:
    from securesystemslib.signer import Key, Signer

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_ENVELOPES = 1000


@dataclass(frozen=True)
class Envelope:
    """A payload as it was signed, and its signatures as (key id, signature bytes)."""

    payload: bytes
    payload_type: str
    signatures: tuple[tuple[str, bytes], ...]

    @property
    def pae(self) -> bytes:
        """The pre-authentication encoding: what the signatures are over."""
        kind = self.payload_type.encode()
        return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(self.payload), self.payload)

    def verified_by(self, key: Key, keyid: str | None = None) -> bool:
        """Whether a signature by ``key`` holds; with ``keyid`` None, key ids in the envelope are not looked at."""
        from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
        from securesystemslib.signer import Signature

        for claimed, signature in self.signatures:
            if keyid is None or claimed == keyid:
                try:
                    key.verify_signature(Signature(key.keyid, signature.hex()), self.pae)
                except (UnverifiedSignatureError, VerificationError):
                    continue
                return True
        return False

    def to_json(self) -> dict[str, Any]:
        """The envelope as plain JSON values."""
        return {
            "payload": base64.b64encode(self.payload).decode(),
            "payloadType": self.payload_type,
            "signatures": [{"keyid": keyid, "sig": base64.b64encode(sig).decode()} for keyid, sig in self.signatures],
        }

    def to_line(self) -> bytes:
        """The envelope as one line of a claims file."""
        return json.dumps(self.to_json(), separators=(",", ":")).encode() + b"\n"


def seal(payload: bytes, signer: Signer | None) -> Envelope:
    """Put a payload into an envelope; without a signer it has no signature, and no gate will count it."""
    unsigned = Envelope(payload, PAYLOAD_TYPE, ())
    if signer is None:
        return unsigned
    signature = signer.sign(unsigned.pae)
    return Envelope(payload, PAYLOAD_TYPE, ((signature.keyid, bytes.fromhex(signature.signature)),))


def parse(data: Any, where: str = "envelope") -> Envelope:
    """Read an envelope from JSON values.

    Raises:
        WardeinError: If it is not a DSSE envelope, or its base64 is not strict.
    """
    try:
        signatures = tuple((_text(s.get("keyid", "")), _decode(s["sig"])) for s in data["signatures"])
        return Envelope(_decode(data["payload"]), _text(data["payloadType"]), signatures)
    except (KeyError, TypeError, AttributeError, binascii.Error, ValueError):
        raise WardeinError("is not a DSSE envelope", where=where) from None


def read_claims(path: Path) -> Iterator[Envelope | WardeinError]:
    """The envelopes of a claims file, one a line; a line that cannot be read is yielded as its error.

    Raises:
        WardeinError: If the file itself cannot be read, is too large or holds nothing.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise WardeinError(f"is larger than {MAX_BYTES} bytes", where=path.name)
        lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
    except OSError as error:
        raise WardeinError(
            f"cannot be read ({error.strerror})", where=str(path), mend="give the evidence file of a step"
        ) from None
    if not 0 < len(lines) <= MAX_ENVELOPES:
        raise WardeinError(f"holds {len(lines)} lines, 1 to {MAX_ENVELOPES} envelopes are expected", where=path.name)
    for number, line in enumerate(lines, 1):
        where = f"{path.name} line {number}"
        try:
            yield parse(strict_loads(line, where), where)
        except WardeinError as error:
            yield error


def _decode(text: Any) -> bytes:
    return base64.b64decode(_text(text), validate=True)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value
