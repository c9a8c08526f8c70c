# SPDX-License-Identifier: Apache-2.0
"""A stand-in for HashiCorp Vault's transit engine. It is not Vault, and proves nothing about Vault itself.

It answers the two calls that signing makes, in the form of Vault's HTTP API documentation, with real keys and real
signatures: read a key, and sign by its latest defaults (SHA-256; ASN.1 for ECDSA; PSS with the longest salt for RSA).
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MAKE = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ecdsa-p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
}


@dataclass
class TransitKey:
    """A named key with versions from 1."""

    type: str
    versions: list[Any] = field(default_factory=list)

    def rotate(self) -> None:
        self.versions.append(MAKE[self.type]())

    def public(self, version: int) -> str:
        key = self.versions[version - 1].public_key()
        if self.type == "ed25519":
            return base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, version: int, data: bytes) -> bytes:
        key = self.versions[version - 1]
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(data)
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(data, padding.PSS(padding.MGF1(SHA256()), padding.PSS.MAX_LENGTH), SHA256())
        return key.sign(data, ec.ECDSA(SHA256()))


@dataclass
class StandIn:
    """The server's address, the one token that it takes, its keys, how many signatures it made, and how it misbehaves.

    Attributes:
        silent: It takes calls and never answers.
        refuse_after: It refuses to sign after so many signatures; 0 for never.
    """

    address: str
    token: str
    keys: Mapping[str, TransitKey]
    signed: int = 0
    silent: bool = False
    refuse_after: int = 0


class _Handler(BaseHTTPRequestHandler):
    """The API, for the stand-in that its server carries."""

    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, code: int, body: Mapping[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self) -> None:
        if key := self.admitted("keys"):
            numbers = range(1, len(key.versions) + 1)
            versions = {str(n): {"public_key": key.public(n), "name": key.type} for n in numbers}
            self.answer(200, {"data": {"type": key.type, "keys": versions, "latest_version": len(key.versions)}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if key := self.admitted("sign"):
            version = body.get("key_version") or len(key.versions)
            if not 1 <= version <= len(key.versions):
                self.answer(400, {"errors": ["requested version for signing is higher than the latest key version"]})
                return
            self.server.standin.signed += 1
            made = base64.b64encode(key.sign(version, base64.b64decode(body["input"]))).decode()
            self.answer(200, {"data": {"signature": f"vault:v{version}:{made}", "key_version": version}})

    do_PUT = do_POST

    def admitted(self, verb: str) -> TransitKey | None:
        """The key that the path names, if the token is right; else the refusal has been answered."""
        standin, token = self.server.standin, self.headers.get("X-Vault-Token")
        if standin.silent:
            self.server.stopped.wait(30)
            return None
        spent = verb == "sign" and 0 < standin.refuse_after <= standin.signed
        if spent or token != standin.token:
            # Real services repeat what they are given; the token in the answer is a canary.
            self.answer(403, {"errors": [f"permission denied for {token}"]})
            return None
        match = re.fullmatch(rf"/v1/transit/{verb}/([A-Za-z0-9._-]+)", self.path)
        key = standin.keys.get(match[1]) if match else None
        if key is None:
            self.answer(404, {"errors": []})
        return key


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    standin: StandIn

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stopped = threading.Event()


@contextmanager
def serving(token: str, **types: str) -> Iterator[StandIn]:
    """Serve one key of each name and type, with one version each, on a free port of this machine."""
    keys = {name: TransitKey(type_) for name, type_ in types.items()}
    for key in keys.values():
        key.rotate()
    server = _Server()
    server.standin = StandIn(f"http://127.0.0.1:{server.server_port}", token, keys)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.standin
    finally:
        server.stopped.set()
        server.shutdown()
        server.server_close()
